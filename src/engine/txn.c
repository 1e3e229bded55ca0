// txn: one command's reads and staged writes. What commits it is in commit.c, what iterates in
// iter.c.
//
// A read asks, in this order: the txn's own staged writes; the memtables, newest first, with the
// flushed ones that are still kept (clean.h); the rows that parked commands hold (pins); the
// tables, level by level. The first that knows the key has the newest record of it. A read that
// needs a block which is not in memory notes it and answers WAIT; the command gives up, waits, and
// runs again from its start.
//
// Progress. From the second attempt on (`waited`), what the tables say of a key, or that they say
// nothing, is held as a row: newer commits keep it current, and no eviction or compaction takes it
// away. So each attempt finds what all before it have fetched, and at least one thing more. Blocks
// are held only until their rows are; what a read that has to wait again has used on its way stays
// (fetch.h). A txn that never waits holds no rows and allocates nothing here.
//
// Bounds. Rows are held within a share of the budget. Over the soft limit only the oldest parked
// command goes on collecting; younger ones that hold many rows (over the hard limit: any) give them
// back and start over when it is their turn. If the oldest comes to the hard limit, it gets
// NO_MEMORY.
//
// Row values borrow from blocks, memtables and pins, which all live until the next commit or
// longer; blocks are pinned for that. Staged values are copied, because staging more moves them.
#include "engine/txn.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/commit.h"
#include "engine/memtables.h"
#include "engine/point_read.h"
#include "engine/view.h"

enum {
    ROWS_SOFT_SHARE = 4, // of the memory budget, for all rows that are held
    ROWS_HARD_SHARE = 2,
    ROWS_FEW = 64, // who holds no more is never held back
    FEW_BLOCKS = sizeof(((struct txn_borrowed *)0)->few) / sizeof(struct block_ref),
};

struct borrowed_copy {
    struct borrowed_copy *next;
    uint8_t bytes[];
};

struct txn *txn_new(struct engine *engine)
{
    struct txn *t = xcalloc(1, sizeof *t);
    t->engine = engine;
    fetch_init(&t->fetch, engine->fetcher);
    list_init(&t->room_link);
    list_init(&t->parked_link);
    list_init(&t->held_back_link);
    return t;
}

// --- What rows borrow from -----------------------------------------------------------------------

static struct block_ref *borrowed_at(struct txn_borrowed *b, uint32_t i)
{
    return i < FEW_BLOCKS ? &b->few[i] : &b->more[i - FEW_BLOCKS];
}

// Keeps the block until txn_begin.
static void borrow_block(struct txn *t, struct block_ref *ref)
{
    struct txn_borrowed *b = &t->borrowed;
    if (b->count > 0 && borrowed_at(b, b->count - 1)->impl == ref->impl) {
        t->fetch.source.put(&t->fetch.source, ref);
        return;
    }
    if (b->count >= FEW_BLOCKS && b->count - FEW_BLOCKS == b->more_cap) {
        b->more_cap = b->more_cap == 0 ? 16 : b->more_cap * 2;
        b->more = xrealloc(b->more, b->more_cap * sizeof *b->more);
    }
    *borrowed_at(b, b->count++) = *ref;
}

static struct slice borrow_copy(struct txn *t, struct slice value)
{
    struct borrowed_copy *copy = xmalloc(sizeof *copy + value.len);
    copy->next = t->borrowed.copies;
    t->borrowed.copies = copy;
    if (value.len > 0)
        memcpy(copy->bytes, value.data, value.len);
    return slice_of(copy->bytes, value.len);
}

static void give_back(struct txn *t)
{
    struct txn_borrowed *b = &t->borrowed;
    while (b->count > 0)
        t->fetch.source.put(&t->fetch.source, borrowed_at(b, --b->count));
    free(b->more);
    b->more = NULL;
    b->more_cap = 0;
    while (b->copies != NULL) {
        struct borrowed_copy *copy = b->copies;
        b->copies = copy->next;
        free(copy);
    }
}

// --- Reading -------------------------------------------------------------------------------------

static int answer(struct txn *t, const struct entry *e, struct row *out)
{
    txn_saw(t, e->seq);
    if (entry_kind(e) != RECORD_PUT)
        return NOT_FOUND;
    *out = (struct row){e->value, e->seq, e->expire_ms};
    return OK;
}

static bool rows_are_many(const struct engine *e)
{
    return e->pins.bytes > e->options.memory_budget / ROWS_SOFT_SHARE;
}

static bool is_oldest(const struct txn *t)
{
    return t->engine->parked.next == &t->parked_link;
}

