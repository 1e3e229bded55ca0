// Leveled compaction: level 0 holds flushed tables that overlap each other, every deeper level is
// one sorted run, ten times the size of the one above. A level's score is its size over its limit
// (level 0: its tables over theirs); the highest score from 1 on goes first. From level 0 all
// tables are taken at once, because they overlap (but see below); from a deeper level the table
// that is cheapest to push down, by bytes overlapped below for each byte of its own. A table that
// overlaps nothing below is moved, not rewritten (compaction_scheduler.c makes an exception where
// it would enter the compressed levels).
//
// Besides sizes there are reasons that need no writes to arise: tables that lie inside a drop are
// deleted unread; tables with much data that is dropped, expired or deleted are rewritten, so that
// space comes back; and when nobody writes, tables with records in doubt, so that counts become
// exact, and those whose tombstones and overwrites hide much below; on a disk that is about to be
// full the latter are not left for quiet times.
//
// Tables that are busy, for good if they are damaged, stop nobody else. A candidate that meets one
// below is passed over for the next cheapest. In level 0, where the order of tables is the order of
// their entries, a table stays if it is busy, meets a busy one in level 1, or overlaps an older one
// that stays; and since an output must not reach across a busy table of level 1, of the rest one
// side of it goes at a time. Example, newest first: a..m, k..z, c..f (damaged), x..z. a..m stays,
// for its c..f is newer than what stays of it; k..z overlaps what stays only where that is newer,
// and goes with x..z.
//
// Why it ends. A merge takes entries down a level, and there are ENGINE_LEVELS. A table is
// rewritten in place only if nothing below overlaps and no snapshot is older than its newest entry;
// then everything that made it dirty is gone afterwards: expired records (by the same now_ms),
// tombstones, doubts, and entries below drops (the outputs' clean_seq covers them). Where damage is
// known (../version/damage.h) they stay, and no table is rewritten in place because of them.
#include "engine/compaction/picker.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/compaction/dropped.h"
#include "engine/format.h"

enum {
    LEVEL_FACTOR = 10,
    // a moved table overlaps at most so many times the target size below
    GRANDPARENT_FACTOR = 10,
    DOUBT_CHEAP = 4 * 1024 * 1024, // bytes rewritten to settle whatever doubts there are
    DOUBT_WORTH = 1024 * 1024,     // and to settle one
    EXPIRED_SHARE = 4,             // a table is dirty when a 4th has expired
    DELETED_SHARE = 2,             // or half are tombstones
    DELETED_SHARE_SHORT = 16,      // on a disk that is about to be full
    COVERED_SHARE = 8,             // or, when idle, hide an 8th of what a merge with them writes
    DIRTY_MIN = 16,                // entries below which shares mean nothing
};

void plan_release(struct plan *p)
{
    free(p->inputs[0]);
    free(p->inputs[1]);
    free(p->grandparents);
    *p = (struct plan){0};
}

// --- Building plans ------------------------------------------------------------------------------

struct range {
    struct slice smallest, largest;
};

static void range_add(struct range *r, const struct table *t, bool first)
{
    if (first || slice_compare(t->meta.smallest, r->smallest) < 0)
        r->smallest = t->meta.smallest;
    if (first || slice_compare(t->meta.largest, r->largest) > 0)
        r->largest = t->meta.largest;
}

static struct range range_of(const struct plan *p)
{
    struct range r = {0};
    bool first = true;
    for (int side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < p->input_count[side]; i++) {
            range_add(&r, p->inputs[side][i], first);
            first = false;
        }
    }
    return r;
}

// The tables of a level >= 1 that overlap a range: index of the first, and how many.
static uint32_t overlapping(const struct level *level, struct range r, uint32_t *first)
{
    uint32_t i = *first = version_find(level, r.smallest);
    while (i < level->count && slice_compare(level->tables[i]->meta.smallest, r.largest) <= 0)
        i++;
    return i - *first;
}

static uint64_t overlapping_bytes(const struct version *v, unsigned number, struct range r)
{
    if (number >= ENGINE_LEVELS)
        return 0;
    uint32_t first, count = overlapping(&v->levels[number], r, &first);
    uint64_t bytes = 0;
    for (uint32_t i = first; i < first + count; i++)
        bytes += v->levels[number].tables[i]->meta.size;
    return bytes;
}

