// Flush and compaction see the entries of a key newest first and decide which of them are written.
// Snapshots cut the sequence numbers into stripes; of each stripe only the newest entry can be seen
// by anyone, the others are superseded. So at any time there is at most one entry, `pending`, whose
// fate is open: it waits to learn what lies beneath it. What it meets decides:
//
//   an older entry of its stripe   that one is discarded, and its state settles the doubt of
//                                  pending (counts.h)
//   an older entry below           pending is written as it is; that one becomes pending
//   an entry below a drop          for the living that is as good as nothing: pending has met the
//                                  bottom. The dropped entry itself is discarded unless a snapshot
//                                  between it and the drop needs it; it no longer counts for
//                                  anything
//   the end of the key             if nothing older can lie below the output: the bottom. A
//                                  tombstone has done its work and vanishes
//
// An expired PUT becomes a tombstone only if it is the key's newest entry here: then a newer one,
// in memory or a level above, took it for doubtful, and finds the tombstone or the bottom when they
// meet. Anywhere else it is treated as a live one, which it was taken for.
//
// The entry is copied, because the caller's cursor moves on; that is one copy of each record that
// survives its stripe. Values of a flush stay where they are, in their memtable.
#include "engine/compaction/rewriter.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/ensure.h"

enum { VALUE_KEPT = 64 * 1024 }; // capacity for the next value

struct rewriter {
    struct rewriter_options options;
    uint64_t *snapshots; // own copy
    struct counts counts;
    uint64_t expired;
    uint64_t clean_seq;

    // The key at hand.
    bool has_key, has_pending;
    struct buf key;
    struct entry pending; // borrows from key and value
    struct buf value;
    uint32_t stripe;
    bool newest;  // pending is the key's newest entry
    bool dropped; // pending lies below a drop, and is kept for a snapshot
};

struct rewriter *rewriter_new(const struct rewriter_options *options)
{
    struct rewriter *r = xcalloc(1, sizeof *r);
    r->options = *options;
    r->snapshots = xmalloc((options->snapshot_count + 1) * sizeof *r->snapshots);
    if (options->snapshot_count > 0)
        memcpy(r->snapshots, options->snapshots, options->snapshot_count * sizeof *r->snapshots);
    r->clean_seq = SEQ_MAX;
    return r;
}

void rewriter_free(struct rewriter *r)
{
    counts_release(&r->counts);
    buf_release(&r->key);
    buf_release(&r->value);
    free(r->snapshots);
    free(r);
}

const struct counts *rewriter_counts(const struct rewriter *r)
{
    return &r->counts;
}

uint64_t rewriter_expired(const struct rewriter *r)
{
    return r->expired;
}

uint64_t rewriter_clean_seq(const struct rewriter *r)
{
    return r->clean_seq;
}

