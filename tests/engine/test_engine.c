// The whole engine on a simulated machine: random commands against a sorted array that remembers
// every version. Flushes, compactions and cold reads happen in whatever order the seed of sim_exec
// brings up. The model has no batches, levels or files; it only knows what a reader must see, what
// a snapshot must go on seeing, and how many keys are live.
//
// A failing seed is printed with the message; run it alone with VARVE_SEED=n.
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/stats.h"
#include "tests/sim/sim_exec.h"

enum {
    KEY_SPACE = 400,
    COLLECTIONS = 6,
    SNAPSHOTS_MAX = 3,
    STEPS = 1500,
    SEEDS = 12,
    VALUE_MAX = 300
};

// --- The model -----------------------------------------------------------------------------------

// Keys are "K" + number (counted) or "E" + collection + number (dropped together, not counted).
// value 0: absent.
struct state {
    uint32_t strings[KEY_SPACE];
    uint32_t elements[COLLECTIONS][KEY_SPACE / 8];
};

struct world {
    uint64_t seed;
    struct random random;
    struct sim_env *env;
    struct sim_exec *exec;
    struct engine *engine;
    struct txn *txn;
    struct engine_options options;
    struct state now;
    uint64_t flushes, compactions, cold_reads; // of the whole life
    uint32_t next_value;
    unsigned generation[COLLECTIONS]; // part of the prefix: what was dropped is never written again
    struct held {
        struct snapshot *snapshot;
        struct state state;
        unsigned generation[COLLECTIONS];
    } held[SNAPSHOTS_MAX];
};

static size_t counted(struct slice key)
{
    return key.len > 0 && key.data[0] == 'K' ? 1 : 0;
}

static struct slice string_key(char out[32], unsigned i)
{
    return slice_of(out, (size_t)snprintf(out, 32, "K%05u", i));
}

static struct slice element_key(char out[32], const unsigned *generation, unsigned c, unsigned i)
{
    return slice_of(out, (size_t)snprintf(out, 32, "E%02u%06u%05u", c, generation[c], i));
}

// A value that says which it is, of a length that follows from it.
static struct slice value_bytes(char out[VALUE_MAX + 16], uint32_t value)
{
    int head = snprintf(out, 16, "v%u.", value);
    size_t len = (size_t)head + value * 7919u % VALUE_MAX;
    memset(out + head, 'a' + (int)(value % 26), len - (size_t)head);
    return slice_of(out, len);
}

static void expect_value(struct world *w, struct slice key, struct slice found, uint32_t value)
{
    char bytes[VALUE_MAX + 16];
    cr_assert(slice_equal(found, value_bytes(bytes, value)), "seed %lu: %.*s has a wrong value",
        w->seed, (int)key.len, (const char *)key.data);
}

// --- Commands ------------------------------------------------------------------------------------

static void open_engine(struct world *w)
{
    struct error err = {0};
    w->options.env = sim_env_env(w->env);
    w->options.exec = sim_exec_exec(w->exec);
    cr_assert_eq(engine_open(&w->options, &w->engine, &err), OK, "seed %lu: %s", w->seed, err.text);
    w->txn = txn_new(w->engine);
}

static void note_events(struct world *w)
{
    struct engine_stats stats;
    engine_get_stats(w->engine, &stats);
    w->flushes += stats.flushes;
    w->compactions += stats.compactions;
    w->cold_reads += stats.cold_reads;
}

static void close_engine(struct world *w)
{
    struct error err = {0};
    note_events(w);
    for (int i = 0; i < SNAPSHOTS_MAX; i++) {
        if (w->held[i].snapshot != NULL)
            snapshot_free(w->engine, w->held[i].snapshot);
        w->held[i].snapshot = NULL;
    }
    txn_free(w->txn);
    cr_assert_eq(engine_close(w->engine, &err), OK, "seed %lu: %s", w->seed, err.text);
}

static void stage_random(struct world *w, struct state *next)
{
    struct random *r = &w->random;
    char name[32], bytes[VALUE_MAX + 16];
    unsigned c = (unsigned)random_below(r, COLLECTIONS), i = (unsigned)random_below(r, KEY_SPACE);
    bool element = random_below(r, 3) == 0;
    if (element)
        i %= KEY_SPACE / 8;
    uint32_t *slot = element ? &next->elements[c][i] : &next->strings[i];
    struct slice key = element ? element_key(name, w->generation, c, i) : string_key(name, i);
    if (random_below(r, 4) == 0) {
        txn_delete(w->txn, key);
        *slot = 0;
    } else {
        *slot = w->next_value++;
        txn_put(w->txn, key, value_bytes(bytes, *slot), (struct slice){0}, 0);
    }
}

static void stage_drop(struct world *w, struct state *next)
{
    char name[32];
    unsigned c = (unsigned)random_below(&w->random, COLLECTIONS);
    struct slice key = element_key(name, w->generation, c, 0);
    txn_drop_prefix(w->txn, slice_of(key.data, key.len - 5));
    w->generation[c]++;
    memset(next->elements[c], 0, sizeof next->elements[c]);
}

