#include "model_engine.h"

#include "engine/txn.h"

// One attempt at reading all these keys, going on past misses. WAIT, or OK after all were checked.
static int attempt(struct side *s, struct txn *t, const uint32_t *keys, uint32_t count)
{
    int result = OK;
    txn_begin(t);
    for (uint32_t i = 0; i < count; i++) {
        char key[KEY_LEN];
        struct row row;
        int status = txn_get(t, key_at(keys[i], key), &row);
        if (status == WAIT)
            result = WAIT;
        else
            check_row(s, s->cells, keys[i], status, &row);
    }
    return result;
}

static int read_keys(struct side *s, struct txn *t, const uint32_t *keys, uint32_t count)
{
    int attempts = 1;
    while (attempt(s, t, keys, count) == WAIT) {
        cr_assert_lt(attempts++, 1000);
        wait_txn(s, t);
    }
    txn_reset(t);
    cr_assert_eq(s->engine->pins.used, 0);
    cr_assert_eq(cache_pinned_bytes(s->engine->cache), 0);
    return attempts;
}

Test(txn, reads_agree_with_what_was_written)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct side s;
        side_open(&s, seed, 600);
        struct txn *t = txn_new(s.engine);
        for (int round = 0; round < 300; round++) {
            side_write(&s, 1 + (unsigned)random_below(&s.random, 60));
            uint32_t keys[40];
            for (int i = 0; i < 40; i++)
                keys[i] = (uint32_t)random_below(&s.random, s.keys);
            read_keys(&s, t, keys, (uint32_t)random_below(&s.random, 41));
            if (random_below(&s.random, 40) == 0)
                cr_assert_eq(engine_blocking_flush(s.engine), OK);
            if (random_below(&s.random, 100) == 0)
                cr_assert_eq(engine_blocking_compact(s.engine), OK);
        }
        cr_assert_gt(s.engine->stats.cold_reads, 0);
        txn_free(t);
        side_close(&s);
    }
}

Test(txn, a_parked_read_sees_what_is_committed_meanwhile)
{
    for (uint64_t seed = 10; seed < 30; seed++) {
        struct side s;
        side_open(&s, seed, 300);
        side_write_all(&s);
        cr_assert_eq(engine_blocking_flush(s.engine), OK);
        cache_set_capacity(s.engine->cache, seed % 2 ? 0 : 64 << 10);
        struct txn *t = txn_new(s.engine);
        uint32_t keys[30];
        for (int i = 0; i < 30; i++)
            keys[i] = (uint32_t)random_below(&s.random, s.keys);
        int attempts = 1;
        while (attempt(&s, t, keys, 30) == WAIT) {
            cr_assert_lt(attempts++, 2000);
            wait_txn(&s, t);
            side_write(&s, 10);
            if (random_below(&s.random, 3) == 0)
                cr_assert_eq(engine_blocking_flush(s.engine), OK);
            if (random_below(&s.random, 5) == 0)
                cr_assert_eq(engine_blocking_compact(s.engine), OK);
        }
        cr_assert_gt(attempts, 1);
        txn_free(t);
        cr_assert_eq(s.engine->pins.used, 0);
        side_close(&s);
    }
}

Test(txn, staged_writes_are_seen_and_their_rows_stay)
{
    struct side s;
    side_open(&s, 40, 10);
    side_write_all(&s);
    struct txn *t = txn_new(s.engine);
    struct row first, row;
    char key[KEY_LEN], name[KEY_LEN];
    txn_put(t, key_at(1, key), slice_cstr("one "), slice_cstr("two"), 77);
    size_t mark = txn_mark(t);
    cr_assert_eq(txn_get(t, key_at(1, key), &first), OK);
    cr_assert(first.seq == 0 && first.expire_ms == 77);
    for (int i = 0; i < 1000; i++)
        txn_put(t, slice_of(name, (size_t)snprintf(name, sizeof name, "other%d", i)),
            slice_cstr("x"), slice_cstr(""), 0);
    txn_delete(t, key_at(1, key));
    cr_assert_eq(txn_get(t, key_at(1, key), &row), NOT_FOUND);
    cr_assert(slice_equal(first.value, slice_cstr("one two")),
        "the row outlives what was staged behind it");
    txn_rewind(t, mark);
    cr_assert_eq(txn_get(t, key_at(1, key), &row), OK);
    cr_assert_eq(txn_get(t, slice_cstr("other5"), &row), NOT_FOUND);
    txn_begin(t);
    cr_assert_not(txn_has_writes(t));
    cr_assert_eq(txn_get(t, key_at(1, key), &row), OK);
    check_row(&s, s.cells, 1, OK, &row);
    cr_assert_eq(txn_seq(t), row.seq);
    txn_free(t);
    side_close(&s);
}

