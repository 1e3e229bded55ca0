// upkeep: what follows from a change, said once. Loop.
//
// Whoever changes a version, a memtable, the disk's state or what others wait for marks the change
// and calls nothing of what follows. upkeep_run() then takes the steps that the marks ask for, in
// one order: pace, space, wake, flush, compaction. It is called at the end of a turn, at the end of
// each job's and timer's callback, and at the end of the calls of engine.h that change something
// outside of a turn: so nothing follows a turn later, and nothing inside the code that is still
// changing things.
#ifndef VARVE_ENGINE_UPKEEP_H
#define VARVE_ENGINE_UPKEEP_H

#include "engine/state.h"

enum upkeep_change {
    CHANGED_VERSION = 1 << 0,   // tables came or went
    CHANGED_MEMTABLES = 1 << 1, // one was frozen, or flushed
    CHANGED_DURABLE = 1 << 2,   // the log has made more durable
    CHANGED_DISK = 1 << 3,      // the disk has become full, or has room again
    CHANGED_SNAPSHOTS = 1 << 4, // one was released
    CHANGED_FAILURE = 1 << 5,   // upkeep_fail
    FLUSH_WANTED = 1 << 6,      // somebody waits for a flush, or it is time to try again
    COMPACTION_WANTED = 1 << 7, // likewise
};

static inline void upkeep_mark(struct engine *e, unsigned changes)
{
    e->upkeep.changes |= changes;
}

// Sees to all that was marked. Nothing when called from inside itself: the outer call goes on until
// no mark is left.
void upkeep_run(struct engine *e);
// The body of engine_turn_end: hands the turn's commits to the log, and sees to all that was marked
// in the turn.
void upkeep_turn_end(struct engine *e);

// wal_options.on_progress; arg is the engine.
void upkeep_on_log_progress(void *arg);

// Read-only from now on, because of cause (status < 0). Those who wait learn of it outside of the
// present call, and so does engine_options.on_progress.
void upkeep_fail(struct engine *e, const struct error *cause);
static inline bool upkeep_has_failed(const struct engine *e)
{
    return e->upkeep.failed.status != OK;
}

void upkeep_init(struct engine *e);
void upkeep_stop(struct engine *e); // the timer

#endif
