// reply: values as RESP2 or RESP3 bytes. Everything here only appends to a buf; a reply is complete
// when as many values were written as its aggregates announced, which is the caller's business.
//
// Numbers are the common case: they are written backwards into a small array, not through printf.

#include "resp/reply.h"

#include <stdarg.h>
#include <stdio.h>

enum { NUMBER_MAX = 24 };

// Decimal digits of value, at the end of `to`; returns where they begin.
static char *format_number(char to[NUMBER_MAX], int64_t value)
{
    char *at = to + NUMBER_MAX;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    return at;
}

// A type byte, a number, CR LF.
static void put_header(struct reply *r, char type, int64_t number)
{
    char digits[NUMBER_MAX];
    char *at = format_number(digits, number);
    size_t len = (size_t)(digits + NUMBER_MAX - at);
    buf_reserve(r->out, len + 3);
    uint8_t *to = r->out->data + r->out->len;
    to[0] = (uint8_t)type;
    memcpy(to + 1, at, len);
    to[len + 1] = '\r';
    to[len + 2] = '\n';
    r->out->len += len + 3;
}

static void put_text(struct reply *r, const char *text)
{
    buf_append(r->out, text, strlen(text));
}

void reply_simple(struct reply *r, const char *text)
{
    buf_append_byte(r->out, '+');
    put_text(r, text);
    put_text(r, "\r\n");
}

void reply_ok(struct reply *r)
{
    buf_append(r->out, "+OK\r\n", 5);
}

// What was appended since `from` becomes one line.
static void finish_error(struct reply *r, size_t from)
{
    struct buf *out = r->out;
    while (out->len > from && (out->data[out->len - 1] == '\r' || out->data[out->len - 1] == '\n'))
        out->len--;
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\r' || out->data[i] == '\n')
            out->data[i] = ' ';
    put_text(r, "\r\n");
    r->failed = true;
    r->error_at = from;
}

void reply_error(struct reply *r, const char *text)
{
    size_t from = r->out->len;
    buf_append_byte(r->out, '-');
    put_text(r, text);
    finish_error(r, from);
}

void reply_errorf(struct reply *r, const char *format, ...)
{
    size_t from = r->out->len;
    buf_append_byte(r->out, '-');
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        buf_reserve(r->out, (size_t)len + 1);
        vsnprintf((char *)r->out->data + r->out->len, (size_t)len + 1, format, again);
        r->out->len += (size_t)len;
    }
    va_end(again);
    finish_error(r, from);
}

void reply_int(struct reply *r, int64_t value)
{
    put_header(r, ':', value);
}

void reply_bulk(struct reply *r, struct slice value)
{
    if (r->out->len > r->max_len && r->max_len > 0) {
        r->overflowed = true;
        return;
    }
    buf_reserve(r->out, value.len + NUMBER_MAX + 4);
    put_header(r, '$', (int64_t)value.len);
    buf_append(r->out, value.data, value.len);
    buf_append(r->out, "\r\n", 2);
}

void reply_bulk_cstr(struct reply *r, const char *text)
{
    reply_bulk(r, slice_cstr(text));
}

void reply_bulk_int(struct reply *r, int64_t value)
{
    char digits[NUMBER_MAX];
    char *at = format_number(digits, value);
    reply_bulk(r, slice_of(at, (size_t)(digits + NUMBER_MAX - at)));
}

void reply_null(struct reply *r)
{
    put_text(r, r->proto > 2 ? "_\r\n" : "$-1\r\n");
}

void reply_null_array(struct reply *r)
{
    put_text(r, r->proto > 2 ? "_\r\n" : "*-1\r\n");
}

void reply_array(struct reply *r, int64_t count)
{
    put_header(r, '*', count);
}

void reply_map(struct reply *r, int64_t pairs)
{
    if (r->proto > 2)
        put_header(r, '%', pairs);
    else
        put_header(r, '*', pairs * 2);
}

void reply_set(struct reply *r, int64_t count)
{
    put_header(r, r->proto > 2 ? '~' : '*', count);
}

void reply_verbatim(struct reply *r, struct slice text, const char format[3])
{
    if (r->proto < 3) {
        reply_bulk(r, text);
        return;
    }
    put_header(r, '=', (int64_t)text.len + 4);
    buf_append(r->out, format, 3);
    buf_append_byte(r->out, ':');
    buf_append_slice(r->out, text);
    put_text(r, "\r\n");
}
