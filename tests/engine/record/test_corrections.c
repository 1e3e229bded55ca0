#include <criterion/criterion.h>

#include "base/random.h"
#include "engine/record/corrections.h"

static struct corrections *new_corrections(uint32_t terms_max)
{
    return corrections_new(1, true, terms_max);
}

Test(corrections, a_term_of_one_second_is_taken_when_it_is_over)
{
    struct corrections *c = new_corrections(16);
    int64_t live, doubts;
    corrections_add(c, slice_cstr("a"), 2, -3);
    corrections_add_term(c, slice_cstr("a"), 5100, -1);
    corrections_add_term(c, slice_cstr("a"), 7000, 1);
    corrections_finish(c);
    cr_assert_eq(correction_at(c, &c->items[0], 5999, &live, &doubts), 6000);
    cr_assert(live == 2 && doubts == -3);
    cr_assert_eq(correction_at(c, &c->items[0], 6000, &live, &doubts), 7000);
    cr_assert(live == 1 && doubts == -3);
    cr_assert_eq(correction_at(c, &c->items[0], 7000, &live, &doubts), 8000);
    cr_assert(live == 1 && doubts == -2, "it may be back already");
    cr_assert_eq(correction_at(c, &c->items[0], 8000, &live, &doubts), INT64_MAX);
    cr_assert(live == 2 && doubts == -3);
    corrections_free(c);
}

// Whatever the width of the terms, what has gone by then lies between the count and the count with
// its doubts, and in the end nothing is in doubt.
Test(corrections, the_truth_lies_within_the_doubts)
{
    enum { RECORDS = 3000, SPAN_MS = 4000 * 1000 };
    static struct {
        int64_t expire_ms;
        int live;
    } records[RECORDS];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        uint32_t terms_max = 1 + (uint32_t)random_below(&random, 500);
        struct corrections *c = new_corrections(terms_max);
        int64_t live, doubts, sum = 0;
        for (unsigned i = 0; i < RECORDS; i++) {
            records[i].expire_ms = (int64_t)random_below(&random, SPAN_MS);
            records[i].live = random_below(&random, 4) == 0 ? 1 : -1;
            corrections_add_term(c, slice_cstr("a"), records[i].expire_ms, records[i].live);
            sum += records[i].live;
        }
        corrections_finish(c);
        cr_assert_leq(c->items[0].term_count, terms_max);
        for (int64_t now_ms = 0; now_ms < SPAN_MS; now_ms += 1000 * 17) {
            int64_t truth = 0;
            for (unsigned i = 0; i < RECORDS; i++)
                truth += records[i].expire_ms < now_ms ? records[i].live : 0;
            cr_assert_gt(correction_at(c, &c->items[0], now_ms, &live, &doubts), now_ms);
            cr_assert(
                live <= truth && truth <= live + doubts, "seed %llu", (unsigned long long)seed);
        }
        cr_assert_eq(correction_at(c, &c->items[0], 2ll * SPAN_MS * 4, &live, &doubts), INT64_MAX);
        cr_assert(live == sum && doubts == 0);
        corrections_free(c);
    }
}
