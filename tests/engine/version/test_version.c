#include <time.h>

#include <time.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "engine/format.h"
#include "tests/engine/table/fake_table.h"

static struct version_edit random_edit(struct random *r)
{
    struct version_edit e = {
        .next_file = random_next(r) >> 20, .last_seq = random_below(r, 2) * random_next(r)};
    e.log_start = random_below(r, 1000);
    for (uint64_t i = random_below(r, 4); i > 0; i--) {
        char low[16], high[16];
        random_key(r, low);
        random_key(r, high);
        bool ordered = strcmp(low, high) <= 0;
        struct table *t = fake_table(
            1 + random_below(r, 1000), ordered ? low : high, ordered ? high : low, i, 10 * i);
        t->meta.in_doubt = random_below(r, 50);
        t->meta.expire_min = (int64_t)random_below(r, 1000);
        t->meta.expire_max = t->meta.expire_min + (int64_t)random_below(r, 1000);
        t->meta.clean_seq = random_next(r);
        edit_add_fake(&e, (unsigned)random_below(r, ENGINE_LEVELS), t);
    }
    for (uint64_t i = random_below(r, 4); i > 0; i--)
        version_edit_remove(&e, (unsigned)random_below(r, ENGINE_LEVELS), random_below(r, 1000));
    for (uint64_t i = random_below(r, 3); i > 0; i--) {
        drop_set_add(&e.drops, slice_cstr("prefix"), random_next(r));
        drop_set_add(&e.drops_done, slice_cstr(""), i);
        damage_set_add(&e.damages, slice_cstr("a"), slice_cstr("b"), 1 + i);
        damage_set_add(&e.damages_done, slice_cstr(""), slice_cstr("b"), 1 + i);
        version_edit_add_log_end(&e, (struct log_end){i, random_next(r), i + 5});
        counts_add(
            &e.counts, slice_of(&i, 1 + random_below(r, 7)), -(int64_t)random_below(r, 1000), 7);
    }
    return e;
}

Test(version, edits_survive_their_encoding)
{
    struct random r = {1};
    for (int round = 0; round < 500; round++) {
        struct version_edit e = random_edit(&r), back;
        struct buf once = {0}, twice = {0};
        struct error err = {0};
        version_edit_encode(&e, &once);
        cr_assert_eq(version_edit_decode(&back, buf_slice(&once), &err), OK, "%s", err.text);
        version_edit_encode(&back, &twice);
        cr_assert_eq(once.len, twice.len);
        cr_assert_eq(back.added_count, e.added_count);
        cr_assert_eq(back.drops.count, e.drops.count);
        cr_assert_eq(back.damages.count, e.damages.count);
        cr_assert_eq(back.damages_done.count, e.damages_done.count);
        for (uint32_t i = 0; i < e.added_count; i++) {
            cr_assert_eq(back.added[i].level, e.added[i].level);
            cr_assert_eq(back.added[i].table->meta.clean_seq, e.added[i].table->meta.clean_seq);
            cr_assert(
                slice_equal(back.added[i].table->meta.largest, e.added[i].table->meta.largest));
        }
        for (uint32_t i = 0; i < e.counts.cap; i++) {
            const struct count *c = counts_find(&back.counts, e.counts.slots[i].prefix);
            cr_assert_eq(c != NULL ? c->live : 0, e.counts.slots[i].live);
            cr_assert_eq(c != NULL ? c->in_doubt : 0, e.counts.slots[i].in_doubt);
        }
        version_edit_release(&e);
        version_edit_release(&back);
        buf_release(&once);
        buf_release(&twice);
    }
}

Test(version, damaged_edits_are_errors_and_nothing_worse)
{
    struct random r = {2};
    int refused = 0;
    for (int round = 0; round < 3000; round++) {
        struct version_edit e = random_edit(&r), back;
        struct buf bytes = {0};
        version_edit_encode(&e, &bytes);
        size_t len = random_below(&r, bytes.len + 1);
        uint8_t *exact = xmalloc(len + 1); // its own block, so that a read past the end is seen
        memcpy(exact, bytes.data, len);
        if (len > 0)
            exact[random_below(&r, len)] ^= (uint8_t)(1 << random_below(&r, 8));
        int status = version_edit_decode(&back, slice_of(exact, len), NULL);
        cr_assert(status == OK || status == CORRUPT || status == NEWER_FORMAT);
        refused += status != OK;
        if (status == OK)
            version_edit_release(&back);
        version_edit_release(&e);
        buf_release(&bytes);
        free(exact);
    }
    cr_assert_gt(refused, 500);
}

