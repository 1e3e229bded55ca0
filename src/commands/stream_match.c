// stream_match: a key of 60,000 bytes and a pattern of 30,000 take seconds, as any program of that
// product may that looks at each pair once. So the match is left when the turn's time is over, and
// gone on with in the next turn. Key and pattern are copied: nothing of the engine is held.
#include "commands/stream_match.h"

#include "base/alloc.h"
#include "commands/dispatch.h"
#include "commands/parts/glob.h"
#include "engine/stats.h"

enum { STEPS_A_LOOK = 32 * 1024 }; // looks at the clock

struct stream_match {
    struct stream stream;
    struct env *env;
    struct buf pattern, key;
    struct glob glob;
    int64_t cursor;
};

static struct stream_match *of(struct stream *s)
{
    return LIST_ENTRY(s, struct stream_match, stream);
}

static int stream_match_step(
    struct stream *s, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct stream_match *m = of(s);
    enum glob_answer answer;
    do {
        unsigned steps = STEPS_A_LOOK;
        answer = glob_go_on(&m->glob, &steps);
    } while (answer == GLOB_MORE && env_now_us(m->env) < deadline_us);
    if (answer == GLOB_MORE)
        return OK;
    reply_array(reply, 2);
    reply_bulk_int(reply, m->cursor);
    reply_array(reply, answer == GLOB_YES);
    if (answer == GLOB_YES)
        reply_bulk(reply, buf_slice(&m->key));
    return END;
}

// It lacks nothing, ever.
static void stream_match_wait(struct stream *s, stream_ready_cb ready_cb, void *arg)
{
}

static void stream_match_close(struct stream *s)
{
    struct stream_match *m = of(s);
    buf_release(&m->pattern);
    buf_release(&m->key);
    free(m);
}

struct stream *stream_match_new(
    struct call *call, struct slice pattern, struct slice key, int64_t cursor)
{
    struct stream_match *m = xcalloc(1, sizeof *m);
    struct engine_stats stats;
    engine_get_stats(databases_engine(call->keys->dbs), &stats);
    m->stream = (struct stream){.step = stream_match_step,
        .wait = stream_match_wait,
        .close = stream_match_close,
        .seq = stats.last_seq};
    m->env = call->commands->options.env;
    m->cursor = cursor;
    buf_append_slice(&m->pattern, pattern);
    buf_append_slice(&m->key, key);
    glob_begin(&m->glob, buf_slice(&m->pattern), buf_slice(&m->key), false);
    return &m->stream;
}
