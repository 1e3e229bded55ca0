#include <criterion/criterion.h>

#include "base/alloc.h"
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

TestSuite(keys, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)

Test(keys, deleting_counts_what_was_there)
{
    run(&f, "MSET a 1 b 2 c 3");
    EXPECT("EXISTS a a x", ":2\r\n");
    EXPECT("DEL a x a", ":1\r\n");
    EXPECT("UNLINK b", ":1\r\n");
    EXPECT("TOUCH c b", ":1\r\n");
    EXPECT("DBSIZE", ":1\r\n");
    EXPECT("TYPE c", "+string\r\n");
    EXPECT("TYPE a", "+none\r\n");
}

Test(keys, names_change_with_value_and_expiry)
{
    run(&f, "SET a 1 EX 50");
    EXPECT("RENAME x y", "-ERR no such key\r\n");
    EXPECT("RENAME a b", "+OK\r\n");
    EXPECT("TTL b", ":50\r\n");
    run(&f, "SET c 2");
    EXPECT("RENAMENX c b", ":0\r\n");
    EXPECT("RENAMENX c c", ":0\r\n");
    EXPECT("RENAME c c", "+OK\r\n");
    EXPECT("RENAMENX c d", ":1\r\n");
    EXPECT("GET d", "$1\r\n2\r\n");
}

Test(keys, databases_are_apart)
{
    run(&f, "SET a 1");
    EXPECT("COPY a a DB 1", ":1\r\n");
    EXPECT("MOVE a 1", ":0\r\n");
    EXPECT("MOVE a 2", ":1\r\n");
    EXPECT("EXISTS a", ":0\r\n");
    EXPECT("SELECT 1", "+OK\r\n");
    EXPECT("GET a", "$1\r\n1\r\n");
    EXPECT("COPY a a", "-ERR source and destination objects are the same\r\n");
    EXPECT("COPY a b DB 99", "-ERR DB index is out of range\r\n");
    EXPECT("SWAPDB 1 3", "+OK\r\n");
    EXPECT("DBSIZE", ":0\r\n");
    EXPECT("SELECT 3", "+OK\r\n");
    EXPECT("FLUSHDB", "+OK\r\n");
    EXPECT("DBSIZE", ":0\r\n");
    EXPECT("SELECT 2", "+OK\r\n");
    EXPECT("DBSIZE", ":1\r\n");
    EXPECT("FLUSHALL", "+OK\r\n");
    EXPECT("DBSIZE", ":0\r\n");
}

Test(keys, databases_stay_what_they_are_over_a_restart)
{
    run(&f, "SET a old");
    run(&f, "FLUSHDB");
    run(&f, "SET a zero");
    run(&f, "SELECT 1");
    run(&f, "SET a one");
    run(&f, "SWAPDB 0 1");
    run(&f, "FLUSHDB");
    fixture_restart(&f);
    EXPECT("GET a", "$3\r\none\r\n");
    run(&f, "SELECT 1");
    EXPECT("DBSIZE", ":0\r\n");
    run(&f, "SET b 1");
    run(&f, "FLUSHALL");
    fixture_restart(&f);
    EXPECT("DBSIZE", ":0\r\n");
}

Test(keys, flushing_an_empty_database_writes_nothing)
{
    uint64_t before = mini_rows(f.engine);
    EXPECT("FLUSHALL", "+OK\r\n");
    cr_assert_eq(mini_rows(f.engine), before);
}

Test(keys, expiry_conditions)
{
    run(&f, "SET a 1");
    EXPECT("EXPIRE a 100 XX", ":0\r\n");
    EXPECT("EXPIRE a 100 GT", ":0\r\n");
    EXPECT("EXPIRE a 100 LT", ":1\r\n");
    EXPECT("EXPIRE a 50 GT", ":0\r\n");
    EXPECT("PEXPIRE a 200000 GT XX", ":1\r\n");
    EXPECT("TTL a", ":200\r\n");
    EXPECT("EXPIRE a 1 NX XX",
        "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
    EXPECT("EXPIRE a 1 XYZ", "-ERR Unsupported option XYZ\r\n");
    EXPECT("EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n");
    EXPECT("EXPIREAT a 1800000000", ":1\r\n");
    EXPECT("EXPIRETIME a", ":1800000000\r\n");
    EXPECT("PERSIST a", ":1\r\n");
    EXPECT("PERSIST a", ":0\r\n");
    EXPECT("EXPIRE a -1", ":1\r\n");
    EXPECT("EXISTS a", ":0\r\n");
}

Test(keys, the_cycle_removes_what_has_expired)
{
    run(&f, "SET a 1 PX 5");
    run(&f, "SET b 1 PX 500");
    f.now_ms += 5;
    cr_assert_eq(
        commands_expire_cycle(f.commands, f.now_ms, 10), 0, "alive to the last millisecond");
    f.now_ms += 1;
    cr_assert_eq(commands_expire_cycle(f.commands, f.now_ms, 10), 1);
    EXPECT("DBSIZE", ":1\r\n");
}

Test(keys, a_reader_is_not_failed_by_an_engine_that_takes_no_writes)
{
    run(&f, "SET a 1 PX 5");
    f.now_ms += 6;
    mini_set_commit_status(f.engine, READ_ONLY);
    EXPECT("GET a", "$-1\r\n");
    EXPECT("SET b 1", "-MISCONF Errors writing to the log: the test says so\r\n");
    mini_set_commit_status(f.engine, OK);
    EXPECT("EXISTS b", ":0\r\n");
}

Test(keys, keys_are_limited_and_binary)
{
    struct slice argv[] = {slice_cstr("SET"), {0}, slice_cstr("v")};
    char *key = xcalloc(1, KEY_MAX + 1);
    argv[1] = slice_of(key, KEY_MAX);
    fixture_execute(&f, &f.session, argv, 3);
    argv[1].len++;
    fixture_execute(&f, &f.session, argv, 3);
    cr_assert(slice_starts_with(buf_slice(&f.reply), slice_cstr("+OK\r\n-ERR key is too long")));
    EXPECT("DBSIZE", ":1\r\n");
    free(key);
}
