// Carries plans out, one at a time. A move or a deletion is only an edit. A merge is a job that
// does a bounded step (STEP_BYTES of input or STEP_US) and is submitted again from its `done`, so
// that nothing else in its lane or on the disk waits long for it; between steps a timer holds it
// back to the rate limit.
//
//   loop   pick; the inputs are marked; a version is held, which keeps the inputs' files and all
//          that the job looks at alive
//   job    inputs -> merge -> rewriter -> outputs, step by step
//   loop   one edit: inputs out, outputs in, corrections of the counts; published; next pick
//
// When there is nothing to pick, a timer may be set, never a poll: for the moment when a table has
// much expired, or, if tables hold records in doubt, for a moment of quiet (IDLE_MS without a
// commit).
//
// What can fail. NO_SPACE: outputs are removed, a timer tries again; deletions of files by others
// may have made room. CORRUPT: the damaged table, named by the error, stays marked, so that it is
// not picked again until the engine is opened anew; the operator is told; all else goes on. IO
// while reading or writing tables: told, and tried again later. A failed edit is the manifest's
// affair (engine.c).
//
// compaction_wait() is a flush and then rounds of picker_pick_all(); who asks while a round is
// under way waits for the next.
#include <inttypes.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/compaction/compaction.h"
#include "engine/compaction/outputs.h"
#include "engine/engine_impl.h"
#include "engine/record/merge.h"

enum {
    STEP_BYTES = 1024 * 1024,
    STEP_US = 5000,
    STEP_CHECK = 64, // entries between looks at the clock
    READAHEAD = 256 * 1024,
    RETRY_MS = 1000,
    IDLE_MS = 2000,
    EXPIRY_MS_MAX = 24 * 3600 * 1000,
    // the first level with compressed blocks: what lies above is rewritten soon
    COMPRESSED_FROM = 2,
    LEVEL0_URGENT = 2, // times the limit: level 0 comes before a round goes on
    PATH_SIZE = 4096,
};

struct compact_waiter {
    struct list link;
    struct compaction_state *state;
    bool ready;    // its flush is done
    bool in_round; // the round under way is for it
    void (*done_cb)(void *arg, int status);
    void *arg;
};

struct compaction_state {
    struct engine *engine;
    bool running; // a plan is being carried out, until its edit is through
    bool closing;
    struct plan plan;
    struct version *version;
    struct version_edit edit;
    struct edit_op op;

    // The job's.
    struct job job;
    struct block_source *source;
    struct cursor *cursor;
    bool positioned;
    struct rewriter *rewriter;
    struct outputs outputs;
    struct error read_err;
    int status; // OK: more to do; END: all is written
    uint64_t began_us, stepped_bytes, paid_bytes;

    enum timer_use { TIMER_OFF, TIMER_STEP, TIMER_RETRY, TIMER_QUIET } timer_use;
    struct exec_timer timer;
    uint64_t quiet_seq; // last_seq when the timer for quiet was set
    bool idle;

    // Everything once.
    struct list waiters;
    bool round;
    uint64_t since_number, since_seq;
};

// --- The job -------------------------------------------------------------------------------------

static bool holds_key_below(void *arg, struct slice key)
{
    const struct compaction_state *c = arg;
    return version_key_below(c->version, c->plan.output_level, key);
}

static struct cursor *input_cursor(struct compaction_state *c)
{
    uint32_t count = 0;
    const struct plan *p = &c->plan;
    struct cursor **children = xmalloc((p->input_count[0] + 2) * sizeof *children);
    if (p->level == 0) {
        for (uint32_t i = 0; i < p->input_count[0]; i++)
            children[count++] = table_cursor(c->source, p->inputs[0][i], &c->read_err);
    } else {
        children[count++] = level_cursor(c->source, p->inputs[0], p->input_count[0], &c->read_err);
    }
    if (p->input_count[1] > 0)
        children[count++] = level_cursor(c->source, p->inputs[1], p->input_count[1], &c->read_err);
    struct cursor *merged = merge_cursor(children, count);
    free(children);
    return merged;
}