Test(txn, a_txn_that_never_waits_holds_nothing)
{
    struct side s;
    side_open(&s, 41, 200);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    uint32_t keys[200];
    for (uint32_t i = 0; i < 200; i++)
        keys[i] = i;
    struct txn *t = txn_new(s.engine);
    read_keys(&s, t, keys, 200);
    cr_assert_eq(attempt(&s, t, keys, 200), OK, "all is in memory now");
    cr_assert(s.engine->pins.used == 0 && t->pinned_count == 0 && t->fetch.count == 0);
    cr_assert_gt(cache_pinned_bytes(s.engine->cache), 0, "rows borrow from blocks");
    txn_begin(t);
    cr_assert_eq(cache_pinned_bytes(s.engine->cache), 0);
    txn_free(t);
    side_close(&s);
}

Test(txn, very_many_cold_keys_are_read_within_the_budget)
{
    struct side s;
    side_open(&s, 42, 12000);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    cr_assert_eq(engine_blocking_compact(s.engine), OK);
    uint32_t *keys = malloc(s.keys * sizeof *keys);
    for (uint32_t i = 0; i < s.keys; i++)
        keys[i] = (uint32_t)random_below(&s.random, s.keys);
    uint64_t capacity = 128 << 10;
    cache_set_capacity(s.engine->cache, capacity);
    s.engine->options.memory_budget = 16 << 20;
    struct txn *t = txn_new(s.engine);
    uint32_t attempts = 1;
    while (attempt(&s, t, keys, 6000) == WAIT) {
        cr_assert_lt(attempts++, 400);
        wait_txn(&s, t);
        cr_assert_leq(cache_pinned_bytes(s.engine->cache), 600 << 10);
        cr_assert_leq(s.engine->pins.bytes, 8 << 20);
    }
    cr_assert_leq(attempts, 3, "the rounds are the txn's own, not attempts");
    txn_free(t);
    free(keys);
    side_close(&s);
}

// The budget is 100 KiB.
static void refuse_rows_over(unsigned percent)
{
    struct side s;
    side_open(&s, 43, 6000);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    s.engine->options.memory_budget = 100 << 10;
    if (percent > 0)
        s.engine->options.wait_memory_percent = percent;
    else
        percent = 69;
    cache_set_capacity(s.engine->cache, 0);
    struct txn *t = txn_new(s.engine);
    int status = OK;
    uint64_t most = 0;
    for (int attempts = 0; status != NO_MEMORY; attempts++) {
        cr_assert_lt(attempts, 1000);
        bool waits = false;
        txn_begin(t);
        for (uint32_t i = 0; i < s.keys && status != NO_MEMORY; i++) {
            char key[KEY_LEN];
            struct row row;
            status = txn_get(t, key_at(i, key), &row);
            waits = waits || status == WAIT;
            most = s.engine->pins.bytes > most ? s.engine->pins.bytes : most;
        }
        if (status != NO_MEMORY && waits)
            wait_txn(&s, t);
    }
    cr_expect(
        most > percent << 10 && most < (percent << 10) + 1024, "%llu", (unsigned long long)most);
    txn_reset(t);
    cr_assert_eq(s.engine->pins.used, 0);
    txn_free(t);
    side_close(&s);
}

