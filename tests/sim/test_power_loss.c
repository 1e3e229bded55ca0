// The workload of workload.h, cut at every operation that changes the disk, under every fsync
// policy; then the recovery of what is left, itself cut at every operation.
//
// What must hold after a cut, whatever the disk made of it:
//   - the database opens, and holds the first so many batches, each whole: no hole, no half batch,
//     nothing that was not written;
//   - with `always` at least those that were acknowledged; with `everysec` at least those
//     acknowledged more than a few seconds before the cut; with any policy those that a completed
//     flush or close covered;
//   - a cut during recovery changes nothing of that: the same batches are found the next time;
//   - counts are right within their doubt, and exact once everything is compacted;
//   - it goes on working: the workload continues where it was cut.
//
// A case is policy:cut:seed. By default a sample of the cuts of a few seeds is tried, other cuts
// for each policy; VARVE_TEST_FULL=1 tries all of seeds 1 to 3, VARVE_POWER_LOSS_SEEDS=4-50/16 each
// 16th of seeds 4 to 50. VARVE_POWER_LOSS=always:123:1 tries one, with VARVE_SIM_TRACE=1 to see its
// operations.
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/sim/sim_env.h"
#include "tests/sim/sim_exec.h"
#include "tests/sim/workload.h"

enum {
    BATCHES = 240,
    MORE_BATCHES = 20,
    SAMPLE = 25, // cuts a seed
    EVERYSEC_SLACK_MS = 4000
};

#define WORKLOAD_SEED 7

struct machine {
    struct sim_env *env;
    struct sim_exec *exec;
    struct engine *engine;
    enum fsync_policy policy;
    struct random random; // the test's own choices
};

struct cut {
    enum fsync_policy policy;
    uint64_t at;
    uint64_t seed;
};

// How far a run has come before the cut.
struct progress {
    int committed; // batches that txn_commit took
    int unknown;   // 1: one more may have been, or not: the answer to its commit was the cut's
    int promised;  // batches that must survive
    uint64_t seqs[BATCHES + MORE_BATCHES];
    int64_t acknowledged_ms[BATCHES + MORE_BATCHES];
    int acknowledged;
};

static const char *const policy_names[] = {"always", "everysec", "no"};

static void complain(const struct cut *c, const char *what, const struct buf *why)
{
    cr_assert_fail("%s: %.*s; replay: VARVE_POWER_LOSS=%s:%llu:%llu", what,
        why == NULL ? 0 : (int)why->len, why == NULL ? "" : (const char *)why->data,
        policy_names[c->policy], (unsigned long long)c->at, (unsigned long long)c->seed);
}

static int machine_open(struct machine *m)
{
    struct engine_options options =
        workload_options(sim_env_env(m->env), sim_exec_exec(m->exec), m->policy);
    m->engine = NULL;
    return engine_open(&options, &m->engine, NULL);
}

static void machine_new(struct machine *m, struct sim_env *env, const struct cut *c)
{
    *m = (struct machine){.env = env,
        .exec = sim_exec_new(env, c->seed),
        .policy = c->policy,
        .random = {c->seed + c->at}};
}

// What the machine still runs ends (by failing, if the power is gone), and the engine goes.
static int machine_close(struct machine *m)
{
    int status = m->engine == NULL ? IO : engine_close(m->engine, NULL);
    m->engine = NULL;
    sim_exec_settle(m->exec);
    return status;
}

static void machine_free(struct machine *m)
{
    sim_exec_free(m->exec);
    sim_env_free(m->env);
}

static void note_acknowledged(struct machine *m, struct progress *p)
{
    uint64_t durable = engine_durable_seq(m->engine);
    while (p->acknowledged < p->committed && p->seqs[p->acknowledged] <= durable)
        p->acknowledged_ms[p->acknowledged++] = env_now_ms(sim_env_env(m->env));
    if (m->policy == FSYNC_ALWAYS && !sim_env_power_is_gone(m->env))
        p->promised = p->acknowledged;
}

static bool commit_batch(struct machine *m, struct txn *txn, struct progress *p)
{
    txn_begin(txn);
    workload_stage(txn, WORKLOAD_SEED, p->committed);
    int status = txn_commit(txn);
    bool waited = status == WAIT;
    if (waited) {
        sim_exec_hold(m->exec, LANE_FLUSH, false);
        status = engine_blocking_commit(m->engine, txn);
    }
    if (status == OK)
        p->seqs[p->committed++] = txn_seq(txn);
    else if (waited)
        p->unknown = 1;
    txn_reset(txn);
    return status == OK;
}

