// cmd_config: CONFIG. What a directive is and how it is set is config.h's; here is what a changed
// value does to the running server, and the replies.
//
// A change takes effect by itself where the code reads the settings each time (timeout, limits, the
// password). What else it asks for stands in its row (enum directive_effect), and is done by
// apply_effect. One that fails makes CONFIG SET take back all of its changes, and is then called
// again with the old value.

#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "commands/call.h"
#include "commands/parts/glob.h"
#include "commands/stream.h"
#include "server/commands/rows.h"
#include "server/config/config_row.h"
#include "server/server.h"

static struct server *server_of(struct call *call)
{
    return commands_server(call->commands);
}

// --- GET -----------------------------------------------------------------------------------------

static bool is_pattern(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("[*?", s.data[i]) != NULL && s.data[i] != 0)
            return true;
    return false;
}

// Patterns match every name once, in the order of the rows; a name without wild cards also finds
// what is hidden, and is repeated as given.
struct get {
    struct reply *reply;
    struct config *config;
    const struct slice *patterns;
    int count;
    int64_t found; // counted in the first round, written in the second
    bool write;
};

static void consider(
    struct get *g, const struct directive *row, const char *name, struct slice value)
{
    for (int i = 0; i < g->count; i++) {
        bool pattern = is_pattern(g->patterns[i]);
        if (!pattern && !slice_equal_nocase(g->patterns[i], name))
            continue;
        if (pattern && ((row->flags & DIRECTIVE_HIDDEN) ||
                           !glob_match(g->patterns[i], slice_cstr(name), true)))
            continue;
        g->found++;
        if (g->write) {
            reply_bulk(g->reply, pattern ? slice_cstr(name) : g->patterns[i]);
            reply_bulk(g->reply, value);
        }
        return;
    }
}

static void walk_rows(struct get *g)
{
    for (int i = 0; i < config_row_count(); i++) {
        const struct directive *row = config_row(i);
        struct slice value = config_row_value(g->config, i);
        if (value.data == NULL)
            continue;
        struct buf shown = {0};
        if (row->show != NULL) {
            row->show(config_settings(g->config), &shown);
            value = buf_slice(&shown);
        }
        consider(g, row, row->name, value);
        if (row->alias != NULL)
            consider(g, row, row->alias, value);
        buf_release(&shown);
    }
}

static int config_get_command(struct call *call)
{
    struct get g = {call->reply, server_of(call)->config, call->argv + 2, call->argc - 2, 0, false};
    walk_rows(&g);
    reply_map(call->reply, g.found);
    g.write = true;
    walk_rows(&g);
    return OK;
}

// --- SET -----------------------------------------------------------------------------------------

static bool apply_listen(struct server *s, const struct directive *row, const char **why)
{
    struct error err;
    *why = strcmp(row->name, "port") == 0 ? "Unable to listen on this port. Check server logs."
                                          : "Failed to bind to specified addresses.";
    if (server_listen_again(s, &err) == OK)
        return true;
    log_line(s->logger, LOG_WARNING, "%s", err.text);
    return false;
}

static bool apply_maxclients(struct server *s, const char **why)
{
    static char text[128]; // the reply is written before the next CONFIG SET
    int possible = server_fit_descriptors(s, s->settings->network.maxclients, NULL);
    snprintf(text, sizeof text,
        "The operating system is not able to handle the specified number of clients, try with %d",
        possible);
    *why = text;
    return possible >= s->settings->network.maxclients;
}

static bool apply_effect(struct server *s, const struct directive *row, const char **why)
{
    const struct engine_options *engine = &s->settings->data.engine;
    switch (row->effect) {
    case EFFECT_NONE:
        return true;
    case EFFECT_FSYNC:
        engine_set_fsync(s->engine, engine->fsync);
        return true;
    case EFFECT_COMPACTION_RATE:
        engine_set_compaction_rate_limit(s->engine, engine->compaction_rate_limit);
        return true;
    case EFFECT_MEMORY:
        engine_set_memory_budget(s->engine, engine->memory_budget);
        return true;
    case EFFECT_LIMITS:
        databases_set_limits(s->databases, &s->settings->data.limits);
        return true;
    case EFFECT_LOG_LEVEL:
        config_logger_update(s->config);
        return true;
    case EFFECT_LISTEN:
        return apply_listen(s, row, why);
    case EFFECT_DESCRIPTORS:
        return apply_maxclients(s, why);
    }
    ENSURE_UNREACHABLE();
}

static bool config_set_apply(void *arg, const struct directive *row, const char **why)
{
    struct server *s = arg;
    if (row->treatment == TREAT_ACCEPTED)
        log_line(s->logger, LOG_WARNING, "CONFIG SET %s: accepted without effect", row->name);
    return apply_effect(s, row, why);
}

static int config_set_command(struct call *call)
{
    struct server *s = server_of(call);
    if (call->argc % 2 != 0)
        return call_syntax_error(call);
    enum enable allowed = s->settings->security.protected_configs;
    bool protected_ok =
        allowed == ENABLE_YES || (allowed == ENABLE_LOCAL && server_is_local(call->session));
    struct buf error = {0};
    int pairs = (call->argc - 2) / 2;
    if (config_set(s->config, call->argv + 2, pairs, protected_ok, &error, config_set_apply, s)) {
        reply_ok(call->reply);
    } else {
        buf_append_byte(&error, 0);
        reply_error(call->reply, (const char *)error.data);
    }
    buf_release(&error);
    return OK;
}

