// Counters: integers of 64 bits, and decimals in long double with 17 digits behind the point,
// printed so that 0.1 stays 0.1. The expiry of a counter stays as it is.
#include <math.h>

#include "commands/dispatch.h"
#include "commands/families.h"

// OK with the value, or 0 for an absent key. ANSWERED when it is no integer.
static int read_counter(struct call *call, int64_t *value, int64_t *expire_ms)
{
    struct value old;
    int status = call_get_string(call, LOOKUP_WRITE, call->argv[1], &old);
    *value = *expire_ms = 0;
    if (status == NOT_FOUND)
        return OK;
    if (status != OK)
        return status;
    *expire_ms = old.expire_ms;
    return call_int(call, old.bytes, value) ? OK : ANSWERED;
}

static int add(struct call *call, int64_t delta)
{
    int64_t value, expire_ms;
    int status = read_counter(call, &value, &expire_ms);
    if (status != OK)
        return call_status(status);
    if (__builtin_add_overflow(value, delta, &value))
        return call_error(call, "ERR increment or decrement would overflow");
    char text[24];
    struct value v = {.type = TYPE_STRING,
        .bytes = slice_of(text, number_format_int(text, value)),
        .expire_ms = expire_ms};
    keys_put(call->keys, call->argv[1], &v);
    reply_int(call->reply, value);
    return OK;
}

static int incr_command(struct call *call)
{
    return add(call, 1);
}

static int decr_command(struct call *call)
{
    return add(call, -1);
}

static int incrby_command(struct call *call)
{
    int64_t delta;
    return call_int(call, call->argv[2], &delta) ? add(call, delta) : OK;
}

static int decrby_command(struct call *call)
{
    int64_t delta;
    if (!call_int(call, call->argv[2], &delta))
        return OK;
    if (delta == INT64_MIN) // has no opposite
        return call_error(call, "ERR decrement would overflow");
    return add(call, -delta);
}

static int incrbyfloat_command(struct call *call)
{
    struct value old;
    long double value = 0, delta;
    int status = call_get_string(call, LOOKUP_WRITE, call->argv[1], &old);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    bool found = status == OK;
    if ((found && !number_parse_long_double(old.bytes, &value)) ||
        !number_parse_long_double(call->argv[2], &delta))
        return call_error(call, "ERR value is not a valid float");
    value += delta;
    if (isnan(value) || isinf(value))
        return call_error(call, "ERR increment would produce NaN or Infinity");
    char text[NUMBER_TEXT_MAX];
    struct slice bytes = slice_of(text, number_format_long_double(text, value));
    struct value v = {.type = TYPE_STRING,
        .form = FORM_TEXT,
        .bytes = bytes,
        .expire_ms = found ? old.expire_ms : 0};
    keys_put(call->keys, call->argv[1], &v);
    reply_bulk(call->reply, bytes);
    return OK;
}

const struct command counter_rows[] = {
    {
        .name = "incr",
        .fn = incr_command,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,access,update i1 r0,1,0",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Add one to an integer",
        .arguments = "key:k#0",
    },
    {
        .name = "decr",
        .fn = decr_command,
        .arity = 2,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,access,update i1 r0,1,0",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Take one off an integer",
        .arguments = "key:k#0",
    },
    {
        .name = "incrby",
        .fn = incrby_command,
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
        .summary = "Add to an integer",
        .arguments = "key:k#0 increment:i",
    },
    {
        .name = "decrby",
        .fn = decrby_command,
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
        .summary = "Take off an integer",
        .arguments = "key:k#0 decrement:i",
    },
    {
        .name = "incrbyfloat",
        .fn = incrbyfloat_command,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,access,update i1 r0,1,0",
        .since = "2.6.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Add to a decimal number",
        .arguments = "key:k#0 increment:d",
    },
    {0},
};
