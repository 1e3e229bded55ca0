// exec.h over libuv. libuv's threadpool is one queue, first in first out, for everybody: whoever
// fills it makes all others wait. So exec keeps the queues, one a lane, and gives the pool at most
// as many jobs as it has threads: each job that is given finds a free thread, and a lane's own
// slots are all it can ever wait for. That holds only while nothing else uses the pool.
//
// All of it belongs to the loop; libuv carries the jobs over and back, and there is nothing to
// lock. A slot is what libuv needs to know of one running job. When a job returns, the next of its
// lane is given away before its `done` is called, so that the disk does not wait for the loop.
//
// A timer's memory may go as soon as it is stopped, a uv_timer_t's only after uv_close has called
// back. So exec owns the uv_timer_t's, lends them to timers that run, and keeps the idle ones. An
// idle uv_timer_t is not active and holds no loop open.
//
// Queues and loans live in `impl` of jobs and timers: submitting allocates nothing.
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/list.h"
#include "os/os.h"

struct exec_os;

struct slot {
    uv_work_t work;
    struct exec_os *exec;
    enum exec_lane lane;
    struct job *job;
    struct slot *next_free; // of its lane
};

struct lane {
    struct job *first, *last; // waiting, linked through impl[0]
    struct slot *free_slots;
};

struct loan {
    uv_timer_t uv;
    struct exec_os *exec;
    struct exec_timer *timer; // NULL: idle
    struct loan *next_idle;
    struct loan *next; // all there are
};

struct exec_os {
    struct exec exec;
    uv_loop_t *loop;
    struct lane lanes[LANE_COUNT];
    struct slot *slots; // all, in one block
    struct loan *loans, *idle_loans;
    uint64_t jobs, timers; // under way
    uint64_t calls;        // of done and fire, ever
};

static struct exec_os *exec_of(struct exec *exec)
{
    return (struct exec_os *)(void *)exec;
}

// --- Jobs ----------------------------------------------------------------------------------------

static void exec_job_run(uv_work_t *work)
{
    struct job *job = ((struct slot *)work->data)->job;
    job->run(job);
}

static void exec_job_returned(uv_work_t *work, int status);

static void give_jobs(struct exec_os *e, enum exec_lane lane_number)
{
    struct lane *lane = &e->lanes[lane_number];
    while (lane->first != NULL && lane->free_slots != NULL) {
        struct slot *slot = lane->free_slots;
        lane->free_slots = slot->next_free;
        slot->job = lane->first;
        lane->first = slot->job->impl[0];
        int failed = uv_queue_work(e->loop, &slot->work, exec_job_run, exec_job_returned);
        ENSURE(!failed);
    }
}

static void exec_job_returned(uv_work_t *work, int status)
{
    ENSURE(status == 0); // nobody cancels
    struct slot *slot = work->data;
    struct exec_os *e = slot->exec;
    struct job *job = slot->job;
    slot->next_free = e->lanes[slot->lane].free_slots;
    e->lanes[slot->lane].free_slots = slot;
    give_jobs(e, slot->lane);
    e->jobs--;
    e->calls++;
    job->done(job);
}

static void os_submit(struct exec *exec, enum exec_lane lane_number, struct job *job)
{
    struct exec_os *e = exec_of(exec);
    struct lane *lane = &e->lanes[lane_number];
    job->impl[0] = NULL;
    if (lane->first == NULL)
        lane->first = job;
    else
        lane->last->impl[0] = job;
    lane->last = job;
    e->jobs++;
    give_jobs(e, lane_number);
}

// --- Timers --------------------------------------------------------------------------------------

static struct loan *take_loan(struct exec_os *e)
{
    struct loan *loan = e->idle_loans;
    if (loan != NULL) {
        e->idle_loans = loan->next_idle;
        return loan;
    }
    loan = xcalloc(1, sizeof *loan);
    loan->exec = e;
    int failed = uv_timer_init(e->loop, &loan->uv);
    ENSURE(!failed);
    loan->next = e->loans;
    e->loans = loan;
    return loan;
}

static void return_loan(struct loan *loan)
{
    loan->timer->impl[0] = NULL;
    loan->timer = NULL;
    loan->exec->timers--;
    loan->next_idle = loan->exec->idle_loans;
    loan->exec->idle_loans = loan;
}

