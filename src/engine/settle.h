// settle: makes counts exact without rewriting anything (record/counts.h, Settling): tables are
// looked through by a job, one at a time, and what that finds stands beside the counts of the
// version. Loop.
#ifndef VARVE_ENGINE_SETTLE_H
#define VARVE_ENGINE_SETTLE_H

#include "engine/state.h"

void settle_init(struct engine *e);
// A version was published: there may be tables to look through.
void settle_start(struct engine *e);
// Something was committed: there may be doubts in memory.
void settle_turn_end(struct engine *e);
// e->corrections anew, from what is known of the version's tables, and as of now.
void settle_recount(struct engine *e);
void settle_stop(struct engine *e); // waits for the job
void settle_release(struct engine *e);

#endif
