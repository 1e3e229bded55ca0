// draw: members at random.
//
// Two ways, both even. By rank: numbers are drawn, and the whole is gone over once up to the last
// of them; that serves whatever is small. By chance: the engine draws records of a large one (its
// draw.c), which costs a few blocks each, whatever the size; how many draws hit depends on how much
// of what lies in memory is of this collection, so it is for large ones only.
//
// The seed is the command's, and the same in each attempt, so an attempt finds what the one before
// has fetched.
#include "commands/collections/draw.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"

// One draw: field and value lie in `bytes` of the picks.
struct pick {
    uint64_t rank, order; // which member, and which place in the reply
    size_t at, field_len, value_len;
};

bool draw_parse_count(struct call *call, struct draw *d)
{
    if (!call_int(call, call->argv[2], &d->count))
        return false;
    if (d->count != INT64_MIN)
        return true;
    call_error(call, "ERR value is out of range, value must between -9223372036854775807 and "
                     "9223372036854775807");
    return false;
}

struct slice picks_field(const struct picks *p, uint64_t i)
{
    return slice_of(p->bytes.data + p->all[i].at, p->all[i].field_len);
}

static struct slice picks_value(const struct picks *p, uint64_t i)
{
    return slice_of(p->bytes.data + p->all[i].at + p->all[i].field_len, p->all[i].value_len);
}

void picks_release(struct picks *p)
{
    free(p->all);
    buf_release(&p->bytes);
    *p = (struct picks){0};
}

static void keep(struct picks *p, uint64_t i, struct slice field, struct slice value)
{
    p->all[i].at = p->bytes.len;
    p->all[i].field_len = field.len;
    p->all[i].value_len = value.len;
    buf_append_slice(&p->bytes, field);
    buf_append_slice(&p->bytes, value);
}

// --- By rank -------------------------------------------------------------------------------------

