// gap_set: a sorted array. A walk finds its gaps by bisection, and adds them mostly at the end that
// it is moving to, so that little moves.
#include "engine/record/gap_set.h"

#include <stdlib.h>

#include "base/alloc.h"

// The first gap that does not end before key.
static uint32_t first_not_before(const struct gap_set *set, struct slice key)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slice_compare(buf_slice(&set->gaps[middle].high), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool begins_behind(const struct gap *g, struct slice key)
{
    return slice_compare(buf_slice(&g->low), key) > 0;
}

const struct gap *gap_set_find(const struct gap_set *set, struct slice key)
{
    uint32_t at = first_not_before(set, key);
    return at < set->count && !begins_behind(&set->gaps[at], key) ? &set->gaps[at] : NULL;
}

// Takes the gaps from number `from` to before `to` out.
static void take_out(struct gap_set *set, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        set->bytes -= set->gaps[i].low.len + set->gaps[i].high.len;
        buf_release(&set->gaps[i].low);
        buf_release(&set->gaps[i].high);
    }
    if (to > from)
        memmove(set->gaps + from, set->gaps + to, (set->count - to) * sizeof *set->gaps);
    set->count -= to - from;
}

static void put_in(struct gap_set *set, uint32_t at, const struct gap *g)
{
    if (set->count == set->cap) {
        set->cap = set->cap == 0 ? 4 : set->cap * 2;
        set->gaps = xrealloc(set->gaps, set->cap * sizeof *set->gaps);
    }
    memmove(set->gaps + at + 1, set->gaps + at, (set->count - at) * sizeof *set->gaps);
    set->gaps[at] = *g;
    set->count++;
    set->bytes += g->low.len + g->high.len;
}

bool gap_set_add(struct gap_set *set, struct slice low, struct slice high)
{
    uint32_t from = first_not_before(set, low), to = from;
    while (to < set->count && !begins_behind(&set->gaps[to], high))
        to++;
    if (from == to &&
        (set->count >= GAP_SET_COUNT_MAX || set->bytes + low.len + high.len > GAP_SET_BYTES_MAX))
        return false;
    if (from < to && slice_compare(buf_slice(&set->gaps[from].low), low) < 0)
        low = buf_slice(&set->gaps[from].low);
    if (from < to && slice_compare(buf_slice(&set->gaps[to - 1].high), high) > 0)
        high = buf_slice(&set->gaps[to - 1].high);
    struct gap joined = {0};
    buf_append_slice(&joined.low, low);
    buf_append_slice(&joined.high, high);
    take_out(set, from, to);
    put_in(set, from, &joined);
    return true;
}

void gap_set_cut(struct gap_set *set, struct slice key)
{
    uint32_t at = first_not_before(set, key);
    if (at < set->count && !begins_behind(&set->gaps[at], key))
        take_out(set, at, at + 1);
}

void gap_set_clear(struct gap_set *set)
{
    take_out(set, 0, set->count);
    free(set->gaps);
    *set = (struct gap_set){0};
}
