// Rows: where data lives, how durable and how much memory, and the engine's own knobs.
#include "server/config/config_row.h"

static const struct choice fsync_policies[] = {
    {"everysec", FSYNC_EVERYSEC}, {"always", FSYNC_ALWAYS}, {"no", FSYNC_NO}, {NULL}};
static const struct choice compressions[] = {
    {"no", COMPRESSION_NONE}, {"zstd", COMPRESSION_ZSTD}, {NULL}};

// The budget in effect, as in INFO: never 0.
static void show_budget(const struct settings *settings, struct buf *out)
{
    buf_printf(out, "%llu", (unsigned long long)settings->data.memory_budget);
}

const struct directive config_storage_rows[] = {
    {"dir", .type = DIRECTIVE_STRING, .flags = DIRECTIVE_PROTECTED | DIRECTIVE_IMMUTABLE,
        .initial = "varve-data", .field = FIELD(data.engine.dir), .allowed = "a path",
        .help = "The data directory, made if missing. Relative paths of logfile and pidfile start "
                "here."},
    {"databases", .type = DIRECTIVE_INT, .flags = DIRECTIVE_IMMUTABLE, .initial = "16", .min = 1,
        .max = INT32_MAX, .field = FIELD(data.databases),
        .help = "Number of databases. Data in a database beyond it stops the start."},
    {"appendfsync", .type = DIRECTIVE_ENUM, .effect = EFFECT_FSYNC, .initial = "everysec",
        .choices = fsync_policies, .field = FIELD(data.engine.fsync),
        .help = "When a write counts as safe: always: on disk before its reply; everysec: a power "
                "cut may take the last second; no: as the system writes. Whichever it is, the end "
                "of the process alone loses nothing."},
    {"maxmemory", .type = DIRECTIVE_MEMORY, .effect = EFFECT_MEMORY, .flags = DIRECTIVE_ZERO_OK,
        .initial = "0", .min = 32 << 20, .field = FIELD(data.maxmemory), .show = show_budget,
        .help = "The memory budget: buffers, caches, indexes and clients together. Not a limit on "
                "data, nothing is evicted. 0: a quarter of the machine's memory or of the control "
                "group's limit."},
    {"hash-max-listpack-entries", .alias = "hash-max-ziplist-entries", .type = DIRECTIVE_INT,
        .effect = EFFECT_LIMITS, .initial = "512", .field = FIELD(data.limits.hash_max_entries),
        .help = "A hash of more fields is a hashtable to OBJECT ENCODING, and stored by fields."},
    {"hash-max-listpack-value", .alias = "hash-max-ziplist-value", .type = DIRECTIVE_MEMORY,
        .effect = EFFECT_LIMITS, .initial = "64", .field = FIELD(data.limits.hash_max_value),
        .help = "So is one with a longer field or value."},
    {"set-max-intset-entries", .type = DIRECTIVE_INT, .effect = EFFECT_LIMITS, .initial = "512",
        .field = FIELD(data.limits.set_max_integers),
        .help = "A set of more integers is a hashtable to OBJECT ENCODING, as one of other members "
                "is."},
    {NULL},
};

const struct directive config_engine_rows[] = {
    {"write-buffer-size", .type = DIRECTIVE_MEMORY,
        .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE | DIRECTIVE_ZERO_OK, .initial = "0",
        .min = 64 << 10, .max = 1ll << 32, .field = FIELD(data.engine.write_buffer_size),
        .help = "Bytes of writes held in memory before they become a table. 0: an eighth of "
                "maxmemory, at most 64mb."},
    {"target-file-size", .type = DIRECTIVE_MEMORY,
        .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE | DIRECTIVE_ZERO_OK, .initial = "0",
        .min = 64 << 10, .max = 1ll << 32, .field = FIELD(data.engine.target_file_size),
        .help = "Bytes of a table file. 0: 2mb to 32mb, as maxmemory allows."},
    {"level0-file-limit", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "4", .min = 1, .max = 64, .field = FIELD(data.engine.level0_file_limit),
        .help = "Fresh tables at which compaction begins."},
    {"block-size", .type = DIRECTIVE_MEMORY, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "4096", .min = 512, .max = 1 << 20, .field = FIELD(data.engine.block_size),
        .help = "Bytes of a data block before compression: the unit of reading."},
    {"compression", .type = DIRECTIVE_ENUM, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "zstd", .choices = compressions, .field = FIELD(data.engine.compression),
        .help = "Compression of the lower levels, where most of the data is."},
    {"compression-level", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "1", .min = 1, .max = 19, .field = FIELD(data.engine.compression_level),
        .help = "Level of zstd: higher is smaller and slower."},
    {"bloom-bits-per-key", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "10", .min = 1, .max = 32, .field = FIELD(data.engine.bloom_bits_per_key),
        .help = "Bits of filter for each key: 10 lets about one lookup in a hundred read a table "
                "in vain."},
    {"compaction-rate-limit", .type = DIRECTIVE_MEMORY, .effect = EFFECT_COMPACTION_RATE,
        .flags = DIRECTIVE_OWN, .initial = "0", .field = FIELD(data.engine.compaction_rate_limit),
        .help = "Bytes a second that compaction may write; 0: no limit."},
    {"max-open-files", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "256", .min = 16, .max = 1 << 20, .field = FIELD(data.engine.max_open_files),
        .help = "Table files kept open at a time."},
    {"command-wait-memory", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "69", .min = 1, .max = 90, .field = FIELD(data.engine.wait_memory_percent),
        .help = "What a command that waits for the disk has read stays in memory until it is done: "
                "percent of the engine's memory that this may take. A command that needs more ends "
                "in an OOM error."},
    {"command-wait-attempts", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "200", .min = 1, .max = 1000000, .field = FIELD(data.engine.wait_attempts),
        .help = "Attempts in a row at a command that waits for the disk that may get no further "
                "than those before; then it ends in an OOM error."},
    {"command-wait-keys", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "512", .min = 1, .max = 1000000, .field = FIELD(data.engine.wait_round_keys),
        .help = "Keys of a command that waits for the disk that are looked up in one go, while "
                "nobody else is served: 512 take about a millisecond."},
    {"threads", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE, .initial = "9",
        .min = 6, .max = 128, .field = FIELD(data.threads),
        .help = "Threads for the disk: one each for log, flush, compaction, files and unlinking, "
                "and the rest for reads."},
    {"compaction-threads", .type = DIRECTIVE_INT, .flags = DIRECTIVE_OWN | DIRECTIVE_IMMUTABLE,
        .initial = "1", .min = 1, .max = 2, .field = FIELD(data.compaction_threads),
        .help = "Compactions at a time. For now one runs at a time whatever is given: a greater "
                "value is accepted with a warning.",
        .caveat = "one compaction runs at a time for now"},
    {NULL},
};
