// cmd_client: CLIENT, by which a client names itself and looks at, or closes, others.
//
// Handlers may run more than once (inside a transaction that waits), so what touches other
// connections is deferred until the attempt has been committed; KILL counts its victims at once and
// closes them then. A client that kills itself gets its reply first.
//
// PAUSE, REPLY, TRACKING and their kin are not built yet and answer as unknown subcommands. UNBLOCK
// finds nobody: no command blocks yet.

#include "commands/call.h"
#include "commands/parts/number.h"
#include "server/commands/rows.h"
#include "server/loop/conn.h"

static struct server *server_of(struct call *call)
{
    return commands_server(call->commands);
}

static int client_id_command(struct call *call)
{
    reply_int(call->reply, (int64_t)call->session->id);
    return OK;
}

static int client_info_command(struct call *call)
{
    struct buf text = {0};
    conn_describe(call->session->conn, &text);
    buf_append_byte(&text, '\n');
    reply_verbatim(call->reply, buf_slice(&text), "txt");
    buf_release(&text);
    return OK;
}

static struct conn *find_client(struct server *s, uint64_t id)
{
    for (struct list *at = s->clients.all.next; at != &s->clients.all; at = at->next) {
        struct conn *c = LIST_ENTRY(at, struct conn, link);
        if (c->session.id == id)
            return c;
    }
    return NULL;
}

// All connections are normal ones as yet; the other classes exist by name.
static bool parse_type(struct call *call, struct slice name, enum client_class *out)
{
    if (slice_equal_nocase(name, "normal"))
        *out = CLIENT_NORMAL;
    else if (slice_equal_nocase(name, "master") || slice_equal_nocase(name, "replica") ||
             slice_equal_nocase(name, "slave"))
        *out = CLIENT_REPLICA;
    else if (slice_equal_nocase(name, "pubsub"))
        *out = CLIENT_PUBSUB;
    else {
        reply_errorf(
            call->reply, "ERR Unknown client type '%.*s'", (int)name.len, (const char *)name.data);
        return false;
    }
    return true;
}

static void describe_line(struct conn *c, struct buf *out)
{
    conn_describe(c, out);
    buf_append_byte(out, '\n');
}

static bool list_by_id(struct call *call, struct buf *out)
{
    for (int i = 3; i < call->argc; i++) {
        int64_t id;
        if (!number_parse_int(call->argv[i], &id)) {
            reply_error(call->reply, "ERR Invalid client ID");
            return false;
        }
        struct conn *c = id > 0 ? find_client(server_of(call), (uint64_t)id) : NULL;
        if (c != NULL)
            describe_line(c, out);
    }
    return true;
}

static int client_list_command(struct call *call)
{
    struct server *s = server_of(call);
    struct buf text = {0};
    enum client_class class = CLIENT_NORMAL;
    bool by_id = call->argc > 3 && slice_equal_nocase(call->argv[2], "id");
    if (call->argc == 4 && slice_equal_nocase(call->argv[2], "type")) {
        if (!parse_type(call, call->argv[3], &class))
            return OK;
    } else if (call->argc != 2 && !by_id) {
        return call_syntax_error(call);
    }
    bool good = !by_id || list_by_id(call, &text);
    for (struct list *at = s->clients.all.next;
         !by_id && class == CLIENT_NORMAL && at != &s->clients.all; at = at->next)
        describe_line(LIST_ENTRY(at, struct conn, link), &text);
    if (good)
        reply_verbatim(call->reply, buf_slice(&text), "txt");
    buf_release(&text);
    return OK;
}

struct kill_filter {
    struct slice address, local_address; // NULL data: any
    int64_t id;                          // 0: any
    enum client_class class;
    bool skip_me;
};

// One option and its value. False: an error has been replied.
static bool parse_filter(
    struct call *call, struct slice name, struct slice value, struct kill_filter *f)
{
    if (slice_equal_nocase(name, "id")) {
        if (number_parse_int(value, &f->id) && f->id > 0)
            return true;
        reply_error(call->reply, "ERR client-id should be greater than 0");
        return false;
    }
    if (slice_equal_nocase(name, "type"))
        return parse_type(call, value, &f->class);
    if (slice_equal_nocase(name, "user")) {
        if (slice_equal(value, slice_cstr("default")))
            return true;
        reply_errorf(
            call->reply, "ERR No such user '%.*s'", (int)value.len, (const char *)value.data);
        return false;
    }
    if (slice_equal_nocase(name, "addr")) {
        f->address = value;
        return true;
    }
    if (slice_equal_nocase(name, "laddr")) {
        f->local_address = value;
        return true;
    }
    bool yes = slice_equal_nocase(value, "yes");
    if (slice_equal_nocase(name, "skipme") && (yes || slice_equal_nocase(value, "no"))) {
        f->skip_me = yes;
        return true;
    }
    call_syntax_error(call);
    return false;
}

