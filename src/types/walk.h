// walk: the keys of one database in order, for SCAN, KEYS and RANDOMKEY.
//
// A walk goes over the keys that begin with a prefix, each at most once; expired ones are marked.
// With a view it belongs to the attempt and sees its staged writes; with a snapshot it lives on its
// own (iter_wait on walk->it).
//
// Thread: loop. Statuses are the engine's.
#ifndef VARVE_TYPES_WALK_H
#define VARVE_TYPES_WALK_H

#include "types/databases.h"
#include "types/value.h"

struct walk {
    struct iter *it;
    int64_t now_ms;
    bool started;
    uint8_t *from; // engine key to start at; owned
    size_t from_len;
};

struct walk_key {
    struct slice key;   // borrowed until the next step
    struct value value; // same
    bool expired;       // hidden: count it, do not show it
    bool gone;          // the same; and it stands for many that were passed over
};

// from: the first user key that may be seen (empty: the first of all). in_steps: a walk that can be
// given up and gone on with at another time is shown keys that are gone, where there are many.
void walk_open(struct walk *w, struct databases_view *v, struct slice prefix, struct slice from,
    bool in_steps);
// gen: of the database at the moment of the snapshot.
void walk_open_snapshot(struct walk *w, struct databases *dbs, struct snapshot *snapshot,
    uint64_t gen, int64_t now_ms, struct slice prefix);
void walk_close(struct walk *w);
// OK, END, WAIT (the same call again goes on where it was) or a failure. One entry a call, expired
// ones included and marked.
int walk_next(struct walk *w, struct walk_key *out);
// A key of the view's database at random (txn_draw): OK and *out; NOT_FOUND: none was hit, and *out
// is one near which to look.
int walk_draw(struct databases_view *v, uint64_t seed, struct buf *out);

#endif
