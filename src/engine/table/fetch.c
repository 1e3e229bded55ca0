// fetch: see fetch.h. This file has the block source and the bookkeeping of one waiter; fetcher.c
// has the reads.
//
// items[] is in order of time: [0, round_start) is what the last fetch_start brought or kept, from
// round_start on is what this round has noted (a miss) or touched (held, if it keeps). fetch_start
// drops the first part, turns the misses of the second into reads, and makes all of it the first
// part of the next round. So a user that repeats its steps finds in memory what it touched or
// missed the last time, whatever the cache evicts meanwhile: each round gets at least one block
// further.
//
// Bounds. A round notes at most a share of the cache (NOTE_SHARE), which then is what its results
// pin, and one block when half of the cache is pinned or about to be. Blocks that are kept may
// reach half of the cache, over which the answer is NO_MEMORY. While reads are pending items[] does
// not change, because reads point to its elements.

#include "engine/table/fetch.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/stats.h"
#include "engine/table/fetcher.h"

enum {
    NOTE_SHARE = 8, // of the cache's capacity: 1 / NOTE_SHARE
    NOTE_COUNT_MAX = 4096,
    NOTE_BYTES_MIN = 512 * 1024,
    PINNED_SHARE = 2, // of all fetches together
    KEEP_SHARE = 2,
    KEEP_BYTES_MIN = 1024 * 1024,
    KEPT_ITEMS = 64, // capacity that is not given back
};

static void unpin(struct fetch *f, struct fetch_item *item)
{
    f->pinned_bytes -= item->charged;
    cache_unpin(f->fetcher->cache, item->block);
    item->block = NULL;
}

static void forget_item(struct fetch *f, struct fetch_item *item)
{
    switch (item->state) {
    case ITEM_NOTED:
        f->noted--;
        f->noted_bytes -= fetch_cost(item->handle);
        break;
    case ITEM_PENDING:
        list_remove(&item->waiters);
        f->pending--;
        break;
    case ITEM_HELD:
        unpin(f, item);
        break;
    case ITEM_FAILED:
        f->failed--;
        free(item->error);
        break;
    case ITEM_DROPPED:
        break;
    }
}

static void truncate_items(struct fetch *f, uint32_t count)
{
    while (f->count > count)
        forget_item(f, &f->items[--f->count]);
}

static struct fetch_item *append(
    struct fetch *f, enum item_state state, struct table *t, struct handle h)
{
    ENSURE(f->pending == 0);
    if (f->count == f->cap) {
        f->cap = f->cap == 0 ? 16 : f->cap * 2;
        f->items = xrealloc(f->items, f->cap * sizeof *f->items);
    }
    struct fetch_item *item = &f->items[f->count++];
    *item = (struct fetch_item){
        .fetch = f, .state = state, .table = t, .number = t->meta.number, .handle = h};
    return item;
}

void fetch_item_hold(struct fetch_item *item, struct cached_block *b)
{
    item->state = ITEM_HELD;
    item->block = b;
    // The first to hold a block is charged for it; the one pin is the caller's.
    item->charged = b->pins == 1 ? b->contents.len : 0;
    item->fetch->pinned_bytes += item->charged;
    cache_pin(item->fetch->fetcher->cache, b);
}

bool fetch_full(const struct fetch *f)
{
    if (f->noted == 0)
        return false;
    const struct fetcher *fetcher = f->fetcher;
    uint64_t capacity = cache_capacity(fetcher->cache), share = capacity / NOTE_SHARE;
    return f->noted >= NOTE_COUNT_MAX ||
           f->noted_bytes >= (share > NOTE_BYTES_MIN ? share : NOTE_BYTES_MIN) ||
           cache_pinned_bytes(fetcher->cache) + fetcher->incoming_bytes > capacity / PINNED_SHARE;
}

// --- The block source ----------------------------------------------------------------------------

static void note(struct fetch *f, struct table *t, struct handle h)
{
    struct fetch_item *last = f->count > f->round_start ? &f->items[f->count - 1] : NULL;
    bool same = last != NULL && last->state == ITEM_NOTED && last->number == t->meta.number &&
                last->handle.offset == h.offset;
    if (same || fetch_full(f))
        return;
    append(f, ITEM_NOTED, t, h);
    f->noted++;
    f->noted_bytes += fetch_cost(h);
}

// The failure of the read that this block was waited for with, if it failed.
static int failure_of(
    const struct fetch *f, const struct table *t, struct handle h, struct error *err)
{
    for (uint32_t i = 0; i < f->round_start; i++) {
        const struct fetch_item *item = &f->items[i];
        if (item->state == ITEM_FAILED && item->number == t->meta.number &&
            item->handle.offset == h.offset) {
            if (err != NULL)
                *err = *item->error;
            return item->error->status;
        }
    }
    return OK;
}

static bool keep_is_full(const struct fetch *f)
{
    uint64_t share = cache_capacity(f->fetcher->cache) / KEEP_SHARE;
    return f->pinned_bytes > (share > KEEP_BYTES_MIN ? share : KEEP_BYTES_MIN);
}

// A pinned block becomes the answer.
static int found(struct fetch *f, struct table *t, struct handle h, struct cached_block *b,
    struct block_ref *out, struct error *err)
{
    if (f->source.tracks) {
        struct fetch_item *last = f->count > f->round_start ? &f->items[f->count - 1] : NULL;
        if (last == NULL || last->block != b) {
            if (keep_is_full(f)) {
                cache_unpin(f->fetcher->cache, b);
                return error_set(err, NO_MEMORY, NULL, 0, 0,
                    "a command needs more blocks at once than the cache can hold");
            }
            fetch_item_hold(append(f, ITEM_HELD, t, h), b);
        }
    }
    *out = (struct block_ref){b->contents, b};
    return OK;
}