static void job_setup(struct compaction_state *c)
{
    struct engine *e = c->engine;
    uint32_t snapshot_count;
    uint64_t *snapshots = engine_snapshots(e, &snapshot_count);
    struct rewriter_options options = {
        .snapshots = snapshots,
        .snapshot_count = snapshot_count,
        .drops = &c->version->drops,
        .now_ms = env_now_ms(e->env),
        .counted_prefix = e->options.counted_prefix,
        .may_lie_below = c->plan.bottom ? NULL : holds_key_below,
        .below_arg = c,
        .sink = outputs_add,
        .sink_arg = &c->outputs,
    };
    c->rewriter = rewriter_new(&options);
    free(snapshots);
    c->outputs = (struct outputs){
        .builder_options =
            {
                .env = e->env,
                .dir = e->dir,
                .level = c->plan.output_level,
                .block_size = e->options.block_size,
                .bloom_bits_per_key = e->options.bloom_bits_per_key,
                .compression = c->plan.output_level >= COMPRESSED_FROM ? e->options.compression
                                                                       : COMPRESSION_NONE,
                .compression_level = e->options.compression_level,
            },
        .file_size = e->options.target_file_size,
        .grandparents = c->plan.grandparents,
        .grandparent_count = c->plan.grandparent_count,
    };
    c->source = table_scan_new(e->env, e->dir, READAHEAD, ENGINE_BLOCK_MAX);
    c->cursor = input_cursor(c);
    c->positioned = false;
    c->read_err = (struct error){0};
    c->status = OK;
    c->stepped_bytes = c->paid_bytes = 0;
}

static int step(struct compaction_state *c)
{
    uint64_t until = env_now_us(c->engine->env) + STEP_US;
    size_t bytes = 0;
    unsigned entries = 0;
    int status = OK;
    if (!c->positioned) {
        status = c->cursor->ops->seek(c->cursor, (struct slice){0}, SEQ_MAX);
        c->positioned = true;
    }
    while (status == OK) {
        bytes += c->cursor->entry.key.len + c->cursor->entry.value.len;
        status = rewriter_add(c->rewriter, &c->cursor->entry);
        if (status == OK)
            status = c->cursor->ops->next(c->cursor);
        if (bytes >= STEP_BYTES ||
            (++entries % STEP_CHECK == 0 && env_now_us(c->engine->env) >= until))
            break;
    }
    if (status != END)
        return status;
    status = rewriter_finish(c->rewriter);
    if (status == OK)
        status = outputs_finish(&c->outputs);
    return status == OK ? END : status;
}

static void job_run(struct job *job)
{
    struct compaction_state *c = LIST_ENTRY(job, struct compaction_state, job);
    c->status = step(c);
    c->stepped_bytes = outputs_written(&c->outputs);
    if (c->status < 0)
        outputs_abandon(&c->outputs);
}

static void job_teardown(struct compaction_state *c)
{
    uint64_t bytes_read = 0;
    c->cursor->ops->close(c->cursor);
    table_scan_free(c->source, &bytes_read);
    c->engine->stats.compaction_read_bytes += bytes_read;
    rewriter_free(c->rewriter);
    outputs_release(&c->outputs);
    c->cursor = NULL;
    c->source = NULL;
    c->rewriter = NULL;
}

// --- The end of a plan ---------------------------------------------------------------------------

static void mark_inputs(struct compaction_state *c, bool busy)
{
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < c->plan.input_count[side]; i++)
            c->plan.inputs[side][i]->being_compacted = busy;
}

// Leaves the damaged table marked: all inputs where the error names none of them.
static void mark_damaged(struct compaction_state *c)
{
    struct table *damaged = NULL;
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < c->plan.input_count[side]; i++) {
            char path[PATH_SIZE];
            table_path(path, sizeof path, c->engine->dir, c->plan.inputs[side][i]->number);
            if (strncmp(path, c->read_err.file, sizeof c->read_err.file - 1) == 0)
                damaged = c->plan.inputs[side][i];
        }
    }
    if (damaged == NULL)
        return;
    mark_inputs(c, false);
    damaged->being_compacted = true;
}

static void end_plan(struct compaction_state *c)
{
    if (c->cursor != NULL)
        job_teardown(c);
    plan_release(&c->plan);
    version_edit_release(&c->edit);
    engine_unref_version(c->engine, c->version);
    c->version = NULL;
    c->running = false;
    c->engine->stats.compaction_running = false;
}

static void set_timer(struct compaction_state *c, enum timer_use use, uint64_t delay_ms)
{
    c->timer_use = use;
    exec_timer_start(c->engine->exec, &c->timer, delay_ms);
}

static void end_round(struct compaction_state *c, int status)
{
    c->round = false;
    for (struct list *l = c->waiters.next, *next; l != &c->waiters; l = next) {
        struct compact_waiter *w = LIST_ENTRY(l, struct compact_waiter, link);
        next = l->next;
        if (!w->in_round)
            continue;
        list_remove(&w->link);
        w->done_cb(w->arg, status);
        free(w);
        next = c->waiters.next; // the callback may have changed the list
    }
}

