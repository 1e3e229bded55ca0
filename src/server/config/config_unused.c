// Rows: what Redis has a knob for and Varve has no use for. Each is checked as Redis checks it and
// shown by CONFIG GET, so that files and tools keep working; one line of the log names those that
// were given and differ from the default. CONFIG SET refuses those that promise something to others
// than the operator (DIRECTIVE_PROMISE), and says so of the rest.
#include "server/config/config_value.h"

#include <stdlib.h>

#define IMMUTABLE DIRECTIVE_IMMUTABLE
#define PROMISE DIRECTIVE_PROMISE
#define UNUSED(name_, alias_, type_, flags_, initial_, min_, max_, help_)                          \
    {                                                                                              \
        .name = name_, .alias = alias_, .type = DIRECTIVE_##type_, .treatment = TREAT_ACCEPTED,    \
        .flags = flags_, .initial = initial_, .min = min_, .max = max_, .help = help_              \
    }
#define UNUSED_ENUM(name_, flags_, initial_, choices_, help_)                                      \
    {                                                                                              \
        .name = name_, .type = DIRECTIVE_ENUM, .treatment = TREAT_ACCEPTED, .flags = flags_,       \
        .initial = initial_, .choices = choices_, .help = help_                                    \
    }

static const struct choice supervisors[] = {
    {"upstart", 0}, {"systemd", 1}, {"auto", 2}, {"no", 3}, {NULL}};
static const struct choice facilities[] = {{"user", 0}, {"local0", 1}, {"local1", 2}, {"local2", 3},
    {"local3", 4}, {"local4", 5}, {"local5", 6}, {"local6", 7}, {"local7", 8}, {NULL}};
static const struct choice oom_modes[] = {
    {"no", 0}, {"yes", 1}, {"relative", 2}, {"absolute", 3}, {NULL}};
static const struct choice sanitize_modes[] = {{"no", 0}, {"yes", 1}, {"clients", 2}, {NULL}};
static const struct choice pubsub_defaults[] = {{"allchannels", 0}, {"resetchannels", 1}, {NULL}};
static const struct choice enables[] = {{"no", 0}, {"yes", 1}, {"local", 2}, {NULL}};

// Pairs of seconds and changes. The lines of all sources add up; a single empty word clears.
static bool parse_save(const char *old, bool more, const struct slice *words, int count,
    struct buf *out, const char **why)
{
    *why = "Invalid save parameters";
    if (count == 1 && words[0].len == 0)
        count = 0;
    if (count % 2 != 0)
        return false;
    if (more && count > 0)
        buf_printf(out, "%s", old);
    for (int i = 0; i < count; i++) {
        int64_t v;
        if (!config_parse_integer(words[i], 10, &v) || v < (i % 2 == 0 ? 1 : 0) || v > INT32_MAX)
            return false;
        buf_printf(out, "%s%lld", out->len > 0 ? " " : "", (long long)v);
    }
    return true;
}

// Any of the modes, shown in this order; "default" is none of them.
static bool parse_shutdown(const char *old, bool more, const struct slice *words, int count,
    struct buf *out, const char **why)
{
    static const char *const modes[] = {"default", "save", "nosave", "now", "force"};
    enum { MODES = sizeof modes / sizeof *modes, SAVE = 1, NOSAVE = 2 };
    bool given[MODES] = {0};
    for (int i = 0; i < count; i++) {
        int mode = 0;
        while (mode < MODES && !slice_equal_nocase(words[i], modes[mode]))
            mode++;
        *why = "argument(s) must be one of the following: default, save, nosave, now, force";
        if (mode == MODES)
            return false;
        given[mode] = true;
    }
    *why = "shutdown options SAVE and NOSAVE can't be used simultaneously";
    if (given[SAVE] && given[NOSAVE])
        return false;
    for (int mode = SAVE; mode < MODES; mode++)
        if (given[mode])
            buf_printf(out, "%s%s", out->len > 0 ? " " : "", modes[mode]);
    if (out->len == 0)
        buf_printf(out, "%s", modes[0]);
    return true;
}

