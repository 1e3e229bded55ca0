// The simulator is trusted by all tests of the engine: here it is shown that it is neither kinder
// nor crueler than its header says.
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/sim/sim_env.h"
#include "tests/sim/sim_exec.h"

enum { SEEDS = 300, LEN = 3000 };

static struct env *machine(struct sim_env **sim, uint64_t seed)
{
    *sim = sim_env_new(seed);
    struct env *env = sim_env_env(*sim);
    cr_assert_eq(env->ops->mkdir(env, "db", NULL), OK);
    cr_assert_eq(env->ops->sync_dir(env, ".", NULL), OK);
    return env;
}

static void write_at(struct env *env, struct file *f, uint64_t offset, char byte, size_t len)
{
    char *text = xmalloc(len);
    memset(text, byte, len);
    struct slice piece = slice_of(text, len);
    cr_assert_eq(env->ops->write(env, f, offset, &piece, 1, NULL), OK);
    free(text);
}

// A file with LEN times `byte`, open; its name is durable.
static struct file *make(struct env *env, const char *path, char byte)
{
    struct file *f;
    cr_assert_eq(env_open(env, path, FILE_CREATE, &f, NULL), OK);
    write_at(env, f, 0, byte, LEN);
    cr_assert_eq(env->ops->sync(env, f, NULL), OK);
    cr_assert_eq(env->ops->sync_dir(env, "db", NULL), OK);
    return f;
}

// The first byte of a file, 0 if it is not there.
static char first_byte(struct sim_env *sim, const char *path)
{
    struct buf b = {0};
    char byte = 0;
    if (sim_env_read_file(sim, path, &b) == OK)
        byte = b.len > 0 ? (char)b.data[0] : '-';
    buf_release(&b);
    return byte;
}

Test(sim_env, synced_bytes_survive_a_power_cut)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_env *sim;
        struct env *env = machine(&sim, seed);
        struct file *f = make(env, "db/a", 'a');
        env_close(env, f);
        sim_env_crash(sim);
        struct buf b = {0};
        cr_assert_eq(sim_env_read_file(sim, "db/a", &b), OK);
        cr_assert_eq(b.len, LEN);
        for (size_t i = 0; i < b.len; i++)
            cr_assert_eq(b.data[i], 'a');
        buf_release(&b);
        sim_env_free(sim);
    }
}

Test(sim_env, unsynced_sectors_are_kept_lost_or_garbled_each_on_its_own)
{
    unsigned all_kept = 0, all_lost = 0, mixed = 0, garbled = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_env *sim;
        struct env *env = machine(&sim, seed);
        struct file *f = make(env, "db/a", 'a');
        write_at(env, f, 0, 'b', LEN);
        env_close(env, f);
        sim_env_crash(sim);
        struct buf b = {0};
        cr_assert_eq(sim_env_read_file(sim, "db/a", &b), OK);
        cr_assert_eq(b.len, LEN, "the size was synced");
        unsigned old = 0, new = 0, other = 0;
        for (size_t i = 0; i < b.len; i++) {
            old += b.data[i] == 'a';
            new += b.data[i] == 'b';
            other += b.data[i] != 'a' && b.data[i] != 'b';
        }
        all_kept += new == LEN;
        all_lost += old == LEN;
        mixed += old > 0 && new > 0;
        garbled += other > 0;
        buf_release(&b);
        sim_env_free(sim);
    }
    cr_assert(all_kept > 10 && all_lost > 10 && mixed > 10 && garbled > 10, "%u %u %u %u", all_kept,
        all_lost, mixed, garbled);
}

Test(sim_env, bytes_that_were_not_rewritten_are_never_touched)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_env *sim;
        struct env *env = machine(&sim, seed);
        struct file *f = make(env, "db/a", 'a');
        write_at(env, f, 100, 'b', 50);
        write_at(env, f, 300, 'c', 10); // same sector, a gap between
        write_at(env, f, 1000, 'd', 600);
        env_close(env, f);
        sim_env_crash(sim);
        struct buf b = {0};
        cr_assert_eq(sim_env_read_file(sim, "db/a", &b), OK);
        for (size_t i = 0; i < b.len; i++) {
            bool written =
                (i >= 100 && i < 150) || (i >= 300 && i < 310) || (i >= 1000 && i < 1600);
            cr_assert(
                written || b.data[i] == 'a', "seed %llu byte %zu", (unsigned long long)seed, i);
        }
        buf_release(&b);
        sim_env_free(sim);
    }
}

