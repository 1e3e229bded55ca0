// blocking: engine.h without a loop, for tools, tests and the start: each call drives exec until it
// has its answer. Included by engine.h.
#ifndef VARVE_ENGINE_BLOCKING_H
#define VARVE_ENGINE_BLOCKING_H

#include "base/slice.h"

struct engine;
struct iter;
struct row;
struct txn;

int engine_blocking_commit(struct engine *engine, struct txn *txn); // durable on return
int engine_blocking_get(struct engine *engine, struct txn *txn, struct slice key, struct row *out);
int engine_blocking_flush(struct engine *engine);
int engine_blocking_compact(struct engine *engine);
// Repeats an iterator call until it is not WAIT. step: one of the positioning functions with a key,
// key ignored by next and prev.
enum iter_step { ITER_SEEK, ITER_SEEK_BEFORE, ITER_NEXT, ITER_PREV };
int engine_blocking_step(
    struct engine *engine, struct iter *it, enum iter_step step, struct slice key);

#endif
