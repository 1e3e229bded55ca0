// txn: one command's reads and staged writes. What commits it is in commit.c, what iterates in
// iter.c.
//
// A read asks, in this order: the txn's own staged writes; the memtables, newest first, with the
// flushed ones that are still kept (clean.h); the rows that parked commands hold (pins); the
// tables, level by level. The first that knows the key has the newest record of it. A read that
// needs a block which is not in memory notes it and answers WAIT; the command gives up, waits, and
// runs again from its start.
//
// Progress. A key that an attempt has missed is wanted: txn_wait reads wanted keys in rounds, the
// blocks of one round being let go when the next begins, and calls back when all are held: as rows,
// or, where that is enough, as small facts (pins.h). Newer commits keep them current, and no
// eviction or compaction takes them away. So an attempt finds what all before it have missed, and a
// command over 100,000 keys that do not depend on each other is attempted two or three times. Also
// what a later attempt comes across is held, key by key. An attempt with an iterator (`view`) needs
// the blocks that it has gone over, so there nothing is wanted and the rounds are its attempts. A
// txn that never waits holds nothing and allocates nothing here.
//
// Example: EXISTS of a, b and c, which lie in cold blocks A, B and C; a round has room for two.
//   attempt 1   a, b and c are wanted: WAIT
//   round 1     A and B are read; a and b are held as facts; C is noted
//   round 2     A and B are let go, C is read; c is held: nothing more is wanted
//   attempt 2   answers from the three facts
//
// Bounds. What is held or wanted stays within a share of the budget. Over the soft limit only the
// oldest parked command goes on collecting; younger ones that hold many rows (over the hard limit:
// any) give them back and start over when it is their turn. If the oldest comes to the hard limit,
// it gets NO_MEMORY, in this attempt and in each that follows. So does a command whose attempts do
// not get further: each must hold more, or note more, than all before it, or it is stalled; after
// wait_attempts of those in a row it ends. (Others' commits and compactions may throw an iterator
// back, so one is not enough.) The hard limit, these attempts and the keys of a round are options.
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
    ROWS_FEW = 64,       // who holds no more is never held back
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

// What a read finds: the value, or for a fact at least what it begins with.
struct found {
    struct slice value;
    uint64_t value_len, seq;
    int64_t expire_ms;
};

static int answer(struct txn *t, const struct entry *e, struct found *out)
{
    txn_saw(t, e->seq);
    if (entry_kind(e) != RECORD_PUT)
        return NOT_FOUND;
    *out = (struct found){e->value, e->value.len, e->seq, e->expire_ms};
    return OK;
}

static int answer_from_pin(struct txn *t, const struct pin *pin, struct found *out)
{
    txn_saw(t, pin->seq);
    if (!pin_is_present(pin))
        return NOT_FOUND;
    *out = (struct found){pin_value(pin), pin->value_len, pin->seq, pin->expire_ms};
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
    uint64_t hard = e->options.memory_budget / 100 * e->options.wait_memory_percent;
    bool too_many = e->pins.bytes > hard;
    if (is_oldest(t)) {
        t->over = t->over || too_many;
        return t->over ? NO_MEMORY : OK;
    }
    t->yields = t->yields || too_many || (rows_are_many(e) && t->pinned_count >= ROWS_FEW);
    return t->yields ? WAIT : OK;
}

static void append_pin(struct pin ***pins, uint32_t *count, uint32_t *cap, struct pin *pin)
{
    if (*count == *cap) {
        *cap = *cap == 0 ? 8 : *cap * 2;
        *pins = xrealloc(*pins, *cap * sizeof(struct pin *));
    }
    (*pins)[(*count)++] = pin;
}

static void hold(struct txn *t, struct pin *pin)
{
    append_pin(&t->pinned, &t->pinned_count, &t->pinned_cap, pin);
}

// The key will be read while the txn waits. WAIT or NO_MEMORY.
static int want(struct txn *t, struct slice key, uint64_t hash, bool whole)
{
    int status = may_hold(t);
    if (status != OK)
        return status;
    if (t->view != NULL)
        return WAIT;
    struct pin *pin = pins_want(&t->engine->pins, key, hash, whole);
    if (pin->wanter == t) { // already, by this attempt
        pins_unref(&t->engine->pins, pin);
        return WAIT;
    }
    pin->wanter = t;
    append_pin(&t->wanted, &t->wanted_count, &t->wanted_cap, pin);
    return WAIT;
}

static int log_failure(const struct txn *t, int status, const struct error *err)
{
    if (status < 0)
        log_line(t->engine->logger, LOG_WARNING, "a read failed: %s", err->text);
    return status;
}

