// The picker is pure, so whole lives of a database can be played: plans are carried out on tables
// that exist as descriptions only. Each plan is checked for what makes it right, and carrying out
// plans must come to an end in a state where nothing is over its limit.
#include <time.h>

#include "base/alloc.h"
#include "engine/compaction/dropped.h"
#include "engine/compaction/picker.h"
#include "engine/format.h"
#include "tests/engine/table/fake_table.h"

enum { STEPS_MAX = 3000 };

static struct picker_options options_for_test(void)
{
    return (struct picker_options){.level0_file_limit = 4,
        .base_level_bytes = 40000,
        .target_file_size = 10000,
        .now_ms = 1000,
        .oldest_snapshot = SEQ_MAX,
        .space = UINT64_MAX};
}

static bool is_input(const struct plan *p, const struct table *t)
{
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            if (p->inputs[side][i] == t)
                return true;
    return false;
}

static void bounds(const struct plan *p, struct slice *low, struct slice *high)
{
    bool first = true;
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < p->input_count[side]; i++) {
            struct table *t = p->inputs[side][i];
            if (first || slice_compare(t->meta.smallest, *low) < 0)
                *low = t->meta.smallest;
            if (first || slice_compare(t->meta.largest, *high) > 0)
                *high = t->meta.largest;
            first = false;
        }
    }
}

static bool overlaps(const struct table *t, struct slice low, struct slice high)
{
    return slice_compare(t->meta.smallest, high) <= 0 && slice_compare(t->meta.largest, low) >= 0;
}

static void check_plan(const struct version *v, const struct plan *p)
{
    struct slice low = {0}, high = {0};
    bounds(p, &low, &high);
    cr_assert_gt(p->input_count[0], 0);
    cr_assert(slice_equal(p->smallest, low) && slice_equal(p->largest, high));
    cr_assert(p->output_level == p->level || p->output_level == p->level + 1);
    if (p->kind == PLAN_DELETE)
        return;
    bool below = false;
    for (unsigned l = p->output_level + 1; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            below |= overlaps(v->levels[l].tables[i], low, high);
    cr_assert_eq(p->bottom, !below);
    // Nothing that the outputs would overlap, or older entries of the same keys in level 0, is left
    // out.
    for (uint32_t i = 0; i < v->levels[p->output_level].count; i++)
        if (overlaps(v->levels[p->output_level].tables[i], low, high) && p->output_level > 0)
            cr_assert(is_input(p, v->levels[p->output_level].tables[i]));
    for (uint32_t i = 0; i < v->levels[0].count && p->level == 0; i++)
        for (uint32_t older = i + 1; older < v->levels[0].count; older++) {
            const struct table *t = v->levels[0].tables[i], *o = v->levels[0].tables[older];
            if (is_input(p, t) && !is_input(p, o))
                cr_assert(!overlaps(o, t->meta.smallest, t->meta.largest));
        }
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            cr_assert(!p->inputs[side][i]->loop.being_compacted);
    if (p->kind == PLAN_MOVE)
        cr_assert_eq(p->input_count[1], 0);
}

// What a merge would write: one table over the whole range, clean as far as the rules promise.
static struct table *merged(const struct version *v, const struct plan *p, uint64_t number)
{
    struct slice low = {0}, high = {0};
    bounds(p, &low, &high);
    struct table *out = table_new();
    out->meta.number = number;
    out->meta.seq_min = SEQ_MAX;
    out->meta.clean_seq = v->last_seq;
    table_meta_set_range(&out->meta, low, high);
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < p->input_count[side]; i++) {
            const struct table *t = p->inputs[side][i];
            out->meta.size += t->meta.size;
            out->meta.entries += t->meta.entries;
            out->meta.deletes += p->bottom ? 0 : t->meta.deletes;
            out->meta.covers += p->bottom ? 0 : t->meta.covers;
            out->meta.in_doubt += p->bottom ? 0 : t->meta.in_doubt;
            out->meta.seq_min =
                t->meta.seq_min < out->meta.seq_min ? t->meta.seq_min : out->meta.seq_min;
            out->meta.seq_max =
                t->meta.seq_max > out->meta.seq_max ? t->meta.seq_max : out->meta.seq_max;
        }
    }
    return out;
}

