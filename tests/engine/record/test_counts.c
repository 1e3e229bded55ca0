#include <criterion/criterion.h>

#include <stdio.h>

#include "base/random.h"
#include "engine/record/counts.h"

Test(counts, sums_are_kept_by_prefix)
{
    struct counts c = {0};
    cr_assert_null(counts_find(&c, slice_cstr("a")));
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < 100; i++) {
            char text[8];
            int len = snprintf(text, sizeof text, "p%u", i);
            counts_add(&c, slice_of(text, (size_t)len), i, -(int64_t)i);
        }
    }
    for (unsigned i = 0; i < 100; i++) {
        char text[8];
        int len = snprintf(text, sizeof text, "p%u", i);
        const struct count *found = counts_find(&c, slice_of(text, (size_t)len));
        cr_assert_not_null(found);
        cr_assert_eq(found->live, 3 * (int64_t)i);
        cr_assert_eq(found->in_doubt, -3 * (int64_t)i);
    }
    counts_clear(&c);
    cr_assert_null(counts_find(&c, slice_cstr("p1")));
    counts_release(&c);
}

Test(counts, forgetting_a_prefix_forgets_all_that_start_with_it)
{
    struct counts c = {0}, sum = {0};
    counts_add(&c, slice_cstr("ab"), 1, 0);
    counts_add(&c, slice_cstr("abc"), 2, 0);
    counts_add(&c, slice_cstr("b"), 3, 0);
    counts_add_all(&sum, &c);
    counts_forget(&c, slice_cstr("ab"));
    cr_assert_null(counts_find(&c, slice_cstr("ab")));
    cr_assert_null(counts_find(&c, slice_cstr("abc")));
    cr_assert_eq(counts_find(&c, slice_cstr("b"))->live, 3);
    counts_add(&c, slice_cstr("ab"), 7, 0);
    cr_assert_eq(counts_find(&c, slice_cstr("ab"))->live, 7);
    cr_assert_eq(counts_find(&sum, slice_cstr("abc"))->live, 2);
    counts_forget(&c, slice_of(NULL, 0));
    cr_assert_null(counts_find(&c, slice_cstr("b")));
    counts_release(&c);
    counts_release(&sum);
}

// One key's records, oldest first, as they lie in older and newer tables. Writers know the state
// beneath with certainty or are in doubt; merges settle neighbours, and the oldest meets the
// bottom, at random times. The count is never above the truth, never further below than there are
// doubts, and exact once all is settled.
enum { KEYS = 30, DEPTH = 16 };

struct key {
    uint8_t tags[DEPTH];
    unsigned depth;
};

static bool is_live(const struct key *k)
{
    return k->depth > 0 && (k->tags[k->depth - 1] & RECORD_KIND_MASK) == RECORD_PUT;
}

static void write_record(struct random *random, struct key *k, int64_t *count, int64_t *doubts)
{
    if (k->depth == DEPTH)
        return;
    uint8_t tag = random_below(random, 3) ? RECORD_PUT : RECORD_DELETE;
    if (random_below(random, 2))
        tag |= RECORD_IN_DOUBT;
    else if (!is_live(k))
        tag |= RECORD_FRESH;
    k->tags[k->depth++] = tag;
    *count += count_contribution(tag);
    *doubts += (tag & RECORD_IN_DOUBT) != 0;
}

static void merge_records(struct random *random, struct key *k, int64_t *count, int64_t *doubts)
{
    if (k->depth == 0)
        return;
    int live, in_doubt;
    unsigned at = (unsigned)random_below(random, k->depth);
    if (at == 0) {
        k->tags[0] = count_settle_bottom(k->tags[0], &live, &in_doubt);
    } else {
        k->tags[at - 1] = count_settle(k->tags[at], k->tags[at - 1], &live, &in_doubt);
        memmove(k->tags + at, k->tags + at + 1, k->depth - at - 1);
        k->depth--;
    }
    *count += live;
    *doubts += in_doubt;
}

Test(counts, settling_makes_the_count_exact)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random random = {seed};
        struct key keys[KEYS] = {{{0}, 0}};
        int64_t count = 0, doubts = 0;
        for (unsigned step = 0; step < 1000; step++) {
            struct key *k = &keys[random_below(&random, KEYS)];
            if (random_below(&random, 5) < 3)
                write_record(&random, k, &count, &doubts);
            else
                merge_records(&random, k, &count, &doubts);
            int64_t truth = 0;
            for (unsigned i = 0; i < KEYS; i++)
                truth += is_live(&keys[i]);
            cr_assert(count <= truth && truth <= count + doubts,
                "seed %llu step %u: %lld, %lld in doubt, truth %lld", (unsigned long long)seed,
                step, (long long)count, (long long)doubts, (long long)truth);
        }
        int64_t truth = 0;
        for (unsigned i = 0; i < KEYS; i++) {
            truth += is_live(&keys[i]);
            while (keys[i].depth > 1 || (keys[i].depth == 1 && (keys[i].tags[0] & RECORD_IN_DOUBT)))
                merge_records(&random, &keys[i], &count, &doubts);
        }
        cr_assert_eq(doubts, 0);
        cr_assert_eq(count, truth, "seed %llu", (unsigned long long)seed);
    }
}
