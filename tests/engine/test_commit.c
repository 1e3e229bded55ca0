// Commits through the public interface, over a simulated machine.
#include <criterion/criterion.h>

#include <stdio.h>

#include "base/random.h"
#include "engine/engine.h"
#include "engine/record/batch.h"
#include "engine/stats.h"
#include "engine/table/block.h"
#include "engine/txn.h"
#include "tests/sim/sim_env.h"
#include "tests/sim/sim_exec.h"

struct fixture {
    struct sim_env *sim;
    struct sim_exec *exec;
    struct engine *engine;
    struct txn *txn;
};

static size_t two_letters(struct slice key)
{
    return key.len >= 2 && key.data[0] == 'K' ? 2 : 0;
}

static void open_engine(struct fixture *f, enum fsync_policy policy, uint64_t write_buffer_size)
{
    struct engine_options options = {
        .dir = "db",
        .env = sim_env_env(f->sim),
        .exec = sim_exec_exec(f->exec),
        .memory_budget = 1 << 20,
        .write_buffer_size = write_buffer_size,
        .target_file_size = 16 << 10,
        .fsync = policy,
        .counted_prefix = two_letters,
    };
    struct error err;
    cr_assert_eq(engine_open(&options, &f->engine, &err), OK, "%s", err.text);
    f->txn = txn_new(f->engine);
}

static void set_up(
    struct fixture *f, uint64_t seed, enum fsync_policy policy, uint64_t write_buffer_size)
{
    *f = (struct fixture){.sim = sim_env_new(seed)};
    f->exec = sim_exec_new(f->sim, seed);
    open_engine(f, policy, write_buffer_size);
    sim_exec_settle(f->exec);
}

static int close_engine(struct fixture *f)
{
    txn_free(f->txn);
    return engine_close(f->engine, NULL);
}

static void tear_down(struct fixture *f)
{
    close_engine(f);
    sim_exec_free(f->exec);
    sim_env_free(f->sim);
}

static int put(struct fixture *f, const char *key, const char *value)
{
    txn_begin(f->txn);
    txn_put(f->txn, slice_cstr(key), slice_cstr(value), slice_of(NULL, 0), 0);
    return txn_commit(f->txn);
}

static bool holds(struct fixture *f, const char *key, const char *value)
{
    struct row row;
    txn_begin(f->txn);
    int status = engine_blocking_get(f->engine, f->txn, slice_cstr(key), &row);
    bool good = value == NULL ? status == NOT_FOUND
                              : status == OK && slice_equal(row.value, slice_cstr(value));
    txn_reset(f->txn);
    return good;
}

static int64_t count_of(struct fixture *f, const char *prefix)
{
    int64_t count;
    txn_begin(f->txn);
    txn_count(f->txn, slice_cstr(prefix), &count, NULL);
    return count;
}

Test(commit, is_visible_at_once_and_durable_by_the_policy)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_ALWAYS, 1 << 16);
    cr_assert_eq(put(&f, "Ka1", "one"), OK);
    uint64_t seq = txn_seq(f.txn);
    cr_assert(holds(&f, "Ka1", "one"));
    engine_turn_end(f.engine);
    cr_assert_lt(engine_durable_seq(f.engine), seq);
    sim_exec_settle(f.exec);
    cr_assert_geq(engine_durable_seq(f.engine), seq);
    tear_down(&f);
}

Test(commit, an_empty_one_costs_nothing)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 1 << 16);
    uint64_t writes = sim_env_count(f.sim, SIM_WRITE);
    txn_begin(f.txn);
    cr_assert_eq(txn_commit(f.txn), OK);
    engine_turn_end(f.engine);
    cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes);
    tear_down(&f);
}

