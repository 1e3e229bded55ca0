// Gathering and printing. The rows are in info_table.c and info_engine.c.
//
// used_memory is what malloc has given out less the block cache, which the engine drops whenever it
// needs room: so an alert on used_memory / maxmemory speaks of what cannot be given back. INFO's
// maxmemory is the budget in effect, never 0.
#include "server/info/info.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config/cgroup.h"

void info_format_bytes(uint64_t bytes, char out[32])
{
    static const char units[] = "BKMGTP";
    double n = (double)bytes;
    int unit = 0;
    while (n >= 1024 && units[unit + 1] != 0) {
        n /= 1024;
        unit++;
    }
    snprintf(out, 32, unit == 0 ? "%.0f%c" : "%.2f%c", n, units[unit]);
}

static uint64_t resident_bytes(struct env *env)
{
    char text[128];
    unsigned long long total, resident;
    if (cgroup_read_file(env, "/proc/self/statm", text, sizeof text) <= 0 ||
        sscanf(text, "%llu %llu", &total, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void gather_memory(struct info *x)
{
    struct mallinfo2 heap = mallinfo2();
    const struct engine_stats *e = &x->engine;
    // What we know we hold: where malloc does not tell (a sanitizer's), better than nothing.
    uint64_t droppable = e->cache_bytes + e->clean_bytes;
    uint64_t known =
        e->memtable_bytes + e->pinned_bytes + e->table_meta_bytes + server_client_memory(x->server);
    struct info_memory *m = &x->memory;
    m->allocated = larger(heap.uordblks + heap.hblkhd, known + droppable);
    m->used = m->allocated - droppable;
    m->arena = larger(heap.arena + heap.hblkhd, m->allocated);
    m->resident = resident_bytes(x->server->env);
    x->server->memory_peak = larger(x->server->memory_peak, m->used);
}

void info_gather(struct info *x, struct server *s, struct databases_view *keys)
{
    *x = (struct info){.server = s, .keys = keys, .now_ms = env_now_ms(s->env)};
    x->uptime_s = (env_now_us(s->env) - s->identity.started_us) / 1000000;
    engine_get_stats(s->engine, &x->engine);
    commands_get_keyspace_stats(s->commands, &x->commands);
    getrusage(RUSAGE_SELF, &x->process);
    getrusage(RUSAGE_THREAD, &x->thread);
    gather_memory(x);
}

static void print_metric(const struct metric *m, const struct info *x, struct buf *out)
{
    struct metric_value v = {0};
    m->get(x, &v);
    char human[32];
    switch (m->kind) {
    case METRIC_TEXT:
        buf_printf(out, "%s:%s\r\n", m->name, v.text);
        break;
    case METRIC_COUNTER:
    case METRIC_GAUGE:
        buf_printf(out, "%s:%lld\r\n", m->name, (long long)v.number);
        break;
    case METRIC_HUMAN:
        info_format_bytes((uint64_t)v.number, human);
        buf_printf(out, "%s:%s\r\n", m->name, human);
        break;
    case METRIC_RATIO:
        buf_printf(out, "%s:%.2f\r\n", m->name, v.real);
        break;
    case METRIC_PERCENT:
        buf_printf(out, "%s:%.2f%%\r\n", m->name, v.real);
        break;
    case METRIC_SECONDS:
        buf_printf(out, "%s:%.6f\r\n", m->name, v.real);
        break;
    }
}

static bool is_wanted(const struct info_section *section, const struct slice *names, int count)
{
    if (count == 0)
        return section->by_default;
    for (int i = 0; i < count; i++) {
        if (slice_equal_nocase(names[i], "all") || slice_equal_nocase(names[i], "everything"))
            return true;
        if (slice_equal_nocase(names[i], "default") && section->by_default)
            return true;
        if (slice_equal_nocase(names[i], section->name))
            return true;
    }
    return false;
}

void info_print(const struct info *x, const struct slice *names, int count, struct buf *out)
{
    for (const struct info_section *section = info_sections; section->title != NULL; section++) {
        if (!is_wanted(section, names, count))
            continue;
        buf_printf(out, "%s# %s\r\n", out->len > 0 ? "\r\n" : "", section->title);
        for (const struct metric *m = section->metrics; m != NULL && m->name != NULL; m++)
            print_metric(m, x, out);
        if (section->lines != NULL)
            section->lines(x, out);
    }
}
