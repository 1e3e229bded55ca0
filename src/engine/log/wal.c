// The log's loop side: collecting batches, deciding who writes them, and knowing what is durable.
// The jobs are in wal_job.c, the files in wal_segment.c.
//
// The problem: a write must survive a crash before its reply goes out, a system call for each would
// halve the throughput, and one slow fsync must not stop the loop. So batches of a turn form a
// group that goes out as one write, and whoever might be slow is given to the log lane, behind
// which the next group collects.
//
// Invariants:
//   - Groups leave in the order of their batches, and at most one write is under way: either the
//     loop writes, while the write job is idle, or the write job does, and then everything
//     collected since waits for it. So the log has no holes but those of a crash.
//   - A group lies in space that was allocated before: wal_reserve looks at the segment, wal_append
//     never does.
//   - durable_seq is the last seq of the newest group that is written (everysec, no) or written and
//     synced (always).
//   - A file's synced position is what it held when a sync began that has ended well. A record's
//     `proven` is the current file's, once every older file is synced to its end; else 0.
//
// Seals. A segment that is left gets a seal, which names the one that goes on, as the last record
// of its last group: no write or sync of its own. The successor was made, and its name synced,
// before, so whoever finds the seal and not the successor knows of a loss. A clean end is a seal as
// well: wal_close syncs all that was written, so that the seal can say that everything before it
// was, and then writes and syncs the seal. Room for a seal is kept by every reservation.
//
// Proofs. What was synced last is proven by the next record, and at rest there is none. So about a
// second after the last write, when everything is synced, a small record follows that says so, and
// is synced too (everysec: after a sync behind which nothing was written; always: by a timer that
// finds two looks alike). One a rest; under `no`, which never syncs, none.
//
// What can fail: a write or a sync. Then the log has failed for good: what was collected is thrown
// away, durable_seq stops, the owner is told and takes back what it had applied. Nothing is tried
// again, since after a failed fsync nobody knows what the kernel has dropped. Running out of space
// is not a failure: it is found out ahead of need, answered by wal_reserve, and goes away by
// itself.
#include "engine/log/wal.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/log/wal_impl.h"

#define GROUP_BYTES_MAX (64u << 20) // of batches that wait for the lane
#define LARGE_PAYLOAD (1u << 20)    // from here on the lane computes the checksum
#define SLOW_WRITE_US 2000
#define LATE_SYNC_US 1000000

static void init_jobs(struct wal *w)
{
    w->write_job.wal = w;
    w->sync_job.wal = w;
    w->sync_timer.fire = wal_sync_timer_fired;
    w->rest_timer.fire = wal_rest_timer_fired;
    wal_space_init(w);
}

int wal_open(
    const struct wal_options *options, uint64_t last_seq, struct wal **out, struct error *err)
{
    struct wal *w = xcalloc(1, sizeof *w);
    w->options = *options;
    w->dir = xstrdup(options->dir);
    w->last_seq = w->durable_seq = last_seq;
    list_init(&w->files);
    init_jobs(w);
    wal_note_need(w, 0);
    struct wal_file *first = wal_file_new(w, options->new_number(options->arg), w->space.next_size);
    int status = wal_file_create(w, first, err);
    if (status != OK) {
        wal_file_free(first);
        free(w->dir);
        free(w);
        return status;
    }
    list_push_back(&w->files, &first->link);
    w->current = first;
    wal_update_proven(w);
    wal_create_ahead(w);
    *out = w;
    return OK;
}

int wal_adopt(struct wal *w, uint64_t number, uint64_t bytes, struct error *err)
{
    ENSURE(number < w->current->number);
    char path[FILENAME_PATH_SIZE];
    filename_log(path, w->dir, number);
    struct file *file;
    int status = env_open(w->options.env, path, FILE_UPDATE, &file, err);
    if (status != OK)
        return status;
    status = w->options.env->ops->sync(w->options.env, file, err);
    env_close(w->options.env, file);
    if (status != OK)
        return status;
    struct wal_file *f = wal_file_new(w, number, bytes);
    f->appended = f->written = f->synced = bytes;
    struct list *where = &w->files;
    do
        where = where->next;
    while (LIST_ENTRY(where, struct wal_file, link)->number < number);
    list_insert_before(where, &f->link);
    return OK;
}

static bool idle(const struct wal *w)
{
    return !w->write_job.busy && !w->sync_job.busy && !w->space.creating && !w->space.extending &&
           w->unlinking == 0;
}

static void sync_the_rest(struct wal *w)
{
    for (struct list *l = w->files.next; l != &w->files && w->failed.status == OK; l = l->next) {
        struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
        if (f->synced == f->written)
            continue;
        struct error err = {0};
        if (w->options.env->ops->sync(w->options.env, f->file, &err) != OK)
            wal_fail(w, &err);
        else
            f->synced = f->written;
    }
}