static void write_some(struct world *w)
{
    struct state next = w->now;
    txn_begin(w->txn);
    for (uint64_t n = 1 + random_below(&w->random, random_below(&w->random, 10) == 0 ? 60 : 5);
         n > 0; n--)
        stage_random(w, &next);
    if (random_below(&w->random, 25) == 0)
        stage_drop(w, &next);
    int status = engine_blocking_commit(w->engine, w->txn);
    cr_assert_eq(status, OK, "seed %lu: commit says %s", w->seed, status_text(status));
    txn_reset(w->txn);
    w->now = next;
}

static void expect_row(struct world *w, struct slice key, uint32_t value)
{
    struct row row;
    int status = engine_blocking_get(w->engine, w->txn, key, &row);
    cr_assert_eq(status, value ? OK : NOT_FOUND, "seed %lu: %.*s: %s", w->seed, (int)key.len,
        (const char *)key.data, status_text(status));
    if (value)
        expect_value(w, key, row.value, value);
}

static void read_some(struct world *w)
{
    char name[32];
    txn_begin(w->txn);
    for (int n = 0; n < 8; n++) {
        unsigned i = (unsigned)random_below(&w->random, KEY_SPACE),
                 c = (unsigned)random_below(&w->random, COLLECTIONS);
        expect_row(w, string_key(name, i), w->now.strings[i]);
        i %= KEY_SPACE / 8;
        expect_row(w, element_key(name, w->generation, c, i), w->now.elements[c][i]);
    }
    txn_reset(w->txn);
}

// --- Iterators -----------------------------------------------------------------------------------

static struct iter *open_range(
    struct world *w, const char *lower, const char *upper, struct snapshot *snapshot)
{
    struct iter_options o = {
        .lower = slice_cstr(lower), .upper = slice_cstr(upper), .snapshot = snapshot};
    return iter_open(w->engine, NULL, &o);
}

static void scan_strings(
    struct world *w, const struct state *expected, struct snapshot *snapshot, bool backward)
{
    struct iter *it = open_range(w, "K", "L", snapshot);
    int status = engine_blocking_step(
        w->engine, it, backward ? ITER_SEEK_BEFORE : ITER_SEEK, slice_cstr(backward ? "L" : "K"));
    for (unsigned n = 0; n < KEY_SPACE; n++) {
        unsigned i = backward ? KEY_SPACE - 1 - n : n;
        char name[32];
        if (expected->strings[i] == 0)
            continue;
        struct slice key = string_key(name, i);
        cr_assert_eq(status, OK, "seed %lu: the scan ends before %s: %s", w->seed, name,
            status_text(status));
        cr_assert(slice_equal(iter_key(it), key), "seed %lu: %.*s where %s belongs", w->seed,
            (int)iter_key(it).len, (const char *)iter_key(it).data, name);
        expect_value(w, key, iter_row(it).value, expected->strings[i]);
        status = engine_blocking_step(
            w->engine, it, backward ? ITER_PREV : ITER_NEXT, (struct slice){0});
    }
    cr_assert_eq(status, END, "seed %lu: the scan goes on", w->seed);
    iter_close(it);
}

static void scan_collection(struct world *w, const struct state *expected,
    const unsigned *generation, struct snapshot *snapshot, unsigned c)
{
    char lower[32], upper[32];
    element_key(lower, generation, c, 0);
    element_key(upper, generation, c, 99999);
    struct iter *it = open_range(w, lower, upper, snapshot);
    int status = engine_blocking_step(w->engine, it, ITER_SEEK, slice_cstr(lower));
    for (unsigned i = 0; i < KEY_SPACE / 8; i++) {
        char name[32];
        if (expected->elements[c][i] == 0)
            continue;
        struct slice key = element_key(name, generation, c, i);
        cr_assert_eq(status, OK, "seed %lu: the scan ends before %s: %s", w->seed, name,
            status_text(status));
        cr_assert(slice_equal(iter_key(it), key), "seed %lu: not %s", w->seed, name);
        expect_value(w, key, iter_row(it).value, expected->elements[c][i]);
        status = engine_blocking_step(w->engine, it, ITER_NEXT, (struct slice){0});
    }
    cr_assert_eq(status, END, "seed %lu", w->seed);
    iter_close(it);
}

static void scan_something(struct world *w)
{
    const struct held *h = &w->held[random_below(&w->random, SNAPSHOTS_MAX)];
    bool old = h->snapshot != NULL && random_below(&w->random, 2);
    const struct state *state = old ? &h->state : &w->now;
    struct snapshot *snapshot = old ? h->snapshot : NULL;
    if (random_below(&w->random, 2))
        scan_strings(w, state, snapshot, random_below(&w->random, 2));
    else
        scan_collection(w, state, old ? h->generation : w->generation, snapshot,
            (unsigned)random_below(&w->random, COLLECTIONS));
}

