// Any bytes as the contents of a data block: every walk ends in OK, END, NOT_FOUND, CORRUPT or
// NEWER_FORMAT. The checksum, which random bytes would never pass, is put right first, so that also
// the decoder behind it is reached. The first bytes choose the compression byte and the key.
#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/format.h"
#include "engine/table/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NUMBER = 7, OFFSET = 4096, CONTENTS_MAX = 1 << 16, STEPS_MAX = 1000 };

static void expect(int status)
{
    ENSURE(status == OK || status == END || status == NOT_FOUND || status == CORRUPT ||
           status == NEWER_FORMAT);
}

static void walk(struct slice contents, struct slice key)
{
    struct entry entry;
    struct slice value;
    expect(block_get(contents, key, UINT64_MAX, &entry));
    expect(block_find(contents, key, &value));
    struct block_cursor c = {0};
    int status = block_cursor_init(&c, contents);
    expect(status);
    if (status == OK) {
        int steps = 0;
        for (status = block_cursor_first(&c); status == OK && steps < STEPS_MAX; steps++)
            status = block_cursor_next(&c);
        expect(status);
        for (status = block_cursor_last(&c), steps = 0; status == OK && steps < STEPS_MAX; steps++)
            status = block_cursor_prev(&c);
        expect(status);
        status = block_cursor_seek(&c, key, 5);
        expect(status);
        if (status == OK)
            expect(block_cursor_prev(&c));
    }
    block_cursor_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8)
        return 0;
    struct slice key = slice_of(data + 2, 4);
    struct slice body = slice_of(data + 6, size - 6);
    uint8_t *stored = xmalloc(body.len + BLOCK_TRAILER_SIZE);
    memcpy(stored, body.data, body.len);
    uint8_t *trailer = stored + body.len;
    put_le32(trailer, data[0] & 3);
    put_le32(trailer + 4, (data[0] & 3) == 0 ? (uint32_t)body.len : (uint32_t)data[1] * 64);
    put_le64(trailer + 8, checksum64(stored, body.len + 8, block_seed(NUMBER, OFFSET)));
    uint8_t *contents;
    size_t len;
    struct error err;
    int status = block_decode(stored, body.len + BLOCK_TRAILER_SIZE, NUMBER, OFFSET, CONTENTS_MAX,
        "fuzzed", &contents, &len, &err);
    ENSURE(status == OK || status == CORRUPT || status == TOO_LARGE);
    if (status != OK)
        return 0;
    walk(slice_of(contents, len), key);
    free(contents);
    return 0;
}
