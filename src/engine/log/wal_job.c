// What the log lane does: writing groups and syncing files. There are two jobs, each in use at most
// once: the write job, which also syncs under `always`, and the sync job of `everysec`. The lane
// has one slot, so they never run at once; the loop may write while the sync job runs, which is
// safe since a sync promises only what was written before it began.
//
// A job owns its groups and its list of files to sync until `done`; the files' positions are the
// loop's, and are noted in the targets at submission: what is written meanwhile is not part of the
// promise. A sync of a newer file comes after those of all older ones, so that "this file is
// synced" implies "and all before it".
//
// The checksum of a large record is computed here, by the length in its header, where the header's
// checksum is still zero.
#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "engine/log/wal_impl.h"

enum {
    SYNC_INTERVAL_MS = 1000,
    REST_MS = 500, // between two looks for a rest: it is found 500 to 1000 ms after the last write
    GROUP_BYTES_KEPT = 4 << 20,
};

struct wal_group *wal_groups_add(struct wal_groups *g)
{
    if (g->count == g->cap) {
        unsigned cap = g->cap ? g->cap * 2 : 2;
        g->items = xrealloc(g->items, cap * sizeof *g->items);
        memset(g->items + g->cap, 0, (cap - g->cap) * sizeof *g->items);
        g->cap = cap;
    }
    return &g->items[g->count++];
}

void wal_groups_clear(struct wal_groups *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct buf bytes = g->items[i].bytes;
        wal_file_unuse(g->items[i].file);
        buf_clear(&bytes);
        buf_shrink(&bytes, GROUP_BYTES_KEPT);
        g->items[i] = (struct wal_group){.bytes = bytes};
    }
    g->count = 0;
}

void wal_groups_release(struct wal_groups *g)
{
    for (unsigned i = 0; i < g->cap; i++)
        buf_release(&g->items[i].bytes);
    free(g->items);
    *g = (struct wal_groups){0};
}

void wal_job_release(struct wal_job *job)
{
    wal_groups_release(&job->groups);
    free(job->targets);
}

static void sum_group(struct wal_group *g)
{
    for (size_t at = 0; at < g->bytes.len;) {
        uint8_t *record = g->bytes.data + at;
        if (get_le64(record) == 0)
            segment_sum(record, g->file->number, g->offset + at);
        at += segment_record_size(get_le32(record + 8));
    }
}

int wal_write_group(struct wal *w, struct wal_group *g, struct error *err)
{
    if (g->unsummed)
        sum_group(g);
    struct slice piece = buf_slice(&g->bytes);
    return w->options.env->ops->write(w->options.env, g->file->file, g->offset, &piece, 1, err);
}

void wal_after_write(struct wal *w, const struct wal_group *g)
{
    g->file->written = g->offset + g->bytes.len;
    w->stats.written_bytes += g->bytes.len;
    w->stats.writes++;
}

// Runs on the lane.
static void log_job_run(struct job *base)
{
    struct wal_job *job = (struct wal_job *)base;
    struct env *env = job->wal->options.env;
    uint64_t start_us = env_now_us(env);
    for (unsigned i = 0; i < job->groups.count && job->status == OK; i++)
        job->status = wal_write_group(job->wal, &job->groups.items[i], &job->err);
    uint64_t written_us = env_now_us(env);
    for (unsigned i = 0; i < job->target_count && job->status == OK; i++) {
        job->status = env->ops->sync(env, job->targets[i].file->file, &job->err);
        job->syncs++;
    }
    job->write_us = written_us - start_us;
    job->sync_us = env_now_us(env) - written_us;
}

static void submit(struct wal_job *job, job_cb done)
{
    struct wal *w = job->wal;
    job->busy = true;
    job->status = OK;
    job->err = (struct error){0};
    job->syncs = 0;
    job->submitted_us = env_now_us(w->options.env);
    job->job.run = log_job_run;
    job->job.done = done;
    exec_submit(w->options.exec, LANE_LOG, &job->job);
}

static void add_target(struct wal_job *job, struct wal_file *f, uint64_t upto)
{
    if (f->released || f->file == NULL || f->synced >= upto)
        return;
    if (job->target_count == job->target_cap) {
        job->target_cap = job->target_cap ? job->target_cap * 2 : 4;
        job->targets = xrealloc(job->targets, job->target_cap * sizeof *job->targets);
    }
    f->users++;
    job->targets[job->target_count++] = (struct wal_sync_target){f, upto};
}

