// keys: how the engine's keys are spelled, and what is done to one key.
//
// Problem: kinds of entries that the engine knows nothing of share its one order of bytes, and what
// a kind is (counted, expiring, emptied with its database) must not be said in five places. Idea:
// one table of kinds, and every engine key is built and taken apart here.
//
// A user's key `cat` in a database of generation 5 is the engine's key
//     'K'  00 00 00 00 00 00 00 05  'c' 'a' 't'
// and its value is one header byte (value.h) and the string. Kind and generation have a fixed
// width, so the keys of a database are one range, in the order of their bytes.
//
// Expiry: a key is alive while now <= expire_ms, as in Redis. Whoever comes across an expired one
// stages its deletion, unless the engine takes no writes: the reader is not to be failed for a
// courtesy.
//
// Invariant: what a lookup returns may lie in the attempt's own batch, and staging moves that:
// keys_put copies such bytes before it stages them again. What can fail: reads WAIT or fail as the
// engine says; a value whose header is none of ours is CORRUPT.
#include "types/keys.h"

#include "base/coding.h"
#include "base/ensure.h"
#include "types/databases_impl.h"

enum { COPY_KEPT = 64 * 1024 };

const struct key_kind key_kinds[] = {
    // Written by keys_put: every string, whole.
    {.letter = KIND_STRING, .counted = true, .expires = true, .flushed = true},
    // Nobody yet, and so for the next two: the heads of collections, small ones whole.
    {.letter = KIND_HEAD, .counted = true, .flushed = true},
    // Everything else of a collection, by its id. To be flushed once there are any.
    {.letter = KIND_ELEMENT},
    // When collections expire. To be flushed once there are any.
    {.letter = KIND_EXPIRY},
    // Written by databases.c: the mapping, and SCAN's cursors. Of no database.
    {.letter = KIND_META},
    {.letter = 0},
};

// --- Spelling ------------------------------------------------------------------------------------

void keys_prefix(uint8_t out[KEY_PREFIX_LEN], enum key_letter kind, uint64_t gen)
{
    out[0] = (uint8_t)kind;
    put_be64(out + 1, gen);
}

uint64_t keys_generation(struct slice prefix)
{
    return get_be64(prefix.data + 1);
}

struct slice keys_build(struct databases *dbs, uint64_t gen, struct slice key)
{
    ENSURE(key.len <= KEY_MAX);
    keys_prefix(dbs->scratch, KIND_STRING, gen);
    if (key.len > 0)
        memcpy(dbs->scratch + KEY_PREFIX_LEN, key.data, key.len);
    return slice_of(dbs->scratch, KEY_PREFIX_LEN + key.len);
}

bool keys_take_apart(struct slice engine_key, uint64_t *gen, struct slice *key)
{
    if (engine_key.len < KEY_PREFIX_LEN || engine_key.data[0] != KIND_STRING)
        return false;
    *gen = keys_generation(engine_key);
    *key = slice_skip(engine_key, KEY_PREFIX_LEN);
    return true;
}

size_t keys_counted_prefix(struct slice engine_key)
{
    if (engine_key.len < KEY_PREFIX_LEN)
        return 0;
    for (const struct key_kind *kind = key_kinds; kind->letter != 0; kind++)
        if (kind->letter == engine_key.data[0])
            return kind->counted ? KEY_PREFIX_LEN : 0;
    return 0;
}

struct slice keys_engine_key(struct databases *dbs, int db, struct slice key)
{
    return keys_build(dbs, dbs->gens[db], key);
}

bool keys_user_key(
    const struct databases_view *v, bool after, struct slice engine_key, int *db, struct slice *key)
{
    uint64_t gen;
    if (!keys_take_apart(engine_key, &gen, key))
        return false;
    *db = databases_find(v, after, gen);
    return *db >= 0;
}

// --- One key -------------------------------------------------------------------------------------