// Everything before is synced, so that the seal proves it.
static void seal_the_end(struct wal *w)
{
    if (w->failed.status != OK)
        return;
    struct error err = {0};
    wal_update_proven(w);
    wal_append_seal(w, 0);
    struct wal_group *g = &w->collecting.items[0];
    int status = wal_write_group(w, g, &err);
    if (status == OK)
        status = w->options.env->ops->sync(w->options.env, g->file->file, &err);
    if (status != OK)
        wal_fail(w, &err);
}

static void drop_ready(struct wal *w)
{
    struct wal_file *f = w->space.ready;
    if (f == NULL)
        return;
    char path[FILENAME_PATH_SIZE];
    filename_log(path, w->dir, f->number);
    wal_file_free(f);
    w->options.env->ops->unlink(w->options.env, path, NULL);
}

// Ends everything that is under way, and writes what was collected.
static void wind_down(struct wal *w)
{
    w->closing = true;
    exec_timer_stop(w->options.exec, &w->sync_timer);
    exec_timer_stop(w->options.exec, &w->rest_timer);
    wal_space_stop(w);
    wal_hand_over(w);
    while (!idle(w)) // the write job hands over what was collected behind it
        ENSURE(exec_drive(w->options.exec));
}

static void free_all(struct wal *w)
{
    drop_ready(w);
    while (!list_empty(&w->files)) {
        struct wal_file *f = LIST_ENTRY(w->files.next, struct wal_file, link);
        list_remove(&f->link);
        wal_file_free(f);
    }
    wal_groups_release(&w->collecting);
    wal_job_release(&w->write_job);
    wal_job_release(&w->sync_job);
    free(w->dir);
    free(w);
}

int wal_close(struct wal *w, struct error *err)
{
    wind_down(w);
    sync_the_rest(w);
    seal_the_end(w);
    int status = wal_status(w, err);
    free_all(w);
    return status;
}

void wal_abandon(struct wal *w)
{
    wind_down(w);
    free_all(w);
}

void wal_fail(struct wal *w, const struct error *cause)
{
    if (w->failed.status != OK)
        return;
    w->failed = *cause;
    wal_groups_clear(&w->collecting);
    w->collecting_bytes = 0;
    log_line(w->options.logger, LOG_WARNING, "The log has failed, no more writes are taken: %s",
        cause->text);
}

void wal_progress(struct wal *w)
{
    if (!w->closing && w->options.on_progress != NULL)
        w->options.on_progress(w->options.arg);
}

void wal_update_proven(struct wal *w)
{
    w->proven = w->current->synced <= UINT32_MAX ? w->current->synced
                                                 : UINT32_MAX & ~(SEGMENT_ALIGNMENT - 1u);
    for (struct list *l = w->files.next; l != &w->current->link; l = l->next) {
        const struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
        if (!f->released && f->synced < f->appended)
            w->proven = 0;
    }
}

void wal_count_sync(struct wal *w, uint64_t us)
{
    w->stats.sync_us_total += us;
    if (us > w->stats.sync_us_max)
        w->stats.sync_us_max = us;
}

int wal_reserve(struct wal *w, size_t payload_bytes)
{
    if (w->failed.status != OK)
        return READ_ONLY;
    size_t size = segment_record_size(payload_bytes);
    if (w->collecting_bytes > 0 && w->collecting_bytes + size > GROUP_BYTES_MAX)
        return WAIT;
    return wal_make_room(w, w->current->appended + size);
}

static struct wal_group *group_for_append(struct wal *w)
{
    struct wal_groups *g = &w->collecting;
    if (g->count > 0 && g->items[g->count - 1].file == w->current)
        return &g->items[g->count - 1];
    struct wal_group *added = wal_groups_add(g);
    added->file = w->current;
    added->file->users++;
    added->offset = w->current->appended;
    return added;
}

void wal_append(struct wal *w, uint64_t first_seq, uint64_t last_seq, struct slice payload)
{
    ENSURE(w->failed.status == OK);
    struct wal_group *g = group_for_append(w);
    int64_t now_ms = env_now_ms(w->options.env);
    size_t before = g->bytes.len;
    segment_frame(&g->bytes, first_seq, now_ms, (uint32_t)w->proven, payload);
    if (payload.len > LARGE_PAYLOAD)
        g->unsummed = true;
    else
        segment_sum(g->bytes.data + before, g->file->number, g->offset + before);
    g->last_seq = w->last_seq = last_seq;
    w->unproven = true;
    w->collecting_bytes += g->bytes.len - before;
    w->current->appended = g->offset + g->bytes.len;
    ENSURE(w->current->appended <= w->current->size);
}

static bool all_synced(const struct wal *w)
{
    for (struct list *l = w->files.next; l != &w->files; l = l->next) {
        const struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
        if (!f->released && f->synced < f->appended)
            return false;
    }
    return true;
}