// Whether one more row may be held: OK, WAIT (for older commands to finish first), or NO_MEMORY.
static int may_hold(struct txn *t)
{
    const struct engine *e = t->engine;
    bool too_many = e->pins.bytes > e->options.memory_budget / ROWS_HARD_SHARE;
    if (is_oldest(t))
        return too_many ? NO_MEMORY : OK;
    t->yields = t->yields || too_many || (rows_are_many(e) && t->pinned_count >= ROWS_FEW);
    return t->yields ? WAIT : OK;
}

// Holds what the tables say of key (entry NULL: nothing) for the attempts to come, and answers from
// there.
static int hold_row(
    struct txn *t, struct slice key, uint64_t hash, const struct entry *entry, struct row *out)
{
    int status = may_hold(t);
    if (status != OK)
        return status;
    if (t->pinned_count == t->pinned_cap) {
        t->pinned_cap = t->pinned_cap == 0 ? 8 : t->pinned_cap * 2;
        t->pinned = xrealloc(t->pinned, t->pinned_cap * sizeof(struct pin *));
    }
    struct pin *pin = pins_add(&t->engine->pins, key, hash, entry);
    t->pinned[t->pinned_count++] = pin;
    return pin->present ? answer(t, &pin->entry, out) : NOT_FOUND;
}

static int read_tables(struct txn *t, struct slice key, uint64_t hash, struct row *out)
{
    struct entry entry;
    struct block_ref ref;
    struct error err;
    if (t->yields || fetch_full(&t->fetch))
        return WAIT;
    uint32_t mark = fetch_mark(&t->fetch);
    int status = point_read(t->engine, &t->fetch, key, hash, &entry, &ref, &err);
    if (status < 0) {
        log_line(t->engine->logger, LOG_WARNING, "a read failed: %s", err.text);
        return status;
    }
    if (status == WAIT)
        return WAIT;
    bool found = status == OK;
    if (!t->waited) {
        if (found)
            borrow_block(t, &ref);
        return found ? answer(t, &entry, out) : NOT_FOUND;
    }
    if (found)
        txn_saw(t, entry.seq);
    status = hold_row(t, key, hash, found ? &entry : NULL, out);
    if (found)
        t->fetch.source.put(&t->fetch.source, &ref);
    if (t->view == NULL)
        fetch_resolved(&t->fetch, mark);
    return status;
}

int txn_get(struct txn *t, struct slice key, struct row *out)
{
    struct engine *e = t->engine;
    struct entry entry;
    if (t->batch.count > 0 && batch_get(&t->batch, key, &entry) == OK) {
        if (entry_kind(&entry) != RECORD_PUT)
            return NOT_FOUND;
        *out = (struct row){borrow_copy(t, entry.value), 0, entry.expire_ms};
        return OK;
    }
    uint64_t hash = hash64(key);
    if (memtables_get(e, key, hash, &entry) == OK)
        return answer(t, &entry, out);
    struct pin *pin = e->pins.used > 0 ? pins_find(&e->pins, key, hash) : NULL;
    if (pin != NULL) {
        txn_saw(t, pin->entry.seq);
        return pin->present ? answer(t, &pin->entry, out) : NOT_FOUND;
    }
    return read_tables(t, key, hash, out);
}

// --- Staging -------------------------------------------------------------------------------------

void txn_put(
    struct txn *t, struct slice key, struct slice value, struct slice value2, int64_t expire_ms)
{
    batch_put(&t->batch, key, value, value2, expire_ms);
}

void txn_delete(struct txn *t, struct slice key)
{
    batch_delete(&t->batch, key);
}

void txn_drop_prefix(struct txn *t, struct slice prefix)
{
    batch_drop(&t->batch, prefix);
}

bool txn_has_writes(const struct txn *t)
{
    return t->batch.count > 0;
}

size_t txn_mark(const struct txn *t)
{
    return t->batch.count;
}

void txn_rewind(struct txn *t, size_t mark)
{
    batch_rewind(&t->batch, (uint32_t)mark);
}

void txn_each(struct txn *t, txn_write_cb write_cb, void *arg)
{
    for (uint32_t i = 0; i < t->batch.count; i++) {
        struct entry e;
        batch_at(&t->batch, i, &e);
        write_cb(arg, entry_kind(&e), e.key);
    }
}

static void add_count(const struct counts *counts, struct slice prefix, bool forgotten,
    int64_t *live, int64_t *doubts)
{
    const struct count *c = forgotten ? NULL : counts_find(counts, prefix);
    if (c == NULL)
        return;
    *live += c->live;
    *doubts += c->in_doubt;
}

