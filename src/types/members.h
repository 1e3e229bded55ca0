// members: one hash or set at hand during an attempt: opened, read and changed member by member,
// and closed, which stages what has become of it. A hash's members are its fields, with values; a
// set's have none. A small one is a packed value, a larger one is spread (spread.h); which of the
// two shows in the order of its members, nowhere else.
//
//     struct members h;
//     int status = members_open(&h, view, LOOKUP_WRITE, key, TYPE_HASH);   // OK or NOT_FOUND
//     status = members_set(&h, field, value, &added);                      // any number of times
//     members_close(&h);                                                   // stages
//
// Thread: loop. Statuses are the engine's: after WAIT one may go on, so that all misses are fetched
// together, and gives up the attempt then; what is staged in between is thrown away with it.
#ifndef VARVE_TYPES_MEMBERS_H
#define VARVE_TYPES_MEMBERS_H

#include "base/buf.h"
#include "types/spread.h"

struct members {
    struct databases_view *view;
    struct slice key;
    enum value_type type; // as found; TYPE_NONE: nothing was
    uint64_t count;       // members
    // Private.
    enum value_type kind; // TYPE_HASH or TYPE_SET
    unsigned width;       // strings of a packed member
    bool outgrown;        // larger than what Redis keeps packed, or not all integers, at least once
    struct value value;
    struct slice packed; // the bytes of a packed one: borrowed, or those of databases' buffer
    bool owned;          // they are
    bool changed;
    bool was_packed, was_spread; // as found
    bool fresh;                  // this attempt has spread it: no element lies in the engine yet
};

// kind: TYPE_HASH or TYPE_SET. OK (h->type may be another one: then h is not to be used), NOT_FOUND
// (h is empty), WAIT or a failure. Several may be open, one of them with changes.
int members_open(struct members *h, struct databases_view *v, enum lookup how, struct slice key,
    enum value_type kind);
// An empty one, to take the place of whatever stands at key (members_replace).
void members_new(
    struct members *h, struct databases_view *v, struct slice key, enum value_type kind);
// OK, NOT_FOUND, WAIT or a failure. *value lives until the next change.
int members_get(struct members *h, struct slice field, struct slice *value);
// The same for who needs the length alone.
int members_get_len(struct members *h, struct slice field, uint64_t *len);
// Of a hash: whether a field and a value of these lengths may stay in one that Redis keeps packed:
// called for all arguments before the first members_set.
void members_expect(struct members *h, size_t field_len, size_t value_len);
// field.len <= KEY_MAX. A set's value is empty.
int members_set(struct members *h, struct slice field, struct slice value, bool *added);
// OK, NOT_FOUND, WAIT or a failure.
int members_remove(struct members *h, struct slice field);
// Stages what has changed: one without members goes.
void members_close(struct members *h);
// The same for one that is new: what stands at its key goes, of whatever type; *replaced: something
// did. OK, WAIT or a failure.
int members_replace(struct members *h, bool *replaced);

// Going over the members: of a packed one in the order in which they came (a set of integers: in
// theirs), of a spread one in that of their bytes. With staged changes of this attempt only after
// members_close and another open.
struct members_walk {
    struct members *members;
    size_t at;
    struct spread_walk spread;
};

// From the first member >= from on, where it is spread; else from the first.
void members_walk_open(struct members_walk *w, struct members *h, struct slice from);
int members_walk_next(struct members_walk *w, struct slice *field, struct slice *value);
void members_walk_close(struct members_walk *w);
// A member of a spread one at random, each as likely as any other (txn_draw): OK, WAIT or a
// failure; NOT_FOUND: none was hit in a bounded number of draws.
int members_draw(struct members *h, uint64_t seed, struct buf *field);
bool members_is_spread(const struct members *h);

#endif
