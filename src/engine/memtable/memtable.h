// memtable: the newest records, in memory. Owned by the loop while active; once frozen its records
// are immutable and a flush job may read them, while the loop goes on reading (and ordering) it
// too: the order that the loop builds lies beside the records, not in them.
//
// Point lookups go through a hash index. Ordering is on demand: new records go to an unsorted tail,
// and are linked into a skip list (Pugh 1990) when an iterator needs order, in bounded steps; a
// flush job sorts an array of its own. A write-only load never pays for order.
//
// Life: memtable_new (one reference, the engine's) -> active -> memtable_freeze -> flushed -> clean
// (clean.h) -> memtable_unref. Iterators and jobs hold references of their own; the counter is the
// loop's alone.
#ifndef VARVE_ENGINE_MEMTABLE_MEMTABLE_H
#define VARVE_ENGINE_MEMTABLE_MEMTABLE_H

#include "base/buf.h"
#include "engine/options.h"
#include "engine/record/counts.h"
#include "engine/record/entry.h"

struct memtable;

// A drop that happened while the memtable was active.
struct memtable_drop {
    struct slice prefix; // in the memtable's arena
    uint64_t seq;
};

struct memtable *memtable_new(engine_counted_prefix_cb counted_prefix, uint64_t first_segment);
struct memtable *memtable_ref(struct memtable *m);
void memtable_unref(struct memtable *m);

// Applies one committed entry, whose tag carries the flags the commit found; hash = hash64(key), of
// no meaning for a drop. An older record of the same key gives way if its seq is above keep_seq (no
// snapshot or open view needs it): it is overwritten in place if the new value fits its slot, else
// replaced; otherwise it is kept behind the new one. What the counts change by is added to `total`
// too, if that is not NULL. If `undo` is not NULL, what memtable_undo needs to take the entry back
// is appended to it.
void memtable_apply(struct memtable *m, const struct entry *e, uint64_t hash, uint64_t keep_seq,
    struct counts *total, struct buf *undo);
// Replay: an entry that leaves no record had this seq; as last_seq counts it.
void memtable_skip(struct memtable *m, uint64_t seq);
// Takes back everything in `undo`, newest first: after a failed log write. The memtable then shows
// what it showed before; it is frozen, since nothing is written after such a failure.
void memtable_undo(struct memtable *m, struct buf *undo);

// Newest record of key with seq <= max_seq: OK (PUT or DELETE) or NOT_FOUND. hash = hash64(key).
// out borrows until the next apply.
int memtable_get(
    const struct memtable *m, struct slice key, uint64_t hash, uint64_t max_seq, struct entry *out);
// For who draws a key: keys lie at places below memtable_places, at most one at each, and no key at
// two. OK with its newest record, or NOT_FOUND: that place is empty.
uint64_t memtable_places(const struct memtable *m);
int memtable_at(const struct memtable *m, uint64_t place, struct entry *out);
// Whether the memtable has any drop whose prefix the key starts with, newer than seq.
bool memtable_dropped(const struct memtable *m, struct slice key, uint64_t seq);

void memtable_freeze(struct memtable *m);
// what it uses: all it takes from the heap but the arena's last slack
size_t memtable_bytes(const struct memtable *m);
uint64_t memtable_entries(const struct memtable *m);
uint64_t memtable_last_seq(const struct memtable *m); // 0 when empty
// the oldest log segment that holds records of it
uint64_t memtable_first_segment(const struct memtable *m);
const struct counts *memtable_counts(const struct memtable *m);
const struct memtable_drop *memtable_drops(const struct memtable *m, size_t *count);

// Loop. Orders up to `budget` records of the tail; true when all are in order, which a cursor
// needs.
bool memtable_order_step(struct memtable *m, size_t budget);
// Loop. Shows records with seq <= max_seq (all versions that are kept); answers WAIT, noting
// nothing, while the order is not complete: bounded work has been done, call again in a later turn.
// Holds a reference. The records it shows do not change if their seqs are at or below the keep_seq
// of every memtable_apply meanwhile.
struct cursor *memtable_cursor(struct memtable *m, uint64_t max_seq);
// Job, on a frozen memtable that its owner holds a reference to: all records, sorted; an array of
// its own, 16 bytes a record.
struct cursor *memtable_sorted_cursor(const struct memtable *m);

// Expiry, loop: the live record with the smallest expiry, if <= now_ms. OK or NOT_FOUND.
// key borrows until the next apply; *seq is the record's.
int memtable_next_expired(struct memtable *m, int64_t now_ms, struct slice *key, uint64_t *seq);
// The record that memtable_next_expired showed is not shown again: something newer than this
// memtable hides it.
void memtable_skip_expired(struct memtable *m);

#endif
