#include <criterion/criterion.h>

#include "fixture.h"

static struct fixture f;

static void open_fixture(void)
{
    fixture_open(&f);
}

static void close_fixture(void)
{
    fixture_close(&f);
}

TestSuite(strings, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)

Test(strings, set_and_get)
{
    EXPECT("GET k", "$-1\r\n");
    EXPECT("set k v", "+OK\r\n");
    EXPECT("GET k", "$1\r\nv\r\n");
    EXPECT("SET k w XX GET", "$1\r\nv\r\n");
    EXPECT("SET k x NX GET", "$1\r\nw\r\n");
    EXPECT("GET k", "$1\r\nw\r\n");
    EXPECT("SET n 1 XX", "$-1\r\n");
    EXPECT("SET k v NX XX", "-ERR syntax error\r\n");
    EXPECT("SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n");
    EXPECT("SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n");
    EXPECT("SETEX k x v", "-ERR value is not an integer or out of range\r\n");
}

Test(strings, expiry_follows_the_options)
{
    EXPECT("SET k v EX 100", "+OK\r\n");
    EXPECT("SET k w KEEPTTL", "+OK\r\n");
    EXPECT("PTTL k", ":100000\r\n");
    EXPECT("GETEX k PERSIST", "$1\r\nw\r\n");
    EXPECT("TTL k", ":-1\r\n");
    EXPECT("PSETEX k 10 v", "+OK\r\n");
    f.now_ms += 10;
    EXPECT("EXISTS k", ":1\r\n");
    f.now_ms += 1;
    EXPECT("GET k", "$-1\r\n");
    cr_assert_eq(run(&f, "DBSIZE")[1], '0');
}

Test(strings, several_keys_at_once)
{
    EXPECT("MSET a 1 b 2", "+OK\r\n");
    EXPECT("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n");
    EXPECT("MSETNX c 3 a 4", ":0\r\n");
    EXPECT("MGET a c b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n");
    EXPECT("GETDEL a", "$1\r\n1\r\n");
    EXPECT("GETSET a z", "$-1\r\n");
}

Test(strings, ranges_are_cut_as_redis_cuts_them)
{
    run(&f, "SET k hello");
    EXPECT("GETRANGE k 1 -2", "$3\r\nell\r\n");
    EXPECT("GETRANGE k -100 100", "$5\r\nhello\r\n");
    EXPECT("GETRANGE k -1 -3", "$0\r\n\r\n");
    EXPECT("SUBSTR k 4 2", "$0\r\n\r\n");
    EXPECT("SETRANGE k 6 x", ":7\r\n");
    EXPECT("STRLEN k", ":7\r\n");
    EXPECT("SETRANGE k -1 x", "-ERR offset is out of range\r\n");
    EXPECT("SETRANGE k 536870912 x",
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    EXPECT("APPEND k yz", ":9\r\n");
}

Test(strings, a_value_over_the_limit_is_refused)
{
    f.max_bulk = 4;
    run(&f, "SET k abcd");
    EXPECT("APPEND k e", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    EXPECT("GET k", "$4\r\nabcd\r\n");
}

Test(strings, mget_of_more_than_a_reply_may_hold_is_a_stream)
{
    char line[700] = "SET 0 ", *expected;
    memset(line + 6, 'x', 600);
    for (int i = 0; i < 10; i++) {
        line[4] = (char)('0' + i);
        run(&f, line);
    }
    run(&f, "SET 3 gone PX 5");
    f.now_ms += 6;
    expected = strdup(run(&f, "MGET 0 none 1 2 3 4 5 6 7 8 9 0"));
    f.reply_max = 1500;
    for (int cold = 0; cold < 2; cold++) {
        mini_set_cold(f.engine, cold);
        EXPECT("MGET 0 none 1 2 3 4 5 6 7 8 9 0", expected);
        run(&f, "MULTI");
        run(&f, "MGET 0 1 2 3 4 5 6 7 8 9");
        cr_assert(strncmp(run(&f, "EXEC"), "-OOM ", 5) == 0);
    }
    struct keyspace_stats before, after;
    commands_get_keyspace_stats(f.commands, &before);
    run(&f, "MGET 0 none 1 2 4");
    commands_get_keyspace_stats(f.commands, &after);
    cr_assert_eq(after.hits - before.hits, 4);
    cr_assert_eq(after.misses - before.misses, 1);
    cr_assert_eq(mini_open_handles(f.engine), 0);
    free(expected);
}

Test(strings, counters_do_not_overflow)
{
    EXPECT("INCR k", ":1\r\n");
    EXPECT("DECRBY k 3", ":-2\r\n");
    run(&f, "SET k 9223372036854775807");
    EXPECT("INCR k", "-ERR increment or decrement would overflow\r\n");
    EXPECT("DECRBY k -9223372036854775808", "-ERR decrement would overflow\r\n");
    EXPECT("INCRBYFLOAT f 10.50", "$4\r\n10.5\r\n");
    EXPECT("INCRBYFLOAT f 0.1", "$4\r\n10.6\r\n");
    EXPECT("INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity\r\n");
    run(&f, "SET k 007");
    EXPECT("INCR k", "-ERR value is not an integer or out of range\r\n");
}

Test(strings, encodings_are_those_of_redis)
{
    run(&f, "SET k 123");
    EXPECT("OBJECT ENCODING k", "$3\r\nint\r\n");
    EXPECT("OBJECT REFCOUNT k", ":2147483647\r\n");
    run(&f, "APPEND k 4");
    EXPECT("OBJECT ENCODING k", "$3\r\nraw\r\n");
    run(&f, "INCRBYFLOAT n 5");
    EXPECT("OBJECT ENCODING n", "$6\r\nembstr\r\n");
    run(&f, "INCR n");
    EXPECT("OBJECT ENCODING n", "$3\r\nint\r\n");
    run(&f, "RENAME n m");
    EXPECT("OBJECT ENCODING m", "$3\r\nint\r\n");
}
