#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/random.h"
#include "engine/table/cache.h"

static struct cached_block *insert(struct cache *c, uint64_t table, uint64_t offset, size_t len)
{
    uint8_t *data = xmalloc(len);
    memset(data, (int)(table ^ offset), len);
    return cache_insert(c, table, offset, data, len);
}

static bool holds(struct cache *c, uint64_t table, uint64_t offset)
{
    struct cached_block *b = cache_get(c, table, offset);
    if (b == NULL)
        return false;
    cr_assert_eq(b->contents.data[0], (uint8_t)(table ^ offset));
    cache_unpin(c, b);
    return true;
}

Test(cache, never_exceeds_its_capacity_by_more_than_what_is_pinned)
{
    enum { CAPACITY = 200000, PINS = 100 };
    struct random r = {1};
    struct cache *c = cache_new(CAPACITY);
    struct cached_block *pinned[PINS] = {0};
    uint64_t hits = 0;
    for (int i = 0; i < 200000; i++) {
        uint64_t table = random_below(&r, 20), offset = random_below(&r, 60);
        struct cached_block *b = cache_get(c, table, offset);
        if (b == NULL)
            b = insert(c, table, offset, 100 + random_below(&r, 1500));
        else
            hits++;
        cr_assert_eq(b->contents.data[0], (uint8_t)(table ^ offset));
        struct cached_block **place = &pinned[random_below(&r, PINS)];
        if (random_below(&r, 10) == 0) {
            if (*place != NULL)
                cache_unpin(c, *place);
            *place = b;
        } else {
            cache_unpin(c, b);
        }
        if (random_below(&r, 500) == 0)
            cache_erase_table(c, random_below(&r, 20));
        if (random_below(&r, 500) == 0)
            cache_set_capacity(c, CAPACITY / 2 + random_below(&r, CAPACITY / 2));
        cr_assert_leq(cache_bytes(c), cache_capacity(c) + cache_pinned_bytes(c));
    }
    cr_assert_gt(hits, 1000);
    for (int i = 0; i < PINS; i++) {
        if (pinned[i] != NULL)
            cache_unpin(c, pinned[i]);
    }
    cr_assert_eq(cache_pinned_bytes(c), 0);
    cr_assert_leq(cache_bytes(c), cache_capacity(c));
    cache_free(c);
}

Test(cache, blocks_seen_again_outlive_a_scan)
{
    struct cache *c = cache_new(100 * 1200);
    for (uint64_t i = 0; i < 20; i++)
        cache_unpin(c, insert(c, 1, i, 1000));
    for (uint64_t scan = 0; scan < 1000; scan++) {
        cache_unpin(c, insert(c, 2, scan, 1000));
        for (uint64_t i = 0; i < 20; i++)
            cr_assert(holds(c, 1, i));
    }
    cr_assert(holds(c, 2, 999));
    cr_assert_not(holds(c, 2, 500));
    cache_free(c);
}

Test(cache, a_slot_leads_to_its_block_until_it_goes)
{
    struct cache *c = cache_new(10 * 1200);
    struct cached_block *slot = insert(c, 1, 0, 1000);
    slot->slot = &slot;
    cache_unpin(c, slot);
    for (uint64_t i = 0; i < 100 && slot != NULL; i++)
        cache_unpin(c, insert(c, 2, i, 1000));
    cr_assert_null(slot, "evicted");
    slot = insert(c, 1, 0, 1000);
    slot->slot = &slot;
    cache_unpin(c, slot);
    cache_erase_table(c, 1);
    cr_assert_null(slot, "erased");
    cache_free(c);
}

Test(cache, a_pinned_block_of_an_erased_table_lives_until_its_last_pin)
{
    struct cache *c = cache_new(10000);
    struct cached_block *b = insert(c, 1, 0, 100);
    cache_erase_table(c, 1);
    cr_assert_not(holds(c, 1, 0));
    cr_assert_eq(cache_bytes(c), 0);
    cr_assert_eq(b->contents.data[99], 1);
    cr_assert_gt(cache_pinned_bytes(c), 0);
    cache_unpin(c, b);
    cr_assert_eq(cache_pinned_bytes(c), 0);
    cache_free(c);
}

Test(cache, inserting_what_is_there_returns_what_is_there)
{
    struct cache *c = cache_new(10000);
    struct cached_block *a = insert(c, 3, 4, 100), *b = insert(c, 3, 4, 100);
    cr_assert_eq(a, b);
    cr_assert_eq(a->pins, 2);
    cache_unpin(c, a);
    cache_unpin(c, b);
    cache_free(c);
}
