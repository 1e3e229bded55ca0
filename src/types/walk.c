// walk: the keys of one database in order, for SCAN, KEYS and RANDOMKEY.
//
// A walk is an engine iterator between two bounds: the first possible key (the literal prefix of a
// pattern, or the place where a cursor stands) and the first key behind the prefix. So a walk over
// `user:1*` touches what it returns and nothing else. Strings with small collections, and the heads
// of spread ones, are two kinds of entries and so two iterators, of which the lesser key is shown;
// where a database has no spread collection there is one. Expired keys are handed out marked,
// because whoever walks must be able to bound its work by what was looked at, not by what was
// found.
//
// Invariant: a key that is alive as one kind may be shown as gone by the other, which is passed
// over: each key comes once.
#include "types/walk.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "types/databases_impl.h"

enum { STRINGS, HEADS, SIDES };

// The first key behind all that begin with prefix: the last byte that can be raised is raised. A
// generation is never all 0xff.
static size_t prefix_end(uint8_t *prefix, size_t len)
{
    while (len > 0 && prefix[len - 1] == 0xff)
        len--;
    ENSURE(len > 0);
    prefix[len - 1]++;
    return len;
}

struct bounds {
    uint64_t gen;
    struct slice prefix, from;
    bool in_steps;
};

static struct slice build(struct databases *dbs, int side, uint64_t gen, struct slice key)
{
    return side == STRINGS ? keys_build(dbs, gen, key) : keys_build_head(dbs, gen, key);
}

static void open_side(struct walk *w, int number, struct databases *dbs, struct txn *txn,
    struct snapshot *snapshot, const struct bounds *b)
{
    struct walk_side *side = &w->sides[number];
    struct slice first = slice_compare(b->from, b->prefix) > 0 ? b->from : b->prefix;
    struct slice start = build(dbs, number, b->gen, first);
    size_t longest = KEY_PREFIX_LEN + b->prefix.len;
    side->from_len = start.len;
    side->from = xmalloc(start.len > longest ? start.len : longest);
    memcpy(side->from, start.data, start.len);
    size_t upper_len = prefix_end(dbs->scratch, build(dbs, number, b->gen, b->prefix).len);
    if (slice_compare(slice_of(side->from, side->from_len), slice_of(dbs->scratch, upper_len)) >
        0) {
        side->from_len = upper_len; // a place behind the prefix: nothing is left
        memcpy(side->from, dbs->scratch, upper_len);
    }
    struct iter_options options = {.lower = slice_of(side->from, side->from_len),
        .upper = slice_of(dbs->scratch, upper_len),
        .snapshot = snapshot,
        .shows_gone = b->in_steps};
    side->it = iter_open(dbs->engine, txn, &options);
    side->due = true;
}

static void open_sides(struct walk *w, struct databases *dbs, struct txn *txn,
    struct snapshot *snapshot, const struct bounds *b)
{
    open_side(w, STRINGS, dbs, txn, snapshot, b);
    // What a snapshot holds may have been flushed and forgotten since.
    if (snapshot != NULL || databases_may_spread(dbs, b->gen))
        open_side(w, HEADS, dbs, txn, snapshot, b);
}

void walk_open(
    struct walk *w, struct databases_view *v, struct slice prefix, struct slice from, bool in_steps)
{
    struct bounds b = {v->gen, prefix, from, in_steps};
    *w = (struct walk){.now_ms = v->now_ms};
    open_sides(w, v->dbs, v->txn, NULL, &b);
}

void walk_open_snapshot(struct walk *w, struct databases *dbs, struct snapshot *snapshot,
    uint64_t gen, int64_t now_ms, struct slice prefix)
{
    struct bounds b = {gen, prefix, prefix, false};
    *w = (struct walk){.now_ms = now_ms};
    open_sides(w, dbs, NULL, snapshot, &b);
}

void walk_close(struct walk *w)
{
    for (int i = 0; i < SIDES; i++) {
        if (w->sides[i].it != NULL)
            iter_close(w->sides[i].it);
        free(w->sides[i].from);
    }
    *w = (struct walk){0};
}

void walk_wait(struct walk *w, iter_ready_cb ready_cb, void *arg)
{
    struct walk_side *side = w->sides[STRINGS].waits ? &w->sides[STRINGS] : &w->sides[HEADS];
    ENSURE(side->waits);
    iter_wait(side->it, ready_cb, arg);
}

