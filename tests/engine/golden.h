// golden: the life of the databases of tests/engine/golden/*.txt, so that a test knows what each
// must hold. golden_text.h has the form of the files.
//
// Batches 1, 2, ... on a machine under a fixed seed and clock: strings with and without
// expiry, deletions, a collection that is dropped and begun anew, and a marker that says how many
// batches there are. Flushes and compactions on the way make tables in several levels, compressed
// from level 2 on; after the last flush the flush lane is held, so that the log keeps several
// segments. It ends in a clean close, or in a power cut that tears the log's end.
//
// Only engine.h and the simulator are used: the same file, compiled in a checkout of the commit
// before version 2, wrote the databases of version 1.
#ifndef VARVE_TESTS_ENGINE_GOLDEN_H
#define VARVE_TESTS_ENGINE_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "engine/engine.h"
#include "tests/sim/sim_exec.h"

enum {
    GOLDEN_KEYS = 113,
    GOLDEN_ELEMENTS = 5,
    GOLDEN_FLUSHED = 180, // batches that are in tables
    GOLDEN_SYNCED = 189,  // those of which a proof is in the log, where the power is cut
    GOLDEN_BATCHES = 192,
};

#define GOLDEN_NEVER 4102444800000 // 2100, ms: what expires there is there

// Key i: the batch that wrote it, 0 if absent.
struct golden_model {
    unsigned strings[GOLDEN_KEYS], elements[GOLDEN_ELEMENTS], drops;
};

struct golden_machine {
    struct logger logger; // first member
    bool told;            // of a log that was cut
    struct sim_env *env;
    struct sim_exec *exec;
    struct engine *engine;
    struct txn *txn;
};

static inline size_t golden_counted(struct slice key)
{
    return key.len > 0 && key.data[0] == 'K' ? 1 : 0;
}

static inline void golden_after(struct golden_model *m, unsigned batch)
{
    m->strings[batch % GOLDEN_KEYS] = batch;
    m->strings[batch * 7 % GOLDEN_KEYS] = 0;
    m->elements[batch % GOLDEN_ELEMENTS] = batch;
    if (batch % 27 == 0) {
        memset(m->elements, 0, sizeof m->elements);
        m->drops++;
    }
}

static inline struct golden_model golden_model_of(unsigned batches)
{
    struct golden_model m = {0};
    for (unsigned batch = 1; batch <= batches; batch++)
        golden_after(&m, batch);
    return m;
}

static inline struct slice golden_string(char out[32], unsigned i)
{
    return slice_of(out, (size_t)snprintf(out, 32, "K%03u", i));
}

static inline struct slice golden_element(char out[32], unsigned drops, unsigned i)
{
    return slice_of(out, (size_t)snprintf(out, 32, "E%03u/%u", drops, i));
}

static inline struct slice golden_value(char out[64], unsigned batch)
{
    return slice_of(out,
        (size_t)snprintf(out, 64, "%u written and %u written and again", batch, batch * batch));
}

static inline void golden_log(struct logger *logger, enum log_level level, const char *line)
{
    struct golden_machine *m = (struct golden_machine *)logger;
    m->told = m->told || strstr(line, "the log ended in an unfinished record") != NULL;
}

static inline int golden_open(struct golden_machine *m, struct error *err)
{
    m->logger = (struct logger){LOG_DEBUG, golden_log};
    struct engine_options options = {
        .dir = "db",
        .env = sim_env_env(m->env),
        .exec = sim_exec_exec(m->exec),
        .logger = &m->logger,
        .memory_budget = 64 * 1024,
        .write_buffer_size = 3 * 1024,
        .target_file_size = 1024,
        .level0_file_limit = 1,
        .block_size = 256,
        .compression = COMPRESSION_ZSTD,
        .fsync = FSYNC_EVERYSEC,
        .counted_prefix = golden_counted,
    };
    int status = engine_open(&options, &m->engine, err);
    if (status == OK)
        m->txn = txn_new(m->engine);
    return status;
}

static inline int golden_close(struct golden_machine *m)
{
    txn_free(m->txn);
    return engine_close(m->engine, NULL);
}

static inline void golden_commit(struct golden_machine *m, unsigned batch)
{
    char key[32], text[64];
    struct golden_model before = golden_model_of(batch - 1);
    struct slice value = golden_value(text, batch), none = {0};
    txn_begin(m->txn);
    txn_put(m->txn, slice_cstr("M"), value, none, 0);
    txn_put(m->txn, golden_string(key, batch % GOLDEN_KEYS), value, none,
        batch % 4 == 1 ? GOLDEN_NEVER + batch : 0);
    txn_delete(m->txn, golden_string(key, batch * 7 % GOLDEN_KEYS));
    txn_put(m->txn, golden_element(key, before.drops, batch % GOLDEN_ELEMENTS), value, none, 0);
    if (batch % 27 == 0) {
        struct slice prefix = golden_element(key, before.drops, 0);
        txn_drop_prefix(m->txn, slice_of(prefix.data, prefix.len - 1));
    }
    ENSURE(engine_blocking_commit(m->engine, m->txn) == OK);
    txn_reset(m->txn);
}

// A machine with the database on its disk. clean: it was closed; else the power went, and something
// of the unsynced end of the log is lost.
static inline struct sim_env *golden_live(uint64_t seed, bool clean)
{
    struct golden_machine m = {.env = sim_env_new(seed)};
    m.exec = sim_exec_new(m.env, seed);
    ENSURE(golden_open(&m, NULL) == OK);
    for (unsigned batch = 1; batch <= GOLDEN_BATCHES; batch++) {
        golden_commit(&m, batch);
        if (batch <= GOLDEN_FLUSHED && batch % 18 == 0)
            ENSURE(engine_blocking_flush(m.engine) == OK);
        if (batch == GOLDEN_FLUSHED)
            sim_exec_hold(m.exec, LANE_FLUSH, true);
        if (batch <= GOLDEN_SYNCED)
            sim_exec_run_for(m.exec, 1500);
    }
    if (!clean)
        sim_env_crash_at(m.env, sim_env_operations(m.env));
    sim_exec_hold(m.exec, LANE_FLUSH, false);
    int status = golden_close(&m);
    ENSURE((status == OK) == clean);
    sim_exec_free(m.exec);
    if (clean) // the names of what was unlinked are gone for good
        ENSURE(sim_env_env(m.env)->ops->sync_dir(sim_env_env(m.env), "db", NULL) == OK);
    sim_env_crash(m.env);
    return m.env;
}

#endif
