// dispatch: one attempt of one command, from arguments to a committed effect and a complete reply.
//
// Checks that need no data come first, in Redis' order, since clients match on which of two errors
// they get: unknown, arity, protected, authentication, transaction rules; then a command inside
// MULTI is queued. Then the handler runs, and its batch is committed. Whether there is room for a
// write is the engine's to say, at the commit: it takes deletes for longer than other writes, and
// knows what a batch holds, where a row would only know that it writes.
//
// Invariant: an attempt that does not end in OK leaves nothing behind. The session's plain values
// are put back; the reply is cut to where it began; the view with its counts, the deferred effects
// and the statistics of EXEC's commands are forgotten; the batch was never applied. WAIT is handed
// to the caller, who runs the command again. A failure of the engine becomes the reply.
//
// What an attempt must do only once (move a cursor table, watch a key, free the queue) is deferred
// until its commit was OK: call_defer.
#include <stdio.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/random.h"
#include "commands/dispatch.h"
#include "commands/families.h"
#include "commands/multi.h"
#include "commands/stats.h"
#include "commands/stream.h"
#include "types/reaper.h"

enum { KEYS_PREFETCHED = 64, UNKNOWN_SHOWN = 128, KEPT_SCRATCH = 64 * 1024 };
static const char TOO_LARGE_TEXT[] = "OOM command, transaction or reply too large for 'maxmemory'";
static const int64_t MAX_BULK_DEFAULT = 512ll * 1024 * 1024;

struct deferred {
    call_effect_cb effect_cb;
    size_t len;
};

struct inner_stat {
    struct entry *entry;
    uint64_t usec;
    bool failed;
    size_t error_at; // in the reply, if it failed
};

struct commands *commands_new(const struct commands_options *options)
{
    struct commands *c = xcalloc(1, sizeof *c);
    c->options = *options;
    watches_init(&c->watches);
    cursors_init(&c->cursors, options->memory_budget / 100);
    commands_tick(c);
    const struct command *const families[] = {connection_rows, command_rows, transaction_rows,
        string_rows, string_range_rows, counter_rows, hash_rows, set_rows, set_algebra_rows,
        key_rows, expire_rows, scan_rows, database_rows, object_rows};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        commands_register(c, families[i]);
    return c;
}

void commands_free(struct commands *c)
{
    watches_release(&c->watches);
    cursors_release(&c->cursors);
    if (c->reap_txn != NULL)
        txn_free(c->reap_txn);
    table_release(c);
    buf_release(&c->deferred);
    buf_release(&c->inner);
    buf_release(&c->touched);
    buf_release(&c->work);
    free(c);
}

void *commands_server(struct commands *c)
{
    return c->options.server;
}

int64_t commands_max_bulk(struct commands *c)
{
    return c->options.max_bulk != NULL ? c->options.max_bulk(c->options.server) : MAX_BULK_DEFAULT;
}

void commands_reply_status(struct commands *c, struct reply *reply, int status)
{
    struct error err = {0};
    switch (status) {
    case READ_ONLY:
        engine_write_status(c->options.engine, &err);
        reply_errorf(reply, "MISCONF Errors writing to the log: %s",
            err.text[0] != '\0' ? err.text : status_text(status));
        break;
    case NO_SPACE:
        reply_error(reply,
            "MISCONF No space left on the device: writes are refused until there is room again");
        break;
    case NO_MEMORY:
        reply_error(reply, "OOM command not allowed when used memory > 'maxmemory'.");
        break;
    case TOO_LARGE:
        reply_error(reply, TOO_LARGE_TEXT);
        break;
    default:
        reply_errorf(reply, "ERR the storage engine failed: %s", status_text(status));
        c->totals.unexpected_errors++;
        break;
    }
}

// --- Checks before the handler -------------------------------------------------------------------

static void unknown_command(
    const struct slice *argv, int argc, const struct entry *container, char *out, size_t size)
{
    char args[UNKNOWN_SHOWN + 8] = "";
    size_t len = 0;
    if (container != NULL) {
        char name[64] = "";
        for (size_t i = 0; container->row->name[i] != '\0'; i++)
            name[i] = (char)(container->row->name[i] - (container->row->name[i] >= 'a' ? 32 : 0));
        snprintf(out, size, "ERR unknown subcommand '%.*s'. Try %s HELP.",
            (int)(argv[1].len < UNKNOWN_SHOWN ? argv[1].len : UNKNOWN_SHOWN),
            (const char *)argv[1].data, name);
        return;
    }
    for (int i = 1; i < argc && len < UNKNOWN_SHOWN; i++) {
        size_t room = UNKNOWN_SHOWN - len,
               n = strnlen((const char *)argv[i].data, argv[i].len < room ? argv[i].len : room);
        len += (size_t)snprintf(
            args + len, sizeof args - len, "'%.*s' ", (int)n, (const char *)argv[i].data);
    }
    snprintf(out, size, "ERR unknown command '%.*s', with args beginning with: %s",
        (int)(argv[0].len < UNKNOWN_SHOWN ? argv[0].len : UNKNOWN_SHOWN),
        (const char *)argv[0].data, args);
}

