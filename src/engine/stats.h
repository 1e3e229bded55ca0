// What the engine counts, for INFO and the benchmarks. Public: part of engine.h's contract. All
// since opening unless said otherwise.
#ifndef VARVE_ENGINE_STATS_H
#define VARVE_ENGINE_STATS_H

#include "engine/options.h"

enum { STATS_DAMAGES = 8, STATS_DAMAGE_SIZE = 200 };

struct engine_stats {
    struct {
        uint64_t files;
        uint64_t bytes;
        uint64_t entries;
    } levels[ENGINE_LEVELS]; // now

    // Memory, bytes now. Cache is what can be dropped at any time.
    uint64_t memory_budget;
    uint64_t memtable_bytes; // active and frozen
    uint64_t memtable_count;
    uint64_t memtable_entries;
    uint64_t clean_bytes; // flushed memtables that are kept as rows
    uint64_t clean_count;
    uint64_t cache_bytes;
    uint64_t cache_capacity;
    uint64_t pinned_bytes;
    uint64_t table_meta_bytes; // what stays in memory for every table

    // Log.
    uint64_t log_segments; // now
    uint64_t log_bytes;    // of the segments that recovery would read, now
    uint64_t log_written_bytes;
    uint64_t log_writes;
    uint64_t log_syncs;
    uint64_t log_sync_us_total;
    uint64_t log_sync_us_max;
    uint64_t last_seq, durable_seq;

    // Reads.
    uint64_t cache_hits, cache_misses;
    uint64_t filter_checks;          // tables asked
    uint64_t filter_negatives;       // tables skipped
    uint64_t filter_false_positives; // said maybe, and the table had not the key
    uint64_t nowait_reads;           // blocks found in the page cache from the loop
    uint64_t cold_reads;             // blocks read by jobs
    uint64_t waits;                  // txn_wait and iter_wait calls

    // Writes.
    uint64_t user_bytes; // keys and values committed
    uint64_t flushes, flush_bytes, flush_us;
    uint64_t compactions, compaction_read_bytes, compaction_write_bytes, compaction_us;
    uint64_t trivial_moves;
    uint64_t pace_us;         // sum of the delays asked for
    uint64_t write_waits;     // commits that answered WAIT
    uint64_t compaction_debt; // bytes to be compacted, now
    uint64_t hidden_bytes;    // of tables, taken by deleted and overwritten data: an estimate, now
    uint64_t expired_dropped; // records dropped by flush and compaction because they had expired
    int64_t keys_in_doubt;    // now
    uint64_t damaged_ranges;  // of keys that cannot be read, now, and the first of them as text
    char damages[STATS_DAMAGES][STATS_DAMAGE_SIZE];
    bool flush_running, compaction_running;

    // Recovery at opening.
    uint64_t recovered_records;
    uint64_t recovery_us;
};

#endif
