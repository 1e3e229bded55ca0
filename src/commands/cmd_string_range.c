// Parts of strings. A change writes the whole value again: it is put together in the dispatcher's
// scratch buffer, because the old bytes are borrowed from the engine. Lengths are checked against
// proto-max-bulk-len before any memory is taken.
#include "commands/dispatch.h"
#include "commands/families.h"

enum { SCRATCH_KEPT = 64 * 1024 };

static bool length_fits(struct call *call, size_t at, size_t more)
{
    int64_t max = commands_max_bulk(call->commands);
    if (more <= (uint64_t)max && at <= (uint64_t)max - more)
        return true;
    call_error(call, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

static void put_scratch(struct call *call, enum string_form form, int64_t expire_ms)
{
    struct buf *work = &call->commands->work;
    struct value v = {
        .type = TYPE_STRING, .form = form, .bytes = buf_slice(work), .expire_ms = expire_ms};
    keys_put(call->keys, call->argv[1], &v);
    reply_int(call->reply, (int64_t)work->len);
    buf_clear(work);
    buf_shrink(work, SCRATCH_KEPT);
}

static int append_command(struct call *call)
{
    struct value old;
    int status = call_get_string(call, LOOKUP_WRITE, call->argv[1], &old);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    bool found = status == OK;
    struct slice kept = found ? old.bytes : slice_of(NULL, 0);
    if (!length_fits(call, kept.len, call->argv[2].len))
        return OK;
    struct buf *work = &call->commands->work;
    buf_clear(work);
    buf_append_slice(work, kept);
    buf_append_slice(work, call->argv[2]);
    put_scratch(call, found ? FORM_RAW : FORM_ENCODED, found ? old.expire_ms : 0);
    return OK;
}

static int setrange_command(struct call *call)
{
    int64_t offset;
    struct value old;
    struct slice piece = call->argv[3];
    if (!call_int(call, call->argv[2], &offset))
        return OK;
    if (offset < 0)
        return call_error(call, "ERR offset is out of range");
    int status = call_get_string(call, LOOKUP_WRITE, call->argv[1], &old);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    bool found = status == OK;
    struct slice kept = found ? old.bytes : slice_of(NULL, 0);
    if (piece.len == 0) {
        reply_int(call->reply, (int64_t)kept.len);
        return OK;
    }
    if (!length_fits(call, (size_t)offset, piece.len))
        return OK;
    size_t end = (size_t)offset + piece.len, len = end > kept.len ? end : kept.len;
    struct buf *work = &call->commands->work;
    buf_clear(work);
    buf_reserve(work, len);
    buf_append_slice(work, kept);
    if (len > kept.len)
        memset(work->data + kept.len, 0, len - kept.len);
    memcpy(work->data + offset, piece.data, piece.len);
    work->len = len;
    put_scratch(call, FORM_RAW, found ? old.expire_ms : 0);
    return OK;
}

// Redis' rules for both ends: negative ones count from the end, and what lies outside is cut.
static struct slice cut(struct slice s, int64_t start, int64_t end)
{
    int64_t len = (int64_t)s.len;
    if (start < 0 && end < 0 && start > end)
        return slice_of(NULL, 0);
    if (start < 0)
        start = start + len < 0 ? 0 : start + len;
    if (end < 0)
        end = end + len < 0 ? 0 : end + len;
    if (end >= len)
        end = len - 1;
    if (len == 0 || start > end)
        return slice_of(NULL, 0);
    return slice_of(s.data + start, (size_t)(end - start + 1));
}

static int getrange_command(struct call *call)
{
    int64_t start, end;
    struct value v;
    if (!call_int(call, call->argv[2], &start) || !call_int(call, call->argv[3], &end))
        return OK;
    int status = call_get_string(call, LOOKUP_READ, call->argv[1], &v);
    if (status != OK && status != NOT_FOUND)
        return call_status(status);
    reply_bulk(call->reply, status == OK ? cut(v.bytes, start, end) : slice_of(NULL, 0));
    return OK;
}

const struct command string_range_rows[] = {
    {
        .name = "append",
        .fn = append_command,
        .arity = 3,
        .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,insert i1 r0,1,0",
        .since = "2.0.0",
        .group = "string",
        .complexity = "O(N) in the length of the result",
        .summary = "Add bytes to the end of a string",
        .arguments = "key:k#0 value:s",
    },
    {
        .name = "setrange",
        .fn = setrange_command,
        .arity = 4,
        .flags = CMD_WRITE | CMD_DENYOOM,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RW,update i1 r0,1,0",
        .since = "2.2.0",
        .group = "string",
        .complexity = "O(N) in the length of the result",
        .summary = "Overwrite a part of a string",
        .arguments = "key:k#0 offset:i value:s",
    },
    {
        .name = "getrange",
        .fn = getrange_command,
        .arity = 4,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RO,access i1 r0,1,0",
        .since = "2.4.0",
        .group = "string",
        .complexity = "O(N) in the length of the part",
        .summary = "Get a part of a string",
        .arguments = "key:k#0 start:i end:i",
    },
    {
        .name = "substr",
        .fn = getrange_command,
        .arity = 4,
        .flags = CMD_READONLY,
        .first_key = 1,
        .last_key = 1,
        .key_step = 1,
        .acl = "string",
        .specs = "RO,access i1 r0,1,0",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(N) in the length of the part",
        .summary = "Get a part of a string",
        .arguments = "key:k#0 start:i end:i",
        .replaced_by = "2.0.0:`GETRANGE`",
    },
    {0},
};
