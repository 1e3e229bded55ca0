// members: fields and values, or members alone, under one key.
//
// Problem: most hashes and sets have a dozen members and are read and written whole; some have ten
// million. One form cannot serve both. Idea: up to Redis' own thresholds, and up to 4 KiB, one is
// one value, its strings in turn (packed.h); a change rewrites it. Beyond, its members are elements
// of a spread collection (spread.h), and a change touches one of them and the head, which counts
// them. What has been spread is never packed again, as in Redis.
//
// Redis' thresholds are about what OBJECT ENCODING says, the 4 KiB about what a write costs: a
// hash of 500 fields of 20 bytes is "listpack" by the former and spread by the latter. So whether
// the thresholds were ever passed is remembered: by a spread one in its head, by a packed set,
// which is an "intset" until a member is no integer, in the form of its value. A packed set of
// integers is kept in their order, as Redis shows it.
//
// The count is exact, because a write of a member asks whether it is there, which for one that is
// not costs filters and no block. One that was spread by this very attempt has a new id, below
// which the engine holds nothing: there an unknown member is absent, and nobody waits.
//
// Invariant: between open and close `packed` is the whole truth of a packed one, and the batch that
// of a spread one but for its head. What can fail: reads wait or fail as the engine says; packed
// bytes that are no whole members are CORRUPT.
#include "types/members.h"

#include "base/ensure.h"
#include "types/databases_impl.h"
#include "types/packed.h"

enum { KEPT_SCRATCH = 64 * 1024 };

bool members_is_spread(const struct members *h)
{
    return h->value.spread.id != 0;
}

void members_new(
    struct members *h, struct databases_view *v, struct slice key, enum value_type kind)
{
    *h = (struct members){.view = v,
        .key = key,
        .kind = kind,
        .width = kind == TYPE_HASH ? 2 : 1,
        .value = {.type = kind}};
}

int members_open(struct members *h, struct databases_view *v, enum lookup how, struct slice key,
    enum value_type kind)
{
    struct value found;
    members_new(h, v, key, kind);
    int status = keys_get(v, how, key, &found);
    if (status != OK)
        return status;
    h->type = found.type;
    if (h->type != kind)
        return OK;
    h->value = found;
    h->was_spread = members_is_spread(h);
    h->was_packed = !h->was_spread;
    h->outgrown = h->was_spread ? found.spread.outgrown : found.form != FORM_ENCODED;
    h->packed = found.bytes;
    h->count = found.spread.count;
    if (h->was_packed && !packed_check(h->packed, h->width, &h->count))
        return CORRUPT;
    return OK;
}

// --- Reading -------------------------------------------------------------------------------------

static struct slice element(struct members *h, struct slice field)
{
    return spread_element(h->view, h->value.spread.id, SPREAD_ELEMENT, field);
}

// Where the field's value stands in the packed bytes; false: it is not there.
static bool find_packed(const struct members *h, struct slice field, size_t *value_at)
{
    size_t at = packed_find(h->packed, h->width, field);
    if (at == h->packed.len)
        return false;
    *value_at = packed_skip(h->packed, at, 1);
    return true;
}

int members_get(struct members *h, struct slice field, struct slice *value)
{
    size_t at;
    struct row row;
    if (!members_is_spread(h)) {
        if (!find_packed(h, field, &at))
            return NOT_FOUND;
        *value = slice_of(NULL, 0);
        if (h->width > 1)
            packed_next(h->packed, &at, value);
        return OK;
    }
    if (field.len > KEY_MAX)
        return NOT_FOUND;
    int status = txn_get(h->view->txn, element(h, field), &row);
    if (status == OK)
        *value = row.value;
    return status == WAIT && h->fresh ? NOT_FOUND : status;
}

int members_get_len(struct members *h, struct slice field, uint64_t *len)
{
    struct slice value;
    struct fact fact;
    if (!members_is_spread(h)) {
        int status = members_get(h, field, &value);
        *len = status == OK ? value.len : 0;
        return status;
    }
    if (field.len > KEY_MAX)
        return NOT_FOUND;
    int status = txn_get_fact(h->view->txn, element(h, field), &fact);
    if (status == OK)
        *len = fact.value_len;
    return status == WAIT && h->fresh ? NOT_FOUND : status;
}

