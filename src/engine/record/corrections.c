// A table may hold a million records that expire in a million different seconds, and the loop wants
// to know at each of them how many have gone. So the terms are kept in order of time and walked
// once, and their number is bounded: while there are too many, neighbours become one of twice the
// width. The error of that is not hidden. A term that has begun and is not over counts as gone as a
// whole, and as many keys are in doubt until it is over, so that the truth always lies between the
// count and the count with its doubts. Of terms of one second only the `plus` is in doubt, because
// what it makes up for may have been taken out in the middle of that second; `minus` is simply
// taken when it is over, late by no more than that.
//
// Example: keys of a day's life written in an hour. They expire within 3,600 seconds; with 2,048
// terms these are 2 seconds wide. If they had been written in a day, 86,400 seconds, 64 wide: one
// key in 1,350 is in doubt at any time.
//
// While they are being collected terms lie unordered; when there are twice as many as allowed they
// are put in order and merged, so a job's memory is bounded too. Nothing here can fail.
#include "engine/record/corrections.h"

#include "base/alloc.h"

enum { SECOND_MS = 1000 };

struct corrections *corrections_new(uint64_t base_seq, bool with_doubts, uint32_t terms_max)
{
    struct corrections *c = xcalloc(1, sizeof *c);
    c->base_seq = base_seq;
    c->with_doubts = with_doubts;
    c->width = 1;
    c->terms_max = terms_max;
    return c;
}

void corrections_free(struct corrections *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->count; i++) {
        free((void *)(uintptr_t)c->items[i].prefix.data);
        free(c->items[i].terms);
    }
    free(c->items);
    free(c);
}

static struct correction *item_of(struct corrections *c, struct slice prefix)
{
    if (c->count > 0 && slice_equal(c->items[c->count - 1].prefix, prefix))
        return &c->items[c->count - 1];
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 2;
        c->items = xrealloc(c->items, c->cap * sizeof *c->items);
    }
    struct correction *item = &c->items[c->count++];
    *item = (struct correction){.prefix = slice_of(xstrndup(prefix.data, prefix.len), prefix.len)};
    return item;
}

void corrections_add(struct corrections *c, struct slice prefix, int64_t live, int64_t doubts)
{
    struct correction *item = item_of(c, prefix);
    item->live += live;
    item->doubts += doubts;
}

static int compare_terms(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

// In order, one for each time.
static void tidy_terms(struct correction *item)
{
    uint32_t kept = 0;
    if (item->term_count == 0)
        return;
    qsort(item->terms, item->term_count, sizeof *item->terms, compare_terms);
    for (uint32_t i = 1; i < item->term_count; i++) {
        struct term *last = &item->terms[kept];
        const struct term *t = &item->terms[i];
        if (t->at == last->at) {
            last->minus += t->minus;
            last->plus += t->plus;
        } else {
            item->terms[++kept] = *t;
        }
    }
    item->term_count = kept + 1;
}

static void double_width(struct corrections *c)
{
    c->width *= 2;
    for (uint32_t i = 0; i < c->count; i++) {
        for (uint32_t j = 0; j < c->items[i].term_count; j++)
            c->items[i].terms[j].at /= 2;
        tidy_terms(&c->items[i]);
    }
}

static void make_fit(struct corrections *c, struct correction *item)
{
    tidy_terms(item);
    while (item->term_count > c->terms_max)
        double_width(c);
}

void corrections_add_term(struct corrections *c, struct slice prefix, int64_t expire_ms, int live)
{
    struct correction *item = item_of(c, prefix);
    int64_t second = expire_ms / SECOND_MS;
    if (second >= UINT32_MAX)
        return; // nobody will see it
    uint32_t at = (uint32_t)second / c->width;
    if (item->term_count > 0 && item->terms[item->term_count - 1].at == at) {
        item->terms[item->term_count - 1].minus += live < 0;
        item->terms[item->term_count - 1].plus += live > 0;
        return;
    }
    if (item->term_count == item->term_cap) {
        if (item->term_count > 2 * c->terms_max) {
            make_fit(c, item);
            corrections_add_term(c, prefix, expire_ms, live);
            return;
        }
        item->term_cap = item->term_cap ? item->term_cap * 2 : 4;
        item->terms = xrealloc(item->terms, item->term_cap * sizeof *item->terms);
    }
    item->terms[item->term_count++] = (struct term){at, live<0, live> 0};
}

void corrections_finish(struct corrections *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        make_fit(c, &c->items[i]);
    for (uint32_t i = 0; i < c->count; i++) {
        struct correction *item = &c->items[i];
        if (item->term_cap == item->term_count)
            continue;
        item->term_cap = item->term_count;
        if (item->term_cap > 0) {
            item->terms = xrealloc(item->terms, item->term_cap * sizeof *item->terms);
        } else {
            free(item->terms);
            item->terms = NULL;
        }
    }
}

int64_t correction_at(const struct corrections *c, struct correction *item, int64_t now_ms,
    int64_t *live, int64_t *doubts)
{
    int64_t width_ms = (int64_t)c->width * SECOND_MS;
    while (item->next < item->term_count &&
           ((int64_t)item->terms[item->next].at + 1) * width_ms <= now_ms) {
        const struct term *over = &item->terms[item->next++];
        item->live += (int64_t)over->plus - (int64_t)over->minus;
    }
    *live = item->live;
    *doubts = item->doubts;
    if (item->next == item->term_count)
        return INT64_MAX;
    const struct term *t = &item->terms[item->next];
    int64_t from = (int64_t)t->at * width_ms;
    if (from > now_ms)
        return from;
    *doubts += t->plus;
    if (c->width > 1) {
        *live -= t->minus;
        *doubts += t->minus;
    }
    return from + width_ms;
}
