// Commands about the connection itself. None of them reads the engine, so none can wait, and they
// change the session at once.
//
// There is one user, "default": AUTH and HELLO accept its name and the configured password.
// Passwords are compared in a time that does not tell how much of them was right.
#include <stdio.h>

#include "commands/dispatch.h"
#include "commands/families.h"
#include "commands/multi.h"

// What HELLO says we are.
#define REDIS_VERSION "7.0.15"

static int ping_command(struct call *call)
{
    if (call->argc > 2)
        return call_error(call, "ERR wrong number of arguments for 'ping' command");
    if (call->argc == 2)
        reply_bulk(call->reply, call->argv[1]);
    else
        reply_simple(call->reply, "PONG");
    return OK;
}

static int echo_command(struct call *call)
{
    reply_bulk(call->reply, call->argv[1]);
    return OK;
}

// The environment's wall clock has milliseconds; between them the monotonic one, which has
// microseconds, carries on from where the two were last seen together.
static int64_t wall_us(struct commands *c)
{
    int64_t ms = env_now_ms(c->options.env), us = (int64_t)env_now_us(c->options.env);
    int64_t at = us + c->wall_ahead_us;
    if (at < ms * 1000)
        at = ms * 1000;
    else if (at > ms * 1000 + 999)
        at = ms * 1000 + 999;
    c->wall_ahead_us = at - us;
    return at;
}

static int time_command(struct call *call)
{
    int64_t us = wall_us(call->commands);
    reply_array(call->reply, 2);
    reply_bulk_int(call->reply, us / 1000000);
    reply_bulk_int(call->reply, us % 1000000);
    return OK;
}

static int select_command(struct call *call)
{
    int64_t db;
    if (!call_int32(call, call->argv[1], &db))
        return OK;
    if (db < 0 || db >= databases_number(call->keys->dbs))
        return call_error(call, "ERR DB index is out of range");
    call->session->db = (int)db;
    databases_use(call->keys, (int)db);
    reply_ok(call->reply);
    return OK;
}

static int quit_command(struct call *call)
{
    call->session->close_after_reply = true;
    reply_ok(call->reply);
    return OK;
}

// --- Who is it -----------------------------------------------------------------------------------

static struct slice password(struct call *call)
{
    const struct commands_options *o = &call->commands->options;
    return o->requirepass != NULL ? o->requirepass(o->server) : slice_of(NULL, 0);
}

static bool same_secret(struct slice given, struct slice secret)
{
    unsigned different = given.len != secret.len;
    for (size_t i = 0; i < given.len; i++)
        different |= given.data[i] ^ (secret.len > 0 ? secret.data[i % secret.len] : 0u);
    return different == 0;
}

static bool is_default_user(struct slice name)
{
    return slice_equal(name, slice_cstr("default"));
}

