// The log as recovery finds it: what of it counts, where it ends, and what is damage and no end.
// Nothing here changes anything on disk.
//
// Where the log ends. Records carry consecutive sequence numbers through all segments, and segments
// form a chain: a seal names the one that goes on, and so does the version for the segments in
// which earlier recoveries found the end (log_ends). What is named was there, with a whole header
// and its name synced, before it was named: without it something is lost. The log ends
//   - at a bad record that no later one proves to have been synced (segment.h), or
//   - where the numbers jump, because an older segment's end never reached the disk: unless a later
//     record proves that it had,
// and then all behind it, later segments included, was never acknowledged as synced and is
// discarded. Wherever the log ends, that place is remembered in the version as long as the segment
// is needed, with the segment that goes on: new segments may follow it with the same sequence
// numbers that the discarded ones had, and what lies before it is proven from then on.
//
// A torn tail, with numbers. Segment 7, everysec, batches of 100 bytes (a record takes 136):
// records at 64, 200, 336, 472, with sequence numbers 1 to 4. The sync of second 1 ended when two
// were written, so the third and the fourth say proven = 336. The power goes before the next sync,
// and of the fourth some sectors are lost. At restart 472 is bad; the highest proven position in
// sight is 336, below it; no good record follows that would know better. So the log ends in 7 at
// 472, after sequence number 3. The new manifest says log_end(7, 472, resume 9) and timeline 2, and
// the next record is number 4, in segment 9. Had the record at 200 been bad instead: 336 is good,
// and says that all below 336 had been synced: CORRUPT, 7.log, offset 200.
//
// A clean end, with numbers. The same, but the server is stopped: all is synced, then a seal is
// written at 608, which says proven = 608, last number 4, next segment 0. Any bad record of the
// four is below 608 and damage. If the seal itself is bad, nothing but the seal is missing.
//
// A segment gets its name when its header is synced, so a bad header is damage, in an empty one
// too. One that is all zeros is empty (a file system may have lost its contents with the power),
// unless it is named.
#include <inttypes.h>

#include "base/alloc.h"
#include "engine/record/batch.h"
#include "engine/recovery_impl.h"

// Segments between a cut and where the log was taken up again do not count.
static bool is_void(const struct version *v, uint64_t number)
{
    for (uint32_t i = 0; i < v->log_end_count; i++)
        if (number > v->log_ends[i].number && number < v->log_ends[i].resume)
            return true;
    return false;
}

// What the version says of a segment's end; NULL: nothing.
static const struct log_end *end_of(const struct version *v, uint64_t number)
{
    for (uint32_t i = v->log_end_count; i-- > 0;)
        if (v->log_ends[i].number == number)
            return &v->log_ends[i];
    return NULL;
}

static void find_segments(struct recovery *r)
{
    const struct version *v = r->e->version;
    r->segments = xcalloc(r->file_count + 1, sizeof *r->segments);
    for (size_t i = 0; i < r->file_count; i++) {
        const struct found_file *f = &r->files[i];
        if (f->kind != FILENAME_LOG || f->number < v->log_start || is_void(v, f->number))
            continue;
        const struct log_end *end = end_of(v, f->number);
        r->segments[r->segment_count++] = (struct log_segment){.number = f->number,
            .size = f->size,
            .limit = end != NULL ? end->offset : UINT64_MAX,
            .named = f->number == v->log_start};
    }
}

int recovery_open_segment(
    struct recovery *r, struct log_segment *s, struct segment_reader *reader, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, s->number);
    int status = segment_open(reader, r->e->env, path, LOG_MAGIC, s->number, s->limit, err);
    if (status < 0)
        return status;
    if (status == NOT_FOUND)
        return error_set(err, MISSING, path, 0, 0, "the segment has just gone");
    if (s->named && reader->version == 0) {
        segment_close(reader);
        return error_set(err, CORRUPT, path, 0, 0, "the segment has lost its header");
    }
    return OK;
}

// Whether a segment from number i on proves that everything before it was synced.
static int later_proof(struct recovery *r, size_t i, bool *proof, struct error *err)
{
    *proof = false;
    for (; i < r->segment_count && !*proof; i++) {
        struct segment_reader reader;
        int status = recovery_open_segment(r, &r->segments[i], &reader, err);
        if (status != OK)
            return status;
        *proof = segment_has_proof(&reader);
        segment_close(&reader);
    }
    return OK;
}