static struct version *carry_out(struct version *v, const struct plan *p, uint64_t number)
{
    struct version_edit e = {0};
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            version_edit_remove(
                &e, side == 0 ? p->level : p->output_level, p->inputs[side][i]->meta.number);
    if (p->kind == PLAN_MERGE)
        edit_add_fake(&e, p->output_level, merged(v, p, number));
    if (p->kind == PLAN_MOVE)
        for (uint32_t i = 0; i < p->input_count[0]; i++)
            version_edit_add(&e, p->output_level, p->inputs[0][i]);
    return advance(v, &e);
}

static struct version *random_version(struct random *r)
{
    struct version_edit e = {.last_seq = 10000};
    uint64_t number = 1;
    for (uint64_t i = random_below(r, 12); i > 0; i--) {
        char low[16], high[16];
        random_key(r, low);
        random_key(r, high);
        bool ordered = strcmp(low, high) <= 0;
        struct table *t = fake_table(number, ordered ? low : high, ordered ? high : low,
            5000 + 10 * number, 5009 + 10 * number);
        number++;
        t->meta.in_doubt = random_below(r, 100);
        t->meta.covers = random_below(r, 300);
        t->meta.deletes = random_below(r, 100);
        edit_add_fake(&e, 0, t);
    }
    for (unsigned l = 1; l < 5; l++) {
        for (unsigned at = (unsigned)random_below(r, 50); at < 980;
             at += 20 + (unsigned)random_below(r, 200)) {
            char low[16], high[16];
            snprintf(low, sizeof low, "b%03u", at);
            snprintf(high, sizeof high, "b%03u", at + (unsigned)random_below(r, 20));
            struct table *t = fake_table(number++, low, high, 1, 4000 / l);
            t->meta.in_doubt = random_below(r, 3) * 20;
            t->meta.deletes = random_below(r, 70);
            if (random_below(r, 4) == 0) {
                t->meta.expiring = random_below(r, 100);
                t->meta.expire_min = 1 + (int64_t)random_below(r, 1200);
                t->meta.expire_max = t->meta.expire_min + (int64_t)random_below(r, 1000);
            }
            edit_add_fake(&e, l, t);
        }
    }
    for (uint64_t i = random_below(r, 4); i > 0; i--) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "b%0*u", (int)(1 + random_below(r, 3)),
            (unsigned)random_below(r, 10));
        drop_set_add(&e.drops, slice_cstr(prefix), 3000 + i);
    }
    return advance(version_new(), &e);
}

Test(picker, plans_are_right_and_come_to_an_end)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random r = {seed};
        struct version *v = random_version(&r);
        struct picker_options o = options_for_test();
        o.idle = random_below(&r, 2);
        o.quiet = o.idle || random_below(&r, 2);
        o.oldest_snapshot = random_below(&r, 2) ? random_below(&r, 6000) : SEQ_MAX;
        struct plan p;
        unsigned steps = 0;
        while (picker_pick(v, &o, &p) == OK) {
            check_plan(v, &p);
            v = carry_out(v, &p, 1000 + steps);
            plan_release(&p);
            cr_assert_lt(++steps, STEPS_MAX, "seed %lu does not end", seed);
        }
        cr_assert_lt(v->levels[0].count, o.level0_file_limit);
        uint64_t limit = o.base_level_bytes;
        for (unsigned l = 1; l < ENGINE_LEVELS - 1; l++, limit *= 10)
            cr_assert_lt(v->levels[l].bytes, limit, "seed %lu level %u", seed, l);
        cr_assert_eq(picker_debt(v, &o), 0);
        version_unref(v, NULL, NULL);
    }
}

// Whatever is damaged: all that need not wait for it goes on, and comes to an end.
Test(picker, damaged_tables_stop_nobody_else)
{
    unsigned freed = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random r = {seed};
        struct version *v = random_version(&r);
        struct picker_options o = options_for_test();
        for (unsigned l = 0; l < 4; l++)
            if (v->levels[l].count > 0 && random_below(&r, 2))
                v->levels[l].tables[random_below(&r, v->levels[l].count)]->loop.being_compacted =
                    true;
        struct plan p;
        unsigned steps = 0;
        while (picker_pick(v, &o, &p) == OK) {
            check_plan(v, &p);
            freed += p.level == 0 && p.input_count[0] < v->levels[0].count;
            v = carry_out(v, &p, 1000 + steps);
            plan_release(&p);
            cr_assert_lt(++steps, STEPS_MAX, "seed %lu does not end", seed);
        }
        version_unref(v, NULL, NULL);
    }
    cr_assert_gt(freed, 20);
}

