// snapshot: a seq that flush and compaction keep the records of (engine.h). Loop.
#ifndef VARVE_ENGINE_SNAPSHOT_H
#define VARVE_ENGINE_SNAPSHOT_H

#include "engine/state.h"

struct snapshot {
    struct list link; // in engine->snapshots
    uint64_t seq;
};

uint64_t snapshot_oldest(const struct engine *e); // SEQ_MAX if none
// The seqs of all, ascending: one heap block.
uint64_t *snapshot_seqs(const struct engine *e, uint32_t *count);
// Records up to this seq may be needed by a snapshot or a view, and are not overwritten in place.
uint64_t snapshot_keep_seq(const struct engine *e);

#endif