Test(sim_env, an_unsynced_size_is_old_new_or_between)
{
    unsigned old = 0, new = 0, between = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_env *sim;
        struct env *env = machine(&sim, seed);
        struct file *f = make(env, "db/a", 'a');
        write_at(env, f, LEN, 'b', LEN);
        env_close(env, f);
        sim_env_crash(sim);
        struct buf b = {0};
        cr_assert_eq(sim_env_read_file(sim, "db/a", &b), OK);
        cr_assert(b.len >= LEN && b.len <= 2 * LEN);
        old += b.len == LEN;
        new += b.len == 2 * LEN;
        between += b.len > LEN && b.len < 2 * LEN;
        buf_release(&b);
        sim_env_free(sim);
    }
    cr_assert(old > 10 && new > 10 && between > 10);
}

Test(sim_env, truncation_and_allocation_read_as_zeros)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, 1);
    struct file *f = make(env, "db/a", 'a');
    cr_assert_eq(env->ops->truncate(env, f, 10, NULL), OK);
    cr_assert_eq(env->ops->allocate(env, f, 100, NULL), OK);
    uint64_t size;
    cr_assert_eq(env->ops->size(env, f, &size, NULL), OK);
    cr_assert_eq(size, 100);
    uint8_t bytes[100];
    cr_assert_eq(env_read_exactly(env, f, "db/a", 0, bytes, 100, NULL), OK);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(bytes[i], i < 10 ? 'a' : 0);
    cr_assert_eq(env_read_exactly(env, f, "db/a", 1, bytes, 100, NULL), CORRUPT);
    env_close(env, f);
    sim_env_free(sim);
}

Test(sim_env, a_creation_may_vanish_until_its_directory_is_synced)
{
    unsigned there = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_env *sim;
        struct env *env = machine(&sim, seed);
        struct file *f;
        cr_assert_eq(env_open(env, "db/a", FILE_CREATE, &f, NULL), OK);
        cr_assert_eq(env->ops->sync(env, f, NULL), OK);
        env_close(env, f);
        sim_env_crash(sim);
        there += first_byte(sim, "db/a") != 0;
        sim_env_free(sim);
    }
    cr_assert(there > 30 && there < SEEDS - 30, "%u", there);
}

// Creates x, renames it over y, unlinks z: which of these are seen after a cut.
static unsigned changes_after_crash(uint64_t seed, enum sim_names names, bool *both)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, seed);
    sim_env_set_names(sim, names);
    env_close(env, make(env, "db/y", 'o'));
    env_close(env, make(env, "db/z", 'z'));
    struct file *f;
    cr_assert_eq(env_open(env, "db/x", FILE_CREATE, &f, NULL), OK);
    write_at(env, f, 0, 'n', LEN);
    cr_assert_eq(env->ops->sync(env, f, NULL), OK);
    env_close(env, f);
    cr_assert_eq(env->ops->rename(env, "db/x", "db/y", NULL), OK);
    cr_assert_eq(env->ops->unlink(env, "db/z", NULL), OK);
    cr_assert_eq(first_byte(sim, "db/y"), 'n');
    sim_env_crash(sim);
    char y = first_byte(sim, "db/y");
    cr_assert(y == 'o' || y == 'n', "a rename leaves the old or the new, seed %llu",
        (unsigned long long)seed);
    *both = first_byte(sim, "db/x") == 'n' && y == 'n';
    unsigned seen = (first_byte(sim, "db/x") != 0 ? 1u : 0) | (y == 'n' ? 2u : 0) |
                    (first_byte(sim, "db/z") == 0 ? 4u : 0);
    sim_env_free(sim);
    return seen;
}

