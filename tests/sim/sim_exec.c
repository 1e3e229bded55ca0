// Jobs and timers are linked through their `impl` words. A job is in one of three rings: waiting
// (one a lane, in order of submission), begun (holds a slot, has not run) and finished (has run,
// holds its slot until its `done`, as on libuv's threadpool, where the loop frees it). Timers are
// in one ring without order: there are few.
#include "tests/sim/sim_exec.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/list.h"
#include "base/random.h"

struct sim_job {
    struct job *job;
    struct list link;
    enum exec_lane lane;
};

struct sim_timer {
    struct exec_timer *timer;
    struct list link;
    uint64_t due_us;
};

struct lane {
    struct list waiting;
    unsigned slots, used, jobs;
    uint64_t run_us_max;
    bool held;
};

struct sim_exec {
    struct exec exec;
    struct sim_env *env;
    struct random random;
    struct lane lanes[LANE_COUNT];
    struct list begun, finished, timers;
    bool in_run, in_callback;
};

static struct sim_exec *sim_of(struct exec *exec)
{
    return (struct sim_exec *)(void *)exec;
}

static unsigned list_count(const struct list *head)
{
    unsigned n = 0;
    for (const struct list *l = head->next; l != head; l = l->next)
        n++;
    return n;
}

static struct list *list_at(const struct list *head, uint64_t i)
{
    struct list *l = head->next;
    while (i-- > 0)
        l = l->next;
    return l;
}

// --- exec.h --------------------------------------------------------------------------------------

static void sim_submit(struct exec *exec, enum exec_lane lane, struct job *job)
{
    struct sim_exec *sim = sim_of(exec);
    ENSURE(!sim->in_run);
    struct sim_job *j = xcalloc(1, sizeof *j);
    j->job = job;
    j->lane = lane;
    list_push_back(&sim->lanes[lane].waiting, &j->link);
    sim->lanes[lane].jobs++;
}

static void forget_timer(struct sim_timer *t)
{
    t->timer->impl[0] = NULL;
    list_remove(&t->link);
    free(t);
}

static void sim_timer_stop(struct exec *exec, struct exec_timer *timer)
{
    ENSURE(!sim_of(exec)->in_run);
    if (timer->impl[0] != NULL)
        forget_timer(timer->impl[0]);
}

static void sim_timer_start(struct exec *exec, struct exec_timer *timer, uint64_t delay_ms)
{
    struct sim_exec *sim = sim_of(exec);
    sim_timer_stop(exec, timer);
    struct sim_timer *t = xcalloc(1, sizeof *t);
    t->timer = timer;
    t->due_us = env_now_us(sim_env_env(sim->env)) + delay_ms * 1000;
    list_push_back(&sim->timers, &t->link);
    timer->impl[0] = t;
}

static bool sim_drive(struct exec *exec)
{
    return sim_exec_drive(sim_of(exec));
}

static const struct exec_ops sim_ops = {
    .submit = sim_submit,
    .timer_start = sim_timer_start,
    .timer_stop = sim_timer_stop,
    .drive = sim_drive,
};

// --- Steps ---------------------------------------------------------------------------------------

static void begin_jobs(struct sim_exec *sim)
{
    for (int i = 0; i < LANE_COUNT; i++) {
        struct lane *lane = &sim->lanes[i];
        while (!lane->held && lane->used < lane->slots && !list_empty(&lane->waiting)) {
            struct list *first = lane->waiting.next;
            list_remove(first);
            list_push_back(&sim->begun, first);
            lane->used++;
        }
    }
}

// The timer that fires next, NULL if there is none.
static struct sim_timer *next_timer(const struct sim_exec *sim)
{
    struct sim_timer *next = NULL;
    for (struct list *l = sim->timers.next; l != &sim->timers; l = l->next) {
        struct sim_timer *t = LIST_ENTRY(l, struct sim_timer, link);
        if (next == NULL || t->due_us < next->due_us)
            next = t;
    }
    return next;
}

static void run_job(struct sim_exec *sim, struct list *link)
{
    struct sim_job *j = LIST_ENTRY(link, struct sim_job, link);
    list_remove(link);
    sim->in_run = true;
    j->job->run(j->job);
    sim->in_run = false;
    uint64_t us_max = sim->lanes[j->lane].run_us_max;
    if (us_max > 0)
        sim_env_advance_us(sim->env, random_below(&sim->random, us_max + 1));
    list_push_back(&sim->finished, link);
}

