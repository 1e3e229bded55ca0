// A hash table from a key to its newest record. Slots hold the whole hash, so that a probe that
// passes other keys reads none of their records: a miss costs one cache line, a hit two.
//
// Growing must not stall the loop: a table of a million slots takes tens of milliseconds to move at
// once. So when the load reaches three quarters, a table of twice the size becomes current, and
// each insertion moves a few slots of the old one over. Three quarters of the old size are inserted
// before the new one is full in its turn, so moving more than 4/3 slots an insertion is always done
// in time. Until then a lookup that misses in the current table tries the old one. Slots that were
// moved stay behind in the old table as they were: a lookup finds the current one first. Keys are
// never removed.
#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/memtable/memtable_impl.h"

enum { FIRST_CAP = 64, MOVES_AN_INSERT = 4 };

void index_release(struct index *x)
{
    free(x->slots);
    free(x->old);
    *x = (struct index){0};
}

size_t index_bytes(const struct index *x)
{
    return (x->cap + x->old_cap) * sizeof *x->slots;
}

static struct index_slot *find_in(
    struct index_slot *slots, size_t cap, struct slice key, uint64_t hash)
{
    for (size_t at = hash & (cap - 1); slots[at].head != NULL; at = (at + 1) & (cap - 1))
        if (slots[at].hash == hash && slice_equal(record_key(slots[at].head), key))
            return &slots[at];
    return NULL;
}

struct index_slot *index_find(const struct index *x, struct slice key, uint64_t hash)
{
    if (x->cap == 0)
        return NULL;
    struct index_slot *found = find_in(x->slots, x->cap, key, hash);
    if (found == NULL && x->old != NULL)
        found = find_in(x->old, x->old_cap, key, hash);
    return found;
}

static void place(struct index *x, struct index_slot slot)
{
    size_t at = slot.hash & (x->cap - 1);
    while (x->slots[at].head != NULL)
        at = (at + 1) & (x->cap - 1);
    x->slots[at] = slot;
    x->used++;
}

static void move_some(struct index *x)
{
    for (unsigned i = 0; i < MOVES_AN_INSERT && x->old_next < x->old_cap; i++) {
        struct index_slot slot = x->old[x->old_next++];
        if (slot.head != NULL)
            place(x, slot);
    }
    if (x->old_next == x->old_cap) {
        free(x->old);
        x->old = NULL;
        x->old_cap = 0;
    }
}

static void grow(struct index *x)
{
    ENSURE(x->old == NULL);
    x->old = x->slots;
    x->old_cap = x->cap;
    x->old_next = 0;
    x->cap = x->cap ? x->cap * 2 : FIRST_CAP;
    x->slots = xcalloc(x->cap, sizeof *x->slots);
    x->used = 0;
}

void index_insert(struct index *x, uint64_t hash, struct record *r)
{
    if (x->old != NULL)
        move_some(x);
    if ((x->used + 1) * 4 > x->cap * 3)
        grow(x);
    place(x, (struct index_slot){hash, r});
}
