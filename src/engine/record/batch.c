// A command stages its writes here and reads them back before anything takes effect. Most batches
// hold one entry, some a hundred thousand (MSET, a transaction), so both ends matter: a batch of
// one must cost no more than copying its bytes, and reading in a large one must not be linear.
//
// The entries lie in `bytes` in their wire form, so that the payload of the log record is finished
// when the command is: the commit only ORs flags into the tags. `offsets` finds entry i. Lookups
// scan the newest few entries backwards; once there are more, a hash table of entry numbers is
// built, and extended by each lookup with what was staged since. Only the newest entry of a key is
// in the table. A drop is not: it promises that nobody reads below it again, so no lookup needs to
// know.
//
// Rewinding cuts bytes and entries off the end; the table, if it held any of them, is built again
// by the next lookup that needs it.
//
// batch_decode is the one place that parses entries, for staged batches as for what recovery reads,
// and so takes any bytes.
#include "engine/record/batch.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/options.h"

enum {
    SCAN_MAX = 8, // entries up to which a lookup is a scan
    FIRST_SLOTS = 64,
    FIRST_OFFSETS = 8,
    KEEP_BYTES = 64 * 1024, // what batch_clear keeps for the next use
    KEEP_ENTRIES = 4096,
    EXPIRY_SIZE = 8,
};

void batch_release(struct batch *b)
{
    buf_release(&b->bytes);
    free(b->offsets);
    free(b->slots);
    *b = (struct batch){0};
}

static void forget_index(struct batch *b)
{
    if (b->indexed == 0)
        return;
    if (b->slots_cap > KEEP_ENTRIES) {
        free(b->slots);
        b->slots = NULL;
        b->slots_cap = 0;
    } else {
        memset(b->slots, 0, b->slots_cap * sizeof *b->slots);
    }
    b->indexed = 0;
}

void batch_clear(struct batch *b)
{
    forget_index(b);
    buf_clear(&b->bytes);
    buf_shrink(&b->bytes, KEEP_BYTES);
    b->count = 0;
    b->has_drops = false;
    b->user_bytes = 0;
    b->longest_key = 0;
    if (b->offsets_cap > KEEP_ENTRIES) {
        free(b->offsets);
        b->offsets = NULL;
        b->offsets_cap = 0;
    }
}

// Begins an entry: makes room for all of it, so that what follows needs no more checks.
static void begin(struct batch *b, uint8_t tag, struct slice key, size_t rest)
{
    if (b->count == b->offsets_cap) {
        b->offsets_cap = b->offsets_cap ? b->offsets_cap * 2 : FIRST_OFFSETS;
        b->offsets = xrealloc(b->offsets, b->offsets_cap * sizeof *b->offsets);
    }
    b->offsets[b->count++] = b->bytes.len;
    b->user_bytes += key.len;
    if (key.len > b->longest_key)
        b->longest_key = key.len;
    buf_reserve(&b->bytes, 1 + VARINT_MAX_LEN + key.len + rest);
    buf_append_byte(&b->bytes, tag);
    buf_append_bytes(&b->bytes, key);
}

void batch_put(
    struct batch *b, struct slice key, struct slice value, struct slice value2, int64_t expire_ms)
{
    uint8_t tag = expire_ms > 0 ? RECORD_PUT | RECORD_EXPIRES : RECORD_PUT;
    begin(b, tag, key, EXPIRY_SIZE + VARINT_MAX_LEN + value.len + value2.len);
    if (expire_ms > 0)
        buf_append_le64(&b->bytes, (uint64_t)expire_ms);
    buf_append_varint(&b->bytes, value.len + value2.len);
    buf_append_slice(&b->bytes, value);
    buf_append_slice(&b->bytes, value2);
    b->user_bytes += value.len + value2.len;
}

void batch_delete(struct batch *b, struct slice key)
{
    begin(b, RECORD_DELETE, key, 0);
}

void batch_drop(struct batch *b, struct slice prefix)
{
    begin(b, RECORD_DROP, prefix, 0);
    b->has_drops = true;
}

static int decode(const uint8_t **p, const uint8_t *end, struct entry *out);

static void fill(const struct batch *b, uint32_t i, struct entry *out)
{
    const uint8_t *p = b->bytes.data + b->offsets[i];
    ENSURE(decode(&p, b->bytes.data + b->bytes.len, out) == OK);
    out->seq = i;
}

void batch_at(const struct batch *b, uint32_t i, struct entry *out)
{
    ENSURE(i < b->count);
    fill(b, i, out);
}

void batch_flag(struct batch *b, uint32_t i, uint8_t flags)
{
    ENSURE(i < b->count);
    b->bytes.data[b->offsets[i]] |= flags;
}

