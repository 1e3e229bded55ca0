// mini_engine: rows are sorted and owned one by one; a txn is a list of operations that are looked
// through from the newest, and applied in order by the commit; an iterator copies what lies between
// its bounds when it is opened. All of it is quadratic and plain, so that it is obviously right.
#include "mini_engine.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/ensure.h"
#include "base/random.h"
#include "engine/format.h"
#include "engine/stats.h"

struct mini_row {
    struct buf key, value;
    int64_t expire_ms;
    uint64_t seq;
};

struct rows {
    struct mini_row *at;
    size_t count, cap;
};

struct engine {
    struct rows rows;
    struct rows fetched; // keys that were looked at in this command
    uint64_t seq, waits, reads;
    bool cold;
    int commit_status;
    int handles;
};

struct op {
    int kind;
    struct mini_row row;
};

struct txn {
    struct engine *engine;
    struct op *ops;
    size_t count, cap;
    uint64_t seq;
};

struct snapshot {
    struct rows rows;
};

struct iter {
    struct engine *engine;
    struct rows rows;
    size_t at; // index + 1; 0: in front of all
    void (*ready_cb)(struct iter *it, void *arg);
    enum iter_step step; // the last call
    int status;          // and its answer
};

// --- Rows ----------------------------------------------------------------------------------------

static void row_release(struct mini_row *r)
{
    buf_release(&r->key);
    buf_release(&r->value);
}

static void rows_release(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        row_release(&rows->at[i]);
    free(rows->at);
    *rows = (struct rows){0};
}

// The first row with a key >= key.
static size_t lower_bound(const struct rows *rows, struct slice key)
{
    size_t i = 0, end = rows->count;
    while (i < end) {
        size_t middle = (i + end) / 2;
        if (slice_compare(buf_slice(&rows->at[middle].key), key) < 0)
            i = middle + 1;
        else
            end = middle;
    }
    return i;
}

static bool is_at(const struct rows *rows, size_t i, struct slice key)
{
    return i < rows->count && slice_equal(buf_slice(&rows->at[i].key), key);
}

static void rows_remove(struct rows *rows, size_t i)
{
    row_release(&rows->at[i]);
    memmove(&rows->at[i], &rows->at[i + 1], (rows->count - i - 1) * sizeof *rows->at);
    rows->count--;
}

static void rows_put(
    struct rows *rows, struct slice key, struct slice value, int64_t expire_ms, uint64_t seq)
{
    size_t i = lower_bound(rows, key);
    if (is_at(rows, i, key))
        rows_remove(rows, i);
    if (rows->count == rows->cap) {
        rows->cap = rows->cap == 0 ? 16 : rows->cap * 2;
        rows->at = xrealloc(rows->at, rows->cap * sizeof *rows->at);
    }
    memmove(&rows->at[i + 1], &rows->at[i], (rows->count - i) * sizeof *rows->at);
    rows->at[i] = (struct mini_row){.expire_ms = expire_ms, .seq = seq};
    buf_append_slice(&rows->at[i].key, key);
    buf_append_slice(&rows->at[i].value, value);
    rows->count++;
}

static void rows_copy(struct rows *to, const struct rows *from)
{
    for (size_t i = 0; i < from->count; i++)
        rows_put(to, buf_slice(&from->at[i].key), buf_slice(&from->at[i].value),
            from->at[i].expire_ms, from->at[i].seq);
}

static void rows_apply(struct rows *rows, const struct op *op, uint64_t seq)
{
    struct slice key = buf_slice(&op->row.key);
    size_t i = lower_bound(rows, key);
    switch (op->kind) {
    case RECORD_PUT:
        rows_put(rows, key, buf_slice(&op->row.value), op->row.expire_ms, seq);
        break;
    case RECORD_DELETE:
        if (is_at(rows, i, key))
            rows_remove(rows, i);
        break;
    default:
        while (i < rows->count && slice_starts_with(buf_slice(&rows->at[i].key), key))
            rows_remove(rows, i);
        break;
    }
}

// --- The engine ----------------------------------------------------------------------------------

struct engine *mini_new(void)
{
    return xcalloc(1, sizeof(struct engine));
}

void mini_free(struct engine *e)
{
    rows_release(&e->rows);
    rows_release(&e->fetched);
    free(e);
}

void mini_set_cold(struct engine *e, bool cold)
{
    e->cold = cold;
}

void mini_set_commit_status(struct engine *e, int status)
{
    e->commit_status = status;
}

