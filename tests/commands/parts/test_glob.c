#include <criterion/criterion.h>
#include <time.h>

#include "base/random.h"
#include "commands/parts/glob.h"

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

// One class of 40,000 bytes against 60,000: looked through for each byte this is seconds.
Test(glob, a_long_class_is_read_once)
{
    enum { CLASS = 40000, TEXT = 60000, TIMES = 200 };
    static char pattern[CLASS + 2], text[TEXT];
    memset(pattern, 'b', sizeof pattern);
    pattern[0] = '*';
    pattern[1] = '[';
    pattern[CLASS] = 'z';
    memset(text, 'a', sizeof text);
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (int i = 0; i < TIMES; i++)
        cr_assert_not(glob_match(slice_of(pattern, sizeof pattern), slice_of(text, TEXT), false));
    text[TEXT - 1] = 'z';
    cr_assert(glob_match(slice_of(pattern, sizeof pattern), slice_of(text, TEXT), false));
    pattern[2] = '^';
    cr_assert_not(glob_match(slice_of(pattern, sizeof pattern), slice_of(text, TEXT), false));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    cr_assert_lt(end.tv_sec - begin.tv_sec, 60, "%d matches take over a minute", TIMES);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// What stands between two stars is tried at each place of the text: tried byte by byte this is a
// thousand million steps, seconds.
Test(glob, a_match_in_one_go_takes_a_fraction_of_a_second)
{
    enum { HALF = 10000, TEXT = 60000, PATTERN = 2 * HALF + 3 };
    static char pattern[PATTERN], text[TEXT];
    memset(text, 'a', sizeof text);
    memset(pattern, 'a', sizeof pattern);
    memset(pattern + HALF, '?', HALF);
    pattern[0] = pattern[PATTERN - 1] = '*';
    pattern[PATTERN - 2] = 'b';
    double begin = cpu_seconds();
    cr_expect_not(glob_match(slice_of(pattern, PATTERN), slice_of(text, TEXT), false));
    text[TEXT - 1] = 'b';
    cr_expect(glob_match(slice_of(pattern, PATTERN), slice_of(text, TEXT), false));
    double took = cpu_seconds() - begin;
    cr_expect_lt(took, 1.5, "%.3f s", took);
}

Test(glob, ranges_are_what_lies_between)
{
    for (int low = 1; low < 256; low += 7) {
        for (int high = 1; high < 256; high += 5) {
            char pattern[] = {'[', (char)low, '-', (char)high, ']'};
            for (int c = 1; c < 256; c++) {
                char text = (char)c;
                bool inside = low < high ? c >= low && c <= high : c >= high && c <= low;
                if (low != '\\' && low != ']' && low != '^')
                    cr_assert_eq(glob_match(slice_of(pattern, 5), slice_of(&text, 1), false),
                        inside, "%d in %d to %d", c, low, high);
            }
        }
    }
}

Test(glob, long_classes_agree_with_short_ones)
{
    for (int c = 1; c < 256; c++) {
        char text[2] = {(char)c, 'x'};
        struct slice one = slice_of(text, 2);
        bool plain = glob_match(slice_cstr("[A-f\\]m]x"), one, false);
        bool folded = glob_match(slice_cstr("[^A-f\\]m]x"), one, true);
        cr_assert_eq(glob_match(slice_cstr("[A-f\\]mmmmmmmmmmmmmmmmmmmm]x"), one, false), plain);
        cr_assert_eq(glob_match(slice_cstr("[^A-f\\]mmmmmmmmmmmmmmmmmmm]x"), one, true), folded);
    }
}

// Any cutting into steps, and all at once, gives the same answer, and takes no more steps than
// pattern times text.
Test(glob, a_match_can_be_left_and_gone_on_with)
{
    static const char letters[] = "ab*?[]^-\\";
    struct random random = {1};
    for (int round = 0; round < 200000; round++) {
        char pattern[12], text[12];
        size_t p_len = random_below(&random, sizeof pattern), t_len = random_below(&random, 12);
        for (size_t i = 0; i < p_len; i++)
            pattern[i] = letters[random_below(&random, sizeof letters - 1)];
        for (size_t i = 0; i < t_len; i++)
            text[i] = letters[random_below(&random, 2)];
        struct slice p = slice_of(pattern, p_len), t = slice_of(text, t_len);
        struct glob g;
        glob_begin(&g, p, t, false);
        enum glob_answer answer = GLOB_MORE;
        for (size_t n = 0; answer == GLOB_MORE; n++) {
            unsigned steps = 1 + (unsigned)random_below(&random, 3);
            cr_assert_leq(n, 2 * (p_len + 1) * (t_len + 1));
            answer = glob_go_on(&g, &steps);
        }
        cr_assert_eq(answer == GLOB_YES, glob_match(p, t, false), "%.*s %.*s", (int)p_len, pattern,
            (int)t_len, text);
        cr_assert_eq(answer == GLOB_YES, glob_match_hard(p, t, false), "%.*s %.*s", (int)p_len,
            pattern, (int)t_len, text);
    }
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
