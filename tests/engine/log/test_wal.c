#include <criterion/criterion.h>

#include <stdio.h>

#include "base/coding.h"
#include "base/random.h"
#include "engine/log/segment.h"
#include "engine/log/wal.h"
#include "tests/sim/sim_env.h"
#include "tests/sim/sim_exec.h"

enum { SEGMENT_SIZE = 64 * 1024 };

struct fixture {
    struct sim_env *sim;
    struct sim_exec *exec;
    struct wal *wal;
    uint64_t next_number;
    uint64_t seq;
    unsigned progress;
};

static uint64_t new_number(void *arg)
{
    return ((struct fixture *)arg)->next_number++;
}

static void on_progress(void *arg)
{
    ((struct fixture *)arg)->progress++;
}

static void set_up(struct fixture *f, uint64_t seed, enum fsync_policy policy)
{
    *f = (struct fixture){.sim = sim_env_new(seed), .next_number = 1};
    f->exec = sim_exec_new(f->sim, seed);
    struct wal_options options = {
        .env = sim_env_env(f->sim),
        .exec = sim_exec_exec(f->exec),
        .dir = ".",
        .fsync = policy,
        .lineage = {.timeline = 1},
        .segment_size = SEGMENT_SIZE,
        .new_number = new_number,
        .on_progress = on_progress,
        .arg = f,
    };
    cr_assert_eq(wal_open(&options, 0, &f->wal, NULL), OK);
    sim_exec_settle(f->exec);
}

static void tear_down(struct fixture *f)
{
    if (f->wal != NULL)
        wal_close(f->wal, NULL);
    cr_assert_eq(sim_exec_jobs(f->exec), 0);
    cr_assert_eq(sim_env_open_files(f->sim), 0);
    sim_exec_free(f->exec);
    sim_env_free(f->sim);
}

// A batch whose contents follow from its seq. size: of the payload, at least 8.
static int append(struct fixture *f, size_t size)
{
    int status = wal_reserve(f->wal, size);
    if (status != OK)
        return status;
    uint8_t *payload = malloc(size);
    uint64_t seq = ++f->seq;
    memset(payload, (int)(seq & 0xff), size);
    put_le64(payload, seq);
    wal_append(f->wal, seq, seq, slice_of(payload, size));
    free(payload);
    return OK;
}

// Reads all segments as recovery does: the last seq of an unbroken sequence from 1 on. damaged:
// some segment said CORRUPT.
static uint64_t recover(struct sim_env *sim, uint64_t first, uint64_t next_number, bool *damaged)
{
    uint64_t last = 0;
    bool ended = false;
    *damaged = false;
    for (uint64_t n = first; n < next_number; n++) {
        char path[64];
        snprintf(path, sizeof path, "./%llu.log", (unsigned long long)n);
        struct segment_reader r;
        int status = segment_open(&r, sim_env_env(sim), path, LOG_MAGIC, n, UINT64_MAX, NULL);
        if (status == NOT_FOUND)
            continue;
        cr_assert_eq(status, OK);
        if (ended && segment_has_proof(&r))
            *damaged = true;
        struct segment_record record;
        bool torn = false;
        while (!ended && (status = segment_next(&r, path, &record, &torn, NULL)) == OK) {
            cr_assert_eq(get_le64(record.payload.data), record.seq);
            for (size_t i = 8; i < record.payload.len; i++)
                cr_assert_eq(record.payload.data[i], record.seq & 0xff);
            // what an earlier segment has lost: all behind it is discarded
            if (record.seq != last + 1) {
                ended = true;
                break;
            }
            last = record.seq;
        }
        *damaged = *damaged || status == CORRUPT;
        ended = ended || torn;
        segment_close(&r);
    }
    return last;
}

Test(wal, everysec_writes_in_the_turn_and_syncs_within_a_second)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC);
    uint64_t writes = sim_env_count(f.sim, SIM_WRITE), syncs = sim_env_count(f.sim, SIM_SYNC);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(append(&f, 100), OK);
    cr_assert_eq(wal_durable_seq(f.wal), 0);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 5);
    cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes + 1, "one write a turn");
    wal_turn_end(f.wal);
    cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes + 1);
    cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs);
    sim_exec_run_for(f.exec, 1100);
    cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs + 2, "the batches, then their proof");
    cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes + 2);
    sim_exec_run_for(f.exec, 5000);
    cr_assert_eq(
        sim_env_count(f.sim, SIM_SYNC), syncs + 2, "nothing is synced when nothing was written");
    cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes + 2);
    tear_down(&f);
}

