// Rows: replication and cluster. A server that is neither a replica nor part of a cluster takes
// them from its file as Redis in that state does: without effect. Whoever changes them at run time
// expects more. What would make it one is refused, see config_refused.c.
#include "server/config/config_row.h"

#define UNUSED(name_, alias_, type_, flags_, initial_, min_, max_, help_)                          \
    {                                                                                              \
        .name = name_, .alias = alias_, .type = DIRECTIVE_##type_, .treatment = TREAT_ACCEPTED,    \
        .flags = flags_ | DIRECTIVE_PROMISE, .initial = initial_, .min = min_, .max = max_,        \
        .help = help_                                                                              \
    }

static const char replica[] = "There is no replication yet: for a server that is a replica.";
static const char master[] = "There is no replication yet: for a server that has replicas.";
static const char cluster[] = "There is no cluster mode: for a server in a cluster.";

static const struct choice diskless_loads[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {NULL}};
static const struct choice propagation_errors[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL}};
static const struct choice endpoints[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL}};

// clang-format off
const struct directive config_unused_replication_rows[] = {
    UNUSED("masterauth", NULL, STRING, 0, "", 0, 0, replica),
    UNUSED("masteruser", NULL, STRING, 0, "", 0, 0, replica),
    UNUSED("replica-serve-stale-data", "slave-serve-stale-data", BOOL, 0, "yes", 0, 0, replica),
    UNUSED("replica-read-only", "slave-read-only", BOOL, 0, "yes", 0, 0, replica),
    UNUSED("replica-ignore-maxmemory", "slave-ignore-maxmemory", BOOL, 0, "yes", 0, 0, replica),
    UNUSED("replica-ignore-disk-write-errors", NULL, BOOL, 0, "no", 0, 0, replica),
    UNUSED("replica-lazy-flush", "slave-lazy-flush", BOOL, 0, "no", 0, 0, replica),
    UNUSED("replica-priority", "slave-priority", INT, 0, "100", 0, INT32_MAX, replica),
    UNUSED("replica-announced", NULL, BOOL, 0, "yes", 0, 0, replica),
    UNUSED("replica-announce-ip", "slave-announce-ip", STRING, 0, "", 0, 0, replica),
    UNUSED("replica-announce-port", "slave-announce-port", INT, 0, "0", 0, 65535, replica),
    UNUSED("min-replicas-max-lag", "min-slaves-max-lag", INT, 0, "10", 0, INT32_MAX, master),
    UNUSED("repl-backlog-size", NULL, MEMORY, 0, "1048576", 1, 0, master),
    UNUSED("repl-backlog-ttl", NULL, INT, 0, "3600", 0, 0, master),
    UNUSED("repl-disable-tcp-nodelay", NULL, BOOL, 0, "no", 0, 0, master),
    {"repl-diskless-load", .type = DIRECTIVE_ENUM, .treatment = TREAT_ACCEPTED,
        .flags = DIRECTIVE_PROMISE, .initial = "disabled", .choices = diskless_loads,
        .help = replica},
    UNUSED("repl-diskless-sync", NULL, BOOL, 0, "yes", 0, 0, master),
    UNUSED("repl-diskless-sync-delay", NULL, INT, 0, "5", 0, INT32_MAX, master),
    UNUSED("repl-diskless-sync-max-replicas", NULL, INT, 0, "0", 0, INT32_MAX, master),
    UNUSED("repl-ping-replica-period", "repl-ping-slave-period", INT, 0, "10", 1, INT32_MAX,
        master),
    UNUSED("repl-timeout", NULL, INT, 0, "60", 1, INT32_MAX, master),
    {"propagation-error-behavior", .type = DIRECTIVE_ENUM, .treatment = TREAT_ACCEPTED,
        .flags = DIRECTIVE_PROMISE, .initial = "ignore", .choices = propagation_errors,
        .help = replica},
    UNUSED("cluster-config-file", NULL, STRING, DIRECTIVE_IMMUTABLE, "nodes.conf", 0, 0, cluster),
    UNUSED("cluster-port", NULL, INT, DIRECTIVE_IMMUTABLE, "0", 0, 65535, cluster),
    UNUSED("cluster-node-timeout", NULL, INT, 0, "15000", 0, 0, cluster),
    UNUSED("cluster-migration-barrier", NULL, INT, 0, "1", 0, INT32_MAX, cluster),
    UNUSED("cluster-require-full-coverage", NULL, BOOL, 0, "yes", 0, 0, cluster),
    UNUSED("cluster-replica-validity-factor", "cluster-slave-validity-factor", INT, 0, "10", 0,
        INT32_MAX, cluster),
    UNUSED("cluster-replica-no-failover", "cluster-slave-no-failover", BOOL, 0, "no", 0, 0,
        cluster),
    UNUSED("cluster-allow-replica-migration", NULL, BOOL, 0, "yes", 0, 0, cluster),
    UNUSED("cluster-allow-reads-when-down", NULL, BOOL, 0, "no", 0, 0, cluster),
    UNUSED("cluster-allow-pubsubshard-when-down", NULL, BOOL, 0, "yes", 0, 0, cluster),
    UNUSED("cluster-link-sendbuf-limit", NULL, MEMORY, 0, "0", 0, 0, cluster),
    UNUSED("cluster-announce-ip", NULL, STRING, 0, "", 0, 0, cluster),
    UNUSED("cluster-announce-hostname", NULL, STRING, 0, "", 0, 0, cluster),
    UNUSED("cluster-announce-port", NULL, INT, 0, "0", 0, 65535, cluster),
    UNUSED("cluster-announce-bus-port", NULL, INT, 0, "0", 0, 65535, cluster),
    UNUSED("cluster-announce-tls-port", NULL, INT, 0, "0", 0, 65535, cluster),
    {"cluster-preferred-endpoint-type", .type = DIRECTIVE_ENUM, .treatment = TREAT_ACCEPTED,
        .flags = DIRECTIVE_PROMISE, .initial = "ip", .choices = endpoints,
        .help = cluster},
    {NULL},
};
// clang-format on
