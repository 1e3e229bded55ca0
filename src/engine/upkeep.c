// Nine modules once called each other in a circle: whoever published a version or froze a memtable
// also had to know that writers are paced by it, that somebody may wait for the room, that a flush
// or a compaction may begin. Here that knowledge is one table. A change is a mark; the steps look
// at the marks.
//
//   step         why this order
//   pace         the others may let writers go on, who are then held to the rate of now
//   space        asks the disk by a job; its answer is a change of its own
//   wake         writers first: what they commit may freeze a memtable ...
//   flush        ... which is flushed in the same run
//   compaction   late, since it picks from what the others have left
//   settle       last: what is being compacted need not be looked through
//
// Example. A job ends that flushed a memtable: its edit is written, publish.c installs the version
// and marks CHANGED_VERSION, flush.c retires the memtable and marks CHANGED_MEMTABLES. The job's
// callback ends with upkeep_run(): pace looks at the debt of the new version, space has the disk
// asked, the oldest of the writers who waited commits and freezes the next memtable (a mark again,
// so that the run goes round once more), its flush begins as soon as it is durable, and level 0,
// which has one table more now, is picked if it is over its limit.
//
// Every run ends: a step marks anew only after it has used something up (a waiter, a memtable, a
// plan's inputs).
//
// A failure is a change too, but one that may be found deep inside a call, of which the caller
// still holds half: so its consequences come from a timer.
#include "engine/upkeep.h"

#include "base/ensure.h"
#include "engine/commit.h"
#include "engine/compaction_scheduler.h"
#include "engine/flush.h"
#include "engine/pace.h"
#include "engine/settle.h"
#include "engine/space.h"

typedef void (*upkeep_step)(struct engine *e);

static void wake_step(struct engine *e)
{
    if (e->upkeep.in_turn)
        commit_wake_room_later(e);
    else
        commit_wake_room(e);
}

static const struct {
    unsigned after;
    upkeep_step step;
} steps[] = {
    {CHANGED_VERSION | CHANGED_MEMTABLES, pace_update},
    {CHANGED_VERSION | CHANGED_MEMTABLES, space_check},
    {CHANGED_VERSION | CHANGED_MEMTABLES | CHANGED_DURABLE | CHANGED_DISK | CHANGED_FAILURE,
        wake_step},
    {CHANGED_VERSION | CHANGED_MEMTABLES | CHANGED_DURABLE | CHANGED_DISK | CHANGED_FAILURE |
            FLUSH_WANTED,
        flush_start},
    {CHANGED_VERSION | CHANGED_SNAPSHOTS | CHANGED_FAILURE | COMPACTION_WANTED,
        compaction_scheduler_start},
    {CHANGED_VERSION, settle_start},
};

void upkeep_run(struct engine *e)
{
    if (e->upkeep.running)
        return;
    e->upkeep.running = true;
    while (e->upkeep.changes != 0) {
        unsigned changes = e->upkeep.changes;
        e->upkeep.changes = 0;
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if ((changes & steps[i].after) != 0)
                steps[i].step(e);
    }
    e->upkeep.running = false;
}

void upkeep_turn_end(struct engine *e)
{
    commit_turn_end(e);
    e->upkeep.in_turn = true;
    upkeep_run(e);
    e->upkeep.in_turn = false;
    settle_turn_end(e);
}

void upkeep_fail(struct engine *e, const struct error *cause)
{
    if (upkeep_has_failed(e))
        return;
    ENSURE(cause->status < 0);
    e->upkeep.failed = *cause;
    log_line(e->logger, LOG_WARNING, "no more writes until restart: %s", cause->text);
    exec_timer_start(e->exec, &e->upkeep.timer, 0);
}

static void tell_owner(struct engine *e)
{
    if (e->options.on_progress != NULL)
        e->options.on_progress(e->options.on_progress_arg);
}

void upkeep_on_log_progress(void *arg)
{
    struct engine *e = arg;
    commit_settle(e);
    upkeep_mark(e, CHANGED_DURABLE);
    upkeep_run(e);
    tell_owner(e);
}

static void failure_timer_fired(struct exec_timer *timer)
{
    struct engine *e = LIST_ENTRY(timer, struct engine, upkeep.timer);
    commit_settle(e);
    upkeep_mark(e, CHANGED_FAILURE);
    upkeep_run(e);
    tell_owner(e);
}

void upkeep_init(struct engine *e)
{
    e->upkeep.timer.fire = failure_timer_fired;
}

void upkeep_stop(struct engine *e)
{
    exec_timer_stop(e->exec, &e->upkeep.timer);
}
