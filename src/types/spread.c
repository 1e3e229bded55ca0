// spread: the heads of large collections, and the keys of their elements.
//
// Problem: SET overwrites a string without reading it, so a string and the head of a large
// collection, whose elements must go with it, cannot share a record: the head would be lost unread.
// Idea: heads are a kind of their own, C. Whoever writes a string blindly asks whether a head
// stands there (keys_make_way): none does, while the database holds no spread collection; while it
// holds some thousands, memory knows them all (heads.h); else memtables and filters answer. Small
// collections are plain values (packed.h) and share the strings' kind: they are overwritten blindly
// like these.
//
// The head, 34 bytes:
//   OFFSET SIZE MEANING
//   0      1    header (value.h)
//   1      1    flags: 1 outgrown
//   2      8    id
//   10     8    count of elements
//   18     8    expiry, ms; 0: never
//   26     8    the time of its entry in the index of expiry; 0: none
//
// Expiry: the engine may drop a record that carries an expiry on its own, and the elements would
// stay; so the head's expiry stands in its value, and T gen ms key is an index by time that the
// reaper goes along (reaper.h). An expiry that moves to a later time leaves the entry where it is:
// it is moved when it fires. Example: EXPIRE k 10, then EXPIRE k 20 once a second for an hour: the
// head is written 3,600 times and the index every ten seconds or so.
//
// What can fail: reads WAIT or fail as the engine says; a head of another shape is CORRUPT.
#include "types/spread.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "types/databases_impl.h"

enum { HEAD_LEN = 34, OUTGROWN = 1 };

bool spread_possible(const struct databases_view *v, struct slice key)
{
    const struct heads *heads = databases_heads(v->dbs, v->gen);
    return heads != NULL && heads_may_have(heads, hash64(key));
}

bool spread_decode(struct slice stored, struct value *out)
{
    if (stored.len != HEAD_LEN || !value_decode(stored, out))
        return false;
    const uint8_t *p = stored.data;
    out->spread = (struct spread){.outgrown = p[1] & OUTGROWN,
        .id = get_le64(p + 2),
        .count = get_le64(p + 10),
        .armed_ms = (int64_t)get_le64(p + 26)};
    out->expire_ms = (int64_t)get_le64(p + 18);
    out->bytes = slice_of(NULL, 0);
    out->staged = false;
    return out->spread.id != 0 && out->expire_ms >= 0 && out->spread.armed_ms >= 0;
}

static struct slice head_key(struct databases_view *v, struct slice key)
{
    return keys_build_head(v->dbs, v->gen, key);
}

int spread_find(struct databases_view *v, struct slice key, struct value *out)
{
    struct row row;
    int status = txn_get(v->txn, head_key(v, key), &row);
    return status == OK && !spread_decode(row.value, out) ? CORRUPT : status;
}

uint64_t spread_take_id(struct databases_view *v)
{
    uint64_t id = v->next_id++;
    databases_note_ids(v);
    return id;
}

void spread_put(struct databases_view *v, struct slice key, const struct value *head)
{
    uint8_t bytes[HEAD_LEN] = {value_header(head), head->spread.outgrown ? OUTGROWN : 0};
    ENSURE(head->spread.id != 0);
    put_le64(bytes + 2, head->spread.id);
    put_le64(bytes + 10, head->spread.count);
    put_le64(bytes + 18, (uint64_t)head->expire_ms);
    put_le64(bytes + 26, (uint64_t)head->spread.armed_ms);
    databases_note_spread(v->dbs, v->gen, key);
    txn_put(v->txn, head_key(v, key), slice_of(bytes, sizeof bytes), slice_of(NULL, 0), 0);
}

// --- Expiry --------------------------------------------------------------------------------------

static void disarm(struct databases_view *v, struct slice key, int64_t armed_ms)
{
    if (armed_ms != 0)
        txn_delete(v->txn, keys_build_expiry(v->dbs, v->gen, armed_ms, key));
}

void spread_arm(struct databases_view *v, struct slice key, struct value *head)
{
    struct spread *s = &head->spread;
    bool keep = s->armed_ms != 0 && head->expire_ms >= s->armed_ms;
    if (keep)
        return;
    disarm(v, key, s->armed_ms);
    s->armed_ms = head->expire_ms;
    if (s->armed_ms == 0)
        return;
    txn_put(v->txn, keys_build_expiry(v->dbs, v->gen, s->armed_ms, key), slice_of(NULL, 0),
        slice_of(NULL, 0), 0);
    if (v->dbs->reap_ms > s->armed_ms)
        v->dbs->reap_ms = s->armed_ms;
}

