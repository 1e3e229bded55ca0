#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/parts/cursors.h"
#include "fixture.h"

static struct fixture f;

static void open_fixture(void)
{
    fixture_open(&f);
}

static void close_fixture(void)
{
    cr_assert_eq(mini_open_handles(f.engine), 0);
    fixture_close(&f);
}

TestSuite(scan, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)

static void fill(const char *prefix, int count)
{
    for (int i = 0; i < count; i++) {
        char line[64];
        snprintf(line, sizeof line, "SET %s%04d v", prefix, i);
        run(&f, line);
    }
}

// The cursor of a SCAN's reply, and how many keys it has.
static unsigned long long parse(const char *reply, int *keys)
{
    const char *p = strstr(strchr(reply, '$'), "\r\n") + 2;
    unsigned long long cursor = strtoull(p, NULL, 10);
    *keys = atoi(strchr(p, '*') + 1);
    return cursor;
}

static int scan_all(const char *options, int *calls)
{
    unsigned long long cursor = 0;
    int total = 0, keys;
    *calls = 0;
    do {
        char line[128];
        snprintf(line, sizeof line, "SCAN %llu %s", cursor, options);
        cursor = parse(run(&f, line), &keys);
        cr_assert_lt(cursor, 1ull << 53);
        total += keys;
    } while (cursor != 0 && ++*calls < 10000);
    return total;
}

Test(scan, sees_every_key_once)
{
    int calls;
    fill("k", 137);
    cr_assert_eq(scan_all("COUNT 10", &calls), 137);
    cr_assert_eq(calls, 13);
    cr_assert_eq(scan_all("COUNT 1", &calls), 137);
    cr_assert_eq(scan_all("COUNT 1000000", &calls), 137);
    cr_assert_eq(calls, 0);
    cr_assert_eq(scan_all("TYPE string", &calls), 137);
    cr_assert_eq(scan_all("TYPE hash", &calls), 0);
    cr_assert_eq(scan_all("MATCH *5", &calls), 14);
}

Test(scan, a_prefix_costs_what_it_returns)
{
    int calls;
    fill("a", 200);
    fill("b", 5);
    fill("c", 200);
    uint64_t before = mini_reads(f.engine);
    cr_assert_eq(scan_all("MATCH b* COUNT 100", &calls), 5);
    cr_assert_lt(mini_reads(f.engine) - before, 8);
    cr_assert_eq(scan_all("MATCH b0003", &calls), 1);
}

Test(scan, cursors_serve_anybody_repeatedly_and_unknown_ones_are_told)
{
    int keys;
    struct session other;
    char line[64];
    fill("k", 30);
    unsigned long long cursor = parse(run(&f, "SCAN 0"), &keys);
    snprintf(line, sizeof line, "SCAN %llu COUNT 20", cursor);
    session_init(f.commands, &other, 2);
    cr_assert_eq(parse(run_as(&f, &other, line), &keys), 0);
    cr_assert_eq(keys, 20);
    session_release(f.commands, &other);
    cr_assert_eq(parse(run(&f, line), &keys), 0);
    EXPECT("SCAN 12345", "-ERR invalid cursor\r\n");
    fixture_restart(&f);
    EXPECT(line, "-ERR invalid cursor\r\n");
    cr_assert_neq(parse(run(&f, "SCAN 0"), &keys), cursor);
}

Test(scan, expired_keys_are_not_shown)
{
    int keys;
    run(&f, "SET a 1 PX 5");
    run(&f, "SET b 1");
    f.now_ms += 6;
    parse(run(&f, "SCAN 0"), &keys);
    cr_assert_eq(keys, 1);
    EXPECT("KEYS *", "*1\r\n$1\r\nb\r\n");
    EXPECT("RANDOMKEY", "$1\r\nb\r\n");
}

