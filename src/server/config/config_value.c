// config_value: values of directives, from words to a canonical text and a number.
//
// A row says what a value looks like; this file knows nothing of any single directive.
// config_parse_value() is the only check. Its texts are those of Redis, because clients and tests
// see them through CONFIG SET; the start adds where the value came from and what is allowed
// (config_parse.c).
#include "server/config/config_value.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"

static int64_t row_max(const struct directive *row)
{
    return row->max != 0 ? row->max : INT64_MAX;
}

void config_append_memory(int64_t bytes, struct buf *out)
{
    static const struct {
        int shift;
        const char *unit;
    } units[] = {{30, "gb"}, {20, "mb"}, {10, "kb"}, {0, ""}};
    int i = 0;
    while (units[i].shift > 0 && (bytes == 0 || bytes % (1ll << units[i].shift) != 0))
        i++;
    buf_printf(out, "%lld%s", (long long)(bytes >> units[i].shift), units[i].unit);
}

void config_describe_allowed(const struct directive *row, struct buf *out)
{
    switch (row->type) {
    case DIRECTIVE_BOOL:
        buf_printf(out, "yes or no");
        break;
    case DIRECTIVE_INT:
    case DIRECTIVE_OCTAL:
        buf_printf(
            out, row->type == DIRECTIVE_OCTAL ? "octal permissions from " : "an integer from ");
        buf_printf(out, row->type == DIRECTIVE_OCTAL ? "%llo to %llo" : "%lld to %lld",
            (long long)row->min, (long long)row_max(row));
        break;
    case DIRECTIVE_MEMORY:
    case DIRECTIVE_PERCENT:
        buf_printf(out, "bytes, with k, kb, m, mb, g or gb");
        if (row->type == DIRECTIVE_PERCENT)
            buf_printf(out, ", or a percentage to 100%%");
        if (row->min > 0) {
            buf_printf(out, row->flags & DIRECTIVE_ZERO_OK ? ", 0 or at least " : ", at least ");
            config_append_memory(row->min, out);
        }
        if (row->max > 0) {
            buf_printf(out, ", at most ");
            config_append_memory(row->max, out);
        }
        break;
    case DIRECTIVE_ENUM:
        for (const struct choice *choice = row->choices; choice->name != NULL; choice++)
            buf_printf(out, "%s%s", choice != row->choices ? ", " : "", choice->name);
        break;
    case DIRECTIVE_STRING:
    case DIRECTIVE_BYTES:
        buf_printf(out, "%s", row->allowed != NULL ? row->allowed : "one word");
        break;
    case DIRECTIVE_WORDS:
    case DIRECTIVE_SPECIAL:
        buf_printf(out, "%s", row->allowed != NULL ? row->allowed : "words");
        break;
    }
}

// --- Parsing -------------------------------------------------------------------------------------

bool config_parse_integer(struct slice text, int base, int64_t *out)
{
    char copy[32];
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (memchr(copy, 0, text.len) != NULL || strchr(" \t\n+", copy[0]) != NULL)
        return false;
    char *end;
    errno = 0;
    long long v = strtoll(copy, &end, base);
    if (errno != 0 || *end != 0)
        return false;
    *out = v;
    return true;
}

bool config_parse_memory(struct slice text, int64_t *out)
{
    static const struct {
        const char *name;
        int64_t factor;
    } units[] = {{"", 1}, {"b", 1}, {"k", 1000}, {"kb", 1 << 10}, {"m", 1000000}, {"mb", 1 << 20},
        {"g", 1000000000}, {"gb", 1 << 30}};
    size_t digits = 0;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    int64_t v;
    if (!config_parse_integer(slice_of(text.data, digits), 10, &v))
        return false;
    struct slice unit = slice_skip(text, digits);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (slice_equal_nocase(unit, units[i].name) && v <= INT64_MAX / units[i].factor) {
            *out = v * units[i].factor;
            return true;
        }
    }
    return false;
}

static bool in_range(const struct directive *row, int64_t v, struct buf *scratch, const char **why)
{
    int64_t max = row_max(row);
    if ((v >= row->min && v <= max) || (v == 0 && (row->flags & DIRECTIVE_ZERO_OK)))
        return true;
    buf_clear(scratch);
    if (row->flags & DIRECTIVE_ZERO_OK)
        buf_printf(scratch, "argument must be 0 or between %lld and %lld inclusive",
            (long long)row->min, (long long)max);
    else if (row->type == DIRECTIVE_OCTAL)
        buf_printf(scratch, "argument must be between %llo and %llo inclusive", (long long)row->min,
            (long long)max);
    else
        buf_printf(scratch, "argument must be between %lld and %lld inclusive", (long long)row->min,
            (long long)max);
    *why = (const char *)scratch->data;
    return false;
}

