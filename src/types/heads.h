// heads: which keys of a generation are spread collections, as far as memory knows: a bounded set
// of hashes. A SET must know whether it overwrites one, and asks here first; most databases have
// few. The set may hold more than there is, never less: a key that is not in it is no head.
//
// Thread: loop.
#ifndef VARVE_TYPES_HEADS_H
#define VARVE_TYPES_HEADS_H

#include <stdbool.h>
#include <stdint.h>

enum { HEADS_KNOWN_MAX = 4096 };

struct heads {
    uint64_t gen;
    bool complete;   // all that were there at the opening are in it
    bool many;       // too many to be kept: each may be one
    uint64_t *slots; // hashes, 0: free; open addressing
    uint32_t cap, count;
};

void heads_release(struct heads *h);
// hash: of the user's key.
void heads_add(struct heads *h, uint64_t hash);
bool heads_may_have(const struct heads *h, uint64_t hash);

#endif