static bool has_expired(int64_t now_ms, int64_t expire_ms)
{
    return expire_ms != 0 && now_ms > expire_ms;
}

// What follows from a lookup: its status, with what has expired hidden.
static int conclude(
    struct databases_view *v, enum lookup how, struct slice key, int status, bool expired)
{
    if (status == OK && expired) {
        status = NOT_FOUND;
        if (how != LOOKUP_QUIET && !v->frozen) {
            txn_delete(v->txn, keys_build(v->dbs, v->gen, key));
            v->expired++;
        }
    }
    if (how == LOOKUP_READ) {
        v->hits += status == OK;
        v->misses += status == NOT_FOUND;
    }
    return status;
}

int keys_get(struct databases_view *v, enum lookup how, struct slice key, struct value *out)
{
    struct row row;
    bool expired = false;
    int status = txn_get(v->txn, keys_build(v->dbs, v->gen, key), &row);
    if (status == OK) {
        if (!value_decode(row.value, out))
            return CORRUPT;
        out->expire_ms = row.expire_ms;
        out->staged = row.seq == 0;
        expired = has_expired(v->now_ms, row.expire_ms);
    }
    return conclude(v, how, key, status, expired);
}

int keys_peek(struct databases_view *v, struct slice key, struct value_fact *out, bool *expired)
{
    struct fact fact;
    int status = txn_get_fact(v->txn, keys_build(v->dbs, v->gen, key), &fact);
    if (status != OK)
        return status;
    if (fact.value_len == 0 || !value_decode_header(fact.head[0], &out->type, &out->form))
        return CORRUPT;
    out->len = fact.value_len - 1;
    out->expire_ms = fact.expire_ms;
    *expired = has_expired(v->now_ms, fact.expire_ms);
    return OK;
}

int keys_get_fact(
    struct databases_view *v, enum lookup how, struct slice key, struct value_fact *out)
{
    bool expired = false;
    int status = keys_peek(v, key, out, &expired);
    return conclude(v, how, key, status, expired);
}

int keys_read_at(struct databases *dbs, struct reader *reader, uint64_t gen, int64_t now_ms,
    struct slice key, struct value *out)
{
    struct row row;
    int status = reader_get(reader, keys_build(dbs, gen, key), &row);
    if (status != OK)
        return status;
    if (!value_decode(row.value, out))
        return CORRUPT;
    out->expire_ms = row.expire_ms;
    out->staged = false;
    return has_expired(now_ms, row.expire_ms) ? NOT_FOUND : OK;
}

void keys_put(struct databases_view *v, struct slice key, const struct value *value)
{
    uint8_t header = value_header(value);
    struct slice bytes = value->bytes;
    if (value->staged) { // staging may move the batch that it lies in
        buf_clear(&v->dbs->copy);
        buf_append_slice(&v->dbs->copy, bytes);
        bytes = buf_slice(&v->dbs->copy);
    }
    txn_put(v->txn, keys_build(v->dbs, v->gen, key), slice_of(&header, 1), bytes, value->expire_ms);
    v->changes++;
    if (value->staged)
        buf_shrink(&v->dbs->copy, COPY_KEPT);
}

void keys_delete(struct databases_view *v, struct slice key, enum value_type found)
{
    keys_delete_moved(v, key, found);
    v->changes++;
}

void keys_delete_moved(struct databases_view *v, struct slice key, enum value_type found)
{
    ENSURE(found == TYPE_STRING);
    txn_delete(v->txn, keys_build(v->dbs, v->gen, key));
}

void keys_expire(
    struct databases_view *v, struct slice key, const struct value *found, int64_t expire_ms)
{
    struct value changed = *found;
    changed.expire_ms = expire_ms;
    keys_put(v, key, &changed);
}

void keys_rename(
    struct databases_view *v, struct slice from, struct slice to, const struct value *found)
{
    keys_put(v, to, found);
    txn_delete(v->txn, keys_build(v->dbs, v->gen, from));
}