static bool parse_number(const struct directive *row, struct slice word, int64_t *v,
    struct buf *scratch, const char **why)
{
    switch (row->type) {
    case DIRECTIVE_INT:
        *why = "argument couldn't be parsed into an integer";
        return config_parse_integer(word, 10, v) && in_range(row, *v, scratch, why);
    case DIRECTIVE_OCTAL:
        *why = "argument couldn't be parsed as an octal number";
        return config_parse_integer(word, 8, v) && in_range(row, *v, scratch, why);
    case DIRECTIVE_MEMORY:
        *why = "argument must be a memory value";
        return config_parse_memory(word, v) && in_range(row, *v, scratch, why);
    case DIRECTIVE_PERCENT:
        *why = "argument must be a memory or percent value";
        if (word.len > 1 && word.data[word.len - 1] == '%') {
            if (!config_parse_integer(slice_of(word.data, word.len - 1), 10, v) || *v < 0)
                return false;
            *why = "percentage argument must be less or equal to 100";
            *v = -*v;
            return *v >= -100;
        }
        return config_parse_memory(word, v);
    case DIRECTIVE_BOOL:
        *why = "argument must be 'yes' or 'no'";
        *v = slice_equal_nocase(word, "yes");
        return *v || slice_equal_nocase(word, "no");
    default:
        ENSURE_UNREACHABLE();
    }
}

static bool parse_choice(const struct directive *row, struct slice word, int64_t *v,
    struct buf *scratch, const char **why)
{
    for (const struct choice *choice = row->choices; choice->name != NULL; choice++) {
        if (slice_equal_nocase(word, choice->name)) {
            *v = choice->value;
            return true;
        }
    }
    buf_clear(scratch);
    buf_printf(scratch, "argument(s) must be one of the following: ");
    config_describe_allowed(row, scratch);
    *why = (const char *)scratch->data;
    return false;
}

static void join(const struct slice *words, int count, struct buf *out)
{
    for (int i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(out, ' ');
        buf_append_slice(out, words[i]);
    }
}

static void print_number(const struct directive *row, int64_t v, struct buf *out)
{
    switch (row->type) {
    case DIRECTIVE_BOOL:
        buf_printf(out, v ? "yes" : "no");
        break;
    case DIRECTIVE_ENUM:
        for (const struct choice *choice = row->choices; choice->name != NULL; choice++)
            if (choice->value == v)
                buf_printf(out, "%s", choice->name);
        break;
    case DIRECTIVE_OCTAL:
        buf_printf(out, "%llo", (long long)v);
        break;
    case DIRECTIVE_PERCENT:
        buf_printf(out, v < 0 ? "%lld%%" : "%lld", (long long)(v < 0 ? -v : v));
        break;
    default:
        buf_printf(out, "%lld", (long long)v);
    }
}

bool config_parse_value(const struct directive *row, const char *old, bool more,
    const struct slice *words, int count, struct config_value *out, struct buf *scratch,
    const char **why)
{
    struct buf text = {0};
    int64_t number = 0;
    *why = "wrong number of arguments";
    bool ok = true;
    if (row->type == DIRECTIVE_SPECIAL)
        ok = row->special(old, more, words, count, &text, why);
    else if (row->type == DIRECTIVE_WORDS)
        join(words, count, &text);
    else if (count != 1)
        ok = false;
    else if (row->type == DIRECTIVE_STRING || row->type == DIRECTIVE_BYTES)
        buf_append_slice(&text, words[0]);
    else
        ok = row->type == DIRECTIVE_ENUM ? parse_choice(row, words[0], &number, scratch, why)
                                         : parse_number(row, words[0], &number, scratch, why);
    if (ok && row->type < DIRECTIVE_STRING)
        print_number(row, number, &text);
    if (ok && row->type != DIRECTIVE_BYTES && text.len > 0 && memchr(text.data, 0, text.len)) {
        *why = "argument must not contain a zero byte";
        ok = false;
    }
    buf_append_byte(&text, 0);
    if (ok && row->treatment == TREAT_REFUSED &&
        (row->initial == NULL || strcmp((char *)text.data, row->initial) != 0)) {
        buf_clear(scratch);
        buf_printf(scratch, "refused: %s", row->help);
        *why = (const char *)scratch->data;
        ok = false;
    }
    if (!ok) {
        buf_release(&text);
        return false;
    }
    out->text = (char *)text.data;
    out->len = text.len - 1;
    out->number = number;
    return true;
}

int config_split_value(struct slice value, struct slice **out)
{
    int count = 1;
    for (size_t i = 0; i < value.len; i++)
        count += value.data[i] == ' ';
    struct slice *words = xcalloc((size_t)count, sizeof *words);
    int n = 0;
    size_t start = 0;
    for (size_t i = 0; i <= value.len; i++) {
        if (i == value.len || value.data[i] == ' ') {
            words[n++] = slice_of(value.data + start, i - start);
            start = i + 1;
        }
    }
    *out = words;
    return n;
}