static bool parse_oom_values(const char *old, bool more, const struct slice *words, int count,
    struct buf *out, const char **why)
{
    *why = "wrong number of arguments";
    if (count != 3)
        return false;
    for (int i = 0; i < count; i++) {
        int64_t v;
        *why = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        if (!config_parse_integer(words[i], 10, &v) || v < -2000 || v > 2000)
            return false;
        buf_printf(out, "%s%lld", i > 0 ? " " : "", (long long)v);
    }
    return true;
}

// Letters to flags and back, so that CONFIG GET shows them in Redis' order.
static bool parse_events(const char *old, bool more, const struct slice *words, int count,
    struct buf *out, const char **why)
{
    static const char kinds[] = "g$lshzxetd", rest[] = "nKEm";
    bool on[128] = {0};
    *why = count > 1 ? "wrong number of arguments"
                     : "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    if (count > 1)
        return false;
    for (size_t i = 0; count == 1 && i < words[0].len; i++) {
        uint8_t letter = words[0].data[i];
        if (letter == 'A')
            for (const char *k = kinds; *k != 0; k++)
                on[(uint8_t)*k] = true;
        else if (letter != 0 && letter < 128 &&
                 (strchr(kinds, letter) != NULL || strchr(rest, letter) != NULL))
            on[letter] = true;
        else
            return false;
    }
    bool all = true;
    for (const char *k = kinds; *k != 0; k++)
        all = all && on[(uint8_t)*k];
    buf_printf(out, all ? "A" : "");
    for (const char *k = all ? rest + 1 : kinds; *k != 0; k++)
        if (on[(uint8_t)*k])
            buf_append_byte(out, (uint8_t)*k);
    for (const char *k = all ? "" : rest; *k != 0; k++)
        if (on[(uint8_t)*k])
            buf_append_byte(out, (uint8_t)*k);
    return true;
}

static bool parse_percentiles(const char *old, bool more, const struct slice *words, int count,
    struct buf *out, const char **why)
{
    *why = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    if (count == 1 && words[0].len == 0)
        count = 0;
    for (int i = 0; i < count; i++) {
        char text[32], *end;
        if (words[i].len == 0 || words[i].len >= sizeof text)
            return false;
        memcpy(text, words[i].data, words[i].len);
        text[words[i].len] = 0;
        double v = strtod(text, &end);
        if (*end != 0 || !(v >= 0 && v <= 100))
            return false;
        // The shortest form that reads back as the same number, without an exponent.
        int digits = 1;
        do
            snprintf(text, sizeof text, "%.*g", digits, v);
        while (digits++ < 17 && (strchr(text, 'e') != NULL || strtod(text, NULL) != v));
        buf_printf(out, "%s%s", i > 0 ? " " : "", text);
    }
    return true;
}

