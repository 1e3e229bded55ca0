// cache: a hash table over (table, offset) and one queue in order of arrival.
//
// SIEVE (Zhang et al., NSDI 2024): new blocks enter at the queue's head. A hit sets `visited` and moves nothing. To evict, a hand walks from
// the tail towards the head, and wraps: a visited block loses its mark and stays where it is, the first unvisited one goes. Blocks
// seen once leave quickly, blocks seen again stay, and a hit costs one store. A pinned block is passed over and keeps its mark.
//
// The blocks of one table form a list of their own, so that a table that is gone takes its blocks along without a walk over the whole
// cache. Indexes and filters have a `slot`, a pointer in their table that leads to them without hashing; whoever sets it tells the
// block, and the block nulls it when it goes.
//
// Invariants: bytes is the sum of the charges of all blocks in the hash table; pinned_bytes of those with pins > 0, and of dead
// blocks, which are in no list any more and wait for their last pin. bytes exceeds the capacity only by what is pinned.

#include "engine/cache.h"

#include "base/alloc.h"
#include "base/ensure.h"

enum {
    FIRST_BUCKETS = 1024,
    TABLE_BUCKETS = 512,
    HEAP_OVERHEAD = 32, // what malloc adds to a block and its contents, about
};

struct cached_table {
    struct cached_table *next_hash;
    uint64_t number;
    struct list blocks; // of_table
};

struct cache {
    uint64_t capacity, bytes, pinned_bytes;
    struct cached_block **buckets;
    uint64_t mask, count;
    struct list queue; // head: newest
    struct list *hand; // a block's link, or the queue itself: start at the tail
    struct cached_table *tables[TABLE_BUCKETS];
};

static uint64_t mix(uint64_t table, uint64_t offset)
{
    uint64_t h = (table * 0x9e3779b97f4a7c15ull) ^ offset;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ull;
    return h ^ (h >> 32);
}

static uint64_t charge(const struct cached_block *b)
{
    return sizeof *b + b->contents.len + HEAP_OVERHEAD;
}

struct cache *cache_new(uint64_t capacity)
{
    struct cache *c = xcalloc(1, sizeof *c);
    c->capacity = capacity;
    c->mask = FIRST_BUCKETS - 1;
    c->buckets = xcalloc(FIRST_BUCKETS, sizeof *c->buckets);
    list_init(&c->queue);
    c->hand = &c->queue;
    return c;
}

static void free_block(struct cached_block *b)
{
    free((void *)(uintptr_t)b->contents.data);
    free(b);
}

static struct cached_block **bucket_of(struct cache *c, uint64_t table, uint64_t offset)
{
    return &c->buckets[mix(table, offset) & c->mask];
}

static struct cached_table **table_place(struct cache *c, uint64_t number)
{
    struct cached_table **p = &c->tables[number % TABLE_BUCKETS];
    while (*p != NULL && (*p)->number != number)
        p = &(*p)->next_hash;
    return p;
}

static struct cached_table *table_of(struct cache *c, uint64_t number)
{
    struct cached_table **place = table_place(c, number);
    if (*place == NULL) {
        *place = xcalloc(1, sizeof **place);
        (*place)->number = number;
        list_init(&(*place)->blocks);
    }
    return *place;
}

static void drop_table_if_empty(struct cache *c, uint64_t number)
{
    struct cached_table **place = table_place(c, number), *t = *place;
    if (t == NULL || !list_empty(&t->blocks))
        return;
    *place = t->next_hash;
    free(t);
}

// Takes the block out of every structure; frees it unless it is pinned.
static void drop_block(struct cache *c, struct cached_block *b)
{
    struct cached_block **p = bucket_of(c, b->table, b->offset);
    while (*p != b)
        p = &(*p)->next_hash;
    *p = b->next_hash;
    if (c->hand == &b->link)
        c->hand = b->link.prev;
    list_remove(&b->link);
    list_remove(&b->of_table);
    drop_table_if_empty(c, b->table);
    if (b->slot != NULL)
        *b->slot = NULL;
    b->slot = NULL;
    c->count--;
    c->bytes -= charge(b);
    if (b->pins > 0)
        b->dead = true;
    else
        free_block(b);
}