void spread_expire(
    struct databases_view *v, struct slice key, const struct value *found, int64_t expire_ms)
{
    struct value head = *found;
    head.expire_ms = expire_ms;
    spread_arm(v, key, &head);
    spread_put(v, key, &head);
}

// --- The end -------------------------------------------------------------------------------------

void spread_delete_head(struct databases_view *v, struct slice key, const struct spread *spread)
{
    txn_delete(v->txn, head_key(v, key));
    disarm(v, key, spread->armed_ms);
}

void spread_delete(struct databases_view *v, struct slice key, const struct spread *spread)
{
    spread_delete_head(v, key, spread);
    struct slice all = spread_element(v, spread->id, SPREAD_ELEMENT, slice_of(NULL, 0));
    all.len--; // every sub-kind
    txn_drop_prefix(v->txn, all);
}

// --- Elements ------------------------------------------------------------------------------------

static void element_prefix(uint8_t *out, uint64_t gen, uint64_t id, enum spread_sub sub)
{
    keys_prefix(out, KIND_ELEMENT, gen);
    put_be64(out + KEY_PREFIX_LEN, id);
    out[SPREAD_PREFIX_LEN - 1] = (uint8_t)sub;
}

struct slice spread_element(
    struct databases_view *v, uint64_t id, enum spread_sub sub, struct slice name)
{
    uint8_t *out = v->dbs->element;
    ENSURE(name.len <= KEY_MAX);
    element_prefix(out, v->gen, id, sub);
    if (name.len > 0)
        memcpy(out + SPREAD_PREFIX_LEN, name.data, name.len);
    return slice_of(out, SPREAD_PREFIX_LEN + name.len);
}

static void open_walk(struct spread_walk *w, struct databases_view *v, struct txn *txn,
    struct snapshot *snapshot, uint64_t id, enum spread_sub sub, struct slice from)
{
    uint8_t end[SPREAD_PREFIX_LEN];
    element_prefix(w->prefix, v->gen, id, sub);
    memcpy(end, w->prefix, sizeof end);
    end[SPREAD_PREFIX_LEN - 1]++;
    struct iter_options options = {.lower = spread_element(v, id, sub, from),
        .upper = slice_of(end, sizeof end),
        .snapshot = snapshot};
    w->it = iter_open(v->dbs->engine, txn, &options);
    w->started = false;
}

void spread_walk_open(struct spread_walk *w, struct databases_view *v, uint64_t id,
    enum spread_sub sub, struct slice from)
{
    open_walk(w, v, v->txn, NULL, id, sub, from);
}

void spread_walk_open_snapshot(struct spread_walk *w, struct databases_view *v,
    struct snapshot *snapshot, uint64_t id, enum spread_sub sub)
{
    open_walk(w, v, NULL, snapshot, id, sub, slice_of(NULL, 0));
}

void spread_walk_close(struct spread_walk *w)
{
    iter_close(w->it);
}

int spread_walk_next(struct spread_walk *w, struct slice *name, struct slice *value)
{
    // The iterator begins at its lower bound.
    int status =
        w->started ? iter_next(w->it) : iter_seek(w->it, slice_of(w->prefix, sizeof w->prefix));
    if (status != OK)
        return status;
    w->started = true;
    *name = slice_skip(iter_key(w->it), SPREAD_PREFIX_LEN);
    *value = iter_row(w->it).value;
    return OK;
}

int spread_copy_elements(
    struct databases_view *v, int from_db, uint64_t from_id, uint64_t to_id, uint64_t max_bytes)
{
    struct spread_walk w;
    struct slice name, value;
    int to_db = v->db, status;
    uint64_t bytes = 0;
    databases_use(v, from_db);
    spread_walk_open(&w, v, from_id, SPREAD_ELEMENT, slice_of(NULL, 0));
    databases_use(v, to_db);
    while ((status = spread_walk_next(&w, &name, &value)) == OK) {
        bytes += SPREAD_PREFIX_LEN + name.len + value.len;
        if (bytes > max_bytes) {
            status = NO_MEMORY;
            break;
        }
        txn_put(
            v->txn, spread_element(v, to_id, SPREAD_ELEMENT, name), value, slice_of(NULL, 0), 0);
    }
    spread_walk_close(&w);
    return status == END ? OK : status;
}
