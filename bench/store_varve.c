// Varve's engine as a store, used as a library: a libuv loop that is turned by hand, one txn, no
// server. A turn of the loop comes every few operations, as a server's does: it ends the log group,
// delivers finished jobs, and renews the allowance of page cache probes.
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "bench/store.h"
#include "engine/engine.h"
#include "engine/stats.h"
#include "os/os.h"

enum { OPERATIONS_A_TURN = 32 };

struct store {
    uv_loop_t loop;
    struct exec *exec;
    struct engine *engine;
    struct txn *txn;
    bool sync;
    bool ready;
    unsigned operations;
};

static void turn(struct store *s)
{
    s->operations = 0;
    engine_turn_end(s->engine);
    uv_run(&s->loop, UV_RUN_NOWAIT);
}

static void operation_done(struct store *s)
{
    if (++s->operations >= OPERATIONS_A_TURN)
        turn(s);
}

static struct store *varve_open(const struct store_options *o)
{
    struct store *s = xcalloc(1, sizeof *s);
    uv_loop_init(&s->loop);
    s->exec = os_exec_new(&s->loop, 7, 1);
    s->sync = o->sync;
    struct engine_options options = {
        .dir = o->dir,
        .env = os_env(),
        .exec = s->exec,
        .memory_budget = o->cache_bytes + 4 * o->write_buffer_bytes,
        .write_buffer_size = o->write_buffer_bytes,
        .block_size = o->block_bytes,
        .bloom_bits_per_key = o->bloom_bits,
        .compression = o->compress ? COMPRESSION_ZSTD : COMPRESSION_NONE,
        .max_open_files = 1000,
        .no_clean_rows = !o->clean_rows,
        .fsync = o->sync ? FSYNC_ALWAYS : FSYNC_EVERYSEC,
    };
    struct error err = {0};
    if (engine_open(&options, &s->engine, &err) != OK)
        bench_fail("engine_open", err.text);
    s->txn = txn_new(s->engine);
    return s;
}

static void varve_close(struct store *s)
{
    struct error err = {0};
    txn_free(s->txn);
    if (engine_close(s->engine, &err) != OK)
        bench_fail("engine_close", err.text);
    os_exec_free(s->exec);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    free(s);
}

static void on_ready(struct txn *txn, void *arg)
{
    ((struct store *)arg)->ready = true;
}

static void wait_for(struct store *s)
{
    s->ready = false;
    txn_wait(s->txn, on_ready, s);
    while (!s->ready) {
        engine_turn_end(s->engine);
        exec_drive(s->exec);
    }
}

static void varve_write(
    struct store *s, const struct slice *keys, const struct slice *values, unsigned count)
{
    int status;
    for (;;) {
        txn_begin(s->txn);
        for (unsigned i = 0; i < count; i++) {
            if (values == NULL || values[i].data == NULL)
                txn_delete(s->txn, keys[i]);
            else
                txn_put(s->txn, keys[i], values[i], (struct slice){0}, 0);
        }
        status = txn_commit(s->txn);
        if (status != WAIT)
            break;
        wait_for(s);
    }
    if (status != OK)
        bench_fail("txn_commit", status_text(status));
    uint64_t pace = engine_pace_us(s->engine);
    uint64_t seq = txn_seq(s->txn);
    txn_reset(s->txn);
    operation_done(s);
    if (pace > 0) {
        turn(s);
        usleep((useconds_t)pace);
    }
    while (s->sync && engine_durable_seq(s->engine) < seq) {
        engine_turn_end(s->engine);
        exec_drive(s->exec);
    }
}

static bool varve_get(struct store *s, struct slice key, size_t *value_len)
{
    struct row row;
    int status;
    for (;;) {
        txn_begin(s->txn);
        status = txn_get(s->txn, key, &row);
        if (status != WAIT)
            break;
        wait_for(s);
    }
    if (status < 0)
        bench_fail("txn_get", status_text(status));
    if (status == OK)
        *value_len = row.value.len;
    txn_reset(s->txn);
    operation_done(s);
    return status == OK;
}

static uint64_t varve_scan(struct store *s, struct slice from, struct slice end, bool backward,
    uint64_t most, uint64_t *bytes)
{
    struct iter_options options = {.upper = end};
    struct iter *it = iter_open(s->engine, NULL, &options);
    int status = engine_blocking_step(s->engine, it, backward ? ITER_SEEK_BEFORE : ITER_SEEK, from);
    uint64_t seen = 0;
    while (status == OK) {
        *bytes += iter_key(it).len + iter_row(it).value.len;
        operation_done(s);
        if (++seen == most)
            break;
        status = backward ? iter_prev(it) : iter_next(it);
        if (status == WAIT)
            status = engine_blocking_step(
                s->engine, it, backward ? ITER_PREV : ITER_NEXT, (struct slice){0});
    }
    if (status < 0)
        bench_fail("iterator", status_text(status));
    iter_close(it);
    return seen;
}

static void varve_settle(struct store *s)
{
    struct engine_stats stats;
    for (;;) {
        turn(s);
        engine_get_stats(s->engine, &stats);
        if (!stats.flush_running && !stats.compaction_running)
            return;
        exec_drive(s->exec);
    }
}

const struct store_ops store_varve = {
    .name = "varve",
    .open = varve_open,
    .close = varve_close,
    .write = varve_write,
    .get = varve_get,
    .scan = varve_scan,
    .settle = varve_settle,
};