static struct table **copy_tables(struct table *const *tables, uint32_t count)
{
    struct table **copy = xmalloc((count + 1) * sizeof(struct table *));
    if (count > 0)
        memcpy(copy, tables, count * sizeof(struct table *));
    return copy;
}

static struct table **copy_overlapping(
    const struct version *v, unsigned number, struct range r, uint32_t *count)
{
    uint32_t first = 0;
    *count = 0;
    if (number >= ENGINE_LEVELS)
        return NULL;
    *count = overlapping(&v->levels[number], r, &first);
    return copy_tables(v->levels[number].tables + first, *count);
}

static bool is_free(const struct plan *p)
{
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            if (p->inputs[side][i]->loop.being_compacted)
                return false;
    return true;
}

static bool disjoint(const struct plan *p)
{
    for (uint32_t i = 0; i < p->input_count[0]; i++)
        for (uint32_t j = i + 1; j < p->input_count[0]; j++) {
            const struct table *a = p->inputs[0][i], *b = p->inputs[0][j];
            if (slice_compare(a->meta.smallest, b->meta.largest) <= 0 &&
                slice_compare(b->meta.smallest, a->meta.largest) <= 0)
                return false;
        }
    return true;
}

// Completes a plan whose inputs[0] are set: what they meet below, and what kind of work that is.
static int complete(const struct version *v, uint64_t grandparent_max, struct plan *p)
{
    struct range r = range_of(p);
    if (p->output_level != p->level) {
        p->inputs[1] = copy_overlapping(v, p->output_level, r, &p->input_count[1]);
        r = range_of(p);
    }
    p->grandparents = copy_overlapping(v, p->output_level + 1, r, &p->grandparent_count);
    p->bottom = !version_overlaps_below(v, p->output_level, r.smallest, r.largest) &&
                !damage_set_meets(&v->damages, r.smallest, &r.largest, true);
    p->kind = PLAN_MERGE;
    if (p->output_level != p->level && p->input_count[1] == 0 && disjoint(p) &&
        overlapping_bytes(v, p->output_level + 1, r) <= grandparent_max)
        p->kind = PLAN_MOVE;
    p->smallest = r.smallest;
    p->largest = r.largest;
    if (is_free(p))
        return OK;
    plan_release(p);
    return NOT_FOUND;
}

// Bytes that carrying it out writes, at most.
static uint64_t plan_cost(const struct plan *p)
{
    uint64_t bytes = 0;
    for (int side = 0; side < 2 && p->kind == PLAN_MERGE; side++)
        for (uint32_t i = 0; i < p->input_count[side]; i++)
            bytes += p->inputs[side][i]->meta.size;
    return bytes;
}

static bool fits(const struct picker_options *o, struct plan *p)
{
    if (plan_cost(p) <= o->space)
        return true;
    plan_release(p);
    return false;
}

uint64_t picker_need(const struct version *v)
{
    return v->levels[0].bytes + v->levels[1].bytes;
}

static uint64_t grandparent_max(const struct picker_options *o)
{
    return GRANDPARENT_FACTOR * o->target_file_size;
}

static bool meets_busy(const struct version *v, unsigned number, const struct table *t)
{
    uint32_t first, count = overlapping(&v->levels[number],
                        (struct range){t->meta.smallest, t->meta.largest}, &first);
    for (uint32_t i = first; i < first + count; i++)
        if (v->levels[number].tables[i]->loop.being_compacted)
            return true;
    return false;
}

// Which tables of level 0 have to stay; false: none.
static bool mark_staying(const struct version *v, bool *stays)
{
    const struct level *l = &v->levels[0];
    bool any = false;
    for (uint32_t i = l->count; i-- > 0;) {
        const struct table *t = l->tables[i];
        stays[i] = t->loop.being_compacted || meets_busy(v, 1, t);
        for (uint32_t older = i + 1; any && older < l->count && !stays[i]; older++)
            stays[i] = stays[older] && table_meta_overlaps(&l->tables[older]->meta,
                                           t->meta.smallest, t->meta.largest);
        any |= stays[i];
    }
    return any;
}

// How many busy tables of level 1 lie before t, which meets none: the side it is on.
static uint32_t side_of(const struct version *v, const struct table *t)
{
    uint32_t before = 0, end = version_find(&v->levels[1], t->meta.smallest);
    for (uint32_t i = 0; i < end; i++)
        before += v->levels[1].tables[i]->loop.being_compacted;
    return before;
}

