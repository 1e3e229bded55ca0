// A full disk must not be a trap. Were writes accepted to the last byte, deletions could not be
// logged any more and compaction could not write what lets it remove files: nothing would ever come
// free again. So what is left on the disk is kept for those that give space back, in steps:
//
//   low    free < need + headroom   only batches that delete or drop are committed
//   tight  free < need              deletions wait while a flush or a compaction is under way, for
//                                   what it gives back; if there was too little for the last
//                                   compaction, they may not use up more
//   out    free < one memtable's    only drops
//   else       what may not be committed waits, too, while a flush or a compaction is under way,
//              and is refused with NO_SPACE when there is none
//   need      what level 0 is merged into is written before anything of its inputs goes: the bytes
//             of levels 0 and 1, as they are now, and one memtable's; at least the reserve. It
//             grows with the data, so a small disk loses little to it.
//   reserve   the least with which something can always be merged: a table and the dozen that it
//             overlaps below (outputs.c sees to it that there are not more), and what is written
//             meanwhile
//   headroom  a log segment, and a few tables
//
//   looked at   when space has been taken or given: a memtable was frozen (a log segment), a
//               version was published; while it is low, each RETRY_MS. By a job: the question may
//               block. Other programs may fill the disk between two looks; then the log and the
//               tables find out by themselves (NO_SPACE), and try again.
//   no flutter  it is low until there is a quarter of the headroom more than that asks for
//
// While it is low, compaction gets plans that fit into what there is (picker_options.space), and
// what deletes little is dirty enough.
//
// What was deleted gives space back only when the tombstones, or the drop, have reached the
// tables, which is after the flush of their memtable. So a memtable with a drop in it is frozen
// after DROP_MS though nobody writes any more, and while the disk is low any memtable is, each
// RETRY_MS.
//
// Deleted and overwritten data that lies in tables keeps its space until its tombstone has met it
// there. On a disk with room that has time until nobody writes: when there was no commit for
// REST_MS, and what the memtable's records may hide (their number times an average record's size)
// is worth its flush, it is frozen, and compaction is asked to clean up (picker.c).
#include "engine/space.h"

#include "engine/compaction/picker.h"
#include "engine/memtables.h"
#include "engine/upkeep.h"

enum {
    RETRY_MS = 1000,
    DROP_MS = 1000,
    REST_MS = 2000,
    WORTH_SHARE = 4, // a flush is worth it if a 4th of its bytes is freed
    HEADROOM_BUFFERS = 1,
    HEADROOM_TABLES = 2,
    RESERVE_TABLES = 13,
    MEANWHILE_BUFFERS = 2, // a flush and a log segment, that may come after the last look
};

static uint64_t headroom(const struct engine *e)
{
    return HEADROOM_BUFFERS * e->options.write_buffer_size +
           HEADROOM_TABLES * e->options.target_file_size;
}

static uint64_t reserve(const struct engine *e)
{
    return RESERVE_TABLES * e->options.target_file_size +
           MEANWHILE_BUFFERS * e->options.write_buffer_size;
}

static uint64_t need(const struct engine *e)
{
    uint64_t most = picker_need(e->version) + e->options.write_buffer_size, least = reserve(e);
    return most > least ? most : least;
}

uint64_t space_for_compaction(const struct engine *e)
{
    uint64_t meanwhile = MEANWHILE_BUFFERS * e->options.write_buffer_size;
    return e->space.free > meanwhile ? e->space.free - meanwhile : 0;
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
    bool was_low = s->low, was_tight = s->tight, was_out = s->out;
    uint64_t more = headroom(e) / 4;
    s->running = false;
    s->low = s->free < need(e) + headroom(e) + (was_low ? more : 0);
    s->tight = s->free < need(e);
    s->out = s->free < e->options.write_buffer_size;
    if (s->low && !was_low)
        log_line(e->logger, LOG_WARNING,
            "%llu MiB are left on the disk: only deletions are accepted until there is more",
            (unsigned long long)(s->free >> 20));
    if (!s->low && was_low)
        log_line(e->logger, LOG_NOTICE, "There is room on the disk again");
    if (s->low && !s->timer_runs && !s->closing) {
        s->timer_runs = true;
        exec_timer_start(e->exec, &s->retry_timer, RETRY_MS);
    }
    if ((was_low && !s->low) || (was_tight && !s->tight) || (was_out && !s->out))
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
    struct engine *e = LIST_ENTRY(timer, struct engine, space.retry_timer);
    e->space.timer_runs = false;
    if (!upkeep_has_failed(e) && e->memtables.frozen_count == 0)
        memtables_freeze(e);           // if it cannot be now, it can at the next time
    upkeep_mark(e, COMPACTION_WANTED); // a plan may fit that did not
    space_check(e);
    upkeep_run(e);
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

static uint64_t average_record(const struct version *v)
{
    uint64_t bytes = 0, entries = 1;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        bytes += v->levels[l].bytes;
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            entries += v->levels[l].tables[i]->meta.entries;
    }
    return bytes / entries;
}

static void rest_timer_fired(struct exec_timer *timer)
{
    struct engine *e = LIST_ENTRY(timer, struct engine, space.rest_timer);
    struct space_state *s = &e->space;
    s->rest_waits = false;
    if (upkeep_has_failed(e) || s->covers == 0)
        return;
    bool worth =
        s->covers * average_record(e->version) >= memtable_bytes(e->memtables.active) / WORTH_SHARE;
    if (s->rest_seq != e->last_seq || (worth && memtables_freeze(e) == WAIT))
        space_on_cover(e);
    upkeep_run(e);
}

void space_on_cover(struct engine *e)
{
    if (e->space.rest_waits || e->space.closing)
        return;
    e->space.rest_waits = true;
    e->space.rest_seq = e->last_seq;
    exec_timer_start(e->exec, &e->space.rest_timer, REST_MS);
}

int space_allows(const struct engine *e, const struct batch *b)
{
    if (!e->space.low || b->has_drops)
        return OK;
    bool puts = false;
    for (uint32_t i = 0; i < b->count && !puts; i++) {
        struct entry entry;
        batch_at(b, i, &entry);
        puts = entry_kind(&entry) == RECORD_PUT;
    }
    bool running = e->stats.flush_running || e->stats.compaction_running;
    bool hold = e->space.out || (e->space.tight && (running || e->space.compaction_has_none));
    if (!puts && !hold)
        return OK;
    return running ? WAIT : NO_SPACE;
}

void space_init(struct engine *e)
{
    e->space.retry_timer.fire = retry_timer_fired;
    e->space.drop_timer.fire = drop_timer_fired;
    e->space.rest_timer.fire = rest_timer_fired;
}

void space_stop(struct engine *e)
{
    e->space.closing = true;
    exec_timer_stop(e->exec, &e->space.retry_timer);
    exec_timer_stop(e->exec, &e->space.drop_timer);
    exec_timer_stop(e->exec, &e->space.rest_timer);
    while (e->space.running)
        exec_drive(e->exec);
}
