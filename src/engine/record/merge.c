// merge: a heap of cursors, the one whose entry comes next at the top.
//
// While walking forward every live child stands at its first entry at or behind the current one,
// and the heap's top is the smallest; while walking backward every child stands at its last entry
// at or before the current one, and the top is the largest. A step moves the top child and sifts it
// down. Turning around repositions all children but the top relative to the current entry, which is
// copied for that.
//
// Waiting. Positioning asks every child, also after one has answered WAIT, so that all their misses
// are fetched together. `stages` remembers how far each child has come; when the call is made again
// only those are asked that were not done. A turn is a positioning too (to behind, or before, the
// current entry), so that next and prev resume by the same record. What is under way is identified
// by the call and its target; another call starts afresh.
//
// Where memory is slow. A seek of one child is a chain of waits for memory, those of different
// children have nothing to do with each other. So children that can are seeked in steps
// (cursor_ops.aim), each of which is made with all before the next with any.
//
// After a child's failure or END of the whole, nothing is current until the next positioning
// (entry.h).

#include "engine/record/merge.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/ensure.h"

enum call {
    CALL_NONE,
    CALL_SEEK,
    CALL_SEEK_BEFORE,
    CALL_SEEK_LAST,
    CALL_TURN_FORWARD,
    CALL_TURN_BACK,
    CALL_STEP
};
enum stage { STAGE_TODO, STAGE_WAITS, STAGE_PREV, STAGE_LAST, STAGE_NEXT, STAGE_LIVE, STAGE_ENDED };

struct merge {
    struct cursor base;
    struct cursor **children;
    uint8_t *stages;
    uint32_t count;
    uint32_t *heap; // child numbers; heap[0] is current
    uint32_t heap_count;
    bool backward;
    enum call pending; // the call that answered WAIT
    struct buf key;    // its target, or where the turn happens
    uint64_t seq;
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

// Moves child i on towards its position for the pending call; OK when it is live or ended.
static int advance(struct merge *m, uint32_t i)
{
    struct cursor *c = m->children[i];
    uint8_t *stage = &m->stages[i];
    struct slice key = buf_slice(&m->key);
    int status = OK;
    while (status == OK && *stage < STAGE_LIVE) {
        switch ((enum stage) * stage) {
        case STAGE_TODO:
            if (m->pending == CALL_SEEK_LAST)
                status = settle(stage, c->ops->seek_last(c), STAGE_ENDED);
            else if (m->pending == CALL_SEEK_BEFORE)
                status = settle(stage, c->ops->seek_before(c, key), STAGE_ENDED);
            else
                status = settle(
                    stage, c->ops->seek(c, key, m->seq), m->backward ? STAGE_LAST : STAGE_ENDED);
            if (m->pending == CALL_TURN_BACK && status == OK && *stage == STAGE_LIVE)
                *stage = STAGE_PREV; // it is at or behind the place of the turn
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
        int status = c->ops->aim(c, buf_slice(&m->key), m->seq, step);
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
    for (unsigned step = 0; step < AIM_STEPS && m->pending == CALL_SEEK && m->count > 1; step++) {
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

// Positions all children; WAIT if any waits, after all were asked.
static int position(struct merge *m)
{
    int status = advance_all(m);
    if (status == WAIT)
        return WAIT;
    if (status != OK) {
        m->pending = CALL_NONE;
        m->heap_count = 0;
        return status;
    }
    m->pending = CALL_NONE;
    return build_heap(m);
}

static void begin(struct merge *m, enum call call, bool backward, struct slice key, uint64_t seq)
{
    m->pending = call;
    m->backward = backward;
    buf_clear(&m->key);
    buf_append_slice(&m->key, key);
    m->seq = seq;
    memset(m->stages, STAGE_TODO, m->count);
}

static int begin_or_resume(
    struct merge *m, enum call call, bool backward, struct slice key, uint64_t seq)
{
    if (m->pending != call || m->seq != seq || !slice_equal(buf_slice(&m->key), key))
        begin(m, call, backward, key, seq);
    return position(m);
}

static int merge_seek(struct cursor *c, struct slice key, uint64_t seq)
{
    return begin_or_resume((struct merge *)(void *)c, CALL_SEEK, false, key, seq);
}

static int merge_seek_before(struct cursor *c, struct slice key)
{
    return begin_or_resume((struct merge *)(void *)c, CALL_SEEK_BEFORE, true, key, 0);
}

static int merge_seek_last(struct cursor *c)
{
    return begin_or_resume((struct merge *)(void *)c, CALL_SEEK_LAST, true, (struct slice){0}, 0);
}

// The top child takes one step in the direction that holds.
static int step_top(struct merge *m)
{
    struct cursor *top = m->children[m->heap[0]];
    int status = m->backward ? top->ops->prev(top) : top->ops->next(top);
    m->pending = status == WAIT ? CALL_STEP : CALL_NONE;
    if (status == END) {
        m->heap[0] = m->heap[--m->heap_count];
    } else if (status != OK) {
        if (status != WAIT)
            m->heap_count = 0;
        return status;
    }
    if (m->heap_count > 1)
        sift_down(m, 0);
    return show_top(m);
}

// From now on the other way: every child goes to its neighbour of the current entry.
static int turn(struct merge *m, bool backward)
{
    enum call call = backward ? CALL_TURN_BACK : CALL_TURN_FORWARD;
    if (m->pending != call) {
        begin(m, call, backward, m->base.entry.key, m->base.entry.seq);
        m->stages[m->heap[0]] = backward ? STAGE_PREV : STAGE_NEXT;
    }
    return position(m);
}

static int merge_next(struct cursor *c)
{
    struct merge *m = (struct merge *)(void *)c;
    return m->backward || m->pending == CALL_TURN_FORWARD ? turn(m, false) : step_top(m);
}

static int merge_prev(struct cursor *c)
{
    struct merge *m = (struct merge *)(void *)c;
    return !m->backward || m->pending == CALL_TURN_BACK ? turn(m, true) : step_top(m);
}

static void merge_close(struct cursor *c)
{
    struct merge *m = (struct merge *)(void *)c;
    for (uint32_t i = 0; i < m->count; i++)
        m->children[i]->ops->close(m->children[i]);
    buf_release(&m->key);
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
