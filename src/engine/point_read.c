// Down the levels for one key: all tables of level 0 that may hold it, newest first, then one of
// each level below. The first that knows the key has its newest record.
//
// What is not in memory is noted, and the read goes on, as long as that is of use: a table whose
// filter is missing mostly does not have the key, so those below it are asked for theirs too, and
// all come in together. A missing data block ends the read: its filter has said yes.
//
// Mostly all filters but the last say no, each after waiting for memory: so a few tables are looked
// up, and their filters asked for, before the first is read.
#include "engine/point_read.h"

#include "base/hash.h"
#include "engine/memtables.h"

enum { TABLES_AHEAD = 8 };

static bool has_meta(const struct table *t)
{
    return t->loop.index_block != NULL && (t->meta.filter.len == 0 || t->loop.filter_block != NULL);
}

// The tables that a key may be in, newest first.
struct candidates {
    const struct version *version;
    struct slice key;
    uint32_t next0; // of level 0
    unsigned level; // next
};

static struct table *next_candidate(struct candidates *c)
{
    const struct level *levels = c->version->levels;
    while (c->next0 < levels[0].count) {
        struct table *t = levels[0].tables[c->next0++];
        if (slice_compare(c->key, t->meta.smallest) >= 0 &&
            slice_compare(c->key, t->meta.largest) <= 0)
            return t;
    }
    while (c->level < ENGINE_LEVELS) {
        const struct level *l = &levels[c->level++];
        uint32_t i = l->count > 0 ? version_find(l, c->key) : 0;
        if (i < l->count && slice_compare(c->key, l->tables[i]->meta.smallest) >= 0)
            return l->tables[i];
    }
    return NULL;
}

// Has what a read of the table would miss noted, and reads nothing.
static void want_meta(struct block_source *source, struct table *t)
{
    if (t->meta.filter.len > 0 && t->loop.filter_block == NULL)
        source->want(source, t, t->meta.filter);
    if (t->loop.index_block == NULL)
        source->want(source, t, t->meta.index);
}

// What was found among what is left of a table, or not: it tells something only if it is newer than
// what is lost.
static int judge_damage(struct engine *e, struct fetch *fetch, struct slice key, int status,
    const struct entry *found, struct block_ref *ref, struct error *err)
{
    uint64_t lost = damage_set_find(&e->version->damages, key);
    if (lost == 0 || (status != OK && status != NOT_FOUND) || (status == OK && found->seq > lost))
        return status;
    if (status == OK)
        fetch->source.put(&fetch->source, ref);
    return error_set(err, CORRUPT, NULL, 0, 0, "a block that may have held the key is lost");
}

static int read_levels(struct engine *e, struct fetch *fetch, struct slice key, uint64_t hash,
    uint64_t max_seq, struct entry *out, struct block_ref *ref, struct error *err)
{
    struct candidates candidates = {e->version, key, 0, 1};
    struct table *tables[TABLES_AHEAD];
    bool waits = false; // for some table's filter or index: the others are only asked for theirs
    for (;;) {
        unsigned count = 0;
        while (count < TABLES_AHEAD && (tables[count] = next_candidate(&candidates)) != NULL)
            table_prefetch(tables[count++], hash);
        if (count == 0)
            return waits ? WAIT : NOT_FOUND;
        for (unsigned i = 0; i < count; i++) {
            if (waits) {
                want_meta(&fetch->source, tables[i]);
                continue;
            }
            int status =
                table_get(&fetch->source, tables[i], key, hash, max_seq, out, ref, &e->stats, err);
            waits = status == WAIT && !has_meta(tables[i]);
            if (status != NOT_FOUND && !waits)
                return status;
        }
    }
}

int point_read(struct engine *e, struct fetch *fetch, struct slice key, uint64_t hash,
    uint64_t max_seq, struct entry *out, struct block_ref *ref, struct error *err)
{
    int status = read_levels(e, fetch, key, hash, max_seq, out, ref, err);
    return e->version->damages.count == 0 ? status
                                          : judge_damage(e, fetch, key, status, out, ref, err);
}

void engine_prefetch(struct engine *e, struct slice key)
{
    struct fetch fetch;
    struct entry entry;
    struct block_ref ref;
    uint64_t hash = hash64(key);
    if (memtables_get(e, key, hash, &entry) == OK || pins_find(&e->pins, key, hash) != NULL)
        return;
    fetch_init(&fetch, e->fetcher);
    if (point_read(e, &fetch, key, hash, SEQ_MAX, &entry, &ref, NULL) == OK)
        fetch.source.put(&fetch.source, &ref);
    fetch_prefetch(&fetch);
    fetch_free(&fetch);
}