Test(sim_env, an_ordered_disk_performs_a_prefix_of_the_changes)
{
    unsigned count[8] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bool both;
        unsigned seen = changes_after_crash(seed, SIM_NAMES_ORDERED, &both);
        cr_assert(seen == 0 || seen == 1 || seen == 2 || seen == 6, "%u", seen);
        count[seen]++;
    }
    cr_assert(count[0] > 10 && count[1] > 10 && count[2] > 10 && count[6] > 10);
}

Test(sim_env, an_unordered_disk_performs_any_of_the_changes)
{
    unsigned unlink_alone = 0, both_names = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bool both;
        unlink_alone += changes_after_crash(seed, SIM_NAMES_UNORDERED, &both) == 4;
        both_names += both;
    }
    cr_assert(unlink_alone > 10 && both_names > 10);
}

Test(sim_env, a_synced_directory_keeps_its_names)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_env *sim;
        struct env *env = machine(&sim, seed);
        env_close(env, make(env, "db/a", 'a'));
        env_close(env, make(env, "db/b", 'b'));
        cr_assert_eq(env->ops->rename(env, "db/a", "db/c", NULL), OK);
        cr_assert_eq(env->ops->link(env, "db/b", "db/d", NULL), OK);
        cr_assert_eq(env->ops->unlink(env, "db/b", NULL), OK);
        cr_assert_eq(env->ops->sync_dir(env, "db", NULL), OK);
        sim_env_crash(sim);
        cr_assert_eq(first_byte(sim, "db/a"), 0);
        cr_assert_eq(first_byte(sim, "db/b"), 0);
        cr_assert_eq(first_byte(sim, "db/c"), 'a');
        cr_assert_eq(first_byte(sim, "db/d"), 'b');
        struct dir_entry *entries;
        size_t count;
        cr_assert_eq(env->ops->list(env, "db", &entries, &count, NULL), OK);
        cr_assert_eq(count, 2);
        cr_assert_eq(entries[0].size, LEN);
        free(entries);
        sim_env_free(sim);
    }
}

Test(sim_env, a_lost_directory_takes_its_files_along)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim_env *sim = sim_env_new(seed);
        struct env *env = sim_env_env(sim);
        cr_assert_eq(env->ops->mkdir(env, "db", NULL), OK);
        sim_env_set_names(sim, SIM_NAMES_UNORDERED);
        env_close(env, make(env, "db/a", 'a'));
        sim_env_crash(sim);
        struct dir_entry *entries;
        size_t count;
        if (env->ops->list(env, "db", &entries, &count, NULL) == OK) {
            cr_assert_eq(count, 1);
            free(entries);
        } else {
            cr_assert_eq(first_byte(sim, "db/a"), 0);
            lost++;
        }
        sim_env_free(sim);
    }
    cr_assert(lost > 5 && lost < 45);
}

Test(sim_env, the_power_goes_at_the_operation_asked_for)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, 7);
    struct file *f = make(env, "db/a", 'a'), *g;
    sim_env_crash_at(sim, sim_env_operations(sim) + 1);
    write_at(env, f, 0, 'b', 10);
    cr_assert_not(sim_env_power_is_gone(sim));
    struct error err;
    cr_assert_eq(env->ops->sync(env, f, &err), IO);
    cr_assert(sim_env_power_is_gone(sim));
    uint8_t byte;
    size_t got;
    cr_assert_eq(env->ops->read(env, f, 0, &byte, 1, &got, &err), IO);
    cr_assert_eq(env_open(env, "db/a", FILE_READ, &g, &err), IO);
    sim_env_crash(sim);
    cr_assert_eq(
        env->ops->read(env, f, 0, &byte, 1, &got, &err), IO, "handles do not outlive the cut");
    env_close(env, f);
    cr_assert_eq(sim_env_open_files(sim), 0);
    cr_assert_eq(env_open(env, "db/a", FILE_READ, &f, NULL), OK);
    cr_assert_eq(env->ops->read(env, f, 0, &byte, 1, &got, &err), OK);
    env_close(env, f);
    sim_env_free(sim);
}

