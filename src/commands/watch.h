// watch: which sessions watch which keys. Loop. A watch costs a table entry for its key and one for
// the session; commits look here only while anything is watched.
#ifndef VARVE_COMMANDS_WATCH_H
#define VARVE_COMMANDS_WATCH_H

#include "base/buf.h"
#include "base/list.h"

struct session;
struct databases;
struct databases_view;
struct txn;

struct watches {
    struct list *buckets; // allocated with the first watch
    uint64_t count;       // watches
};

// What WATCH saw of the key.
struct watch_state {
    bool exists;       // and is alive
    bool expired;      // is there, but hidden: its removal is no change
    int64_t expire_ms; // of a live key; 0: never
};

void watches_init(struct watches *w);
void watches_release(struct watches *w); // no session watches any more
// A second watch of the same key by the same session is ignored.
void watch_add(struct watches *w, struct session *s, int db, struct slice key,
    const struct watch_state *state);
void watch_remove_all(struct watches *w, struct session *s);
bool watch_has(const struct watches *w, const struct session *s, int db, struct slice key);
// Whether a key that the session watches has expired since.
bool watch_any_expired(const struct session *s, int64_t now_ms);
// Before a commit: notes in `touched` the watches of what the staged writes change. After it: marks
// their sessions.
void watch_collect(
    struct watches *w, struct databases_view *v, struct txn *txn, struct buf *touched);
void watch_apply(struct buf *touched);
// For commands that change a whole database: visits each watch of db.
typedef void (*watch_visit_cb)(void *arg, struct slice key, const struct watch_state *state);
void watch_each(struct watches *w, int db, watch_visit_cb visit_cb, void *arg);
void watch_touch(struct watches *w, int db, struct slice key);
size_t watch_memory(const struct session *s);

#endif
