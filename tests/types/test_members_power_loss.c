// Hashes and sets over the engine, through power cuts: after each recovery every one of them is
// what a prefix of the acknowledged batches made it, its count is the number of its members, and no
// id of a spread one comes twice. The buffers are small, so flushes and compactions lie between,
// and half of all reads must wait.
#include <criterion/criterion.h>

#include "base/random.h"
#include "tests/sim/sim_env.h"
#include "tests/sim/sim_exec.h"
#include "types/databases.h"
#include "types/members.h"

enum { KEYS = 4, FIELDS = 40, STEPS = 150, LIVES = 4, SEEDS = 16, VALUE_PADDING = 200 };

// The first half of the keys are hashes, the others sets.
static enum value_type kind_of(int key)
{
    return key < KEYS / 2 ? TYPE_HASH : TYPE_SET;
}

// What is in each field of each hash: the number of the step that wrote it, or 0; of a set 1 or 0.
struct model {
    int fields[KEYS][FIELDS];
};

struct world {
    struct sim_env *sim;
    struct sim_exec *exec;
    struct engine *engine;
    struct databases *dbs;
    struct txn *txn;
    struct random random;
    uint64_t last_id; // the greatest that was seen
};

static bool open_world(struct world *w)
{
    struct error err;
    struct engine_options options = {.dir = "db",
        .env = sim_env_env(w->sim),
        .exec = sim_exec_exec(w->exec),
        .memory_budget = 1 << 20,
        .write_buffer_size = 1 << 16,
        .fsync = FSYNC_ALWAYS,
        .counted_prefix = keys_counted_prefix};
    struct databases_limits limits = {.hash_max_entries = 6, .hash_max_value = 1000};
    if (engine_open(&options, &w->engine, &err) != OK)
        return false;
    if (databases_open(w->engine, 4, 7, &w->dbs, &err) != OK) {
        engine_close(w->engine, NULL);
        return false;
    }
    databases_set_limits(w->dbs, &limits);
    w->txn = txn_new(w->engine);
    return true;
}

static void close_world(struct world *w)
{
    txn_free(w->txn);
    databases_free(w->dbs);
    engine_close(w->engine, NULL);
}

static void arrived(struct txn *txn, void *arg)
{
    *(bool *)arg = true;
}

static bool wait_for(struct world *w)
{
    bool fired = false;
    txn_wait(w->txn, arrived, &fired);
    for (int i = 0; i < 1000 && !fired; i++) {
        engine_turn_end(w->engine);
        sim_exec_settle(w->exec);
        if (!fired)
            sim_env_advance(w->sim, 10);
    }
    return fired;
}

enum { NAME_LEN = 303 }; // so that a set of some is over 4 KiB

static struct slice name_of(char *out, char letter, int number)
{
    memset(out, letter, NAME_LEN);
    out[1] = (char)('0' + number / 10);
    out[2] = (char)('0' + number % 10);
    return slice_of(out, NAME_LEN);
}

static struct slice value_of(uint8_t *out, int step)
{
    memset(out, step, VALUE_PADDING);
    memcpy(out, &step, sizeof step);
    return slice_of(out, VALUE_PADDING);
}

// --- One step: a batch over one or two hashes ----------------------------------------------------

struct plan {
    int step, key, other, first, count;
    enum { PLAN_SET, PLAN_REMOVE, PLAN_DELETE, PLAN_RENAME, PLAN_FLUSH } what;
};

static struct plan draw_plan(struct world *w, int step)
{
    unsigned roll = (unsigned)random_below(&w->random, 20);
    struct plan p = {.step = step,
        .key = (int)random_below(&w->random, KEYS),
        .other = (int)random_below(&w->random, KEYS / 2), // the same kind, see below
        .first = (int)random_below(&w->random, FIELDS),
        .count = 1 + (int)random_below(&w->random, 12),
        .what = roll < 11   ? PLAN_SET
                : roll < 16 ? PLAN_REMOVE
                : roll < 17 ? PLAN_DELETE
                : roll < 19 ? PLAN_RENAME
                            : PLAN_FLUSH};
    p.other += kind_of(p.key) == TYPE_HASH ? 0 : KEYS / 2;
    return p;
}

static void apply_to_model(struct model *m, const struct plan *p)
{
    int *fields = m->fields[p->key];
    switch (p->what) {
    case PLAN_SET:
    case PLAN_REMOVE:
        for (int i = 0; i < p->count; i++)
            fields[(p->first + i) % FIELDS] = p->what != PLAN_SET            ? 0
                                              : kind_of(p->key) == TYPE_HASH ? p->step
                                                                             : 1;
        break;
    case PLAN_RENAME:
        if (p->key != p->other) {
            bool any = false;
            for (int i = 0; i < FIELDS; i++)
                any |= fields[i] != 0;
            if (any) {
                memcpy(m->fields[p->other], fields, sizeof m->fields[0]);
                memset(fields, 0, sizeof m->fields[0]);
            }
        }
        break;
    case PLAN_DELETE:
        memset(fields, 0, sizeof m->fields[0]);
        break;
    case PLAN_FLUSH:
        memset(m, 0, sizeof *m);
        break;
    }
}

