// dispatch: what the files of this folder share: the dispatcher's own state, the table, statistics,
// queues, watches, cursors. Private.
#ifndef VARVE_COMMANDS_DISPATCH_H
#define VARVE_COMMANDS_DISPATCH_H

#include "base/buf.h"
#include "commands/command.h"
#include "commands/cursors.h"
#include "commands/watch.h"

// A row as the table knows it. Subcommands are entries of their own behind their container's
// `subs`.
struct entry {
    const struct command *row;
    const struct command *parent; // NULL at the top level
    struct entry *subs;
    int sub_count;
    struct command_stats stats;
};

enum { ERROR_CODE_MAX = 31, ERROR_CODES_MAX = 128 };

struct error_count {
    char code[ERROR_CODE_MAX + 1];
    uint64_t count;
};

struct commands {
    struct commands_options options;
    // table.c: open addressing over lower-cased names.
    struct entry **slots;
    uint32_t slot_count;    // a power of two
    struct entry **entries; // in the order of registration
    uint32_t entry_count;
    // The attempt at hand.
    struct databases_view view;
    struct buf deferred; // effects of call_defer
    struct buf inner;    // struct inner_stat of EXEC's commands
    struct buf touched;  // watches of what the attempt has written
    struct buf work;     // scratch bytes of a handler
    uint64_t last_us;    // when the last command ended, or the turn began
    // stats.c
    struct keyspace_stats totals;
    struct error_count errors[ERROR_CODES_MAX];
    int error_count;
    struct watches watches;
    struct cursors cursors;
};

// table.c
void table_release(struct commands *c);
struct entry *table_find(const struct commands *c, struct slice name);
// The entry to run for these arguments: the subcommand's where there is one. NULL: unknown;
// *container is set if only the subcommand is.
struct entry *table_lookup(
    const struct commands *c, const struct slice *argv, int argc, struct entry **container);
struct entry *entry_sub(const struct entry *container, struct slice name);
// "client|setname". At least 64 bytes.
const char *entry_name(const struct command *row, const struct command *parent, char *out);
// Positions of keys: as command->get_keys. Works for every row.
int command_keys(
    const struct command *row, const struct slice *argv, int argc, int *positions, int max);

// stats.c
void stats_count_call(struct commands *c, struct entry *e, uint64_t usec, bool failed);
// Counts the error that begins at `at` in the reply.
void stats_count_error_at(struct commands *c, const struct reply *reply, size_t at);
uint64_t stats_clock(struct commands *c); // microseconds since the last call or tick

// dispatch.c: runs one command of a transaction inside EXEC's call.
int dispatch_inner(
    struct call *outer, struct entry *e, const struct slice *argv, int argc, int index);

// multi.c
struct multi {
    struct entry **entries;
    struct slice **argvs; // one block each: the slices and then their bytes
    int *argcs;
    int count, cap;
    size_t bytes;
    uint32_t flags; // of all queued rows, ORed
    bool dirty;     // an error while queueing: EXEC refuses
};
void multi_begin(struct session *s);
void multi_queue(struct session *s, struct entry *e, const struct slice *argv, int argc);
void multi_discard(struct session *s);

// The families: rows that end with a NULL name.
extern const struct command connection_rows[];
extern const struct command command_rows[];
extern const struct command transaction_rows[];
extern const struct command string_rows[];
extern const struct command string_range_rows[];
extern const struct command counter_rows[];
extern const struct command key_rows[];
extern const struct command expire_rows[];
extern const struct command scan_rows[];
extern const struct command database_rows[];
extern const struct command object_rows[];

// What HELLO and INFO say we are.
#define REDIS_VERSION "7.0.15"

// As call_int, for Redis' `int`: another error where it does not fit one.
bool call_int32(struct call *call, struct slice arg, int64_t *out);
// Whether a value of this length may be stored; else the error is replied.
bool call_value_fits(struct call *call, size_t len);
// Replies that several families give.
int call_wrong_type(struct call *call);
// Finds a string: OK; NOT_FOUND; WAIT or a failure; or, having replied WRONGTYPE, ANSWERED.
enum { ANSWERED = 100 };
int call_get_string(struct call *call, enum lookup how, struct slice key, struct value *out);
// What a handler returns for a lookup status that is not OK: OK after ANSWERED, else the status.
static inline int call_status(int status)
{
    return status == ANSWERED ? OK : status;
}

#endif
