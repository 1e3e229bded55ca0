// fetch: blocks for the loop. A block_source over the cache that notes what it misses, and the vector of cold reads that brings it in.
//
// The order of attempts for a block: the table's slot or the cache; the page cache (read_nowait, a bounded number of times a turn); then
// it is noted as a miss and the answer is WAIT. fetch_start() submits all that was noted: reads of the same block, by whomever, are one
// job. When the last has arrived the waiter is called; the blocks stay pinned by the fetch until fetch_release.
// Opening a table's file is part of the read job; open files are a bounded cache, least recently used out, never one in use.
#ifndef VARVE_ENGINE_FETCH_H
#define VARVE_ENGINE_FETCH_H

#include "engine/table.h"

struct fetcher; // one an engine: cache, open files, reads under way

struct fetcher *fetcher_new(struct env *env, struct exec *exec, const char *dir, struct cache *cache, unsigned max_open_files,
    uint64_t max_block, struct engine_stats *stats);
// Drives exec until no read is under way.
void fetcher_free(struct fetcher *f);
void fetcher_turn_begin(struct fetcher *f); // renews the allowance of page cache probes
// The table is gone: its file is closed and its blocks leave the cache.
void fetcher_forget(struct fetcher *f, struct table *t);

// The misses and pins of one waiter (a txn or an iterator).
struct fetch {
    struct block_source source; // first member; get notes misses here
    struct fetcher *fetcher;
    struct fetch_item *items; // noted and fetched blocks
    uint32_t count, cap;
    uint32_t pending;
    uint64_t pinned_bytes;
    struct error failed; // of a read: the next attempt that touches the block gets it
    void (*ready_cb)(struct fetch *f);
};

void fetch_init(struct fetch *f, struct fetcher *fetcher);
// Gives up pins and forgets misses; cancels what is under way (ready_cb will not fire).
void fetch_release(struct fetch *f);
bool fetch_has_misses(const struct fetch *f);
// ready_cb fires once, never inside.
void fetch_start(struct fetch *f, void (*ready_cb)(struct fetch *f));

#endif
