// entry: one record as every module of the engine passes it on, and cursor: anything that yields
// entries in order (memtable, block, table, level, merge, batch). Order is key ascending (memcmp),
// then seq descending: the newest record of a key comes first.
#ifndef VARVE_ENGINE_RECORD_ENTRY_H
#define VARVE_ENGINE_RECORD_ENTRY_H

#include "base/buf.h"
#include "base/ensure.h"
#include "base/status.h"
#include "engine/format.h"

#define SEQ_MAX UINT64_MAX

struct entry {
    struct slice key;   // user key
    struct slice value; // empty unless PUT
    uint64_t seq;
    int64_t expire_ms; // 0: never; set exactly if tag has RECORD_EXPIRES
    uint8_t tag;       // enum record_kind | enum record_flags
};

static inline int entry_kind(const struct entry *e)
{
    return e->tag & RECORD_KIND_MASK;
}

// Whether who does not know the kind may do as if the entry were not there.
static inline bool entry_may_be_skipped(const struct entry *e)
{
    return entry_kind(e) >= RECORD_SKIPPABLE;
}

// -1, 0, 1 in the order above.
static inline int entry_order(
    struct slice a_key, uint64_t a_seq, struct slice b_key, uint64_t b_seq)
{
    int order = slice_compare(a_key, b_key);
    return order != 0 ? order : (a_seq < b_seq) - (a_seq > b_seq);
}

// A cursor positions itself and then shows `entry`, borrowed until the next call. Calls answer OK,
// END, WAIT or a failure. A seek positions from anywhere; next and prev go on from an entry that is
// shown, that is after OK only, and may be mixed.
//
// WAIT, and the same call again. A call that answers WAIT lacks something: a block that has to be
// read, the order of a memtable. What it lacks has been noted with whoever gets it. The call is
// then under way and nothing is shown, until one of two things is done:
// - The same call, with the same target, is made again. It goes on where it was: each time a
//   bounded part of the work is done, and what has been done is not done again and needs none of
//   its blocks again. So it gets further whatever the cache has evicted meanwhile.
// - A seek is made, of any other kind or to another target: it gives up what is under way and
//   begins afresh.
// A step in another call's place would have nothing to start from: it is a caller's mistake, as it
// is after END or a failure, and cursors that it would lead astray assert that it is not made.
//
// Cursors that have somewhere to go on from know the same call by a `struct pending`; so do the
// iterators of engine.h, which keep the same contract. A cursor that repeats a call from its start
// at no cost needs none.
//
// Example. A cursor shows the last entry of a table's block 4; no other of its data is in memory.
//   next       WAIT   block 4 is let go, the index stands on block 5, whose first entry is due
//   next       OK     5 has been read: its first entry
//   next ...   OK     to the last entry of 5
//   next       WAIT   6 is not there
//   seek "k"   WAIT   gives next up; the index says that k is in 9 or behind it
//   seek "k"   WAIT   9 has been read and ends before k: it is let go, 10 is due
//   seek "k"   OK     10 has been read. 9 is not looked at again, and may have been evicted
// Had the last call been seek "m", it would have begun with the index; next would be a mistake.
struct cursor;

enum { AIM_STEPS = 3 };

struct cursor_ops {
    // first entry at or behind (key, seq)
    int (*seek)(struct cursor *c, struct slice key, uint64_t seq);
    // last entry with a key below `key`
    int (*seek_before)(struct cursor *c, struct slice key);
    int (*seek_last)(struct cursor *c);
    int (*next)(struct cursor *c);
    int (*prev)(struct cursor *c);
    void (*close)(struct cursor *c); // frees the cursor
    // Optional. Part `step`, of AIM_STEPS, of a seek that is about to be made: each asks memory for
    // what the next will touch, so that who seeks with many cursors waits for all at once. OK: the
    // seek is under way, go on with it. Other answers are the seek's own. Steps may be left out.
    int (*aim)(struct cursor *c, struct slice key, uint64_t seq, unsigned step);
    // Optional. As next, but may leave out entries that hide nothing in the cursor itself:
    // deletions of keys below limit (empty: of any). Each record that it leaves out takes one of
    // *budget; at 0 it shows the one it has come to. A repeated call may be next.
    int (*next_live)(struct cursor *c, struct slice limit, unsigned *budget);
};

struct cursor {
    const struct cursor_ops *ops;
    struct entry entry;
};

enum call_kind {
    CALL_LOST, // none is under way, and no entry is shown
    CALL_DONE, // none is under way: an entry is shown
    CALL_SEEK,
    CALL_SEEK_BEFORE,
    CALL_SEEK_LAST,
    CALL_NEXT,
    CALL_PREV
};

// The call that is under way, from its beginning to an answer that is not WAIT. Zeroed: none. Each
// call is opened by pending_seek or pending_step and closed by pending_answer.
struct pending {
    enum call_kind call;
    uint64_t seq;
    struct buf key; // with seq the target of a seek, copied
};

static inline void pending_release(struct pending *p)
{
    buf_release(&p->key);
}

static inline struct slice pending_key(const struct pending *p)
{
    return buf_slice(&p->key);
}

// key does not borrow from p.
static inline void pending_set_target(struct pending *p, struct slice key, uint64_t seq)
{
    buf_clear(&p->key);
    buf_append_slice(&p->key, key);
    p->seq = seq;
}

// True: this seek is under way and goes on. False: it begins, and what was under way is given up.
static inline bool pending_seek(
    struct pending *p, enum call_kind call, struct slice key, uint64_t seq)
{
    if (p->call == call && p->seq == seq && slice_equal(pending_key(p), key))
        return true;
    p->call = call;
    pending_set_target(p, key, seq);
    return false;
}

// The same for next and prev, which only begin where an entry is shown. The target is left alone.
static inline bool pending_step(struct pending *p, enum call_kind call)
{
    if (p->call == call)
        return true;
    ENSURE(p->call == CALL_DONE);
    p->call = call;
    return false;
}

// Passes the call's answer on.
static inline int pending_answer(struct pending *p, int status)
{
    if (status != WAIT)
        p->call = status == OK ? CALL_DONE : CALL_LOST;
    return status;
}

#endif
