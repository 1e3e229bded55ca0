// Several sets together: SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD.
//
// An intersection goes over the smallest set and asks the others for each of its members; a
// difference goes over the first. A union gathers all members, sorts them and leaves out what comes
// twice. What waits is noted and the walk goes on, so that all that is missing is fetched together.
// The result lies in a buffer of its own, bounded by what one command may carry: Redis' OOM error
// beyond.
#include <stdlib.h>

#include "base/alloc.h"
#include "commands/collections/members_reply.h"
#include "commands/command.h"
#include "commands/dispatch.h"
#include "commands/families.h"

enum algebra { INTERSECTION, UNION, DIFFERENCE };

struct sets {
    struct members *all;
    int count;
    bool some_missing; // one of them is empty
};

// Members, one behind the other.
struct gathered {
    struct buf bytes;
    struct span {
        size_t at, len;
    } * spans;
    uint64_t count, cap;
    uint64_t bytes_max;
    bool only_counted; // nobody asks for the members
};

static void gathered_release(struct gathered *g)
{
    buf_release(&g->bytes);
    free(g->spans);
}

static struct slice gathered_at(const struct gathered *g, uint64_t i)
{
    return slice_of(g->bytes.data + g->spans[i].at, g->spans[i].len);
}

static int gather(struct gathered *g, struct slice member)
{
    if (g->only_counted) {
        g->count++;
        return OK;
    }
    if (g->bytes.len + g->count * sizeof *g->spans + member.len > g->bytes_max)
        return NO_MEMORY;
    if (g->count == g->cap) {
        g->cap = g->cap == 0 ? 64 : g->cap * 2;
        g->spans = xrealloc(g->spans, g->cap * sizeof *g->spans);
    }
    g->spans[g->count++] = (struct span){g->bytes.len, member.len};
    buf_append_slice(&g->bytes, member);
    return OK;
}

// OK; WAIT or a failure; or, having replied WRONGTYPE, ANSWERED. All keys are looked at, as Redis
// does.
static int open_sets(struct call *call, int from, int count, struct sets *out)
{
    bool waits = false;
    *out = (struct sets){.all = xcalloc((size_t)count, sizeof *out->all), .count = count};
    for (int i = 0; i < count; i++) {
        int status = call_open_set(call, LOOKUP_READ, call->argv[from + i], &out->all[i]);
        if (status < 0 || status == ANSWERED)
            return status;
        waits |= status == WAIT;
        out->some_missing |= status == NOT_FOUND;
    }
    return waits ? WAIT : OK;
}

// --- The three -----------------------------------------------------------------------------------

// Whether the member is in all (or in none) of the sets but number `but`: OK or NOT_FOUND; or WAIT
// or a failure.
static int is_in_others(struct sets *s, int but, bool all, struct slice member)
{
    bool waits = false;
    for (int i = 0; i < s->count; i++) {
        uint64_t len;
        if (i == but)
            continue;
        int status = s->all[i].count > 0 ? members_get_len(&s->all[i], member, &len) : NOT_FOUND;
        if (status < 0)
            return status;
        waits |= status == WAIT;
        if (status != WAIT && (status == OK) != all)
            return NOT_FOUND;
    }
    return waits ? WAIT : OK;
}

// Gathers members of one set that are in all, or in none, of the others; max 0: any number.
static int filter(struct sets *s, int from, bool all, uint64_t max, struct gathered *g)
{
    struct members_walk w;
    struct slice member, value;
    bool waits = false;
    int status;
    members_walk_open(&w, &s->all[from], slice_of(NULL, 0));
    while ((status = members_walk_next(&w, &member, &value)) == OK) {
        status = is_in_others(s, from, all, member);
        waits |= status == WAIT;
        if (status == OK && !waits)
            status = gather(g, member);
        if (status < 0 || (max > 0 && g->count == max))
            break;
    }
    members_walk_close(&w);
    if (status < 0 || status == WAIT)
        return status;
    return waits ? WAIT : OK;
}

