// view: everything at a moment, which is what an iterator reads. It holds memtables and a version
// by reference, so that nothing that happens later disturbs it; while it lives, records up to its
// seq are not overwritten in place. Loop.
#ifndef VARVE_ENGINE_VIEW_H
#define VARVE_ENGINE_VIEW_H

#include "engine/state.h"

struct view {
    uint32_t refs;
    struct list link;                                 // in engine->views
    struct memtable *memtables[2 * (FROZEN_MAX + 1)]; // newest first
    unsigned memtable_count;
    struct version *version;
    uint64_t seq;
};

// Of now, at seq; one reference. The next attempt of a command gives its last view as `old`, whose
// reference is taken over: the new one shows all that is committed now, but keeps old's tables
// where it can, so that what was fetched of them is of use again. NULL: there was none.
struct view *view_renew(struct engine *e, struct view *old, uint64_t seq);
struct view *view_ref(struct view *v);
void view_unref(struct engine *e, struct view *v);

#endif
