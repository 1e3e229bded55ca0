// info: what the server knows of itself, one row a metric. INFO prints the rows; whatever else
// shows metrics walks the same rows. Loop only; the system is asked when somebody asks, never on
// the way of a command.
#ifndef VARVE_SERVER_INFO_INFO_H
#define VARVE_SERVER_INFO_INFO_H

#include <sys/resource.h>

#include "engine/stats.h"
#include "server/server.h"

// Everything that the getters read, gathered once for all of them.
struct info {
    struct server *server;
    struct databases_view *keys; // may be NULL: no keyspace section
    struct engine_stats engine;
    struct keyspace_stats commands;
    struct info_memory {
        uint64_t allocated; // by malloc, in use
        uint64_t used;      // the same without what can be dropped at any time
        uint64_t arena;     // taken from the system by malloc
        uint64_t resident;  // by the kernel's account
    } memory;
    struct rusage process, thread;
    int64_t now_ms;
    uint64_t uptime_s;
};

enum metric_kind {
    METRIC_TEXT,
    METRIC_COUNTER, // only grows, until CONFIG RESETSTAT
    METRIC_GAUGE,
    METRIC_HUMAN,   // the gauge before it, as people read bytes: for INFO only
    METRIC_RATIO,   // a real number, two places
    METRIC_PERCENT, // two places and a sign
    METRIC_SECONDS, // six places
};

struct metric_value {
    const char *text; // METRIC_TEXT
    int64_t number;   // counters and gauges, METRIC_HUMAN
    double real;      // the rest
};

typedef void (*metric_get_cb)(const struct info *x, struct metric_value *v);

struct metric {
    const char *name;
    enum metric_kind kind;
    metric_get_cb get;
};

typedef void (*info_lines_cb)(const struct info *x, struct buf *out);

struct info_section {
    const char *title;            // "Server"
    const char *name;             // what INFO's argument says: "server"
    bool by_default;              // not only for INFO all
    const struct metric *metrics; // ends with a NULL name; NULL: none
    info_lines_cb lines;          // what has no fixed names: commandstats, keyspace; NULL: none
};

// Ends with a NULL title. In Redis' order, Varve's own last.
extern const struct info_section info_sections[];
extern const struct metric info_engine_metrics[]; // info_engine.c
void info_engine_lines(const struct info *x, struct buf *out);

void info_gather(struct info *x, struct server *s, struct databases_view *keys);
// Appends the sections whose names are given; none: the default ones.
void info_print(const struct info *x, const struct slice *names, int count, struct buf *out);
// "1.50M".
void info_format_bytes(uint64_t bytes, char out[32]);

#endif
