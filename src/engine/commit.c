// A commit in order: is there room (memtable, log)? then nothing can fail any more. For each entry:
// what lies beneath it (counts.h), flags into the batch, into the memtable. Then the batch, flags
// and all, goes to the log's group, so that replay need not find out again.
//
// Room. When the memtable is full, or the log segment has grown to several times its size by
// overwrites in place, the memtable is frozen and the log rotated: before the batch, so that a
// memtable's records lie in its segments and nowhere else; so is it when the batch would make the
// segment longer than a proof can speak of. If that is not possible (too many are
// frozen, the next segment is not ready), the memtable may grow by a quarter; then the commit
// answers WAIT, the txn waits in room_waiters, and is called back when a flush has ended. Pacing
// (pace.c) sees to it that this is rare.
//
// Certainty. "Certainly live" and "certainly dead" must stay true whatever flush and compaction do;
// the cases are in beneath(). Looking costs a probe of each memtable's index, and where that is not
// the answer, one of the filter of each table that could hold the key; filters that are not in
// memory are a doubt, never a read that anybody waits for. A database without tables pays for the
// memtables only; keys that nobody counts pay nothing.
//
// Undo. Records are visible when they are applied, and durable later. Until then a group of undo
// notes per turn (and memtable) can take them back. When the log fails, everything above the
// durable seq goes: memtables, counts, pins, last_seq; and the engine has failed, so nothing is
// flushed any more. In a healthy life a group is a buffer that is cleared when its seq is durable,
// and used again.
//
// What can fail: nothing in the middle. READ_ONLY, TOO_LARGE, NO_SPACE, IO (the log cannot grow)
// and WAIT are answered before anything has changed.
#include "engine/commit.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/memtables.h"
#include "engine/pace.h"
#include "engine/publish.h"
#include "engine/snapshot.h"
#include "engine/space.h"
#include "engine/txn.h"
#include "engine/upkeep.h"

enum {
    SEGMENT_FACTOR = 4, // a memtable is frozen when its segment has grown to so many write buffers
    ROOM_DELAY_MS = 1,
};

// Offsets in a segment have 32 bits where a record says what is proven.
#define SEGMENT_BYTES_MAX (UINT32_MAX - (1u << 20))
_Static_assert(ENGINE_BATCH_MAX < SEGMENT_BYTES_MAX, "a batch fits in a segment");

// --- What lies beneath ---------------------------------------------------------------------------

static uint8_t flags_over(const struct entry *older, bool gives_way)
{
    if (entry_kind(older) == RECORD_DELETE)
        return RECORD_FRESH;
    bool may_go_on_its_own = (older->tag & RECORD_EXPIRES) != 0 && !gives_way;
    return may_go_on_its_own ? RECORD_IN_DOUBT : 0;
}

static bool may_be_in(const struct engine *e, struct table *t, struct slice key, uint64_t hash)
{
    if (slice_compare(key, t->meta.smallest) < 0 || slice_compare(key, t->meta.largest) > 0)
        return false;
    if (version_dropped(e->version, key, t->meta.seq_max))
        return false;
    if (t->loop.filter_block == NULL && e->filters_fit)
        // for the commits to come, if not for this one; nobody waits
        fetcher_want_filter(e->fetcher, t);
    int answer = table_may_contain(t, hash);
    return answer != 0;
}

// Some table may hold the key: what a flushed memtable that is kept for reads knows of it is the
// newest record there. Asked last, since it costs a probe of each.
static uint8_t beneath_clean(const struct engine *e, struct slice key, uint64_t hash)
{
    struct entry older;
    if (clean_get(&e->memtables.clean, key, hash, &older) != OK)
        return RECORD_IN_DOUBT;
    return version_dropped(e->version, key, older.seq) ? RECORD_FRESH : flags_over(&older, false);
}

