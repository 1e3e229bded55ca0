// The manifest is a segment of edits (format.h), and CURRENT names the one in force. Every append
// is synced before it is reported, so the record before is always proven; a bad last record is an
// edit that nobody was told of, and is left out. At a clean end a seal proves the last record too,
// and when no edit has come for a while a proof does. Its job goes through the same lane of one
// slot as the appends, so each finds the file as the one before has left it.
//
// A new manifest is written beside the old one, whole and synced, before a rename switches CURRENT:
// at any instant CURRENT names a complete one. The old file is unlinked afterwards; if that is lost
// in a crash, recovery does it. After a power cut in the midst of the rename both names may lead to
// the same file, so CURRENT.tmp is made anew each time: truncated, it would empty CURRENT.
//
// A full disk. An append that fails half-way leaves the disk in a state that we do not know, which
// makes the engine read-only. So that a full disk does not come to that, blocks are reserved ahead
// of the writes: NO_SPACE (and RETRY) is met there, where nothing has happened yet.
//
// After any other failure `failed` is set and every later append gets it.
#include "engine/version/manifest.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/list.h"
#include "engine/filename.h"
#include "engine/log/segment.h"

enum {
    RESERVE_STEP = 64 * 1024, // bytes reserved ahead
    REST_MS = 1000,           // without an edit, then the last one is proven
    LARGE_MIN = 256 * 1024,   // bytes below which a manifest is never large
    LARGE_FACTOR = 4,         // times the size it began with
};

struct manifest {
    struct env *env;
    struct exec *exec;
    char *dir;
    struct file *file;
    uint64_t number;
    uint64_t size, reserved, first_size;
    struct error failed;

    // The append under way.
    struct job job;
    bool busy;
    struct {
        struct exec_timer timer;
        struct job job;
        bool busy;
        int status; // the job's: of the last proof
        struct error err;
    } rest;
    struct buf edit, whole; // payloads; whole is empty unless a new manifest is to be begun
    uint64_t new_number;
    struct lineage new_lineage;
    struct error err;
    int status;
    manifest_done_cb done_cb;
    void *done_arg;
};

// --- Reading -------------------------------------------------------------------------------------

static int read_current(struct env *env, const char *dir, uint64_t *number, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    filename_current(path, dir);
    uint8_t *text;
    size_t len;
    int status = env_read_file(env, path, FILENAME_CURRENT_MAX, &text, &len, err);
    if (status == TOO_LARGE)
        return error_set(err, CORRUPT, path, 0, 0, "does not name a manifest");
    if (status != OK)
        return status;
    bool good = filename_current_decode(slice_of(text, len), number);
    free(text);
    return good ? OK : error_set(err, CORRUPT, path, 0, 0, "does not name a manifest");
}

// Wraps what an edit is found guilty of into an error with its place.
static int edit_error(
    struct error *err, const char *path, uint64_t offset, const struct error *cause)
{
    return error_set(err, cause->status, path, offset, 0, "%s", cause->text);
}

static int load_edit(const struct segment_record *record, const char *path,
    struct version **version, uint64_t *next_file, struct error *err)
{
    struct version_edit edit;
    struct error cause = {0};
    int status = version_edit_decode(&edit, record->payload, &cause);
    if (status != OK)
        return edit_error(err, path, record->offset, &cause);
    struct version *next;
    status = version_apply(*version, &edit, &next, &cause);
    if (status == OK) {
        version_unref(*version, NULL, NULL);
        *version = next;
        if (edit.next_file > *next_file)
            *next_file = edit.next_file;
    } else {
        status = edit_error(err, path, record->offset, &cause);
    }
    version_edit_release(&edit);
    return status;
}

// A manifest that gives its database a lineage is that database's.
static int check_lineage(const struct segment_reader *reader, const char *path,
    const struct version *v, struct error *err)
{
    if (v->lineage.timeline == 0 && reader->version == 1)
        return OK;
    if (v->lineage.timeline == 0 || reader->lineage.timeline > v->lineage.timeline ||
        !lineage_same_database(&reader->lineage, &v->lineage))
        return error_set(err, CORRUPT, path, 0, 0, "the header and the edits differ in database");
    return OK;
}

