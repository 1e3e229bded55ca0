// Counted prefixes are few (one or two a database that holds anything), while counts_add runs for
// every record that is written. So the table is tiny and what matters is the hit: the slot of the
// last hit is tried first, by one comparison of a short prefix; everything else is open addressing
// with linear probing at a load of at most one half.
//
// A slot is free while its prefix has no bytes; the empty prefix is not counted (engine.h: length 0
// means "not counted"). Forgetting rebuilds the table without what is forgotten, since a hole would
// cut probe chains; it is a flushed database's cost, not a key's.
//
// Nothing here can fail but for memory. Sums may be negative for a while: a memtable or an edit
// holds differences, only their sum with the version's is a count.
//
// The calculus of count_settle, in the terms of counts.h: contributions are chosen so that c(P) +
// c(N) == c(N with P's flags) whenever N's flags tell the truth about P. So merging N over P
// changes no sum where N was right, and by one where N took a dead key for a live one; the flags N
// has had beneath it are then those that P had beneath it, doubt included.
#include "engine/record/counts.h"

#include "base/alloc.h"
#include "base/hash.h"

enum { FIRST_SLOTS = 8 };

static void free_slots(struct counts *c)
{
    for (uint32_t i = 0; i < c->cap; i++)
        free((void *)(uintptr_t)c->slots[i].prefix.data);
}

void counts_release(struct counts *c)
{
    free_slots(c);
    free(c->slots);
    *c = (struct counts){0};
}

void counts_clear(struct counts *c)
{
    free_slots(c);
    for (uint32_t i = 0; i < c->cap; i++)
        c->slots[i] = (struct count){0};
    c->used = 0;
    c->last = 0;
}

// The slot of prefix, or the free one where it belongs. There is always a free slot.
static uint32_t locate(const struct counts *c, struct slice prefix)
{
    uint32_t at = (uint32_t)hash64(prefix) & (c->cap - 1);
    while (c->slots[at].prefix.len != 0 && !slice_equal(c->slots[at].prefix, prefix))
        at = (at + 1) & (c->cap - 1);
    return at;
}

// Moves every count that is wanted into a table of `cap` slots.
static void rebuild(
    struct counts *c, uint32_t cap, counts_covers_cb covers_cb, const void *covers_arg)
{
    struct counts to = {.slots = xcalloc(cap, sizeof *to.slots), .cap = cap};
    for (uint32_t i = 0; i < c->cap; i++) {
        struct count *from = &c->slots[i];
        if (from->prefix.len == 0)
            continue;
        if (covers_cb != NULL && covers_cb(covers_arg, from->prefix)) {
            free((void *)(uintptr_t)from->prefix.data);
            continue;
        }
        to.slots[locate(&to, from->prefix)] = *from;
        to.used++;
    }
    free(c->slots);
    *c = to;
}

void counts_add(struct counts *c, struct slice prefix, int64_t live, int64_t in_doubt)
{
    if (prefix.len == 0)
        return;
    if (c->used == 0 || !slice_equal(c->slots[c->last].prefix, prefix)) {
        if ((c->used + 1) * 2 > c->cap)
            rebuild(c, c->cap ? c->cap * 2 : FIRST_SLOTS, NULL, NULL);
        c->last = locate(c, prefix);
        struct count *slot = &c->slots[c->last];
        if (slot->prefix.len == 0) {
            slot->prefix = slice_of(xstrndup(prefix.data, prefix.len), prefix.len);
            c->used++;
        }
    }
    c->slots[c->last].live += live;
    c->slots[c->last].in_doubt += in_doubt;
}

void counts_add_all(struct counts *to, const struct counts *from)
{
    for (uint32_t i = 0; i < from->cap; i++)
        counts_add(to, from->slots[i].prefix, from->slots[i].live, from->slots[i].in_doubt);
}

const struct count *counts_find(const struct counts *c, struct slice prefix)
{
    if (c->used == 0 || prefix.len == 0)
        return NULL;
    uint32_t at = slice_equal(c->slots[c->last].prefix, prefix) ? c->last : locate(c, prefix);
    return c->slots[at].prefix.len != 0 ? &c->slots[at] : NULL;
}

void counts_forget_covered(struct counts *c, counts_covers_cb covers_cb, const void *arg)
{
    for (uint32_t i = 0; i < c->cap; i++) {
        if (c->slots[i].prefix.len != 0 && covers_cb(arg, c->slots[i].prefix)) {
            rebuild(c, c->cap, covers_cb, arg);
            return;
        }
    }
}

static bool starts_with_dropped(const void *arg, struct slice prefix)
{
    return slice_starts_with(prefix, *(const struct slice *)arg);
}

void counts_forget(struct counts *c, struct slice dropped)
{
    counts_forget_covered(c, starts_with_dropped, &dropped);
}

uint8_t count_settle(uint8_t newer_tag, uint8_t older_tag, int *live, int *doubts)
{
    enum { BENEATH = RECORD_FRESH | RECORD_IN_DOUBT };
    bool older_dead = (older_tag & RECORD_KIND_MASK) == RECORD_DELETE;
    *live = 0;
    *doubts = 0;
    if (newer_tag & RECORD_IN_DOUBT) {
        *live = older_dead;
        *doubts = -1;
    }
    return (uint8_t)((newer_tag & ~BENEATH) | (older_tag & BENEATH));
}

uint8_t count_settle_bottom(uint8_t tag, int *live, int *doubts)
{
    bool in_doubt = (tag & RECORD_IN_DOUBT) != 0;
    *live = in_doubt;
    *doubts = in_doubt ? -1 : 0;
    return (uint8_t)((tag & ~RECORD_IN_DOUBT) | RECORD_FRESH);
}
