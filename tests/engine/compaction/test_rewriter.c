// The rewriter against a model: histories of a few keys with snapshots, drops and expiries, whose
// tags tell the truth as a commit would. Whatever flush and compaction leave out, every reader must
// see what it saw before, and counts must come out exact at the bottom.
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/random.h"
#include "engine/compaction/rewriter.h"

enum { KEYS = 4, ENTRIES_MAX = 40, NOW = 1000 };

struct history {
    struct entry entries[ENTRIES_MAX]; // by seq; keys are literals
    unsigned count;
    struct drop_set drops;
    uint64_t snapshots[4];
    unsigned snapshot_count;
};

static const char *const key_names[KEYS] = {"da", "db", "ka", "kb"};

static size_t one_letter(struct slice key)
{
    return 1;
}

static struct slice value_of(uint64_t seq)
{
    static char values[200][8];
    snprintf(values[seq % 200], 8, "v%u", (unsigned)(seq % 200));
    return slice_cstr(values[seq % 200]);
}

// The newest record of key below seq that no drop older than seq covers: what a commit at seq
// stands on.
static const struct entry *beneath(const struct history *h, struct slice key, uint64_t seq)
{
    for (unsigned i = h->count; i > 0; i--) {
        const struct entry *e = &h->entries[i - 1];
        if (e->seq >= seq || !slice_equal(e->key, key))
            continue;
        uint64_t drop = drop_set_find(&h->drops, key, e->seq);
        return drop != 0 && drop < seq ? NULL : e;
    }
    return NULL;
}

// A PUT may have expired already: its key was live when it was written.
static uint8_t truthful_flags(
    struct random *r, const struct history *h, struct slice key, uint64_t seq)
{
    const struct entry *below = beneath(h, key, seq);
    bool doubt = random_below(r, 2) != 0;
    if (below == NULL || entry_kind(below) == RECORD_DELETE)
        return doubt ? RECORD_IN_DOUBT : RECORD_FRESH;
    return doubt || (below->tag & RECORD_EXPIRES) ? RECORD_IN_DOUBT : 0;
}

static void add_entry(struct random *r, struct history *h, uint64_t seq, bool expiries)
{
    struct entry e = {.key = slice_cstr(key_names[random_below(r, KEYS)]), .seq = seq};
    e.tag = truthful_flags(r, h, e.key, seq);
    if (random_below(r, 3) == 0) {
        e.tag |= RECORD_DELETE;
    } else {
        e.tag |= RECORD_PUT;
        e.value = value_of(seq);
        if (expiries && random_below(r, 3) == 0) {
            e.tag |= RECORD_EXPIRES;
            e.expire_ms = NOW - 5 + (int64_t)random_below(r, 10);
        }
    }
    h->entries[h->count++] = e;
}

static void make_history(struct random *r, struct history *h, bool snapshots, bool expiries)
{
    *h = (struct history){0};
    uint64_t last = 5 + random_below(r, ENTRIES_MAX - 5);
    for (uint64_t seq = 1; seq <= last; seq++) {
        if (random_below(r, 12) == 0) {
            drop_set_add(&h->drops, slice_cstr("d"), seq);
        } else {
            add_entry(r, h, seq, expiries);
        }
        if (snapshots && h->snapshot_count < 4 && random_below(r, 8) == 0)
            h->snapshots[h->snapshot_count++] = seq;
    }
}

struct output {
    struct entry entries[2 * ENTRIES_MAX]; // in entry order; values owned
    unsigned count;
    int64_t live, doubts; // deltas
    uint64_t clean_seq;
};

static int collect(void *arg, const struct entry *e)
{
    struct output *o = arg;
    struct entry *copy = &o->entries[o->count++];
    *copy = *e;
    copy->key = slice_of(xstrndup(e->key.data, e->key.len), e->key.len);
    copy->value = slice_of(xstrndup(e->value.data, e->value.len), e->value.len);
    if (o->count > 1)
        cr_assert_lt(entry_order(copy[-1].key, copy[-1].seq, e->key, e->seq), 0);
    return OK;
}

