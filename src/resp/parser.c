// parser: the incremental half of RESP. A command comes in any number of pieces, and the connection
// calls with all it has of it each time; so the parser's state is only positions relative to the
// command's first byte.
//
// A command is either `*N` and N times `$LEN`, bytes, CR LF, or, when its first byte is not a star,
// a line of text (inline). Limits, texts, and what is let pass are those of Redis 7.0: the two
// bytes behind an argument and the one behind a CR are skipped unread, a count of zero or less is
// an empty command, an empty line too.
//
// argv points into the input. A partial command's input may move between calls (it grows in the
// connection's buffer), so the address it had is remembered and argv is moved along, which costs
// nothing in the common case: the command arrives whole.
//
// Nothing is scanned twice: `scanned` says how far a line end was looked for in vain, and arguments
// are skipped by their length. Memory grows with arguments received, never with a count that was
// only announced.
//
// A command that is larger than max_command is known as such by its count or by an argument's
// length, before its bytes are there. From then on arguments are passed over as they arrive, and
// what was received is given up: input begins where the parser stands.
//
// What can fail: only the input. The error text stays in p->error, and the connection cannot go on,
// for where the next command starts is unknown.

#include "resp/parser.h"

#include <stdio.h>

#include "base/alloc.h"
#include "resp/quote.h"

enum { ARGV_FIRST = 8, ARGV_KEEP = 64, UNESCAPED_KEEP = 1024 };

enum line { LINE_OK, LINE_MORE, LINE_LONG };

void resp_parser_init(struct resp_parser *p)
{
    *p = (struct resp_parser){.multibulk_left = -1, .bulk_len = -1};
}

void resp_parser_release(struct resp_parser *p)
{
    free(p->argv);
    buf_release(&p->unescaped);
    resp_parser_init(p);
}

void resp_parser_restart(struct resp_parser *p)
{
    p->multibulk_left = -1;
    p->bulk_len = -1;
    p->position = 0;
    p->scanned = 0;
    p->argc = 0;
    p->skipping = false;
    p->skip = 0;
}

size_t resp_parser_want(const struct resp_parser *p)
{
    return p->bulk_len >= 0 && !p->skipping ? p->position + (size_t)p->bulk_len + 2 : 0;
}

size_t resp_parser_memory(const struct resp_parser *p)
{
    return (size_t)p->argv_cap * sizeof *p->argv + p->unescaped.cap;
}

void resp_parser_shrink(struct resp_parser *p)
{
    if (p->argv_cap > ARGV_KEEP) {
        p->argv_cap = ARGV_KEEP;
        p->argv = xrealloc(p->argv, ARGV_KEEP * sizeof *p->argv);
    }
    buf_clear(&p->unescaped);
    buf_shrink(&p->unescaped, UNESCAPED_KEEP);
}

static enum resp_result fail(struct resp_parser *p, const char *text)
{
    snprintf(p->error, sizeof p->error, "Protocol error: %s", text);
    return RESP_ERROR;
}

// An integer in the one spelling Redis takes: no blanks, no plus, no leading zero.
static bool parse_number(const uint8_t *text, size_t len, int64_t *out)
{
    bool negative = len > 0 && text[0] == '-';
    size_t i = negative;
    if (i == len || (text[i] == '0' && len > 1))
        return false;
    int64_t value = 0;
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text[i] - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *out = negative ? value : -value;
    return true;
}

// The line with a length at p->position: its bytes up to CR to *line. Consumes nothing.
static enum line find_line(struct resp_parser *p, struct slice input, struct slice *line)
{
    const uint8_t *from = input.data + p->scanned, *end = input.data + input.len;
    while (from < end && *from != '\r')
        from++;
    p->scanned = (size_t)(from - input.data);
    if (from == end)
        return input.len - p->position > RESP_INLINE_MAX ? LINE_LONG : LINE_MORE;
    if (end - from < 2)
        return LINE_MORE;
    *line = slice_of(input.data + p->position, p->scanned - p->position);
    return LINE_OK;
}

