// merge: a heap of cursors, the one whose entry comes next at the top.
//
// While walking forward every live child stands at its first entry at or behind the current one,
// and the heap's top is the smallest; while walking backward every child stands at its last entry
// at or before the current one, and the top is the largest. A step moves the top child and sifts it
// down. Turning around repositions all children but the top relative to the current entry, which
// becomes the pending call's target: copied, since children that move let go of it.
//
// Waiting (entry.h). Each child has a `stage`: what it has still to do for the pending call. A
// positioning asks every child, also after one has answered WAIT, so that all their misses are
// fetched together; when the call is made again only those are asked that are not done. A turn is a
// positioning, too, and so is a step that waits, with one child that is not done.
//
// Where memory is slow. A seek of one child is a chain of waits for memory, those of different
// children have nothing to do with each other. So children that can are seeked in steps
// (cursor_ops.aim), each of which is made with all before the next with any.
//
// A child's failure is the call's: then nothing is current until the next seek (entry.h).

#include "engine/record/merge.h"

#include "base/alloc.h"
#include "base/ensure.h"

enum stage {
    STAGE_TODO,  // the pending call's seek
    STAGE_WAITS, // the same, but it has just been told to wait
    STAGE_PREV,
    STAGE_LAST,
    STAGE_NEXT,
    STAGE_LIVE,
    STAGE_ENDED
};

struct merge {
    struct cursor base;
    struct cursor **children;
    uint8_t *stages;
    uint32_t count;
    uint32_t *heap; // child numbers; heap[0] is current
    uint32_t heap_count;
    bool backward;
    struct pending pending; // of a turn: its target is where it happens
};

static bool before(const struct merge *m, uint32_t a, uint32_t b)
{
    const struct entry *x = &m->children[a]->entry, *y = &m->children[b]->entry;
    int order = entry_order(x->key, x->seq, y->key, y->seq);
    return m->backward ? order > 0 : order < 0;
}

static void sift_down(struct merge *m, uint32_t i)
{
    uint32_t moving = m->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count && before(m, m->heap[child + 1], m->heap[child]))
            child++;
        if (!before(m, m->heap[child], moving))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = moving;
}

static int show_top(struct merge *m)
{
    if (m->heap_count == 0)
        return END;
    m->base.entry = m->children[m->heap[0]]->entry;
    return OK;
}

static int build_heap(struct merge *m)
{
    m->heap_count = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->stages[i] == STAGE_LIVE)
            m->heap[m->heap_count++] = i;
    }
    for (uint32_t i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i);
    return show_top(m);
}

// One call to the child's cursor: where it stands then. OK and END are stages, others are passed
// on.
static int settle(uint8_t *stage, int status, enum stage on_end)
{
    if (status == OK)
        *stage = STAGE_LIVE;
    else if (status == END)
        *stage = on_end;
    return status == END ? OK : status;
}

// The seek by which a child begins the pending call.
static int start(struct merge *m, struct cursor *c, uint8_t *stage)
{
    struct slice key = pending_key(&m->pending);
    int status;
    switch (m->pending.call) {
    case CALL_SEEK_LAST:
        return settle(stage, c->ops->seek_last(c), STAGE_ENDED);
    case CALL_SEEK_BEFORE:
        return settle(stage, c->ops->seek_before(c, key), STAGE_ENDED);
    case CALL_PREV: // a turn: the entry before the first at or behind its place
        status = settle(stage, c->ops->seek(c, key, m->pending.seq), STAGE_LAST);
        if (*stage == STAGE_LIVE)
            *stage = STAGE_PREV;
        return status;
    default:
        return settle(stage, c->ops->seek(c, key, m->pending.seq), STAGE_ENDED);
    }
}

// Moves child i on towards its position for the pending call; OK when it is live or ended.
static int advance(struct merge *m, uint32_t i)
{
    struct cursor *c = m->children[i];
    uint8_t *stage = &m->stages[i];
    int status = OK;
    while (status == OK && *stage < STAGE_LIVE) {
        switch ((enum stage) * stage) {
        case STAGE_TODO:
            status = start(m, c, stage);
            break;
        case STAGE_PREV:
            status = settle(stage, c->ops->prev(c), STAGE_ENDED);
            break;
        case STAGE_LAST:
            status = settle(stage, c->ops->seek_last(c), STAGE_ENDED);
            break;
        case STAGE_NEXT:
            status = settle(stage, c->ops->next(c), STAGE_ENDED);
            break;
        default:
            ENSURE_UNREACHABLE();
        }
    }
    return status;
}

// One step of the seeks that are to be made. A child that has to wait is left to the next time.
static int aim(struct merge *m, unsigned step)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct cursor *c = m->children[i];
        if (m->stages[i] != STAGE_TODO || c->ops->aim == NULL)
            continue;
        int status = c->ops->aim(c, pending_key(&m->pending), m->pending.seq, step);
        if (status == WAIT)
            m->stages[i] = STAGE_WAITS;
        else if (status != OK)
            status = settle(&m->stages[i], status, STAGE_ENDED);
        if (status < 0)
            return status;
    }
    return OK;
}

