// server: one process' server: what it is made of, what it counts, and what the rest of this folder
// may ask of it. Everything here belongs to the loop. Connections are in loop/conn.h; settings in
// config/settings.h; how a loop turn runs is told in loop/turn.c.
#ifndef VARVE_SERVER_SERVER_H
#define VARVE_SERVER_SERVER_H

#include <uv.h>

#include "base/list.h"
#include "base/random.h"
#include "commands/command.h"
#include "resp/parser.h"
#include "server/config/settings.h"

struct config;
struct conn;

enum {
    READ_BUFFER_SIZE = 64 * 1024, // shared by all connections that have no input of their own
    LISTENERS_MAX = 32,
    RATE_SAMPLES = 16,
    TXN_SPARES = 64,
};

// Since the start or CONFIG RESETSTAT. Commands, hits and errors are counted by commands
// (commands_get_keyspace_stats).
struct server_counters {
    uint64_t connections_received;
    uint64_t connections_rejected; // maxclients
    uint64_t net_input_bytes, net_output_bytes;
    uint64_t reads, writes; // of sockets
    uint64_t query_buffer_disconnects, output_buffer_disconnects;
    uint64_t evicted_clients;
    uint64_t commands; // attempts that were completed
    uint64_t parks;    // attempts that had to wait
    uint64_t turns;
};

// A number a second, as the mean of the last samples of cron.
struct rate {
    uint64_t samples[RATE_SAMPLES];
    unsigned next;
    uint64_t last_total;
    uint64_t last_us;
};

struct server_rates {
    struct rate commands, net_input_bytes, net_output_bytes;
};

struct server_clients {
    struct list all; // conn.link, oldest first
    size_t count;
    uint64_t next_id;
    struct list *cron_at;           // where cron goes on; conn_close moves it
    uint64_t memory;                // buffers of all, as of each one's last turn
    uint64_t parked;                // now
    struct list claims;             // conn.claim.link, eldest first; loop/budget.c
    struct list claim_waiters;      // conn.claim.wait_link
    uint64_t claimed;               // bytes of all claims
    uint64_t input_max, output_max; // the biggest buffers that cron's last round has seen
    uint64_t input_round, output_round;
};

// What lives for one turn, or waits for the next.
struct server_turn {
    struct list ready;     // conn.ready_link: may execute, or go on with their stream
    struct list dirty;     // conn.dirty_link: to be settled at the end of this turn
    struct list undurable; // conn.undurable_link: wait for the log
    struct list paced;     // conn.pace_link, earliest first
    struct txn *txn;       // the idle txn, given to a connection when its command waits
    struct txn *spare[TXN_SPARES];
    unsigned spares;
    uint64_t output_bytes; // replies written since the last turn end
    uint64_t durable_seq;  // as of the last turn end
    // the newest seq that a command has shown: a greater one is a commit of its own
    uint64_t last_seq;
    // something may have been committed or become durable since the last turn end
    bool work;
    bool engine_failed;
    int64_t now_ms;
    uint64_t now_us;
    struct random seeds;
};

struct listener;
struct server_handles {
    uv_check_t check;
    uv_prepare_t prepare;
    uv_idle_t idle; // active while connections are ready, so that the loop does not sleep
    uv_timer_t cron, pace;
    struct listener *listeners[LISTENERS_MAX];
    int listener_count;
};

struct server_identity {
    char run_id[41]; // 40 hex digits, new at each start
    int64_t started_ms;
    uint64_t started_us;
    const char *executable;  // absolute, for INFO
    const char *config_file; // absolute, "" without one
};

// How the last of a kind ended, and the one that runs.
struct save_state {
    struct save_task *task; // NULL: none runs
    int64_t started_ms;
    int64_t last_ms;         // of the last success, or the server's start
    int64_t last_duration_s; // -1: none yet
    uint64_t changes;        // of keys there had been when the last success began
    uint64_t count;
    bool last_failed;
};

// SAVE, BGSAVE, BGREWRITEAOF; see saves.h.
struct server_saves {
    struct save_state save, rewrite;
    struct list waiters; // save_waiter.link
};

struct server {
    uv_loop_t *loop;
    struct config *config; // may be NULL in tests
    struct settings *settings;
    struct env *env;
    struct exec *exec;
    struct logger *logger;
    struct engine *engine;
    struct databases *databases;
    struct commands *commands;

    struct server_identity identity;
    struct server_counters counters;
    struct server_rates rates;
    struct server_clients clients;
    struct server_turn turn;
    struct server_handles handles;
    struct server_saves saves;
    uint64_t memory_peak; // the most used memory that INFO has seen
    bool expire_off;      // DEBUG SET-ACTIVE-EXPIRE 0

    uint8_t *read_buffer;         // READ_BUFFER_SIZE
    struct resp_parser lookahead; // for prefetching behind a parked command
    bool stopping;                // server_stop was called
    uint64_t stop_deadline_us;    // 0: the connections have not been told yet
    int exit_status;
    int handles_open;
};

// What main has made; all of it outlives the server. The settings are read, and maxclients lowered
// if descriptors are short.
struct server_parts {
    uv_loop_t *loop;
    struct config *config;
    struct settings *settings;
    struct env *env;
    struct exec *exec;
    struct logger *logger;
    const char *executable;
    const char *config_file;
};

// The server's memory and the loop's handles; then the engine is opened by the caller with
// server_on_progress, and handed in.
struct server *server_new(const struct server_parts *parts);
// Closes what is still open, by turning the loop; frees commands and txns, so that databases and
// engine can go.
void server_free(struct server *s);
// engine_options.on_progress; arg is the server.
void server_on_progress(void *arg);
// Makes the commands and registers the server's own rows.
void server_attach(struct server *s, struct engine *engine, struct databases *databases);
// Binds and listens. One clear line in err.
int server_listen(struct server *s, struct error *err);
// Closes the listeners and binds anew by the settings (CONFIG SET port, bind). On failure nothing
// listens: put the settings back and call again.
int server_listen_again(struct server *s, struct error *err);
// Stops accepting, sends what is pending, closes all connections, and then stops the loop: uv_run
// returns to main, which calls server_free, and closes the engine. Callable from a command, whose
// own reply is sent too.
void server_stop(struct server *s, int exit_status);
// MISUSE if the process may not have as many descriptors as it takes to serve anybody. Before
// everything else that needs some.
int server_check_descriptors(struct error *err);
// Raises RLIMIT_NOFILE for so many clients; returns how many are possible, at least 1. *files
// (NULL: not wanted) is how many table files the engine may keep open beside them.
int server_fit_descriptors(struct server *s, int maxclients, unsigned *files);

// Bytes that client buffers hold, for INFO.
uint64_t server_client_memory(const struct server *s);
uint64_t server_rate_per_second(const struct rate *r);
// CONFIG RESETSTAT.
void server_reset_counters(struct server *s);
// Is the connection of this session from this machine (loopback or a Unix socket)? For
// ENABLE_LOCAL.
bool server_is_local(const struct session *session);

#endif
