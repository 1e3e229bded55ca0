#include <criterion/criterion.h>

#include <stdio.h>

#include "base/hash.h"
#include "engine/table/pins.h"

static struct pin *add(struct pins *p, const char *key, const char *value)
{
    struct entry e = {.key = slice_cstr(key), .tag = RECORD_PUT, .seq = 1};
    if (value != NULL)
        e.value = slice_cstr(value);
    return pins_add(p, slice_cstr(key), hash64(slice_cstr(key)), value != NULL ? &e : NULL);
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
    cr_assert(slice_equal(first->entry.value, slice_cstr("v")));
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
    cr_assert_not(absent->present);
    struct entry put = {
        slice_cstr("absent"), slice_cstr("now"), 5, 99, RECORD_PUT | RECORD_EXPIRES};
    pins_on_commit(&p, &put);
    cr_assert(absent->present);
    cr_assert(slice_equal(absent->entry.value, slice_cstr("now")));
    cr_assert_eq(absent->entry.expire_ms, 99);
    cr_assert_eq(absent->entry.seq, 5);
    struct entry del = {.key = slice_cstr("here"), .seq = 6, .tag = RECORD_DELETE};
    pins_on_commit(&p, &del);
    cr_assert_not(here->present);
    struct entry drop = {.key = slice_cstr("ab"), .seq = 7, .tag = RECORD_DROP};
    pins_on_commit(&p, &drop);
    cr_assert_not(absent->present);
    cr_assert_eq(absent->entry.seq, 7);
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
