// picker: which tables to compact next. A pure function from a version to a plan: no I/O, no clock
// but the one passed in, so that other strategies stand behind the same interface.
#ifndef VARVE_ENGINE_COMPACTION_PICKER_H
#define VARVE_ENGINE_COMPACTION_PICKER_H

#include "engine/version/version.h"

struct picker_options {
    unsigned level0_file_limit;
    uint64_t base_level_bytes; // of level 1; each further level 10 times that
    uint64_t target_file_size;
    int64_t now_ms;
    uint64_t oldest_snapshot; // drops newer than it have to wait; SEQ_MAX if none
    bool idle;                // nobody has written for a while: doubts may be settled now
    bool quiet;               // or next to nobody: what is hidden may be given back
    // bytes that a plan may write, UINT64_MAX on a disk that is not about to be full: on one that
    // is, what does not fit is left alone as long as something else is to do
    uint64_t space;
};

// The first level with compressed blocks: what lies above is rewritten soon.
enum { COMPRESSED_FROM = 2 };

enum plan_kind {
    PLAN_NONE,
    // inputs[0] and inputs[1] into tables of output_level; where that is level itself, one table is
    // rewritten in place
    PLAN_MERGE,
    PLAN_MOVE,   // inputs[0] as they are
    PLAN_DELETE, // inputs[0] lie wholly inside a drop that no snapshot needs: removed unread
};

struct plan {
    enum plan_kind kind;
    unsigned level, output_level; // inputs[0] are of level, inputs[1] of output_level
    struct table **inputs[2];     // borrowed from the version
    uint32_t input_count[2];
    struct slice smallest, largest; // of all inputs: plans whose ranges or levels do not meet may
                                    // be carried out at the same time; borrowed from the inputs
    // of output_level + 1, overlapping: outputs are cut so as not to overlap too many
    struct table **grandparents;
    uint32_t grandparent_count;
    bool bottom; // no table below output_level overlaps: tombstones and doubts end here
};

// OK and a plan that touches no table with being_compacted, or NOT_FOUND: nothing to do. Reasons,
// most urgent first: tables inside drops; level sizes and level 0 count by score; tables with much
// dropped, expired or deleted data; when idle, tables with records in doubt; when quiet, or short
// of space, tables whose records hide much. Carrying plans out one after the other ends: see
// picker.c, "Why it ends".
int picker_pick(const struct version *v, const struct picker_options *options, struct plan *out);
// Bytes that the largest plan may write before it gives any back.
uint64_t picker_need(const struct version *v);
// About how many bytes of tables newer records hide: what compaction may yet give back.
uint64_t picker_hidden(const struct version *v);
// A step of compacting everything once, down to the deepest level in use. since_number and
// since_seq: the next file number and the last seq when it was asked for: files with smaller
// numbers are old, tables with newer entries only are left out. When it is done no table is left
// that an older version of the format wrote. NOT_FOUND: done.
int picker_pick_all(
    const struct version *v, uint64_t since_number, uint64_t since_seq, struct plan *out);
// When a table will next have so much expired that it is picked; INT64_MAX if none will.
int64_t picker_next_expiry(const struct version *v, int64_t now_ms);
void plan_release(struct plan *p);
// About how many bytes must be rewritten until no level is over its limit: what pacing goes by.
uint64_t picker_debt(const struct version *v, const struct picker_options *options);

#endif