Test(sim_env, a_copy_is_the_machine_after_the_cut)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, 3);
    env_close(env, make(env, "db/a", 'a'));
    sim_env_crash(sim);
    struct sim_env *copy = sim_env_copy(sim, 99);
    sim_env_write_file(sim, "db/a", slice_cstr("changed"));
    cr_assert_eq(first_byte(copy, "db/a"), 'a');
    cr_assert_eq(first_byte(sim, "db/a"), 'c');
    sim_env_free(copy);
    sim_env_free(sim);
}

Test(sim_env, faults_hit_the_operation_they_name)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, 3);
    struct file *a = make(env, "db/a.log", 'a'), *b = make(env, "db/b.sst", 'b'), *c;
    struct slice piece = slice_cstr("x");
    struct error err;
    sim_env_fail(sim, SIM_WRITE, ".log", 1, 1, NO_SPACE);
    cr_assert_eq(env->ops->write(env, b, 0, &piece, 1, NULL), OK);
    cr_assert_eq(env->ops->write(env, a, 0, &piece, 1, NULL), OK);
    cr_assert_eq(env->ops->write(env, a, 0, &piece, 1, &err), NO_SPACE);
    cr_assert_str_eq(err.file, "db/a.log");
    cr_assert_eq(env->ops->write(env, a, 0, &piece, 1, NULL), OK);
    sim_env_fail(sim, SIM_OPEN, NULL, 0, UINT64_MAX, IO);
    cr_assert_eq(env_open(env, "db/b.sst", FILE_READ, &c, NULL), IO);
    sim_env_heal(sim);
    cr_assert_eq(env_open(env, "db/b.sst", FILE_READ, &c, NULL), OK);
    env_close(env, a);
    env_close(env, b);
    env_close(env, c);
    sim_env_free(sim);
}

Test(sim_env, what_a_failed_sync_left_out_is_not_written_by_the_next)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim_env *sim;
        struct env *env = machine(&sim, seed);
        struct file *f = make(env, "db/a", 'a');
        write_at(env, f, 0, 'b', 1);
        sim_env_fail(sim, SIM_SYNC, NULL, 0, 1, IO);
        cr_assert_eq(env->ops->sync(env, f, NULL), IO);
        cr_assert_eq(env->ops->sync(env, f, NULL), OK);
        cr_assert_eq(first_byte(sim, "db/a"), 'b');
        env_close(env, f);
        sim_env_crash(sim);
        lost += first_byte(sim, "db/a") == 'a';
        sim_env_free(sim);
    }
    cr_assert(lost > 5 && lost < 45);
}

Test(sim_env, a_full_disk_refuses_growth_and_recovers)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, 5);
    struct file *a = make(env, "db/a", 'a');
    env_close(env, make(env, "db/b", 'b'));
    sim_env_set_disk_size(sim, 2 * LEN + 10);
    struct slice piece = slice_cstr("more than ten bytes");
    uint64_t space;
    cr_assert_eq(env->ops->write(env, a, LEN, &piece, 1, NULL), NO_SPACE);
    cr_assert_eq(env->ops->allocate(env, a, LEN + 11, NULL), NO_SPACE);
    cr_assert_eq(env->ops->write(env, a, 0, &piece, 1, NULL), OK, "overwriting takes no space");
    cr_assert_eq(env->ops->free_space(env, "db", &space, NULL), OK);
    cr_assert_eq(space, 10);
    cr_assert_eq(env->ops->unlink(env, "db/b", NULL), OK);
    cr_assert_eq(env->ops->write(env, a, LEN, &piece, 1, NULL), OK);
    env_close(env, a);
    sim_env_free(sim);
}

