// Rows: the sections and fields of INFO as Redis 7.0.15 has them, in its order. A field that says 0
// because there is nothing to count stands under a line that says so; README.md lists them with
// their reasons.
//
// To add a field, add a line to its section's list: name, kind, expression. What has no fixed names
// is written by a function, at the end.
#include "server/info/info.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "server/config/cgroup.h"
#include "server/config/config.h"
#include "server/info/info_rows.h"
#include "server/saves.h"

#define GCC_VERSION_TEXT_(a, b, c) #a "." #b "." #c
#define GCC_VERSION_TEXT(a, b, c) GCC_VERSION_TEXT_(a, b, c)

// "Linux 6.1.0 x86_64"; asked once.
static const char *os_name(void)
{
    static char text[256];
    struct utsname u;
    if (text[0] == 0 && uname(&u) == 0)
        snprintf(text, sizeof text, "%.80s %.80s %.80s", u.sysname, u.release, u.machine);
    return text;
}

// What a measurement should know of the binary.
static const char *build_kind(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return "sanitize";
#elif defined(__OPTIMIZE__)
    return "release";
#else
    return "debug";
#endif
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double quotient(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static const char *directive(const struct server *s, const char *name)
{
    const char *text = s->config != NULL ? config_get(s->config, name) : NULL;
    return text != NULL ? text : "";
}

// Seconds that a save or rewrite has been running; -1: none runs.
static int64_t running_s(const struct info *x, const struct save_state *state)
{
    return state->task != NULL ? (x->now_ms - state->started_ms) / 1000 : -1;
}

static const char *ok_or_err(bool failed)
{
    return failed ? "err" : "ok";
}

// clang-format off
#define SERVER(METRIC) \
    METRIC(redis_version, TEXT, "7.0.15") \
    METRIC(varve_version, TEXT, VARVE_VERSION) \
    METRIC(varve_build, TEXT, build_kind()) \
    METRIC(redis_git_sha1, TEXT, "00000000") \
    METRIC(redis_git_dirty, GAUGE, 0) \
    METRIC(redis_build_id, TEXT, "0") \
    METRIC(redis_mode, TEXT, "standalone") \
    METRIC(os, TEXT, os_name()) \
    METRIC(arch_bits, GAUGE, sizeof(void *) * 8) \
    METRIC(monotonic_clock, TEXT, "POSIX clock_gettime") \
    METRIC(multiplexing_api, TEXT, "epoll") \
    METRIC(atomicvar_api, TEXT, "c11-builtin") \
    METRIC(gcc_version, TEXT, GCC_VERSION_TEXT(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__)) \
    METRIC(process_id, GAUGE, getpid()) \
    METRIC(process_supervised, TEXT, "no") \
    METRIC(run_id, TEXT, s->identity.run_id) \
    METRIC(tcp_port, GAUGE, s->settings->network.port) \
    METRIC(server_time_usec, GAUGE, x->now_ms * 1000) \
    METRIC(uptime_in_seconds, COUNTER, x->uptime_s) \
    METRIC(uptime_in_days, COUNTER, x->uptime_s / 86400) \
    METRIC(hz, TEXT, directive(s, "hz")) \
    METRIC(configured_hz, TEXT, directive(s, "hz")) \
    METRIC(lru_clock, GAUGE, (x->now_ms / 1000) & 0xffffff) \
    METRIC(executable, TEXT, s->identity.executable != NULL ? s->identity.executable : "") \
    METRIC(config_file, TEXT, s->identity.config_file != NULL ? s->identity.config_file : "") \
    METRIC(io_threads_active, GAUGE, 0)

#define CLIENTS(METRIC) \
    METRIC(connected_clients, GAUGE, s->clients.count) \
    METRIC(cluster_connections, GAUGE, 0) \
    METRIC(maxclients, GAUGE, s->settings->network.maxclients) \
    METRIC(client_recent_max_input_buffer, GAUGE, s->clients.input_max) \
    METRIC(client_recent_max_output_buffer, GAUGE, s->clients.output_max) \
    METRIC(blocked_clients, GAUGE, 0) \
    METRIC(tracking_clients, GAUGE, 0) \
    METRIC(clients_in_timeout_table, GAUGE, 0) \
    METRIC(varve_parked_clients, GAUGE, s->clients.parked)

#define OVERHEAD (x->memory.used - x->engine.memtable_bytes)

#define MEMORY(METRIC) \
    METRIC(used_memory, GAUGE, x->memory.used) \
    METRIC(used_memory_human, HUMAN, x->memory.used) \
    METRIC(used_memory_rss, GAUGE, x->memory.resident) \
    METRIC(used_memory_rss_human, HUMAN, x->memory.resident) \
    METRIC(used_memory_peak, GAUGE, s->memory_peak) \
    METRIC(used_memory_peak_human, HUMAN, s->memory_peak) \
    METRIC(used_memory_peak_perc, PERCENT, \
        100 * quotient((double)x->memory.used, (double)s->memory_peak)) \
    METRIC(used_memory_overhead, GAUGE, OVERHEAD) \
    METRIC(used_memory_startup, GAUGE, 0) \
    METRIC(used_memory_dataset, GAUGE, x->engine.memtable_bytes) \
    METRIC(used_memory_dataset_perc, PERCENT, \
        100 * quotient((double)x->engine.memtable_bytes, (double)x->memory.used)) \
    METRIC(varve_cache_bytes, GAUGE, x->engine.cache_bytes + x->engine.clean_bytes) \
    METRIC(varve_clients_bytes, GAUGE, server_client_memory(s)) \
    METRIC(allocator_allocated, GAUGE, x->memory.allocated) \
    METRIC(allocator_active, GAUGE, x->memory.arena) \
    METRIC(allocator_resident, GAUGE, x->memory.resident) \
    METRIC(total_system_memory, GAUGE, cgroup_machine_memory()) \
    METRIC(total_system_memory_human, HUMAN, cgroup_machine_memory()) \
    METRIC(used_memory_lua, GAUGE, 0) \
    METRIC(used_memory_vm_eval, GAUGE, 0) \
    METRIC(used_memory_lua_human, HUMAN, 0) \
    METRIC(used_memory_scripts_eval, GAUGE, 0) \
    METRIC(number_of_cached_scripts, GAUGE, 0) \
    METRIC(number_of_functions, GAUGE, 0) \
    METRIC(number_of_libraries, GAUGE, 0) \
    METRIC(used_memory_vm_functions, GAUGE, 0) \
    METRIC(used_memory_vm_total, GAUGE, 0) \
    METRIC(used_memory_vm_total_human, HUMAN, 0) \
    METRIC(used_memory_functions, GAUGE, 0) \
    METRIC(used_memory_scripts, GAUGE, 0) \
    METRIC(used_memory_scripts_human, HUMAN, 0) \
    METRIC(maxmemory, GAUGE, s->settings->data.memory_budget) \
    METRIC(maxmemory_human, HUMAN, s->settings->data.memory_budget) \
    METRIC(maxmemory_policy, TEXT, "noeviction") \
    METRIC(allocator_frag_ratio, RATIO, \
        quotient((double)x->memory.arena, (double)x->memory.allocated)) \
    METRIC(allocator_frag_bytes, GAUGE, x->memory.arena - x->memory.allocated) \
    METRIC(allocator_rss_ratio, RATIO, \
        quotient((double)x->memory.resident, (double)x->memory.arena)) \
    METRIC(allocator_rss_bytes, GAUGE, x->memory.resident - x->memory.arena) \
    METRIC(rss_overhead_ratio, RATIO, 1) \
    METRIC(rss_overhead_bytes, GAUGE, 0) \
    METRIC(mem_fragmentation_ratio, RATIO, \
        quotient((double)x->memory.resident, (double)x->memory.allocated)) \
    METRIC(mem_fragmentation_bytes, GAUGE, x->memory.resident - x->memory.allocated) \
    METRIC(mem_not_counted_for_evict, GAUGE, 0) \
    METRIC(mem_replication_backlog, GAUGE, 0) \
    METRIC(mem_total_replication_buffers, GAUGE, 0) \
    METRIC(mem_clients_slaves, GAUGE, 0) \
    METRIC(mem_clients_normal, GAUGE, server_client_memory(s)) \
    METRIC(mem_cluster_links, GAUGE, 0) \
    METRIC(mem_aof_buffer, GAUGE, 0) \
    METRIC(mem_allocator, TEXT, "libc") \
    METRIC(active_defrag_running, GAUGE, 0) \
    METRIC(lazyfree_pending_objects, GAUGE, 0) \
    METRIC(lazyfreed_objects, COUNTER, 0)

#define PERSISTENCE(METRIC) \
    METRIC(loading, GAUGE, 0) \
    METRIC(async_loading, GAUGE, 0) \
    METRIC(current_cow_peak, GAUGE, 0) \
    METRIC(current_cow_size, GAUGE, 0) \
    METRIC(current_cow_size_age, GAUGE, 0) \
    METRIC(current_fork_perc, RATIO, 0) \
    METRIC(current_save_keys_processed, GAUGE, 0) \
    METRIC(current_save_keys_total, GAUGE, 0) \
    METRIC(rdb_changes_since_last_save, GAUGE, saves_changes(s)) \
    METRIC(rdb_bgsave_in_progress, GAUGE, s->saves.save.task != NULL) \
    METRIC(rdb_last_save_time, GAUGE, s->saves.save.last_ms / 1000) \
    METRIC(rdb_last_bgsave_status, TEXT, ok_or_err(s->saves.save.last_failed)) \
    METRIC(rdb_last_bgsave_time_sec, GAUGE, s->saves.save.last_duration_s) \
    METRIC(rdb_current_bgsave_time_sec, GAUGE, running_s(x, &s->saves.save)) \
    METRIC(rdb_saves, COUNTER, s->saves.save.count) \
    METRIC(rdb_last_cow_size, GAUGE, 0) \
    METRIC(rdb_last_load_keys_expired, GAUGE, 0) \
    METRIC(rdb_last_load_keys_loaded, GAUGE, 0) \
    METRIC(aof_enabled, GAUGE, 1) \
    METRIC(aof_rewrite_in_progress, GAUGE, s->saves.rewrite.task != NULL) \
    METRIC(aof_rewrite_scheduled, GAUGE, 0) \
    METRIC(aof_last_rewrite_time_sec, GAUGE, s->saves.rewrite.last_duration_s) \
    METRIC(aof_current_rewrite_time_sec, GAUGE, running_s(x, &s->saves.rewrite)) \
    METRIC(aof_last_bgrewrite_status, TEXT, ok_or_err(s->saves.rewrite.last_failed)) \
    METRIC(aof_rewrites, COUNTER, s->saves.rewrite.count) \
    METRIC(aof_rewrites_consecutive_failures, GAUGE, s->saves.rewrite.last_failed) \
    METRIC(aof_last_write_status, TEXT, ok_or_err(engine_write_status(s->engine, NULL) != OK)) \
    METRIC(aof_last_cow_size, GAUGE, 0) \
    METRIC(module_fork_in_progress, GAUGE, 0) \
    METRIC(module_fork_last_cow_size, GAUGE, 0) \
    METRIC(aof_current_size, GAUGE, x->engine.log_bytes) \
    METRIC(aof_base_size, GAUGE, 0) \
    METRIC(aof_pending_rewrite, GAUGE, 0) \
    METRIC(aof_buffer_length, GAUGE, 0) \
    METRIC(aof_pending_bio_fsync, GAUGE, 0) \
    METRIC(aof_delayed_fsync, COUNTER, 0)

#define STATS(METRIC) \
    METRIC(total_connections_received, COUNTER, s->counters.connections_received) \
    METRIC(total_commands_processed, COUNTER, x->commands.commands) \
    METRIC(instantaneous_ops_per_sec, GAUGE, server_rate_per_second(&s->rates.commands)) \
    METRIC(total_net_input_bytes, COUNTER, s->counters.net_input_bytes) \
    METRIC(total_net_output_bytes, COUNTER, s->counters.net_output_bytes) \
    METRIC(total_net_repl_input_bytes, COUNTER, 0) \
    METRIC(total_net_repl_output_bytes, COUNTER, 0) \
    METRIC(instantaneous_input_kbps, RATIO, \
        (double)server_rate_per_second(&s->rates.net_input_bytes) / 1024) \
    METRIC(instantaneous_output_kbps, RATIO, \
        (double)server_rate_per_second(&s->rates.net_output_bytes) / 1024) \
    METRIC(instantaneous_input_repl_kbps, RATIO, 0) \
    METRIC(instantaneous_output_repl_kbps, RATIO, 0) \
    METRIC(rejected_connections, COUNTER, s->counters.connections_rejected) \
    METRIC(sync_full, COUNTER, 0) \
    METRIC(sync_partial_ok, COUNTER, 0) \
    METRIC(sync_partial_err, COUNTER, 0) \
    METRIC(expired_keys, COUNTER, x->commands.expired + x->engine.expired_dropped) \
    METRIC(expired_stale_perc, RATIO, 0) \
    METRIC(expired_time_cap_reached_count, COUNTER, 0) \
    METRIC(expire_cycle_cpu_milliseconds, COUNTER, 0) \
    METRIC(evicted_keys, COUNTER, 0) \
    METRIC(evicted_clients, COUNTER, s->counters.evicted_clients) \
    METRIC(total_eviction_exceeded_time, COUNTER, 0) \
    METRIC(current_eviction_exceeded_time, GAUGE, 0) \
    METRIC(keyspace_hits, COUNTER, x->commands.hits) \
    METRIC(keyspace_misses, COUNTER, x->commands.misses) \
    METRIC(pubsub_channels, GAUGE, 0) \
    METRIC(pubsub_patterns, GAUGE, 0) \
    METRIC(pubsubshard_channels, GAUGE, 0) \
    METRIC(latest_fork_usec, GAUGE, 0) \
    METRIC(total_forks, COUNTER, 0) \
    METRIC(migrate_cached_sockets, GAUGE, 0) \
    METRIC(slave_expires_tracked_keys, GAUGE, 0) \
    METRIC(active_defrag_hits, COUNTER, 0) \
    METRIC(active_defrag_misses, COUNTER, 0) \
    METRIC(active_defrag_key_hits, COUNTER, 0) \
    METRIC(active_defrag_key_misses, COUNTER, 0) \
    METRIC(total_active_defrag_time, COUNTER, 0) \
    METRIC(current_active_defrag_time, GAUGE, 0) \
    METRIC(tracking_total_keys, GAUGE, 0) \
    METRIC(tracking_total_items, GAUGE, 0) \
    METRIC(tracking_total_prefixes, GAUGE, 0) \
    METRIC(unexpected_error_replies, COUNTER, x->commands.unexpected_errors) \
    METRIC(total_error_replies, COUNTER, x->commands.error_replies) \
    METRIC(dump_payload_sanitizations, COUNTER, 0) \
    METRIC(total_reads_processed, COUNTER, s->counters.reads) \
    METRIC(total_writes_processed, COUNTER, s->counters.writes) \
    METRIC(io_threaded_reads_processed, COUNTER, 0) \
    METRIC(io_threaded_writes_processed, COUNTER, 0) \
    METRIC(reply_buffer_shrinks, COUNTER, 0) \
    METRIC(reply_buffer_expands, COUNTER, 0) \
    METRIC(varve_parks, COUNTER, s->counters.parks) \
    METRIC(varve_loop_turns, COUNTER, s->counters.turns) \
    METRIC(varve_query_buffer_disconnects, COUNTER, s->counters.query_buffer_disconnects) \
    METRIC(varve_output_buffer_disconnects, COUNTER, s->counters.output_buffer_disconnects)

#define REPLICATION(METRIC) \
    METRIC(role, TEXT, "master") \
    METRIC(connected_slaves, GAUGE, 0) \
    METRIC(master_failover_state, TEXT, "no-failover") \
    METRIC(master_replid, TEXT, s->identity.run_id) \
    METRIC(master_replid2, TEXT, "0000000000000000000000000000000000000000") \
    METRIC(master_repl_offset, GAUGE, 0) \
    METRIC(second_repl_offset, GAUGE, -1) \
    METRIC(repl_backlog_active, GAUGE, 0) \
    METRIC(repl_backlog_size, TEXT, directive(s, "repl-backlog-size")) \
    METRIC(repl_backlog_first_byte_offset, GAUGE, 0) \
    METRIC(repl_backlog_histlen, GAUGE, 0)

#define CPU(METRIC) \
    METRIC(used_cpu_sys, SECONDS, seconds_of(x->process.ru_stime)) \
    METRIC(used_cpu_user, SECONDS, seconds_of(x->process.ru_utime)) \
    METRIC(used_cpu_sys_children, SECONDS, 0) \
    METRIC(used_cpu_user_children, SECONDS, 0) \
    METRIC(used_cpu_sys_main_thread, SECONDS, seconds_of(x->thread.ru_stime)) \
    METRIC(used_cpu_user_main_thread, SECONDS, seconds_of(x->thread.ru_utime))

#define CLUSTER(METRIC) \
    METRIC(cluster_enabled, GAUGE, 0)

SERVER(METRIC_GETTER)
CLIENTS(METRIC_GETTER)
MEMORY(METRIC_GETTER)
PERSISTENCE(METRIC_GETTER)
STATS(METRIC_GETTER)
REPLICATION(METRIC_GETTER)
CPU(METRIC_GETTER)
CLUSTER(METRIC_GETTER)

static const struct metric server_metrics[] = {SERVER(METRIC_ROW) {NULL}};
static const struct metric clients_metrics[] = {CLIENTS(METRIC_ROW) {NULL}};
static const struct metric memory_metrics[] = {MEMORY(METRIC_ROW) {NULL}};
static const struct metric persistence_metrics[] = {PERSISTENCE(METRIC_ROW) {NULL}};
static const struct metric stats_metrics[] = {STATS(METRIC_ROW) {NULL}};
static const struct metric replication_metrics[] = {REPLICATION(METRIC_ROW) {NULL}};
static const struct metric cpu_metrics[] = {CPU(METRIC_ROW) {NULL}};
static const struct metric cluster_metrics[] = {CLUSTER(METRIC_ROW) {NULL}};
// clang-format on

// --- Lines without fixed names -------------------------------------------------------------------

static void print_command(void *out, const char *name, const struct command_stats *c)
{
    buf_printf(out,
        "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%"
        "llu\r\n",
        name, (unsigned long long)c->calls, (unsigned long long)c->usec,
        quotient((double)c->usec, (double)c->calls), (unsigned long long)c->rejected,
        (unsigned long long)c->failed);
}

static void command_lines(const struct info *x, struct buf *out)
{
    commands_each_stat(x->server->commands, print_command, out);
}

static void print_error(void *out, const char *code, uint64_t count)
{
    buf_printf(out, "errorstat_%s:count=%llu\r\n", code, (unsigned long long)count);
}

static void error_lines(const struct info *x, struct buf *out)
{
    commands_each_error(x->server->commands, print_error, out);
}

// How many keys have an expiry is not counted anywhere: 0.
static void keyspace_lines(const struct info *x, struct buf *out)
{
    for (int db = 0; x->keys != NULL && db < databases_number(x->server->databases); db++) {
        int64_t keys = databases_key_count(x->keys, db, NULL);
        if (keys > 0)
            buf_printf(out, "db%d:keys=%lld,expires=0,avg_ttl=0\r\n", db, (long long)keys);
    }
}

const struct info_section info_sections[] = {
    {"Server", "server", true, server_metrics, NULL},
    {"Clients", "clients", true, clients_metrics, NULL},
    {"Memory", "memory", true, memory_metrics, NULL},
    {"Persistence", "persistence", true, persistence_metrics, NULL},
    {"Stats", "stats", true, stats_metrics, NULL},
    {"Replication", "replication", true, replication_metrics, NULL},
    {"CPU", "cpu", true, cpu_metrics, NULL},
    {"Modules", "modules", true, NULL, NULL},
    {"Commandstats", "commandstats", false, NULL, command_lines},
    {"Errorstats", "errorstats", true, NULL, error_lines},
    {"Latencystats", "latencystats", false, NULL, NULL},
    {"Cluster", "cluster", true, cluster_metrics, NULL},
    {"Keyspace", "keyspace", true, NULL, keyspace_lines},
    {"Engine", "engine", true, info_engine_metrics, info_engine_lines},
    {NULL, NULL, false, NULL, NULL},
};