static int intersect(struct sets *s, uint64_t max, struct gathered *g)
{
    int smallest = 0;
    if (s->some_missing)
        return OK;
    for (int i = 1; i < s->count; i++)
        if (s->all[i].count < s->all[smallest].count)
            smallest = i;
    return filter(s, smallest, true, max, g);
}

static int compare_spans(const void *a, const void *b, void *arg)
{
    const struct span *x = a, *y = b;
    const struct gathered *g = arg;
    return slice_compare(
        slice_of(g->bytes.data + x->at, x->len), slice_of(g->bytes.data + y->at, y->len));
}

static void drop_repeated(struct gathered *g)
{
    uint64_t kept = 0;
    if (g->count > 0)
        qsort_r(g->spans, g->count, sizeof *g->spans, compare_spans, g);
    for (uint64_t i = 0; i < g->count; i++)
        if (kept == 0 || !slice_equal(gathered_at(g, i), gathered_at(g, kept - 1)))
            g->spans[kept++] = g->spans[i];
    g->count = kept;
}

static int unite(struct sets *s, struct gathered *g)
{
    bool waits = false;
    for (int i = 0; i < s->count; i++) {
        struct members_walk w;
        struct slice member, value;
        int status;
        members_walk_open(&w, &s->all[i], slice_of(NULL, 0));
        while ((status = members_walk_next(&w, &member, &value)) == OK)
            if ((status = gather(g, member)) != OK)
                break;
        members_walk_close(&w);
        if (status < 0)
            return status;
        waits |= status == WAIT;
    }
    if (waits)
        return WAIT;
    drop_repeated(g);
    return OK;
}

static int combine(struct call *call, enum algebra how, int from, uint64_t max, struct gathered *g)
{
    struct sets s;
    int status = open_sets(call, from, call->argc - from, &s);
    g->bytes_max = (uint64_t)commands_max_bulk(call->commands);
    if (status == OK && how == INTERSECTION)
        status = intersect(&s, max, g);
    else if (status == OK && how == UNION)
        status = unite(&s, g);
    else if (status == OK)
        status = s.all[0].count > 0 ? filter(&s, 0, false, 0, g) : OK;
    free(s.all);
    return status;
}

// --- Commands ------------------------------------------------------------------------------------

static int reply_combined(struct call *call, enum algebra how)
{
    struct gathered g = {0};
    int status = combine(call, how, 1, 0, &g);
    if (status == OK) {
        reply_set(call->reply, (int64_t)g.count);
        for (uint64_t i = 0; i < g.count; i++)
            reply_bulk(call->reply, gathered_at(&g, i));
    }
    gathered_release(&g);
    return call_status(status);
}

static int store(struct call *call, const struct gathered *g)
{
    struct members result;
    uint64_t changes = call->keys->changes; // the whole is one
    members_new(&result, call->keys, call->argv[1], TYPE_SET);
    for (uint64_t i = 0; i < g->count; i++) {
        bool added;
        int status = members_set(&result, gathered_at(g, i), slice_of(NULL, 0), &added);
        if (status != OK)
            return status;
    }
    bool replaced;
    int status = members_replace(&result, &replaced);
    if (status != OK)
        return status;
    call->keys->changes = changes + (replaced || g->count > 0);
    reply_int(call->reply, (int64_t)g->count);
    return OK;
}

static int store_combined(struct call *call, enum algebra how)
{
    struct gathered g = {0};
    int status = combine(call, how, 2, 0, &g);
    if (status == OK)
        status = store(call, &g);
    gathered_release(&g);
    return call_status(status);
}

static int sinter_command(struct call *call)
{
    return reply_combined(call, INTERSECTION);
}

static int sunion_command(struct call *call)
{
    return reply_combined(call, UNION);
}

static int sdiff_command(struct call *call)
{
    return reply_combined(call, DIFFERENCE);
}

static int sinterstore_command(struct call *call)
{
    return store_combined(call, INTERSECTION);
}

static int sunionstore_command(struct call *call)
{
    return store_combined(call, UNION);
}

static int sdiffstore_command(struct call *call)
{
    return store_combined(call, DIFFERENCE);
}

