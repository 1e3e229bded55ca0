// watch: optimistic locking for transactions. A session that watches a key is told (watch_dirty)
// when the key may have changed; EXEC then refuses. The rules are those of Redis 7.0:
// - any write of the key counts, by anybody, the session itself included, and whatever the value;
// - a key that was alive at WATCH and has expired by EXEC has changed, although nobody wrote: EXEC
//   asks for that itself, from the expiry that
//   WATCH saw (had anybody changed it in between, the session would be dirty already);
// - a key that had expired by WATCH but was still stored is as good as absent: its removal is no
//   change, once.
//
// A commit asks only while anything is watched at all. Its writes are matched before it, because
// the batch is gone afterwards, and marked after it, because it may fail: in between no session can
// go away. A batch that swaps databases is matched under the mapping before and after, which may
// mark a session too many and never too few.
#include "commands/watch.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "commands/session.h"
#include "engine/format.h"
#include "types/keys.h"

enum { WATCH_BUCKETS = 4096 };

struct watch {
    struct list chain, of_session;
    struct session *session;
    int db;
    struct watch_state state;
    size_t len;
    uint8_t key[];
};

struct touch {
    struct watch *watch;
    bool removal;
};

void watches_init(struct watches *w)
{
    *w = (struct watches){0};
}

void watches_release(struct watches *w)
{
    ENSURE(w->count == 0);
    free(w->buckets);
    w->buckets = NULL;
}

static struct list *bucket(const struct watches *w, int db, struct slice key)
{
    return &w->buckets[(hash64(key) + (unsigned)db) % WATCH_BUCKETS];
}

static bool is_on(const struct watch *x, int db, struct slice key)
{
    return x->db == db && slice_equal(slice_of(x->key, x->len), key);
}

bool watch_has(const struct watches *w, const struct session *s, int db, struct slice key)
{
    for (struct list *l = s->watched.next; l != &s->watched; l = l->next)
        if (is_on(LIST_ENTRY(l, struct watch, of_session), db, key))
            return true;
    return false;
}

void watch_add(
    struct watches *w, struct session *s, int db, struct slice key, const struct watch_state *state)
{
    if (watch_has(w, s, db, key))
        return;
    if (w->buckets == NULL) {
        w->buckets = xmalloc(WATCH_BUCKETS * sizeof *w->buckets);
        for (int i = 0; i < WATCH_BUCKETS; i++)
            list_init(&w->buckets[i]);
    }
    struct watch *x = xmalloc(sizeof *x + key.len);
    *x = (struct watch){.session = s, .db = db, .state = *state, .len = key.len};
    if (key.len > 0)
        memcpy(x->key, key.data, key.len);
    list_push_back(bucket(w, db, key), &x->chain);
    list_push_back(&s->watched, &x->of_session);
    w->count++;
}

void watch_remove_all(struct watches *w, struct session *s)
{
    while (!list_empty(&s->watched)) {
        struct watch *x = LIST_ENTRY(s->watched.next, struct watch, of_session);
        list_remove(&x->chain);
        list_remove(&x->of_session);
        free(x);
        w->count--;
    }
    s->watch_dirty = false;
}

bool watch_any_expired(const struct session *s, int64_t now_ms)
{
    for (struct list *l = s->watched.next; l != &s->watched; l = l->next) {
        const struct watch_state *state = &LIST_ENTRY(l, struct watch, of_session)->state;
        if (state->exists && state->expire_ms != 0 && now_ms > state->expire_ms)
            return true;
    }
    return false;
}

static void collect_key(
    struct watches *w, int db, struct slice key, bool removal, struct buf *touched)
{
    struct list *chain = bucket(w, db, key);
    for (struct list *l = chain->next; l != chain; l = l->next) {
        struct touch t = {LIST_ENTRY(l, struct watch, chain), removal};
        if (is_on(t.watch, db, key))
            buf_append(touched, &t, sizeof t);
    }
}

struct collector {
    struct watches *watches;
    struct databases_view *view;
    struct buf *touched;
};

static void collect_write(void *arg, int kind, struct slice engine_key)
{
    struct collector *c = arg;
    struct slice key;
    int db, other;
    bool before = keys_user_key(c->view, false, engine_key, &db, &key);
    if (before)
        collect_key(c->watches, db, key, kind == RECORD_DELETE, c->touched);
    if (keys_user_key(c->view, true, engine_key, &other, &key) && (!before || other != db))
        collect_key(c->watches, other, key, kind == RECORD_DELETE, c->touched);
}

void watch_collect(
    struct watches *w, struct databases_view *v, struct txn *txn, struct buf *touched)
{
    buf_clear(touched);
    if (w->count == 0)
        return;
    struct collector c = {w, v, touched};
    txn_each(txn, collect_write, &c);
}

static void touch(const struct touch *t)
{
    if (t->removal && t->watch->state.expired)
        t->watch->state.expired = false;
    else
        t->watch->session->watch_dirty = true;
}

void watch_apply(struct buf *touched)
{
    for (size_t at = 0; at < touched->len; at += sizeof(struct touch)) {
        struct touch t;
        memcpy(&t, touched->data + at, sizeof t);
        touch(&t);
    }
    buf_clear(touched);
}

void watch_each(struct watches *w, int db, watch_visit_cb visit_cb, void *arg)
{
    for (int i = 0; w->count > 0 && i < WATCH_BUCKETS; i++)
        for (struct list *l = w->buckets[i].next; l != &w->buckets[i]; l = l->next) {
            struct watch *x = LIST_ENTRY(l, struct watch, chain);
            if (x->db == db)
                visit_cb(arg, slice_of(x->key, x->len), &x->state);
        }
}

void watch_touch(struct watches *w, int db, struct slice key)
{
    if (w->count == 0)
        return;
    struct list *chain = bucket(w, db, key);
    for (struct list *l = chain->next; l != chain; l = l->next)
        if (is_on(LIST_ENTRY(l, struct watch, chain), db, key))
            LIST_ENTRY(l, struct watch, chain)->session->watch_dirty = true;
}

size_t watch_memory(const struct session *s)
{
    size_t bytes = 0;
    for (struct list *l = s->watched.next; l != &s->watched; l = l->next)
        bytes += sizeof(struct watch) + LIST_ENTRY(l, struct watch, of_session)->len;
    return bytes;
}