// Bytes that were written from offset of segment i on, in later segments too.
static uint64_t written_behind(struct recovery *r, size_t i, uint64_t offset)
{
    uint64_t bytes = 0;
    for (; i < r->segment_count; i++, offset = 0) {
        struct segment_reader reader;
        if (recovery_open_segment(r, &r->segments[i], &reader, NULL) != OK)
            continue;
        uint64_t end = reader.len, from = offset > 0 ? offset : reader.header_size;
        while (end > from && reader.data[end - 1] == 0)
            end--;
        bytes += end > from ? end - from : 0;
        segment_close(&reader);
    }
    return bytes;
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
    r->cut_bytes = written_behind(r, i, offset);
    r->segments[i].limit = r->segments[i].end = offset;
    r->segment_count = i + 1;
    r->cut = true;
    r->clean = false;
    r->cut_number = r->segments[i].number;
    r->cut_offset = offset;
    return OK;
}

static int record_error(const struct recovery *r, size_t i, int status, uint64_t offset,
    const char *what, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, r->segments[i].number);
    return error_set(
        err, status, path, offset, 0, "%s after sequence number %" PRIu64, what, r->last_seq);
}

// Entries of a batch, each checked. What a later version may have meant by them is NEWER_FORMAT:
// kinds and flags that are not known, and those that are reserved.
static int count_entries(struct slice payload, uint64_t *count)
{
    const uint8_t *p = payload.data, *end = p + payload.len;
    int status = OK;
    for (*count = 0; p < end && status == OK; ++*count) {
        struct entry entry;
        status = batch_decode(&p, end, &entry);
        if (status == OK &&
            (entry_kind(&entry) == RECORD_ADD || entry_kind(&entry) == RECORD_DROP_RANGE))
            status = NEWER_FORMAT;
    }
    return status;
}

// The numbers jump at this offset of segment i. END: the log has been cut there.
static int judge_jump(struct recovery *r, size_t i, const struct segment_reader *reader,
    uint64_t offset, struct error *err)
{
    if (offset != reader->header_size)
        return record_error(r, i, CORRUPT, offset, "a record out of order", err);
    int status = cut_log(r, i, offset, i, err);
    return status == OK ? END : status;
}

// END: the log has been cut here.
static int judge_record(struct recovery *r, size_t i, const struct segment_reader *reader,
    const struct segment_record *record, struct error *err)
{
    uint64_t count;
    int status = count_entries(record->payload, &count);
    if (status == NEWER_FORMAT)
        return record_error(r, i, status, record->offset, "an entry of a later version", err);
    if (status != OK)
        return record_error(r, i, status, record->offset, "a record that does not decode", err);
    uint64_t first = record->seq, last = first + count - 1;
    if (last < first || first == 0)
        return record_error(r, i, CORRUPT, record->offset, "an impossible sequence number", err);
    r->segments[i].used = true;
    if (last <= r->e->version->last_seq && r->last_seq == r->e->version->last_seq)
        return OK; // in tables already
    if (first == r->last_seq + 1) {
        r->last_seq = last;
        return OK;
    }
    if (first < r->last_seq + 1)
        return record_error(r, i, CORRUPT, record->offset, "a record out of order", err);
    return judge_jump(r, i, reader, record->offset, err);
}

// END: the log has been cut here.
static int judge_seal(
    struct recovery *r, size_t i, const struct segment_reader *reader, struct error *err)
{
    uint64_t last = reader->seal.last_seq, in_tables = r->e->version->last_seq;
    if (last == r->last_seq || (last < in_tables && r->last_seq == in_tables))
        return OK;
    if (last < r->last_seq)
        return record_error(r, i, CORRUPT, reader->seal_offset, "a seal out of order", err);
    return judge_jump(r, i, reader, reader->seal_offset, err);
}

// Of this database, and not of a time before the segment before.
static int judge_lineage(
    struct recovery *r, size_t i, const struct segment_reader *reader, struct error *err)
{
    const struct lineage *ours = &r->e->version->lineage, *its = &reader->lineage;
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, r->segments[i].number);
    if (its->timeline > 0 && (its->timeline > ours->timeline || !lineage_same_database(its, ours)))
        return error_set(err, CORRUPT, path, 0, 0,
            "the segment is of another database, or of a later time than the manifest");
    if (its->timeline < r->timeline)
        return error_set(err, CORRUPT, path, 0, 0,
            "the segment is of timeline %" PRIu64 ", the one before it is of %" PRIu64,
            its->timeline, r->timeline);
    r->timeline = its->timeline;
    return OK;
}