// What happens between two batches: the end of a turn, some of what is under way, time, and now and
// then a flush or a compaction.
static void between_batches(struct machine *m, struct progress *p)
{
    if (random_below(&m->random, 3) > 0)
        engine_turn_end(m->engine);
    for (uint64_t steps = random_below(&m->random, 12); steps > 0; steps--)
        sim_exec_step(m->exec);
    if (random_below(&m->random, 10) == 0)
        sim_exec_run_for(m->exec, 700);
    note_acknowledged(m, p);
    // Flushes that hang for a while: what only they would make durable by the way stays undone for
    // long.
    if (random_below(&m->random, 8) == 0)
        sim_exec_hold(m->exec, LANE_FLUSH, random_below(&m->random, 3) > 0);
    if (random_below(&m->random, 30) > 0)
        return;
    sim_exec_hold(m->exec, LANE_FLUSH, false);
    int covered = p->committed;
    if (engine_blocking_flush(m->engine) == OK && !sim_env_power_is_gone(m->env))
        p->promised = covered;
    if (random_below(&m->random, 3) == 0)
        engine_blocking_compact(m->engine);
}

// From where the database is (p->committed) to the end of the workload, or to the cut.
static void run_workload(struct machine *m, struct progress *p, int batches)
{
    struct txn *txn = txn_new(m->engine);
    while (p->committed < batches && commit_batch(m, txn, p))
        between_batches(m, p);
    txn_free(txn);
    sim_exec_hold(m->exec, LANE_FLUSH, false);
    if (machine_close(m) == OK)
        p->promised = p->committed;
}

static void keep_everysec_promise(struct machine *m, struct progress *p)
{
    int64_t now_ms = env_now_ms(sim_env_env(m->env));
    for (int i = p->promised; m->policy == FSYNC_EVERYSEC && i < p->acknowledged; i++) {
        if (p->acknowledged_ms[i] < now_ms - EVERYSEC_SLACK_MS)
            p->promised = i + 1;
    }
}

static void check(struct machine *m, const struct cut *c, int batches, bool settled)
{
    struct model model;
    struct buf why = {0};
    model_after(&model, WORKLOAD_SEED, batches, env_now_ms(sim_env_env(m->env)));
    if (!workload_check(m->engine, &model, settled, &why))
        complain(c, "contents", &why);
    buf_release(&why);
}

// Opens after a cut and returns how many batches there are.
static int reopen(struct machine *m, const struct cut *c)
{
    struct buf why = {0};
    struct engine_options options =
        workload_options(sim_env_env(m->env), sim_exec_exec(m->exec), m->policy);
    struct error err;
    int batches;
    int status = engine_open(&options, &m->engine, &err);
    if (status != OK) {
        buf_printf(&why, "%s", err.text);
        complain(c, "recovery fails", &why);
    }
    status = workload_batches(m->engine, &batches);
    if (status != OK)
        complain(c, "the marker cannot be read", NULL);
    check(m, c, batches, false);
    return batches;
}

// Runs recovery of the machine as it is, cut at its operations from first to last; every time the
// same batches are found afterwards.
static void cut_recovery(const struct sim_env *after, const struct cut *c, int expected)
{
    struct random r = {c->at ^ c->seed};
    uint64_t stride = getenv("VARVE_TEST_FULL") != NULL ? 1 : 1 + random_below(&r, 6);
    bool cut = true;
    for (uint64_t at = random_below(&r, stride); cut; at += stride) {
        struct machine m;
        machine_new(&m, sim_env_copy(after, at * 31 + c->seed), c);
        sim_env_crash_at(m.env, at);
        if (machine_open(&m) == OK)
            sim_exec_run_for(m.exec, 10);
        machine_close(&m);
        cut = sim_env_power_is_gone(m.env);
        sim_env_crash(m.env);
        int batches = reopen(&m, c);
        if (batches != expected)
            complain(c, "a cut in recovery loses or finds batches", NULL);
        machine_close(&m);
        machine_free(&m);
    }
}

