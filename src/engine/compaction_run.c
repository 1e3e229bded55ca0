// Carries one plan out. A move or a deletion is only an edit. A merge is a job that does a bounded
// step (STEP_BYTES of input or STEP_US) and is submitted again from its `done`, so that nothing
// else in its lane or on the disk waits long for it; between steps a timer holds it back to the
// rate limit.
//
//   loop   the inputs are marked; a version is held, which keeps the inputs' files and all that the
//          job looks at alive
//   job    inputs -> merge -> rewriter -> outputs, step by step
//   loop   one edit: inputs out, outputs in, corrections of the counts; published
//
// Damage. A run that meets a block that is CORRUPT, and that the version does not know of, writes
// nothing any more: it reads on to find all of them, and publishes their key ranges as damage
// (version/damage.h), with no table changed. The picker comes to the same plan again, and that run
// leaves the blocks out, keeping tombstones above them: so reads there go on saying CORRUPT, or
// what is newer, through every later rewriting.
//
// What can fail. NO_SPACE, RETRY: outputs are removed, whoever ordered the run may try again.
// NEWER_FORMAT: the table that cannot be read, named by the error, stays marked. IO while
// reading or writing tables: outputs are removed. A failed edit is the manifest's affair
// (publish.c).
#include "engine/compaction_run.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/compaction/outputs.h"
#include "engine/compaction/rewriter.h"
#include "engine/filename.h"
#include "engine/publish.h"
#include "engine/record/merge.h"
#include "engine/snapshot.h"
#include "engine/unlink.h"
#include "engine/upkeep.h"

enum {
    STEP_BYTES = 1024 * 1024,
    STEP_US = 5000,
    STEP_CHECK = 64, // entries between looks at the clock
    READAHEAD = 256 * 1024,
};

// What the job works with; the loop sets it up before the first step and takes it apart after the
// last.
struct compaction_job {
    struct job job;
    struct block_source *source;
    struct cursor *cursor; // NULL: not set up
    struct table **rows;   // the inputs of level 0, as the cursors walk them
    bool positioned;
    struct rewriter *rewriter;
    struct outputs outputs;
    struct error read_err;
    bool has_snapshots;
    struct damage_set found; // damage that the version does not know
    struct error first_found;
    uint64_t found_blocks;
    int status; // OK: more to do; END: all is written
    uint64_t stepped_bytes;
};

struct compaction_run {
    struct engine *engine;
    struct plan plan;
    struct version *version;
    struct version_edit edit;
    struct edit_op op;
    struct compaction_job merge;
    struct exec_timer step_timer; // holds the next step back
    bool step_waits;
    bool gives_up;
    uint64_t began_us, paid_bytes;
    compaction_run_done_cb done_cb;
    void *done_arg;
};

// --- The job -------------------------------------------------------------------------------------

static bool holds_key_below(void *arg, struct slice key)
{
    const struct compaction_run *r = arg;
    return version_key_below(r->version, r->plan.output_level, key) ||
           damage_set_find(&r->version->damages, key) != 0;
}

// What of a table cannot be read: known to the version, it is left out. Else the run goes on only
// to find all of it. A separator may be the key before it, or, where a snapshot keeps several
// versions of that, lead to more of them.
static bool input_damaged(void *arg, struct table *t, const struct slice *before, struct slice last,
    const struct error *err)
{
    struct compaction_run *r = arg;
    struct buf from = {0}, to = {0};
    buf_append_slice(&from, before != NULL ? *before : t->meta.smallest);
    if (before != NULL && !r->merge.has_snapshots)
        buf_append_byte(&from, 0);
    buf_append_slice(&to, last);
    buf_append_byte(&to, 0);
    struct damage d = {buf_slice(&from), buf_slice(&to), t->meta.seq_max};
    if (slice_compare(d.from, d.to) < 0 && !damage_set_covers(&r->version->damages, &d)) {
        if (r->merge.found_blocks++ == 0)
            r->merge.first_found = *err;
        damage_set_add(&r->merge.found, d.from, d.to, d.seq);
    }
    buf_release(&from);
    buf_release(&to);
    return true;
}

static struct cursor *add_input(struct compaction_run *r, struct cursor *c)
{
    table_cursor_pass_damage(c, input_damaged, r);
    return c;
}

static int compare_smallest(const void *left, const void *right)
{
    const struct table *a = *(struct table *const *)left, *b = *(struct table *const *)right;
    return slice_compare(a->meta.smallest, b->meta.smallest);
}

