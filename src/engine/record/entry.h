// entry: one record as every module of the engine passes it on, and cursor: anything that yields
// entries in order (memtable, block, table, level, merge, batch). Order is key ascending (memcmp),
// then seq descending: the newest record of a key comes first.
#ifndef VARVE_ENGINE_RECORD_ENTRY_H
#define VARVE_ENGINE_RECORD_ENTRY_H

#include "base/slice.h"
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

// A cursor positions itself and then shows `entry`, borrowed until the next positioning. Calls
// answer OK, END, WAIT or a failure; after WAIT the same call is made again and goes on where it
// was. After END or a failure it has to be positioned anew. next and prev need a valid position;
// both directions may be mixed.
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
    // what the next will touch, so that who seeks with many cursors waits for all at once. OK: go
    // on with the seek. Other answers are the seek's own. Steps may be left out.
    int (*aim)(struct cursor *c, struct slice key, uint64_t seq, unsigned step);
};

struct cursor {
    const struct cursor_ops *ops;
    struct entry entry;
};

#endif
