// Keys as such: is it there, what is it, be gone, be called something else, be somewhere else.
//
// Commands over several keys go on past a miss, so that all misses are fetched together, and stage
// nothing that depends on one they have not seen: what they staged is thrown away with the attempt.
// Who does not need a value asks for the fact, so that very many cold keys pass at a small budget.
#include "commands/dispatch.h"
#include "commands/families.h"

typedef int (*key_visit)(struct call *call, struct slice key, const struct spread *found);

// Looks up all keys from the first argument on; visit says what each one found adds to the integer
// reply.
static int count_keys(struct call *call, enum lookup how, key_visit visit)
{
    bool waits = false;
    int64_t count = 0;
    for (int i = 1; i < call->argc; i++) {
        struct value_fact fact;
        int status = keys_get_fact(call->keys, how, call->argv[i], &fact);
        if (status < 0)
            return status;
        if (status == OK)
            count += visit(call, call->argv[i], &fact.spread);
        waits |= status == WAIT;
    }
    if (waits)
        return WAIT;
    reply_int(call->reply, count);
    return OK;
}

static int visit_present(struct call *call, struct slice key, const struct spread *found)
{
    return 1;
}

static int visit_delete(struct call *call, struct slice key, const struct spread *found)
{
    keys_delete(call->keys, key, found);
    return 1;
}

static int del_command(struct call *call)
{
    return count_keys(call, LOOKUP_WRITE, visit_delete);
}

static int exists_command(struct call *call)
{
    return count_keys(call, LOOKUP_READ, visit_present);
}

static int type_command(struct call *call)
{
    struct value_fact fact;
    int status = keys_get_fact(call->keys, LOOKUP_READ, call->argv[1], &fact);
    if (status != OK && status != NOT_FOUND)
        return status;
    reply_simple(call->reply, value_type_name(status == OK ? fact.type : TYPE_NONE));
    return OK;
}

// --- Other names ---------------------------------------------------------------------------------

static int rename_generic(struct call *call, bool only_if_free)
{
    struct value v;
    struct value_fact there;
    struct slice from = call->argv[1], to = call->argv[2];
    int status = keys_get(call->keys, LOOKUP_WRITE, from, &v);
    if (status == NOT_FOUND)
        return call_error(call, "ERR no such key");
    if (status < 0)
        return status;
    bool same = slice_equal(from, to), taken = same;
    if (only_if_free && !same) {
        int other = keys_get_fact(call->keys, LOOKUP_WRITE, to, &there);
        if (other < 0)
            return other;
        if (other == WAIT)
            return WAIT;
        taken = other == OK;
    }
    if (status == OK && !(only_if_free && taken))
        status = keys_rename(call->keys, from, to, &v);
    if (status != OK)
        return status;
    if (only_if_free)
        reply_int(call->reply, !taken);
    else
        reply_ok(call->reply);
    return OK;
}

static int rename_command(struct call *call)
{
    return rename_generic(call, false);
}

static int renamenx_command(struct call *call)
{
    return rename_generic(call, true);
}

// --- Other databases -----------------------------------------------------------------------------

struct transfer {
    struct slice from, to;
    int to_db;
    bool replace, keep_source;
};

// Replies 1, or 0 where there is nothing to take or no room for it.
static int transfer(struct call *call, const struct transfer *t)
{
    struct databases_view *keys = call->keys;
    struct value v;
    struct value_fact there;
    int db = keys->db, target = NOT_FOUND;
    int status = keys_get(keys, t->keep_source ? LOOKUP_READ : LOOKUP_WRITE, t->from, &v);
    if (status < 0)
        return status;
    databases_use(keys, t->to_db);
    if (!t->replace && status != NOT_FOUND)
        target = keys_get_fact(keys, LOOKUP_WRITE, t->to, &there);
    bool done = status == OK && target == NOT_FOUND;
    if (done)
        status = keys_copy(keys, db, t->to, &v, (uint64_t)commands_max_bulk(call->commands));
    databases_use(keys, db);
    if (status < 0 || target < 0)
        return status < 0 ? status : target;
    if (status == WAIT || target == WAIT)
        return WAIT;
    if (done && !t->keep_source)
        keys_delete_moved(keys, t->from, &v.spread);
    reply_int(call->reply, done);
    return OK;
}