// Evicts until the cache fits, or until all that is left is pinned.
static void evict(struct cache *c)
{
    uint64_t steps = 2 * c->count + 2; // each block is passed at most twice: to clear its mark, and to go
    while (c->bytes > c->capacity && steps-- > 0) {
        if (c->hand == &c->queue)
            c->hand = c->queue.prev;
        if (c->hand == &c->queue)
            return;
        struct cached_block *b = LIST_ENTRY(c->hand, struct cached_block, link);
        c->hand = b->link.prev;
        if (b->pins > 0)
            continue;
        if (b->visited)
            b->visited = false;
        else
            drop_block(c, b);
    }
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    ENSURE(c->pinned_bytes == 0);
    while (!list_empty(&c->queue))
        drop_block(c, LIST_ENTRY(c->queue.next, struct cached_block, link));
    free(c->buckets);
    free(c);
}

static void grow(struct cache *c)
{
    uint64_t old = c->mask + 1;
    struct cached_block **buckets = c->buckets;
    c->mask = old * 2 - 1;
    c->buckets = xcalloc(old * 2, sizeof *c->buckets);
    for (uint64_t i = 0; i < old; i++) {
        for (struct cached_block *b = buckets[i], *next; b != NULL; b = next) {
            next = b->next_hash;
            struct cached_block **bucket = bucket_of(c, b->table, b->offset);
            b->next_hash = *bucket;
            *bucket = b;
        }
    }
    free(buckets);
}

void cache_pin(struct cache *c, struct cached_block *b)
{
    if (b->pins++ == 0)
        c->pinned_bytes += charge(b);
}

void cache_unpin(struct cache *c, struct cached_block *b)
{
    ENSURE(b->pins > 0);
    if (--b->pins > 0)
        return;
    c->pinned_bytes -= charge(b);
    if (b->dead)
        free_block(b);
    else if (c->bytes > c->capacity)
        evict(c);
}

struct cached_block *cache_get(struct cache *c, uint64_t table, uint64_t offset)
{
    struct cached_block *b = *bucket_of(c, table, offset);
    while (b != NULL && (b->offset != offset || b->table != table))
        b = b->next_hash;
    if (b == NULL)
        return NULL;
    b->visited = true;
    cache_pin(c, b);
    return b;
}

struct cached_block *cache_insert(struct cache *c, uint64_t table, uint64_t offset, uint8_t *contents, size_t len)
{
    struct cached_block *b = cache_get(c, table, offset);
    if (b != NULL) {
        free(contents);
        return b;
    }
    if (c->count > c->mask)
        grow(c);
    b = xcalloc(1, sizeof *b);
    b->table = table;
    b->offset = offset;
    b->contents = slice_of(contents, len);
    struct cached_block **bucket = bucket_of(c, table, offset);
    b->next_hash = *bucket;
    *bucket = b;
    list_push_front(&c->queue, &b->link);
    list_push_back(&table_of(c, table)->blocks, &b->of_table);
    c->count++;
    c->bytes += charge(b);
    cache_pin(c, b);
    evict(c);
    return b;
}

void cache_erase_table(struct cache *c, uint64_t number)
{
    struct cached_table *t = *table_place(c, number);
    if (t == NULL)
        return;
    // The last block takes t along.
    for (bool last = false; !last;) {
        struct cached_block *b = LIST_ENTRY(t->blocks.next, struct cached_block, of_table);
        last = b->of_table.next == &t->blocks;
        drop_block(c, b);
    }
}

void cache_set_capacity(struct cache *c, uint64_t capacity)
{
    c->capacity = capacity;
    evict(c);
}

uint64_t cache_capacity(const struct cache *c)
{
    return c->capacity;
}

uint64_t cache_bytes(const struct cache *c)
{
    return c->bytes;
}

uint64_t cache_pinned_bytes(const struct cache *c)
{
    return c->pinned_bytes;
}
