// dispatch: the dispatcher's own state, which handlers see as call->commands. Private to this
// folder.
#ifndef VARVE_COMMANDS_DISPATCH_H
#define VARVE_COMMANDS_DISPATCH_H

#include "base/buf.h"
#include "commands/call.h"
#include "commands/command.h"
#include "commands/parts/cursors.h"
#include "commands/table.h"
#include "commands/watch.h"

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
    struct buf deferred;   // effects of call_defer
    struct buf inner;      // struct inner_stat of EXEC's commands
    struct buf touched;    // watches of what the attempt has written
    struct buf work;       // scratch bytes of a handler
    int64_t wall_ahead_us; // of the wall clock against the monotonic one; TIME
    uint64_t last_us;      // when the last command ended, or the turn began
    // stats.c
    struct keyspace_stats totals;
    struct error_count errors[ERROR_CODES_MAX];
    int error_count;
    struct watches watches;
    struct cursors cursors;
    struct txn *reap_txn; // of a round of the reaper that is not over; NULL: none
    bool reap_waits;
};

// Runs one command of a transaction inside EXEC's call.
int dispatch_inner(
    struct call *outer, struct entry *e, const struct slice *argv, int argc, int index);

#endif