static int by_rank(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_order(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

// Goes over the members once and fills in what stands at the ranks, which are in order.
static int fill_in(struct members *m, struct picks *p)
{
    struct members_walk w;
    struct slice field, value;
    uint64_t rank = 0, next = 0;
    int status = OK;
    members_walk_open(&w, m, slice_of(NULL, 0));
    while (next < p->count && (status = members_walk_next(&w, &field, &value)) == OK) {
        for (; next < p->count && p->all[next].rank == rank; next++)
            keep(p, next, field, value);
        rank++;
    }
    members_walk_close(&w);
    return status == END ? CORRUPT : status;
}

// Selection sampling: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
static void choose_distinct(struct picks *p, uint64_t all, struct random *random)
{
    uint64_t chosen = 0;
    for (uint64_t rank = 0; chosen < p->count; rank++)
        if (random_below(random, all - rank) < p->count - chosen)
            p->all[chosen++].rank = rank;
}

static int draw_by_rank(struct call *call, struct members *m, const struct draw *d, struct picks *p)
{
    struct random random = {call->seed};
    if (d->count > 0) {
        choose_distinct(p, m->count, &random);
        return fill_in(m, p);
    }
    for (uint64_t i = 0; i < p->count; i++)
        p->all[i] = (struct pick){.rank = random_below(&random, m->count), .order = i};
    qsort(p->all, p->count, sizeof *p->all, by_rank);
    int status = fill_in(m, p);
    qsort(p->all, p->count, sizeof *p->all, by_order);
    return status;
}

// --- By chance -----------------------------------------------------------------------------------

static bool was_drawn(const struct picks *p, uint64_t count, struct slice field)
{
    for (uint64_t i = 0; i < count; i++)
        if (slice_equal(field, picks_field(p, i)))
            return true;
    return false;
}

// NOT_FOUND: too few of the draws hit.
static int draw_by_chance(
    struct call *call, struct members *m, const struct draw *d, struct picks *p)
{
    struct buf field = {0};
    bool waits = false, distinct = d->count > 0;
    int status = OK;
    uint64_t done = 0, tries = 4 * p->count + 8;
    for (uint64_t i = 0; i < tries && done < p->count; i++) {
        struct slice value = slice_of(NULL, 0);
        status = members_draw(m, call->seed + i, &field);
        if (status == OK && d->with_values)
            status = members_get(m, buf_slice(&field), &value);
        if (status != OK && status != WAIT)
            break;
        waits |= status == WAIT; // the others are fetched together with it
        if (waits)
            done++;
        else if (!distinct || !was_drawn(p, done, buf_slice(&field)))
            keep(p, done++, buf_slice(&field), value);
    }
    buf_release(&field);
    if (status < 0 || status == NOT_FOUND)
        return status;
    return waits ? WAIT : done < p->count ? NOT_FOUND : OK;
}

// A draw costs the less the more of what lies in memory is of this collection; going over it costs
// its length. Distinct ones are compared with each other.
static bool chance_is_cheaper(const struct members *m, uint64_t count)
{
    enum { IN_MEMORY = 1 << 20, COMPARED_MAX = 1000 };
    return members_is_spread(m) && count <= COMPARED_MAX &&
           (unsigned __int128)m->count * m->count / IN_MEMORY > count;
}

// --- Either --------------------------------------------------------------------------------------

// Whether a reply of so many members is out of the question.
static bool too_many(const struct reply *reply, uint64_t count)
{
    enum { MEMBER_BYTES_MIN = 6, WITHOUT_BOUND = 1 << 24 };
    return count > (reply->max_len > 0 ? reply->max_len / MEMBER_BYTES_MIN : WITHOUT_BOUND);
}

static uint64_t wanted(const struct members *m, const struct draw *d)
{
    if (d->count < 0)
        return (uint64_t)-d->count;
    return (uint64_t)d->count < m->count ? (uint64_t)d->count : m->count;
}

int draw_picks(struct call *call, struct members *m, const struct draw *d, struct picks *out)
{
    int status = NOT_FOUND;
    *out = (struct picks){.count = wanted(m, d)};
    if (too_many(call->reply, out->count))
        return TOO_LARGE;
    out->all = xcalloc(out->count, sizeof *out->all);
    if (chance_is_cheaper(m, out->count))
        status = draw_by_chance(call, m, d, out);
    if (status == NOT_FOUND) {
        buf_clear(&out->bytes);
        status = draw_by_rank(call, m, d, out);
    }
    return status;
}

static void reply_header(struct reply *reply, uint64_t count, bool with_values)
{
    reply_array(reply, (int64_t)count * (with_values && reply->proto == 2 ? 2 : 1));
}

static void reply_one(struct reply *reply, struct slice field, struct slice value, bool with_values)
{
    if (with_values && reply->proto == 3)
        reply_array(reply, 2);
    reply_bulk(reply, field);
    if (with_values)
        reply_bulk(reply, value);
}

// Many distinct ones go into the reply as they are met.
static int reply_distinct(struct call *call, struct members *m, const struct draw *d)
{
    struct random random = {call->seed};
    struct members_walk w;
    struct slice field, value;
    uint64_t left = m->count, count = wanted(m, d);
    int status = OK;
    reply_header(call->reply, count, d->with_values);
    members_walk_open(&w, m, slice_of(NULL, 0));
    while (count > 0 && (status = members_walk_next(&w, &field, &value)) == OK) {
        if (random_below(&random, left--) >= count)
            continue;
        reply_one(call->reply, field, value, d->with_values);
        count--;
    }
    members_walk_close(&w);
    return status == END ? CORRUPT : status;
}

int draw_reply(struct call *call, struct members *m, const struct draw *d)
{
    struct picks picks;
    if (m->count == 0 || d->count == 0) {
        if (d->counted)
            reply_array(call->reply, 0);
        else
            reply_null(call->reply);
        return OK;
    }
    if (d->count > 1 && !chance_is_cheaper(m, wanted(m, d)))
        return reply_distinct(call, m, d);
    int status = draw_picks(call, m, d, &picks);
    if (status == OK && d->counted)
        reply_header(call->reply, picks.count, d->with_values);
    for (uint64_t i = 0; i < picks.count && status == OK; i++)
        reply_one(call->reply, picks_field(&picks, i), picks_value(&picks, i), d->with_values);
    picks_release(&picks);
    return status;
}