// --- Steps ---------------------------------------------------------------------------------------

static struct slice user_key(const struct walk_side *side)
{
    return slice_skip(iter_key(side->it), KEY_PREFIX_LEN);
}

// Takes what a positioning of the side came to: OK if it stands somewhere, or at its end.
static int settle(struct walk_side *side, int status)
{
    side->waits = status == WAIT;
    if (status != OK && status != END)
        return status;
    side->started = true;
    side->due = false;
    side->ended = status == END;
    return OK;
}

static int step(struct walk_side *side)
{
    if (side->it == NULL || !side->due)
        return OK;
    return settle(side, side->started ? iter_next(side->it)
                                      : iter_seek(side->it, slice_of(side->from, side->from_len)));
}

static bool stands(const struct walk_side *side)
{
    return side->it != NULL && !side->ended;
}

// What the side stands on.
static int show(struct walk *w, struct walk_side *side, struct walk_key *out)
{
    w->shown = side;
    out->key = user_key(side);
    out->gone = out->expired = iter_is_gone(side->it);
    if (out->gone)
        return OK;
    struct row row = iter_row(side->it);
    bool head = side == &w->sides[HEADS];
    if (!(head ? spread_decode(row.value, &out->value) : value_decode(row.value, &out->value)))
        return CORRUPT;
    if (!head)
        out->value.expire_ms = row.expire_ms;
    out->value.staged = false;
    out->expired = out->value.expire_ms != 0 && w->now_ms > out->value.expire_ms;
    return OK;
}

int walk_next(struct walk *w, struct walk_key *out)
{
    struct walk_side *strings = &w->sides[STRINGS], *heads = &w->sides[HEADS];
    if (w->shown != NULL)
        w->shown->due = true;
    w->shown = NULL;
    for (;;) {
        int status = step(strings), other = step(heads); // both, to be fetched together
        if (status != OK || other != OK)
            return status != OK ? status : other;
        if (!stands(strings) && !stands(heads))
            return END;
        int order = !stands(heads)     ? -1
                    : !stands(strings) ? 1
                                       : slice_compare(user_key(strings), user_key(heads));
        if (order != 0)
            return show(w, order < 0 ? strings : heads, out);
        (iter_is_gone(strings->it) ? strings : heads)->due = true;
    }
}

// --- At random -----------------------------------------------------------------------------------

static int draw(struct databases_view *v, enum key_letter kind, uint64_t seed, struct buf *out)
{
    uint8_t lower[KEY_PREFIX_LEN], upper[KEY_PREFIX_LEN];
    keys_prefix(lower, kind, v->gen);
    keys_prefix(upper, kind, v->gen + 1);
    struct draw_options options = {.lower = slice_of(lower, sizeof lower),
        .upper = slice_of(upper, sizeof upper),
        .now_ms = v->now_ms,
        .seed = seed};
    int status = txn_draw(v->txn, &options, out);
    if (out->len > 0) {
        out->len -= KEY_PREFIX_LEN;
        memmove(out->data, out->data + KEY_PREFIX_LEN, out->len);
    }
    return status;
}

// Which of the two kinds, by how many there are of each.
int walk_draw(struct databases_view *v, uint64_t seed, struct buf *out)
{
    struct random random = {seed};
    int64_t heads = 0, all = 1;
    if (databases_may_spread(v->dbs, v->gen)) {
        uint8_t prefix[KEY_PREFIX_LEN];
        keys_prefix(prefix, KIND_HEAD, v->gen);
        txn_count(v->txn, slice_of(prefix, sizeof prefix), &heads, NULL);
        all = databases_key_count(v, v->db, NULL);
    }
    bool head = heads > 0 && random_below(&random, (uint64_t)all) < (uint64_t)heads;
    if (!head)
        return draw(v, KIND_STRING, random_next(&random), out);
    struct value found;
    int status = draw(v, KIND_HEAD, random_next(&random), out);
    if (status == OK)
        status = spread_find(v, buf_slice(out), &found);
    bool expired = status == OK && found.expire_ms != 0 && v->now_ms > found.expire_ms;
    return expired ? NOT_FOUND : status;
}
