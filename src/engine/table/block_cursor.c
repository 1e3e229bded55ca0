// block_cursor: finding and walking entries in the contents of a block. This is where a point read
// spends its time.
//
// Searching. Restarts are bisected, then entries are walked. While walking, every entry is still
// before the target, and `matched` is how many bytes the last one has in common with the target.
// The next entry shares `shared` bytes with the last one, so:
//   shared > matched   it has the same byte at `matched` as the last one, hence is before the
//                      target too: not even looked at
//   shared <= matched  its first `shared` bytes are the target's, so only its own suffix is
//                      compared with the rest of the target
// No key is put together on the way, and the key of the entry that is found is a prefix of the
// target and its suffix.
//
// Memory. A block that was not looked at lately costs a wait for every line of it that is touched,
// so what the search may touch is asked for ahead of it: all restarts of a block of usual size at
// once, of a larger one (an index) both that may come next, then the whole interval that the
// bisection has led to.
//
// Trust. The checksum says that these are the bytes that were written, not that they make sense
// (and tests feed any bytes): every length is checked against what is left, every restart against
// the entries' area, and each step moves forward, so any input ends in a result, END, CORRUPT, or
// NEWER_FORMAT for an entry of a kind or with flags that only a later version knows. A block whose
// entries are out of order may give a wrong result, never a wild read.
//
// Keys that are stored whole are shown where they lie; others are put together in the cursor's buf,
// which is reused.

#include "engine/table/block.h"

#include "base/coding.h"

enum { PREFETCH_LINE = 64, PREFETCH_RESTARTS_MAX = 24, PREFETCH_LINES_MAX = 10 };

struct parsed {
    struct slice suffix; // the key's bytes behind the shared ones
    struct slice value;
    uint64_t seq;
    int64_t expire_ms;
    uint32_t shared;
    uint32_t next;
    uint8_t tag;
};

static int view_init(struct block_view *v, struct slice contents)
{
    if (contents.len < 4 || contents.len > UINT32_MAX)
        return CORRUPT;
    uint32_t count = get_le32(contents.data + contents.len - 4);
    if (count > contents.len / 4 - 1)
        return CORRUPT;
    *v = (struct block_view){contents.data, (uint32_t)contents.len - 4 * (count + 1), count};
    bool empty = v->restarts_at == 0;
    if (empty != (count == 0) || (count > 0 && get_le32(v->data + v->restarts_at) != 0))
        return CORRUPT;
    return OK;
}

// A varint of several bytes, mostly: sequence numbers. One load and no loop where eight bytes are
// there and suffice.
static const uint8_t *long_varint_get(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    if (end - p < 8)
        return varint_get(p, end, out);
    uint64_t v = get_le64(p), stops = ~v & 0x8080808080808080ull;
    if (stops == 0)
        return varint_get(p, end, out);
    v &= stops ^ (stops - 1); // up to the byte that ends it
    v = (v & 0x007f007f007f007full) | (v & 0x7f007f007f007f00ull) >> 1;
    v = (v & 0x00003fff00003fffull) | (v & 0x3fff00003fff0000ull) >> 2;
    *out = (v & 0x000000000fffffffull) | (v & 0x0fffffff00000000ull) >> 4;
    return p + __builtin_ctzll(stops) / 8 + 1;
}

// Of an entry that is no plain PUT or DELETE: OK if it means nothing more, with its further flags
// behind *p.
__attribute__((noinline)) static int parse_unusual(
    const uint8_t **p, const uint8_t *end, uint8_t *tag)
{
    uint64_t more = 0;
    if (*tag & RECORD_MORE) {
        *p = varint_get(*p, end, &more);
        if (*p == NULL)
            return CORRUPT;
        *tag &= (uint8_t)~RECORD_MORE;
    }
    switch (*tag & RECORD_KIND_MASK) {
    case RECORD_PUT:
    case RECORD_DELETE:
        return more == 0 ? OK : NEWER_FORMAT;
    case 0:
    case RECORD_DROP:
    case RECORD_DROP_RANGE:
        return CORRUPT;
    default:
        return NEWER_FORMAT;
    }
}

static inline bool is_usual(uint8_t tag)
{
    int kind = tag & (RECORD_KIND_MASK | RECORD_MORE);
    return kind == RECORD_PUT || kind == RECORD_DELETE;
}

