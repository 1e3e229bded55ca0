// The problem: take writes at the speed of a hash table, answer point reads the same way, and still
// hand out everything in key order when an iterator or a flush asks.
//
// The idea: a record is one piece of an arena, header, key and value together, so that a hit costs
// one slot of the hash index and one record. Records are also chained in order of arrival; that
// chain is the unsorted tail from which order is made on demand (memtable_order.c) and what a flush
// job sorts for itself (memtable_cursor.c). Nothing is sorted that nobody asks for.
//
// Three ways to write a key that is here already:
//   in place    nobody needs the old state and the value fits the slot: seq, tag, expiry and value
//               change, the record stays
//   replace     nobody needs the old state, the value does not fit: a new record, with room to
//               grow, takes the old one's place in the version chain; the old one becomes void (tag
//               0) and is skipped by everyone until the arena goes
//   behind      a snapshot or view needs the old state: it is linked behind the new record as an
//               older version
// In place and replace settle the counts at once: the new record then stands where the old one
// stood (counts.h). A record below a drop of this memtable counts for nothing any more, so it is
// not inherited from.
//
// Invariants: index -> newest record that is not void, or a void one without an older version;
// older -> smaller seq; a record's place in (key, seq desc) order never changes, since only the
// newest version of a key is overwritten, and only by a larger seq. After freezing no field of a
// record changes but queued_ms. Taking back (memtable_undo.c) is the exception: it happens after a
// failed log write, and what it touches was never durable, so no flush reads it.
//
// Nothing here fails; memory is bounded by who calls memtable_apply.
#include "engine/memtable/memtable.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/memtable/memtable_impl.h"

enum { SLACK_DIVISOR = 4 }; // a value that outgrew its slot gets a quarter more than it needs

struct memtable *memtable_new(engine_counted_prefix_cb counted_prefix, uint64_t first_segment)
{
    struct memtable *m = xcalloc(1, sizeof *m);
    m->refs = 1;
    m->counted_prefix = counted_prefix;
    m->first_segment = first_segment;
    arena_init(&m->arena);
    arena_init(&m->order.arena);
    return m;
}

struct memtable *memtable_ref(struct memtable *m)
{
    m->refs++;
    return m;
}

void memtable_unref(struct memtable *m)
{
    ENSURE(m->refs > 0);
    if (--m->refs > 0)
        return;
    order_release(&m->order);
    expiry_heap_release(&m->expiry);
    drop_index_release(&m->drops);
    counts_release(&m->counts);
    index_release(&m->index);
    arena_release(&m->arena);
    free(m);
}

static struct record *add_record(struct memtable *m, const struct entry *e, size_t value_cap)
{
    struct record *r =
        arena_alloc(&m->arena, offsetof(struct record, bytes) + e->key.len + value_cap);
    *r = (struct record){
        .key_len = (uint32_t)e->key.len,
        .value_cap = (uint32_t)value_cap,
    };
    memcpy(r->bytes, e->key.data, e->key.len);
    if (m->last != NULL)
        m->last->next = r;
    else
        m->first = r;
    m->last = r;
    m->arrived++;
    m->live++;
    return r;
}

static void fill_record(struct memtable *m, struct record *r, const struct entry *e, uint8_t tag)
{
    r->seq = e->seq;
    r->expire_ms = e->expire_ms;
    r->tag = tag;
    r->value_len = (uint32_t)e->value.len;
    if (e->value.len > 0)
        memcpy(r->bytes + r->key_len, e->value.data, e->value.len);
    if (e->expire_ms > 0)
        expiry_heap_note(&m->expiry, r);
}

static void add_counts(
    struct memtable *m, struct slice key, int live, int in_doubt, struct counts *total)
{
    if ((live == 0 && in_doubt == 0) || m->counted_prefix == NULL)
        return;
    struct slice prefix = slice_of(key.data, m->counted_prefix(key));
    counts_add(&m->counts, prefix, live, in_doubt);
    if (total != NULL)
        counts_add(total, prefix, live, in_doubt);
}

static void apply_drop(
    struct memtable *m, const struct entry *e, struct counts *total, struct buf *undo)
{
    if (undo != NULL)
        undo_note_drop(undo, &m->counts, e->key,
            (struct undo_note){.kind = UNDO_DROP, .last_seq = m->last_seq});
    uint8_t *prefix = arena_alloc(&m->arena, e->key.len + 1);
    if (e->key.len > 0)
        memcpy(prefix, e->key.data, e->key.len);
    drop_index_add(&m->drops, slice_of(prefix, e->key.len), e->seq);
    counts_forget(&m->counts, e->key);
    if (total != NULL)
        counts_forget(total, e->key);
}

// Room for the value; more than it needs if it has outgrown a slot, so that a growing value is not
// moved each time. Bounded by what value_cap can hold.
static size_t grown_cap(size_t value_len)
{
    size_t cap = (value_len + value_len / SLACK_DIVISOR + 7) & ~(size_t)7;
    return cap <= UINT32_MAX ? cap : value_len;
}

