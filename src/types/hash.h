// hash: one hash at hand during an attempt: opened, read and changed field by field, and closed,
// which stages what has become of it. A small one is a packed value, a larger one is spread
// (spread.h); which of the two shows in OBJECT ENCODING and in the order of its fields, nowhere
// else.
//
//     struct hash h;
//     int status = hash_open(&h, view, LOOKUP_WRITE, key);      // OK or NOT_FOUND
//     status = hash_set(&h, field, value, &added);              // any number of times
//     hash_close(&h);                                           // stages
//
// Thread: loop. Statuses are the engine's: after WAIT one may go on, so that all misses are fetched
// together, and gives up the attempt then; what is staged in between is thrown away with it.
#ifndef VARVE_TYPES_HASH_H
#define VARVE_TYPES_HASH_H

#include "base/buf.h"
#include "types/spread.h"

struct hash {
    struct databases_view *view;
    struct slice key;
    enum value_type type; // as found: TYPE_NONE, or another than TYPE_HASH, which is left alone
    uint64_t count;       // fields
    // Private.
    struct value value;
    struct slice packed; // the bytes of a packed one: borrowed, or those of databases' buffer
    bool owned;          // they are
    bool changed;
    bool was_packed, was_spread; // as found
    bool fresh;                  // this attempt has spread it: no element lies in the engine yet
};

// OK, NOT_FOUND (h is an empty hash), WAIT or a failure. One hash at a time may be changed.
int hash_open(struct hash *h, struct databases_view *v, enum lookup how, struct slice key);
// OK, NOT_FOUND, WAIT or a failure. *value lives until the next change.
int hash_get(struct hash *h, struct slice field, struct slice *value);
// The same for who needs the length alone.
int hash_get_len(struct hash *h, struct slice field, uint64_t *len);
// Whether a field and a value of these lengths may stay in a hash that Redis keeps packed: called
// for all arguments before the first hash_set.
void hash_expect(struct hash *h, size_t field_len, size_t value_len);
// field.len <= KEY_MAX.
int hash_set(struct hash *h, struct slice field, struct slice value, bool *added);
// OK, NOT_FOUND, WAIT or a failure.
int hash_remove(struct hash *h, struct slice field);
// Stages what has changed: a hash without fields goes.
void hash_close(struct hash *h);

// Going over the fields: of a packed one in the order in which they came, of a spread one in that
// of their bytes. With staged changes of this attempt only after hash_close and another open.
struct hash_walk {
    struct hash *hash;
    size_t at;
    struct spread_walk spread;
};

// From the first field >= from on, where it is spread; else from the first.
void hash_walk_open(struct hash_walk *w, struct hash *h, struct slice from);
int hash_walk_next(struct hash_walk *w, struct slice *field, struct slice *value);
void hash_walk_close(struct hash_walk *w);
// A field of a spread hash at random, each as likely as any other (txn_draw): OK, WAIT or a
// failure; NOT_FOUND: none was hit in a bounded number of draws.
int hash_draw(struct hash *h, uint64_t seed, struct buf *field);
bool hash_is_spread(const struct hash *h);

#endif