static bool arity_fits(const struct command *row, int argc)
{
    return row->arity >= 0 ? argc == row->arity : argc >= -row->arity;
}

static bool keys_fit(const struct command *row, const struct slice *argv, int argc)
{
    enum { AT_ONCE = 256 };
    int positions[AT_ONCE];
    if (row->get_keys == NULL && row->first_key > 0) { // the common case needs no list
        int last = row->last_key < 0 ? argc + row->last_key : row->last_key;
        for (int i = row->first_key; i <= last && i < argc; i += row->key_step)
            if (argv[i].len > KEY_MAX)
                return false;
        return true;
    }
    int count = command_keys(row, argv, argc, positions, AT_ONCE);
    for (int i = 0; i < count && i < AT_ONCE; i++)
        if (argv[positions[i]].len > KEY_MAX)
            return false;
    return true;
}

static bool needs_auth(const struct commands *c, const struct session *s)
{
    if (s->authenticated || c->options.requirepass == NULL)
        return false;
    return c->options.requirepass(c->options.server).len > 0;
}

// NULL if the command may run, else the error. `text` is room for one that must be made.
static const char *refuse(struct commands *c, struct session *s, const struct entry *e,
    const struct slice *argv, int argc, char *text, size_t size)
{
    const struct command *row = e->row;
    if (!arity_fits(row, argc)) {
        char name[64];
        snprintf(text, size, "ERR wrong number of arguments for '%s' command",
            entry_name(row, e->parent, name));
        return text;
    }
    if ((row->flags & CMD_PROTECTED) && c->options.allow_debug != NULL &&
        !c->options.allow_debug(c->options.server, s))
        return "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
               "\"local\", you can run it from a local connection, otherwise you need to set this "
               "option in the configuration file, and then restart the server.";
    if (needs_auth(c, s) && !(row->flags & CMD_NO_AUTH))
        return "NOAUTH Authentication required.";
    if (s->multi != NULL && (row->flags & CMD_NO_MULTI))
        return "ERR Command not allowed inside a transaction";
    if (!keys_fit(row, argv, argc))
        return "ERR key is too long (the limit is 65536 bytes)";
    return NULL;
}

static void reject(
    struct commands *c, struct session *s, struct entry *e, struct reply *reply, const char *error)
{
    if (e != NULL)
        e->stats.rejected++;
    if (e != NULL && (e->row->flags & CMD_RUNS_QUEUE)) {
        multi_discard(s);
        watch_remove_all(&c->watches, s);
        const char *shown = strncmp(error, "ERR ", 4) == 0 ? error + 4 : error;
        reply_errorf(reply, "EXECABORT Transaction discarded because of: %s", shown);
    } else {
        if (s->multi != NULL)
            multi_spoil(s);
        reply_error(reply, error);
    }
    stats_count_error_at(c, reply, reply->error_at);
}

// --- An attempt ----------------------------------------------------------------------------------

void call_defer(struct call *call, struct slice data, call_effect_cb effect_cb)
{
    struct deferred d = {effect_cb, data.len};
    buf_append(&call->commands->deferred, &d, sizeof d);
    buf_append_slice(&call->commands->deferred, data);
}

static void run_deferred(struct commands *c, struct session *s)
{
    for (size_t at = 0; at < c->deferred.len;) {
        struct deferred d;
        memcpy(&d, c->deferred.data + at, sizeof d);
        at += sizeof d;
        d.effect_cb(c, s, slice_of(c->deferred.data + at, d.len));
        at += d.len;
    }
    buf_clear(&c->deferred);
    buf_shrink(&c->deferred, KEPT_SCRATCH);
}

// Counts EXEC's commands.
static void settle_inner(struct commands *c, const struct reply *reply)
{
    for (size_t at = 0; at < c->inner.len; at += sizeof(struct inner_stat)) {
        struct inner_stat s;
        memcpy(&s, c->inner.data + at, sizeof s);
        if (s.failed)
            stats_count_error_at(c, reply, s.error_at);
        stats_count_call(c, s.entry, s.usec, s.failed);
    }
    buf_clear(&c->inner);
    buf_shrink(&c->inner, KEPT_SCRATCH);
}

