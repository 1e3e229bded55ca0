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
// Waiting is as with cursors (entry.h): `pending` is the call that is under way, `move` the
// movement of the cursor that is due for it, and is repeated when the call is. Everything else of
// the state (the key to pass over, the copy) is in the iterator. Many tombstones in a row must not
// hold the loop: after SKIP_MAX records that showed nothing the answer is WAIT, too. An iterator of
// its own (no txn) goes on from there. One of a txn is opened anew by the next attempt, so the txn
// remembers the gap it has gone over (txn.h). Who can go on another time asks instead to be shown
// where he has come to (shows_gone).
//
// A gap says what is not there without the txn's own writes, which the next attempt may stage later
// than it looks. So a run of dead keys ends at a staged deletion, and a jump over a gap at any
// staged key in it. Runs that staged deletions keep short are not remembered, and passed over each
// time: some GAP_MIN steps for each write that the txn stages.
//   on disk a live, b to y dead; staged: DEL a, SET m
//   attempt 1   a hides what is there: no run; b to l dead; m is shown; n to y dead: a gap; WAIT
//   attempt 2   a; b to l; m is shown; n is in the gap: on behind y
//
// With a txn, attempts share the tables, so that what one attempt fetched is of use to the next,
// but not the moment: each attempt sees everything that has been committed. The view of the next
// attempt has the version of the first, and the memtables of now, and those that were flushed in
// between; if one was made and flushed in between it is a wholly new view. Staged writes are shown
// as newer than everything, by their seq of SEQ_MAX (batch_cursor).

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/record/merge.h"
#include "engine/snapshot.h"
#include "engine/txn.h"
#include "engine/view.h"

enum { SKIP_MAX = 5000, SKIP_WAITS_MAX = 2000, GONE_MAX = 1000, GAP_MIN = 64 };

enum verdict { SHOW, MORE, STOP };

struct iter {
    struct engine *engine;
    struct txn *txn;
    struct view *view;
    struct cursor *cursor;
    struct buf lower, upper;
    bool backward;
    struct pending pending; // of a turn: its target is the key where it happens
    enum call_kind move;    // due, to the pending call's target; CALL_DONE: none
    bool ended;             // the last movement led out of everything
    bool shows_gone, gone;
    bool keeps_gaps;                  // of a txn, and shows the present
    struct buf dead_first, dead_last; // of the run of dead keys that this call is in
    unsigned run;                     // records in it
    unsigned remembered;   // records since skips was full that the next attempt has not to go over
    struct cursor *staged; // a second one over the batch, once it is needed
    // Records that may yet be passed over: by this call; or, if keeps_gaps, until it is asked
    // whether another attempt would get further.
    unsigned skips;
    // forward: the key whose other records are passed over. Backward: the key of `copy`
    struct buf passed;
    bool has_passed;
    struct buf left_behind;          // the key that the cursor was on, if there is damage
    bool was_somewhere, move_begins; // and is not made again after a wait
    struct buf value;                // backward: of the record that is, or may be, shown
    bool has_copy;
    struct entry shown;
    // Without a txn.
    struct fetch fetch;
    struct error err;
    iter_ready_cb ready_cb;
    void *ready_arg;
};

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
    it->shows_gone = options->shows_gone;
    buf_append_slice(&it->lower, options->lower);
    buf_append_slice(&it->upper, options->upper);
    uint64_t seq = options->snapshot != NULL ? options->snapshot->seq : e->last_seq;
    it->view = view_renew(e, t != NULL ? t->view : NULL, seq);
    if (t != NULL)
        t->view = view_ref(it->view);
    it->keeps_gaps = t != NULL && options->snapshot == NULL;
    it->skips = SKIP_MAX;
    fetch_init(&it->fetch, e->fetcher);

    struct children c = {0};
    if (t != NULL && t->batch.count > 0)
        add_child(&c, batch_cursor(&t->batch));
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
    if (it->staged != NULL)
        it->staged->ops->close(it->staged);
    fetch_free(&it->fetch);
    view_unref(it->engine, it->view);
    buf_release(&it->lower);
    buf_release(&it->upper);
    pending_release(&it->pending);
    buf_release(&it->passed);
    buf_release(&it->left_behind);
    buf_release(&it->dead_first);
    buf_release(&it->dead_last);
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

static void forget_run(struct iter *it)
{
    buf_clear(&it->dead_first);
    buf_clear(&it->dead_last);
    it->run = 0;
}

static void remember_run(struct iter *it)
{
    if (txn_add_gap(it->txn, buf_slice(&it->dead_first), buf_slice(&it->dead_last)))
        it->remembered += it->run;
    forget_run(it);
}

// Something is there. A short run is not worth being remembered.
static void end_run(struct iter *it)
{
    if (it->run >= GAP_MIN)
        remember_run(it);
    else
        forget_run(it);
}

