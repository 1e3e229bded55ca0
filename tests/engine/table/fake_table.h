// Tables that exist in memory only, for tests of what looks at nothing but their descriptions.
#ifndef VARVE_TESTS_ENGINE_FAKE_TABLE_H
#define VARVE_TESTS_ENGINE_FAKE_TABLE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/random.h"
#include "engine/version/version.h"

static inline struct table *fake_table(
    uint64_t number, const char *smallest, const char *largest, uint64_t seq_min, uint64_t seq_max)
{
    struct table *t = table_new();
    t->meta.number = number;
    t->meta.size = 10000;
    t->meta.index = (struct handle){9000, 100};
    t->meta.entries = 100;
    t->meta.raw_bytes = 9000;
    t->meta.seq_min = seq_min;
    t->meta.seq_max = seq_max;
    table_meta_set_range(&t->meta, slice_cstr(smallest), slice_cstr(largest));
    return t;
}

static inline void edit_add_fake(struct version_edit *e, unsigned level, struct table *t)
{
    version_edit_add(e, level, t);
    table_unref(t);
}

// Applies and releases the edit; the old version goes.
static inline struct version *advance(struct version *v, struct version_edit *e)
{
    struct version *next;
    struct error err = {0};
    cr_assert_eq(version_apply(v, e, &next, &err), OK, "%s", err.text);
    version_edit_release(e);
    version_unref(v, NULL, NULL);
    return next;
}

static inline void random_key(struct random *r, char out[16])
{
    snprintf(out, 16, "%c%03u", (char)('a' + random_below(r, 4)), (unsigned)random_below(r, 1000));
}

#endif
