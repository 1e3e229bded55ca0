// Rows: the section "Engine", which Redis has not. Bytes and counts are since the start unless the
// name says otherwise; times are microseconds.
//
// Amplification. Write: bytes that log, flush and compaction have written for each byte of keys and
// values that users wrote. Space: bytes of all tables for each byte of the lowest level in use,
// where everything lives once; what is above it is newer versions and tombstones.
#include "server/info/info.h"

#include "server/info/info_rows.h"

static uint64_t table_bytes(const struct engine_stats *e)
{
    uint64_t sum = 0;
    for (int i = 0; i < ENGINE_LEVELS; i++)
        sum += e->levels[i].bytes;
    return sum;
}

static uint64_t table_files(const struct engine_stats *e)
{
    uint64_t sum = 0;
    for (int i = 0; i < ENGINE_LEVELS; i++)
        sum += e->levels[i].files;
    return sum;
}

static double write_amplification(const struct engine_stats *e)
{
    uint64_t written = e->log_written_bytes + e->flush_bytes + e->compaction_write_bytes;
    return e->user_bytes > 0 ? (double)written / (double)e->user_bytes : 0;
}

static double space_amplification(const struct engine_stats *e)
{
    for (int i = ENGINE_LEVELS - 1; i >= 0; i--)
        if (e->levels[i].bytes > 0)
            return (double)table_bytes(e) / (double)e->levels[i].bytes;
    return 0;
}

// clang-format off
#define ENGINE(METRIC) \
    METRIC(engine_memory_budget, GAUGE, x->engine.memory_budget) \
    METRIC(engine_memtables, GAUGE, x->engine.memtable_count) \
    METRIC(engine_clean_memtables, GAUGE, x->engine.clean_count) \
    METRIC(engine_clean_bytes, GAUGE, x->engine.clean_bytes) \
    METRIC(engine_memtable_bytes, GAUGE, x->engine.memtable_bytes) \
    METRIC(engine_memtable_entries, GAUGE, x->engine.memtable_entries) \
    METRIC(engine_pinned_bytes, GAUGE, x->engine.pinned_bytes) \
    METRIC(engine_table_meta_bytes, GAUGE, x->engine.table_meta_bytes) \
    METRIC(engine_tables, GAUGE, table_files(&x->engine)) \
    METRIC(engine_table_bytes, GAUGE, table_bytes(&x->engine)) \
    METRIC(engine_log_segments, GAUGE, x->engine.log_segments) \
    METRIC(engine_log_bytes, GAUGE, x->engine.log_bytes) \
    METRIC(engine_log_written_bytes, COUNTER, x->engine.log_written_bytes) \
    METRIC(engine_log_writes, COUNTER, x->engine.log_writes) \
    METRIC(engine_log_syncs, COUNTER, x->engine.log_syncs) \
    METRIC(engine_log_sync_usec, COUNTER, x->engine.log_sync_us_total) \
    METRIC(engine_log_sync_usec_max, GAUGE, x->engine.log_sync_us_max) \
    METRIC(engine_last_seq, COUNTER, x->engine.last_seq) \
    METRIC(engine_durable_seq, COUNTER, x->engine.durable_seq) \
    METRIC(engine_cache_capacity, GAUGE, x->engine.cache_capacity) \
    METRIC(engine_cache_hits, COUNTER, x->engine.cache_hits) \
    METRIC(engine_cache_misses, COUNTER, x->engine.cache_misses) \
    METRIC(engine_filter_checks, COUNTER, x->engine.filter_checks) \
    METRIC(engine_filter_negatives, COUNTER, x->engine.filter_negatives) \
    METRIC(engine_filter_false_positives, COUNTER, x->engine.filter_false_positives) \
    METRIC(engine_nowait_reads, COUNTER, x->engine.nowait_reads) \
    METRIC(engine_cold_reads, COUNTER, x->engine.cold_reads) \
    METRIC(engine_waits, COUNTER, x->engine.waits) \
    METRIC(engine_user_bytes, COUNTER, x->engine.user_bytes) \
    METRIC(engine_flushes, COUNTER, x->engine.flushes) \
    METRIC(engine_flush_bytes, COUNTER, x->engine.flush_bytes) \
    METRIC(engine_flush_usec, COUNTER, x->engine.flush_us) \
    METRIC(engine_flush_running, GAUGE, x->engine.flush_running) \
    METRIC(engine_compactions, COUNTER, x->engine.compactions) \
    METRIC(engine_compaction_read_bytes, COUNTER, x->engine.compaction_read_bytes) \
    METRIC(engine_compaction_write_bytes, COUNTER, x->engine.compaction_write_bytes) \
    METRIC(engine_compaction_usec, COUNTER, x->engine.compaction_us) \
    METRIC(engine_compaction_running, GAUGE, x->engine.compaction_running) \
    METRIC(engine_compaction_debt, GAUGE, x->engine.compaction_debt) \
    METRIC(engine_reclaimable_bytes, GAUGE, x->engine.hidden_bytes) \
    METRIC(engine_trivial_moves, COUNTER, x->engine.trivial_moves) \
    METRIC(engine_expired_dropped, COUNTER, x->engine.expired_dropped) \
    METRIC(engine_pacing_usec, COUNTER, x->engine.pace_us) \
    METRIC(engine_write_waits, COUNTER, x->engine.write_waits) \
    METRIC(engine_write_amplification, RATIO, write_amplification(&x->engine)) \
    METRIC(engine_space_amplification, RATIO, space_amplification(&x->engine)) \
    METRIC(engine_keys_in_doubt, GAUGE, x->engine.keys_in_doubt) \
    METRIC(engine_damaged_ranges, GAUGE, x->engine.damaged_ranges) \
    METRIC(engine_recovered_records, GAUGE, x->engine.recovered_records) \
    METRIC(engine_recovery_usec, GAUGE, x->engine.recovery_us)

ENGINE(METRIC_GETTER)

const struct metric info_engine_metrics[] = {ENGINE(METRIC_ROW) {NULL}};
// clang-format on

void info_engine_lines(const struct info *x, struct buf *out)
{
    for (int i = 0; i < ENGINE_LEVELS; i++)
        buf_printf(out, "engine_level%d:files=%llu,bytes=%llu,entries=%llu\r\n", i,
            (unsigned long long)x->engine.levels[i].files,
            (unsigned long long)x->engine.levels[i].bytes,
            (unsigned long long)x->engine.levels[i].entries);
    for (uint64_t i = 0; i < x->engine.damaged_ranges && i < STATS_DAMAGES; i++)
        buf_printf(out, "engine_damaged%llu:%s\r\n", (unsigned long long)i, x->engine.damages[i]);
}
