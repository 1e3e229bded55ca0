// conn_input: bytes -> commands -> replies in the output buffer.
//
// Reading. A connection without unexecuted input reads into the server's one shared buffer, and
// commands are executed right there: in the common case nothing is copied and an idle connection
// owns no buffer. What is left over (a piece of a command; commands over this turn's share;
// commands behind one that waits) is copied to the connection's own buffer, where reading goes on
// until it is empty. When the parser knows that a big argument is under way, exactly the missing
// bytes are read behind what is there. More than a little of it needs a claim on the clients'
// memory (budget.c); a command that is larger than one may be is skipped as it arrives, and
// answered with an error.
//
// Running. Commands are executed in the read callback itself, at most RUN_COMMANDS, RUN_US or
// RUN_OUTPUT a turn; then the connection queues up in the ready list. A held connection (enum
// conn_hold) executes nothing; whoever takes the hold away makes it ready. It is read from until
// INPUT_BACKLOG, so that a closed peer is noticed and the commands behind a parked one can be
// prefetched; while only its unsent output holds it, as far as claims go, because many clients read
// nothing before they have sent all.
//
// The end of input is not the end of the connection: what was read is executed and answered first
// (conn.c).

#include "server/loop/conn.h"

#include "base/alloc.h"
#include "server/loop/budget.h"
#include "server/loop/pace.h"
#include "server/loop/park.h"
#include "server/loop/turn.h"

enum {
    RUN_COMMANDS = 1000,
    RUN_US = 1000,
    RUN_OUTPUT = 256 * 1024, // bytes of replies
    CLOCK_EVERY = 16,        // small commands; after a big one (below) the clock is asked at once
    BIG_COMMAND_ARGS = 16,   // arguments
    BIG_REPLY = 4 * 1024,    // bytes
    READ_ROOM = 16 * 1024,
    READ_AT_ONCE = 1 << 30,
    READ_IN_PLACE = 32 * 1024, // an argument that misses so much is read alone
};

static struct resp_limits input_limits(const struct conn *c)
{
    return (struct resp_limits){
        .max_args = INT32_MAX,
        .max_bulk = (int64_t)c->server->settings->clients.max_bulk,
        .max_command = budget_command_max(c->server),
        .unauthenticated = !c->session.authenticated,
    };
}

// A browser that was tricked into talking to us (cross-protocol scripting) sends these lines first.
static bool is_http(struct slice name)
{
    return (name.len == 4 && slice_equal_nocase(name, "post")) ||
           (name.len == 5 && slice_equal_nocase(name, "host:"));
}

static void protocol_error(struct conn *c)
{
    struct server *s = c->server;
    struct reply reply = {.out = &c->output.bytes, .proto = c->session.proto};
    reply_errorf(&reply, "ERR %s", c->input.parser.error);
    commands_count_error(s->commands, slice_cstr("ERR"));
    log_line(s->logger, LOG_VERBOSE, "%s from client id=%llu", c->input.parser.error,
        (unsigned long long)c->session.id);
    conn_close_after_reply(c);
}

static void refuse_too_large(struct conn *c)
{
    struct reply reply = {.out = &c->output.bytes, .proto = c->session.proto};
    commands_refuse_too_large(c->server->commands, &c->session, &reply);
    c->server->counters.commands++;
}

// The command has had its effect and its reply lies from `start` on.
static void finish_command(struct conn *c, struct txn *txn, size_t start, struct stream *stream)
{
    struct server *s = c->server;
    uint64_t seq = txn_seq(txn);
    s->counters.commands++;
    if (seq > s->turn.durable_seq && c->output.bytes.len > start)
        conn_mark(c, start, seq);
    if (seq > s->turn.last_seq) {
        s->turn.last_seq = seq;
        uint64_t delay_us = engine_pace_us(s->engine);
        if (delay_us > 0)
            pace_conn(c, delay_us);
    }
    park_end(c, txn);
    if (stream != NULL)
        conn_stream_begin(c, stream, c->output.bytes.len > start);
    if (c->session.close_after_reply)
        conn_close_after_reply(c);
}

// One attempt of the command in the parser. False: it waits, and its bytes must stay.
static bool execute_command(struct conn *c, struct slice rest)
{
    struct server *s = c->server;
    const struct resp_parser *p = &c->input.parser;
    bool first = c->park.txn == NULL;
    struct txn *txn = first ? s->turn.txn : c->park.txn;
    uint64_t seed = first ? random_next(&s->turn.seeds) : c->park.seed;
    size_t start = c->output.bytes.len;
    struct reply reply = {
        .out = &c->output.bytes, .proto = c->session.proto, .max_len = start + budget_reply_max(s)};
    struct stream *stream = NULL;
    txn_begin(txn);
    int status = commands_execute(s->commands, &c->session, txn, p->argv, p->argc, s->turn.now_ms,
        seed, first, &reply, &stream);
    if (status == WAIT) {
        buf_shrink(&c->output.bytes, BUFFER_KEEP); // of the half reply that was thrown away
        park_conn(c, txn, seed, rest);
        return false;
    }
    finish_command(c, txn, start, stream);
    return true;
}