static bool filter_matches(const struct kill_filter *f, struct conn *c)
{
    if (f->class != CLIENT_NORMAL || (f->id != 0 && (uint64_t)f->id != c->session.id))
        return false;
    if (f->address.data != NULL && !slice_equal(f->address, slice_cstr(conn_address(c))))
        return false;
    return f->local_address.data == NULL ||
           slice_equal(f->local_address, slice_cstr(conn_local_address(c)));
}

static void kill_effect(struct commands *commands, struct session *session, struct slice data)
{
    uint64_t id;
    memcpy(&id, data.data, sizeof id);
    struct conn *c = find_client(commands_server(commands), id);
    if (c == NULL)
        return;
    if (&c->session == session)
        session->close_after_reply = true;
    else
        conn_close(c);
}

static int64_t kill_all(struct call *call, const struct kill_filter *f)
{
    struct server *s = server_of(call);
    int64_t count = 0;
    for (struct list *at = s->clients.all.next; at != &s->clients.all; at = at->next) {
        struct conn *c = LIST_ENTRY(at, struct conn, link);
        if ((f->skip_me && &c->session == call->session) || !filter_matches(f, c))
            continue;
        call_defer(call, slice_of(&c->session.id, sizeof c->session.id), kill_effect);
        count++;
    }
    return count;
}

static int client_kill_command(struct call *call)
{
    struct kill_filter filter = {.skip_me = call->argc > 3};
    if (call->argc == 3) {
        filter.address = call->argv[2];
        if (kill_all(call, &filter) == 0)
            return call_error(call, "ERR No such client");
        reply_ok(call->reply);
        return OK;
    }
    for (int i = 2; i < call->argc; i += 2) {
        if (i + 1 == call->argc)
            return call_syntax_error(call);
        if (!parse_filter(call, call->argv[i], call->argv[i + 1], &filter))
            return OK;
    }
    reply_int(call->reply, kill_all(call, &filter));
    return OK;
}

static int client_setname_command(struct call *call)
{
    if (!session_set_text(&call->session->name, call->argv[2]))
        return call_error(
            call, "ERR Client names cannot contain spaces, newlines or special characters.");
    reply_ok(call->reply);
    return OK;
}

static int client_getname_command(struct call *call)
{
    if (call->session->name == NULL)
        reply_null(call->reply);
    else
        reply_bulk_cstr(call->reply, call->session->name);
    return OK;
}

static int client_setinfo_command(struct call *call)
{
    struct slice option = call->argv[2];
    bool is_name = slice_equal_nocase(option, "lib-name");
    if (!is_name && !slice_equal_nocase(option, "lib-ver")) {
        reply_errorf(call->reply, "ERR Unrecognized option '%.*s'", (int)option.len,
            (const char *)option.data);
        return OK;
    }
    char **text = is_name ? &call->session->lib_name : &call->session->lib_ver;
    if (!session_set_text(text, call->argv[3])) {
        reply_errorf(call->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
            (int)option.len, (const char *)option.data);
        return OK;
    }
    reply_ok(call->reply);
    return OK;
}

// ON or OFF as the third argument.
static int set_switch(struct call *call, bool *what)
{
    bool on = slice_equal_nocase(call->argv[2], "on");
    if (!on && !slice_equal_nocase(call->argv[2], "off"))
        return call_syntax_error(call);
    *what = on;
    reply_ok(call->reply);
    return OK;
}

static int client_no_evict_command(struct call *call)
{
    struct conn *c = call->session->conn;
    return set_switch(call, &c->use.no_evict);
}

static int client_no_touch_command(struct call *call)
{
    return set_switch(call, &call->session->no_touch);
}