// `passed` turned out to be gone, or only to be deleted by the txn itself.
static void note_dead(struct iter *it, uint64_t seq)
{
    if (!it->keeps_gaps)
        return;
    if (seq == SEQ_MAX) {
        end_run(it);
        return;
    }
    if (it->dead_first.len == 0)
        buf_append_slice(&it->dead_first, buf_slice(&it->passed));
    buf_clear(&it->dead_last);
    buf_append_slice(&it->dead_last, buf_slice(&it->passed));
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
    note_dead(it, e->seq);
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
        note_dead(it, it->shown.seq);
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

// The next record, past deletions that hide nothing. What was passed over has been seen, too, and
// the memtable remembers it.
static int make_next(struct iter *it)
{
    unsigned before = it->skips;
    it->skips -= it->skips > 0;
    int status = it->cursor->ops->next_live(it->cursor, slice_of(NULL, 0), &it->skips);
    if (it->txn != NULL && before - it->skips > 1)
        txn_saw(it->txn, it->view->seq);
    it->remembered += before - it->skips > 1 ? before - it->skips - 1 : 0;
    return status;
}

static int make_move(struct iter *it)
{
    struct cursor *c = it->cursor;
    switch (it->move) {
    case CALL_SEEK:
        return c->ops->seek(c, pending_key(&it->pending), it->pending.seq);
    case CALL_SEEK_BEFORE:
        return c->ops->seek_before(c, pending_key(&it->pending));
    case CALL_SEEK_LAST:
        return c->ops->seek_last(c);
    case CALL_NEXT:
        return make_next(it);
    case CALL_PREV:
        it->skips -= it->skips > 0;
        return c->ops->prev(c);
    case CALL_LOST:
    case CALL_DONE:
        break;
    }
    return it->ended ? END : OK;
}

// Before a move, where there is damage: from where it is.
static void leave(struct iter *it)
{
    it->was_somewhere = it->move == CALL_NEXT || it->move == CALL_PREV;
    buf_clear(&it->left_behind);
    if (it->was_somewhere)
        buf_append_slice(&it->left_behind, it->cursor->entry.key);
    else if (it->move == CALL_SEEK || it->move == CALL_SEEK_BEFORE)
        buf_append_slice(&it->left_behind, pending_key(&it->pending));
}

// Whether the move has gone over keys, within the bounds, that may have been lost; from one record
// to another of the same key it goes over none.
static bool met_damage(const struct iter *it, bool at_end)
{
    struct slice from = buf_slice(&it->left_behind), upper = buf_slice(&it->upper);
    struct slice at = at_end ? (struct slice){0} : it->cursor->entry.key;
    const struct damage_set *damages = &it->view->version->damages;
    if (it->was_somewhere && !at_end && slice_equal(at, from))
        return false;
    if (it->backward) {
        struct slice low = at_end || below_all(it, at) ? buf_slice(&it->lower) : at;
        bool unbounded = it->move == CALL_SEEK_LAST;
        return damage_set_meets(damages, low, unbounded ? NULL : &from, false);
    }
    if (at_end || above_all(it, at))
        return damage_set_meets(damages, from, upper.len > 0 ? &upper : NULL, false);
    return damage_set_meets(damages, from, &at, true);
}

static void log_failure(const struct iter *it, int status)
{
    log_line(it->engine->logger, LOG_WARNING, "an iterator failed: %s",
        it->err.status == status ? it->err.text : status_text(status));
}

// Many deletions were passed over. The next attempt of a txn passes them in one step, or most of
// them: else it is not worth one. It is asked a bounded number of times, so that it ends in any
// case.
static bool gives_the_loop_back(struct iter *it)
{
    it->skips = SKIP_MAX;
    if (it->txn == NULL)
        return true;
    if (!it->keeps_gaps || it->txn->skip_waits >= SKIP_WAITS_MAX)
        return false;
    if (it->run >= GAP_MIN)
        remember_run(it);
    bool worth_it = it->remembered >= SKIP_MAX / 2;
    it->remembered = 0;
    it->txn->skip_waits += worth_it;
    return worth_it;
}

// The staged key next to one in a gap, in the direction of the walk: true if it lies in the gap.
static bool staged_in_gap(struct iter *it, const struct gap *gap, struct slice at)
{
    if (it->txn->batch.count == 0)
        return false;
    if (it->staged == NULL)
        it->staged = batch_cursor(&it->txn->batch);
    const struct cursor_ops *ops = it->staged->ops;
    int status = it->backward ? ops->seek_before(it->staged, at) : ops->seek(it->staged, at, 0);
    struct slice key = it->staged->entry.key;
    return status == OK && (it->backward ? slice_compare(key, buf_slice(&gap->low)) >= 0
                                         : slice_compare(key, buf_slice(&gap->high)) <= 0);
}

// The next move is to the first record, in the direction of the walk, of the staged key.
static void jump_to_staged(struct iter *it)
{
    struct buf target = {0};
    buf_append_slice(&target, it->staged->entry.key);
    if (it->backward)
        buf_append_byte(&target, 0); // the least key behind it
    pending_set_target(&it->pending, buf_slice(&target), SEQ_MAX);
    buf_release(&target);
    forget_run(it);
}

// If the cursor has come into a gap, and is not at its other end already: past that, or to the next
// staged key in it.
static bool jumps(struct iter *it)
{
    if (it->dead_last.len == 0 || it->txn->gaps.count == 0)
        return false;
    struct slice at = buf_slice(&it->dead_last);
    const struct gap *gap = gap_set_find(&it->txn->gaps, at);
    if (gap == NULL || slice_equal(at, buf_slice(it->backward ? &gap->low : &gap->high)))
        return false;
    it->move = it->backward ? CALL_SEEK_BEFORE : CALL_SEEK;
    it->has_copy = false;
    txn_saw(it->txn, it->view->seq);
    if (staged_in_gap(it, gap, at)) {
        jump_to_staged(it);
        return true;
    }
    struct slice end = buf_slice(it->backward ? &gap->low : &gap->high);
    pending_set_target(&it->pending, end, 0);
    buf_clear(&it->dead_last);
    buf_append_slice(&it->dead_last, end);
    return true;
}

// The record at hand is of a key that is known to be deleted: shown as such, it is a place from
// which a caller can go on another time.
static bool shows_gone(struct iter *it)
{
    const struct entry *e = &it->cursor->entry;
    it->gone = !it->backward && it->has_passed && is_visible(it, e) &&
               slice_equal(e->key, buf_slice(&it->passed));
    if (it->gone)
        it->shown = *e;
    return it->gone;
}

// Makes the move that is due, and more, until there is something to show.
static int move_on(struct iter *it)
{
    if (!it->keeps_gaps || it->shows_gone)
        it->skips = SKIP_MAX;
    it->gone = false;
    for (unsigned steps = 0;; steps++) {
        bool damaged = it->view->version->damages.count > 0 && it->move != CALL_DONE;
        if (damaged && it->move_begins)
            leave(it);
        it->move_begins = false;
        int status = make_move(it);
        if (damaged && (status == OK || status == END) && met_damage(it, status == END))
            status = error_set(&it->err, CORRUPT, NULL, 0, 0, "a block of what is read is lost");
        if (status < 0)
            log_failure(it, status);
        if (status == WAIT && it->txn != NULL && it->txn->over)
            return NO_MEMORY;
        if (status < 0 || status == WAIT)
            return status;
        it->move = CALL_DONE;
        it->move_begins = true;
        it->ended = status == END;
        switch (
            it->backward ? judge_backward(it, status == END) : judge_forward(it, status == END)) {
        case SHOW:
            end_run(it);
            return OK;
        case STOP:
            end_run(it);
            return END;
        case MORE:
            it->run += it->dead_last.len > 0;
            it->move = it->backward ? CALL_PREV : CALL_NEXT;
        }
        if (it->shows_gone && (steps >= GONE_MAX || it->skips == 0) && shows_gone(it))
            return OK;
        if (it->keeps_gaps && jumps(it))
            continue;
        if (it->skips == 0 && gives_the_loop_back(it))
            return WAIT;
    }
}

static int run(struct iter *it)
{
    return pending_answer(&it->pending, move_on(it));
}

static void begin(struct iter *it, bool backward, enum call_kind move)
{
    it->backward = backward;
    it->move = move;
    it->has_passed = it->has_copy = false;
    it->move_begins = true;
    forget_run(it);
}

int iter_seek(struct iter *it, struct slice key)
{
    if (below_all(it, key))
        key = buf_slice(&it->lower);
    if (!pending_seek(&it->pending, CALL_SEEK, key, SEQ_MAX))
        begin(it, false, CALL_SEEK);
    return run(it);
}

int iter_seek_before(struct iter *it, struct slice key)
{
    if (it->upper.len > 0 && (key.len == 0 || above_all(it, key)))
        key = buf_slice(&it->upper);
    if (!pending_seek(&it->pending, CALL_SEEK_BEFORE, key, 0))
        begin(it, true, key.len == 0 ? CALL_SEEK_LAST : CALL_SEEK_BEFORE);
    return run(it);
}

// A turn seeks behind, or before, all records of the key that is shown.
static void begin_turn(struct iter *it, bool backward)
{
    pending_set_target(&it->pending, it->shown.key, 0);
    begin(it, backward, backward ? CALL_SEEK_BEFORE : CALL_SEEK);
}

int iter_next(struct iter *it)
{
    if (pending_step(&it->pending, CALL_NEXT))
        return run(it);
    if (it->backward) {
        begin_turn(it, false);
        pass(it, pending_key(&it->pending));
    } else {
        begin(it, false, CALL_NEXT);
        pass(it, it->shown.key);
    }
    return run(it);
}

int iter_prev(struct iter *it)
{
    if (pending_step(&it->pending, CALL_PREV))
        return run(it);
    if (it->backward)
        begin(it, true, CALL_DONE); // the cursor is there already
    else
        begin_turn(it, true);
    return run(it);
}

struct slice iter_key(const struct iter *it)
{
    return it->shown.key;
}

bool iter_is_gone(const struct iter *it)
{
    return it->gone;
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
