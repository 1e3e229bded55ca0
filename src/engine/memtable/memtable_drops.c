// Deleting many big collections makes as many drops, and each commit asks whether a key lies below
// one. The prefixes that can cover a key are prefixes of that key, and the layers above use a
// handful of lengths: so one hash lookup for each length that occurs. Drops arrive in the order of
// their seqs; the newest of a prefix decides "is there one newer than seq", and the table points to
// it.
//
// The empty prefix (drop everything) is a prefix as any other, of length 0.
#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/memtable/memtable_impl.h"

enum { FIRST_SLOTS = 16 };

void drop_index_release(struct drop_index *d)
{
    free(d->items);
    free(d->slots);
    free(d->lengths);
    *d = (struct drop_index){0};
}

static size_t locate(const struct drop_index *d, struct slice prefix)
{
    size_t at = hash64(prefix) & (d->slots_cap - 1);
    while (d->slots[at] != 0 && !slice_equal(d->items[d->slots[at] - 1].prefix, prefix))
        at = (at + 1) & (d->slots_cap - 1);
    return at;
}

static void enter(struct drop_index *d, size_t item)
{
    d->slots[locate(d, d->items[item].prefix)] = (uint32_t)item + 1;
    size_t len = d->items[item].prefix.len, i = 0;
    while (i < d->length_count && d->lengths[i] != len)
        i++;
    if (i < d->length_count)
        return;
    d->lengths = xrealloc(d->lengths, (d->length_count + 1) * sizeof *d->lengths);
    d->lengths[d->length_count++] = (uint32_t)len;
}

static void rebuild(struct drop_index *d)
{
    free(d->slots);
    d->slots = xcalloc(d->slots_cap, sizeof *d->slots);
    d->length_count = 0;
    for (size_t i = 0; i < d->count; i++)
        enter(d, i);
}

void drop_index_add(struct drop_index *d, struct slice prefix, uint64_t seq)
{
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : FIRST_SLOTS / 2;
        d->items = xrealloc(d->items, d->cap * sizeof *d->items);
    }
    d->items[d->count++] = (struct memtable_drop){prefix, seq};
    if (d->count * 2 > d->slots_cap) {
        d->slots_cap = d->slots_cap ? d->slots_cap * 2 : FIRST_SLOTS;
        rebuild(d);
    } else {
        enter(d, d->count - 1);
    }
}

void drop_index_cut(struct drop_index *d, size_t count)
{
    ENSURE(count <= d->count);
    if (count == d->count)
        return;
    d->count = count;
    rebuild(d);
}

bool drop_index_covers(const struct drop_index *d, struct slice key, uint64_t seq)
{
    for (size_t i = 0; i < d->length_count; i++) {
        if (d->lengths[i] > key.len)
            continue;
        uint32_t item = d->slots[locate(d, slice_of(key.data, d->lengths[i]))];
        if (item != 0 && d->items[item - 1].seq > seq)
            return true;
    }
    return false;
}
