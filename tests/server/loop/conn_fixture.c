#include "conn_fixture.h"
#include "server/saves.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "commands/stream.h"

struct fake fake;
struct settings fake_settings;
struct server *server;
static uv_loop_t loop;
static int port;

// --- The engine ----------------------------------------------------------------------------------

struct txn {
    struct list link;
    uint64_t seq;
    unsigned arrivals;
    void (*ready_cb)(struct txn *txn, void *arg);
    void *arg;
};

struct txn *txn_new(struct engine *engine)
{
    struct txn *txn = xcalloc(1, sizeof *txn);
    list_init(&txn->link);
    return txn;
}

void txn_free(struct txn *txn)
{
    list_remove(&txn->link);
    free(txn);
}

void txn_begin(struct txn *txn)
{
    txn->seq = 0;
}

void txn_reset(struct txn *txn)
{
    txn->seq = 0;
    txn->arrivals = 0;
}

uint64_t txn_seq(const struct txn *txn)
{
    return txn->seq;
}

void txn_wait(struct txn *txn, void (*ready_cb)(struct txn *txn, void *arg), void *arg)
{
    txn->ready_cb = ready_cb;
    txn->arg = arg;
    list_push_back(&fake.waiting, &txn->link);
}

void engine_turn_end(struct engine *engine)
{
    if (!fake.hold_log && !fake.failed)
        fake.durable_seq = fake.seq;
}

uint64_t engine_durable_seq(const struct engine *engine)
{
    return fake.durable_seq;
}

int engine_write_status(const struct engine *engine, struct error *err)
{
    return fake.failed ? error_set(err, IO, "log", 0, 0, "failed") : OK;
}

uint64_t engine_pace_us(const struct engine *engine)
{
    return fake.pace_us;
}

void arrive_all(void)
{
    struct list batch;
    list_init(&batch);
    while (!list_empty(&fake.waiting)) {
        struct list *node = fake.waiting.next;
        list_remove(node);
        list_push_back(&batch, node);
    }
    while (!list_empty(&batch)) {
        struct txn *txn = LIST_ENTRY(batch.next, struct txn, link);
        list_remove(&txn->link);
        txn->arrivals++;
        txn->ready_cb(txn, txn->arg);
    }
}

void log_becomes_durable(void)
{
    fake.durable_seq = fake.seq;
    server_on_progress(server);
}

// --- The commands --------------------------------------------------------------------------------

struct fake_stream {
    struct stream stream; // first
    int64_t left;
    bool begun;
};

static int stream_step(
    struct stream *stream, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct fake_stream *f = (struct fake_stream *)stream;
    static const char filler[1000];
    if (fake.stream_waits)
        return WAIT;
    if (!f->begun)
        reply_array(reply, f->left);
    f->begun = true;
    if (fake.stream_stutters && f->left % 16 != 0)
        max_bytes = sizeof filler;
    for (size_t written = 0; f->left > 0 && written < max_bytes;
         written += sizeof filler, f->left--)
        reply_bulk(reply, slice_of(filler, sizeof filler));
    return f->left > 0 ? OK : END;
}

static void stream_wait(struct stream *stream, void (*ready_cb)(void *arg), void *arg)
{
    fake.stream_ready_cb = ready_cb;
    fake.stream_ready_arg = arg;
}

static void stream_close(struct stream *stream)
{
    fake.streams_open--;
    free(stream);
}

static struct stream *stream_open(int64_t count)
{
    struct fake_stream *f = xcalloc(1, sizeof *f);
    f->stream = (struct stream){
        .step = stream_step, .wait = stream_wait, .close = stream_close, .seq = fake.seq};
    f->left = count;
    fake.streams_open++;
    return &f->stream;
}

static bool is(struct slice s, const char *name)
{
    return slice_equal_nocase(s, name);
}

static int64_t number(struct slice s)
{
    int64_t value = 0;
    for (size_t i = 0; i < s.len; i++)
        value = value * 10 + (s.data[i] - '0');
    return value;
}

static void reply_zeros(struct reply *reply, size_t len)
{
    void *zeros = xcalloc(1, len);
    reply_bulk(reply, slice_of(zeros, len));
    free(zeros);
}

int commands_execute(struct commands *c, struct session *s, struct txn *txn,
    const struct slice *argv, int argc, int64_t now_ms, uint64_t seed, bool first_attempt,
    struct reply *reply, struct stream **stream)
{
    cr_assert_eq(first_attempt, txn->arrivals == 0);
    if (is(argv[0], "cold") && txn->arrivals < number(argv[1]))
        return WAIT;
    fake.done++;
    if (is(argv[0], "echo")) {
        reply_bulk(reply, argv[1]);
    } else if (is(argv[0], "set")) {
        txn->seq = ++fake.seq;
        reply_ok(reply);
    } else if (is(argv[0], "get")) {
        txn->seq = fake.seq;
        reply_bulk_cstr(reply, "value");
    } else if (is(argv[0], "big")) {
        reply_zeros(reply, (size_t)number(argv[1]));
    } else if (is(argv[0], "stream")) {
        *stream = stream_open(number(argv[1]));
    } else {
        s->close_after_reply = is(argv[0], "quit");
        reply_ok(reply);
    }
    return OK;
}

void commands_reply_status(struct commands *c, struct reply *reply, int status)
{
    reply_errorf(reply, "MISCONF %s", status_text(status));
}

void commands_refuse_too_large(struct commands *c, struct session *s, struct reply *reply)
{
    reply_error(reply, "OOM too large");
}

