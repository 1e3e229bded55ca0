// A flush turns the oldest frozen memtable into tables of level 0. One at a time, so they install
// in the order of their memtables, and replay after a crash can start where the last one ended.
//
// A flush begins only when everything in its memtable is durable by the policy: a table must never
// hold a record that the log has lost, and a failed log write takes back what nobody was told of
// (commit.c).
//
//   loop   capture: snapshots, drops of this memtable, the version beneath, the time, file numbers
//   job    sorted records -> rewriter -> tables, synced, then their directory
//   loop   one edit: tables, last_seq, log_start (the next memtable's first segment), drops,
//          counts; through the edit queue
//   loop   published: the memtable is a clean one (clean.h), the log before log_start goes, writers
//          that waited for room are woken
//
// If everything in the memtable was dropped or superseded the edit brings no table, but all the
// rest.
//
// What can fail. NO_SPACE, RETRY: the outputs are removed, and a timer tries again; meanwhile
// space.flush_has_none tells commits that waiting for room would be waiting for a person. (A moment
// without descriptors passes by itself, and is waited for unless it lasts.) Anything else (the disk
// is ill) makes the engine read-only. The memtable stays readable either way, and its records stay
// in the log.
//
// flush_wait() wants everything up to the present in tables. The active memtable may not be
// freezable at once (too many frozen, no log segment ready), so waiters are looked at after each
// flush, after each progress of the log, and by a timer. A segment that cannot be made fails them.
#include "engine/flush.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/compaction/outputs.h"
#include "engine/compaction/rewriter.h"
#include "engine/memtables.h"
#include "engine/publish.h"
#include "engine/snapshot.h"
#include "engine/unlink.h"
#include "engine/upkeep.h"

enum {
    RETRY_MS = 1000, // after a full disk
    RETRIES_WAITED_FOR = 10,
    KICK_MS = 5, // when the active memtable could not be frozen
    // a flushed table is cut at so many times the target size; on a disk that is about to be full
    // at that size, so that it can be merged with little
    SPLIT_FACTOR = 4,
};

struct flush_waiter {
    struct list link;
    uint64_t seq; // everything up to it
    engine_done_cb done_cb;
    void *arg;
};

// What a job needs, captured on the loop; the same for recovery's blocking flush.
struct flush_task {
    struct memtable *memtable;
    struct version *version;
    engine_counted_prefix_cb counted_prefix;
    uint64_t *snapshots;
    uint32_t snapshot_count;
    struct drop_set drops;
    int64_t now_ms;
    struct outputs outputs;
    struct rewriter *rewriter;
    int status;
};

struct flush_state {
    struct engine *engine;
    bool running; // a task, until its edit is through
    bool retrying;
    bool closing;
    unsigned retries; // since the last that ended well
    struct flush_task task;
    struct job job;
    uint64_t began_us;
    struct version_edit edit;
    struct edit_op op;
    struct exec_timer timer;
    struct list waiters;
};

// --- The task ------------------------------------------------------------------------------------

static bool version_holds_key(void *arg, struct slice key)
{
    const struct flush_task *t = arg;
    for (uint32_t i = 0; i < t->version->levels[0].count; i++) {
        const struct table *table = t->version->levels[0].tables[i];
        if (slice_compare(table->meta.smallest, key) <= 0 &&
            slice_compare(key, table->meta.largest) <= 0)
            return true;
    }
    return version_key_below(t->version, 0, key) || damage_set_find(&t->version->damages, key) != 0;
}

// By the job: the memtable is frozen, and there may be very many.
static void capture_drops(struct flush_task *t)
{
    size_t count;
    const struct memtable_drop *drops = memtable_drops(t->memtable, &count);
    for (size_t i = 0; i < count; i++)
        drop_set_add(&t->drops, drops[i].prefix, drops[i].seq);
}

static void task_init(struct flush_task *t, struct engine *e, struct memtable *m)
{
    *t = (struct flush_task){
        .memtable = memtable_ref(m),
        .version = version_ref(e->version),
        .counted_prefix = e->options.counted_prefix,
        .snapshots = NULL,
        .now_ms = env_now_ms(e->env),
        .outputs =
            {
                .builder_options =
                    {
                        .env = e->env,
                        .dir = e->dir,
                        .lineage = e->version->lineage,
                        .block_size = e->options.block_size,
                        .bloom_bits_per_key = e->options.bloom_bits_per_key,
                        .compression = COMPRESSION_NONE,
                    },
                .file_size = (e->space.low ? 1 : SPLIT_FACTOR) * e->options.target_file_size,
            },
    };
    t->snapshots = snapshot_seqs(e, &t->snapshot_count);
    while (t->outputs.number_count < OUTPUTS_NUMBERS)
        t->outputs.numbers[t->outputs.number_count++] = engine_new_file_number(e);
}

