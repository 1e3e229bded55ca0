// Writes are faster than the rewriting that they cause. If nothing slows them down, level 0 and the
// memtables fill up until everything has to stop and wait: a cliff. Pacing slows writers early, a
// little, and in proportion, so that the debt settles where writes and compaction are in balance,
// and nobody ever stands still.
//
//   pressure p  the larger of
//                 (debt - SOFT) / (HARD - SOFT)                debt: what compaction is behind
//                 (memory - two write buffers) / what may come on top until a commit must wait
//               bounded to 0..1. Below the soft bounds p is 0, and a commit costs one comparison.
//   rate r      bytes of users' data that flush and compaction have digested in a microsecond of
//               their work
//   price       a commit of n bytes takes n * 2 p / r microseconds of a time line that all writers
//               share
//   delay       how far that line is ahead of the clock: what the author of the commit waits before
//               he is read from again
//
// At p = 1/2 writers are held to r, what compaction can digest; below they are faster and the debt
// grows, above slower and it shrinks: it settles around the middle, without oscillating between
// stop and go. Writers are held to the rate together, since the line is shared. SOFT is well above
// what the debt is between two compactions of level 0 that keep up.
#include "engine/pace.h"

#include "engine/compaction_scheduler.h"
#include "engine/memtables.h"

enum {
    SOFT_BUFFERS = 16, // debt, in write buffers
    HARD_BUFFERS = 64,
    DELAY_MAX_US = 500000,
};

#define RATE_AT_FIRST 16.0 // bytes a microsecond
// bytes after which the measured rate outweighs the first guess
#define RATE_SAMPLE (64.0 * 1048576)

static double bounded(double p)
{
    return p < 0 ? 0 : p > 1 ? 1 : p;
}

static double measured_rate(const struct engine *e)
{
    double bytes = (double)e->stats.flush_bytes,
           busy_us = (double)(e->stats.flush_us + e->stats.compaction_us);
    return (bytes + RATE_SAMPLE) / (busy_us + RATE_SAMPLE / RATE_AT_FIRST);
}

void pace_update(struct engine *e)
{
    struct pace_state *p = &e->pace;
    struct picker_options options = compaction_scheduler_picker_options(e);
    double buffer = (double)e->options.write_buffer_size;
    p->debt = picker_debt(e->version, &options);
    p->pressure = bounded(
        ((double)p->debt - SOFT_BUFFERS * buffer) / ((HARD_BUFFERS - SOFT_BUFFERS) * buffer));
    p->bytes_per_us = measured_rate(e);
    p->frozen_bytes = 0;
    for (unsigned i = 0; i < e->memtables.frozen_count; i++)
        p->frozen_bytes += memtable_bytes(e->memtables.frozen[i]);
}

static double memory_pressure(const struct engine *e)
{
    double buffer = (double)e->options.write_buffer_size;
    double beyond =
        (double)(e->pace.frozen_bytes + memtable_bytes(e->memtables.active)) - 2 * buffer;
    if (beyond <= 0)
        return 0;
    // commit.c lets the active one grow by a quarter
    double room = (memtables_frozen_max(e) + 1.25 - 2) * buffer;
    return bounded(beyond / room);
}

void pace_on_commit(struct engine *e, uint64_t bytes)
{
    struct pace_state *p = &e->pace;
    double memory = p->frozen_bytes > 0 ? memory_pressure(e) : 0;
    double pressure = memory > p->pressure ? memory : p->pressure;
    p->delay_us = 0;
    if (pressure == 0)
        return;
    uint64_t now_us = env_now_us(e->env);
    if (p->next_us < now_us)
        p->next_us = now_us;
    p->next_us += (uint64_t)((double)bytes * 2 * pressure / p->bytes_per_us);
    if (p->next_us > now_us + DELAY_MAX_US)
        p->next_us = now_us + DELAY_MAX_US;
    p->delay_us = p->next_us - now_us;
    e->stats.pace_us += p->delay_us;
}

uint64_t engine_pace_us(const struct engine *e)
{
    return e->pace.delay_us;
}
