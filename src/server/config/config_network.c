// Rows: addresses and ports, and what one client may take. Honoured, all of them.
#include "server/config/config_value.h"

#include <stdlib.h>

#include "base/alloc.h"

static void store_bind(struct settings *settings, const char *text)
{
    struct network_settings *n = &settings->network;
    for (int i = 0; i < n->bind_count; i++)
        free(n->bind[i]);
    free(n->bind);
    struct slice *words;
    int count = config_split_value(slice_cstr(text), &words);
    n->bind_count = 0;
    n->bind = xcalloc((size_t)count + 1, sizeof *n->bind);
    for (int i = 0; i < count; i++)
        if (words[i].len > 0)
            n->bind[n->bind_count++] = xstrndup(words[i].data, words[i].len);
    free(words);
}

const struct directive config_network_rows[] = {
    {"bind", .type = DIRECTIVE_WORDS, .effect = EFFECT_LISTEN, .initial = "* -::*",
        .store = store_bind, .allowed = "up to 16 addresses",
        .help = "Addresses to listen on. A minus before one lets the start go on where the machine "
                "does not have it; * and ::* are all addresses of IPv4 and IPv6."},
    {"port", .type = DIRECTIVE_INT, .effect = EFFECT_LISTEN, .initial = "6379", .max = 65535,
        .field = FIELD(network.port),
        .help = "TCP port; 0 listens on no port, only on the Unix socket."},
    {"tcp-backlog", .type = DIRECTIVE_INT, .flags = DIRECTIVE_IMMUTABLE, .initial = "511",
        .max = INT32_MAX, .field = FIELD(network.backlog),
        .help = "Connections that the kernel keeps waiting to be accepted."},
    {"unixsocket", .type = DIRECTIVE_STRING, .flags = DIRECTIVE_IMMUTABLE, .initial = "",
        .field = FIELD(network.unixsocket), .allowed = "a path",
        .help = "A Unix socket to listen on, beside TCP."},
    {"unixsocketperm", .type = DIRECTIVE_OCTAL, .flags = DIRECTIVE_IMMUTABLE, .initial = "0",
        .max = 0777, .field = FIELD(network.unixsocketperm),
        .help = "Permissions of the Unix socket; 0 leaves them to the umask."},
    {"protected-mode", .type = DIRECTIVE_BOOL, .initial = "yes",
        .field = FIELD(network.protected_mode),
        .help = "Without a password, serve clients of this machine only."},
    {"requirepass", .type = DIRECTIVE_BYTES, .initial = "", .field = FIELD(security.requirepass),
        .allowed = "a password", .help = "Password of the default user; empty asks for none."},
    {"timeout", .type = DIRECTIVE_INT, .initial = "0", .max = INT32_MAX,
        .field = FIELD(network.timeout_s),
        .help = "Seconds after which an idle client is disconnected; 0: never."},
    {"tcp-keepalive", .type = DIRECTIVE_INT, .initial = "300", .max = INT32_MAX,
        .field = FIELD(network.keepalive_s),
        .help = "Seconds between the probes that find dead peers; 0: none."},
    {NULL},
};

// Classes come in any order and any number; what is not named keeps its limits.
static bool parse_output_limits(const char *old, bool more, const struct slice *words, int count,
    struct buf *out, const char **why)
{
    static const char *const names[] = {"normal", "slave", "pubsub"};
    struct settings now = {0};
    struct output_limit *limits = now.clients.output;
    *why = "Wrong number of arguments in buffer limit configuration.";
    if (count == 1 && words[0].len == 0)
        count = 0;
    if (count % 4 != 0)
        return false;
    if (old != NULL) {
        for (int i = 0; i < CLIENT_CLASSES; i++) {
            const char *at = strstr(old, names[i]) + strlen(names[i]);
            char *end;
            limits[i] = (struct output_limit){
                strtoull(at, &end, 10), strtoull(end, &end, 10), strtoull(end, &end, 10)};
        }
    }
    for (; count > 0; count -= 4, words += 4) {
        int class = 0;
        while (class < CLIENT_CLASSES && !slice_equal_nocase(words[0], names[class]) &&
               !(class == CLIENT_REPLICA && slice_equal_nocase(words[0], "replica")))
            class ++;
        int64_t hard, soft, seconds;
        *why = "Invalid client class specified in buffer limit configuration.";
        if (class == CLIENT_CLASSES)
            return false;
        *why = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        if (!config_parse_memory(words[1], &hard) || !config_parse_memory(words[2], &soft) ||
            !config_parse_integer(words[3], 10, &seconds) || seconds < 0)
            return false;
        limits[class] = (struct output_limit){(uint64_t)hard, (uint64_t)soft, (uint64_t)seconds};
    }
    for (int i = 0; i < CLIENT_CLASSES; i++)
        buf_printf(out, "%s%s %llu %llu %llu", i > 0 ? " " : "", names[i],
            (unsigned long long)limits[i].hard_bytes, (unsigned long long)limits[i].soft_bytes,
            (unsigned long long)limits[i].soft_seconds);
    return true;
}

static void store_output_limits(struct settings *settings, const char *text)
{
    struct output_limit *limits = settings->clients.output;
    for (int i = 0; i < CLIENT_CLASSES; i++) {
        text = strpbrk(text, "0123456789");
        char *end;
        limits[i].hard_bytes = strtoull(text, &end, 10);
        limits[i].soft_bytes = strtoull(end, &end, 10);
        limits[i].soft_seconds = strtoull(end, &end, 10);
        text = end;
    }
}

const struct directive config_client_rows[] = {
    {"maxclients", .type = DIRECTIVE_INT, .effect = EFFECT_DESCRIPTORS, .initial = "10000",
        .min = 1, .max = UINT32_MAX, .field = FIELD(network.maxclients),
        .help = "Clients at a time; lowered at start where the system's limit on open files does "
                "not allow as many."},
    {"maxmemory-clients", .type = DIRECTIVE_PERCENT, .effect = EFFECT_MEMORY, .initial = "20%",
        .field = FIELD(clients.maxmemory_clients),
        .help = "Memory that the buffers of all clients may take, in bytes or percent of "
                "maxmemory; beyond it the client that holds most is disconnected. 0: no limit. At "
                "most half of maxmemory."},
    {"client-output-buffer-limit", .type = DIRECTIVE_SPECIAL,
        .initial = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        .special = parse_output_limits, .store = store_output_limits, .words_per_line = 4,
        .allowed = "CLASS HARD SOFT SECONDS, any number of times, with a class of normal, replica "
                   "or pubsub",
        .help = "A client that does not read its replies is disconnected when they exceed HARD "
                "bytes, or SOFT bytes for SECONDS."},
    {"client-query-buffer-limit", .type = DIRECTIVE_MEMORY, .initial = "1073741824", .min = 1 << 20,
        .field = FIELD(clients.query_buffer_limit),
        .help = "Bytes of one client's input that may wait."},
    {"proto-max-bulk-len", .type = DIRECTIVE_MEMORY, .initial = "536870912", .min = 1 << 20,
        .field = FIELD(clients.max_bulk),
        .help = "Bytes of the longest argument. A value may besides take an eighth of maxmemory at "
                "most."},
    {NULL},
};