// Plain values of a session, as they were when the attempt began. Owned things (queue, watches,
// texts) are changed by deferred effects or by commands that cannot wait.
static void restore(struct session *s, const struct session *saved)
{
    s->db = saved->db;
    s->proto = saved->proto;
    s->authenticated = saved->authenticated;
    s->close_after_reply = saved->close_after_reply;
    s->no_touch = saved->no_touch;
}

static int commit(struct commands *c, struct txn *txn)
{
    if (!txn_has_writes(txn))
        return OK;
    if (c->watches.count > 0)
        watch_collect(&c->watches, &c->view, txn, &c->touched);
    int status = txn_commit(txn);
    if (status != OK)
        buf_clear(&c->touched);
    return status;
}

static void forget_attempt(struct commands *c, struct session *s, const struct session *saved,
    struct reply *reply, size_t at)
{
    restore(s, saved);
    reply->out->len = at;
    reply->proto = s->proto;
    reply->failed = false;
    reply->overflowed = false;
    databases_abandon(&c->view);
    buf_clear(&c->deferred);
    buf_clear(&c->inner);
}

static void settle(
    struct commands *c, struct session *s, struct entry *e, const struct reply *reply)
{
    databases_installed(&c->view);
    c->totals.hits += c->view.hits;
    c->totals.misses += c->view.misses;
    c->totals.expired += c->view.expired;
    c->totals.changes += c->view.changes;
    if (c->touched.len > 0)
        watch_apply(&c->touched);
    if (reply->failed)
        stats_count_error_at(c, reply, reply->error_at);
    if (c->inner.len > 0)
        settle_inner(c, reply);
    if (c->deferred.len > 0)
        run_deferred(c, s);
    stats_count_call(c, e, stats_clock(c), reply->failed);
}

static void fail(
    struct commands *c, struct session *s, struct entry *e, struct reply *reply, int status)
{
    if (s->multi != NULL) { // only EXEC gets here with a queue
        multi_discard(s);
        watch_remove_all(&c->watches, s);
    }
    commands_reply_status(c, reply, status);
    stats_count_error_at(c, reply, reply->error_at);
    stats_count_call(c, e, stats_clock(c), true);
}

static int attempt(struct commands *c, struct session *s, struct entry *e, struct call *call,
    struct stream **stream)
{
    struct session saved = *s;
    size_t at = call->reply->out->len;
    call->reply->failed = false;
    databases_begin(&c->view, c->options.databases, call->txn, s->db, call->now_ms);
    int status = e->row->fn(call);
    if (status == OK && call->reply->overflowed)
        status = TOO_LARGE;
    if (status == OK) {
        status = commit(c, call->txn);
        if (status < 0 && (e->row->flags & CMD_READONLY) && c->view.expired > 0) {
            // The reader's only writes are courtesies: without room for them, it reads on without.
            if (call->stream != NULL)
                call->stream->close(call->stream);
            call->stream = NULL;
            forget_attempt(c, s, &saved, call->reply, at);
            txn_begin(call->txn);
            databases_begin(&c->view, c->options.databases, call->txn, s->db, call->now_ms);
            c->view.frozen = true;
            status = e->row->fn(call);
        }
    }
    if (status == OK) {
        settle(c, s, e, call->reply);
        *stream = call->stream;
        return OK;
    }
    if (call->stream != NULL)
        call->stream->close(call->stream);
    forget_attempt(c, s, &saved, call->reply, at);
    if (status == WAIT)
        return WAIT;
    fail(c, s, e, call->reply, status);
    return OK;
}

void commands_refuse_too_large(struct commands *c, struct session *s, struct reply *reply)
{
    reject(c, s, NULL, reply, TOO_LARGE_TEXT);
}

// Bytes that the queue of a transaction may take.
static size_t queue_max(const struct commands *c)
{
    return c->options.queue_max != NULL ? c->options.queue_max(c->options.server) : SIZE_MAX;
}

int commands_execute(struct commands *c, struct session *s, struct txn *txn,
    const struct slice *argv, int argc, int64_t now_ms, uint64_t seed, bool first_attempt,
    struct reply *reply, struct stream **stream)
{
    char text[512];
    struct entry *container, *e = table_lookup(c, argv, argc, &container);
    *stream = NULL;
    if (e == NULL) {
        unknown_command(argv, argc, container, text, sizeof text);
        reject(c, s, NULL, reply, text);
        return OK;
    }
    if (first_attempt) {
        const char *error = refuse(c, s, e, argv, argc, text, sizeof text);
        if (error != NULL) {
            reject(c, s, e, reply, error);
            return OK;
        }
        s->last_command = container != NULL ? container->row : e->row;
        s->last_subcommand = container != NULL ? e->row : NULL;
    }
    if (s->multi != NULL && !(e->row->flags & CMD_QUEUED_NEVER)) {
        if (multi_queue(s, e, argv, argc, queue_max(c)))
            reply_simple(reply, "QUEUED");
        else
            reject(c, s, e, reply, TOO_LARGE_TEXT);
        return OK;
    }
    struct call call = {.commands = c,
        .command = e->row,
        .session = s,
        .keys = &c->view,
        .txn = txn,
        .reply = reply,
        .argv = argv,
        .argc = argc,
        .now_ms = now_ms,
        .seed = seed};
    return attempt(c, s, e, &call, stream);
}