Test(commit, keys_over_the_limit_are_refused_with_nothing_changed)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 1 << 16);
    uint8_t *key = calloc(1, ENGINE_KEY_MAX + 1);
    txn_begin(f.txn);
    txn_put(f.txn, slice_cstr("Ka1"), slice_cstr("v"), slice_of(NULL, 0), 0);
    txn_put(f.txn, slice_of(key, ENGINE_KEY_MAX + 1), slice_cstr("v"), slice_of(NULL, 0), 0);
    cr_assert_eq(txn_commit(f.txn), TOO_LARGE);
    cr_assert_eq(count_of(&f, "Ka"), 0);
    txn_begin(f.txn);
    txn_put(f.txn, slice_of(key, ENGINE_KEY_MAX), slice_cstr("v"), slice_of(NULL, 0), 0);
    size_t mark = txn_mark(f.txn);
    txn_put(f.txn, slice_of(key, ENGINE_KEY_MAX + 1), slice_cstr("v"), slice_of(NULL, 0), 0);
    txn_rewind(f.txn, mark);
    cr_assert_eq(engine_blocking_commit(f.engine, f.txn), OK);
    free(key);
    tear_down(&f);
}

// A failed log write: what was not durable is gone, from reads and counts; what was durable stays;
// nothing more is taken.
static void fail_the_log(enum fsync_policy policy, enum sim_op op)
{
    struct fixture f;
    set_up(&f, 1, policy, 1 << 16);
    cr_assert_eq(put(&f, "Ka1", "kept"), OK);
    cr_assert_eq(put(&f, "Ka2", "kept"), OK);
    engine_turn_end(f.engine);
    sim_exec_settle(f.exec);
    uint64_t durable = engine_durable_seq(f.engine);
    sim_env_fail(f.sim, op, ".log", 0, 1, IO);
    cr_assert_eq(put(&f, "Ka1", "lost"), OK);
    cr_assert_eq(put(&f, "Ka3", "lost"), OK);
    txn_begin(f.txn);
    txn_delete(f.txn, slice_cstr("Ka2"));
    txn_drop_prefix(f.txn, slice_cstr("Ka"));
    txn_put(f.txn, slice_cstr("Ka4"), slice_cstr("lost"), slice_of(NULL, 0), 0);
    cr_assert_eq(txn_commit(f.txn), OK);
    cr_assert_eq(count_of(&f, "Ka"), 1);
    engine_turn_end(f.engine);
    sim_exec_settle(f.exec);
    cr_assert_eq(engine_write_status(f.engine, NULL), IO);
    cr_assert_eq(engine_durable_seq(f.engine), durable);
    cr_assert(holds(&f, "Ka1", "kept"));
    cr_assert(holds(&f, "Ka2", "kept"));
    cr_assert(holds(&f, "Ka3", NULL));
    cr_assert(holds(&f, "Ka4", NULL));
    cr_assert_eq(count_of(&f, "Ka"), 2);
    cr_assert_eq(put(&f, "Ka5", "never"), READ_ONLY);
    cr_assert_eq(close_engine(&f), IO);
    sim_env_heal(f.sim);
    open_engine(&f, policy, 1 << 16);
    cr_assert(
        holds(&f, "Ka2", "kept") || op == SIM_SYNC, "what failed to sync may have been written");
    cr_assert_eq(put(&f, "Ka5", "again"), OK);
    tear_down(&f);
}

Test(commit, a_failed_write_is_taken_back)
{
    fail_the_log(FSYNC_EVERYSEC, SIM_WRITE);
    fail_the_log(FSYNC_ALWAYS, SIM_WRITE);
    fail_the_log(FSYNC_ALWAYS, SIM_SYNC);
}