Test(txn, rows_over_the_hard_limit_are_refused)
{
    refuse_rows_over(0);
    refuse_rows_over(20);
}

// Attempts of which each reads another cold key, with an iterator open so that none is held, until
// that is refused.
static unsigned attempts_without_progress(unsigned limit)
{
    struct side s;
    side_open(&s, 44, 6000);
    s.value_max = VALUE_MAX;
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    cache_set_capacity(s.engine->cache, 0);
    if (limit > 0)
        s.engine->options.wait_attempts = limit;
    struct txn *t = txn_new(s.engine);
    unsigned attempts = 0, next = 0;
    for (int status = WAIT; status == WAIT; attempts++) {
        char key[KEY_LEN];
        struct row row;
        cr_assert_lt(attempts, 1000);
        txn_begin(t);
        iter_close(iter_open(s.engine, t, &(struct iter_options){0}));
        do
            status = txn_get(t, key_at(next++ * 37 % s.keys, key), &row);
        while (status == OK && next < 100000);
        if (status == WAIT)
            wait_txn(&s, t);
        else
            cr_assert_eq(status, NO_MEMORY);
    }
    txn_free(t);
    side_close(&s);
    return attempts;
}

Test(txn, attempts_that_get_no_further_end)
{
    unsigned usual = attempts_without_progress(0), few = attempts_without_progress(20);
    // What an attempt comes across is held: so some do get further.
    cr_expect(usual > 200 && usual < 1000, "%u", usual);
    cr_expect(few > 20 && few < 100, "%u", few);
}

Test(txn, a_round_has_as_many_keys_as_allowed)
{
    struct side s;
    side_open(&s, 45, 6000);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    s.engine->options.wait_round_keys = 16;
    uint32_t keys[200];
    for (uint32_t i = 0; i < 200; i++)
        keys[i] = i * 29;
    struct txn *t = txn_new(s.engine);
    cr_assert_eq(attempt(&s, t, keys, 200), WAIT);
    cr_expect_leq(t->fetch.count, 3 * 16);
    txn_reset(t);
    cr_expect_leq(read_keys(&s, t, keys, 200), 3, "and none more for it");
    txn_free(t);
    side_close(&s);
}

// One attempt at the facts of the first `count` keys.
static int attempt_facts(struct side *s, struct txn *t, uint32_t count)
{
    int result = OK;
    txn_begin(t);
    for (uint32_t i = 0; i < count; i++) {
        char key[KEY_LEN];
        uint8_t value[VALUE_MAX];
        struct fact fact;
        int status = txn_get_fact(t, key_at(i, key), &fact);
        if (status < 0)
            return status;
        if (status == WAIT) {
            result = WAIT;
            continue;
        }
        cr_assert_eq(status, s->cells[i].stamp == 0 ? NOT_FOUND : OK);
        struct slice expected = value_of(s->cells[i].stamp, s->value_max, value);
        if (status == OK) {
            size_t head = expected.len < sizeof fact.head ? expected.len : sizeof fact.head;
            cr_assert_eq(fact.value_len, expected.len);
            cr_assert(slice_equal(slice_of(fact.head, head), slice_of(expected.data, head)));
        }
    }
    return result;
}

Test(txn, facts_fit_where_rows_do_not)
{
    for (uint64_t seed = 50; seed < 54; seed++) {
        struct side s;
        side_open(&s, seed, 6000);
        s.value_max = VALUE_MAX;
        side_write_all(&s);
        side_write(&s, 2000);
        cr_assert_eq(engine_blocking_flush(s.engine), OK);
        // 6,000 keys of 14 bytes, as a command may have them that is a sixth of it
        s.engine->options.memory_budget = 1 << 20;
        cache_set_capacity(s.engine->cache, seed % 2 ? 0 : 64 << 10);
        struct txn *t = txn_new(s.engine);
        int attempts = 1;
        while (attempt_facts(&s, t, s.keys) == WAIT) {
            cr_assert_lt(attempts++, 5);
            wait_txn(&s, t);
            cr_assert_leq(cache_pinned_bytes(s.engine->cache), 600 << 10);
            side_write(&s, 3);
        }
        cr_assert_gt(attempts, 1);
        cr_assert_lt(s.engine->pins.bytes, 640 << 10);
        txn_reset(t);
        cr_assert_eq(s.engine->pins.used, 0);
        txn_free(t);
        side_close(&s);
    }
}

