// From a directory to a ready engine, in two halves. The first only reads: whatever is damaged,
// missing, or of a newer format is found here, and then nothing on disk has changed. The second
// half builds, and what it does to the disk is void until CURRENT is switched:
//
//   judge    CURRENT, manifest -> version; every table is there with its size; every log segment,
//            record by record: where the log ends
//   replay   records after the version's last_seq -> memtables; what is more than may wait is
//            flushed into tables
//   begin    a new log segment, then a new manifest with the version (tables from replay,
//            log_start, where the log was cut): the switch
//   clean    files that belong to nobody now: tables in no version, segments that do not count, old
//            manifests, *.tmp
//
// A crash before the switch leaves the old state plus files that belong to nobody; after it, the
// new state. So a second crash anywhere in recovery is harmless.
//
// Where the log ends. Records carry consecutive sequence numbers through all segments. The log ends
//   - at a bad record that no later one proves to have been synced (segment.h), or
//   - where the numbers jump, because an older segment's end never reached the disk: unless a later
//     record proves that it had,
// and then all behind it, later segments included, was never acknowledged as synced and is
// discarded. That place is remembered in the version (log_ends) as long as the segment is needed:
// new segments follow it with the same sequence numbers that the discarded ones had.
//
// A segment whose header is bad and that has no record was being created when the power went; with
// a record it is damage.
//
// The first segment that the version names exists whenever a manifest names it (it was created and
// its name synced before), so its absence is MISSING and not an empty log.
#include "engine/recovery.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/commit.h"
#include "engine/filename.h"
#include "engine/flush.h"
#include "engine/log/segment.h"
#include "engine/memtables.h"
#include "engine/unlink.h"
#include "engine/upkeep.h"

struct found_file {
    enum filename_kind kind;
    uint64_t number, size;
    char *name;
};

struct log_segment {
    uint64_t number, size;
    uint64_t limit; // of what counts
    bool unusable;  // bad header, no records: created, never written
};

struct recovery {
    struct engine *e;
    struct found_file *files;
    size_t file_count;
    bool fresh;                   // no database here
    struct log_segment *segments; // that count, by number
    size_t segment_count;
    bool cut; // the log ends inside, at segments[segment_count - 1].limit
    uint64_t last_seq;
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

static const struct found_file *find_file(
    const struct recovery *r, enum filename_kind kind, uint64_t number)
{
    struct found_file wanted = {.kind = kind, .number = number};
    return r->file_count == 0
               ? NULL
               : bsearch(&wanted, r->files, r->file_count, sizeof wanted, compare_files);
}

// --- Judging: tables -----------------------------------------------------------------------------

static int check_tables(const struct recovery *r, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        const struct level *level = &r->e->version->levels[l];
        for (uint32_t i = 0; i < level->count; i++) {
            const struct table *t = level->tables[i];
            const struct found_file *f = find_file(r, FILENAME_TABLE, t->number);
            filename_table(path, r->e->dir, t->number);
            if (f == NULL)
                return error_set(
                    err, MISSING, path, 0, 0, "the manifest names this table, but it is not there");
            if (f->size != t->size)
                return error_set(err, CORRUPT, path, f->size < t->size ? f->size : t->size, 0,
                    "the table has %" PRIu64 " bytes, the manifest says %" PRIu64, f->size,
                    t->size);
        }
    }
    return OK;
}

// --- Judging: the log ----------------------------------------------------------------------------

// Segments between a cut and where the log was taken up again do not count.
static bool is_void(const struct version *v, uint64_t number)
{
    for (uint32_t i = 0; i < v->log_end_count; i++)
        if (number > v->log_ends[i].number && number < v->log_ends[i].resume)
            return true;
    return false;
}

static uint64_t end_of(const struct version *v, uint64_t number)
{
    for (uint32_t i = 0; i < v->log_end_count; i++)
        if (v->log_ends[i].number == number)
            return v->log_ends[i].offset;
    return UINT64_MAX;
}

static void find_segments(struct recovery *r)
{
    const struct version *v = r->e->version;
    r->segments = xcalloc(r->file_count + 1, sizeof *r->segments);
    for (size_t i = 0; i < r->file_count; i++) {
        const struct found_file *f = &r->files[i];
        if (f->kind == FILENAME_LOG && f->number >= v->log_start && !is_void(v, f->number))
            r->segments[r->segment_count++] = (struct log_segment){
                .number = f->number, .size = f->size, .limit = end_of(v, f->number)};
    }
}

