#include "model_engine.h"

#include <signal.h>

#include "engine/txn.h"

// The universe's keys in order, for comparing with what an iterator shows.
static uint32_t *sorted_keys(uint32_t count)
{
    uint32_t *order = malloc(count * sizeof *order);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort(order, count, sizeof *order, key_order);
    return order;
}

struct walk {
    struct side *s;
    struct iter *it;
    const struct cell *cells; // what it should show
    const uint32_t *order;
    int64_t low, high; // ranks inside the bounds: [low, high)
    int64_t at;        // rank; -1: not positioned
    unsigned given_up;
};

static void count_ready(struct iter *it, void *arg)
{
    ++*(int *)arg;
}

static void wait_iter(struct walk *w)
{
    int calls = 0;
    iter_wait(w->it, count_ready, &calls);
    cr_assert_eq(calls, 0);
    while (calls == 0) {
        engine_turn_end(w->s->engine);
        cr_assert(sim_exec_drive(w->s->exec), "nobody will call back");
    }
}

// A call has answered WAIT. Whether it is to be repeated: sometimes it is given up, before or after
// what it missed has arrived.
static bool repeats(struct walk *w)
{
    uint64_t luck = random_below(&w->s->random, 12);
    if (luck > 0)
        wait_iter(w);
    w->given_up += luck < 2;
    return luck >= 2;
}

#define FINISH(walk, call)                                                                         \
    ({                                                                                             \
        int status_;                                                                               \
        while ((status_ = (call)) == WAIT && repeats(walk))                                        \
            ;                                                                                      \
        status_;                                                                                   \
    })

static void check(struct walk *w, int status, int64_t rank)
{
    if (status == WAIT) { // given up: a seek comes next
        w->at = -1;
        return;
    }
    if (rank < w->low || rank >= w->high) {
        cr_assert_eq(status, END, "status %d where the end is", status);
        w->at = -1;
        return;
    }
    cr_assert_eq(status, OK, "status %d at rank %ld", status, (long)rank);
    char key[KEY_LEN];
    cr_assert(slice_equal(iter_key(w->it), key_at(w->order[rank], key)), "another key at rank %ld",
        (long)rank);
    struct row row = iter_row(w->it);
    check_row(w->s, w->cells, w->order[rank], OK, &row);
    w->at = rank;
}

// The next rank at or behind (or, back, at or before) `rank` with something there.
static int64_t present(const struct walk *w, int64_t rank, int step)
{
    while (rank >= w->low && rank < w->high && w->cells[w->order[rank]].stamp == 0)
        rank += step;
    return rank;
}

static void step(struct walk *w)
{
    struct random *r = &w->s->random;
    uint64_t what = w->at < 0 ? random_below(r, 2) : random_below(r, 20);
    if (what < 2) {
        int64_t rank = (int64_t)random_below(r, w->s->keys);
        char bytes[KEY_LEN];
        struct slice key = key_at(w->order[rank], bytes);
        if (what == 0) {
            int64_t from = rank < w->low ? w->low : rank;
            check(w, FINISH(w, iter_seek(w->it, key)), present(w, from, 1));
        } else {
            bool last = random_below(r, 4) == 0;
            int64_t from = (last || rank > w->high ? w->high : rank) - 1;
            check(w, FINISH(w, iter_seek_before(w->it, last ? slice_cstr("") : key)),
                present(w, from, -1));
        }
    } else if (what < 11) {
        check(w, FINISH(w, iter_next(w->it)), present(w, w->at + 1, 1));
    } else {
        check(w, FINISH(w, iter_prev(w->it)), present(w, w->at - 1, -1));
    }
}

static void churn(struct side *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        side_write(s, 1 + (unsigned)random_below(&s->random, 60));
        if (random_below(&s->random, 10) == 0)
            cr_assert_eq(engine_blocking_flush(s->engine), OK);
        if (random_below(&s->random, 40) == 0)
            cr_assert_eq(engine_blocking_compact(s->engine), OK);
    }
}

