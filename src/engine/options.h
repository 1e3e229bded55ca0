// options: what an engine is opened with, and the few constants and choices that its modules share
// with it. Apart from engine.h so that a module, or a configuration, can name a policy without
// seeing the engine.
#ifndef VARVE_ENGINE_OPTIONS_H
#define VARVE_ENGINE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct engine;
struct env;
struct error;
struct exec;
struct logger;

enum {
    // bytes of a key as the engine sees it: the user's 64 KiB and the layer above's prefix
    ENGINE_KEY_MAX = 64 * 1024 + 64,
    ENGINE_LEVELS = 7,
};

// Bytes of a batch as it is logged: txn_commit takes no more. So no entry is larger, and a block of
// one entry is at most so much, which is what readers believe (a damaged length can make us
// allocate that): whatever was committed can be read. test_commit.c holds the two together.
#define ENGINE_BATCH_MAX (2ull << 30)
#define ENGINE_BLOCK_MAX (ENGINE_BATCH_MAX + 4096)

enum fsync_policy { FSYNC_ALWAYS, FSYNC_EVERYSEC, FSYNC_NO };
enum compression { COMPRESSION_NONE, COMPRESSION_ZSTD };

// Length of the counted prefix of a key, 0 if the key is not counted: see txn_count. Pure; called
// from jobs too.
typedef size_t (*engine_counted_prefix_cb)(struct slice key);
// Something that replies may wait for has changed outside of engine_turn_end(): durable seq, write
// failure, room for writers.
typedef void (*engine_progress_cb)(void *arg);
// Whether what was found is to be opened, asked by engine_open() when all is read and nothing is
// changed yet: only reads and counts, by the blocking calls. A failure is engine_open's, too.
typedef int (*engine_accept_cb)(struct engine *engine, void *arg, struct error *err);

struct engine_options {
    const char *dir; // created if missing (one level)
    struct env *env;
    struct exec *exec;
    struct logger *logger; // may be NULL

    uint64_t memory_budget; // bytes for memtables, cache, indexes, filters, pins; 0: 256 MiB
    // bytes of a memtable at which it is frozen; 0: an eighth of the budget, at most 64 MiB
    uint64_t write_buffer_size;
    uint64_t target_file_size;      // bytes of a table; 0: follows the budget, 2 to 32 MiB
    unsigned level0_file_limit;     // tables in level 0 at which compaction begins; 0: 4
    uint32_t block_size;            // bytes of an uncompressed data block; 0: 4096
    unsigned bloom_bits_per_key;    // 0: 10
    enum compression compression;   // of level 2 and below
    int compression_level;          // zstd's; 0: 1
    uint64_t compaction_rate_limit; // bytes a second written by compaction; 0: none
    unsigned max_open_files;        // 0: 256
    // Of a txn that waits (txn.c), after which it ends in NO_MEMORY:
    unsigned wait_memory_percent; // of the budget, that the rows and facts take; 0: 69
    unsigned wait_attempts;       // in a row that get no further; 0: 200
    unsigned wait_round_keys;     // looked up in one go; 0: 512
    // do not keep flushed memtables for reads: to measure and test the tables
    bool no_clean_rows;
    enum fsync_policy fsync;

    engine_counted_prefix_cb counted_prefix;
    engine_progress_cb on_progress;
    void *on_progress_arg;
    engine_accept_cb accept; // may be NULL, as on_progress
    void *accept_arg;
};

#endif