static void release_output(struct output *o)
{
    for (unsigned i = 0; i < o->count; i++) {
        free((void *)(uintptr_t)o->entries[i].key.data);
        free((void *)(uintptr_t)o->entries[i].value.data);
    }
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return entry_order(a->key, a->seq, b->key, b->seq);
}

static bool always(void *arg, struct slice key)
{
    return true;
}

static void rewrite(
    const struct history *h, struct entry *entries, unsigned count, bool bottom, struct output *out)
{
    struct rewriter_options options = {
        .snapshots = h->snapshots,
        .snapshot_count = h->snapshot_count,
        .drops = &h->drops,
        .now_ms = NOW,
        .counted_prefix = one_letter,
        .may_lie_below = bottom ? NULL : always,
        .sink = collect,
        .sink_arg = out,
    };
    struct rewriter *r = rewriter_new(&options);
    *out = (struct output){0};
    qsort(entries, count, sizeof *entries, compare_entries);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(rewriter_add(r, &entries[i]), OK);
    cr_assert_eq(rewriter_finish(r), OK);
    const struct counts *counts = rewriter_counts(r);
    for (uint32_t i = 0; i < counts->cap; i++) {
        out->live += counts->slots[i].live;
        out->doubts += counts->slots[i].in_doubt;
    }
    out->clean_seq = rewriter_clean_seq(r);
    rewriter_free(r);
}

// What a reader at seq sees of key in a set of entries: NULL for nothing. Whoever reads below a
// drop must have a snapshot from before it.
static const struct entry *see(const struct history *h, const struct entry *entries, unsigned count,
    const char *key, uint64_t seq)
{
    const struct entry *newest = NULL;
    for (unsigned i = 0; i < count; i++) {
        const struct entry *e = &entries[i];
        if (slice_equal(e->key, slice_cstr(key)) && e->seq <= seq &&
            (newest == NULL || e->seq > newest->seq))
            newest = e;
    }
    if (newest == NULL || entry_kind(newest) == RECORD_DELETE)
        return NULL;
    if ((newest->tag & RECORD_EXPIRES) && newest->expire_ms <= NOW)
        return NULL;
    uint64_t drop = drop_set_find(&h->drops, newest->key, newest->seq);
    return drop != 0 && drop <= seq ? NULL : newest;
}

static void compare_views(
    const struct history *h, const struct output *out, uint64_t seq, uint64_t seed)
{
    for (int k = 0; k < KEYS; k++) {
        const struct entry *before = see(h, h->entries, h->count, key_names[k], seq);
        const struct entry *after = see(h, out->entries, out->count, key_names[k], seq);
        cr_assert_eq(
            before == NULL, after == NULL, "seed %lu key %s at %lu", seed, key_names[k], seq);
        if (before != NULL)
            cr_assert(before->seq == after->seq && slice_equal(before->value, after->value),
                "seed %lu", seed);
    }
}

// Contributions and doubts of what no drop covers: what the counts would be told of these entries.
static void sums(const struct history *h, const struct entry *entries, unsigned count,
    int64_t *live, int64_t *doubts)
{
    *live = *doubts = 0;
    for (unsigned i = 0; i < count; i++) {
        if (drop_set_find(&h->drops, entries[i].key, entries[i].seq) != 0)
            continue;
        *live += count_contribution(entries[i].tag);
        *doubts += (entries[i].tag & RECORD_IN_DOUBT) != 0;
    }
}

static int64_t puts_not_dropped(const struct history *h, const struct output *o)
{
    int64_t live = 0;
    for (int k = 0; k < KEYS; k++) {
        const struct entry *newest = NULL;
        for (unsigned i = 0; i < o->count; i++)
            if (slice_equal(o->entries[i].key, slice_cstr(key_names[k])) &&
                (newest == NULL || o->entries[i].seq > newest->seq))
                newest = &o->entries[i];
        live += newest != NULL && entry_kind(newest) == RECORD_PUT &&
                drop_set_find(&h->drops, newest->key, newest->seq) == 0;
    }
    return live;
}

