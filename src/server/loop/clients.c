// clients: what people are shown of connections: who they are and what they hold. What they may
// hold is budget.c's to say. Addresses are asked of the system when somebody wants to see them, and
// kept.

#include <stdio.h>

#include "base/alloc.h"
#include "server/loop/conn.h"

static char *format_address(const struct sockaddr_storage *address)
{
    char text[INET6_ADDRSTRLEN + 1] = "?", out[sizeof text + 16];
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        uv_ip4_name(v4, text, sizeof text);
        snprintf(out, sizeof out, "%s:%d", text, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        uv_ip6_name(v6, text, sizeof text);
        snprintf(out, sizeof out, "[%s]:%d", text, ntohs(v6->sin6_port));
    }
    return xstrdup(out);
}

typedef int (*name_fn)(const uv_tcp_t *tcp, struct sockaddr *name, int *len);

static const char *address_of(struct conn *c, char **kept, name_fn get)
{
    if (*kept != NULL)
        return *kept;
    struct sockaddr_storage address;
    int len = sizeof address;
    if (c->use.unix_socket) {
        struct buf text = {0};
        buf_printf(&text, "%s:0", c->server->settings->network.unixsocket);
        *kept = xstrndup(text.data, text.len);
        buf_release(&text);
    } else if (!c->closed && get(&c->tcp, (struct sockaddr *)&address, &len) == 0) {
        *kept = format_address(&address);
    }
    return *kept != NULL ? *kept : "?:0";
}

const char *conn_address(struct conn *c)
{
    return address_of(c, &c->use.address, uv_tcp_getpeername);
}

const char *conn_local_address(struct conn *c)
{
    return address_of(c, &c->use.local_address, uv_tcp_getsockname);
}

bool conn_is_local(struct conn *c)
{
    const char *address = conn_address(c);
    return c->use.unix_socket || strncmp(address, "127.", 4) == 0 ||
           strncmp(address, "[::1]", 5) == 0 || strncmp(address, "[::ffff:127.", 12) == 0;
}

bool server_is_local(const struct session *session)
{
    struct conn *c = session->conn;
    return c != NULL && conn_is_local(c);
}

uint64_t server_client_memory(const struct server *s)
{
    return s->clients.memory;
}

static void describe_flags(const struct conn *c, char flags[8])
{
    char *at = flags;
    if (c->use.unix_socket)
        *at++ = 'U';
    if (session_queued(&c->session) >= 0)
        *at++ = 'x';
    if (c->session.watch_dirty)
        *at++ = 'd';
    if (c->hold & HOLD_CLOSING)
        *at++ = 'c';
    if (c->use.no_evict)
        *at++ = 'e';
    if (c->session.no_touch)
        *at++ = 'T';
    if (at == flags)
        *at++ = 'N';
    *at = 0;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

void conn_describe(struct conn *c, struct buf *out)
{
    const struct session *session = &c->session;
    uint64_t now_us = env_now_us(c->server->env);
    char flags[8];
    describe_flags(c, flags);
    uv_os_fd_t fd = -1;
    uv_fileno(&c->handle, &fd);
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s", (unsigned long long)session->id,
        conn_address(c), conn_local_address(c), fd, text_or_empty(session->name));
    buf_printf(out, " age=%llu idle=%llu flags=%s db=%d sub=0 psub=0 ssub=0 multi=%d",
        (unsigned long long)((now_us - c->use.created_us) / 1000000),
        (unsigned long long)((now_us - c->use.active_us) / 1000000), flags, session->db,
        session_queued(session));
    // As Redis counts: what the parser is done with has left the buffer, the command that runs
    // has not.
    size_t shared = c->input.shared, parsed = c->input.parser.position;
    size_t qbuf = shared > 0 ? shared : conn_backlog(c) - (parsed < conn_backlog(c) ? parsed : 0);
    buf_printf(out, " qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu", qbuf,
        shared > 0 ? READ_BUFFER_SIZE - shared : c->input.bytes.cap - c->input.bytes.len,
        resp_parser_memory(&c->input.parser), session_memory(session));
    buf_printf(out, " rbs=%zu rbp=%zu obl=%zu oll=%d omem=%zu tot-mem=%zu", c->output.bytes.cap,
        c->output.bytes.cap, c->output.bytes.len, c->output.busy, c->output.writing.cap,
        conn_memory(c));
    buf_printf(out, " events=%s cmd=%s", c->output.busy ? "rw" : "r",
        session->last_command ? session->last_command->name : "NULL");
    if (session->last_subcommand != NULL)
        buf_printf(out, "|%s", session->last_subcommand->name);
    buf_printf(out, " user=default redir=-1 resp=%d lib-name=%s lib-ver=%s", session->proto,
        text_or_empty(session->lib_name), text_or_empty(session->lib_ver));
}