// A segment whose header does not hold: OK if it has no records either.
static int judge_bad_header(const struct recovery *r, const char *path, uint64_t number, int status,
    const struct error *err)
{
    struct segment_reader raw = {
        .number = number, .limit = UINT64_MAX, .offset = SEGMENT_HEADER_SIZE};
    struct segment_record record;
    bool torn;
    if (status != CORRUPT ||
        env_read_file(r->e->env, path, SIZE_MAX - 1, &raw.data, &raw.len, NULL) != OK)
        return status;
    bool used = segment_next(&raw, path, &record, &torn, NULL) != END || segment_has_proof(&raw);
    segment_close(&raw);
    return used ? status : OK;
}

static int open_segment(
    struct recovery *r, struct log_segment *s, struct segment_reader *reader, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, s->number);
    struct error cause = {0};
    int status = segment_open(reader, r->e->env, path, LOG_MAGIC, s->number, s->limit, &cause);
    if (status < 0) {
        int verdict = judge_bad_header(r, path, s->number, status, &cause);
        if (verdict == OK) {
            *reader = (struct segment_reader){.number = s->number, .offset = SEGMENT_HEADER_SIZE};
            s->unusable = true;
            return OK;
        }
        if (err != NULL)
            *err = cause;
        return status;
    }
    return status == NOT_FOUND ? error_set(err, MISSING, path, 0, 0, "the segment has just gone")
                               : status;
}

// Whether a segment from number i on proves that everything before it was synced.
static int later_proof(struct recovery *r, size_t i, bool *proof, struct error *err)
{
    *proof = false;
    for (; i < r->segment_count && !*proof; i++) {
        struct segment_reader reader;
        int status = open_segment(r, &r->segments[i], &reader, err);
        if (status != OK)
            return status;
        *proof = segment_has_proof(&reader);
        segment_close(&reader);
    }
    return OK;
}

// The log ends in segment i at offset: all behind it goes, unless something there proves that it
// was complete.
static int cut_log(
    struct recovery *r, size_t i, uint64_t offset, size_t proof_from, struct error *err)
{
    bool proof;
    int status = later_proof(r, proof_from, &proof, err);
    if (status != OK)
        return status;
    if (proof) {
        char path[FILENAME_PATH_SIZE];
        filename_log(path, r->e->dir, r->segments[i].number);
        return error_set(err, CORRUPT, path, offset, 0,
            "records after %" PRIu64
            " are missing or damaged, and were complete before later ones were written",
            r->last_seq);
    }
    r->segments[i].limit = offset;
    r->segment_count = i + 1;
    r->cut = true;
    return OK;
}

// Entries of a batch, each checked. 0: it does not decode.
static uint64_t batch_entries(struct slice payload)
{
    const uint8_t *p = payload.data, *end = p + payload.len;
    uint64_t count = 0;
    while (p != NULL && p < end) {
        struct entry entry;
        p = batch_decode(p, end, &entry);
        count++;
    }
    return p == NULL ? 0 : count;
}

static int record_error(
    const struct recovery *r, size_t i, uint64_t offset, struct error *err, const char *what)
{
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, r->segments[i].number);
    return error_set(
        err, CORRUPT, path, offset, 0, "%s after sequence number %" PRIu64, what, r->last_seq);
}

// END: the log has been cut here.
static int judge_record(
    struct recovery *r, size_t i, const struct segment_record *record, struct error *err)
{
    uint64_t count = batch_entries(record->payload);
    if (count == 0)
        return record_error(r, i, record->offset, err, "a record that does not decode");
    uint64_t first = record->seq, last = first + count - 1;
    if (last < first || first == 0)
        return record_error(r, i, record->offset, err, "an impossible sequence number");
    if (last <= r->e->version->last_seq && r->last_seq == r->e->version->last_seq)
        return OK; // in tables already
    if (first == r->last_seq + 1) {
        r->last_seq = last;
        return OK;
    }
    if (first < r->last_seq + 1 || record->offset != SEGMENT_HEADER_SIZE)
        return record_error(r, i, record->offset, err, "a record out of order");
    int status = cut_log(r, i, SEGMENT_HEADER_SIZE, i, err);
    return status == OK ? END : status;
}

static int judge_segment(struct recovery *r, size_t i, struct error *err)
{
    struct segment_reader reader;
    struct segment_record record;
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, r->segments[i].number);
    int status = open_segment(r, &r->segments[i], &reader, err);
    if (status != OK)
        return status;
    bool torn = false;
    while (status == OK && (status = segment_next(&reader, path, &record, &torn, err)) == OK)
        status = judge_record(r, i, &record, err);
    if (status == END)
        status = OK;
    if (status == OK && !r->cut && (torn || r->segments[i].unusable))
        status = cut_log(r, i, reader.offset, i + 1, err);
    segment_close(&reader);
    return status;
}

