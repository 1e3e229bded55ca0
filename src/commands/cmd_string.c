// Strings as wholes: SET and what is a SET in disguise, GET and its relatives, several keys at
// once.
//
// SET without NX, XX, GET and KEEPTTL reads nothing: the new value goes over whatever is there.
// Nothing here allocates.
#include "commands/dispatch.h"
#include "commands/expiry.h"
#include "commands/families.h"
#include "commands/stream_values.h"

enum set_option {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4,
};

// What SET and GETEX can be told.
struct set_options {
    unsigned flags;
    const struct slice *expire; // the number behind EX and so on; NULL: none
    struct expire_unit unit;
};

static const struct {
    const char *word;
    struct expire_unit unit;
} expire_words[] = {
    {"ex", {1000, true}}, {"px", {1, true}}, {"exat", {1000, false}}, {"pxat", {1, false}}};

// Takes an expiry option if it is one and nothing said so far excludes it. The same one may come
// again, and then counts.
static bool take_expire(struct set_options *o, struct slice word, const struct slice *next)
{
    if (next == NULL || (o->flags & (SET_KEEPTTL | SET_PERSIST)))
        return false;
    for (size_t i = 0; i < sizeof expire_words / sizeof *expire_words; i++)
        if (slice_equal_nocase(word, expire_words[i].word)) {
            struct expire_unit unit = expire_words[i].unit;
            bool fits =
                o->expire == NULL || (o->unit.ms == unit.ms && o->unit.relative == unit.relative);
            o->expire = next;
            o->unit = unit;
            return fits;
        }
    return false;
}

static bool take_flag(struct set_options *o, struct slice word, bool for_set)
{
    if (for_set && slice_equal_nocase(word, "nx") && !(o->flags & SET_XX))
        o->flags |= SET_NX;
    else if (for_set && slice_equal_nocase(word, "xx") && !(o->flags & SET_NX))
        o->flags |= SET_XX;
    else if (for_set && slice_equal_nocase(word, "get"))
        o->flags |= SET_GET;
    else if (for_set && slice_equal_nocase(word, "keepttl") && o->expire == NULL)
        o->flags |= SET_KEEPTTL;
    else if (!for_set && slice_equal_nocase(word, "persist") && o->expire == NULL)
        o->flags |= SET_PERSIST;
    else
        return false;
    return true;
}

static bool parse_options(struct call *call, int from, bool for_set, struct set_options *o)
{
    *o = (struct set_options){0};
    for (int i = from; i < call->argc; i++) {
        const struct slice *next = i + 1 < call->argc ? &call->argv[i + 1] : NULL;
        if (take_flag(o, call->argv[i], for_set))
            continue;
        if (!take_expire(o, call->argv[i], next)) {
            call_syntax_error(call);
            return false;
        }
        i++;
    }
    return true;
}

static void put_string(struct call *call, struct slice key, struct slice bytes, int64_t expire_ms)
{
    struct value v = {
        .type = TYPE_STRING, .form = FORM_ENCODED, .bytes = bytes, .expire_ms = expire_ms};
    keys_put(call->keys, key, &v);
}

// The same over a key that no lookup of this attempt has asked for: OK, WAIT or a failure.
static int put_blindly(struct call *call, struct slice key, struct slice bytes, int64_t expire_ms)
{
    int status = keys_make_way(call->keys, key);
    if (status == OK)
        put_string(call, key, bytes, expire_ms);
    return status;
}

// --- Setting -------------------------------------------------------------------------------------