// --- Any mix of commands, at any budget, ends ----------------------------------------------------

struct mixed {
    struct side *side;
    struct txn *txn;
    uint64_t seed; // fixed for the command
    int attempts;
    int status; // WAIT: under way
};

static int walk_a_little(struct mixed *m, struct random *random)
{
    char key[KEY_LEN];
    struct iter_options options = {
        .lower = key_at((uint32_t)random_below(random, m->side->keys), key)};
    struct iter *it = iter_open(m->side->engine, m->txn, &options);
    int status = iter_seek(it, options.lower), left = (int)random_below(random, 300);
    while (status == OK && left-- > 0)
        status = iter_next(it);
    iter_close(it);
    return status == END ? OK : status;
}

// What a transaction does: reads rows, facts and ranges, and goes on past what it has to wait for.
static int attempt_mix(struct mixed *m)
{
    struct random random = {m->seed};
    uint32_t steps = (uint32_t)random_below(&random, 2000);
    unsigned walks = (unsigned)random_below(&random, 2) * 400, facts = m->seed % 3 == 0 ? 0 : 3;
    int result = OK;
    txn_begin(m->txn);
    for (uint32_t i = 0; i < steps; i++) {
        char key[KEY_LEN];
        struct row row;
        struct fact fact;
        struct slice k = key_at((uint32_t)random_below(&random, m->side->keys), key);
        int status;
        if (walks > 0 && random_below(&random, walks) == 0)
            status = walk_a_little(m, &random);
        else if (random_below(&random, 4) < facts)
            status = txn_get_fact(m->txn, k, &fact);
        else
            status = txn_get(m->txn, k, &row);
        if (status < 0)
            return status;
        if (status == WAIT)
            result = WAIT;
    }
    return result;
}

static void run_mix(struct txn *t, void *arg)
{
    struct mixed *m = arg;
    cr_assert_lt(m->attempts++, 10000, "seed %llu goes on for ever", (unsigned long long)m->seed);
    m->status = attempt_mix(m);
    if (m->status == WAIT)
        txn_wait(t, run_mix, m);
    else
        txn_reset(t);
}

Test(txn, any_mix_of_reads_ends_at_any_budget)
{
    enum { COMMANDS = 5 };
    int ended_well = 0, refused = 0;
    for (uint64_t seed = 60; seed < 70; seed++) {
        struct side s;
        side_open(&s, seed, 5000);
        s.value_max = VALUE_MAX;
        side_write_all(&s);
        cr_assert_eq(engine_blocking_flush(s.engine), OK);
        s.engine->options.memory_budget = (64ull << 10) << random_below(&s.random, 7);
        cache_set_capacity(s.engine->cache, random_below(&s.random, 4) * (32 << 10));
        struct mixed mixed[COMMANDS] = {0};
        for (int i = 0; i < COMMANDS; i++) {
            mixed[i] = (struct mixed){&s, txn_new(s.engine), random_next(&s.random), 0, WAIT};
            run_mix(mixed[i].txn, &mixed[i]);
        }
        for (int i = 0; i < COMMANDS;) {
            engine_turn_end(s.engine);
            if (mixed[i].status != WAIT)
                i++;
            else
                cr_assert(sim_exec_drive(s.exec), "seed %llu: nobody will call back",
                    (unsigned long long)mixed[i].seed);
        }
        for (int i = 0; i < COMMANDS; i++) {
            cr_assert(mixed[i].status == OK || mixed[i].status == NO_MEMORY);
            ended_well += mixed[i].status == OK;
            refused += mixed[i].status == NO_MEMORY;
            txn_free(mixed[i].txn);
        }
        cr_assert_eq(s.engine->pins.used, 0);
        cr_assert_eq(cache_pinned_bytes(s.engine->cache), 0);
        side_close(&s);
    }
    cr_assert(ended_well > 5 && refused > 5, "%d ended well, %d were refused", ended_well, refused);
}

