// stream_keys: KEYS without stopping the world. An array's length stands before its elements, and
// nobody knows how many keys match, so there are two passes over one snapshot: the first counts,
// and keeps what it finds as long as that is little; when it kept everything, that is the reply.
// Otherwise the second pass finds the same keys again and writes them out. Memory stays bounded
// whatever matches.
//
// Both passes see the same, because the snapshot does not change and "expired" means expired by the
// time of the command.
#include "commands/stream_keys.h"

#include "base/alloc.h"
#include "commands/dispatch.h"
#include "commands/parts/glob.h"
#include "engine/stats.h"
#include "types/walk.h"

enum {
    KEPT_MAX = 256 * 1024,
    KEYS_A_LOOK = 64, // looks at the clock
    STEPS_A_LOOK = 32 * 1024
};

struct waiter {
    stream_ready_cb ready_cb;
    void *arg;
};

struct stream_keys {
    struct stream stream;
    struct env *env;
    struct databases *databases;
    struct snapshot *snapshot;
    struct walk walk;
    struct walk_key at; // where it stands
    uint64_t gen;       // of the database: it may be flushed between the passes
    int64_t now_ms;
    struct buf pattern, prefix;
    struct buf kept; // the matches of the first pass
    bool all_kept, writing;
    bool filtered; // an empty pattern matches only the empty key
    bool matching; // the key that the walk stands on
    struct glob glob;
    int64_t count;
    struct waiter waiter;
};

static struct stream_keys *of(struct stream *s)
{
    return LIST_ENTRY(s, struct stream_keys, stream);
}

static void open_pass(struct stream_keys *k)
{
    walk_open_snapshot(
        &k->walk, k->databases, k->snapshot, k->gen, k->now_ms, buf_slice(&k->prefix));
}

// Whether the key at hand is one, as far as *steps go.
static enum glob_answer matches(struct stream_keys *k, unsigned *steps)
{
    if (k->at.expired)
        return GLOB_NO;
    if (!k->filtered)
        return GLOB_YES;
    if (!k->matching)
        glob_begin(&k->glob, buf_slice(&k->pattern), k->at.key, false);
    enum glob_answer answer = glob_go_on(&k->glob, steps);
    k->matching = answer == GLOB_MORE;
    return answer;
}

static void keep(struct stream_keys *k, int proto, struct slice key)
{
    struct reply r = {.out = &k->kept, .proto = proto};
    k->count++;
    if (!k->all_kept)
        return;
    reply_bulk(&r, key);
    if (k->kept.len > KEPT_MAX) {
        buf_release(&k->kept);
        k->all_kept = false;
    }
}

// The first pass is over: the length is known. END if that completes the reply.
static int begin_writing(struct stream_keys *k, struct reply *reply)
{
    reply_array(reply, k->count);
    if (k->all_kept) {
        buf_append_slice(reply->out, buf_slice(&k->kept));
        return END;
    }
    walk_close(&k->walk);
    open_pass(k);
    k->writing = true;
    return OK;
}

static int stream_keys_step(
    struct stream *s, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct stream_keys *k = of(s);
    size_t began = reply->out->len;
    unsigned steps = STEPS_A_LOOK;
    for (unsigned looked = 1;; looked++) {
        int status = k->matching ? OK : walk_next(&k->walk, &k->at);
        if (status == END && !k->writing)
            status = begin_writing(k, reply);
        else if (status == OK && matches(k, &steps) == GLOB_YES) {
            if (k->writing)
                reply_bulk(reply, k->at.key);
            else
                keep(k, reply->proto, k->at.key);
        }
        if (status != OK)
            return status;
        if (reply->out->len - began >= max_bytes)
            return OK;
        if (looked % KEYS_A_LOOK != 0 && steps > 0)
            continue;
        if (env_now_us(k->env) >= deadline_us)
            return OK;
        steps = STEPS_A_LOOK;
    }
}

static void stream_keys_arrived(struct iter *it, void *arg)
{
    struct waiter *w = arg;
    w->ready_cb(w->arg);
}

static void stream_keys_wait(struct stream *s, stream_ready_cb ready_cb, void *arg)
{
    struct stream_keys *k = of(s);
    k->waiter = (struct waiter){ready_cb, arg};
    walk_wait(&k->walk, stream_keys_arrived, &k->waiter);
}

static void stream_keys_close(struct stream *s)
{
    struct stream_keys *k = of(s);
    walk_close(&k->walk);
    snapshot_free(databases_engine(k->databases), k->snapshot);
    buf_release(&k->pattern);
    buf_release(&k->prefix);
    buf_release(&k->kept);
    free(k);
}

struct stream *stream_keys_new(struct call *call, struct slice pattern, struct slice prefix)
{
    struct stream_keys *k = xcalloc(1, sizeof *k);
    struct engine *engine = databases_engine(call->keys->dbs);
    struct engine_stats stats;
    engine_get_stats(engine, &stats);
    k->stream = (struct stream){.step = stream_keys_step,
        .wait = stream_keys_wait,
        .close = stream_keys_close,
        .seq = stats.last_seq};
    k->env = call->commands->options.env;
    k->databases = call->keys->dbs;
    k->snapshot = snapshot_new(engine);
    k->gen = call->keys->gen;
    k->now_ms = call->now_ms;
    k->all_kept = true;
    k->filtered = !glob_is_all(pattern);
    buf_append_slice(&k->pattern, pattern);
    buf_append_slice(&k->prefix, prefix);
    open_pass(k);
    return &k->stream;
}
