// iter: what is visible of a view, key by key, in both directions.
//
// Below is one merging cursor over staged writes, memtables and tables; it shows every record.
// Visible is the newest record of a key that is not newer than the view, if it is a PUT.
//
// Forward, that is the first suitable record of a key; the rest of the key is passed over. The
// cursor stays on the record that is shown, which is borrowed. Backward, the records of a key come
// oldest first, so each suitable one is copied, and the last copy is what counts when the cursor
// has moved off the key: it then stands one key ahead of what is shown.
//
// Waiting. Any movement of the cursor may answer WAIT. `move` is the movement that is due; it is
// repeated when the call is made again. Everything else of the state (the key to pass over, the
// copy) is in the iterator. An iterator of its own (no txn) also gives up after SKIP_MAX records
// that showed nothing: many tombstones in a row must not hold the loop.
//
// With a txn, attempts share the tables, so that what one attempt fetched is of use to the next,
// but not the moment: each attempt sees everything that has been committed. The view of the next
// attempt has the version of the first, and the memtables of now, and those that were flushed in
// between; if one was made and flushed in between it is a wholly new view.
//
// Staged writes have a number instead of a sequence number. `lift_cursor` shows them as newer than
// everything.

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/record/merge.h"
#include "engine/snapshot.h"
#include "engine/txn.h"
#include "engine/view.h"

enum { SKIP_MAX = 10000 };

enum move { MOVE_NONE, MOVE_SEEK, MOVE_SEEK_BEFORE, MOVE_SEEK_LAST, MOVE_NEXT, MOVE_PREV };
enum call { CALL_NONE, CALL_SEEK, CALL_SEEK_BEFORE, CALL_NEXT, CALL_PREV };
enum verdict { SHOW, MORE, STOP };

struct iter {
    struct engine *engine;
    struct txn *txn;
    struct view *view;
    struct cursor *cursor;
    struct buf lower, upper;
    bool backward;
    enum move move;    // due
    bool ended;        // the last movement led out of everything
    enum call pending; // what answered WAIT
    struct buf target; // of a seek
    uint64_t target_seq;
    // forward: the key whose other records are passed over. Backward: the key of `copy`
    struct buf passed;
    bool has_passed;
    struct buf value; // backward: of the record that is, or may be, shown
    bool has_copy;
    struct entry shown;
    // Without a txn.
    struct fetch fetch;
    struct error err;
    iter_ready_cb ready_cb;
    void *ready_arg;
};

// --- Staged writes -------------------------------------------------------------------------------

struct lift_cursor {
    struct cursor base;
    struct cursor *below; // has one entry a key
};

static int lifted(struct cursor *c, int status)
{
    if (status == OK) {
        c->entry = ((struct lift_cursor *)(void *)c)->below->entry;
        c->entry.seq = SEQ_MAX;
    }
    return status;
}

static struct cursor *below(struct cursor *c)
{
    return ((struct lift_cursor *)(void *)c)->below;
}

static int lift_seek(struct cursor *c, struct slice key, uint64_t seq)
{
    struct cursor *b = below(c);
    int status = b->ops->seek(b, key, SEQ_MAX);
    if (status == OK && seq != SEQ_MAX && slice_equal(b->entry.key, key))
        status = b->ops->next(b);
    return lifted(c, status);
}

static int lift_seek_before(struct cursor *c, struct slice key)
{
    return lifted(c, below(c)->ops->seek_before(below(c), key));
}

static int lift_seek_last(struct cursor *c)
{
    return lifted(c, below(c)->ops->seek_last(below(c)));
}

static int lift_next(struct cursor *c)
{
    return lifted(c, below(c)->ops->next(below(c)));
}

static int lift_prev(struct cursor *c)
{
    return lifted(c, below(c)->ops->prev(below(c)));
}

static void lift_close(struct cursor *c)
{
    below(c)->ops->close(below(c));
    free(c);
}

static struct cursor *lift_cursor(struct cursor *b)
{
    static const struct cursor_ops ops = {
        .seek = lift_seek,
        .seek_before = lift_seek_before,
        .seek_last = lift_seek_last,
        .next = lift_next,
        .prev = lift_prev,
        .close = lift_close,
    };
    struct lift_cursor *c = xcalloc(1, sizeof *c);
    c->base.ops = &ops;
    c->below = b;
    return &c->base;
}

// --- Opening -------------------------------------------------------------------------------------

struct children {
    struct cursor **cursors;
    uint32_t count, cap;
};

static void add_child(struct children *c, struct cursor *cursor)
{
    if (c->count == c->cap) {
        c->cap = c->cap == 0 ? 16 : c->cap * 2;
        c->cursors = xrealloc(c->cursors, c->cap * sizeof(struct cursor *));
    }
    c->cursors[c->count++] = cursor;
}