// --- Changing ------------------------------------------------------------------------------------

// The packed bytes in a buffer of our own.
static struct buf *own(struct members *h)
{
    struct buf *b = &h->view->dbs->packed;
    if (!h->owned) {
        buf_clear(b);
        buf_append_slice(b, h->packed);
        h->owned = true;
    }
    return b;
}

static void put_element(struct members *h, struct slice field, struct slice value)
{
    txn_put(h->view->txn, element(h, field), value, slice_of(NULL, 0), 0);
}

static void spread_out(struct members *h)
{
    struct slice field, value = slice_of(NULL, 0);
    struct slice bytes = buf_slice(own(h)); // staging moves the batch, in which they may lie
    h->value.spread.id = spread_take_id(h->view);
    h->fresh = h->changed = true;
    for (size_t at = 0; packed_next(bytes, &at, &field);) {
        if (h->width > 1)
            packed_next(bytes, &at, &value);
        put_element(h, field, value);
    }
    h->packed = slice_of(NULL, 0);
}

void members_expect(struct members *h, size_t field_len, size_t value_len)
{
    const struct databases_limits *limits = &h->view->dbs->limits;
    if (field_len <= limits->hash_max_value && value_len <= limits->hash_max_value)
        return;
    h->outgrown = true;
    if (!members_is_spread(h))
        spread_out(h);
}

static int set_spread(struct members *h, struct slice field, struct slice value, bool *added)
{
    uint64_t ignored;
    int status = members_get_len(h, field, &ignored);
    if (status != OK && status != NOT_FOUND)
        return status;
    *added = status == NOT_FOUND;
    h->count += *added;
    put_element(h, field, value);
    return OK;
}

// Where a new member of a packed set belongs: integers stand in their order.
static size_t place_of(const struct members *h, struct slice member)
{
    int64_t number, other;
    struct slice string;
    if (h->kind != TYPE_SET || h->outgrown || !value_is_integer(member, &number))
        return h->packed.len;
    for (size_t at = 0;;) {
        size_t here = at;
        if (!packed_next(h->packed, &at, &string) ||
            (value_is_integer(string, &other) && other > number))
            return here;
    }
}

static void set_packed(struct members *h, struct slice field, struct slice value, bool *added)
{
    struct buf *b = own(h);
    size_t at;
    h->packed = buf_slice(b);
    *added = !find_packed(h, field, &at);
    if (*added) {
        at = place_of(h, field);
        packed_insert(b, at, field);
        if (h->width > 1)
            packed_append(b, value);
    } else if (h->width > 1) {
        packed_replace(b, at, value);
    }
    h->packed = buf_slice(b);
    h->count += *added;
}

// What Redis would not keep as it is.
static void check_limits(struct members *h)
{
    const struct databases_limits *limits = &h->view->dbs->limits;
    h->outgrown |=
        h->count > (h->kind == TYPE_HASH ? limits->hash_max_entries : limits->set_max_integers);
}

int members_set(struct members *h, struct slice field, struct slice value, bool *added)
{
    int status = OK;
    int64_t ignored;
    if (h->kind == TYPE_HASH)
        members_expect(h, field.len, value.len);
    else if (!h->outgrown && !value_is_integer(field, &ignored))
        h->outgrown = true;
    if (members_is_spread(h))
        status = set_spread(h, field, value, added);
    else
        set_packed(h, field, value, added);
    if (status != OK)
        return status;
    if (*added || h->kind == TYPE_HASH) { // a set that has the member already does not change
        h->changed = true;
        h->view->changes++;
    }
    check_limits(h);
    bool leaves = h->kind == TYPE_HASH && h->outgrown;
    if (!members_is_spread(h) && (leaves || h->packed.len > PACKED_BYTES_MAX))
        spread_out(h);
    return OK;
}

