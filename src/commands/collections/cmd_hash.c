// Hashes. What shows many fields at once is shared with sets: members_reply.c, draw.c.
//
// Commands over several fields go on past a miss, so that all misses are fetched together. Redis'
// order of checks is kept: numbers before the key's type, the type before the field.
#include <math.h>

#include "commands/collections/draw.h"
#include "commands/collections/members_reply.h"
#include "commands/dispatch.h"
#include "commands/families.h"

int call_open_hash(struct call *call, enum lookup how, struct members *h)
{
    int status = members_open(h, call->keys, how, call->argv[1], TYPE_HASH);
    if (status != OK || h->type == TYPE_HASH)
        return status;
    call_wrong_type(call);
    return ANSWERED;
}

// --- Setting -------------------------------------------------------------------------------------

static bool pairs_fit(struct call *call)
{
    if (call->argc % 2 == 1) {
        reply_errorf(
            call->reply, "ERR wrong number of arguments for '%s' command", call->command->name);
        return false;
    }
    for (int i = 2; i < call->argc; i += 2) {
        if (call->argv[i].len > KEY_MAX) {
            call_error(call, "ERR field is too long (the limit is 65536 bytes)");
            return false;
        }
        if (!call_value_fits(call, call->argv[i + 1].len))
            return false;
    }
    return true;
}

// Sets the pairs behind the key, and closes h. *added: fields that were not there.
static int set_pairs(struct call *call, struct members *h, int64_t *added)
{
    bool waits = false;
    *added = 0;
    for (int i = 2; i < call->argc; i += 2)
        members_expect(h, call->argv[i].len, call->argv[i + 1].len);
    for (int i = 2; i < call->argc; i += 2) {
        bool one = false;
        int status = members_set(h, call->argv[i], call->argv[i + 1], &one);
        if (status < 0)
            return status;
        waits |= status == WAIT;
        *added += one;
    }
    if (waits)
        return WAIT;
    members_close(h);
    return OK;
}

static int set_generic(struct call *call, int64_t *added)
{
    struct members h;
    if (!pairs_fit(call))
        return ANSWERED;
    int status = call_open_hash(call, LOOKUP_WRITE, &h);
    return status == OK || status == NOT_FOUND ? set_pairs(call, &h, added) : status;
}

static int hset_command(struct call *call)
{
    int64_t added;
    int status = set_generic(call, &added);
    if (status == OK)
        reply_int(call->reply, added);
    return call_status(status);
}

static int hmset_command(struct call *call)
{
    int64_t added;
    int status = set_generic(call, &added);
    if (status == OK)
        reply_ok(call->reply);
    return call_status(status);
}

static int hsetnx_command(struct call *call)
{
    struct members h;
    uint64_t len;
    int64_t added = 0;
    if (!pairs_fit(call))
        return OK;
    int status = call_open_hash(call, LOOKUP_WRITE, &h);
    if (status == OK || status == NOT_FOUND)
        status = members_get_len(&h, call->argv[2], &len);
    if (status == NOT_FOUND)
        status = set_pairs(call, &h, &added);
    if (status == OK)
        reply_int(call->reply, added);
    return call_status(status);
}

static int hdel_command(struct call *call)
{
    struct members m;
    int status = call_open_hash(call, LOOKUP_WRITE, &m);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    return members_remove_given(call, &m);
}

// --- Counting ------------------------------------------------------------------------------------

// Opens the hash for a change of one field: OK, or as call_open_hash but never NOT_FOUND. *found:
// the field is there, and *old is its value.
static int open_field(struct call *call, struct members *h, struct slice *old, bool *found)
{
    int status = call_open_hash(call, LOOKUP_WRITE, h);
    if (status == OK || status == NOT_FOUND)
        status = members_get(h, call->argv[2], old);
    *found = status == OK;
    return status == NOT_FOUND ? OK : status;
}

static int store_field(struct call *call, struct members *h, struct slice value)
{
    bool added;
    int status = members_set(h, call->argv[2], value, &added);
    if (status == OK)
        members_close(h);
    return status;
}

static bool field_fits(struct call *call)
{
    if (call->argv[2].len <= KEY_MAX)
        return true;
    call_error(call, "ERR field is too long (the limit is 65536 bytes)");
    return false;
}