static void consume(struct resp_parser *p, size_t bytes)
{
    p->position += bytes;
    p->scanned = p->position;
}

static void add_argument(struct resp_parser *p, struct slice argument)
{
    if (p->argc == p->argv_cap) {
        p->argv_cap = p->argv_cap == 0 ? ARGV_FIRST : p->argv_cap * 2;
        p->argv = xrealloc(p->argv, (size_t)p->argv_cap * sizeof *p->argv);
    }
    p->argv[p->argc++] = argument;
}

static void rebase(struct resp_parser *p, struct slice input)
{
    uintptr_t base = (uintptr_t)input.data;
    for (int i = 0; i < p->argc && base != p->base; i++)
        p->argv[i].data = input.data + ((uintptr_t)p->argv[i].data - p->base);
    p->base = base;
}

static enum resp_result parse_inline(struct resp_parser *p, struct slice input, size_t *used)
{
    const uint8_t *newline = memchr(input.data + p->scanned, '\n', input.len - p->scanned);
    if (newline == NULL) {
        p->scanned = input.len;
        return input.len > RESP_INLINE_MAX ? fail(p, "too big inline request") : RESP_MORE;
    }
    size_t len = (size_t)(newline - input.data);
    *used = len + 1;
    if (len > 0 && input.data[len - 1] == '\r')
        len--;
    p->argc = quote_split(slice_of(input.data, len), &p->unescaped, &p->argv, &p->argv_cap);
    if (p->argc < 0)
        return fail(p, "unbalanced quotes in request");
    return RESP_COMMAND;
}

