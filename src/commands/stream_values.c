// stream_values: many values, one after the other, of one moment. MGET is an attempt like any other
// command as long as its reply fits what clients may have; this is for what does not. Memory is
// that of the keys, of a few values that were fetched ahead, and of what the socket has not taken
// yet; a value that is larger than the rest is sent as a whole.
//
// A key that waits has those behind it looked for, too, so that a disk gets more than one read at a
// time.
#include "commands/stream_values.h"

#include "base/alloc.h"
#include "commands/dispatch.h"
#include "types/keys.h"

enum { AHEAD = 32 };

struct stream_values {
    struct stream stream;
    struct env *env;
    struct commands *commands;
    struct databases *databases;
    struct reader *reader;
    uint64_t gen;
    int64_t now_ms;
    struct buf bytes; // of the keys
    struct slice *keys;
    int count, at;
    bool headed;
    stream_ready_cb ready_cb;
    void *ready_arg;
};

static struct stream_values *of(struct stream *s)
{
    return LIST_ENTRY(s, struct stream_values, stream);
}

static int look(struct stream_values *v, int i, struct value *out)
{
    return keys_read_at(v->databases, v->reader, v->gen, v->now_ms, v->keys[i], out);
}

static void look_ahead(struct stream_values *v)
{
    struct value unused;
    for (int i = v->at + 1; i < v->count && i <= v->at + AHEAD && !reader_is_full(v->reader); i++)
        look(v, i, &unused);
}

static int stream_values_step(
    struct stream *s, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct stream_values *v = of(s);
    size_t began = reply->out->len;
    if (!v->headed)
        reply_array(reply, v->count);
    v->headed = true;
    while (v->at < v->count) {
        struct value value;
        int status = look(v, v->at, &value);
        if (status == WAIT)
            look_ahead(v);
        if (status != OK && status != NOT_FOUND)
            return status;
        bool found = status == OK && value.type == TYPE_STRING;
        if (found)
            reply_bulk(reply, value.bytes);
        else
            reply_null(reply);
        v->commands->totals.hits += status == OK;
        v->commands->totals.misses += status == NOT_FOUND;
        v->at++;
        if (reply->out->len - began >= max_bytes || env_now_us(v->env) >= deadline_us)
            return OK;
    }
    return END;
}

static void stream_values_arrived(struct reader *reader, void *arg)
{
    struct stream_values *v = arg;
    v->ready_cb(v->ready_arg);
}

static void stream_values_wait(struct stream *s, stream_ready_cb ready_cb, void *arg)
{
    struct stream_values *v = of(s);
    v->ready_cb = ready_cb;
    v->ready_arg = arg;
    reader_wait(v->reader, stream_values_arrived, v);
}

static void stream_values_close(struct stream *s)
{
    struct stream_values *v = of(s);
    reader_free(v->reader);
    buf_release(&v->bytes);
    free(v->keys);
    free(v);
}

static void copy_keys(struct stream_values *v, const struct slice *argv)
{
    size_t total = 0;
    for (int i = 0; i < v->count; i++)
        total += argv[i].len;
    buf_reserve(&v->bytes, total);
    v->keys = xmalloc((size_t)v->count * sizeof *v->keys);
    for (int i = 0; i < v->count; i++) {
        v->keys[i] = slice_of(v->bytes.data + v->bytes.len, argv[i].len);
        buf_append_slice(&v->bytes, argv[i]);
    }
}

struct stream *stream_values_new(struct call *call)
{
    struct stream_values *v = xcalloc(1, sizeof *v);
    v->env = call->commands->options.env;
    v->commands = call->commands;
    v->databases = call->keys->dbs;
    v->reader = reader_new(databases_engine(call->keys->dbs));
    v->gen = call->keys->gen;
    v->now_ms = call->now_ms;
    v->count = call->argc - 1;
    copy_keys(v, call->argv + 1);
    v->stream = (struct stream){.step = stream_values_step,
        .wait = stream_values_wait,
        .close = stream_values_close,
        .seq = reader_seq(v->reader),
        .memory = sizeof *v + v->bytes.cap + (size_t)v->count * sizeof *v->keys};
    return &v->stream;
}
