#include <criterion/criterion.h>

#include "base/coding.h"
#include "base/hash.h"
#include "base/random.h"
#include "engine/table/filter.h"

static uint64_t hash_of(uint64_t key)
{
    uint8_t bytes[16] = "key:";
    put_be64(bytes + 4, key);
    return hash64(slice_of(bytes, 12));
}

static struct buf build(uint64_t *hashes, size_t count, unsigned bits)
{
    struct buf out = {0};
    for (size_t i = 0; i < count; i++)
        hashes[i] = hash_of(i);
    filter_build(&out, hashes, count, bits);
    return out;
}

static double false_positives(size_t count, unsigned bits)
{
    uint64_t *hashes = malloc((count + 1) * sizeof *hashes);
    struct buf f = build(hashes, count, bits);
    cr_assert(filter_valid(buf_slice(&f)));
    for (size_t i = 0; i < count; i++)
        cr_assert(filter_may_contain(buf_slice(&f), hashes[i]));
    size_t wrong = 0, probes = 200000;
    for (size_t i = 0; i < probes; i++)
        wrong += filter_may_contain(buf_slice(&f), hash_of(1000000000 + i));
    buf_release(&f);
    free(hashes);
    return (double)wrong / (double)probes;
}

Test(filter, contains_every_key_and_few_others)
{
    cr_assert_lt(false_positives(100000, 10), 0.012);
    cr_assert_lt(false_positives(1000, 10), 0.014);
    cr_assert_lt(false_positives(100000, 16), 0.0025);
    cr_assert_lt(false_positives(100000, 5), 0.12);
    cr_assert_eq(false_positives(0, 10), 0, "an empty filter contains nothing");
}

Test(filter, what_is_not_a_filter_is_seen)
{
    uint64_t hashes[100];
    struct buf f = build(hashes, 100, 10);
    for (size_t cut = 0; cut < f.len; cut++)
        cr_assert_not(filter_valid(slice_of(f.data, cut)));
    cr_assert_not(filter_valid(slice_skip(buf_slice(&f), 64)));
    for (size_t bit = 0; bit < 64; bit++) {
        size_t at = f.len - 8 + bit / 8;
        f.data[at] ^= (uint8_t)(1u << (bit % 8));
        // Another number of probes may make a valid filter; no flip may make one that is read past
        // its end.
        if (filter_valid(buf_slice(&f))) {
            cr_assert_geq(bit, 32);
            for (size_t i = 0; i < 1000; i++)
                filter_may_contain(buf_slice(&f), hash_of(i));
        }
        f.data[at] ^= (uint8_t)(1u << (bit % 8));
    }
    buf_release(&f);
}
