// The contract of entry.h, of every kind of cursor: with waits it shows what a sorted array shows,
// whether the call that waits is repeated or given up for a seek, and whatever the cache keeps.
//
// One model is split into parts, each of which is given to the cursor of one kind; merges take them
// all. The parts' blocks come from a source that is as forgetful as can be: what a call was told to
// wait for is there for the next attempt, and only for that. So a call that went back to a block
// that it has had would never end; and the source counts.
#include <signal.h>

#include "tests/engine/model_cursor.h"
#include "tests/engine/table/model_table.h"

#include "engine/memtable/memtable.h"
#include "engine/record/batch.h"
#include "engine/record/merge.h"

enum part { PART_TABLE, PART_LEVEL, PART_MEMTABLE, PART_MODEL, PART_BATCH, PARTS };
enum { ENTRIES = 1600, STAGED = 60, TABLES_MAX = 6, ASKED_MAX = 1000 };

// --- The source ----------------------------------------------------------------------------------

struct asked {
    const struct table *table;
    uint64_t offset;
};

struct asked_list {
    struct asked items[ASKED_MAX];
    size_t count;
};

struct forgetful_source {
    struct block_source source;
    struct block_source *below;
    struct random *random; // not NULL: of some blocks, a copy is in memory by chance
    struct asked_list noted, arrived;
    struct asked_list got; // by the present call
    size_t most_got;       // how often the present call has got the same block, at most
    int held;
};

static void asked_add(struct asked_list *list, struct table *t, uint64_t offset)
{
    cr_assert_lt(list->count, ASKED_MAX);
    list->items[list->count++] = (struct asked){t, offset};
}

static size_t asked_times(const struct asked_list *list, const struct table *t, uint64_t offset)
{
    size_t times = 0;
    for (size_t i = 0; i < list->count; i++)
        times += list->items[i].table == t && list->items[i].offset == offset;
    return times;
}

static int forgetful_get(struct block_source *source, struct table *t, struct handle h,
    struct block_ref *out, struct error *err)
{
    struct forgetful_source *s = (struct forgetful_source *)(void *)source;
    bool lucky = s->random != NULL && random_below(s->random, 3) == 0;
    if (!lucky && asked_times(&s->arrived, t, h.offset) == 0) {
        asked_add(&s->noted, t, h.offset);
        return WAIT;
    }
    asked_add(&s->got, t, h.offset);
    size_t times = asked_times(&s->got, t, h.offset);
    if (times > s->most_got)
        s->most_got = times;
    s->held++;
    return s->below->get(s->below, t, h, out, err);
}

static void forgetful_put(struct block_source *source, struct block_ref *ref)
{
    struct forgetful_source *s = (struct forgetful_source *)(void *)source;
    s->held--;
    s->below->put(s->below, ref);
}

// What was noted arrives; what arrived before is evicted.
static void forgetful_fetch(void *arg)
{
    struct forgetful_source *s = arg;
    s->arrived = s->noted;
    s->noted.count = 0;
}

static void forgetful_new_call(struct forgetful_source *s)
{
    s->got.count = s->most_got = 0;
}

// --- The world -----------------------------------------------------------------------------------

struct world {
    struct random random;
    struct sim_env *env;
    struct forgetful_source source;
    struct error err;
    struct model all; // owns the entries that the parts borrow
    struct model parts[PARTS];
    struct table *tables[TABLES_MAX + 1]; // the first is PART_TABLE
    uint32_t table_count;
    struct memtable *memtable;
    struct batch batch;
};

// As what a transaction stages: newer than everything, one entry a key, no flags.
static void add_staged(struct world *w)
{
    struct model *m = &w->all;
    size_t committed = m->count;
    m->entries = xrealloc(m->entries, (m->count + STAGED + 1) * sizeof *m->entries);
    for (int i = 0; i < STAGED; i++) {
        struct entry e = {.key = model_copy(m->entries[random_below(&w->random, committed)].key),
            .value = model_copy(slice_cstr("staged")),
            .seq = SEQ_MAX,
            .tag = RECORD_PUT};
        if (random_below(&w->random, 4) == 0) {
            e.tag = RECORD_DELETE;
            e.value.len = 0;
        }
        bool taken = false;
        for (size_t k = committed; k < m->count; k++)
            taken = taken || slice_equal(m->entries[k].key, e.key);
        if (taken) {
            free((void *)(uintptr_t)e.key.data);
            free((void *)(uintptr_t)e.value.data);
        } else {
            m->entries[m->count++] = e;
        }
    }
    qsort(m->entries, m->count, sizeof *m->entries, model_compare);
}