static bool above_all(const struct iter *it, struct slice key)
{
    return it->upper.len > 0 && slice_compare(key, buf_slice(&it->upper)) >= 0;
}

static bool below_all(const struct iter *it, struct slice key)
{
    return it->lower.len > 0 && slice_compare(key, buf_slice(&it->lower)) < 0;
}

// Tables outside the bounds are left out.
static void add_tables(struct children *c, struct iter *it, struct block_source *source)
{
    const struct level *levels = it->view->version->levels;
    for (uint32_t i = 0; i < levels[0].count; i++) {
        struct table *t = levels[0].tables[i];
        if (!below_all(it, t->meta.largest) && !above_all(it, t->meta.smallest))
            add_child(c, table_cursor(source, t, &it->err));
    }
    for (unsigned l = 1; l < ENGINE_LEVELS; l++) {
        uint32_t from = it->lower.len > 0 && levels[l].count > 0
                            ? version_find(&levels[l], buf_slice(&it->lower))
                            : 0;
        uint32_t to = levels[l].count;
        if (it->upper.len > 0 && to > 0) {
            to = version_find(&levels[l], buf_slice(&it->upper));
            to += to < levels[l].count && !above_all(it, levels[l].tables[to]->meta.smallest);
        }
        if (from < to)
            add_child(c, level_cursor(source, levels[l].tables + from, to - from, &it->err));
    }
}

struct iter *iter_open(struct engine *e, struct txn *t, const struct iter_options *options)
{
    struct iter *it = xcalloc(1, sizeof *it);
    it->engine = e;
    it->txn = t;
    buf_append_slice(&it->lower, options->lower);
    buf_append_slice(&it->upper, options->upper);
    uint64_t seq = options->snapshot != NULL ? options->snapshot->seq : e->last_seq;
    it->view = view_renew(e, t != NULL ? t->view : NULL, seq);
    if (t != NULL)
        t->view = view_ref(it->view);
    fetch_init(&it->fetch, e->fetcher);

    struct children c = {0};
    if (t != NULL && t->batch.count > 0)
        add_child(&c, lift_cursor(batch_cursor(&t->batch)));
    for (unsigned i = 0; i < it->view->memtable_count; i++) {
        if (memtable_entries(it->view->memtables[i]) > 0)
            add_child(&c, memtable_cursor(it->view->memtables[i], it->view->seq));
    }
    add_tables(&c, it, t != NULL ? &t->fetch.source : &it->fetch.source);
    it->cursor = merge_cursor(c.cursors, c.count);
    free(c.cursors);
    return it;
}

void iter_close(struct iter *it)
{
    it->cursor->ops->close(it->cursor);
    fetch_free(&it->fetch);
    view_unref(it->engine, it->view);
    buf_release(&it->lower);
    buf_release(&it->upper);
    buf_release(&it->target);
    buf_release(&it->passed);
    buf_release(&it->value);
    free(it);
}

// --- Moving --------------------------------------------------------------------------------------

static bool is_visible(const struct iter *it, const struct entry *e)
{
    return e->seq <= it->view->seq || e->seq == SEQ_MAX;
}

static void saw(struct iter *it, const struct entry *e)
{
    if (it->txn != NULL && e->seq != SEQ_MAX)
        txn_saw(it->txn, e->seq);
}

static void pass(struct iter *it, struct slice key)
{
    buf_clear(&it->passed);
    buf_append_slice(&it->passed, key);
    it->has_passed = true;
}

// What the record under the cursor means, going forward.
static enum verdict judge_forward(struct iter *it, bool at_end)
{
    const struct entry *e = &it->cursor->entry;
    if (at_end || above_all(it, e->key))
        return STOP;
    if (!is_visible(it, e) || (it->has_passed && slice_equal(e->key, buf_slice(&it->passed))))
        return MORE;
    saw(it, e);
    if (entry_kind(e) == RECORD_PUT) {
        it->shown = *e;
        return SHOW;
    }
    pass(it, e->key);
    return MORE;
}

// Going backward: `passed`, `value` and `shown` are the newest suitable record so far of the key
// that the cursor is on or has just left.
static enum verdict judge_backward(struct iter *it, bool at_end)
{
    const struct entry *e = &it->cursor->entry;
    at_end = at_end || below_all(it, e->key);
    if (it->has_copy && (at_end || !slice_equal(e->key, buf_slice(&it->passed)))) {
        it->has_copy = false;
        saw(it, &it->shown);
        if (entry_kind(&it->shown) == RECORD_PUT) {
            it->shown.key = buf_slice(&it->passed);
            it->shown.value = buf_slice(&it->value);
            return SHOW;
        }
    }
    if (at_end)
        return STOP;
    if (is_visible(it, e)) {
        if (!it->has_copy)
            pass(it, e->key);
        buf_clear(&it->value);
        buf_append_slice(&it->value, e->value);
        it->shown = *e;
        it->has_copy = true;
    }
    return MORE;
}