Test(commit, a_view_does_not_see_later_commits)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 1 << 16);
    cr_assert_eq(put(&f, "Ka1", "old"), OK);
    struct snapshot *snapshot = snapshot_new(f.engine);
    struct iter_options options = {.snapshot = snapshot};
    cr_assert_eq(put(&f, "Ka1", "new"), OK);
    cr_assert_eq(put(&f, "Ka2", "new"), OK);
    struct iter *it = iter_open(f.engine, NULL, &options);
    struct iter *now = iter_open(f.engine, NULL, &(struct iter_options){0});
    cr_assert_eq(put(&f, "Ka1", "NEW"), OK);
    cr_assert_eq(engine_blocking_step(f.engine, it, ITER_SEEK, slice_cstr("Ka")), OK);
    cr_assert(slice_equal(iter_row(it).value, slice_cstr("old")));
    cr_assert_eq(engine_blocking_step(f.engine, it, ITER_NEXT, slice_of(NULL, 0)), END);
    cr_assert_eq(engine_blocking_step(f.engine, now, ITER_SEEK, slice_cstr("Ka")), OK);
    cr_assert(slice_equal(iter_row(now).value, slice_cstr("new")));
    iter_close(it);
    iter_close(now);
    snapshot_free(f.engine, snapshot);
    cr_assert(holds(&f, "Ka1", "NEW"));
    tear_down(&f);
}

static void called_back(struct txn *txn, void *arg)
{
    (*(unsigned *)arg)++;
}

Test(commit, waits_for_room_when_flushes_are_stuck_and_is_called_back)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 16 << 10);
    sim_exec_hold(f.exec, LANE_FLUSH, true);
    char value[513] = "";
    memset(value, 'v', 512);
    int status = OK;
    uint64_t paced = 0;
    for (unsigned i = 0; i < 2000 && status == OK; i++) {
        char key[16];
        snprintf(key, sizeof key, "Kb%u", i);
        status = put(&f, key, value);
        paced += status == OK ? engine_pace_us(f.engine) : 0;
        engine_turn_end(f.engine);
        sim_exec_settle(f.exec);
    }
    cr_assert_eq(status, WAIT);
    cr_assert_gt(paced, 0, "writers were slowed down before they had to wait");
    unsigned calls = 0;
    txn_wait(f.txn, called_back, &calls);
    sim_exec_run_for(f.exec, 100);
    cr_assert_eq(calls, 0);
    struct engine_stats stats;
    engine_get_stats(f.engine, &stats);
    cr_assert_leq(
        stats.memtable_bytes, 5 * (16 << 10) + 5 * 4096, "memory stays within its bounds");
    sim_exec_hold(f.exec, LANE_FLUSH, false);
    sim_exec_run_for(f.exec, 100);
    cr_assert_eq(calls, 1);
    cr_assert_eq(put(&f, "Kb", value), OK);
    tear_down(&f);
}

Test(commit, a_full_disk_is_said_and_goes_away)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 16 << 10);
    sim_env_set_disk_size(f.sim, sim_env_disk_used(f.sim));
    char value[513] = "";
    memset(value, 'v', 512);
    int status = OK;
    for (unsigned i = 0; i < 2000 && status != NO_SPACE; i++) {
        char key[16];
        snprintf(key, sizeof key, "Kc%u", i % 10);
        status = put(&f, key, value);
        engine_turn_end(f.engine);
        sim_exec_run_for(f.exec, 20);
    }
    cr_assert_eq(status, NO_SPACE);
    cr_assert_eq(engine_write_status(f.engine, NULL), OK);
    cr_assert_eq(count_of(&f, "Kc"), 10);
    sim_env_set_disk_size(f.sim, UINT64_MAX);
    sim_exec_run_for(f.exec, 3000);
    txn_begin(f.txn);
    txn_put(f.txn, slice_cstr("Kc1"), slice_cstr("again"), slice_of(NULL, 0), 0);
    cr_assert_eq(engine_blocking_commit(f.engine, f.txn), OK);
    cr_assert(holds(&f, "Kc1", "again"));
    tear_down(&f);
}

Test(commit, nobody_is_paced_without_a_debt)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 1 << 16);
    for (unsigned i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "Kd%u", i);
        cr_assert_eq(put(&f, key, "v"), OK);
        cr_assert_eq(engine_pace_us(f.engine), 0);
    }
    tear_down(&f);
}

