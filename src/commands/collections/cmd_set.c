// Sets, member by member, and drawn from. What takes several sets together is in cmd_set_algebra.c.
//
// Commands over several members go on past a miss, so that all misses are fetched together.
#include "commands/collections/draw.h"
#include "commands/collections/members_reply.h"
#include "commands/families.h"

int call_open_set(struct call *call, enum lookup how, struct slice key, struct members *m)
{
    int status = members_open(m, call->keys, how, key, TYPE_SET);
    if (status != OK || m->type == TYPE_SET)
        return status;
    call_wrong_type(call);
    return ANSWERED;
}

static bool members_fit(struct call *call, int from)
{
    for (int i = from; i < call->argc; i++)
        if (call->argv[i].len > KEY_MAX) {
            call_error(call, "ERR member is too long (the limit is 65536 bytes)");
            return false;
        }
    return true;
}

static const struct slice NOTHING = {NULL, 0};

// --- Changing ------------------------------------------------------------------------------------

static int sadd_command(struct call *call)
{
    struct members m;
    int64_t added = 0;
    bool waits = false;
    if (!members_fit(call, 2))
        return OK;
    int status = call_open_set(call, LOOKUP_WRITE, call->argv[1], &m);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    for (int i = 2; i < call->argc; i++) {
        bool one = false;
        status = members_set(&m, call->argv[i], NOTHING, &one);
        if (status < 0)
            return status;
        waits |= status == WAIT;
        added += one;
    }
    if (waits)
        return WAIT;
    members_close(&m);
    reply_int(call->reply, added);
    return OK;
}

static int srem_command(struct call *call)
{
    struct members m;
    int status = call_open_set(call, LOOKUP_WRITE, call->argv[1], &m);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    return members_remove_given(call, &m);
}

static int smove_command(struct call *call)
{
    struct members from, to;
    struct slice member = call->argv[3];
    uint64_t len;
    bool added;
    int status = call_open_set(call, LOOKUP_WRITE, call->argv[1], &from);
    if (status == NOT_FOUND)
        reply_int(call->reply, 0);
    if (status != OK)
        return status == NOT_FOUND ? OK : call_status(status);
    int other = call_open_set(call, LOOKUP_WRITE, call->argv[2], &to);
    if (other != OK && other != NOT_FOUND)
        return call_status(other);
    status = members_get_len(&from, member, &len);
    if (status != OK && status != NOT_FOUND)
        return status;
    bool found = status == OK, same = slice_equal(call->argv[1], call->argv[2]);
    if (found && !same) {
        status = members_remove(&from, member);
        if (status != OK)
            return status;
        members_close(&from);
        // What was read of the other may lie in the batch, which has moved.
        status = call_open_set(call, LOOKUP_WRITE, call->argv[2], &to);
        if (status == OK || status == NOT_FOUND)
            status = members_set(&to, member, NOTHING, &added);
        if (status != OK)
            return status;
        members_close(&to);
    }
    reply_int(call->reply, found);
    return OK;
}

// --- Asking --------------------------------------------------------------------------------------

static int sismember_command(struct call *call)
{
    struct members m;
    uint64_t len;
    int status = call_open_set(call, LOOKUP_READ, call->argv[1], &m);
    if (status == OK)
        status = members_get_len(&m, call->argv[2], &len);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    reply_int(call->reply, status == OK);
    return OK;
}

static int smismember_command(struct call *call)
{
    struct members m;
    uint64_t len;
    bool waits = false;
    int opened = call_open_set(call, LOOKUP_READ, call->argv[1], &m);
    if (opened != OK && opened != NOT_FOUND)
        return call_status(opened);
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        int status = opened == OK ? members_get_len(&m, call->argv[i], &len) : NOT_FOUND;
        if (status < 0)
            return status;
        waits |= status == WAIT;
        if (!waits)
            reply_int(call->reply, status == OK);
    }
    return waits ? WAIT : OK;
}

static int scard_command(struct call *call)
{
    struct members m;
    int status = call_open_set(call, LOOKUP_READ, call->argv[1], &m);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    reply_int(call->reply, (int64_t)m.count);
    return OK;
}

static int smembers_command(struct call *call)
{
    struct members m;
    int status = call_open_set(call, LOOKUP_READ, call->argv[1], &m);
    if (status == NOT_FOUND)
        reply_set(call->reply, 0);
    if (status != OK)
        return status == NOT_FOUND ? OK : call_status(status);
    return members_reply_all(call, &m, SHOW_SET);
}

static int sscan_command(struct call *call)
{
    return members_scan(call, TYPE_SET);
}

// --- Drawing -------------------------------------------------------------------------------------

static int srandmember_command(struct call *call)
{
    struct draw d = {.count = 1, .counted = call->argc > 2};
    struct members m;
    if (call->argc > 3)
        return call_syntax_error(call);
    if (d.counted && !draw_parse_count(call, &d))
        return OK;
    int status = call_open_set(call, LOOKUP_READ, call->argv[1], &m);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    return draw_reply(call, &m, &d);
}

