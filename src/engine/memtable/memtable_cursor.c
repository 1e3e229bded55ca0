// Two ways to walk a memtable in order.
//
// The loop's cursor walks the skip list and lets it grow as far as it needs: before it positions
// itself, all records that it could show must be linked. Those that arrive once the memtable has
// gone past max_seq are of no interest to it, so a cursor over a moment is complete for good after
// that, however fast writes go on. Each call does a bounded part of the ordering and answers WAIT
// while there is more. What is in order stays so, and nothing else is kept between two calls: a
// repeated call begins at its start, and one that is given up leaves the cursor where it stood.
//
// A flush job sorts an array of pointers of its own. All keys of a memtable tend to begin alike
// (kind and generation), so the eight bytes behind their common prefix are put beside each pointer:
// most comparisons are then of two integers, and touch no record. It reads records only, and
// nothing that the loop may change after freezing.
#include "base/alloc.h"
#include "base/coding.h"
#include "engine/memtable/memtable_impl.h"

// Records ordered by one call: about a millisecond where each misses the processor's caches.
enum { ORDER_BUDGET = 256 };

struct memtable_cursor {
    struct cursor cursor; // first member
    struct memtable *m;
    uint64_t max_seq;
    uint64_t need; // records that have to be in order
    bool settled;  // what arrives from now on is newer than max_seq
    struct order_node *at;
};

static bool in_order(struct memtable_cursor *c)
{
    struct memtable *m = c->m;
    if (!c->settled) {
        c->need = m->arrived;
        c->settled = m->last_seq > c->max_seq;
    }
    if (m->order.head != NULL && m->order.count >= c->need)
        return true;
    memtable_order_step(m, ORDER_BUDGET);
    return m->order.count >= c->need;
}

static bool visible(const struct memtable_cursor *c, const struct record *r)
{
    return r->tag != 0 && r->seq <= c->max_seq;
}

static int show_forward(struct memtable_cursor *c, struct order_node *n)
{
    while (n != NULL && !visible(c, n->record))
        n = n->next[0];
    if (n == NULL)
        return END;
    c->at = n;
    c->cursor.entry = record_entry(n->record);
    return OK;
}

static int show_backward(struct memtable_cursor *c, struct order_node *n)
{
    while (n != c->m->order.head && !visible(c, n->record))
        n = n->prev;
    if (n == c->m->order.head)
        return END;
    c->at = n;
    c->cursor.entry = record_entry(n->record);
    return OK;
}

static int skip_list_seek(struct cursor *cursor, struct slice key, uint64_t seq)
{
    struct memtable_cursor *c = (struct memtable_cursor *)cursor;
    if (!in_order(c))
        return WAIT;
    return show_forward(c, order_lower_bound(&c->m->order, key, seq));
}

static int skip_list_seek_before(struct cursor *cursor, struct slice key)
{
    struct memtable_cursor *c = (struct memtable_cursor *)cursor;
    if (!in_order(c))
        return WAIT;
    struct order_node *n = order_lower_bound(&c->m->order, key, SEQ_MAX);
    return show_backward(c, n != NULL ? n->prev : c->m->order.last);
}

static int skip_list_seek_last(struct cursor *cursor)
{
    struct memtable_cursor *c = (struct memtable_cursor *)cursor;
    return in_order(c) ? show_backward(c, c->m->order.last) : WAIT;
}

static int skip_list_next(struct cursor *cursor)
{
    struct memtable_cursor *c = (struct memtable_cursor *)cursor;
    return in_order(c) ? show_forward(c, c->at->next[0]) : WAIT;
}

// A record that is not dead may be an old version, kept for a view, of a key whose newest was gone
// over as dead: then that one is shown first.
static int skip_list_next_live(struct cursor *cursor, struct slice limit, unsigned *budget)
{
    struct memtable_cursor *c = (struct memtable_cursor *)cursor;
    if (!in_order(c))
        return WAIT;
    struct order_node *from = c->at;
    struct order_node *n = order_skip_dead(&c->m->order, from, limit, budget);
    if (n != NULL && n->record->superseded) {
        struct slice key = record_key(n->record);
        while (n->prev != from && slice_equal(record_key(n->prev->record), key))
            n = n->prev;
    }
    return show_forward(c, n);
}

static int skip_list_prev(struct cursor *cursor)
{
    struct memtable_cursor *c = (struct memtable_cursor *)cursor;
    return in_order(c) ? show_backward(c, c->at->prev) : WAIT;
}

