// pace: how long the author of a commit is not read from, in proportion to what compaction and
// flush are behind (engine_pace_us). Loop. The sums are told at the top of pace.c.
#ifndef VARVE_ENGINE_PACE_H
#define VARVE_ENGINE_PACE_H

#include "engine/state.h"

// After the version or a memtable has changed: looks at the debt anew.
void pace_update(struct engine *e);
// A commit of so many bytes of keys and values: what its author owes.
void pace_on_commit(struct engine *e, uint64_t bytes);

#endif
