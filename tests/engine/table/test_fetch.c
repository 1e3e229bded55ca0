#include "model_table.h"

#include "engine/stats.h"
#include "engine/table/fetch.h"
#include "tests/sim/sim_exec.h"

enum { TABLES = 6 };

struct world {
    struct random random;
    struct sim_env *env;
    struct sim_exec *exec;
    struct cache *cache;
    struct engine_stats stats;
    struct fetcher *fetcher;
    struct model model; // all of TABLES tables, which are disjoint
    struct table *tables[TABLES];
};

static void world_open(
    struct world *w, uint64_t seed, uint64_t cache, unsigned max_open, size_t entries)
{
    *w = (struct world){.random = {seed}, .env = sim_env_new(seed), .cache = cache_new(cache)};
    w->exec = sim_exec_new(w->env, seed);
    w->fetcher = fetcher_new(sim_env_env(w->env), sim_exec_exec(w->exec), ".", w->cache, max_open,
        MODEL_MAX_BLOCK, &w->stats);
    w->model = model_random(&w->random, entries, 40, 300);
    size_t from = 0;
    for (unsigned i = 0; i < TABLES; i++) {
        size_t to = i + 1 == TABLES ? w->model.count : w->model.count * (i + 1) / TABLES;
        while (to < w->model.count &&
               slice_equal(w->model.entries[to - 1].key, w->model.entries[to].key))
            to++;
        struct table_builder_options options = model_table_options(w->env, i + 1);
        options.compression = i % 2 ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        w->tables[i] = model_table(&options, &w->model, from, to);
        from = to;
    }
    sim_env_set_cold_percent(w->env, 100);
}

static void world_close(struct world *w)
{
    fetcher_free(w->fetcher);
    cr_assert_eq(sim_env_open_files(w->env), 0);
    cr_assert_eq(cache_pinned_bytes(w->cache), 0);
    cache_free(w->cache);
    for (unsigned i = 0; i < TABLES; i++)
        table_unref(w->tables[i]);
    model_release(&w->model);
    sim_exec_free(w->exec);
    sim_env_free(w->env);
}

// A fetch that counts its call backs.
struct waiter {
    struct fetch fetch;
    int called;
};

static void count_call(struct fetch *f)
{
    ((struct waiter *)(void *)f)->called++;
}

static void start(struct waiter *w)
{
    int before = w->called;
    fetch_start(&w->fetch, count_call);
    cr_assert_eq(w->called, before, "called back inside fetch_start");
}

static int try_index(struct waiter *w, struct table *t, struct error *err)
{
    struct block_ref ref;
    int status = w->fetch.source.get(&w->fetch.source, t, t->meta.index, &ref, err);
    if (status == OK)
        w->fetch.source.put(&w->fetch.source, &ref);
    return status;
}

Test(fetch, readers_of_one_block_share_one_read)
{
    struct world w;
    world_open(&w, 1, 1 << 20, 10, 300);
    struct waiter waiters[5] = {0};
    for (int i = 0; i < 5; i++) {
        fetch_init(&waiters[i].fetch, w.fetcher);
        cr_assert_eq(try_index(&waiters[i], w.tables[0], NULL), WAIT);
        cr_assert(fetch_has_misses(&waiters[i].fetch));
        start(&waiters[i]);
    }
    sim_exec_settle(w.exec);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(waiters[i].called, 1);
        cr_assert_eq(try_index(&waiters[i], w.tables[0], NULL), OK);
        fetch_free(&waiters[i].fetch);
    }
    cr_assert_eq(w.stats.cold_reads, 1);
    cr_assert_eq(sim_env_count(w.env, SIM_READ), 1);
    world_close(&w);
}

Test(fetch, what_has_arrived_meanwhile_is_called_back_for_later)
{
    struct world w;
    world_open(&w, 2, 1 << 20, 10, 300);
    struct waiter a = {0}, b = {0};
    fetch_init(&a.fetch, w.fetcher);
    fetch_init(&b.fetch, w.fetcher);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT);
    cr_assert_eq(try_index(&b, w.tables[0], NULL), WAIT);
    start(&a);
    sim_exec_settle(w.exec);
    start(&b);
    sim_exec_run_for(w.exec, 1);
    cr_assert_eq(b.called, 1);
    cr_assert_eq(w.stats.cold_reads, 1);
    fetch_free(&a.fetch);
    fetch_free(&b.fetch);
    world_close(&w);
}

Test(fetch, a_failed_read_fails_the_next_attempt_and_no_later_one)
{
    struct world w;
    world_open(&w, 3, 1 << 20, 10, 300);
    struct waiter a = {0};
    struct error err;
    fetch_init(&a.fetch, w.fetcher);
    sim_env_fail(w.env, SIM_READ, "1.sst", 0, 1, IO);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT);
    start(&a);
    sim_exec_settle(w.exec);
    cr_assert_eq(a.called, 1);
    cr_assert_eq(try_index(&a, w.tables[0], &err), IO);
    cr_assert_not_null(strstr(err.text, "1.sst"));
    cr_assert_eq(try_index(&a, w.tables[1], &err), WAIT, "other blocks are no part of it");
    fetch_release(&a.fetch);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT);
    start(&a);
    sim_exec_settle(w.exec);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), OK);
    fetch_free(&a.fetch);
    world_close(&w);
}

