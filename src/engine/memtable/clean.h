// clean: memtables that have been flushed and stay as rows in memory. What was written lately is
// read from here at a memtable's speed, tombstones included, without looking at a table. Each key's
// newest record among active, frozen and clean memtables is its newest record of all, so a reader
// asks them newest first and stops at the first that knows the key. They go by whole memtables,
// strictly oldest first, and at any time: nothing is lost, the tables hold the same. Loop.
//
// Iterators do not read them: a view holds the tables. A record whose expiry has passed may be here
// while the flush left it out.
#ifndef VARVE_ENGINE_MEMTABLE_CLEAN_H
#define VARVE_ENGINE_MEMTABLE_CLEAN_H

#include "engine/memtable/memtable.h"

enum { CLEAN_MAX = 8 }; // a miss asks every one of them

struct clean {
    struct {
        struct memtable *memtable;
        uint64_t bytes;  // when it came; an iterator that still holds it may order more of it
    } tables[CLEAN_MAX]; // newest first
    unsigned count;
    uint64_t bytes;
};

// Takes over the reference to a memtable that was flushed just now; it is newer than all that are
// here.
void clean_add(struct clean *c, struct memtable *flushed);
// Lets the oldest go until they fit.
void clean_trim(struct clean *c, uint64_t bytes_max);
// Newest record of key: OK or NOT_FOUND. out borrows until the next clean_trim.
int clean_get(const struct clean *c, struct slice key, uint64_t hash, struct entry *out);

#endif
