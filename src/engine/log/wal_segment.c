// The log's files: made ahead of need and extended ahead of need in the files lane, unlinked when
// flushed in the lane of unlinks; so that the loop never waits for an allocation, a directory sync,
// or the unlinking of a large file, and the former not for the latter.
//
// A new segment is made under a temporary name: header written, blocks allocated, contents synced;
// then renamed, and the directory synced. So a NUMBER.log that recovery finds always has a whole
// header, and the first record's acknowledgement needs no directory sync.
//
// Preallocation follows need. The first segments are small; the current one is extended when half
// of it is used, to double its size, until it has the size that a memtable fills; from there on
// when an eighth of that is left, or when a batch needs more. The next one begins with what the
// last one needed. Example, write buffer 64 MiB: a database of one key takes two segments of 1 MiB;
// under load the first grows 1, 2, 4 ... 64 MiB, always ahead, and the segments after the next
// begin with 64 MiB.
//
// A full disk shows up here and nowhere else, as an allocation that fails: batches that still fit
// are taken, larger ones get the failure (NO_SPACE, or IO from an ill disk), and the allocation is
// tried again each second. A failed creation is retried in the same way; meanwhile the engine stays
// on its old segment, and whoever needs the next one gets the failure instead of waiting for a
// person. Nothing that anybody wrote is at stake, so neither is final.
//
// A file is used by the jobs that work on it; released, it is unlinked when the last of them is
// done.
#include "engine/log/wal_impl.h"

#include "base/alloc.h"
#include "base/ensure.h"

enum { RETRY_MS = 1000, FIRST_SIZE = 1 << 20, SMALLEST_SEGMENT = 64 * 1024 };

struct wal_file *wal_file_new(struct wal *w, uint64_t number, uint64_t size)
{
    struct wal_file *f = xcalloc(1, sizeof *f);
    list_init(&f->link);
    f->wal = w;
    f->number = number;
    // Also a segment that gets no record can be sealed.
    uint64_t least = SEGMENT_HEADER_SIZE + SEGMENT_SEAL_RECORD_SIZE;
    f->size = size < least ? least : size;
    f->appended = f->written = f->synced = SEGMENT_HEADER_SIZE;
    return f;
}

void wal_file_free(struct wal_file *f)
{
    if (f->file != NULL)
        env_close(f->wal->options.env, f->file);
    free(f);
}

static int fill_new_file(
    struct wal *w, struct wal_file *f, const char *temporary, const char *path, struct error *err)
{
    const struct env_ops *ops = w->options.env->ops;
    uint8_t header[SEGMENT_HEADER_SIZE];
    segment_header_encode(header, LOG_MAGIC, f->number, &w->options.lineage);
    struct slice piece = slice_of(header, sizeof header);
    int status = ops->allocate(w->options.env, f->file, f->size, err);
    if (status == OK)
        status = ops->write(w->options.env, f->file, 0, &piece, 1, err);
    if (status == OK)
        status = ops->sync(w->options.env, f->file, err);
    if (status == OK)
        status = ops->rename(w->options.env, temporary, path, err);
    if (status == OK)
        status = ops->sync_dir(w->options.env, w->dir, err);
    if (status != OK)
        return status;
    // Opened again, so that errors name the file by the name it has.
    struct file *renamed;
    status = env_open(w->options.env, path, FILE_UPDATE, &renamed, err);
    if (status != OK)
        return status;
    env_close(w->options.env, f->file);
    f->file = renamed;
    return OK;
}

int wal_file_create(struct wal *w, struct wal_file *f, struct error *err)
{
    struct env *env = w->options.env;
    char path[FILENAME_PATH_SIZE], temporary[FILENAME_PATH_SIZE];
    filename_log(path, w->dir, f->number);
    filename_tmp(temporary, path);
    int status = env_create_anew(env, temporary, &f->file, err);
    if (status != OK)
        return status;
    status = fill_new_file(w, f, temporary, path, err);
    if (status != OK) {
        env_close(env, f->file);
        f->file = NULL;
        env->ops->unlink(env, temporary, NULL);
        env->ops->unlink(env, path, NULL);
    }
    return status;
}

static void complain(struct wal *w, const struct error *err)
{
    if (!w->space.complained)
        log_line(w->options.logger, LOG_WARNING, "%s for the log, trying again each second: %s",
            err->status == NO_SPACE ? "No space" : "No new space", err->text);
    w->space.complained = true;
}

// On a full disk a small one is better than none: without it no memtable can be frozen, not even
// one whose flush would give space back.
static int create_some(struct wal *w, struct wal_file *f, struct error *err)
{
    int status = wal_file_create(w, f, err);
    while (status == NO_SPACE && f->size > SMALLEST_SEGMENT) {
        f->size = f->size / 8 > SMALLEST_SEGMENT ? f->size / 8 : SMALLEST_SEGMENT;
        status = wal_file_create(w, f, err);
    }
    return status;
}

static void create_job_run(struct job *job)
{
    struct wal *w = LIST_ENTRY(job, struct wal, space.create_job);
    w->space.create_status = create_some(w, w->space.creation, &w->space.create_err);
}