static uint8_t beneath_memtables(const struct engine *e, struct slice key, uint64_t hash)
{
    const struct version *v = e->version;
    const struct pin *pin = pins_find(&e->pins, key, hash);
    if (pin != NULL) {
        const struct entry older = {.seq = pin->seq, .tag = pin->tag};
        bool dead = !pin_is_present(pin) || version_dropped(v, key, pin->seq);
        return dead ? RECORD_FRESH : flags_over(&older, false);
    }
    for (uint32_t i = 0; i < v->levels[0].count; i++)
        if (may_be_in(e, v->levels[0].tables[i], key, hash))
            return beneath_clean(e, key, hash);
    for (unsigned level = 1; level < ENGINE_LEVELS; level++) {
        if (v->levels[level].count == 0)
            continue;
        uint32_t at = version_find(&v->levels[level], key);
        if (at < v->levels[level].count && may_be_in(e, v->levels[level].tables[at], key, hash))
            return beneath_clean(e, key, hash);
    }
    return damage_set_find(&v->damages, key) != 0 ? RECORD_IN_DOUBT : RECORD_FRESH;
}

// The flags of a record of key that is committed now. Newest first; a drop in a memtable covers all
// that is older than the memtable, and what of it is older than the drop.
static uint8_t beneath(const struct engine *e, struct slice key, uint64_t hash, uint64_t keep_seq)
{
    const struct memtables *m = &e->memtables;
    for (unsigned i = m->frozen_count + 1; i > 0; i--) {
        const struct memtable *table = i > m->frozen_count ? m->active : m->frozen[i - 1];
        struct entry older = {0};
        int status = memtable_get(table, key, hash, SEQ_MAX, &older);
        if (memtable_dropped(table, key, older.seq))
            return RECORD_FRESH;
        if (status == OK)
            return flags_over(&older, table == m->active && older.seq > keep_seq);
    }
    return beneath_memtables(e, key, hash);
}

static struct slice counted_prefix_of(const struct engine *e, struct slice key)
{
    return slice_of(
        key.data, e->options.counted_prefix != NULL ? e->options.counted_prefix(key) : 0);
}

// --- Room ----------------------------------------------------------------------------------------

static bool is_over(const struct engine *e, uint64_t limit, uint64_t bytes)
{
    return memtable_last_seq(e->memtables.active) != 0 &&
           memtable_bytes(e->memtables.active) + bytes > limit;
}

// Whether the active memtable takes so many bytes more, now that it could not be frozen.
static bool has_slack(const struct engine *e, uint64_t bytes)
{
    uint64_t limit = e->options.write_buffer_size;
    return !is_over(e, limit + limit / 4, bytes);
}

static int make_room(struct engine *e, const struct batch *b)
{
    uint64_t limit = e->options.write_buffer_size;
    bool too_long = wal_segment_bytes(e->wal) + b->bytes.len > SEGMENT_BYTES_MAX;
    bool full = too_long || is_over(e, limit, b->user_bytes) ||
                wal_segment_bytes(e->wal) > SEGMENT_FACTOR * limit;
    int status = full ? memtables_freeze(e) : OK;
    if (status != OK && (too_long || !has_slack(e, b->user_bytes)))
        return status == WAIT && e->space.flush_has_none ? NO_SPACE : status;
    return wal_reserve(e->wal, b->bytes.len);
}

static bool room_is_likely(const struct engine *e)
{
    return upkeep_has_failed(e) || e->space.flush_has_none || wal_cannot_rotate(e->wal) ||
           e->memtables.frozen_count < memtables_frozen_max(e) || has_slack(e, 0);
}

void commit_wake_room(struct engine *e)
{
    struct list waiting;
    if (list_empty(&e->commit.room_waiters))
        return;
    list_init(&waiting); // who must wait again enters the engine's list, not this one
    while (!list_empty(&e->commit.room_waiters)) {
        struct list *first = e->commit.room_waiters.next;
        list_remove(first);
        list_push_back(&waiting, first);
    }
    while (!list_empty(&waiting) && room_is_likely(e)) {
        struct list *first = waiting.next;
        list_remove(first);
        txn_has_room(LIST_ENTRY(first, struct txn, room_link));
    }
    while (!list_empty(&waiting)) { // still first in line
        struct list *last = waiting.prev;
        list_remove(last);
        list_push_front(&e->commit.room_waiters, last);
    }
}

static void room_timer_fired(struct exec_timer *timer)
{
    struct engine *e = LIST_ENTRY(timer, struct engine, commit.room_timer);
    commit_wake_room(e);
    upkeep_run(e);
}

// --- Undo ----------------------------------------------------------------------------------------

