// Expiry in memory. A memtable knows its records in the order of their expiry; here the newest of
// several memtables has the word: what a newer one hides, by a record or a drop, has no say any
// more and is taken out of the queue. Loop.
//
// What has expired on disk is left to compaction, and to reads, which hide it.
#include "base/hash.h"
#include "engine/state.h"

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