static int hincrby_command(struct call *call)
{
    struct members h;
    struct slice old;
    bool found;
    int64_t delta, value = 0;
    if (!call_int(call, call->argv[3], &delta) || !field_fits(call))
        return OK;
    int status = open_field(call, &h, &old, &found);
    if (status != OK)
        return call_status(status);
    if (found && !number_parse_int(old, &value))
        return call_error(call, "ERR hash value is not an integer");
    if (__builtin_add_overflow(value, delta, &value))
        return call_error(call, "ERR increment or decrement would overflow");
    char text[24];
    status = store_field(call, &h, slice_of(text, number_format_int(text, value)));
    if (status == OK)
        reply_int(call->reply, value);
    return status;
}

static int hincrbyfloat_command(struct call *call)
{
    struct members h;
    struct slice old;
    bool found;
    long double delta, value = 0;
    if (!number_parse_long_double(call->argv[3], &delta))
        return call_error(call, "ERR value is not a valid float");
    if (isnan(delta) || isinf(delta))
        return call_error(call, "ERR value is NaN or Infinity");
    if (!field_fits(call))
        return OK;
    int status = open_field(call, &h, &old, &found);
    if (status != OK)
        return call_status(status);
    if (found && !number_parse_long_double(old, &value))
        return call_error(call, "ERR hash value is not a float");
    value += delta;
    if (isnan(value) || isinf(value))
        return call_error(call, "ERR increment would produce NaN or Infinity");
    char text[NUMBER_TEXT_MAX];
    struct slice bytes = slice_of(text, number_format_long_double(text, value));
    status = store_field(call, &h, bytes);
    if (status == OK)
        reply_bulk(call->reply, bytes);
    return status;
}

// --- Getting -------------------------------------------------------------------------------------

static int hget_command(struct call *call)
{
    struct members h;
    struct slice value;
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status == OK)
        status = members_get(&h, call->argv[2], &value);
    if (status == OK)
        reply_bulk(call->reply, value);
    else if (status == NOT_FOUND)
        reply_null(call->reply);
    else
        return call_status(status);
    return OK;
}

static int hmget_command(struct call *call)
{
    struct members h;
    bool waits = false;
    int opened = call_open_hash(call, LOOKUP_READ, &h);
    if (opened != OK && opened != NOT_FOUND)
        return call_status(opened);
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        struct slice value;
        int status = opened == OK ? members_get(&h, call->argv[i], &value) : NOT_FOUND;
        if (status < 0)
            return status;
        waits |= status == WAIT;
        if (waits)
            continue;
        if (status == OK)
            reply_bulk(call->reply, value);
        else
            reply_null(call->reply);
    }
    return waits ? WAIT : OK;
}

static int field_len(struct call *call, bool *found, uint64_t *len)
{
    struct members h;
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status == OK)
        status = members_get_len(&h, call->argv[2], len);
    *found = status == OK;
    return status == NOT_FOUND ? OK : status;
}

static int hexists_command(struct call *call)
{
    bool found;
    uint64_t len;
    int status = field_len(call, &found, &len);
    if (status == OK)
        reply_int(call->reply, found);
    return call_status(status);
}

static int hstrlen_command(struct call *call)
{
    bool found;
    uint64_t len;
    int status = field_len(call, &found, &len);
    if (status == OK)
        reply_int(call->reply, found ? (int64_t)len : 0);
    return call_status(status);
}

static int hlen_command(struct call *call)
{
    struct members h;
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    reply_int(call->reply, (int64_t)h.count);
    return OK;
}

// --- All of it, and some of it -------------------------------------------------------------------

static int all_generic(struct call *call, enum show show)
{
    struct members h;
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status == NOT_FOUND)
        members_reply_header(call->reply, 0, show);
    if (status != OK)
        return status == NOT_FOUND ? OK : call_status(status);
    return members_reply_all(call, &h, show);
}

static int hgetall_command(struct call *call)
{
    return all_generic(call, SHOW_BOTH);
}

static int hkeys_command(struct call *call)
{
    return all_generic(call, SHOW_FIELDS);
}

static int hvals_command(struct call *call)
{
    return all_generic(call, SHOW_VALUES);
}

static int hscan_command(struct call *call)
{
    return members_scan(call, TYPE_HASH);
}

// Redis takes counts whose double still fits where values are asked for.
static bool parse_hrandfield(struct call *call, struct draw *d)
{
    *d = (struct draw){.count = 1, .counted = call->argc > 2, .with_values = call->argc == 4};
    if (!d->counted)
        return true;
    if (!draw_parse_count(call, d))
        return false;
    if (call->argc > 4 || (call->argc == 4 && !slice_equal_nocase(call->argv[3], "withvalues"))) {
        call_syntax_error(call);
        return false;
    }
    if (d->with_values && (d->count < -(INT64_MAX / 2) || d->count > INT64_MAX / 2)) {
        call_error(call, "ERR value is out of range");
        return false;
    }
    return true;
}

