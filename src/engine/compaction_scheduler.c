// When nothing is under way, the picker is asked for a plan, and a run carries it out; when the run
// has ended, the picker is asked again: the plans come to an end (picker.c says why), and with them
// the work. Asking follows from a change (upkeep.c), never from a poll: a new version, a snapshot
// that was released, or a timer that was set for a reason:
//
//   TIMER_RETRY   runs have failed: their inputs are passed over until RETRY_MS after the first,
//                 while others go on; after FAILURES_MAX without a success between them nothing
//                 begins, for then it is not the plan
//   TIMER_QUIET   tables hold records in doubt, tombstones or overwrites, and next to nothing was
//                 committed for IDLE_MS: now they may be settled; or a table will have much expired
//                 at that time
//
// Quiet is not silent: a client that writes now and then must not keep space for ever. Less than a
// QUIET_SHARE of a write buffer in IDLE_MS is quiet; what is then done pays for itself, since a
// plan must free a good part of what it rewrites. Doubts are settled when nobody writes at all.
//
// Plans name the key range of their inputs, and a run is a struct of its own, so that several can
// be under way; until the scheduler knows how to choose such plans, it has one run.
//
// Everything once (engine_compact) is a flush, and then a round of picker_pick_all(); who asks
// while a round is under way waits for the next.
//
// What can fail is a run. NEWER_FORMAT: its table is not picked again until the engine is opened
// anew, the operator is told, all else goes on. (Damage is no failure: compaction_run.c.) NO_SPACE,
// RETRY, IO: told, and tried again later.
#include "engine/compaction_scheduler.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/compaction_run.h"
#include "engine/flush.h"
#include "engine/snapshot.h"
#include "engine/space.h"
#include "engine/upkeep.h"

enum {
    RETRY_MS = 1000,
    FAILURES_MAX = 4,
    IDLE_MS = 2000,
    QUIET_SHARE = 16,
    EXPIRY_MS_MAX = 24 * 3600 * 1000,
    LEVEL0_URGENT = 2, // times the limit: level 0 comes before a round goes on
};

struct compact_waiter {
    struct list link;
    struct compaction_scheduler *scheduler;
    bool ready;    // its flush is done
    bool in_round; // the round under way is for it
    engine_done_cb done_cb;
    void *arg;
};

// Compacting everything once.
struct compaction_round {
    bool running;
    uint64_t since_number, since_seq; // what is newer is left out
};

struct compaction_scheduler {
    struct engine *engine;
    struct compaction_run *run; // NULL: none is under way
    bool closing;
    bool complained;   // of a failure that may pass, and none has ended well since
    unsigned failures; // since the timer was set, none has ended well since
    enum timer_use { TIMER_OFF, TIMER_RETRY, TIMER_QUIET } timer_use;
    struct exec_timer timer;
    uint64_t timer_due_us;
    uint64_t quiet_bytes, quiet_us; // users' bytes, and the time, at the last look for quiet
    bool idle;                      // next to nothing was written
    bool silent;                    // nothing at all
    struct list waiters;
    struct compaction_round round;
};

struct picker_options compaction_scheduler_picker_options(const struct engine *e)
{
    uint64_t level0 = e->options.level0_file_limit * e->options.write_buffer_size;
    uint64_t least = 4 * e->options.target_file_size;
    return (struct picker_options){
        .level0_file_limit = e->options.level0_file_limit,
        .base_level_bytes = level0 > least ? level0 : least,
        .target_file_size = e->options.target_file_size,
        .now_ms = env_now_ms(e->env),
        .oldest_snapshot = snapshot_oldest(e),
        .space = e->space.low ? space_for_compaction(e) : UINT64_MAX,
    };
}

static void set_timer(struct compaction_scheduler *c, enum timer_use use, uint64_t delay_ms)
{
    c->timer_use = use;
    exec_timer_start(c->engine->exec, &c->timer, delay_ms);
}

static void stop_timer(struct compaction_scheduler *c)
{
    if (c->timer_use != TIMER_OFF)
        exec_timer_stop(c->engine->exec, &c->timer);
    c->timer_use = TIMER_OFF;
}

// --- Everything once -----------------------------------------------------------------------------

static void begin_round(struct compaction_scheduler *c)
{
    for (struct list *l = c->waiters.next; l != &c->waiters; l = l->next) {
        struct compact_waiter *w = LIST_ENTRY(l, struct compact_waiter, link);
        w->in_round = w->ready;
        c->round.running |= w->ready;
    }
    c->round.since_number = c->engine->next_file;
    c->round.since_seq = c->engine->version->last_seq;
}

