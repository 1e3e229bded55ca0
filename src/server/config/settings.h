// settings: what the configuration says, as plain values by concern. Filled by config (config.h)
// before the server starts and changed by CONFIG SET on the loop; everybody else only reads.
// Strings belong to config and are replaced, never edited: nobody keeps them over a loop turn.
// Bytes, seconds and milliseconds as the names say.
#ifndef VARVE_SERVER_CONFIG_SETTINGS_H
#define VARVE_SERVER_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/logger.h"
#include "base/slice.h"
#include "engine/options.h"
#include "types/databases.h"

enum client_class { CLIENT_NORMAL, CLIENT_REPLICA, CLIENT_PUBSUB, CLIENT_CLASSES };

// client-output-buffer-limit: 0 is no limit.
struct output_limit {
    uint64_t hard_bytes;
    uint64_t soft_bytes;
    uint64_t soft_seconds;
};

struct network_settings {
    // addresses as in the directive: "-" before one makes it optional, "*" and "::*" are all
    char **bind;
    int bind_count;
    int port; // 0: no TCP
    int backlog;
    int keepalive_s; // 0: off
    int timeout_s;   // 0: never
    int maxclients;  // may be lowered at start, when descriptors are short
    bool protected_mode;
    char *unixsocket; // NULL or empty: none
    unsigned unixsocketperm;
};

struct client_settings {
    struct output_limit output[CLIENT_CLASSES];
    uint64_t query_buffer_limit;
    uint64_t max_bulk;         // proto-max-bulk-len
    int64_t maxmemory_clients; // bytes; below 0 a percentage of the budget: -20 is 20%; 0: no limit
};

// enable-debug-command and its like: LOCAL means connections from this machine only.
enum enable { ENABLE_NO, ENABLE_YES, ENABLE_LOCAL };

struct security_settings {
    struct slice requirepass; // any bytes; empty: none
    enum enable debug_command;
    enum enable protected_configs;
};

struct data_settings {
    int databases;
    uint64_t maxmemory;             // as given; 0: the default
    uint64_t memory_budget;         // in effect, never 0: the clients' share included
    struct databases_limits limits; // up to when a collection counts as small
    int threads;                    // of the pool
    int compaction_threads;         // as given; one compaction runs at a time for now
    // What the engine is opened with: its plain values, the rest is main's. Its memory_budget is
    // what settings_client_memory() leaves of ours.
    struct engine_options engine;
};

struct log_settings {
    enum log_level level;
    char *file; // NULL or empty: stdout
};

struct settings {
    struct network_settings network;
    struct client_settings clients;
    struct security_settings security;
    struct data_settings data;
    struct log_settings log;
    char *pidfile; // NULL or empty: none
};

// The bytes that maxmemory_clients allows, at most half of the budget, so that the engine always
// has the other half; 0: no limit.
static inline uint64_t settings_client_memory(const struct settings *s)
{
    int64_t limit = s->clients.maxmemory_clients;
    uint64_t half = s->data.memory_budget / 2;
    uint64_t bytes = limit >= 0 ? (uint64_t)limit : s->data.memory_budget / 100 * (uint64_t)-limit;
    return bytes < half ? bytes : half;
}

#endif