static void put_expiring(struct fixture *f, const char *key, int64_t expire_ms)
{
    txn_begin(f->txn);
    txn_put(f->txn, slice_cstr(key), slice_cstr("v"), slice_of(NULL, 0), expire_ms);
    cr_assert_eq(txn_commit(f->txn), OK);
}

Test(commit, expired_records_are_found_in_all_memtables_unless_newer_ones_hide_them)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 1 << 14);
    int64_t now = env_now_ms(sim_env_env(f.sim));
    sim_exec_hold(f.exec, LANE_FLUSH, true);
    put_expiring(&f, "Ke1", now + 10);
    put_expiring(&f, "Ke2", now + 10);
    put_expiring(&f, "Ke3", now + 10);
    char filler[2001] = "";
    memset(filler, 'f', 2000);
    struct engine_stats stats;
    for (unsigned i = 0; i < 12; i++) { // until the memtable has been frozen
        char key[16];
        snprintf(key, sizeof key, "Kf%u", i);
        cr_assert_eq(put(&f, key, filler), OK);
        engine_turn_end(f.engine);
        sim_exec_settle(f.exec);
    }
    engine_get_stats(f.engine, &stats);
    cr_assert_gt(stats.memtable_count, 1);
    cr_assert_eq(put(&f, "Ke1", "hides"), OK);
    struct slice key;
    cr_assert_eq(engine_next_expired(f.engine, now + 9, &key), NOT_FOUND);
    unsigned found = 0;
    while (engine_next_expired(f.engine, now + 10, &key) == OK) {
        cr_assert(slice_equal(key, slice_cstr("Ke2")) || slice_equal(key, slice_cstr("Ke3")));
        txn_begin(f.txn);
        txn_delete(f.txn, key);
        cr_assert_eq(txn_commit(f.txn), OK);
        cr_assert_lt(found++, 2);
    }
    cr_assert_eq(found, 2);
    sim_exec_hold(f.exec, LANE_FLUSH, false);
    tear_down(&f);
}

// Every third number from `from` on.
static void put_thirds(struct fixture *f, int from, int count)
{
    char key[16];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "Ka%06d", from + 3 * i);
        cr_assert_eq(put(f, key, "value"), OK);
        engine_turn_end(f->engine);
    }
}

static int64_t doubts_of(struct fixture *f, const char *prefix)
{
    int64_t count, in_doubt;
    txn_begin(f->txn);
    txn_count(f->txn, slice_cstr(prefix), &count, &in_doubt);
    return in_doubt;
}

Test(commit, new_keys_over_tables_are_counted_at_once)
{
    struct fixture f;
    set_up(&f, 5, FSYNC_EVERYSEC, 1 << 20);
    int64_t allowed = 30; // where a filter says "maybe" of a key that is new
    put_thirds(&f, 0, 1000);
    cr_assert_eq(engine_blocking_flush(f.engine), OK);
    put_thirds(&f, 1, 999);
    cr_assert_leq(doubts_of(&f, "Ka"), allowed);
    cr_assert_eq(count_of(&f, "Ka") + doubts_of(&f, "Ka"), 1999);

    // After a restart the filters are read because commits ask for them, and nobody waits for that.
    cr_assert_eq(engine_blocking_flush(f.engine), OK);
    cr_assert_eq(close_engine(&f), OK);
    open_engine(&f, FSYNC_EVERYSEC, 1 << 20);
    int64_t before = doubts_of(&f, "Ka");
    // a commit asks for one filter: what it says of the first table may be the answer
    for (int i = 0; i < 2; i++) {
        put_thirds(&f, 2 + 3 * i, 1);
        cr_assert_eq(doubts_of(&f, "Ka"), before + i + 1);
        sim_exec_settle(f.exec);
    }
    put_thirds(&f, 8, 900);
    cr_assert_leq(doubts_of(&f, "Ka"), before + 2 + 2 * allowed);
    tear_down(&f);
}