static int load_edits(struct segment_reader *reader, const char *path, struct version **version,
    uint64_t *next_file, struct error *err)
{
    struct segment_record record;
    bool torn;
    int status;
    unsigned edits = 0;
    while ((status = segment_next(reader, path, &record, &torn, err)) == OK) {
        status = load_edit(&record, path, version, next_file, err);
        if (status != OK)
            return status;
        edits++;
    }
    if (status == END && edits == 0)
        return error_set(err, CORRUPT, path, 0, 0, "the manifest holds no version");
    return status == END ? OK : status;
}

int manifest_load(struct env *env, const char *dir, struct version **version, uint64_t *next_file,
    uint64_t *number, struct error *err)
{
    int status = read_current(env, dir, number, err);
    if (status != OK)
        return status;
    char path[FILENAME_PATH_SIZE];
    filename_manifest(path, dir, *number);
    struct segment_reader reader;
    status = segment_open(&reader, env, path, MANIFEST_MAGIC, *number, UINT64_MAX, err);
    if (status == NOT_FOUND)
        return error_set(err, MISSING, path, 0, 0, "CURRENT names it, but it is not there");
    if (status != OK)
        return status;
    struct version *v = version_new();
    uint64_t next = *number + 1;
    status = load_edits(&reader, path, &v, &next, err);
    if (status == OK)
        status = check_lineage(&reader, path, v, err);
    segment_close(&reader);
    if (status != OK) {
        version_unref(v, NULL, NULL);
        return status;
    }
    *version = v;
    *next_file = next;
    return OK;
}

static void rest_timer_fired(struct exec_timer *timer);
static void proof_job_run(struct job *job);
static void proof_job_done(struct job *job);

// --- Writing -------------------------------------------------------------------------------------

static void encode_whole(struct buf *out, const struct version *v, uint64_t next_file)
{
    struct version_edit edit;
    version_snapshot_edit(v, &edit);
    edit.next_file = next_file;
    version_edit_encode(&edit, out);
    version_edit_release(&edit);
}

// A complete new file with one record, synced, but not yet named by CURRENT.
static int write_file(struct env *env, const char *dir, uint64_t number,
    const struct lineage *lineage, struct slice payload, struct file **out, uint64_t *size,
    uint64_t *reserved, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    filename_manifest(path, dir, number);
    struct file *file;
    int status = env_create_anew(env, path, &file, err);
    if (status != OK)
        return status;
    struct buf bytes = {0};
    uint8_t header[SEGMENT_HEADER_SIZE];
    segment_header_encode(header, MANIFEST_MAGIC, number, lineage);
    buf_append(&bytes, header, sizeof header);
    segment_append(&bytes, number, SEGMENT_HEADER_SIZE, 0, env_now_ms(env), 0, payload);
    struct slice piece = buf_slice(&bytes);
    *size = bytes.len;
    *reserved = bytes.len + RESERVE_STEP;
    status = env->ops->allocate(env, file, *reserved, err);
    if (status == OK)
        status = env->ops->write(env, file, 0, &piece, 1, err);
    if (status == OK)
        status = env->ops->sync(env, file, err);
    buf_release(&bytes);
    if (status == OK) {
        *out = file;
        return OK;
    }
    env_close(env, file);
    env->ops->unlink(env, path, NULL);
    return status;
}

// What a record at this offset says is proven: as much as 32 bits can say.
static uint32_t proven_at(uint64_t offset)
{
    return offset <= UINT32_MAX ? (uint32_t)offset : UINT32_MAX & ~(SEGMENT_ALIGNMENT - 1u);
}

static int write_current(struct env *env, const char *path, uint64_t number, struct error *err)
{
    struct file *file;
    int status = env_create_anew(env, path, &file, err);
    if (status != OK)
        return status;
    char text[FILENAME_CURRENT_MAX];
    struct slice piece = slice_of(text, filename_current_encode(text, number));
    status = env->ops->write(env, file, 0, &piece, 1, err);
    if (status == OK)
        status = env->ops->sync(env, file, err);
    env_close(env, file);
    return status;
}

// The switch. *switched tells whether CURRENT may name the new one: from then on a failure is
// final.
static int switch_current(
    struct env *env, const char *dir, uint64_t number, bool *switched, struct error *err)
{
    char current[FILENAME_PATH_SIZE], tmp[FILENAME_PATH_SIZE];
    filename_current(current, dir);
    filename_tmp(tmp, current);
    *switched = false;
    int status = write_current(env, tmp, number, err);
    // The manifest's own directory entry has to be durable before CURRENT names it.
    if (status == OK)
        status = env->ops->sync_dir(env, dir, err);
    if (status != OK) {
        env->ops->unlink(env, tmp, NULL);
        return status;
    }
    status = env->ops->rename(env, tmp, current, err);
    *switched = !status_is_passing(status); // of which nobody knows that nothing has happened
    if (!*switched)
        env->ops->unlink(env, tmp, NULL);
    return status == OK ? env->ops->sync_dir(env, dir, err) : status;
}