static int judge_log(struct recovery *r, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    find_segments(r);
    r->last_seq = r->e->version->last_seq;
    filename_log(path, r->e->dir, r->e->version->log_start);
    if (!r->fresh && find_file(r, FILENAME_LOG, r->e->version->log_start) == NULL)
        return error_set(
            err, MISSING, path, 0, 0, "the manifest names this log segment, but it is not there");
    int status = OK;
    for (size_t i = 0; status == OK && i < r->segment_count; i++)
        status = judge_segment(r, i, err);
    if (status == OK && r->fresh && r->last_seq > 0) {
        filename_current(path, r->e->dir);
        status = error_set(err, MISSING, path, 0, 0, "there is a log with data, but no CURRENT");
    }
    return status;
}

static int judge(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    uint64_t manifest;
    int status = manifest_load(e->env, e->dir, &e->version, &e->next_file, &manifest, err);
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
    status = check_tables(r, err);
    return status == OK ? judge_log(r, err) : status;
}

// --- Replay --------------------------------------------------------------------------------------

// The oldest frozen memtable becomes tables of e->version, which only memory knows of yet.
static int flush_oldest(struct engine *e, struct error *err)
{
    struct memtables *m = &e->memtables;
    struct version_edit edit = {0};
    struct version *next;
    int status = flush_blocking(e, m->frozen[0], &edit, err);
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
        int status = e->memtables.frozen_count == FROZEN_MAX ? flush_oldest(e, err) : OK;
        if (status != OK)
            return status;
    }
    for (uint64_t seq = record->seq; p < end; seq++) {
        p = batch_decode(p, end, &entry);
        ENSURE(p != NULL);
        entry.seq = seq;
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
    int status = open_segment(r, s, &reader, err);
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
        .segment_size = e->options.write_buffer_size,
        .new_number = new_segment_number,
        .on_progress = upkeep_on_log_progress,
        .arg = e,
    };
    return wal_open(&options, e->last_seq, &e->wal, err);
}

// What the new manifest begins with: where the log starts now, and where it was cut.
static int settle_version(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    struct memtables *m = &e->memtables;
    struct version_edit edit = {.last_seq = e->version->last_seq};
    struct version *next;
    if (m->frozen_count == 0 && memtable_last_seq(m->active) == 0) {
        memtable_unref(m->active);
        m->active = memtable_new(e->options.counted_prefix, wal_segment_number(e->wal));
    }
    edit.log_start = memtable_first_segment(m->frozen_count > 0 ? m->frozen[0] : m->active);
    if (r->cut) {
        const struct log_segment *last = &r->segments[r->segment_count - 1];
        version_edit_add_log_end(
            &edit, (struct log_end){last->number, last->limit, wal_segment_number(e->wal)});
    }
    int status = version_apply(e->version, &edit, &next, err);
    version_edit_release(&edit);
    if (status != OK)
        return status;
    unlink_version(e, e->version);
    e->version = next;
    for (size_t i = 0; status == OK && i < r->segment_count; i++)
        if (r->segments[i].number >= next->log_start)
            status = wal_adopt(e->wal, r->segments[i].number, r->segments[i].size, err);
    return status;
}

static int build(struct recovery *r, struct error *err)
{
    struct engine *e = r->e;
    int status = OK;
    e->last_seq = e->version->last_seq;
    e->memtables.active = memtable_new(e->options.counted_prefix, e->version->log_start);
    for (size_t i = 0; status == OK && i < r->segment_count; i++)
        status = replay_segment(r, &r->segments[i], err);
    if (status == OK)
        status = open_wal(r, err);
    if (status == OK)
        status = settle_version(r, err);
    if (status != OK)
        return status;
    uint64_t number = engine_new_file_number(e);
    return manifest_create(
        e->env, e->exec, e->dir, e->version, number, e->next_file, &e->manifest, err);
}

// --- Cleaning ------------------------------------------------------------------------------------

static bool in_version(const struct version *v, uint64_t number)
{
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            if (v->levels[l].tables[i]->number == number)
                return true;
    return false;
}

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

static void clean(const struct recovery *r)
{
    char path[FILENAME_PATH_SIZE];
    for (size_t i = 0; i < r->file_count; i++) {
        if (!is_orphan(r, &r->files[i]))
            continue;
        filename_of(path, r->e->dir, r->files[i].name);
        // what stays is found again at the next opening
        r->e->env->ops->unlink(r->e->env, path, NULL);
    }
}

int recovery_run(struct engine *e, struct error *err)
{
    struct recovery r = {.e = e};
    int status = list_files(&r, err);
    if (status == OK)
        status = judge(&r, err);
    if (status == OK)
        status = build(&r, err);
    if (status == OK)
        clean(&r);
    if (status == OK && r.cut)
        log_line(e->logger, LOG_NOTICE,
            "the log ended in an unfinished record; %" PRIu64 " is the last sequence number",
            e->last_seq);
    for (size_t i = 0; i < r.file_count; i++)
        free(r.files[i].name);
    free(r.files);
    free(r.segments);
    return status;
}
