// Hashes, many fields at once: HGETALL, HKEYS, HVALS, HSCAN, HRANDFIELD.
//
// A small hash is one value and answered in one go. A spread one goes out as a stream
// (stream_hash.c), but inside EXEC. HSCAN of a small hash shows all of it, as Redis does; of a
// spread one it goes in the order of the fields, and its cursor stands for the last field looked
// at, as SCAN's does for a key (cursors.h).
//
// HRANDFIELD draws ranks and goes over the hash to them, or has the engine draw fields of a large
// one (draw.c of the engine): both even.
#include <stdlib.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "base/random.h"
#include "commands/dispatch.h"
#include "commands/families.h"
#include "commands/hash_call.h"
#include "commands/parts/glob.h"

enum {
    HSCAN_COUNT_DEFAULT = 10,
    HSCAN_COUNT_MAX = 10000,       // fields looked at in one call
    HSCAN_BYTES_MAX = 1024 * 1024, // of reply
};

void hash_reply_header(struct reply *reply, uint64_t count, enum hash_parts parts)
{
    if (parts == HASH_BOTH)
        reply_map(reply, (int64_t)count);
    else
        reply_array(reply, (int64_t)count);
}

void hash_reply_pair(
    struct reply *reply, struct slice field, struct slice value, enum hash_parts parts)
{
    if (parts & HASH_FIELDS)
        reply_bulk(reply, field);
    if (parts & HASH_VALUES)
        reply_bulk(reply, value);
}

// --- All of it -----------------------------------------------------------------------------------

static int reply_all(struct call *call, struct hash *h, enum hash_parts parts)
{
    struct hash_walk w;
    struct slice field, value;
    int status;
    hash_reply_header(call->reply, h->count, parts);
    hash_walk_open(&w, h, slice_of(NULL, 0));
    while ((status = hash_walk_next(&w, &field, &value)) == OK)
        hash_reply_pair(call->reply, field, value, parts);
    hash_walk_close(&w);
    return status == END ? OK : status;
}

static int all_generic(struct call *call, enum hash_parts parts)
{
    struct hash h;
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status == NOT_FOUND) {
        hash_reply_header(call->reply, 0, parts);
        return OK;
    }
    if (status != OK)
        return call_status(status);
    if (call->in_exec || !hash_is_spread(&h))
        return reply_all(call, &h, parts);
    call->stream = stream_hash_new(call, &h, parts);
    return OK;
}

static int hgetall_command(struct call *call)
{
    return all_generic(call, HASH_BOTH);
}

static int hkeys_command(struct call *call)
{
    return all_generic(call, HASH_FIELDS);
}

static int hvals_command(struct call *call)
{
    return all_generic(call, HASH_VALUES);
}

// --- HSCAN ---------------------------------------------------------------------------------------

struct hscan {
    uint64_t cursor;
    int64_t count;
    struct slice pattern;
    bool filtered;
    struct reply fields; // what was found, one behind the other
    struct buf bytes;
    int64_t found;
    struct buf last; // the last field looked at
    bool more;
};

static bool parse_hscan(struct call *call, struct hscan *s)
{
    for (int i = 3; i < call->argc; i += 2) {
        struct slice arg = i + 1 < call->argc ? call->argv[i + 1] : slice_of(NULL, 0);
        if (i + 1 < call->argc && slice_equal_nocase(call->argv[i], "count")) {
            if (!call_int(call, arg, &s->count))
                return false;
            if (s->count >= 1)
                continue;
        } else if (i + 1 < call->argc && slice_equal_nocase(call->argv[i], "match")) {
            s->pattern = arg;
            s->filtered = !glob_is_all(arg);
            continue;
        }
        call_syntax_error(call);
        return false;
    }
    return true;
}

static void remember_field(struct commands *c, struct session *s, struct slice data)
{
    cursors_add(&c->cursors, get_le64(data.data), slice_skip(data, 8));
}

static int64_t next_cursor(struct call *call, const struct hscan *s)
{
    uint8_t head[8];
    uint64_t number = databases_next_cursor(call->keys->dbs);
    struct buf *work = &call->commands->work;
    put_le64(head, number);
    buf_clear(work);
    buf_append(work, head, sizeof head);
    buf_append_slice(work, buf_slice(&s->last));
    call_defer(call, buf_slice(work), remember_field);
    return (int64_t)number;
}

static void look(struct hscan *s, struct slice field, struct slice value)
{
    if (s->filtered && !glob_match(s->pattern, field, false))
        return;
    reply_bulk(&s->fields, field);
    reply_bulk(&s->fields, value);
    s->found += 2;
}

