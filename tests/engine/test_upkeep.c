// What follows from a change follows at once: at the end of the turn, or of the job's callback,
// that made the change, without another turn. Time stands still here unless a test lets it pass, so
// a consequence that comes a turn later, or by a timer, does not come at all.
#include "engine/stats.h"
#include "engine/upkeep.h"
#include "tests/engine/model_engine.h"

enum { KEYS = 2000, WRITE_BUFFER = 64 << 10 };

static struct engine_stats stats_of(const struct side *s)
{
    struct engine_stats stats;
    engine_get_stats(s->engine, &stats);
    return stats;
}

static unsigned progress_calls;

static void count_progress(void *arg)
{
    progress_calls++;
}

static void open_side(struct side *s, unsigned level0_file_limit)
{
    struct engine_options options = {
        .memory_budget = 4 << 20,
        .write_buffer_size = WRITE_BUFFER,
        .target_file_size = 1 << 20,
        .level0_file_limit = level0_file_limit,
        .fsync = FSYNC_NO,
        .on_progress = count_progress,
    };
    progress_calls = 0;
    side_open_with(s, 1, KEYS, &options);
    sim_exec_settle(s->exec);
}

// Commits, in one turn, until the active memtable has been frozen.
static void fill_memtable(struct side *s)
{
    static uint8_t value[1000];
    struct txn *t = txn_new(s->engine);
    uint64_t frozen = stats_of(s).memtable_count;
    for (uint32_t i = 0; stats_of(s).memtable_count == frozen; i++) {
        char key[KEY_LEN];
        cr_assert_lt(i, 2 * WRITE_BUFFER / sizeof value);
        txn_begin(t);
        txn_put(t, key_at(i, key), slice_of(value, sizeof value), (struct slice){0}, 0);
        cr_assert_eq(txn_commit(t), OK);
    }
    txn_free(t);
}

static void drive_flush(struct side *s)
{
    uint64_t flushes = stats_of(s).flushes;
    while (stats_of(s).flushes == flushes)
        cr_assert(sim_exec_step(s->exec));
}

// The owner may be gone by then.
Test(upkeep, nobody_is_told_of_progress_while_the_engine_is_closed)
{
    struct side s;
    open_side(&s, 4);
    engine_set_fsync(s.engine, FSYNC_ALWAYS);
    fill_memtable(&s);
    engine_turn_end(s.engine); // jobs of the log and of a flush are under way
    unsigned told = progress_calls;
    side_close(&s);
    cr_assert_eq(progress_calls, told);
}

Test(upkeep, a_frozen_memtable_is_flushed_from_the_end_of_its_turn)
{
    struct side s;
    open_side(&s, 4);
    fill_memtable(&s);
    cr_assert(!stats_of(&s).flush_running); // not inside the commit
    engine_turn_end(s.engine);
    cr_assert(stats_of(&s).flush_running);
    side_close(&s);
}

Test(upkeep, a_flush_that_fills_level_0_begins_the_compaction_itself)
{
    struct side s;
    open_side(&s, 2);
    for (unsigned i = 0; i < 2; i++) {
        fill_memtable(&s);
        engine_turn_end(s.engine);
        cr_assert(!stats_of(&s).compaction_running);
        drive_flush(&s);
        sim_exec_settle(s.exec); // the next segment is made
    }
    cr_assert_eq(stats_of(&s).flushes, 2);
    cr_assert(stats_of(&s).compaction_running || stats_of(&s).compactions > 0);
    side_close(&s);
}

Test(upkeep, one_flush_begins_the_next)
{
    struct side s;
    open_side(&s, 100);
    sim_exec_hold(s.exec, LANE_FLUSH, true);
    for (unsigned i = 0; i < 2; i++) {
        fill_memtable(&s);
        engine_turn_end(s.engine);
        sim_exec_settle(s.exec);
    }
    sim_exec_hold(s.exec, LANE_FLUSH, false);
    sim_exec_settle(s.exec);
    cr_assert_eq(stats_of(&s).flushes, 2);
    side_close(&s);
}

static void note_ready(struct txn *txn, void *arg)
{
    *(bool *)arg = true;
}

// Nobody ends a turn: the flush's own callback wakes who waits.
Test(upkeep, who_waits_for_room_is_woken_by_the_flush)
{
    static uint8_t value[1000];
    struct side s;
    open_side(&s, 100);
    sim_exec_hold(s.exec, LANE_FLUSH, true);
    struct txn *t = txn_new(s.engine);
    int status = OK;
    for (uint32_t i = 0; status == OK; i++) {
        char key[KEY_LEN];
        cr_assert_lt(i, 100000);
        txn_begin(t);
        txn_put(t, key_at(i, key), slice_of(value, sizeof value), (struct slice){0}, 0);
        status = txn_commit(t);
        engine_turn_end(s.engine);
        sim_exec_settle(s.exec);
    }
    cr_assert_eq(status, WAIT);
    bool ready = false;
    txn_wait(t, note_ready, &ready);
    sim_exec_settle(s.exec);
    cr_assert(!ready);
    sim_exec_hold(s.exec, LANE_FLUSH, false);
    sim_exec_settle(s.exec);
    cr_assert(ready);
    cr_assert_eq(txn_commit(t), OK);
    txn_free(t);
    side_close(&s);
}

// A file system that takes for ever to unlink: nobody waits for it but closing.
Test(upkeep, slow_unlinks_hold_nobody_up)
{
    struct side s;
    open_side(&s, 2);
    sim_exec_hold(s.exec, LANE_UNLINK, true);
    for (unsigned i = 0; i < 20; i++) {
        fill_memtable(&s);
        engine_turn_end(s.engine);
        drive_flush(&s);
        sim_exec_settle(s.exec);
    }
    cr_assert_gt(stats_of(&s).compactions, 0);
    cr_assert_gt(sim_exec_jobs_in(s.exec, LANE_UNLINK), 20);
    cr_assert_eq(sim_exec_jobs_in(s.exec, LANE_FILES), 0);
    sim_exec_hold(s.exec, LANE_UNLINK, false);
    side_close(&s);
}

Test(upkeep, pacing_sees_a_new_version_at_once)
{
    struct side s;
    open_side(&s, 2);
    sim_exec_hold(s.exec, LANE_COMPACTION, true);
    for (unsigned i = 0; i < 3; i++) {
        fill_memtable(&s);
        engine_turn_end(s.engine);
        drive_flush(&s);
        sim_exec_settle(s.exec);
    }
    cr_assert_gt(stats_of(&s).compaction_debt, 2 * WRITE_BUFFER);
    sim_exec_hold(s.exec, LANE_COMPACTION, false);
    sim_exec_settle(s.exec);
    cr_assert_eq(stats_of(&s).compaction_debt, 0);
    side_close(&s);
}

Test(upkeep, a_failure_is_told_once_and_outside_of_the_call)
{
    struct side s;
    open_side(&s, 4);
    unsigned before = progress_calls;
    struct error cause, status;
    error_set(&cause, IO, "./db/1.sst", 0, 0, "a planted failure");
    upkeep_fail(s.engine, &cause);
    upkeep_fail(s.engine, &cause);
    cr_assert_eq(progress_calls, before);
    cr_assert_eq(engine_write_status(s.engine, &status), IO);
    sim_exec_run_for(s.exec, 1);
    cr_assert_eq(progress_calls, before + 1);
    cr_assert_eq(engine_close(s.engine, NULL), IO);
    sim_exec_free(s.exec);
    sim_env_free(s.env);
    free(s.cells);
}