static void exec_timer_fired(uv_timer_t *uv)
{
    struct loan *loan = LIST_ENTRY(uv, struct loan, uv);
    struct exec_timer *timer = loan->timer;
    return_loan(loan);
    loan->exec->calls++;
    timer->fire(timer);
}

static void os_timer_stop(struct exec *exec, struct exec_timer *timer)
{
    struct loan *loan = timer->impl[0];
    if (loan == NULL)
        return;
    uv_timer_stop(&loan->uv);
    return_loan(loan);
}

static void os_timer_start(struct exec *exec, struct exec_timer *timer, uint64_t delay_ms)
{
    struct exec_os *e = exec_of(exec);
    os_timer_stop(exec, timer);
    struct loan *loan = take_loan(e);
    loan->timer = timer;
    timer->impl[0] = loan;
    e->timers++;
    // libuv counts from the time it read at the start of the loop's turn, and before the first turn
    // that may be long ago.
    uv_update_time(e->loop);
    uv_timer_start(&loan->uv, exec_timer_fired, delay_ms, 0);
}

// --- The whole -----------------------------------------------------------------------------------

static bool os_drive(struct exec *exec)
{
    struct exec_os *e = exec_of(exec);
    uint64_t calls = e->calls;
    while (e->calls == calls) {
        if (e->jobs == 0 && e->timers == 0)
            return false;
        // What is due first: UV_RUN_ONCE runs timers, and then sleeps until the next all the same.
        uv_run(e->loop, UV_RUN_NOWAIT);
        if (e->calls == calls)
            uv_run(e->loop, UV_RUN_ONCE);
    }
    return true;
}

static void make_slots(struct exec_os *e, const int *counts, int threads)
{
    e->slots = xcalloc((size_t)threads, sizeof *e->slots);
    struct slot *slot = e->slots;
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        for (int i = 0; i < counts[lane]; i++, slot++) {
            slot->work.data = slot;
            slot->exec = e;
            slot->lane = (enum exec_lane)lane;
            slot->next_free = e->lanes[lane].free_slots;
            e->lanes[lane].free_slots = slot;
        }
    }
    ENSURE(slot == e->slots + threads);
}

struct exec *os_exec_new(uv_loop_t *loop, int threads, int compaction_slots)
{
    static const struct exec_ops ops = {
        .submit = os_submit,
        .timer_start = os_timer_start,
        .timer_stop = os_timer_stop,
        .drive = os_drive,
    };
    ENSURE(compaction_slots >= 1 && threads >= 5 + compaction_slots);
    char text[16];
    snprintf(text, sizeof text, "%d", threads);
    setenv("UV_THREADPOOL_SIZE", text, 1);

    struct exec_os *e = xcalloc(1, sizeof *e);
    e->exec.ops = &ops;
    e->loop = loop;
    const int counts[LANE_COUNT] = {
        [LANE_LOG] = 1,
        [LANE_FLUSH] = 1,
        [LANE_COMPACTION] = compaction_slots,
        [LANE_FILES] = 1,
        [LANE_UNLINK] = 1,
        [LANE_READ] = threads - 4 - compaction_slots,
    };
    make_slots(e, counts, threads);
    return &e->exec;
}

static void exec_timer_closed(uv_handle_t *handle)
{
    struct loan *loan = LIST_ENTRY(handle, struct loan, uv);
    struct loan **at = &loan->exec->loans;
    while (*at != loan)
        at = &(*at)->next;
    *at = loan->next;
    free(loan);
}

void os_exec_free(struct exec *exec)
{
    if (exec == NULL)
        return;
    struct exec_os *e = exec_of(exec);
    ENSURE(e->jobs == 0);
    for (struct loan *loan = e->loans; loan != NULL; loan = loan->next) {
        if (loan->timer != NULL)
            loan->timer->impl[0] = NULL;
        uv_close((uv_handle_t *)&loan->uv, exec_timer_closed);
    }
    while (e->loans != NULL)
        uv_run(e->loop, UV_RUN_NOWAIT);
    free(e->slots);
    free(e);
}
