// What the tests of the read side compare with: a sorted array of entries, random ones, and a walk
// that holds a cursor against it. Header only: every test is an executable of its own.
#ifndef VARVE_TESTS_ENGINE_MODEL_H
#define VARVE_TESTS_ENGINE_MODEL_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"
#include "engine/record/entry.h"

struct model {
    struct entry *entries; // keys and values owned
    size_t count;
};

static inline struct slice model_copy(struct slice s)
{
    uint8_t *copy = xmalloc(s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

static inline void model_release(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free((void *)(uintptr_t)m->entries[i].key.data);
        free((void *)(uintptr_t)m->entries[i].value.data);
    }
    free(m->entries);
    *m = (struct model){0};
}

static inline int model_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return entry_order(x->key, x->seq, y->key, y->seq);
}

// Keys from a small alphabet with long shared prefixes, so that neighbours, prefixes of each other
// and many versions are common.
static inline struct slice model_key(struct random *r, size_t max_len, size_t distinct)
{
    size_t len = random_below(r, 4) == 0 ? random_below(r, max_len + 1) : random_below(r, 12);
    uint8_t *key = xmalloc(len + 1);
    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)(i < len / 2 ? 'p' : random_below(r, distinct) * 85);
    return slice_of(key, len);
}

static inline void model_fill_value(struct random *r, struct entry *e, size_t max_value)
{
    static const uint8_t flags[] = {
        0, RECORD_FRESH, RECORD_IN_DOUBT, RECORD_EXPIRES, RECORD_EXPIRES | RECORD_FRESH};
    bool put = random_below(r, 5) != 0;
    e->tag = (uint8_t)((put ? RECORD_PUT : RECORD_DELETE) | flags[random_below(r, put ? 5 : 3)]);
    e->expire_ms = e->tag & RECORD_EXPIRES ? 1 + (int64_t)random_below(r, 1ull << 42) : 0;
    size_t len = !put || random_below(r, 4) == 0
                     ? 0
                     : random_below(r, random_below(r, 20) == 0 ? max_value + 1 : 60);
    uint8_t *value = xmalloc(len + 1);
    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)random_below(r, i % 2 ? 256 : 4);
    e->value = slice_of(value, len);
}

static inline struct model model_random(
    struct random *r, size_t count, size_t max_key, size_t max_value)
{
    struct model m = {xcalloc(count + 1, sizeof(struct entry)), 0};
    for (size_t i = 0; i < count; i++) {
        struct entry *e = &m.entries[m.count++];
        e->key = i > 0 && random_below(r, 3) == 0 ? model_copy(m.entries[random_below(r, i)].key)
                                                  : model_key(r, max_key, 4);
        e->seq = (i + 1) << random_below(r, 20); // distinct below, thinned out
        model_fill_value(r, e, max_value);
    }
    qsort(m.entries, m.count, sizeof *m.entries, model_compare);
    size_t kept = 0;
    for (size_t i = 0; i < m.count; i++) {
        if (kept > 0 && model_compare(&m.entries[kept - 1], &m.entries[i]) == 0) {
            free((void *)(uintptr_t)m.entries[i].key.data);
            free((void *)(uintptr_t)m.entries[i].value.data);
        } else {
            m.entries[kept++] = m.entries[i];
        }
    }
    m.count = kept;
    return m;
}

// Index of the first entry at or behind (key, seq); count if there is none.
static inline size_t model_find(const struct model *m, struct slice key, uint64_t seq)
{
    size_t i = 0;
    while (i < m->count && entry_order(m->entries[i].key, m->entries[i].seq, key, seq) < 0)
        i++;
    return i;
}

static inline bool entry_same(const struct entry *a, const struct entry *b)
{
    return slice_equal(a->key, b->key) && slice_equal(a->value, b->value) && a->seq == b->seq &&
           a->expire_ms == b->expire_ms && a->tag == b->tag;
}

// --- Comparing a cursor with the model -----------------------------------------------------------

struct model_walk {
    struct cursor *cursor;
    const struct model *model;
    void (*on_wait)(void *arg); // before a call is repeated; may be NULL
    void *arg;
    struct random *gives_up; // not NULL: what waits is given up now and then, for a seek
    size_t at;               // SIZE_MAX: not positioned
    int waits;
};

// A call has answered WAIT. Whether it is to be repeated.
static inline bool model_walk_repeats(struct model_walk *w)
{
    cr_assert_lt(w->waits++, 10000000);
    if (w->on_wait != NULL)
        w->on_wait(w->arg);
    return w->gives_up == NULL || random_below(w->gives_up, 6) != 0;
}

#define MODEL_REPEAT(walk, call)                                                                   \
    ({                                                                                             \
        int status_;                                                                               \
        while ((status_ = (call)) == WAIT && model_walk_repeats(walk))                             \
            ;                                                                                      \
        status_;                                                                                   \
    })

static inline void model_walk_check(struct model_walk *w, int status, size_t expected)
{
    if (status == WAIT) { // given up
        w->at = SIZE_MAX;
        return;
    }
    if (expected >= w->model->count) {
        cr_assert_eq(status, END, "status %d where the end was expected", status);
        w->at = SIZE_MAX;
        return;
    }
    cr_assert_eq(status, OK, "status %d at %zu of %zu", status, expected, w->model->count);
    cr_assert(entry_same(&w->cursor->entry, &w->model->entries[expected]), "another entry at %zu",
        expected);
    w->at = expected;
}

// One random operation on both.
static inline void model_walk_step(struct model_walk *w, struct random *r)
{
    const struct model *m = w->model;
    struct cursor *c = w->cursor;
    uint64_t what = w->at == SIZE_MAX ? random_below(r, 4) : random_below(r, 24);
    if (what <= 2) {
        bool known = m->count > 0 && random_below(r, 2) == 0;
        struct slice key =
            known ? model_copy(m->entries[random_below(r, m->count)].key) : model_key(r, 40, 4);
        uint64_t seq = random_below(r, 3) == 0 ? SEQ_MAX
                       : known                 ? m->entries[random_below(r, m->count)].seq
                                               : random_below(r, 1000);
        if (what == 2)
            model_walk_check(
                w, MODEL_REPEAT(w, c->ops->seek_before(c, key)), model_find(m, key, SEQ_MAX) - 1);
        else
            model_walk_check(
                w, MODEL_REPEAT(w, c->ops->seek(c, key, seq)), model_find(m, key, seq));
        free((void *)(uintptr_t)key.data);
    } else if (what == 3) {
        model_walk_check(w, MODEL_REPEAT(w, c->ops->seek_last(c)), m->count - 1);
    } else if (what <= 13) {
        model_walk_check(w, MODEL_REPEAT(w, c->ops->next(c)), w->at + 1);
    } else {
        model_walk_check(w, MODEL_REPEAT(w, c->ops->prev(c)), w->at - 1);
    }
}

#endif
