// From a directory to a ready engine, in two halves. The first, judge, only reads: whatever is
// damaged, missing, or of a newer format is found here, and then nothing on disk has changed. The
// second half builds, and what it does to the disk is void until CURRENT is switched:
//
//   judge    CURRENT, manifest -> version; every table is there with its size; every log segment,
//            record by record: where the log ends
//   replay   records after the version's last_seq -> memtables; what is more than may wait (a log
//            of several memtables, which no flush has caught up with) is flushed into tables
//   accept   the owner reads, and may refuse: but for such a log nothing has changed yet
//   upgrade  a database of version 1 gets its id, in a manifest of its own, before all other writes
//   begin    a new log segment, then a new manifest with the version (tables from replay,
//            log_start, where the log was cut): the switch
//   clean    files that belong to nobody now: tables in no version, segments that do not count, old
//            manifests, *.tmp; and what was preallocated behind the log's end
//   flush    of what was replayed, in the background, if it lies in more than one segment, or
//            before the switch if it lies in many: so the log does not grow with each restart, nor
//            the time to read it
//
// A crash before the switch leaves the old state plus files that belong to nobody; after it, the
// new state. So a second crash anywhere in recovery is harmless.
//
// Where the log ends, and what is damage instead, is judged in recovery_log.c.
//
// Timelines. A log that ends in anything but a seal may have lost records that somebody has seen
// (an archive, a replica), and their numbers are given out again: so a new timeline begins. A
// database of version 1 gets its id and its first timeline by a manifest of its own, before
// anything else is written. From then on a program of version 1 refuses it.
#include "engine/recovery.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/commit.h"
#include "engine/filename.h"
#include "engine/flush.h"
#include "engine/log/ballast.h"
#include "engine/memtables.h"
#include "engine/publish.h"
#include "engine/recovery_impl.h"
#include "engine/space.h"
#include "engine/unlink.h"
#include "engine/upkeep.h"

enum {
    SEGMENT_SIZE_LEAST = 4096,
    BACKLOG_MAX = 6, // replayed segments that are left to the background
};

// --- What is there -------------------------------------------------------------------------------

static int compare_files(const void *left, const void *right)
{
    const struct found_file *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static int list_files(struct recovery *r, struct error *err)
{
    struct dir_entry *entries;
    size_t count;
    int status = r->e->env->ops->list(r->e->env, r->e->dir, &entries, &count, err);
    if (status != OK)
        return status;
    r->files = xcalloc(count + 1, sizeof *r->files);
    for (size_t i = 0; i < count; i++) {
        struct found_file *f = &r->files[r->file_count++];
        f->kind = filename_parse(entries[i].name, &f->number);
        f->size = entries[i].size;
        f->name = xstrdup(entries[i].name);
    }
    free(entries);
    qsort(r->files, r->file_count, sizeof *r->files, compare_files);
    return OK;
}

static void measure_space(const struct recovery *r)
{
    uint64_t own = 0, ballast = 0;
    for (size_t i = 0; i < r->file_count; i++) {
        own += r->files[i].kind != FILENAME_OTHER ? r->files[i].size : 0;
        ballast += r->files[i].kind == FILENAME_BALLAST ? r->files[i].size : 0;
    }
    space_at_start(r->e, own, ballast);
}

const struct found_file *recovery_find_file(
    const struct recovery *r, enum filename_kind kind, uint64_t number)
{
    struct found_file wanted = {.kind = kind, .number = number};
    return r->file_count == 0
               ? NULL
               : bsearch(&wanted, r->files, r->file_count, sizeof wanted, compare_files);
}

// --- Judging -------------------------------------------------------------------------------------

static int check_tables(const struct recovery *r, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        const struct level *level = &r->e->version->levels[l];
        for (uint32_t i = 0; i < level->count; i++) {
            const struct table *t = level->tables[i];
            const struct found_file *f = recovery_find_file(r, FILENAME_TABLE, t->meta.number);
            filename_table(path, r->e->dir, t->meta.number);
            if (f == NULL)
                return error_set(
                    err, MISSING, path, 0, 0, "the manifest names this table, but it is not there");
            if (f->size != t->meta.size)
                return error_set(err, CORRUPT, path,
                    f->size < t->meta.size ? f->size : t->meta.size, 0,
                    "the table has %" PRIu64 " bytes, the manifest says %" PRIu64, f->size,
                    t->meta.size);
        }
    }
    return OK;
}

