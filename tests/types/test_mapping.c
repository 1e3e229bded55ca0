// The databases' mapping over the engine: FLUSHDB and SWAPDB are shown when they are durable, and
// taken back when the log fails.
#include <criterion/criterion.h>

#include "tests/sim/sim_env.h"
#include "tests/sim/sim_exec.h"
#include "types/databases.h"
#include "types/keys.h"

static struct sim_env *sim;
static struct sim_exec *exec;
static struct engine *engine;
static struct databases *dbs;
static struct txn *txn, *other;

static void open_fixture(void)
{
    struct error err;
    sim = sim_env_new(1);
    exec = sim_exec_new(sim, 1);
    struct engine_options options = {.dir = "db",
        .env = sim_env_env(sim),
        .exec = sim_exec_exec(exec),
        .memory_budget = 1 << 20,
        .write_buffer_size = 1 << 16,
        .fsync = FSYNC_ALWAYS,
        .counted_prefix = keys_counted_prefix};
    cr_assert_eq(engine_open(&options, &engine, &err), OK, "%s", err.text);
    cr_assert_eq(databases_open(engine, 4, 7, &dbs, &err), OK, "%s", err.text);
    txn = txn_new(engine);
    other = txn_new(engine);
}

static void close_fixture(void)
{
    databases_free(dbs);
    txn_free(txn);
    txn_free(other);
    engine_close(engine, NULL);
    sim_exec_free(exec);
    sim_env_free(sim);
}

TestSuite(mapping, .init = open_fixture, .fini = close_fixture);

static void write_out(void)
{
    engine_turn_end(engine);
    sim_exec_settle(exec);
}

static void put(int db, const char *key)
{
    struct databases_view view;
    struct value v = {.type = TYPE_STRING, .bytes = slice_cstr("v")};
    txn_begin(txn);
    databases_begin(&view, dbs, txn, db, 1000);
    keys_put(&view, slice_cstr(key), &v);
    cr_assert_eq(txn_commit(txn), OK);
    databases_installed(&view);
}

// FLUSHDB of database 0, or SWAPDB of 0 and `with`. Returns the commit's seq.
static uint64_t remap(int with)
{
    struct databases_view view;
    txn_begin(txn);
    databases_begin(&view, dbs, txn, 0, 1000);
    if (with == 0)
        databases_flush(&view, 0);
    else
        databases_swap(&view, 0, with);
    cr_assert_eq(txn_commit(txn), OK);
    databases_installed(&view);
    return txn_seq(txn);
}

// What another client finds; *seq: what its reply must wait for.
static bool has(int db, const char *key, uint64_t *seq)
{
    struct databases_view view;
    struct value v;
    txn_begin(other);
    databases_begin(&view, dbs, other, db, 1000);
    int status = keys_get(&view, LOOKUP_READ, slice_cstr(key), &v);
    *seq = txn_seq(other);
    return status == OK;
}

static void fail_and_find_all_as_it_was(void)
{
    uint64_t seq;
    sim_env_fail(sim, SIM_SYNC, ".log", 0, 1, IO);
    write_out();
    cr_assert_eq(engine_write_status(engine, NULL), IO);
    cr_assert(has(0, "zero", &seq));
    cr_assert(has(1, "one", &seq));
    cr_assert_not(has(0, "one", &seq));
    cr_assert_not(has(0, "lost", &seq));
    cr_assert_not(has(2, "two", &seq));
    cr_assert_leq(seq, engine_durable_seq(engine));
    struct databases_view view;
    txn_begin(other);
    databases_begin(&view, dbs, other, 0, 1000);
    cr_assert_eq(databases_key_count(&view, 0, NULL), 1);
    cr_assert_eq(databases_key_count(&view, 1, NULL), 1);
}

Test(mapping, is_shown_to_others_when_it_is_durable)
{
    uint64_t seq;
    put(0, "zero");
    put(1, "one");
    write_out();
    uint64_t flushed = remap(0);
    cr_assert_not(has(0, "zero", &seq));
    cr_assert_eq(seq, flushed, "that it is gone is not durable yet");
    write_out();
    cr_assert_not(has(0, "zero", &seq));
    cr_assert_leq(seq, engine_durable_seq(engine));
    cr_assert_lt(seq, flushed, "nobody waits for it any more");
    uint64_t swapped = remap(1);
    cr_assert(has(0, "one", &seq));
    cr_assert_eq(seq, swapped);
    write_out();
    cr_assert(has(0, "one", &seq));
    cr_assert_lt(seq, swapped);
}

Test(mapping, of_a_flush_is_taken_back)
{
    put(0, "zero");
    put(1, "one");
    write_out();
    remap(0);
    put(0, "lost");
    remap(0);
    fail_and_find_all_as_it_was();
}

Test(mapping, of_swaps_is_taken_back)
{
    put(0, "zero");
    put(1, "one");
    put(2, "two");
    write_out();
    remap(2);
    write_out();
    remap(2);
    write_out();
    remap(1);
    remap(0);
    put(0, "lost");
    remap(2);
    sim_env_fail(sim, SIM_SYNC, ".log", 0, 1, IO);
    write_out();
    uint64_t seq;
    cr_assert(has(0, "zero", &seq));
    cr_assert(has(1, "one", &seq));
    cr_assert(has(2, "two", &seq));
    cr_assert_not(has(0, "lost", &seq));
}