// clang-format off
const struct directive config_unused_rows[] = {
    {"save", .type = DIRECTIVE_SPECIAL, .treatment = TREAT_ACCEPTED,
        .flags = DIRECTIVE_EMPTY_OK | PROMISE, .initial = "3600 1 300 100 60 10000",
        .special = parse_save, .words_per_line = 2,
        .allowed = "SECONDS CHANGES, any number of times, or \"\"",
        .help = "Writes are in the log at once; there are no periodic snapshots."},
    UNUSED("appendonly", NULL, BOOL, DIRECTIVE_FIXED, "yes", 0, 0,
        "There is always a log: shown as yes, whatever was given."),
    UNUSED("appendfilename", NULL, STRING, IMMUTABLE, "appendonly.aof", 0, 0,
        "The log has its own file names."),
    UNUSED("appenddirname", NULL, STRING, IMMUTABLE, "appendonlydir", 0, 0,
        "The log lies in the data directory."),
    UNUSED("aof-load-truncated", NULL, BOOL, PROMISE, "yes", 0, 0,
        "What was acknowledged is never cut off; an unfinished end always is."),
    UNUSED("aof-use-rdb-preamble", NULL, BOOL, 0, "yes", 0, 0, "There is no such file."),
    UNUSED("aof-timestamp-enabled", NULL, BOOL, 0, "no", 0, 0, "The log always has times."),
    UNUSED("aof-disable-auto-gc", NULL, BOOL, PROMISE, "no", 0, 0,
        "Logs that are flushed are removed."),
    UNUSED("aof-rewrite-incremental-fsync", NULL, BOOL, 0, "yes", 0, 0,
        "Compaction syncs in steps."),
    UNUSED("auto-aof-rewrite-percentage", NULL, INT, 0, "100", 0, INT32_MAX,
        "Compaction decides by itself."),
    UNUSED("auto-aof-rewrite-min-size", NULL, MEMORY, 0, "67108864", 0, 0,
        "Compaction decides by itself."),
    UNUSED("no-appendfsync-on-rewrite", NULL, BOOL, 0, "no", 0, 0,
        "Syncs of the log have a lane of their own."),
    UNUSED("stop-writes-on-bgsave-error", NULL, BOOL, PROMISE, "yes", 0, 0,
        "After a failed write of the log, writes are always refused."),
    UNUSED("dbfilename", NULL, STRING, DIRECTIVE_PROTECTED | PROMISE, "dump.rdb", 0, 0,
        "There is no dump file."),
    UNUSED("rdbcompression", NULL, BOOL, 0, "yes", 0, 0, "See compression."),
    UNUSED("rdbchecksum", NULL, BOOL, IMMUTABLE, "yes", 0, 0,
        "Every block and record has a checksum."),
    UNUSED("rdb-del-sync-files", NULL, BOOL, 0, "no", 0, 0, "There is no dump file."),
    UNUSED("rdb-save-incremental-fsync", NULL, BOOL, 0, "yes", 0, 0, "There is no dump file."),
    UNUSED("rdb-key-save-delay", NULL, INT, DIRECTIVE_HIDDEN, "0", INT32_MIN, INT32_MAX,
        "There is no dump file."),
    UNUSED("key-load-delay", NULL, INT, DIRECTIVE_HIDDEN, "0", INT32_MIN, INT32_MAX,
        "Nothing is loaded at start."),
    UNUSED("loading-process-events-interval-bytes", NULL, MEMORY, DIRECTIVE_HIDDEN, "2097152", 1024,
        0, "Nothing is loaded at start."),
    UNUSED_ENUM("sanitize-dump-payload", 0, "no", sanitize_modes,
        "What is read is always checked."),

    UNUSED("maxmemory-samples", NULL, INT, 0, "5", 1, INT32_MAX, "Nothing is evicted."),
    UNUSED("maxmemory-eviction-tenacity", NULL, INT, 0, "10", 0, 100, "Nothing is evicted."),
    UNUSED("lfu-log-factor", NULL, INT, 0, "10", 0, INT32_MAX, "Nothing is evicted."),
    UNUSED("lfu-decay-time", NULL, INT, 0, "1", 0, INT32_MAX, "Nothing is evicted."),
    UNUSED("lazyfree-lazy-eviction", NULL, BOOL, 0, "no", 0, 0, "Nothing is evicted."),
    UNUSED("lazyfree-lazy-expire", NULL, BOOL, 0, "no", 0, 0, "Removing is always cheap."),
    UNUSED("lazyfree-lazy-server-del", NULL, BOOL, 0, "no", 0, 0, "Removing is always cheap."),
    UNUSED("lazyfree-lazy-user-del", NULL, BOOL, 0, "no", 0, 0, "Removing is always cheap."),
    UNUSED("lazyfree-lazy-user-flush", NULL, BOOL, 0, "no", 0, 0, "Flushing is always cheap."),
    UNUSED("active-expire-effort", NULL, INT, 0, "1", 1, 10,
        "Expiry follows a timer, it does not sample."),
    UNUSED("activerehashing", NULL, BOOL, 0, "yes", 0, 0, "There is no such table."),
    UNUSED("activedefrag", NULL, BOOL, 0, "no", 0, 0, "Memory is taken and given back in blocks."),
    UNUSED("active-defrag-ignore-bytes", NULL, MEMORY, 0, "104857600", 1, 0, "See activedefrag."),
    UNUSED("active-defrag-threshold-lower", NULL, INT, 0, "10", 0, 1000, "See activedefrag."),
    UNUSED("active-defrag-threshold-upper", NULL, INT, 0, "100", 0, 1000, "See activedefrag."),
    UNUSED("active-defrag-cycle-min", NULL, INT, 0, "1", 1, 99, "See activedefrag."),
    UNUSED("active-defrag-cycle-max", NULL, INT, 0, "25", 1, 99, "See activedefrag."),
    UNUSED("active-defrag-max-scan-fields", NULL, INT, 0, "1000", 1, 0, "See activedefrag."),
    UNUSED("jemalloc-bg-thread", NULL, BOOL, 0, "yes", 0, 0, "The allocator is the system's."),

    UNUSED("list-max-listpack-size", "list-max-ziplist-size", INT, 0, "-2", INT32_MIN, INT32_MAX,
        "Threshold of an encoding of lists."),
    UNUSED("list-compress-depth", NULL, INT, 0, "0", 0, INT32_MAX,
        "Blocks are compressed, see compression."),
    UNUSED("zset-max-listpack-entries", "zset-max-ziplist-entries", INT, 0, "128", 0, 0,
        "Threshold of an encoding of sorted sets."),
    UNUSED("zset-max-listpack-value", "zset-max-ziplist-value", MEMORY, 0, "64", 0, 0,
        "Threshold of an encoding of sorted sets."),
    UNUSED("hll-sparse-max-bytes", NULL, MEMORY, 0, "3000", 0, 0,
        "Threshold of an encoding of HyperLogLogs."),
    UNUSED("stream-node-max-bytes", NULL, MEMORY, 0, "4096", 0, 0,
        "Threshold of an encoding of streams."),
    UNUSED("stream-node-max-entries", NULL, INT, 0, "100", 0, 0,
        "Threshold of an encoding of streams."),
    {"list-max-ziplist-entries", .type = DIRECTIVE_WORDS, .treatment = TREAT_ACCEPTED,
        .flags = DIRECTIVE_FILE_ONLY,
        .help = "Gone from Redis, too, which still reads it."},
    {"list-max-ziplist-value", .type = DIRECTIVE_WORDS, .treatment = TREAT_ACCEPTED,
        .flags = DIRECTIVE_FILE_ONLY,
        .help = "Gone from Redis, too, which still reads it."},

    UNUSED("daemonize", NULL, BOOL, IMMUTABLE, "no", 0, 0,
        "The server stays in the foreground: let a service manager run it."),
    UNUSED_ENUM("supervised", IMMUTABLE, "no", supervisors,
        "Readiness is a line of output and an open port; use Type=exec with systemd."),
    UNUSED("always-show-logo", NULL, BOOL, IMMUTABLE, "no", 0, 0, "There is no logo."),
    UNUSED("set-proc-title", NULL, BOOL, IMMUTABLE, "yes", 0, 0,
        "The process title is the command line."),
    UNUSED("proc-title-template", NULL, STRING, 0, "{title} {listen-addr} {server-mode}", 0, 0,
        "The process title is the command line."),
    UNUSED("syslog-enabled", NULL, BOOL, IMMUTABLE, "no", 0, 0,
        "Let the service manager pass on standard output."),
    UNUSED("syslog-ident", NULL, STRING, IMMUTABLE, "redis", 0, 0, "See syslog-enabled."),
    UNUSED_ENUM("syslog-facility", IMMUTABLE, "local0", facilities, "See syslog-enabled."),
    UNUSED("crash-log-enabled", NULL, BOOL, 0, "yes", 0, 0,
        "A crash leaves a core, if the system keeps them."),
    UNUSED("crash-memcheck-enabled", NULL, BOOL, 0, "yes", 0, 0,
        "A crash leaves a core, if the system keeps them."),
    UNUSED("use-exit-on-panic", NULL, BOOL, DIRECTIVE_HIDDEN | IMMUTABLE, "no", 0, 0,
        "A broken invariant aborts."),
    UNUSED("watchdog-period", NULL, INT, DIRECTIVE_HIDDEN, "0", 0, INT32_MAX,
        "The loop does not wait for the disk."),
    UNUSED("disable-thp", NULL, BOOL, IMMUTABLE, "yes", 0, 0,
        "There is no fork that huge pages would make slow."),
    UNUSED_ENUM("oom-score-adj", 0, "no", oom_modes, "There are no child processes to tell apart."),
    {"oom-score-adj-values", .type = DIRECTIVE_SPECIAL, .treatment = TREAT_ACCEPTED,
        .initial = "0 200 800", .special = parse_oom_values,
        .allowed = "three integers from -2000 to 2000", .help = "See oom-score-adj."},
    UNUSED("server_cpulist", NULL, STRING, IMMUTABLE, "", 0, 0, "Use taskset."),
    UNUSED("bio_cpulist", NULL, STRING, IMMUTABLE, "", 0, 0, "Use taskset."),
    UNUSED("aof_rewrite_cpulist", NULL, STRING, IMMUTABLE, "", 0, 0, "Use taskset."),
    UNUSED("bgsave_cpulist", NULL, STRING, IMMUTABLE, "", 0, 0, "Use taskset."),
    UNUSED("ignore-warnings", NULL, STRING, 0, "", 0, 0,
        "There are no warnings of the system's settings."),
    UNUSED("io-threads", NULL, INT, IMMUTABLE, "1", 1, 128,
        "One loop serves all clients; threads are for the disk."),
    UNUSED("io-threads-do-reads", NULL, BOOL, IMMUTABLE, "no", 0, 0, "See io-threads."),
    UNUSED("hz", NULL, INT, 0, "10", 0, INT32_MAX, "Periodic work has its own pace."),
    UNUSED("dynamic-hz", NULL, BOOL, 0, "yes", 0, 0, "See hz."),
    UNUSED("socket-mark-id", NULL, INT, IMMUTABLE, "0", 0, UINT32_MAX, "Sockets carry no mark."),
    UNUSED("bind-source-addr", NULL, STRING, 0, "", 0, 0, "The server opens no connections."),
    UNUSED("shutdown-timeout", NULL, INT, 0, "10", 0, INT32_MAX,
        "There are no replicas to wait for."),
    {"shutdown-on-sigint", .type = DIRECTIVE_SPECIAL, .treatment = TREAT_ACCEPTED,
        .initial = "default", .special = parse_shutdown,
        .allowed = "any of default, save, nosave, now, force",
        .help = "Every end is clean, and writes what is left."},
    {"shutdown-on-sigterm", .type = DIRECTIVE_SPECIAL, .treatment = TREAT_ACCEPTED,
        .initial = "default", .special = parse_shutdown,
        .allowed = "any of default, save, nosave, now, force",
        .help = "Every end is clean, and writes what is left."},
    UNUSED_ENUM("enable-module-command", IMMUTABLE, "no", enables, "There are no modules."),
    UNUSED("busy-reply-threshold", "lua-time-limit", INT, 0, "5000", 0, 0, "There are no scripts."),
    UNUSED("slowlog-log-slower-than", NULL, INT, 0, "10000", -1, 0, "There is no slow log yet."),
    UNUSED("slowlog-max-len", NULL, INT, 0, "128", 0, 0, "There is no slow log yet."),
    UNUSED("latency-monitor-threshold", NULL, INT, 0, "0", 0, 0,
        "There is no latency monitor yet."),
    UNUSED("latency-tracking", NULL, BOOL, 0, "yes", 0, 0,
        "Commands are timed, without percentiles yet."),
    {"latency-tracking-info-percentiles", .type = DIRECTIVE_SPECIAL, .treatment = TREAT_ACCEPTED,
        .initial = "50 99 99.9",
        .special = parse_percentiles, .allowed = "numbers from 0 to 100",
        .help = "See latency-tracking."},
    {"notify-keyspace-events", .type = DIRECTIVE_SPECIAL, .treatment = TREAT_ACCEPTED,
        .flags = PROMISE, .initial = "", .special = parse_events,
        .allowed = "letters of Ag$lshzxeKEtmdn", .help = "There are no notifications yet."},
    UNUSED("tracking-table-max-keys", NULL, INT, 0, "1000000", 0, 0,
        "There is no client-side caching yet."),
    UNUSED("acllog-max-len", NULL, INT, 0, "128", 0, 0, "There are no access lists yet."),
    UNUSED_ENUM("acl-pubsub-default", 0, "resetchannels", pubsub_defaults,
        "There are no access lists yet."),
    {NULL},
};
// clang-format on
