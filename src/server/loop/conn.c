// conn: a connection's life, and what happens to it at the end of a turn.
//
// A connection is in up to five lists of the server: all, ready (may execute), dirty (something
// happened this turn), undurable (waits for the log) and paced. conn_close takes it out of all of
// them, gives up its parked command and its stream, and closes the handle; memory goes in libuv's
// close callback, because a write under way still uses it.
//
// conn_settle is the one place where a turn's consequences are drawn: output is sent, limits are
// checked, memory is counted, and a connection that is to close does so when nothing is left to be
// sent. Everything else only makes the connection dirty.

#include "server/loop/conn.h"

#include "base/alloc.h"
#include "server/loop/budget.h"
#include "server/loop/park.h"
#include "server/loop/turn.h"

struct conn *conn_new(struct server *s)
{
    struct conn *c = xcalloc(1, sizeof *c);
    c->server = s;
    c->handle.data = c;
    session_init(s->commands, &c->session, s->clients.next_id++);
    c->session.conn = c;
    resp_parser_init(&c->input.parser);
    list_init(&c->ready_link);
    list_init(&c->dirty_link);
    list_init(&c->undurable_link);
    list_init(&c->pace_link);
    list_init(&c->claim.link);
    list_init(&c->claim.wait_link);
    list_push_back(&s->clients.all, &c->link);
    s->clients.count++;
    c->use.created_us = c->use.active_us = env_now_us(s->env);
    return c;
}

void conn_start(struct conn *c)
{
    c->server->counters.connections_received++;
    c->memory = conn_memory(c);
    c->server->clients.memory += c->memory;
    conn_update_reading(c);
}

static void conn_handle_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    c->server->handles_open--;
    buf_release(&c->input.bytes);
    resp_parser_release(&c->input.parser);
    conn_output_release(&c->output);
    free(c->use.address);
    free(c->use.local_address);
    free(c);
}

void conn_close(struct conn *c)
{
    struct server *s = c->server;
    if (c->closed)
        return;
    c->closed = true;
    conn_stream_release(c);
    park_release(c);
    session_release(s->commands, &c->session);
    if (s->clients.cron_at == &c->link)
        s->clients.cron_at = c->link.next;
    list_remove(&c->link);
    list_remove(&c->ready_link);
    list_remove(&c->dirty_link);
    list_remove(&c->undurable_link);
    list_remove(&c->pace_link);
    s->clients.count--;
    s->clients.memory -= c->memory;
    budget_release_input(c);
    s->handles_open++;
    s->turn.work = true;
    uv_close(&c->handle, conn_handle_closed);
}

void conn_close_after_reply(struct conn *c)
{
    c->hold |= HOLD_CLOSING;
    conn_make_dirty(c);
}

void conn_make_ready(struct conn *c)
{
    struct server *s = c->server;
    if (c->closed || !list_empty(&c->ready_link))
        return;
    if (list_empty(&s->turn.ready))
        uv_idle_start(&s->handles.idle, turn_on_idle);
    list_push_back(&s->turn.ready, &c->ready_link);
}

void conn_make_dirty(struct conn *c)
{
    if (c->closed || !list_empty(&c->dirty_link))
        return;
    c->server->turn.work = true;
    list_push_back(&c->server->turn.dirty, &c->dirty_link);
}

size_t conn_memory(const struct conn *c)
{
    const struct stream *stream = c->streaming.stream;
    return sizeof *c + (stream != NULL ? stream->memory : 0) + c->input.bytes.cap +
           resp_parser_memory(&c->input.parser) + c->output.bytes.cap + c->output.writing.cap +
           c->output.ring.cap * sizeof *c->output.ring.marks + session_memory(&c->session);
}

void conn_shrink(struct conn *c)
{
    if (c->input.bytes.len == 0) {
        buf_release(&c->input.bytes);
        budget_release_input(c);
        resp_parser_shrink(&c->input.parser);
    }
    if (c->output.bytes.len == 0)
        buf_release(&c->output.bytes);
    if (!c->output.busy)
        buf_release(&c->output.writing);
    if (c->output.ring.count == 0) {
        free(c->output.ring.marks);
        c->output.ring = (struct mark_ring){0};
    }
    conn_make_dirty(c);
}

static void count_memory(struct conn *c)
{
    size_t memory = conn_memory(c);
    c->server->clients.memory += memory - c->memory;
    c->memory = memory;
}

static bool over_limits(struct conn *c)
{
    struct server *s = c->server;
    if (conn_over_output_limit(c)) {
        s->counters.output_buffer_disconnects++;
        log_line(s->logger, LOG_WARNING,
            "Client id=%llu closed: over its output buffer limit with %zu bytes",
            (unsigned long long)c->session.id, conn_unsent(c));
        return true;
    }
    if (conn_backlog(c) > s->settings->clients.query_buffer_limit) {
        s->counters.query_buffer_disconnects++;
        log_line(s->logger, LOG_WARNING,
            "Client id=%llu closed: over its query buffer limit with %zu bytes",
            (unsigned long long)c->session.id, conn_backlog(c));
        return true;
    }
    return false;
}

static bool is_finished(const struct conn *c)
{
    if (conn_unsent(c) > 0)
        return false;
    if (c->hold & HOLD_CLOSING)
        return true;
    return c->input.ended && c->hold == 0 && list_empty(&c->ready_link);
}

void conn_settle(struct conn *c)
{
    if (!conn_send(c) || over_limits(c) || is_finished(c)) {
        conn_close(c);
        return;
    }
    if (conn_has_marks(c) && list_empty(&c->undurable_link))
        list_push_back(&c->server->turn.undurable, &c->undurable_link);
    if ((c->hold & HOLD_OUTPUT) && conn_unsent(c) <= budget_output_pause(c->server) / 2) {
        c->hold &= ~(unsigned)HOLD_OUTPUT;
        conn_make_ready(c);
    }
    conn_stream_resume(c);
    conn_update_reading(c);
    count_memory(c);
}
