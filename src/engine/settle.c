// Counts lag behind in two ways that only a compaction used to mend: records in doubt, and records
// in tables that have expired. Both can be told by looking (compaction/survey.c), and what a look
// has found stays true for as long as its table does: so it is kept with the table, in memory, and
// e->corrections is its sum. When a table is rewritten its corrections go, and the edit brings the
// lasting ones.
//
//   expiries   every table with some is looked through once, soon after it has come: while much is
//              written with pauses, so that it takes a small part of one pool thread
//   doubts     only in quiet times, when fewer than QUIET_COMMITS entries a look are committed:
//              what a load has left in level 0 is about to be merged, which settles it for free.
//              Not "no writes at all": a write a second would keep the doubts for ever
//   memory     doubts in the memtable are flushed in quiet times, and then looked at like others. A
//              flush costs a part of a later merge of the upper levels: so the larger those are,
//              the more time lies between two such flushes (FLUSH_BYTES_PER_MS)
//
// Until a table with expiries has been looked through, as many keys are in doubt as may have gone.
//
// Nothing polls: the look timer runs from a commit or a new version until nothing is left to do,
// the term timer until nothing expires any more.
//
// What can fail is a look. A damaged table keeps its doubts; anything else is tried again later.
// Nothing else depends on it.
#include "engine/settle.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/compaction/survey.h"
#include "engine/memtables.h"
#include "engine/unlink.h"
#include "engine/upkeep.h"

enum {
    LOOK_MS = 500,
    QUIET_COMMITS = 50,
    STEP_US = 5000,
    BUSY_PAUSE_MS = 20,
    RETRY_MS = 5000,
    FLUSH_BYTES_PER_MS = 4000, // of what lies in the upper levels
    FLUSH_MS_MIN = 1000,
    FLUSH_MS_MAX = 60 * 1000,
    TERM_MS_MIN = 100,
    TERM_MS_MAX = 24 * 3600 * 1000,
    // All terms together take at most this part of the budget.
    TERMS_SHARE = 32,
    TERMS_MIN = 16,
    TERMS_MAX = 2048,
};

struct settle_state {
    struct engine *engine;
    bool closing;
    struct exec_timer look_timer, pause_timer, term_timer;
    bool look_waits, pause_waits;
    uint64_t seen_seq; // last_seq at the last look
    bool quiet;        // at the last look
    uint64_t flushed_us;
    // The survey under way; NULL: none is.
    struct survey *survey;
    struct version *version;
    struct table *table;
    struct job job;
    int status;
    struct error err;
};

// --- Sums ----------------------------------------------------------------------------------------

static bool is_dropped(const struct engine *e, struct slice prefix, uint64_t seq)
{
    const struct memtables *m = &e->memtables;
    bool dropped =
        version_dropped(e->version, prefix, seq) || memtable_dropped(m->active, prefix, seq);
    for (unsigned i = 0; i < m->frozen_count && !dropped; i++)
        dropped = memtable_dropped(m->frozen[i], prefix, seq);
    return dropped;
}

// Returns when something changes next.
static int64_t add_corrections(struct engine *e, struct corrections *c, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < c->count; i++) {
        int64_t live, doubts, at = correction_at(c, &c->items[i], now_ms, &live, &doubts);
        if (is_dropped(e, c->items[i].prefix, c->base_seq))
            continue;
        counts_add(&e->corrections, c->items[i].prefix, live, doubts);
        next = at < next ? at : next;
    }
    return next;
}

// A table with expiries that nobody has looked through. Which prefixes they lie below is not known:
// mostly there is one.
static int64_t add_unknown(struct engine *e, const struct table *t, int64_t now_ms)
{
    struct slice ends[2] = {t->meta.smallest, t->meta.largest};
    if (t->meta.expiring == 0 || e->options.counted_prefix == NULL)
        return INT64_MAX;
    if (t->meta.expire_min >= now_ms)
        return t->meta.expire_min;
    for (unsigned i = 0; i < 2; i++)
        ends[i].len = e->options.counted_prefix(ends[i]);
    counts_add(&e->corrections, ends[0], 0, (int64_t)t->meta.expiring);
    if (!slice_equal(ends[0], ends[1]))
        counts_add(&e->corrections, ends[1], 0, (int64_t)t->meta.expiring);
    return INT64_MAX;
}

