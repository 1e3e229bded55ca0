// INFO, CONFIG, SAVE and their kin, as a client sees them.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "admin_fixture.h"
#include "server/saves.h"
#include "tests/server/config/config_fixture.h"

static struct fixture *f;

static void set_up(void)
{
    f = fixture_new(NULL);
}

static void tear_down(void)
{
    fixture_free(f);
}

TestSuite(admin, .init = set_up, .fini = tear_down);

static void expect(const char *words, const char *reply)
{
    cr_expect_str_eq(run(f, words), reply, "%s: %s", words, run(f, words));
}

static void expect_in(const char *words, const char *part)
{
    const char *reply = run(f, words);
    cr_expect_not_null(
        strstr(reply, part), "%s is not in the reply of %s:\n%s", part, words, reply);
}

static void expect_not_in(const char *words, const char *part)
{
    cr_expect_null(strstr(run(f, words), part), "%s is in the reply of %s", part, words);
}

// --- CONFIG --------------------------------------------------------------------------------------

Test(admin, config_get_takes_patterns_and_names)
{
    expect("config get save", "*2\r\n$4\r\nsave\r\n$23\r\n3600 1 300 100 60 10000\r\n");
    expect("config get TIMEOUT", "*2\r\n$7\r\nTIMEOUT\r\n$1\r\n0\r\n");
    expect("config get nosuch", "*0\r\n");
    expect("config get include user", "*0\r\n");
    expect("config get hz H?", "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n");
    expect("config get slave-prio*", "*2\r\n$14\r\nslave-priority\r\n$3\r\n100\r\n");
    // Hidden ones only by name.
    expect("config get watchdog-p*", "*0\r\n");
    expect("config get watchdog-period", "*2\r\n$15\r\nwatchdog-period\r\n$1\r\n0\r\n");
}

Test(admin, config_set_takes_effect)
{
    expect("config set appendfsync always compaction-rate-limit 5mb", "+OK\r\n");
    cr_expect_eq(f->engine.fsync, FSYNC_ALWAYS);
    cr_expect_eq(f->engine.rate_limit, 5u << 20);
    expect("config set a b c", "-ERR syntax error\r\n");
    f->listen_ok = false;
    expect("config set timeout 4 bind 1.2.3.4",
        "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to "
        "specified addresses.\r\n");
    cr_expect_eq(f->server.settings->network.timeout_s, 0);
    f->descriptors = 500;
    expect("config set maxclients 1000",
        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system "
        "is not able to handle the specified number of clients, try with 500\r\n");
    cr_expect_eq(f->server.settings->network.maxclients, 10000);
}

Test(admin, protected_directives_need_permission)
{
    static const char refused[] = "-ERR CONFIG SET failed (possibly related to argument "
                                  "'dbfilename') - can't set protected config\r\n";
    expect("config set dbfilename x", refused);
    fixture_free(f);
    f = fixture_new("enable-protected-configs local\n");
    expect("config set dbfilename x", refused);
    f->local = true;
    expect("config set dbfilename dump.rdb", "+OK\r\n");
}

Test(admin, config_rewrite_needs_a_file)
{
    expect("config rewrite", "-ERR The server is running without a config file\r\n");
    fixture_free(f);
    f = fixture_new("port 7000\n");
    f->in_exec = true;
    expect("config rewrite", "+OK\r\n");
}

static void note(void *arg)
{
    ++*(int *)arg;
}

Test(admin, config_rewrite_is_done_by_a_job)
{
    const char *reply;
    int woken = 0;
    fixture_free(f);
    f = fixture_new("port 7000\n");
    expect("config set timeout 7", "+OK\r\n");
    cr_expect_str_eq(run(f, "config rewrite"), "");
    cr_assert_eq(run_stream(f, &reply), WAIT);
    f->stream->wait(f->stream, note, &woken);
    fixture_run_job(f);
    cr_expect_eq(woken, 1);
    cr_assert_eq(run_stream(f, &reply), END);
    cr_expect_str_eq(reply, "+OK\r\n");
    f->stream->close(f->stream);
    char *text = read_test_file(config_file(f->server.config));
    cr_expect_not_null(strstr(text, "timeout 7\n"), "%s", text);
    free(text);
    // A client that leaves is not called.
    run(f, "config rewrite");
    f->stream->wait(f->stream, note, &woken);
    f->stream->close(f->stream);
    fixture_run_job(f);
    cr_expect_eq(woken, 1);
}