static void apply_write(struct memtable *m, const struct entry *e, uint64_t hash, uint64_t keep_seq,
    struct counts *total, struct buf *undo)
{
    struct index_slot *slot = index_find(&m->index, e->key, hash);
    struct record *old = slot != NULL && slot->head->tag != 0 ? slot->head : NULL;
    bool gives_way = old != NULL && old->seq > keep_seq;
    bool in_place = gives_way && e->value.len <= old->value_cap;

    uint8_t tag = e->tag;
    int live = count_contribution(tag), in_doubt = (tag & RECORD_IN_DOUBT) != 0;
    if (gives_way && !drop_index_covers(&m->drops, e->key, old->seq)) {
        int settled_live, settled_doubts;
        tag = count_settle(tag, old->tag, &settled_live, &settled_doubts);
        live += settled_live;
        in_doubt += settled_doubts;
    }
    add_counts(m, e->key, live, in_doubt, total);

    struct undo_note note = {.live = live, .in_doubt = in_doubt, .last_seq = m->last_seq};
    if (in_place) {
        note.kind = UNDO_OVERWRITE;
        if (undo != NULL)
            undo_note_overwrite(undo, old, note);
        if (record_is_dead(old) && entry_kind(e) == RECORD_PUT)
            order_revive(&m->order, old);
        fill_record(m, old, e, tag);
        return;
    }
    struct record *r = add_record(m, e, gives_way ? grown_cap(e->value.len) : e->value.len);
    note.kind = gives_way ? UNDO_REPLACE : UNDO_ADD;
    note.record = r;
    note.previous = old;
    note.tag = old != NULL ? old->tag : 0;
    if (undo != NULL)
        buf_append(undo, &note, sizeof note);
    if (gives_way) {
        r->older = old->older;
        old->tag = 0;
        m->live--;
    } else if (old != NULL) {
        r->older = old;
        old->superseded = true;
    }
    fill_record(m, r, e, tag);
    if (slot != NULL)
        slot->head = r;
    else
        index_insert(&m->index, hash, r);
}

void memtable_apply(struct memtable *m, const struct entry *e, uint64_t hash, uint64_t keep_seq,
    struct counts *total, struct buf *undo)
{
    ENSURE(!m->frozen);
    if (entry_kind(e) == RECORD_DROP)
        apply_drop(m, e, total, undo);
    else
        apply_write(m, e, hash, keep_seq, total, undo);
    m->last_seq = e->seq;
}

void memtable_skip(struct memtable *m, uint64_t seq)
{
    ENSURE(!m->frozen);
    m->last_seq = seq;
}

int memtable_get(
    const struct memtable *m, struct slice key, uint64_t hash, uint64_t max_seq, struct entry *out)
{
    const struct index_slot *slot = index_find(&m->index, key, hash);
    const struct record *r = slot != NULL ? slot->head : NULL;
    while (r != NULL && (r->tag == 0 || r->seq > max_seq))
        r = r->older;
    if (r == NULL)
        return NOT_FOUND;
    *out = record_entry(r);
    return OK;
}

// What has been moved out of the index's old table is found in the new one.
uint64_t memtable_places(const struct memtable *m)
{
    return m->index.cap + (m->index.old != NULL ? m->index.old_cap - m->index.old_next : 0);
}

int memtable_at(const struct memtable *m, uint64_t place, struct entry *out)
{
    const struct index *x = &m->index;
    const struct record *r =
        place < x->cap ? x->slots[place].head : x->old[x->old_next + (place - x->cap)].head;
    if (r == NULL || r->tag == 0)
        return NOT_FOUND;
    *out = record_entry(r);
    return OK;
}

bool memtable_dropped(const struct memtable *m, struct slice key, uint64_t seq)
{
    return drop_index_covers(&m->drops, key, seq);
}

void memtable_freeze(struct memtable *m)
{
    m->frozen = true;
}

size_t memtable_bytes(const struct memtable *m)
{
    return m->arena.total - m->arena.left + m->order.arena.total - m->order.arena.left +
           index_bytes(&m->index) + m->expiry.cap * sizeof *m->expiry.items +
           m->drops.cap * sizeof *m->drops.items + m->drops.slots_cap * sizeof *m->drops.slots;
}

uint64_t memtable_entries(const struct memtable *m)
{
    return m->live;
}

uint64_t memtable_last_seq(const struct memtable *m)
{
    return m->last_seq;
}

uint64_t memtable_first_segment(const struct memtable *m)
{
    return m->first_segment;
}

const struct counts *memtable_counts(const struct memtable *m)
{
    return &m->counts;
}

const struct memtable_drop *memtable_drops(const struct memtable *m, size_t *count)
{
    *count = m->drops.count;
    return m->drops.items;
}