static void finish_job(struct sim_exec *sim, struct list *link)
{
    struct sim_job *j = LIST_ENTRY(link, struct sim_job, link);
    struct job *job = j->job;
    list_remove(link);
    sim->lanes[j->lane].used--;
    sim->lanes[j->lane].jobs--;
    free(j);
    sim->in_callback = true;
    job->done(job);
    sim->in_callback = false;
}

static void fire_timer(struct sim_exec *sim, struct sim_timer *t)
{
    struct exec_timer *timer = t->timer;
    forget_timer(t);
    sim->in_callback = true;
    timer->fire(timer);
    sim->in_callback = false;
}

// One thing happens. *called: it was a done or a fire.
static bool step(struct sim_exec *sim, bool *called)
{
    ENSURE(!sim->in_run && !sim->in_callback);
    begin_jobs(sim);
    uint64_t begun = list_count(&sim->begun), finished = list_count(&sim->finished);
    struct sim_timer *timer = next_timer(sim);
    bool due = timer != NULL && timer->due_us <= env_now_us(sim_env_env(sim->env));
    uint64_t choices = begun + finished + (due ? 1 : 0);
    *called = false;
    if (choices == 0)
        return false;
    uint64_t choice = random_below(&sim->random, choices);
    *called = choice >= begun;
    if (choice < begun)
        run_job(sim, list_at(&sim->begun, choice));
    else if (choice < begun + finished)
        finish_job(sim, list_at(&sim->finished, choice - begun));
    else
        fire_timer(sim, timer);
    return true;
}

bool sim_exec_step(struct sim_exec *sim)
{
    bool called;
    return step(sim, &called);
}

void sim_exec_settle(struct sim_exec *sim)
{
    while (sim_exec_step(sim))
        ;
}

static void go_to(struct sim_exec *sim, uint64_t us)
{
    uint64_t now = env_now_us(sim_env_env(sim->env));
    if (us > now)
        sim_env_advance_us(sim->env, us - now);
}

bool sim_exec_drive(struct sim_exec *sim)
{
    for (bool called = false; !called;) {
        if (step(sim, &called))
            continue;
        struct sim_timer *timer = next_timer(sim);
        if (timer == NULL)
            return false;
        go_to(sim, timer->due_us);
    }
    return true;
}

void sim_exec_run_for(struct sim_exec *sim, uint64_t ms)
{
    uint64_t end_us = env_now_us(sim_env_env(sim->env)) + ms * 1000;
    for (;;) {
        sim_exec_settle(sim);
        struct sim_timer *timer = next_timer(sim);
        if (timer == NULL || timer->due_us > end_us)
            break;
        go_to(sim, timer->due_us);
    }
    go_to(sim, end_us);
}

// --- The rest ------------------------------------------------------------------------------------

struct sim_exec *sim_exec_new(struct sim_env *env, uint64_t seed)
{
    struct sim_exec *sim = xcalloc(1, sizeof *sim);
    sim->exec.ops = &sim_ops;
    sim->env = env;
    sim->random.state = seed;
    for (int i = 0; i < LANE_COUNT; i++) {
        list_init(&sim->lanes[i].waiting);
        sim->lanes[i].slots = i == LANE_READ ? 4 : 1;
    }
    list_init(&sim->begun);
    list_init(&sim->finished);
    list_init(&sim->timers);
    return sim;
}

void sim_exec_free(struct sim_exec *sim)
{
    if (sim == NULL)
        return;
    ENSURE(sim_exec_jobs(sim) == 0);
    while (!list_empty(&sim->timers))
        forget_timer(LIST_ENTRY(sim->timers.next, struct sim_timer, link));
    free(sim);
}

struct exec *sim_exec_exec(struct sim_exec *sim)
{
    return &sim->exec;
}

void sim_exec_set_slots(struct sim_exec *sim, enum exec_lane lane, unsigned slots)
{
    sim->lanes[lane].slots = slots;
}

void sim_exec_set_run_us(struct sim_exec *sim, enum exec_lane lane, uint64_t us_max)
{
    sim->lanes[lane].run_us_max = us_max;
}

void sim_exec_hold(struct sim_exec *sim, enum exec_lane lane, bool hold)
{
    sim->lanes[lane].held = hold;
}

unsigned sim_exec_jobs(const struct sim_exec *sim)
{
    unsigned n = 0;
    for (int i = 0; i < LANE_COUNT; i++)
        n += sim->lanes[i].jobs;
    return n;
}

unsigned sim_exec_jobs_in(const struct sim_exec *sim, enum exec_lane lane)
{
    return sim->lanes[lane].jobs;
}

unsigned sim_exec_timers(const struct sim_exec *sim)
{
    return list_count(&sim->timers);
}