void commands_prefetch(
    struct commands *c, const struct session *s, const struct slice *argv, int argc)
{
    fake.prefetched++;
}

struct commands *commands_new(const struct commands_options *options)
{
    return NULL;
}

void commands_free(struct commands *c)
{
}

void commands_register(struct commands *c, const struct command *rows)
{
}

void *commands_server(struct commands *c)
{
    return server;
}

void commands_tick(struct commands *c)
{
}

int commands_expire_cycle(struct commands *c, int64_t now_ms, int max)
{
    return 0;
}

int commands_reap(struct commands *c, int64_t now_ms, int max)
{
    return 0;
}

bool commands_may_reap(const struct commands *c)
{
    return false;
}

void databases_set_limits(struct databases *dbs, const struct databases_limits *limits)
{
}

void commands_count_error(struct commands *c, struct slice text)
{
}

void commands_reset_stats(struct commands *c)
{
}

void session_init(struct commands *c, struct session *s, uint64_t id)
{
    *s = (struct session){.id = id, .proto = 2, .authenticated = true};
}

void session_release(struct commands *c, struct session *s)
{
}

size_t session_memory(const struct session *s)
{
    return 0;
}

int session_queued(const struct session *s)
{
    return -1;
}

const struct command cmd_client_rows[1], cmd_config_rows[1], cmd_info_rows[1], cmd_server_rows[1];
const struct command cmd_debug_rows[1];

void saves_init(struct server *s)
{
}

void saves_forget_changes(struct server *s)
{
}

void saves_release(struct server *s)
{
}

// --- The environment -----------------------------------------------------------------------------

static int64_t fake_now_ms(struct env *env)
{
    return (int64_t)(fake.now_us / 1000);
}

static uint64_t fake_now_us(struct env *env)
{
    return fake.now_us;
}

static uint64_t fake_random(struct env *env)
{
    return 1;
}

static const struct env_ops fake_ops = {
    .now_ms = fake_now_ms, .now_us = fake_now_us, .random = fake_random};

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

void fixture_open(void)
{
    static char loopback[] = "127.0.0.1", *addresses[] = {loopback};
    fake = (struct fake){.env.ops = &fake_ops, .now_us = 1000000};
    list_init(&fake.waiting);
    fake_settings = (struct settings){
        .network = {.bind = addresses, .bind_count = 1, .backlog = 128, .maxclients = 100},
        .clients = {.query_buffer_limit = 1u << 30, .max_bulk = 512u << 20},
        .data.memory_budget = 64u << 20,
    };
    uv_loop_init(&loop);
    struct server_parts parts = {.loop = &loop, .settings = &fake_settings, .env = &fake.env};
    server = server_new(&parts);
    server_attach(server, (struct engine *)&fake, NULL);
    struct error err;
    int status = IO;
    for (int i = 0; i < 20 && status != OK; i++) {
        port = fake_settings.network.port = free_port();
        status = server_listen(server, &err);
    }
    cr_assert_eq(status, OK, "%s", err.text);
}

void fixture_close(void)
{
    server_free(server);
    cr_assert_eq(fake.streams_open, 0);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

void settle(void)
{
    for (int quiet = 0; quiet < 3;) {
        uint64_t before = server->counters.turns;
        uv_run(&loop, UV_RUN_NOWAIT);
        quiet = server->counters.turns == before ? quiet + 1 : 0;
    }
}

// --- Clients -------------------------------------------------------------------------------------

void client_open(struct client *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    cr_assert_eq(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    settle();
}

void client_close(struct client *c)
{
    close(c->fd);
    buf_release(&c->got);
}

// Loopback delivers soon, but not at once: turns the loop until the server has read what was sent,
// or does not want to.
void client_send_bytes(struct client *c, const void *data, size_t len)
{
    const char *at = data;
    uint64_t want = server->counters.net_input_bytes + len;
    uint64_t deadline = uv_hrtime() + 10ull * 1000 * 1000 * 1000;
    while (len > 0 && uv_hrtime() < deadline) {
        ssize_t sent = send(c->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        at += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    deadline = uv_hrtime() + 50u * 1000 * 1000;
    while (server->counters.net_input_bytes < want && uv_hrtime() < deadline)
        uv_run(&loop, UV_RUN_NOWAIT);
    settle();
}

void client_send(struct client *c, const char *text)
{
    client_send_bytes(c, text, strlen(text));
}

void client_receive(struct client *c)
{
    char piece[64 * 1024];
    ssize_t got;
    while ((got = recv(c->fd, piece, sizeof piece, 0)) > 0)
        buf_append(&c->got, piece, (size_t)got);
    c->closed = c->closed || got == 0 || (got < 0 && errno != EAGAIN);
}

void client_expect(struct client *c, const char *text)
{
    settle();
    client_receive_bytes(c, strlen(text));
    client_receive(c);
    cr_assert(slice_equal(buf_slice(&c->got), slice_cstr(text)), "got \"%.*s\", expected \"%s\"",
        (int)c->got.len, (char *)c->got.data, text);
    buf_clear(&c->got);
}

void client_receive_bytes(struct client *c, size_t len)
{
    uint64_t deadline = uv_hrtime() + 10ull * 1000 * 1000 * 1000;
    while (c->got.len < len && !c->closed) {
        cr_assert_lt(uv_hrtime(), deadline, "received %zu of %zu bytes", c->got.len, len);
        uv_run(&loop, UV_RUN_NOWAIT);
        client_receive(c);
    }
}

void client_expect_closed(struct client *c)
{
    client_receive_bytes(c, SIZE_MAX);
    cr_assert(c->closed);
}
