// A version is an immutable picture of the tables, so that a reader who holds one is never
// disturbed, and publishing a change is one pointer. Each version has arrays of pointers to shared
// tables; building one copies the pointers (a few thousand at a hundred gigabytes), which is cheap
// beside the megabytes that any edit stands for.
//
// Invariants of a version: the tables of levels >= 1 are sorted and their key ranges are disjoint;
// level 0 is newest first; no number occurs twice; `counts` is the sum over all tables; `drops`
// holds each drop that some table may still need. version_apply() is where they are enforced,
// because an edit also comes from the disk: what does not fit is CORRUPT, never an assertion.
//
// A drop may be forgotten when no table overlaps its prefix, has entries older than it, and was
// written by a job that did not know the drop (clean_seq). Without the last rule a table with keys
// on both sides of the prefix would keep the drop for ever. Each version looks at LOOKED_AT of its
// drops, beginning where the one before has left off: so publishing costs the same with a hundred
// thousand drops pending, and one that has nothing left to do goes a few versions later.
#include "engine/version/version.h"

#include "base/alloc.h"
#include "base/ensure.h"

enum { LOOKED_AT = 500 }; // drops, by each version

struct version *version_new(void)
{
    struct version *v = xcalloc(1, sizeof *v);
    v->refs = 1;
    return v;
}

struct version *version_ref(struct version *v)
{
    v->refs++;
    return v;
}

void version_unref(struct version *v, version_table_gone_cb gone_cb, void *arg)
{
    ENSURE(v->refs > 0);
    if (--v->refs > 0)
        return;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        for (uint32_t i = 0; i < v->levels[l].count; i++) {
            struct table *t = v->levels[l].tables[i];
            if (t->refs == 1 && gone_cb != NULL)
                gone_cb(arg, t);
            table_unref(t);
        }
        free(v->levels[l].tables);
    }
    free(v->log_ends);
    drop_set_release(&v->drops);
    damage_set_release(&v->damages);
    counts_release(&v->counts);
    free(v);
}

// --- Applying an edit ----------------------------------------------------------------------------

// What an edit removes, in order, so that to empty a level of ten thousand tables takes one look at
// each, and not ten thousand.
struct removal {
    unsigned level;
    uint64_t number;
    bool seen; // the level has it
};

static int compare_removals(const void *left, const void *right)
{
    const struct removal *a = left, *b = right;
    if (a->level != b->level)
        return a->level < b->level ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static struct removal *sorted_removals(const struct version_edit *edit)
{
    struct removal *sorted = xcalloc(edit->removed_count + 1, sizeof *sorted);
    for (uint32_t i = 0; i < edit->removed_count; i++)
        sorted[i] = (struct removal){edit->removed[i].level, edit->removed[i].number, false};
    qsort(sorted, edit->removed_count, sizeof *sorted, compare_removals);
    return sorted;
}

static bool is_removed(struct removal *removals, uint32_t count, unsigned level, uint64_t number)
{
    struct removal wanted = {level, number, false};
    struct removal *found = bsearch(&wanted, removals, count, sizeof wanted, compare_removals);
    if (found == NULL || found->seen)
        return false;
    found->seen = true;
    return true;
}

static int compare_newest_first(const void *left, const void *right)
{
    const struct table *a = *(struct table *const *)left, *b = *(struct table *const *)right;
    if (a->meta.seq_max != b->meta.seq_max)
        return a->meta.seq_max < b->meta.seq_max ? 1 : -1;
    return (a->meta.number < b->meta.number) - (a->meta.number > b->meta.number);
}

static int compare_smallest(const void *left, const void *right)
{
    const struct table *a = *(struct table *const *)left, *b = *(struct table *const *)right;
    return slice_compare(a->meta.smallest, b->meta.smallest);
}

static uint32_t added_to_level(const struct version_edit *edit, unsigned level)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < edit->added_count; i++)
        n += edit->added[i].level == level;
    return n;
}

static int check_level(const struct level *l, unsigned number, struct error *err)
{
    for (uint32_t i = 1; i < l->count; i++) {
        const struct table *before = l->tables[i - 1], *t = l->tables[i];
        if (number > 0 && slice_compare(before->meta.largest, t->meta.smallest) >= 0)
            return error_set(err, CORRUPT, NULL, 0, 0, "tables %llu and %llu of level %u overlap",
                (unsigned long long)before->meta.number, (unsigned long long)t->meta.number,
                number);
    }
    return OK;
}

