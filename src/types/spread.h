// spread: collections too large for one value. Their head is a record of its own kind, C, and each
// element is one below the collection's id (types/README.md): so a write touches one element and
// the head, and DEL and RENAME of any size are O(1), for an id is never used twice and what lies
// below a dead one is dropped unread.
//
// A key is alive as a string or small collection (K) or as a spread collection (C), never as both.
// A database that holds no spread collection is not asked for one: spread_possible.
//
// Thread: loop. Statuses are the engine's.
#ifndef VARVE_TYPES_SPREAD_H
#define VARVE_TYPES_SPREAD_H

#include "types/databases.h"
#include "types/keys.h"
#include "types/value.h"

enum {
    // Bytes of a small collection: beyond, each write of one element would write too much. Redis'
    // own thresholds say what OBJECT ENCODING calls it.
    PACKED_BYTES_MAX = 4096,
    SPREAD_PREFIX_LEN = KEY_PREFIX_LEN + 9, // kind, generation, id, sub-kind
};

enum spread_sub {
    SPREAD_ELEMENT = 'e',
};

// Whether the key may be a spread collection, as memory knows. Never false when it is.
bool spread_possible(const struct databases_view *v, struct slice key);
// Decodes a head; false if it is none.
bool spread_decode(struct slice stored, struct value *out);
// Looks for a head: OK (what has expired, too), NOT_FOUND, WAIT or a failure.
int spread_find(struct databases_view *v, struct slice key, struct value *out);
// An id for a new collection, and stages that it is taken.
uint64_t spread_take_id(struct databases_view *v);
// Stages the head: each change of the collection does, so that whoever watches the key sees it.
void spread_put(struct databases_view *v, struct slice key, const struct value *head);
// Stages its end: head, elements, expiry.
void spread_delete(struct databases_view *v, struct slice key, const struct spread *spread);
// Stages the end of the head and of its expiry only: the last element was deleted, or the elements
// go on under another head.
void spread_delete_head(struct databases_view *v, struct slice key, const struct spread *spread);
// Stages what the index of expiry must hold for head->expire_ms, before the head is staged.
void spread_arm(struct databases_view *v, struct slice key, struct value *head);
void spread_expire(
    struct databases_view *v, struct slice key, const struct value *found, int64_t expire_ms);

// The engine's key of an element, in a buffer that the next call uses again. name.len <= KEY_MAX.
struct slice spread_element(
    struct databases_view *v, uint64_t id, enum spread_sub sub, struct slice name);

// Going over the elements in the order of their names. Open with a view it belongs to the attempt
// and sees what it has staged.
struct spread_walk {
    struct iter *it;
    bool started;
    uint8_t prefix[SPREAD_PREFIX_LEN];
};

// From the first name >= from on.
void spread_walk_open(struct spread_walk *w, struct databases_view *v, uint64_t id,
    enum spread_sub sub, struct slice from);
// The same on its own: iter_wait on w->it.
void spread_walk_open_snapshot(struct spread_walk *w, struct databases_view *v,
    struct snapshot *snapshot, uint64_t id, enum spread_sub sub);
void spread_walk_close(struct spread_walk *w);
// OK, END, WAIT (the same call again goes on where it was) or a failure. Slices live until the next
// call.
int spread_walk_next(struct spread_walk *w, struct slice *name, struct slice *value);

// Stages all elements again under an id of the current database: COPY and MOVE, within one batch.
// NO_MEMORY if they are more bytes than max.
int spread_copy_elements(
    struct databases_view *v, int from_db, uint64_t from_id, uint64_t to_id, uint64_t max_bytes);

#endif