static void end_waiter(struct compact_waiter *w, int status)
{
    list_remove(&w->link);
    w->done_cb(w->arg, status);
    free(w);
}

static void end_round(struct compaction_scheduler *c, int status)
{
    c->round.running = false;
    for (struct list *l = c->waiters.next, *next; l != &c->waiters; l = next) {
        struct compact_waiter *w = LIST_ENTRY(l, struct compact_waiter, link);
        next = l->next;
        if (!w->in_round)
            continue;
        end_waiter(w, status);
        next = c->waiters.next; // the callback may have changed the list
    }
}

static void round_flushed(void *arg, int status)
{
    struct compact_waiter *w = arg;
    if (status != OK) {
        end_waiter(w, status);
        return;
    }
    w->ready = true;
    upkeep_mark(w->scheduler->engine, COMPACTION_WANTED);
}

void compaction_scheduler_wait(struct engine *e, engine_done_cb done_cb, void *arg)
{
    struct compact_waiter *w = xcalloc(1, sizeof *w);
    *w = (struct compact_waiter){.scheduler = e->compaction, .done_cb = done_cb, .arg = arg};
    list_push_back(&e->compaction->waiters, &w->link);
    flush_wait(e, round_flushed, w);
}

// --- The next plan -------------------------------------------------------------------------------

// Records in doubt, tombstones, and overwrites, which all end at the bottom.
static bool tables_to_settle(const struct version *v)
{
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++) {
            const struct table_meta *m = &v->levels[l].tables[i]->meta;
            if (m->in_doubt + m->deletes + m->covers > 0)
                return true;
        }
    return false;
}

static void look_for_quiet(struct compaction_scheduler *c)
{
    c->quiet_bytes = c->engine->stats.user_bytes;
    c->quiet_us = env_now_us(c->engine->env);
}

// Whether next to nothing was committed since the last look.
static bool is_quiet(const struct compaction_scheduler *c)
{
    const struct engine *e = c->engine;
    uint64_t ms = (env_now_us(e->env) - c->quiet_us) / 1000;
    uint64_t allowed = e->options.write_buffer_size / QUIET_SHARE;
    return e->stats.user_bytes - c->quiet_bytes <= allowed + allowed * ms / IDLE_MS;
}

// Nothing to do now. was_idle: not even for somebody idle.
static void wait_for_more(struct compaction_scheduler *c, bool was_idle)
{
    struct engine *e = c->engine;
    int64_t now = env_now_ms(e->env), expiry = picker_next_expiry(e->version, now);
    bool wanted = expiry != INT64_MAX;
    uint64_t delay =
        wanted && expiry - now < EXPIRY_MS_MAX ? (uint64_t)(expiry - now) : EXPIRY_MS_MAX;
    if (!was_idle && tables_to_settle(e->version)) {
        wanted = true;
        delay = delay < IDLE_MS ? delay : IDLE_MS;
    }
    uint64_t due_us = env_now_us(e->env) + delay * 1000;
    if (!wanted || c->timer_use == TIMER_RETRY ||
        (c->timer_use == TIMER_QUIET && c->timer_due_us <= due_us))
        return; // set anew for each change it might never fire
    look_for_quiet(c);
    c->timer_due_us = due_us;
    set_timer(c, TIMER_QUIET, delay);
}

static bool compresses(const struct engine *e, unsigned level)
{
    return level >= COMPRESSED_FROM && e->options.compression != COMPRESSION_NONE;
}

// Moved as they are, tables of the uncompressed levels would keep their blocks plain for as long as
// nothing overlaps them.
static void compress_on_the_way(const struct engine *e, struct plan *p)
{
    if (p->kind == PLAN_MOVE && compresses(e, p->output_level) && !compresses(e, p->level))
        p->kind = PLAN_MERGE;
}

static int next_plan(struct compaction_scheduler *c, struct plan *plan)
{
    struct engine *e = c->engine;
    struct picker_options options = compaction_scheduler_picker_options(e);
    options.quiet = c->idle;
    options.idle = c->idle && c->silent;
    int status = NOT_FOUND;
    unsigned urgent = LEVEL0_URGENT * e->options.level0_file_limit;
    if (c->round.running && e->version->levels[0].count < urgent) {
        status = picker_pick_all(e->version, c->round.since_number, c->round.since_seq, plan);
        if (status != OK)
            end_round(c, OK);
    }
    if (status != OK)
        status = picker_pick(e->version, &options, plan);
    if (status == OK)
        compress_on_the_way(e, plan);
    return status;
}

static void pass_over(const struct plan *p)
{
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            p->inputs[side][i]->loop.being_compacted = p->inputs[side][i]->loop.passed_over = true;
}