Test(wal, no_never_syncs)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_NO);
    uint64_t syncs = sim_env_count(f.sim, SIM_SYNC);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 1);
    sim_exec_run_for(f.exec, 5000);
    cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs);
    tear_down(&f);
}

Test(wal, always_syncs_before_it_is_durable_and_collects_meanwhile)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_ALWAYS);
    uint64_t syncs = sim_env_count(f.sim, SIM_SYNC);
    sim_exec_hold(f.exec, LANE_LOG, true);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    for (unsigned turn = 0; turn < 10; turn++) {
        cr_assert_eq(append(&f, 100), OK);
        wal_turn_end(f.wal);
    }
    sim_exec_settle(f.exec);
    cr_assert_eq(wal_durable_seq(f.wal), 0);
    sim_exec_hold(f.exec, LANE_LOG, false);
    while (wal_durable_seq(f.wal) == 0)
        cr_assert(sim_exec_step(f.exec));
    cr_assert_eq(wal_durable_seq(f.wal), 1);
    cr_assert_eq(f.progress, 2, "the segment made ahead, and the group");
    sim_exec_settle(f.exec);
    cr_assert_eq(wal_durable_seq(f.wal), 11);
    cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs + 2, "ten turns went out as one group");
    tear_down(&f);
}

Test(wal, a_late_sync_sends_writes_to_the_lane)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    sim_exec_hold(f.exec, LANE_LOG, true);
    sim_exec_run_for(f.exec, 1100); // the sync is submitted
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 2, "a sync that just began does not hold writes up");
    sim_exec_run_for(f.exec, 1100);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 2, "a late one does");
    sim_exec_hold(f.exec, LANE_LOG, false);
    sim_exec_settle(f.exec);
    cr_assert_eq(wal_durable_seq(f.wal), 4);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 5, "back on the loop");
    tear_down(&f);
}

Test(wal, large_values_are_sealed_by_the_lane)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC);
    int status = append(&f, 3 << 20);
    cr_assert_eq(status, WAIT, "the segment has to grow first");
    sim_exec_settle(f.exec);
    cr_assert_eq(append(&f, 3 << 20), OK);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 0);
    sim_exec_settle(f.exec);
    cr_assert_eq(wal_durable_seq(f.wal), 2);
    bool damaged;
    cr_assert_eq(recover(f.sim, 1, f.next_number, &damaged), 2);
    tear_down(&f);
}

Test(wal, a_failed_write_or_sync_is_the_end)
{
    struct {
        enum sim_op op;
        enum fsync_policy policy;
    } cases[] = {{SIM_WRITE, FSYNC_EVERYSEC}, {SIM_WRITE, FSYNC_ALWAYS}, {SIM_SYNC, FSYNC_ALWAYS},
        {SIM_SYNC, FSYNC_EVERYSEC}};
    for (unsigned i = 0; i < 4; i++) {
        struct fixture f;
        set_up(&f, 1, cases[i].policy);
        cr_assert_eq(append(&f, 100), OK);
        wal_turn_end(f.wal);
        sim_exec_run_for(f.exec, 1500);
        cr_assert_eq(wal_durable_seq(f.wal), 1);
        sim_env_fail(f.sim, cases[i].op, ".log", 0, 1, IO);
        cr_assert_eq(append(&f, 100), OK);
        wal_turn_end(f.wal);
        bool known_at_once = cases[i].op == SIM_WRITE && cases[i].policy == FSYNC_EVERYSEC;
        cr_assert_eq(wal_status(f.wal, NULL), known_at_once ? IO : OK);
        unsigned progress = f.progress;
        sim_exec_run_for(f.exec, 1500);
        struct error err = {0};
        cr_assert_eq(wal_status(f.wal, &err), IO);
        cr_assert_neq(err.text[0], '\0');
        cr_assert_eq(f.progress > progress, !known_at_once, "the owner is told");
        cr_assert_eq(wal_durable_seq(f.wal),
            cases[i].policy == FSYNC_EVERYSEC && cases[i].op == SIM_SYNC ? 2 : 1);
        cr_assert_eq(append(&f, 100), READ_ONLY);
        sim_env_heal(f.sim);
        uint64_t syncs = sim_env_count(f.sim, SIM_SYNC), writes = sim_env_count(f.sim, SIM_WRITE);
        sim_exec_run_for(f.exec, 5000);
        cr_assert_eq(append(&f, 100), READ_ONLY);
        cr_assert_eq(wal_close(f.wal, NULL), IO);
        f.wal = NULL;
        cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs, "nothing is tried again");
        cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes);
        tear_down(&f);
    }
}

