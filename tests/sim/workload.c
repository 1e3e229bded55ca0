// Batches are made from a generator seeded by (seed, number), so that staging and model replay the
// same operations without remembering them: each_op() yields them to a visitor. Values are made
// from (batch, key) alone, so the model needs only to know the writer.
//
// What a drop covers is unspecified for readers until the key is written again: the engine may
// still show it, also what had been deleted before (the tombstone may be gone, and what it hid not
// yet). For counts it is gone at once.
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/sim/sim_env.h"

enum { VALUE_MAX = 200, KEY_SIZE = 16 };

#define FAR_FUTURE_MS 4000000000000

enum op_kind { OP_PUT, OP_DELETE, OP_DROP };

struct op {
    enum op_kind kind;
    int first, count; // keys; a drop covers several
};

// --- Keys and values -----------------------------------------------------------------------------

static struct slice key_of(int key, char text[KEY_SIZE])
{
    if (key == MARKER)
        snprintf(text, KEY_SIZE, "M");
    else if (key < COUNTED_PREFIXES * KEYS_PER_PREFIX)
        snprintf(text, KEY_SIZE, "K%d:%02d", key / KEYS_PER_PREFIX, key % KEYS_PER_PREFIX);
    else {
        int element = key - COUNTED_PREFIXES * KEYS_PER_PREFIX;
        snprintf(text, KEY_SIZE, "E%d:%d", element / ELEMENTS, element % ELEMENTS);
    }
    return slice_cstr(text);
}

// Counted are the K keys, below "K0" and "K1".
static size_t counted_prefix(struct slice key)
{
    return key.len > 2 && key.data[0] == 'K' ? 2 : 0;
}

static struct slice value_of(int batch, int key, char text[VALUE_MAX])
{
    struct random r = {(uint64_t)batch * 1000 + (uint64_t)key};
    size_t len = key == MARKER ? 0 : (size_t)random_below(&r, VALUE_MAX - 40);
    size_t n = (size_t)snprintf(text, VALUE_MAX, "%d.%d.", batch, key);
    for (; n < len; n++)
        text[n] = (char)('a' + random_below(&r, 4));
    return slice_of(text, n);
}

// A batch takes some 100 ms, now and then more: those that expire soon do so before their batch is
// written, while the workload runs, or after it.
static int64_t expiry_of(int batch, int key)
{
    int sum = batch + key;
    if (key == MARKER || sum % 4 != 0)
        return 0;
    return sum % 8 == 0 ? FAR_FUTURE_MS + batch : SIM_START_MS + 1 + (int64_t)sum * 97 % 40000;
}

static bool has_expired(const struct model *m, int key)
{
    int64_t at = m->writer[key] < 0 ? 0 : expiry_of(m->writer[key], key);
    return at != 0 && at <= m->now_ms;
}

// --- Batches -------------------------------------------------------------------------------------

static struct op draw_op(struct random *r)
{
    uint64_t dice = random_below(r, 100);
    if (dice < 62)
        return (struct op){OP_PUT, (int)random_below(r, MARKER), 1};
    if (dice < 86)
        return (struct op){OP_DELETE, (int)random_below(r, COUNTED_PREFIXES * KEYS_PER_PREFIX), 1};
    if (dice < 98) {
        int collection = (int)random_below(r, COLLECTIONS);
        return (struct op){
            OP_DROP, COUNTED_PREFIXES * KEYS_PER_PREFIX + collection * ELEMENTS, ELEMENTS};
    }
    return (struct op){OP_DROP, KEYS_PER_PREFIX, KEYS_PER_PREFIX}; // all of K1
}

static void each_op(
    uint64_t seed, int batch, void (*visit)(void *arg, const struct op *op, int batch), void *arg)
{
    struct random r = {seed * 1000003 + (uint64_t)batch};
    uint64_t count = random_below(&r, BATCH_OPS_MAX);
    for (uint64_t i = 0; i < count; i++) {
        struct op op = draw_op(&r);
        visit(arg, &op, batch);
    }
    struct op marker = {OP_PUT, MARKER, 1};
    visit(arg, &marker, batch);
}

static void stage_op(void *arg, const struct op *op, int batch)
{
    struct txn *txn = arg;
    char key_text[KEY_SIZE], value_text[VALUE_MAX];
    struct slice key = key_of(op->first, key_text);
    if (op->kind == OP_DROP)
        txn_drop_prefix(txn, slice_of(key.data, 2));
    else if (op->kind == OP_DELETE)
        txn_delete(txn, key);
    else {
        struct slice value = value_of(batch, op->first, value_text);
        size_t half = value.len / 2;
        txn_put(txn, key, slice_of(value.data, half), slice_skip(value, half),
            expiry_of(batch, op->first));
    }
}

void workload_stage(struct txn *txn, uint64_t seed, int batch)
{
    each_op(seed, batch, stage_op, txn);
}

static void model_op(void *arg, const struct op *op, int batch)
{
    struct model *m = arg;
    for (int key = op->first; key < op->first + op->count; key++) {
        if (op->kind == OP_DROP)
            m->writer[key] = UNSPECIFIED;
        else
            m->writer[key] = op->kind == OP_DELETE ? DEAD : batch;
    }
}

void model_after(struct model *m, uint64_t seed, int batches, int64_t now_ms)
{
    m->now_ms = now_ms;
    for (int key = 0; key < KEYS; key++)
        m->writer[key] = DEAD;
    for (int batch = 0; batch < batches; batch++)
        each_op(seed, batch, model_op, m);
}

