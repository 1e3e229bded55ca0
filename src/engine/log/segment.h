// segment: the record format that log and manifest share (format.h, SEGMENT), as pure functions
// between bytes and records, and the blocking reader that recovery uses.
#ifndef VARVE_ENGINE_LOG_SEGMENT_H
#define VARVE_ENGINE_LOG_SEGMENT_H

#include "base/buf.h"
#include "engine/env.h"
#include "engine/record/lineage.h"

struct segment_record {
    struct slice payload; // borrowed from the reader
    uint64_t offset;      // of the record in its segment
    uint64_t seq;
    int64_t time_ms;
    uint32_t proven;
    uint8_t type; // enum segment_record_type
};

// What the last record of a complete segment says.
struct segment_seal {
    uint64_t last_seq;
    uint64_t next; // number of the segment that goes on; 0: the log was ended here, cleanly
};

enum {
    SEGMENT_SEAL_RECORD_SIZE = SEGMENT_RECORD_HEADER_SIZE + SEGMENT_SEAL_SIZE,
    SEGMENT_PROOF_RECORD_SIZE = SEGMENT_RECORD_HEADER_SIZE + SEGMENT_PROOF_SIZE,
};

void segment_header_encode(uint8_t header[SEGMENT_HEADER_SIZE], uint64_t magic, uint64_t number,
    const struct lineage *lineage);

// Appends one framed record (header, payload, padding) to out. offset: where in the segment its
// first byte will lie.
void segment_append(struct buf *out, uint64_t number, uint64_t offset, uint64_t seq,
    int64_t time_ms, uint32_t proven, struct slice payload);
void segment_append_seal(struct buf *out, uint64_t number, uint64_t offset, int64_t time_ms,
    uint32_t proven, struct segment_seal seal);
// Says that all before it has been synced, older segments too.
void segment_append_proof(
    struct buf *out, uint64_t number, uint64_t offset, int64_t time_ms, uint64_t last_seq);
// segment_append in two steps, for a large payload whose checksum a job computes: frame appends the
// record without its checksum, sum puts it in.
void segment_frame(
    struct buf *out, uint64_t seq, int64_t time_ms, uint32_t proven, struct slice payload);
void segment_sum(uint8_t *record, uint64_t number, uint64_t offset);
// What a record takes in its segment.
size_t segment_record_size(size_t payload_len);

// Reads a whole segment into memory and walks it. Takes any bytes.
struct segment_reader {
    uint8_t *data;
    size_t len;
    uint64_t number;
    // The log's end as the manifest has it (EDIT_LOG_END): bytes from here on do not belong to it,
    // and all before were synced when that was written. UINT64_MAX if unknown.
    uint64_t limit;
    uint64_t offset; // of the next record
    uint64_t proven; // the highest proven position seen, from anywhere
    // Of the file: format version (0: empty, no header), size of the header, whose it is.
    uint32_t version, header_size;
    struct lineage lineage;
    bool sealed; // once segment_next has said END
    struct segment_seal seal;
    uint64_t seal_offset;
};

// A file that is shorter than its header, or all zeros, is an empty segment (created, never
// written). A wrong magic or number: CORRUPT; a newer version: NEWER_FORMAT.
int segment_open(struct segment_reader *r, struct env *env, const char *path, uint64_t magic,
    uint64_t number, uint64_t limit, struct error *err);
void segment_close(struct segment_reader *r);
// OK and a record of data; END: the segment ends here (at a seal, at unused space, or at a bad
// record above every proven position: *torn tells of that); CORRUPT: a bad record below a proven
// position, of a later record of this segment too (it is searched for), or anything behind a seal;
// NEWER_FORMAT: a type of record that may not be skipped. err names path and offset.
int segment_next(struct segment_reader *r, const char *path, struct segment_record *out, bool *torn,
    struct error *err);
// Whether any good record proves anything: then all older segments were synced, and a bad tail in
// one of them is damage.
bool segment_has_proof(const struct segment_reader *r);
// Whether anything was ever written behind the header, good or not.
bool segment_is_touched(const struct segment_reader *r);
// Of a file whose header does not hold: whether records were ever written to it. Takes any bytes.
bool segment_was_used(struct slice file, uint64_t number);

#endif