static struct buf *open_group(struct engine *e)
{
    struct commit_state *c = &e->commit;
    if (c->group_open)
        return &c->groups[c->group_count - 1].undo;
    if (c->group_count == c->group_cap) {
        unsigned cap = c->group_cap ? c->group_cap * 2 : 4;
        c->groups = xrealloc(c->groups, cap * sizeof *c->groups);
        memset(c->groups + c->group_cap, 0, (cap - c->group_cap) * sizeof *c->groups);
        c->group_cap = cap;
    }
    c->groups[c->group_count++].memtable = memtable_ref(e->memtables.active);
    c->group_open = true;
    return &c->groups[c->group_count - 1].undo;
}

// Forgets the oldest `count` groups and keeps their buffers for later.
static void forget_groups(struct commit_state *c, unsigned count)
{
    enum { UNDO_KEPT = 1 << 20 };
    for (unsigned i = 0; i < count; i++) {
        struct undo_group done = c->groups[0];
        memtable_unref(done.memtable);
        buf_clear(&done.undo);
        buf_shrink(&done.undo, UNDO_KEPT);
        c->group_count--;
        memmove(c->groups, c->groups + 1, c->group_count * sizeof *c->groups);
        c->groups[c->group_count] = (struct undo_group){.undo = done.undo};
    }
}

static void take_back(struct engine *e, const struct error *cause)
{
    struct commit_state *c = &e->commit;
    if (c->taken_back)
        return;
    c->taken_back = true;
    for (unsigned i = c->group_count; i > 0; i--)
        memtable_undo(c->groups[i - 1].memtable, &c->groups[i - 1].undo);
    forget_groups(c, c->group_count);
    uint64_t durable = wal_durable_seq(e->wal);
    if (e->last_seq > durable)
        e->last_seq = durable;
    pins_forget_above(&e->pins, durable);
    txn_forget_gaps(e);
    publish_recount(e);
    upkeep_fail(e, cause);
}

void commit_settle(struct engine *e)
{
    struct commit_state *c = &e->commit;
    struct error err;
    c->group_open = false;
    uint64_t durable = wal_durable_seq(e->wal);
    unsigned done = 0;
    while (done < c->group_count && c->groups[done].last_seq <= durable)
        done++;
    forget_groups(c, done);
    if (wal_status(e->wal, &err) != OK)
        take_back(e, &err);
    else if (e->memtables.frozen_count > 0)
        upkeep_mark(e, CHANGED_DURABLE);
}

void commit_turn_end(struct engine *e)
{
    wal_turn_end(e->wal);
    commit_settle(e);
    commit_wake_room_later(e);
}

void commit_wake_room_later(struct engine *e)
{
    if (!list_empty(&e->commit.room_waiters) && room_is_likely(e))
        exec_timer_start(e->exec, &e->commit.room_timer, ROOM_DELAY_MS);
}

void commit_init(struct engine *e)
{
    list_init(&e->commit.room_waiters);
    e->commit.room_timer.fire = room_timer_fired;
}

void commit_release(struct engine *e)
{
    struct commit_state *c = &e->commit;
    ENSURE(list_empty(&c->room_waiters));
    exec_timer_stop(e->exec, &c->room_timer);
    forget_groups(c, c->group_count);
    for (unsigned i = 0; i < c->group_cap; i++)
        buf_release(&c->groups[i].undo);
    free(c->groups);
}

// --- Commit --------------------------------------------------------------------------------------

static void apply_entry(struct engine *e, struct batch *b, uint32_t i, uint64_t seq,
    uint64_t keep_seq, struct buf *undo)
{
    struct entry entry;
    batch_at(b, i, &entry);
    entry.seq = seq;
    uint64_t hash = 0;
    if (entry_kind(&entry) != RECORD_DROP) {
        hash = hash64(entry.key);
        uint8_t flags =
            counted_prefix_of(e, entry.key).len > 0 ? beneath(e, entry.key, hash, keep_seq) : 0;
        if (flags != 0)
            batch_flag(b, i, flags);
        entry.tag |= flags;
        e->space.covers += (flags & RECORD_FRESH) == 0;
    }
    if (entry_kind(&entry) == RECORD_DROP)
        counts_forget(&e->corrections, entry.key);
    memtable_apply(e->memtables.active, &entry, hash, keep_seq, &e->counts, undo);
    if (e->pins.used > 0)
        pins_on_commit(&e->pins, &entry);
    if (e->gaps > 0)
        txn_gaps_on_commit(e, &entry);
}