// SINTERCARD numkeys key [key ...] [LIMIT limit]
static int sintercard_command(struct call *call)
{
    int64_t keys, limit = 0;
    struct gathered g = {.only_counted = true};
    if (!number_parse_int(call->argv[1], &keys) || keys < 1 || keys > INT32_MAX)
        return call_error(call, "ERR numkeys should be greater than 0");
    if (keys > call->argc - 2)
        return call_error(call, "ERR Number of keys can't be greater than number of args");
    for (int i = 2 + (int)keys; i < call->argc; i += 2) {
        if (!slice_equal_nocase(call->argv[i], "limit") || i + 1 == call->argc)
            return call_syntax_error(call);
        if (!number_parse_int(call->argv[i + 1], &limit) || limit < 0)
            return call_error(call, "ERR LIMIT can't be negative");
    }
    struct call of_keys = *call;
    of_keys.argc = 2 + (int)keys;
    int status = combine(&of_keys, INTERSECTION, 2, (uint64_t)limit, &g);
    if (status == OK)
        reply_int(call->reply, (int64_t)g.count);
    gathered_release(&g);
    return call_status(status);
}

static int sintercard_keys(const struct slice *argv, int argc, int *positions, int max)
{
    int64_t keys;
    if (!number_parse_int(argv[1], &keys) || keys < 1 || keys > argc - 2)
        return -1;
    for (int i = 0; i < keys && i < max; i++)
        positions[i] = 2 + i;
    return (int)keys;
}

const struct command set_algebra_rows[] = {
    {
        .name = "sinter",
        .fn = sinter_command,
        .arity = -2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "set",
        .tips = "nondeterministic_output_order",
        .specs = "RO,access i1 r-1,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in all members",
        .summary = "Get what several sets have in common",
        .arguments = "key:k#0*",
    },
    {
        .name = "sintercard",
        .fn = sintercard_command,
        .arity = -3,
        .flags = CMD_READONLY | CMD_MOVABLEKEYS,
        .acl = "set",
        .specs = "RO,access i1 n0,1,1",
        .since = "7.0.0",
        .group = "set",
        .complexity = "O(N*M) in the smallest set and the sets",
        .summary = "Count what several sets have in common",
        .arguments = "numkeys:i key:k#0* limit:i=LIMIT?",
        .get_keys = sintercard_keys,
    },
    {
        .name = "sinterstore",
        .fn = sinterstore_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "set",
        .specs = "RW,update i1 r0,1,0 | RO,access i2 r-1,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in all members",
        .summary = "Store what several sets have in common",
        .arguments = "destination:k#0 key:k#1*",
    },
    {
        .name = "sunion",
        .fn = sunion_command,
        .arity = -2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "set",
        .tips = "nondeterministic_output_order",
        .specs = "RO,access i1 r-1,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in all members",
        .summary = "Get what any of several sets has",
        .arguments = "key:k#0*",
    },
    {
        .name = "sunionstore",
        .fn = sunionstore_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "set",
        .specs = "OW,update i1 r0,1,0 | RO,access i2 r-1,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in all members",
        .summary = "Store what any of several sets has",
        .arguments = "destination:k#0 key:k#1*",
    },
    {
        .name = "sdiff",
        .fn = sdiff_command,
        .arity = -2,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "set",
        .tips = "nondeterministic_output_order",
        .specs = "RO,access i1 r-1,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in all members",
        .summary = "Get what the first of several sets has alone",
        .arguments = "key:k#0*",
    },
    {
        .name = "sdiffstore",
        .fn = sdiffstore_command,
        .arity = -3,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .first_key = 1,
        .last_key = -1,
        .key_step = 1,
        .acl = "set",
        .specs = "OW,update i1 r0,1,0 | RO,access i2 r-1,1,0",
        .since = "1.0.0",
        .group = "set",
        .complexity = "O(N) in all members",
        .summary = "Store what the first of several sets has alone",
        .arguments = "destination:k#0 key:k#1*",
    },
    {0},
};
