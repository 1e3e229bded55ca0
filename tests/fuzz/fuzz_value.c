// Any bytes as what the engine holds behind a key: decoded as a value, as the head of a spread
// collection, and as a small hash, which is then changed as HSET and HDEL would. What is not well
// formed is refused; what is stays so.
#include "base/ensure.h"
#include "types/packed.h"
#include "types/spread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAIR = 2 };

static uint64_t rows_of(const struct buf *b)
{
    uint64_t rows;
    ENSURE(packed_check(buf_slice(b), PAIR, &rows));
    return rows;
}

// The last four bytes are the field and the value to work with.
static void change(struct slice bytes, struct slice word)
{
    struct buf b = {0};
    buf_append_slice(&b, bytes);
    uint64_t rows = rows_of(&b);
    size_t at = packed_find(buf_slice(&b), PAIR, word);
    if (at < b.len)
        packed_replace(&b, packed_skip(buf_slice(&b), at, 1), word);
    else
        for (int i = 0; i < PAIR; i++)
            packed_append(&b, word);
    rows += at == bytes.len;
    ENSURE(rows_of(&b) == rows);
    at = packed_find(buf_slice(&b), PAIR, word);
    ENSURE(at < b.len);
    packed_remove(&b, at, PAIR);
    ENSURE(rows_of(&b) == rows - 1);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value value;
    struct slice all = slice_of(data, size);
    uint64_t rows;
    value_decode(all, &value);
    if (spread_decode(all, &value))
        ENSURE(value.spread.id != 0 && value.expire_ms >= 0);
    if (size < 4)
        return 0;
    struct slice bytes = slice_of(data, size - 4), word = slice_of(data + size - 4, 4), string;
    if (packed_check(bytes, PAIR, &rows)) {
        uint64_t strings = 0;
        for (size_t at = 0; packed_next(bytes, &at, &string);)
            strings++;
        ENSURE(strings == rows * PAIR);
        change(bytes, word);
    }
    return 0;
}
