// OBJECT: what Redis tells of a value's inside. There is one representation here, so the encoding
// is what Redis would have chosen; access times and frequencies are not kept, since a read changes
// nothing on disk.
#include "commands/dispatch.h"
#include "commands/families.h"

enum { SHARED_INTEGERS = 10000, SHARED_REFCOUNT = INT32_MAX };

// Finds the key of `OBJECT SUBCOMMAND key`, or replies null. The bytes are read only where they may
// be an integer; else out->bytes has just their length.
static int look(struct call *call, struct value *out)
{
    struct value_fact fact;
    int status = keys_get_fact(call->keys, LOOKUP_READ, call->argv[2], &fact);
    if (status == OK && fact.form == FORM_ENCODED && fact.len <= INTEGER_TEXT_MAX)
        return keys_get(call->keys, LOOKUP_QUIET, call->argv[2], out);
    if (status == OK)
        *out =
            (struct value){.type = fact.type, .form = fact.form, .bytes = slice_of(NULL, fact.len)};
    if (status != NOT_FOUND)
        return status;
    reply_null(call->reply);
    return ANSWERED;
}

static int object_encoding_command(struct call *call)
{
    struct value v;
    int status = look(call, &v);
    if (status == OK)
        reply_bulk_cstr(call->reply, value_encoding(&v));
    return call_status(status);
}

static int object_freq_command(struct call *call)
{
    struct value v;
    int status = look(call, &v);
    if (status == OK)
        reply_error(call->reply,
            "ERR access frequency not tracked: nothing is evicted, so no policy needs it");
    return call_status(status);
}

static int object_idletime_command(struct call *call)
{
    struct value v;
    int status = look(call, &v);
    if (status == OK)
        reply_int(call->reply, 0);
    return call_status(status);
}

// Redis shares the objects of small integers and shows the highest number for them.
static int object_refcount_command(struct call *call)
{
    struct value v;
    int64_t number;
    int status = look(call, &v);
    if (status != OK)
        return call_status(status);
    bool shared = v.form == FORM_ENCODED && value_is_integer(v.bytes, &number) && number >= 0 &&
                  number < SHARED_INTEGERS;
    reply_int(call->reply, shared ? SHARED_REFCOUNT : 1);
    return OK;
}

static int object_help_command(struct call *call)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        NULL,
    };
    return call_help(call, lines);
}

static const struct command object_subcommands[] = {
    {
        .name = "encoding",
        .fn = object_encoding_command,
        .arity = 3,
        .flags = CMD_READONLY,
        .first_key = 2,
        .last_key = 2,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "nondeterministic_output",
        .specs = "RO i2 r0,1,0",
        .since = "2.2.3",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell how Redis would represent the value",
        .arguments = "key:k#0",
    },
    {
        .name = "freq",
        .fn = object_freq_command,
        .arity = 3,
        .flags = CMD_READONLY,
        .first_key = 2,
        .last_key = 2,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "nondeterministic_output",
        .specs = "RO i2 r0,1,0",
        .since = "4.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell how often a key is used",
        .arguments = "key:k#0",
    },
    {
        .name = "help",
        .fn = object_help_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        .acl = "keyspace",
        .since = "6.2.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "List the subcommands",
    },
    {
        .name = "idletime",
        .fn = object_idletime_command,
        .arity = 3,
        .flags = CMD_READONLY,
        .first_key = 2,
        .last_key = 2,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "nondeterministic_output",
        .specs = "RO i2 r0,1,0",
        .since = "2.2.3",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell for how long a key was not used",
        .arguments = "key:k#0",
    },
    {
        .name = "refcount",
        .fn = object_refcount_command,
        .arity = 3,
        .flags = CMD_READONLY,
        .first_key = 2,
        .last_key = 2,
        .key_step = 1,
        .acl = "keyspace",
        .tips = "nondeterministic_output",
        .specs = "RO i2 r0,1,0",
        .since = "2.2.3",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Tell how many references a value has",
        .arguments = "key:k#0",
    },
    {0},
};

const struct command object_rows[] = {
    {
        .name = "object",
        .arity = -2,
        .since = "2.2.3",
        .group = "generic",
        .complexity = "That of the subcommand",
        .summary = "Look inside a value",
        .subcommands = object_subcommands,
    },
    {0},
};
