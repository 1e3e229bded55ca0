// Transactions. MULTI makes the dispatcher queue; EXEC runs the queue in one attempt, so in one
// batch. A command of the queue that waits makes all of EXEC wait: the others still run, to note
// what they would miss, and then everything starts again from the first. A command that fails takes
// back only what it staged itself; the others stay, as in Redis. Only when all of them together
// need more memory than a command may have is that EXEC's own error: which of them meets it depends
// on the attempt, and the others would wait for it for ever.
#include "base/alloc.h"
#include "commands/dispatch.h"
#include "commands/families.h"
#include "commands/multi.h"

static int multi_command(struct call *call)
{
    if (call->session->multi != NULL)
        return call_error(call, "ERR MULTI calls can not be nested");
    multi_begin(call->session);
    reply_ok(call->reply);
    return OK;
}

static void end_transaction(struct commands *c, struct session *s, struct slice data)
{
    multi_discard(s);
    watch_remove_all(&c->watches, s);
}

static int discard_command(struct call *call)
{
    if (call->session->multi == NULL)
        return call_error(call, "ERR DISCARD without MULTI");
    end_transaction(call->commands, call->session, slice_of(NULL, 0));
    reply_ok(call->reply);
    return OK;
}

static int exec_command(struct call *call)
{
    struct session *s = call->session;
    struct multi *m = s->multi;
    if (m == NULL)
        return call_error(call, "ERR EXEC without MULTI");
    call_defer(call, slice_of(NULL, 0), end_transaction);
    if (m->dirty)
        return call_error(call, "EXECABORT Transaction discarded because of previous errors.");
    if (s->watch_dirty || watch_any_expired(s, call->now_ms)) {
        reply_null_array(call->reply);
        return OK;
    }
    int result = OK;
    reply_array(call->reply, m->count);
    for (int i = 0; i < m->count; i++) {
        int status = dispatch_inner(call, m->entries[i], m->argvs[i], m->argcs[i], i);
        if (status < 0)
            return status;
        if (status == WAIT)
            result = WAIT;
    }
    return result;
}

// --- Watching ------------------------------------------------------------------------------------

struct seen {
    int db;
    struct watch_state state;
};

static void begin_watch(struct commands *c, struct session *s, struct slice data)
{
    struct seen seen;
    memcpy(&seen, data.data, sizeof seen);
    watch_add(&c->watches, s, seen.db, slice_skip(data, sizeof seen), &seen.state);
}

// What is there now, and, once the attempt holds, a watch of it.
static int watch_key(struct call *call, struct slice key)
{
    struct seen seen = {.db = call->keys->db};
    struct value_fact found;
    bool expired = false;
    int status = keys_peek(call->keys, key, &found, &expired);
    if (status != OK && status != NOT_FOUND)
        return status;
    seen.state.expired = status == OK && expired;
    seen.state.exists = status == OK && !expired;
    seen.state.expire_ms = seen.state.exists ? found.expire_ms : 0;
    struct buf *work = &call->commands->work;
    buf_clear(work);
    buf_append(work, &seen, sizeof seen);
    buf_append_slice(work, key);
    call_defer(call, buf_slice(work), begin_watch);
    return OK;
}

static int watch_command(struct call *call)
{
    if (call->session->multi != NULL)
        return call_error(call, "ERR WATCH inside MULTI is not allowed");
    int result = OK;
    for (int i = 1; i < call->argc; i++) {
        int status = watch_key(call, call->argv[i]);
        if (status < 0)
            return status;
        if (status == WAIT)
            result = WAIT;
    }
    reply_ok(call->reply);
    return result;
}

static void end_watches(struct commands *c, struct session *s, struct slice data)
{
    watch_remove_all(&c->watches, s);
}

static int unwatch_command(struct call *call)
{
    call_defer(call, slice_of(NULL, 0), end_watches);
    reply_ok(call->reply);
    return OK;
}

const struct command transaction_rows[] = {
    {
        .name = "multi",
        .fn = multi_command,
        .arity = 1,
        .flags =
            CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_QUEUED_NEVER,
        .acl = "transaction",
        .since = "1.2.0",
        .group = "transactions",
        .complexity = "O(1)",
        .summary = "Begin a transaction: queue what follows",
    },
    {
        .name = "exec",
        .fn = exec_command,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG | CMD_QUEUED_NEVER |
                 CMD_RUNS_QUEUE,
        .acl = "transaction",
        .since = "1.2.0",
        .group = "transactions",
        .complexity = "The sum of the commands queued",
        .summary = "Run the queued commands as one",
    },
    {
        .name = "discard",
        .fn = discard_command,
        .arity = 1,
        .flags =
            CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_QUEUED_NEVER,
        .acl = "transaction",
        .since = "2.0.0",
        .group = "transactions",
        .complexity = "O(N) in the commands queued",
        .summary = "Forget the queued commands",
    },
    {
        .name = "watch",
        .fn = watch_command,
        .arity = -2,
        .flags =
            CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_QUEUED_NEVER,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "transaction",
        .specs = "RO i1 r-1,1,0",
        .since = "2.2.0",
        .group = "transactions",
        .complexity = "O(1) for each key",
        .summary = "Let the next EXEC run only if these keys stay as they are",
        .arguments = "key:k#0*",
    },
    {
        .name = "unwatch",
        .fn = unwatch_command,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
        .acl = "transaction",
        .since = "2.2.0",
        .group = "transactions",
        .complexity = "O(1)",
        .summary = "Forget the watched keys",
    },
    {0},
};