Test(version, unknown_fields_below_optional_are_a_newer_format)
{
    struct version_edit e;
    const uint8_t needed[] = {EDIT_OPTIONAL - 1, 1, 'x'}, optional[] = {EDIT_OPTIONAL, 1, 'x'};
    cr_assert_eq(version_edit_decode(&e, slice_of(needed, sizeof needed), NULL), NEWER_FORMAT);
    cr_assert_eq(version_edit_decode(&e, slice_of(optional, sizeof optional), NULL), OK);
    version_edit_release(&e);
}

// An edit of version 1 that adds one table, with `values` behind its number.
static struct buf edit_v1(const uint64_t *values, size_t count)
{
    struct buf field = {0}, edit = {0};
    for (size_t i = 0; i < count; i++)
        buf_append_varint(&field, values[i]);
    buf_append_bytes(&field, slice_cstr("aardvark"));
    buf_append_bytes(&field, slice_cstr("zebra"));
    buf_append_varint(&edit, EDIT_ADD_TABLE);
    buf_append_bytes(&edit, buf_slice(&field));
    buf_release(&field);
    return edit;
}

Test(version, tables_of_version_1_are_read)
{
    enum { LEVEL, NUMBER, SIZE, INDEX, INDEX_LEN, FILTER, FILTER_LEN, VALUES = 17 };
    uint64_t values[VALUES] = {
        3, 11, 65536, 60000, 500, 58000, 1984, 100, 3, 2, 17, 3456, 1700, 1800, 9, 99999, 16};
    struct version_edit e;
    struct buf bytes = edit_v1(values, VALUES);
    cr_assert_eq(version_edit_decode(&e, buf_slice(&bytes), NULL), OK);
    const struct table_meta *m = &e.added[0].table->meta;
    cr_assert(e.added_count == 1 && e.added[0].level == 3);
    cr_assert(m->format == 1 && m->number == 11 && m->size == 65536 && m->checksum == 0);
    cr_assert(m->index.offset == 60000 && m->filter.len == 1984 && m->clean_seq == 16);
    cr_assert(m->entries == 100 && m->deletes == 3 && m->in_doubt == 2 && m->expiring == 9);
    cr_assert(m->seq_min == 17 && m->seq_max == 3456 && m->raw_bytes == 99999);
    cr_assert(m->expire_min == 1700 && m->expire_max == 1800);
    cr_assert(slice_equal(m->smallest, slice_cstr("aardvark")));
    cr_assert(slice_equal(m->largest, slice_cstr("zebra")));
    version_edit_release(&e);
    buf_release(&bytes);
    for (int field = LEVEL; field <= FILTER_LEN; field++) {
        uint64_t good = values[field];
        values[field] = field == NUMBER || field == SIZE ? 0 : 1000000;
        bytes = edit_v1(values, VALUES);
        cr_assert_eq(version_edit_decode(&e, buf_slice(&bytes), NULL), CORRUPT, "%d", field);
        values[field] = good;
        buf_release(&bytes);
    }
}

static void refused(struct version *v, struct version_edit *e)
{
    struct version *next;
    struct error err = {0};
    cr_assert_eq(version_apply(v, e, &next, &err), CORRUPT);
    cr_assert_gt(strlen(err.text), 0);
    version_edit_release(e);
}

Test(version, edits_that_do_not_fit_are_refused)
{
    struct version_edit e = {.last_seq = 50};
    edit_add_fake(&e, 1, fake_table(5, "b", "d", 1, 9));
    struct version *v = advance(version_new(), &e);
    edit_add_fake(&e, 1, fake_table(6, "d", "f", 1, 9)); // shares a key with its neighbour
    refused(v, &e);
    edit_add_fake(&e, 2, fake_table(5, "x", "y", 1, 9)); // the number is taken
    refused(v, &e);
    version_edit_remove(&e, 2, 5); // another level
    refused(v, &e);
    version_edit_remove(&e, 1, 5);
    version_edit_remove(&e, 1, 5); // twice
    refused(v, &e);
    e.last_seq = 49;
    refused(v, &e);
    version_unref(v, NULL, NULL);
}

Test(version, a_table_moves_between_levels_with_one_edit)
{
    struct version_edit e = {0};
    edit_add_fake(&e, 1, fake_table(5, "b", "d", 1, 9));
    struct version *v = advance(version_new(), &e);
    version_edit_add(&e, 3, v->levels[1].tables[0]);
    version_edit_remove(&e, 1, 5);
    v = advance(v, &e);
    cr_assert_eq(v->levels[1].count, 0);
    cr_assert_eq(v->levels[3].count, 1);
    cr_assert_eq(v->levels[3].bytes, 10000);
    version_unref(v, NULL, NULL);
}

