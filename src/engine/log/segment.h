// segment: the record format that log and manifest share (format.h, SEGMENT), as pure functions
// between bytes and records, and the blocking reader that recovery uses.
#ifndef VARVE_ENGINE_LOG_SEGMENT_H
#define VARVE_ENGINE_LOG_SEGMENT_H

#include "base/buf.h"
#include "engine/env.h"
#include "engine/format.h"

struct segment_record {
    struct slice payload; // borrowed from the reader
    uint64_t offset;      // of the record in its segment
    uint64_t seq;
    int64_t time_ms;
    uint32_t proven;
};

void segment_header_encode(uint8_t header[SEGMENT_HEADER_SIZE], uint64_t magic, uint64_t number);

// Appends one framed record (header, payload, padding) to out. offset: where in the segment its
// first byte will lie.
void segment_append(struct buf *out, uint64_t number, uint64_t offset, uint64_t seq,
    int64_t time_ms, uint32_t proven, struct slice payload);
// The same in two steps, for a large payload whose checksum a job computes: frame appends the
// record without its checksum, seal puts it in.
void segment_frame(
    struct buf *out, uint64_t seq, int64_t time_ms, uint32_t proven, struct slice payload);
void segment_seal(uint8_t *record, uint64_t number, uint64_t offset);
// What a record takes in its segment.
size_t segment_record_size(size_t payload_len);

// Reads a whole segment into memory and walks it. Takes any bytes.
struct segment_reader {
    uint8_t *data;
    size_t len;
    uint64_t number;
    // bytes from here on do not belong to the log (EDIT_LOG_END), UINT64_MAX if unknown
    uint64_t limit;
    uint64_t offset; // of the next record
    uint64_t proven; // the highest proven position seen, from anywhere
};

// A file that is shorter than its header, or all zeros, is an empty segment (created, never
// written). A wrong magic or number: CORRUPT; a newer version: NEWER_FORMAT.
int segment_open(struct segment_reader *r, struct env *env, const char *path, uint64_t magic,
    uint64_t number, uint64_t limit, struct error *err);
void segment_close(struct segment_reader *r);
// OK; END: the log ends here (clean end, or a bad record above every proven position: *torn tells
// which); CORRUPT: a bad record below a proven position of a later record of this segment (it is
// searched for), err names path and offset.
int segment_next(struct segment_reader *r, const char *path, struct segment_record *out, bool *torn,
    struct error *err);
// Whether any good record proves anything: then all older segments were synced, and a bad tail in
// one of them is damage.
bool segment_has_proof(const struct segment_reader *r);

#endif
