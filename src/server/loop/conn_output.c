// conn_output: replies -> the socket, once a turn, and never before their truth is durable.
//
// A reply that shows a sequence number above the durable one gets a mark: where it lies in the
// connection's output, and the seq. What lies before the first mark whose seq is not durable may be
// sent. Under everysec and no, the log write at the end of the turn makes all marks of the turn
// durable before anything is sent; then they are dropped together, by one comparison. If the log
// fails, each reply with a mark above the durable seq is replaced by the error, one for one, so
// that the client's pipeline stays in step.
//
// Sending is one write for all of a turn's replies. What the kernel does not take is swapped into
// `writing`, which libuv sends in the background while new replies collect in `bytes`; there is at
// most one such write at a time.
//
// Positions are counted over the connection's whole life, so that sending moves none of them.

#include "server/loop/conn.h"

#include "base/alloc.h"
#include "server/loop/budget.h"

enum { RING_FIRST = 16 };

void conn_output_release(struct conn_output *out)
{
    buf_release(&out->bytes);
    buf_release(&out->writing);
    free(out->ring.marks);
    out->ring = (struct mark_ring){0};
}

static struct output_mark *ring_at(const struct mark_ring *ring, unsigned i)
{
    return &ring->marks[(ring->head + i) & (ring->cap - 1)];
}

static void ring_grow(struct mark_ring *ring)
{
    unsigned cap = ring->cap == 0 ? RING_FIRST : ring->cap * 2;
    struct output_mark *marks = xmalloc(cap * sizeof *marks);
    for (unsigned i = 0; i < ring->count; i++)
        marks[i] = *ring_at(ring, i);
    free(ring->marks);
    ring->marks = marks;
    ring->cap = cap;
    ring->head = 0;
}

void conn_mark(struct conn *c, size_t start, uint64_t seq)
{
    struct conn_output *out = &c->output;
    struct mark_ring *ring = &out->ring;
    if (ring->count == ring->cap)
        ring_grow(ring);
    *ring_at(ring, ring->count++) =
        (struct output_mark){out->base + start, out->base + out->bytes.len, seq};
    if (seq > ring->seq_max)
        ring->seq_max = seq;
}

// Gives up the marks at the front that are durable.
static void drop_durable(struct mark_ring *ring, uint64_t durable_seq)
{
    if (ring->seq_max <= durable_seq) {
        ring->head = ring->count = 0;
        return;
    }
    while (ring->count > 0 && ring_at(ring, 0)->seq <= durable_seq) {
        ring->head = (ring->head + 1) & (ring->cap - 1);
        ring->count--;
    }
}

// The log has failed: what it did not take is answered with the error.
static void replace_lost(struct conn *c, uint64_t durable_seq)
{
    struct conn_output *out = &c->output;
    struct buf kept = {0};
    struct reply reply = {.out = &kept, .proto = c->session.proto};
    size_t at = 0;
    for (unsigned i = 0; i < out->ring.count; i++) {
        const struct output_mark *mark = ring_at(&out->ring, i);
        if (mark->seq <= durable_seq)
            continue;
        size_t start = (size_t)(mark->start - out->base);
        buf_append(&kept, out->bytes.data + at, start - at);
        commands_reply_status(c->server->commands, &reply, READ_ONLY);
        at = (size_t)(mark->end - out->base);
    }
    buf_append(&kept, out->bytes.data + at, out->bytes.len - at);
    buf_release(&out->bytes);
    out->bytes = kept;
    out->ring.head = out->ring.count = 0;
}

static size_t sendable(const struct conn_output *out)
{
    return out->ring.count == 0 ? out->bytes.len
                                : (size_t)(ring_at(&out->ring, 0)->start - out->base);
}

static void give_up_front(struct conn *c, size_t count)
{
    struct conn_output *out = &c->output;
    out->base += count;
    if (count < out->bytes.len) {
        buf_consume(&out->bytes, count);
        return;
    }
    buf_clear(&out->bytes);
    buf_shrink(&out->bytes, budget_keep(c->server));
}

static void conn_write_done(uv_write_t *request, int status)
{
    struct conn *c = request->data;
    struct conn_output *out = &c->output;
    out->busy = false;
    if (c->closed)
        return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    buf_clear(&out->writing);
    buf_shrink(&out->writing, budget_keep(c->server));
    conn_make_dirty(c);
}

uv_buf_t conn_piece(uint8_t *data, size_t len)
{
    return (uv_buf_t){.base = (char *)data, .len = len};
}

void conn_output_check(struct conn *c)
{
    size_t queued = uv_stream_get_write_queue_size(&c->socket);
    if (queued == c->output.queued)
        return;
    c->output.queued = queued;
    c->output.progress_us = env_now_us(c->server->env);
}

// Lets libuv send the bytes from `sent` to `end` in the background.
static bool send_later(struct conn *c, size_t sent, size_t end)
{
    struct conn_output *out = &c->output;
    size_t from = 0;
    if (end == out->bytes.len) {
        struct buf empty = out->writing;
        out->writing = out->bytes;
        out->bytes = empty;
        out->base += end;
        from = sent;
    } else {
        buf_append(&out->writing, out->bytes.data + sent, end - sent);
        give_up_front(c, end);
    }
    uv_buf_t piece = conn_piece(out->writing.data + from, out->writing.len - from);
    out->busy = true;
    out->progress_us = c->server->turn.now_us;
    out->request.data = c;
    c->server->counters.net_output_bytes += end - sent;
    if (uv_write(&out->request, &c->socket, &piece, 1, conn_write_done) != 0) {
        out->busy = false;
        return false;
    }
    out->queued = uv_stream_get_write_queue_size(&c->socket);
    return true;
}

bool conn_send(struct conn *c)
{
    struct server *s = c->server;
    struct conn_output *out = &c->output;
    if (out->ring.count > 0) {
        drop_durable(&out->ring, s->turn.durable_seq);
        if (out->ring.count > 0 && s->turn.engine_failed)
            replace_lost(c, s->turn.durable_seq);
    }
    size_t end = sendable(out);
    if (end == 0 || out->busy)
        return true;
    uv_buf_t piece = conn_piece(out->bytes.data, end);
    // The system takes at most 2 GiB at once, so the answer fits.
    int sent = uv_try_write(&c->socket, &piece, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0)
        return false;
    s->counters.writes++;
    s->counters.net_output_bytes += (uint64_t)sent;
    if ((size_t)sent < end)
        return send_later(c, (size_t)sent, end);
    give_up_front(c, end);
    return true;
}

bool conn_over_output_limit(struct conn *c)
{
    const struct output_limit *limit = &c->server->settings->clients.output[CLIENT_NORMAL];
    struct conn_output *out = &c->output;
    size_t unsent = conn_unsent(c);
    if (limit->hard_bytes > 0 && unsent > limit->hard_bytes)
        return true;
    if (limit->soft_bytes == 0 || unsent <= limit->soft_bytes) {
        out->soft_since_us = 0;
        return false;
    }
    if (out->soft_since_us == 0)
        out->soft_since_us = c->server->turn.now_us;
    return c->server->turn.now_us - out->soft_since_us > limit->soft_seconds * 1000 * 1000;
}
