// What recovery.c and recovery_log.c share: what was found in the directory, and what the log is
// judged to be.
#ifndef VARVE_ENGINE_RECOVERY_IMPL_H
#define VARVE_ENGINE_RECOVERY_IMPL_H

#include "engine/filename.h"
#include "engine/log/segment.h"
#include "engine/state.h"

struct found_file {
    enum filename_kind kind;
    uint64_t number, size;
    char *name;
};

struct log_segment {
    uint64_t number, size;
    uint64_t limit; // of what counts
    uint64_t end;   // behind its last record
    bool named;     // it has to be there, with a whole header
    bool used;      // holds batches
};

struct recovery {
    struct engine *e;
    struct found_file *files;
    size_t file_count;
    bool fresh;                   // no database here
    uint64_t manifest, log_start; // as they were found
    bool made_space;              // for want of it
    struct log_segment *segments; // that count, by number
    size_t segment_count;
    bool cut;   // the log ends inside, in segment cut_number at cut_offset
    bool clean; // the log ends in a seal
    uint64_t cut_number, cut_offset;
    uint64_t cut_bytes; // that were written behind, in later segments too
    uint64_t next;      // number of the segment that goes on, as far as it is named; else 0
    uint64_t last_seq;
    uint64_t timeline;      // of the newest segment that was read
    struct lineage lineage; // of this life
};

// recovery.c
const struct found_file *recovery_find_file(
    const struct recovery *r, enum filename_kind kind, uint64_t number);

// recovery_log.c. Reads only. Fills segments, last_seq, and how the log ends; e->version is loaded.
int recovery_judge_log(struct recovery *r, struct error *err);
// Opens a segment for reading; one that was created and never written reads as empty.
int recovery_open_segment(
    struct recovery *r, struct log_segment *s, struct segment_reader *reader, struct error *err);

#endif
