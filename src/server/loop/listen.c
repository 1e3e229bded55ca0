// listen: addresses, and connections at the door.
//
// `bind` names addresses; a leading minus makes one optional, `*` and `::*` are all of a family.
// IPv6 sockets take IPv6 only, so that both wildcards can stand side by side. Names are resolved
// here, blocking, for this happens at the start (libuv's resolver would use the threadpool, which
// belongs to the engine).
//
// Descriptors are the clients', but for what the engine cannot do without; with fewer open files it
// opens them more often.
//
// At the door: too many clients are told so; without a password, strangers are turned away in
// protected mode.

#include "server/loop/listen.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "server/loop/conn.h"

enum {
    // sockets to listen on, log segments, manifest, what flush and compaction read and write, and
    // what else a process has
    DESCRIPTORS_RESERVED = 40,
    // where there are few descriptors the engine's open files get such a part of them, and no fewer
    FILES_SHARE = 32,
    FILES_MIN = 8,
    CLIENTS_MIN = 8,
};

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t socket;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    struct server *server;
    char *path; // of a Unix socket
};

static const char too_many[] = "-ERR max number of clients reached\r\n";
static const char denied[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. Only clients on the server's own machine are served now. To "
    "admit others, set a password (requirepass), or, if nobody else can reach this address, switch "
    "the mode off: 'CONFIG SET protected-mode no' from the machine itself, 'protected-mode no' in "
    "the configuration file, or --protected-mode no at the start.\r\n";

int server_check_descriptors(struct error *err)
{
    struct rlimit limit;
    rlim_t least = DESCRIPTORS_RESERVED + FILES_MIN + CLIENTS_MIN;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= least)
        return OK;
    return error_set(err, MISUSE, NULL, 0, 0,
        "%llu file descriptors (ulimit -n) are too few: at least %llu are needed",
        (unsigned long long)limit.rlim_max, (unsigned long long)least);
}

int server_fit_descriptors(struct server *s, int maxclients, unsigned *files)
{
    unsigned given = s->settings->data.engine.max_open_files, wanted = given > 0 ? given : 256;
    rlim_t want = (rlim_t)maxclients + DESCRIPTORS_RESERVED + wanted;
    struct rlimit limit;
    if (files != NULL)
        *files = wanted;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return maxclients;
    if (limit.rlim_cur < want) {
        rlim_t old = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = old;
    }
    if (limit.rlim_cur >= want)
        return maxclients;
    rlim_t share = limit.rlim_cur / FILES_SHARE;
    share = share < FILES_MIN ? FILES_MIN : share > wanted ? wanted : share;
    if (files != NULL)
        *files = (unsigned)share;
    rlim_t others = DESCRIPTORS_RESERVED + share;
    rlim_t possible = limit.rlim_cur > others ? limit.rlim_cur - others : 1;
    return possible < (rlim_t)maxclients ? (int)possible : maxclients;
}

// One short line, as far as the socket takes it.
static void turn_away(struct conn *c, const char *text)
{
    uv_buf_t piece = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
    uv_try_write(&c->socket, &piece, 1);
    commands_count_error(c->server->commands, slice_cstr(text + 1)); // behind the minus
    c->server->counters.connections_rejected++;
    conn_close(c);
}

static void set_options(struct conn *c)
{
    uv_os_fd_t fd;
    if (c->use.unix_socket || uv_fileno(&c->handle, &fd) != 0)
        return;
    uv_tcp_nodelay(&c->tcp, 1);
    int idle_s = c->server->settings->network.keepalive_s;
    if (idle_s == 0)
        return;
    int on = 1, interval_s = idle_s / 3 > 0 ? idle_s / 3 : 1, count = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static bool is_stranger(struct conn *c)
{
    const struct settings *settings = c->server->settings;
    bool protected = settings->network.protected_mode && settings->security.requirepass.len == 0;
    return protected && !conn_is_local(c);
}

static void listener_connection(uv_stream_t *socket, int status)
{
    struct listener *l = socket->data;
    struct server *s = l->server;
    if (status < 0) {
        log_line(
            s->logger, LOG_WARNING, "A connection could not be accepted: %s", uv_strerror(status));
        return;
    }
    struct conn *c = conn_new(s);
    c->use.unix_socket = l->path != NULL;
    if (c->use.unix_socket)
        uv_pipe_init(s->loop, &c->pipe, 0);
    else
        uv_tcp_init(s->loop, &c->tcp);
    if (uv_accept(socket, &c->socket) != 0) {
        conn_close(c);
        return;
    }
    set_options(c);
    if (s->clients.count > (size_t)s->settings->network.maxclients)
        turn_away(c, too_many);
    else if (is_stranger(c))
        turn_away(c, denied);
    else
        conn_start(c);
}

static void listener_handle_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    l->server->handles_open--;
    free(l->path);
    free(l);
}

