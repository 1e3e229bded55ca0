// A memtable's way: active, then frozen, then flushed and clean, then gone (memtable/memtable.h).
// This module moves them along; who decides when is commit.c (full), flush.c (wanted, flushed) and
// space.c (a drop has waited long enough).
//
// Freezing goes with a rotation of the log, so that a memtable's records lie in its own segments
// and nowhere else: when it is flushed, the segments before the next one's can go.
//
// Reading asks the newest first. Clean ones come after all the others, newest first among
// themselves, so a hit is the newest record (memtable/clean.c says why that stays true).
//
// Expiry in memory: a memtable knows its records in the order of their expiry; the newest of
// several memtables has the word, so what a newer one hides, by a record or a drop, is taken out of
// the queue. What has expired on disk is left to compaction, and to reads, which hide it.
#include "engine/memtables.h"

#include <string.h>

#include "base/ensure.h"
#include "base/hash.h"
#include "engine/upkeep.h"

unsigned memtables_frozen_max(const struct engine *e)
{
    uint64_t fit = e->options.memory_budget * 3 / 8 / e->options.write_buffer_size;
    return fit > FROZEN_MAX ? FROZEN_MAX : fit > 2 ? (unsigned)fit - 1 : 1;
}

void memtables_trim_clean(struct engine *e)
{
    struct memtables *m = &e->memtables;
    uint64_t budget = e->options.no_clean_rows ? 0 : e->options.memory_budget * 3 / 8;
    uint64_t taken = e->options.write_buffer_size + e->options.write_buffer_size / 4;
    for (unsigned i = 0; i < m->frozen_count; i++)
        taken += memtable_bytes(m->frozen[i]);
    clean_trim(&m->clean, budget > taken ? budget - taken : 0);
}

void memtables_freeze_replayed(struct engine *e, uint64_t segment)
{
    struct memtables *m = &e->memtables;
    ENSURE(m->frozen_count < FROZEN_MAX);
    memtable_freeze(m->active);
    m->frozen[m->frozen_count++] = m->active;
    m->active = memtable_new(e->options.counted_prefix, segment);
    e->space.covers = 0;
}

int memtables_freeze(struct engine *e)
{
    struct memtables *m = &e->memtables;
    uint64_t segment;
    if (memtable_last_seq(m->active) == 0)
        return OK;
    int status = m->frozen_count >= memtables_frozen_max(e) ? WAIT : wal_rotate(e->wal, &segment);
    if (status != OK)
        return status;
    memtables_freeze_replayed(e, segment);
    memtables_trim_clean(e);
    e->commit.group_open = false;
    upkeep_mark(e, CHANGED_MEMTABLES);
    return OK;
}

static struct memtable *take_oldest(struct memtables *m)
{
    struct memtable *oldest = m->frozen[0];
    ENSURE(m->frozen_count > 0);
    m->frozen_count--;
    memmove(m->frozen, m->frozen + 1, m->frozen_count * sizeof(struct memtable *));
    return oldest;
}

void memtables_retire_oldest(struct engine *e)
{
    clean_add(&e->memtables.clean, take_oldest(&e->memtables));
    memtables_trim_clean(e);
    upkeep_mark(e, CHANGED_MEMTABLES);
}

void memtables_drop_oldest(struct engine *e)
{
    memtable_unref(take_oldest(&e->memtables));
}

int memtables_get_at(
    const struct engine *e, struct slice key, uint64_t hash, uint64_t max_seq, struct entry *out)
{
    const struct memtables *m = &e->memtables;
    int status = memtable_get(m->active, key, hash, max_seq, out);
    for (unsigned i = m->frozen_count; i > 0 && status == NOT_FOUND; i--)
        status = memtable_get(m->frozen[i - 1], key, hash, max_seq, out);
    return status;
}

int memtables_get(const struct engine *e, struct slice key, uint64_t hash, struct entry *out)
{
    int status = memtables_get_at(e, key, hash, SEQ_MAX, out);
    return status == NOT_FOUND ? clean_get(&e->memtables.clean, key, hash, out) : status;
}

uint64_t memtables_frozen_seq(const struct engine *e)
{
    const struct memtables *m = &e->memtables;
    return m->frozen_count > 0 ? memtable_last_seq(m->frozen[m->frozen_count - 1])
                               : e->version->last_seq;
}

// --- Expiry --------------------------------------------------------------------------------------

// Whether a memtable newer than frozen[i] says something about key.
static bool is_hidden(const struct engine *e, unsigned i, struct slice key, uint64_t seq)
{
    const struct memtables *m = &e->memtables;
    uint64_t hash = hash64(key);
    struct entry newer;
    for (unsigned j = i + 1; j <= m->frozen_count; j++) {
        const struct memtable *table = j == m->frozen_count ? m->active : m->frozen[j];
        if (memtable_get(table, key, hash, SEQ_MAX, &newer) == OK ||
            memtable_dropped(table, key, seq))
            return true;
    }
    return false;
}

int engine_next_expired(struct engine *e, int64_t now_ms, struct slice *key)
{
    struct memtables *m = &e->memtables;
    uint64_t seq;
    if (memtable_next_expired(m->active, now_ms, key, &seq) == OK)
        return OK;
    for (unsigned i = m->frozen_count; i > 0; i--) {
        while (memtable_next_expired(m->frozen[i - 1], now_ms, key, &seq) == OK) {
            if (!is_hidden(e, i - 1, *key, seq))
                return OK;
            memtable_skip_expired(m->frozen[i - 1]);
        }
    }
    return NOT_FOUND;
}

void memtables_release(struct engine *e)
{
    struct memtables *m = &e->memtables;
    if (m->active != NULL)
        memtable_unref(m->active);
    for (unsigned i = 0; i < m->frozen_count; i++)
        memtable_unref(m->frozen[i]);
    clean_trim(&m->clean, 0);
}