// Moves a row of disjoint tables, the first and each that begins behind the one before, to the
// front of the sorted ones; returns its length.
static uint32_t take_row(struct table **sorted, uint32_t count)
{
    struct table **rest = xmalloc(count * sizeof(struct table *));
    uint32_t taken = 1, left = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (slice_compare(sorted[taken - 1]->meta.largest, sorted[i]->meta.smallest) < 0)
            sorted[taken++] = sorted[i];
        else
            rest[left++] = sorted[i];
    }
    if (left > 0)
        memcpy(sorted + taken, rest, left * sizeof(struct table *));
    free(rest);
    return taken;
}

// Tables of level 0 that do not overlap are walked one after the other. With values that fill a
// memtable each, that is most of them, and each cursor holds a block of such a size.
static uint32_t level0_cursors(struct compaction_run *r, struct cursor **children)
{
    uint32_t left = r->plan.input_count[0], count = 0;
    size_t bytes = left * sizeof(struct table *);
    struct table **at = r->merge.rows = xmalloc(bytes);
    memcpy(at, r->plan.inputs[0], bytes);
    qsort(at, left, sizeof(struct table *), compare_smallest);
    while (left > 0) {
        uint32_t len = take_row(at, left);
        children[count++] =
            add_input(r, level_cursor(r->merge.source, at, len, &r->merge.read_err));
        at += len;
        left -= len;
    }
    return count;
}

static struct cursor *input_cursor(struct compaction_run *r)
{
    uint32_t count = 0;
    const struct plan *p = &r->plan;
    struct cursor **children = xmalloc((p->input_count[0] + 2) * sizeof *children);
    if (p->level == 0) {
        count = level0_cursors(r, children);
    } else {
        children[count++] = add_input(
            r, level_cursor(r->merge.source, p->inputs[0], p->input_count[0], &r->merge.read_err));
    }
    if (p->input_count[1] > 0)
        children[count++] = add_input(
            r, level_cursor(r->merge.source, p->inputs[1], p->input_count[1], &r->merge.read_err));
    struct cursor *merged = merge_cursor(children, count);
    free(children);
    return merged;
}

static void job_setup(struct compaction_run *r)
{
    struct engine *e = r->engine;
    uint32_t snapshot_count;
    uint64_t *snapshots = snapshot_seqs(e, &snapshot_count);
    struct rewriter_options options = {
        .snapshots = snapshots,
        .snapshot_count = snapshot_count,
        .drops = &r->version->drops,
        .now_ms = env_now_ms(e->env),
        .counted_prefix = e->options.counted_prefix,
        .may_lie_below = r->plan.bottom ? NULL : holds_key_below,
        .below_arg = r,
        .sink = outputs_add,
        .sink_arg = &r->merge.outputs,
    };
    r->merge.rewriter = rewriter_new(&options);
    r->merge.has_snapshots = snapshot_count > 0;
    free(snapshots);
    r->merge.outputs = (struct outputs){
        .builder_options =
            {
                .env = e->env,
                .dir = e->dir,
                .level = r->plan.output_level,
                .lineage = r->version->lineage,
                .block_size = e->options.block_size,
                .bloom_bits_per_key = e->options.bloom_bits_per_key,
                .compression = r->plan.output_level >= COMPRESSED_FROM ? e->options.compression
                                                                       : COMPRESSION_NONE,
                .compression_level = e->options.compression_level,
            },
        .file_size = e->options.target_file_size,
        .grandparents = r->plan.grandparents,
        .grandparent_count = r->plan.grandparent_count,
    };
    r->merge.source = table_scan_new(e->env, e->dir, READAHEAD, ENGINE_BLOCK_MAX);
    r->merge.cursor = input_cursor(r);
}

static int merge_step(struct compaction_run *r)
{
    uint64_t until = env_now_us(r->engine->env) + STEP_US;
    size_t bytes = 0;
    unsigned entries = 0;
    int status = OK;
    if (!r->merge.positioned) {
        status = r->merge.cursor->ops->seek(r->merge.cursor, (struct slice){0}, SEQ_MAX);
        r->merge.positioned = true;
    }
    while (status == OK) {
        bytes += r->merge.cursor->entry.key.len + r->merge.cursor->entry.value.len;
        if (r->merge.found_blocks == 0)
            status = rewriter_add(r->merge.rewriter, &r->merge.cursor->entry);
        if (status == OK)
            status = r->merge.cursor->ops->next(r->merge.cursor);
        // Without numbers the last table would grow over its size.
        if (bytes >= STEP_BYTES || r->merge.outputs.number_count == 0 ||
            (++entries % STEP_CHECK == 0 && env_now_us(r->engine->env) >= until))
            break;
    }
    if (status != END || r->merge.found_blocks > 0)
        return status;
    status = rewriter_finish(r->merge.rewriter);
    if (status == OK)
        status = outputs_finish(&r->merge.outputs);
    return status == OK ? END : status;
}