static int client_unblock_command(struct call *call)
{
    int64_t id;
    if (call->argc > 4)
        return call_subcommand_syntax_error(call);
    if (call->argc == 4 && !slice_equal_nocase(call->argv[3], "timeout") &&
        !slice_equal_nocase(call->argv[3], "error"))
        return call_error(call, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    if (!call_int(call, call->argv[2], &id))
        return OK;
    reply_int(call->reply, 0);
    return OK;
}

static int client_help_command(struct call *call)
{
    static const char *const lines[] = {
        "GETNAME",
        "    The name of this connection.",
        "ID",
        "    The ID of this connection, never given twice while the server runs.",
        "INFO",
        "    What LIST says of this connection.",
        "KILL <ip:port>",
        "    Close the connection from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close the connections that all options fit:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      The address they come from.",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      The address of ours that they came to.",
        "    * ID <id>",
        "      Their ID.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Their type.",
        "    * USER <username>",
        "      The user they are authenticated as.",
        "    * SKIPME (YES|NO)",
        "      Spare this connection (default: yes).",
        "LIST [options ...]",
        "    One line for every connection. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Connections of one type.",
        "    * ID <id> [<id> [...]]",
        "      Connections with these IDs.",
        "NO-EVICT (ON|OFF)",
        "    Protect this connection from maxmemory-clients.",
        "NO-TOUCH (ON|OFF)",
        "    Reads of this connection leave no trace in what OBJECT shows.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Tell the name and the version of the client library.",
        "SETNAME <name>",
        "    Name this connection.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Wake a connection that a blocking command holds.",
        NULL,
    };
    return call_help(call, lines);
}

#define EVERYBODY (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)
#define ADMINS (CMD_ADMIN | EVERYBODY)
#define CONNECTION .acl = "connection", .group = "connection"
#define TYPES                                                                                      \
    "(normal:x=NORMAL master:x=MASTER@3.2.0 slave:x=SLAVE replica:x=REPLICA@5.0.0 "                \
    "pubsub:x=PUBSUB)"

static const struct command subcommands[] = {
    {.name = "getname",
        .fn = client_getname_command,
        .arity = 2,
        .flags = EVERYBODY,
        CONNECTION,
        .since = "2.6.9",
        .complexity = "O(1)",
        .summary = "Tells the name of this connection"},
    {.name = "help",
        .fn = client_help_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE,
        CONNECTION,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Explains the subcommands"},
    {.name = "id",
        .fn = client_id_command,
        .arity = 2,
        .flags = EVERYBODY,
        CONNECTION,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells the ID of this connection"},
    {.name = "info",
        .fn = client_info_command,
        .arity = 2,
        .flags = EVERYBODY,
        CONNECTION,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Describes this connection",
        .tips = "nondeterministic_output"},
    {.name = "kill",
        .fn = client_kill_command,
        .arity = -3,
        .flags = ADMINS,
        CONNECTION,
        .since = "2.4.0",
        .complexity = "O(N) where N is the number of connections",
        .summary = "Closes connections",
        .history = "2.8.12:Filters.;2.8.12:The `ID` filter.;3.2.0:The type `master`.;5.0.0:The "
                   "type `replica`, for which `slave` is an older word.;6.2.0:The `LADDR` filter.",
        .arguments = "filter:o(ip:port:s~2.8.12 new-format:o*(client-id:i=ID?@2.8.12 "
                     "normal_master_slave_pubsub:o=TYPE?@2.8.12" TYPES
                     " username:s=USER? ip:port:s=ADDR? ip:port:s=LADDR?@6.2.0 yes/no:s=SKIPME?))"},
    {.name = "list",
        .fn = client_list_command,
        .arity = -2,
        .flags = ADMINS,
        CONNECTION,
        .since = "2.4.0",
        .complexity = "O(N) where N is the number of connections",
        .summary = "Describes the connections",
        .tips = "nondeterministic_output",
        .history =
            "2.8.12:The field `id`.;5.0.0:The filter `TYPE`.;6.0.0:The field `user`.;6.2.0:The "
            "fields `argv-mem`, `tot-mem`, `laddr` and `redir`, and the filter `ID`.;7.0.0:The "
            "fields `resp`, `multi-mem`, `rbs` and `rbp`.;7.0.3:The field `ssub`.",
        .arguments = "normal_master_replica_pubsub:o=TYPE?@5.0.0(normal:x=NORMAL master:x=MASTER "
                     "replica:x=REPLICA pubsub:x=PUBSUB) id:b=ID?@6.2.0(client-id:i*)"},
    {.name = "no-evict",
        .fn = client_no_evict_command,
        .arity = 3,
        .flags = ADMINS,
        CONNECTION,
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Protects this connection from maxmemory-clients",
        .arguments = "enabled:o(on:x=ON off:x=OFF)"},
    {.name = "no-touch",
        .fn = client_no_touch_command,
        .arity = 3,
        .flags = EVERYBODY,
        CONNECTION,
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Whether this connection's reads count as use of a key",
        .arguments = "enabled:o(on:x=ON off:x=OFF)"},
    {.name = "setinfo",
        .fn = client_setinfo_command,
        .arity = 4,
        .flags = EVERYBODY,
        CONNECTION,
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Tells the server about the client library",
        .arguments = "attr:o(libname:s=LIB-NAME libver:s=LIB-VER)"},
    {.name = "setname",
        .fn = client_setname_command,
        .arity = 3,
        .flags = EVERYBODY,
        CONNECTION,
        .since = "2.6.9",
        .complexity = "O(1)",
        .summary = "Names this connection",
        .arguments = "connection-name:s"},
    {.name = "unblock",
        .fn = client_unblock_command,
        .arity = -3,
        .flags = ADMINS,
        CONNECTION,
        .since = "5.0.0",
        .complexity = "O(log N) where N is the number of connections",
        .summary = "Wakes a connection that a blocking command holds",
        .arguments = "client-id:i timeout_error:o?(timeout:x=TIMEOUT error:x=ERROR)"},
    {.name = NULL},
};

const struct command cmd_client_rows[] = {
    {.name = "client",
        .arity = -2,
        .since = "2.4.0",
        .group = "connection",
        .complexity = "Depends on the subcommand.",
        .summary = "Connections: their names, lists of them, and their end",
        .subcommands = subcommands},
    {.name = NULL},
};