void settle_recount(struct engine *e)
{
    int64_t now_ms = env_now_ms(e->env), next = INT64_MAX;
    counts_clear(&e->corrections);
    for (unsigned level = 0; level < ENGINE_LEVELS; level++) {
        for (uint32_t i = 0; i < e->version->levels[level].count; i++) {
            struct table *t = e->version->levels[level].tables[i];
            int64_t at = t->loop.corrections != NULL
                             ? add_corrections(e, t->loop.corrections, now_ms)
                             : add_unknown(e, t, now_ms);
            next = at < next ? at : next;
        }
    }
    if (next == INT64_MAX || e->settle->closing) {
        exec_timer_stop(e->exec, &e->settle->term_timer);
        return;
    }
    int64_t delay = next - now_ms;
    delay = delay < TERM_MS_MIN ? TERM_MS_MIN : delay > TERM_MS_MAX ? TERM_MS_MAX : delay;
    exec_timer_start(e->exec, &e->settle->term_timer, (uint64_t)delay);
}

static void term_timer_fired(struct exec_timer *timer)
{
    settle_recount(LIST_ENTRY(timer, struct settle_state, term_timer)->engine);
}

// --- A survey ------------------------------------------------------------------------------------

static void look_later(struct settle_state *s, uint64_t delay_ms)
{
    if (s->look_waits || s->closing || s->survey != NULL)
        return;
    s->look_waits = true;
    exec_timer_start(s->engine->exec, &s->look_timer, delay_ms);
}

static bool wants_survey(const struct settle_state *s, const struct table *t)
{
    const struct corrections *known = t->loop.corrections;
    if (t->loop.being_compacted || t->loop.survey_failed)
        return false;
    return (t->meta.expiring > 0 && known == NULL) ||
           (s->quiet && t->meta.in_doubt > 0 && (known == NULL || !known->with_doubts));
}

static struct table *next_table(const struct settle_state *s, unsigned *level)
{
    const struct version *v = s->engine->version;
    for (*level = 0; *level < ENGINE_LEVELS; ++*level)
        for (uint32_t i = 0; i < v->levels[*level].count; i++)
            if (wants_survey(s, v->levels[*level].tables[i]))
                return v->levels[*level].tables[i];
    return NULL;
}

static uint32_t terms_max(const struct engine *e)
{
    uint64_t tables = 1;
    for (unsigned level = 0; level < ENGINE_LEVELS; level++)
        tables += e->version->levels[level].count;
    uint64_t fit = e->options.memory_budget / TERMS_SHARE / sizeof(struct term) / tables;
    return (uint32_t)(fit < TERMS_MIN ? TERMS_MIN : fit > TERMS_MAX ? TERMS_MAX : fit);
}

static void survey_job_run(struct job *job)
{
    struct settle_state *s = LIST_ENTRY(job, struct settle_state, job);
    s->status = survey_step(s->survey, env_now_us(s->engine->env) + STEP_US, &s->err);
}

static void begin_survey(struct settle_state *s, struct table *t, unsigned level)
{
    struct engine *e = s->engine;
    s->version = version_ref(e->version);
    s->table = t;
    s->survey = survey_new(&(struct survey_options){
        .env = e->env,
        .dir = e->dir,
        .version = s->version,
        .level = level,
        .table = t,
        .counted_prefix = e->options.counted_prefix,
        .block_max = ENGINE_BLOCK_MAX,
        .terms_max = terms_max(e),
        .with_doubts = s->quiet,
    });
    exec_submit(e->exec, LANE_COMPACTION, &s->job);
}

static void end_survey(struct settle_state *s)
{
    struct engine *e = s->engine;
    uint64_t delay_ms = 0;
    if (s->status == END) {
        corrections_free(s->table->loop.corrections);
        s->table->loop.corrections = survey_take(s->survey);
    } else if (s->status == CORRUPT || s->status == NEWER_FORMAT || s->status == MISSING) {
        s->table->loop.survey_failed = true;
    } else {
        delay_ms = RETRY_MS;
    }
    survey_free(s->survey);
    s->survey = NULL;
    unlink_version(e, s->version);
    settle_recount(e);
    look_later(s, delay_ms);
}

