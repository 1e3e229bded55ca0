#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "engine/table/pins.h"

static struct pin *add(struct pins *p, const char *key, const char *value)
{
    struct entry e = {.key = slice_cstr(key), .tag = RECORD_PUT, .seq = 1};
    if (value != NULL)
        e.value = slice_cstr(value);
    struct pin *pin = pins_want(p, slice_cstr(key), hash64(slice_cstr(key)), true);
    pins_fill(p, pin, value != NULL ? &e : NULL);
    return pin;
}

static struct pin *find(const struct pins *p, const char *key)
{
    return pins_find(p, slice_cstr(key), hash64(slice_cstr(key)));
}

Test(pins, a_pin_is_shared_and_goes_with_its_last_holder)
{
    struct pins p = {0};
    struct pin *first = add(&p, "k", "v"), *again = add(&p, "k", "other");
    cr_assert_eq(first, again);
    cr_assert(slice_equal(pin_value(first), slice_cstr("v")));
    pins_unref(&p, first);
    cr_assert_eq(find(&p, "k"), again);
    pins_unref(&p, again);
    cr_assert_null(find(&p, "k"));
    cr_assert_eq(p.bytes, 0);
    pins_release(&p);
}

Test(pins, commits_replace_what_a_pin_says)
{
    struct pins p = {0};
    struct pin *here = add(&p, "here", "old"), *absent = add(&p, "absent", NULL);
    cr_assert_not(pin_is_present(absent));
    struct entry put = {
        slice_cstr("absent"), slice_cstr("now"), 5, 99, RECORD_PUT | RECORD_EXPIRES};
    pins_on_commit(&p, &put);
    cr_assert(pin_is_present(absent));
    cr_assert(slice_equal(pin_value(absent), slice_cstr("now")));
    cr_assert_eq(absent->expire_ms, 99);
    cr_assert_eq(absent->seq, 5);
    struct entry del = {.key = slice_cstr("here"), .seq = 6, .tag = RECORD_DELETE};
    pins_on_commit(&p, &del);
    cr_assert_not(pin_is_present(here));
    struct entry drop = {.key = slice_cstr("ab"), .seq = 7, .tag = RECORD_DROP};
    pins_on_commit(&p, &drop);
    cr_assert_not(pin_is_present(absent));
    cr_assert_eq(absent->seq, 7);
    pins_unref(&p, here);
    pins_unref(&p, absent);
    pins_release(&p);
}

Test(pins, what_was_taken_back_is_not_found_any_more)
{
    struct pins p = {0};
    struct pin *old = add(&p, "old", "1"), *newer = add(&p, "newer", "1");
    struct entry put = {slice_cstr("newer"), slice_cstr("lost"), 10, 0, RECORD_PUT};
    pins_on_commit(&p, &put);
    pins_forget_above(&p, 9);
    cr_assert_null(find(&p, "newer"));
    cr_assert_eq(find(&p, "old"), old);
    struct pin *fresh = add(&p, "newer", "1");
    cr_assert_neq(fresh, newer);
    pins_unref(&p, newer);
    cr_assert_eq(find(&p, "newer"), fresh);
    pins_unref(&p, fresh);
    pins_unref(&p, old);
    pins_release(&p);
}

Test(pins, a_fact_has_no_value_until_somebody_wants_it)
{
    static const char value[] = "a value that is longer than what a small fact holds of it";
    struct pins p = {0};
    struct slice key = slice_cstr("k");
    struct entry e = {key, slice_cstr(value), 3, 0, RECORD_PUT};
    struct pin *fact = pins_want(&p, key, hash64(key), false);
    cr_assert_null(find(&p, "k"), "nobody has read it");
    pins_fill(&p, fact, &e);
    cr_assert_eq(find(&p, "k"), fact);
    cr_assert(pin_answers(fact, false) && !pin_answers(fact, true));
    cr_assert(fact->value_len == strlen(value) && pin_value(fact).len == PIN_HEAD_MAX);
    uint64_t small = p.bytes;
    cr_assert_lt(small, 160);
    struct pin *row = pins_want(&p, key, hash64(key), true);
    cr_assert(row == fact && !pin_answers(row, true));
    pins_fill(&p, row, &e);
    cr_assert(slice_equal(pin_value(row), slice_cstr(value)));
    cr_assert_gt(p.bytes, small);
    e.seq = 4;
    pins_on_commit(&p, &e);
    cr_assert(pin_answers(row, true) && row->seq == 4);
    pins_unref(&p, fact);
    pins_unref(&p, row);
    cr_assert_eq(p.bytes, 0);
    pins_release(&p);
}

Test(pins, what_is_wanted_is_known_from_the_next_commit_on)
{
    struct pins p = {0};
    struct slice key = slice_cstr("k");
    struct entry put = {key, slice_cstr("new"), 9, 0, RECORD_PUT},
                 old = {key, slice_cstr("old"), 3, 0, RECORD_PUT};
    struct pin *pin = pins_want(&p, key, hash64(key), true);
    pins_on_commit(&p, &put);
    pins_fill(&p, pin, &old);
    cr_assert(slice_equal(pin_value(pin), slice_cstr("new")));
    pins_unref(&p, pin);
    pins_release(&p);
}

Test(pins, many_pins_are_all_found)
{
    enum { MANY = 1000 };
    static struct pin *held[MANY];
    struct pins p = {0};
    for (unsigned i = 0; i < MANY; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        held[i] = add(&p, key, "v");
    }
    for (unsigned i = 0; i < MANY; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        cr_assert_eq(find(&p, key), held[i]);
    }
    for (unsigned i = 0; i < MANY; i++)
        pins_unref(&p, held[i]);
    cr_assert_eq(p.bytes, 0);
    pins_release(&p);
}