Test(fetch, damage_is_reported_with_file_and_offset)
{
    struct world w;
    world_open(&w, 4, 1 << 20, 10, 300);
    struct waiter a = {0};
    struct error err;
    fetch_init(&a.fetch, w.fetcher);
    cr_assert_eq(sim_env_flip(w.env, "./2.sst", w.tables[1]->meta.index.offset + 3, 4), OK);
    cr_assert_eq(sim_env_remove_file(w.env, "./3.sst"), OK);
    cr_assert_eq(try_index(&a, w.tables[1], NULL), WAIT);
    cr_assert_eq(try_index(&a, w.tables[2], NULL), WAIT);
    start(&a);
    sim_exec_settle(w.exec);
    cr_assert_eq(try_index(&a, w.tables[1], &err), CORRUPT);
    cr_assert_str_eq(err.file, "./2.sst");
    cr_assert_eq(err.offset, w.tables[1]->meta.index.offset);
    cr_assert_eq(try_index(&a, w.tables[2], &err), MISSING);
    fetch_free(&a.fetch);
    world_close(&w);
}

Test(fetch, a_released_waiter_is_not_called_and_others_are)
{
    struct world w;
    world_open(&w, 5, 1 << 20, 10, 300);
    struct waiter a = {0}, b = {0};
    fetch_init(&a.fetch, w.fetcher);
    fetch_init(&b.fetch, w.fetcher);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT);
    cr_assert_eq(try_index(&b, w.tables[0], NULL), WAIT);
    start(&a);
    start(&b);
    fetch_release(&a.fetch);
    sim_exec_settle(w.exec);
    cr_assert_eq(a.called, 0);
    cr_assert_eq(b.called, 1);
    fetch_free(&a.fetch);
    fetch_free(&b.fetch);
    world_close(&w);
}

Test(fetch, the_page_cache_is_tried_a_bounded_number_of_times_a_turn)
{
    struct world w;
    world_open(&w, 6, 0, 10, 2000);
    struct waiter a = {0};
    fetch_init(&a.fetch, w.fetcher);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT, "the file is not open: that would block");
    start(&a);
    sim_exec_settle(w.exec);
    fetch_release(&a.fetch); // the cache holds nothing that is not pinned
    sim_env_set_cold_percent(w.env, 0);
    int in_turn = 0;
    while (try_index(&a, w.tables[0], NULL) == OK)
        cr_assert_lt(in_turn++, 1000);
    cr_assert_gt(in_turn, 10);
    cr_assert_eq(w.stats.nowait_reads, (uint64_t)in_turn);
    fetcher_turn_begin(w.fetcher);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), OK);
    sim_env_set_cold_percent(w.env, 100);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT);
    cr_assert_eq(w.stats.cold_reads, 1);
    fetch_free(&a.fetch);
    world_close(&w);
}

Test(fetch, open_files_are_bounded)
{
    struct world w;
    world_open(&w, 7, 1 << 20, 2, 300);
    struct waiter a = {0};
    fetch_init(&a.fetch, w.fetcher);
    for (int i = 0; i < TABLES; i++) {
        cr_assert_eq(try_index(&a, w.tables[i], NULL), WAIT);
        start(&a);
        sim_exec_settle(w.exec);
        cr_assert_leq(sim_env_open_files(w.env), 2);
    }
    fetch_free(&a.fetch);
    world_close(&w);
}

Test(fetch, a_table_may_go_while_it_is_read)
{
    struct world w;
    world_open(&w, 8, 1 << 20, 10, 300);
    for (int steps = 0; steps < 6; steps++) {
        struct waiter a = {0};
        fetch_init(&a.fetch, w.fetcher);
        cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT);
        start(&a);
        for (int i = 0; i < steps; i++)
            sim_exec_step(w.exec);
        fetcher_forget(w.fetcher, w.tables[0]);
        cr_assert_null(w.tables[0]->loop.index_block);
        cr_assert_null(w.tables[0]->loop.file);
        sim_exec_settle(w.exec);
        cr_assert_eq(a.called, 1);
        fetch_free(&a.fetch);
        cr_assert_eq(cache_bytes(w.cache), 0);
        cr_assert_eq(sim_env_open_files(w.env), 0);
    }
    world_close(&w);
}

Test(fetch, reads_ahead_wait_for_nothing)
{
    struct world w;
    world_open(&w, 9, 1 << 20, 10, 300);
    struct waiter a = {0};
    fetch_init(&a.fetch, w.fetcher);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), WAIT);
    fetch_prefetch(&a.fetch);
    cr_assert_not(fetch_has_misses(&a.fetch));
    sim_exec_settle(w.exec);
    cr_assert_eq(try_index(&a, w.tables[0], NULL), OK);
    cr_assert_eq(a.called, 0);
    fetch_free(&a.fetch);
    world_close(&w);
}