uint64_t mini_waits(const struct engine *e)
{
    return e->waits;
}

uint64_t mini_rows(const struct engine *e)
{
    return e->rows.count;
}

uint64_t mini_rows_of(const struct engine *e, char first)
{
    uint64_t count = 0;
    for (size_t i = 0; i < e->rows.count; i++)
        count += e->rows.at[i].key.len > 0 && e->rows.at[i].key.data[0] == (uint8_t)first;
    return count;
}

uint64_t mini_reads(const struct engine *e)
{
    return e->reads;
}

int mini_open_handles(const struct engine *e)
{
    return e->handles;
}

// Whether a look at key is a miss; the next one will not be.
static bool misses(struct engine *e, struct slice key)
{
    e->reads++;
    if (!e->cold || is_at(&e->fetched, lower_bound(&e->fetched, key), key))
        return false;
    rows_put(&e->fetched, key, slice_of(NULL, 0), 0, 0);
    e->waits++;
    return true;
}

uint64_t engine_durable_seq(const struct engine *e)
{
    return e->seq;
}

int engine_write_status(const struct engine *e, struct error *err)
{
    return e->commit_status == OK
               ? OK
               : error_set(err, e->commit_status, NULL, 0, 0, "the test says so");
}

void engine_prefetch(struct engine *e, struct slice key)
{
    rows_put(&e->fetched, key, slice_of(NULL, 0), 0, 0);
}

int engine_next_expired(struct engine *e, int64_t now_ms, struct slice *key)
{
    for (size_t i = 0; i < e->rows.count; i++)
        if (e->rows.at[i].expire_ms != 0 && e->rows.at[i].expire_ms <= now_ms) {
            *key = buf_slice(&e->rows.at[i].key);
            return OK;
        }
    return NOT_FOUND;
}

void engine_get_stats(const struct engine *e, struct engine_stats *out)
{
    *out = (struct engine_stats){.last_seq = e->seq, .durable_seq = e->seq};
}

// --- Transactions --------------------------------------------------------------------------------

struct txn *txn_new(struct engine *e)
{
    struct txn *t = xcalloc(1, sizeof *t);
    t->engine = e;
    return t;
}

void txn_rewind(struct txn *t, size_t mark)
{
    while (t->count > mark)
        row_release(&t->ops[--t->count].row);
}

void txn_begin(struct txn *t)
{
    txn_rewind(t, 0);
}

void txn_reset(struct txn *t)
{
    txn_rewind(t, 0);
    rows_release(&t->engine->fetched);
}

void txn_free(struct txn *t)
{
    txn_rewind(t, 0);
    free(t->ops);
    free(t);
}

static void stage(struct txn *t, int kind, struct slice key, struct slice value,
    struct slice value2, int64_t expire_ms)
{
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 8 : t->cap * 2;
        t->ops = xrealloc(t->ops, t->cap * sizeof *t->ops);
    }
    struct op *op = &t->ops[t->count++];
    *op = (struct op){.kind = kind, .row.expire_ms = expire_ms};
    buf_append_slice(&op->row.key, key);
    buf_append_slice(&op->row.value, value);
    buf_append_slice(&op->row.value, value2);
}

void txn_put(
    struct txn *t, struct slice key, struct slice value, struct slice value2, int64_t expire_ms)
{
    stage(t, RECORD_PUT, key, value, value2, expire_ms);
}

void txn_delete(struct txn *t, struct slice key)
{
    stage(t, RECORD_DELETE, key, slice_of(NULL, 0), slice_of(NULL, 0), 0);
}

void txn_drop_prefix(struct txn *t, struct slice prefix)
{
    stage(t, RECORD_DROP, prefix, slice_of(NULL, 0), slice_of(NULL, 0), 0);
}

bool txn_has_writes(const struct txn *t)
{
    return t->count > 0;
}

size_t txn_mark(const struct txn *t)
{
    return t->count;
}

void txn_shows(struct txn *t, uint64_t seq)
{
}

uint64_t txn_seq(const struct txn *t)
{
    return t->seq;
}

void txn_each(struct txn *t, void (*visit)(void *arg, int kind, struct slice key), void *arg)
{
    for (size_t i = 0; i < t->count; i++)
        visit(arg, t->ops[i].kind, buf_slice(&t->ops[i].row.key));
}

static void show(const struct mini_row *r, uint64_t seq, struct row *out)
{
    *out = (struct row){.value = buf_slice(&r->value), .seq = seq, .expire_ms = r->expire_ms};
}

