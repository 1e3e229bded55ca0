// slice: borrowed bytes, a pointer and a length. It owns nothing, may hold any byte, and is valid
// only as long as what it points into: the duration of the call unless a header says otherwise. The
// empty slice may have a NULL pointer.
#ifndef VARVE_BASE_SLICE_H
#define VARVE_BASE_SLICE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t len;
};

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){data, len};
}

static inline struct slice slice_cstr(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

// memcmp for keys of usual length, which differ early or are short: eight bytes at a time, inline,
// the last eight overlapping those before.
static inline int bytes_compare(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n < 8)
        return n ? memcmp(a, b, n) : 0;
    for (size_t i = 0;; i += 8) {
        uint64_t x, y;
        i = i + 8 <= n ? i : n - 8;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return be64toh(x) < be64toh(y) ? -1 : 1;
        if (i + 8 == n)
            return 0;
    }
}

// Lexicographic order of unsigned bytes, a shorter prefix first: the only key order of the engine.
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = bytes_compare(a.data, b.data, n);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

// How many leading bytes a and b have in common.
static inline size_t slice_common_prefix(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len, i = 0;
    for (uint64_t x, y; i + 8 <= n; i += 8) {
        memcpy(&x, a.data + i, 8);
        memcpy(&y, b.data + i, 8);
        if (x != y)
            break;
    }
    while (i < n && a.data[i] == b.data[i])
        i++;
    return i;
}

// The rest of s after its first n bytes; n <= s.len.
static inline struct slice slice_skip(struct slice s, size_t n)
{
    return (struct slice){s.data + n, s.len - n};
}

// Compares with a C string, ignoring ASCII case: for command names, options and directives.
bool slice_equal_nocase(struct slice s, const char *text);

#endif