// Replies the error if it is not the user's password.
static bool authenticate(struct call *call, struct slice user, struct slice given)
{
    struct slice secret = password(call);
    if (is_default_user(user) && (secret.len == 0 || same_secret(given, secret))) {
        call->session->authenticated = true;
        return true;
    }
    reply_error(call->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

static int auth_command(struct call *call)
{
    if (call->argc > 3)
        return call_syntax_error(call);
    if (call->argc == 2 && password(call).len == 0)
        return call_error(call, "ERR AUTH <password> called without any password configured for "
                                "the default user. Are you sure your configuration is correct?");
    struct slice user = call->argc == 3 ? call->argv[1] : slice_cstr("default");
    if (authenticate(call, user, call->argv[call->argc - 1]))
        reply_ok(call->reply);
    return OK;
}

static void reply_hello(struct call *call)
{
    struct reply *r = call->reply;
    reply_map(r, 7);
    reply_bulk_cstr(r, "server");
    reply_bulk_cstr(r, "redis");
    reply_bulk_cstr(r, "version");
    reply_bulk_cstr(r, REDIS_VERSION);
    reply_bulk_cstr(r, "proto");
    reply_int(r, call->session->proto);
    reply_bulk_cstr(r, "id");
    reply_int(r, (int64_t)call->session->id);
    reply_bulk_cstr(r, "mode");
    reply_bulk_cstr(r, "standalone");
    reply_bulk_cstr(r, "role");
    reply_bulk_cstr(r, "master");
    reply_bulk_cstr(r, "modules");
    reply_array(r, 0);
}

// Options behind the version: false with the error replied. name is left empty without SETNAME.
static bool hello_options(
    struct call *call, const struct slice **auth_words, const struct slice **name)
{
    for (int i = 2; i < call->argc; i++) {
        int left = call->argc - 1 - i;
        if (slice_equal_nocase(call->argv[i], "auth") && left >= 2) {
            *auth_words = &call->argv[i + 1];
            i += 2;
        } else if (slice_equal_nocase(call->argv[i], "setname") && left >= 1) {
            *name = &call->argv[++i];
        } else {
            size_t shown = call->argv[i].len < 256 ? call->argv[i].len : 256;
            reply_errorf(call->reply, "ERR Syntax error in HELLO option '%.*s'", (int)shown,
                (const char *)call->argv[i].data);
            return false;
        }
    }
    return true;
}

static int hello_command(struct call *call)
{
    const struct slice *auth_words = NULL, *name = NULL;
    struct session *s = call->session;
    int64_t version = s->proto;
    if (call->argc >= 2 && !number_parse_int(call->argv[1], &version))
        return call_error(call, "ERR Protocol version is not an integer or out of range");
    if (version != 2 && version != 3)
        return call_error(call, "NOPROTO unsupported protocol version");
    if (!hello_options(call, &auth_words, &name))
        return OK;
    if (auth_words != NULL && !authenticate(call, auth_words[0], auth_words[1]))
        return OK;
    if (!s->authenticated && password(call).len > 0)
        return call_error(call,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise "
            "the HELLO AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time");
    if (name != NULL && !session_set_text(&s->name, *name))
        return call_error(
            call, "ERR Client names cannot contain spaces, newlines or special characters.");
    s->proto = call->reply->proto = (int)version;
    reply_hello(call);
    return OK;
}

static int reset_command(struct call *call)
{
    struct session *s = call->session;
    multi_discard(s);
    watch_remove_all(&call->commands->watches, s);
    session_set_text(&s->name, slice_of(NULL, 0));
    s->db = 0;
    s->proto = call->reply->proto = 2;
    s->authenticated = password(call).len == 0;
    s->no_touch = false;
    reply_simple(call->reply, "RESET");
    return OK;
}

const struct command connection_rows[] = {
    {
        .name = "ping",
        .fn = ping_command,
        .arity = -1,
        .flags = CMD_FAST,
        .acl = "connection",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
        .since = "1.0.0",
        .group = "connection",
        .complexity = "O(1)",
        .summary = "Answer PONG, or the message given",
        .arguments = "message:s?",
    },
    {
        .name = "echo",
        .fn = echo_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .acl = "connection",
        .since = "1.0.0",
        .group = "connection",
        .complexity = "O(1)",
        .summary = "Answer the message given",
        .arguments = "message:s",
    },
    {
        .name = "hello",
        .fn = hello_command,
        .arity = -1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
        .acl = "connection",
        .since = "6.0.0",
        .group = "connection",
        .complexity = "O(1)",
        .summary = "Agree on a protocol version, and log in with it",
        .history = "6.2.0:The version may be left out: then the connection is only described.",
        .arguments = "arguments:b?(protover:i username_password:b=AUTH?(username:s password:s) "
                     "clientname:s=SETNAME?)",
    },
    {
        .name = "auth",
        .fn = auth_command,
        .arity = -2,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
        .acl = "connection",
        .since = "1.0.0",
        .group = "connection",
        .complexity = "O(N) in the passwords that the user has",
        .summary = "Log in",
        .history = "6.0.0:A user name may be given.",
        .arguments = "username:s?@6.0.0 password:s",
    },
    {
        .name = "select",
        .fn = select_command,
        .arity = 2,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .acl = "connection",
        .since = "1.0.0",
        .group = "connection",
        .complexity = "O(1)",
        .summary = "Choose the database that the connection works on",
        .arguments = "index:i",
    },
    {
        .name = "quit",
        .fn = quit_command,
        .arity = -1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY |
                 CMD_QUEUED_NEVER,
        .acl = "connection",
        .since = "1.0.0",
        .group = "connection",
        .complexity = "O(1)",
        .summary = "Close the connection after an OK",
    },
    {
        .name = "reset",
        .fn = reset_command,
        .arity = 1,
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY |
                 CMD_QUEUED_NEVER,
        .acl = "connection",
        .since = "6.2.0",
        .group = "connection",
        .complexity = "O(1)",
        .summary = "Put the connection back into the state it began in",
    },
    {
        .name = "time",
        .fn = time_command,
        .arity = 1,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .tips = "nondeterministic_output",
        .since = "2.6.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Tell the server's time",
    },
    {0},
};