int members_remove(struct members *h, struct slice field)
{
    uint64_t ignored;
    if (members_is_spread(h)) {
        int status = members_get_len(h, field, &ignored);
        if (status != OK)
            return status;
        txn_delete(h->view->txn, element(h, field));
    } else {
        struct buf *b = own(h);
        h->packed = buf_slice(b);
        size_t at = packed_find(h->packed, h->width, field);
        if (at == h->packed.len)
            return NOT_FOUND;
        packed_remove(b, at, h->width);
        h->packed = buf_slice(b);
    }
    h->changed = true;
    h->view->changes++;
    h->count--;
    return OK;
}

static void close_spread(struct members *h)
{
    struct databases_view *v = h->view;
    h->value.spread.count = h->count;
    h->value.spread.outgrown = h->outgrown;
    h->value.form = FORM_ENCODED;
    if (h->was_packed)
        txn_delete(v->txn, keys_build(v->dbs, v->gen, h->key));
    if (h->count > 0) {
        if (!h->was_spread)
            spread_arm(v, h->key, &h->value);
        spread_put(v, h->key, &h->value);
    } else if (h->was_spread) {
        spread_delete_head(v, h->key, &h->value.spread);
    }
}

// Each member is a change of its own, as in Redis, and the whole none besides.
void members_close(struct members *h)
{
    struct databases_view *v = h->view;
    uint64_t changes = v->changes;
    if (!h->changed)
        return;
    if (members_is_spread(h)) {
        close_spread(h);
    } else if (h->count > 0) {
        h->value.bytes = h->packed;
        h->value.form = h->kind == TYPE_SET && h->outgrown ? FORM_TEXT : FORM_ENCODED;
        h->value.staged = false; // they lie in our buffer
        keys_put(v, h->key, &h->value);
    } else if (h->was_packed) {
        keys_delete(v, h->key, &h->value.spread);
    }
    v->changes = changes;
    buf_shrink(&v->dbs->packed, KEPT_SCRATCH);
    h->changed = false;
}

int members_replace(struct members *h, bool *replaced)
{
    struct databases_view *v = h->view;
    struct value_fact there;
    int status = keys_get_fact(v, LOOKUP_WRITE, h->key, &there);
    if (status == OK)
        keys_delete_moved(v, h->key, &there.spread);
    if (status != OK && status != NOT_FOUND)
        return status;
    *replaced = status == OK;
    members_close(h);
    return OK;
}

// --- Walking -------------------------------------------------------------------------------------

void members_walk_open(struct members_walk *w, struct members *h, struct slice from)
{
    *w = (struct members_walk){.members = h};
    ENSURE(!h->changed);
    if (members_is_spread(h))
        spread_walk_open(&w->spread, h->view, h->value.spread.id, SPREAD_ELEMENT, from);
}

int members_walk_next(struct members_walk *w, struct slice *field, struct slice *value)
{
    const struct members *h = w->members;
    *value = slice_of(NULL, 0);
    if (members_is_spread(h))
        return spread_walk_next(&w->spread, field, value);
    if (!packed_next(h->packed, &w->at, field))
        return END;
    if (h->width > 1)
        packed_next(h->packed, &w->at, value);
    return OK;
}

void members_walk_close(struct members_walk *w)
{
    if (members_is_spread(w->members))
        spread_walk_close(&w->spread);
}

int members_draw(struct members *h, uint64_t seed, struct buf *field)
{
    uint8_t upper[SPREAD_PREFIX_LEN];
    struct slice lower = element(h, slice_of(NULL, 0));
    memcpy(upper, lower.data, sizeof upper);
    upper[SPREAD_PREFIX_LEN - 1]++;
    struct draw_options options = {.lower = lower,
        .upper = slice_of(upper, sizeof upper),
        .now_ms = h->view->now_ms,
        .seed = seed};
    int status = txn_draw(h->view->txn, &options, field);
    if (status == OK)
        buf_consume(field, SPREAD_PREFIX_LEN);
    return status;
}