// A record that was certainly over a live one in its memtable may be in another one after replay,
// while the older one expires on its own.
Test(commit, replay_into_smaller_memtables_keeps_the_count)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC, 1 << 16);
    char filler[1001] = "";
    memset(filler, 'f', 1000);
    put_expiring(&f, "Kg1", env_now_ms(sim_env_env(f.sim)) + 100);
    for (unsigned i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "f%u", i);
        cr_assert_eq(put(&f, key, filler), OK);
    }
    cr_assert_eq(put(&f, "Kg1", "stays"), OK);
    cr_assert_eq(close_engine(&f), OK);
    sim_env_advance(f.sim, 1000);
    open_engine(&f, FSYNC_EVERYSEC, 8 << 10);
    cr_assert_eq(engine_blocking_compact(f.engine), OK);
    cr_assert(holds(&f, "Kg1", "stays"));
    cr_assert_eq(count_of(&f, "Kg"), 1);
    tear_down(&f);
}

// --- Counts against a model ----------------------------------------------------------------------

enum { PREFIXES = 3, KEYS_EACH = 25 };

// Expired keys may still count or not, until compaction has met them.
struct model {
    struct {
        bool live;
        int64_t expire_ms;
    } keys[PREFIXES][KEYS_EACH];
};

static int64_t live_in(const struct model *m, unsigned prefix, int64_t now_ms)
{
    int64_t count = 0;
    for (unsigned i = 0; i < KEYS_EACH; i++)
        count += m->keys[prefix][i].live &&
                 (m->keys[prefix][i].expire_ms == 0 || m->keys[prefix][i].expire_ms > now_ms);
    return count;
}

static void stage_random(struct random *random, struct txn *txn, struct model *m, int64_t now_ms)
{
    char text[16];
    unsigned prefix = (unsigned)random_below(random, PREFIXES),
             key = (unsigned)random_below(random, KEYS_EACH);
    snprintf(text, sizeof text, "K%c%u", (char)('a' + prefix), key);
    uint64_t what = random_below(random, 40);
    if (what == 0) {
        txn_drop_prefix(txn, slice_of(text, 2));
        memset(m->keys[prefix], 0, sizeof m->keys[prefix]);
    } else if (what < 14) {
        txn_delete(txn, slice_cstr(text));
        m->keys[prefix][key].live = false;
    } else {
        char value[60] = "";
        memset(value, 'v', random_below(random, sizeof value));
        int64_t expire_ms =
            random_below(random, 4) == 0 ? now_ms + 1 + (int64_t)random_below(random, 300) : 0;
        txn_put(txn, slice_cstr(text), slice_cstr(value), slice_of(NULL, 0), expire_ms);
        m->keys[prefix][key].live = true;
        m->keys[prefix][key].expire_ms = expire_ms;
    }
}

// The count is never above the truth (but for what has expired a moment ago), never further below
// than there are doubts, and never negative.
static void check_counts(
    struct fixture *f, const struct model *m, uint64_t seed, int64_t counts[PREFIXES])
{
    int64_t now_ms = env_now_ms(sim_env_env(f->sim));
    for (unsigned prefix = 0; prefix < PREFIXES; prefix++) {
        char text[3] = {'K', (char)('a' + prefix), '\0'};
        int64_t count, in_doubt, most = live_in(m, prefix, 0), least = live_in(m, prefix, now_ms);
        txn_count(f->txn, slice_cstr(text), &count, &in_doubt);
        cr_assert(count >= 0 && count <= most && least <= count + in_doubt,
            "seed %llu: %s has %lld, %lld in doubt, of %lld to %lld", (unsigned long long)seed,
            text, (long long)count, (long long)in_doubt, (long long)least, (long long)most);
        counts[prefix] = count;
    }
}