static int change_fields(struct databases_view *v, const struct plan *p, struct slice key)
{
    struct members h;
    bool waits = false;
    int status = members_open(&h, v, LOOKUP_WRITE, key, kind_of(p->key));
    if (status != OK && status != NOT_FOUND)
        return status;
    for (int i = 0; i < p->count; i++) {
        char field[NAME_LEN];
        uint8_t value[VALUE_PADDING];
        bool added;
        struct slice name = name_of(field, 'f', (p->first + i) % FIELDS);
        struct slice bytes =
            kind_of(p->key) == TYPE_HASH ? value_of(value, p->step) : slice_of(NULL, 0);
        int one =
            p->what == PLAN_SET ? members_set(&h, name, bytes, &added) : members_remove(&h, name);
        if (one < 0)
            return one;
        waits |= one == WAIT;
    }
    if (waits)
        return WAIT;
    members_close(&h);
    return OK;
}

static int change_key(struct databases_view *v, const struct plan *p, struct slice key)
{
    struct value found;
    char other[NAME_LEN];
    int status = keys_get(v, LOOKUP_WRITE, key, &found);
    if (status == NOT_FOUND)
        return OK;
    if (status != OK)
        return status;
    if (p->what == PLAN_RENAME)
        return keys_rename(v, key, name_of(other, 'k', p->other), &found);
    keys_delete(v, key, &found.spread);
    return OK;
}

static int attempt(struct world *w, const struct plan *p)
{
    struct databases_view v;
    char key[NAME_LEN];
    int status = OK;
    txn_begin(w->txn);
    databases_begin(&v, w->dbs, w->txn, 0, 1000);
    if (p->what == PLAN_FLUSH)
        databases_flush(&v, 0);
    else if (p->what == PLAN_SET || p->what == PLAN_REMOVE)
        status = change_fields(&v, p, name_of(key, 'k', p->key));
    else
        status = change_key(&v, p, name_of(key, 'k', p->key));
    if (status == OK && txn_has_writes(w->txn))
        status = txn_commit(w->txn);
    if (status == OK)
        databases_installed(&v);
    else
        databases_abandon(&v);
    return status;
}

// Whether the batch is acknowledged.
static bool run_plan(struct world *w, const struct plan *p)
{
    int status = WAIT;
    for (int attempts = 0; attempts < 200 && status == WAIT; attempts++) {
        status = attempt(w, p);
        if (status == WAIT && !wait_for(w))
            return false;
    }
    if (status != OK)
        return false;
    uint64_t seq = txn_seq(w->txn);
    txn_reset(w->txn);
    engine_turn_end(w->engine);
    sim_exec_settle(w->exec);
    return engine_durable_seq(w->engine) >= seq;
}

// --- After a recovery ----------------------------------------------------------------------------

// Reads one whole, with all its waits: its fields, or false.
static bool read_members(struct world *w, int key, int *fields)
{
    int status = WAIT;
    for (int attempts = 0; attempts < 200 && status == WAIT; attempts++) {
        struct databases_view v;
        struct members h;
        struct members_walk walk;
        struct slice field, value;
        char name[NAME_LEN];
        uint64_t seen = 0;
        memset(fields, 0, FIELDS * sizeof *fields);
        txn_begin(w->txn);
        databases_begin(&v, w->dbs, w->txn, 0, 1000);
        status = members_open(&h, &v, LOOKUP_QUIET, name_of(name, 'k', key), kind_of(key));
        if (status == OK) {
            members_walk_open(&walk, &h, slice_of(NULL, 0));
            while ((status = members_walk_next(&walk, &field, &value)) == OK) {
                int number = (field.data[1] - '0') * 10 + field.data[2] - '0';
                fields[number] = 1;
                if (value.len > 0)
                    memcpy(&fields[number], value.data, sizeof *fields);
                seen++;
            }
            members_walk_close(&walk);
            if (status == END)
                cr_assert_eq(
                    seen, h.count, "the head counts %d, there are %d", (int)h.count, (int)seen);
            if (h.value.spread.id > w->last_id)
                w->last_id = h.value.spread.id;
        }
        if (status == WAIT)
            cr_assert(wait_for(w));
    }
    txn_reset(w->txn);
    return status == END || status == NOT_FOUND;
}

static void read_all(struct world *w, struct model *m)
{
    for (int key = 0; key < KEYS; key++)
        cr_assert(read_members(w, key, m->fields[key]));
}

static bool same(const struct model *a, const struct model *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void run_seed(uint64_t seed)
{
    struct world w = {.sim = sim_env_new(seed), .random = {seed}};
    struct model before = {0}, after = {0}, found;
    w.exec = sim_exec_new(w.sim, seed);
    sim_env_set_cold_percent(w.sim, 50);
    cr_assert(open_world(&w));
    int step = 1;
    for (int life = 0; life < LIVES; life++) {
        sim_env_crash_at(
            w.sim, sim_env_operations(w.sim) + 1 + random_below(&w.random, 40u << (2 * life)));
        bool alive = true;
        for (int i = 0; i < STEPS && alive; i++, step++) {
            struct plan p = draw_plan(&w, step);
            before = after;
            apply_to_model(&after, &p);
            alive = run_plan(&w, &p);
        }
        if (alive)
            before = after;
        close_world(&w);
        sim_env_crash(w.sim);
        cr_assert(open_world(&w), "seed %d: opens again", (int)seed);
        read_all(&w, &found);
        cr_assert(same(&found, &before) || same(&found, &after),
            "seed %d, life %d, step %d: neither before nor after the last batch", (int)seed, life,
            step);
        after = found;
    }
    // The next id is above all that were seen.
    struct databases_view v;
    txn_begin(w.txn);
    databases_begin(&v, w.dbs, w.txn, 0, 1000);
    cr_assert_gt(spread_take_id(&v), w.last_id);
    close_world(&w);
    sim_exec_free(w.exec);
    sim_env_free(w.sim);
}

Test(members_power_loss, each_batch_is_there_or_not)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
}
