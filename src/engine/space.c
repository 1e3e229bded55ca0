// A full disk must not be a trap. Were writes accepted to the last byte, deletions could not be
// logged any more and compaction could not write what lets it remove files: nothing would ever come
// free again. So ordinary writes are refused while there is still some space (the headroom), and
// what is left is for those that give space back: batches that only delete or drop, flushes, and
// compactions.
//
//   looked at   when space has been taken or given: a memtable was frozen (a log segment), a
//               version was published; while it is low, each RETRY_MS. By a job: the question may
//               block. Other programs may fill the disk between two looks; then the log and the
//               tables find out by themselves (NO_SPACE), and try again.
//   low         free < headroom; until free >= headroom and a quarter, so that it does not flutter
//   headroom    a log segment, a flush, and a few tables of a compaction
//
// Dropped prefixes give space back only when their drop has reached the version, which is after the
// flush of its memtable. A flushed database that nobody writes to any more would keep its files: so
// a memtable with a drop in it is frozen after DROP_MS.
#include "engine/space.h"

#include "engine/memtables.h"
#include "engine/upkeep.h"

enum {
    RETRY_MS = 1000,
    DROP_MS = 1000,
    HEADROOM_BUFFERS = 2,
    HEADROOM_TABLES = 4,
};

static uint64_t headroom(const struct engine *e)
{
    return HEADROOM_BUFFERS * e->options.write_buffer_size +
           HEADROOM_TABLES * e->options.target_file_size;
}

static void space_job_run(struct job *job)
{
    struct engine *e = LIST_ENTRY(job, struct engine, space.job);
    if (e->env->ops->free_space(e->env, e->dir, &e->space.free, NULL) != OK)
        e->space.free = UINT64_MAX; // where it cannot be told, the disk will tell
}

static void space_job_done(struct job *job)
{
    struct engine *e = LIST_ENTRY(job, struct engine, space.job);
    struct space_state *s = &e->space;
    bool was_low = s->low;
    s->running = false;
    s->low = s->free < headroom(e) + (was_low ? headroom(e) / 4 : 0);
    if (s->low && !was_low)
        log_line(e->logger, LOG_WARNING,
            "%llu MiB are left on the disk: only deletions are accepted until there is more",
            (unsigned long long)(s->free >> 20));
    if (!s->low && was_low)
        log_line(e->logger, LOG_NOTICE, "There is room on the disk again");
    if (s->low && !s->closing)
        exec_timer_start(e->exec, &s->retry_timer, RETRY_MS);
    if (!s->low && was_low)
        upkeep_mark(e, CHANGED_DISK);
    upkeep_run(e);
}

void space_check(struct engine *e)
{
    struct space_state *s = &e->space;
    if (s->running || s->closing)
        return;
    s->running = true;
    s->job = (struct job){.run = space_job_run, .done = space_job_done};
    exec_submit(e->exec, LANE_FILES, &s->job);
}

static void retry_timer_fired(struct exec_timer *timer)
{
    space_check(LIST_ENTRY(timer, struct engine, space.retry_timer));
}

static void drop_timer_fired(struct exec_timer *timer)
{
    struct engine *e = LIST_ENTRY(timer, struct engine, space.drop_timer);
    size_t drops;
    memtable_drops(e->memtables.active, &drops);
    if (drops > 0 && e->upkeep.failed.status == OK && memtables_freeze(e) != OK)
        exec_timer_start(e->exec, &e->space.drop_timer, DROP_MS);
    else
        e->space.drop_waits = false;
    upkeep_run(e);
}

void space_on_drop(struct engine *e)
{
    if (e->space.drop_waits || e->space.closing)
        return;
    e->space.drop_waits = true;
    exec_timer_start(e->exec, &e->space.drop_timer, DROP_MS);
}

bool space_allows(const struct engine *e, const struct batch *b)
{
    if (!e->space.low || b->has_drops)
        return true;
    for (uint32_t i = 0; i < b->count; i++) {
        struct entry entry;
        batch_at(b, i, &entry);
        if (entry_kind(&entry) == RECORD_PUT)
            return false;
    }
    return true;
}

void space_init(struct engine *e)
{
    e->space.retry_timer.fire = retry_timer_fired;
    e->space.drop_timer.fire = drop_timer_fired;
}

void space_stop(struct engine *e)
{
    e->space.closing = true;
    exec_timer_stop(e->exec, &e->space.retry_timer);
    exec_timer_stop(e->exec, &e->space.drop_timer);
    while (e->space.running)
        exec_drive(e->exec);
}