static int hrandfield_command(struct call *call)
{
    struct draw d;
    struct members h;
    if (!parse_hrandfield(call, &d))
        return OK;
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    return draw_reply(call, &h, &d);
}

const struct command hash_rows[] = {
    {
        .name = "hset",
        .fn = hset_command,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RW,update i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(N) in the fields",
        .summary = "Set fields of a hash",
        .history = "4.0.0:Several `field` and `value` arguments.",
        .arguments = "key:k#0 field_value:b*(field:s value:s)",
    },
    {
        .name = "hsetnx",
        .fn = hsetnx_command,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RW,insert i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(1)",
        .summary = "Set a field of a hash if it is not there",
        .arguments = "key:k#0 field:s value:s",
    },
    {
        .name = "hmset",
        .fn = hmset_command,
        .arity = -4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RW,update i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(N) in the fields",
        .summary = "Set fields of a hash",
        .arguments = "key:k#0 field_value:b*(field:s value:s)",
        .replaced_by = "4.0.0:`HSET` with multiple field-value pairs",
    },
    {
        .name = "hget",
        .fn = hget_command,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(1)",
        .summary = "Get a field of a hash",
        .arguments = "key:k#0 field:s",
    },
    {
        .name = "hmget",
        .fn = hmget_command,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(N) in the fields",
        .summary = "Get several fields of a hash",
        .arguments = "key:k#0 field:s*",
    },
    {
        .name = "hdel",
        .fn = hdel_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RW,delete i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(N) in the fields",
        .summary = "Delete fields of a hash",
        .history = "2.4.0:Several `field` arguments.",
        .arguments = "key:k#0 field:s*",
    },
    {
        .name = "hexists",
        .fn = hexists_command,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RO i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(1)",
        .summary = "Tell whether a hash has a field",
        .arguments = "key:k#0 field:s",
    },
    {
        .name = "hlen",
        .fn = hlen_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RO i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(1)",
        .summary = "Count the fields of a hash",
        .arguments = "key:k#0",
    },
    {
        .name = "hstrlen",
        .fn = hstrlen_command,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RO i1 r0,1,0",
        .since = "3.2.0",
        .group = "hash",
        .complexity = "O(1)",
        .summary = "Tell the length of a field of a hash",
        .arguments = "key:k#0 field:s",
    },
    {
        .name = "hincrby",
        .fn = hincrby_command,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RW,access,update i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(1)",
        .summary = "Add an integer to a field of a hash",
        .arguments = "key:k#0 field:s increment:i",
    },
    {
        .name = "hincrbyfloat",
        .fn = hincrbyfloat_command,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .specs = "RW,access,update i1 r0,1,0",
        .since = "2.6.0",
        .group = "hash",
        .complexity = "O(1)",
        .summary = "Add a decimal to a field of a hash",
        .arguments = "key:k#0 field:s increment:d",
    },
    {
        .name = "hgetall",
        .fn = hgetall_command,
        .arity = 2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .tips = "nondeterministic_output_order",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(N) in the fields of the hash",
        .summary = "Get all of a hash",
        .arguments = "key:k#0",
    },
    {
        .name = "hkeys",
        .fn = hkeys_command,
        .arity = 2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .tips = "nondeterministic_output_order",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(N) in the fields of the hash",
        .summary = "Get all fields of a hash",
        .arguments = "key:k#0",
    },
    {
        .name = "hvals",
        .fn = hvals_command,
        .arity = 2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .tips = "nondeterministic_output_order",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.0.0",
        .group = "hash",
        .complexity = "O(N) in the fields of the hash",
        .summary = "Get all values of a hash",
        .arguments = "key:k#0",
    },
    {
        .name = "hscan",
        .fn = hscan_command,
        .arity = -3,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .tips = "nondeterministic_output",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.8.0",
        .group = "hash",
        .complexity = "O(1) a call, O(N) in the fields for the whole walk",
        .summary = "Walk the fields of a hash a few at a time",
        .arguments = "key:k#0 cursor:i pattern:p=MATCH? count:i=COUNT?",
    },
    {
        .name = "hrandfield",
        .fn = hrandfield_command,
        .arity = -2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "hash",
        .tips = "nondeterministic_output",
        .specs = "RO,access i1 r0,1,0",
        .since = "6.2.0",
        .group = "hash",
        .complexity = "O(N) in the fields that are returned",
        .summary = "Draw fields of a hash",
        .arguments = "key:k#0 options:b?(count:i withvalues:x=WITHVALUES?)",
    },
    {0},
};