Test(scan, keys_streams_whatever_their_number)
{
    fill("k", 300);
    run(&f, "SET other 1");
    cr_assert_eq(atoi(run(&f, "KEYS k*") + 1), 300);
    cr_assert_eq(atoi(run(&f, "KEYS *1") + 1), 30);
    EXPECT("KEYS other", "*1\r\n$5\r\nother\r\n");
    EXPECT("KEYS nothing*", "*0\r\n");
    run(&f, "MULTI");
    run(&f, "KEYS k000*");
    cr_assert_eq(atoi(run(&f, "EXEC") + 5), 10);
}

// Patterns that take millions of steps for each key.
Test(scan, patterns_that_take_long_are_matched_in_steps)
{
    enum { KEY = 6000, PATTERN = 3000 };
    static char key[KEY + 1], pattern[PATTERN + 1], line[KEY + 64];
    unsigned long long cursor = 0;
    int keys, found = 0, calls = 0;
    memset(key, 'a', KEY);
    memset(pattern, '?', PATTERN);
    memcpy(pattern, "*a", 2);
    pattern[PATTERN - 1] = 'b';
    for (const char *end = "bcde"; *end != 0; end++) {
        snprintf(line, sizeof line, "SET %s%c v", key, *end);
        run(&f, line);
    }
    run(&f, "SET a 1");
    do {
        snprintf(line, sizeof line, "SCAN %llu MATCH %s", cursor, pattern);
        cursor = parse(run(&f, line), &keys);
        found += keys;
        cr_assert_lt(calls++, 10);
    } while (cursor != 0);
    cr_assert_eq(found, 1);
    cr_assert_geq(calls, 4); // one a key that takes long
    snprintf(line, sizeof line, "KEYS %s", pattern);
    cr_assert_eq(atoi(run(&f, line) + 1), 1);
    run(&f, "MULTI");
    snprintf(line, sizeof line, "SCAN 0 MATCH %s", pattern);
    run(&f, line);
    cr_assert(strstr(run(&f, "EXEC"), "*1\r\n$6001") != NULL);
}

Test(scan, keys_that_do_not_fit_are_counted_first)
{
    char line[1200] = "SET ";
    memset(line + 4, 'x', 1000);
    for (int i = 0; i < 400; i++) { // 400 KB of names
        snprintf(line + 1004, sizeof line - 1004, "%d v", i);
        run(&f, line);
    }
    mini_set_cold(f.engine, true);
    const char *reply = run(&f, "KEYS *");
    cr_assert_eq(atoi(reply + 1), 400);
    cr_assert_gt(strlen(reply), 400u * 1000);
}

Test(scan, randomkey_reaches_many_keys)
{
    bool seen[500] = {false};
    int different = 0;
    fill("key:", 500);
    for (int i = 0; i < 300; i++) {
        int n = atoi(strchr(run(&f, "RANDOMKEY"), ':') + 1);
        different += !seen[n];
        seen[n] = true;
    }
    cr_assert_gt(different, 180);
    run(&f, "FLUSHALL");
    EXPECT("RANDOMKEY", "$-1\r\n");
}

Test(cursors, the_least_recently_used_goes)
{
    struct cursors c;
    struct slice after;
    cursors_init(&c, 1000000000);
    for (uint64_t i = 1; i <= CURSORS_MAX; i++)
        cursors_add(&c, i, slice_cstr("k"));
    cr_assert(cursors_find(&c, 1, &after));
    cursors_add(&c, CURSORS_MAX + 1, slice_cstr("last"));
    cr_assert_not(cursors_find(&c, 2, &after));
    cr_assert(cursors_find(&c, 1, &after));
    cr_assert(cursors_find(&c, CURSORS_MAX + 1, &after));
    cr_assert(slice_equal(after, slice_cstr("last")));
    cursors_release(&c);
    cursors_init(&c, 10);
    cursors_add(&c, 1, slice_cstr("long enough"));
    cursors_add(&c, 2, slice_cstr("long enough"));
    cr_assert_not(cursors_find(&c, 1, &after));
    cr_assert(cursors_find(&c, 2, &after));
    cursors_release(&c);
}