static void toggle_snapshot(struct world *w)
{
    struct held *h = &w->held[random_below(&w->random, SNAPSHOTS_MAX)];
    if (h->snapshot != NULL) {
        snapshot_free(w->engine, h->snapshot);
        h->snapshot = NULL;
        return;
    }
    h->snapshot = snapshot_new(w->engine);
    h->state = w->now;
    memcpy(h->generation, w->generation, sizeof h->generation);
}

// --- Lives ---------------------------------------------------------------------------------------

static int64_t live_strings(const struct state *s)
{
    int64_t live = 0;
    for (unsigned i = 0; i < KEY_SPACE; i++)
        live += s->strings[i] != 0;
    return live;
}

static void expect_exact_count(struct world *w)
{
    int64_t count, in_doubt;
    cr_assert_eq(engine_blocking_compact(w->engine), OK);
    txn_begin(w->txn);
    txn_count(w->txn, slice_cstr("K"), &count, &in_doubt);
    cr_assert_eq(in_doubt, 0, "seed %lu: %ld in doubt", w->seed, in_doubt);
    cr_assert_eq(count, live_strings(&w->now), "seed %lu: %ld counted, %ld live", w->seed, count,
        live_strings(&w->now));
    txn_reset(w->txn);
}

static void check_all(struct world *w)
{
    scan_strings(w, &w->now, NULL, false);
    scan_strings(w, &w->now, NULL, true);
    for (unsigned c = 0; c < COLLECTIONS; c++)
        scan_collection(w, &w->now, w->generation, NULL, c);
}

static void one_step(struct world *w)
{
    switch (random_below(&w->random, 40)) {
    case 0:
        cr_assert_eq(engine_blocking_flush(w->engine), OK);
        break;
    case 1:
        if (random_below(&w->random, 4) == 0)
            cr_assert_eq(engine_blocking_compact(w->engine), OK);
        break;
    case 2:
        toggle_snapshot(w);
        break;
    case 3:
    case 4:
        scan_something(w);
        break;
    case 5:
        if (random_below(&w->random, 8) == 0) {
            close_engine(w);
            open_engine(w);
            check_all(w);
        }
        break;
    case 6:
        sim_exec_settle(w->exec);
        break;
    case 7:
        sim_exec_run_for(w->exec, random_below(&w->random, 4000));
        break;
    default:
        if (random_below(&w->random, 3) == 0)
            read_some(w);
        else
            write_some(w);
    }
    engine_turn_end(w->engine);
    for (uint64_t n = random_below(&w->random, 4); n > 0; n--)
        sim_exec_step(w->exec);
}

static void live(uint64_t seed, enum fsync_policy fsync)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->seed = seed;
    w->random.state = seed;
    w->next_value = 1;
    w->env = sim_env_new(seed);
    w->exec = sim_exec_new(w->env, seed);
    w->options = (struct engine_options){
        .dir = "db",
        .memory_budget = 256 * 1024,
        .write_buffer_size = 16 * 1024,
        .target_file_size = 8 * 1024,
        .block_size = 512,
        .compression = seed % 2 ? COMPRESSION_ZSTD : COMPRESSION_NONE,
        .fsync = fsync,
        .counted_prefix = counted,
    };
    open_engine(w);
    for (int step = 0; step < STEPS; step++)
        one_step(w);
    check_all(w);
    for (int i = 0; i < SNAPSHOTS_MAX; i++)
        if (w->held[i].snapshot != NULL)
            scan_strings(w, &w->held[i].state, w->held[i].snapshot, false);
    close_engine(w);
    open_engine(w);
    expect_exact_count(w);
    check_all(w);
    close_engine(w);
    // A life in which nothing happened behind the scenes would show nothing.
    cr_assert(w->flushes > 5 && w->compactions > 5 && w->cold_reads > 50,
        "seed %lu: %lu flushes, %lu compactions, %lu reads", seed, w->flushes, w->compactions,
        w->cold_reads);
    cr_assert_eq(sim_env_open_files(w->env), 0, "seed %lu: files are left open", seed);
    sim_exec_free(w->exec);
    sim_env_free(w->env);
    free(w);
}

static void live_all(uint64_t first, enum fsync_policy fsync)
{
    const char *only = getenv("VARVE_SEED");
    if (only != NULL) {
        live(strtoull(only, NULL, 10), fsync);
        return;
    }
    for (uint64_t seed = first; seed < first + SEEDS; seed++)
        live(seed, fsync);
}

Test(engine, lives_like_the_model_under_everysec)
{
    live_all(1, FSYNC_EVERYSEC);
}

Test(engine, lives_like_the_model_under_always)
{
    live_all(100, FSYNC_ALWAYS);
}

Test(engine, lives_like_the_model_without_syncs)
{
    live_all(200, FSYNC_NO);
}