// The common case of a line with a length: up to seven digits and CR LF, all there. Returns the
// bytes of the line, 0: look closer.
static size_t quick_number(const uint8_t *text, size_t left, int64_t *out)
{
    int64_t value = 0;
    size_t i = 0;
    for (; i < 7 && i < left && text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (text[i] - '0');
    if (i == 0 || i + 2 > left || text[i] != '\r' || (text[0] == '0' && i > 1))
        return 0;
    *out = value;
    return i + 2;
}

// The line `*N`. On success multibulk_left is N, at least 0.
static enum resp_result parse_count(
    struct resp_parser *p, struct slice input, const struct resp_limits *limits)
{
    int64_t count;
    size_t len = quick_number(input.data + 1, input.len - 1, &count) + 1;
    if (len == 1) {
        struct slice line;
        enum line found = find_line(p, input, &line);
        if (found != LINE_OK)
            return found == LINE_MORE ? RESP_MORE : fail(p, "too big mbulk count string");
        if (!parse_number(line.data + 1, line.len - 1, &count))
            return fail(p, "invalid multibulk length");
        len = line.len + 2;
    }
    if (count > limits->max_args)
        return fail(p, "invalid multibulk length");
    if (limits->unauthenticated && count > RESP_ARGS_BEFORE_AUTH)
        return fail(p, "unauthenticated multibulk length");
    consume(p, len);
    p->multibulk_left = count > 0 ? count : 0;
    return RESP_COMMAND;
}

static enum resp_result fail_no_dollar(struct resp_parser *p, uint8_t got)
{
    char text[32];
    snprintf(text, sizeof text, "expected '$', got '%c'", got);
    return fail(p, text);
}

// The line `$LEN`. On success bulk_len is set.
static enum resp_result parse_bulk_len(
    struct resp_parser *p, struct slice input, const struct resp_limits *limits)
{
    const uint8_t *at = input.data + p->position;
    size_t left = input.len - p->position;
    int64_t len;
    size_t used = left > 0 && at[0] == '$' ? quick_number(at + 1, left - 1, &len) + 1 : 1;
    if (used == 1) {
        struct slice line;
        enum line found = find_line(p, input, &line);
        if (found != LINE_OK)
            return found == LINE_MORE ? RESP_MORE : fail(p, "too big bulk count string");
        if (at[0] != '$')
            return fail_no_dollar(p, at[0]);
        if (!parse_number(line.data + 1, line.len - 1, &len))
            return fail(p, "invalid bulk length");
        used = line.len + 2;
    }
    if (len < 0 || len > limits->max_bulk)
        return fail(p, "invalid bulk length");
    if (limits->unauthenticated && len > RESP_BULK_BEFORE_AUTH)
        return fail(p, "unauthenticated bulk length");
    consume(p, used);
    p->bulk_len = len;
    return RESP_COMMAND;
}

// Whether so many more arguments of so many bytes in all would make the command too large.
static bool too_large(
    const struct resp_parser *p, const struct resp_limits *limits, int64_t args, int64_t bytes)
{
    if (limits->max_command == 0)
        return false;
    size_t each = sizeof *p->argv + sizeof "$0\r\n\r\n" - 1, have = p->position;
    have += (size_t)p->argc * sizeof *p->argv;
    return (size_t)bytes > limits->max_command || have > limits->max_command ||
           (size_t)args > (limits->max_command - have) / each ||
           (size_t)args * each + have + (size_t)bytes > limits->max_command;
}

// Passes over arguments until the command's end or the input's.
static enum resp_result skip_arguments(
    struct resp_parser *p, struct slice input, const struct resp_limits *limits, size_t *used)
{
    while (p->multibulk_left > 0) {
        if (p->bulk_len < 0) {
            enum resp_result result = parse_bulk_len(p, input, limits);
            if (result == RESP_ERROR)
                return result;
            if (result == RESP_MORE)
                break;
            p->skip = (size_t)p->bulk_len + 2;
        }
        size_t left = input.len - p->position, step = p->skip < left ? p->skip : left;
        consume(p, step);
        p->skip -= step;
        if (p->skip > 0)
            break;
        p->bulk_len = -1;
        p->multibulk_left--;
    }
    *used = p->position;
    if (p->multibulk_left > 0) {
        p->scanned -= p->position;
        p->position = 0;
        return RESP_SKIPPED;
    }
    resp_parser_restart(p);
    return RESP_TOO_LARGE;
}

// What of the argument at hand is there is passed over with the rest.
static void start_skipping(struct resp_parser *p)
{
    p->skipping = true;
    p->argc = 0;
    p->skip = p->bulk_len >= 0 ? (size_t)p->bulk_len + 2 : 0;
}

static enum resp_result parse_multibulk(
    struct resp_parser *p, struct slice input, const struct resp_limits *limits, size_t *used)
{
    if (p->multibulk_left < 0) {
        enum resp_result result = parse_count(p, input, limits);
        if (result != RESP_COMMAND)
            return result;
        if (too_large(p, limits, p->multibulk_left, 0))
            start_skipping(p);
    }
    while (p->multibulk_left > 0 && !p->skipping) {
        if (p->bulk_len < 0) {
            enum resp_result result = parse_bulk_len(p, input, limits);
            if (result != RESP_COMMAND)
                return result;
            if (too_large(p, limits, 1, p->bulk_len)) {
                start_skipping(p);
                break;
            }
        }
        size_t len = (size_t)p->bulk_len;
        if (input.len - p->position < len + 2)
            return RESP_MORE;
        add_argument(p, slice_of(input.data + p->position, len));
        consume(p, len + 2);
        p->bulk_len = -1;
        p->multibulk_left--;
    }
    if (p->skipping)
        return skip_arguments(p, input, limits, used);
    *used = p->position;
    return RESP_COMMAND;
}

enum resp_result resp_parse(
    struct resp_parser *p, struct slice input, const struct resp_limits *limits, size_t *used)
{
    if (p->position == 0)
        p->argc = 0;
    if (input.len == 0)
        return RESP_MORE;
    if (p->skipping)
        return skip_arguments(p, input, limits, used);
    rebase(p, input);
    enum resp_result result = input.data[0] == '*' ? parse_multibulk(p, input, limits, used)
                                                   : parse_inline(p, input, used);
    if (result == RESP_COMMAND) {
        p->position = 0;
        p->scanned = 0;
        p->multibulk_left = -1;
    }
    return result;
}