Test(iter, agrees_with_what_was_written_in_both_directions_while_writes_go_on)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct side s;
        side_open(&s, seed, 500);
        uint32_t *order = sorted_keys(s.keys);
        unsigned given_up = 0;
        for (int round = 0; round < 8; round++) {
            churn(&s, 30);
            struct snapshot *snapshot = snapshot_new(s.engine);
            struct cell *then = malloc(s.keys * sizeof *then);
            memcpy(then, s.cells, s.keys * sizeof *then);
            churn(&s, 10);
            bool old = round % 2;
            struct walk w = {&s, NULL, then, order, 0, s.keys, -1, 0};
            char low[KEY_LEN], high[KEY_LEN];
            struct iter_options options = {.snapshot = old ? snapshot : NULL};
            if (round % 3 != 0) {
                w.low = (int64_t)random_below(&s.random, s.keys);
                w.high = w.low + (int64_t)random_below(&s.random, s.keys - (uint64_t)w.low);
                options.lower = key_at(order[w.low], low);
                options.upper = key_at(order[w.high], high);
            }
            w.it = iter_open(s.engine, NULL, &options);
            if (!old)
                memcpy(then, s.cells, s.keys * sizeof *then);
            for (int i = 0; i < 400; i++) {
                step(&w);
                if (i % 100 == 50) {
                    // The key under the cursor is borrowed until the next positioning only.
                    w.at = -1;
                    churn(&s, 2);
                }
            }
            given_up += w.given_up;
            iter_close(w.it);
            snapshot_free(s.engine, snapshot);
            free(then);
        }
        cr_assert_gt(s.engine->stats.cold_reads, 0);
        cr_assert_gt(given_up, 0);
        free(order);
        side_close(&s);
    }
}

// An attempt as a command's: reads all there is through an iterator, with its staged writes. OK or
// WAIT.
static int attempt(
    struct side *s, struct txn *t, const uint32_t *order, const struct cell *base, bool backward)
{
    struct cell *cells = malloc(s->keys * sizeof *cells);
    memcpy(cells, base, s->keys * sizeof *cells);
    txn_begin(t);
    struct random same = {99};
    for (int i = 0; i < 40; i++)
        stage(s, t, cells, (uint32_t)random_below(&same, s->keys), random_below(&same, 2));
    struct iter_options options = {0};
    struct walk w = {s, iter_open(s->engine, t, &options), cells, order, 0, s->keys, -1, 0};
    int status =
        backward ? iter_seek_before(w.it, slice_cstr("")) : iter_seek(w.it, slice_cstr(""));
    int64_t rank = backward ? (int64_t)s->keys : -1;
    while (status != WAIT) {
        rank = backward ? present(&w, rank - 1, -1) : present(&w, rank + 1, 1);
        check(&w, status, rank);
        if (status == END)
            break;
        status = backward ? iter_prev(w.it) : iter_next(w.it);
    }
    iter_close(w.it);
    free(cells);
    return status;
}

Test(iter, attempts_of_a_txn_get_further_and_see_the_commits_of_now)
{
    for (uint64_t seed = 20; seed < 32; seed++) {
        struct side s;
        side_open(&s, seed, 700);
        uint32_t *order = sorted_keys(s.keys);
        side_write_all(&s);
        cr_assert_eq(engine_blocking_flush(s.engine), OK);
        if (seed % 2) // else some blocks are found again without being held
            cache_set_capacity(s.engine->cache, 0);
        sim_env_set_cold_percent(s.env, 100);
        struct txn *t = txn_new(s.engine);
        int attempts = 1;
        while (attempt(&s, t, order, s.cells, seed % 4 >= 2) == WAIT) {
            cr_assert_lt(attempts++, 2000);
            wait_txn(&s, t);
            side_write(&s, 5);
            if (random_below(&s.random, 60) == 0)
                cr_assert_eq(engine_blocking_flush(s.engine), OK);
        }
        cr_assert_gt(attempts, 2);
        txn_free(t);
        cr_assert_eq(cache_pinned_bytes(s.engine->cache), 0);
        free(order);
        side_close(&s);
    }
}