// The slow half of get: not in memory.
static int miss(
    struct fetch *f, struct table *t, struct handle h, struct block_ref *out, struct error *err)
{
    struct engine_stats *stats = f->fetcher->stats;
    struct cached_block *b;
    if (f->failed > 0) {
        int status = failure_of(f, t, h, err);
        if (status != OK)
            return status;
    }
    int status = fetcher_probe(f->fetcher, t, h, &b, err);
    if (status == OK) {
        stats->nowait_reads++;
        return found(f, t, h, b, out, err);
    }
    if (status == WAIT) {
        stats->cache_misses++;
        note(f, t, h);
    }
    return status;
}

static int fetch_get(struct block_source *source, struct table *t, struct handle h,
    struct block_ref *out, struct error *err)
{
    struct fetch *f = (struct fetch *)(void *)source;
    struct cached_block **slot = fetcher_slot(t, h), *b = slot != NULL ? *slot : NULL;
    if (b != NULL) {
        b->visited = true;
        cache_pin(f->fetcher->cache, b);
    } else {
        b = cache_get(f->fetcher->cache, t->meta.number, h.offset);
        if (b == NULL)
            return miss(f, t, h, out, err);
        fetcher_set_slot(b, slot);
    }
    f->fetcher->stats->cache_hits++;
    return found(f, t, h, b, out, err);
}

static void fetch_put(struct block_source *source, struct block_ref *ref)
{
    struct fetch *f = (struct fetch *)(void *)source;
    cache_unpin(f->fetcher->cache, ref->impl);
    *ref = (struct block_ref){0};
}

static void fetch_want(struct block_source *source, struct table *t, struct handle h)
{
    struct fetch *f = (struct fetch *)(void *)source;
    struct cached_block *b = cache_get(f->fetcher->cache, t->meta.number, h.offset);
    if (b != NULL)
        cache_unpin(f->fetcher->cache, b);
    else
        note(f, t, h);
}

static void fetch_hint(struct block_source *source, struct table *t, struct handle h, bool near)
{
    cache_hint(((struct fetch *)(void *)source)->fetcher->cache, t->meta.number, h.offset, near);
}

// --- A waiter ------------------------------------------------------------------------------------

void fetch_init(struct fetch *f, struct fetcher *fetcher)
{
    *f = (struct fetch){
        .source = {.get = fetch_get, .put = fetch_put, .want = fetch_want, .hint = fetch_hint},
        .fetcher = fetcher};
    list_init(&f->ready_link);
}

void fetch_release(struct fetch *f)
{
    truncate_items(f, 0);
    list_remove(&f->ready_link);
    f->ready_cb = NULL;
    f->round_start = 0;
    f->source.tracks = false;
    if (f->cap > KEPT_ITEMS) {
        free(f->items);
        f->items = NULL;
        f->cap = 0;
    }
}

void fetch_free(struct fetch *f)
{
    fetch_release(f);
    free(f->items);
    f->items = NULL;
    f->cap = 0;
}

void fetch_rewind(struct fetch *f)
{
    truncate_items(f, f->round_start);
}

bool fetch_has_misses(const struct fetch *f)
{
    return f->noted > 0;
}

void fetch_keep(struct fetch *f, bool keep)
{
    f->source.tracks = keep;
}

uint32_t fetch_mark(const struct fetch *f)
{
    return f->count;
}

void fetch_resolved(struct fetch *f, uint32_t mark)
{
    truncate_items(f, mark);
}

// Drops what the last round brought; what this one noted and touched moves to the front.
static void end_round(struct fetch *f)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->round_start; i++)
        forget_item(f, &f->items[i]);
    for (uint32_t i = f->round_start; i < f->count; i++)
        f->items[kept++] = f->items[i];
    f->count = f->round_start = kept;
}

void fetch_start(struct fetch *f, fetch_ready_cb ready_cb)
{
    ENSURE(f->pending == 0 && f->ready_cb == NULL);
    // The new before the old is dropped: a block that is noted twice, or touched again, stays.
    for (uint32_t i = f->round_start; i < f->count; i++) {
        struct fetch_item *item = &f->items[i];
        struct cached_block *b = item->state == ITEM_NOTED ? cache_get(f->fetcher->cache,
                                                                 item->number, item->handle.offset)
                                                           : NULL;
        if (b == NULL)
            continue;
        fetch_item_hold(item, b);
        cache_unpin(f->fetcher->cache, b);
        f->noted--;
        f->noted_bytes -= fetch_cost(item->handle);
    }
    end_round(f);
    f->ready_cb = ready_cb;
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->items[i].state == ITEM_NOTED) {
            f->items[i].state = ITEM_PENDING;
            f->pending++;
            fetcher_read(f->fetcher, &f->items[i]);
        }
    }
    f->noted = 0;
    f->noted_bytes = 0;
    if (f->pending == 0)
        fetcher_ready_later(f->fetcher, f);
    fetcher_submit(f->fetcher);
}

void fetch_prefetch(struct fetch *f)
{
    for (uint32_t i = f->round_start; i < f->count; i++) {
        if (f->items[i].state == ITEM_NOTED)
            fetcher_read_ahead(f->fetcher, &f->items[i]);
    }
    fetch_rewind(f);
    fetcher_submit(f->fetcher);
}
