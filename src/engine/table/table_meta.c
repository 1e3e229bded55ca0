// table_meta: what can be said of a table without its file: which keys it may have, and whether a
// drop concerns it.
#include "engine/table/table_meta.h"

#include "base/alloc.h"
#include "engine/format.h"

static void free_range(struct table_meta *m)
{
    free((void *)(uintptr_t)m->smallest.data);
    free((void *)(uintptr_t)m->largest.data);
}

void table_meta_release(struct table_meta *m)
{
    free_range(m);
    *m = (struct table_meta){0};
}

void table_meta_set_range(struct table_meta *m, struct slice smallest, struct slice largest)
{
    char *low = xstrndup(smallest.data, smallest.len), *high = xstrndup(largest.data, largest.len);
    free_range(m);
    m->smallest = slice_of(low, smallest.len);
    m->largest = slice_of(high, largest.len);
}

bool table_meta_holds(const struct table_meta *m, struct handle h)
{
    return m->size >= BLOCK_TRAILER_SIZE && h.len <= m->size - BLOCK_TRAILER_SIZE &&
           h.offset <= m->size - BLOCK_TRAILER_SIZE - h.len;
}

bool table_meta_overlaps(const struct table_meta *m, struct slice smallest, struct slice largest)
{
    return slice_compare(m->largest, smallest) >= 0 && slice_compare(m->smallest, largest) <= 0;
}

bool table_meta_needs_drop(const struct table_meta *m, const struct drop *d)
{
    if (m->seq_min >= d->seq || m->clean_seq >= d->seq || slice_compare(m->largest, d->prefix) < 0)
        return false;
    return slice_compare(m->smallest, d->prefix) <= 0 || slice_starts_with(m->smallest, d->prefix);
}

bool table_meta_inside_drop(const struct table_meta *m, const struct drop *d)
{
    return m->seq_max < d->seq && slice_starts_with(m->smallest, d->prefix) &&
           slice_starts_with(m->largest, d->prefix);
}
