// Integers as bytes: fixed-width little-endian for formats, fixed-width big-endian for keys (memcmp
// order is numeric order), and LEB128 varints. Decoders of varints take any bytes and never read
// past `end`.
#ifndef VARVE_BASE_CODING_H
#define VARVE_BASE_CODING_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

enum { VARINT_MAX_LEN = 10 };

static inline void put_le32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint32_t get_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t get_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static inline uint64_t get_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

static inline size_t varint_len(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

// Writes at most VARINT_MAX_LEN bytes at p and returns the position behind them.
static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

// Reads one varint from [p, end). Returns the position behind it, or NULL if it is cut off or
// longer than 64 bits.
const uint8_t *varint_get_slow(const uint8_t *p, const uint8_t *end, uint64_t *out);

static inline const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    if (p < end && *p < 0x80) {
        *out = *p;
        return p + 1;
    }
    return varint_get_slow(p, end, out);
}

// A length and that many bytes.
void buf_append_varint(struct buf *b, uint64_t v);
void buf_append_le32(struct buf *b, uint32_t v);
void buf_append_le64(struct buf *b, uint64_t v);
void buf_append_bytes(struct buf *b, struct slice s);
// The inverse: takes a varint length and the bytes behind it off [p, end). NULL if cut off. out
// borrows.
const uint8_t *bytes_get(const uint8_t *p, const uint8_t *end, struct slice *out);

#endif
