// The memtable's private structures, shared by memtable*.c and nobody else.
#ifndef VARVE_ENGINE_MEMTABLE_MEMTABLE_IMPL_H
#define VARVE_ENGINE_MEMTABLE_MEMTABLE_IMPL_H

#include "base/arena.h"
#include "base/random.h"
#include "engine/memtable/memtable.h"

// One piece of the arena. Immutable once the memtable is frozen, but for queued_ms, which no job
// reads.
struct record {
    struct record *older; // version of the same key that is kept for a snapshot
    struct record *next;  // in order of arrival
    uint64_t seq;
    int64_t expire_ms;
    int64_t queued_ms; // the earliest entry in the expiry heap that stands for this record; 0: none
    uint32_t key_len;
    uint32_t value_len;
    uint32_t value_cap;
    uint8_t tag;     // 0: void: replaced, or taken back; nobody sees it
    bool superseded; // a newer record of the key is in this memtable
    uint8_t bytes[]; // key, value
};

static inline struct slice record_key(const struct record *r)
{
    return slice_of(r->bytes, r->key_len);
}

static inline struct slice record_value(const struct record *r)
{
    return slice_of(r->bytes + r->key_len, r->value_len);
}

static inline struct entry record_entry(const struct record *r)
{
    return (struct entry){record_key(r), record_value(r), r->seq, r->expire_ms, r->tag};
}

static inline int record_order(const struct record *a, const struct record *b)
{
    return entry_order(record_key(a), a->seq, record_key(b), b->seq);
}

// memtable_index.c: hash -> newest record of a key. Open addressing; grows a few slots an
// insertion.
struct index_slot {
    uint64_t hash;
    struct record *head; // NULL: free
};

struct index {
    struct index_slot *slots;
    size_t cap, used;
    struct index_slot *old; // being moved over; NULL: nothing is
    size_t old_cap, old_next;
};

void index_release(struct index *x);
// The slot of key, or NULL. Valid until the next index_insert.
struct index_slot *index_find(const struct index *x, struct slice key, uint64_t hash);
void index_insert(struct index *x, uint64_t hash, struct record *r); // the key is not there
size_t index_bytes(const struct index *x);

// memtable_drops.c: the drops, and the newest of each prefix by hash.
struct drop_index {
    struct memtable_drop *items; // by seq
    size_t count, cap;
    uint32_t *slots; // number + 1 of the newest item of a prefix
    size_t slots_cap;
    uint32_t *lengths; // the distinct lengths of prefixes
    size_t length_count;
};

void drop_index_release(struct drop_index *d);
void drop_index_add(struct drop_index *d, struct slice prefix, uint64_t seq); // borrows prefix
// Takes the newest drops away, down to `count` of them.
void drop_index_cut(struct drop_index *d, size_t count);
bool drop_index_covers(const struct drop_index *d, struct slice key, uint64_t seq);

// memtable_expiry.c: a binary heap of (time, record), smallest first.
struct expiry_item {
    int64_t at_ms;
    struct record *record;
};

struct expiry_heap {
    struct expiry_item *items;
    size_t count, cap;
    size_t records; // that have an entry that counts; the others are garbage
};

void expiry_heap_release(struct expiry_heap *h);
void expiry_heap_note(struct expiry_heap *h, struct record *r); // after r's expiry was set

// memtable_order.c: the skip list. Nodes are the loop's alone.
enum { ORDER_HEIGHT_MAX = 12 };

// The first sixteen bytes of a key as two numbers that order like them. A shorter key is filled up
// with zeros, so equal heads decide nothing.
struct key_head {
    uint64_t high, low;
};

struct order_node {
    struct key_head head; // of the record's key: most comparisons look no further
    struct record *record;
    struct order_node *prev; // on the lowest level; the head before the first
    uint32_t dead_epoch;     // of `dead`; another than the order's: none
    uint16_t dead;           // bit L: all records strictly between here and next[L] are dead
    uint8_t height;
    struct order_node *next[];
};

struct order {
    struct arena arena;
    struct order_node *head; // NULL until the first step
    struct order_node *last; // on the lowest level; the head when empty
    struct record *linked;   // the newest arrival that is in the list
    uint64_t count;          // records in the list
    uint32_t dead_epoch;     // of the spans in force; 0: nobody has looked for any
    struct random random;
};

// Nobody sees it, whatever view he has: void, or a tombstone. (One that a view needs has left the
// record beneath it in place, which is not dead.)
static inline bool record_is_dead(const struct record *r)
{
    return r->tag == 0 || (r->tag & RECORD_KIND_MASK) == RECORD_DELETE;
}

void order_release(struct order *o);
// The first node that is not before (key, seq), or NULL. The list is not empty of a head.
struct order_node *order_lower_bound(const struct order *o, struct slice key, uint64_t seq);
// From a node forward over dead ones with keys below limit (empty: any): the first node that is
// not dead, or not below limit, or, at *budget 0, where it has come to; NULL: the end. What it has
// gone over, it remembers: the next one goes over it in O(log n).
struct order_node *order_skip_dead(
    struct order *o, struct order_node *from, struct slice limit, unsigned *budget);
// A dead record that may be in the list is to be seen again.
void order_revive(struct order *o, const struct record *r);
void order_forget_dead(struct order *o); // any may have come to life

struct memtable {
    uint32_t refs;
    bool frozen;
    engine_counted_prefix_cb counted_prefix;
    uint64_t first_segment;
    struct arena arena;
    struct record *first, *last; // in order of arrival
    uint64_t arrived;            // records, void ones included
    uint64_t live;               // records that are not void
    uint64_t last_seq;
    struct index index;
    struct counts counts;
    struct drop_index drops;
    struct expiry_heap expiry;
    struct order order;
};

// memtable_undo.c: notes what apply is about to do.
enum undo_kind { UNDO_OVERWRITE, UNDO_REPLACE, UNDO_ADD, UNDO_DROP };

// Behind its bytes: those of the value that is overwritten, or the counts that a drop forgets.
struct undo_note {
    enum undo_kind kind;
    int live, in_doubt;      // added to the counts
    struct record *record;   // overwritten or new
    struct record *previous; // replaced, or the older version behind a new one
    uint64_t last_seq;       // of the memtable, before
    uint64_t seq;            // of what was overwritten, and so on
    int64_t expire_ms;
    uint32_t value_len;
    uint8_t tag;
    size_t bytes;
};

void undo_note_overwrite(struct buf *undo, const struct record *r, struct undo_note note);
void undo_note_drop(
    struct buf *undo, const struct counts *counts, struct slice prefix, struct undo_note note);

#endif