// Releases the targets; what they promise counts if all went well.
static void settle_targets(struct wal_job *job)
{
    for (unsigned i = 0; i < job->target_count; i++) {
        struct wal_file *f = job->targets[i].file;
        if (job->status == OK && job->targets[i].upto > f->synced)
            f->synced = job->targets[i].upto;
        wal_file_unuse(f);
    }
    job->target_count = 0;
    if (job->syncs > 0) {
        job->wal->stats.syncs += job->syncs;
        wal_count_sync(job->wal, job->sync_us);
    }
    wal_update_proven(job->wal);
}

static void write_job_done(struct job *base)
{
    struct wal_job *job = (struct wal_job *)base;
    struct wal *w = job->wal;
    job->busy = false;
    for (unsigned i = 0; i < job->groups.count; i++) {
        struct wal_group *g = &job->groups.items[i];
        if (job->status == OK)
            wal_after_write(w, g);
        if (job->status == OK && w->failed.status == OK)
            w->durable_seq = g->last_seq;
    }
    wal_groups_clear(&job->groups);
    w->last_write_us = job->write_us;
    settle_targets(job);
    if (job->status != OK)
        wal_fail(w, &job->err);
    wal_arm_sync_timer(w);
    if (w->options.fsync == FSYNC_ALWAYS)
        wal_arm_rest_timer(w);
    wal_hand_over(w);
    wal_progress(w);
}

void wal_submit_write(struct wal *w, bool sync)
{
    struct wal_job *job = &w->write_job;
    ENSURE(!job->busy && job->groups.count == 0);
    struct wal_groups spare = job->groups;
    job->groups = w->collecting;
    w->collecting = spare;
    w->collecting_bytes = 0;
    if (sync) // every byte appended so far is in these groups or written before
        for (struct list *l = w->files.next; l != &w->files; l = l->next) {
            struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
            add_target(job, f, f->appended);
        }
    submit(job, write_job_done);
}

// The loop writes the proof itself where it may: a client that comes now does not wait for it.
static void prove_rest(struct wal *w)
{
    if (w->options.fsync == FSYNC_NO || !wal_append_proof(w))
        return;
    if (w->options.fsync == FSYNC_ALWAYS) {
        wal_submit_write(w, true);
        return;
    }
    wal_hand_over(w);
    wal_start_sync(w); // what the lane writes is synced by the timer
    if (w->failed.status != OK)
        wal_progress(w);
}

static void sync_job_done(struct job *base)
{
    struct wal_job *job = (struct wal_job *)base;
    struct wal *w = job->wal;
    job->busy = false;
    settle_targets(job);
    if (job->status != OK) {
        wal_fail(w, &job->err);
        wal_progress(w);
        return;
    }
    if (w->options.fsync == FSYNC_ALWAYS)
        wal_arm_rest_timer(w);
    else
        prove_rest(w);
    wal_arm_sync_timer(w);
}

void wal_start_sync(struct wal *w)
{
    struct wal_job *job = &w->sync_job;
    if (job->busy || w->failed.status != OK)
        return;
    for (struct list *l = w->files.next; l != &w->files; l = l->next) {
        struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
        add_target(job, f, f->written);
        if (f->written < f->appended)
            break; // what lies behind may not be promised before this file is written to its end
    }
    if (job->target_count > 0)
        submit(job, sync_job_done);
}

static bool anything_unsynced(const struct wal *w)
{
    for (struct list *l = w->files.next; l != &w->files; l = l->next) {
        const struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
        if (!f->released && f->synced < f->written)
            return true;
    }
    return false;
}

void wal_arm_sync_timer(struct wal *w)
{
    if (w->sync_timer_runs || w->closing || w->failed.status != OK ||
        w->options.fsync != FSYNC_EVERYSEC || !anything_unsynced(w))
        return;
    w->sync_timer_runs = true;
    exec_timer_start(w->options.exec, &w->sync_timer, SYNC_INTERVAL_MS);
}

void wal_sync_timer_fired(struct exec_timer *timer)
{
    struct wal *w = LIST_ENTRY(timer, struct wal, sync_timer);
    w->sync_timer_runs = false;
    if (w->options.fsync == FSYNC_EVERYSEC)
        wal_start_sync(w); // if one is under way, its end arms the timer again
}

void wal_arm_rest_timer(struct wal *w)
{
    if (w->rest_timer_runs || w->closing || w->failed.status != OK || !w->unproven)
        return;
    w->rest_timer_runs = true;
    w->rest_seq = w->last_seq;
    exec_timer_start(w->options.exec, &w->rest_timer, REST_MS);
}

void wal_rest_timer_fired(struct exec_timer *timer)
{
    struct wal *w = LIST_ENTRY(timer, struct wal, rest_timer);
    w->rest_timer_runs = false;
    if (w->rest_seq == w->last_seq)
        prove_rest(w);
    if (w->options.fsync == FSYNC_ALWAYS)
        wal_arm_rest_timer(w); // somebody has written, or is about to
}
