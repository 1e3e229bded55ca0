// Damage is rare, and a table that is damaged all over becomes one range, since neighbours grow
// together: so an array serves, and a version copies it. Readers ask only if there is any.
//
// Example: of blocks with the separators c, f and m the one up to f is bad, in a table with records
// up to number 90. The range is "c\0" to "f\0", 90: to read e says CORRUPT; after a SET of e with
// number 95 it is served again, from memory and from tables, and so is its deletion.
//
// Nothing here can fail.
#include "engine/version/damage.h"

#include "base/alloc.h"

static struct slice copy_of(struct slice s)
{
    return slice_of(xstrndup(s.data, s.len), s.len);
}

static void free_damage(struct damage *d)
{
    free((void *)(uintptr_t)d->from.data);
    free((void *)(uintptr_t)d->to.data);
}

void damage_set_release(struct damage_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free_damage(&set->items[i]);
    free(set->items);
    *set = (struct damage_set){0};
}

void damage_set_add(struct damage_set *set, struct slice from, struct slice to, uint64_t seq)
{
    if (damage_set_covers(set, &(struct damage){from, to, seq}))
        return;
    for (uint32_t i = 0; i < set->count; i++) {
        struct damage *d = &set->items[i];
        if (d->seq == seq && slice_equal(d->to, from)) {
            free((void *)(uintptr_t)d->to.data);
            d->to = copy_of(to);
            return;
        }
    }
    set->items = xrealloc(set->items, (set->count + 1) * sizeof *set->items);
    set->items[set->count++] = (struct damage){copy_of(from), copy_of(to), seq};
}

void damage_set_add_all(struct damage_set *set, const struct damage_set *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        damage_set_add(set, from->items[i].from, from->items[i].to, from->items[i].seq);
}

void damage_set_remove(struct damage_set *set, const struct damage *d)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct damage *has = &set->items[i];
        if (has->seq != d->seq || !slice_equal(has->from, d->from) || !slice_equal(has->to, d->to))
            continue;
        free_damage(has);
        *has = set->items[--set->count];
        return;
    }
}

uint64_t damage_set_find(const struct damage_set *set, struct slice key)
{
    uint64_t seq = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct damage *d = &set->items[i];
        if (d->seq > seq && slice_compare(d->from, key) <= 0 && slice_compare(key, d->to) < 0)
            seq = d->seq;
    }
    return seq;
}

bool damage_set_covers(const struct damage_set *set, const struct damage *d)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct damage *has = &set->items[i];
        if (has->seq >= d->seq && slice_compare(has->from, d->from) <= 0 &&
            slice_compare(d->to, has->to) <= 0)
            return true;
    }
    return false;
}

bool damage_set_meets(
    const struct damage_set *set, struct slice low, const struct slice *high, bool inclusive)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct damage *d = &set->items[i];
        int order = high != NULL ? slice_compare(d->from, *high) : -1;
        if (slice_compare(d->to, low) > 0 && (order < 0 || (inclusive && order == 0)))
            return true;
    }
    return false;
}
