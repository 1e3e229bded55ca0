// Tables and drops are both in order of their keys, and of each there may be tens of thousands: so
// nobody goes through tables times drops, nor through all of either. A drop touches a table if its
// prefix is one of the table's smallest key, or lies between smallest and largest. From a table
// that none touches, the first drop behind it tells which table may be the next: none between them
// can begin with an earlier prefix, for then so would the largest key before it.
//
// Example: tables a..c, d..f, g..k, m..z, and the drops "h" and "x1". None touches a..c; the first
// drop behind it is h, and the first table that ends at or behind h is g..k: d..f is not looked at.
//
// What a drop that cuts through a table is worth: its share of the table is unknown. A drop that
// reaches over the table's edge is taken for half of it; one strictly inside pays for DROP_WORTH
// bytes of rewriting, so that many small drops add up.
#include "engine/compaction/dropped.h"

enum { DROP_WORTH = 4 * 1024 * 1024 };

uint32_t dropped_next(const struct version *v, unsigned level, uint32_t from)
{
    const struct level *l = &v->levels[level];
    if (v->drops.count == 0)
        return l->count;
    for (uint32_t i = from; i < l->count;) {
        const struct table *t = l->tables[i];
        if (level == 0 || drop_set_find(&v->drops, t->meta.smallest, 0) != 0)
            return i;
        uint32_t behind = drop_set_from(&v->drops, t->meta.smallest);
        if (behind == v->drops.count)
            break;
        struct slice prefix = drop_set_at(&v->drops, behind)->prefix;
        if (slice_compare(prefix, t->meta.largest) <= 0)
            return i;
        i = version_find(l, prefix);
    }
    return l->count;
}

bool dropped_whole(const struct version *v, const struct table *t, uint64_t oldest_snapshot)
{
    return drop_set_newest(&v->drops, t->meta.smallest, t->meta.largest, oldest_snapshot) >
           t->meta.seq_max;
}

// Whether a drop reaches over one of the table's ends.
static bool reaches_in(
    const struct version *v, const struct table *t, struct slice end, uint64_t oldest_snapshot)
{
    uint64_t seq = drop_set_newest(&v->drops, end, end, oldest_snapshot);
    return seq > t->meta.seq_min && seq > t->meta.clean_seq;
}

bool dropped_much(const struct version *v, const struct table *t, uint64_t oldest_snapshot)
{
    uint64_t worth = 0;
    if (reaches_in(v, t, t->meta.smallest, oldest_snapshot) ||
        reaches_in(v, t, t->meta.largest, oldest_snapshot))
        return true;
    uint32_t i = drop_set_from(&v->drops, t->meta.smallest);
    for (; i < v->drops.count && worth < t->meta.size; i++) {
        const struct drop *d = drop_set_at(&v->drops, i);
        if (slice_compare(d->prefix, t->meta.largest) > 0)
            break;
        if (d->seq <= oldest_snapshot && table_meta_needs_drop(&t->meta, d))
            worth += DROP_WORTH;
    }
    return worth >= t->meta.size;
}