// offset < restarts_at. OK, CORRUPT or NEWER_FORMAT.
static inline int parse(const struct block_view *v, uint32_t offset, struct parsed *out)
{
    const uint8_t *p = v->data + offset, *end = v->data + v->restarts_at;
    uint64_t shared, unshared, value_len = 0;
    p = varint_get(p, end, &shared);
    if (p == NULL || shared > UINT32_MAX)
        return CORRUPT;
    p = varint_get(p, end, &unshared);
    if (p == NULL || p == end)
        return CORRUPT;
    out->tag = *p++;
    if (!is_usual(out->tag)) {
        int status = parse_unusual(&p, end, &out->tag);
        if (status != OK)
            return status;
    }
    p = long_varint_get(p, end, &out->seq);
    if (p == NULL)
        return CORRUPT;
    out->expire_ms = 0;
    if (out->tag & RECORD_EXPIRES) {
        if (end - p < 8)
            return CORRUPT;
        out->expire_ms = (int64_t)get_le64(p);
        p += 8;
    }
    if ((out->tag & RECORD_KIND_MASK) == RECORD_PUT)
        p = varint_get(p, end, &value_len);
    if (p == NULL || unshared > (uint64_t)(end - p) || value_len > (uint64_t)(end - p) - unshared)
        return CORRUPT;
    out->shared = (uint32_t)shared;
    out->suffix = slice_of(p, (size_t)unshared);
    out->value = slice_of(p + unshared, (size_t)value_len);
    out->next = (uint32_t)(p + unshared + value_len - v->data);
    return OK;
}

static uint32_t restart_at(const struct block_view *v, uint32_t i)
{
    return get_le32(v->data + v->restarts_at + 4 * (size_t)i);
}

static void prefetch_restart(const struct block_view *v, uint32_t i)
{
    __builtin_prefetch(v->data + restart_at(v, i)); // wherever it points: a hint reads nothing
}

// All of them, of a block of usual size. True if that was done.
static bool prefetch_restarts(const struct block_view *v)
{
    if (v->restart_count > PREFETCH_RESTARTS_MAX)
        return false;
    for (uint32_t i = 0; i < v->restart_count; i++)
        prefetch_restart(v, i);
    return true;
}

// The entries behind restart i, but for its first line, which has been read.
static void prefetch_interval(const struct block_view *v, uint32_t i)
{
    uint64_t at = restart_at(v, i),
             end = i + 1 < v->restart_count ? restart_at(v, i + 1) : v->restarts_at;
    for (int lines = 0; lines < PREFETCH_LINES_MAX && (at += PREFETCH_LINE) < end; lines++)
        __builtin_prefetch(v->data + at);
}

// Parses the entry at restart number i, which stores its key whole.
static int parse_restart(
    const struct block_view *v, uint32_t i, uint32_t *offset, struct parsed *out)
{
    *offset = restart_at(v, i);
    if (*offset >= v->restarts_at)
        return CORRUPT;
    int status = parse(v, *offset, out);
    return status == OK && out->shared != 0 ? CORRUPT : status;
}

// The last restart before (key, seq), or the first of all, parsed.
static int bisect(
    const struct block_view *v, struct slice key, uint64_t seq, uint32_t *offset, struct parsed *e)
{
    uint32_t low = 0, high = v->restart_count, parsed = UINT32_MAX;
    bool asked = prefetch_restarts(v);
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (!asked) { // whichever way it goes
            prefetch_restart(v, low + (mid - low) / 2);
            prefetch_restart(v, mid + (high - mid) / 2);
        }
        struct parsed m;
        uint32_t at;
        int status = parse_restart(v, mid, &at, &m);
        if (status != OK)
            return status;
        if (entry_order(m.suffix, m.seq, key, seq) <= 0) {
            low = parsed = mid;
            *offset = at;
            *e = m;
        } else {
            high = mid;
        }
    }
    prefetch_interval(v, low);
    return parsed != low ? parse_restart(v, low, offset, e) : OK;
}

// The first entry at or behind (key, seq): OK, with *same if it has that key; END or a failure. Its
// shared bytes are those of `key`.
static int find(const struct block_view *v, struct slice key, uint64_t seq, uint32_t *offset,
    struct parsed *e, bool *same)
{
    if (v->restart_count == 0)
        return END;
    int status = bisect(v, key, seq, offset, e);
    if (status != OK)
        return status;
    size_t matched = 0;
    for (;;) {
        if (e->shared <= matched) {
            struct slice rest = slice_skip(key, e->shared);
            size_t common = slice_common_prefix(e->suffix, rest);
            bool key_ends = common == rest.len, entry_ends = common == e->suffix.len;
            *same = key_ends && entry_ends;
            if (*same ? e->seq <= seq
                      : key_ends || (!entry_ends && e->suffix.data[common] > rest.data[common]))
                return OK;
            matched = e->shared + common;
        }
        if (e->next >= v->restarts_at)
            return END;
        *offset = e->next;
        status = parse(v, *offset, e);
        if (status != OK)
            return status;
    }
}

int block_get(struct slice contents, struct slice key, uint64_t max_seq, struct entry *out)
{
    struct block_view v;
    struct parsed e;
    uint32_t offset;
    bool same;
    int status = view_init(&v, contents);
    if (status == OK)
        status = find(&v, key, max_seq, &offset, &e, &same);
    if (status != OK)
        return status;
    if (!same)
        return NOT_FOUND;
    *out = (struct entry){
        .key = key, .value = e.value, .seq = e.seq, .expire_ms = e.expire_ms, .tag = e.tag};
    return OK;
}

