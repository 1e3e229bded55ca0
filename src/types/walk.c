// walk: the keys of one database in order, for SCAN, KEYS and RANDOMKEY.
//
// A walk is an engine iterator between two bounds: the first possible key (the literal prefix of a
// pattern, or the place where a cursor stands) and the first key behind the prefix. So a walk over
// `user:1*` touches what it returns and nothing else. Expired keys are handed out marked, because
// whoever walks must be able to bound its work by what was looked at, not by what was found. A view
// is one attempt's: only the kind K is walked; collections will be merged in here, each key at most
// once either way.
#include "types/walk.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "types/databases_impl.h"

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

static void open_bounded(struct walk *w, struct databases *dbs, struct txn *txn,
    struct snapshot *snapshot, uint64_t gen, struct slice prefix, struct slice from, bool in_steps)
{
    struct slice start = keys_build(dbs, gen, slice_compare(from, prefix) > 0 ? from : prefix);
    w->from_len = start.len;
    w->from =
        xmalloc(start.len > KEY_PREFIX_LEN + prefix.len ? start.len : KEY_PREFIX_LEN + prefix.len);
    memcpy(w->from, start.data, start.len);
    size_t upper_len = prefix_end(dbs->scratch, keys_build(dbs, gen, prefix).len);
    if (slice_compare(slice_of(w->from, w->from_len), slice_of(dbs->scratch, upper_len)) > 0) {
        w->from_len = upper_len; // a place behind the prefix: nothing is left
        memcpy(w->from, dbs->scratch, upper_len);
    }
    struct iter_options options = {.lower = slice_of(w->from, w->from_len),
        .upper = slice_of(dbs->scratch, upper_len),
        .snapshot = snapshot,
        .shows_gone = in_steps};
    w->it = iter_open(dbs->engine, txn, &options);
    w->started = false;
}

void walk_open(
    struct walk *w, struct databases_view *v, struct slice prefix, struct slice from, bool in_steps)
{
    w->now_ms = v->now_ms;
    open_bounded(w, v->dbs, v->txn, NULL, v->gen, prefix, from, in_steps);
}

void walk_open_snapshot(struct walk *w, struct databases *dbs, struct snapshot *snapshot,
    uint64_t gen, int64_t now_ms, struct slice prefix)
{
    w->now_ms = now_ms;
    open_bounded(w, dbs, NULL, snapshot, gen, prefix, prefix, false);
}

void walk_close(struct walk *w)
{
    iter_close(w->it);
    free(w->from);
    *w = (struct walk){0};
}

// What the iterator stands on, if positioning it went well.
static int current(struct walk *w, int status, struct walk_key *out)
{
    if (status != OK)
        return status;
    w->started = true;
    out->key = slice_skip(iter_key(w->it), KEY_PREFIX_LEN);
    out->gone = out->expired = iter_is_gone(w->it);
    if (out->gone)
        return OK;
    struct row row = iter_row(w->it);
    if (!value_decode(row.value, &out->value))
        return CORRUPT;
    out->value.expire_ms = row.expire_ms;
    out->value.staged = false;
    out->expired = row.expire_ms != 0 && w->now_ms > row.expire_ms;
    return OK;
}

int walk_next(struct walk *w, struct walk_key *out)
{
    int status = w->started ? iter_next(w->it) : iter_seek(w->it, slice_of(w->from, w->from_len));
    return current(w, status, out);
}

int walk_draw(struct databases_view *v, uint64_t seed, struct buf *out)
{
    uint8_t lower[KEY_PREFIX_LEN], upper[KEY_PREFIX_LEN];
    keys_prefix(lower, KIND_STRING, v->gen);
    keys_prefix(upper, KIND_STRING, v->gen);
    struct draw_options options = {.lower = slice_of(lower, sizeof lower),
        .upper = slice_of(upper, prefix_end(upper, sizeof upper)),
        .now_ms = v->now_ms,
        .seed = seed};
    int status = txn_draw(v->txn, &options, out);
    if (out->len > 0) {
        out->len -= KEY_PREFIX_LEN;
        memmove(out->data, out->data + KEY_PREFIX_LEN, out->len);
    }
    return status;
}