Test(wal, rotation_and_release)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC);
    struct wal_stats stats;
    uint64_t number;
    cr_assert_eq(append(&f, 100), OK);
    cr_assert_eq(wal_rotate(f.wal, &number), OK);
    cr_assert_eq(number, wal_segment_number(f.wal));
    cr_assert_eq(wal_rotate(f.wal, &number), WAIT, "the next one is not there yet");
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 2);
    sim_exec_settle(f.exec);
    bool damaged;
    cr_assert_eq(recover(f.sim, 1, f.next_number, &damaged), 2);
    wal_get_stats(f.wal, &stats);
    cr_assert_eq(stats.segments, 2);
    wal_release(f.wal, number);
    sim_exec_settle(f.exec);
    wal_get_stats(f.wal, &stats);
    cr_assert_eq(stats.segments, 1);
    struct buf contents = {0};
    cr_assert_eq(sim_env_read_file(f.sim, "./1.log", &contents), NOT_FOUND);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 3);
    buf_release(&contents);
    tear_down(&f);
}

static struct segment_reader sealed_segment(struct fixture *f, uint64_t number)
{
    char path[64];
    struct segment_reader r;
    struct segment_record record;
    bool torn;
    snprintf(path, sizeof path, "./%llu.log", (unsigned long long)number);
    cr_assert_eq(
        segment_open(&r, sim_env_env(f->sim), path, LOG_MAGIC, number, UINT64_MAX, NULL), OK);
    while (segment_next(&r, path, &record, &torn, NULL) == OK)
        ;
    segment_close(&r);
    cr_assert(r.sealed);
    return r;
}

Test(wal, a_segment_that_is_left_is_sealed_in_the_same_write)
{
    for (int policy = FSYNC_ALWAYS; policy <= FSYNC_NO; policy++) {
        struct fixture f;
        uint64_t number;
        set_up(&f, 1, (enum fsync_policy)policy);
        cr_assert_eq(append(&f, 100), OK);
        uint64_t writes = sim_env_count(f.sim, SIM_WRITE);
        cr_assert_eq(wal_rotate(f.wal, &number), OK);
        wal_turn_end(f.wal);
        while (wal_durable_seq(f.wal) < 1)
            cr_assert(sim_exec_step(f.exec));
        struct segment_reader r = sealed_segment(&f, 1);
        cr_assert(r.seal.next == number && r.seal.last_seq == 1);
        sim_exec_settle(f.exec); // the header of the segment made ahead is a write, too
        cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes + 2);
        tear_down(&f);
    }
}

// What lies before the end of segment `number`: is all of it proven?
static bool is_proven(struct fixture *f, uint64_t number)
{
    char path[64];
    struct segment_reader r;
    struct segment_record record;
    bool torn;
    uint64_t end = SEGMENT_HEADER_SIZE;
    snprintf(path, sizeof path, "./%llu.log", (unsigned long long)number);
    cr_assert_eq(
        segment_open(&r, sim_env_env(f->sim), path, LOG_MAGIC, number, UINT64_MAX, NULL), OK);
    while (segment_next(&r, path, &record, &torn, NULL) == OK)
        end = record.offset + segment_record_size(record.payload.len);
    segment_close(&r);
    return r.proven >= end;
}

Test(wal, a_rest_leaves_a_synced_proof_and_is_written_once)
{
    for (int policy = FSYNC_ALWAYS; policy <= FSYNC_EVERYSEC; policy++) {
        struct fixture f;
        uint64_t number;
        set_up(&f, 3, (enum fsync_policy)policy);
        for (unsigned round = 0; round < 3; round++) {
            cr_assert_eq(append(&f, 100), OK);
            if (round == 1)
                cr_assert_eq(wal_rotate(f.wal, &number), OK); // the old end is proven by the new
            wal_turn_end(f.wal);
            sim_exec_run_for(f.exec, 1500);
            cr_assert(is_proven(&f, wal_segment_number(f.wal)));
            uint64_t writes = sim_env_count(f.sim, SIM_WRITE);
            sim_exec_run_for(f.exec, 5000);
            cr_assert_eq(sim_env_count(f.sim, SIM_WRITE), writes, "none while idle");
            cr_assert_eq(sim_exec_timers(f.exec), 0);
        }
        wal_abandon(f.wal);
        f.wal = NULL;
        sim_env_crash(f.sim); // it is synced
        cr_assert(is_proven(&f, number));
        tear_down(&f);
    }
}