// Takes those that may go and are on the side with the most bytes; in the order of the level.
static void take_one_side(const struct version *v, const bool *stays, struct plan *out)
{
    const struct level *l = &v->levels[0];
    uint32_t *sides = xcalloc(l->count + 1, sizeof *sides), best = 0;
    uint64_t best_bytes = 0;
    for (uint32_t i = 0; i < l->count; i++)
        sides[i] = stays[i] ? 0 : side_of(v, l->tables[i]);
    for (uint32_t i = 0; i < l->count; i++) {
        uint64_t bytes = 0;
        for (uint32_t j = 0; j < l->count && !stays[i]; j++)
            bytes += !stays[j] && sides[j] == sides[i] ? l->tables[j]->meta.size : 0;
        if (bytes > best_bytes) {
            best_bytes = bytes;
            best = sides[i];
        }
    }
    for (uint32_t i = 0; i < l->count; i++)
        if (!stays[i] && sides[i] == best)
            out->inputs[0][out->input_count[0]++] = l->tables[i];
    free(sides);
}

// Of what goes, only the oldest as far as there is space: to begin with an older one is always
// right.
static bool mark_what_is_too_much(const struct version *v, uint64_t space, bool *stays)
{
    const struct level *l = &v->levels[0];
    struct range r = {0};
    uint64_t bytes = 0;
    bool first = true, full = false;
    for (uint32_t i = l->count; i-- > 0;) {
        if (stays[i])
            continue;
        struct range wider = r;
        range_add(&wider, l->tables[i], first);
        uint64_t more = bytes + l->tables[i]->meta.size;
        full = full || more + overlapping_bytes(v, 1, wider) > space;
        stays[i] = full;
        if (full)
            continue;
        r = wider;
        bytes = more;
        first = false;
    }
    return full;
}

static int plan_level0(
    const struct version *v, uint64_t grandparents, uint64_t space, struct plan *out)
{
    const struct level *l = &v->levels[0];
    bool *stays = xcalloc(l->count + 1, sizeof *stays);
    *out = (struct plan){.level = 0, .output_level = 1, .input_count = {l->count}};
    out->inputs[0] = copy_tables(l->tables, l->count);
    bool any = mark_staying(v, stays);
    if (space != UINT64_MAX)
        any |= mark_what_is_too_much(v, space, stays);
    if (any) {
        out->input_count[0] = 0;
        take_one_side(v, stays, out);
    }
    free(stays);
    if (out->input_count[0] > 0)
        return complete(v, grandparents, out);
    plan_release(out);
    return NOT_FOUND;
}

static int plan_table(const struct version *v, unsigned from, unsigned to, struct table *t,
    uint64_t grandparents, uint64_t space, struct plan *out)
{
    if (from == 0)
        return plan_level0(v, grandparents, space, out);
    *out = (struct plan){.level = from, .output_level = to, .input_count = {1}};
    out->inputs[0] = copy_tables(&t, 1);
    return complete(v, grandparents, out);
}

// --- Tables inside drops -------------------------------------------------------------------------

// All such tables of one level.
static int pick_doomed(const struct version *v, const struct picker_options *o, struct plan *out)
{
    for (unsigned l = 0; l < ENGINE_LEVELS && v->drops.count > 0; l++) {
        const struct level *level = &v->levels[l];
        *out = (struct plan){.kind = PLAN_DELETE, .level = l, .output_level = l};
        out->inputs[0] = xmalloc((level->count + 1) * sizeof(struct table *));
        for (uint32_t i = dropped_next(v, l, 0); i < level->count; i = dropped_next(v, l, i + 1)) {
            struct table *t = level->tables[i];
            if (!t->loop.being_compacted && dropped_whole(v, t, o->oldest_snapshot))
                out->inputs[0][out->input_count[0]++] = t;
        }
        if (out->input_count[0] > 0) {
            struct range r = range_of(out);
            out->smallest = r.smallest;
            out->largest = r.largest;
            return OK;
        }
        plan_release(out);
    }
    return NOT_FOUND;
}

// --- Sizes ---------------------------------------------------------------------------------------

