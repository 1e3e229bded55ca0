// engine_get_stats: the counters that modules keep as they go, and what is asked for at the moment.
// Cheap enough for every INFO; nothing here walks data, only lists of tables.
#include <stdio.h>

#include "engine/space.h"
#include "engine/state.h"

static void level_stats(const struct version *v, struct engine_stats *out)
{
    uint64_t meta = 0;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        const struct level *level = &v->levels[l];
        out->levels[l].files = level->count;
        out->levels[l].bytes = level->bytes;
        out->levels[l].entries = 0;
        for (uint32_t i = 0; i < level->count; i++) {
            const struct table *t = level->tables[i];
            out->levels[l].entries += t->meta.entries;
            meta += sizeof *t + sizeof t + t->meta.smallest.len + t->meta.largest.len;
        }
    }
    out->table_meta_bytes = meta;
}

static void memtable_stats(const struct memtables *m, struct engine_stats *out)
{
    out->memtable_count = m->frozen_count + 1;
    out->memtable_bytes = memtable_bytes(m->active);
    out->memtable_entries = memtable_entries(m->active);
    for (unsigned i = 0; i < m->frozen_count; i++) {
        out->memtable_bytes += memtable_bytes(m->frozen[i]);
        out->memtable_entries += memtable_entries(m->frozen[i]);
    }
}

static void log_stats(const struct engine *e, struct engine_stats *out)
{
    struct wal_stats log;
    wal_get_stats(e->wal, &log);
    out->log_segments = log.segments;
    out->log_bytes = log.bytes;
    out->log_written_bytes = log.written_bytes;
    out->log_writes = log.writes;
    out->log_syncs = log.syncs;
    out->log_sync_us_total = log.sync_us_total;
    out->log_sync_us_max = log.sync_us_max;
    out->last_seq = e->last_seq;
    out->durable_seq = wal_durable_seq(e->wal);
}

// A key with what does not print as \xHH, cut off to fit.
static size_t show_key(struct slice key, char *out, size_t room)
{
    size_t len = 0;
    for (size_t i = 0; i < key.len && len + 5 <= room; i++) {
        bool prints =
            key.data[i] > ' ' && key.data[i] < 0x7f && strchr("\\,=", key.data[i]) == NULL;
        len += (size_t)snprintf(out + len, room - len, prints ? "%c" : "\\x%02x", key.data[i]);
    }
    return len;
}

static void damage_stats(const struct damage_set *damages, struct engine_stats *out)
{
    enum { KEY_ROOM = STATS_DAMAGE_SIZE / 2 - 16 };
    out->damaged_ranges = damages->count;
    for (uint32_t i = 0; i < damages->count && i < STATS_DAMAGES; i++) {
        const struct damage *d = &damages->items[i];
        char *text = out->damages[i];
        size_t len = (size_t)snprintf(text, STATS_DAMAGE_SIZE, "from=");
        len += show_key(d->from, text + len, KEY_ROOM);
        len += (size_t)snprintf(text + len, STATS_DAMAGE_SIZE - len, ",to=");
        show_key(d->to, text + len, KEY_ROOM);
    }
}

void engine_get_stats(const struct engine *e, struct engine_stats *out)
{
    *out = e->stats;
    level_stats(e->version, out);
    memtable_stats(&e->memtables, out);
    log_stats(e, out);
    out->memory_budget = e->options.memory_budget;
    out->clean_bytes = e->memtables.clean.bytes;
    out->clean_count = e->memtables.clean.count;
    out->cache_bytes = cache_bytes(e->cache);
    out->cache_capacity = e->options.memory_budget / ENGINE_CACHE_SHARE;
    out->pinned_bytes = cache_pinned_bytes(e->cache) + e->pins.bytes;
    out->compaction_debt = e->pace.debt;
    damage_stats(&e->version->damages, out);
    out->hidden_bytes = space_hidden(e);
    out->keys_in_doubt = 0;
    for (uint32_t i = 0; i < e->counts.cap; i++)
        out->keys_in_doubt += e->counts.slots[i].in_doubt;
    for (uint32_t i = 0; i < e->corrections.cap; i++)
        out->keys_in_doubt += e->corrections.slots[i].in_doubt;
}