static void wait_for(void *arg)
{
    struct world *w = ((void **)arg)[0];
    struct waiter *a = ((void **)arg)[1];
    int before = a->called;
    cr_assert(fetch_has_misses(&a->fetch));
    start(a);
    sim_exec_settle(w->exec);
    sim_exec_run_for(w->exec, 1);
    cr_assert_eq(a->called, before + 1);
}

static void walk_level(uint64_t seed, uint64_t cache)
{
    struct world w;
    world_open(&w, seed, cache, 3, 1500);
    struct waiter a = {0};
    struct error err;
    void *arg[] = {&w, &a};
    fetch_init(&a.fetch, w.fetcher);
    struct model_walk walk = {.cursor = level_cursor(&a.fetch.source, w.tables, TABLES, &err),
        .model = &w.model,
        .on_wait = wait_for,
        .arg = arg,
        .at = SIZE_MAX};
    for (int i = 0; i < 4000; i++)
        model_walk_step(&walk, &w.random);
    walk.cursor->ops->close(walk.cursor);
    fetch_free(&a.fetch);
    world_close(&w);
}

Test(fetch, a_cursor_walks_cold_tables)
{
    walk_level(10, 1 << 20);
}

Test(fetch, a_cursor_gets_through_with_a_cache_that_keeps_nothing)
{
    walk_level(11, 0);
}

Test(fetch, a_scan_reads_ahead)
{
    struct world w;
    world_open(&w, 12, 1 << 22, 10, 3000);
    struct waiter a = {0};
    struct error err;
    void *arg[] = {&w, &a};
    fetch_init(&a.fetch, w.fetcher);
    struct cursor *c = level_cursor(&a.fetch.source, w.tables, TABLES, &err);
    size_t at = 0;
    int status, waits = 0;
    for (status = WAIT; status == WAIT; waits++) {
        status = c->ops->seek(c, slice_cstr(""), SEQ_MAX);
        if (status == WAIT)
            wait_for(arg);
    }
    while (status == OK) {
        cr_assert(entry_same(&c->entry, &w.model.entries[at++]));
        while ((status = c->ops->next(c)) == WAIT) {
            wait_for(arg);
            waits++;
        }
    }
    cr_assert_eq(status, END);
    cr_assert_eq(at, w.model.count);
    cr_assert_lt((uint64_t)waits, w.stats.cold_reads / 4, "%d waits for %llu reads", waits,
        (unsigned long long)w.stats.cold_reads);
    c->ops->close(c);
    fetch_free(&a.fetch);
    world_close(&w);
}

// What a txn does: all over again after each wait, with a cache that keeps nothing but what is
// pinned.
Test(fetch, an_attempt_that_starts_over_gets_further_each_time)
{
    struct world w;
    world_open(&w, 13, 0, 10, 1500);
    struct waiter a = {0};
    struct error err;
    void *arg[] = {&w, &a};
    fetch_init(&a.fetch, w.fetcher);
    for (size_t i = 0; i < w.model.count; i += 50) {
        struct slice key = w.model.entries[i].key;
        int status = WAIT, attempts = 0;
        while (status == WAIT) {
            cr_assert_lt(attempts++, 2 + 3 * TABLES);
            status = NOT_FOUND;
            // The key's table last, so that all the others' blocks have to be there at once.
            for (int t = 0; t < TABLES && status != WAIT; t++) {
                struct entry e;
                struct block_ref pin;
                status = table_get(&a.fetch.source, w.tables[t], key, hash64(key), SEQ_MAX, &e,
                    &pin, &w.stats, &err);
                cr_assert_geq(status, OK);
                if (status == OK) {
                    cr_assert(slice_equal(e.key, key));
                    a.fetch.source.put(&a.fetch.source, &pin);
                }
            }
            if (status == WAIT)
                wait_for(arg);
            fetch_keep(&a.fetch, true);
        }
        fetch_release(&a.fetch);
        cr_assert_eq(cache_pinned_bytes(w.cache), 0);
    }
    cr_assert_gt(w.stats.filter_checks, 0);
    cr_assert_gt(w.stats.filter_negatives, 0);
    fetch_free(&a.fetch);
    world_close(&w);
}

Test(fetch, a_round_notes_a_bounded_share)
{
    struct world w;
    world_open(&w, 14, 1 << 20, 10, 6000);
    struct waiter a = {0};
    struct error err;
    void *arg[] = {&w, &a};
    fetch_init(&a.fetch, w.fetcher);
    for (int round = 0; round < 3; round++) {
        bool full = false;
        for (size_t i = 0; i < w.model.count; i++) {
            struct entry e;
            struct block_ref pin;
            struct slice key = w.model.entries[i].key;
            for (int t = 0; t < TABLES; t++) {
                if (table_get(&a.fetch.source, w.tables[t], key, hash64(key), SEQ_MAX, &e, &pin,
                        NULL, &err) == OK)
                    a.fetch.source.put(&a.fetch.source, &pin);
            }
            full = full || fetch_full(&a.fetch);
        }
        cr_assert(full || round < 2);
        wait_for(arg);
        cr_assert_leq(cache_pinned_bytes(w.cache), 1 << 20);
    }
    fetch_free(&a.fetch);
    world_close(&w);
}
