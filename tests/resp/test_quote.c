#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/random.h"
#include "resp/quote.h"

// The arguments of a line, each followed by a bar; "unbalanced" if it is.
static void check_split(const char *line, const char *want)
{
    struct buf text = {0}, got = {0};
    struct slice *args = NULL;
    int cap = 0;
    int count = quote_split(slice_cstr(line), &text, &args, &cap);
    if (count < 0)
        buf_printf(&got, "unbalanced");
    for (int i = 0; i < count; i++) {
        buf_append_slice(&got, args[i]);
        buf_append_byte(&got, '|');
    }
    buf_append_byte(&got, 0);
    cr_assert_str_eq((char *)got.data, want, "line %s", line);
    buf_release(&text);
    buf_release(&got);
    free(args);
}

Test(quote, lines_split_as_redis_splits_them)
{
    check_split("", "");
    check_split(" \t\v ", "");
    check_split("set a b", "set|a|b|");
    check_split("  set\ta  b ", "set|a|b|");
    check_split("a\vb", "a\vb|");
    check_split("\"a b\" 'c d'", "a b|c d|");
    check_split("\"\" ''", "||");
    check_split("\"a\\x41\\n\\r\\t\\b\\a\\q\\\"\"", "aA\n\r\t\b\aq\"|");
    check_split("\"\\x4\" \"\\xzz\"", "x4|xzz|");
    check_split("'a\\'b\\n'", "a'b\\n|");
    check_split("foo\"b c\"", "foob c|");
    check_split("1 2 3 4 5 6 7 8 9 10 11", "1|2|3|4|5|6|7|8|9|10|11|");
    check_split("\"a", "unbalanced");
    check_split("'a", "unbalanced");
    check_split("\"a\\", "unbalanced");
    check_split("\"a\"b", "unbalanced");
    check_split("'a''b'", "unbalanced");
}

Test(quote, what_was_quoted_splits_back_into_itself)
{
    struct random random = {7};
    struct buf quoted = {0}, text = {0};
    struct slice *args = NULL;
    int cap = 0;
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[40];
        size_t len = random_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)random_next(&random);
        buf_clear(&quoted);
        quote_append(&quoted, slice_of(bytes, len));
        cr_assert_eq(quote_split(buf_slice(&quoted), &text, &args, &cap), 1);
        cr_assert(slice_equal(args[0], slice_of(bytes, len)));
    }
    buf_release(&quoted);
    buf_release(&text);
    free(args);
}

Test(quote, bytes_are_shown_as_redis_shows_them)
{
    struct buf out = {0};
    quote_append(&out, slice_of("a\"\\\n\r\t\a\b\0\x7f\xff z", 13));
    buf_append_byte(&out, 0);
    cr_assert_str_eq((char *)out.data, "\"a\\\"\\\\\\n\\r\\t\\a\\b\\x00\\x7f\\xff z\"");
    buf_release(&out);
}
