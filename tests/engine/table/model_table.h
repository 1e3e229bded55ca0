// Tables with known contents, in a simulated machine: for the tests of tables, fetches and
// iterators.
#ifndef VARVE_TESTS_ENGINE_MODEL_TABLE_H
#define VARVE_TESTS_ENGINE_MODEL_TABLE_H

#include "tests/engine/model.h"

#include "base/hash.h"
#include "engine/table/table.h"
#include "engine/table/table_builder.h"
#include "tests/sim/sim_env.h"

enum { MODEL_MAX_BLOCK = 1 << 22 };

static inline struct table_builder_options model_table_options(struct sim_env *sim, uint64_t number)
{
    return (struct table_builder_options){.env = sim_env_env(sim),
        .dir = ".",
        .number = number,
        .block_size = 512,
        .bloom_bits_per_key = 10};
}

// Writes entries [from, to) of the model.
static inline struct table *model_table(
    const struct table_builder_options *options, const struct model *m, size_t from, size_t to)
{
    struct table_builder *b;
    struct table *t;
    struct error err;
    cr_assert_eq(table_builder_open(options, &b, &err), OK, "%s", err.text);
    for (size_t i = from; i < to; i++)
        cr_assert_eq(table_builder_add(b, &m->entries[i], &err), OK, "%s", err.text);
    cr_assert_eq(table_builder_finish(b, &t, &err), OK, "%s", err.text);
    cr_assert_eq(t->meta.entries, to - from);
    return t;
}

#endif
