// txn: what is inside a txn (engine.h), for the modules that work on it: txn.c (attempts, staging,
// waiting), point_read.c, iter.c, commit.c. Loop.
#ifndef VARVE_ENGINE_TXN_H
#define VARVE_ENGINE_TXN_H

#include "engine/record/batch.h"
#include "engine/record/gap_set.h"
#include "engine/state.h"

enum txn_state { TXN_IDLE, TXN_FETCHING, TXN_ROOM, TXN_HELD_BACK };

// What rows borrow from: let go by txn_begin.
struct txn_borrowed {
    struct block_ref few[4];
    struct block_ref *more; // once few are full
    uint32_t count, more_cap;
    struct borrowed_copy *copies; // of staged values, which move when more is staged
};

struct txn {
    struct engine *engine;
    struct batch batch;
    struct fetch fetch;
    struct txn_borrowed borrowed;
    struct pin **pinned; // rows and facts this txn holds
    uint32_t pinned_count, pinned_cap;
    struct pin **wanted; // by this attempt, and to be read before the next: from wanted_at on
    uint32_t wanted_at, wanted_count, wanted_cap;
    struct view *view; // shared by the attempts' iterators; NULL until one is opened
    uint64_t seq;
    enum txn_state state;
    bool waited;      // this is not the first attempt
    bool yields;      // it has come to the limit of rows that all may hold: older ones first
    bool wants_room;  // the last commit said WAIT
    bool over;        // it needs more rows than a command may hold: NO_MEMORY
    uint64_t reach;   // how far the best attempt so far has come
    unsigned stalled; // attempts since then
    // Where no key is but for what it stages: what an attempt's iterators have gone over. Others'
    // commits cut them (txn_gaps_on_commit), so they are true for the next attempt, whose iterators
    // go past each in one step.
    struct gap_set gaps;
    unsigned skip_waits; // attempts that ended to give the loop back (iter.c)
    struct list room_link;
    struct list parked_link, held_back_link;
    txn_ready_cb ready_cb;
    void *ready_arg;
};

// This attempt has read, counted or written what was committed as seq.
static inline void txn_saw(struct txn *t, uint64_t seq)
{
    if (seq > t->seq)
        t->seq = seq;
}

// A commit has applied this entry: no gap holds it any more.
void txn_gaps_on_commit(struct engine *e, const struct entry *entry);
void txn_forget_gaps(struct engine *e); // commits were taken back
// From a to b or from b to a. False: it remembers too many.
bool txn_add_gap(struct txn *t, struct slice a, struct slice b);
// Calls back one that waits for room.
void txn_has_room(struct txn *t);

#endif