bool wal_append_proof(struct wal *w)
{
    struct wal_file *f = w->current;
    if (!w->unproven || w->failed.status != OK || w->closing || w->write_job.busy ||
        !all_synced(w) || f->appended > UINT32_MAX)
        return false;
    if (wal_make_room(w, f->appended + SEGMENT_PROOF_RECORD_SIZE) != OK) {
        wal_arm_rest_timer(w);
        return false;
    }
    struct wal_group *g = group_for_append(w);
    size_t before = g->bytes.len;
    segment_append_proof(
        &g->bytes, f->number, g->offset + before, env_now_ms(w->options.env), w->last_seq);
    g->last_seq = w->last_seq;
    w->collecting_bytes += g->bytes.len - before;
    f->appended = g->offset + g->bytes.len;
    w->unproven = false;
    return true;
}

void wal_append_seal(struct wal *w, uint64_t next)
{
    struct wal_group *g = group_for_append(w);
    size_t before = g->bytes.len;
    segment_append_seal(&g->bytes, g->file->number, g->offset + before, env_now_ms(w->options.env),
        (uint32_t)w->proven, (struct segment_seal){w->last_seq, next});
    g->last_seq = w->last_seq;
    w->collecting_bytes += g->bytes.len - before;
    w->current->appended = g->offset + g->bytes.len;
    ENSURE(w->current->appended <= w->current->size);
}

static bool lane_is_needed(const struct wal *w)
{
    if (w->last_write_us > SLOW_WRITE_US)
        return true;
    if (w->sync_job.busy && env_now_us(w->options.env) - w->sync_job.submitted_us > LATE_SYNC_US)
        return true;
    for (unsigned i = 0; i < w->collecting.count; i++)
        if (w->collecting.items[i].unsummed)
            return true;
    return false;
}

static void write_on_loop(struct wal *w)
{
    uint64_t start_us = env_now_us(w->options.env);
    for (unsigned i = 0; i < w->collecting.count; i++) {
        struct error err = {0};
        if (wal_write_group(w, &w->collecting.items[i], &err) != OK) {
            wal_fail(w, &err);
            return;
        }
        wal_after_write(w, &w->collecting.items[i]);
        w->durable_seq = w->collecting.items[i].last_seq;
    }
    wal_groups_clear(&w->collecting);
    w->collecting_bytes = 0;
    w->last_write_us = env_now_us(w->options.env) - start_us;
    wal_arm_sync_timer(w);
}

void wal_hand_over(struct wal *w)
{
    if (w->failed.status != OK || w->write_job.busy || w->collecting.count == 0)
        return;
    if (w->options.fsync == FSYNC_ALWAYS)
        wal_submit_write(w, true);
    else if (lane_is_needed(w))
        wal_submit_write(w, false);
    else
        write_on_loop(w);
}

void wal_turn_end(struct wal *w)
{
    wal_hand_over(w);
}

uint64_t wal_durable_seq(const struct wal *w)
{
    return w->durable_seq;
}

int wal_status(const struct wal *w, struct error *err)
{
    if (w->failed.status != OK && err != NULL)
        *err = w->failed;
    return w->failed.status;
}

void wal_set_fsync(struct wal *w, enum fsync_policy policy)
{
    w->options.fsync = policy;
    if (policy == FSYNC_ALWAYS)
        wal_start_sync(w);
    else
        wal_arm_sync_timer(w);
}

void wal_set_segment_size(struct wal *w, uint64_t bytes)
{
    w->options.segment_size = bytes;
    if (w->space.next_size > bytes)
        w->space.next_size = bytes;
}

int wal_rotate(struct wal *w, uint64_t *number)
{
    struct wal_file *next = w->space.ready;
    if (next == NULL && w->space.create_failed != OK)
        return w->space.create_failed;
    if (next == NULL) {
        wal_create_ahead(w);
        return WAIT;
    }
    w->space.ready = NULL;
    if (w->failed.status == OK)
        wal_append_seal(w, next->number);
    wal_note_need(w, w->current->appended);
    list_push_back(&w->files, &next->link);
    w->current = next;
    w->space.extend_wanted = 0;
    wal_update_proven(w);
    wal_create_ahead(w);
    *number = next->number;
    return OK;
}

bool wal_cannot_rotate(const struct wal *w)
{
    return w->space.ready == NULL && w->space.create_failed != OK;
}

uint64_t wal_segment_bytes(const struct wal *w)
{
    return w->current->appended;
}

uint64_t wal_segment_number(const struct wal *w)
{
    return w->current->number;
}

void wal_release(struct wal *w, uint64_t below)
{
    for (struct list *l = w->files.next, *next; l != &w->files; l = next) {
        next = l->next;
        struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
        if (f == w->current || f->released || f->number >= below)
            continue;
        f->users++;
        f->released = true;
        wal_file_unuse(f);
    }
    wal_update_proven(w);
}

void wal_get_stats(const struct wal *w, struct wal_stats *out)
{
    *out = w->stats;
    for (struct list *l = w->files.next; l != &w->files; l = l->next) {
        const struct wal_file *f = LIST_ENTRY(l, struct wal_file, link);
        out->segments += !f->released;
        out->bytes += f->released ? 0 : f->appended;
        out->allocated += f->size;
    }
    out->allocated += w->space.ready != NULL ? w->space.ready->size : 0;
}
