// dropped: what the drops of a version mean to its tables. Pure.
#ifndef VARVE_ENGINE_COMPACTION_DROPPED_H
#define VARVE_ENGINE_COMPACTION_DROPPED_H

#include "engine/version/version.h"

// The first table of a level, at or behind index `from`, that may hold anything below a drop; the
// level's count if none does. To go through a level so costs O(log n) for each table found, and for
// each drop between two of them.
uint32_t dropped_next(const struct version *v, unsigned level, uint32_t from);
// Whether all of the table lies inside a drop that no snapshot is older than.
bool dropped_whole(const struct version *v, const struct table *t, uint64_t oldest_snapshot);
// Whether what such drops cover of it is worth rewriting it.
bool dropped_much(const struct version *v, const struct table *t, uint64_t oldest_snapshot);

#endif
