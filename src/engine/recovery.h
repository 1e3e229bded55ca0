// recovery: everything between the lock and a ready engine. Blocking, before the loop.
#ifndef VARVE_ENGINE_RECOVERY_H
#define VARVE_ENGINE_RECOVERY_H

#include "engine/state.h"

// Reads and judges all files, then builds version, memtables, log and manifest. On a failure the
// caller tears down what there is; nothing on disk has changed if the reason lies in what was found
// there.
int recovery_run(struct engine *e, struct error *err);

#endif