// One damaged table of level 2 under a level 1 that is over its limit.
Test(picker, a_candidate_over_a_damaged_table_is_passed_over)
{
    struct version_edit e = {.last_seq = 100};
    for (uint64_t i = 0; i < 10; i++) {
        char low[8], high[8];
        snprintf(low, sizeof low, "k%u0", (unsigned)i);
        snprintf(high, sizeof high, "k%u9", (unsigned)i);
        struct table *t = fake_table(1 + i, low, high, 50, 90);
        t->meta.size = i == 4 ? 100000 : 10000; // the cheapest, by its bytes
        edit_add_fake(&e, 1, t);
        edit_add_fake(&e, 2, fake_table(101 + i, low, high, 1, 40));
    }
    struct version *v = advance(version_new(), &e);
    struct picker_options o = options_for_test();
    struct plan p;
    v->levels[2].tables[4]->loop.being_compacted = true;
    cr_assert_eq(picker_pick(v, &o, &p), OK);
    cr_assert_eq(p.level, 1);
    cr_assert_neq(p.inputs[0][0]->meta.number, 5);
    plan_release(&p);
    version_unref(v, NULL, NULL);
}

Test(picker, everything_once_ends_in_one_level_rewritten)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random r = {seed};
        struct version *v = random_version(&r);
        struct plan p;
        unsigned steps = 0;
        while (picker_pick_all(v, 1000, v->last_seq, &p) == OK) {
            check_plan(v, &p);
            v = carry_out(v, &p, 1000 + steps);
            plan_release(&p);
            cr_assert_lt(++steps, STEPS_MAX, "seed %lu does not end", seed);
        }
        unsigned used = 0;
        for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
            used += v->levels[l].count > 0;
            for (uint32_t i = 0; i < v->levels[l].count; i++)
                cr_assert_geq(v->levels[l].tables[i]->meta.number, 1000);
        }
        cr_assert_leq(used, 1);
        version_unref(v, NULL, NULL);
    }
}

Test(picker, everything_once_leaves_no_table_of_an_older_format)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random r = {seed};
        struct version *v = random_version(&r);
        struct plan p;
        unsigned steps = 0, old = 0, rewritten = 0;
        for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
            for (uint32_t i = 0; i < v->levels[l].count; i++) {
                v->levels[l].tables[i]->meta.format = 1 + random_below(&r, FORMAT_VERSION);
                old += v->levels[l].tables[i]->meta.format < FORMAT_VERSION;
            }
        }
        while (picker_pick_all(v, 0, v->last_seq, &p) == OK) { // of the new ones none is due
            for (uint32_t i = 0; i < p.input_count[0] && p.kind == PLAN_MOVE; i++)
                cr_assert_eq(p.inputs[0][i]->meta.format, FORMAT_VERSION);
            for (int side = 0; side < 2; side++)
                for (uint32_t i = 0; i < p.input_count[side]; i++)
                    rewritten += p.inputs[side][i]->meta.format < FORMAT_VERSION;
            v = carry_out(v, &p, 1000 + steps);
            plan_release(&p);
            cr_assert_lt(++steps, STEPS_MAX, "seed %lu does not end", seed);
        }
        cr_assert_eq(rewritten, old, "each once");
        for (unsigned l = 0; l < ENGINE_LEVELS; l++)
            for (uint32_t i = 0; i < v->levels[l].count; i++)
                cr_assert_eq(v->levels[l].tables[i]->meta.format, FORMAT_VERSION);
        version_unref(v, NULL, NULL);
    }
}

