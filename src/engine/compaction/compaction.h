// compaction: the job that carries a plan out, and the rewriting of entries that flush and
// compaction share. Loop: new, done, free. Job: step. Sees only immutable inputs: plan, tables
// (references held by the loop for its duration), drops, snapshots, now.
#ifndef VARVE_ENGINE_COMPACTION_COMPACTION_H
#define VARVE_ENGINE_COMPACTION_COMPACTION_H

#include "engine/compaction/picker.h"
#include "engine/table/table_builder.h"

// rewriter, for flush and compaction: takes entries in order and decides what is written: newest
// versions and those a snapshot needs; nothing below a drop; no tombstone and no doubt at the
// bottom; expired PUTs become tombstones or vanish; doubts are settled (counts.h). Pure but for its
// sink.
struct rewriter_options {
    const uint64_t *snapshots; // ascending
    uint32_t snapshot_count;
    const struct drop_set *drops; // borrowed until free
    int64_t now_ms;
    size_t (*counted_prefix)(struct slice key);
    // Whether older entries of key may lie below the output; NULL: never (the bottom).
    bool (*may_lie_below)(void *arg, struct slice key);
    void *below_arg;
    int (*sink)(void *arg, const struct entry *e); // OK, or a failure that stops it
    void *sink_arg;
};

struct rewriter;
struct rewriter *rewriter_new(const struct rewriter_options *options);
int rewriter_add(struct rewriter *r, const struct entry *e);
int rewriter_finish(struct rewriter *r); // the last key
// Deltas to the counts, and how many expired records were dropped. Valid until free.
const struct counts *rewriter_counts(const struct rewriter *r);
uint64_t rewriter_expired(const struct rewriter *r);
// Nothing that was passed on lies below a drop with a seq up to this one; SEQ_MAX if nothing does
// at all.
uint64_t rewriter_clean_seq(const struct rewriter *r);
void rewriter_free(struct rewriter *r);

#endif
