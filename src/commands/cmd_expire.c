// Times to live. An expiry is part of the key's record, so giving it another one writes the record
// again. A time that has passed already deletes the key at once. Arithmetic is checked before it is
// done: users send any 64 bits.
#include "commands/dispatch.h"
#include "commands/expiry.h"
#include "commands/families.h"

static bool invalid_time(struct call *call)
{
    reply_errorf(call->reply, "ERR invalid expire time in '%s' command", call->command->name);
    return false;
}

// To absolute milliseconds, refusing what overflows.
static bool to_absolute(struct call *call, int64_t when, struct expire_unit unit, int64_t *out)
{
    if (when > INT64_MAX / unit.ms || when < INT64_MIN / unit.ms)
        return invalid_time(call);
    when *= unit.ms;
    int64_t base = unit.relative ? call->now_ms : 0;
    if (when > INT64_MAX - base)
        return invalid_time(call);
    *out = when + base;
    return true;
}

bool expiry_parse(struct call *call, struct slice arg, struct expire_unit unit, int64_t *expire_ms)
{
    int64_t when;
    if (!call_int(call, arg, &when))
        return false;
    return when > 0 ? to_absolute(call, when, unit, expire_ms) : invalid_time(call);
}

enum condition { IF_NX = 1 << 0, IF_XX = 1 << 1, IF_GT = 1 << 2, IF_LT = 1 << 3 };

