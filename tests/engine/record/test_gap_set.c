#include "engine/record/gap_set.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/random.h"

enum { KEYS = 60, KEY_LEN = 8 };

static struct slice key_at(int i, char out[KEY_LEN])
{
    return slice_of(out, (size_t)snprintf(out, KEY_LEN, "%03d", i));
}

static void add(struct gap_set *set, int low, int high, bool expected)
{
    char a[KEY_LEN], b[KEY_LEN];
    cr_assert_eq(gap_set_add(set, key_at(low, a), key_at(high, b)), expected);
}

// What the set says, against an array that has a number for each stretch of keys that is one gap.
Test(gap_set, agrees_with_a_model)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct random random = {seed};
        struct gap_set set = {0};
        int model[KEYS] = {0};
        for (int step = 1; step < 300; step++) {
            char key[KEY_LEN], low[KEY_LEN], high[KEY_LEN];
            int i = (int)random_below(&random, KEYS), gap = model[i];
            if (random_below(&random, 3) == 0) {
                gap_set_cut(&set, key_at(i, key));
                for (int k = 0; gap != 0 && k < KEYS; k++)
                    model[k] = model[k] == gap ? 0 : model[k];
            } else {
                int to = i + (int)random_below(&random, 6);
                to = to < KEYS ? to : KEYS - 1;
                add(&set, i, to, true);
                for (int k = i; k <= to; k++)
                    for (int other = 0, old = model[k]; old != 0 && other < KEYS; other++)
                        model[other] = model[other] == old ? step : model[other];
                for (int k = i; k <= to; k++)
                    model[k] = step;
            }
            for (int k = 0; k < KEYS; k++) {
                const struct gap *found = gap_set_find(&set, key_at(k, key));
                int first = k, last = k;
                cr_assert_eq(found != NULL, model[k] != 0);
                while (found != NULL && first > 0 && model[first - 1] == model[k])
                    first--;
                while (found != NULL && last < KEYS - 1 && model[last + 1] == model[k])
                    last++;
                cr_assert(
                    found == NULL || (slice_equal(buf_slice(&found->low), key_at(first, low)) &&
                                         slice_equal(buf_slice(&found->high), key_at(last, high))));
            }
        }
        gap_set_clear(&set);
        cr_assert(set.count == 0 && set.bytes == 0);
    }
}

Test(gap_set, is_bounded)
{
    static char long_key[100 * 1024];
    struct gap_set set = {0};
    int added = 0;
    for (; added < 100; added++) {
        snprintf(long_key, sizeof long_key, "%03d", added);
        struct slice key = slice_of(long_key, sizeof long_key);
        if (!gap_set_add(&set, key, key))
            break;
    }
    cr_expect(added == 2, "%d", added);
    gap_set_clear(&set);
    char key[KEY_LEN];
    for (added = 0; gap_set_add(&set, slice_of(&added, 2), slice_of(&added, 2)); added++)
        ;
    cr_expect_eq(added, GAP_SET_COUNT_MAX);
    cr_expect_null(gap_set_find(&set, key_at(7, key)));
    gap_set_clear(&set);
}