int manifest_create(struct env *env, struct exec *exec, const char *dir,
    const struct version *version, uint64_t number, uint64_t next_file, struct manifest **out,
    struct error *err)
{
    struct manifest *m = xcalloc(1, sizeof *m);
    struct buf payload = {0};
    encode_whole(&payload, version, next_file);
    ENSURE(version->lineage.timeline > 0);
    int status = write_file(env, dir, number, &version->lineage, buf_slice(&payload), &m->file,
        &m->size, &m->reserved, err);
    buf_release(&payload);
    bool switched;
    if (status == OK)
        status = switch_current(env, dir, number, &switched, err);
    if (status != OK) {
        if (m->file != NULL)
            env_close(env, m->file);
        free(m);
        return status;
    }
    m->env = env;
    m->exec = exec;
    m->dir = xstrdup(dir);
    m->number = number;
    m->first_size = m->size;
    m->rest.timer.fire = rest_timer_fired;
    m->rest.job = (struct job){.run = proof_job_run, .done = proof_job_done};
    *out = m;
    return OK;
}

// If this fails, the last edit stays unproven, and that is all.
static void seal_the_end(struct manifest *m)
{
    struct buf bytes = {0};
    segment_append_seal(&bytes, m->number, m->size, env_now_ms(m->env), proven_at(m->size),
        (struct segment_seal){0});
    struct slice piece = buf_slice(&bytes);
    if (m->size + bytes.len <= m->reserved &&
        m->env->ops->write(m->env, m->file, m->size, &piece, 1, NULL) == OK)
        m->env->ops->sync(m->env, m->file, NULL);
    buf_release(&bytes);
}

void manifest_close(struct manifest *m)
{
    ENSURE(!m->busy);
    exec_timer_stop(m->exec, &m->rest.timer);
    while (m->rest.busy)
        ENSURE(exec_drive(m->exec));
    if (m->failed.status == OK)
        seal_the_end(m);
    env_close(m->env, m->file);
    buf_release(&m->edit);
    buf_release(&m->whole);
    free(m->dir);
    free(m);
}

// --- Appending, in a job -------------------------------------------------------------------------

// The old manifest goes on if this fails before the switch.
static int begin_new(struct manifest *m, bool *switched)
{
    struct file *file;
    uint64_t size, reserved;
    char path[FILENAME_PATH_SIZE];
    *switched = false;
    int status = write_file(m->env, m->dir, m->new_number, &m->new_lineage, buf_slice(&m->whole),
        &file, &size, &reserved, &m->err);
    if (status != OK)
        return status;
    status = switch_current(m->env, m->dir, m->new_number, switched, &m->err);
    if (status != OK) {
        env_close(m->env, file);
        if (!*switched) {
            filename_manifest(path, m->dir, m->new_number);
            m->env->ops->unlink(m->env, path, NULL);
        }
        return status;
    }
    env_close(m->env, m->file);
    filename_manifest(path, m->dir, m->number);
    m->env->ops->unlink(m->env, path, NULL);
    m->file = file;
    m->number = m->new_number;
    m->size = m->first_size = size;
    m->reserved = reserved;
    return OK;
}

static int reserve(struct manifest *m, uint64_t end)
{
    if (end <= m->reserved)
        return OK;
    int status = m->env->ops->allocate(m->env, m->file, end + RESERVE_STEP, &m->err);
    if (status == OK)
        m->reserved = end + RESERVE_STEP;
    return status;
}