// Server-like: many commands parked at once, each wanting more than its share.
struct client {
    struct side *side;
    struct txn *txn;
    uint32_t keys[600];
    int attempts;
    bool done;
};

static void run_client(struct txn *t, void *arg)
{
    struct client *c = arg;
    cr_assert_lt(c->attempts++, 3000);
    if (attempt(c->side, c->txn, c->keys, 600) == WAIT) {
        txn_wait(c->txn, run_client, c);
    } else {
        c->done = true;
        txn_reset(c->txn);
    }
}

Test(txn, many_large_reads_at_once_all_finish)
{
    enum { CLIENTS = 12 };
    struct side s;
    side_open(&s, 44, 8000);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    s.engine->options.memory_budget = 1200 << 10; // softly, the rows of two clients
    cache_set_capacity(s.engine->cache, 64 << 10);
    struct client clients[CLIENTS] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].side = &s;
        clients[i].txn = txn_new(s.engine);
        for (int k = 0; k < 600; k++)
            clients[i].keys[k] = (uint32_t)random_below(&s.random, s.keys);
        run_client(clients[i].txn, &clients[i]);
    }
    for (int i = 0; i < CLIENTS;) {
        engine_turn_end(s.engine);
        if (clients[i].done)
            i++;
        else
            cr_assert(sim_exec_drive(s.exec));
    }
    for (int i = 0; i < CLIENTS; i++)
        txn_free(clients[i].txn);
    cr_assert_eq(s.engine->pins.used, 0);
    side_close(&s);
}

Test(txn, a_read_that_fails_fails_its_command_only)
{
    struct side s;
    side_open(&s, 45, 500);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    sim_env_set_cold_percent(s.env, 100);
    sim_exec_settle(s.exec);
    sim_env_fail(s.env, SIM_READ, ".sst", 0, UINT64_MAX, IO);
    struct txn *t = txn_new(s.engine);
    struct row row;
    char key[KEY_LEN];
    cr_assert_eq(txn_get(t, key_at(7, key), &row), WAIT);
    wait_txn(&s, t);
    txn_begin(t);
    cr_assert_eq(txn_get(t, key_at(7, key), &row), IO);
    txn_reset(t);
    sim_env_heal(s.env);
    uint32_t keys[] = {7, 8, 9};
    read_keys(&s, t, keys, 3);
    txn_free(t);
    side_close(&s);
}

Test(txn, freeing_cancels_what_is_waited_for)
{
    struct side s;
    side_open(&s, 46, 500);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    sim_env_set_cold_percent(s.env, 100);
    int calls = 0;
    for (int i = 0; i < 20; i++) {
        struct txn *t = txn_new(s.engine);
        struct row row;
        char key[KEY_LEN];
        if (txn_get(t, key_at((uint32_t)i * 20, key), &row) == WAIT)
            txn_wait(t, called, &calls);
        for (int step = 0; step < i % 4; step++)
            sim_exec_step(s.exec);
        int before = calls;
        txn_free(t);
        sim_exec_settle(s.exec);
        cr_assert_eq(calls, before);
    }
    cr_assert_eq(s.engine->pins.used, 0);
    cr_assert_eq(cache_pinned_bytes(s.engine->cache), 0);
    side_close(&s);
}

Test(txn, what_was_prefetched_is_there)
{
    struct side s;
    side_open(&s, 47, 500);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    sim_env_set_cold_percent(s.env, 100);
    char key[KEY_LEN];
    for (int i = 0; i < 8; i++) { // filter and index, then the block, of every level
        engine_prefetch(s.engine, key_at(100, key));
        sim_exec_settle(s.exec);
    }
    struct txn *t = txn_new(s.engine);
    struct row row;
    int status = txn_get(t, key_at(100, key), &row);
    check_row(&s, s.cells, 100, status, &row);
    txn_free(t);
    side_close(&s);
}
