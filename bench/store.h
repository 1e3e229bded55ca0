// store: what a benchmark does to a key-value store, so that the same workload runs on Varve's
// engine and on its peers. One thread; a call returns when its work is done. Failures end the
// program with a line on stderr.
#ifndef VARVE_BENCH_STORE_H
#define VARVE_BENCH_STORE_H

#include <stdbool.h>

#include "base/slice.h"

struct store;

struct store_options {
    const char *dir;
    uint64_t cache_bytes;        // of blocks, indexes and filters
    uint64_t write_buffer_bytes; // of one memtable
    unsigned bloom_bits;
    unsigned block_bytes;
    bool compress;
    bool clean_rows; // keep flushed memtables for reads (Varve only: LevelDB has no such thing)
    bool sync;       // every write is on disk before the call returns
};

struct store_ops {
    const char *name;
    struct store *(*open)(const struct store_options *options); // created if missing
    void (*close)(struct store *s);
    // One atomic batch. A NULL value is a deletion.
    void (*write)(
        struct store *s, const struct slice *keys, const struct slice *values, unsigned count);
    bool (*get)(struct store *s, struct slice key, size_t *value_len);
    // Walks from the first key >= from (forward) or the last key (backward), at most `most` entries
    // and to below `end` if it is not empty; returns how many and adds their bytes to *bytes.
    uint64_t (*scan)(struct store *s, struct slice from, struct slice end, bool backward,
        uint64_t most, uint64_t *bytes);
    // Waits until no background work is under way.
    void (*settle)(struct store *s);
};

extern const struct store_ops store_varve;
extern const struct store_ops store_leveldb; // only where libleveldb is

_Noreturn void bench_fail(const char *what, const char *detail);

#endif