static int read_tables(
    struct txn *t, struct slice key, uint64_t hash, bool whole, struct found *out)
{
    struct entry entry;
    struct block_ref ref;
    struct error err;
    if (t->over)
        return NO_MEMORY;
    if (t->yields)
        return WAIT;
    if (t->wanted_count - t->wanted_at >= t->engine->options.wait_round_keys ||
        fetch_full(&t->fetch))
        return want(t, key, hash, whole);
    uint32_t mark = fetch_mark(&t->fetch);
    int status = point_read(t->engine, &t->fetch, key, hash, SEQ_MAX, &entry, &ref, &err);
    if (status < 0)
        return log_failure(t, status, &err);
    if (status == WAIT)
        return want(t, key, hash, whole);
    bool found = status == OK;
    if (!t->waited) {
        if (found && whole)
            borrow_block(t, &ref);
        else if (found) // nothing is evicted before the fact has been taken
            t->fetch.source.put(&t->fetch.source, &ref);
        return found ? answer(t, &entry, out) : NOT_FOUND;
    }
    if (found)
        txn_saw(t, entry.seq);
    status = may_hold(t);
    if (status == OK) {
        struct pin *pin = pins_want(&t->engine->pins, key, hash, whole);
        pins_fill(&t->engine->pins, pin, found ? &entry : NULL);
        hold(t, pin);
        status = answer_from_pin(t, pin, out);
    }
    if (found)
        t->fetch.source.put(&t->fetch.source, &ref);
    if (t->view == NULL)
        fetch_resolved(&t->fetch, mark);
    return status;
}

// In the order that the top of this file tells. What is staged has seq 0.
static int find(struct txn *t, struct slice key, bool whole, struct found *out)
{
    struct engine *e = t->engine;
    struct entry entry;
    if (t->batch.count > 0 && batch_get(&t->batch, key, &entry) == OK) {
        if (entry_kind(&entry) != RECORD_PUT)
            return NOT_FOUND;
        struct slice value = whole ? borrow_copy(t, entry.value) : entry.value;
        *out = (struct found){value, value.len, 0, entry.expire_ms};
        return OK;
    }
    uint64_t hash = hash64(key);
    if (memtables_get(e, key, hash, &entry) == OK)
        return answer(t, &entry, out);
    struct pin *pin = e->pins.used > 0 ? pins_find(&e->pins, key, hash) : NULL;
    if (pin != NULL && pin_answers(pin, whole))
        return answer_from_pin(t, pin, out);
    return read_tables(t, key, hash, whole, out);
}

int txn_get(struct txn *t, struct slice key, struct row *out)
{
    struct found found;
    int status = find(t, key, true, &found);
    if (status == OK)
        *out = (struct row){found.value, found.seq, found.expire_ms};
    return status;
}