static void gone(void *arg, struct table *t)
{
    *(uint64_t *)arg += t->meta.number;
}

Test(version, a_table_is_gone_with_the_last_version_that_holds_it)
{
    struct version_edit e = {0};
    uint64_t sum = 0;
    edit_add_fake(&e, 0, fake_table(5, "b", "d", 1, 9));
    edit_add_fake(&e, 0, fake_table(7, "b", "d", 10, 19));
    struct version *v = advance(version_new(), &e), *next;
    version_edit_remove(&e, 0, 5);
    cr_assert_eq(version_apply(v, &e, &next, NULL), OK);
    version_edit_release(&e);
    struct version *held = version_ref(v);
    version_unref(v, gone, &sum);
    cr_assert_eq(sum, 0);
    version_unref(held, gone, &sum);
    cr_assert_eq(sum, 5);
    version_unref(next, gone, &sum);
    cr_assert_eq(sum, 12);
}

// FLUSHDB of a large database is one such edit.
Test(version, removing_very_many_tables_looks_at_each_once)
{
    enum { TABLES = 150000 };
    struct version *v = version_new();
    struct version_edit add = {0}, remove = {0};
    for (unsigned i = 0; i < TABLES; i++) {
        char low[16], high[16];
        snprintf(low, sizeof low, "%06ua", i);
        snprintf(high, sizeof high, "%06ub", i);
        edit_add_fake(&add, 6, fake_table(i + 1, low, high, 1, 2));
        version_edit_remove(&remove, 6, TABLES - i);
    }
    v = advance(v, &add);
    clock_t began = clock();
    v = advance(v, &remove);
    double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    cr_assert_eq(v->levels[6].count, 0);
    cr_assert_lt(seconds, 2.0, "%.1f s", seconds); // one by one it is far more
    version_unref(v, NULL, NULL);
}

Test(version, level0_is_newest_first_and_the_others_by_key)
{
    struct random r = {3};
    struct version_edit e = {0};
    for (uint64_t i = 1; i <= 50; i++) {
        char key[16];
        uint64_t seq = random_next(&r) >> 8;
        snprintf(key, sizeof key, "%03u", (unsigned)((i * 37) % 50));
        edit_add_fake(&e, 0, fake_table(i, "a", "b", seq, seq));
        edit_add_fake(&e, 4, fake_table(100 + i, key, key, 1, 2));
    }
    struct version *v = advance(version_new(), &e);
    for (uint32_t i = 1; i < 50; i++) {
        cr_assert_gt(
            v->levels[0].tables[i - 1]->meta.seq_max, v->levels[0].tables[i]->meta.seq_max);
        cr_assert_lt(slice_compare(v->levels[4].tables[i - 1]->meta.largest,
                         v->levels[4].tables[i]->meta.smallest),
            0);
        cr_assert_eq(version_find(&v->levels[4], v->levels[4].tables[i]->meta.smallest), i);
    }
    cr_assert_eq(version_find(&v->levels[4], slice_cstr("9")), 50);
    cr_assert(version_key_below(v, 3, slice_cstr("017")));
    cr_assert_not(version_key_below(v, 4, slice_cstr("017")));
    cr_assert_not(version_overlaps_below(v, 0, slice_cstr("0170"), slice_cstr("0171")));
    version_unref(v, NULL, NULL);
}

Test(version, a_drop_stays_while_a_table_needs_it)
{
    struct version_edit e = {0};
    edit_add_fake(&e, 2, fake_table(5, "a", "z", 1, 9)); // spans the prefix
    drop_set_add(&e.drops, slice_cstr("p"), 20);
    struct version *v = advance(version_new(), &e);
    cr_assert_eq(v->drops.count, 1);
    cr_assert(version_dropped(v, slice_cstr("pq"), 19));
    cr_assert_not(version_dropped(v, slice_cstr("pq"), 20));
    cr_assert_not(version_dropped(v, slice_cstr("q"), 1));

    // Rewritten by somebody who knew the drop: it spans it still, but is clean.
    version_edit_remove(&e, 2, 5);
    struct table *t = fake_table(6, "a", "z", 1, 9);
    t->meta.clean_seq = 20;
    edit_add_fake(&e, 2, t);
    v = advance(v, &e);
    cr_assert_eq(v->drops.count, 0);
    version_unref(v, NULL, NULL);
}