static void plan_failed(struct compaction_state *c, int status, const struct error *cause)
{
    struct engine *e = c->engine;
    if (e->failed.status != OK) {
        mark_inputs(c, false); // said already
    } else if (status == CORRUPT) {
        log_line(e->logger, LOG_WARNING, "compaction: %s; this table is not compacted any more",
            cause->text);
        mark_damaged(c);
    } else {
        log_line(
            e->logger, LOG_WARNING, "compaction: %s; trying again in %d ms", cause->text, RETRY_MS);
        mark_inputs(c, false);
    }
    end_plan(c);
    if (e->failed.status == OK && !c->closing)
        set_timer(c, TIMER_RETRY, RETRY_MS);
    if (c->round)
        end_round(c, status);
}

static void published(void *arg, int status)
{
    struct compaction_state *c = arg;
    struct engine *e = c->engine;
    if (status != OK) {
        if (status == NO_SPACE)
            for (uint32_t i = 0; i < c->outputs.table_count && c->cursor != NULL; i++)
                engine_unlink(e, c->outputs.tables[i]->number);
        struct error cause;
        error_set(&cause, status, NULL, 0, 0, "the manifest could not be written");
        plan_failed(c, status, &cause);
        return;
    }
    if (c->plan.kind == PLAN_MERGE) {
        e->stats.compactions++;
        e->stats.compaction_write_bytes += c->outputs.bytes;
        e->stats.compaction_us += env_now_us(e->env) - c->began_us;
        e->stats.expired_dropped += rewriter_expired(c->rewriter);
    } else if (c->plan.kind == PLAN_MOVE) {
        e->stats.trivial_moves++;
    }
    mark_inputs(c, false);
    end_plan(c);
}

static void submit_edit(struct compaction_state *c)
{
    struct plan *p = &c->plan;
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            version_edit_remove(
                &c->edit, side == 0 ? p->level : p->output_level, p->inputs[side][i]->number);
    if (p->kind == PLAN_MOVE)
        for (uint32_t i = 0; i < p->input_count[0]; i++)
            version_edit_add(&c->edit, p->output_level, p->inputs[0][i]);
    if (p->kind == PLAN_MERGE) {
        uint64_t clean = rewriter_clean_seq(c->rewriter);
        for (uint32_t i = 0; i < c->outputs.table_count; i++) {
            struct table *t = c->outputs.tables[i];
            t->clean_seq = clean < c->version->last_seq ? clean : c->version->last_seq;
            version_edit_add(&c->edit, p->output_level, t);
        }
        counts_add_all(&c->edit.counts, rewriter_counts(c->rewriter));
    }
    c->op = (struct edit_op){
        .edit = &c->edit, .base_seq = c->version->last_seq, .done_cb = published, .arg = c};
    engine_submit_edit(c->engine, &c->op);
}

// --- Steps ---------------------------------------------------------------------------------------

static void submit_step(struct compaction_state *c)
{
    while (c->outputs.number_count < OUTPUTS_NUMBERS)
        c->outputs.numbers[c->outputs.number_count++] = engine_new_file_number(c->engine);
    exec_submit(c->engine->exec, LANE_COMPACTION, &c->job);
}

// Milliseconds until the limit allows what was written since the last payment.
static uint64_t rate_delay_ms(struct compaction_state *c)
{
    uint64_t limit = c->engine->options.compaction_rate_limit;
    if (limit == 0 || c->closing) {
        c->paid_bytes = c->stepped_bytes;
        return 0;
    }
    uint64_t ms = (c->stepped_bytes - c->paid_bytes) * 1000 / limit;
    c->paid_bytes += ms * limit / 1000;
    return ms;
}

static void job_done(struct job *job)
{
    struct compaction_state *c = LIST_ENTRY(job, struct compaction_state, job);
    if (c->status == END) {
        submit_edit(c);
        return;
    }
    if (c->status == OK && c->closing) {
        outputs_abandon(&c->outputs);
        mark_inputs(c, false);
        end_plan(c);
        return;
    }
    if (c->status == OK) {
        uint64_t delay = rate_delay_ms(c);
        if (delay == 0)
            submit_step(c);
        else
            set_timer(c, TIMER_STEP, delay);
        return;
    }
    struct error cause = c->outputs.err.status != OK ? c->outputs.err : c->read_err;
    plan_failed(c, c->status, &cause);
}

static void begin_plan(struct compaction_state *c)
{
    struct engine *e = c->engine;
    c->running = true;
    e->stats.compaction_running = true;
    c->version = version_ref(e->version);
    c->began_us = env_now_us(e->env);
    mark_inputs(c, true);
    if (c->plan.kind != PLAN_MERGE) {
        submit_edit(c);
        return;
    }
    job_setup(c);
    c->job = (struct job){.run = job_run, .done = job_done};
    submit_step(c);
}

// --- When ----------------------------------------------------------------------------------------

