// gap_set: ranges of keys of which none is there, remembered by a txn from one attempt to the next
// (iter.c). Disjoint and sorted; bounded in number and bytes. Empty when zeroed. Loop.
#ifndef VARVE_ENGINE_RECORD_GAP_SET_H
#define VARVE_ENGINE_RECORD_GAP_SET_H

#include "base/buf.h"

enum { GAP_SET_COUNT_MAX = 4096, GAP_SET_BYTES_MAX = 512 * 1024 };

struct gap {
    struct buf low, high; // both included
};

struct gap_set {
    struct gap *gaps;
    uint32_t count, cap;
    size_t bytes; // of all their keys
};

// From low to high, joined with all that it meets. False: there is no room for it.
bool gap_set_add(struct gap_set *set, struct slice low, struct slice high);
// The gap that key lies in, or NULL; valid until the set changes.
const struct gap *gap_set_find(const struct gap_set *set, struct slice key);
// key is there now: the gap that it lies in is forgotten.
void gap_set_cut(struct gap_set *set, struct slice key);
void gap_set_clear(struct gap_set *set); // gives all memory back

#endif