static void forget_passed_over(struct compaction_scheduler *c)
{
    const struct version *v = c->engine->version;
    c->failures = 0;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        for (uint32_t i = 0; i < v->levels[l].count; i++) {
            struct table_loop *t = &v->levels[l].tables[i]->loop;
            t->being_compacted &= !t->passed_over;
            t->passed_over = false;
        }
    }
}

static void run_failed(
    struct compaction_scheduler *c, const struct plan *plan, int status, const struct error *cause)
{
    struct engine *e = c->engine;
    if (!upkeep_has_failed(e)) { // else it has been said
        if (status == CORRUPT || status == NEWER_FORMAT)
            log_line(e->logger, LOG_WARNING, "compaction: %s; this table is not compacted any more",
                cause->text);
        else if (!c->complained)
            log_line(e->logger, LOG_WARNING, "compaction: %s; trying again every %d ms",
                cause->text, RETRY_MS);
        c->complained = status != CORRUPT && status != NEWER_FORMAT;
        e->space.compaction_has_none = status == NO_SPACE;
        if (!c->closing && status != CORRUPT && status != NEWER_FORMAT) {
            if (status == NO_SPACE)
                c->failures = FAILURES_MAX; // that is not the plan's
            else
                pass_over(plan);
            c->failures++;
            if (c->timer_use != TIMER_RETRY)
                set_timer(c, TIMER_RETRY, RETRY_MS);
        }
        upkeep_mark(e, COMPACTION_WANTED);
    }
    if (c->round.running)
        end_round(c, status);
    upkeep_mark(e, CHANGED_DISK); // who waits for space that this would have given back
}

static void run_done(void *arg, const struct plan *plan, int status, const struct error *cause)
{
    struct compaction_scheduler *c = arg;
    c->run = NULL;
    upkeep_mark(c->engine, COMPACTION_WANTED); // until then it counts as running
    c->failures = status == OK ? 0 : c->failures;
    if (status == OK)
        c->complained = c->engine->space.compaction_has_none = false;
    if (status != OK && status != CANCELLED)
        run_failed(c, plan, status, cause);
}

// Who waits for space that a compaction gives back need not wait any more.
static void rest(struct engine *e)
{
    if (e->stats.compaction_running)
        upkeep_mark(e, CHANGED_DISK);
    e->stats.compaction_running = false;
}

void compaction_scheduler_start(struct engine *e)
{
    struct compaction_scheduler *c = e->compaction;
    struct plan plan;
    if (c->run != NULL)
        return;
    if (c->closing || c->failures >= FAILURES_MAX) {
        rest(e);
        return;
    }
    if (!c->round.running)
        begin_round(c);
    if (upkeep_has_failed(e)) {
        end_round(c, e->upkeep.failed.status);
        rest(e);
        return;
    }
    c->idle = c->idle && is_quiet(c);
    c->silent = c->silent && e->stats.user_bytes == c->quiet_bytes;
    if (c->idle)
        look_for_quiet(c);
    if (next_plan(c, &plan) == OK) {
        if (c->timer_use == TIMER_QUIET)
            stop_timer(c);
        e->stats.compaction_running = true;
        c->run = compaction_run_new(e, &plan, run_done, c);
    } else {
        wait_for_more(c, c->idle);
        c->idle = false;
        rest(e);
    }
}

static void scheduler_timer_fired(struct exec_timer *timer)
{
    struct compaction_scheduler *c = LIST_ENTRY(timer, struct compaction_scheduler, timer);
    c->idle = c->silent = c->timer_use == TIMER_QUIET;
    if (c->timer_use == TIMER_RETRY)
        forget_passed_over(c);
    c->timer_use = TIMER_OFF;
    upkeep_mark(c->engine, COMPACTION_WANTED);
    upkeep_run(c->engine);
}

void compaction_scheduler_init(struct engine *e)
{
    struct compaction_scheduler *c = xcalloc(1, sizeof *c);
    c->engine = e;
    c->timer.fire = scheduler_timer_fired;
    list_init(&c->waiters);
    e->compaction = c;
}

void compaction_scheduler_stop(struct engine *e)
{
    struct compaction_scheduler *c = e->compaction;
    c->closing = true;
    if (c->run != NULL)
        compaction_run_give_up(c->run);
    while (c->run != NULL)
        ENSURE(exec_drive(e->exec));
    stop_timer(c);
    while (!list_empty(&c->waiters))
        end_waiter(LIST_ENTRY(c->waiters.next, struct compact_waiter, link), CANCELLED);
}

void compaction_scheduler_release(struct engine *e)
{
    free(e->compaction);
    e->compaction = NULL;
}