static void live_a_little(struct random *random, struct fixture *f, struct snapshot **snapshot)
{
    uint64_t what = random_below(random, 60);
    if (what < 15)
        engine_turn_end(f->engine);
    else if (what < 20)
        sim_exec_run_for(f->exec, random_below(random, 100));
    else if (what < 40)
        sim_exec_step(f->exec);
    else if (what == 41)
        cr_assert_eq(engine_blocking_flush(f->engine), OK);
    else if (what == 42)
        cr_assert_eq(engine_blocking_compact(f->engine), OK);
    else if (what == 43 && *snapshot == NULL)
        *snapshot = snapshot_new(f->engine);
    else if (what == 44 && *snapshot != NULL) {
        snapshot_free(f->engine, *snapshot);
        *snapshot = NULL;
    } else if (what == 45 && *snapshot == NULL) {
        cr_assert_eq(close_engine(f), OK);
        open_engine(f, FSYNC_EVERYSEC, 8 << 10);
    }
}

// What the server's expiry cycle does.
static void reap(struct fixture *f)
{
    struct slice key;
    while (engine_next_expired(f->engine, env_now_ms(sim_env_env(f->sim)), &key) == OK) {
        txn_begin(f->txn);
        txn_delete(f->txn, key);
        cr_assert_eq(engine_blocking_commit(f->engine, f->txn), OK);
    }
}

// Some seconds without writes, and nothing is asked for: the counts are exact by then.
static void rest_and_check(struct fixture *f, const struct model *m, uint64_t seed)
{
    sim_exec_run_for(f->exec, 1000); // all that expires has expired
    reap(f);
    engine_turn_end(f->engine);
    sim_exec_run_for(f->exec, 10000);
    for (unsigned prefix = 0; prefix < PREFIXES; prefix++) {
        char text[3] = {'K', (char)('a' + prefix), '\0'};
        int64_t count, in_doubt, live = live_in(m, prefix, env_now_ms(sim_env_env(f->sim)));
        txn_begin(f->txn);
        txn_count(f->txn, slice_cstr(text), &count, &in_doubt);
        cr_assert(count == live && in_doubt == 0, "seed %llu: %s has %lld, %lld in doubt, of %lld",
            (unsigned long long)seed, text, (long long)count, (long long)in_doubt, (long long)live);
    }
}

// Random writes with pauses in which everything but a compaction of everything may happen.
Test(commit, counts_become_exact_at_rest, .timeout = 240)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random = {seed};
        struct fixture f;
        struct model model = {0};
        set_up(&f, seed, FSYNC_EVERYSEC, 8 << 10);
        for (unsigned round = 0; round < 4; round++) {
            for (uint64_t step = random_below(&random, 200); step > 0; step--) {
                int64_t ignored[PREFIXES];
                txn_begin(f.txn);
                for (uint64_t n = random_below(&random, 6); n > 0; n--)
                    stage_random(&random, f.txn, &model, env_now_ms(sim_env_env(f.sim)));
                cr_assert_eq(engine_blocking_commit(f.engine, f.txn), OK);
                txn_begin(f.txn);
                check_counts(&f, &model, seed, ignored);
                if (random_below(&random, 10) == 0)
                    sim_exec_run_for(f.exec, random_below(&random, 700));
                if (random_below(&random, 40) == 0)
                    cr_assert_eq(engine_blocking_flush(f.engine), OK);
            }
            rest_and_check(&f, &model, seed);
            if (random_below(&random, 3) == 0) {
                cr_assert_eq(close_engine(&f), OK);
                open_engine(&f, FSYNC_EVERYSEC, 8 << 10);
                rest_and_check(&f, &model, seed);
            }
        }
        tear_down(&f);
    }
}