// Takes what was drawn out of the set. It lies in the draws' own buffer.
static int remove_drawn(struct members *m, const struct picks *p)
{
    bool waits = false;
    for (uint64_t i = 0; i < p->count; i++) {
        int status = members_remove(m, picks_field(p, i));
        if (status < 0)
            return status;
        waits |= status == WAIT;
    }
    if (waits)
        return WAIT;
    members_close(m);
    return OK;
}

static int pop_some(struct call *call, struct members *m, const struct draw *d)
{
    struct picks picks = {0};
    int status = draw_picks(call, m, d, &picks);
    if (status == OK)
        status = remove_drawn(m, &picks);
    if (status == OK && d->counted)
        reply_set(call->reply, (int64_t)picks.count);
    for (uint64_t i = 0; i < picks.count && status == OK; i++)
        reply_bulk(call->reply, picks_field(&picks, i));
    picks_release(&picks);
    return status;
}

static int pop_all(struct call *call, struct members *m)
{
    int status = members_reply_now(call, m, SHOW_SET);
    if (status == OK) {
        keys_delete_moved(call->keys, m->key, &m->value.spread);
        call->keys->changes += m->count;
    }
    return status;
}

static int spop_command(struct call *call)
{
    struct draw d = {.count = 1, .counted = call->argc > 2};
    struct members m;
    if (call->argc > 3)
        return call_syntax_error(call);
    if (d.counted && (!number_parse_int(call->argv[2], &d.count) || d.count < 0))
        return call_error(call, "ERR value is out of range, must be positive");
    int status = call_open_set(call, LOOKUP_WRITE, call->argv[1], &m);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    if (status == NOT_FOUND || d.count == 0) {
        if (d.counted)
            reply_set(call->reply, 0);
        else
            reply_null(call->reply);
        return OK;
    }
    if (d.counted && (uint64_t)d.count >= m.count)
        return pop_all(call, &m);
    return pop_some(call, &m, &d);
}

const struct command set_rows[] = {
    {
        .name = "sadd",
        .fn = sadd_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .specs = "RW,insert i1 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in the members",
        .summary = "Add members to a set",
        .history = "2.4.0:Several `member` arguments.",
        .arguments = "key:k#0 member:s*",
    },
    {
        .name = "srem",
        .fn = srem_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .specs = "RW,delete i1 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in the members",
        .summary = "Remove members from a set",
        .history = "2.4.0:Several `member` arguments.",
        .arguments = "key:k#0 member:s*",
    },
    {
        .name = "smove",
        .fn = smove_command,
        .arity = 4,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 2,
        .key_step = 1,
        .acl = "set",
        .specs = "RW,access,delete i1 r0,1,0 | RW,insert i2 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(1)",
        .summary = "Move a member from one set to another",
        .arguments = "source:k#0 destination:k#1 member:s",
    },
    {
        .name = "sismember",
        .fn = sismember_command,
        .arity = 3,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .specs = "RO i1 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(1)",
        .summary = "Tell whether a set has a member",
        .arguments = "key:k#0 member:s",
    },
    {
        .name = "smismember",
        .fn = smismember_command,
        .arity = -3,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .specs = "RO,access i1 r0,1,0",
        .since = "6.2.0",
        .group = "set",
        .complexity = "O(N) in the members that are asked for",
        .summary = "Tell of several members whether a set has them",
        .arguments = "key:k#0 member:s*",
    },
    {
        .name = "scard",
        .fn = scard_command,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .specs = "RO i1 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(1)",
        .summary = "Count the members of a set",
        .arguments = "key:k#0",
    },
    {
        .name = "smembers",
        .fn = smembers_command,
        .arity = 2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .tips = "nondeterministic_output_order",
        .specs = "RO,access i1 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in the members of the set",
        .summary = "Get all members of a set",
        .arguments = "key:k#0",
    },
    {
        .name = "sscan",
        .fn = sscan_command,
        .arity = -3,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .tips = "nondeterministic_output",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.8.0",
        .group = "set",
        .complexity = "O(1) a call, O(N) in the members for the whole walk",
        .summary = "Walk the members of a set a few at a time",
        .arguments = "key:k#0 cursor:i pattern:p=MATCH? count:i=COUNT?",
    },
    {
        .name = "srandmember",
        .fn = srandmember_command,
        .arity = -2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .tips = "nondeterministic_output",
        .specs = "RO,access i1 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in the members that are returned",
        .summary = "Draw members of a set",
        .history = "2.6.0:Option `count`.",
        .arguments = "key:k#0 count:i?@2.6.0",
    },
    {
        .name = "spop",
        .fn = spop_command,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "set",
        .tips = "nondeterministic_output",
        .specs = "RW,access,delete i1 r0,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in the members that are returned",
        .summary = "Draw members of a set and remove them",
        .history = "3.2.0:Option `count`.",
        .arguments = "key:k#0 count:i?@3.2.0",
    },
    {0},
};