Test(iter, a_txn_has_seen_what_its_iterator_showed)
{
    struct side s;
    side_open(&s, 40, 10);
    side_write_all(&s);
    struct txn *t = txn_new(s.engine);
    struct iter_options options = {0};
    txn_put(t, slice_cstr("a"), slice_cstr("staged"), slice_cstr(""), 0);
    struct iter *it = iter_open(s.engine, t, &options);
    int status;
    while ((status = iter_seek(it, slice_cstr(""))) == WAIT) {
        iter_close(it);
        wait_txn(&s, t);
        it = iter_open(s.engine, t, &options);
    }
    cr_assert(slice_equal(iter_key(it), slice_cstr("a")));
    cr_assert_eq(iter_row(it).seq, 0);
    cr_assert_eq(txn_seq(t), 0);
    cr_assert_eq(iter_next(it), OK);
    cr_assert_gt(iter_row(it).seq, 0);
    cr_assert_eq(txn_seq(t), iter_row(it).seq);
    iter_close(it);
    txn_free(t);
    side_close(&s);
}

Test(iter, many_tombstones_in_a_row_do_not_hold_the_loop)
{
    struct side s;
    struct engine_options options = {.memory_budget = 64 << 20};
    side_open_with(&s, 41, KEYS_MAX, &options);
    side_write_all(&s);
    struct txn *t = txn_new(s.engine);
    uint32_t *order = sorted_keys(s.keys);
    for (uint32_t i = 0; i < s.keys - 1; i++) {
        stage(&s, t, s.cells, order[i], false);
        if (i % 1000 == 0 || i + 2 == s.keys) {
            cr_assert_eq(engine_blocking_commit(s.engine, t), OK);
            txn_reset(t);
        }
    }
    txn_free(t);
    struct iter_options all = {0};
    struct walk w = {&s, iter_open(s.engine, NULL, &all), s.cells, order, 0, s.keys, -1, 0};
    int status, waits = 0;
    while ((status = iter_seek(w.it, slice_cstr(""))) == WAIT) {
        waits++;
        wait_iter(&w);
    }
    check(&w, status, (int64_t)s.keys - 1);
    cr_assert_geq(waits, 1);
    while ((status = iter_prev(w.it)) == WAIT)
        wait_iter(&w);
    check(&w, status, -1);
    iter_close(w.it);
    free(order);
    side_close(&s);
}

// An iterator whose seek waits, over a database of which nothing is in memory.
static struct iter *open_waiting(struct side *s)
{
    side_open(s, 43, 300);
    side_write_all(s);
    cr_assert_eq(engine_blocking_flush(s->engine), OK);
    sim_env_set_cold_percent(s->env, 100);
    struct iter *it = iter_open(s->engine, NULL, &(struct iter_options){0});
    cr_assert_eq(iter_seek(it, slice_cstr("")), WAIT);
    return it;
}

Test(iter, a_step_in_place_of_a_seek_that_waits_is_a_mistake, .signal = SIGABRT)
{
    struct side s;
    iter_next(open_waiting(&s));
}

Test(iter, a_step_after_the_end_is_a_mistake, .signal = SIGABRT)
{
    struct side s;
    struct iter *it = open_waiting(&s);
    cr_assert_eq(engine_blocking_step(s.engine, it, ITER_SEEK, slice_cstr("z")), END);
    iter_prev(it);
}

Test(iter, closing_cancels_what_is_waited_for)
{
    struct side s;
    side_open(&s, 42, 300);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    sim_env_set_cold_percent(s.env, 100);
    struct iter_options all = {0};
    struct iter *it = iter_open(s.engine, NULL, &all);
    int calls = 0;
    cr_assert_eq(iter_seek(it, slice_cstr("")), WAIT);
    iter_wait(it, count_ready, &calls);
    sim_exec_step(s.exec);
    iter_close(it);
    sim_exec_settle(s.exec);
    cr_assert_eq(calls, 0);
    side_close(&s);
}

