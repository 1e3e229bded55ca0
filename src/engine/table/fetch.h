// fetch: blocks for the loop. A block_source over the cache that notes what it misses, and the
// vector of cold reads that brings it in.
//
// The order of attempts for a block: the table's slot or the cache; the page cache (read_nowait, a
// bounded number of times a turn); then it is noted as a miss and the answer is WAIT. fetch_start()
// submits all that was noted: reads of the same block, by whomever, are one job. When the last has
// arrived the waiter is called; the blocks stay pinned by the fetch. Opening a table's file is part
// of the read job; open files are a bounded cache (open_files.h).
//
// Rounds. A round ends with fetch_start(). What a round fetched stays pinned until the next
// fetch_start(), by when its user has done something lasting with it: pinned the row, or moved a
// cursor onto it. A user that starts over after each round, as a txn does, also needs what it
// merely passed on its way: fetch_keep() pins all blocks that are touched, fetch_resolved() lets go
// of those that were touched for a result that has been secured otherwise.
#ifndef VARVE_ENGINE_TABLE_FETCH_H
#define VARVE_ENGINE_TABLE_FETCH_H

#include "engine/table/cache.h"
#include "engine/table/table.h"

struct fetcher; // one an engine: open files, reads under way
struct engine_stats;

// max_block: bytes of an uncompressed data block that are believed.
struct fetcher *fetcher_new(struct env *env, struct exec *exec, const char *dir,
    struct cache *cache, unsigned max_open_files, uint64_t max_block, struct engine_stats *stats);
// No fetch is in use. Drives exec until no read is under way and all files are closed.
void fetcher_free(struct fetcher *f);
void fetcher_turn_begin(struct fetcher *f); // renews the allowance of page cache probes
// The table has been published: its index and filter, as its builder left them, enter the cache.
void fetcher_adopt(struct fetcher *f, struct table *t);
// Has a table point to its filter if that is in the cache, else begins to read it, waiting for
// nothing. Bounded; may do nothing.
void fetcher_want_filter(struct fetcher *f, struct table *t);
// The table is gone: its file is closed and its blocks leave the cache.
void fetcher_forget(struct fetcher *f, struct table *t);

struct fetch;
// All that the fetch waited for is there, or has failed. Fires once, never inside fetch_start.
typedef void (*fetch_ready_cb)(struct fetch *f);

// The misses and pins of one waiter (a txn or an iterator).
struct fetch {
    struct block_source source; // first member; get notes misses here
    struct fetcher *fetcher;
    struct fetch_item *items; // noted, held and failed blocks
    uint32_t count, cap;
    uint32_t round_start; // items before it are of the round before
    uint32_t noted;       // items of this round that are misses
    uint64_t noted_bytes;
    uint32_t pending; // reads that this fetch waits for
    uint32_t failed;  // items whose read failed: who touches the block again gets the error
    uint64_t pinned_bytes;
    struct list ready_link;
    fetch_ready_cb ready_cb;
};

void fetch_init(struct fetch *f, struct fetcher *fetcher);
// Gives up pins and forgets misses; cancels what is under way (ready_cb will not fire). Usable
// again.
void fetch_release(struct fetch *f);
void fetch_free(struct fetch *f); // the same, and gives up its memory
// Forgets what was noted and touched in this round.
void fetch_rewind(struct fetch *f);
bool fetch_has_misses(const struct fetch *f);
// No more can be noted in this round: looking for further misses is in vain.
bool fetch_full(const struct fetch *f);
// Until ready_cb fires nothing is asked of the source.
void fetch_start(struct fetch *f, fetch_ready_cb ready_cb);
// Reads what was noted, as far as there is room, waiting for nothing and holding nothing.
void fetch_prefetch(struct fetch *f);

void fetch_keep(struct fetch *f, bool keep);
uint32_t fetch_mark(const struct fetch *f);
void fetch_resolved(struct fetch *f, uint32_t mark);

#endif