int txn_get(struct txn *t, struct slice key, struct row *out)
{
    for (size_t i = t->count; i-- > 0;) {
        const struct op *op = &t->ops[i];
        if (op->kind == RECORD_DROP && slice_starts_with(key, buf_slice(&op->row.key)))
            return NOT_FOUND;
        if (op->kind == RECORD_DROP || !slice_equal(buf_slice(&op->row.key), key))
            continue;
        if (op->kind == RECORD_DELETE)
            return NOT_FOUND;
        show(&op->row, 0, out);
        return OK;
    }
    if (misses(t->engine, key))
        return WAIT;
    const struct rows *rows = &t->engine->rows;
    size_t i = lower_bound(rows, key);
    if (!is_at(rows, i, key))
        return NOT_FOUND;
    show(&rows->at[i], rows->at[i].seq, out);
    return OK;
}

int txn_get_fact(struct txn *t, struct slice key, struct fact *out)
{
    struct row row;
    int status = txn_get(t, key, &row);
    if (status != OK)
        return status;
    *out = (struct fact){.value_len = row.value.len, .seq = row.seq, .expire_ms = row.expire_ms};
    for (size_t i = 0; i < row.value.len && i < sizeof out->head; i++)
        out->head[i] = row.value.data[i];
    return OK;
}

static void merged(struct txn *t, struct rows *out)
{
    rows_copy(out, &t->engine->rows);
    for (size_t i = 0; i < t->count; i++)
        rows_apply(out, &t->ops[i], 0);
}

void txn_count(struct txn *t, struct slice prefix, int64_t *count, int64_t *in_doubt)
{
    struct rows all = {0};
    merged(t, &all);
    *count = 0;
    for (size_t i = 0; i < all.count; i++)
        *count += slice_starts_with(buf_slice(&all.at[i].key), prefix);
    if (in_doubt != NULL)
        *in_doubt = 0;
    rows_release(&all);
}

int txn_draw(struct txn *t, const struct draw_options *o, struct buf *out)
{
    struct rows all = {0};
    struct random random = {o->seed};
    uint64_t seen = 0;
    merged(t, &all);
    buf_clear(out);
    for (size_t i = 0; i < all.count; i++) {
        const struct mini_row *r = &all.at[i];
        struct slice key = buf_slice(&r->key);
        if (slice_compare(key, o->lower) < 0 || slice_compare(key, o->upper) >= 0 ||
            (r->expire_ms != 0 && r->expire_ms < o->now_ms) || random_below(&random, ++seen) != 0)
            continue;
        buf_clear(out);
        buf_append_slice(out, key);
    }
    rows_release(&all);
    if (seen == 0)
        return NOT_FOUND;
    return misses(t->engine, buf_slice(out)) ? WAIT : OK;
}

void engine_each_count(
    const struct engine *e, void (*visit)(void *arg, struct slice prefix), void *arg)
{
    enum { PREFIX_LEN = 9 };
    for (size_t i = 0; i < e->rows.count; i++) {
        struct slice key = buf_slice(&e->rows.at[i].key);
        if (key.len >= PREFIX_LEN && key.data[0] != 'M')
            visit(arg, slice_of(key.data, PREFIX_LEN));
    }
}

int txn_commit(struct txn *t)
{
    if (t->engine->commit_status != OK)
        return t->engine->commit_status;
    for (size_t i = 0; i < t->count; i++)
        rows_apply(&t->engine->rows, &t->ops[i], ++t->engine->seq);
    t->seq = t->engine->seq;
    txn_rewind(t, 0);
    return OK;
}

void txn_wait(struct txn *t, txn_ready_cb ready_cb, void *arg)
{
    ready_cb(t, arg);
}

int engine_blocking_get(struct engine *e, struct txn *t, struct slice key, struct row *out)
{
    int status;
    while ((status = txn_get(t, key, out)) == WAIT)
        ENSURE(e->cold);
    return status;
}

int engine_blocking_commit(struct engine *e, struct txn *t)
{
    ENSURE(t->engine == e);
    return txn_commit(t);
}

// --- Iterators -----------------------------------------------------------------------------------

struct snapshot *snapshot_new(struct engine *e)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    rows_copy(&s->rows, &e->rows);
    e->handles++;
    return s;
}

void snapshot_free(struct engine *e, struct snapshot *s)
{
    rows_release(&s->rows);
    free(s);
    e->handles--;
}