// Returns how much of the input is done with.
static size_t run_commands(struct conn *c, struct slice input)
{
    struct server *s = c->server;
    struct resp_parser *p = &c->input.parser;
    struct resp_limits limits = input_limits(c);
    size_t at = 0, used = 0, pause = budget_output_pause(s), output_before = conn_unsent(c);
    turn_tick(s);
    commands_tick(s->commands);
    uint64_t deadline_us = s->turn.now_us + RUN_US;
    for (unsigned done = 0; c->hold == 0 && at < input.len;) {
        enum resp_result result = resp_parse(p, slice_skip(input, at), &limits, &used);
        if (result == RESP_MORE)
            break;
        if (result == RESP_ERROR) {
            protocol_error(c);
            break;
        }
        if (result == RESP_SKIPPED || result == RESP_TOO_LARGE) {
            at += used;
            if (result == RESP_SKIPPED)
                break;
            refuse_too_large(c);
            continue;
        }
        if (p->argc > 0 && is_http(p->argv[0])) {
            log_line(s->logger, LOG_WARNING,
                "Client id=%llu speaks HTTP: possibly an attack through a browser. Closed",
                (unsigned long long)c->session.id);
            conn_close(c);
            break;
        }
        size_t before = c->output.bytes.len;
        if (p->argc > 0 && !execute_command(c, slice_skip(input, at + used)))
            break;
        at += used;
        limits.unauthenticated = !c->session.authenticated;
        if (conn_unsent(c) > pause)
            c->hold |= HOLD_OUTPUT;
        bool big = p->argc > BIG_COMMAND_ARGS || c->output.bytes.len - before > BIG_REPLY;
        if (++done % CLOCK_EVERY == 0 || big) {
            turn_tick(s);
            if (done >= RUN_COMMANDS || s->turn.now_us >= deadline_us ||
                conn_unsent(c) > output_before + RUN_OUTPUT) {
                if (at < input.len && c->hold == 0)
                    conn_make_ready(c);
                break;
            }
        }
    }
    c->use.active_us = s->turn.now_us;
    s->turn.work = true;
    s->turn.output_bytes += conn_unsent(c) - output_before;
    conn_make_dirty(c);
    return c->hold & HOLD_CLOSING ? input.len : at;
}

void conn_run(struct conn *c)
{
    struct conn_input *in = &c->input;
    in->position += run_commands(c, slice_skip(buf_slice(&in->bytes), in->position));
    if (in->position == in->bytes.len) {
        buf_clear(&in->bytes);
        in->position = 0;
        size_t keep = budget_keep(c->server);
        buf_shrink(&in->bytes, keep);
        if (resp_parser_memory(&in->parser) > keep)
            resp_parser_shrink(&in->parser);
        budget_release_input(c);
    }
}

// Exactly so much: what is announced is known.
static void reserve_total(struct buf *b, size_t total)
{
    if (b->cap >= total)
        return;
    b->data = xrealloc(b->data, total);
    b->cap = total;
}

static void conn_input_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct conn *c = handle->data;
    struct conn_input *in = &c->input;
    if (in->bytes.len == 0) {
        *out = uv_buf_init((char *)c->server->read_buffer, (unsigned)budget_read_size(c->server));
        return;
    }
    buf_consume(&in->bytes, in->position);
    in->position = 0;
    size_t want = resp_parser_want(&in->parser), len = in->bytes.len;
    size_t total = want > len + READ_IN_PLACE ? want : len + READ_ROOM + len / 2;
    if (c->claim.bytes > 2 * total && total < READ_BUFFER_SIZE) {
        buf_shrink(&in->bytes, total);
        budget_release_input(c);
    }
    *out = uv_buf_init(NULL, 0);
    if (budget_turn_is_full(c->server) || !budget_claim_input(c, total))
        return;
    reserve_total(&in->bytes, total);
    size_t room = total - len < READ_AT_ONCE ? total - len : READ_AT_ONCE;
    *out = uv_buf_init((char *)in->bytes.data + len, (unsigned)room);
}

static void conn_input_ended(struct conn *c, ssize_t status)
{
    if (status != UV_EOF) {
        conn_close(c);
        return;
    }
    c->input.ended = true;
    c->input.ended_us = env_now_us(c->server->env);
    conn_make_dirty(c);
    conn_update_reading(c);
}

static void conn_input_read(uv_stream_t *socket, ssize_t got, const uv_buf_t *into)
{
    struct conn *c = socket->data;
    struct server *s = c->server;
    if (got == UV_ENOBUFS) { // there is no memory for it yet
        conn_update_reading(c);
        return;
    }
    if (got < 0) {
        conn_input_ended(c, got);
        return;
    }
    if (got == 0)
        return;
    s->counters.reads++;
    s->counters.net_input_bytes += (uint64_t)got;
    c->claim.progress_us = s->turn.now_us;
    if (into->base != (char *)s->read_buffer) {
        c->input.bytes.len += (size_t)got;
        if (list_empty(&c->ready_link) && c->hold == 0)
            conn_run(c);
    } else {
        struct slice input = slice_of(into->base, (size_t)got);
        c->input.shared = input.len;
        size_t used = c->hold == 0 ? run_commands(c, input) : 0;
        c->input.shared = 0;
        if (!c->closed && used < input.len)
            buf_append_slice(&c->input.bytes, slice_skip(input, used));
    }
    conn_make_dirty(c);
    conn_update_reading(c);
}

void conn_update_reading(struct conn *c)
{
    if (c->closed)
        return;
    bool may_wait = c->hold != 0 || !list_empty(&c->ready_link);
    size_t backlog =
        c->hold == HOLD_OUTPUT ? budget_command_max(c->server) / 2 : (size_t)INPUT_BACKLOG;
    bool stop = c->input.ended || (c->hold & (HOLD_CLOSING | HOLD_PACED)) ||
                !list_empty(&c->claim.wait_link) || (may_wait && conn_backlog(c) >= backlog);
    if (stop == !c->input.reading)
        return;
    c->input.reading = !stop;
    if (stop)
        uv_read_stop(&c->socket);
    else if (uv_read_start(&c->socket, conn_input_alloc, conn_input_read) != 0)
        conn_close(c);
}