static int make_move(struct iter *it)
{
    struct cursor *c = it->cursor;
    switch (it->move) {
    case MOVE_SEEK:
        return c->ops->seek(c, buf_slice(&it->target), it->target_seq);
    case MOVE_SEEK_BEFORE:
        return c->ops->seek_before(c, buf_slice(&it->target));
    case MOVE_SEEK_LAST:
        return c->ops->seek_last(c);
    case MOVE_NEXT:
        return c->ops->next(c);
    case MOVE_PREV:
        return c->ops->prev(c);
    case MOVE_NONE:
        break;
    }
    return it->ended ? END : OK;
}

static int failed(struct iter *it, int status)
{
    it->pending = CALL_NONE;
    if (status < 0)
        log_line(it->engine->logger, LOG_WARNING, "an iterator failed: %s",
            it->err.status == status ? it->err.text : status_text(status));
    return status;
}

// Makes the move that is due, and more, until there is something to show.
static int run(struct iter *it, enum call call)
{
    for (unsigned steps = 0;; steps++) {
        if (steps == SKIP_MAX && it->txn == NULL) {
            it->pending = call;
            return WAIT;
        }
        int status = make_move(it);
        it->pending = status == WAIT ? call : CALL_NONE;
        if (status == WAIT)
            return WAIT;
        if (status < 0)
            return failed(it, status);
        it->move = MOVE_NONE;
        it->ended = status == END;
        switch (
            it->backward ? judge_backward(it, status == END) : judge_forward(it, status == END)) {
        case SHOW:
            return OK;
        case STOP:
            return END;
        case MORE:
            it->move = it->backward ? MOVE_PREV : MOVE_NEXT;
        }
    }
}

static void begin(struct iter *it, bool backward, enum move move)
{
    it->backward = backward;
    it->move = move;
    it->has_passed = it->has_copy = false;
}

static void set_target(struct iter *it, struct slice key, uint64_t seq)
{
    buf_clear(&it->target);
    buf_append_slice(&it->target, key);
    it->target_seq = seq;
}

int iter_seek(struct iter *it, struct slice key)
{
    if (below_all(it, key))
        key = buf_slice(&it->lower);
    if (it->pending != CALL_SEEK || !slice_equal(key, buf_slice(&it->target))) {
        set_target(it, key, SEQ_MAX);
        begin(it, false, MOVE_SEEK);
    }
    return run(it, CALL_SEEK);
}

int iter_seek_before(struct iter *it, struct slice key)
{
    if (it->upper.len > 0 && (key.len == 0 || above_all(it, key)))
        key = buf_slice(&it->upper);
    if (it->pending != CALL_SEEK_BEFORE || !slice_equal(key, buf_slice(&it->target))) {
        set_target(it, key, 0);
        begin(it, true, key.len == 0 ? MOVE_SEEK_LAST : MOVE_SEEK_BEFORE);
    }
    return run(it, CALL_SEEK_BEFORE);
}

int iter_next(struct iter *it)
{
    if (it->pending != CALL_NEXT) {
        bool turn = it->backward;
        if (turn)
            set_target(it, it->shown.key, 0);
        else
            pass(it, it->shown.key);
        begin(it, false, turn ? MOVE_SEEK : MOVE_NEXT);
        if (turn)
            pass(it, buf_slice(&it->target));
        it->has_passed = true;
    }
    return run(it, CALL_NEXT);
}

int iter_prev(struct iter *it)
{
    if (it->pending != CALL_PREV) {
        bool turn = !it->backward;
        if (turn)
            set_target(it, it->shown.key, 0);
        begin(it, true, turn ? MOVE_SEEK_BEFORE : MOVE_NONE);
    }
    return run(it, CALL_PREV);
}

struct slice iter_key(const struct iter *it)
{
    return it->shown.key;
}

struct row iter_row(const struct iter *it)
{
    const struct entry *e = &it->shown;
    return (struct row){e->value, e->seq == SEQ_MAX ? 0 : e->seq, e->expire_ms};
}

static void iter_fetched(struct fetch *f)
{
    struct iter *it = LIST_ENTRY(f, struct iter, fetch);
    it->ready_cb(it, it->ready_arg);
}

void iter_wait(struct iter *it, iter_ready_cb ready_cb, void *arg)
{
    ENSURE(it->txn == NULL);
    it->engine->stats.waits++;
    it->ready_cb = ready_cb;
    it->ready_arg = arg;
    fetch_start(&it->fetch, iter_fetched);
}
