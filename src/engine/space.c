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
//   reserve   the least with which something can always be merged: a table and what it overlaps
//             below (outputs.c sees to it that this is ten tables' size and one at each end), and
//             what is written meanwhile
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
// there. On a disk with room that has time until next to nothing is written: when there was less
// than a REST_SHARE of a write buffer in REST_MS, and what the memtable's records may hide (their
// number times an average record's size) is worth its flush and is a good part of all that lies in
// tables, it is frozen, and compaction is asked to clean up (picker.c). The latter is why a client
// that overwrites one key now and then does not have everything rewritten all the time.
//
// The shape of the tree follows the disk. A merge needs as much room as it rewrites, a memtable
// needs its log and its flush, and what is kept free for them is lost to data: so on a small disk
// all of that is made small. With capacity, what the database has and what is free, the write
// buffer is at most a 64th of it and a table a 128th, which makes level 1 a 16th and level 2 ten
// times as much. Example: 100 MB at maxmemory 64mb. By memory alone a buffer has 8 MB, a table 2,
// level 1 has 32, and half of the disk is kept free for its merge; by the disk it is 1.6, 0.8 and
// 6.3, and a fifth is kept free. At 64mb a disk of 512 MB is large enough to change nothing, at
// any budget one of 4 GB is.
//
// The ballast (log/ballast.h) is there for who meets a full disk nevertheless, because other
// programs have filled it: a start, and a flush or a compaction that failed for want of space. It
// grows with the data, and comes back when there is room again.
#include "engine/space.h"

#include "engine/compaction/picker.h"
#include "engine/log/ballast.h"
#include "engine/memtables.h"
#include "engine/upkeep.h"

enum {
    RETRY_MS = 1000,
    DROP_MS = 1000,
    REST_MS = 2000,
    SAY_US = 10 * 1000 * 1000,
    REST_SHARE = 16,
    WORTH_SHARE = 4,       // a flush is worth it if a 4th of its bytes is freed ...
    WORTH_DATA_SHARE = 16, // ... and a 16th of the data
    HEADROOM_BUFFERS = 1,
    HEADROOM_TABLES = 2,
    RESERVE_TABLES = 10,
    RESERVE_LARGEST = 3,
    MEANWHILE_BUFFERS = 2, // a flush and a log segment, that may come after the last look
    BUFFER_SHARE = 64,     // of the capacity
    TABLE_SHARE = 128,
    SHARE_MIN = 64 << 10,    // bytes that neither falls below
    BALLAST_SHARE = 16,      // of what lies in tables: for a flush
    BALLAST_MIN = 192 << 10, // for a start, besides the manifest: its reserve, two segments
    MANIFEST_TABLE = 256,    // bytes of a table's description, without its keys
};

static uint64_t bounded(uint64_t low, uint64_t value, uint64_t high)
{
    uint64_t least = value < low ? low : value;
    return least > high ? high : least;
}

// --- The shape -----------------------------------------------------------------------------------

void space_fit(struct engine *e)
{
    struct engine_options *o = &e->options;
    uint64_t capacity = e->space.capacity, buffer = e->write_buffer_wanted;
    buffer = bounded(1, buffer, o->memory_budget / 8);
    o->write_buffer_size = bounded(SHARE_MIN, capacity / BUFFER_SHARE, buffer);
    o->target_file_size = bounded(SHARE_MIN, capacity / TABLE_SHARE, e->target_file_wanted);
    if (e->wal != NULL)
        wal_set_segment_size(e->wal, o->write_buffer_size);
}

static void set_capacity(struct engine *e, uint64_t own)
{
    struct space_state *s = &e->space;
    s->capacity = s->free < UINT64_MAX - own ? s->free + own : UINT64_MAX;
    space_fit(e);
}

static uint64_t table_bytes(const struct version *v)
{
    uint64_t bytes = 0;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        bytes += v->levels[l].bytes;
    return bytes;
}

static uint64_t own_bytes(const struct engine *e)
{
    struct wal_stats log;
    wal_get_stats(e->wal, &log);
    return table_bytes(e->version) + log.allocated + e->space.ballast;
}

static uint64_t largest_table(const struct engine *e)
{
    uint64_t largest = e->options.target_file_size;
    for (unsigned l = 1; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < e->version->levels[l].count; i++)
            if (e->version->levels[l].tables[i]->meta.size > largest)
                largest = e->version->levels[l].tables[i]->meta.size;
    return largest;
}

static uint64_t ballast_bytes(const struct engine *e)
{
    uint64_t flush = table_bytes(e->version) / BALLAST_SHARE, start = BALLAST_MIN;
    if (flush > e->options.write_buffer_size)
        flush = e->options.write_buffer_size;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < e->version->levels[l].count; i++) {
            const struct table_meta *m = &e->version->levels[l].tables[i]->meta;
            start += MANIFEST_TABLE + m->smallest.len + m->largest.len;
        }
    return flush > start ? flush : start;
}

// --- The marks -----------------------------------------------------------------------------------

static uint64_t headroom(const struct engine *e)
{
    return HEADROOM_BUFFERS * e->options.write_buffer_size +
           HEADROOM_TABLES * e->options.target_file_size;
}

