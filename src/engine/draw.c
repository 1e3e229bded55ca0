// draw: a key at random, each that is there as likely as any other.
//
// Each live key has exactly one newest record, in the staged writes, a memtable or a table. So a
// record is drawn evenly out of all there are: first the source, by how many records it may hold in
// the range, then one of its records. If that is the newest of its key, and alive, the key is the
// answer; else all is drawn again. No place is drawn again by itself after a miss, since that would
// favour the neighbours of what is gone: a miss begins with the source.
//
// How many records a source has in the range. Of staged writes and memtables, their places count,
// empty ones and other databases' too: a miss there costs next to nothing. Of a table, all its
// records count until its index has told how many lie in the range; once it has, the draw that
// asked stands by the chance of the lower number, and goes on to the next otherwise.
//
// Bounds. A draw in memory costs two waits for memory, so many are made; a draw from a table may
// cost a read, so few are. What most draws hit is dead where nearly everything is deleted and not
// compacted yet, or where the range is tiny; then the answer is NOT_FOUND, and the last key drawn
// is a place from which the caller may walk.
//
// WAIT. The seed is the caller's, and the same in each attempt: so are the draws, as long as
// nothing changes, and an attempt finds the blocks that the one before has fetched. A memtable that
// grows meanwhile moves the bounds between sources by little, and it stands last.
#include "base/alloc.h"
#include "base/hash.h"
#include "base/random.h"
#include "engine/txn.h"

enum { DRAWS_MAX = 4096, TABLE_DRAWS_MAX = 48 };

enum source_kind { SOURCE_TABLE, SOURCE_MEMTABLE, SOURCE_BATCH };

struct source {
    enum source_kind kind;
    const struct memtable *memtable;
    struct table_part part;
    uint64_t weight;
};

struct draw {
    struct txn *txn;
    struct slice lower, upper;
    int64_t now_ms;
    struct random random;
    struct source *sources;
    uint32_t count, cap;
    uint64_t total; // of the weights
    unsigned table_draws;
    struct buf key; // what a table's entry borrows from
};

// --- Sources -------------------------------------------------------------------------------------

static void add_source(struct draw *d, struct source source)
{
    if (source.weight == 0)
        return;
    if (d->count == d->cap) {
        d->cap = d->cap == 0 ? 32 : d->cap * 2;
        d->sources = xrealloc(d->sources, d->cap * sizeof *d->sources);
    }
    d->sources[d->count++] = source;
    d->total += source.weight;
}

static bool in_range(const struct draw *d, struct slice key)
{
    return slice_compare(key, d->lower) >= 0 && slice_compare(key, d->upper) < 0;
}

// Deepest first: what changes most stands last.
static void add_tables(struct draw *d, const struct version *v)
{
    for (unsigned l = ENGINE_LEVELS; l-- > 0;) {
        const struct level *level = &v->levels[l];
        for (uint32_t i = l > 0 ? version_find(level, d->lower) : 0; i < level->count; i++) {
            struct table *t = level->tables[i];
            bool behind = slice_compare(t->meta.smallest, d->upper) >= 0;
            if (behind && l > 0)
                break;
            if (!behind && slice_compare(t->meta.largest, d->lower) >= 0)
                add_source(d, (struct source){.part = {.table = t, .entries = t->meta.entries},
                                  .weight = t->meta.entries});
        }
    }
}

static void add_memtable(struct draw *d, const struct memtable *m)
{
    add_source(
        d, (struct source){.kind = SOURCE_MEMTABLE, .memtable = m, .weight = memtable_places(m)});
}

static void add_sources(struct draw *d)
{
    const struct engine *e = d->txn->engine;
    add_tables(d, e->version);
    for (unsigned i = 0; i < e->memtables.frozen_count; i++)
        add_memtable(d, e->memtables.frozen[i]);
    add_memtable(d, e->memtables.active);
    add_source(d, (struct source){.kind = SOURCE_BATCH, .weight = d->txn->batch.count});
}

static struct source *draw_source(struct draw *d)
{
    uint64_t at = random_below(&d->random, d->total);
    uint32_t i = 0;
    while (at >= d->sources[i].weight)
        at -= d->sources[i++].weight;
    return &d->sources[i];
}

// --- Records -------------------------------------------------------------------------------------

// The index has been asked: the draw stands by the chance of the new weight to the old.
static bool weigh_again(struct draw *d, struct source *s)
{
    uint64_t old = s->weight, now = s->part.entries < old ? s->part.entries : old;
    bool stands = random_below(&d->random, old) < now;
    s->weight = now;
    d->total -= old - now;
    return stands;
}

static int draw_from_table(struct draw *d, struct source *s, struct entry *out)
{
    struct block_source *blocks = &d->txn->fetch.source;
    struct error err;
    int status = OK;
    if (!s->part.known) {
        status = table_part_find(blocks, &s->part, d->lower, d->upper, &err);
        if (status == OK && !weigh_again(d, s))
            return NOT_FOUND;
    }
    if (status == OK) {
        d->table_draws++;
        status = table_draw(blocks, &s->part, &d->random, &d->key, out, &err);
    }
    if (status < 0)
        log_line(d->txn->engine->logger, LOG_WARNING, "a key could not be drawn: %s", err.text);
    return status;
}

// The batch's last word on a key is what counts.
static int draw_from_batch(struct draw *d, struct entry *out)
{
    struct batch *b = &d->txn->batch;
    struct entry last;
    batch_at(b, (uint32_t)random_below(&d->random, b->count), out);
    if (entry_kind(out) != RECORD_PUT || batch_get(b, out->key, &last) != OK ||
        last.key.data != out->key.data)
        return NOT_FOUND;
    out->seq = 0;
    return OK;
}

static int draw_record(struct draw *d, struct source *s, struct entry *out)
{
    switch (s->kind) {
    case SOURCE_TABLE:
        return draw_from_table(d, s, out);
    case SOURCE_MEMTABLE:
        return memtable_at(s->memtable, random_below(&d->random, s->weight), out);
    case SOURCE_BATCH:
        break;
    }
    return draw_from_batch(d, out);
}

// Whether the record is the newest of its key, and alive: OK or NOT_FOUND; or WAIT or a failure.
static int judge(struct draw *d, const struct entry *e)
{
    struct fact fact;
    if (entry_kind(e) != RECORD_PUT || (e->expire_ms != 0 && e->expire_ms < d->now_ms))
        return NOT_FOUND;
    int status = txn_get_fact(d->txn, e->key, &fact);
    return status == OK && fact.seq != e->seq ? NOT_FOUND : status;
}

static int draw_one(struct draw *d, struct buf *out)
{
    struct entry e;
    int status = draw_record(d, draw_source(d), &e);
    if (status != OK)
        return status;
    if (!in_range(d, e.key))
        return NOT_FOUND;
    buf_clear(out);
    buf_append_slice(out, e.key);
    return judge(d, &e);
}

int txn_draw(struct txn *t, const struct draw_options *options, struct buf *out)
{
    struct draw d = {.txn = t,
        .lower = options->lower,
        .upper = options->upper,
        .now_ms = options->now_ms,
        .random = {options->seed}};
    int status = NOT_FOUND;
    buf_clear(out);
    add_sources(&d);
    for (unsigned i = 0;
         i < DRAWS_MAX && status == NOT_FOUND && d.total > 0 && d.table_draws < TABLE_DRAWS_MAX;
         i++)
        status = draw_one(&d, out);
    txn_saw(t, t->engine->last_seq); // what is not there was looked for, too
    buf_release(&d.key);
    free(d.sources);
    return status;
}
