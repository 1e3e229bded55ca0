// cache: blocks in memory, uncompressed and checked; data, index and filter blocks alike, all
// evictable. Unlocked, the loop's alone; jobs bypass it. Eviction is SIEVE (Zhang et al., NSDI
// 2024): a hit sets a bit, nothing moves.
#ifndef VARVE_ENGINE_TABLE_CACHE_H
#define VARVE_ENGINE_TABLE_CACHE_H

#include "base/list.h"
#include "base/slice.h"

struct cache;

struct cached_block {
    uint64_t table, offset;
    struct slice contents; // owned
    uint32_t pins;
    bool visited;
    bool dead; // erased while pinned: freed with the last pin
    // a pointer elsewhere to this block, set to NULL when it goes; may be NULL
    struct cached_block **slot;
    struct list link;     // in order of arrival
    struct list of_table; // with the others of its table
};

struct cache *cache_new(uint64_t capacity);
void cache_free(struct cache *c); // nothing is pinned
// The block, pinned, or NULL.
struct cached_block *cache_get(struct cache *c, uint64_t table, uint64_t offset);
// The block will be got soon: asks memory for its place in the table, then, if `near`, for the
// block and its end.
void cache_hint(const struct cache *c, uint64_t table, uint64_t offset, bool near);
// Takes over contents (heap), evicts what no longer fits, returns the block pinned. If it is there
// already, contents are freed and the one there is returned. May exceed the capacity by what is
// pinned.
struct cached_block *cache_insert(
    struct cache *c, uint64_t table, uint64_t offset, uint8_t *contents, size_t len);
void cache_pin(struct cache *c, struct cached_block *b);
void cache_unpin(struct cache *c, struct cached_block *b);
// Forgets all blocks of a table that is gone.
void cache_erase_table(struct cache *c, uint64_t table);
void cache_set_capacity(struct cache *c, uint64_t capacity);
uint64_t cache_capacity(const struct cache *c);
uint64_t cache_bytes(const struct cache *c);
uint64_t cache_pinned_bytes(const struct cache *c);

#endif
