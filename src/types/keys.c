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
#include "types/spread.h"

enum { COPY_KEPT = 64 * 1024 };

const struct key_kind key_kinds[] = {
    // Written by keys_put: every string and small collection, whole.
    {.letter = KIND_STRING, .counted = true, .expires = true, .flushed = true},
    // Written by spread.c: the heads of large collections,
    {.letter = KIND_HEAD, .counted = true, .flushed = true},
    // everything else of them, by its id,
    {.letter = KIND_ELEMENT, .flushed = true},
    // and when they expire.
    {.letter = KIND_EXPIRY, .flushed = true},
    // Written by databases.c: the mapping, ids, and SCAN's cursors. Of no database.
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

static struct slice build(
    struct databases *dbs, enum key_letter kind, uint64_t gen, size_t gap, struct slice key)
{
    ENSURE(key.len <= KEY_MAX);
    keys_prefix(dbs->scratch, kind, gen);
    if (key.len > 0)
        memcpy(dbs->scratch + KEY_PREFIX_LEN + gap, key.data, key.len);
    return slice_of(dbs->scratch, KEY_PREFIX_LEN + gap + key.len);
}

struct slice keys_build(struct databases *dbs, uint64_t gen, struct slice key)
{
    return build(dbs, KIND_STRING, gen, 0, key);
}

struct slice keys_build_head(struct databases *dbs, uint64_t gen, struct slice key)
{
    return build(dbs, KIND_HEAD, gen, 0, key);
}

struct slice keys_build_expiry(
    struct databases *dbs, uint64_t gen, int64_t expire_ms, struct slice key)
{
    struct slice built = build(dbs, KIND_EXPIRY, gen, EXPIRY_TIME_LEN, key);
    put_be64(dbs->scratch + KEY_PREFIX_LEN, (uint64_t)expire_ms);
    return built;
}

bool keys_take_apart(struct slice engine_key, uint64_t *gen, struct slice *key)
{
    if (engine_key.len < KEY_PREFIX_LEN ||
        (engine_key.data[0] != KIND_STRING && engine_key.data[0] != KIND_HEAD))
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
static int conclude(struct databases_view *v, enum lookup how, struct slice key, int status,
    bool expired, const struct spread *spread)
{
    if (status == OK && expired) {
        status = NOT_FOUND;
        if (how != LOOKUP_QUIET && !v->frozen) {
            keys_delete_moved(v, key, spread); // no command has changed it
            v->expired++;
        }
    }
    if (how == LOOKUP_READ) {
        v->hits += status == OK;
        v->misses += status == NOT_FOUND;
    }
    return status;
}

// A key that is no string and no small collection may be a spread one. A string that must be waited
// for is no reason not to ask: what is missing is then fetched together.
static int find_spread(struct databases_view *v, struct slice key, int status, struct value *out)
{
    if ((status != NOT_FOUND && status != WAIT) || !spread_possible(v, key))
        return status;
    int other = spread_find(v, key, out);
    return other == NOT_FOUND ? status : other;
}

// Shows what has expired.
static int find(struct databases_view *v, struct slice key, struct value *out)
{
    struct row row;
    int status = txn_get(v->txn, keys_build(v->dbs, v->gen, key), &row);
    if (status != OK)
        return find_spread(v, key, status, out);
    if (!value_decode(row.value, out))
        return CORRUPT;
    out->expire_ms = row.expire_ms;
    out->staged = row.seq == 0;
    return OK;
}

int keys_get(struct databases_view *v, enum lookup how, struct slice key, struct value *out)
{
    int status = find(v, key, out);
    bool expired = status == OK && has_expired(v->now_ms, out->expire_ms);
    return conclude(v, how, key, status, expired, &out->spread);
}

static void tell(const struct value *value, struct value_fact *out)
{
    *out = (struct value_fact){.type = value->type,
        .form = value->form,
        .len = value->bytes.len,
        .expire_ms = value->expire_ms,
        .spread = value->spread};
}

int keys_peek(struct databases_view *v, struct slice key, struct value_fact *out, bool *expired)
{
    struct fact fact;
    struct value head;
    int status = txn_get_fact(v->txn, keys_build(v->dbs, v->gen, key), &fact);
    if (status != OK) {
        status = find_spread(v, key, status, &head);
        if (status == OK)
            tell(&head, out);
    } else {
        *out = (struct value_fact){.expire_ms = fact.expire_ms};
        if (fact.value_len == 0 || !value_decode_header(fact.head[0], &out->type, &out->form))
            return CORRUPT;
        out->len = fact.value_len - 1;
    }
    *expired = status == OK && has_expired(v->now_ms, out->expire_ms);
    return status;
}

int keys_get_fact(
    struct databases_view *v, enum lookup how, struct slice key, struct value_fact *out)
{
    bool expired = false;
    int status = keys_peek(v, key, out, &expired);
    return conclude(v, how, key, status, expired, &out->spread);
}

int keys_make_way(struct databases_view *v, struct slice key)
{
    struct value head;
    if (!spread_possible(v, key))
        return OK;
    int status = spread_find(v, key, &head);
    if (status == OK)
        spread_delete(v, key, &head.spread);
    return status == NOT_FOUND ? OK : status;
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
    ENSURE(value->spread.id == 0);
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

void keys_delete(struct databases_view *v, struct slice key, const struct spread *found)
{
    keys_delete_moved(v, key, found);
    v->changes++;
}

void keys_delete_moved(struct databases_view *v, struct slice key, const struct spread *found)
{
    if (found->id != 0)
        spread_delete(v, key, found);
    else
        txn_delete(v->txn, keys_build(v->dbs, v->gen, key));
}

void keys_expire(
    struct databases_view *v, struct slice key, const struct value *found, int64_t expire_ms)
{
    struct value changed = *found;
    changed.expire_ms = expire_ms;
    if (found->spread.id == 0) {
        keys_put(v, key, &changed);
        return;
    }
    spread_expire(v, key, found, expire_ms);
    v->changes++;
}

// Makes room for a spread collection: whatever stands there goes.
static int clear(struct databases_view *v, struct slice key)
{
    int status = keys_make_way(v, key);
    if (status == OK)
        txn_delete(v->txn, keys_build(v->dbs, v->gen, key));
    return status;
}

// Stages a head for elements that lie there already.
static void put_head(
    struct databases_view *v, struct slice key, const struct value *found, uint64_t id)
{
    struct value head = *found;
    head.spread.id = id;
    head.spread.armed_ms = 0;
    spread_arm(v, key, &head);
    spread_put(v, key, &head);
    v->changes++;
}

int keys_rename(
    struct databases_view *v, struct slice from, struct slice to, const struct value *found)
{
    bool spread = found->spread.id != 0;
    if (slice_equal(from, to))
        return OK;
    int status = spread ? clear(v, to) : keys_make_way(v, to);
    if (status != OK)
        return status;
    if (spread) {
        spread_delete_head(v, from, &found->spread);
        put_head(v, to, found, found->spread.id);
    } else {
        keys_put(v, to, found);
        txn_delete(v->txn, keys_build(v->dbs, v->gen, from));
    }
    return OK;
}

int keys_copy(struct databases_view *v, int from_db, struct slice to, const struct value *found,
    uint64_t max_bytes)
{
    bool spread = found->spread.id != 0;
    int status = spread ? clear(v, to) : keys_make_way(v, to);
    if (status != OK)
        return status;
    if (!spread) {
        keys_put(v, to, found);
        return OK;
    }
    uint64_t id = spread_take_id(v);
    status = spread_copy_elements(v, from_db, found->spread.id, id, max_bytes);
    if (status == OK)
        put_head(v, to, found, id);
    return status;
}
