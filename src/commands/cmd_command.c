// COMMAND: what the server knows of its own commands. Everything derives from the rows (docs.c);
// nothing here knows a command by name.
#include "commands/dispatch.h"
#include "commands/docs.h"
#include "commands/families.h"
#include "commands/parts/glob.h"

// "get" or "config|get".
static struct entry *find_full(const struct commands *c, struct slice name)
{
    const uint8_t *bar = name.len > 0 ? memchr(name.data, '|', name.len) : NULL;
    if (bar == NULL)
        return table_find(c, name);
    size_t len = (size_t)(bar - name.data);
    struct entry *container = table_find(c, slice_of(name.data, len));
    return container != NULL ? entry_sub(container, slice_skip(name, len + 1)) : NULL;
}

static int command_command(struct call *call)
{
    struct commands *c = call->commands;
    reply_array(call->reply, c->entry_count);
    for (uint32_t i = 0; i < c->entry_count; i++)
        docs_reply_info(call->reply, c->entries[i]->row, NULL);
    return OK;
}

static int command_count_command(struct call *call)
{
    reply_int(call->reply, call->commands->entry_count);
    return OK;
}

static int command_info_command(struct call *call)
{
    if (call->argc == 2)
        return command_command(call);
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        struct entry *e = find_full(call->commands, call->argv[i]);
        if (e != NULL)
            docs_reply_info(call->reply, e->row, e->parent);
        else
            reply_null(call->reply);
    }
    return OK;
}

static int command_docs_command(struct call *call)
{
    struct commands *c = call->commands;
    int known = 0;
    if (call->argc == 2) {
        reply_map(call->reply, c->entry_count);
        for (uint32_t i = 0; i < c->entry_count; i++)
            docs_reply_docs(call->reply, c->entries[i]->row, NULL);
        return OK;
    }
    for (int i = 2; i < call->argc; i++)
        known += find_full(c, call->argv[i]) != NULL;
    reply_map(call->reply, known);
    for (int i = 2; i < call->argc; i++) {
        struct entry *e = find_full(c, call->argv[i]);
        if (e != NULL)
            docs_reply_docs(call->reply, e->row, e->parent);
    }
    return OK;
}

// --- LIST ----------------------------------------------------------------------------------------

struct filter {
    enum { ALL, NOTHING, CATEGORY, PATTERN } by;
    struct slice what;
};

static bool passes(const struct filter *f, const struct command *row, const char *name)
{
    switch (f->by) {
    case ALL:
        return true;
    case CATEGORY:
        return docs_in_category(row, (const char *)f->what.data, f->what.len);
    case PATTERN:
        return glob_match(f->what, slice_cstr(name), true);
    default:
        return false;
    }
}

// Lists what passes into r, or only counts if it is NULL.
static int list_entries(struct commands *c, const struct filter *f, struct reply *r)
{
    int listed = 0;
    char name[64];
    for (uint32_t i = 0; i < c->entry_count; i++) {
        const struct entry *e = c->entries[i];
        for (int sub = -1; sub < e->sub_count; sub++) {
            const struct entry *at = sub < 0 ? e : &e->subs[sub];
            const char *full = entry_name(at->row, at->parent, name);
            if (!passes(f, at->row, full))
                continue;
            listed++;
            if (r != NULL)
                reply_bulk_cstr(r, full);
        }
    }
    return listed;
}

static int command_list_command(struct call *call)
{
    struct filter f = {.by = ALL};
    if (call->argc == 5 && slice_equal_nocase(call->argv[2], "filterby")) {
        f.what = call->argv[4];
        if (slice_equal_nocase(call->argv[3], "module"))
            f.by = NOTHING; // there are no modules
        else if (slice_equal_nocase(call->argv[3], "aclcat"))
            f.by = CATEGORY;
        else if (slice_equal_nocase(call->argv[3], "pattern"))
            f.by = PATTERN;
        else
            return call_syntax_error(call);
    } else if (call->argc != 2) {
        return call_syntax_error(call);
    }
    reply_array(call->reply, list_entries(call->commands, &f, NULL));
    list_entries(call->commands, &f, call->reply);
    return OK;
}

// --- Keys of a command line ----------------------------------------------------------------------