static void split(struct world *w)
{
    for (int p = 0; p < PARTS; p++)
        w->parts[p].entries = xcalloc(w->all.count + 1, sizeof(struct entry));
    for (size_t i = 0; i < w->all.count; i++) {
        const struct entry *e = &w->all.entries[i];
        struct model *part =
            &w->parts[e->seq == SEQ_MAX ? PART_BATCH : random_below(&w->random, PART_BATCH)];
        part->entries[part->count++] = *e;
    }
}

static void write_tables(struct world *w)
{
    struct table_builder_options options = model_table_options(w->env, 1);
    const struct model *level = &w->parts[PART_LEVEL];
    w->tables[0] = model_table(&options, &w->parts[PART_TABLE], 0, w->parts[PART_TABLE].count);
    w->table_count = 1;
    for (size_t from = 0; from < level->count;) {
        bool last = w->table_count == TABLES_MAX;
        size_t to = last ? level->count : from + 1 + random_below(&w->random, level->count - from);
        while (to < level->count && slice_equal(level->entries[to - 1].key, level->entries[to].key))
            to++;
        options.number = w->table_count + 1;
        w->tables[w->table_count++] = model_table(&options, level, from, to);
        from = to;
    }
}

static int order_by_seq(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

// Applies the entries of a part as a memtable gets them: those with seq in (from, to].
static void apply(struct memtable *m, const struct model *part, uint64_t from, uint64_t to)
{
    struct entry *by_seq = xcalloc(part->count + 1, sizeof *by_seq);
    memcpy(by_seq, part->entries, part->count * sizeof *by_seq);
    qsort(by_seq, part->count, sizeof *by_seq, order_by_seq);
    for (size_t i = 0; i < part->count; i++)
        if (by_seq[i].seq > from && by_seq[i].seq <= to)
            memtable_apply(m, &by_seq[i], hash64(by_seq[i].key), SEQ_MAX, NULL, NULL);
    free(by_seq);
}

static void world_open(struct world *w, uint64_t seed, bool lucky)
{
    *w = (struct world){.random = {seed}, .env = sim_env_new(seed)};
    w->all = model_random(&w->random, ENTRIES, 40, 300);
    add_staged(w);
    split(w);
    write_tables(w);
    w->memtable = memtable_new(NULL, 1);
    apply(w->memtable, &w->parts[PART_MEMTABLE], 0, SEQ_MAX);
    for (size_t i = 0; i < w->parts[PART_BATCH].count; i++) {
        const struct entry *e = &w->parts[PART_BATCH].entries[i];
        if (entry_kind(e) == RECORD_PUT)
            batch_put(&w->batch, e->key, e->value, slice_cstr(""), 0);
        else
            batch_delete(&w->batch, e->key);
    }
    w->source.source = (struct block_source){.get = forgetful_get, .put = forgetful_put};
    w->source.below = table_scan_new(sim_env_env(w->env), ".", 4096, MODEL_MAX_BLOCK);
    w->source.random = lucky ? &w->random : NULL;
}

static void world_close(struct world *w)
{
    cr_assert_eq(w->source.held, 0);
    table_scan_free(w->source.below, NULL);
    for (uint32_t i = 0; i < w->table_count; i++)
        table_unref(w->tables[i]);
    memtable_unref(w->memtable);
    batch_release(&w->batch);
    for (int p = 0; p < PARTS; p++)
        free(w->parts[p].entries);
    model_release(&w->all);
    sim_env_free(w->env);
}

static struct cursor *part_cursor(struct world *w, enum part part)
{
    struct block_source *source = &w->source.source;
    switch (part) {
    case PART_TABLE:
        return table_cursor(source, w->tables[0], &w->err);
    case PART_LEVEL:
        return level_cursor(source, w->tables + 1, w->table_count - 1, &w->err);
    case PART_MEMTABLE:
        return memtable_cursor(w->memtable, SEQ_MAX);
    case PART_BATCH:
        return batch_cursor(&w->batch);
    default:
        return model_cursor_new(&w->parts[PART_MODEL], &w->random);
    }
}

static struct cursor *flat_merge(struct world *w)
{
    struct cursor *all[PARTS];
    for (int p = 0; p < PARTS; p++)
        all[p] = part_cursor(w, (enum part)p);
    return merge_cursor(all, PARTS);
}

static struct cursor *nested_merge(struct world *w)
{
    struct cursor *inner[] = {
        part_cursor(w, PART_LEVEL), part_cursor(w, PART_MEMTABLE), part_cursor(w, PART_MODEL)};
    struct cursor *outer[] = {
        merge_cursor(inner, 3), part_cursor(w, PART_TABLE), part_cursor(w, PART_BATCH)};
    return merge_cursor(outer, 3);
}

// --- Walking -------------------------------------------------------------------------------------

// again_max: how often one call may get the same block. What a cursor of tables has had it holds,
// or is done with. A merge turns around by a seek and a step, which may lead back over a block.
static void walk(struct world *w, struct cursor *c, const struct model *m, bool gives_up,
    bool waits, size_t again_max)
{
    struct model_walk walk = {.cursor = c,
        .model = m,
        .on_wait = forgetful_fetch,
        .arg = &w->source,
        .gives_up = gives_up ? &w->random : NULL,
        .at = SIZE_MAX};
    for (int i = 0; i < 1200; i++) {
        forgetful_new_call(&w->source);
        model_walk_step(&walk, &w->random);
        cr_assert_leq(w->source.most_got, again_max);
    }
    cr_assert_eq(walk.waits > 0, waits);
    c->ops->close(c);
}

static void walk_all(uint64_t seed, bool gives_up)
{
    static const bool waits[PARTS] = {true, true, true, true, false};
    for (int round = 0; round < 4; round++) {
        static struct world w;
        world_open(&w, seed + (uint64_t)round, round % 2);
        for (int p = 0; p < PARTS; p++)
            walk(&w, part_cursor(&w, (enum part)p), &w.parts[p], gives_up, waits[p], 1);
        walk(&w, flat_merge(&w), &w.all, gives_up, true, 3);
        walk(&w, nested_merge(&w), &w.all, gives_up, true, 3);
        world_close(&w);
    }
}

Test(cursors, a_call_that_is_repeated_gets_to_its_entry)
{
    walk_all(1, false);
}

Test(cursors, a_seek_gives_up_what_waits)
{
    walk_all(100, true);
}

// Records arrive while a cursor stands: its next call waits until they are in order, and goes on
// from where it stood.
Test(cursors, a_memtable_that_grows_makes_its_cursor_wait_in_every_call)
{
    for (uint64_t seed = 200; seed < 206; seed++) {
        static struct world w;
        world_open(&w, seed, false);
        const struct model *m = &w.parts[PART_MODEL];
        struct memtable *grows = memtable_new(NULL, 1);
        struct model part = {xcalloc(m->count + 1, sizeof(struct entry)), 0};
        struct model_walk walk = {.cursor = memtable_cursor(grows, SEQ_MAX),
            .model = &part,
            .gives_up = seed % 2 ? &w.random : NULL,
            .at = SIZE_MAX};
        for (uint64_t from = 0, to = 64; from < SEQ_MAX / 4; from = to, to *= 16) {
            apply(grows, m, from, to);
            struct entry at = walk.at != SIZE_MAX ? part.entries[walk.at] : (struct entry){0};
            part.count = 0;
            for (size_t i = 0; i < m->count; i++)
                if (m->entries[i].seq <= to)
                    part.entries[part.count++] = m->entries[i];
            if (walk.at != SIZE_MAX)
                walk.at = model_find(&part, at.key, at.seq);
            for (int i = 0; i < 200; i++)
                model_walk_step(&walk, &w.random);
        }
        cr_assert_eq(part.count, m->count);
        walk.cursor->ops->close(walk.cursor);
        memtable_unref(grows);
        free(part.entries);
        world_close(&w);
    }
}

// --- Mistakes ------------------------------------------------------------------------------------

// Goes on by next until that waits.
static void wait_in_next(struct world *w, struct cursor *c)
{
    int status;
    while ((status = c->ops->seek(c, slice_cstr(""), SEQ_MAX)) == WAIT)
        forgetful_fetch(&w->source);
    while (status == OK)
        status = c->ops->next(c);
    cr_assert_eq(status, WAIT);
}

Test(cursors, prev_in_place_of_next_that_waits_is_a_mistake_in_a_table, .signal = SIGABRT)
{
    static struct world w;
    world_open(&w, 300, false);
    struct cursor *c = part_cursor(&w, PART_TABLE);
    wait_in_next(&w, c);
    c->ops->prev(c);
}

Test(cursors, prev_in_place_of_next_that_waits_is_a_mistake_in_a_merge, .signal = SIGABRT)
{
    static struct world w;
    world_open(&w, 301, false);
    struct cursor *c = flat_merge(&w);
    wait_in_next(&w, c);
    c->ops->prev(c);
}

Test(cursors, next_in_place_of_a_seek_that_waits_is_a_mistake, .signal = SIGABRT)
{
    static struct world w;
    world_open(&w, 302, false);
    struct cursor *c = part_cursor(&w, PART_LEVEL);
    cr_assert_eq(c->ops->seek(c, slice_cstr(""), SEQ_MAX), WAIT);
    c->ops->next(c);
}

Test(cursors, a_step_after_the_end_is_a_mistake, .signal = SIGABRT)
{
    static struct world w;
    world_open(&w, 303, true);
    struct cursor *c = part_cursor(&w, PART_TABLE);
    int status;
    while ((status = c->ops->seek_last(c)) == WAIT)
        forgetful_fetch(&w.source);
    cr_assert_eq(status, OK);
    cr_assert_eq(c->ops->next(c), END);
    c->ops->prev(c);
}