Test(rewriter, every_reader_sees_what_it_saw)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct random r = {seed};
        struct history h;
        struct output out;
        make_history(&r, &h, true, true);
        uint64_t last = h.entries[h.count - 1].seq;
        rewrite(&h, h.entries, h.count, random_below(&r, 2), &out);
        compare_views(&h, &out, SEQ_MAX, seed);
        for (unsigned i = 0; i < h.snapshot_count && h.snapshots[i] <= last; i++)
            compare_views(&h, &out, h.snapshots[i], seed);
        release_output(&out);
        drop_set_release(&h.drops);
    }
}

Test(rewriter, counts_are_exact_at_the_bottom)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct random r = {seed};
        struct history h;
        struct output flushed, out;
        make_history(&r, &h, false, true);
        int64_t live, doubts;
        sums(&h, h.entries, h.count, &live, &doubts);
        // The newer part goes through a flush of its own first, with the older below it.
        unsigned split = (unsigned)random_below(&r, h.count);
        struct entry all[2 * ENTRIES_MAX];
        memcpy(all, h.entries, split * sizeof *all);
        rewrite(&h, h.entries + split, h.count - split, false, &flushed);
        memcpy(all + split, flushed.entries, flushed.count * sizeof *all);
        rewrite(&h, all, split + flushed.count, true, &out);
        live += flushed.live + out.live;
        doubts += flushed.doubts + out.doubts;
        cr_assert_eq(live, out.count, "seed %lu: %ld counted, %u there", seed, live, out.count);
        cr_assert_eq(doubts, 0, "seed %lu", seed);
        cr_assert_eq(puts_not_dropped(&h, &out), out.count);
        for (unsigned i = 0; i < out.count; i++)
            cr_assert_eq(out.entries[i].tag & (RECORD_IN_DOUBT | RECORD_FRESH), RECORD_FRESH);
        release_output(&flushed);
        release_output(&out);
        drop_set_release(&h.drops);
    }
}

Test(rewriter, sums_stay_true_while_snapshots_hold_things_apart)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct random r = {seed};
        struct history h;
        struct output first, second;
        make_history(&r, &h, true, true);
        int64_t live, doubts;
        sums(&h, h.entries, h.count, &live, &doubts);
        rewrite(&h, h.entries, h.count, random_below(&r, 2), &first);
        h.snapshot_count = 0; // all snapshots are given up, then everything meets the bottom
        struct entry again[2 * ENTRIES_MAX];
        memcpy(again, first.entries, first.count * sizeof *again);
        rewrite(&h, again, first.count, true, &second);
        cr_assert_eq(live + first.live + second.live, second.count, "seed %lu", seed);
        cr_assert_eq(doubts + first.doubts + second.doubts, 0, "seed %lu", seed);
        release_output(&first);
        release_output(&second);
        drop_set_release(&h.drops);
    }
}

Test(rewriter, what_is_clean_is_said)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct random r = {seed};
        struct history h;
        struct output out;
        make_history(&r, &h, true, false);
        rewrite(&h, h.entries, h.count, false, &out);
        for (unsigned i = 0; i < out.count; i++) {
            uint64_t drop = drop_set_find(&h.drops, out.entries[i].key, out.entries[i].seq);
            cr_assert(drop == 0 || drop > out.clean_seq, "seed %lu", seed);
        }
        release_output(&out);
        drop_set_release(&h.drops);
    }
}

static int fail_on_third(void *arg, const struct entry *e)
{
    return ++*(int *)arg == 3 ? NO_SPACE : OK;
}

Test(rewriter, a_failing_sink_stops_it)
{
    int calls = 0, status = OK;
    struct rewriter_options options = {.sink = fail_on_third, .sink_arg = &calls, .now_ms = NOW};
    struct rewriter *r = rewriter_new(&options);
    for (char c = 'a'; c <= 'z' && status == OK; c++)
        status =
            rewriter_add(r, &(struct entry){.key = slice_of(&c, 1), .seq = 1, .tag = RECORD_PUT});
    cr_assert_eq(status, NO_SPACE);
    cr_assert_eq(calls, 3);
    rewriter_free(r);
}