// SET with options that ask for what is there. An old value that is to be shown is replied at once,
// whether or not it is then replaced.
static int set_after_look(struct call *call, const struct set_options *o, int64_t expire_ms)
{
    struct value old;
    struct value_fact fact = {0};
    int status;
    if (o->flags & SET_GET) {
        status = call_get_string(call, LOOKUP_READ, call->argv[1], &old);
        fact.expire_ms = status == OK ? old.expire_ms : 0;
    } else {
        status = keys_get_fact(call->keys, LOOKUP_WRITE, call->argv[1], &fact);
    }
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    bool found = status == OK, set = !(o->flags & (found ? SET_NX : SET_XX));
    if ((o->flags & SET_GET) && found)
        reply_bulk(call->reply, old.bytes);
    else if ((o->flags & SET_GET) || !set)
        reply_null(call->reply);
    else
        reply_ok(call->reply);
    if (set && fact.spread.id != 0)
        keys_delete_moved(call->keys, call->argv[1], &fact.spread);
    if (set)
        put_string(call, call->argv[1], call->argv[2],
            (o->flags & SET_KEEPTTL) && found ? fact.expire_ms : expire_ms);
    return OK;
}

static int set_command(struct call *call)
{
    struct set_options o = {0};
    int64_t expire_ms = 0;
    if (call->argc > 3 && !parse_options(call, 3, true, &o))
        return OK;
    if (o.expire != NULL && !expiry_parse(call, *o.expire, o.unit, &expire_ms))
        return OK;
    if (!call_value_fits(call, call->argv[2].len))
        return OK;
    if (o.flags != 0)
        return set_after_look(call, &o, expire_ms);
    int status = put_blindly(call, call->argv[1], call->argv[2], expire_ms);
    if (status == OK)
        reply_ok(call->reply);
    return status;
}

static int setnx_command(struct call *call)
{
    struct value_fact old;
    int status = keys_get_fact(call->keys, LOOKUP_WRITE, call->argv[1], &old);
    if (status != OK && status != NOT_FOUND)
        return status;
    if (status == NOT_FOUND && !call_value_fits(call, call->argv[2].len))
        return OK;
    if (status == NOT_FOUND)
        put_string(call, call->argv[1], call->argv[2], 0);
    reply_int(call->reply, status == NOT_FOUND);
    return OK;
}

static int set_expiring(struct call *call, struct expire_unit unit)
{
    int64_t expire_ms;
    if (!expiry_parse(call, call->argv[2], unit, &expire_ms) ||
        !call_value_fits(call, call->argv[3].len))
        return OK;
    int status = put_blindly(call, call->argv[1], call->argv[3], expire_ms);
    if (status == OK)
        reply_ok(call->reply);
    return status;
}

static int setex_command(struct call *call)
{
    return set_expiring(call, (struct expire_unit){1000, true});
}

static int psetex_command(struct call *call)
{
    return set_expiring(call, (struct expire_unit){1, true});
}

static bool check_pairs(struct call *call)
{
    if (call->argc % 2 == 0) {
        reply_errorf(
            call->reply, "ERR wrong number of arguments for '%s' command", call->command->name);
        return false;
    }
    for (int i = 2; i < call->argc; i += 2)
        if (!call_value_fits(call, call->argv[i].len))
            return false;
    return true;
}

static int mset_command(struct call *call)
{
    if (!check_pairs(call))
        return OK;
    bool waits = false;
    for (int i = 1; i < call->argc; i += 2) {
        int status = put_blindly(call, call->argv[i], call->argv[i + 1], 0);
        if (status < 0)
            return status;
        waits |= status == WAIT;
    }
    if (waits)
        return WAIT;
    reply_ok(call->reply);
    return OK;
}

static int msetnx_command(struct call *call)
{
    if (!check_pairs(call))
        return OK;
    bool waits = false, found = false;
    for (int i = 1; i < call->argc && !found; i += 2) {
        struct value_fact old;
        int status = keys_get_fact(call->keys, LOOKUP_WRITE, call->argv[i], &old);
        if (status < 0)
            return status;
        waits |= status == WAIT;
        found |= status == OK;
    }
    if (waits && !found)
        return WAIT;
    for (int i = 1; i < call->argc && !found; i += 2)
        put_string(call, call->argv[i], call->argv[i + 1], 0);
    reply_int(call->reply, !found);
    return OK;
}

// --- Getting -------------------------------------------------------------------------------------