// Once a key has been looked at, it is there; the next one waits again.
struct reader {
    struct engine *engine;
    struct snapshot *snapshot;
    struct rows fetched;
};

struct reader *reader_new(struct engine *e)
{
    struct reader *r = xcalloc(1, sizeof *r);
    r->engine = e;
    r->snapshot = snapshot_new(e);
    return r;
}

void reader_free(struct reader *r)
{
    snapshot_free(r->engine, r->snapshot);
    rows_release(&r->fetched);
    free(r);
}

uint64_t reader_seq(const struct reader *r)
{
    return r->engine->seq;
}

bool reader_is_full(const struct reader *r)
{
    return false;
}

int reader_get(struct reader *r, struct slice key, struct row *out)
{
    const struct rows *rows = &r->snapshot->rows;
    size_t i = lower_bound(rows, key);
    if (r->engine->cold && !is_at(&r->fetched, lower_bound(&r->fetched, key), key)) {
        rows_put(&r->fetched, key, slice_of(NULL, 0), 0, 0);
        return WAIT;
    }
    if (!is_at(rows, i, key))
        return NOT_FOUND;
    show(&rows->at[i], rows->at[i].seq, out);
    return OK;
}

void reader_wait(struct reader *r, reader_ready_cb ready_cb, void *arg)
{
    ready_cb(r, arg);
}

struct iter *iter_open(struct engine *e, struct txn *t, const struct iter_options *o)
{
    struct iter *it = xcalloc(1, sizeof *it);
    it->engine = e;
    it->status = END;
    e->handles++;
    if (t != NULL)
        merged(t, &it->rows);
    else
        rows_copy(&it->rows, o->snapshot != NULL ? &o->snapshot->rows : &e->rows);
    for (size_t i = it->rows.count; i-- > 0;) {
        struct slice key = buf_slice(&it->rows.at[i].key);
        if (slice_compare(key, o->lower) < 0 ||
            (o->upper.len > 0 && slice_compare(key, o->upper) >= 0))
            rows_remove(&it->rows, i);
    }
    return it;
}

void iter_close(struct iter *it)
{
    it->engine->handles--;
    rows_release(&it->rows);
    free(it);
}

// The contract of engine/record/entry.h: after WAIT the same call, or a seek; after END a seek.
static int settle(struct iter *it, enum iter_step step, size_t at)
{
    ENSURE(step == ITER_SEEK || step == ITER_SEEK_BEFORE || it->status == OK ||
           (it->status == WAIT && it->step == step));
    it->step = step;
    it->status = OK;
    if (at == 0 || at > it->rows.count)
        it->status = END;
    else if (misses(it->engine, buf_slice(&it->rows.at[at - 1].key)))
        it->status = WAIT;
    else
        it->at = at;
    return it->status;
}

int iter_seek(struct iter *it, struct slice key)
{
    return settle(it, ITER_SEEK, lower_bound(&it->rows, key) + 1);
}

int iter_seek_before(struct iter *it, struct slice key)
{
    size_t at = key.len == 0 ? it->rows.count : lower_bound(&it->rows, key);
    return settle(it, ITER_SEEK_BEFORE, at);
}

int iter_next(struct iter *it)
{
    return settle(it, ITER_NEXT, it->at + 1);
}

int iter_prev(struct iter *it)
{
    return settle(it, ITER_PREV, it->at - 1);
}

bool iter_is_gone(const struct iter *it)
{
    return false;
}

struct slice iter_key(const struct iter *it)
{
    return buf_slice(&it->rows.at[it->at - 1].key);
}

struct row iter_row(const struct iter *it)
{
    struct row row;
    show(&it->rows.at[it->at - 1], it->rows.at[it->at - 1].seq, &row);
    return row;
}

// What was missed has arrived already: the look that missed it noted it.
void iter_wait(struct iter *it, iter_ready_cb ready_cb, void *arg)
{
    ready_cb(it, arg);
}

int engine_blocking_step(struct engine *e, struct iter *it, enum iter_step step, struct slice key)
{
    int status;
    ENSURE(it->engine == e);
    do
        status = step == ITER_SEEK          ? iter_seek(it, key)
                 : step == ITER_SEEK_BEFORE ? iter_seek_before(it, key)
                 : step == ITER_NEXT        ? iter_next(it)
                                            : iter_prev(it);
    while (status == WAIT);
    return status;
}