int64_t model_count(const struct model *m, int prefix, int64_t *expired)
{
    int64_t count = 0;
    *expired = 0;
    for (int key = prefix * KEYS_PER_PREFIX; key < (prefix + 1) * KEYS_PER_PREFIX; key++) {
        *expired += has_expired(m, key);
        count += m->writer[key] >= 0 && !has_expired(m, key);
    }
    return count;
}

// --- Engine --------------------------------------------------------------------------------------

struct engine_options workload_options(struct env *env, struct exec *exec, enum fsync_policy fsync)
{
    return (struct engine_options){
        .dir = "db",
        .env = env,
        .exec = exec,
        .memory_budget = 1 << 20,
        .write_buffer_size = 8 << 10,
        .target_file_size = 4 << 10,
        .level0_file_limit = 2,
        .block_size = 512,
        .compression = COMPRESSION_ZSTD,
        .max_open_files = 4,
        .fsync = fsync,
        .counted_prefix = counted_prefix,
    };
}

int workload_batches(struct engine *engine, int *batches)
{
    struct txn *txn = txn_new(engine);
    char text[KEY_SIZE];
    struct row row;
    txn_begin(txn);
    int status = engine_blocking_get(engine, txn, key_of(MARKER, text), &row);
    *batches = 0;
    if (status == OK)
        *batches = atoi((const char *)row.value.data) + 1;
    txn_free(txn);
    return status == NOT_FOUND ? OK : status;
}

static bool row_matches(const struct model *m, int key, const struct row *row)
{
    char text[VALUE_MAX];
    int writer = m->writer[key];
    return slice_equal(row->value, value_of(writer, key, text)) &&
           row->expire_ms == expiry_of(writer, key);
}

static bool check_gets(struct engine *engine, const struct model *m, struct buf *why)
{
    struct txn *txn = txn_new(engine);
    bool good = true;
    for (int key = 0; key < KEYS && good; key++) {
        char text[KEY_SIZE];
        struct row row;
        txn_begin(txn);
        int status = engine_blocking_get(engine, txn, key_of(key, text), &row);
        if (m->writer[key] == DEAD)
            good = status == NOT_FOUND;
        else if (m->writer[key] >= 0)
            good = status == OK ? row_matches(m, key, &row)
                                : status == NOT_FOUND && has_expired(m, key);
        else
            good = status == OK || status == NOT_FOUND;
        if (!good)
            buf_printf(
                why, "get %s: %s, expected writer %d", text, status_text(status), m->writer[key]);
        txn_reset(txn);
    }
    txn_free(txn);
    return good;
}

static int key_number(struct slice key)
{
    for (int i = 0; i < KEYS; i++) {
        char text[KEY_SIZE];
        if (slice_equal(key_of(i, text), key))
            return i;
    }
    return -1;
}

// A walk from one end to the other sees every live key once, in order, and nothing dead.
static bool check_walk(struct engine *engine, const struct model *m, bool backward, struct buf *why)
{
    struct iter_options options = {0};
    struct iter *it = iter_open(engine, NULL, &options);
    struct slice none = {0};
    bool seen[KEYS] = {false}, good = true;
    struct buf last = {0};
    int status = engine_blocking_step(engine, it, backward ? ITER_SEEK_BEFORE : ITER_SEEK, none);
    for (; status == OK && good;
         status = engine_blocking_step(engine, it, backward ? ITER_PREV : ITER_NEXT, none)) {
        struct slice key = iter_key(it);
        struct row row = iter_row(it);
        int number = key_number(key);
        int order = last.len == 0 ? 1 : slice_compare(key, buf_slice(&last));
        good = number >= 0 && !seen[number] && m->writer[number] != DEAD &&
               (backward ? order < 0 || last.len == 0 : order > 0) &&
               (m->writer[number] < 0 || row_matches(m, number, &row));
        if (!good) {
            buf_printf(why, "walk %s: at %.*s, expected writer %d",
                backward ? "backward" : "forward", (int)key.len, (const char *)key.data,
                number < 0 ? DEAD : m->writer[number]);
            break;
        }
        seen[number] = true;
        buf_clear(&last);
        buf_append_slice(&last, key);
    }
    for (int key = 0; key < KEYS && good; key++) {
        good = status == END && (m->writer[key] < 0 || seen[key] || has_expired(m, key));
        if (!good)
            buf_printf(why, "walk %s: %s, key %d was not seen", backward ? "backward" : "forward",
                status_text(status), key);
    }
    buf_release(&last);
    iter_close(it);
    return good;
}

static bool check_counts(
    struct engine *engine, const struct model *m, bool settled, struct buf *why)
{
    struct txn *txn = txn_new(engine);
    bool good = true;
    txn_begin(txn);
    for (int prefix = 0; prefix < COUNTED_PREFIXES && good; prefix++) {
        char text[KEY_SIZE];
        int64_t count, in_doubt, expired, live = model_count(m, prefix, &expired);
        snprintf(text, sizeof text, "K%d", prefix);
        txn_count(txn, slice_cstr(text), &count, &in_doubt);
        good = count <= live + expired && live <= count + in_doubt && (!settled || in_doubt == 0);
        if (!good)
            buf_printf(why, "count of %s: %lld and %lld in doubt, expected %lld and %lld expired",
                text, (long long)count, (long long)in_doubt, (long long)live, (long long)expired);
    }
    txn_free(txn);
    return good;
}

bool workload_check(struct engine *engine, const struct model *m, bool settled, struct buf *why)
{
    return check_gets(engine, m, why) && check_walk(engine, m, false, why) &&
           check_walk(engine, m, true, why) && check_counts(engine, m, settled, why);
}
