// stream_hash: HGETALL, HKEYS and HVALS of a large hash as a stream over a snapshot. The head tells
// how many fields there are, so the header stands first; should the walk find another number, the
// reply cannot be put right any more, and the connection closes.
#include "base/alloc.h"
#include "commands/dispatch.h"
#include "commands/hash_call.h"
#include "commands/stream.h"
#include "engine/stats.h"

enum { FIELDS_A_LOOK = 64 }; // looks at the clock

struct stream_hash {
    struct stream stream;
    struct env *env;
    struct engine *engine;
    struct snapshot *snapshot;
    struct spread_walk walk;
    enum hash_parts parts;
    uint64_t count, shown;
    bool begun;
    stream_ready_cb ready_cb;
    void *ready_arg;
};

static struct stream_hash *of(struct stream *s)
{
    return LIST_ENTRY(s, struct stream_hash, stream);
}

static int stream_hash_step(
    struct stream *s, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct stream_hash *h = of(s);
    size_t began = reply->out->len;
    if (!h->begun)
        hash_reply_header(reply, h->count, h->parts);
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
        hash_reply_pair(reply, field, value, h->parts);
        if (reply->out->len - began >= max_bytes)
            return OK;
        if (looked % FIELDS_A_LOOK == 0 && env_now_us(h->env) >= deadline_us)
            return OK;
    }
}

static void stream_hash_arrived(struct iter *it, void *arg)
{
    struct stream_hash *h = arg;
    h->ready_cb(h->ready_arg);
}

static void stream_hash_wait(struct stream *s, stream_ready_cb ready_cb, void *arg)
{
    struct stream_hash *h = of(s);
    h->ready_cb = ready_cb;
    h->ready_arg = arg;
    iter_wait(h->walk.it, stream_hash_arrived, h);
}

static void stream_hash_close(struct stream *s)
{
    struct stream_hash *h = of(s);
    spread_walk_close(&h->walk);
    snapshot_free(h->engine, h->snapshot);
    free(h);
}

struct stream *stream_hash_new(struct call *call, const struct hash *h, enum hash_parts parts)
{
    struct stream_hash *s = xcalloc(1, sizeof *s);
    struct engine_stats stats;
    s->engine = databases_engine(call->keys->dbs);
    engine_get_stats(s->engine, &stats);
    s->stream = (struct stream){.step = stream_hash_step,
        .wait = stream_hash_wait,
        .close = stream_hash_close,
        .seq = stats.last_seq};
    s->env = call->commands->options.env;
    s->snapshot = snapshot_new(s->engine);
    s->parts = parts;
    s->count = h->count;
    spread_walk_open_snapshot(
        &s->walk, call->keys, s->snapshot, h->value.spread.id, SPREAD_ELEMENT);
    return &s->stream;
}