static int get_command(struct call *call)
{
    struct value v;
    int status = call_get_string(call, LOOKUP_READ, call->argv[1], &v);
    if (status == OK)
        reply_bulk(call->reply, v.bytes);
    else if (status == NOT_FOUND)
        reply_null(call->reply);
    else
        return call_status(status);
    return OK;
}

// What was written since `start` is thrown away, and the stream begins with the first value again.
static int mget_as_stream(struct call *call, size_t start)
{
    enum { KEPT = 64 * 1024 };
    call->reply->out->len = start;
    call->reply->overflowed = false;
    buf_shrink(call->reply->out, KEPT);
    call->keys->hits = call->keys->misses = 0;
    call->stream = stream_values_new(call);
    return OK;
}

// Goes on past a miss, so that all misses are fetched together. Values that are more than a reply
// or a command may have are streamed.
static int mget_command(struct call *call)
{
    bool waits = false;
    size_t start = call->reply->out->len;
    reply_array(call->reply, call->argc - 1);
    for (int i = 1; i < call->argc; i++) {
        struct value v;
        int status = keys_get(call->keys, LOOKUP_READ, call->argv[i], &v);
        if ((status == NO_MEMORY || call->reply->overflowed) && !call->in_exec)
            return mget_as_stream(call, start);
        if (status < 0)
            return status;
        if (status == WAIT)
            waits = true;
        else if (waits)
            continue;
        else if (status == OK && v.type == TYPE_STRING)
            reply_bulk(call->reply, v.bytes);
        else
            reply_null(call->reply);
    }
    if (call->reply->overflowed && !call->in_exec)
        return mget_as_stream(call, start);
    return waits ? WAIT : OK;
}

static int strlen_command(struct call *call)
{
    struct value_fact fact;
    int status = keys_get_fact(call->keys, LOOKUP_READ, call->argv[1], &fact);
    if (status != OK && status != NOT_FOUND)
        return status;
    if (status == OK && fact.type != TYPE_STRING)
        return call_wrong_type(call);
    reply_int(call->reply, status == OK ? (int64_t)fact.len : 0);
    return OK;
}

static int getset_command(struct call *call)
{
    struct set_options o = {.flags = SET_GET};
    return call_value_fits(call, call->argv[2].len) ? set_after_look(call, &o, 0) : OK;
}

static int getdel_command(struct call *call)
{
    struct value v;
    int status = call_get_string(call, LOOKUP_READ, call->argv[1], &v);
    if (status == NOT_FOUND) {
        reply_null(call->reply);
        return OK;
    }
    if (status != OK)
        return call_status(status);
    reply_bulk(call->reply, v.bytes);
    keys_delete(call->keys, call->argv[1], &v.spread);
    return OK;
}

static int getex_command(struct call *call)
{
    struct set_options o;
    struct value v;
    int64_t expire_ms = 0;
    if (!parse_options(call, 2, false, &o))
        return OK;
    int status = call_get_string(call, LOOKUP_READ, call->argv[1], &v);
    if (status == NOT_FOUND) {
        reply_null(call->reply);
        return OK;
    }
    if (status != OK)
        return call_status(status);
    if (o.expire != NULL && !expiry_parse(call, *o.expire, o.unit, &expire_ms))
        return OK;
    reply_bulk(call->reply, v.bytes);
    if (o.expire != NULL && expire_ms <= call->now_ms)
        keys_delete(call->keys, call->argv[1], &v.spread);
    else if (o.expire != NULL || ((o.flags & SET_PERSIST) && v.expire_ms != 0))
        keys_expire(call->keys, call->argv[1], &v, expire_ms);
    return OK;
}

// SET reads its key only to return what was there.
static const char *set_key_flags(const struct slice *argv, int argc)
{
    for (int i = 3; i < argc; i++)
        if (slice_equal_nocase(argv[i], "get"))
            return "RW,access,update";
    return "OW,update";
}

