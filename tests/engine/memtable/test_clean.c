#include "tests/engine/model_engine.h"

#include "base/hash.h"
#include "engine/state.h"

static void open_keeping(struct side *s, uint64_t seed, uint32_t keys)
{
    struct engine_options options = {
        .memory_budget = 4 << 20, .write_buffer_size = 64 << 10, .block_size = 1024};
    side_open_with(s, seed, keys, &options);
}

Test(clean, a_flushed_row_is_read_without_a_table)
{
    struct side s;
    open_keeping(&s, 7, 200);
    side_write(&s, 100);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    cr_assert_eq(s.engine->memtables.clean.count, 1);
    cr_assert_gt(s.engine->version->levels[0].count, 0);
    struct txn *t = txn_new(s.engine);
    uint64_t found = 0;
    for (uint32_t key = 0; key < s.keys; key++) {
        struct entry entry;
        char bytes[KEY_LEN];
        struct slice k = key_at(key, bytes);
        if (clean_get(&s.engine->memtables.clean, k, hash64(k), &entry) != OK)
            continue;
        struct row row;
        txn_begin(t);
        check_row(&s, s.cells, key, txn_get(t, k, &row), &row);
        found++;
    }
    cr_assert_gt(found, 0);
    cr_assert_eq(s.engine->stats.filter_checks, 0);
    txn_free(t);
    side_close(&s);
}

Test(clean, the_oldest_goes_first_and_nothing_is_lost)
{
    struct side s;
    open_keeping(&s, 8, 300);
    struct txn *t = txn_new(s.engine);
    uint64_t newest = 0;
    for (unsigned round = 0; round < 2 * CLEAN_MAX; round++) {
        side_write(&s, 60);
        cr_assert_eq(engine_blocking_flush(s.engine), OK);
        cr_assert_leq(s.engine->memtables.clean.count, CLEAN_MAX);
        cr_assert_gt(memtable_last_seq(s.engine->memtables.clean.tables[0].memtable), newest);
        newest = memtable_last_seq(s.engine->memtables.clean.tables[0].memtable);
        for (unsigned i = 1; i < s.engine->memtables.clean.count; i++)
            cr_assert_lt(memtable_last_seq(s.engine->memtables.clean.tables[i].memtable),
                memtable_last_seq(s.engine->memtables.clean.tables[i - 1].memtable));
    }
    for (unsigned left = s.engine->memtables.clean.count; left > 0; left--) {
        for (uint32_t key = 0; key < s.keys; key++) {
            char bytes[KEY_LEN];
            struct row row;
            int status = engine_blocking_get(s.engine, t, key_at(key, bytes), &row);
            check_row(&s, s.cells, key, status, &row);
            txn_reset(t);
        }
        clean_trim(&s.engine->memtables.clean, s.engine->memtables.clean.bytes - 1);
        cr_assert_eq(s.engine->memtables.clean.count, left - 1);
    }
    cr_assert_eq(s.engine->memtables.clean.bytes, 0);
    txn_free(t);
    side_close(&s);
}

Test(clean, they_fit_the_memtables_share_of_the_budget)
{
    struct side s;
    open_keeping(&s, 9, 300);
    for (unsigned round = 0; round < 4; round++) {
        side_write(&s, 60);
        cr_assert_eq(engine_blocking_flush(s.engine), OK);
    }
    cr_assert_gt(s.engine->memtables.clean.count, 0);
    engine_set_memory_budget(s.engine, 1024);
    cr_assert_eq(s.engine->memtables.clean.count, 0);
    side_close(&s);
}

Test(clean, the_write_buffer_shrinks_and_grows_with_the_budget)
{
    struct side s;
    open_keeping(&s, 9, 300);
    uint64_t budget = s.engine->options.memory_budget;
    uint64_t before = s.engine->options.write_buffer_size;
    engine_set_memory_budget(s.engine, 1024);
    cr_assert_eq(s.engine->options.write_buffer_size, 128);
    engine_set_memory_budget(s.engine, budget);
    cr_assert_eq(s.engine->options.write_buffer_size, before);
    side_close(&s);
}