// As far as each child comes: OK, WAIT if any waits, or a failure.
static int advance_all(struct merge *m)
{
    bool waits = false;
    bool aims = m->pending.call == CALL_SEEK && m->count > 1;
    for (unsigned step = 0; step < AIM_STEPS && aims; step++) {
        int status = aim(m, step);
        if (status != OK)
            return status;
    }
    for (uint32_t i = 0; i < m->count; i++) {
        int status = WAIT;
        if (m->stages[i] == STAGE_WAITS)
            m->stages[i] = STAGE_TODO;
        else
            status = advance(m, i);
        waits |= status == WAIT;
        if (status != OK && status != WAIT)
            return status;
    }
    return waits ? WAIT : OK;
}

// Brings all children to where the pending call wants them; WAIT if any waits, after all were
// asked.
static int position(struct merge *m)
{
    int status = advance_all(m);
    if (status == OK)
        status = build_heap(m);
    return pending_answer(&m->pending, status);
}

static void begin(struct merge *m, bool backward)
{
    m->backward = backward;
    memset(m->stages, STAGE_TODO, m->count);
}

static int seek_all(
    struct merge *m, enum call_kind call, bool backward, struct slice key, uint64_t seq)
{
    if (!pending_seek(&m->pending, call, key, seq))
        begin(m, backward);
    return position(m);
}

static int merge_seek(struct cursor *c, struct slice key, uint64_t seq)
{
    return seek_all((struct merge *)(void *)c, CALL_SEEK, false, key, seq);
}

static int merge_seek_before(struct cursor *c, struct slice key)
{
    return seek_all((struct merge *)(void *)c, CALL_SEEK_BEFORE, true, key, 0);
}

static int merge_seek_last(struct cursor *c)
{
    return seek_all((struct merge *)(void *)c, CALL_SEEK_LAST, true, (struct slice){0}, 0);
}

// What the top child may leave out deletions up to: the next child's key, which one may hide.
static struct slice next_key(const struct merge *m)
{
    if (m->heap_count < 2)
        return slice_of(NULL, 0);
    bool right = m->heap_count > 2 && before(m, m->heap[2], m->heap[1]);
    return m->children[m->heap[right ? 2 : 1]]->entry.key;
}

// The top child takes one step in the direction that holds. budget: of next_live, or NULL.
static int step_top(struct merge *m, unsigned *budget)
{
    uint32_t i = m->heap[0];
    struct cursor *top = m->children[i];
    int status;
    if (m->backward)
        status = top->ops->prev(top);
    else if (budget != NULL && top->ops->next_live != NULL)
        status = top->ops->next_live(top, next_key(m), budget);
    else
        status = top->ops->next(top);
    if (status == WAIT)
        m->stages[i] = m->backward ? STAGE_PREV : STAGE_NEXT;
    if (status == END) {
        m->stages[i] = STAGE_ENDED;
        m->heap[0] = m->heap[--m->heap_count];
    } else if (status != OK) {
        return pending_answer(&m->pending, status);
    }
    if (m->heap_count > 1)
        sift_down(m, 0);
    return pending_answer(&m->pending, show_top(m));
}

// From now on the other way: every child goes to its neighbour of the current entry.
static int turn(struct merge *m, bool backward)
{
    pending_set_target(&m->pending, m->base.entry.key, m->base.entry.seq);
    begin(m, backward);
    m->stages[m->heap[0]] = backward ? STAGE_PREV : STAGE_NEXT;
    return position(m);
}

static int step(struct merge *m, enum call_kind call, bool backward)
{
    if (pending_step(&m->pending, call))
        return position(m);
    return m->backward == backward ? step_top(m, NULL) : turn(m, backward);
}

// The merge is of all there is: nobody else's entries are hidden, so limit is of no concern.
static int merge_next_live(struct cursor *c, struct slice limit, unsigned *budget)
{
    struct merge *m = (struct merge *)(void *)c;
    if (m->backward || m->pending.call == CALL_NEXT)
        return step(m, CALL_NEXT, false);
    pending_step(&m->pending, CALL_NEXT);
    return step_top(m, budget);
}

static int merge_next(struct cursor *c)
{
    return step((struct merge *)(void *)c, CALL_NEXT, false);
}

static int merge_prev(struct cursor *c)
{
    return step((struct merge *)(void *)c, CALL_PREV, true);
}

static void merge_close(struct cursor *c)
{
    struct merge *m = (struct merge *)(void *)c;
    for (uint32_t i = 0; i < m->count; i++)
        m->children[i]->ops->close(m->children[i]);
    pending_release(&m->pending);
    free(m->children);
    free(m->stages);
    free(m->heap);
    free(m);
}

static const struct cursor_ops merge_ops = {
    .seek = merge_seek,
    .seek_before = merge_seek_before,
    .seek_last = merge_seek_last,
    .next = merge_next,
    .next_live = merge_next_live,
    .prev = merge_prev,
    .close = merge_close,
};

struct cursor *merge_cursor(struct cursor **children, uint32_t count)
{
    struct merge *m = xcalloc(1, sizeof *m);
    m->base.ops = &merge_ops;
    m->children = xmalloc(count * sizeof(struct cursor *));
    if (count > 0)
        memcpy(m->children, children, count * sizeof(struct cursor *));
    m->stages = xcalloc(count, sizeof *m->stages);
    m->heap = xmalloc(count * sizeof *m->heap);
    m->count = count;
    return &m->base;
}
