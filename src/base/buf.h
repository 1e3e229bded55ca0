// buf: owned bytes that grow. A zeroed struct is an empty buf; buf_release returns it to that
// state. Pointers and slices into a buf are valid until the next call that may grow it.
#ifndef VARVE_BASE_BUF_H
#define VARVE_BASE_BUF_H

#include "base/slice.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

void buf_release(struct buf *b);
// Makes room for at least extra more bytes behind len; growth is geometric.
void buf_grow(struct buf *b, size_t extra);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Moves the bytes from `from` on to the front: what a consumer has read is given up.
void buf_consume(struct buf *b, size_t from);
// Gives memory back when cap exceeds keep and the contents fit in keep.
void buf_shrink(struct buf *b, size_t keep);

static inline void buf_reserve(struct buf *b, size_t extra)
{
    if (b->cap - b->len < extra)
        buf_grow(b, extra);
}

static inline void buf_append(struct buf *b, const void *data, size_t len)
{
    buf_reserve(b, len);
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

static inline void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.data, s.len);
}

static inline void buf_append_byte(struct buf *b, uint8_t byte)
{
    buf_reserve(b, 1);
    b->data[b->len++] = byte;
}

static inline void buf_clear(struct buf *b)
{
    b->len = 0;
}

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->len);
}

#endif
