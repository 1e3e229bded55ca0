// Order on demand. A skip list (Pugh 1990) over the records, made of nodes that lie beside them: a
// frozen memtable's records may be read by a flush job at the same time, and the loop must not
// write to them. Every version of a key has its own node, void records too (taking back may make
// them visible again); who walks skips what is not to be seen.
//
// Records enter in the order of arrival, a chunk at a time. A chunk is sorted first and then linked
// in ascending order, each search going on from where the last one ended: neighbours share most of
// their path, so ordering n records costs far fewer cache misses than n searches from the top.
//
// A node has the first bytes of its key beside its links: a search that went to the record for each
// comparison would wait for memory twice a node.
//
// Dead runs. A queue whose jobs came and went leaves a run of tombstones at its head, and who looks
// for the first job would go over all of them each time. So who goes over a run notes, link by
// link, that all between the link's two ends is dead (`dead`); the next one follows the highest
// such link. The notes are true until a record comes to life or arrives in between, which clears
// those of its search path. Example: 1 to 8 are dead, 1 and 5 have links of a second level, 9 is
// alive. The first walk goes over eight nodes and notes 1 => 5 and 5 => 9; the second goes 1, 5, 9.
// When 6 comes to life, 5 => 9 is not true any more, 1 => 5 is: the third goes 1, 5, 6.
//
// A node never moves and never leaves, so a cursor's position stays valid while the list grows.
// Cost is bounded by the budget of a step.
#include <stddef.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "engine/memtable/memtable_impl.h"

enum { CHUNK = 512, BRANCHING = 4 };

void order_release(struct order *o)
{
    arena_release(&o->arena);
}

static inline struct key_head head_of(struct slice key)
{
    if (key.len >= 16)
        return (struct key_head){get_be64(key.data), get_be64(key.data + 8)};
    uint8_t bytes[16] = {0};
    if (key.len > 0)
        memcpy(bytes, key.data, key.len);
    return (struct key_head){get_be64(bytes), get_be64(bytes + 8)};
}

// Whether the node comes before (key, seq), whose head is given.
static inline bool node_before(
    const struct order_node *n, struct key_head head, struct slice key, uint64_t seq)
{
    if (n->head.high != head.high)
        return n->head.high < head.high;
    if (n->head.low != head.low)
        return n->head.low < head.low;
    return entry_order(record_key(n->record), n->record->seq, key, seq) < 0;
}

static struct order_node *new_node(
    struct order *o, struct record *r, struct key_head head, unsigned height)
{
    size_t links = height * sizeof(struct order_node *);
    struct order_node *n = arena_alloc(&o->arena, offsetof(struct order_node, next) + links);
    n->head = head;
    n->record = r;
    n->prev = NULL;
    n->dead_epoch = 0;
    n->dead = 0;
    n->height = (uint8_t)height;
    memset(n->next, 0, links);
    return n;
}

static unsigned random_height(struct order *o)
{
    uint64_t bits = random_next(&o->random);
    unsigned height = 1;
    while (height < ORDER_HEIGHT_MAX && bits % BRANCHING == 0) {
        bits /= BRANCHING;
        height++;
    }
    return height;
}

// Links r in. path holds, for each level, the last node before the record that was linked before,
// which sorts before r.
static void link_record(struct order *o, struct record *r, struct order_node **path)
{
    struct slice key = record_key(r);
    struct key_head head = head_of(key);
    struct order_node *from = NULL; // set once a higher level has gone past the old path
    for (unsigned level = ORDER_HEIGHT_MAX; level-- > 0;) {
        struct order_node *at = from != NULL ? from : path[level];
        while (at->next[level] != NULL && node_before(at->next[level], head, key, r->seq)) {
            at = at->next[level];
            from = at;
        }
        path[level] = at;
    }
    unsigned height = random_height(o);
    struct order_node *n = new_node(o, r, head, height);
    n->prev = path[0];
    for (unsigned level = height; level < ORDER_HEIGHT_MAX && o->dead_epoch != 0; level++)
        path[level]->dead &= (uint16_t) ~(1u << level);
    for (unsigned level = 0; level < height; level++) {
        n->next[level] = path[level]->next[level];
        path[level]->next[level] = n;
        path[level] = n;
    }
    if (n->next[0] != NULL)
        n->next[0]->prev = n;
    else
        o->last = n;
    o->count++;
}

