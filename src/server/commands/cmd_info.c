// cmd_info: INFO. What there is to tell is in info.h.

#include "commands/call.h"
#include "server/commands/rows.h"
#include "server/info/info.h"

static int info_command(struct call *call)
{
    struct info x;
    info_gather(&x, commands_server(call->commands), call->keys);
    struct buf text = {0};
    info_print(&x, call->argv + 1, call->argc - 1, &text);
    reply_verbatim(call->reply, buf_slice(&text), "txt");
    buf_release(&text);
    return OK;
}

const struct command cmd_info_rows[] = {
    {.name = "info",
        .fn = info_command,
        .arity = -1,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "dangerous",
        .tips = "nondeterministic_output request_policy:all_shards response_policy:special",
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Tells about the server, in sections",
        .history = "7.0.0:Any number of sections.",
        .arguments = "section:s?*"},
    {.name = NULL},
};