static int apply_level(const struct level *from, const struct version_edit *edit, unsigned number,
    struct removal *removals, struct level *to, struct error *err)
{
    uint32_t added = added_to_level(edit, number);
    to->tables = xmalloc((from->count + added + 1) * sizeof(struct table *));
    for (uint32_t i = 0; i < from->count; i++)
        if (!is_removed(removals, edit->removed_count, number, from->tables[i]->meta.number))
            to->tables[to->count++] = table_ref(from->tables[i]);
    for (uint32_t i = 0; i < edit->added_count; i++)
        if (edit->added[i].level == number)
            to->tables[to->count++] = table_ref(edit->added[i].table);
    for (uint32_t i = 0; i < to->count; i++)
        to->bytes += to->tables[i]->meta.size;
    if (added == 0)
        return OK;
    qsort(to->tables, to->count, sizeof *to->tables,
        number == 0 ? compare_newest_first : compare_smallest);
    return check_level(to, number, err);
}

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static int check_numbers(const struct version *v, struct error *err)
{
    uint32_t count = 0, n = 0;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        count += v->levels[l].count;
    uint64_t *numbers = xmalloc((count + 1) * sizeof *numbers);
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            numbers[n++] = v->levels[l].tables[i]->meta.number;
    qsort(numbers, n, sizeof *numbers, compare_numbers);
    int status = OK;
    for (uint32_t i = 1; i < n && status == OK; i++)
        if (numbers[i] == numbers[i - 1])
            status = error_set(err, CORRUPT, NULL, 0, 0, "table %llu is there twice",
                (unsigned long long)numbers[i]);
    free(numbers);
    return status;
}

static int apply_tables(const struct version *base, const struct version_edit *edit,
    struct version *v, struct error *err)
{
    struct removal *removals = sorted_removals(edit);
    int status = OK;
    for (unsigned l = 0; l < ENGINE_LEVELS && status == OK; l++)
        status = apply_level(&base->levels[l], edit, l, removals, &v->levels[l], err);
    for (uint32_t i = 0; i < edit->removed_count && status == OK; i++)
        if (!removals[i].seen)
            status = error_set(err, CORRUPT, NULL, 0, 0, "table %llu is not in level %u",
                (unsigned long long)removals[i].number, removals[i].level);
    free(removals);
    return status == OK && edit->added_count > 0 ? check_numbers(v, err) : status;
}

static bool is_replaced(const struct version_edit *edit, uint64_t number)
{
    for (uint32_t i = 0; i < edit->log_end_count; i++)
        if (edit->log_ends[i].number == number)
            return true;
    return false;
}

static void apply_log_ends(
    const struct version *base, const struct version_edit *edit, struct version *v)
{
    v->log_ends = xmalloc((base->log_end_count + edit->log_end_count + 1) * sizeof *v->log_ends);
    for (uint32_t i = 0; i < base->log_end_count; i++)
        if (base->log_ends[i].number >= v->log_start &&
            !is_replaced(edit, base->log_ends[i].number))
            v->log_ends[v->log_end_count++] = base->log_ends[i];
    for (uint32_t i = 0; i < edit->log_end_count; i++)
        if (edit->log_ends[i].number >= v->log_start)
            v->log_ends[v->log_end_count++] = edit->log_ends[i];
}

static bool drop_is_needed(const struct version *v, const struct drop *d)
{
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        const struct level *level = &v->levels[l];
        uint32_t i = l == 0 ? 0 : version_find(level, d->prefix);
        for (; i < level->count; i++) {
            const struct table *t = level->tables[i];
            if (table_meta_needs_drop(&t->meta, d))
                return true;
            if (l > 0 && slice_compare(t->meta.smallest, d->prefix) > 0 &&
                !slice_starts_with(t->meta.smallest, d->prefix))
                break;
        }
    }
    // Damage inside it goes with an edit that is made when no snapshot needs it (publish.c).
    for (uint32_t i = 0; i < v->damages.count; i++) {
        const struct damage *damage = &v->damages.items[i];
        if (damage->seq < d->seq && slice_starts_with(damage->from, d->prefix) &&
            slice_starts_with(damage->to, d->prefix))
            return true;
    }
    return false;
}

static void take_out(void *arg, const struct drop *d)
{
    struct drop_set *drops = arg;
    drop_set_remove(drops, d->prefix, d->seq);
}

static void forget_drops(struct version *v, struct version_edit *edit)
{
    uint32_t left = v->drops.count < LOOKED_AT ? v->drops.count : LOOKED_AT;
    for (uint32_t at = v->drops_looked; left > 0; left--) {
        at = at < v->drops.count ? at : 0;
        const struct drop *d = drop_set_at(&v->drops, at);
        bool needed = drop_is_needed(v, d);
        if (!needed) {
            drop_set_add(&edit->drops_done, d->prefix, d->seq);
            drop_set_remove(&v->drops, d->prefix, d->seq);
        }
        at += needed;
        v->drops_looked = at;
    }
}

