// fetcher: the reads under way. Private to fetch.c and fetcher.c; loop-owned but for what a job is
// given.
#ifndef VARVE_ENGINE_TABLE_FETCHER_H
#define VARVE_ENGINE_TABLE_FETCHER_H

#include "engine/table/fetch.h"
#include "engine/table/open_files.h"

enum item_state {
    ITEM_NOTED,   // a miss
    ITEM_PENDING, // its read is under way; in the read's list of waiters
    ITEM_HELD,    // block is pinned
    ITEM_FAILED,  // error is owned
    ITEM_DROPPED, // read, but the fetch holds as much as it may
};

struct fetch_item {
    struct fetch *fetch;
    struct list waiters;
    struct table *table; // valid from noting to fetch_start, not longer
    uint64_t number;
    struct handle handle;
    struct cached_block *block;
    struct error *error;
    uint64_t charged; // to the fetch
    enum item_state state;
};

struct fetcher {
    struct env *env;
    struct exec *exec;
    const char *dir;
    struct cache *cache;
    struct engine_stats *stats;
    struct open_files files;
    uint64_t max_block;
    unsigned probes_left;
    struct read **reads; // hash table of those under way or queued
    uint32_t reads_mask, read_count;
    uint64_t incoming_bytes; // fetch_cost of them all
    struct list queue;       // not submitted yet, oldest first
    unsigned submitted;
    bool held_up; // there was no descriptor: nothing is submitted before the timer
    struct exec_timer held_up_timer;
    struct list ready; // fetches whose call back is due
    struct exec_timer ready_timer;
};

// What reading a block is taken to cost in memory, before its uncompressed length is known.
static inline uint64_t fetch_cost(struct handle h)
{
    return h.len + 4096;
}

// Pins a block for the item, on top of the caller's own pin.
void fetch_item_hold(struct fetch_item *item, struct cached_block *b);
// Of an index or a filter: where its table points to it; NULL for other blocks.
static inline struct cached_block **fetcher_slot(struct table *t, struct handle h)
{
    if (h.offset == t->meta.index.offset)
        return &t->loop.index_block;
    return t->meta.filter.len > 0 && h.offset == t->meta.filter.offset ? &t->loop.filter_block
                                                                       : NULL;
}
static inline void fetcher_set_slot(struct cached_block *b, struct cached_block **slot)
{
    if (slot != NULL) {
        b->slot = slot;
        *slot = b;
    }
}
// The block from the page cache: OK and pinned, WAIT, or a failure.
int fetcher_probe(struct fetcher *f, struct table *t, struct handle h, struct cached_block **out,
    struct error *err);
// Makes the item wait for its block's read, which is queued if it is not there yet.
void fetcher_read(struct fetcher *f, struct fetch_item *item);
// Queues the read if there is room, for nobody.
void fetcher_read_ahead(struct fetcher *f, const struct fetch_item *item);
void fetcher_submit(struct fetcher *f); // as many of the queue as may be under way
void fetcher_ready_later(struct fetcher *f, struct fetch *waiter);

#endif