static int rewrite_all(struct flush_task *t, struct cursor *c)
{
    int status = c->ops->seek(c, (struct slice){0}, SEQ_MAX);
    while (status == OK) {
        status = rewriter_add(t->rewriter, &c->entry);
        if (status == OK)
            status = c->ops->next(c);
    }
    if (status == END)
        status = rewriter_finish(t->rewriter);
    return status == OK ? outputs_finish(&t->outputs) : status;
}

// The job's work.
static void task_run(struct flush_task *t)
{
    capture_drops(t);
    struct rewriter_options options = {
        .snapshots = t->snapshots,
        .snapshot_count = t->snapshot_count,
        .drops = &t->drops,
        .now_ms = t->now_ms,
        .counted_prefix = t->counted_prefix,
        .may_lie_below = version_holds_key,
        .below_arg = t,
        .sink = outputs_add,
        .sink_arg = &t->outputs,
        .values_stay = true,
    };
    t->rewriter = rewriter_new(&options);
    struct cursor *c = memtable_sorted_cursor(t->memtable);
    t->status = rewrite_all(t, c);
    c->ops->close(c);
    if (t->status != OK)
        outputs_abandon(&t->outputs);
}

static bool task_drops_count(const void *arg, struct slice prefix)
{
    const struct flush_task *t = arg;
    return drop_set_find(&t->drops, prefix, 0) != 0;
}

// What the task changes, but for log_start.
static void task_edit(const struct flush_task *t, struct version_edit *edit)
{
    uint64_t last_seq = memtable_last_seq(t->memtable), clean = rewriter_clean_seq(t->rewriter);
    for (uint32_t i = 0; i < t->outputs.table_count; i++) {
        t->outputs.tables[i]->meta.clean_seq = clean < last_seq ? clean : last_seq;
        version_edit_add(edit, 0, t->outputs.tables[i]);
    }
    edit->last_seq = last_seq;
    // An earlier memtable of the same edit (recovery) has its counts below these prefixes forgotten
    // too.
    counts_forget_covered(&edit->counts, task_drops_count, t);
    drop_set_add_all(&edit->drops, &t->drops);
    counts_add_all(&edit->counts, memtable_counts(t->memtable));
    counts_add_all(&edit->counts, rewriter_counts(t->rewriter));
}

static void task_release(struct flush_task *t, struct engine *e)
{
    if (t->rewriter != NULL)
        rewriter_free(t->rewriter);
    outputs_release(&t->outputs);
    drop_set_release(&t->drops);
    free(t->snapshots);
    unlink_version(e, t->version);
    memtable_unref(t->memtable);
    *t = (struct flush_task){0};
}

int flush_blocking(
    struct engine *e, struct memtable *m, struct version_edit *edit, struct error *err)
{
    struct flush_task task;
    task_init(&task, e, m);
    task_run(&task);
    int status = task.status;
    if (status == OK)
        task_edit(&task, edit);
    else if (err != NULL)
        *err = task.outputs.err;
    task_release(&task, e);
    return status;
}

// --- Waiters -------------------------------------------------------------------------------------

static void wake_waiter(struct flush_waiter *w, int status)
{
    list_remove(&w->link);
    w->done_cb(w->arg, status);
    free(w);
}

static void fail_waiters(struct flush_state *f, int status)
{
    struct list failed = f->waiters;
    if (list_empty(&f->waiters))
        return;
    failed.next->prev = failed.prev->next = &failed;
    list_init(&f->waiters);
    while (!list_empty(&failed))
        wake_waiter(LIST_ENTRY(failed.next, struct flush_waiter, link), status);
}

static bool is_flushed(const struct engine *e, uint64_t seq)
{
    if (e->memtables.frozen_count > 0)
        return e->version->last_seq >= seq;
    return e->version->last_seq >= seq || memtable_last_seq(e->memtables.active) == 0;
}

// Never inside a caller of engine_flush: from the timer, a job's end, the log's progress.
static void serve_waiters(struct flush_state *f)
{
    struct engine *e = f->engine;
    if (upkeep_has_failed(e))
        fail_waiters(f, e->upkeep.failed.status);
    while (!list_empty(&f->waiters)) {
        struct flush_waiter *w = LIST_ENTRY(f->waiters.next, struct flush_waiter, link);
        if (!is_flushed(e, w->seq))
            break;
        wake_waiter(w, OK);
    }
    if (list_empty(&f->waiters))
        return;
    uint64_t wanted = LIST_ENTRY(f->waiters.prev, struct flush_waiter, link)->seq;
    if (memtables_frozen_seq(e) >= wanted || memtable_last_seq(e->memtables.active) == 0)
        return;
    int status = memtables_freeze(e);
    if (status == WAIT && !f->retrying)
        exec_timer_start(e->exec, &f->timer, KICK_MS);
    if (status < 0) // no log segment can be made; the log goes on trying, nobody waits for that
        fail_waiters(f, status);
}

