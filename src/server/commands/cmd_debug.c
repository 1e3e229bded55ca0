// cmd_debug: MEMORY and DEBUG: looking inside, and what tests need. Only the subcommands that can
// say or do something true here; the others of Redis speak of structures that Varve has not, and
// are unknown.
//
// DEBUG is a protected command: the dispatcher lets it through as enable-debug-command says.

#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "commands/call.h"
#include "commands/parts/number.h"
#include "os/os.h"
#include "server/commands/rows.h"
#include "server/server.h"
#include "types/spread.h"

// What a record takes in a memtable beside its bytes: tag, lengths, sequence number, place in the
// index.
enum { RECORD_OVERHEAD = 48 };

static struct server *server_of(struct call *call)
{
    return commands_server(call->commands);
}

// --- MEMORY --------------------------------------------------------------------------------------

// Of a large collection some elements are looked at, and stand for all.
static int sample_elements(
    struct call *call, const struct spread *spread, int64_t samples, int64_t *bytes)
{
    struct spread_walk w;
    struct slice name, value;
    int64_t seen = 0, sum = 0;
    int status = OK;
    spread_walk_open(&w, call->keys, spread->id, SPREAD_ELEMENT, slice_of(NULL, 0));
    while (seen < samples && (status = spread_walk_next(&w, &name, &value)) == OK) {
        sum += (int64_t)(SPREAD_PREFIX_LEN + name.len + value.len + RECORD_OVERHEAD);
        seen++;
    }
    spread_walk_close(&w);
    if (status == OK || status == END)
        *bytes += seen > 0 ? (int64_t)((double)sum / (double)seen * (double)spread->count) : 0;
    return status == END ? OK : status;
}

static int memory_usage_command(struct call *call)
{
    enum { SAMPLES = 5, SAMPLES_MAX = 10000 }; // as in Redis; 0: all, but for what takes long
    int64_t count = SAMPLES;
    for (int i = 3; i < call->argc; i++) {
        if (!slice_equal_nocase(call->argv[i], "samples") || i + 1 >= call->argc)
            return call_syntax_error(call);
        if (!call_int(call, call->argv[++i], &count))
            return OK;
        if (count < 0)
            return call_syntax_error(call);
    }
    if (count == 0 || count > SAMPLES_MAX)
        count = SAMPLES_MAX;
    struct value value;
    int status = keys_get(call->keys, LOOKUP_QUIET, call->argv[2], &value);
    if (status == NOT_FOUND) {
        reply_null(call->reply);
        return OK;
    }
    int64_t bytes =
        (int64_t)(KEY_PREFIX_LEN + call->argv[2].len + 1 + value.bytes.len + RECORD_OVERHEAD);
    if (status == OK && value.spread.id != 0)
        status = sample_elements(call, &value.spread, count, &bytes);
    if (status == OK)
        reply_int(call->reply, bytes);
    return status;
}

static int memory_purge_command(struct call *call)
{
    malloc_trim(0);
    reply_ok(call->reply);
    return OK;
}

static int memory_help_command(struct call *call)
{
    static const char *const lines[] = {
        "PURGE",
        "    Give free memory back to the system.",
        "USAGE <key> [SAMPLES <count>]",
        "    Bytes that <key> and its value take while they are in memory.",
        NULL,
    };
    return call_help(call, lines);
}

static const struct command memory_subcommands[] = {
    {.name = "help",
        .fn = memory_help_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .since = "4.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Explains the subcommands"},
    {.name = "purge",
        .fn = memory_purge_command,
        .arity = 2,
        .tips = "request_policy:all_shards response_policy:all_succeeded",
        .since = "4.0.0",
        .group = "server",
        .complexity = "Depends on how much memory is free",
        .summary = "Gives free memory back to the system"},
    {.name = "usage",
        .fn = memory_usage_command,
        .arity = -3,
        .flags = CMD_READONLY,
        .first_key = 2,
        .last_key = 2,
        .key_step = 1,
        .specs = "RO i2 r0,1,0",
        .since = "4.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Estimates the memory that a key and its value take",
        .arguments = "key:k#0 count:i=SAMPLES?"},
    {.name = NULL},
};

// --- DEBUG ---------------------------------------------------------------------------------------

static void text_of(struct slice s, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)s.len, (const char *)s.data);
}

// Stops the whole server, as it says.
static int debug_sleep_command(struct call *call)
{
    char text[64];
    text_of(call->argv[2], text, sizeof text);
    double seconds = strtod(text, NULL);
    if (seconds > 0 && seconds < 1e9) {
        struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
        nanosleep(&time, NULL);
    }
    reply_ok(call->reply);
    return OK;
}

static int debug_set_active_expire_command(struct call *call)
{
    char text[64];
    text_of(call->argv[2], text, sizeof text);
    server_of(call)->expire_off = atoi(text) == 0;
    reply_ok(call->reply);
    return OK;
}

static int debug_error_command(struct call *call)
{
    reply_errorf(call->reply, "%.*s", (int)call->argv[2].len, (const char *)call->argv[2].data);
    return OK;
}

static int debug_log_command(struct call *call)
{
    log_line(server_of(call)->logger, LOG_WARNING, "DEBUG LOG: %.*s", (int)call->argv[2].len,
        (const char *)call->argv[2].data);
    reply_ok(call->reply);
    return OK;
}

// Makes the disk slow, so that a test sees who waits for it and who does not.
static int debug_read_delay_command(struct call *call)
{
    int64_t ms;
    if (!call_int(call, call->argv[2], &ms))
        return OK;
    if (ms < 0 || ms > 10000) {
        reply_errorf(call->reply, "ERR the delay is 0 to 10000 milliseconds");
        return OK;
    }
    os_delay_reads((unsigned)ms);
    reply_ok(call->reply);
    return OK;
}

static int debug_help_command(struct call *call)
{
    static const char *const lines[] = {
        "ERROR <string>",
        "    Reply with the error <string>.",
        "LOG <message>",
        "    Write <message> to the server's log.",
        "READ-DELAY <milliseconds>",
        "    Make every read from disk take that much longer, with nothing found in the",
        "    system's page cache.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    0: expired keys are deleted only when somebody comes across them.",
        "SLEEP <seconds>",
        "    Stop the whole server for so long. Fractions are allowed.",
        NULL,
    };
    return call_help(call, lines);
}

static int debug_command(struct call *call)
{
    static const struct {
        const char *name;
        int argc;
        command_fn fn;
    } actions[] = {
        {"help", 2, debug_help_command},
        {"error", 3, debug_error_command},
        {"log", 3, debug_log_command},
        {"read-delay", 3, debug_read_delay_command},
        {"set-active-expire", 3, debug_set_active_expire_command},
        {"sleep", 3, debug_sleep_command},
    };
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (call->argc == actions[i].argc && slice_equal_nocase(call->argv[1], actions[i].name))
            return actions[i].fn(call);
    return call_subcommand_syntax_error(call);
}

const struct command cmd_debug_rows[] = {
    {.name = "debug",
        .fn = debug_command,
        .arity = -2,
        .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED,
        .since = "1.0.0",
        .group = "server",
        .complexity = "Depends on the subcommand.",
        .summary = "What tests need: pauses, errors, expiry by hand"},
    {.name = "memory",
        .arity = -2,
        .since = "4.0.0",
        .group = "server",
        .complexity = "Depends on the subcommand.",
        .summary = "What takes memory",
        .subcommands = memory_subcommands},
    {.name = NULL},
};
