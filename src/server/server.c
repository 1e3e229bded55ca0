// server: made, attached to an engine, and taken apart. The parts are wings: loop/ accepts and
// serves connections, and says what one iteration of the loop does (loop/turn.c) and what happens
// by the clock (loop/cron.c); config/ and info/ are what the server is told and what it tells of
// itself; commands/ has the rows of the commands that show and change it.
//
// Everything runs on the loop's one thread. The order of the end: connections are closed, then the
// loop stops (server_stop); server_free closes the handles, the txns and the commands; then
// databases and engine may go.

#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "server/commands/rows.h"
#include "server/loop/budget.h"
#include "server/loop/conn.h"
#include "server/loop/cron.h"
#include "server/loop/listen.h"
#include "server/loop/turn.h"
#include "server/saves.h"

enum { CRON_EVERY_MS = 100 };

static void make_run_id(struct server *s)
{
    for (int at = 0; at < 40; at += 8)
        snprintf(s->identity.run_id + at, 9, "%08x", (unsigned)s->env->ops->random(s->env));
}

static void start_handles(struct server *s)
{
    struct server_handles *h = &s->handles;
    uv_check_init(s->loop, &h->check);
    uv_prepare_init(s->loop, &h->prepare);
    uv_idle_init(s->loop, &h->idle);
    uv_timer_init(s->loop, &h->cron);
    uv_timer_init(s->loop, &h->pace);
    h->check.data = h->prepare.data = h->idle.data = h->cron.data = h->pace.data = s;
}

struct server *server_new(const struct server_parts *parts)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->loop = parts->loop;
    s->config = parts->config;
    s->settings = parts->settings;
    s->env = parts->env;
    s->exec = parts->exec;
    s->logger = parts->logger;
    s->identity.executable = parts->executable;
    s->identity.config_file = parts->config_file;
    list_init(&s->clients.all);
    list_init(&s->clients.claims);
    list_init(&s->clients.claim_waiters);
    list_init(&s->turn.ready);
    list_init(&s->turn.dirty);
    list_init(&s->turn.undurable);
    list_init(&s->turn.paced);
    s->clients.cron_at = &s->clients.all;
    s->clients.next_id = 1;
    s->read_buffer = xmalloc(READ_BUFFER_SIZE);
    resp_parser_init(&s->lookahead);
    s->turn.seeds.state = s->env->ops->random(s->env);
    turn_tick(s);
    s->identity.started_ms = s->turn.now_ms;
    s->identity.started_us = s->turn.now_us;
    saves_init(s);
    make_run_id(s);
    start_handles(s);
    return s;
}

void server_on_progress(void *arg)
{
    struct server *s = arg;
    s->turn.work = true;
}

static struct slice requirepass(void *server)
{
    const struct server *s = server;
    return s->settings->security.requirepass;
}

static int64_t max_bulk(void *server)
{
    const struct server *s = server;
    uint64_t share = s->settings->data.memory_budget / 8, max = s->settings->clients.max_bulk;
    return (int64_t)(max < share ? max : share);
}

static size_t queue_max(void *server)
{
    const struct server *s = server;
    return budget_queue_max(s);
}

static void flushed_all(void *server)
{
    saves_forget_changes(server);
}

static bool allow_debug(void *server, const struct session *session)
{
    const struct server *s = server;
    enum enable allowed = s->settings->security.debug_command;
    struct conn *c = session->conn;
    return allowed == ENABLE_YES || (allowed == ENABLE_LOCAL && c != NULL && conn_is_local(c));
}

void server_attach(struct server *s, struct engine *engine, struct databases *databases)
{
    s->engine = engine;
    s->databases = databases;
    databases_set_limits(databases, &s->settings->data.limits);
    struct commands_options options = {
        .engine = engine,
        .databases = databases,
        .env = s->env,
        .memory_budget = s->settings->data.memory_budget,
        .server = s,
        .requirepass = requirepass,
        .max_bulk = max_bulk,
        .queue_max = queue_max,
        .allow_debug = allow_debug,
        .flushed_all = flushed_all,
    };
    s->commands = commands_new(&options);
    commands_register(s->commands, cmd_client_rows);
    commands_register(s->commands, cmd_config_rows);
    commands_register(s->commands, cmd_info_rows);
    commands_register(s->commands, cmd_server_rows);
    commands_register(s->commands, cmd_debug_rows);
    s->turn.txn = txn_new(engine);
    s->turn.durable_seq = engine_durable_seq(engine);
    uv_check_start(&s->handles.check, turn_on_check);
    uv_prepare_start(&s->handles.prepare, turn_on_prepare);
    uv_timer_start(&s->handles.cron, cron_on_timer, CRON_EVERY_MS, CRON_EVERY_MS);
}

void server_stop(struct server *s, int exit_status)
{
    s->stopping = true;
    s->exit_status = exit_status;
    s->turn.work = true;
}

void server_reset_counters(struct server *s)
{
    s->counters = (struct server_counters){0};
    s->rates = (struct server_rates){0};
    commands_reset_stats(s->commands);
}

static void server_handle_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;
    s->handles_open--;
}

static void close_handles(struct server *s)
{
    struct server_handles *h = &s->handles;
    uv_handle_t *all[] = {(uv_handle_t *)&h->check, (uv_handle_t *)&h->prepare,
        (uv_handle_t *)&h->idle, (uv_handle_t *)&h->cron, (uv_handle_t *)&h->pace};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        s->handles_open++;
        uv_close(all[i], server_handle_closed);
    }
}

static void free_txns(struct server *s)
{
    while (s->turn.spares > 0)
        txn_free(s->turn.spare[--s->turn.spares]);
    txn_free(s->turn.txn);
}

void server_free(struct server *s)
{
    listen_close(s);
    while (!list_empty(&s->clients.all))
        conn_close(LIST_ENTRY(s->clients.all.next, struct conn, link));
    close_handles(s);
    while (s->handles_open > 0)
        uv_run(s->loop, UV_RUN_ONCE);
    if (s->engine != NULL) {
        saves_release(s);
        free_txns(s);
        commands_free(s->commands);
    }
    resp_parser_release(&s->lookahead);
    free(s->read_buffer);
    free(s);
}