static struct listener *listener_new(struct server *s)
{
    struct listener *l = xcalloc(1, sizeof *l);
    l->handle.data = l;
    l->server = s;
    return l;
}

static void listener_close(struct listener *l)
{
    if (l->path != NULL)
        unlink(l->path);
    l->server->handles_open++;
    uv_close(&l->handle, listener_handle_closed);
}

void listen_close(struct server *s)
{
    while (s->handles.listener_count > 0)
        listener_close(s->handles.listeners[--s->handles.listener_count]);
}

static int bind_tcp(struct server *s, const struct sockaddr *address)
{
    struct listener *l = listener_new(s);
    uv_tcp_init(s->loop, &l->tcp);
    int status =
        uv_tcp_bind(&l->tcp, address, address->sa_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
    if (status == 0)
        status = uv_listen(&l->socket, s->settings->network.backlog, listener_connection);
    if (status == 0)
        s->handles.listeners[s->handles.listener_count++] = l;
    else
        listener_close(l);
    return status;
}

static int bind_name(struct server *s, const char *name, int port, const char **why)
{
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {
        .ai_family = strchr(name, ':') ? AF_INET6 : AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE,
    };
    const char *node = strcmp(name, "*") == 0 ? NULL : strcmp(name, "::*") == 0 ? "::" : name;
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(node, service, &hints, &found);
    if (failure != 0) {
        *why = gai_strerror(failure);
        return -1;
    }
    int status = bind_tcp(s, found->ai_addr);
    freeaddrinfo(found);
    if (status != 0)
        *why = uv_strerror(status);
    return status;
}

static int listen_tcp(struct server *s, struct error *err)
{
    const struct network_settings *network = &s->settings->network;
    for (int i = 0; i < network->bind_count && network->port > 0; i++) {
        const char *name = network->bind[i], *why = "too many addresses";
        bool optional = name[0] == '-';
        bool room = s->handles.listener_count < LISTENERS_MAX;
        if (room && bind_name(s, name + optional, network->port, &why) == 0)
            continue;
        if (!optional)
            return error_set(
                err, IO, NULL, 0, 0, "cannot listen on %s port %d: %s", name, network->port, why);
        log_line(s->logger, LOG_VERBOSE, "Not listening on %s port %d: %s", name + 1, network->port,
            why);
    }
    return OK;
}

static int listen_unix(struct server *s, struct error *err)
{
    const char *path = s->settings->network.unixsocket;
    if (path == NULL || path[0] == 0 || s->handles.listener_count >= LISTENERS_MAX)
        return OK;
    struct listener *l = listener_new(s);
    uv_pipe_init(s->loop, &l->pipe, 0);
    unlink(path); // what a killed server has left behind
    int status = uv_pipe_bind(&l->pipe, path);
    if (status == 0)
        status = uv_listen(&l->socket, s->settings->network.backlog, listener_connection);
    if (status == 0 && s->settings->network.unixsocketperm != 0 &&
        chmod(path, s->settings->network.unixsocketperm) != 0)
        status = UV_EPERM;
    if (status != 0) {
        listener_close(l);
        return error_set(err, IO, path, 0, 0, "cannot listen: %s", uv_strerror(status));
    }
    l->path = xstrdup(path);
    s->handles.listeners[s->handles.listener_count++] = l;
    return OK;
}

int server_listen(struct server *s, struct error *err)
{
    int status = listen_tcp(s, err);
    if (status == OK)
        status = listen_unix(s, err);
    if (status == OK && s->handles.listener_count == 0)
        status = error_set(
            err, MISUSE, NULL, 0, 0, "nothing to listen on: neither a port nor a Unix socket");
    if (status != OK)
        listen_close(s);
    return status;
}

int server_listen_again(struct server *s, struct error *err)
{
    listen_close(s);
    return server_listen(s, err);
}