Test(picker, tables_inside_a_drop_are_deleted_unless_a_snapshot_needs_them)
{
    struct version_edit e = {.last_seq = 100};
    edit_add_fake(&e, 2, fake_table(1, "pa", "pz", 1, 40));
    edit_add_fake(&e, 2, fake_table(2, "q", "r", 1, 40));
    edit_add_fake(&e, 3, fake_table(3, "pa", "pb", 60, 70)); // newer than the drop
    drop_set_add(&e.drops, slice_cstr("p"), 50);
    struct version *v = advance(version_new(), &e);
    struct picker_options o = options_for_test();
    struct plan p;
    o.oldest_snapshot = 45;
    cr_assert_eq(picker_pick(v, &o, &p), NOT_FOUND);
    o.oldest_snapshot = 50;
    cr_assert_eq(picker_pick(v, &o, &p), OK);
    cr_assert_eq(p.kind, PLAN_DELETE);
    cr_assert_eq(p.input_count[0], 1);
    cr_assert_eq(p.inputs[0][0]->meta.number, 1);
    v = carry_out(v, &p, 0);
    plan_release(&p);
    cr_assert_eq(v->drops.count, 0);
    version_unref(v, NULL, NULL);
}

Test(picker, disjoint_level0_tables_are_moved_not_rewritten)
{
    struct version_edit e = {.last_seq = 100};
    for (uint64_t i = 0; i < 4; i++) {
        char low[] = {(char)('a' + 2 * i), '0', 0}, high[] = {(char)('a' + 2 * i), '9', 0};
        edit_add_fake(&e, 0, fake_table(i + 1, low, high, 10 * i + 1, 10 * i + 9));
    }
    struct version *v = advance(version_new(), &e);
    struct picker_options o = options_for_test();
    struct plan p;
    cr_assert_eq(picker_pick(v, &o, &p), OK);
    cr_assert_eq(p.kind, PLAN_MOVE);
    cr_assert_eq(p.input_count[0], 4);
    plan_release(&p);
    version_unref(v, NULL, NULL);
}

Test(picker, expiry_is_foreseen)
{
    struct version_edit e = {.last_seq = 100};
    struct table *t = fake_table(1, "a", "b", 1, 9);
    t->meta.expiring = 100;
    t->meta.expire_min = 10000;
    t->meta.expire_max = 20000;
    edit_add_fake(&e, 1, t);
    struct version *v = advance(version_new(), &e);
    struct picker_options o = options_for_test();
    struct plan p;
    cr_assert_eq(picker_pick(v, &o, &p), NOT_FOUND);
    o.now_ms = picker_next_expiry(v, o.now_ms);
    cr_assert(o.now_ms > 12000 && o.now_ms < 13000);
    cr_assert_eq(picker_pick(v, &o, &p), OK);
    cr_assert_eq(p.output_level, 1);
    cr_assert(p.bottom);
    plan_release(&p);
    cr_assert_eq(picker_next_expiry(v, o.now_ms), INT64_MAX);
    version_unref(v, NULL, NULL);
}

Test(picker, tables_being_compacted_are_left_alone)
{
    struct version_edit e = {.last_seq = 100};
    for (uint64_t i = 1; i <= 9; i++)
        edit_add_fake(&e, 0, fake_table(i, "a", "b", 10 * i, 10 * i + 9));
    struct version *v = advance(version_new(), &e);
    struct picker_options o = options_for_test();
    struct plan p;
    v->levels[0].tables[8]->loop.being_compacted = true; // the oldest, which all others overlap
    cr_assert_eq(picker_pick(v, &o, &p), NOT_FOUND);
    cr_assert_gt(picker_debt(v, &o), 0);
    version_unref(v, NULL, NULL);
}

// `tables` in level 3, and `drops` small ones inside some of them.
static struct version *wide_version(uint32_t tables, uint32_t drops)
{
    struct version_edit e = {.last_seq = 100000};
    for (uint32_t i = 0; i < tables; i++) {
        char low[16], high[16];
        snprintf(low, sizeof low, "E%08u", i * 10);
        snprintf(high, sizeof high, "E%08u", i * 10 + 9);
        struct table *t = fake_table(i + 1, low, high, 1, 40);
        t->meta.size = 64 * 1024 * 1024;
        edit_add_fake(&e, 3, t);
    }
    for (uint32_t i = 0; i < drops; i++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "E%07u5", i * (tables / drops));
        drop_set_add(&e.drops, slice_cstr(prefix), 50 + i);
    }
    return advance(version_new(), &e);
}