static void apply_batch(struct engine *e, struct batch *b)
{
    uint64_t first = e->last_seq + 1, keep_seq = snapshot_keep_seq(e);
    struct buf *undo = open_group(e);
    for (uint32_t i = 0; i < b->count; i++)
        apply_entry(e, b, i, first + i, keep_seq, undo);
    e->last_seq += b->count;
    e->commit.groups[e->commit.group_count - 1].last_seq = e->last_seq;
    wal_append(e->wal, first, e->last_seq, buf_slice(&b->bytes));
}

int txn_commit(struct txn *txn)
{
    struct engine *e = txn->engine;
    struct batch *b = &txn->batch;
    txn->wants_room = false;
    if (b->count == 0)
        return OK;
    if (upkeep_has_failed(e))
        return READ_ONLY;
    if (b->bytes.len > ENGINE_BATCH_MAX || b->longest_key > ENGINE_KEY_MAX)
        return TOO_LARGE;
    int status = space_allows(e, b);
    if (status == OK)
        status = make_room(e, b);
    if (status != OK) {
        txn->wants_room = status == WAIT;
        e->stats.write_waits += status == WAIT;
        return status;
    }
    apply_batch(e, b);
    if (b->has_drops)
        space_on_drop(e);
    if (e->space.covers > 0)
        space_on_cover(e);
    txn->seq = e->last_seq;
    e->stats.user_bytes += b->user_bytes;
    pace_on_commit(e, b->user_bytes);
    return OK;
}

// The newest entry of a key decides, with what lies beneath the batch: the entries between settle
// with each other.
void commit_staged_count(struct engine *e, struct batch *batch, struct slice prefix, int64_t *live,
    int64_t *in_doubt, bool *forgotten)
{
    uint64_t keep_seq = snapshot_keep_seq(e);
    uint32_t from = 0;
    struct entry entry, newest;
    *live = *in_doubt = 0;
    *forgotten = false;
    for (uint32_t i = batch->has_drops ? batch->count : 0; i > 0 && !*forgotten; i--) {
        batch_at(batch, i - 1, &entry);
        *forgotten = entry_kind(&entry) == RECORD_DROP && slice_starts_with(prefix, entry.key);
        from = *forgotten ? i : 0;
    }
    for (uint32_t i = from; i < batch->count; i++) {
        batch_at(batch, i, &entry);
        if (entry_kind(&entry) == RECORD_DROP ||
            !slice_equal(counted_prefix_of(e, entry.key), prefix))
            continue;
        if (batch_get(batch, entry.key, &newest) != OK || newest.seq != i)
            continue;
        uint8_t flags =
            *forgotten ? RECORD_FRESH : beneath(e, entry.key, hash64(entry.key), keep_seq);
        *live += count_contribution(entry.tag | flags);
        *in_doubt += (flags & RECORD_IN_DOUBT) != 0;
    }
}

// "Certainly live" was found out in the memtables of that time. Where the older record is in
// another memtable now, or in a table, it may have an expiry and go on its own: such a record is in
// doubt.
static bool is_certain_again(const struct engine *e, const struct entry *entry, uint64_t hash)
{
    const struct memtables *m = &e->memtables;
    struct entry older;
    if (memtable_get(m->active, entry->key, hash, SEQ_MAX, &older) == OK)
        return true;
    for (unsigned i = m->frozen_count; i > 0; i--)
        if (memtable_get(m->frozen[i - 1], entry->key, hash, SEQ_MAX, &older) == OK)
            return (older.tag & RECORD_EXPIRES) == 0;
    return false;
}

void commit_replay(struct engine *e, const struct entry *entry)
{
    struct entry replayed = *entry;
    uint64_t hash = 0;
    if (entry_kind(entry) != RECORD_DROP) {
        hash = hash64(entry->key);
        bool certainly_live = (entry->tag & (RECORD_FRESH | RECORD_IN_DOUBT)) == 0;
        if (certainly_live && counted_prefix_of(e, entry->key).len > 0 &&
            !is_certain_again(e, entry, hash))
            replayed.tag |= RECORD_IN_DOUBT;
    }
    e->space.covers += (replayed.tag & RECORD_FRESH) == 0;
    memtable_apply(e->memtables.active, &replayed, hash, 0, NULL, NULL);
}