static void apply_drops(const struct version *base, struct version_edit *edit, struct version *v)
{
    drop_set_share(&v->drops, &base->drops);
    drop_set_add_all(&v->drops, &edit->drops);
    drop_set_walk(&edit->drops_done, take_out, &v->drops);
    v->drops_looked = base->drops_looked;
    forget_drops(v, edit);
}

static void apply_damages(
    const struct version *base, const struct version_edit *edit, struct version *v)
{
    damage_set_add_all(&v->damages, &base->damages);
    for (uint32_t i = 0; i < edit->damages_done.count; i++)
        damage_set_remove(&v->damages, &edit->damages_done.items[i]);
    damage_set_add_all(&v->damages, &edit->damages);
}

static bool edit_drops_count(const void *arg, struct slice prefix)
{
    const struct version_edit *edit = arg;
    return drop_set_find(&edit->drops, prefix, 0) != 0;
}

static void apply_counts(
    const struct version *base, const struct version_edit *edit, struct version *v)
{
    counts_add_all(&v->counts, &base->counts);
    counts_forget_covered(&v->counts, edit_drops_count, edit);
    counts_add_all(&v->counts, &edit->counts);
}

static int apply_lineage(const struct version *base, const struct version_edit *edit,
    struct version *v, struct error *err)
{
    const struct lineage *now = &base->lineage, *then = &edit->lineage;
    v->lineage = then->timeline != 0 ? *then : *now;
    if (now->timeline == 0 || then->timeline == 0)
        return OK;
    if (!lineage_same_database(now, then))
        return error_set(err, CORRUPT, NULL, 0, 0, "an edit is of another database");
    return then->timeline >= now->timeline
               ? OK
               : error_set(err, CORRUPT, NULL, 0, 0, "an edit goes back from timeline %llu to %llu",
                     (unsigned long long)now->timeline, (unsigned long long)then->timeline);
}

int version_apply(
    const struct version *base, struct version_edit *edit, struct version **out, struct error *err)
{
    struct version *v = version_new();
    v->last_seq = edit->last_seq != 0 ? edit->last_seq : base->last_seq;
    v->log_start = edit->log_start != 0 ? edit->log_start : base->log_start;
    int status = apply_lineage(base, edit, v, err);
    if (status == OK && (v->last_seq < base->last_seq || v->log_start < base->log_start))
        status = error_set(err, CORRUPT, NULL, 0, 0,
            "an edit goes back from sequence number %llu to %llu",
            (unsigned long long)base->last_seq, (unsigned long long)v->last_seq);
    if (status == OK)
        status = apply_tables(base, edit, v, err);
    if (status != OK) {
        version_unref(v, NULL, NULL);
        return status;
    }
    apply_log_ends(base, edit, v);
    apply_damages(base, edit, v);
    apply_drops(base, edit, v);
    apply_counts(base, edit, v);
    *out = v;
    return OK;
}

void version_snapshot_edit(const struct version *v, struct version_edit *out)
{
    *out = (struct version_edit){
        .lineage = v->lineage, .last_seq = v->last_seq, .log_start = v->log_start};
    for (uint32_t i = 0; i < v->log_end_count; i++)
        version_edit_add_log_end(out, v->log_ends[i]);
    for (unsigned l = 0; l < ENGINE_LEVELS; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            version_edit_add(out, l, v->levels[l].tables[i]);
    drop_set_share(&out->drops, &v->drops);
    damage_set_add_all(&out->damages, &v->damages);
    counts_add_all(&out->counts, &v->counts);
}

// --- Questions -----------------------------------------------------------------------------------

uint32_t version_find(const struct level *level, struct slice key)
{
    uint32_t low = 0, high = level->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slice_compare(level->tables[middle]->meta.largest, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool level_overlaps(
    const struct level *level, unsigned number, struct slice smallest, struct slice largest)
{
    uint32_t i = number == 0 ? 0 : version_find(level, smallest);
    uint32_t end = number == 0 || i == level->count ? level->count : i + 1;
    for (; i < end; i++)
        if (table_meta_overlaps(&level->tables[i]->meta, smallest, largest))
            return true;
    return false;
}

bool version_overlaps_below(
    const struct version *v, unsigned level, struct slice smallest, struct slice largest)
{
    for (unsigned l = level + 1; l < ENGINE_LEVELS; l++)
        if (level_overlaps(&v->levels[l], l, smallest, largest))
            return true;
    return false;
}

bool version_key_below(const struct version *v, unsigned level, struct slice key)
{
    return version_overlaps_below(v, level, key, key);
}

bool version_dropped(const struct version *v, struct slice key, uint64_t seq)
{
    return drop_set_find(&v->drops, key, seq) != 0;
}
