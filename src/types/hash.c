// hash: fields and values under one key.
//
// Problem: most hashes have a dozen fields and are read and written whole; some have ten million.
// One form cannot serve both. Idea: up to Redis' own thresholds, and up to 4 KiB, a hash is one
// value of fields and values in turn (packed.h); a change rewrites it. Beyond, its fields are
// elements of a spread collection (spread.h), and a change touches one of them and the head, which
// counts them. What has been spread is never packed again, as in Redis.
//
// Redis' thresholds are about what OBJECT ENCODING says, the 4 KiB about what a write costs: a
// hash of 500 fields of 20 bytes is "listpack" by the former and spread by the latter. So the head
// remembers whether the thresholds were ever passed.
//
// The count is exact, because a write of a field asks whether it is there, which for a field that
// is not costs filters and no block. A hash that was spread by this very attempt has a new id,
// below which the engine holds nothing: there an unknown field is absent, and nobody waits.
//
// Invariant: between open and close `packed` is the whole truth of a packed hash, and the batch
// that of a spread one but for its head. What can fail: reads wait or fail as the engine says;
// packed bytes that are no pairs are CORRUPT.
#include "types/hash.h"

#include "base/ensure.h"
#include "types/databases_impl.h"
#include "types/packed.h"

enum { PAIR = 2, KEPT_SCRATCH = 64 * 1024 };

bool hash_is_spread(const struct hash *h)
{
    return h->value.spread.id != 0;
}

int hash_open(struct hash *h, struct databases_view *v, enum lookup how, struct slice key)
{
    *h = (struct hash){.view = v, .key = key};
    int status = keys_get(v, how, key, &h->value);
    if (status == NOT_FOUND)
        h->value = (struct value){.type = TYPE_HASH};
    if (status != OK)
        return status;
    h->type = h->value.type;
    if (h->type != TYPE_HASH)
        return OK;
    h->was_spread = hash_is_spread(h);
    h->was_packed = !h->was_spread;
    h->packed = h->value.bytes;
    h->count = h->value.spread.count;
    if (h->was_packed && !packed_check(h->packed, PAIR, &h->count))
        return CORRUPT;
    return OK;
}

// --- Reading -------------------------------------------------------------------------------------

static struct slice element(struct hash *h, struct slice field)
{
    return spread_element(h->view, h->value.spread.id, SPREAD_ELEMENT, field);
}

// Where the field's value stands in the packed bytes; false: it is not there.
static bool find_packed(const struct hash *h, struct slice field, size_t *value_at)
{
    size_t at = packed_find(h->packed, PAIR, field);
    if (at == h->packed.len)
        return false;
    *value_at = packed_skip(h->packed, at, 1);
    return true;
}

int hash_get(struct hash *h, struct slice field, struct slice *value)
{
    size_t at;
    struct row row;
    if (!hash_is_spread(h))
        return find_packed(h, field, &at) && packed_next(h->packed, &at, value) ? OK : NOT_FOUND;
    if (field.len > KEY_MAX)
        return NOT_FOUND;
    int status = txn_get(h->view->txn, element(h, field), &row);
    if (status == OK)
        *value = row.value;
    return status == WAIT && h->fresh ? NOT_FOUND : status;
}

