// command: from arguments to a reply: the row that describes a command, and the dispatcher that the
// server calls. call.h is what a handler gets, session.h what a connection is to its commands,
// stream.h a reply in pieces. Loop only; knows no sockets.
#ifndef VARVE_COMMANDS_COMMAND_H
#define VARVE_COMMANDS_COMMAND_H

#include "commands/session.h"
#include "engine/engine.h"
#include "resp/reply.h"
#include "types/databases.h"

struct call;
struct commands;
typedef int (*command_fn)(struct call *call);

// Redis' command flags, as COMMAND INFO shows them.
enum command_flags {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_NOSCRIPT = 1 << 4,
    CMD_LOADING = 1 << 5,
    CMD_STALE = 1 << 6,
    CMD_FAST = 1 << 7,
    CMD_NO_AUTH = 1 << 8,
    CMD_MAY_REPLICATE = 1 << 9,
    CMD_NO_MULTI = 1 << 10,
    CMD_ALLOW_BUSY = 1 << 11,
    CMD_SKIP_MONITOR = 1 << 12,
    CMD_SKIP_SLOWLOG = 1 << 13,
    CMD_NO_ASYNC_LOADING = 1 << 14,
    CMD_NO_MANDATORY_KEYS = 1 << 15,
    CMD_PROTECTED = 1 << 16,
    CMD_MOVABLEKEYS = 1 << 17,
    CMD_PUBSUB = 1 << 18,
    CMD_BLOCKING = 1 << 19,
    CMD_ASKING = 1 << 20,
    // ours: runs at once inside MULTI (EXEC, DISCARD, MULTI, WATCH, QUIT, RESET)
    CMD_QUEUED_NEVER = 1 << 21,
    CMD_RUNS_QUEUE = 1 << 22,     // EXEC: refused, it ends the transaction
    CMD_BLIND = 1 << 23,          // overwrites its keys unread: nothing to fetch ahead
    CMD_BLIND_IF_PLAIN = 1 << 24, // the same, but only with the fewest arguments it takes (SET)
};

// The shown use of a call's keys where it depends on the arguments: flags as in specs, "RW,access".
typedef const char *(*command_key_flags_fn)(const struct slice *argv, int argc);
// Positions of the keys of a call: how many there are (also when more than max), -1 if the
// arguments make no sense.
typedef int (*command_keys_fn)(const struct slice *argv, int argc, int *positions, int max);

// One row a command, in the file of its function. Everything else derives from it: arity and
// "unknown subcommand" errors, COMMAND (INFO, DOCS, LIST, GETKEYS), MULTI's rules, statistics, and
// the test that every command has a test. Texts are NULL where there is nothing.
struct command {
    const char *name; // lower case
    command_fn fn;    // NULL: only a container of subcommands
    int arity;        // Redis' convention: > 0 exactly, < 0 at least
    uint32_t flags;
    int first_key, last_key, key_step;
    const char *acl;   // categories beyond those that follow from the flags: "keyspace string"
    const char *tips;  // "request_policy:multi_shard response_policy:agg_sum"
    const char *specs; // key specs: see docs.h
    const char *since;
    const char *group;
    const char *complexity;
    const char *summary;
    const char *history;     // "6.0.0:Added the `X` option.;..."
    const char *arguments;   // the argument language of docs.h
    const char *replaced_by; // of a deprecated command: "7.0.0:`GETRANGE`"; NULL: not deprecated
    const struct command *subcommands; // ends with a NULL name
    command_keys_fn get_keys; // where keys depend on arguments; NULL: first_key, last_key, key_step
    command_key_flags_fn key_flags; // for COMMAND GETKEYSANDFLAGS; NULL: those of specs
};

// --- The dispatcher ------------------------------------------------------------------------------

typedef struct slice (*commands_requirepass_cb)(void *server);
typedef int64_t (*commands_max_bulk_cb)(void *server);
typedef size_t (*commands_queue_max_cb)(void *server);
typedef void (*commands_flushed_all_cb)(void *server);
typedef bool (*commands_allow_debug_cb)(void *server, const struct session *s);

