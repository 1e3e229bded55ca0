#include "base/coding.h"

const uint8_t *varint_get_slow(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1)
            return NULL;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return p;
        }
    }
    return NULL;
}

void buf_append_varint(struct buf *b, uint64_t v)
{
    buf_reserve(b, VARINT_MAX_LEN);
    b->len = (size_t)(varint_put(b->data + b->len, v) - b->data);
}

void buf_append_le32(struct buf *b, uint32_t v)
{
    buf_reserve(b, sizeof v);
    put_le32(b->data + b->len, v);
    b->len += sizeof v;
}

void buf_append_le64(struct buf *b, uint64_t v)
{
    buf_reserve(b, sizeof v);
    put_le64(b->data + b->len, v);
    b->len += sizeof v;
}

void buf_append_bytes(struct buf *b, struct slice s)
{
    buf_append_varint(b, s.len);
    buf_append_slice(b, s);
}

const uint8_t *bytes_get(const uint8_t *p, const uint8_t *end, struct slice *out)
{
    uint64_t len;
    p = varint_get(p, end, &len);
    if (p == NULL || len > (uint64_t)(end - p))
        return NULL;
    *out = slice_of(p, (size_t)len);
    return p + len;
}