static int judge(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    int status = manifest_load(e->env, e->dir, &e->version, &e->next_file, &r->manifest, err);
    r->fresh = status == NOT_FOUND;
    if (status < 0)
        return status;
    if (r->fresh)
        e->version = version_new();
    for (size_t i = 0; i < r->file_count; i++) {
        if (r->fresh && r->files[i].kind == FILENAME_TABLE)
            return error_set(err, MISSING, e->dir, 0, 0, "there are tables, but no CURRENT");
        if (r->files[i].number >= e->next_file)
            e->next_file = r->files[i].number + 1;
    }
    r->log_start = e->version->log_start;
    status = check_tables(r, err);
    return status == OK ? recovery_judge_log(r, err) : status;
}

// --- Replay --------------------------------------------------------------------------------------

static bool in_version(const struct version *v, uint64_t number)
{
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            if (v->levels[l].tables[i]->meta.number == number)
                return true;
    return false;
}

// What belongs to nobody: files that the manifest, made durable as it was read, does not know.
static void remove_orphans_first(struct recovery *r)
{
    struct engine *e = r->e;
    char path[FILENAME_PATH_SIZE];
    struct file *file;
    filename_manifest(path, e->dir, r->manifest);
    if (env_open(e->env, path, FILE_UPDATE, &file, NULL) != OK)
        return;
    int status = e->env->ops->sync(e->env, file, NULL);
    env_close(e->env, file);
    if (status != OK || e->env->ops->sync_dir(e->env, e->dir, NULL) != OK)
        return;
    for (size_t i = 0; i < r->file_count; i++) {
        const struct found_file *f = &r->files[i];
        bool orphan = (f->kind == FILENAME_TABLE && !in_version(e->version, f->number)) ||
                      (f->kind == FILENAME_LOG && f->number < r->log_start) ||
                      (f->kind == FILENAME_MANIFEST && f->number != r->manifest) ||
                      f->kind == FILENAME_TMP;
        filename_of(path, e->dir, f->name);
        if (orphan)
            e->env->ops->unlink(e->env, path, NULL);
    }
}

// A full disk: what may go does, before anything is written.
static void make_space(struct recovery *r)
{
    struct engine *e = r->e;
    if (r->made_space)
        return;
    r->made_space = true;
    if (!r->fresh)
        remove_orphans_first(r);
    ballast_release(e->env, e->dir);
    e->space.ballast = 0;
}

// A database of version 1 gets its id, in a manifest that says nothing else that is new. With the
// switch it is one of version 2, which programs of version 1 refuse, and not before.
static int upgrade(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    if (r->fresh || e->version->lineage.timeline != 0)
        return OK;
    struct version_edit edit = {.lineage = r->lineage};
    struct version *next;
    struct manifest *m;
    int status = version_apply(e->version, &edit, &next, err);
    version_edit_release(&edit);
    if (status != OK)
        return status;
    unlink_version(e, e->version);
    e->version = next;
    uint64_t number = engine_new_file_number(e);
    status = manifest_create(e->env, e->exec, e->dir, next, number, e->next_file, &m, err);
    if (status == NO_SPACE) {
        make_space(r);
        status = manifest_create(e->env, e->exec, e->dir, next, number, e->next_file, &m, err);
    }
    if (status == OK)
        manifest_close(m);
    return status;
}

// The oldest frozen memtable becomes tables of e->version, which only memory knows of yet.
static int flush_oldest(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    struct memtables *m = &e->memtables;
    struct version_edit edit = {0};
    struct version *next;
    int status = upgrade(r, err);
    if (status == OK)
        status = flush_blocking(e, m->frozen[0], &edit, err);
    if (status == NO_SPACE) {
        make_space(r);
        status = flush_blocking(e, m->frozen[0], &edit, err);
    }
    if (status == OK) {
        edit.log_start = memtable_first_segment(m->frozen_count > 1 ? m->frozen[1] : m->active);
        status = version_apply(e->version, &edit, &next, err);
    }
    if (status == OK) {
        unlink_version(e, e->version);
        e->version = next;
        memtables_drop_oldest(e);
    }
    version_edit_release(&edit);
    return status;
}

static int replay_record(
    struct recovery *r, const struct segment_record *record, uint64_t segment, struct error *err)
{
    struct engine *e = r->e;
    const uint8_t *p = record->payload.data, *end = p + record->payload.len;
    struct entry entry;
    if (record->seq <= e->last_seq)
        return OK;
    if (memtable_last_seq(e->memtables.active) != 0 &&
        memtable_bytes(e->memtables.active) >= e->options.write_buffer_size) {
        memtables_freeze_replayed(e, segment);
        int status = e->memtables.frozen_count == FROZEN_MAX ? flush_oldest(r, err) : OK;
        if (status != OK)
            return status;
    }
    for (uint64_t seq = record->seq; p < end; seq++) {
        ENSURE(batch_decode(&p, end, &entry) == OK);
        entry.seq = seq;
        if (entry_may_be_skipped(&entry))
            memtable_skip(e->memtables.active, seq);
        else
            commit_replay(e, &entry);
        e->last_seq = seq;
        e->stats.recovered_records++;
    }
    return OK;
}