// A txn's walk over what was flushed and then deleted shows how far it has come; and what it shows
// as gone, and what it leaves out, is not there.
Test(iter, a_walk_over_what_is_gone_shows_where_it_is)
{
    for (uint64_t seed = 90; seed < 94; seed++) {
        struct side s;
        side_open(&s, seed, 12000);
        side_write_all(&s);
        if (seed % 2 == 0)
            cr_assert_eq(engine_blocking_flush(s.engine), OK);
        struct txn *t = txn_new(s.engine);
        for (uint32_t i = 0; i < s.keys; i++) {
            if (i == 5000)
                continue;
            stage(&s, t, s.cells, i, false);
            if (i % 100 == 99) {
                cr_assert_eq(engine_blocking_commit(s.engine, t), OK);
                txn_reset(t);
            }
        }
        cr_assert_eq(engine_blocking_commit(s.engine, t), OK);
        txn_reset(t);
        // Tombstones that were compacted away are no walk.
        sim_exec_hold(s.exec, LANE_FLUSH, true);
        sim_exec_hold(s.exec, LANE_COMPACTION, true);
        unsigned gone = 0, found = 0, attempts = 0;
        char place[KEY_LEN] = "", key[KEY_LEN];
        int status = OK;
        while (status != END) {
            cr_assert_lt(attempts++, 3000);
            txn_begin(t);
            struct iter *it = iter_open(s.engine, t,
                &(struct iter_options){.lower = slice_cstr(place), .shows_gone = true});
            status = iter_seek(it, slice_cstr(place));
            if (status == OK) {
                bool is_gone = iter_is_gone(it);
                gone += is_gone;
                found += !is_gone;
                cr_assert(is_gone || slice_equal(iter_key(it), key_at(5000, key)));
                snprintf(place, sizeof place, "%.*s~", (int)iter_key(it).len,
                    (const char *)iter_key(it).data);
            }
            iter_close(it);
            cr_assert_geq(status, 0);
            if (status == WAIT)
                wait_txn(&s, t);
            else
                txn_reset(t);
        }
        cr_assert_eq(found, 1);
        cr_assert_gt(gone, 0);
        txn_free(t);
        sim_exec_hold(s.exec, LANE_FLUSH, false);
        sim_exec_hold(s.exec, LANE_COMPACTION, false);
        side_close(&s);
    }
}

// A txn's iterators over long runs of deleted keys give the loop back, and get further each time,
// in both directions, while others commit; and they miss nothing that is there in the end.
Test(iter, a_txn_gets_past_what_is_gone_in_steps)
{
    for (uint64_t seed = 95; seed < 99; seed++) {
        struct side s;
        side_open(&s, seed, 20000);
        side_write_all(&s);
        if (seed % 2 == 0)
            cr_assert_eq(engine_blocking_flush(s.engine), OK);
        struct txn *t = txn_new(s.engine);
        for (uint32_t i = 0; i < s.keys; i++) {
            if (i != 10000)
                stage(&s, t, s.cells, i, false);
            if (i % 100 == 99) {
                cr_assert_eq(engine_blocking_commit(s.engine, t), OK);
                txn_reset(t);
            }
        }
        unsigned attempts = 0, seen;
        for (bool waits = true; waits;) {
            cr_assert_lt(attempts++, 500);
            waits = false;
            seen = 0;
            txn_begin(t);
            for (int backward = 0; backward < 2; backward++) {
                struct iter *it = iter_open(s.engine, t, &(struct iter_options){0});
                int status = backward ? iter_seek_before(it, slice_of(NULL, 0))
                                      : iter_seek(it, slice_of(NULL, 0));
                while (status == OK) {
                    seen++;
                    status = backward ? iter_prev(it) : iter_next(it);
                }
                iter_close(it);
                waits |= status == WAIT;
            }
            if (!waits)
                break;
            wait_txn(&s, t);
            if (attempts == 3 || attempts == 5) { // in what was gone over, and elsewhere
                struct txn *other = txn_new(s.engine);
                stage(&s, other, s.cells, attempts == 3 ? 3 : 19999, true);
                cr_assert_eq(engine_blocking_commit(s.engine, other), OK);
                txn_free(other);
            }
        }
        cr_assert_gt(attempts, 5);
        cr_assert_eq(seen, 6, "three keys, twice, and not %u", seen);
        txn_reset(t);
        cr_assert_eq(s.engine->gaps, 0);
        txn_free(t);
        side_close(&s);
    }
}

// --- Staged writes and what is gone --------------------------------------------------------------

enum { STAGED = 12 };

struct staging {
    struct side s;
    struct txn *t;
    struct cell *cells;         // with what the attempt has staged
    uint32_t order[KEYS_MAX];   // the keys, sorted
    uint32_t chosen[2][STAGED]; // staged before the first walk, and before the second
    bool present[2][STAGED];
};

