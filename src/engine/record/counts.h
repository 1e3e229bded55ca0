// Live counts: how many keys below a counted prefix are live, without reading.
//
// "Live" is physical: the newest record of the key, in memory or on disk, is a PUT. Each record
// states what it assumes of the state beneath it (older records of its key, in older memtables and
// tables) when it is committed:
//   RECORD_FRESH     beneath it the key is certainly dead      PUT +1, DELETE  0
//   neither          beneath it the key is certainly live      PUT  0, DELETE -1
//   RECORD_IN_DOUBT  taken for live, but nobody looked         PUT  0, DELETE -1, and to be settled
// The contribution is added to the prefix' count at commit. Certain is what stays true whatever
// flush and compaction do: a live record without expiry found in a memtable; dead because the
// newest record in memory is a DELETE, or no table's filter may contain the key. A predecessor with
// an expiry may be dropped by compaction on its own, so a record over it is in doubt; only in the
// same active memtable, where the overwrite happens at once, it is exact.
//
// Settling. When flush or compaction merges record N with its predecessor P (no snapshot between),
// P's state decides N's doubt: P live, the assumption was right; P dead, +1. Then N stands where P
// stood and inherits P's FRESH and IN_DOUBT flags. When a record in doubt meets the bottom (no
// older table can hold the key), +1 and the doubt is gone. Dropping an expired PUT contributes -1
// if it is the key's newest record there, then stands as a DELETE (a tombstone if anything older
// may lie below). A record below a drop counts for nothing: the drop forgot the count of the whole
// prefix. Keys that are not counted carry neither flag, and nobody looks at it. Deltas are additive
// and commute: a memtable carries its own, a compaction's edit brings its own, a version holds
// their sum.
// ../README.md, Counts, follows two doubts through their lives.
#ifndef VARVE_ENGINE_RECORD_COUNTS_H
#define VARVE_ENGINE_RECORD_COUNTS_H

#include "base/slice.h"
#include "engine/record/entry.h"

// prefix -> two sums. A small open-addressing table; loop or job, one owner at a time.
struct count {
    struct slice prefix; // owned by the table
    int64_t live;
    int64_t in_doubt; // records in doubt
};

struct counts {
    struct count *slots;
    uint32_t cap;
    uint32_t used;
    uint32_t last; // the slot of the last hit: one database is the common case
};

void counts_release(struct counts *c);
void counts_clear(struct counts *c);
// Adds to a prefix, making it if need be.
void counts_add(struct counts *c, struct slice prefix, int64_t live, int64_t in_doubt);
void counts_add_all(struct counts *to, const struct counts *from);
// NULL if the prefix has none.
const struct count *counts_find(const struct counts *c, struct slice prefix);
// Forgets all prefixes that start with `dropped`, or those of which covers_cb says so.
void counts_forget(struct counts *c, struct slice dropped);
typedef bool (*counts_covers_cb)(const void *arg, struct slice prefix);
void counts_forget_covered(struct counts *c, counts_covers_cb covers_cb, const void *arg);

// What a record with this tag adds to the live count.
static inline int count_contribution(uint8_t tag)
{
    bool put = (tag & RECORD_KIND_MASK) == RECORD_PUT;
    bool fresh = (tag & RECORD_FRESH) != 0;
    return put ? (fresh ? 1 : 0) : (fresh ? 0 : -1);
}

// Merges newer over older (same key, nothing between, no snapshot needs older): the flags that
// newer's tag has from now on; *live gets the correction of the live count, *doubts that of the
// records in doubt.
uint8_t count_settle(uint8_t newer_tag, uint8_t older_tag, int *live, int *doubts);
// The record has met the bottom: its tag from now on (FRESH, not in doubt).
uint8_t count_settle_bottom(uint8_t tag, int *live, int *doubts);

#endif
