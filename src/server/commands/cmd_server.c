// cmd_server: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN.
//
// Every acknowledged write is in the log, so none of these is needed to keep data. They do the
// nearest useful thing and answer as Redis does: a save flushes the memtable, a rewrite of the log
// compacts everything once. SAVE makes its own client wait, not the server: its reply is a stream
// (commands/stream.h) that has nothing to say until the flush is done.

#include <stdlib.h>

#include "base/alloc.h"
#include "commands/call.h"
#include "commands/stream.h"
#include "server/commands/rows.h"
#include "server/saves.h"

static struct server *server_of(struct call *call)
{
    return commands_server(call->commands);
}

// --- SAVE ----------------------------------------------------------------------------------------

struct save_stream {
    struct stream stream; // first
    struct server *server;
    struct save_waiter waiter;
    bool done;
    stream_ready_cb ready_cb; // NULL: nobody waits yet
    void *arg;
};

static void save_is_done(struct save_waiter *w)
{
    struct save_stream *s = LIST_ENTRY(w, struct save_stream, waiter);
    s->done = true;
    if (s->ready_cb != NULL)
        s->ready_cb(s->arg);
}

static int save_step(
    struct stream *stream, struct reply *reply, uint64_t deadline_us, size_t max_bytes)
{
    struct save_stream *s = (struct save_stream *)stream;
    if (!s->done)
        return WAIT;
    if (s->server->saves.save.last_failed)
        reply_error(reply, "ERR Saving failed, the server's log says why");
    else
        reply_ok(reply);
    return END;
}

static void save_wait(struct stream *stream, stream_ready_cb ready_cb, void *arg)
{
    struct save_stream *s = (struct save_stream *)stream;
    s->ready_cb = ready_cb;
    s->arg = arg;
}

static void save_close(struct stream *stream)
{
    struct save_stream *s = (struct save_stream *)stream;
    saves_cancel(&s->waiter);
    free(s);
}

static int save_command(struct call *call)
{
    struct server *server = server_of(call);
    if (server->saves.save.task != NULL)
        return call_error(call, "ERR Background save already in progress");
    struct save_stream *s = xcalloc(1, sizeof *s);
    s->stream = (struct stream){.step = save_step, .wait = save_wait, .close = save_close};
    s->server = server;
    s->waiter.done_cb = save_is_done;
    saves_wait(server, &s->waiter);
    saves_start(server);
    call->stream = &s->stream;
    return OK;
}

// --- In the background ---------------------------------------------------------------------------

static void start_save(struct commands *c, struct session *session, struct slice data)
{
    struct server *s = commands_server(c);
    if (s->saves.save.task == NULL) // a transaction may ask twice
        saves_start(s);
}

static int bgsave_command(struct call *call)
{
    struct server *s = server_of(call);
    bool schedule = call->argc == 2 && slice_equal_nocase(call->argv[1], "schedule");
    if (call->argc > 1 && !schedule)
        return call_syntax_error(call);
    if (s->saves.save.task != NULL)
        return call_error(call, "ERR Background save already in progress");
    call_defer(call, slice_of(NULL, 0), start_save);
    bool later = call->in_exec || (schedule && s->saves.rewrite.task != NULL);
    reply_simple(call->reply, later ? "Background saving scheduled" : "Background saving started");
    return OK;
}

static void start_rewrite(struct commands *c, struct session *session, struct slice data)
{
    struct server *s = commands_server(c);
    if (s->saves.rewrite.task == NULL)
        saves_start_rewrite(s);
}

static int bgrewriteaof_command(struct call *call)
{
    struct server *s = server_of(call);
    if (s->saves.rewrite.task != NULL)
        return call_error(call, "ERR Background append only file rewriting already in progress");
    call_defer(call, slice_of(NULL, 0), start_rewrite);
    reply_simple(call->reply, call->in_exec ? "Background append only file rewriting scheduled"
                                            : "Background append only file rewriting started");
    return OK;
}

static int lastsave_command(struct call *call)
{
    reply_int(call->reply, server_of(call)->saves.save.last_ms / 1000);
    return OK;
}

// --- SHUTDOWN ------------------------------------------------------------------------------------

// SAVE, NOSAVE, NOW and FORCE choose between ways to end that are one here: what was acknowledged
// is in the log, what is not yet durable is made so, nobody is waited for.
static int shutdown_command(struct call *call)
{
    bool save_given = false, nosave = false, abort_given = false, other = false;
    for (int i = 1; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (slice_equal_nocase(word, "save"))
            save_given = true;
        else if (slice_equal_nocase(word, "nosave"))
            nosave = true;
        else if (slice_equal_nocase(word, "abort"))
            abort_given = true;
        else if (slice_equal_nocase(word, "now") || slice_equal_nocase(word, "force"))
            other = true;
        else
            return call_syntax_error(call);
    }
    if ((save_given && nosave) || (abort_given && (save_given || nosave || other)))
        return call_syntax_error(call);
    if (abort_given)
        return call_error(call, "ERR No shutdown in progress.");
    struct server *s = server_of(call);
    log_line(s->logger, LOG_NOTICE, "User requested shutdown...");
    server_stop(s, 0);
    return OK;
}

#define ADMINS CMD_ADMIN | CMD_NOSCRIPT

const struct command cmd_server_rows[] = {
    {.name = "bgrewriteaof",
        .fn = bgrewriteaof_command,
        .arity = 1,
        .flags = ADMINS | CMD_NO_ASYNC_LOADING,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Compacts all data once, in the background"},
    {.name = "bgsave",
        .fn = bgsave_command,
        .arity = -1,
        .flags = ADMINS | CMD_NO_ASYNC_LOADING,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Writes what is in memory to a table, in the background",
        .history = "3.2.2:The `SCHEDULE` option.",
        .arguments = "schedule:x=SCHEDULE?@3.2.2"},
    {.name = "lastsave",
        .fn = lastsave_command,
        .arity = 1,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .acl = "admin dangerous",
        .tips = "nondeterministic_output",
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Tells when the last save ended well"},
    {.name = "save",
        .fn = save_command,
        .arity = 1,
        .flags = ADMINS | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(N) where N is the size of the memtable",
        .summary = "Writes what is in memory to a table, and waits for it"},
    {.name = "shutdown",
        .fn = shutdown_command,
        .arity = -1,
        .flags = ADMINS | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Ends the server, with everything that was acknowledged on disk",
        .history = "7.0.0:The options `NOW`, `FORCE` and `ABORT`.",
        .arguments = "nosave_save:o?(nosave:x=NOSAVE save:x=SAVE) now:x=NOW?@7.0.0 "
                     "force:x=FORCE?@7.0.0 abort:x=ABORT?@7.0.0"},
    {.name = NULL},
};
