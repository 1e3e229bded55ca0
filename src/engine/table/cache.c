// cache: a hash table over (table, offset) and one queue in order of arrival.
//
// The hash table is open: a place, half a cache line, tells which block it has, and where the
// contents end, which is where a reader begins (block.h). So a hit reads one place, and then block
// and contents are on their way at the same time. Taking out shifts the blocks behind back (Knuth
// 6.4, algorithm R), so that no place is ever a tombstone; the table is at most half full.
//
// SIEVE (Zhang et al., NSDI 2024): new blocks enter at the queue's head. A hit sets `visited` and
// moves nothing. To evict, a hand walks from the tail towards the head, and wraps: a visited block
// loses its mark and stays where it is, the first unvisited one goes. Blocks seen once leave
// quickly, blocks seen again stay, and a hit costs one store. A pinned block is passed over and
// keeps its mark.
//
// The blocks of one table form a list of their own, so that a table that is gone takes its blocks
// along without a walk over the whole cache. Indexes and filters have a `slot`, a pointer in their
// table that leads to them without hashing; whoever sets it tells the block, and the block nulls it
// when it goes.
//
// Invariants: bytes is the sum of the charges of all blocks in the hash table; pinned_bytes of
// those with pins > 0, and of dead blocks, which are in no list any more and wait for their last
// pin. bytes exceeds the capacity only by what is pinned.

#include "engine/table/cache.h"

#include "base/alloc.h"
#include "base/ensure.h"

enum {
    FIRST_PLACES = 1024,
    CACHE_LINE = 64,
    TABLE_BUCKETS = 512,
    HEAP_OVERHEAD = 32, // what malloc adds to a block and its contents, about
};

struct cached_table {
    struct cached_table *next_hash;
    uint64_t number;
    struct list blocks; // of_table
};

struct place {
    uint64_t table, offset;
    struct cached_block *block; // NULL: free
    const uint8_t *end;         // the last bytes of its contents
};

struct cache {
    uint64_t capacity, bytes, pinned_bytes;
    struct place *places;
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

static struct place *new_places(uint64_t count)
{
    struct place *places = aligned_alloc(CACHE_LINE, count * sizeof *places);
    ENSURE(places != NULL);
    memset(places, 0, count * sizeof *places);
    return places;
}

struct cache *cache_new(uint64_t capacity)
{
    struct cache *c = xcalloc(1, sizeof *c);
    c->capacity = capacity;
    c->mask = FIRST_PLACES - 1;
    c->places = new_places(FIRST_PLACES);
    list_init(&c->queue);
    c->hand = &c->queue;
    return c;
}

static void free_block(struct cached_block *b)
{
    free((void *)(uintptr_t)b->contents.data);
    free(b);
}

// Where the block is, or the free place where it belongs.
static struct place *place_of(const struct cache *c, uint64_t table, uint64_t offset)
{
    for (uint64_t i = mix(table, offset) & c->mask;; i = (i + 1) & c->mask) {
        struct place *p = &c->places[i];
        if (p->block == NULL || (p->offset == offset && p->table == table))
            return p;
    }
}

static void take_place(struct cache *c, struct cached_block *b)
{
    const uint8_t *end = b->contents.data + (b->contents.len < 4 ? 0 : b->contents.len - 4);
    *place_of(c, b->table, b->offset) = (struct place){b->table, b->offset, b, end};
}

static void leave_place(struct cache *c, const struct cached_block *b)
{
    uint64_t hole = (uint64_t)(place_of(c, b->table, b->offset) - c->places);
    for (uint64_t i = (hole + 1) & c->mask; c->places[i].block != NULL; i = (i + 1) & c->mask) {
        uint64_t home = mix(c->places[i].table, c->places[i].offset) & c->mask;
        if (((i - home) & c->mask) < ((i - hole) & c->mask))
            continue; // its home lies behind the hole
        c->places[hole] = c->places[i];
        hole = i;
    }
    c->places[hole] = (struct place){0};
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
    leave_place(c, b);
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
    // each block is passed at most twice: to clear its mark, and to go
    uint64_t steps = 2 * c->count + 2;
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
    free(c->places);
    free(c);
}

static void grow(struct cache *c)
{
    uint64_t old = c->mask + 1;
    struct place *places = c->places;
    c->mask = old * 2 - 1;
    c->places = new_places(old * 2);
    for (uint64_t i = 0; i < old; i++) {
        if (places[i].block != NULL)
            take_place(c, places[i].block);
    }
    free(places);
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
    const struct place *p = place_of(c, table, offset);
    struct cached_block *b = p->block;
    if (b == NULL)
        return NULL;
    __builtin_prefetch(p->end);
    b->visited = true;
    cache_pin(c, b);
    return b;
}

void cache_hint(const struct cache *c, uint64_t table, uint64_t offset, bool near)
{
    if (!near) {
        __builtin_prefetch(&c->places[mix(table, offset) & c->mask]);
        return;
    }
    const struct place *p = place_of(c, table, offset);
    if (p->block != NULL) {
        __builtin_prefetch(p->end);
        __builtin_prefetch(p->block);
    }
}

struct cached_block *cache_insert(
    struct cache *c, uint64_t table, uint64_t offset, uint8_t *contents, size_t len)
{
    struct cached_block *b = cache_get(c, table, offset);
    if (b != NULL) {
        free(contents);
        return b;
    }
    if (c->count > c->mask / 2)
        grow(c);
    b = xcalloc(1, sizeof *b);
    b->table = table;
    b->offset = offset;
    b->contents = slice_of(contents, len);
    take_place(c, b);
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
