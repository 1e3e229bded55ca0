// compaction_run: one plan, carried out. A run owns all that it needs (the version, the job, the
// edit), and knows nothing of other runs: several may be under way whose key ranges and levels do
// not meet. Loop, but for the job's steps.
#ifndef VARVE_ENGINE_COMPACTION_RUN_H
#define VARVE_ENGINE_COMPACTION_RUN_H

#include "engine/compaction/picker.h"
#include "engine/state.h"

struct compaction_run;
// The plan has been published (OK), was given up (CANCELLED, after compaction_run_give_up), or has
// failed for `cause`. The run and its plan are freed when this returns. OK may also mean that
// damage was found and published, and no table changed. After NEWER_FORMAT the table stays marked
// as being compacted, so that it is not picked again.
typedef void (*compaction_run_done_cb)(
    void *arg, const struct plan *plan, int status, const struct error *cause);

// Takes the plan over and marks its inputs. done_cb fires once, not inside this call.
struct compaction_run *compaction_run_new(
    struct engine *e, const struct plan *plan, compaction_run_done_cb done_cb, void *arg);
// It is held back no longer by the rate limit, and ends at its next step.
void compaction_run_give_up(struct compaction_run *r);

#endif