static void survey_job_done(struct job *job)
{
    struct settle_state *s = LIST_ENTRY(job, struct settle_state, job);
    struct engine *e = s->engine;
    if (s->status == OK && s->closing)
        s->status = CANCELLED;
    if (s->status != OK) {
        end_survey(s);
        upkeep_run(e);
    } else if (s->quiet) {
        exec_submit(e->exec, LANE_COMPACTION, &s->job);
    } else {
        s->pause_waits = true;
        exec_timer_start(e->exec, &s->pause_timer, BUSY_PAUSE_MS);
    }
}

static void pause_timer_fired(struct exec_timer *timer)
{
    struct settle_state *s = LIST_ENTRY(timer, struct settle_state, pause_timer);
    s->pause_waits = false;
    exec_submit(s->engine->exec, LANE_COMPACTION, &s->job);
}

// --- Looking for something to do -----------------------------------------------------------------

static bool memory_in_doubt(const struct engine *e)
{
    const struct counts *c = memtable_counts(e->memtables.active);
    for (uint32_t i = 0; i < c->cap; i++)
        if (c->slots[i].prefix.len > 0 && c->slots[i].in_doubt != 0)
            return true;
    return false;
}

static void flush_doubts(struct settle_state *s)
{
    struct engine *e = s->engine;
    uint64_t now_us = env_now_us(e->env);
    uint64_t ms = (e->version->levels[0].bytes + e->version->levels[1].bytes) / FLUSH_BYTES_PER_MS;
    ms = ms < FLUSH_MS_MIN ? FLUSH_MS_MIN : ms > FLUSH_MS_MAX ? FLUSH_MS_MAX : ms;
    if (e->memtables.frozen_count > 0 || now_us - s->flushed_us < ms * 1000)
        return;
    if (memtables_freeze(e) == OK)
        s->flushed_us = now_us;
}

static void look_timer_fired(struct exec_timer *timer)
{
    struct settle_state *s = LIST_ENTRY(timer, struct settle_state, look_timer);
    struct engine *e = s->engine;
    unsigned level;
    s->look_waits = false;
    if (upkeep_has_failed(e) || e->options.counted_prefix == NULL)
        return;
    s->quiet = e->last_seq - s->seen_seq < QUIET_COMMITS;
    s->seen_seq = e->last_seq;
    struct table *t = next_table(s, &level);
    if (t != NULL) {
        begin_survey(s, t, level);
        return;
    }
    bool in_doubt = memory_in_doubt(e);
    if (s->quiet && in_doubt)
        flush_doubts(s);
    if (!s->quiet || in_doubt)
        look_later(s, LOOK_MS);
    upkeep_run(e);
}

void settle_start(struct engine *e)
{
    look_later(e->settle, LOOK_MS);
}

void settle_turn_end(struct engine *e)
{
    if (e->last_seq != e->settle->seen_seq)
        look_later(e->settle, LOOK_MS);
}

void settle_init(struct engine *e)
{
    struct settle_state *s = xcalloc(1, sizeof *s);
    s->engine = e;
    s->look_timer.fire = look_timer_fired;
    s->pause_timer.fire = pause_timer_fired;
    s->term_timer.fire = term_timer_fired;
    s->job = (struct job){.run = survey_job_run, .done = survey_job_done};
    e->settle = s;
}

void settle_stop(struct engine *e)
{
    struct settle_state *s = e->settle;
    s->closing = true;
    exec_timer_stop(e->exec, &s->look_timer); // or it begins a survey while others are waited for
    exec_timer_stop(e->exec, &s->term_timer);
    if (s->pause_waits) {
        exec_timer_stop(e->exec, &s->pause_timer);
        s->status = CANCELLED;
        end_survey(s);
    }
    while (s->survey != NULL)
        ENSURE(exec_drive(e->exec));
}

void settle_release(struct engine *e)
{
    exec_timer_stop(e->exec, &e->settle->look_timer);
    exec_timer_stop(e->exec, &e->settle->term_timer);
    free(e->settle);
    e->settle = NULL;
}