static int compare_records(const void *left, const void *right)
{
    return record_order(*(struct record *const *)left, *(struct record *const *)right);
}

static void begin(struct order *o)
{
    o->head = new_node(o, NULL, (struct key_head){0}, ORDER_HEIGHT_MAX);
    o->last = o->head;
}

bool memtable_order_step(struct memtable *m, size_t budget)
{
    struct order *o = &m->order;
    if (o->head == NULL)
        begin(o);
    while (o->linked != m->last && budget > 0) {
        struct record *chunk[CHUNK];
        size_t count = 0;
        while (o->linked != m->last && count < CHUNK && budget > 0) {
            o->linked = o->linked != NULL ? o->linked->next : m->first;
            chunk[count++] = o->linked;
            budget--;
        }
        qsort(chunk, count, sizeof(struct record *), compare_records);
        struct order_node *path[ORDER_HEIGHT_MAX];
        for (unsigned level = 0; level < ORDER_HEIGHT_MAX; level++)
            path[level] = o->head;
        for (size_t i = 0; i < count; i++)
            link_record(o, chunk[i], path);
    }
    return o->linked == m->last;
}

struct order_node *order_lower_bound(const struct order *o, struct slice key, uint64_t seq)
{
    struct key_head head = head_of(key);
    struct order_node *at = o->head, *behind = NULL; // behind: known to be not before the target
    for (unsigned level = ORDER_HEIGHT_MAX; level-- > 0;) {
        struct order_node *next;
        while ((next = at->next[level]) != behind) {
            if (level > 0 && at->next[level - 1] != behind)
                // where the search goes on if it does not go on here
                __builtin_prefetch(at->next[level - 1]);
            if (!node_before(next, head, key, seq))
                break;
            at = next;
        }
        behind = next;
    }
    return behind;
}

// --- Dead runs -----------------------------------------------------------------------------------

static bool is_dead_link(const struct order *o, const struct order_node *n, unsigned level)
{
    return level == 0 || (n->dead_epoch == o->dead_epoch && (n->dead >> level & 1) != 0);
}

static void note_dead_link(const struct order *o, struct order_node *n, unsigned level)
{
    if (n->dead_epoch != o->dead_epoch)
        n->dead = 0;
    n->dead_epoch = o->dead_epoch;
    n->dead |= (uint16_t)(1u << level);
}

struct order_node *order_skip_dead(
    struct order *o, struct order_node *from, struct slice limit, unsigned *budget)
{
    if (from->next[0] == NULL || !record_is_dead(from->next[0]->record))
        return from->next[0];
    struct order_node *starts[ORDER_HEIGHT_MAX] = {0}; // of the links that are being gone under
    struct order_node *at = from;
    if (o->dead_epoch == 0)
        o->dead_epoch = 1;
    for (bool first = true;; first = false) {
        for (unsigned level = 0; level < at->height; level++)
            starts[level] = at;
        unsigned level = at->height - 1u;
        while (level > 0 && !(is_dead_link(o, at, level) && at->next[level] != NULL &&
                                (limit.len == 0 ||
                                    slice_compare(record_key(at->next[level]->record), limit) < 0)))
            level--;
        struct order_node *next = at->next[level];
        if (next == NULL)
            return NULL;
        for (unsigned l = 1; l < next->height; l++)
            if (starts[l] != NULL && starts[l]->next[l] == next)
                note_dead_link(o, starts[l], l);
        at = next;
        *budget -= *budget > 0 && !first;
        if (*budget == 0 || !record_is_dead(at->record) ||
            (limit.len > 0 && slice_compare(record_key(at->record), limit) >= 0))
            return at;
    }
}

void order_forget_dead(struct order *o)
{
    o->dead_epoch += o->dead_epoch != 0;
}

void order_revive(struct order *o, const struct record *r)
{
    if (o->dead_epoch == 0)
        return;
    struct slice key = record_key(r);
    struct key_head head = head_of(key);
    struct order_node *at = o->head;
    for (unsigned level = ORDER_HEIGHT_MAX; level-- > 0;) {
        while (at->next[level] != NULL && node_before(at->next[level], head, key, SEQ_MAX))
            at = at->next[level];
        at->dead &= (uint16_t) ~(1u << level);
    }
    // void records of the same key may stand before it
    for (at = at->next[0]; at != NULL && at->record != r; at = at->next[0]) {
        if (!slice_equal(record_key(at->record), key))
            break;
        at->dead = 0;
    }
}
