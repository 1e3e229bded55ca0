// call: what handlers share: errors in Redis' words, arguments that are numbers, HELP, lookups that
// want a string.
#include "commands/call.h"

#include <stdio.h>

#include "base/coding.h"
#include "commands/dispatch.h"

enum { WORD_SHOWN = 128 };

int call_error(struct call *call, const char *text)
{
    reply_error(call->reply, text);
    return OK;
}

int call_syntax_error(struct call *call)
{
    return call_error(call, "ERR syntax error");
}

int call_wrong_type(struct call *call)
{
    return call_error(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

bool call_int(struct call *call, struct slice arg, int64_t *out)
{
    if (number_parse_int(arg, out))
        return true;
    reply_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

bool call_int32(struct call *call, struct slice arg, int64_t *out)
{
    if (!call_int(call, arg, out))
        return false;
    if (*out >= INT32_MIN && *out <= INT32_MAX)
        return true;
    reply_error(
        call->reply, "ERR value is out of range, value must between -2147483648 and 2147483647");
    return false;
}

int call_subcommand_syntax_error(struct call *call)
{
    char name[64] = "";
    for (size_t i = 0; i < call->argv[0].len && i + 1 < sizeof name; i++) {
        char ch = (char)call->argv[0].data[i];
        name[i] = (char)(ch >= 'a' && ch <= 'z' ? ch - 32 : ch);
    }
    size_t shown = call->argv[1].len < WORD_SHOWN ? call->argv[1].len : WORD_SHOWN;
    reply_errorf(call->reply,
        "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.", (int)shown,
        (const char *)call->argv[1].data, name);
    return OK;
}

int call_help(struct call *call, const char *const *lines)
{
    int count = 0;
    char name[64] = "", head[160];
    while (lines[count] != NULL)
        count++;
    for (size_t i = 0; i < call->argv[0].len && i + 1 < sizeof name; i++) {
        char ch = (char)call->argv[0].data[i];
        name[i] = (char)(ch >= 'a' && ch <= 'z' ? ch - 32 : ch);
    }
    snprintf(
        head, sizeof head, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_array(call->reply, count + 3);
    reply_simple(call->reply, head);
    for (int i = 0; i < count; i++)
        reply_simple(call->reply, lines[i]);
    reply_simple(call->reply, "HELP");
    reply_simple(call->reply, "    Prints this help.");
    return OK;
}

int call_get_string(struct call *call, enum lookup how, struct slice key, struct value *out)
{
    int status = keys_get(call->keys, how, key, out);
    if (status != OK || out->type == TYPE_STRING)
        return status;
    call_wrong_type(call);
    return ANSWERED;
}

bool call_value_fits(struct call *call, size_t len)
{
    enum { SURELY = 1024 * 1024 }; // below any limit that can be configured
    if (len <= SURELY || (int64_t)len <= commands_max_bulk(call->commands))
        return true;
    commands_reply_status(call->commands, call->reply, NO_MEMORY);
    return false;
}

struct slice call_cursor(struct slice arg)
{
    return arg.len > 0 ? slice_of(arg.data, strnlen((const char *)arg.data, arg.len)) : arg;
}

static void remember_place(struct commands *c, struct session *s, struct slice data)
{
    cursors_add(&c->cursors, get_le64(data.data), slice_skip(data, 8));
}

int64_t call_next_cursor(struct call *call, struct slice after)
{
    uint8_t head[8];
    uint64_t number = databases_next_cursor(call->keys->dbs);
    struct buf *work = &call->commands->work;
    put_le64(head, number);
    buf_clear(work);
    buf_append(work, head, sizeof head);
    buf_append_slice(work, after);
    call_defer(call, buf_slice(work), remember_place);
    return (int64_t)number;
}