int hash_get_len(struct hash *h, struct slice field, uint64_t *len)
{
    struct slice value;
    struct fact fact;
    if (!hash_is_spread(h)) {
        int status = hash_get(h, field, &value);
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
static struct buf *own(struct hash *h)
{
    struct buf *b = &h->view->dbs->packed;
    if (!h->owned) {
        buf_clear(b);
        buf_append_slice(b, h->packed);
        h->owned = true;
    }
    return b;
}

static void put_element(struct hash *h, struct slice field, struct slice value)
{
    txn_put(h->view->txn, element(h, field), value, slice_of(NULL, 0), 0);
}

static void spread_out(struct hash *h)
{
    struct slice field, value;
    struct slice bytes = buf_slice(own(h)); // staging moves the batch, in which they may lie
    h->value.spread.id = spread_take_id(h->view);
    h->fresh = h->changed = true;
    for (size_t at = 0; packed_next(bytes, &at, &field) && packed_next(bytes, &at, &value);)
        put_element(h, field, value);
    h->packed = slice_of(NULL, 0);
}

void hash_expect(struct hash *h, size_t field_len, size_t value_len)
{
    const struct databases_limits *limits = &h->view->dbs->limits;
    if (field_len <= limits->hash_max_value && value_len <= limits->hash_max_value)
        return;
    h->value.spread.outgrown = true;
    if (!hash_is_spread(h))
        spread_out(h);
}

static int set_spread(struct hash *h, struct slice field, struct slice value, bool *added)
{
    uint64_t ignored;
    int status = hash_get_len(h, field, &ignored);
    if (status != OK && status != NOT_FOUND)
        return status;
    *added = status == NOT_FOUND;
    h->count += *added;
    put_element(h, field, value);
    return OK;
}

static void set_packed(struct hash *h, struct slice field, struct slice value, bool *added)
{
    struct buf *b = own(h);
    size_t at;
    h->packed = buf_slice(b);
    *added = !find_packed(h, field, &at);
    if (*added) {
        packed_append(b, field);
        packed_append(b, value);
    } else {
        packed_replace(b, at, value);
    }
    h->packed = buf_slice(b);
    h->count += *added;
}

int hash_set(struct hash *h, struct slice field, struct slice value, bool *added)
{
    int status = OK;
    hash_expect(h, field.len, value.len);
    h->changed = true;
    h->view->changes++;
    if (hash_is_spread(h))
        status = set_spread(h, field, value, added);
    else
        set_packed(h, field, value, added);
    if (h->count > h->view->dbs->limits.hash_max_entries)
        h->value.spread.outgrown = true;
    if (!hash_is_spread(h) && (h->value.spread.outgrown || h->packed.len > PACKED_BYTES_MAX))
        spread_out(h);
    return status;
}

int hash_remove(struct hash *h, struct slice field)
{
    uint64_t ignored;
    if (hash_is_spread(h)) {
        int status = hash_get_len(h, field, &ignored);
        if (status != OK)
            return status;
        txn_delete(h->view->txn, element(h, field));
    } else {
        struct buf *b = own(h);
        h->packed = buf_slice(b);
        size_t at = packed_find(h->packed, PAIR, field);
        if (at == h->packed.len)
            return NOT_FOUND;
        packed_remove(b, at, PAIR);
        h->packed = buf_slice(b);
    }
    h->changed = true;
    h->view->changes++;
    h->count--;
    return OK;
}

static void close_spread(struct hash *h)
{
    struct databases_view *v = h->view;
    h->value.spread.count = h->count;
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

// Each field is a change of its own, as in Redis, and the hash none besides.
void hash_close(struct hash *h)
{
    struct databases_view *v = h->view;
    uint64_t changes = v->changes;
    if (!h->changed)
        return;
    if (hash_is_spread(h)) {
        close_spread(h);
    } else if (h->count > 0) {
        h->value.bytes = h->packed;
        h->value.staged = false; // they lie in our buffer
        keys_put(v, h->key, &h->value);
    } else if (h->was_packed) {
        keys_delete(v, h->key, &h->value.spread);
    }
    v->changes = changes;
    buf_shrink(&v->dbs->packed, KEPT_SCRATCH);
    h->changed = false;
}

// --- Walking -------------------------------------------------------------------------------------

void hash_walk_open(struct hash_walk *w, struct hash *h, struct slice from)
{
    *w = (struct hash_walk){.hash = h};
    ENSURE(!h->changed);
    if (hash_is_spread(h))
        spread_walk_open(&w->spread, h->view, h->value.spread.id, SPREAD_ELEMENT, from);
}

int hash_walk_next(struct hash_walk *w, struct slice *field, struct slice *value)
{
    if (hash_is_spread(w->hash))
        return spread_walk_next(&w->spread, field, value);
    return packed_next(w->hash->packed, &w->at, field) &&
                   packed_next(w->hash->packed, &w->at, value)
               ? OK
               : END;
}

void hash_walk_close(struct hash_walk *w)
{
    if (hash_is_spread(w->hash))
        spread_walk_close(&w->spread);
}

int hash_draw(struct hash *h, uint64_t seed, struct buf *field)
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
