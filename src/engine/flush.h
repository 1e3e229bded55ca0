// flush: frozen memtables become tables of level 0, oldest first, one at a time. Loop, but for the
// job. Its story is at the top of flush.c.
#ifndef VARVE_ENGINE_FLUSH_H
#define VARVE_ENGINE_FLUSH_H

#include "engine/state.h"

// A step of upkeep: serves those who wait for a flush, and begins one if none is under way and a
// memtable is frozen whose last seq is durable (what is not may have to be taken back).
void flush_start(struct engine *e);
// engine_flush.
void flush_wait(struct engine *e, engine_done_cb done_cb, void *arg);
// Recovery: writes a memtable's tables on this thread, and adds what they change to the edit
// (tables, last_seq, drops, counts).
int flush_blocking(
    struct engine *e, struct memtable *m, struct version_edit *edit, struct error *err);

void flush_init(struct engine *e);
// Begins none any more, cancels waiters, drives exec until none is under way.
void flush_stop(struct engine *e);
void flush_release(struct engine *e); // after stop

#endif
