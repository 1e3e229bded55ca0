#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/ensure.h"

enum { FIRST_CAPACITY = 64 };

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_grow(struct buf *b, size_t extra)
{
    size_t need = b->len + extra;
    ENSURE(need >= b->len);
    if (need <= b->cap)
        return;
    size_t cap = b->cap < FIRST_CAPACITY ? FIRST_CAPACITY : b->cap + b->cap / 2;
    if (cap < need)
        cap = need;
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ENSURE(len >= 0);
    buf_reserve(b, (size_t)len + 1);
    vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, again);
    va_end(again);
    b->len += (size_t)len;
}

void buf_consume(struct buf *b, size_t from)
{
    ENSURE(from <= b->len);
    if (from == 0)
        return;
    memmove(b->data, b->data + from, b->len - from);
    b->len -= from;
}

void buf_shrink(struct buf *b, size_t keep)
{
    if (b->cap <= keep || b->len > keep)
        return;
    if (keep == 0) {
        buf_release(b);
        return;
    }
    b->data = xrealloc(b->data, keep);
    b->cap = keep;
}
