// Which record expires first? A binary heap of (time, record) would need an entry for every SET
// with an expiry, and keys that are written over and over (sessions, locks) would fill it with
// garbage. But an entry only has to come up no later than its record expires. So a record has one
// entry that counts, noted in queued_ms, and a later expiry leaves it where it is: when it comes up
// too early it is queued again with the true time. Only an expiry that moves forward needs a new
// entry at once; the one it had is garbage then, told by at_ms != queued_ms. Garbage is bounded:
// when it outnumbers the rest, the heap is rebuilt.
//
// Entries of records that were overwritten without an expiry, deleted, or superseded go when their
// time comes. What counts as expired is a visible, newest PUT that no drop of this memtable covers;
// newer memtables are the caller's business (memtable_skip_expired).
#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/memtable/memtable_impl.h"

enum { GARBAGE_MIN = 64 };

void expiry_heap_release(struct expiry_heap *h)
{
    free(h->items);
    *h = (struct expiry_heap){0};
}

static void sift_up(struct expiry_heap *h, size_t at)
{
    struct expiry_item item = h->items[at];
    for (; at > 0 && h->items[(at - 1) / 2].at_ms > item.at_ms; at = (at - 1) / 2)
        h->items[at] = h->items[(at - 1) / 2];
    h->items[at] = item;
}

static void sift_down(struct expiry_heap *h, size_t at)
{
    struct expiry_item item = h->items[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->items[child + 1].at_ms < h->items[child].at_ms)
            child++;
        if (h->items[child].at_ms >= item.at_ms)
            break;
        h->items[at] = h->items[child];
        at = child;
    }
    h->items[at] = item;
}

static bool counts_for_its_record(const struct expiry_item *item)
{
    return item->at_ms == item->record->queued_ms;
}

static void rebuild(struct expiry_heap *h)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++)
        if (counts_for_its_record(&h->items[i]))
            h->items[kept++] = h->items[i];
    h->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(h, i);
}

static void push(struct expiry_heap *h, struct record *r, int64_t at_ms)
{
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : GARBAGE_MIN;
        h->items = xrealloc(h->items, h->cap * sizeof *h->items);
    }
    h->records += r->queued_ms == 0;
    r->queued_ms = at_ms;
    h->items[h->count++] = (struct expiry_item){at_ms, r};
    sift_up(h, h->count - 1);
}

static void pop(struct expiry_heap *h)
{
    if (counts_for_its_record(&h->items[0])) {
        h->items[0].record->queued_ms = 0;
        h->records--;
    }
    h->items[0] = h->items[--h->count];
    if (h->count > 0)
        sift_down(h, 0);
}

void expiry_heap_note(struct expiry_heap *h, struct record *r)
{
    if (r->queued_ms != 0 && r->queued_ms <= r->expire_ms)
        return;
    if (h->count > h->records * 2 + GARBAGE_MIN)
        rebuild(h);
    push(h, r, r->expire_ms);
}

int memtable_next_expired(struct memtable *m, int64_t now_ms, struct slice *key, uint64_t *seq)
{
    struct expiry_heap *h = &m->expiry;
    while (h->count > 0 && h->items[0].at_ms <= now_ms) {
        struct record *r = h->items[0].record;
        bool live = counts_for_its_record(&h->items[0]) && (r->tag & RECORD_EXPIRES) != 0 &&
                    !r->superseded && !drop_index_covers(&m->drops, record_key(r), r->seq);
        if (live && r->expire_ms <= now_ms) {
            *key = record_key(r);
            *seq = r->seq;
            return OK;
        }
        pop(h);
        if (live)
            push(h, r, r->expire_ms);
    }
    return NOT_FOUND;
}

void memtable_skip_expired(struct memtable *m)
{
    ENSURE(m->expiry.count > 0);
    pop(&m->expiry);
}