static double level_limit(const struct picker_options *o, unsigned l)
{
    double limit = (double)o->base_level_bytes;
    for (unsigned i = 1; i < l; i++)
        limit *= LEVEL_FACTOR;
    return limit;
}

static double level_score(const struct version *v, const struct picker_options *o, unsigned l)
{
    if (l == 0)
        return (double)v->levels[0].count / o->level0_file_limit;
    return (double)v->levels[l].bytes / level_limit(o, l);
}

// The table with the least bytes below for each byte of its own, of those that are free to go.
static struct table *cheapest(const struct version *v, unsigned l)
{
    struct table *best = NULL;
    double best_cost = 0;
    for (uint32_t i = 0; i < v->levels[l].count; i++) {
        struct table *t = v->levels[l].tables[i];
        if (t->loop.being_compacted)
            continue;
        uint64_t below =
            overlapping_bytes(v, l + 1, (struct range){t->meta.smallest, t->meta.largest});
        double cost = (double)below / (double)t->meta.size;
        if ((best == NULL || cost < best_cost) && !meets_busy(v, l + 1, t)) {
            best = t;
            best_cost = cost;
        }
    }
    return best;
}

static int pick_by_size(const struct version *v, const struct picker_options *o, struct plan *out)
{
    bool tried[ENGINE_LEVELS] = {false};
    for (unsigned round = 0; round < ENGINE_LEVELS - 1; round++) {
        unsigned best = ENGINE_LEVELS;
        double best_score = 1;
        for (unsigned l = 0; l < ENGINE_LEVELS - 1; l++) {
            double score = level_score(v, o, l);
            if (!tried[l] && score >= best_score && (best == ENGINE_LEVELS || score > best_score)) {
                best = l;
                best_score = score;
            }
        }
        if (best == ENGINE_LEVELS)
            return NOT_FOUND;
        tried[best] = true;
        struct table *t = best == 0 ? NULL : cheapest(v, best);
        if ((best == 0 || t != NULL) &&
            plan_table(v, best, best + 1, t, grandparent_max(o), o->space, out) == OK &&
            fits(o, out))
            return OK;
    }
    return NOT_FOUND;
}

// --- Dirty tables --------------------------------------------------------------------------------

// About how many records have expired by now, taking expiries for evenly spread.
static uint64_t expired(const struct table *t, int64_t now_ms)
{
    if (t->meta.expiring == 0 || t->meta.expire_min >= now_ms)
        return 0;
    if (t->meta.expire_max < now_ms)
        return t->meta.expiring;
    double share =
        (double)(now_ms - t->meta.expire_min) / (double)(t->meta.expire_max - t->meta.expire_min);
    return (uint64_t)((double)t->meta.expiring * share);
}

// Short of space little is much.
static bool much_is_gone(const struct table *t, int64_t now_ms, bool short_of_space)
{
    uint64_t gone = expired(t, now_ms);
    if (gone > 0 && gone == t->meta.entries)
        return true;
    unsigned share = short_of_space ? DELETED_SHARE_SHORT : DELETED_SHARE;
    bool deleted = t->meta.deletes > 0 && t->meta.deletes >= t->meta.entries / share;
    if (deleted && short_of_space)
        return true;
    return t->meta.entries >= DIRTY_MIN && (gone >= t->meta.entries / EXPIRED_SHARE || deleted);
}

// When much_is_gone will be true of a table because of its expiries, up to rounding; INT64_MAX if
// never.
static int64_t much_gone_at(const struct table *t)
{
    uint64_t needed =
        t->meta.entries >= DIRTY_MIN ? t->meta.entries / EXPIRED_SHARE : t->meta.entries;
    if (t->meta.expiring == 0 || t->meta.expiring < needed)
        return INT64_MAX;
    double share = (double)(needed + 1) / (double)t->meta.expiring;
    double ms = (double)(t->meta.expire_max - t->meta.expire_min) * (share < 1 ? share : 1);
    return ms < (double)(INT64_MAX / 2 - t->meta.expire_min) ? t->meta.expire_min + (int64_t)ms + 1
                                                             : INT64_MAX;
}

int64_t picker_next_expiry(const struct version *v, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        for (uint32_t i = 0; i < v->levels[l].count; i++) {
            int64_t at = much_gone_at(v->levels[l].tables[i]);
            if (at > now_ms && at < next)
                next = at;
        }
    }
    return next;
}