static double us_of_pick(const struct version *v)
{
    struct picker_options o = options_for_test();
    o.base_level_bytes = UINT64_MAX / 2; // no level is too large
    struct plan p;
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    cr_assert_eq(picker_pick(v, &o, &p), NOT_FOUND);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    return (double)(after.tv_sec - before.tv_sec) * 1e6 +
           (double)(after.tv_nsec - before.tv_nsec) / 1e3;
}

Test(picker, many_drops_among_many_tables_cost_little)
{
    struct version *few = wide_version(30000, 1), *many = wide_version(30000, 1000);
    double best_few = 1e9, best_many = 1e9;
    for (int i = 0; i < 5; i++) {
        double us = us_of_pick(few);
        best_few = us < best_few ? us : best_few;
        us = us_of_pick(many);
        best_many = us < best_many ? us : best_many;
    }
    cr_log_info(
        "a pick among 30,000 tables: %.0f us with 1 drop, %.0f us with 1,000", best_few, best_many);
    cr_assert_lt(best_many, 20 * best_few);
    version_unref(few, NULL, NULL);
    version_unref(many, NULL, NULL);
}

// The same by looking at every drop.
static bool much_by_all(const struct version *v, const struct table *t, uint64_t oldest_snapshot)
{
    uint64_t worth = 0;
    for (uint32_t i = 0; i < v->drops.count; i++) {
        const struct drop *d = drop_set_at(&v->drops, i);
        if (d->seq > oldest_snapshot || !table_meta_needs_drop(&t->meta, d))
            continue;
        if (slice_starts_with(t->meta.smallest, d->prefix) ||
            slice_starts_with(t->meta.largest, d->prefix))
            return true;
        worth += 4 * 1024 * 1024;
    }
    return worth >= t->meta.size;
}

static bool whole_by_all(const struct version *v, const struct table *t, uint64_t oldest_snapshot)
{
    for (uint32_t i = 0; i < v->drops.count; i++) {
        const struct drop *d = drop_set_at(&v->drops, i);
        if (d->seq <= oldest_snapshot && t->meta.seq_max < d->seq &&
            slice_starts_with(t->meta.smallest, d->prefix) &&
            slice_starts_with(t->meta.largest, d->prefix))
            return true;
    }
    return false;
}

Test(dropped, what_is_found_by_range_is_what_is_there)
{
    unsigned whole = 0, much = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random r = {seed};
        struct version_edit e = {.last_seq = 10000};
        uint64_t oldest = random_below(&r, 2) ? 100 : SEQ_MAX;
        for (unsigned at = 0; at + 40 < 1000; at += 10 + (unsigned)random_below(&r, 60)) {
            char low[16], high[16];
            snprintf(low, sizeof low, "b%03u", at);
            snprintf(high, sizeof high, "b%03u", at + (unsigned)random_below(&r, 10));
            struct table *t = fake_table(at + 1, low, high, 20, 20 + random_below(&r, 100));
            t->meta.size = random_below(&r, 3) * 5 * 1024 * 1024 + 1;
            t->meta.clean_seq = random_below(&r, 2) ? random_below(&r, 200) : 0;
            edit_add_fake(&e, 3, t);
        }
        for (uint64_t i = random_below(&r, 30); i > 0; i--) {
            char prefix[16];
            snprintf(prefix, sizeof prefix, "b%03u", (unsigned)random_below(&r, 1000));
            prefix[1 + random_below(&r, 6) % 4] = '\0';
            drop_set_add(&e.drops, slice_cstr(prefix), 1 + random_below(&r, 200));
        }
        struct version *v = advance(version_new(), &e);
        uint32_t touched = dropped_next(v, 3, 0);
        for (uint32_t i = 0; i < v->levels[3].count; i++) {
            const struct table *t = v->levels[3].tables[i];
            bool is_whole = whole_by_all(v, t, oldest), is_much = much_by_all(v, t, oldest);
            cr_assert_eq(dropped_whole(v, t, oldest), is_whole, "seed %lu", seed);
            cr_assert_eq(dropped_much(v, t, oldest), is_much, "seed %lu", seed);
            cr_assert(i == touched || (!is_whole && !is_much), "seed %lu", seed);
            if (i == touched)
                touched = dropped_next(v, 3, i + 1);
            whole += is_whole;
            much += is_much;
        }
        version_unref(v, NULL, NULL);
    }
    cr_assert_gt(whole, 10);
    cr_assert_gt(much, 10);
}