Test(sim_env, locks_exclude_until_unlocked_or_cut)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, 5);
    struct file *a, *b;
    cr_assert_eq(env->ops->lock(env, "db/LOCK", &a, NULL), OK);
    cr_assert_eq(env->ops->lock(env, "db/LOCK", &b, NULL), LOCKED);
    env->ops->unlock(env, a);
    cr_assert_eq(env->ops->lock(env, "db/LOCK", &a, NULL), OK);
    sim_env_crash(sim);
    cr_assert_eq(env->ops->lock(env, "db/LOCK", &b, NULL), OK);
    env->ops->unlock(env, a);
    env->ops->unlock(env, b);
    sim_env_free(sim);
}

Test(sim_env, read_nowait_waits_as_often_as_asked)
{
    struct sim_env *sim;
    struct env *env = machine(&sim, 5);
    struct file *f = make(env, "db/a", 'a');
    uint8_t byte;
    for (unsigned percent = 0; percent <= 100; percent += 50) {
        unsigned waits = 0;
        sim_env_set_cold_percent(sim, percent);
        for (int i = 0; i < 200; i++)
            waits += env->ops->read_nowait(env, f, 5, &byte, 1) == WAIT;
        cr_assert(percent == 50 ? waits > 50 && waits < 150 : waits == percent * 2);
    }
    env_close(env, f);
    sim_env_free(sim);
}

// --- exec ----------------------------------------------------------------------------------------

struct trace_job {
    struct job job;
    char name;
};

static struct {
    struct sim_exec *exec;
    char events[256];
    size_t count;
} trace;

static void note(char event)
{
    cr_assert_lt(trace.count + 1, sizeof trace.events);
    trace.events[trace.count++] = event;
    trace.events[trace.count] = '\0';
}

static void job_run(struct job *job)
{
    note(((struct trace_job *)(void *)job)->name);
}

static void job_done(struct job *job)
{
    note((char)(((struct trace_job *)(void *)job)->name - 'a' + 'A'));
}

static struct trace_job *submit(struct trace_job *j, enum exec_lane lane, char name)
{
    *j = (struct trace_job){.job = {.run = job_run, .done = job_done}, .name = name};
    size_t before = trace.count;
    exec_submit(sim_exec_exec(trace.exec), lane, &j->job);
    cr_assert_eq(trace.count, before, "nothing happens inside submit");
    return j;
}

static struct sim_env *new_exec(uint64_t seed)
{
    struct sim_env *env = sim_env_new(seed);
    trace.exec = sim_exec_new(env, seed);
    trace.count = 0;
    trace.events[0] = '\0';
    return env;
}

static void run_three_lanes(uint64_t seed, char *out)
{
    struct sim_env *env = new_exec(seed);
    struct trace_job jobs[9];
    for (int i = 0; i < 3; i++) {
        submit(&jobs[i], LANE_LOG, (char)('a' + i));
        submit(&jobs[3 + i], LANE_FILES, (char)('k' + i));
        submit(&jobs[6 + i], LANE_READ, (char)('r' + i));
    }
    sim_exec_settle(trace.exec);
    cr_assert_eq(sim_exec_jobs(trace.exec), 0);
    cr_assert_eq(trace.count, 18);
    memcpy(out, trace.events, trace.count + 1);
    sim_exec_free(trace.exec);
    sim_env_free(env);
}

static size_t at(const char *events, char event)
{
    const char *p = strchr(events, event);
    cr_assert_not_null(p);
    return (size_t)(p - events);
}

Test(sim_exec, one_slot_means_one_after_the_other_and_the_seed_decides_the_rest)
{
    char events[256], again[256], first[256];
    unsigned log_first = 0, different = 0, reads_out_of_order = 0;
    run_three_lanes(0, first);
    for (uint64_t seed = 0; seed < 100; seed++) {
        run_three_lanes(seed, events);
        run_three_lanes(seed, again);
        cr_assert_str_eq(events, again);
        cr_assert(at(events, 'a') < at(events, 'A') && at(events, 'A') < at(events, 'b'));
        cr_assert(at(events, 'B') < at(events, 'c') && at(events, 'L') < at(events, 'm'));
        log_first += at(events, 'a') < at(events, 'k');
        different += strcmp(events, first) != 0;
        reads_out_of_order += at(events, 's') < at(events, 'r');
    }
    cr_assert(log_first > 20 && log_first < 80 && different > 90 && reads_out_of_order > 20);
}

