#include <criterion/criterion.h>

#include "commands/glob.h"

Test(glob, patterns_match_as_redis_matches)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {{"*", "anything", true}, {"a*", "abc", true}, {"a*", "bc", false},
        {"a?c", "abc", true}, {"a?c", "ac", false}, {"[a-c]x", "bx", true}, {"[c-a]x", "bx", true},
        {"[^a]x", "bx", true}, {"[^a]x", "ax", false}, {"\\*", "*", true}, {"\\*", "x", false},
        {"[\\]]", "]", true}, {"[abc", "c", true}, {"a\\", "a\\", true}, {"*b*b*", "abcb", true},
        {"*b*b*", "abc", false}, {"", "", true}, {"", "a", false}, {"a**", "a", true},
        {"**", "", false}, {"?", "", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(glob_match(slice_cstr(cases[i].pattern), slice_cstr(cases[i].text), false),
            cases[i].match, "%s %s", cases[i].pattern, cases[i].text);
    cr_assert(glob_match(slice_cstr("G[A-C]T*"), slice_cstr("gbtx"), true));
}

Test(glob, a_hostile_pattern_takes_bounded_time)
{
    char pattern[201], text[5001];
    for (int i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    memset(text, 'a', 5000);
    cr_assert_not(glob_match(slice_of(pattern, 200), slice_of(text, 5000), false));
}

Test(glob, the_literal_prefix_is_unescaped)
{
    uint8_t out[16];
    bool exact;
    cr_assert_eq(glob_prefix(slice_cstr("us\\*er:*x"), out, &exact), 6);
    cr_assert_arr_eq(out, "us*er:", 6);
    cr_assert_not(exact);
    cr_assert_eq(glob_prefix(slice_cstr("key"), out, &exact), 3);
    cr_assert(exact);
    cr_assert_eq(glob_prefix(slice_cstr("[ab]c"), out, &exact), 0);
    cr_assert_not(exact);
}
