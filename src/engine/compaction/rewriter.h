// rewriter: takes entries in order and decides what is written, for flush and compaction alike:
// the newest versions and those that a snapshot needs; nothing below a drop; no tombstone and no
// doubt at the bottom; expired PUTs become tombstones or vanish; doubts are settled (counts.h).
// Pure but for its sink. Made and freed on the loop, used by one job at a time.
#ifndef VARVE_ENGINE_COMPACTION_REWRITER_H
#define VARVE_ENGINE_COMPACTION_REWRITER_H

#include "engine/options.h"
#include "engine/record/counts.h"
#include "engine/record/drops.h"

// Whether older entries of key may lie below the output. Job.
typedef bool (*rewriter_below_cb)(void *arg, struct slice key);
// Takes an entry that stays, borrowed: OK, or a failure that stops the rewriting. Job.
typedef int (*rewriter_sink_cb)(void *arg, const struct entry *e);

struct rewriter_options {
    const uint64_t *snapshots; // ascending
    uint32_t snapshot_count;
    const struct drop_set *drops; // borrowed until free
    int64_t now_ms;
    engine_counted_prefix_cb counted_prefix;
    rewriter_below_cb may_lie_below; // NULL: nothing does (the bottom)
    void *below_arg;
    rewriter_sink_cb sink;
    void *sink_arg;
    // the values of the entries added outlive the rewriter, and need no copy
    bool values_stay;
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