static int replay_segment(struct recovery *r, struct log_segment *s, struct error *err)
{
    struct engine *e = r->e;
    struct segment_reader reader;
    struct segment_record record;
    char path[FILENAME_PATH_SIZE];
    bool torn;
    filename_log(path, e->dir, s->number);
    int status = recovery_open_segment(r, s, &reader, err);
    if (status != OK)
        return status;
    if (memtable_last_seq(e->memtables.active) == 0) {
        memtable_unref(e->memtables.active);
        e->memtables.active = memtable_new(e->options.counted_prefix, s->number);
    }
    while (status == OK && (status = segment_next(&reader, path, &record, &torn, err)) == OK)
        status = replay_record(r, &record, s->number, err);
    segment_close(&reader);
    return status == END ? OK : status;
}

// --- Beginning -----------------------------------------------------------------------------------

static uint64_t new_segment_number(void *arg)
{
    return engine_new_file_number(arg);
}

static int open_wal(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    struct wal_options options = {
        .env = e->env,
        .exec = e->exec,
        .logger = e->logger,
        .dir = e->dir,
        .fsync = e->options.fsync,
        .lineage = r->lineage,
        .segment_size = e->options.write_buffer_size,
        .new_number = new_segment_number,
        .on_progress = upkeep_on_log_progress,
        .arg = e,
    };
    int status = r->made_space ? NO_SPACE : wal_open(&options, e->last_seq, &e->wal, err);
    if (status != NO_SPACE)
        return status;
    make_space(r);
    options.segment_size = SEGMENT_SIZE_LEAST; // space_fit makes the next ones larger
    return wal_open(&options, e->last_seq, &e->wal, err);
}

// Of every replayed segment, with the one that goes on: so that whatever a power cut makes of the
// truncation behind (cut_to_end), nobody looks there.
static void note_ends(const struct recovery *r, struct version_edit *edit)
{
    uint64_t resume = wal_segment_number(r->e->wal);
    for (size_t i = r->segment_count; i-- > 0;) {
        const struct log_segment *s = &r->segments[i];
        bool last = i == r->segment_count - 1;
        if (!last && (!s->used || s->number < edit->log_start))
            continue;
        version_edit_add_log_end(edit, (struct log_end){s->number, s->end, resume});
        resume = s->number;
    }
}

// What the new manifest begins with: the timeline, where the log starts now, and where it ended.
static int settle_version(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    struct memtables *m = &e->memtables;
    struct version_edit edit = {.lineage = r->lineage, .last_seq = e->version->last_seq};
    struct version *next;
    if (m->frozen_count == 0 && memtable_last_seq(m->active) == 0) {
        memtable_unref(m->active);
        m->active = memtable_new(e->options.counted_prefix, wal_segment_number(e->wal));
    }
    edit.log_start = memtable_first_segment(m->frozen_count > 0 ? m->frozen[0] : m->active);
    note_ends(r, &edit);
    int status = version_apply(e->version, &edit, &next, err);
    version_edit_release(&edit);
    if (status != OK)
        return status;
    unlink_version(e, e->version);
    e->version = next;
    for (size_t i = 0; status == OK && i < r->segment_count; i++)
        if (r->segments[i].number >= next->log_start)
            status = wal_adopt(e->wal, r->segments[i].number, r->segments[i].end, err);
    return status;
}

static void name_database(struct engine *e, struct lineage *out)
{
    for (unsigned at = 0; at < DATABASE_ID_SIZE; at += sizeof(uint64_t)) {
        uint64_t word = e->env->ops->random(e->env);
        memcpy(out->id + at, &word, sizeof word);
    }
    out->timeline = 1;
}

static void begin_timeline(struct recovery *r)
{
    r->lineage = r->e->version->lineage;
    if (r->lineage.timeline == 0)
        name_database(r->e, &r->lineage);
    else
        r->lineage.timeline += !r->clean;
}

// Asks the owner, who may read what there is.
static int accept(struct engine *e, struct error *err)
{
    if (e->options.accept == NULL)
        return OK;
    publish_recount(e);
    return e->options.accept(e, e->options.accept_arg, err);
}

static unsigned count_replayed(const struct recovery *r)
{
    unsigned replayed = 0;
    for (size_t i = 0; i < r->segment_count; i++)
        replayed += r->segments[i].used && r->segments[i].number >= r->e->version->log_start;
    return replayed;
}

