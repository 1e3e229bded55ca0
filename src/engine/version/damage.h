// damage: ranges of keys of which blocks have been lost, so that reads there say CORRUPT although a
// compaction has gone on without those blocks. Few; in a version they are immutable.
//
// (from, to, seq): of keys with from <= key < to records with a seq up to this one may be missing.
// A newer record of such a key tells all there is to know of it, and an older one, or none,
// nothing.
#ifndef VARVE_ENGINE_VERSION_DAMAGE_H
#define VARVE_ENGINE_VERSION_DAMAGE_H

#include "base/slice.h"

struct damage {
    struct slice from, to; // owned by the set
    uint64_t seq;
};

struct damage_set {
    struct damage *items;
    uint32_t count;
};

void damage_set_release(struct damage_set *set);
// Copies. One that goes on where another of the same seq ends becomes part of it.
void damage_set_add(struct damage_set *set, struct slice from, struct slice to, uint64_t seq);
void damage_set_add_all(struct damage_set *set, const struct damage_set *from);
void damage_set_remove(struct damage_set *set, const struct damage *d); // if it is there
// The highest seq that may be missing of this key; 0: none is.
uint64_t damage_set_find(const struct damage_set *set, struct slice key);
// Whether one range holds all of another, and is not older.
bool damage_set_covers(const struct damage_set *set, const struct damage *d);
// Whether some range meets low <= key < high, or low <= key <= high; high NULL: no bound.
bool damage_set_meets(
    const struct damage_set *set, struct slice low, const struct slice *high, bool inclusive);

#endif