void txn_count(struct txn *t, struct slice prefix, int64_t *count, int64_t *in_doubt)
{
    struct engine *e = t->engine;
    int64_t live = 0, doubts = 0;
    bool forgotten = false;
    if (t->batch.count > 0)
        commit_staged_count(e, &t->batch, prefix, &live, &doubts, &forgotten);
    add_count(&e->counts, prefix, forgotten, &live, &doubts);
    add_count(&e->corrections, prefix, forgotten, &live, &doubts);
    // The truth lies between live and live + doubts, and not below nothing.
    *count = live > 0 ? live : 0;
    if (in_doubt != NULL)
        *in_doubt = doubts > 0 ? doubts : 0;
    txn_saw(t, e->last_seq); // any commit may have changed it
}

uint64_t txn_seq(const struct txn *t)
{
    return t->seq;
}

void txn_shows(struct txn *t, uint64_t seq)
{
    txn_saw(t, seq);
}

// --- Attempts and waiting ------------------------------------------------------------------------

void txn_begin(struct txn *t)
{
    batch_clear(&t->batch);
    give_back(t);
    fetch_rewind(&t->fetch);
    t->seq = 0;
    t->wants_room = false;
}

static void call_back(struct txn *t)
{
    txn_ready_cb ready_cb = t->ready_cb;
    t->state = TXN_IDLE;
    t->ready_cb = NULL;
    ready_cb(t, t->ready_arg);
}

void txn_has_room(struct txn *t)
{
    ENSURE(t->state == TXN_ROOM);
    list_remove(&t->room_link);
    call_back(t);
}

static void txn_fetched(struct fetch *f)
{
    call_back(LIST_ENTRY(f, struct txn, fetch));
}

static void unpin_rows(struct txn *t)
{
    while (t->pinned_count > 0)
        pins_unref(&t->engine->pins, t->pinned[--t->pinned_count]);
    free(t->pinned);
    t->pinned = NULL;
    t->pinned_cap = 0;
}

static void go_on(struct txn *t)
{
    list_remove(&t->held_back_link);
    t->state = TXN_FETCHING;
    fetch_start(&t->fetch, txn_fetched);
}

// A command is over. Whoever is the oldest now must not be held back; and one more may try, while
// there is room. (Not all of them: they would fill the room and give it back, again and again.)
static void let_go_on(struct engine *e)
{
    if (list_empty(&e->held_back))
        return;
    struct txn *oldest = LIST_ENTRY(e->parked.next, struct txn, parked_link);
    if (oldest->state == TXN_HELD_BACK)
        go_on(oldest);
    if (!list_empty(&e->held_back) && !rows_are_many(e))
        go_on(LIST_ENTRY(e->held_back.next, struct txn, held_back_link));
}

// Gives up everything that was fetched.
static void unpark(struct txn *t)
{
    struct engine *e = t->engine;
    t->waited = t->yields = false;
    fetch_release(&t->fetch);
    unpin_rows(t);
    if (t->view != NULL)
        view_unref(e, t->view);
    t->view = NULL;
    list_remove(&t->held_back_link);
    list_remove(&t->parked_link);
    let_go_on(e);
}

void txn_reset(struct txn *t)
{
    ENSURE(t->state == TXN_IDLE);
    txn_begin(t);
    if (t->waited || t->view != NULL)
        unpark(t);
}

void txn_free(struct txn *t)
{
    t->state = TXN_IDLE; // what it waited for is cancelled
    list_remove(&t->room_link);
    batch_clear(&t->batch);
    give_back(t);
    unpark(t);
    fetch_free(&t->fetch);
    batch_release(&t->batch);
    free(t);
}

void txn_wait(struct txn *t, txn_ready_cb ready_cb, void *arg)
{
    struct engine *e = t->engine;
    ENSURE(t->state == TXN_IDLE);
    e->stats.waits++;
    t->ready_cb = ready_cb;
    t->ready_arg = arg;
    if (t->wants_room && !fetch_has_misses(&t->fetch)) {
        t->wants_room = false;
        t->state = TXN_ROOM;
        list_push_back(&e->commit.room_waiters, &t->room_link);
        return;
    }
    if (!t->waited) {
        t->waited = true;
        list_push_back(&e->parked, &t->parked_link);
        fetch_keep(&t->fetch, true);
    }
    bool yields = t->yields && !is_oldest(t);
    t->yields = false;
    if (yields) {
        unpin_rows(t);
        fetch_release(&t->fetch);
        fetch_keep(&t->fetch, true);
        t->state = TXN_HELD_BACK;
        list_push_back(&e->held_back, &t->held_back_link);
        return;
    }
    // An iterator may also wait for a memtable to be put in order, which needs no reads: then this
    // is a call back in the next turn.
    t->state = TXN_FETCHING;
    fetch_start(&t->fetch, txn_fetched);
}
