// compaction_scheduler: when to compact, and what next. It asks the picker for plans and has them
// carried out (compaction_run.h). Loop.
#ifndef VARVE_ENGINE_COMPACTION_SCHEDULER_H
#define VARVE_ENGINE_COMPACTION_SCHEDULER_H

#include "engine/compaction/picker.h"
#include "engine/state.h"

// A step of upkeep: begins what there is to do, or sets a timer for when there will be.
void compaction_scheduler_start(struct engine *e);
// engine_compact.
void compaction_scheduler_wait(struct engine *e, engine_done_cb done_cb, void *arg);
// What the picker goes by, now.
struct picker_options compaction_scheduler_picker_options(const struct engine *e);

void compaction_scheduler_init(struct engine *e);
// After flush_stop: begins nothing any more, gives up what is under way at its next step, cancels
// waiters, drives exec until nothing is under way.
void compaction_scheduler_stop(struct engine *e);
void compaction_scheduler_release(struct engine *e); // after stop

#endif
