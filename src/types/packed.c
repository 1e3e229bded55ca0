// packed: strings one behind the other in one value. There is no index and no count: whoever needs
// a row goes over what stands before it, which for a few KiB is cheaper than to keep either.
//
// Invariant: packed_check is asked once of bytes that come from the disk, so the rest may take
// lengths as they stand. What can fail: nothing but that check.
#include "types/packed.h"

#include "base/coding.h"
#include "base/ensure.h"

bool packed_check(struct slice bytes, unsigned width, uint64_t *rows)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    uint64_t strings = 0;
    while (p < end) {
        struct slice string;
        p = bytes_get(p, end, &string);
        if (p == NULL)
            return false;
        strings++;
    }
    *rows = strings / width;
    return strings % width == 0;
}

bool packed_next(struct slice bytes, size_t *at, struct slice *out)
{
    if (*at >= bytes.len)
        return false;
    const uint8_t *p = bytes_get(bytes.data + *at, bytes.data + bytes.len, out);
    ENSURE(p != NULL);
    *at = (size_t)(p - bytes.data);
    return true;
}

size_t packed_skip(struct slice bytes, size_t at, unsigned strings)
{
    struct slice ignored;
    while (strings-- > 0 && packed_next(bytes, &at, &ignored))
        ;
    return at;
}

size_t packed_find(struct slice bytes, unsigned width, struct slice name)
{
    struct slice string;
    for (size_t at = 0;;) {
        size_t row = at;
        if (!packed_next(bytes, &at, &string) || slice_equal(string, name))
            return row;
        at = packed_skip(bytes, at, width - 1);
    }
}

void packed_append(struct buf *b, struct slice string)
{
    buf_append_bytes(b, string);
}

// Makes room for `len` bytes in the place of the `old` ones at `at`.
static uint8_t *splice(struct buf *b, size_t at, size_t old, size_t len)
{
    if (len > old)
        buf_reserve(b, len - old);
    memmove(b->data + at + len, b->data + at + old, b->len - at - old);
    b->len = b->len - old + len;
    return b->data + at;
}

static void put(struct buf *b, size_t at, size_t old, struct slice string)
{
    uint8_t *p = splice(b, at, old, varint_len(string.len) + string.len);
    p = varint_put(p, string.len);
    if (string.len > 0)
        memcpy(p, string.data, string.len);
}

void packed_insert(struct buf *b, size_t at, struct slice string)
{
    put(b, at, 0, string);
}

void packed_replace(struct buf *b, size_t at, struct slice string)
{
    put(b, at, packed_skip(buf_slice(b), at, 1) - at, string);
}

void packed_remove(struct buf *b, size_t at, unsigned strings)
{
    splice(b, at, packed_skip(buf_slice(b), at, strings) - at, 0);
}