// A place that is not known any more is an error, as SCAN's is.
static int hscan_walk(struct call *call, struct hash *h, struct hscan *s)
{
    struct hash_walk w;
    struct slice field, value, after = slice_of(NULL, 0);
    int64_t left = s->count < HSCAN_COUNT_MAX ? s->count : HSCAN_COUNT_MAX;
    bool spread = hash_is_spread(h), resumed = spread && s->cursor != 0;
    if (resumed && !cursors_find(&call->commands->cursors, s->cursor, &after)) {
        call_error(call, "ERR invalid cursor");
        return ANSWERED;
    }
    hash_walk_open(&w, h, slice_of(after.data, after.len < KEY_MAX ? after.len : KEY_MAX));
    int status = hash_walk_next(&w, &field, &value);
    if (status == OK && resumed && slice_equal(field, after))
        status = hash_walk_next(&w, &field, &value);
    while (status == OK) {
        look(s, field, value);
        left--;
        if (spread && (left <= 0 || s->bytes.len >= HSCAN_BYTES_MAX)) {
            buf_append_slice(&s->last, field);
            status = hash_walk_next(&w, &field, &value);
            s->more = status == OK;
            break;
        }
        status = hash_walk_next(&w, &field, &value);
    }
    hash_walk_close(&w);
    return status == END ? OK : status;
}

static void reply_hscan(struct call *call, const struct hscan *s)
{
    reply_array(call->reply, 2);
    reply_bulk_int(call->reply, s->more ? next_cursor(call, s) : 0);
    reply_array(call->reply, s->found);
    buf_append_slice(call->reply->out, buf_slice(&s->bytes));
}

static int hscan_command(struct call *call)
{
    struct hscan s = {.count = HSCAN_COUNT_DEFAULT, .fields = {.proto = call->reply->proto}};
    struct hash h;
    s.fields.out = &s.bytes;
    if (call->argv[2].len > 0 && !number_parse_uint(call->argv[2], &s.cursor))
        return call_error(call, "ERR invalid cursor");
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    if (status == OK)
        status = parse_hscan(call, &s) ? hscan_walk(call, &h, &s) : ANSWERED;
    if (status == OK || status == NOT_FOUND) {
        reply_hscan(call, &s);
        status = OK;
    }
    buf_release(&s.bytes);
    buf_release(&s.last);
    return call_status(status);
}

// --- HRANDFIELD ----------------------------------------------------------------------------------

struct draw {
    int64_t count; // negative: repetitions are welcome
    bool counted, with_values;
};

// Redis takes counts whose double still fits where values are asked for.
static bool parse_draw(struct call *call, struct draw *d)
{
    *d = (struct draw){.count = 1, .counted = call->argc > 2};
    if (!d->counted)
        return true;
    if (!call_int(call, call->argv[2], &d->count))
        return false;
    if (d->count == INT64_MIN) {
        call_error(call, "ERR value is out of range, value must between -9223372036854775807 and "
                         "9223372036854775807");
        return false;
    }
    if (call->argc > 4 || (call->argc == 4 && !slice_equal_nocase(call->argv[3], "withvalues"))) {
        call_syntax_error(call);
        return false;
    }
    d->with_values = call->argc == 4;
    if (d->with_values && (d->count < -(INT64_MAX / 2) || d->count > INT64_MAX / 2)) {
        call_error(call, "ERR value is out of range");
        return false;
    }
    return true;
}

static void reply_drawn(
    struct reply *reply, struct slice field, struct slice value, bool with_values)
{
    if (with_values && reply->proto == 3)
        reply_array(reply, 2);
    reply_bulk(reply, field);
    if (with_values)
        reply_bulk(reply, value);
}

// One draw: the field and its value lie in `bytes` of the draws.
struct pick {
    uint64_t rank, order; // which field, and which place in the reply
    size_t at, field_len, value_len;
};

struct picks {
    struct pick *all;
    uint64_t count;
    struct buf bytes;
};

