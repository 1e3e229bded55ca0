#include <criterion/criterion.h>

#include "fixture.h"

static struct fixture f;
static struct session other;

static void open_fixture(void)
{
    fixture_open(&f);
    session_init(f.commands, &other, 2);
}

static void close_fixture(void)
{
    session_release(f.commands, &other);
    fixture_close(&f);
}

TestSuite(transactions, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)

Test(transactions, run_as_one_and_see_themselves)
{
    EXPECT("MULTI", "+OK\r\n");
    EXPECT("SET a 1", "+QUEUED\r\n");
    EXPECT("INCR a", "+QUEUED\r\n");
    EXPECT("SELECT 1", "+QUEUED\r\n");
    EXPECT("DBSIZE", "+QUEUED\r\n");
    cr_assert_str_eq(run_as(&f, &other, "EXISTS a"), ":0\r\n");
    cr_assert_eq(session_queued(&f.session), 4);
    cr_assert_gt(session_memory(&f.session), 0);
    EXPECT("EXEC", "*4\r\n+OK\r\n:2\r\n+OK\r\n:0\r\n");
    cr_assert_eq(f.session.db, 1);
    cr_assert_eq(session_queued(&f.session), -1);
}

Test(transactions, a_failing_command_leaves_the_others)
{
    run(&f, "SET a x");
    run(&f, "MULTI");
    run(&f, "INCR a");
    run(&f, "SET b 1");
    EXPECT("EXEC", "*2\r\n-ERR value is not an integer or out of range\r\n+OK\r\n");
    EXPECT("GET b", "$1\r\n1\r\n");
}

Test(transactions, an_error_while_queueing_aborts)
{
    run(&f, "MULTI");
    EXPECT("GET", "-ERR wrong number of arguments for 'get' command\r\n");
    EXPECT("SET a 1", "+QUEUED\r\n");
    EXPECT("EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    EXPECT("EXISTS a", ":0\r\n");
    EXPECT("EXEC", "-ERR EXEC without MULTI\r\n");
    EXPECT("DISCARD", "-ERR DISCARD without MULTI\r\n");
    run(&f, "MULTI");
    EXPECT("MULTI", "-ERR MULTI calls can not be nested\r\n");
    EXPECT("WATCH a", "-ERR WATCH inside MULTI is not allowed\r\n");
    EXPECT("DISCARD", "+OK\r\n");
}

Test(transactions, flushing_and_swapping_inside_is_seen_and_taken_back)
{
    run(&f, "SET a 1");
    run(&f, "MULTI");
    run(&f, "FLUSHDB");
    run(&f, "DBSIZE");
    run(&f, "SET b 1");
    run(&f, "SWAPDB 0 1");
    run(&f, "DBSIZE");
    mini_set_commit_status(f.engine, NO_SPACE);
    cr_assert_eq(strncmp(run(&f, "EXEC"), "-MISCONF", 8), 0);
    mini_set_commit_status(f.engine, OK);
    EXPECT("DBSIZE", ":1\r\n");
    EXPECT("GET a", "$1\r\n1\r\n");
    run(&f, "MULTI");
    run(&f, "FLUSHDB");
    run(&f, "DBSIZE");
    run(&f, "SET b 1");
    run(&f, "SWAPDB 0 1");
    run(&f, "DBSIZE");
    EXPECT("EXEC", "*5\r\n+OK\r\n:0\r\n+OK\r\n+OK\r\n:0\r\n");
    run(&f, "SELECT 1");
    EXPECT("GET b", "$1\r\n1\r\n");
}

static void expect_exec(const char *reply)
{
    run(&f, "MULTI");
    run(&f, "PING");
    EXPECT("EXEC", reply);
}

Test(transactions, a_watched_key_that_changes_aborts)
{
    run(&f, "WATCH a");
    run_as(&f, &other, "SET a 1");
    expect_exec("*-1\r\n");
    expect_exec("*1\r\n+PONG\r\n");
    run(&f, "WATCH a b");
    run_as(&f, &other, "SET c 1");
    run_as(&f, &other, "DEL b");
    expect_exec("*1\r\n+PONG\r\n");
    run(&f, "WATCH a");
    run_as(&f, &other, "SET a 1");
    run(&f, "UNWATCH");
    expect_exec("*1\r\n+PONG\r\n");
}

Test(transactions, emptying_and_exchanging_databases_touches_what_was_there)
{
    run(&f, "WATCH a");
    run_as(&f, &other, "FLUSHDB");
    expect_exec("*1\r\n+PONG\r\n");
    run(&f, "SET a 1");
    run(&f, "WATCH a");
    run_as(&f, &other, "FLUSHALL");
    expect_exec("*-1\r\n");
    run_as(&f, &other, "SELECT 1");
    run_as(&f, &other, "SET a 1");
    run(&f, "WATCH a");
    run_as(&f, &other, "SWAPDB 0 1");
    expect_exec("*-1\r\n");
}

Test(transactions, expiry_of_a_watched_key)
{
    run(&f, "SET a 1 PX 10");
    run(&f, "WATCH a");
    f.now_ms += 11;
    expect_exec("*-1\r\n");
    run(&f, "SET b 1 PX 10");
    f.now_ms += 11;
    run(&f, "WATCH b"); // it is as good as gone: its removal changes nothing
    commands_expire_cycle(f.commands, f.now_ms, 10);
    expect_exec("*1\r\n+PONG\r\n");
}

Test(transactions, a_commit_that_fails_touches_nobody)
{
    run(&f, "WATCH a");
    mini_set_commit_status(f.engine, NO_SPACE);
    run_as(&f, &other, "SET a 1");
    mini_set_commit_status(f.engine, OK);
    expect_exec("*1\r\n+PONG\r\n");
}

Test(transactions, reset_forgets_everything)
{
    run(&f, "HELLO 3 SETNAME me");
    run(&f, "SELECT 3");
    run(&f, "WATCH a");
    run(&f, "MULTI");
    EXPECT("RESET", "+RESET\r\n");
    cr_assert_eq(f.session.db, 0);
    cr_assert_eq(f.session.proto, 2);
    cr_assert_null(f.session.name);
    cr_assert_null(f.session.multi);
    cr_assert(list_empty(&f.session.watched));
}

Test(transactions, reset_logs_out_where_there_is_a_password)
{
    f.password = "secret";
    EXPECT("AUTH secret", "+OK\r\n");
    EXPECT("GET a", "$-1\r\n");
    EXPECT("RESET", "+RESET\r\n");
    EXPECT("GET a", "-NOAUTH Authentication required.\r\n");
}