static void compaction_job_run(struct job *job)
{
    struct compaction_run *r = LIST_ENTRY(job, struct compaction_run, merge.job);
    r->merge.status = merge_step(r);
    r->merge.stepped_bytes = outputs_written(&r->merge.outputs);
    if (r->merge.status < 0 || (r->merge.status == END && r->merge.found_blocks > 0))
        outputs_abandon(&r->merge.outputs);
}

static void job_teardown(struct compaction_run *r)
{
    uint64_t bytes_read = 0;
    r->merge.cursor->ops->close(r->merge.cursor);
    free(r->merge.rows);
    table_scan_free(r->merge.source, &bytes_read);
    r->engine->stats.compaction_read_bytes += bytes_read;
    rewriter_free(r->merge.rewriter);
    damage_set_release(&r->merge.found);
    outputs_release(&r->merge.outputs);
}

// --- The end -------------------------------------------------------------------------------------

static void mark_inputs(struct compaction_run *r, bool busy)
{
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < r->plan.input_count[side]; i++)
            r->plan.inputs[side][i]->loop.being_compacted = busy;
}

// The input that the error names, by its path or its name alone; NULL if it names none of them.
static struct table *damaged_input(const struct compaction_run *r)
{
    const char *file = r->merge.read_err.file, *slash = strrchr(file, '/');
    uint64_t number;
    if (filename_parse(slash != NULL ? slash + 1 : file, &number) != FILENAME_TABLE)
        return NULL;
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < r->plan.input_count[side]; i++)
            if (r->plan.inputs[side][i]->meta.number == number)
                return r->plan.inputs[side][i];
    return NULL;
}

// Leaves the damaged table marked: all inputs where the error names none of them.
static void mark_damaged(struct compaction_run *r)
{
    struct table *damaged = damaged_input(r);
    if (damaged == NULL)
        return;
    mark_inputs(r, false);
    damaged->loop.being_compacted = true;
}

static void end_run(struct compaction_run *r, int status, const struct error *cause)
{
    if ((status == CORRUPT || status == NEWER_FORMAT) && !upkeep_has_failed(r->engine))
        mark_damaged(r);
    else
        mark_inputs(r, false);
    r->done_cb(r->done_arg, &r->plan, status, cause);
    if (r->merge.cursor != NULL)
        job_teardown(r);
    plan_release(&r->plan);
    version_edit_release(&r->edit);
    unlink_version(r->engine, r->version);
    free(r);
}

static void count_run(const struct compaction_run *r)
{
    struct engine_stats *stats = &r->engine->stats;
    if (r->plan.kind == PLAN_MERGE) {
        stats->compactions++;
        stats->compaction_write_bytes += r->merge.outputs.bytes;
        stats->compaction_us += env_now_us(r->engine->env) - r->began_us;
        stats->expired_dropped += rewriter_expired(r->merge.rewriter);
    } else if (r->plan.kind == PLAN_MOVE) {
        stats->trivial_moves++;
    }
}

static void compaction_published(void *arg, int status)
{
    struct compaction_run *r = arg;
    if (status == OK) {
        count_run(r);
        end_run(r, OK, NULL);
        return;
    }
    if (status_is_passing(status) && r->plan.kind == PLAN_MERGE)
        for (uint32_t i = 0; i < r->merge.outputs.table_count; i++)
            unlink_table(r->engine, r->merge.outputs.tables[i]->meta.number);
    struct error cause;
    error_set(&cause, status, NULL, 0, 0, "the manifest could not be written");
    end_run(r, status, &cause);
}

static void damage_published(void *arg, int status)
{
    struct compaction_run *r = arg;
    struct error cause;
    if (status == OK)
        log_line(r->engine->logger, LOG_WARNING,
            "damage: %s; %llu damaged blocks in this compaction's tables are given up, and reads "
            "of "
            "what they held say so",
            r->merge.first_found.text, (unsigned long long)r->merge.found_blocks);
    else
        error_set(&cause, status, NULL, 0, 0, "the manifest could not be written");
    end_run(r, status, status == OK ? NULL : &cause);
}

