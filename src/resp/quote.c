// quote: the small language of arguments that Redis' users know from inline commands, redis.conf
// and redis-cli.
//
// An argument is bare text, then possibly a quoted end: "double quoted" with escapes, or 'single
// quoted' without (but for \'). So foo"bar baz" is one argument. A NUL byte ends the line, as in
// the C strings this language comes from.
//
// Unescaping only shrinks, so the text buffer is reserved once for the whole line and the slices
// into it stay valid while it is filled.

#include "resp/quote.h"

#include "base/alloc.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Narrower than is_blank, as Redis has it: a vertical tab inside an argument belongs to it.
static bool ends_argument(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

// Both return the position behind the closing quote, or 0 for unbalanced quotes; `at` is behind the
// opening one.
static size_t split_double(struct slice line, size_t at, struct buf *text)
{
    while (at < line.len && line.data[at] != '"') {
        uint8_t c = line.data[at++];
        if (c == '\\' && at < line.len) {
            bool hex = at + 2 < line.len && line.data[at] == 'x' &&
                       hex_digit(line.data[at + 1]) >= 0 && hex_digit(line.data[at + 2]) >= 0;
            if (hex) {
                c = (uint8_t)(hex_digit(line.data[at + 1]) << 4 | hex_digit(line.data[at + 2]));
                at += 3;
            } else {
                c = escaped(line.data[at++]);
            }
        }
        buf_append_byte(text, c);
    }
    if (at >= line.len || (at + 1 < line.len && !is_blank(line.data[at + 1])))
        return 0;
    return at + 1;
}

static size_t split_single(struct slice line, size_t at, struct buf *text)
{
    while (at < line.len && line.data[at] != '\'') {
        if (line.data[at] == '\\' && at + 1 < line.len && line.data[at + 1] == '\'')
            at++;
        buf_append_byte(text, line.data[at++]);
    }
    if (at >= line.len || (at + 1 < line.len && !is_blank(line.data[at + 1])))
        return 0;
    return at + 1;
}

// One argument from `at` on, which is not blank. Returns the position behind it, or 0.
static size_t split_argument(struct slice line, size_t at, struct buf *text)
{
    while (at < line.len && !ends_argument(line.data[at])) {
        uint8_t c = line.data[at++];
        if (c == '"')
            return split_double(line, at, text);
        if (c == '\'')
            return split_single(line, at, text);
        buf_append_byte(text, c);
    }
    return at;
}

int quote_split(struct slice line, struct buf *text, struct slice **args, int *cap)
{
    const uint8_t *nul = line.len > 0 ? memchr(line.data, 0, line.len) : NULL;
    if (nul != NULL)
        line.len = (size_t)(nul - line.data);
    buf_clear(text);
    buf_reserve(text, line.len + 1);
    int count = 0;
    for (size_t at = 0;;) {
        while (at < line.len && is_blank(line.data[at]))
            at++;
        if (at == line.len)
            return count;
        size_t start = text->len;
        at = split_argument(line, at, text);
        if (at == 0)
            return -1;
        if (count == *cap) {
            *cap = *cap == 0 ? 8 : *cap * 2;
            *args = xrealloc(*args, (size_t)*cap * sizeof **args);
        }
        (*args)[count++] = slice_of(text->data + start, text->len - start);
    }
}

void quote_append(struct buf *out, struct slice s)
{
    static const char names[] = "\n\r\t\a\b", letters[] = "nrtab";
    buf_append_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        const char *name = c != 0 ? strchr(names, c) : NULL;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (name != NULL)
            buf_printf(out, "\\%c", letters[name - names]);
        else if (c >= 0x20 && c < 0x7f)
            buf_append_byte(out, c);
        else
            buf_printf(out, "\\x%02x", c);
    }
    buf_append_byte(out, '"');
}