static void go_on(struct machine *m, const struct cut *c, int batches)
{
    struct progress p = {.committed = batches};
    run_workload(m, &p, batches + MORE_BATCHES);
    if (p.committed != batches + MORE_BATCHES)
        complain(c, "writing after recovery fails", NULL);
    if (reopen(m, c) != p.committed)
        complain(c, "a clean restart loses batches", NULL);
    if (engine_blocking_compact(m->engine) != OK)
        complain(c, "compaction after recovery fails", NULL);
    check(m, c, p.committed, true);
}

// One case. Returns whether the cut came before the workload's end.
static bool try_cut(const struct cut *c)
{
    struct machine m;
    struct progress p = {0};
    machine_new(&m, sim_env_new(c->seed * 7919 + c->at), c);
    sim_env_crash_at(m.env, c->at);
    if (machine_open(&m) == OK)
        run_workload(&m, &p, BATCHES);
    else
        machine_close(&m);
    keep_everysec_promise(&m, &p);
    bool was_cut = sim_env_power_is_gone(m.env);
    sim_env_crash(m.env);
    struct sim_env *after = sim_env_copy(m.env, c->seed + c->at);

    int batches = reopen(&m, c);
    if (batches < p.promised || batches > p.committed + p.unknown) {
        struct buf why = {0};
        buf_printf(
            &why, "%d batches found, %d promised, %d committed", batches, p.promised, p.committed);
        complain(c, "durability", &why);
    }
    go_on(&m, c, batches);
    machine_close(&m);
    machine_free(&m);
    cut_recovery(after, c, batches);
    sim_env_free(after);
    return was_cut;
}

// Operations of a run without a cut: the range of cuts.
static uint64_t count_operations(enum fsync_policy policy, uint64_t seed)
{
    struct cut none = {policy, UINT64_MAX, seed};
    struct machine m;
    struct progress p = {0};
    machine_new(&m, sim_env_new(seed), &none);
    cr_assert_eq(machine_open(&m), OK);
    run_workload(&m, &p, BATCHES);
    cr_assert_eq(p.promised, BATCHES, "without a cut all is durable after closing");
    uint64_t operations = sim_env_operations(m.env);
    machine_free(&m);
    return operations;
}

struct seeds {
    uint64_t first, last;
    uint64_t stride; // of the cuts; 0: a sample
};

static struct seeds which_seeds(void)
{
    unsigned long long first, last, stride;
    const char *text = getenv("VARVE_POWER_LOSS_SEEDS");
    if (text == NULL)
        return (struct seeds){1, 3, getenv("VARVE_TEST_FULL") != NULL};
    cr_assert_eq(sscanf(text, "%llu-%llu/%llu", &first, &last, &stride), 3,
        "VARVE_POWER_LOSS_SEEDS is first-last/stride");
    return (struct seeds){first, last, stride};
}

static void try_seed(enum fsync_policy policy, uint64_t seed, uint64_t stride)
{
    struct cut c = {.policy = policy, .seed = seed};
    uint64_t operations = count_operations(policy, seed);
    unsigned cuts = 0, tried = 0;
    if (stride == 0)
        stride = operations / SAMPLE + 1;
    for (c.at = (seed + (uint64_t)policy) % stride; c.at < operations; c.at += stride, tried++)
        cuts += try_cut(&c);
    cr_assert_gt(cuts, tried / 3, "most cuts fall into the workload");
}

static void try_policy(enum fsync_policy policy)
{
    char name[16];
    unsigned long long at, seed;
    const char *one = getenv("VARVE_POWER_LOSS");
    if (one != NULL) {
        cr_assert_eq(sscanf(one, "%15[a-z]:%llu:%llu", name, &at, &seed), 3,
            "VARVE_POWER_LOSS is policy:cut:seed");
        if (strcmp(name, policy_names[policy]) == 0)
            try_cut(&(struct cut){policy, at, seed});
        return;
    }
    struct seeds seeds = which_seeds();
    for (uint64_t s = seeds.first; s <= seeds.last; s++)
        try_seed(policy, s, seeds.stride);
}

Test(power_loss, always_keeps_what_was_acknowledged, .timeout = 3600)
{
    try_policy(FSYNC_ALWAYS);
}

Test(power_loss, everysec_keeps_a_prefix_and_all_but_the_last_seconds, .timeout = 3600)
{
    try_policy(FSYNC_EVERYSEC);
}

Test(power_loss, no_keeps_a_prefix, .timeout = 3600)
{
    try_policy(FSYNC_NO);
}
