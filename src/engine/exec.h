// exec: who runs the engine's jobs. Loop only: every function here is called on the loop, every
// `done` fires on the loop, only `run` runs elsewhere. `os/` implements it over libuv's threadpool,
// `tests/sim` in one thread under a seed.
//
// Lanes. libuv's pool is one queue, first in first out: a burst of cold reads would make an fsync
// wait. exec keeps one queue a lane, and gives the pool a job only when the job's lane has a free
// slot; the slots of all lanes sum to the pool's size. Within a lane jobs start in the order of
// submission. A long job does a bounded step and submits itself again from `done`.
//
// A job is embedded by its owner and belongs to exec from exec_submit() until `done`. `done` fires
// exactly once, never inside exec_submit(), also when exec is shutting down (every submitted job is
// run).
#ifndef VARVE_ENGINE_EXEC_H
#define VARVE_ENGINE_EXEC_H

#include <stdbool.h>
#include <stdint.h>

enum exec_lane {
    LANE_LOG,        // log writes and syncs: 1 slot
    LANE_FLUSH,      // memtable to table: 1 slot
    LANE_COMPACTION, // bounded steps: 1 slot (more by option)
    LANE_FILES,      // manifest, creation and closing of files: 1 slot
    LANE_UNLINK,     // removal of files, which may take long and has time: 1 slot
    LANE_READ,       // cold reads: the rest
    LANE_COUNT,
};

struct exec;

struct job;
struct exec_timer;
typedef void (*job_cb)(struct job *job);
typedef void (*exec_timer_cb)(struct exec_timer *timer);

struct job {
    job_cb run;    // a pool thread: sees only immutable inputs and what the job owns
    job_cb done;   // the loop
    void *impl[4]; // exec's own
};

// One-shot timer, loop. Zeroed before first use; `fire` runs on the loop, never inside
// exec_timer_start().
struct exec_timer {
    exec_timer_cb fire;
    void *impl[4];
};

struct exec_ops {
    void (*submit)(struct exec *exec, enum exec_lane lane, struct job *job);
    // Starts or restarts a timer; fires once after delay_ms.
    void (*timer_start)(struct exec *exec, struct exec_timer *timer, uint64_t delay_ms);
    // After it returns the timer does not fire and its memory may go.
    void (*timer_stop)(struct exec *exec, struct exec_timer *timer);
    // Blocks until at least one `done` or `fire` has run; false if nothing is under way. For
    // engine_close() and for programs without a loop of their own; never from inside a callback.
    bool (*drive)(struct exec *exec);
};

// Implementations embed this as their first member.
struct exec {
    const struct exec_ops *ops;
};

static inline void exec_submit(struct exec *exec, enum exec_lane lane, struct job *job)
{
    exec->ops->submit(exec, lane, job);
}

static inline void exec_timer_start(struct exec *exec, struct exec_timer *timer, uint64_t delay_ms)
{
    exec->ops->timer_start(exec, timer, delay_ms);
}

static inline void exec_timer_stop(struct exec *exec, struct exec_timer *timer)
{
    exec->ops->timer_stop(exec, timer);
}

static inline bool exec_drive(struct exec *exec)
{
    return exec->ops->drive(exec);
}

#endif