static void skip_list_close(struct cursor *cursor)
{
    struct memtable_cursor *c = (struct memtable_cursor *)cursor;
    memtable_unref(c->m);
    free(c);
}

struct cursor *memtable_cursor(struct memtable *m, uint64_t max_seq)
{
    static const struct cursor_ops ops = {
        .seek = skip_list_seek,
        .seek_before = skip_list_seek_before,
        .seek_last = skip_list_seek_last,
        .next = skip_list_next,
        .next_live = skip_list_next_live,
        .prev = skip_list_prev,
        .close = skip_list_close,
    };
    struct memtable_cursor *c = xcalloc(1, sizeof *c);
    c->cursor.ops = &ops;
    c->m = memtable_ref(m);
    c->max_seq = max_seq;
    return &c->cursor;
}

struct sorted_item {
    // the eight bytes behind what all keys have in common, as a number that orders like them
    uint64_t prefix;
    const struct record *record;
};

struct sorted_cursor {
    struct cursor cursor; // first member
    struct sorted_item *items;
    size_t count;
    size_t at;
};

static size_t common_prefix(const struct memtable *m)
{
    struct slice first = m->first != NULL ? record_key(m->first) : slice_of(NULL, 0);
    size_t common = first.len;
    for (const struct record *r = m->first; r != NULL && common > 0; r = r->next) {
        size_t n = r->key_len < common ? r->key_len : common, i = 0;
        while (i < n && r->bytes[i] == first.data[i])
            i++;
        common = i;
    }
    return common;
}

// Shorter keys are filled up with zeros: equal numbers decide nothing, unequal ones order as the
// keys do.
static uint64_t prefix_of(const struct record *r, size_t common)
{
    uint8_t bytes[8] = {0};
    size_t rest = r->key_len - common;
    memcpy(bytes, r->bytes + common, rest < sizeof bytes ? rest : sizeof bytes);
    return get_be64(bytes);
}

static int compare_items(const void *left, const void *right)
{
    const struct sorted_item *a = left, *b = right;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return record_order(a->record, b->record);
}

static int sorted_show(struct sorted_cursor *c, size_t at)
{
    if (at >= c->count)
        return END;
    c->at = at;
    c->cursor.entry = record_entry(c->items[at].record);
    return OK;
}

static size_t sorted_lower_bound(const struct sorted_cursor *c, struct slice key, uint64_t seq)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct record *r = c->items[middle].record;
        if (entry_order(record_key(r), r->seq, key, seq) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int sorted_seek(struct cursor *cursor, struct slice key, uint64_t seq)
{
    struct sorted_cursor *c = (struct sorted_cursor *)cursor;
    return sorted_show(c, sorted_lower_bound(c, key, seq));
}

static int sorted_seek_before(struct cursor *cursor, struct slice key)
{
    struct sorted_cursor *c = (struct sorted_cursor *)cursor;
    return sorted_show(c, sorted_lower_bound(c, key, SEQ_MAX) - 1); // wraps around to END
}

static int sorted_seek_last(struct cursor *cursor)
{
    struct sorted_cursor *c = (struct sorted_cursor *)cursor;
    return sorted_show(c, c->count - 1);
}

static int sorted_next(struct cursor *cursor)
{
    struct sorted_cursor *c = (struct sorted_cursor *)cursor;
    return sorted_show(c, c->at + 1);
}

static int sorted_prev(struct cursor *cursor)
{
    struct sorted_cursor *c = (struct sorted_cursor *)cursor;
    return sorted_show(c, c->at - 1);
}

static void sorted_close(struct cursor *cursor)
{
    struct sorted_cursor *c = (struct sorted_cursor *)cursor;
    free(c->items);
    free(c);
}

struct cursor *memtable_sorted_cursor(const struct memtable *m)
{
    static const struct cursor_ops ops = {
        .seek = sorted_seek,
        .seek_before = sorted_seek_before,
        .seek_last = sorted_seek_last,
        .next = sorted_next,
        .prev = sorted_prev,
        .close = sorted_close,
    };
    struct sorted_cursor *c = xcalloc(1, sizeof *c);
    c->cursor.ops = &ops;
    c->items = xcalloc(m->live + 1, sizeof *c->items);
    size_t common = common_prefix(m);
    for (const struct record *r = m->first; r != NULL; r = r->next)
        if (r->tag != 0)
            c->items[c->count++] = (struct sorted_item){prefix_of(r, common), r};
    if (c->count > 1)
        qsort(c->items, c->count, sizeof *c->items, compare_items);
    return &c->cursor;
}