static bool parse_database(struct call *call, struct slice arg, int *db)
{
    int64_t number;
    if (!call_int32(call, arg, &number))
        return false;
    if (number < 0 || number >= databases_number(call->keys->dbs)) {
        call_error(call, "ERR DB index is out of range");
        return false;
    }
    *db = (int)number;
    return true;
}

static int same_objects(struct call *call)
{
    return call_error(call, "ERR source and destination objects are the same");
}

static int copy_command(struct call *call)
{
    struct transfer t = {
        .from = call->argv[1], .to = call->argv[2], .to_db = call->keys->db, .keep_source = true};
    for (int i = 3; i < call->argc; i++) {
        if (slice_equal_nocase(call->argv[i], "replace"))
            t.replace = true;
        else if (!slice_equal_nocase(call->argv[i], "db") || i + 1 == call->argc)
            return call_syntax_error(call);
        else if (!parse_database(call, call->argv[++i], &t.to_db))
            return OK;
    }
    if (t.to_db == call->keys->db && slice_equal(t.from, t.to))
        return same_objects(call);
    return transfer(call, &t);
}

static int move_command(struct call *call)
{
    struct transfer t = {.from = call->argv[1], .to = call->argv[1]};
    if (!parse_database(call, call->argv[2], &t.to_db))
        return OK;
    if (t.to_db == call->keys->db)
        return same_objects(call);
    return transfer(call, &t);
}

const struct command key_rows[] = {
    {
        .name = "del",
        .fn = del_command,
        .arity = -2,
        .flags = CMD_WRITE,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
        .specs = "RM,delete i1 r-1,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(N) in the keys",
        .summary = "Delete keys",
        .arguments = "key:k#0*",
    },
    {
        .name = "unlink",
        .fn = del_command,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
        .specs = "RM,delete i1 r-1,1,0",
        .since = "4.0.0",
        .group = "generic",
        .complexity = "O(N) in the keys",
        .summary = "Delete keys; the same as DEL here",
        .arguments = "key:k#0*",
    },
    {
        .name = "exists",
        .fn = exists_command,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
        .specs = "RO i1 r-1,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(N) in the keys",
        .summary = "Count which of the keys exist",
        .history = "3.0.3:Several keys may be given.",
        .arguments = "key:k#0*",
    },
    {
        .name = "touch",
        .fn = exists_command,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
        .specs = "RO i1 r-1,1,0",
        .since = "3.2.1",
        .group = "generic",
        .complexity = "O(N) in the keys",
        .summary = "Count which of the keys exist, as if they were used",
        .arguments = "key:k#0*",
    },
    {
        .name = "type",
        .fn = type_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RO i1 r0,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell what type of value a key holds",
        .arguments = "key:k#0",
    },
    {
        .name = "rename",
        .fn = rename_command,
        .arity = 3,
        .flags = CMD_WRITE,
        .first_key = 1,
        .last_key = 2,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,access,delete i1 r0,1,0 | OW,update i2 r0,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Give a key another name",
        .arguments = "key:k#0 newkey:k#1",
    },
    {
        .name = "renamenx",
        .fn = renamenx_command,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 2,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,access,delete i1 r0,1,0 | OW,insert i2 r0,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Give a key another name if that is free",
        .history = "3.2.0:The same name twice is no error any more.",
        .arguments = "key:k#0 newkey:k#1",
    },
    {
        .name = "copy",
        .fn = copy_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .first_key = 1,
        .last_key = 2,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RO,access i1 r0,1,0 | OW,update i2 r0,1,0",
        .since = "6.2.0",
        .group = "generic",
        .complexity = "O(N) in what the value consists of; O(1) for a string",
        .summary = "Copy a key",
        .arguments = "source:k#0 destination:k#1 destination-db:i=DB? replace:x=REPLACE?",
    },
    {
        .name = "move",
        .fn = move_command,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,access,update i1 r0,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Move a key to another database",
        .arguments = "key:k#0 db:i",
    },
    {0},
};