struct chain {
    struct job job;
    int left;
};

static void chain_run(struct job *job)
{
}

static void chain_done(struct job *job)
{
    struct chain *c = (struct chain *)(void *)job;
    if (--c->left > 0)
        exec_submit(sim_exec_exec(trace.exec), LANE_COMPACTION, job);
}

Test(sim_exec, a_job_submits_itself_again_from_done)
{
    struct sim_env *env = new_exec(1);
    struct chain c = {.job = {.run = chain_run, .done = chain_done}, .left = 5};
    exec_submit(sim_exec_exec(trace.exec), LANE_COMPACTION, &c.job);
    int drives = 0;
    while (exec_drive(sim_exec_exec(trace.exec)))
        drives++;
    cr_assert_eq(drives, 5);
    cr_assert_eq(c.left, 0);
    sim_exec_free(trace.exec);
    sim_env_free(env);
}

Test(sim_exec, a_held_lane_does_not_begin)
{
    struct sim_env *env = new_exec(1);
    struct trace_job a, b;
    sim_exec_hold(trace.exec, LANE_LOG, true);
    submit(&a, LANE_LOG, 'a');
    submit(&b, LANE_FLUSH, 'b');
    sim_exec_settle(trace.exec);
    cr_assert_str_eq(trace.events, "bB");
    cr_assert_eq(sim_exec_jobs_in(trace.exec, LANE_LOG), 1);
    sim_exec_hold(trace.exec, LANE_LOG, false);
    sim_exec_settle(trace.exec);
    cr_assert_str_eq(trace.events, "bBaA");
    sim_exec_free(trace.exec);
    sim_env_free(env);
}

struct trace_timer {
    struct exec_timer timer;
    char name;
};

static void timer_fire(struct exec_timer *timer)
{
    note(((struct trace_timer *)(void *)timer)->name);
}

Test(sim_exec, timers_fire_by_virtual_time)
{
    struct sim_env *env = new_exec(1);
    struct exec *exec = sim_exec_exec(trace.exec);
    struct trace_timer a = {.timer = {.fire = timer_fire}, .name = 'a'},
                       b = {.timer = {.fire = timer_fire}, .name = 'b'},
                       c = {.timer = {.fire = timer_fire}, .name = 'c'};
    int64_t start_ms = env_now_ms(sim_env_env(env));
    exec_timer_start(exec, &a.timer, 1000);
    exec_timer_start(exec, &b.timer, 500);
    exec_timer_start(exec, &c.timer, 200);
    exec_timer_stop(exec, &c.timer);
    exec_timer_stop(exec, &c.timer);
    sim_exec_settle(trace.exec);
    cr_assert_str_eq(trace.events, "");
    cr_assert(exec_drive(exec));
    cr_assert_str_eq(trace.events, "b");
    cr_assert_eq(env_now_ms(sim_env_env(env)), start_ms + 500);
    exec_timer_start(exec, &a.timer, 700); // restarted: later than first asked
    sim_exec_run_for(trace.exec, 699);
    cr_assert_str_eq(trace.events, "b");
    sim_exec_run_for(trace.exec, 1);
    cr_assert_str_eq(trace.events, "ba");
    cr_assert_not(exec_drive(exec));
    sim_exec_free(trace.exec);
    sim_env_free(env);
}

Test(sim_exec, runs_take_the_virtual_time_they_are_given)
{
    struct sim_env *env = new_exec(4);
    struct trace_job a;
    uint64_t start_us = env_now_us(sim_env_env(env));
    sim_exec_set_run_us(trace.exec, LANE_LOG, 5000000);
    submit(&a, LANE_LOG, 'a');
    sim_exec_settle(trace.exec);
    uint64_t took = env_now_us(sim_env_env(env)) - start_us;
    cr_assert(took > 0 && took <= 5000000);
    sim_exec_free(trace.exec);
    sim_env_free(env);
}
