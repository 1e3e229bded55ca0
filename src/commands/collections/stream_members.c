// stream_members: HGETALL, HKEYS, HVALS and SMEMBERS of a spread one as a stream over a snapshot.
// The head tells how many members there are, so the header stands first; should the walk find
// another number, the reply cannot be put right any more, and the connection closes.
#include "base/alloc.h"
#include "commands/collections/members_reply.h"
#include "commands/dispatch.h"
#include "commands/stream.h"
#include "engine/stats.h"

enum { FIELDS_A_LOOK = 64 }; // looks at the clock

struct stream_members {
    struct stream stream;
    struct env *env;
    struct engine *engine;
    struct snapshot *snapshot;
    struct spread_walk walk;
    enum show show;
    uint64_t count, shown;
    bool begun;
    stream_ready_cb ready_cb;
    void *ready_arg;
};

static struct stream_members *of(struct stream *s)
{
    return LIST_ENTRY(s, struct stream_members, stream);
}

static int stream_members_step(
    struct stream *s, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct stream_members *h = of(s);
    size_t began = reply->out->len;
    if (!h->begun)
        members_reply_header(reply, h->count, h->show);
    h->begun = true;
    for (unsigned looked = 1;; looked++) {
        struct slice field, value;
        int status = spread_walk_next(&h->walk, &field, &value);
        if (status == END)
            return h->shown == h->count ? END : CORRUPT;
        if (status != OK)
            return status;
        if (h->shown++ == h->count)
            return CORRUPT;
        members_reply_one(reply, field, value, h->show);
        if (reply->out->len - began >= max_bytes)
            return OK;
        if (looked % FIELDS_A_LOOK == 0 && env_now_us(h->env) >= deadline_us)
            return OK;
    }
}

static void stream_members_arrived(struct iter *it, void *arg)
{
    struct stream_members *h = arg;
    h->ready_cb(h->ready_arg);
}

static void stream_members_wait(struct stream *s, stream_ready_cb ready_cb, void *arg)
{
    struct stream_members *h = of(s);
    h->ready_cb = ready_cb;
    h->ready_arg = arg;
    iter_wait(h->walk.it, stream_members_arrived, h);
}

static void stream_members_close(struct stream *s)
{
    struct stream_members *h = of(s);
    spread_walk_close(&h->walk);
    snapshot_free(h->engine, h->snapshot);
    free(h);
}

struct stream *stream_members_new(struct call *call, const struct members *h, enum show show)
{
    struct stream_members *s = xcalloc(1, sizeof *s);
    struct engine_stats stats;
    s->engine = databases_engine(call->keys->dbs);
    engine_get_stats(s->engine, &stats);
    s->stream = (struct stream){.step = stream_members_step,
        .wait = stream_members_wait,
        .close = stream_members_close,
        .seq = stats.last_seq};
    s->env = call->commands->options.env;
    s->snapshot = snapshot_new(s->engine);
    s->show = show;
    s->count = h->count;
    spread_walk_open_snapshot(
        &s->walk, call->keys, s->snapshot, h->value.spread.id, SPREAD_ELEMENT);
    return &s->stream;
}