int txn_get_fact(struct txn *t, struct slice key, struct fact *out)
{
    struct found found;
    int status = find(t, key, false, &found);
    if (status != OK)
        return status;
    *out =
        (struct fact){.value_len = found.value_len, .seq = found.seq, .expire_ms = found.expire_ms};
    if (found.value.len > 0)
        memcpy(out->head, found.value.data,
            found.value.len < sizeof out->head ? found.value.len : sizeof out->head);
    return OK;
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

static void forget_wanted(struct txn *t)
{
    while (t->wanted_count > t->wanted_at) {
        struct pin *pin = t->wanted[--t->wanted_count];
        if (pin->wanter == t)
            pin->wanter = NULL;
        pins_unref(&t->engine->pins, pin);
    }
    free(t->wanted);
    t->wanted = NULL;
    t->wanted_at = t->wanted_count = t->wanted_cap = 0;
}

void txn_begin(struct txn *t)
{
    if (t->wanted_count > 0)
        forget_wanted(t);
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

static void unpin_rows(struct txn *t)
{
    forget_wanted(t);
    while (t->pinned_count > 0)
        pins_unref(&t->engine->pins, t->pinned[--t->pinned_count]);
    free(t->pinned);
    t->pinned = NULL;
    t->pinned_cap = 0;
}

// Reads one wanted key: OK, it needs no more reading; WAIT, what it misses was noted, or the txn
// yields; or a failure, which the next attempt will meet itself.
static int resolve(struct txn *t, struct pin *pin)
{
    struct engine *e = t->engine;
    struct entry entry;
    struct block_ref ref;
    struct error err;
    if (pin->forgotten || pin_answers(pin, pin->whole))
        return OK;
    uint32_t mark = fetch_mark(&t->fetch);
    int status = point_read(e, &t->fetch, pin_key(pin), pin->hash, SEQ_MAX, &entry, &ref, &err);
    if (status < 0)
        return log_failure(t, status, &err);
    if (status == WAIT)
        return WAIT;
    bool found = status == OK;
    status = may_hold(t);
    if (status == OK)
        pins_fill(&e->pins, pin, found ? &entry : NULL);
    if (found)
        t->fetch.source.put(&t->fetch.source, &ref);
    fetch_resolved(&t->fetch, mark);
    return status;
}

// One round's worth of wanted keys. Those that have to wait stay, in front of those that were not
// looked at yet. OK, or a failure.
static int resolve_some(struct txn *t)
{
    uint32_t at = t->wanted_at, kept = 0, most = t->engine->options.wait_round_keys;
    int status = OK;
    while (at < t->wanted_count && at - t->wanted_at < most && status >= 0 && !t->yields &&
           !fetch_full(&t->fetch)) {
        struct pin *pin = t->wanted[at++];
        status = resolve(t, pin);
        if (status == WAIT) {
            t->wanted[t->wanted_at + kept++] = pin;
            continue;
        }
        if (pin->wanter == t)
            pin->wanter = NULL;
        hold(t, pin);
    }
    memmove(t->wanted + at - kept, t->wanted + t->wanted_at, kept * sizeof(struct pin *));
    t->wanted_at = at - kept;
    if (t->wanted_at == t->wanted_count)
        t->wanted_at = t->wanted_count = 0;
    return status < 0 ? status : OK;
}

static void hold_back(struct txn *t)
{
    t->yields = false;
    t->reach = t->stalled = 0;
    unpin_rows(t);
    fetch_release(&t->fetch);
    fetch_keep(&t->fetch, true);
    t->state = TXN_HELD_BACK;
    list_push_back(&t->engine->held_back, &t->held_back_link);
}

static void txn_fetched(struct fetch *f)
{
    struct txn *t = LIST_ENTRY(f, struct txn, fetch);
    int status = t->wanted_count > 0 && t->view == NULL ? resolve_some(t) : END;
    if (status == OK && t->yields && !is_oldest(t))
        hold_back(t);
    else if (status == OK && t->wanted_count > 0)
        fetch_start(f, txn_fetched);
    else
        call_back(t);
}

static void go_on(struct txn *t)
{
    list_remove(&t->held_back_link);
    t->state = TXN_FETCHING;
    fetch_start(&t->fetch, txn_fetched);
}

// --- Gaps ----------------------------------------------------------------------------------------

static void change_gaps(struct txn *t, const struct slice *there)
{
    struct engine *e = t->engine;
    e->gaps -= t->gaps.count;
    if (there != NULL)
        gap_set_cut(&t->gaps, *there);
    else
        gap_set_clear(&t->gaps);
    e->gaps += t->gaps.count;
}

bool txn_add_gap(struct txn *t, struct slice a, struct slice b)
{
    bool up = slice_compare(a, b) <= 0;
    t->engine->gaps -= t->gaps.count;
    bool fits = gap_set_add(&t->gaps, up ? a : b, up ? b : a);
    t->engine->gaps += t->gaps.count;
    return fits;
}

void txn_gaps_on_commit(struct engine *e, const struct entry *entry)
{
    if (entry_kind(entry) != RECORD_PUT)
        return;
    for (struct list *at = e->parked.next; at != &e->parked; at = at->next) {
        struct txn *t = LIST_ENTRY(at, struct txn, parked_link);
        if (t->gaps.count > 0)
            change_gaps(t, &entry->key);
    }
}

void txn_forget_gaps(struct engine *e)
{
    for (struct list *at = e->parked.next; at != &e->parked; at = at->next)
        change_gaps(LIST_ENTRY(at, struct txn, parked_link), NULL);
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
    t->waited = t->yields = t->over = false;
    t->reach = t->stalled = t->skip_waits = 0;
    change_gaps(t, NULL);
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
    if (t->waited || t->view != NULL || t->pinned_count > 0)
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

// An attempt has ended in WAIT. How far it got is what is held and wanted for it, and the blocks
// that it went over and noted. Who waits for the order of a memtable gets further each time.
static void watch_progress(struct txn *t)
{
    uint64_t reach =
        (uint64_t)t->pinned_count + (t->wanted_count - t->wanted_at) + fetch_mark(&t->fetch);
    if (reach > t->reach || !fetch_has_misses(&t->fetch)) {
        t->reach = reach > t->reach ? reach : t->reach;
        t->stalled = 0;
    } else if (++t->stalled >= t->engine->options.wait_attempts) {
        t->over = true;
    }
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
    watch_progress(t);
    bool yields = t->yields && !is_oldest(t);
    t->yields = false;
    if (yields) {
        hold_back(t);
        return;
    }
    // An iterator may also wait for a memtable to be put in order, which needs no reads: then this
    // is a call back in the next turn.
    t->state = TXN_FETCHING;
    fetch_start(&t->fetch, txn_fetched);
}