static bool tables_in_doubt(const struct version *v)
{
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            if (v->levels[l].tables[i]->in_doubt > 0)
                return true;
    return false;
}

// Nothing to do now. was_idle: not even for somebody idle.
static void wait_for_more(struct compaction_state *c, bool was_idle)
{
    struct engine *e = c->engine;
    int64_t now = env_now_ms(e->env), expiry = picker_next_expiry(e->version, now);
    bool wanted = expiry != INT64_MAX;
    uint64_t delay =
        wanted && expiry - now < EXPIRY_MS_MAX ? (uint64_t)(expiry - now) : EXPIRY_MS_MAX;
    if (!was_idle && tables_in_doubt(e->version)) {
        wanted = true;
        delay = delay < IDLE_MS ? delay : IDLE_MS;
    }
    c->quiet_seq = e->last_seq;
    if (wanted)
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

static int pick(struct compaction_state *c)
{
    struct engine *e = c->engine;
    struct picker_options options = engine_picker_options(e);
    options.idle = c->idle;
    int status = NOT_FOUND;
    if (c->round && e->version->levels[0].count < LEVEL0_URGENT * options.level0_file_limit) {
        status = picker_pick_all(e->version, c->since_number, c->since_seq, &c->plan);
        if (status != OK)
            end_round(c, OK);
    }
    if (status != OK)
        status = picker_pick(e->version, &options, &c->plan);
    if (status == OK)
        compress_on_the_way(e, &c->plan);
    return status;
}

static void begin_round(struct compaction_state *c)
{
    for (struct list *l = c->waiters.next; l != &c->waiters; l = l->next) {
        struct compact_waiter *w = LIST_ENTRY(l, struct compact_waiter, link);
        w->in_round = w->ready;
        c->round |= w->ready;
    }
    c->since_number = c->engine->next_file;
    c->since_seq = c->engine->version->last_seq;
}

void compaction_maybe(struct engine *e)
{
    struct compaction_state *c = e->compaction;
    if (c->running || c->closing || c->timer_use == TIMER_RETRY)
        return;
    if (!c->round)
        begin_round(c);
    if (e->failed.status != OK) {
        end_round(c, e->failed.status);
        return;
    }
    if (c->quiet_seq != e->last_seq)
        c->idle = false;
    if (pick(c) == OK) {
        if (c->timer_use != TIMER_OFF)
            exec_timer_stop(e->exec, &c->timer);
        c->timer_use = TIMER_OFF;
        begin_plan(c);
    } else if (!c->running) {
        wait_for_more(c, c->idle);
        c->idle = false;
    }
}

static void timer_fired(struct exec_timer *timer)
{
    struct compaction_state *c = LIST_ENTRY(timer, struct compaction_state, timer);
    enum timer_use use = c->timer_use;
    c->timer_use = TIMER_OFF;
    if (use == TIMER_STEP) {
        submit_step(c);
        return;
    }
    c->idle = use == TIMER_QUIET;
    compaction_maybe(c->engine);
}

// --- Everything once -----------------------------------------------------------------------------

static void flushed(void *arg, int status)
{
    struct compact_waiter *w = arg;
    struct compaction_state *c = w->state;
    if (status != OK) {
        list_remove(&w->link);
        w->done_cb(w->arg, status);
        free(w);
        return;
    }
    w->ready = true;
    compaction_maybe(c->engine);
}

void compaction_wait(struct engine *e, void (*done_cb)(void *arg, int status), void *arg)
{
    struct compact_waiter *w = xcalloc(1, sizeof *w);
    *w = (struct compact_waiter){.state = e->compaction, .done_cb = done_cb, .arg = arg};
    list_push_back(&e->compaction->waiters, &w->link);
    flush_wait(e, flushed, w);
}

void compaction_init(struct engine *e)
{
    struct compaction_state *c = xcalloc(1, sizeof *c);
    c->engine = e;
    c->timer.fire = timer_fired;
    list_init(&c->waiters);
    e->compaction = c;
}

void compaction_stop(struct engine *e)
{
    struct compaction_state *c = e->compaction;
    c->closing = true;
    if (c->timer_use == TIMER_STEP) {
        c->timer_use = TIMER_OFF;
        exec_timer_stop(e->exec, &c->timer);
        submit_step(c);
    }
    while (c->running)
        ENSURE(exec_drive(e->exec));
    exec_timer_stop(e->exec, &c->timer);
    while (!list_empty(&c->waiters)) {
        struct compact_waiter *w = LIST_ENTRY(c->waiters.next, struct compact_waiter, link);
        list_remove(&w->link);
        w->done_cb(w->arg, CANCELLED);
        free(w);
    }
}

void compaction_release(struct engine *e)
{
    free(e->compaction);
    e->compaction = NULL;
}