// The tables stay for now. The next run of the same plan knows where to leave blocks out, and that
// what lies above them must be kept.
static void submit_damage(struct compaction_run *r)
{
    damage_set_add_all(&r->edit.damages, &r->merge.found);
    r->op = (struct edit_op){
        .edit = &r->edit, .base_seq = r->version->last_seq, .done_cb = damage_published, .arg = r};
    publish_edit(r->engine, &r->op);
}

static void submit_edit(struct compaction_run *r)
{
    struct plan *p = &r->plan;
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            version_edit_remove(
                &r->edit, side == 0 ? p->level : p->output_level, p->inputs[side][i]->meta.number);
    if (p->kind == PLAN_MOVE)
        for (uint32_t i = 0; i < p->input_count[0]; i++)
            version_edit_add(&r->edit, p->output_level, p->inputs[0][i]);
    if (p->kind == PLAN_MERGE) {
        uint64_t clean = rewriter_clean_seq(r->merge.rewriter);
        for (uint32_t i = 0; i < r->merge.outputs.table_count; i++) {
            struct table *t = r->merge.outputs.tables[i];
            t->meta.clean_seq = clean < r->version->last_seq ? clean : r->version->last_seq;
            version_edit_add(&r->edit, p->output_level, t);
        }
        counts_add_all(&r->edit.counts, rewriter_counts(r->merge.rewriter));
    }
    r->op = (struct edit_op){.edit = &r->edit,
        .base_seq = r->version->last_seq,
        .done_cb = compaction_published,
        .arg = r};
    publish_edit(r->engine, &r->op);
}

// --- Steps ---------------------------------------------------------------------------------------

static void submit_step(struct compaction_run *r)
{
    struct outputs *o = &r->merge.outputs;
    while (o->number_count < OUTPUTS_NUMBERS)
        o->numbers[o->number_count++] = engine_new_file_number(r->engine);
    exec_submit(r->engine->exec, LANE_COMPACTION, &r->merge.job);
}

// Milliseconds until the limit allows what was written since the last payment.
static uint64_t rate_delay_ms(struct compaction_run *r)
{
    uint64_t limit = r->engine->options.compaction_rate_limit;
    if (limit == 0) {
        r->paid_bytes = r->merge.stepped_bytes;
        return 0;
    }
    uint64_t ms = (r->merge.stepped_bytes - r->paid_bytes) * 1000 / limit;
    r->paid_bytes += ms * limit / 1000;
    return ms;
}

static void next_step(struct compaction_run *r)
{
    uint64_t delay_ms = rate_delay_ms(r);
    if (delay_ms == 0) {
        submit_step(r);
        return;
    }
    r->step_waits = true;
    exec_timer_start(r->engine->exec, &r->step_timer, delay_ms);
}

static void step_timer_fired(struct exec_timer *timer)
{
    struct compaction_run *r = LIST_ENTRY(timer, struct compaction_run, step_timer);
    r->step_waits = false;
    submit_step(r);
}

static void compaction_job_done(struct job *job)
{
    struct compaction_run *r = LIST_ENTRY(job, struct compaction_run, merge.job);
    struct engine *e = r->engine;
    if (r->merge.status == END && r->merge.found_blocks > 0) {
        submit_damage(r);
    } else if (r->merge.status == END) {
        submit_edit(r);
    } else if (r->merge.status == OK && r->gives_up) {
        outputs_abandon(&r->merge.outputs);
        end_run(r, CANCELLED, NULL);
    } else if (r->merge.status == OK) {
        next_step(r);
    } else {
        const struct error *written = &r->merge.outputs.err;
        struct error cause = written->status != OK ? *written : r->merge.read_err;
        end_run(r, r->merge.status, &cause);
    }
    upkeep_run(e);
}

struct compaction_run *compaction_run_new(
    struct engine *e, const struct plan *plan, compaction_run_done_cb done_cb, void *arg)
{
    struct compaction_run *r = xcalloc(1, sizeof *r);
    *r = (struct compaction_run){
        .engine = e,
        .plan = *plan,
        .version = version_ref(e->version),
        .step_timer = {.fire = step_timer_fired},
        .began_us = env_now_us(e->env),
        .done_cb = done_cb,
        .done_arg = arg,
    };
    mark_inputs(r, true);
    if (plan->kind != PLAN_MERGE) {
        submit_edit(r);
        return r;
    }
    job_setup(r);
    r->merge.job = (struct job){.run = compaction_job_run, .done = compaction_job_done};
    submit_step(r);
    return r;
}

void compaction_run_give_up(struct compaction_run *r)
{
    r->gives_up = true;
    if (!r->step_waits)
        return;
    r->step_waits = false;
    exec_timer_stop(r->engine->exec, &r->step_timer);
    submit_step(r);
}