static bool parse_conditions(struct call *call, unsigned *out)
{
    static const char *const words[] = {"nx", "xx", "gt", "lt"};
    unsigned given = 0;
    for (int i = 3; i < call->argc; i++) {
        unsigned word = 0;
        while (word < 4 && !slice_equal_nocase(call->argv[i], words[word]))
            word++;
        if (word == 4) {
            size_t shown = call->argv[i].len < 256 ? call->argv[i].len : 256;
            reply_errorf(call->reply, "ERR Unsupported option %.*s", (int)shown,
                (const char *)call->argv[i].data);
            return false;
        }
        given |= 1u << word;
    }
    *out = given;
    if ((given & IF_NX) && given != IF_NX) {
        call_error(call, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((given & IF_GT) && (given & IF_LT)) {
        call_error(call, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

// A key without expiry lives forever: later than any time.
static bool condition_holds(unsigned conditions, int64_t current, int64_t when)
{
    if ((conditions & IF_NX) && current != 0)
        return false;
    if ((conditions & IF_XX) && current == 0)
        return false;
    if ((conditions & IF_GT) && (current == 0 || when <= current))
        return false;
    return !(conditions & IF_LT) || current == 0 || when < current;
}

// Writes the record of a key with another expiry, if it is there: only this needs the value.
static int write_expiry(struct call *call, enum lookup how, int64_t expire_ms)
{
    struct value v;
    int status = keys_get(call->keys, how, call->argv[1], &v);
    if (status == OK)
        keys_expire(call->keys, call->argv[1], &v, expire_ms);
    return status;
}

// Sets the expiry if the conditions hold, or deletes where that is what it comes to, and says
// whether it did: OK or NOT_FOUND, or as a lookup.
static int set_expiry(struct call *call, unsigned conditions, int64_t when)
{
    struct value_fact fact;
    if (conditions == 0 && when > call->now_ms)
        return write_expiry(call, LOOKUP_WRITE, when);
    int status = keys_get_fact(call->keys, LOOKUP_WRITE, call->argv[1], &fact);
    if (status != OK)
        return status;
    if (!condition_holds(conditions, fact.expire_ms, when))
        return NOT_FOUND;
    if (when > call->now_ms)
        return write_expiry(call, LOOKUP_QUIET, when);
    keys_delete(call->keys, call->argv[1], &fact.spread);
    return OK;
}

static int expire_generic(struct call *call, struct expire_unit unit)
{
    unsigned conditions;
    int64_t when;
    if (!parse_conditions(call, &conditions) || !call_int(call, call->argv[2], &when) ||
        !to_absolute(call, when, unit, &when))
        return OK;
    int status = set_expiry(call, conditions, when);
    if (status != OK && status != NOT_FOUND)
        return status;
    reply_int(call->reply, status == OK);
    return OK;
}

static int expire_command(struct call *call)
{
    return expire_generic(call, (struct expire_unit){1000, true});
}

static int pexpire_command(struct call *call)
{
    return expire_generic(call, (struct expire_unit){1, true});
}

static int expireat_command(struct call *call)
{
    return expire_generic(call, (struct expire_unit){1000, false});
}

static int pexpireat_command(struct call *call)
{
    return expire_generic(call, (struct expire_unit){1, false});
}

static int ttl_generic(struct call *call, struct expire_unit unit)
{
    struct value_fact fact;
    int status = keys_get_fact(call->keys, LOOKUP_READ, call->argv[1], &fact);
    if (status != OK && status != NOT_FOUND)
        return status;
    if (status == NOT_FOUND || fact.expire_ms == 0) {
        reply_int(call->reply, status == NOT_FOUND ? -2 : -1);
        return OK;
    }
    int64_t left = unit.relative ? fact.expire_ms - call->now_ms : fact.expire_ms;
    reply_int(call->reply, unit.ms == 1 ? left : left / 1000 + (left % 1000 >= 500));
    return OK;
}

static int ttl_command(struct call *call)
{
    return ttl_generic(call, (struct expire_unit){1000, true});
}

static int pttl_command(struct call *call)
{
    return ttl_generic(call, (struct expire_unit){1, true});
}

static int expiretime_command(struct call *call)
{
    return ttl_generic(call, (struct expire_unit){1000, false});
}

static int pexpiretime_command(struct call *call)
{
    return ttl_generic(call, (struct expire_unit){1, false});
}

static int persist_command(struct call *call)
{
    struct value_fact fact;
    int status = keys_get_fact(call->keys, LOOKUP_WRITE, call->argv[1], &fact);
    if (status != OK && status != NOT_FOUND)
        return status;
    bool had = status == OK && fact.expire_ms != 0;
    if (had && (status = write_expiry(call, LOOKUP_QUIET, 0)) != OK)
        return status;
    reply_int(call->reply, had);
    return OK;
}

const struct command expire_rows[] = {
    {
        .name = "expire",
        .fn = expire_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,update i1 r0,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Let a key live for some seconds more",
        .history = "7.0.0:Options `NX`, `XX`, `GT` and `LT`.",
        .arguments = "key:k#0 seconds:i condition:o?@7.0.0(nx:x=NX xx:x=XX gt:x=GT lt:x=LT)",
    },
    {
        .name = "pexpire",
        .fn = pexpire_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,update i1 r0,1,0",
        .since = "2.6.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Let a key live for some milliseconds more",
        .history = "7.0.0:Options `NX`, `XX`, `GT` and `LT`.",
        .arguments = "key:k#0 milliseconds:i condition:o?@7.0.0(nx:x=NX xx:x=XX gt:x=GT lt:x=LT)",
    },
    {
        .name = "expireat",
        .fn = expireat_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,update i1 r0,1,0",
        .since = "1.2.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Let a key live until a time in seconds",
        .history = "7.0.0:Options `NX`, `XX`, `GT` and `LT`.",
        .arguments =
            "key:k#0 unix-time-seconds:t condition:o?@7.0.0(nx:x=NX xx:x=XX gt:x=GT lt:x=LT)",
    },
    {
        .name = "pexpireat",
        .fn = pexpireat_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,update i1 r0,1,0",
        .since = "2.6.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Let a key live until a time in milliseconds",
        .history = "7.0.0:Options `NX`, `XX`, `GT` and `LT`.",
        .arguments =
            "key:k#0 unix-time-milliseconds:t condition:o?@7.0.0(nx:x=NX xx:x=XX gt:x=GT lt:x=LT)",
    },
    {
        .name = "ttl",
        .fn = ttl_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "nondeterministic_output",
        .specs = "RO,access i1 r0,1,0",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell how many seconds a key has to live",
        .history = "2.8.0:Answers -2 for a key that is not there.",
        .arguments = "key:k#0",
    },
    {
        .name = "pttl",
        .fn = pttl_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "nondeterministic_output",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.6.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell how many milliseconds a key has to live",
        .history = "2.8.0:Answers -2 for a key that is not there.",
        .arguments = "key:k#0",
    },
    {
        .name = "expiretime",
        .fn = expiretime_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RO,access i1 r0,1,0",
        .since = "7.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell until when a key lives, in seconds",
        .arguments = "key:k#0",
    },
    {
        .name = "pexpiretime",
        .fn = pexpiretime_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RO,access i1 r0,1,0",
        .since = "7.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell until when a key lives, in milliseconds",
        .arguments = "key:k#0",
    },
    {
        .name = "persist",
        .fn = persist_command,
        .arity = 2,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "keyspace",
        .specs = "RW,update i1 r0,1,0",
        .since = "2.2.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Let a key live forever",
        .arguments = "key:k#0",
    },
    {0},
};