// The first snapshot that sees seq, as an index: entries with the same answer are seen by the same
// snapshots.
static uint32_t stripe_of(const struct rewriter *r, uint64_t seq)
{
    uint32_t low = 0, high = r->options.snapshot_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->snapshots[middle] < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool snapshot_needs(const struct rewriter *r, uint64_t seq, uint64_t until)
{
    uint32_t i = stripe_of(r, seq);
    return i < r->options.snapshot_count && r->snapshots[i] < until;
}

static void count(struct rewriter *r, int live, int doubts)
{
    if ((live == 0 && doubts == 0) || r->options.counted_prefix == NULL)
        return;
    size_t len = r->options.counted_prefix(buf_slice(&r->key));
    if (len > 0)
        counts_add(&r->counts, slice_of(r->key.data, len), live, doubts);
}

static void settle_on(struct rewriter *r, uint8_t older_tag)
{
    int live = 0, doubts = 0;
    r->pending.tag = count_settle(r->pending.tag, older_tag, &live, &doubts);
    count(r, live, doubts);
}

static void settle_at_bottom(struct rewriter *r)
{
    int live = 0, doubts = 0;
    r->pending.tag = count_settle_bottom(r->pending.tag, &live, &doubts);
    count(r, live, doubts);
}

static void set_pending(struct rewriter *r, const struct entry *e, bool newest, uint64_t drop_seq)
{
    r->pending = *e;
    r->pending.key = buf_slice(&r->key);
    if (!r->options.values_stay) {
        buf_clear(&r->value);
        buf_shrink(&r->value, VALUE_KEPT);
        buf_append_slice(&r->value, e->value);
        r->pending.value = buf_slice(&r->value);
    }
    r->has_pending = true;
    r->stripe = stripe_of(r, e->seq);
    r->newest = newest;
    r->dropped = drop_seq != 0;
    if (!r->dropped)
        return;
    // It counts for nothing, and so must not look like something to be settled.
    r->pending.tag = (uint8_t)((e->tag & ~RECORD_IN_DOUBT) | RECORD_FRESH);
    if (drop_seq - 1 < r->clean_seq)
        r->clean_seq = drop_seq - 1;
}

static bool has_expired(const struct rewriter *r)
{
    const struct entry *e = &r->pending;
    return r->newest && entry_kind(e) == RECORD_PUT && (e->tag & RECORD_EXPIRES) &&
           e->expire_ms < r->options.now_ms;
}

// The expired record stands as a tombstone from now on.
static void expire_pending(struct rewriter *r)
{
    if (!r->dropped)
        count(r, -1, 0);
    r->expired++;
    r->pending.tag =
        (uint8_t)((r->pending.tag & ~(RECORD_KIND_MASK | RECORD_EXPIRES)) | RECORD_DELETE);
    r->pending.expire_ms = 0;
    r->pending.value = (struct slice){0};
}

static int pass_on(struct rewriter *r)
{
    if (has_expired(r))
        expire_pending(r);
    r->has_pending = false;
    return r->options.sink(r->options.sink_arg, &r->pending);
}

static bool may_lie_below(const struct rewriter *r)
{
    return r->options.may_lie_below != NULL &&
           r->options.may_lie_below(r->options.below_arg, buf_slice(&r->key));
}

// No older entry of the key comes any more.
static int finish_key(struct rewriter *r)
{
    if (!r->has_pending)
        return OK;
    if (has_expired(r))
        expire_pending(r);
    bool tombstone = entry_kind(&r->pending) == RECORD_DELETE;
    bool open = tombstone || !(r->pending.tag & RECORD_FRESH);
    if (open && !may_lie_below(r)) {
        settle_at_bottom(r);
        r->has_pending = false;
        if (tombstone)
            return OK;
    }
    return pass_on(r);
}

static int begin_key(struct rewriter *r, struct slice key)
{
    int status = r->has_key ? finish_key(r) : OK;
    buf_clear(&r->key);
    buf_append_slice(&r->key, key);
    r->has_key = true;
    r->has_pending = false;
    return status;
}

int rewriter_add(struct rewriter *r, const struct entry *e)
{
    bool newest = !r->has_key || !slice_equal(buf_slice(&r->key), e->key);
    int status = newest ? begin_key(r, e->key) : OK;
    if (status != OK)
        return status;
    uint64_t drop_seq =
        r->options.drops != NULL ? drop_set_find(r->options.drops, e->key, e->seq) : 0;
    if (drop_seq != 0) {
        if (r->has_pending && !r->dropped)
            settle_at_bottom(r);
        if (!snapshot_needs(r, e->seq, drop_seq))
            return OK;
    }
    if (r->has_pending) {
        if (stripe_of(r, e->seq) == r->stripe) {
            if (!r->dropped)
                settle_on(r, e->tag);
            return OK;
        }
        status = pass_on(r);
    }
    if (status == OK)
        set_pending(r, e, newest, drop_seq);
    return status;
}

int rewriter_finish(struct rewriter *r)
{
    int status = r->has_key ? finish_key(r) : OK;
    r->has_key = r->has_pending = false;
    return status;
}