static void create_job_done(struct job *job)
{
    struct wal *w = LIST_ENTRY(job, struct wal, space.create_job);
    struct wal_space *space = &w->space;
    space->creating = false;
    // a moment without descriptors is waited for
    space->create_failed = space->create_status == RETRY ? OK : space->create_status;
    if (space->create_status == OK) {
        space->ready = space->creation;
        space->complained = false;
        wal_progress(w);
        return;
    }
    complain(w, &space->create_err);
    wal_file_free(space->creation);
    if (!w->closing)
        exec_timer_start(w->options.exec, &space->create_timer, RETRY_MS);
    wal_progress(w);
}

void wal_create_ahead(struct wal *w)
{
    struct wal_space *space = &w->space;
    if (space->creating || space->ready != NULL || w->closing || w->failed.status != OK)
        return;
    space->creating = true;
    space->creation = wal_file_new(w, w->options.new_number(w->options.arg), w->space.next_size);
    exec_submit(w->options.exec, LANE_FILES, &space->create_job);
}

static void create_timer_fired(struct exec_timer *timer)
{
    wal_create_ahead(LIST_ENTRY(timer, struct wal, space.create_timer));
}

static void extend_job_run(struct job *job)
{
    struct wal *w = LIST_ENTRY(job, struct wal, space.extend_job);
    struct wal_space *space = &w->space;
    struct env *env = w->options.env;
    space->extend_status =
        env->ops->allocate(env, space->extended->file, space->extend_to, &space->extend_err);
}

static void start_extension(struct wal *w, uint64_t size)
{
    struct wal_space *space = &w->space;
    if (space->extending || w->closing)
        return;
    space->extending = true;
    space->extended = w->current;
    space->extended->users++;
    space->extend_to = size;
    exec_submit(w->options.exec, LANE_FILES, &space->extend_job);
}

static void extend_job_done(struct job *job)
{
    struct wal *w = LIST_ENTRY(job, struct wal, space.extend_job);
    struct wal_space *space = &w->space;
    bool current = space->extended == w->current;
    space->extending = false;
    if (space->extend_status == OK) {
        space->extended->size = space->extend_to;
        space->extend_wanted = 0;
        space->complained = false;
    } else if (current) {
        complain(w, &space->extend_err);
        space->extend_wanted = space->extend_to;
        if (!w->closing)
            exec_timer_start(w->options.exec, &space->extend_timer, RETRY_MS);
    }
    wal_file_unuse(space->extended);
    wal_progress(w);
}

static void extend_timer_fired(struct exec_timer *timer)
{
    struct wal *w = LIST_ENTRY(timer, struct wal, space.extend_timer);
    if (w->space.extend_wanted != 0 && w->failed.status == OK)
        start_extension(w, w->space.extend_wanted);
}

int wal_make_room(struct wal *w, uint64_t end)
{
    struct wal_space *space = &w->space;
    uint64_t size = w->current->size, full = w->options.segment_size;
    bool small = size < full;
    uint64_t ahead = small ? size / 2 : full / 8, step = small ? size : full / 2;
    end += SEGMENT_SEAL_RECORD_SIZE;
    if (space->extend_wanted != 0)
        return end <= size                         ? OK
               : space->extend_err.status == RETRY ? WAIT
                                                   : space->extend_err.status;
    if (end + ahead > size)
        start_extension(w, end + ahead > size + step ? end + ahead : size + step);
    return end <= size ? OK : WAIT;
}

void wal_note_need(struct wal *w, uint64_t bytes)
{
    uint64_t full = w->options.segment_size, least = full < FIRST_SIZE ? full : FIRST_SIZE;
    w->space.next_size = bytes < least ? least : bytes > full ? full : bytes;
}

static void unlink_job_run(struct job *job)
{
    struct wal_file *f = LIST_ENTRY(job, struct wal_file, unlink_job);
    struct wal *w = f->wal;
    char path[FILENAME_PATH_SIZE];
    filename_log(path, w->dir, f->number);
    if (f->file != NULL)
        env_close(w->options.env, f->file);
    f->file = NULL;
    struct error err;
    if (w->options.env->ops->unlink(w->options.env, path, &err) < 0)
        log_line(w->options.logger, LOG_WARNING, "A log segment cannot be removed: %s", err.text);
}

static void unlink_job_done(struct job *job)
{
    struct wal_file *f = LIST_ENTRY(job, struct wal_file, unlink_job);
    f->wal->unlinking--;
    list_remove(&f->link);
    wal_file_free(f);
}

void wal_file_unuse(struct wal_file *f)
{
    ENSURE(f->users > 0);
    if (--f->users > 0 || !f->released)
        return;
    f->wal->unlinking++;
    f->unlink_job.run = unlink_job_run;
    f->unlink_job.done = unlink_job_done;
    exec_submit(f->wal->options.exec, LANE_UNLINK, &f->unlink_job);
}

void wal_space_init(struct wal *w)
{
    w->space.create_job = (struct job){.run = create_job_run, .done = create_job_done};
    w->space.extend_job = (struct job){.run = extend_job_run, .done = extend_job_done};
    w->space.create_timer.fire = create_timer_fired;
    w->space.extend_timer.fire = extend_timer_fired;
}

void wal_space_stop(struct wal *w)
{
    exec_timer_stop(w->options.exec, &w->space.create_timer);
    exec_timer_stop(w->options.exec, &w->space.extend_timer);
}