Test(admin, config_resetstat_resets)
{
    expect("config resetstat", "+OK\r\n");
    cr_expect_eq(f->reset, 1);
}

// --- SAVE ----------------------------------------------------------------------------------------

Test(admin, save_answers_when_the_flush_is_done)
{
    const char *reply;
    int woken = 0;
    expect_in("info persistence", "rdb_bgsave_in_progress:0\r\n");
    cr_expect_str_eq(run(f, "save"), "");
    struct stream *stream = f->stream;
    cr_assert_not_null(stream);
    cr_assert_eq(run_stream(f, &reply), WAIT);
    stream->wait(stream, note, &woken);
    expect_in("info persistence", "rdb_bgsave_in_progress:1\r\n");
    expect("save", "-ERR Background save already in progress\r\n");
    expect("bgsave", "-ERR Background save already in progress\r\n");
    fixture_end(&f->engine.flush, OK);
    cr_expect_eq(woken, 1);
    f->stream = stream;
    cr_assert_eq(run_stream(f, &reply), END);
    cr_expect_str_eq(reply, "+OK\r\n");
    stream->close(stream);
    expect_in("info persistence", "rdb_saves:1\r\n");
}

Test(admin, a_failed_save_is_an_error_and_does_not_move_lastsave)
{
    const char *reply;
    f->server.saves.save.last_ms = 5000;
    run(f, "save");
    fixture_end(&f->engine.flush, NO_SPACE);
    cr_assert_eq(run_stream(f, &reply), END);
    cr_expect_eq(strncmp(reply, "-ERR ", 5), 0);
    f->stream->close(f->stream);
    expect("lastsave", ":5\r\n");
    expect_in("info persistence", "rdb_last_bgsave_status:err\r\n");
    run(f, "bgsave");
    fixture_end(&f->engine.flush, OK);
    expect_in("info persistence", "rdb_last_bgsave_status:ok\r\n");
    cr_expect_gt(f->server.saves.save.last_ms, 5000);
}

Test(admin, a_client_that_leaves_during_save_is_not_called)
{
    int woken = 0;
    run(f, "save");
    f->stream->wait(f->stream, note, &woken);
    f->stream->close(f->stream);
    fixture_end(&f->engine.flush, OK);
    cr_expect_eq(woken, 0);
}

Test(admin, bgsave_replies_as_redis)
{
    expect("bgsave x", "-ERR syntax error\r\n");
    cr_expect_str_eq(run(f, "bgsave schedule"), "+Background saving started\r\n");
    fixture_end(&f->engine.flush, OK);
    f->in_exec = true;
    cr_expect_str_eq(run(f, "bgsave"), "+Background saving scheduled\r\n");
    fixture_end(&f->engine.flush, OK);
    f->in_exec = false;
    cr_expect_str_eq(run(f, "bgrewriteaof"), "+Background append only file rewriting started\r\n");
    cr_expect_str_eq(run(f, "bgsave schedule"), "+Background saving scheduled\r\n");
    expect("bgrewriteaof", "-ERR Background append only file rewriting already in progress\r\n");
    expect_in("info persistence", "aof_rewrite_in_progress:1\r\n");
    fixture_end(&f->engine.compact, OK);
    expect_in("info persistence", "aof_rewrite_in_progress:0\r\n");
    fixture_end(&f->engine.flush, OK);
}

Test(admin, changes_count_from_the_beginning_of_the_last_save)
{
    f->changes = 10;
    expect_in("info persistence", "rdb_changes_since_last_save:10\r\n");
    run(f, "bgsave");
    f->changes = 13;
    fixture_end(&f->engine.flush, OK);
    expect_in("info persistence", "rdb_changes_since_last_save:3\r\n");
}

Test(admin, a_save_may_end_after_the_server)
{
    run(f, "bgsave");
    struct fake_job flush = f->engine.flush;
    saves_release(&f->server);
    flush.done_cb(flush.arg, OK);
    f->server.saves.save.task = NULL;
}