int dispatch_inner(
    struct call *outer, struct entry *e, const struct slice *argv, int argc, int index)
{
    struct commands *c = outer->commands;
    struct call call = *outer;
    call.command = e->row;
    call.argv = argv;
    call.argc = argc;
    call.in_exec = true;
    // Seeds that lie close, or a step of the generator apart, would draw the same numbers.
    call.seed = random_next(&(struct random){outer->seed + (uint64_t)index});
    struct reply *reply = outer->reply;
    size_t mark = txn_mark(outer->txn), at = reply->out->len;
    reply->failed = false;
    int status = e->row->fn(&call);
    ENSURE(call.stream == NULL);
    if (status == WAIT || status == NO_MEMORY)
        return status;
    if (status != OK) {
        reply->out->len = at;
        commands_reply_status(c, reply, status);
    }
    if (reply->failed)
        txn_rewind(outer->txn, mark);
    struct inner_stat stat = {e, stats_clock(c), reply->failed, reply->error_at};
    buf_append(&c->inner, &stat, sizeof stat);
    reply->failed = false; // EXEC's own reply is an array all the same
    return OK;
}

// --- Beside commands -----------------------------------------------------------------------------

void commands_prefetch(
    struct commands *c, const struct session *s, const struct slice *argv, int argc)
{
    struct entry *container, *e = table_lookup(c, argv, argc, &container);
    int positions[KEYS_PREFETCHED];
    if (e == NULL || !arity_fits(e->row, argc) || needs_auth(c, s))
        return;
    bool plain = argc == -e->row->arity;
    if ((e->row->flags & CMD_BLIND) || (plain && (e->row->flags & CMD_BLIND_IF_PLAIN)))
        return;
    int count = command_keys(e->row, argv, argc, positions, KEYS_PREFETCHED);
    for (int i = 0; i < count && i < KEYS_PREFETCHED; i++)
        if (argv[positions[i]].len <= KEY_MAX)
            engine_prefetch(c->options.engine,
                keys_engine_key(c->options.databases, s->db, argv[positions[i]]));
}

int commands_expire_cycle(struct commands *c, int64_t now_ms, int max)
{
    struct slice key;
    int removed = 0;
    struct txn *txn = NULL;
    while (removed < max && engine_next_expired(c->options.engine, now_ms - 1, &key) == OK) {
        if (txn == NULL)
            txn = txn_new(c->options.engine);
        txn_begin(txn);
        txn_delete(txn, key);
        databases_begin(&c->view, c->options.databases, txn, 0, now_ms);
        if (commit(c, txn) != OK)
            break;
        watch_apply(&c->touched);
        removed++;
        c->totals.expired++;
    }
    if (txn != NULL)
        txn_free(txn);
    return removed;
}

bool commands_may_reap(const struct commands *c)
{
    return c->reap_txn != NULL && !c->reap_waits;
}

static void reap_again(struct txn *txn, void *arg)
{
    struct commands *c = arg;
    c->reap_waits = false;
}

int commands_reap(struct commands *c, int64_t now_ms, int max)
{
    struct reaper reaper;
    if (c->reap_waits || !reaper_is_due(c->options.databases, now_ms))
        return 0;
    if (c->reap_txn == NULL)
        c->reap_txn = txn_new(c->options.engine);
    txn_begin(c->reap_txn);
    databases_begin(&c->view, c->options.databases, c->reap_txn, 0, now_ms);
    int status = reaper_stage(&reaper, &c->view, max);
    if (status == OK)
        status = commit(c, c->reap_txn);
    if (status == WAIT) { // with what it has fetched the next round gets further
        c->reap_waits = true;
        txn_wait(c->reap_txn, reap_again, c);
        return 0;
    }
    if (status == OK) {
        reaper_done(&reaper, c->options.databases);
        watch_apply(&c->touched);
        c->totals.expired += (uint64_t)reaper.expired;
    }
    txn_free(c->reap_txn);
    c->reap_txn = NULL;
    return status == OK ? reaper.staged : 0;
}