// --- The rest ------------------------------------------------------------------------------------

// Rewriting reads, writes and syncs: a job does it with a copy of the values, and the reply is a
// stream that waits for it. The client may leave before the job has ended; whichever of the two
// comes last frees. In a transaction it happens on the loop.
struct rewrite {
    struct stream stream; // first
    struct job job;
    struct config *copy;
    struct logger *logger;
    struct error err;
    int status;
    bool done, left;
    stream_ready_cb ready_cb; // NULL: nobody waits yet
    void *arg;
};

static void rewrite_free(struct rewrite *r)
{
    config_free(r->copy);
    free(r);
}

static void rewrite_job_run(struct job *job)
{
    struct rewrite *r = LIST_ENTRY(job, struct rewrite, job);
    r->status = config_rewrite(r->copy, &r->err);
}

static void rewrite_log(struct logger *logger, int status, const struct error *err)
{
    if (status == OK)
        log_line(logger, LOG_NOTICE, "CONFIG REWRITE executed with success.");
    else
        log_line(logger, LOG_WARNING, "CONFIG REWRITE failed: %s", err->text);
}

static void rewrite_job_done(struct job *job)
{
    struct rewrite *r = LIST_ENTRY(job, struct rewrite, job);
    rewrite_log(r->logger, r->status, &r->err);
    r->done = true;
    if (r->left)
        rewrite_free(r);
    else if (r->ready_cb != NULL)
        r->ready_cb(r->arg);
}

static void rewrite_reply(struct reply *reply, int status, const struct error *err)
{
    if (status == OK)
        reply_ok(reply);
    else
        reply_errorf(reply, "ERR Rewriting config file: %s", err->text);
}

static int rewrite_step(
    struct stream *stream, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct rewrite *r = (struct rewrite *)stream;
    if (!r->done)
        return WAIT;
    rewrite_reply(reply, r->status, &r->err);
    return END;
}

static void rewrite_wait(struct stream *stream, stream_ready_cb ready_cb, void *arg)
{
    struct rewrite *r = (struct rewrite *)stream;
    r->ready_cb = ready_cb;
    r->arg = arg;
}

static void rewrite_close(struct stream *stream)
{
    struct rewrite *r = (struct rewrite *)stream;
    r->left = true;
    if (r->done)
        rewrite_free(r);
}

static int config_rewrite_command(struct call *call)
{
    struct server *s = server_of(call);
    if (config_file(s->config)[0] == 0)
        return call_error(call, "ERR The server is running without a config file");
    if (call->in_exec) {
        struct error err;
        int status = config_rewrite(s->config, &err);
        rewrite_log(s->logger, status, &err);
        rewrite_reply(call->reply, status, &err);
        return OK;
    }
    struct rewrite *r = xcalloc(1, sizeof *r);
    r->stream = (struct stream){.step = rewrite_step, .wait = rewrite_wait, .close = rewrite_close};
    r->job = (struct job){.run = rewrite_job_run, .done = rewrite_job_done};
    r->copy = config_copy(s->config);
    r->logger = s->logger;
    exec_submit(s->exec, LANE_FILES, &r->job);
    call->stream = &r->stream;
    return OK;
}

static void reset_statistics(struct commands *c, struct session *session, struct slice data)
{
    server_reset_counters(commands_server(c));
}

static int config_resetstat_command(struct call *call)
{
    call_defer(call, slice_of(NULL, 0), reset_statistics);
    reply_ok(call->reply);
    return OK;
}

static int config_help_command(struct call *call)
{
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL,
    };
    return call_help(call, lines);
}

#define ADMINS CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

static const struct command subcommands[] = {
    {.name = "get",
        .fn = config_get_command,
        .arity = -3,
        .flags = ADMINS,
        .since = "2.0.0",
        .group = "server",
        .complexity = "O(N) where N is the number of directives",
        .summary = "Shows directives and their values",
        .history = "7.0.0:Any number of patterns.",
        .arguments = "parameter:b*(parameter:s)"},
    {.name = "help",
        .fn = config_help_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .since = "5.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Explains the subcommands"},
    {.name = "resetstat",
        .fn = config_resetstat_command,
        .arity = 2,
        .flags = ADMINS,
        .since = "2.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Sets the counters of INFO to zero"},
    {.name = "rewrite",
        .fn = config_rewrite_command,
        .arity = 2,
        .flags = ADMINS,
        .since = "2.8.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Writes the directives as they are to the configuration file"},
    {.name = "set",
        .fn = config_set_command,
        .arity = -4,
        .flags = ADMINS,
        .since = "2.0.0",
        .group = "server",
        .complexity = "O(N) where N is the number of directives given",
        .summary = "Changes directives, all those given or none",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
        .history = "7.0.0:Any number of directives.",
        .arguments = "parameter_value:b*(parameter:s value:s)"},
    {.name = NULL},
};

const struct command cmd_config_rows[] = {
    {.name = "config",
        .arity = -2,
        .since = "2.0.0",
        .group = "server",
        .complexity = "Depends on the subcommand.",
        .summary = "The server's directives",
        .subcommands = subcommands},
    {.name = NULL},
};
