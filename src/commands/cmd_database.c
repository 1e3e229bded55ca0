// Databases as wholes: how many keys, emptying, exchanging. All take constant time whatever a
// database holds; what takes longer when many keys are watched is telling their watchers.
#include "commands/dispatch.h"
#include "commands/families.h"

static int dbsize_command(struct call *call)
{
    reply_int(call->reply, databases_key_count(call->keys, call->keys->db, NULL));
    return OK;
}

// --- Watchers ------------------------------------------------------------------------------------

static void touch_watched(struct commands *c, struct session *s, struct slice data)
{
    int db;
    memcpy(&db, data.data, sizeof db);
    watch_touch(&c->watches, db, slice_skip(data, sizeof db));
}

static void defer_touch(struct call *call, int db, struct slice key)
{
    struct buf *work = &call->commands->work;
    buf_clear(work);
    buf_append(work, &db, sizeof db);
    buf_append_slice(work, key);
    call_defer(call, buf_slice(work), touch_watched);
}

struct exchange {
    struct call *call;
    int db, other; // other: what db is exchanged for; -1: emptied
    int status;
};

// A watched key has changed if it was there, or if it is there in what takes its database's place.
static void visit_watched(void *arg, struct slice key, const struct watch_state *state)
{
    struct exchange *x = arg;
    struct value_fact there;
    bool changed = state->exists;
    if (!changed && x->other >= 0) {
        databases_use(x->call->keys, x->other);
        int status = keys_get_fact(x->call->keys, LOOKUP_QUIET, key, &there);
        if (status == WAIT || status < 0)
            x->status = status;
        changed = status == OK;
    }
    if (changed)
        defer_touch(x->call, x->db, key);
}

static int touch_watchers(struct call *call, int db, int other)
{
    struct exchange x = {call, db, other, OK};
    int current = call->keys->db;
    watch_each(&call->commands->watches, db, visit_watched, &x);
    databases_use(call->keys, current);
    return x.status;
}

// --- Emptying and exchanging ---------------------------------------------------------------------

// SYNC and ASYNC are both what we do anyway.
static bool flush_options_fit(struct call *call)
{
    if (call->argc == 1)
        return true;
    if (call->argc == 2 &&
        (slice_equal_nocase(call->argv[1], "sync") || slice_equal_nocase(call->argv[1], "async")))
        return true;
    call_syntax_error(call);
    return false;
}

static int flushdb_command(struct call *call)
{
    if (!flush_options_fit(call))
        return OK;
    touch_watchers(call, call->keys->db, -1);
    databases_flush(call->keys, call->keys->db);
    reply_ok(call->reply);
    return OK;
}

static void tell_flushed(struct commands *c, struct session *session, struct slice data)
{
    if (c->options.flushed_all != NULL)
        c->options.flushed_all(c->options.server);
}

static int flushall_command(struct call *call)
{
    if (!flush_options_fit(call))
        return OK;
    for (int db = 0; db < databases_number(call->keys->dbs); db++) {
        touch_watchers(call, db, -1);
        databases_flush(call->keys, db);
    }
    call_defer(call, slice_of(NULL, 0), tell_flushed);
    reply_ok(call->reply);
    return OK;
}

static bool parse_index(struct call *call, struct slice arg, const char *error, int64_t *db)
{
    if (number_parse_int(arg, db) && *db >= INT32_MIN && *db <= INT32_MAX)
        return true;
    call_error(call, error);
    return false;
}

static int swapdb_command(struct call *call)
{
    int64_t a, b, databases = databases_number(call->keys->dbs);
    if (!parse_index(call, call->argv[1], "ERR invalid first DB index", &a) ||
        !parse_index(call, call->argv[2], "ERR invalid second DB index", &b))
        return OK;
    if (a < 0 || a >= databases || b < 0 || b >= databases)
        return call_error(call, "ERR DB index is out of range");
    int status = OK;
    if (a != b) {
        status = touch_watchers(call, (int)a, (int)b);
        int other = touch_watchers(call, (int)b, (int)a);
        if (status == OK || other < 0)
            status = other;
    }
    if (status != OK)
        return status;
    databases_swap(call->keys, (int)a, (int)b);
    reply_ok(call->reply);
    return OK;
}

const struct command database_rows[] = {
    {
        .name = "dbsize",
        .fn = dbsize_command,
        .arity = 1,
        .flags = CMD_READONLY | CMD_FAST,
        .acl = "keyspace",
        .tips = "request_policy:all_shards response_policy:agg_sum",
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Count the keys of the database",
    },
    {
        .name = "flushdb",
        .fn = flushdb_command,
        .arity = -1,
        .flags = CMD_WRITE,
        .acl = "keyspace dangerous",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Delete all keys of the database",
        .history = "4.0.0:Option `ASYNC`.;6.2.0:Option `SYNC`.",
        .arguments = "async:o?(async:x=ASYNC@4.0.0 sync:x=SYNC@6.2.0)",
    },
    {
        .name = "flushall",
        .fn = flushall_command,
        .arity = -1,
        .flags = CMD_WRITE,
        .acl = "keyspace dangerous",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(N) in the databases",
        .summary = "Delete all keys of all databases",
        .history = "4.0.0:Option `ASYNC`.;6.2.0:Option `SYNC`.",
        .arguments = "async:o?(async:x=ASYNC@4.0.0 sync:x=SYNC@6.2.0)",
    },
    {
        .name = "swapdb",
        .fn = swapdb_command,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .acl = "keyspace dangerous",
        .since = "4.0.0",
        .group = "server",
        .complexity = "O(N) in the watched keys of both",
        .summary = "Exchange two databases",
        .arguments = "index1:i index2:i",
    },
    {0},
};
