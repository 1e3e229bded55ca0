#include <criterion/criterion.h>

#include <unistd.h>

#include "os/os.h"

enum { THREADS = 6, MANY = 40 };

static struct {
    uv_loop_t loop;
    struct exec *exec;
    int done;
    char order[MANY + 1];
} world;

static void open_exec(void)
{
    cr_assert_eq(uv_loop_init(&world.loop), 0);
    world.exec = os_exec_new(&world.loop, THREADS, 1);
}

static void close_exec(void)
{
    os_exec_free(world.exec);
    cr_assert_eq(uv_loop_close(&world.loop), 0, "nothing of exec is left in the loop");
}

struct test_job {
    struct job job;
    unsigned sleep_ms;
    char name;
    uint64_t started_us;
    bool inside_submit;
};

static void job_run(struct job *job)
{
    struct test_job *j = (struct test_job *)(void *)job;
    j->started_us = env_now_us(os_env());
    if (j->sleep_ms > 0)
        usleep(j->sleep_ms * 1000);
}

static void job_done(struct job *job)
{
    struct test_job *j = (struct test_job *)(void *)job;
    cr_assert_not(j->inside_submit);
    world.order[world.done++] = j->name;
}

static void submit(struct test_job *j, enum exec_lane lane, unsigned sleep_ms, char name)
{
    *j = (struct test_job){
        .job = {.run = job_run, .done = job_done}, .sleep_ms = sleep_ms, .name = name};
    j->inside_submit = true;
    exec_submit(world.exec, lane, &j->job);
    j->inside_submit = false;
}

TestSuite(exec, .init = open_exec, .fini = close_exec, .timeout = 60);

Test(exec, a_lane_with_one_slot_keeps_the_order)
{
    struct test_job jobs[MANY];
    for (int i = 0; i < MANY; i++)
        submit(&jobs[i], LANE_FILES, i % 7 == 0 ? 2 : 0, (char)('0' + i));
    while (exec_drive(world.exec))
        ;
    cr_assert_eq(world.done, MANY);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(world.order[i], (char)('0' + i));
}

Test(exec, the_log_lane_starts_at_once_when_all_others_are_saturated)
{
    enum { EACH = 8, SLEEP_MS = 40, BOUND_US = 150000 };
    static const enum exec_lane others[] = {LANE_FLUSH, LANE_COMPACTION, LANE_FILES, LANE_READ};
    struct test_job jobs[4 * EACH], log_job;
    uint64_t begin_us = env_now_us(os_env());
    for (int i = 0; i < 4 * EACH; i++)
        submit(&jobs[i], others[i % 4], SLEEP_MS, 'o');
    uint64_t worst_us = 0;
    for (int i = 0; i < 5; i++) {
        int before = world.done;
        uint64_t submitted_us = env_now_us(os_env());
        submit(&log_job, LANE_LOG, 0, 'L');
        while (memchr(world.order + before, 'L', (size_t)(world.done - before)) == NULL)
            cr_assert(exec_drive(world.exec));
        uint64_t waited_us = log_job.started_us - submitted_us;
        worst_us = waited_us > worst_us ? waited_us : worst_us;
    }
    cr_assert_lt(world.done, 4 * EACH, "the others were still busy");
    while (exec_drive(world.exec))
        ;
    cr_assert_geq(
        env_now_us(os_env()) - begin_us, EACH * SLEEP_MS * 1000, "each lane was one job at a time");
    cr_assert_lt(worst_us, BOUND_US, "%llu us", (unsigned long long)worst_us);
    cr_log_info("worst wait of the log lane: %llu us", (unsigned long long)worst_us);
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
    if (--((struct chain *)(void *)job)->left > 0)
        exec_submit(world.exec, LANE_COMPACTION, job);
}

Test(exec, a_job_may_submit_itself_from_done)
{
    struct chain c = {.job = {.run = chain_run, .done = chain_done}, .left = 100};
    exec_submit(world.exec, LANE_COMPACTION, &c.job);
    while (exec_drive(world.exec))
        ;
    cr_assert_eq(c.left, 0);
}

struct test_timer {
    struct exec_timer timer;
    int fired;
};

static void timer_fire(struct exec_timer *timer)
{
    struct test_timer *t = (struct test_timer *)(void *)timer;
    if (t->fired++ == 0)
        exec_timer_start(world.exec, timer, 1);
}

Test(exec, timers_fire_once_a_start)
{
    struct test_timer a = {.timer = {.fire = timer_fire}}, b = {.timer = {.fire = timer_fire}};
    uint64_t begin_us = env_now_us(os_env());
    exec_timer_start(world.exec, &a.timer, 1000000);
    exec_timer_start(world.exec, &a.timer, 20); // instead of the first
    exec_timer_start(world.exec, &b.timer, 10);
    exec_timer_stop(world.exec, &b.timer);
    exec_timer_stop(world.exec, &b.timer);
    while (exec_drive(world.exec))
        ;
    cr_assert_eq(a.fired, 2);
    cr_assert_eq(b.fired, 0);
    uint64_t took_us = env_now_us(os_env()) - begin_us;
    cr_assert(took_us >= 20000 && took_us < 20000000);
}

Test(exec, a_timer_that_still_runs_does_not_outlive_exec)
{
    struct test_timer *a = calloc(1, sizeof *a);
    a->timer.fire = timer_fire;
    exec_timer_start(world.exec, &a->timer, 1000000);
    exec_timer_stop(world.exec, &a->timer);
    exec_timer_start(world.exec, &a->timer, 1000000);
    os_exec_free(world.exec);
    cr_assert_null(a->timer.impl[0]);
    free(a);
    world.exec = NULL;
}

Test(exec, an_idle_exec_lets_the_loop_end)
{
    struct test_job job;
    struct test_timer a = {.timer = {.fire = timer_fire}};
    exec_timer_start(world.exec, &a.timer, 1);
    submit(&job, LANE_READ, 1, 'r');
    cr_assert_eq(uv_run(&world.loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(a.fired, 2);
    cr_assert_eq(world.done, 1);
}