static int by_rank(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_order(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

// Whether a reply of so many fields is out of the question.
static bool too_many(const struct reply *reply, uint64_t count)
{
    enum { FIELD_BYTES_MIN = 6, WITHOUT_BOUND = 1 << 24 };
    return count > (reply->max_len > 0 ? reply->max_len / FIELD_BYTES_MIN : WITHOUT_BOUND);
}

static void keep(struct picks *p, uint64_t i, struct slice field, struct slice value)
{
    p->all[i].at = p->bytes.len;
    p->all[i].field_len = field.len;
    p->all[i].value_len = value.len;
    buf_append_slice(&p->bytes, field);
    buf_append_slice(&p->bytes, value);
}

static void reply_header(struct reply *reply, uint64_t count, bool with_values)
{
    reply_array(reply, (int64_t)count * (with_values && reply->proto == 2 ? 2 : 1));
}

static void reply_picks(struct call *call, const struct picks *p, const struct draw *d)
{
    if (d->counted)
        reply_header(call->reply, p->count, d->with_values);
    for (uint64_t i = 0; i < p->count; i++) {
        const uint8_t *field = p->bytes.data + p->all[i].at;
        reply_drawn(call->reply, slice_of(field, p->all[i].field_len),
            slice_of(field + p->all[i].field_len, p->all[i].value_len), d->with_values);
    }
}

// Goes over the hash once and fills in what stands at the ranks, which are in order.
static int fill_in(struct hash *h, struct picks *p)
{
    struct hash_walk w;
    struct slice field, value;
    uint64_t rank = 0, next = 0;
    int status = OK;
    hash_walk_open(&w, h, slice_of(NULL, 0));
    while (next < p->count && (status = hash_walk_next(&w, &field, &value)) == OK) {
        for (; next < p->count && p->all[next].rank == rank; next++)
            keep(p, next, field, value);
        rank++;
    }
    hash_walk_close(&w);
    return status == END ? CORRUPT : status;
}

static int draw_by_rank(struct call *call, struct hash *h, struct picks *p)
{
    struct random random = {call->seed};
    for (uint64_t i = 0; i < p->count; i++)
        p->all[i] = (struct pick){.rank = random_below(&random, h->count), .order = i};
    qsort(p->all, p->count, sizeof *p->all, by_rank);
    int status = fill_in(h, p);
    qsort(p->all, p->count, sizeof *p->all, by_order);
    return status;
}

static bool was_drawn(const struct picks *p, uint64_t count, struct slice field)
{
    for (uint64_t i = 0; i < count; i++)
        if (slice_equal(field, slice_of(p->bytes.data + p->all[i].at, p->all[i].field_len)))
            return true;
    return false;
}

// By the engine's draws. NOT_FOUND: too few of them hit.
static int draw_by_chance(struct call *call, struct hash *h, struct picks *p, const struct draw *d)
{
    struct buf field = {0};
    bool waits = false, distinct = d->count > 0;
    int status = OK;
    uint64_t done = 0, tries = 4 * p->count + 8;
    for (uint64_t i = 0; i < tries && done < p->count; i++) {
        struct slice value = slice_of(NULL, 0);
        status = hash_draw(h, call->seed + i, &field);
        if (status == OK && d->with_values)
            status = hash_get(h, buf_slice(&field), &value);
        if (status != OK && status != WAIT)
            break;
        waits |= status == WAIT; // the others are fetched together with it
        if (waits)
            done++;
        else if (!distinct || !was_drawn(p, done, buf_slice(&field)))
            keep(p, done++, buf_slice(&field), value);
    }
    buf_release(&field);
    if (status < 0 || status == NOT_FOUND)
        return status;
    return waits ? WAIT : done < p->count ? NOT_FOUND : OK;
}

// A draw costs the less the more of what lies in memory is of this hash; going over the hash costs
// its length. Distinct ones are compared with each other.
static bool chance_is_cheaper(const struct hash *h, uint64_t count)
{
    enum { IN_MEMORY = 1 << 20, COMPARED_MAX = 1000 };
    return hash_is_spread(h) && count <= COMPARED_MAX &&
           (unsigned __int128)h->count * h->count / IN_MEMORY > count;
}

// NOT_FOUND: distinct ones are not to be had so.
static int draw_some(struct call *call, struct hash *h, uint64_t count, const struct draw *d)
{
    struct picks picks = {.count = count};
    int status = NOT_FOUND;
    if (too_many(call->reply, count))
        return TOO_LARGE;
    picks.all = xcalloc(count, sizeof *picks.all);
    if (chance_is_cheaper(h, count))
        status = draw_by_chance(call, h, &picks, d);
    if (status == NOT_FOUND && d->count <= 1) {
        buf_clear(&picks.bytes);
        status = draw_by_rank(call, h, &picks);
    }
    if (status == OK)
        reply_picks(call, &picks, d);
    buf_release(&picks.bytes);
    free(picks.all);
    return status;
}

// Selection sampling: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
static int draw_distinct(struct call *call, struct hash *h, uint64_t count, const struct draw *d)
{
    struct random random = {call->seed};
    struct hash_walk w;
    struct slice field, value;
    uint64_t left = h->count, wanted = count < left ? count : left;
    int status = OK;
    reply_header(call->reply, wanted, d->with_values);
    hash_walk_open(&w, h, slice_of(NULL, 0));
    while (wanted > 0 && (status = hash_walk_next(&w, &field, &value)) == OK) {
        if (random_below(&random, left--) >= wanted)
            continue;
        reply_drawn(call->reply, field, value, d->with_values);
        wanted--;
    }
    hash_walk_close(&w);
    return status == END ? CORRUPT : status;
}

static int hrandfield_command(struct call *call)
{
    struct draw d;
    struct hash h;
    if (!parse_draw(call, &d))
        return OK;
    int status = call_open_hash(call, LOOKUP_READ, &h);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    if (status == NOT_FOUND || d.count == 0) {
        if (d.counted)
            reply_array(call->reply, 0);
        else
            reply_null(call->reply);
        return OK;
    }
    uint64_t count = d.count < 0 ? (uint64_t)-d.count : (uint64_t)d.count;
    status = NOT_FOUND;
    if (d.count <= 1 || chance_is_cheaper(&h, count))
        status = draw_some(call, &h, count, &d);
    return status == NOT_FOUND ? draw_distinct(call, &h, count, &d) : status;
}

const struct command hash_walk_rows[] = {
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