static uint64_t reserve(const struct engine *e)
{
    return RESERVE_TABLES * e->options.target_file_size + RESERVE_LARGEST * largest_table(e) +
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

static void ask_disk(struct engine *e)
{
    if (e->env->ops->free_space(e->env, e->dir, &e->space.free, NULL) != OK)
        e->space.free = UINT64_MAX; // where it cannot be told, the disk will tell
}

// Job: the ballast goes where it is needed, and grows where there is room.
static void see_to_ballast(struct engine *e)
{
    struct space_state *s = &e->space;
    if (s->ballast_goes) {
        ballast_release(e->env, e->dir);
        s->ballast = 0;
    } else if (s->ballast < s->ballast_wanted && s->free >= s->ballast_needs) {
        if (ballast_keep(e->env, e->dir, s->ballast_wanted) == OK)
            s->ballast = s->ballast_wanted;
    } else {
        return;
    }
    ask_disk(e);
}

static void space_job_run(struct job *job)
{
    struct engine *e = LIST_ENTRY(job, struct engine, space.job);
    ask_disk(e);
    see_to_ballast(e);
}

// At most once in SAY_US: on a disk that is nearly full it may change many times a second.
static void tell_user(struct engine *e)
{
    struct space_state *s = &e->space;
    uint64_t now_us = env_now_us(e->env);
    if (s->low && !s->complained && (s->said_us == 0 || now_us - s->said_us >= SAY_US)) {
        log_line(e->logger, LOG_WARNING,
            "%llu MiB are left on the disk: only deletions are accepted until there is more",
            (unsigned long long)(s->free >> 20));
        s->complained = true;
        s->said_us = now_us;
    } else if (!s->low && s->complained) {
        log_line(e->logger, LOG_NOTICE, "There is room on the disk again");
        s->complained = false;
    }
}

static void space_job_done(struct job *job)
{
    struct engine *e = LIST_ENTRY(job, struct engine, space.job);
    struct space_state *s = &e->space;
    bool was_low = s->low, was_tight = s->tight, was_out = s->out;
    s->running = s->ballast_goes = false;
    set_capacity(e, own_bytes(e));
    uint64_t more = headroom(e) / 4;
    s->low = s->free < need(e) + headroom(e) + (was_low ? more : 0);
    s->tight = s->free < need(e);
    s->out = s->free < e->options.write_buffer_size;
    if (s->low != was_low)
        tell_user(e);
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
    s->ballast_goes = s->ballast > 0 && (s->flush_has_none || s->compaction_has_none);
    s->ballast_wanted = ballast_bytes(e);
    s->ballast_needs = need(e) + headroom(e) + s->ballast_wanted;
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
    uint64_t entries = 1;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            entries += v->levels[l].tables[i]->meta.entries;
    return table_bytes(v) / entries;
}

// Whether what the active memtable may hide is worth its flush.
static bool hides_enough(const struct engine *e)
{
    uint64_t hidden = e->space.covers * average_record(e->version);
    return e->space.covers > 0 && hidden >= memtable_bytes(e->memtables.active) / WORTH_SHARE &&
           hidden >= table_bytes(e->version) / WORTH_DATA_SHARE;
}

uint64_t space_hidden(const struct engine *e)
{
    uint64_t tables = table_bytes(e->version);
    uint64_t hidden = picker_hidden(e->version) + e->space.covers * average_record(e->version);
    return hidden < tables ? hidden : tables;
}

static void rest_timer_fired(struct exec_timer *timer)
{
    struct engine *e = LIST_ENTRY(timer, struct engine, space.rest_timer);
    struct space_state *s = &e->space;
    s->rest_waits = false;
    if (upkeep_has_failed(e) || s->covers == 0)
        return;
    uint64_t written = e->stats.user_bytes - s->rest_bytes;
    if (written > e->options.write_buffer_size / REST_SHARE ||
        (hides_enough(e) && memtables_freeze(e) == WAIT))
        space_on_cover(e);
    upkeep_run(e);
}

void space_on_cover(struct engine *e)
{
    if (e->space.rest_waits || e->space.closing)
        return;
    e->space.rest_waits = true;
    e->space.rest_bytes = e->stats.user_bytes;
    exec_timer_start(e->exec, &e->space.rest_timer, REST_MS);
}

static bool is_giving_back(const struct engine *e)
{
    const struct space_state *s = &e->space;
    bool flushing = e->stats.flush_running || (e->memtables.frozen_count > 0 && !s->flush_has_none);
    return flushing || e->stats.compaction_running;
}

// Before somebody is refused: what the active memtable hides can be given back, and is worth it.
static bool begins_to_give_back(struct engine *e)
{
    size_t drops;
    memtable_drops(e->memtables.active, &drops);
    return (drops > 0 || hides_enough(e)) && memtables_freeze(e) == OK;
}

int space_allows(struct engine *e, const struct batch *b)
{
    if (!e->space.low || b->has_drops)
        return OK;
    bool puts = false;
    for (uint32_t i = 0; i < b->count && !puts; i++) {
        struct entry entry;
        batch_at(b, i, &entry);
        puts = entry_kind(&entry) == RECORD_PUT;
    }
    bool running = is_giving_back(e);
    bool hold = e->space.out || (e->space.tight && (running || e->space.compaction_has_none));
    if (!puts && !hold)
        return OK;
    return running || begins_to_give_back(e) ? WAIT : NO_SPACE;
}

void space_at_start(struct engine *e, uint64_t own, uint64_t ballast)
{
    ask_disk(e);
    e->space.ballast = ballast;
    set_capacity(e, own);
}

void space_init(struct engine *e)
{
    e->space.capacity = UINT64_MAX;
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
