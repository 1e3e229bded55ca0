// drops: sets of dropped prefixes, immutable once built, with a lookup that does not depend on how
// many there are.
//
// A drop (prefix, seq) says that nobody reads entries below prefix with a smaller seq again, except
// through a snapshot older than seq.
#ifndef VARVE_ENGINE_RECORD_DROPS_H
#define VARVE_ENGINE_RECORD_DROPS_H

#include "base/slice.h"

struct drop {
    struct slice prefix; // owned by whoever holds the drop
    uint64_t seq;
};

struct drop_set {
    struct drop *items; // by prefix, then seq; prefixes owned
    uint32_t count, cap;
    uint32_t *lengths; // the distinct lengths of prefixes: what a lookup has to try
    uint32_t length_count;
};

void drop_set_release(struct drop_set *set);
void drop_set_add(struct drop_set *set, struct slice prefix, uint64_t seq); // copies prefix
void drop_set_finish(struct drop_set *set); // after the last add, before the first lookup
// The seq of the oldest drop newer than seq that covers key; 0 if none does.
uint64_t drop_set_find(const struct drop_set *set, struct slice key, uint64_t seq);

#endif