static bool doubts_are_worth_it(const struct version *v, const struct table *t, unsigned l)
{
    uint64_t cost =
        t->meta.size +
        (l == 0 ? v->levels[0].bytes + v->levels[1].bytes
                : overlapping_bytes(v, l + 1, (struct range){t->meta.smallest, t->meta.largest}));
    return t->meta.in_doubt > 0 && (cost <= DOUBT_CHEAP || t->meta.in_doubt >= cost / DOUBT_WORTH);
}

// Records that may hide an older one below. A table of an older program tells of fewer.
static uint64_t covers(const struct table *t)
{
    uint64_t least = t->meta.deletes + t->meta.in_doubt;
    return t->meta.covers > least ? t->meta.covers : least;
}

struct beneath {
    uint64_t bytes, entries;
};

static void beneath_add(struct beneath *b, const struct table *t)
{
    b->bytes += t->meta.size;
    b->entries += t->meta.entries;
}

// What a table may hide: older ones of level 0, and what it overlaps in deeper levels.
static struct beneath beneath_of(const struct version *v, const struct table *t, unsigned l)
{
    struct beneath b = {0};
    bool older = false;
    for (uint32_t i = 0; l == 0 && i < v->levels[0].count; i++) {
        const struct table *other = v->levels[0].tables[i];
        if (older && table_meta_overlaps(&other->meta, t->meta.smallest, t->meta.largest))
            beneath_add(&b, other);
        older = older || other == t;
    }
    for (unsigned below = l + 1; below < ENGINE_LEVELS; below++) {
        uint32_t first, count = overlapping(&v->levels[below],
                            (struct range){t->meta.smallest, t->meta.largest}, &first);
        for (uint32_t i = first; i < first + count; i++)
            beneath_add(&b, v->levels[below].tables[i]);
    }
    return b;
}

// Each hides an average record.
static uint64_t hidden_bytes(uint64_t records, struct beneath b)
{
    double bytes = b.entries > 0 ? (double)records * (double)b.bytes / (double)b.entries : 0;
    return bytes < (double)b.bytes ? (uint64_t)bytes : b.bytes;
}

// Whether what the table may hide below is worth the next step down.
static bool covers_much(const struct version *v, const struct table *t, unsigned l)
{
    if (covers(t) == 0)
        return false;
    uint64_t hidden = hidden_bytes(covers(t), beneath_of(v, t, l));
    uint64_t cost = t->meta.size +
                    overlapping_bytes(v, l + 1, (struct range){t->meta.smallest, t->meta.largest});
    if (l == 0)
        cost = v->levels[0].bytes + v->levels[1].bytes;
    return hidden >= cost / COVERED_SHARE && hidden > 0;
}

uint64_t picker_hidden(const struct version *v)
{
    uint64_t hidden = 0;
    struct beneath below = {0};
    for (unsigned l = ENGINE_LEVELS; l-- > 0;) {
        uint64_t records = 0;
        struct beneath own = {0};
        for (uint32_t i = 0; i < v->levels[l].count; i++) {
            records += covers(v->levels[l].tables[i]);
            beneath_add(&own, v->levels[l].tables[i]);
        }
        struct beneath with_own = {below.bytes + own.bytes, below.entries + own.entries};
        hidden += hidden_bytes(records, l == 0 ? with_own : below);
        below = with_own;
    }
    return hidden;
}

// touched: some drop does.
static bool is_dirty(const struct version *v, const struct picker_options *o, const struct table *t,
    unsigned l, bool touched)
{
    return much_is_gone(t, o->now_ms, o->space != UINT64_MAX) ||
           (touched && dropped_much(v, t, o->oldest_snapshot)) ||
           (o->idle && doubts_are_worth_it(v, t, l)) ||
           ((o->quiet || o->space != UINT64_MAX) && covers_much(v, t, l));
}

// Down a level, or in place where nothing lies below; not in place while a snapshot might keep what
// is to go.
static int plan_cleaning(const struct version *v, const struct picker_options *o, struct table *t,
    unsigned l, struct plan *out)
{
    if (l > 0 && !version_overlaps_below(v, l, t->meta.smallest, t->meta.largest)) {
        // Over damage tombstones and doubts stay.
        if (o->oldest_snapshot < t->meta.seq_max ||
            damage_set_meets(&v->damages, t->meta.smallest, &t->meta.largest, true))
            return NOT_FOUND;
        return plan_table(v, l, l, t, grandparent_max(o), o->space, out);
    }
    return plan_table(v, l, l + 1, t, grandparent_max(o), o->space, out);
}