Test(admin, shutdown_checks_its_options)
{
    static const char *const bad[] = {
        "shutdown x", "shutdown save nosave", "shutdown abort now", "shutdown nosave abort"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(bad[i], "-ERR syntax error\r\n");
    expect("shutdown abort", "-ERR No shutdown in progress.\r\n");
    cr_expect_eq(f->stopped, 0);
    cr_expect_str_eq(run(f, "shutdown nosave now force"), "");
    cr_expect_eq(f->stopped, 1);
}

// --- INFO ----------------------------------------------------------------------------------------

Test(admin, info_has_redis_sections_in_redis_order)
{
    static const char *const all[] = {"# Server", "# Clients", "# Memory", "# Persistence",
        "# Stats", "# Replication", "# CPU", "# Modules", "# Commandstats", "# Errorstats",
        "# Latencystats", "# Cluster", "# Keyspace", "# Engine"};
    const char *at = run(f, "info everything");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *next = strstr(at, all[i]);
        cr_assert_not_null(next, "%s", all[i]);
        at = next;
    }
    expect_in("info", "# Errorstats");
    expect_not_in("info", "# Commandstats");
    expect_not_in("info default", "# Latencystats");
    expect_in("info default commandstats", "# Commandstats");
    expect("info nosuch", "$0\r\n\r\n");
    expect("info MODULES", "$11\r\n# Modules\r\n\r\n");
    expect_in("info cpu keyspace", "\r\n\r\n# Keyspace\r\n");
}

Test(admin, info_says_what_clients_look_for)
{
    expect_in("info", "redis_version:7.0.15\r\n");
    expect_in("info", "loading:0\r\n");
    expect_in("info", "role:master\r\n");
    expect_in("info", "aof_enabled:1\r\n");
    expect_in("info", "maxmemory_policy:noeviction\r\n");
    expect_in("info all", "cmdstat_config|get:calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,"
                          "failed_calls=2\r\n");
    expect_in("info errorstats", "errorstat_ERR:count=7\r\n");
    expect_in("info", "aof_last_write_status:ok\r\n");
    f->engine.failed = true;
    expect_in("info", "aof_last_write_status:err\r\n");
    f->keys[0] = 5;
    f->keys[3] = 1;
    expect("info keyspace",
        "$76\r\n# "
        "Keyspace\r\ndb0:keys=5,expires=0,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n\r\n");
}

Test(admin, info_maxmemory_is_the_budget_in_effect)
{
    expect_not_in("info memory", "\nmaxmemory:0\r\n");
    expect("config set maxmemory 64mb", "+OK\r\n");
    cr_expect_eq(f->engine.stats.memory_budget, (64u << 20) - (64u << 20) / 100 * 20,
        "the clients' share is taken off");
    expect_in("info memory", "\nmaxmemory:67108864\r\nmaxmemory_human:64.00M\r\n");
    expect("config set maxmemory 1mb",
        "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be 0 or "
        "between 33554432 and 9223372036854775807 inclusive\r\n");
}

Test(admin, info_engine_shows_levels_and_amplification)
{
    f->engine.stats.levels[0] = (typeof(f->engine.stats.levels[0])){2, 100, 10};
    f->engine.stats.levels[2] = (typeof(f->engine.stats.levels[0])){1, 400, 40};
    f->engine.stats.user_bytes = 100;
    f->engine.stats.log_written_bytes = 110;
    f->engine.stats.flush_bytes = 90;
    f->engine.stats.compaction_write_bytes = 50;
    expect_in("info engine", "engine_level0:files=2,bytes=100,entries=10\r\n");
    expect_in("info engine", "engine_write_amplification:2.50\r\n");
    expect_in("info engine", "engine_space_amplification:1.25\r\n");
}

// --- MEMORY and DEBUG ----------------------------------------------------------------------------

Test(admin, memory_usage_grows_with_key_and_value)
{
    expect("memory usage absent", "$-1\r\n");
    int64_t bytes = atoll(run(f, "memory usage here samples 0") + 1);
    cr_expect_gt(bytes, (int64_t)strlen("heretwelve bytes"));
    expect("memory usage here samples", "-ERR syntax error\r\n");
    expect("memory purge", "+OK\r\n");
}

Test(admin, debug_knows_what_it_can_do)
{
    expect("debug sleep 0", "+OK\r\n");
    expect("debug set-active-expire 0", "+OK\r\n");
    cr_expect(f->server.expire_off);
    expect("debug set-active-expire 1", "+OK\r\n");
    cr_expect_not(f->server.expire_off);
    expect("debug error \"CODE words\"", "-CODE words\r\n");
    expect("debug segfault", "-ERR unknown subcommand or wrong number of arguments\r\n");
    expect("debug sleep", "-ERR unknown subcommand or wrong number of arguments\r\n");
}
