// publish: how one version follows another. Edits become durable and visible one at a time, in the
// order of their submission. Loop; the manifest is written by a job.
#ifndef VARVE_ENGINE_PUBLISH_H
#define VARVE_ENGINE_PUBLISH_H

#include "engine/state.h"

// An edit on its way. The caller owns op and its edit until done_cb.
struct edit_op {
    struct list link;
    struct version_edit *edit;
    // Count deltas below drops newer than this are void: those drops came while the edit was being
    // made.
    uint64_t base_seq;
    engine_done_cb done_cb;
    void *arg;
};

// Makes the edit durable and publishes the version it results in: e->version is replaced,
// done_cb(arg, OK) is called (a flush takes its memtable away there), counts are computed anew, and
// the change is marked. NO_SPACE: nothing has happened, it may be submitted again. Any other
// failure has made the engine read-only.
void publish_edit(struct engine *e, struct edit_op *op);
// What is derived from version and memtables: e->counts; and what the builders of new tables left
// in memory goes into the cache, for the next commits and reads want it, and e->filters_fit.
void publish_recount(struct engine *e);
void publish_adopt_tables(struct engine *e);

#endif
