#include <criterion/criterion.h>
#include <stdio.h>

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

TestSuite(dispatch, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)

Test(dispatch, unknown_commands_are_told_in_redis_words)
{
    EXPECT("foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
    EXPECT("OBJECT foo", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.\r\n");
    EXPECT("object", "-ERR wrong number of arguments for 'object' command\r\n");
    EXPECT("OBJECT FREQ", "-ERR wrong number of arguments for 'object|freq' command\r\n");
    EXPECT("EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for "
                     "'exec' command\r\n");
}

Test(dispatch, passwords)
{
    f.password = "secret";
    struct session s;
    session_init(f.commands, &s, 2);
    cr_assert_str_eq(run_as(&f, &s, "GET a"), "-NOAUTH Authentication required.\r\n");
    cr_assert_eq(strncmp(run_as(&f, &s, "HELLO 3"), "-NOAUTH HELLO", 13), 0);
    cr_assert_str_eq(run_as(&f, &s, "AUTH wrong"),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    cr_assert_str_eq(run_as(&f, &s, "AUTH secre"),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    cr_assert_str_eq(run_as(&f, &s, "AUTH default secret"), "+OK\r\n");
    cr_assert_str_eq(run_as(&f, &s, "GET a"), "$-1\r\n");
    cr_assert_eq(run_as(&f, &s, "HELLO 3")[0], '%');
    cr_assert_str_eq(run_as(&f, &s, "GET a"), "_\r\n");
    session_release(f.commands, &s);
    EXPECT("GET a", "$-1\r\n"); // was there before the password
}

// The engine says what it has no room for, at the commit; reads need none.
Test(dispatch, a_write_without_room_is_an_error_and_changes_nothing)
{
    run(&f, "SET a 1");
    mini_set_commit_status(f.engine, NO_SPACE);
    cr_assert_eq(strncmp(run(&f, "SET b 1"), "-MISCONF No space left", 22), 0);
    EXPECT("GET a", "$1\r\n1\r\n");
    run(&f, "MULTI");
    EXPECT("GET a", "+QUEUED\r\n");
    EXPECT("EXEC", "*1\r\n$1\r\n1\r\n");
    mini_set_commit_status(f.engine, OK);
    EXPECT("GET b", "$-1\r\n");
}

struct stat_of {
    const char *name;
    struct command_stats found;
};

static void find_stat(void *arg, const char *name, const struct command_stats *s)
{
    struct stat_of *wanted = arg;
    if (strcmp(name, wanted->name) == 0)
        wanted->found = *s;
}

static struct command_stats stat_of(const char *name)
{
    struct stat_of wanted = {.name = name};
    commands_each_stat(f.commands, find_stat, &wanted);
    return wanted.found;
}

static void find_error(void *arg, const char *code, uint64_t count)
{
    if (strcmp(code, "ERR") == 0)
        *(uint64_t *)arg = count;
}

Test(dispatch, statistics_count_what_happened_once)
{
    mini_set_cold(f.engine, true);
    run(&f, "MULTI");
    run(&f, "SET a x");
    run(&f, "GET b");
    run(&f, "GET c");
    run(&f, "INCR a");
    run(&f, "EXEC");
    cr_assert_gt(f.attempts, 1);
    run(&f, "GET");
    run(&f, "OBJECT FREQ");
    uint64_t errors = 0;
    struct keyspace_stats totals;
    commands_each_error(f.commands, find_error, &errors);
    commands_get_keyspace_stats(f.commands, &totals);
    cr_assert_eq(stat_of("get").calls, 2);
    cr_assert_eq(stat_of("get").rejected, 1);
    cr_assert_eq(stat_of("incr").failed, 1);
    cr_assert_eq(stat_of("exec").failed, 0);
    cr_assert_eq(stat_of("object|freq").rejected, 1);
    cr_assert_eq(errors, 3);
    cr_assert_eq(totals.misses, 2);
    cr_assert_eq(totals.hits, 0);
    cr_assert_eq(totals.commands, 6);
    commands_reset_stats(f.commands);
    cr_assert_eq(stat_of("get").calls, 0);
}

// A script of commands whose every answer shows what the ones before did.
static const char *const script[] = {"MSET a 1 b 2 c 3 user:1 x user:2 y", "GET a",
    "SET a 5 XX GET", "MGET a b nope c", "DEL a nope b", "MSETNX a 1 z 2", "APPEND a 7",
    "SETRANGE c 2 zz", "INCRBY z 40", "INCRBYFLOAT z 0.5", "GETDEL z", "EXPIRE c 100", "TTL c",
    "RENAME c d", "RENAMENX d a", "COPY d e", "COPY d e DB 1 REPLACE", "MOVE e 2",
    "EXISTS a b c d e", "OBJECT ENCODING d", "SCAN 0 MATCH user:* COUNT 1", "SCAN 0 COUNT 100",
    "KEYS *", "RANDOMKEY", "DBSIZE", "WATCH a d", "MULTI", "SELECT 1", "GET e", "SWAPDB 0 1",
    "DBSIZE", "FLUSHDB", "SET a 9", "SELECT 0", "INCR a", "GET a", "EXEC", "DBSIZE", "SELECT 2",
    "GET e", "GETEX e PERSIST", "PERSIST e", "TYPE e", "FLUSHALL", "DBSIZE"};

Test(dispatch, waits_anywhere_change_no_answer)
{
    struct fixture cold;
    fixture_open(&cold);
    mini_set_cold(cold.engine, true);
    for (size_t i = 0; i < sizeof script / sizeof *script; i++) {
        char warm_reply[4096];
        snprintf(warm_reply, sizeof warm_reply, "%s", run(&f, script[i]));
        cr_assert_str_eq(run(&cold, script[i]), warm_reply, "%s", script[i]);
    }
    cr_assert_gt(mini_waits(cold.engine), 20);
    cr_assert_eq(mini_open_handles(cold.engine), 0);
    fixture_close(&cold);
}

Test(dispatch, misses_of_one_command_are_fetched_together)
{
    mini_set_cold(f.engine, true);
    run(&f, "MGET a b c d e f g h");
    cr_assert_eq(f.attempts, 2);
    run(&f, "DEL a b c d e f g h");
    cr_assert_eq(f.attempts, 2);
    run(&f, "MULTI");
    run(&f, "GET a");
    run(&f, "GET b");
    run(&f, "EXEC");
    cr_assert_eq(f.attempts, 2);
    run(&f, "SET a 1");
    cr_assert_eq(f.attempts, 1, "SET reads nothing");
}
