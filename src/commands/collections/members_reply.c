// members_reply: many members of a hash or set at once: HGETALL, SMEMBERS and their like, HSCAN and
// SSCAN.
//
// A small one is one value and answered in one go. A spread one goes out as a stream
// (stream_members.c), but inside EXEC. A walk over a small one shows all of it, as Redis does; over
// a spread one it goes in the order of the members, and its cursor stands for the last one looked
// at, as SCAN's does for a key (cursors.h).
#include "commands/collections/members_reply.h"

#include "commands/dispatch.h"
#include "commands/parts/glob.h"

enum {
    SCAN_COUNT_DEFAULT = 10,
    SCAN_COUNT_MAX = 10000,       // members looked at in one call
    SCAN_BYTES_MAX = 1024 * 1024, // of reply
};

void members_reply_header(struct reply *reply, uint64_t count, enum show show)
{
    if (show == SHOW_BOTH)
        reply_map(reply, (int64_t)count);
    else if (show == SHOW_SET)
        reply_set(reply, (int64_t)count);
    else
        reply_array(reply, (int64_t)count);
}

void members_reply_one(struct reply *reply, struct slice field, struct slice value, enum show show)
{
    if (show & SHOW_FIELDS)
        reply_bulk(reply, field);
    if (show & SHOW_VALUES)
        reply_bulk(reply, value);
}

int members_reply_now(struct call *call, struct members *m, enum show show)
{
    struct members_walk w;
    struct slice field, value;
    int status;
    members_reply_header(call->reply, m->count, show);
    members_walk_open(&w, m, slice_of(NULL, 0));
    while ((status = members_walk_next(&w, &field, &value)) == OK)
        members_reply_one(call->reply, field, value, show);
    members_walk_close(&w);
    return status == END ? OK : status;
}

int members_reply_all(struct call *call, struct members *m, enum show show)
{
    if (call->in_exec || !members_is_spread(m))
        return members_reply_now(call, m, show);
    call->stream = stream_members_new(call, m, show);
    return OK;
}

int members_remove_given(struct call *call, struct members *m)
{
    int64_t removed = 0;
    bool waits = false;
    for (int i = 2; i < call->argc && m->count > 0; i++) {
        int status = members_remove(m, call->argv[i]);
        if (status < 0)
            return status;
        removed += status == OK;
        waits |= status == WAIT;
    }
    if (waits)
        return WAIT;
    members_close(m);
    reply_int(call->reply, removed);
    return OK;
}

// --- Walking -------------------------------------------------------------------------------------

struct scan {
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

static bool parse_scan(struct call *call, struct scan *s)
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

static void look(struct scan *s, bool has_values, struct slice field, struct slice value)
{
    if (s->filtered && !glob_match(s->pattern, field, false))
        return;
    reply_bulk(&s->fields, field);
    if (has_values)
        reply_bulk(&s->fields, value);
    s->found += has_values ? 2 : 1;
}

// A place that is not known any more is an error, as SCAN's is.
static int scan_walk(struct call *call, struct members *h, struct scan *s)
{
    struct members_walk w;
    struct slice field, value, after = slice_of(NULL, 0);
    int64_t left = s->count < SCAN_COUNT_MAX ? s->count : SCAN_COUNT_MAX;
    bool spread = members_is_spread(h), resumed = spread && s->cursor != 0;
    if (resumed && !cursors_find(&call->commands->cursors, s->cursor, &after)) {
        call_error(call, "ERR invalid cursor");
        return ANSWERED;
    }
    members_walk_open(&w, h, slice_of(after.data, after.len < KEY_MAX ? after.len : KEY_MAX));
    int status = members_walk_next(&w, &field, &value);
    if (status == OK && resumed && slice_equal(field, after))
        status = members_walk_next(&w, &field, &value);
    while (status == OK) {
        look(s, h->kind == TYPE_HASH, field, value);
        left--;
        if (spread && (left <= 0 || s->bytes.len >= SCAN_BYTES_MAX)) {
            buf_append_slice(&s->last, field);
            status = members_walk_next(&w, &field, &value);
            s->more = status == OK;
            break;
        }
        status = members_walk_next(&w, &field, &value);
    }
    members_walk_close(&w);
    return status == END ? OK : status;
}

static void reply_scan(struct call *call, const struct scan *s)
{
    reply_array(call->reply, 2);
    reply_bulk_int(call->reply, s->more ? call_next_cursor(call, buf_slice(&s->last)) : 0);
    reply_array(call->reply, s->found);
    buf_append_slice(call->reply->out, buf_slice(&s->bytes));
}

int members_scan(struct call *call, enum value_type kind)
{
    struct scan s = {.count = SCAN_COUNT_DEFAULT, .fields = {.proto = call->reply->proto}};
    struct members m;
    s.fields.out = &s.bytes;
    struct slice cursor = call_cursor(call->argv[2]);
    if (cursor.len > 0 && !number_parse_uint(cursor, &s.cursor))
        return call_error(call, "ERR invalid cursor");
    int status = kind == TYPE_HASH ? call_open_hash(call, LOOKUP_READ, &m)
                                   : call_open_set(call, LOOKUP_READ, call->argv[1], &m);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    if (status == OK)
        status = parse_scan(call, &s) ? scan_walk(call, &m, &s) : ANSWERED;
    if (status == OK || status == NOT_FOUND) {
        reply_scan(call, &s);
        status = OK;
    }
    buf_release(&s.bytes);
    buf_release(&s.last);
    return call_status(status);
}
