// An engine on a simulated machine, and beside it what it should hold: a fixed, sorted universe of
// keys, each absent or with a value. For the tests of reading.
#ifndef VARVE_TESTS_ENGINE_MODEL_ENGINE_H
#define VARVE_TESTS_ENGINE_MODEL_ENGINE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/random.h"
#include "engine/engine.h"
#include "tests/sim/sim_exec.h"

enum { KEYS_MAX = 20000, KEY_LEN = 24, VALUE_MAX = 400 };

struct cell {
    uint32_t stamp; // what the value is made from; 0: absent
};

struct side {
    struct random random;
    struct sim_env *env;
    struct sim_exec *exec;
    struct engine *engine;
    uint32_t keys;
    uint32_t next_stamp;
    size_t value_max;
    struct cell *cells;
};

static inline struct slice key_at(uint32_t i, char out[KEY_LEN])
{
    return slice_of(out, (size_t)snprintf(out, KEY_LEN, "key:%s:%06u", i % 3 == 0 ? "a" : "bb", i));
}

static inline int key_order(const void *a, const void *b)
{
    char x[KEY_LEN], y[KEY_LEN];
    return slice_compare(key_at(*(const uint32_t *)a, x), key_at(*(const uint32_t *)b, y));
}

static inline struct slice value_of(uint32_t stamp, size_t max, uint8_t out[VALUE_MAX])
{
    size_t len = stamp * 2654435761u % max;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(stamp >> (i % 4 * 8));
    return slice_of(out, len);
}

static inline void side_open_with(
    struct side *s, uint64_t seed, uint32_t keys, const struct engine_options *given)
{
    *s = (struct side){.random = {seed},
        .env = sim_env_new(seed),
        .keys = keys,
        .next_stamp = 1,
        .value_max = 100};
    s->exec = sim_exec_new(s->env, seed);
    s->cells = calloc(keys, sizeof *s->cells);
    struct engine_options options = *given;
    options.dir = "./db";
    options.env = sim_env_env(s->env);
    options.exec = sim_exec_exec(s->exec);
    struct error err;
    cr_assert_eq(engine_open(&options, &s->engine, &err), OK, "%s", err.text);
    sim_env_set_cold_percent(s->env, 90);
}

static inline void side_open(struct side *s, uint64_t seed, uint32_t keys)
{
    struct engine_options options = {.memory_budget = 4 << 20,
        .write_buffer_size = 64 << 10,
        .target_file_size = 32 << 10,
        .block_size = 1024,
        .no_clean_rows = true};
    side_open_with(s, seed, keys, &options);
}

static inline void side_close(struct side *s)
{
    struct error err;
    cr_assert_eq(engine_close(s->engine, &err), OK, "%s", err.text);
    cr_assert_eq(sim_env_open_files(s->env), 0);
    sim_exec_free(s->exec);
    sim_env_free(s->env);
    free(s->cells);
}

static inline void stage(
    struct side *s, struct txn *t, struct cell *cells, uint32_t i, bool present)
{
    char key[KEY_LEN];
    uint8_t value[VALUE_MAX];
    cells[i].stamp = present ? s->next_stamp++ : 0;
    if (present)
        txn_put(
            t, key_at(i, key), value_of(cells[i].stamp, s->value_max, value), (struct slice){0}, 0);
    else
        txn_delete(t, key_at(i, key));
}

// One commit of a few random writes.
static inline void side_write(struct side *s, unsigned writes)
{
    struct txn *t = txn_new(s->engine);
    for (unsigned n = 0; n < writes; n++)
        stage(s, t, s->cells, (uint32_t)random_below(&s->random, s->keys),
            random_below(&s->random, 4) != 0);
    cr_assert_eq(engine_blocking_commit(s->engine, t), OK);
    txn_free(t);
}

static inline void side_write_all(struct side *s)
{
    struct txn *t = txn_new(s->engine);
    for (uint32_t i = 0; i < s->keys; i++) {
        stage(s, t, s->cells, i, true);
        if (i % 100 == 99 || i + 1 == s->keys) {
            cr_assert_eq(engine_blocking_commit(s->engine, t), OK);
            txn_reset(t);
        }
    }
    txn_free(t);
}

static inline void check_row(
    const struct side *s, const struct cell *cells, uint32_t i, int status, const struct row *row)
{
    uint8_t value[VALUE_MAX];
    if (cells[i].stamp == 0) {
        cr_assert_eq(status, NOT_FOUND, "key %u: status %d where nothing is", i, status);
        return;
    }
    cr_assert_eq(status, OK, "key %u: status %d", i, status);
    cr_assert(slice_equal(row->value, value_of(cells[i].stamp, s->value_max, value)),
        "key %u: another value", i);
}

static inline void called(struct txn *t, void *arg)
{
    ++*(int *)arg;
}

// Waits as a server does.
static inline void wait_txn(struct side *s, struct txn *t)
{
    int calls = 0;
    txn_wait(t, called, &calls);
    cr_assert_eq(calls, 0, "called back inside txn_wait");
    engine_turn_end(s->engine);
    while (calls == 0) {
        cr_assert(sim_exec_drive(s->exec), "nobody will call back");
        engine_turn_end(s->engine);
    }
    cr_assert_eq(calls, 1);
}

#endif