static void stage_chosen(struct staging *g, int half)
{
    for (int i = 0; i < STAGED; i++)
        stage(&g->s, g->t, g->cells, g->chosen[half][i], g->present[half][i]);
}

// Walks over everything and compares. False: it waits.
static bool walk_agrees(struct staging *g, bool backward)
{
    struct iter *it = iter_open(g->s.engine, g->t, &(struct iter_options){0});
    uint32_t at = backward ? g->s.keys : UINT32_MAX;
    int status =
        backward ? iter_seek_before(it, slice_of(NULL, 0)) : iter_seek(it, slice_of(NULL, 0));
    do {
        char key[KEY_LEN];
        do
            at += backward ? UINT32_MAX : 1;
        while (at < g->s.keys && g->cells[g->order[at]].stamp == 0);
        if (status != OK)
            break;
        cr_assert_lt(at, g->s.keys);
        cr_assert(slice_equal(iter_key(it), key_at(g->order[at], key)), "%.*s instead of %s",
            (int)iter_key(it).len, (const char *)iter_key(it).data, key);
        status = backward ? iter_prev(it) : iter_next(it);
    } while (true);
    iter_close(it);
    cr_assert_geq(status, 0);
    cr_assert(status == WAIT || at >= g->s.keys, "the walk ended too early");
    return status == END;
}

static bool attempt_with_staged(struct staging *g, bool first_backward)
{
    memcpy(g->cells, g->s.cells, g->s.keys * sizeof *g->cells);
    txn_begin(g->t);
    stage_chosen(g, 0);
    bool done = walk_agrees(g, first_backward);
    stage_chosen(g, 1);
    return walk_agrees(g, !first_backward) && done;
}

static void delete_most(struct side *s)
{
    struct txn *t = txn_new(s->engine);
    for (uint32_t i = 0; i < s->keys; i++) {
        if (random_below(&s->random, 4000) != 0)
            stage(s, t, s->cells, i, false);
        if (i % 100 == 99) {
            cr_assert_eq(engine_blocking_commit(s->engine, t), OK);
            txn_reset(t);
        }
    }
    txn_free(t);
}

// An attempt that stages writes between its walks over long runs of deleted keys gives the loop
// back, too, gets further each time while others commit, and shows what it has staged and no more.
Test(iter, a_txn_with_staged_writes_gets_past_what_is_gone_in_steps)
{
    struct staging *g = calloc(1, sizeof *g);
    unsigned given_back_of_all = 0;
    for (uint64_t seed = 100; seed < 108; seed++) {
        struct side *s = &g->s;
        side_open(s, seed, KEYS_MAX);
        for (uint32_t i = 0; i < s->keys; i++)
            g->order[i] = i;
        qsort(g->order, s->keys, sizeof *g->order, key_order);
        side_write_all(s);
        sim_exec_hold(s->exec, LANE_COMPACTION, true);
        delete_most(s);
        g->t = txn_new(s->engine);
        g->cells = calloc(s->keys, sizeof *g->cells);
        for (int i = 0; i < 2 * STAGED; i++) {
            g->chosen[i / STAGED][i % STAGED] = (uint32_t)random_below(&s->random, s->keys);
            g->present[i / STAGED][i % STAGED] = random_below(&s->random, 3) != 0;
        }
        for (uint32_t i = 0, n = 0; i < s->keys && n < 5; i++) // of those that are there
            if (s->cells[i].stamp != 0) {
                g->chosen[n % 2][n] = i;
                g->present[n % 2][n] = false;
                n++;
            }
        unsigned attempts = 0, given_back = 0;
        while (!attempt_with_staged(g, seed % 2 == 0)) {
            cr_assert_lt(attempts++, 500);
            given_back = g->t->skip_waits;
            wait_txn(s, g->t);
            if (attempts % 4 == 3)
                side_write(s, 1);
        }
        given_back_of_all += given_back;
        txn_reset(g->t);
        cr_assert_eq(s->engine->gaps, 0);
        txn_free(g->t);
        sim_exec_hold(s->exec, LANE_COMPACTION, false);
        free(g->cells);
        side_close(s);
    }
    cr_expect(given_back_of_all >= 8 && given_back_of_all < 80, "%u", given_back_of_all);
    free(g);
}