// Which segment goes on behind i. It must be there.
static int judge_successor(
    struct recovery *r, size_t i, const struct segment_reader *reader, struct error *err)
{
    const struct log_end *end = end_of(r->e->version, r->segments[i].number);
    r->clean = reader->sealed && reader->seal.next == 0 && end == NULL;
    r->next = end != NULL ? end->resume : reader->sealed ? reader->seal.next : 0;
    if (r->next == 0 || recovery_find_file(r, FILENAME_LOG, r->next) != NULL)
        return OK;
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, r->next);
    return error_set(err, MISSING, path, 0, 0,
        "segment %" PRIu64 " of the log goes on there, but it is not there", r->segments[i].number);
}

// A segment that nothing names: left over from a start that failed, and nothing was ever written to
// it, or the successor of a segment whose seal did not reach the disk.
static int judge_stranger(struct recovery *r, size_t i, bool *counts, struct error *err)
{
    struct segment_reader reader;
    int status = recovery_open_segment(r, &r->segments[i], &reader, err);
    if (status != OK)
        return status;
    *counts = segment_is_touched(&reader);
    segment_close(&reader);
    if (*counts && (r->clean || r->next != 0))
        return record_error(
            r, i, CORRUPT, 0, "a segment that the one before it does not know of", err);
    return OK;
}

static int judge_segment(struct recovery *r, size_t i, struct error *err)
{
    struct segment_reader reader;
    struct segment_record record;
    char path[FILENAME_PATH_SIZE];
    filename_log(path, r->e->dir, r->segments[i].number);
    int status = recovery_open_segment(r, &r->segments[i], &reader, err);
    if (status != OK)
        return status;
    bool torn = false;
    if (reader.version != 0)
        status = judge_lineage(r, i, &reader, err);
    while (status == OK && (status = segment_next(&reader, path, &record, &torn, err)) == OK)
        status = judge_record(r, i, &reader, &record, err);
    if (status == END && !r->cut)
        status = reader.sealed ? judge_seal(r, i, &reader, err) : OK;
    if (status == END) // cut
        status = OK;
    if (!r->cut)
        r->segments[i].end = reader.offset;
    if (status == OK && !r->cut && torn)
        status = cut_log(r, i, reader.offset, i + 1, err);
    if (status == OK && !r->cut)
        status = judge_successor(r, i, &reader, err);
    segment_close(&reader);
    return status;
}

// Every segment in turn, following what names it.
static int judge_chain(struct recovery *r, struct error *err)
{
    int status = OK;
    for (size_t i = 0; status == OK && i < r->segment_count; i++) {
        bool counts = true;
        if (r->segments[i].number == r->next)
            r->segments[i].named = true;
        if (!r->segments[i].named)
            status = judge_stranger(r, i, &counts, err);
        if (status == OK && counts)
            status = judge_segment(r, i, err);
    }
    if (status == OK && !r->cut && r->next != 0) {
        char path[FILENAME_PATH_SIZE];
        filename_log(path, r->e->dir, r->next);
        status =
            error_set(err, CORRUPT, path, 0, 0, "the log goes on there, and then not behind it");
    }
    while (r->segment_count > 0 && !r->segments[r->segment_count - 1].used)
        r->segment_count--; // nothing to replay there: it goes
    return status;
}

// A directory without CURRENT: what a first start left unfinished has no data in it.
static int judge_no_database(struct recovery *r, struct error *err)
{
    int status = OK;
    for (size_t i = 0; status == OK && i < r->segment_count; i++) {
        struct segment_reader reader;
        status = recovery_open_segment(r, &r->segments[i], &reader, err);
        if (status != OK)
            return status;
        if (segment_was_used(slice_of(reader.data, reader.len), reader.number)) {
            char path[FILENAME_PATH_SIZE];
            filename_current(path, r->e->dir);
            status =
                error_set(err, MISSING, path, 0, 0, "there is a log with data, but no CURRENT");
        }
        segment_close(&reader);
    }
    r->segment_count = 0;
    return status;
}

int recovery_judge_log(struct recovery *r, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    find_segments(r);
    r->last_seq = r->e->version->last_seq;
    if (r->fresh)
        return judge_no_database(r, err);
    filename_log(path, r->e->dir, r->e->version->log_start);
    if (recovery_find_file(r, FILENAME_LOG, r->e->version->log_start) == NULL)
        return error_set(
            err, MISSING, path, 0, 0, "the manifest names this log segment, but it is not there");
    return judge_chain(r, err);
}
