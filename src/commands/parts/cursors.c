// cursors: where SCANs stand. Redis encodes the place in the cursor itself, as it walks a hash
// table; we walk keys in order, whose place is a key of up to 64 KiB, and cursors must be numbers.
// So a number stands for a remembered key. Numbers come from databases_next_cursor(): they never
// recur, and so a number that was forgotten is told as such and can never silently stand for
// another place.
//
// Numbers are handed out one after the other, so their low bits spread over the buckets by
// themselves.
#include "commands/parts/cursors.h"

#include "base/alloc.h"

struct cursor_place {
    struct list chain, recent;
    uint64_t number;
    size_t len;
    uint8_t key[];
};

static struct list *bucket(struct cursors *c, uint64_t number)
{
    return &c->buckets[number % CURSORS_MAX];
}

void cursors_init(struct cursors *c, size_t bytes_max)
{
    *c = (struct cursors){.bytes_max = bytes_max};
    list_init(&c->recent);
}

static void forget(struct cursors *c, struct cursor_place *p)
{
    list_remove(&p->chain);
    list_remove(&p->recent);
    c->count--;
    c->bytes -= sizeof *p + p->len;
    free(p);
}

void cursors_release(struct cursors *c)
{
    while (!list_empty(&c->recent))
        forget(c, LIST_ENTRY(c->recent.next, struct cursor_place, recent));
    free(c->buckets);
    c->buckets = NULL;
}

void cursors_add(struct cursors *c, uint64_t number, struct slice after)
{
    if (c->buckets == NULL) {
        c->buckets = xmalloc(CURSORS_MAX * sizeof *c->buckets);
        for (size_t i = 0; i < CURSORS_MAX; i++)
            list_init(&c->buckets[i]);
    }
    struct cursor_place *p = xmalloc(sizeof *p + after.len);
    p->number = number;
    p->len = after.len;
    if (after.len > 0)
        memcpy(p->key, after.data, after.len);
    list_push_front(bucket(c, number), &p->chain);
    list_push_front(&c->recent, &p->recent);
    c->count++;
    c->bytes += sizeof *p + p->len;
    // The newest always stays: whoever asked for it must be able to go on.
    while (c->count > 1 && (c->count > CURSORS_MAX || c->bytes > c->bytes_max))
        forget(c, LIST_ENTRY(c->recent.prev, struct cursor_place, recent));
}

bool cursors_find(struct cursors *c, uint64_t number, struct slice *after)
{
    if (c->buckets == NULL)
        return false;
    struct list *chain = bucket(c, number);
    for (struct list *l = chain->next; l != chain; l = l->next) {
        struct cursor_place *p = LIST_ENTRY(l, struct cursor_place, chain);
        if (p->number != number)
            continue;
        list_remove(&p->recent);
        list_push_front(&c->recent, &p->recent);
        *after = slice_of(p->key, p->len);
        return true;
    }
    return false;
}
