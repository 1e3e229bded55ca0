// conn_stream: a reply that is written over many turns (commands/stream.h). The connection is held;
// each turn, as one of the ready ones, it lets the stream write for about a millisecond; while much
// output is unsent, or the stream waits for the disk, it is not ready.
//
// The stream shows data up to its seq, so it begins when that is durable: until then the connection
// waits in the undurable list. If the log has failed, the client gets the error instead; a reply
// that the handler itself has begun has a mark, and so gets it there.
//
// A client that stops reading keeps a snapshot alive, and so files that compaction wants to remove:
// after STALL_US without a byte moving the connection is cut.

#include "server/loop/conn.h"

#include "server/loop/turn.h"

enum { STEP_US = 1000, STEP_BYTES = 64 * 1024, STALL_US = 60 * 1000 * 1000 };

void conn_stream_begin(struct conn *c, struct stream *stream, bool headed)
{
    c->streaming = (struct conn_stream){
        .stream = stream, .headed = headed, .progress_us = c->server->turn.now_us};
    c->hold |= HOLD_STREAM;
    conn_make_ready(c);
}

void conn_stream_release(struct conn *c)
{
    if (c->streaming.stream == NULL)
        return;
    c->streaming.stream->close(c->streaming.stream);
    c->streaming = (struct conn_stream){0};
    c->hold &= ~(unsigned)HOLD_STREAM;
}

static void stream_data_arrived(void *arg)
{
    struct conn *c = arg;
    c->streaming.waiting = false;
    conn_make_ready(c);
}

static void end(struct conn *c)
{
    conn_stream_release(c);
    conn_make_ready(c);
}

// False: not yet, or never.
static bool may_show(struct conn *c)
{
    struct server *s = c->server;
    if (c->streaming.stream->seq <= engine_durable_seq(s->engine))
        return true;
    if (engine_write_status(s->engine, NULL) != OK) {
        struct reply reply = {.out = &c->output.bytes, .proto = c->session.proto};
        if (!c->streaming.headed)
            commands_reply_status(s->commands, &reply, READ_ONLY);
        end(c);
    } else if (list_empty(&c->undurable_link)) {
        list_push_back(&s->turn.undurable, &c->undurable_link);
    }
    return false;
}

void conn_stream_run(struct conn *c)
{
    struct server *s = c->server;
    struct stream *stream = c->streaming.stream;
    c->streaming.paused = conn_unsent(c) >= STREAM_OUTPUT;
    if (c->streaming.waiting || c->streaming.paused || !may_show(c))
        return;
    struct reply reply = {.out = &c->output.bytes, .proto = c->session.proto};
    turn_tick(s);
    int status = stream->step(stream, &reply, s->turn.now_us + STEP_US, STEP_BYTES);
    c->streaming.progress_us = s->turn.now_us;
    conn_make_dirty(c);
    if (status == OK) {
        conn_make_ready(c);
    } else if (status == WAIT) {
        c->streaming.waiting = true;
        stream->wait(stream, stream_data_arrived, c);
    } else if (status == END) {
        end(c);
    } else {
        log_line(s->logger, LOG_WARNING, "Client id=%llu closed in the middle of a reply: %s",
            (unsigned long long)c->session.id, status_text(status));
        conn_stream_release(c);
        conn_close_after_reply(c);
    }
}

void conn_stream_resume(struct conn *c)
{
    if (c->streaming.paused && conn_unsent(c) < STREAM_OUTPUT)
        conn_make_ready(c);
}

bool conn_stream_check(struct conn *c)
{
    if (c->streaming.stream == NULL)
        return true;
    uint64_t now_us = env_now_us(c->server->env);
    if (c->streaming.waiting || conn_has_marks(c))
        c->streaming.progress_us = now_us;
    if (c->output.busy && c->output.progress_us > c->streaming.progress_us)
        c->streaming.progress_us = c->output.progress_us;
    return now_us - c->streaming.progress_us < STALL_US;
}