Test(version, a_drop_forgets_counts_and_the_edits_own_come_after)
{
    struct version_edit e = {0};
    counts_add(&e.counts, slice_cstr("K1"), 10, 3);
    counts_add(&e.counts, slice_cstr("K2"), 20, 0);
    struct version *v = advance(version_new(), &e);
    drop_set_add(&e.drops, slice_cstr("K1"), 9);
    counts_add(&e.counts, slice_cstr("K1"), 1, 0);
    v = advance(v, &e);
    cr_assert_eq(counts_find(&v->counts, slice_cstr("K1"))->live, 1);
    cr_assert_eq(counts_find(&v->counts, slice_cstr("K1"))->in_doubt, 0);
    cr_assert_eq(counts_find(&v->counts, slice_cstr("K2"))->live, 20);
    version_unref(v, NULL, NULL);
}

Test(version, a_snapshot_edit_makes_the_same_version)
{
    struct version_edit e = {.last_seq = 99, .log_start = 4};
    edit_add_fake(&e, 0, fake_table(5, "a", "z", 1, 9));
    edit_add_fake(&e, 3, fake_table(6, "a", "c", 1, 9));
    drop_set_add(&e.drops, slice_cstr("b"), 20);
    counts_add(&e.counts, slice_cstr("K"), 10, 3);
    version_edit_add_log_end(&e, (struct log_end){4, 500, 8});
    struct version *v = advance(version_new(), &e);
    version_snapshot_edit(v, &e);
    struct version *copy = advance(version_new(), &e);
    struct buf one = {0}, two = {0};
    version_snapshot_edit(v, &e);
    version_edit_encode(&e, &one);
    version_edit_release(&e);
    version_snapshot_edit(copy, &e);
    version_edit_encode(&e, &two);
    version_edit_release(&e);
    cr_assert(slice_equal(buf_slice(&one), buf_slice(&two)));
    cr_assert_eq(copy->log_ends[0].resume, 8);
    e = (struct version_edit){.log_start = 5}; // the cut segment is needed no more
    copy = advance(copy, &e);
    cr_assert_eq(copy->log_end_count, 0);
    buf_release(&one);
    buf_release(&two);
    version_unref(v, NULL, NULL);
    version_unref(copy, NULL, NULL);
}

Test(drops, lookups_agree_with_looking_at_all)
{
    struct random r = {4};
    for (int round = 0; round < 200; round++) {
        struct drop_set set = {0};
        for (uint64_t i = random_below(&r, 30); i > 0; i--) {
            char prefix[16];
            random_key(&r, prefix);
            prefix[random_below(&r, 4)] = '\0';
            drop_set_add(&set, slice_cstr(prefix), 1 + random_below(&r, 100));
        }
        for (int i = 0; i < 100; i++) {
            char key[16];
            random_key(&r, key);
            uint64_t seq = random_below(&r, 110), expected = 0;
            for (uint32_t j = 0; j < set.count; j++) {
                const struct drop *d = drop_set_at(&set, j);
                if (slice_starts_with(slice_cstr(key), d->prefix) && d->seq > seq &&
                    (expected == 0 || d->seq < expected))
                    expected = d->seq;
            }
            cr_assert_eq(drop_set_find(&set, slice_cstr(key), seq), expected);
        }
        drop_set_release(&set);
    }
}

// What a set must be, as an array.
struct drop_model {
    char prefixes[400][16];
    uint64_t seqs[400];
    uint32_t count;
};

static void check_drops(const struct drop_set *set, const struct drop_model *m)
{
    cr_assert_eq(set->count, m->count);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct drop *d = drop_set_at(set, i);
        uint32_t j = 0;
        while (j < m->count &&
               (m->seqs[j] != d->seq || !slice_equal(slice_cstr(m->prefixes[j]), d->prefix)))
            j++;
        cr_assert_lt(j, m->count);
        if (i > 0)
            cr_assert_leq(slice_compare(drop_set_at(set, i - 1)->prefix, d->prefix), 0);
        cr_assert_leq(drop_set_from(set, d->prefix), i);
    }
    for (uint32_t j = 0; j < m->count; j++) {
        struct slice prefix = slice_cstr(m->prefixes[j]);
        cr_assert_eq(drop_set_find(set, prefix, m->seqs[j] - 1), m->seqs[j]);
        cr_assert_eq(drop_set_newest(set, prefix, prefix, m->seqs[j]), m->seqs[j]);
    }
}