void batch_rewind(struct batch *b, uint32_t count)
{
    ENSURE(count <= b->count);
    if (count == b->count)
        return;
    struct entry e;
    for (uint32_t i = count; i < b->count; i++) {
        fill(b, i, &e);
        b->user_bytes -= e.key.len + e.value.len;
    }
    if (b->indexed > count)
        forget_index(b);
    b->bytes.len = b->offsets[count];
    b->count = count;
    if (!b->has_drops && b->longest_key <= ENGINE_KEY_MAX)
        return;
    b->has_drops = false;
    b->longest_key = 0;
    for (uint32_t i = 0; i < count; i++) {
        fill(b, i, &e);
        b->has_drops = b->has_drops || entry_kind(&e) == RECORD_DROP;
        b->longest_key = e.key.len > b->longest_key ? e.key.len : b->longest_key;
    }
}

// The slot that holds key's newest entry, or the free one where it belongs.
static uint32_t locate(const struct batch *b, struct slice key)
{
    uint32_t at = (uint32_t)hash64(key) & (b->slots_cap - 1);
    struct entry e;
    for (; b->slots[at] != 0; at = (at + 1) & (b->slots_cap - 1)) {
        fill(b, b->slots[at] - 1, &e);
        if (slice_equal(e.key, key))
            break;
    }
    return at;
}

static void extend_index(struct batch *b)
{
    if (b->count * 2ull > b->slots_cap) {
        uint64_t cap = b->slots_cap ? b->slots_cap : FIRST_SLOTS;
        while (cap < b->count * 2ull)
            cap *= 2;
        free(b->slots);
        b->slots = xcalloc(cap, sizeof *b->slots);
        b->slots_cap = (uint32_t)cap;
        b->indexed = 0;
    }
    for (; b->indexed < b->count; b->indexed++) {
        struct entry e;
        fill(b, b->indexed, &e);
        if (entry_kind(&e) != RECORD_DROP)
            b->slots[locate(b, e.key)] = b->indexed + 1;
    }
}

int batch_get(struct batch *b, struct slice key, struct entry *out)
{
    if (b->count > SCAN_MAX) {
        extend_index(b);
        uint32_t found = b->slots[locate(b, key)];
        if (found == 0)
            return NOT_FOUND;
        fill(b, found - 1, out);
        return OK;
    }
    for (uint32_t i = b->count; i-- > 0;) {
        struct entry e;
        fill(b, i, &e);
        if (entry_kind(&e) != RECORD_DROP && slice_equal(e.key, key)) {
            *out = e;
            return OK;
        }
    }
    return NOT_FOUND;
}

// The flags that a kind may have, RECORD_MORE apart. What may be skipped says with its flags what
// it likes.
enum { ANY = RECORD_EXPIRES | RECORD_FRESH | RECORD_IN_DOUBT, NEVER = -1, NEWER = -2 };

static const int16_t flags_of_kind[RECORD_KIND_MASK + 1] = {NEVER, ANY,
    RECORD_FRESH | RECORD_IN_DOUBT, 0, NEWER, 0, 0, NEWER, NEWER, NEWER, NEWER, NEWER, ANY, ANY,
    ANY, ANY};

static int check_tag(uint8_t tag, uint64_t more)
{
    int kind = tag & RECORD_KIND_MASK, allowed = flags_of_kind[kind];
    if (allowed < 0)
        return allowed == NEVER ? CORRUPT : NEWER_FORMAT;
    if (kind >= RECORD_SKIPPABLE)
        return OK;
    if ((tag & ~(RECORD_KIND_MASK | RECORD_MORE | allowed)) != 0 ||
        (tag & (RECORD_FRESH | RECORD_IN_DOUBT)) == (RECORD_FRESH | RECORD_IN_DOUBT))
        return CORRUPT;
    return more == 0 ? OK : NEWER_FORMAT;
}

static const uint8_t *take_expiry(const uint8_t *p, const uint8_t *end, int64_t *out)
{
    if (end - p < EXPIRY_SIZE)
        return NULL;
    *out = (int64_t)get_le64(p);
    return *out > 0 ? p + EXPIRY_SIZE : NULL;
}

// What follows the tag. NULL: it does not decode.
static const uint8_t *take_body(const uint8_t *p, const uint8_t *end, struct entry *out)
{
    int kind = entry_kind(out);
    uint64_t delta;
    if (kind >= RECORD_SKIPPABLE)
        return bytes_get(p, end, &out->value);
    p = bytes_get(p, end, &out->key);
    if (p != NULL && (out->tag & RECORD_EXPIRES) != 0)
        p = take_expiry(p, end, &out->expire_ms);
    if (p == NULL || kind == RECORD_DELETE || kind == RECORD_DROP)
        return p;
    if (kind == RECORD_PUT)
        return bytes_get(p, end, &out->value);
    if (kind == RECORD_ADD)
        return varint_get(p, end, &delta);
    p = bytes_get(p, end, &out->value);
    return slice_compare(out->key, out->value) < 0 ? p : NULL;
}