Test(wal, writers_are_not_held_up_by_proofs)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_ALWAYS);
    sim_exec_settle(f.exec);
    uint64_t syncs = sim_env_count(f.sim, SIM_SYNC);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(append(&f, 100), OK);
        wal_turn_end(f.wal);
        sim_exec_run_for(f.exec, 100);
    }
    cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs + 100, "no rest, no proof");
    tear_down(&f);
}

Test(wal, a_clean_end_proves_everything)
{
    for (int policy = FSYNC_ALWAYS; policy <= FSYNC_NO; policy++) {
        struct fixture f;
        set_up(&f, 1, (enum fsync_policy)policy);
        cr_assert_eq(append(&f, 100), OK);
        cr_assert_eq(wal_close(f.wal, NULL), OK);
        f.wal = NULL;
        sim_env_crash(f.sim); // it is synced
        struct segment_reader r = sealed_segment(&f, 1);
        cr_assert(r.seal.next == 0 && r.seal.last_seq == 1 && r.proven == r.seal_offset);
        tear_down(&f);
    }
}

Test(wal, there_is_always_room_for_the_seal)
{
    struct fixture f;
    uint64_t number;
    set_up(&f, 1, FSYNC_EVERYSEC);
    sim_env_set_disk_size(f.sim, sim_env_disk_used(f.sim));
    while (append(&f, 8) != NO_SPACE) {
        wal_turn_end(f.wal);
        sim_exec_settle(f.exec);
    }
    cr_assert_eq(wal_rotate(f.wal, &number), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(sealed_segment(&f, 1).seal.last_seq, f.seq);
    tear_down(&f);
}

// What a seal waits in when all before it has been flushed.
Test(wal, a_segment_is_not_unlinked_before_its_seal_is_written)
{
    struct fixture f;
    uint64_t number;
    set_up(&f, 1, FSYNC_EVERYSEC);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_rotate(f.wal, &number), OK);
    wal_release(f.wal, number);
    sim_exec_settle(f.exec);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    sim_exec_settle(f.exec);
    cr_assert_eq(wal_durable_seq(f.wal), 2);
    struct buf contents = {0};
    cr_assert_eq(sim_env_read_file(f.sim, "./1.log", &contents), NOT_FOUND);
    tear_down(&f);
}

Test(wal, a_full_disk_refuses_what_does_not_fit_and_recovers)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC);
    sim_env_set_disk_size(f.sim, sim_env_disk_used(f.sim));
    int status;
    for (unsigned i = 0; i < 1000; i++) {
        status = append(&f, 1000);
        wal_turn_end(f.wal);
        if (status == NO_SPACE)
            break;
        sim_exec_settle(f.exec);
    }
    cr_assert_eq(status, NO_SPACE);
    cr_assert_eq(wal_status(f.wal, NULL), OK);
    cr_assert_geq(f.seq, 50, "the segment is used to its end");
    sim_exec_run_for(f.exec, 3000);
    cr_assert_eq(append(&f, 1000), NO_SPACE);
    sim_env_set_disk_size(f.sim, UINT64_MAX);
    sim_exec_run_for(f.exec, 1500);
    cr_assert_eq(append(&f, 1000), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), f.seq);
    tear_down(&f);
}

Test(wal, the_next_segment_comes_when_space_does)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_EVERYSEC);
    uint64_t number;
    sim_env_set_disk_size(f.sim, sim_env_disk_used(f.sim));
    cr_assert_eq(wal_rotate(f.wal, &number), OK);
    sim_exec_run_for(f.exec, 3000);
    cr_assert_eq(wal_rotate(f.wal, &number), NO_SPACE);
    cr_assert_eq(append(&f, 100), OK);
    sim_env_set_disk_size(f.sim, UINT64_MAX);
    sim_exec_run_for(f.exec, 1500);
    cr_assert_eq(wal_rotate(f.wal, &number), OK);
    tear_down(&f);
}