Test(drops, a_set_that_others_share_does_not_change_under_them)
{
    enum { SETS = 8 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random r = {seed};
        struct drop_set sets[SETS] = {0};
        static struct drop_model models[SETS];
        memset(models, 0, sizeof models);
        for (uint64_t seq = 1; seq <= 600; seq++) {
            uint64_t at = random_below(&r, SETS), from = random_below(&r, SETS);
            struct drop_model *m = &models[at];
            if (random_below(&r, 10) == 0 && at != from) {
                drop_set_release(&sets[at]);
                drop_set_share(&sets[at], &sets[from]);
                *m = models[from];
            } else if (m->count > 0 && (random_below(&r, 3) == 0 || m->count == 400)) {
                uint32_t gone = (uint32_t)random_below(&r, m->count);
                drop_set_remove(&sets[at], slice_cstr(m->prefixes[gone]), m->seqs[gone]);
                m->count--;
                m->seqs[gone] = m->seqs[m->count];
                memcpy(m->prefixes[gone], m->prefixes[m->count], 16);
            } else {
                random_key(&r, m->prefixes[m->count]);
                m->seqs[m->count] = seq;
                drop_set_add(&sets[at], slice_cstr(m->prefixes[m->count++]), seq);
            }
        }
        for (int i = 0; i < SETS; i++) {
            check_drops(&sets[i], &models[i]);
            drop_set_release(&sets[i]);
        }
    }
}

// How many of the drops of one set are not the very same in the other.
Test(drops, sets_share_all_but_the_way_to_what_differs)
{
    struct drop_set one = {0}, two = {0};
    char prefix[16];
    for (uint64_t i = 0; i < 20000; i++) {
        snprintf(prefix, sizeof prefix, "E%08lu", i * 7919 % 20000);
        drop_set_add(&one, slice_cstr(prefix), i + 1);
    }
    drop_set_share(&two, &one);
    drop_set_add(&two, slice_cstr("E00010000x"), 30000);
    uint32_t copied = 0;
    for (uint32_t i = 0; i < one.count; i++)
        copied += drop_set_at(&one, i) != drop_set_at(&two, i + (i > 10000));
    cr_assert_gt(copied, 0);
    cr_assert_lt(copied, 100);
    drop_set_release(&one);
    cr_assert_eq(two.count, 20001);
    drop_set_release(&two);
}

static struct version *version_with_drops(uint32_t count)
{
    struct version_edit e = {.last_seq = 1000000};
    edit_add_fake(&e, 2, fake_table(1, "A", "Z", 1, 9)); // it needs them all
    for (uint32_t i = 0; i < count; i++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "E%08u", i);
        drop_set_add(&e.drops, slice_cstr(prefix), 1000 + i);
    }
    return advance(version_new(), &e);
}

// Processor time of some small edits.
static double us_of_edits(struct version **v)
{
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (uint64_t i = 0; i < 10; i++) {
        struct version_edit e = {0};
        char prefix[16];
        uint64_t seq = (*v)->last_seq = (*v)->last_seq + 1;
        snprintf(prefix, sizeof prefix, "F%08lu", seq % 100000000);
        drop_set_add(&e.drops, slice_cstr(prefix), seq);
        *v = advance(*v, &e);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    return (double)(after.tv_sec - before.tv_sec) * 1e6 +
           (double)(after.tv_nsec - before.tv_nsec) / 1e3;
}

Test(version, an_edit_costs_the_same_with_many_drops_pending)
{
    double best[2] = {1e9, 1e9};
    for (int i = 0; i < 2; i++) {
        struct version *v = version_with_drops(i == 0 ? 2000 : 50000);
        for (int round = 0; round < 5; round++) {
            double us = us_of_edits(&v);
            best[i] = us < best[i] ? us : best[i];
        }
        version_unref(v, NULL, NULL);
    }
    cr_log_info(
        "an edit: %.1f us with 2,000 drops, %.1f us with 50,000", best[0] / 10, best[1] / 10);
    cr_assert_lt(best[1], 5 * best[0]);
}

Test(version, drops_with_nothing_left_to_do_go_a_few_versions_later)
{
    struct version *v = version_with_drops(2000);
    struct version_edit e = {0};
    version_edit_remove(&e, 2, 1);
    for (int i = 0; i < 10; i++)
        v = advance(v, &e);
    cr_assert_eq(v->drops.count, 0);
    version_unref(v, NULL, NULL);
}