// Lives so short that no flush in the background has come to its end. On a full disk that has time.
static int flush_many_lives(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    int status = OK;
    if (count_replayed(r) <= BACKLOG_MAX)
        return OK;
    if (e->memtables.frozen_count == FROZEN_MAX)
        status = flush_oldest(r, err);
    if (status == OK && memtable_last_seq(e->memtables.active) != 0)
        memtables_freeze_replayed(e, wal_segment_number(e->wal));
    while (status == OK && e->memtables.frozen_count > 0)
        status = flush_oldest(r, err);
    return status == NO_SPACE ? OK : status;
}

static int build(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    int status = OK;
    begin_timeline(r);
    e->last_seq = e->version->last_seq;
    e->memtables.active = memtable_new(e->options.counted_prefix, e->version->log_start);
    for (size_t i = 0; status == OK && i < r->segment_count; i++)
        status = replay_segment(r, &r->segments[i], err);
    if (status == OK)
        status = accept(e, err);
    if (status == OK)
        status = upgrade(r, err);
    if (status == OK)
        status = open_wal(r, err);
    if (status == OK)
        status = flush_many_lives(r, err);
    if (status == OK)
        status = settle_version(r, err);
    if (status != OK)
        return status;
    uint64_t number = engine_new_file_number(e);
    status = manifest_create(
        e->env, e->exec, e->dir, e->version, number, e->next_file, &e->manifest, err);
    if (status != NO_SPACE)
        return status;
    make_space(r);
    return manifest_create(
        e->env, e->exec, e->dir, e->version, number, e->next_file, &e->manifest, err);
}

// --- Cleaning ------------------------------------------------------------------------------------

static bool is_replayed(const struct recovery *r, uint64_t number)
{
    for (size_t i = 0; i < r->segment_count; i++)
        if (r->segments[i].number == number)
            return number >= r->e->version->log_start;
    return false;
}

static bool is_orphan(const struct recovery *r, const struct found_file *f)
{
    switch (f->kind) {
    case FILENAME_TABLE:
        return !in_version(r->e->version, f->number);
    case FILENAME_LOG:
        return !is_replayed(r, f->number);
    case FILENAME_MANIFEST:
        return f->number != manifest_number(r->e->manifest);
    case FILENAME_TMP:
        return true;
    default:
        return false;
    }
}

// Of a segment whose end the manifest knows now.
static void cut_to_end(const struct recovery *r, const struct log_segment *s)
{
    struct env *env = r->e->env;
    struct file *file;
    char path[FILENAME_PATH_SIZE];
    if (!s->used || s->end >= s->size || !is_replayed(r, s->number))
        return;
    filename_log(path, r->e->dir, s->number);
    if (env_open(env, path, FILE_UPDATE, &file, NULL) != OK)
        return;
    env->ops->truncate(env, file, s->end, NULL); // where that fails it is only not smaller
    env_close(env, file);
}

static void clean(const struct recovery *r)
{
    char path[FILENAME_PATH_SIZE];
    for (size_t i = 0; i < r->segment_count; i++)
        cut_to_end(r, &r->segments[i]);
    for (size_t i = 0; i < r->file_count; i++) {
        if (!is_orphan(r, &r->files[i]))
            continue;
        filename_of(path, r->e->dir, r->files[i].name);
        // what stays is found again at the next opening
        r->e->env->ops->unlink(r->e->env, path, NULL);
    }
}

static void nobody_waits(void *arg, int status)
{
}

// Of segments that hold batches more than one would be read again at the next start.
static void flush_backlog(const struct recovery *r)
{
    if (count_replayed(r) > 1)
        flush_wait(r->e, nobody_waits, NULL);
}

int recovery_run(struct engine *e, struct error *err)
{
    struct recovery r = {.e = e};
    int status = list_files(&r, err);
    if (status == OK)
        measure_space(&r);
    if (status == OK)
        status = judge(&r, err);
    if (status == OK)
        status = build(&r, err);
    if (status == OK) {
        clean(&r);
        flush_backlog(&r);
    }
    if (status == OK && r.cut)
        log_line(e->logger, LOG_NOTICE,
            "the log ended in an unfinished record (%" PRIu64 ".log, offset %" PRIu64 "): %" PRIu64
            " bytes were cut, which nothing says to have been synced; %" PRIu64
            " is the last sequence number",
            r.cut_number, r.cut_offset, r.cut_bytes, e->last_seq);
    for (size_t i = 0; i < r.file_count; i++)
        free(r.files[i].name);
    free(r.files);
    free(r.segments);
    return status;
}
