// heads: a set of 64-bit hashes, at most half full. Hash 0 stands for itself as 1: two keys that
// share a hash only cost a look.
#include "types/heads.h"

#include "base/alloc.h"

enum { FIRST_CAP = 16 };

void heads_release(struct heads *h)
{
    free(h->slots);
    h->slots = NULL;
    h->cap = h->count = 0;
}

static uint64_t *slot_of(const struct heads *h, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (h->cap - 1);
    while (h->slots[at] != 0 && h->slots[at] != hash)
        at = (at + 1) & (h->cap - 1);
    return &h->slots[at];
}

static void grow(struct heads *h)
{
    struct heads old = *h;
    h->cap = old.cap == 0 ? FIRST_CAP : old.cap * 2;
    h->slots = xcalloc(h->cap, sizeof *h->slots);
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i] != 0)
            *slot_of(h, old.slots[i]) = old.slots[i];
    free(old.slots);
}

void heads_add(struct heads *h, uint64_t hash)
{
    hash += hash == 0;
    if (h->many)
        return;
    if (2 * (h->count + 1) > h->cap)
        grow(h);
    uint64_t *slot = slot_of(h, hash);
    if (*slot != 0)
        return;
    *slot = hash;
    if (++h->count > HEADS_KNOWN_MAX) {
        heads_release(h);
        h->many = true;
    }
}

bool heads_may_have(const struct heads *h, uint64_t hash)
{
    if (h->many || !h->complete)
        return true;
    return h->cap > 0 && *slot_of(h, hash + (hash == 0)) != 0;
}
