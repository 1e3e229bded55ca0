// space: whether the disk is about to be full, and what may be committed then. Loop; the disk is
// asked by a job of the files lane.
#ifndef VARVE_ENGINE_SPACE_H
#define VARVE_ENGINE_SPACE_H

#include "engine/record/batch.h"
#include "engine/state.h"

// Space has been taken or given: looks, soon. CHANGED_DISK follows when there is room again.
void space_check(struct engine *e);
// A drop was committed: its memtable is not to stay unflushed for long.
void space_on_drop(struct engine *e);
// A record was committed that may hide an older one in a table: when writing comes to rest the
// memtable is flushed, if that frees more than it costs. Also after a recovery.
void space_on_cover(struct engine *e);
// Whether the batch may be committed: OK; NO_SPACE if the disk is about to be full, and b would
// take more of it; WAIT if space is about to be given back, which may begin with this call.
int space_allows(struct engine *e, const struct batch *b);

// Bytes that a compaction may count on, while the disk is low.
uint64_t space_for_compaction(const struct engine *e);

// About how many bytes of tables deleted and overwritten data takes, which is to be given back.
uint64_t space_hidden(const struct engine *e);
// What the budget and the disk's size allow becomes the options. When either has changed.
void space_fit(struct engine *e);
// Before recovery, blocking: looks, with what lies in the directory, the ballast among it.
void space_at_start(struct engine *e, uint64_t own, uint64_t ballast);

void space_init(struct engine *e);
void space_stop(struct engine *e); // drives exec until its job is done

#endif
