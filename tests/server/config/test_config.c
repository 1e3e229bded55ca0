// Values: defaults, what is allowed, CONFIG SET.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "config_fixture.h"
#include "server/config/config_value.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(config, defaults_are_those_of_redis)
{
    // CONFIG GET of redis-server 7.0.15 started without a file.
    static const char *const expected[][2] = {{"appendfsync", "everysec"}, {"bind", "* -::*"},
        {"client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
        {"save", "3600 1 300 100 60 10000"}, {"oom-score-adj-values", "0 200 800"},
        {"proto-max-bulk-len", "536870912"}, {"maxmemory-policy", "noeviction"},
        {"latency-tracking-info-percentiles", "50 99 99.9"}, {"slaveof", ""},
        {"hash-max-ziplist-value", "64"}, {"tls-session-cache-size", "20480"},
        {"unixsocketperm", "0"}, {"repl-backlog-size", "1048576"},
        {"tracking-table-max-keys", "1000000"}, {"lua-time-limit", "5000"}};
    struct config *c = loaded(NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        cr_expect_str_eq(config_get(c, expected[i][0]), expected[i][1], "%s", expected[i][0]);
    cr_expect_str_eq(config_get(c, "appendonly"), "yes");
    config_free(c);
}

Test(config, rows_have_no_name_twice)
{
    for (int i = 0; i < config_row_count(); i++) {
        const struct directive *row = config_row(i);
        cr_expect_eq(config_find(slice_cstr(row->name)), i, "%s", row->name);
        if (row->alias != NULL)
            cr_expect_eq(config_find(slice_cstr(row->alias)), i, "%s", row->alias);
        cr_expect(row->help != NULL && row->help[0] != 0, "%s", row->name);
    }
}

Test(config, settings_follow_the_directives)
{
    struct config *c = loaded(
        "port 7001\nmaxmemory 64mb\nappendfsync always\nbind 127.0.0.1 -::1\nloglevel verbose\n"
        "client-output-buffer-limit pubsub 1mb 1kb 7\nclient-output-buffer-limit replica 5 6 8\n"
        "unixsocketperm 700\nmaxmemory-clients 5%\ncompression no\nrequirepass \"a b\"\n"
        "command-wait-memory 7\ncommand-wait-attempts 8\ncommand-wait-keys 9\n",
        NULL, NULL);
    const struct settings *s = config_settings(c);
    cr_expect_eq(s->network.port, 7001);
    cr_expect_eq(s->data.maxmemory, 64u << 20);
    cr_expect_eq(s->data.memory_budget, 64u << 20);
    cr_expect_eq(s->data.engine.fsync, FSYNC_ALWAYS);
    cr_expect_eq(s->data.engine.compression, COMPRESSION_NONE);
    cr_expect_eq(s->data.engine.wait_memory_percent, 7);
    cr_expect_eq(s->data.engine.wait_attempts, 8);
    cr_expect_eq(s->data.engine.wait_round_keys, 9);
    cr_expect_eq(s->network.bind_count, 2);
    cr_expect_str_eq(s->network.bind[1], "-::1");
    cr_expect_eq(s->network.unixsocketperm, 0700);
    cr_expect_eq(s->log.level, LOG_VERBOSE);
    cr_expect_eq(s->clients.output[CLIENT_PUBSUB].hard_bytes, 1u << 20);
    cr_expect_eq(s->clients.output[CLIENT_REPLICA].soft_seconds, 8);
    cr_expect_eq(s->clients.output[CLIENT_NORMAL].hard_bytes, 0);
    cr_expect_eq(s->clients.maxmemory_clients, -5);
    cr_expect(slice_equal(s->security.requirepass, slice_cstr("a b")));
    cr_expect_str_eq(config_get(c, "client-output-buffer-limit"),
        "normal 0 0 0 slave 5 6 8 pubsub 1048576 1024 7");
    cr_expect_eq(config_get(c, "dir")[0], '/');
    config_free(c);
}

static void expect_failure(const char *text, const char *const *arguments,
    const char *const *environment, const char *expected)
{
    struct config *c;
    struct error err = {0};
    cr_assert_neq(load(text, arguments, environment, &c, &err), OK, "%s", expected);
    cr_expect_not_null(strstr(err.text, expected), "'%s' is not in '%s'", expected, err.text);
    cr_expect_null(strchr(err.text, '\n'));
}

Test(config, an_error_names_file_line_directive_and_what_is_allowed)
{
    expect_failure("port 1\n\nnonsense 5\n", NULL, NULL,
        "test.conf:3: nonsense: unknown directive; allowed: ");
    expect_failure("port 70000\n", NULL, NULL,
        "test.conf:1: port: argument must be between 0 and 65535 inclusive; allowed: an integer "
        "from 0 to 65535");
    expect_failure("appendfsync sometimes", NULL, NULL,
        "test.conf:1: appendfsync: argument(s) must be one of the following: everysec, always, no; "
        "allowed: everysec, always, no");
    expect_failure("timeout\n", NULL, NULL, "test.conf:1: timeout: wrong number of arguments");
    expect_failure("requirepass \"abc\n", NULL, NULL, "test.conf:1: requirepass");
    expect_failure(NULL, ARGS("--maxmemory", "31mb"), NULL,
        "command line: maxmemory: argument must be 0 or between 33554432");
    expect_failure(NULL, NULL, ARGS("VARVE_TIMEOUT=x"),
        "environment: timeout: argument couldn't be parsed into an integer");
    expect_failure(NULL, ARGS("--port"), NULL, "command line: port: wrong number of arguments");
    expect_failure(NULL, ARGS("--port", "1", "--", "2"), NULL, "command line: --: no directive");
}

Test(config, all_that_is_wrong_is_told_at_once)
{
    struct config *c;
    struct error err = {0};
    cr_assert_neq(load("port x\ntimeout 5\nnonsense 5\n", ARGS("--maxmemory", "31mb"),
                      ARGS("VARVE_TIMEOUT=x"), &c, &err),
        OK);
    cr_expect_not_null(strstr(err.text, "test.conf:1: port: "));
    cr_expect_not_null(strstr(err.text, "\nvarve-server: "));
    cr_expect_not_null(strstr(err.text, "test.conf:3: nonsense: "));
    cr_expect_not_null(strstr(err.text, "environment: timeout: "));
    cr_expect_not_null(strstr(err.text, "command line: maxmemory: "));
}

Test(config, what_would_betray_the_user_is_refused)
{
    static const char *const lines[] = {"maxmemory-policy allkeys-lru", "replicaof 10.0.0.1 6379",
        "slaveof 10.0.0.1 6379", "cluster-enabled yes", "loadmodule /x.so",
        "rename-command CONFIG \"\"", "tls-port 6380", "tls-cert-file /x", "user alice on",
        "aclfile /x", "min-replicas-to-write 1"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect_failure(lines[i], NULL, NULL, ": refused: ");
    config_free(loaded(
        "maxmemory-policy noeviction\ncluster-enabled no\ntls-port 0\naclfile \"\"\n", NULL, NULL));
}

Test(config, the_last_source_wins)
{
    struct config *c = loaded("port 1\ntimeout 1\nhz 20\n",
        ARGS("--port", "3", "--save", "--loglevel debug", "--requirepass", "--x"),
        ARGS("VARVE_PORT=2", "VARVE_TIMEOUT=2", "VARVE_NO_SUCH=1", "VARVE_BIO_CPULIST=0-1",
            "HOME=/"));
    cr_expect_str_eq(config_get(c, "port"), "3");
    cr_expect_str_eq(config_get(c, "timeout"), "2");
    cr_expect_str_eq(config_get(c, "hz"), "20");
    cr_expect_str_eq(config_get(c, "save"), "");
    cr_expect_str_eq(config_get(c, "loglevel"), "debug");
    cr_expect_str_eq(config_get(c, "requirepass"), "--x");
    cr_expect_str_eq(config_get(c, "bio_cpulist"), "0-1");
    config_free(c);
}

Test(config, many_words_may_be_given_as_one)
{
    struct config *c =
        loaded("save \"5 6 7 8\"\n", ARGS("--client-output-buffer-limit", "normal 1mb 0 0"),
            ARGS("VARVE_BIND=\"127.0.0.1 ::1\""));
    cr_expect_str_eq(config_get(c, "save"), "5 6 7 8");
    cr_expect_eq(config_settings(c)->clients.output[CLIENT_NORMAL].hard_bytes, 1u << 20);
    cr_expect_eq(config_settings(c)->network.bind_count, 2);
    config_free(c);
}

Test(config, lines_of_save_add_up_and_an_empty_one_clears)
{
    struct config *c = loaded("save 10 1\nsave 20 2 30 3\n", NULL, NULL);
    cr_expect_str_eq(config_get(c, "save"), "10 1 20 2 30 3");
    config_free(c);
    config_free(loaded("save\n", NULL, NULL));
    c = loaded("save 10 1\n", ARGS("--save", "20", "2"), NULL);
    cr_expect_str_eq(config_get(c, "save"), "10 1 20 2");
    config_free(c);
    c = loaded("save 10 1\nsave \"\"\n", NULL, NULL);
    cr_expect_str_eq(config_get(c, "save"), "");
    config_free(c);
}

// --- CONFIG SET ----------------------------------------------------------------------------------

static void expect_set(struct config *c, int pairs, const char *const *words, const char *error)
{
    struct slice slices[16];
    for (int i = 0; i < 2 * pairs; i++)
        slices[i] = slice_cstr(words[i]);
    struct buf text = {0};
    bool ok = config_set(c, slices, pairs, false, &text, NULL, NULL);
    buf_append_byte(&text, 0);
    cr_expect_eq(ok, error == NULL, "%s", (char *)text.data);
    cr_expect_str_eq((char *)text.data, error != NULL ? error : "");
    buf_release(&text);
}

#define FAILED(name, why) "ERR CONFIG SET failed (possibly related to argument '" name "') - " why

Test(config, set_answers_as_redis)
{
    struct config *c = loaded(NULL, NULL, NULL);
    expect_set(c, 1, ARGS("nosuch", "1"),
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
    expect_set(c, 1, ARGS("include", "1"),
        "ERR Unknown option or number of arguments for CONFIG SET - 'include'");
    expect_set(
        c, 1, ARGS("maxmemory", "abc"), FAILED("maxmemory", "argument must be a memory value"));
    expect_set(c, 1, ARGS("databases", "3"), FAILED("databases", "can't set immutable config"));
    expect_set(c, 1, ARGS("dbfilename", "x"), FAILED("dbfilename", "can't set protected config"));
    expect_set(c, 1, ARGS("dir", "/tmp"), FAILED("dir", "can't set protected config"));
    expect_set(c, 2, ARGS("databases", "3", "nosuch", "1"),
        FAILED("databases", "can't set immutable config"));
    expect_set(c, 1, ARGS("SLAVE-priority", "-1"),
        FAILED("slave-priority", "argument must be between 0 and 2147483647 inclusive"));
    expect_set(c, 1, ARGS("client-output-buffer-limit", "normal x 0 0"),
        FAILED("client-output-buffer-limit",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration."));
    expect_set(c, 1, ARGS("client-output-buffer-limit", ""), NULL);
    expect_set(c, 2, ARGS("HZ", "5", "hz", "6"), FAILED("hz", "duplicate parameter"));
    expect_set(
        c, 1, ARGS("appendonly", "maybe"), FAILED("appendonly", "argument must be 'yes' or 'no'"));
    expect_set(c, 1, ARGS("hz", "x"), FAILED("hz", "argument couldn't be parsed into an integer"));
    expect_set(c, 1, ARGS("timeout", "-1"),
        FAILED("timeout", "argument must be between 0 and 2147483647 inclusive"));
    expect_set(c, 1, ARGS("save", "1"), FAILED("save", "Invalid save parameters"));
    expect_set(c, 1, ARGS("client-output-buffer-limit", "normal 1"),
        FAILED("client-output-buffer-limit",
            "Wrong number of arguments in buffer limit configuration."));
    expect_set(c, 1, ARGS("maxmemory-clients", "200%"),
        FAILED("maxmemory-clients", "percentage argument must be less or equal to 100"));
    expect_set(c, 1, ARGS("maxmemory-clients", "-1"),
        FAILED("maxmemory-clients", "argument must be a memory or percent value"));
    expect_set(c, 1, ARGS("notify-keyspace-events", "Q"),
        FAILED("notify-keyspace-events", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."));
    config_free(c);
}

Test(config, set_changes_all_or_nothing)
{
    struct config *c = loaded("timeout 7\n", NULL, NULL);
    expect_set(c, 2, ARGS("timeout", "9", "tcp-keepalive", "x"),
        FAILED("tcp-keepalive", "argument couldn't be parsed into an integer"));
    cr_expect_eq(config_settings(c)->network.timeout_s, 7);
    expect_set(c, 2, ARGS("timeout", "9", "nosuch", "x"),
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
    cr_expect_str_eq(config_get(c, "timeout"), "7");
    expect_set(c, 3, ARGS("timeout", "9", "maxmemory", "1gb", "hz", "60"), NULL);
    cr_expect_eq(config_settings(c)->network.timeout_s, 9);
    cr_expect_eq(config_settings(c)->data.memory_budget, 1u << 30);
    cr_expect_str_eq(config_get(c, "hz"), "60");
    config_free(c);
}

static int port_applied;

static bool refuse_timeout(void *arg, const struct directive *row, const char **why)
{
    struct config *c = arg;
    *why = "no such timeout";
    if (strcmp(row->name, "port") == 0)
        port_applied = config_settings(c)->network.port;
    return strcmp(row->name, "timeout") != 0 || config_settings(c)->network.timeout_s != 5;
}

Test(config, what_cannot_be_applied_is_taken_back)
{
    struct config *c = loaded(NULL, NULL, NULL);
    struct slice pairs[] = {
        slice_cstr("port"), slice_cstr("7777"), slice_cstr("timeout"), slice_cstr("5")};
    struct buf error = {0};
    cr_assert_not(config_set(c, pairs, 2, false, &error, refuse_timeout, c));
    buf_append_byte(&error, 0);
    cr_expect_str_eq((char *)error.data, FAILED("timeout", "no such timeout"));
    cr_expect_str_eq(config_get(c, "port"), "6379");
    cr_expect_eq(port_applied, 6379);
    buf_release(&error);
    config_free(c);
}

Test(config, appendonly_is_always_yes)
{
    struct config *c = loaded("appendonly no\n", NULL, NULL);
    cr_expect_str_eq(config_get(c, "appendonly"), "yes");
    expect_set(c, 1, ARGS("appendonly", "no"),
        FAILED("appendonly", "There is always a log: shown as yes, whatever was given."));
    expect_set(c, 1, ARGS("appendonly", "yes"), NULL);
    cr_expect_str_eq(config_get(c, "appendonly"), "yes");
    config_free(c);
}

Test(config, promises_cannot_be_set)
{
    struct config *c = loaded("notify-keyspace-events Ex\n", NULL, NULL);
    expect_set(c, 1, ARGS("notify-keyspace-events", "KEA"),
        FAILED("notify-keyspace-events", "There are no notifications yet."));
    expect_set(c, 1, ARGS("notify-keyspace-events", "xE"), NULL);
    // The value that the file gave can be taken back to.
    expect_set(c, 2, ARGS("notify-keyspace-events", "", "hz", "x"),
        FAILED("hz", "argument couldn't be parsed into an integer"));
    cr_expect_str_eq(config_get(c, "notify-keyspace-events"), "xE");
    expect_set(c, 1, ARGS("notify-keyspace-events", ""), NULL);
    expect_set(c, 1, ARGS("notify-keyspace-events", "xE"),
        FAILED("notify-keyspace-events", "There are no notifications yet."));
    expect_set(c, 1, ARGS("slave-priority", "7"),
        FAILED("slave-priority", "There is no replication yet: for a server that is a replica."));
    config_free(c);
}

Test(config, memory_takes_units)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"12", 12}, {"1b", 1}, {"1k", 1000}, {"1kB", 1024}, {"3mb", 3 << 20},
        {"2G", 2000000000}, {"1gb", 1 << 30}};
    int64_t v;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_expect(config_parse_memory(slice_cstr(good[i].text), &v), "%s", good[i].text);
        cr_expect_eq(v, good[i].value, "%s", good[i].text);
    }
    static const char *const bad[] = {
        "", "-1", "k", "1tb", "1 kb", "99999999999999999999", "9999999999999gb", "1.5gb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(config_parse_memory(slice_cstr(bad[i]), &v), "%s", bad[i]);
}

Test(config, modes_of_the_shutdown_may_be_several)
{
    struct config *c = loaded("shutdown-on-sigterm now save\n", NULL, NULL);
    cr_expect_str_eq(config_get(c, "shutdown-on-sigterm"), "save now");
    expect_set(c, 1, ARGS("shutdown-on-sigterm", "force NOSAVE"), NULL);
    cr_expect_str_eq(config_get(c, "shutdown-on-sigterm"), "nosave force");
    expect_set(c, 1, ARGS("shutdown-on-sigterm", "save nosave"),
        FAILED("shutdown-on-sigterm",
            "shutdown options SAVE and NOSAVE can't be used simultaneously"));
    expect_set(c, 1, ARGS("shutdown-on-sigterm", "default"), NULL);
    cr_expect_str_eq(config_get(c, "shutdown-on-sigterm"), "default");
    config_free(c);
}