static void append_job_run(struct job *job)
{
    struct manifest *m = LIST_ENTRY(job, struct manifest, job);
    if (m->rest.status != OK) { // of a proof whose end the loop had not seen yet
        m->status = m->rest.status;
        m->err = m->failed = m->rest.err;
        return;
    }
    if (m->whole.len > 0) {
        bool switched;
        m->status = begin_new(m, &switched);
        if (m->status == OK)
            return;
        if (switched) {
            m->failed = m->err;
            return;
        }
    }
    struct buf bytes = {0};
    segment_append(
        &bytes, m->number, m->size, 0, env_now_ms(m->env), proven_at(m->size), buf_slice(&m->edit));
    struct slice piece = buf_slice(&bytes);
    m->status = reserve(m, m->size + bytes.len);
    bool reserved = m->status == OK;
    if (m->status == OK)
        m->status = m->env->ops->write(m->env, m->file, m->size, &piece, 1, &m->err);
    if (m->status == OK)
        m->status = m->env->ops->sync(m->env, m->file, &m->err);
    if (m->status == OK)
        m->size += bytes.len;
    else if (reserved || !status_is_passing(m->status))
        m->failed = m->err;
    buf_release(&bytes);
}

static void append_job_done(struct job *job)
{
    struct manifest *m = LIST_ENTRY(job, struct manifest, job);
    m->busy = false;
    // A write that meets a full disk behind its reservation is as final as any other, and so is
    // what fails after the switch; it is not told as something to try again.
    if (m->failed.status != OK && status_is_passing(m->status))
        m->status = m->err.status = m->failed.status = IO;
    if (m->status == OK)
        exec_timer_start(m->exec, &m->rest.timer, REST_MS);
    m->done_cb(m->done_arg, m->status, &m->err);
}

// --- Resting -------------------------------------------------------------------------------------

static void proof_job_run(struct job *job)
{
    struct manifest *m = LIST_ENTRY(job, struct manifest, rest.job);
    struct buf bytes = {0};
    if (m->size > UINT32_MAX || m->size + SEGMENT_PROOF_RECORD_SIZE > m->reserved)
        return;
    segment_append_proof(&bytes, m->number, m->size, env_now_ms(m->env), 0);
    struct slice piece = buf_slice(&bytes);
    m->rest.status = m->env->ops->write(m->env, m->file, m->size, &piece, 1, &m->rest.err);
    if (m->rest.status == OK)
        m->rest.status = m->env->ops->sync(m->env, m->file, &m->rest.err);
    if (m->rest.status == OK)
        m->size += bytes.len;
    buf_release(&bytes);
}

static void proof_job_done(struct job *job)
{
    struct manifest *m = LIST_ENTRY(job, struct manifest, rest.job);
    m->rest.busy = false;
    if (m->rest.status != OK && !m->busy && m->failed.status == OK)
        m->failed = m->rest.err;
}

static void rest_timer_fired(struct exec_timer *timer)
{
    struct manifest *m = LIST_ENTRY(timer, struct manifest, rest.timer);
    if (m->busy || m->rest.busy || m->failed.status != OK)
        return;
    m->rest.busy = true;
    exec_submit(m->exec, LANE_FILES, &m->rest.job);
}

// --- Appending, on the loop ----------------------------------------------------------------------

// The answer of a manifest that has failed before, in a job of its own: a callback never fires
// inside the call.
static void refuse_job_run(struct job *job)
{
    struct manifest *m = LIST_ENTRY(job, struct manifest, job);
    m->err = m->failed;
    m->status = m->failed.status;
}

void manifest_append(struct manifest *m, const struct version_edit *edit,
    const struct version *version_after, uint64_t next_file, uint64_t new_number,
    manifest_done_cb done_cb, void *arg)
{
    ENSURE(!m->busy);
    struct version_edit numbered = *edit;
    numbered.next_file = next_file;
    buf_clear(&m->edit);
    buf_clear(&m->whole);
    version_edit_encode(&numbered, &m->edit);
    if (new_number != 0)
        encode_whole(&m->whole, version_after, next_file);
    m->new_number = new_number;
    m->new_lineage = version_after->lineage;
    m->err = (struct error){0};
    m->busy = true;
    m->done_cb = done_cb;
    m->done_arg = arg;
    m->job = (struct job){
        .run = m->failed.status == OK ? append_job_run : refuse_job_run, .done = append_job_done};
    exec_submit(m->exec, LANE_FILES, &m->job);
}

void manifest_fail(struct manifest *m, const struct error *cause)
{
    ENSURE(!m->busy);
    m->failed = *cause;
}

bool manifest_is_large(const struct manifest *m)
{
    return m->size > LARGE_MIN && m->size > LARGE_FACTOR * m->first_size;
}

uint64_t manifest_number(const struct manifest *m)
{
    return m->number;
}