static int decode(const uint8_t **p, const uint8_t *end, struct entry *out)
{
    uint64_t more = 0;
    const uint8_t *at = *p;
    if (at >= end)
        return CORRUPT;
    *out = (struct entry){.tag = *at++};
    if ((out->tag & RECORD_MORE) != 0)
        at = varint_get(at, end, &more);
    if (at == NULL)
        return CORRUPT;
    int status = check_tag(out->tag, more);
    if (status != OK)
        return status;
    out->tag &= (uint8_t)~RECORD_MORE; // it says how the entry was written, not what it is
    at = take_body(at, end, out);
    if (at == NULL)
        return CORRUPT;
    *p = at;
    return OK;
}

int batch_decode(const uint8_t **p, const uint8_t *end, struct entry *out)
{
    int status = decode(p, end, out);
    if (status == OK && (out->key.len > ENGINE_KEY_MAX || (entry_kind(out) == RECORD_DROP_RANGE &&
                                                              out->value.len > ENGINE_KEY_MAX)))
        return CORRUPT;
    return status;
}

// The cursor: a copy of the bytes, and the newest entry of each key in key order. It never waits.
struct batch_cursor {
    struct cursor cursor; // first member
    uint8_t *bytes;
    struct entry *entries;
    uint32_t count;
    uint32_t at;
};

static int show(struct batch_cursor *c, uint32_t at)
{
    if (at >= c->count)
        return END;
    c->at = at;
    c->cursor.entry = c->entries[at];
    return OK;
}

// The first entry that is not before (key, seq).
static uint32_t lower_bound(const struct batch_cursor *c, struct slice key, uint64_t seq)
{
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct entry *e = &c->entries[middle];
        if (entry_order(e->key, e->seq, key, seq) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int batch_cursor_seek(struct cursor *cursor, struct slice key, uint64_t seq)
{
    struct batch_cursor *c = (struct batch_cursor *)cursor;
    return show(c, lower_bound(c, key, seq));
}

static int batch_cursor_seek_before(struct cursor *cursor, struct slice key)
{
    struct batch_cursor *c = (struct batch_cursor *)cursor;
    return show(c, lower_bound(c, key, SEQ_MAX) - 1); // wraps around to END
}

static int batch_cursor_seek_last(struct cursor *cursor)
{
    struct batch_cursor *c = (struct batch_cursor *)cursor;
    return show(c, c->count - 1);
}

static int batch_cursor_next(struct cursor *cursor)
{
    struct batch_cursor *c = (struct batch_cursor *)cursor;
    return show(c, c->at + 1);
}

static int batch_cursor_prev(struct cursor *cursor)
{
    struct batch_cursor *c = (struct batch_cursor *)cursor;
    return show(c, c->at - 1);
}

static void batch_cursor_close(struct cursor *cursor)
{
    struct batch_cursor *c = (struct batch_cursor *)cursor;
    free(c->bytes);
    free(c->entries);
    free(c);
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return entry_order(a->key, a->seq, b->key, b->seq);
}

struct cursor *batch_cursor(struct batch *b)
{
    static const struct cursor_ops ops = {
        .seek = batch_cursor_seek,
        .seek_before = batch_cursor_seek_before,
        .seek_last = batch_cursor_seek_last,
        .next = batch_cursor_next,
        .prev = batch_cursor_prev,
        .close = batch_cursor_close,
    };
    struct batch_cursor *c = xcalloc(1, sizeof *c);
    c->cursor.ops = &ops;
    c->bytes = (uint8_t *)xstrndup(b->bytes.data, b->bytes.len);
    c->entries = xcalloc(b->count + 1u, sizeof *c->entries);
    uint32_t all = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        struct entry *e = &c->entries[all];
        const uint8_t *p = c->bytes + b->offsets[i];
        ENSURE(decode(&p, c->bytes + b->bytes.len, e) == OK);
        e->seq = i;
        all += entry_kind(e) != RECORD_DROP;
    }
    if (all > 1)
        qsort(c->entries, all, sizeof *c->entries, compare_entries);
    for (uint32_t i = 0; i < all; i++) { // the newest of a key comes first
        if (i > 0 && slice_equal(c->entries[i].key, c->entries[c->count - 1].key))
            continue;
        c->entries[c->count] = c->entries[i];
        c->entries[c->count++].seq = SEQ_MAX;
    }
    return &c->cursor;
}
