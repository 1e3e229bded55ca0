// walk: the keys of one database in order, for SCAN, KEYS and RANDOMKEY.
//
// A walk goes over the keys that begin with a prefix, each at most once; expired ones are marked.
// With a view it belongs to the attempt and sees its staged writes; with a snapshot it lives on its
// own (walk_wait).
//
// Thread: loop. Statuses are the engine's.
#ifndef VARVE_TYPES_WALK_H
#define VARVE_TYPES_WALK_H

#include "base/buf.h"
#include "types/databases.h"
#include "types/value.h"

// One kind of heads on its way: strings and small collections, or spread collections.
struct walk_side {
    struct iter *it;          // NULL: there are none
    bool started, due, ended; // due: to be stepped before it can be compared
    bool waits;
    uint8_t *from; // engine key to start at; owned
    size_t from_len;
};

struct walk {
    struct walk_side sides[2];
    struct walk_side *shown; // whose key was handed out last
    int64_t now_ms;
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
// For a walk with a snapshot: fires when what the last call missed has arrived. walk_close cancels.
void walk_wait(struct walk *w, iter_ready_cb ready_cb, void *arg);
// OK, END, WAIT (the same call again goes on where it was) or a failure. One entry a call, expired
// ones included and marked.
int walk_next(struct walk *w, struct walk_key *out);
// A key of the view's database at random (txn_draw): OK and *out; NOT_FOUND: none was hit, and *out
// is one near which to look.
int walk_draw(struct databases_view *v, uint64_t seed, struct buf *out);

#endif
