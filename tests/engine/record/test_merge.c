#include "tests/engine/model_cursor.h"

#include "engine/record/merge.h"

enum { CHILDREN_MAX = 12 };

static void walk(uint64_t seed, bool wait)
{
    struct random r = {seed};
    for (int round = 0; round < 40; round++) {
        struct model all = model_random(&r, random_below(&r, 200), 20, 20);
        uint32_t count = (uint32_t)random_below(&r, CHILDREN_MAX + 1);
        struct model parts[CHILDREN_MAX] = {0},
                     merged = {xcalloc(all.count + 1, sizeof(struct entry)), 0};
        struct cursor *children[CHILDREN_MAX];
        for (uint32_t i = 0; i < count; i++)
            parts[i].entries = xcalloc(all.count + 1, sizeof(struct entry));
        for (size_t i = 0; i < all.count && count > 0; i++) {
            struct model *part = &parts[random_below(&r, count)];
            part->entries[part->count++] = merged.entries[merged.count++] = all.entries[i];
        }
        for (uint32_t i = 0; i < count; i++)
            children[i] = model_cursor_new(&parts[i], wait ? &r : NULL);
        struct model_walk w = {
            .cursor = merge_cursor(children, count), .model = &merged, .at = SIZE_MAX};
        for (int step = 0; step < 1500; step++)
            model_walk_step(&w, &r);
        cr_assert(!wait || w.waits > 0 || count == 0);
        w.cursor->ops->close(w.cursor);
        for (uint32_t i = 0; i < count; i++)
            free(parts[i].entries);
        free(merged.entries);
        model_release(&all);
    }
}

Test(merge, agrees_with_a_sorted_array_in_both_directions)
{
    walk(1, false);
}

Test(merge, goes_on_where_it_was_when_children_wait)
{
    walk(2, true);
}

Test(merge, another_call_after_wait_starts_afresh)
{
    struct random r = {3};
    struct model all = model_random(&r, 150, 20, 20), odd = {0}, even = {0};
    odd.entries = xcalloc(all.count + 1, sizeof(struct entry));
    even.entries = xcalloc(all.count + 1, sizeof(struct entry));
    for (size_t i = 0; i < all.count; i++) {
        struct model *part = i % 2 ? &odd : &even;
        part->entries[part->count++] = all.entries[i];
    }
    struct cursor *children[] = {model_cursor_new(&odd, &r), model_cursor_new(&even, &r)};
    struct model_walk w = {.cursor = merge_cursor(children, 2), .model = &all, .at = SIZE_MAX};
    struct cursor *c = w.cursor;
    for (int round = 0; round < 3000; round++) {
        for (uint64_t calls = random_below(&r, 3); calls > 0; calls--) {
            struct slice key = model_key(&r, 20, 4);
            if (random_below(&r, 2))
                c->ops->seek(c, key, SEQ_MAX);
            else
                c->ops->seek_before(c, key);
            free((void *)(uintptr_t)key.data);
        }
        w.at = SIZE_MAX;
        for (int step = 0; step < 4; step++)
            model_walk_step(&w, &r);
    }
    c->ops->close(c);
    free(odd.entries);
    free(even.entries);
    model_release(&all);
}

static int fail(struct cursor *c)
{
    return CORRUPT;
}

Test(merge, failures_of_a_child_are_passed_on)
{
    struct random r = {4};
    struct model m = model_random(&r, 20, 20, 20);
    struct cursor *children[] = {model_cursor_new(&m, NULL)};
    struct cursor_ops ops = *children[0]->ops;
    ops.next = ops.prev = ops.seek_last = fail;
    children[0]->ops = &ops;
    struct cursor *c = merge_cursor(children, 1);
    cr_assert_eq(c->ops->seek(c, slice_cstr(""), SEQ_MAX), OK);
    cr_assert_eq(c->ops->next(c), CORRUPT);
    cr_assert_eq(c->ops->seek_last(c), CORRUPT);
    cr_assert_eq(c->ops->seek(c, slice_cstr(""), SEQ_MAX), OK);
    cr_assert(entry_same(&c->entry, &m.entries[0]));
    cr_assert_eq(c->ops->prev(c), CORRUPT);
    c->ops->close(c);
    model_release(&m);
}
