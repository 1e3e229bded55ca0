// Rows: directives whose author expects something of the server that it does not do. Passing over
// them in silence would lose data, let in strangers, or answer wrongly; so only the default, which
// asks for nothing, may be given.
#include "server/config/config_row.h"

#define REFUSED(name_, alias_, type_, flags_, initial_, max_, help_)                               \
    {                                                                                              \
        .name = name_, .alias = alias_, .type = DIRECTIVE_##type_, .treatment = TREAT_REFUSED,     \
        .flags = flags_, .initial = initial_, .max = max_, .help = help_                           \
    }
// Given at all, it asks for something.
#define REFUSED_LINE(name_, help_)                                                                 \
    {                                                                                              \
        .name = name_, .type = DIRECTIVE_WORDS, .treatment = TREAT_REFUSED,                        \
        .flags = DIRECTIVE_FILE_ONLY, .help = help_                                                \
    }

static const char tls[] = "encrypted connections are not built yet, and nobody should send in the "
                          "clear what was meant to be encrypted";
static const char users[] = "users and access lists are not built yet, and nobody should be let in "
                            "who was meant to be kept out";

static const struct choice policies[] = {{"volatile-lru", 0}, {"volatile-lfu", 1},
    {"volatile-random", 2}, {"volatile-ttl", 3}, {"allkeys-lru", 4}, {"allkeys-lfu", 5},
    {"allkeys-random", 6}, {"noeviction", 7}, {NULL}};

// clang-format off
const struct directive config_refused_rows[] = {
    {"maxmemory-policy", .type = DIRECTIVE_ENUM, .treatment = TREAT_REFUSED,
        .initial = "noeviction", .choices = policies,
        .help = "maxmemory bounds memory, not data; keys are never evicted, and only noeviction "
                "says so"},
    {"replicaof", .alias = "slaveof", .type = DIRECTIVE_WORDS, .treatment = TREAT_REFUSED,
        .flags = DIRECTIVE_IMMUTABLE, .initial = "",
        .help = "replication is not built yet, and a copy that does not follow is none"},
    REFUSED("min-replicas-to-write", "min-slaves-to-write", INT, 0, "0", INT32_MAX,
        "there are no replicas that could hold a copy of a write"),
    REFUSED("cluster-enabled", NULL, BOOL, DIRECTIVE_IMMUTABLE, "no", 0,
        "there is no cluster mode"),
    REFUSED_LINE("loadmodule", "modules cannot be loaded, and their commands would be missing"),
    REFUSED_LINE("rename-command",
        "commands cannot be renamed, and what was to be hidden would be open"),
    REFUSED_LINE("user", users),
    REFUSED("aclfile", NULL, STRING, DIRECTIVE_IMMUTABLE, "", 0, users),
    REFUSED("tls-port", NULL, INT, 0, "0", 65535, tls),
    REFUSED("tls-cluster", NULL, BOOL, 0, "no", 0, tls),
    REFUSED("tls-replication", NULL, BOOL, 0, "no", 0, tls),
    {"tls-auth-clients", .type = DIRECTIVE_STRING, .treatment = TREAT_REFUSED, .initial = "yes",
        .allowed = "yes, no or optional", .help = tls},
    REFUSED("tls-cert-file", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-key-file", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-key-file-pass", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-client-cert-file", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-client-key-file", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-client-key-file-pass", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-dh-params-file", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-ca-cert-file", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-ca-cert-dir", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-protocols", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-ciphers", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-ciphersuites", NULL, STRING, 0, "", 0, tls),
    REFUSED("tls-prefer-server-ciphers", NULL, BOOL, 0, "no", 0, tls),
    REFUSED("tls-session-caching", NULL, BOOL, 0, "yes", 0, tls),
    REFUSED("tls-session-cache-size", NULL, INT, 0, "20480", 0, tls),
    REFUSED("tls-session-cache-timeout", NULL, INT, 0, "300", 0, tls),
    {NULL},
};
// clang-format on