Test(commit, counts_agree_with_a_model_through_flush_compaction_and_restart, .timeout = 240)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct random random = {seed};
        struct fixture f;
        struct model model = {0};
        struct snapshot *snapshot = NULL;
        int64_t staged[PREFIXES], committed[PREFIXES];
        set_up(&f, seed, FSYNC_EVERYSEC, 8 << 10);
        for (unsigned step = 0; step < 400; step++) {
            txn_begin(f.txn);
            for (uint64_t n = random_below(&random, random_below(&random, 10) ? 4 : 40); n > 0; n--)
                stage_random(&random, f.txn, &model, env_now_ms(sim_env_env(f.sim)));
            check_counts(&f, &model, seed, staged);
            int status = txn_commit(f.txn);
            bool at_once = status == OK;
            if (status == WAIT)
                status = engine_blocking_commit(f.engine, f.txn);
            cr_assert_eq(status, OK);
            txn_begin(f.txn);
            check_counts(&f, &model, seed, committed);
            if (at_once)
                cr_assert_arr_eq(staged, committed, sizeof staged,
                    "what was staged counts as what was committed");
            live_a_little(&random, &f, &snapshot);
        }
        if (snapshot != NULL)
            snapshot_free(f.engine, snapshot);
        rest_and_check(&f, &model, seed);
        cr_assert_eq(engine_blocking_compact(f.engine), OK);
        int64_t now_ms = env_now_ms(sim_env_env(f.sim));
        for (unsigned prefix = 0; prefix < PREFIXES; prefix++) {
            char text[3] = {'K', (char)('a' + prefix), '\0'};
            int64_t count, in_doubt;
            txn_begin(f.txn);
            txn_count(f.txn, slice_cstr(text), &count, &in_doubt);
            cr_assert_eq(in_doubt, 0);
            cr_assert_eq(
                count, live_in(&model, prefix, now_ms), "seed %llu", (unsigned long long)seed);
        }
        tear_down(&f);
    }
}

// Whatever txn_commit takes, a table's reader believes: a block of one entry is larger than the
// batch that brought it by less than what the two bounds differ in, at any size of key and value.
Test(commit, a_block_of_one_entry_is_hardly_larger_than_its_batch)
{
    static uint8_t bytes[ENGINE_KEY_MAX];
    const size_t sizes[] = {0, 1, 127, 128, 16384, ENGINE_KEY_MAX};
    for (unsigned i = 0; i < 36; i++) {
        struct batch batch = {0};
        struct block_builder block = {0};
        struct entry entry;
        batch_put(&batch, slice_of(bytes, sizes[i / 6]), slice_of(bytes, sizes[i % 6]),
            (struct slice){0}, 4000000000000);
        batch_at(&batch, 0, &entry);
        entry.seq = UINT64_MAX >> 1;
        block_builder_add(&block, &entry);
        cr_assert_leq(block_builder_finish(&block).len,
            batch.bytes.len + ENGINE_BLOCK_MAX - ENGINE_BATCH_MAX);
        block_builder_release(&block);
        batch_release(&batch);
    }
}

// Two gigabytes are not staged here: their number is put in the batch's place, and back.
Test(commit, what_is_larger_than_a_reader_believes_is_too_large)
{
    static uint8_t bytes[ENGINE_KEY_MAX + 1];
    struct fixture f;
    struct row row;
    set_up(&f, 1, FSYNC_EVERYSEC, 1 << 17);
    txn_begin(f.txn);
    txn_put(f.txn, slice_of(bytes, sizeof bytes), slice_cstr("v"), (struct slice){0}, 0);
    cr_assert_eq(txn_commit(f.txn), TOO_LARGE);
    txn_begin(f.txn);
    txn_put(f.txn, slice_of(bytes, ENGINE_KEY_MAX), slice_cstr("v"), (struct slice){0}, 0);
    size_t len = f.txn->batch.bytes.len;
    f.txn->batch.bytes.len = ENGINE_BATCH_MAX + 1;
    cr_assert_eq(txn_commit(f.txn), TOO_LARGE);
    f.txn->batch.bytes.len = len;
    cr_assert_eq(f.engine->last_seq, 0, "nothing has changed");
    cr_assert_eq(txn_commit(f.txn), OK);
    txn_begin(f.txn);
    cr_assert_eq(txn_get(f.txn, slice_of(bytes, ENGINE_KEY_MAX), &row), OK);
    tear_down(&f);
}
