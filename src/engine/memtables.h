// memtables: the active one, the frozen ones that wait for their flush, and the flushed ones that
// are kept as rows (memtable/clean.h). They share three eighths of the budget: active and frozen
// ones come first, the clean ones have what is left. Loop.
#ifndef VARVE_ENGINE_MEMTABLES_H
#define VARVE_ENGINE_MEMTABLES_H

#include "engine/state.h"

// Freezes the active memtable, rotates the log, and begins a new memtable: OK (also if it is
// empty); WAIT: as many as may are frozen, or no segment is ready; NO_SPACE or IO: none can be made
// for now. Marks the change.
int memtables_freeze(struct engine *e);
// The same for recovery, which has no log yet: the new one's records begin in `segment`.
void memtables_freeze_replayed(struct engine *e, uint64_t segment);
// How many may be frozen.
unsigned memtables_frozen_max(const struct engine *e);
// The oldest frozen one has been flushed: it is read as a clean one from now on. Marks the change.
void memtables_retire_oldest(struct engine *e);
// The same for recovery: it goes.
void memtables_drop_oldest(struct engine *e);
// Lets clean ones go until they fit.
void memtables_trim_clean(struct engine *e);
// The newest record of key in any of them: OK with a PUT or DELETE, or NOT_FOUND.
int memtables_get(const struct engine *e, struct slice key, uint64_t hash, struct entry *out);
// The newest record of key with seq <= max_seq in those that are not flushed yet.
int memtables_get_at(
    const struct engine *e, struct slice key, uint64_t hash, uint64_t max_seq, struct entry *out);
// The newest seq that is in a frozen memtable or a table.
uint64_t memtables_frozen_seq(const struct engine *e);
void memtables_release(struct engine *e);

#endif