struct commands_options {
    struct engine *engine;
    struct databases *databases;
    struct env *env;        // clock and entropy
    uint64_t memory_budget; // bounds the table of SCAN cursors
    // for the server's own rows and the functions below; each of them may be NULL
    void *server;
    commands_requirepass_cb requirepass; // empty: none
    // proto-max-bulk-len and an eighth of the budget; default 512 MiB
    commands_max_bulk_cb max_bulk;
    commands_queue_max_cb queue_max;     // bytes of a transaction's queue; default: no bound
    commands_allow_debug_cb allow_debug; // enable-debug-command
    commands_flushed_all_cb flushed_all; // FLUSHALL was committed
};

struct commands *commands_new(const struct commands_options *options);
void commands_free(struct commands *c);
// The families of this folder register themselves in commands_new; the server adds its own. Rows
// are static. A row with a known name, or with texts that docs_check() refuses, is a broken
// invariant.
void commands_register(struct commands *c, const struct command *rows); // ends with a NULL name
void *commands_server(struct commands *c);
int64_t commands_max_bulk(struct commands *c);

// The time from which the next command is measured: called at the start of a loop turn's commands.
// Within a turn the end of one command is the start of the next.
void commands_tick(struct commands *c);

// One attempt of one command; argc > 0. txn has been begun. OK: the reply is in `reply` and effects
// are committed; WAIT: nothing is in `reply`, nothing has changed, txn_wait tells when to try again
// with the same seed. Failures of the engine have become error replies. *stream is set when the
// reply goes on as a stream. reply->proto follows session->proto when the command changes it.
struct stream;
int commands_execute(struct commands *c, struct session *s, struct txn *txn,
    const struct slice *argv, int argc, int64_t now_ms, uint64_t seed, bool first_attempt,
    struct reply *reply, struct stream **stream);
// The reply for a command that is larger than one may be and was not kept; inside MULTI, EXEC then
// aborts.
void commands_refuse_too_large(struct commands *c, struct session *s, struct reply *reply);
// The error reply for a status of the engine: "MISCONF ...", "OOM ...", "ERR ...".
void commands_reply_status(struct commands *c, struct reply *reply, int status);
// Begins to fetch the keys of a command that is still queued behind a parked one.
void commands_prefetch(
    struct commands *c, const struct session *s, const struct slice *argv, int argc);
// Deletes in-memory keys that have expired, at most `max`; returns how many. Uses a txn of its own.
int commands_expire_cycle(struct commands *c, int64_t now_ms, int max);
// The same for spread collections, which the disk tells of: a round that waits goes on with a later
// call. Returns how many entries of the index it has dealt with.
int commands_reap(struct commands *c, int64_t now_ms, int max);
bool commands_may_reap(const struct commands *c); // what such a round waited for has arrived

// Statistics of a command, for INFO.
struct command_stats {
    uint64_t calls, usec, rejected, failed;
};
// Full names ("client|setname"), rows with at least one call or rejection only.
typedef void (*command_stats_visit_cb)(void *arg, const char *name, const struct command_stats *s);
void commands_each_stat(const struct commands *c, command_stats_visit_cb visit_cb, void *arg);
typedef void (*command_error_visit_cb)(void *arg, const char *code, uint64_t count);
void commands_each_error(const struct commands *c, command_error_visit_cb visit_cb, void *arg);
// Counts an error that the server itself has sent (protocol errors, maxclients): text as in
// reply_error.
void commands_count_error(struct commands *c, struct slice text);
void commands_reset_stats(struct commands *c);
struct keyspace_stats {
    uint64_t hits, misses, expired, commands, unexpected_errors;
    uint64_t error_replies;
    uint64_t changes; // of keys, by commands; commands_reset_stats leaves it
};
void commands_get_keyspace_stats(const struct commands *c, struct keyspace_stats *out);

#endif