int block_find(struct slice contents, struct slice key, struct slice *value)
{
    struct block_view v;
    struct parsed e;
    uint32_t offset;
    bool same;
    int status = view_init(&v, contents);
    if (status == OK)
        status = find(&v, key, SEQ_MAX, &offset, &e, &same);
    if (status == OK)
        *value = e.value;
    return status;
}

// --- The cursor ----------------------------------------------------------------------------------

int block_cursor_init(struct block_cursor *c, struct slice contents)
{
    c->entry = (struct entry){0};
    c->current = c->next = c->restart = 0;
    return view_init(&c->view, contents);
}

void block_cursor_release(struct block_cursor *c)
{
    buf_release(&c->key);
    *c = (struct block_cursor){0};
}

// Makes the parsed entry the current one; its shared bytes are taken from `base`, which may lie in
// the cursor's own buf.
static int show(struct block_cursor *c, uint32_t offset, const struct parsed *e, struct slice base)
{
    struct slice key = e->suffix;
    if (e->shared > 0) {
        if (e->shared > base.len)
            return CORRUPT;
        bool own = base.data == c->key.data;
        c->key.len = own ? e->shared : 0;
        buf_reserve(&c->key, e->shared - c->key.len + e->suffix.len);
        if (!own)
            buf_append(&c->key, base.data, e->shared);
        buf_append_slice(&c->key, e->suffix);
        key = buf_slice(&c->key);
    }
    c->entry = (struct entry){key, e->value, e->seq, e->expire_ms, e->tag};
    c->current = offset;
    c->next = e->next;
    return OK;
}

int block_cursor_seek(struct block_cursor *c, struct slice key, uint64_t seq)
{
    struct parsed e;
    uint32_t offset;
    bool same;
    int status = find(&c->view, key, seq, &offset, &e, &same);
    return status == OK ? show(c, offset, &e, key) : status;
}

void block_cursor_prefetch(const struct block_cursor *c)
{
    prefetch_restarts(&c->view);
}

static int to_restart(struct block_cursor *c, uint32_t i)
{
    struct parsed e;
    uint32_t offset;
    int status = parse_restart(&c->view, i, &offset, &e);
    return status == OK ? show(c, offset, &e, e.suffix) : status;
}

int block_cursor_first(struct block_cursor *c)
{
    return c->view.restart_count == 0 ? END : to_restart(c, 0);
}

int block_cursor_next(struct block_cursor *c)
{
    struct parsed e;
    if (c->next >= c->view.restarts_at)
        return END;
    int status = parse(&c->view, c->next, &e);
    return status == OK ? show(c, c->next, &e, c->entry.key) : status;
}

// Goes to restart i and on to the entry that ends at `end`.
static int walk_to(struct block_cursor *c, uint32_t i, uint32_t end)
{
    int status = to_restart(c, i);
    c->restart = i;
    while (status == OK && c->next < end)
        status = block_cursor_next(c);
    return status == OK && c->next != end ? CORRUPT : status;
}

int block_cursor_last(struct block_cursor *c)
{
    uint32_t count = c->view.restart_count;
    return count == 0 ? END : walk_to(c, count - 1, c->view.restarts_at);
}

// The last restart before the current entry, which is not the first of all: mostly the one of the
// step before, or its neighbour.
static uint32_t restart_before(const struct block_cursor *c)
{
    const struct block_view *v = &c->view;
    uint32_t low = 0, high = v->restart_count, last = c->restart;
    if (last < high && (last + 1 == high || restart_at(v, last + 1) >= c->current)) {
        if (restart_at(v, last) < c->current)
            return last;
        if (last > 0 && restart_at(v, last - 1) < c->current)
            return last - 1;
    }
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (restart_at(v, mid) < c->current)
            low = mid;
        else
            high = mid;
    }
    return low;
}

int block_cursor_at(struct block_cursor *c, uint32_t restart, uint32_t nth)
{
    uint32_t end =
        restart + 1 < c->view.restart_count ? restart_at(&c->view, restart + 1) : UINT32_MAX;
    int status = to_restart(c, restart);
    while (status == OK && nth-- > 0)
        status = c->next >= end ? END : block_cursor_next(c);
    return status;
}

uint32_t block_cursor_restart(const struct block_cursor *c)
{
    uint32_t low = 0, high = c->view.restart_count;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (restart_at(&c->view, mid) <= c->current)
            low = mid;
        else
            high = mid;
    }
    return low;
}

int block_cursor_prev(struct block_cursor *c)
{
    return c->current == 0 ? END : walk_to(c, restart_before(c), c->current);
}
