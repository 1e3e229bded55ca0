#include <criterion/criterion.h>

#include "base/coding.h"
#include "base/hash.h"
#include "base/random.h"
#include "engine/format.h"
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
    cr_assert(filter_load(f.data, &f.len, FORMAT_VERSION));
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

// The filter as version 1 has it: no type behind n and k.
static struct buf build_v1(uint64_t *hashes, size_t count)
{
    struct buf f = build(hashes, count, 10);
    f.len -= 4;
    return f;
}

Test(filter, version_1_is_read)
{
    uint64_t hashes[1000];
    struct buf now = build(hashes, 1000, 10), then = build_v1(hashes, 1000);
    cr_assert(filter_load(now.data, &now.len, 2));
    cr_assert(filter_load(then.data, &then.len, 1));
    cr_assert(slice_equal(buf_slice(&now), buf_slice(&then)));
    buf_release(&now);
    buf_release(&then);
}

Test(filter, an_unknown_type_never_says_no)
{
    uint64_t hashes[1000];
    for (unsigned type = 0; type < 256; type++) {
        struct buf f = build(hashes, 1000, 10);
        f.data[f.len - 4] = (uint8_t)type;
        cr_assert(filter_load(f.data, &f.len, 2));
        unsigned maybe = 0;
        for (uint64_t i = 0; i < 100; i++) {
            filter_prefetch(buf_slice(&f), hash_of(2000 + i));
            maybe += filter_may_contain(buf_slice(&f), hash_of(2000 + i));
        }
        cr_assert(type == FILTER_KEYS ? maybe < 50 : maybe == 100);
        buf_release(&f);
    }
}

static void check_damage(struct buf f, uint64_t format)
{
    size_t tail = format == 1 ? 8 : 12;
    for (size_t cut = 0; cut < f.len; cut++) {
        // A cut off filter is none, unless what is left ends in what looks like an unknown type.
        uint8_t *copy = malloc(cut + 1);
        size_t len = cut;
        memcpy(copy, f.data, cut);
        if (filter_load(copy, &len, format))
            cr_assert(format == 2 && filter_may_contain(slice_of(copy, len), hash_of(cut)));
        free(copy);
    }
    for (size_t bit = 0; bit < 64; bit++) {
        uint8_t *copy = malloc(f.len);
        size_t len = f.len;
        memcpy(copy, f.data, f.len);
        copy[f.len - tail + bit / 8] ^= (uint8_t)(1u << (bit % 8));
        // Another number of probes may make a valid filter; no flip may make one that is read past
        // its end.
        if (filter_load(copy, &len, format)) {
            cr_assert_geq(bit, 32);
            for (size_t i = 0; i < 1000; i++)
                filter_may_contain(slice_of(copy, len), hash_of(i));
        }
        free(copy);
    }
}

Test(filter, what_is_not_a_filter_is_seen)
{
    uint64_t hashes[100];
    struct buf now = build(hashes, 100, 10), then = build_v1(hashes, 100);
    check_damage(now, 2);
    check_damage(then, 1);
    buf_release(&now);
    buf_release(&then);
}