enum { KEYS_SHOWN_MAX = 1024 * 1024 };

static int getkeys_generic(struct call *call, bool with_flags)
{
    const struct slice *argv = call->argv + 2;
    int argc = call->argc - 2;
    struct entry *container, *e = table_lookup(call->commands, argv, argc, &container);
    if (e == NULL)
        return call_error(call, "ERR Invalid command specified");
    const struct command *row = e->row;
    if (row->first_key == 0 && row->get_keys == NULL)
        return call_error(call, "ERR The command has no key arguments");
    if (row->arity > 0 ? argc != row->arity : argc < -row->arity)
        return call_error(call, "ERR Invalid number of arguments specified for command");
    struct buf *work = &call->commands->work;
    buf_clear(work);
    buf_reserve(work, (size_t)argc * sizeof(int));
    int *positions = (int *)(void *)work->data;
    int n = command_keys(row, argv, argc, positions, argc);
    if (n < 0 || (n == 0 && !(row->flags & CMD_NO_MANDATORY_KEYS)))
        return call_error(call, "ERR Invalid arguments specified for command");
    reply_array(call->reply, n);
    for (int i = 0; i < n; i++) {
        if (with_flags)
            reply_array(call->reply, 2);
        reply_bulk(call->reply, argv[positions[i]]);
        if (with_flags)
            docs_reply_key_flags(call->reply, row, argv, argc, i);
    }
    return OK;
}

static int command_getkeys_command(struct call *call)
{
    return getkeys_generic(call, false);
}

static int command_getkeysandflags_command(struct call *call)
{
    return getkeys_generic(call, true);
}

static int command_help_command(struct call *call)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all Redis commands.",
        "COUNT",
        "    Return the total number of commands in this Redis server.",
        "LIST",
        "    Return a list of all commands in this Redis server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "GETKEYS <full-command>",
        "    Return the keys from a full Redis command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full Redis command.",
        NULL,
    };
    return call_help(call, lines);
}

static const struct command command_subcommands[] = {
    {
        .name = "count",
        .fn = command_count_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .since = "2.8.13",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Count the commands",
    },
    {
        .name = "docs",
        .fn = command_docs_command,
        .arity = -2,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .tips = "nondeterministic_output_order",
        .since = "7.0.0",
        .group = "server",
        .complexity = "O(N) in the commands asked for",
        .summary = "Document all or some commands",
        .arguments = "command-name:s?*",
    },
    {
        .name = "getkeys",
        .fn = command_getkeys_command,
        .arity = -4,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .since = "2.8.13",
        .group = "server",
        .complexity = "O(N) in the arguments of the command line",
        .summary = "Find the keys in a command line",
    },
    {
        .name = "getkeysandflags",
        .fn = command_getkeysandflags_command,
        .arity = -4,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .since = "7.0.0",
        .group = "server",
        .complexity = "O(N) in the arguments of the command line",
        .summary = "Find the keys in a command line and what is done to them",
    },
    {
        .name = "help",
        .fn = command_help_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .since = "5.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "List the subcommands",
    },
    {
        .name = "info",
        .fn = command_info_command,
        .arity = -2,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .tips = "nondeterministic_output_order",
        .since = "2.8.13",
        .group = "server",
        .complexity = "O(N) in the commands asked for",
        .summary = "Describe all or some commands",
        .history = "7.0.0:Without names it describes all commands.",
        .arguments = "command-name:s?*",
    },
    {
        .name = "list",
        .fn = command_list_command,
        .arity = -2,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .tips = "nondeterministic_output_order",
        .since = "7.0.0",
        .group = "server",
        .complexity = "O(N) in the commands there are",
        .summary = "List the names of commands",
        .arguments =
            "filterby:o=FILTERBY?(module-name:s=MODULE category:s=ACLCAT pattern:p=PATTERN)",
    },
    {0},
};

const struct command command_rows[] = {
    {
        .name = "command",
        .fn = command_command,
        .arity = -1,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "connection",
        .tips = "nondeterministic_output_order",
        .since = "2.8.13",
        .group = "server",
        .complexity = "O(N) in the commands there are",
        .summary = "Describe all commands",
        .subcommands = command_subcommands,
    },
    {0},
};
