// A database can have thousands of drops pending (each DEL of a big collection is one), and
// compaction asks for every entry whether one covers it; commits ask too. The prefixes that can
// cover a key are its own prefixes, and the layer above uses only a handful of lengths. So the set
// is sorted by prefix, the distinct lengths are noted, and a lookup is one binary search a length.
//
// Nothing here can fail. Equal prefixes with different seqs may both be present: an entry between
// them is covered by the newer only.
#include "engine/record/drops.h"

#include "base/alloc.h"

void drop_set_release(struct drop_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free((void *)(uintptr_t)set->items[i].prefix.data);
    free(set->items);
    free(set->lengths);
    *set = (struct drop_set){0};
}

void drop_set_add(struct drop_set *set, struct slice prefix, uint64_t seq)
{
    if (set->count == set->cap) {
        set->cap = set->cap ? set->cap * 2 : 8;
        set->items = xrealloc(set->items, set->cap * sizeof *set->items);
    }
    struct drop *d = &set->items[set->count++];
    d->prefix = slice_of(xstrndup(prefix.data, prefix.len), prefix.len);
    d->seq = seq;
}

static int compare_drops(const void *left, const void *right)
{
    const struct drop *a = left, *b = right;
    int order = slice_compare(a->prefix, b->prefix);
    return order != 0 ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

static void note_length(struct drop_set *set, uint32_t length)
{
    for (uint32_t i = 0; i < set->length_count; i++)
        if (set->lengths[i] == length)
            return;
    set->lengths = xrealloc(set->lengths, (set->length_count + 1) * sizeof *set->lengths);
    set->lengths[set->length_count++] = length;
}

void drop_set_finish(struct drop_set *set)
{
    if (set->count > 1)
        qsort(set->items, set->count, sizeof *set->items, compare_drops);
    for (uint32_t i = 0; i < set->count; i++)
        note_length(set, (uint32_t)set->items[i].prefix.len);
}

// The first item that is not before (prefix, seq).
static uint32_t lower_bound(const struct drop_set *set, struct slice prefix, uint64_t seq)
{
    struct drop wanted = {prefix, seq};
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_drops(&set->items[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t drop_set_find(const struct drop_set *set, struct slice key, uint64_t seq)
{
    uint64_t found = 0;
    if (seq == UINT64_MAX)
        return 0;
    for (uint32_t i = 0; i < set->length_count; i++) {
        if (set->lengths[i] > key.len)
            continue;
        struct slice prefix = slice_of(key.data, set->lengths[i]);
        uint32_t at = lower_bound(set, prefix, seq + 1);
        if (at < set->count && slice_equal(set->items[at].prefix, prefix) &&
            (found == 0 || set->items[at].seq < found))
            found = set->items[at].seq;
    }
    return found;
}