const struct command string_rows[] = {
    {
        .name = "get",
        .fn = get_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RO,access i1 r0,1,0",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Get a string",
        .arguments = "key:k#0",
    },
    {
        .name = "set",
        .fn = set_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLIND_IF_PLAIN,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,access,update,variable_flags i1 r0,1,0 (read only with the `GET` option)",
        .key_flags = set_key_flags,
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Set a key to a string, whatever it held",
        .history =
            "2.6.12:Options `EX`, `PX`, `NX` and `XX`.;6.0.0:Option `KEEPTTL`.;6.2.0:Options "
            "`GET`, `EXAT` and `PXAT`.;7.0.0:`NX` and `GET` go together.",
        .arguments = "key:k#0 value:s condition:o?@2.6.12(nx:x=NX xx:x=XX) get:x=GET?@6.2.0 "
                     "expiration:o?(seconds:i=EX@2.6.12 milliseconds:i=PX@2.6.12 "
                     "unix-time-seconds:t=EXAT@6.2.0 unix-time-milliseconds:t=PXAT@6.2.0 "
                     "keepttl:x=KEEPTTL@6.0.0)",
    },
    {
        .name = "setnx",
        .fn = setnx_command,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "OW,insert i1 r0,1,0",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Set a key to a string if the key does not exist",
        .arguments = "key:k#0 value:s",
    },
    {
        .name = "setex",
        .fn = setex_command,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLIND,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "OW,update i1 r0,1,0",
        .since = "2.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Set a key to a string that lives for some seconds",
        .arguments = "key:k#0 seconds:i value:s",
    },
    {
        .name = "psetex",
        .fn = psetex_command,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLIND,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "OW,update i1 r0,1,0",
        .since = "2.6.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Set a key to a string that lives for some milliseconds",
        .arguments = "key:k#0 milliseconds:i value:s",
    },
    {
        .name = "mset",
        .fn = mset_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_BLIND,
        .first_key = 1,
        .last_key = -1,
        .key_step = 2,
        .acl = "string",
        .tips = "request_policy:multi_shard response_policy:all_succeeded",
        .specs = "OW,update i1 r-1,2,0",
        .since = "1.0.1",
        .group = "string",
        .complexity = "O(N) in the keys",
        .summary = "Set several keys at once",
        .arguments = "key_value:b*(key:k#0 value:s)",
    },
    {
        .name = "msetnx",
        .fn = msetnx_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .first_key = 1,
        .last_key = -1,
        .key_step = 2,
        .acl = "string",
        .tips = "request_policy:multi_shard response_policy:agg_min",
        .specs = "OW,insert i1 r-1,2,0",
        .since = "1.0.1",
        .group = "string",
        .complexity = "O(N) in the keys",
        .summary = "Set several keys at once if none of them exists",
        .arguments = "key_value:b*(key:k#0 value:s)",
    },
    {
        .name = "mget",
        .fn = mget_command,
        .arity = -2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "string",
        .tips = "request_policy:multi_shard",
        .specs = "RO,access i1 r-1,1,0",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(N) in the keys",
        .summary = "Get several strings at once",
        .arguments = "key:k#0*",
    },
    {
        .name = "getset",
        .fn = getset_command,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,access,update i1 r0,1,0",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Set a key to a string and get what it held",
        .arguments = "key:k#0 value:s",
        .replaced_by = "6.2.0:`SET` with the `!GET` argument",
    },
    {
        .name = "getdel",
        .fn = getdel_command,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,access,delete i1 r0,1,0",
        .since = "6.2.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Get a string and delete its key",
        .arguments = "key:k#0",
    },
    {
        .name = "getex",
        .fn = getex_command,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,access,update i1 r0,1,0 (the time to live is changed)",
        .since = "6.2.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Get a string and change how long it lives",
        .arguments = "key:k#0 expiration:o?(seconds:i=EX milliseconds:i=PX "
                     "unix-time-seconds:t=EXAT unix-time-milliseconds:t=PXAT persist:x=PERSIST)",
    },
    {
        .name = "strlen",
        .fn = strlen_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RO i1 r0,1,0",
        .since = "2.2.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Get the length of a string",
        .arguments = "key:k#0",
    },
    {0},
};