Test(wal, the_policy_can_change_at_any_time)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_NO);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    uint64_t syncs = sim_env_count(f.sim, SIM_SYNC);
    wal_set_fsync(f.wal, FSYNC_ALWAYS);
    sim_exec_settle(f.exec);
    cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs + 1, "what was written before is synced");
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 1);
    wal_set_fsync(f.wal, FSYNC_EVERYSEC);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_durable_seq(f.wal), 1, "order is kept behind the job");
    sim_exec_settle(f.exec);
    cr_assert_eq(wal_durable_seq(f.wal), 3);
    tear_down(&f);
}

Test(wal, adopted_segments_are_synced_and_released)
{
    struct fixture f;
    set_up(&f, 1, FSYNC_ALWAYS);
    cr_assert_eq(append(&f, 100), OK);
    wal_turn_end(f.wal);
    cr_assert_eq(wal_close(f.wal, NULL), OK);
    struct wal_options options = {.env = sim_env_env(f.sim),
        .exec = sim_exec_exec(f.exec),
        .dir = ".",
        .lineage = {.timeline = 1},
        .segment_size = SEGMENT_SIZE,
        .new_number = new_number,
        .arg = &f};
    cr_assert_eq(wal_open(&options, 1, &f.wal, NULL), OK);
    cr_assert_eq(wal_durable_seq(f.wal), 1);
    uint64_t syncs = sim_env_count(f.sim, SIM_SYNC);
    cr_assert_eq(wal_adopt(f.wal, 1, 200, NULL), OK);
    cr_assert_eq(sim_env_count(f.sim, SIM_SYNC), syncs + 1);
    wal_release(f.wal, wal_segment_number(f.wal));
    sim_exec_settle(f.exec);
    struct buf contents = {0};
    cr_assert_eq(sim_env_read_file(f.sim, "./1.log", &contents), NOT_FOUND);
    buf_release(&contents);
    tear_down(&f);
}

// Random sizes, turns, rotations, policies and slow lanes; the power goes at a random operation.
// What was durable under `always` is there, what is there is whole and in order, and nothing of it
// looks like damage.
static void run_until_the_power_goes(struct fixture *f, struct random *random, uint64_t *promised)
{
    for (unsigned step = 0; step < 400 && !sim_env_power_is_gone(f->sim); step++) {
        uint64_t what = random_below(random, 20), number;
        if (what < 10)
            append(f, 8 + random_below(random, what == 0 ? 20000 : 300));
        else if (what < 13)
            wal_turn_end(f->wal);
        else if (what < 18)
            sim_exec_step(f->exec);
        else if (what == 18)
            sim_exec_run_for(f->exec, random_below(random, 1500));
        else
            wal_rotate(f->wal, &number);
        if (wal_status(f->wal, NULL) == OK)
            *promised = wal_durable_seq(f->wal);
    }
}

Test(wal, a_power_cut_loses_nothing_that_was_promised, .timeout = 240)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct random random = {seed};
        enum fsync_policy policy = (enum fsync_policy)(seed % 3);
        struct fixture f;
        set_up(&f, seed, policy);
        sim_exec_set_run_us(f.exec, LANE_LOG, 3000);
        sim_env_crash_at(f.sim, sim_env_operations(f.sim) + random_below(&random, 60));
        uint64_t promised = 0, written = 0;
        run_until_the_power_goes(&f, &random, &promised);
        written = f.seq;
        sim_env_crash_at(f.sim, UINT64_MAX);
        wal_close(f.wal, NULL);
        f.wal = NULL;
        sim_env_crash(f.sim);
        bool damaged;
        uint64_t last = recover(f.sim, 1, f.next_number, &damaged);
        cr_assert_not(damaged, "seed %llu", (unsigned long long)seed);
        cr_assert_leq(last, written);
        if (policy == FSYNC_ALWAYS)
            cr_assert_geq(last, promised, "seed %llu", (unsigned long long)seed);
        tear_down(&f);
    }
}

Test(wal, without_a_power_cut_everything_written_is_there, .timeout = 240)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random = {seed};
        struct fixture f;
        set_up(&f, seed, (enum fsync_policy)(seed % 3));
        uint64_t promised = 0;
        run_until_the_power_goes(&f, &random, &promised);
        bool damaged;
        cr_assert_geq(recover(f.sim, 1, f.next_number, &damaged), promised); // as after kill -9
        cr_assert_not(damaged);
        cr_assert_eq(wal_close(f.wal, NULL), OK);
        f.wal = NULL;
        cr_assert_eq(recover(f.sim, 1, f.next_number, &damaged), f.seq);
        cr_assert_not(damaged);
        tear_down(&f);
    }
}