static int pick_dirty(const struct version *v, const struct picker_options *o, struct plan *out)
{
    for (unsigned l = 0; l < ENGINE_LEVELS; l++) {
        uint32_t touched = dropped_next(v, l, 0);
        for (uint32_t i = 0; i < v->levels[l].count; i++) {
            struct table *t = v->levels[l].tables[i];
            bool is_touched = i == touched;
            if (is_touched)
                touched = dropped_next(v, l, i + 1);
            if (!t->loop.being_compacted && is_dirty(v, o, t, l, is_touched) &&
                plan_cleaning(v, o, t, l, out) == OK && fits(o, out))
                return OK;
        }
    }
    return NOT_FOUND;
}

int picker_pick(const struct version *v, const struct picker_options *options, struct plan *out)
{
    int status = pick_doomed(v, options, out);
    if (status == NOT_FOUND)
        status = pick_by_size(v, options, out);
    if (status == NOT_FOUND)
        status = pick_dirty(v, options, out);
    if (status == OK || options->space == UINT64_MAX)
        return status;
    // Nothing fits, by what it reads. What it writes may be much less.
    struct picker_options anyway = *options;
    anyway.space = UINT64_MAX - 1;
    return options->space < anyway.space ? picker_pick(v, &anyway, out) : status;
}

// --- Everything once -----------------------------------------------------------------------------

static bool is_old(const struct table *t)
{
    return t->meta.format < FORMAT_VERSION;
}

static bool takes(const struct plan *p, const struct table *t)
{
    for (uint32_t i = 0; i < p->input_count[0]; i++)
        if (p->inputs[0][i] == t)
            return true;
    return false;
}

// A step of a level that is not the deepest. What an older version wrote is not moved but
// rewritten.
static int plan_descent(const struct version *v, unsigned l, struct table *t, struct plan *out)
{
    int status = plan_table(v, l, l + 1, t, UINT64_MAX, UINT64_MAX, out);
    for (uint32_t i = 0; status == OK && out->kind == PLAN_MOVE && i < out->input_count[0]; i++)
        if (is_old(out->inputs[0][i]))
            out->kind = PLAN_MERGE;
    return status;
}

int picker_pick_all(
    const struct version *v, uint64_t since_number, uint64_t since_seq, struct plan *out)
{
    unsigned deepest = ENGINE_LEVELS - 1;
    while (deepest > 1 && v->levels[deepest].count == 0)
        deepest--;
    for (unsigned l = 0; l < deepest; l++)
        for (uint32_t i = 0; i < v->levels[l].count; i++)
            if (v->levels[l].tables[i]->meta.seq_min <= since_seq &&
                plan_descent(v, l, v->levels[l].tables[i], out) == OK) {
                if (takes(out, v->levels[l].tables[i]))
                    return OK;
                plan_release(out); // it has to stay in level 0, and others can wait
            }
    for (uint32_t i = 0; i < v->levels[deepest].count; i++) {
        struct table *t = v->levels[deepest].tables[i];
        if ((t->meta.number < since_number || is_old(t)) &&
            plan_table(v, deepest, deepest, t, UINT64_MAX, UINT64_MAX, out) == OK)
            return OK;
    }
    return NOT_FOUND;
}

uint64_t picker_debt(const struct version *v, const struct picker_options *o)
{
    double debt = 0, carried = 0;
    if (v->levels[0].count >= o->level0_file_limit) {
        debt = (double)v->levels[0].bytes + (double)v->levels[1].bytes;
        carried = (double)v->levels[0].bytes;
    }
    for (unsigned l = 1; l < ENGINE_LEVELS - 1; l++) {
        double bytes = (double)v->levels[l].bytes + carried, limit = level_limit(o, l);
        carried = bytes > limit ? bytes - limit : 0;
        double ratio = bytes > 0 ? (double)v->levels[l + 1].bytes / bytes : 0;
        debt += carried * (1 + (ratio > LEVEL_FACTOR ? LEVEL_FACTOR : ratio));
    }
    return (uint64_t)debt;
}
