// main: wiring only. Configuration -> environment and jobs -> server (for the engine's callbacks)
// -> engine -> databases -> commands -> sockets -> loop; and the other way round at the end. What
// goes wrong before the server is ready is one line on stderr and exit 1.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/stats.h"
#include "os/os.h"
#include "server/config/config.h"
#include "server/server.h"
#include "types/keys.h"

struct program {
    uv_loop_t loop;
    struct config *config;
    struct settings *settings;
    struct exec *exec;
    struct server *server;
    struct engine *engine;
    struct databases *databases;
    uv_signal_t signals[2]; // SIGTERM, SIGINT
    int interrupts;
    unsigned open_files; // of the engine's tables
};

static int open_engine(struct program *p, struct error *err)
{
    const struct data_settings *data = &p->settings->data;
    struct env *env = os_env();
    struct engine_options options = data->engine;
    options.env = env;
    options.max_open_files = p->open_files;
    options.exec = p->exec;
    options.logger = config_logger(p->config);
    options.counted_prefix = keys_counted_prefix;
    options.on_progress = server_on_progress;
    options.on_progress_arg = p->server;
    options.accept = databases_accept;
    options.accept_arg = &p->settings->data.databases;
    int status = engine_open(&options, &p->engine, err);
    if (status == OK)
        status =
            databases_open(p->engine, data->databases, env->ops->random(env), &p->databases, err);
    return status;
}

// As many clients as there are descriptors for; CONFIG GET shows what was possible.
static void fit_clients(struct program *p)
{
    int possible =
        server_fit_descriptors(p->server, p->settings->network.maxclients, &p->open_files);
    if (possible >= p->settings->network.maxclients)
        return;
    log_line(config_logger(p->config), LOG_WARNING,
        "Only %d clients can be served at a time: not enough file descriptors (ulimit -n)",
        possible);
    char text[16];
    snprintf(text, sizeof text, "%d", possible);
    const struct slice pair[2] = {slice_cstr("maxclients"), slice_cstr(text)};
    struct buf error = {0};
    config_set(p->config, pair, 1, true, &error, NULL, NULL);
    buf_release(&error);
}

static int start(struct program *p, struct error *err)
{
    static char executable[4096];
    size_t len = sizeof executable;
    uv_exepath(executable, &len);
    // One slot for compaction whatever compaction-threads says: one runs at a time, and a second
    // slot would only be taken from reads.
    p->exec = os_exec_new(&p->loop, p->settings->data.threads, 1);
    struct server_parts parts = {
        .loop = &p->loop,
        .config = p->config,
        .settings = p->settings,
        .env = os_env(),
        .exec = p->exec,
        .logger = config_logger(p->config),
        .executable = executable,
        .config_file = config_file(p->config),
    };
    p->server = server_new(&parts);
    fit_clients(p);
    int status = open_engine(p, err);
    if (status != OK)
        return status;
    server_attach(p->server, p->engine, p->databases);
    return server_listen(p->server, err);
}

// The second interrupt does not wait for anything: what was acknowledged is in the log.
static void signal_received(uv_signal_t *handle, int number)
{
    struct program *p = handle->data;
    log_line(config_logger(p->config), LOG_WARNING, "Received %s, shutting down",
        number == SIGINT ? "SIGINT" : "SIGTERM");
    if (number == SIGINT && p->interrupts++ > 0)
        _exit(1);
    server_stop(p->server, 0);
}

static void watch_signals(struct program *p)
{
    static const int numbers[2] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&p->loop, &p->signals[i]);
        p->signals[i].data = p;
        uv_signal_start(&p->signals[i], signal_received, numbers[i]);
    }
}

static void say_ready(const struct program *p)
{
    struct engine_stats stats;
    engine_get_stats(p->engine, &stats);
    const struct network_settings *network = &p->settings->network;
    char address[512];
    const char *host = network->bind_count > 0 ? network->bind[0] : "*";
    if (network->port > 0 && network->bind_count > 0 && host[0] != 0)
        snprintf(address, sizeof address, "%s:%d", host + (host[0] == '-'), network->port);
    else
        snprintf(address, sizeof address, "%s", network->unixsocket);
    printf("Varve %s ready on %s, data in %s, %llu records recovered in %.3f s\n", VARVE_VERSION,
        address, p->settings->data.engine.dir, (unsigned long long)stats.recovered_records,
        (double)stats.recovery_us / 1e6);
    fflush(stdout);
}

// Also after a start that failed half way.
static int stop(struct program *p, struct error *err)
{
    int status = OK;
    if (p->server != NULL)
        server_free(p->server);
    if (p->databases != NULL)
        databases_free(p->databases);
    if (p->engine != NULL)
        status = engine_close(p->engine, err);
    if (p->exec != NULL)
        os_exec_free(p->exec);
    return status;
}

static int fail(const struct error *err)
{
    fprintf(stderr, "varve-server: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct program p = {0};
    struct error err = {0};
    alloc_set_up();
    int status = config_load(argc, argv, &p.config, &err);
    if (status == END)
        return 0;
    if (status != OK)
        return fail(&err);
    status = server_check_descriptors(&err);
    if (status != OK) {
        config_free(p.config);
        return fail(&err);
    }
    signal(SIGPIPE, SIG_IGN);
    p.settings = config_settings(p.config);
    int failed = uv_loop_init(&p.loop);
    ENSURE(!failed);
    status = start(&p, &err);
    if (status != OK) {
        int exit_status = fail(&err);
        stop(&p, NULL);
        uv_loop_close(&p.loop);
        config_free(p.config);
        return exit_status;
    }
    config_warn(p.config, config_logger(p.config));
    watch_signals(&p);
    config_write_pidfile(p.config);
    say_ready(&p);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    int exit_status = p.server->exit_status;
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&p.signals[i], NULL);
    status = stop(&p, &err);
    config_remove_pidfile(p.config);
    if (status != OK)
        exit_status = fail(&err);
    uv_loop_close(&p.loop);
    config_free(p.config);
    return exit_status;
}
