#include <criterion/criterion.h>

#include "commands/parts/number.h"

Test(number, integers_have_one_spelling)
{
    static const char *const good[] = {
        "0", "7", "-1", "9223372036854775807", "-9223372036854775808"};
    static const char *const bad[] = {"", "-", "-0", "007", "+1", " 1", "1 ", "1.0",
        "9223372036854775808", "-9223372036854775809", "99999999999999999999",
        "123456789012345678901"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t v;
        char text[24];
        cr_assert(number_parse_int(slice_cstr(good[i]), &v), "%s", good[i]);
        cr_assert(slice_equal(slice_of(text, number_format_int(text, v)), slice_cstr(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t v;
        cr_assert_not(number_parse_int(slice_cstr(bad[i]), &v), "%s", bad[i]);
    }
}

Test(number, decimals_print_without_trailing_zeros)
{
    static const struct {
        const char *in, *out;
    } cases[] = {{"3.0", "3"}, {"0.1", "0.1"}, {"-0", "0"}, {"1e3", "1000"}, {"5.0e-5", "0.00005"},
        {"0x10", "16"}, {"-1.25", "-1.25"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long double v;
        char text[NUMBER_TEXT_MAX];
        cr_assert(number_parse_long_double(slice_cstr(cases[i].in), &v));
        struct slice printed = slice_of(text, number_format_long_double(text, v));
        cr_assert(slice_equal(printed, slice_cstr(cases[i].out)), "%s", cases[i].in);
    }
}

Test(number, what_is_no_decimal_is_refused)
{
    static const char *const bad[] = {"", " 1", "1 ", "abc", "nan", "1e99999", "1.5x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        long double v;
        cr_assert_not(number_parse_long_double(slice_cstr(bad[i]), &v), "%s", bad[i]);
    }
}