void flush_wait(struct engine *e, engine_done_cb done_cb, void *arg)
{
    struct flush_waiter *w = xcalloc(1, sizeof *w);
    *w = (struct flush_waiter){.seq = e->last_seq, .done_cb = done_cb, .arg = arg};
    list_push_back(&e->flush->waiters, &w->link);
    if (!e->flush->retrying)
        exec_timer_start(e->exec, &e->flush->timer, 0);
}

static void flush_timer_fired(struct exec_timer *timer)
{
    struct flush_state *f = LIST_ENTRY(timer, struct flush_state, timer);
    f->retrying = false;
    upkeep_mark(f->engine, FLUSH_WANTED);
    upkeep_run(f->engine);
}

// --- The loop's part -----------------------------------------------------------------------------

static void end_flush(struct flush_state *f)
{
    version_edit_release(&f->edit);
    task_release(&f->task, f->engine);
    f->running = false;
    f->engine->stats.flush_running = false;
}

static void try_later(struct flush_state *f, int status)
{
    struct engine *e = f->engine;
    if (f->retries++ == 0)
        log_line(e->logger, LOG_WARNING, "flush: %s; trying again every %d ms", status_text(status),
            RETRY_MS);
    e->space.flush_has_none |= status == NO_SPACE || f->retries > RETRIES_WAITED_FOR;
    f->retrying = true;
    if (!f->closing)
        exec_timer_start(e->exec, &f->timer, RETRY_MS);
    fail_waiters(f, status);
    upkeep_mark(e, CHANGED_DISK);
}

static void flush_published(void *arg, int status)
{
    struct flush_state *f = arg;
    struct engine *e = f->engine;
    if (status != OK) {
        if (status_is_passing(status)) // nobody knows of the tables
            for (uint32_t i = 0; i < f->task.outputs.table_count; i++)
                unlink_table(e, f->task.outputs.tables[i]->meta.number);
        end_flush(f);
        if (status_is_passing(status))
            try_later(f, status);
        return;
    }
    e->space.flush_has_none = false;
    f->retries = 0;
    e->stats.flushes++;
    e->stats.flush_bytes += f->task.outputs.bytes;
    e->stats.flush_us += env_now_us(e->env) - f->began_us;
    e->stats.expired_dropped += rewriter_expired(f->task.rewriter);
    ENSURE(e->memtables.frozen[0] == f->task.memtable);
    memtables_retire_oldest(e);
    wal_release(e->wal, f->edit.log_start);
    end_flush(f);
}

static uint64_t log_start_after_oldest(const struct memtables *m)
{
    return memtable_first_segment(m->frozen_count > 1 ? m->frozen[1] : m->active);
}

static void flush_job_done(struct job *job)
{
    struct flush_state *f = LIST_ENTRY(job, struct flush_state, job);
    struct engine *e = f->engine;
    if (f->task.status == OK) {
        task_edit(&f->task, &f->edit);
        f->edit.log_start = log_start_after_oldest(&e->memtables);
        f->op = (struct edit_op){
            .edit = &f->edit, .base_seq = SEQ_MAX, .done_cb = flush_published, .arg = f};
        publish_edit(e, &f->op);
        return;
    }
    int status = f->task.status;
    struct error cause = f->task.outputs.err;
    end_flush(f);
    if (status_is_passing(status)) {
        try_later(f, status);
    } else {
        upkeep_fail(e, &cause);
        serve_waiters(f);
    }
    upkeep_run(e);
}

static void flush_job_run(struct job *job)
{
    task_run(&LIST_ENTRY(job, struct flush_state, job)->task);
}

static bool is_durable(const struct engine *e, const struct memtable *m)
{
    return memtable_last_seq(m) <= wal_durable_seq(e->wal);
}

void flush_start(struct engine *e)
{
    struct flush_state *f = e->flush;
    if (f->closing)
        return;
    serve_waiters(f);
    if (f->running || f->retrying || upkeep_has_failed(e) || e->memtables.frozen_count == 0 ||
        !is_durable(e, e->memtables.frozen[0]))
        return;
    f->running = true;
    e->stats.flush_running = true;
    f->began_us = env_now_us(e->env);
    task_init(&f->task, e, e->memtables.frozen[0]);
    f->job = (struct job){.run = flush_job_run, .done = flush_job_done};
    exec_submit(e->exec, LANE_FLUSH, &f->job);
}

void flush_init(struct engine *e)
{
    e->flush = xcalloc(1, sizeof *e->flush);
    e->flush->engine = e;
    e->flush->timer.fire = flush_timer_fired;
    list_init(&e->flush->waiters);
}

void flush_stop(struct engine *e)
{
    struct flush_state *f = e->flush;
    f->closing = true;
    fail_waiters(f, CANCELLED);
    while (f->running)
        ENSURE(exec_drive(e->exec));
    exec_timer_stop(e->exec, &f->timer);
}

void flush_release(struct engine *e)
{
    free(e->flush);
    e->flush = NULL;
}
