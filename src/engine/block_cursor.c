// block_cursor: finding and walking entries in the contents of a block. This is where a point read spends its time.
//
// Searching. Restarts are bisected, then entries are walked. While walking, every entry is still before the target, and `matched` is how
// many bytes the last one has in common with the target. The next entry shares `shared` bytes with the last one, so:
//   shared > matched   it has the same byte at `matched` as the last one, hence is before the target too: not even looked at
//   shared <= matched  its first `shared` bytes are the target's, so only its own suffix is compared with the rest of the target
// No key is put together on the way, and the key of the entry that is found is a prefix of the target and its suffix.
//
// Trust. The checksum says that these are the bytes that were written, not that they make sense (and tests feed any bytes): every length is
// checked against what is left, every restart against the entries' area, and each step moves forward, so any input ends in a result,
// END or CORRUPT. A block whose entries are out of order may give a wrong result, never a wild read.
//
// Keys that are stored whole are shown where they lie; others are put together in the cursor's buf, which is reused.

#include "engine/block.h"

#include "base/coding.h"

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

// offset < restarts_at
static bool parse(const struct block_view *v, uint32_t offset, struct parsed *out)
{
    const uint8_t *p = v->data + offset, *end = v->data + v->restarts_at;
    uint64_t shared, unshared, value_len = 0;
    p = varint_get(p, end, &shared);
    if (p == NULL || shared > UINT32_MAX)
        return false;
    p = varint_get(p, end, &unshared);
    if (p == NULL || p == end)
        return false;
    out->tag = *p++;
    p = varint_get(p, end, &out->seq);
    if (p == NULL)
        return false;
    out->expire_ms = 0;
    if (out->tag & RECORD_EXPIRES) {
        if (end - p < 8)
            return false;
        out->expire_ms = (int64_t)get_le64(p);
        p += 8;
    }
    int kind = out->tag & RECORD_KIND_MASK;
    if (kind == RECORD_PUT)
        p = varint_get(p, end, &value_len);
    else if (kind != RECORD_DELETE)
        return false;
    if (p == NULL || unshared > (uint64_t)(end - p) || value_len > (uint64_t)(end - p) - unshared)
        return false;
    out->shared = (uint32_t)shared;
    out->suffix = slice_of(p, (size_t)unshared);
    out->value = slice_of(p + unshared, (size_t)value_len);
    out->next = (uint32_t)(p + unshared + value_len - v->data);
    return true;
}

// Parses the entry at restart number i, which stores its key whole.
static bool parse_restart(const struct block_view *v, uint32_t i, uint32_t *offset, struct parsed *out)
{
    *offset = get_le32(v->data + v->restarts_at + 4 * i);
    return *offset < v->restarts_at && parse(v, *offset, out) && out->shared == 0;
}

// The last restart before (key, seq), or the first of all, parsed.
static int bisect(const struct block_view *v, struct slice key, uint64_t seq, uint32_t *offset, struct parsed *e)
{
    uint32_t low = 0, high = v->restart_count, parsed = UINT32_MAX;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        struct parsed m;
        uint32_t at;
        if (!parse_restart(v, mid, &at, &m))
            return CORRUPT;
        if (entry_order(m.suffix, m.seq, key, seq) <= 0) {
            low = parsed = mid;
            *offset = at;
            *e = m;
        } else {
            high = mid;
        }
    }
    if (parsed != low && !parse_restart(v, low, offset, e))
        return CORRUPT;
    return OK;
}

// The first entry at or behind (key, seq): OK, with *same if it has that key; END or CORRUPT. Its shared bytes are those of `key`.
static int find(
    const struct block_view *v, struct slice key, uint64_t seq, uint32_t *offset, struct parsed *e, bool *same)
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
            if (*same ? e->seq <= seq : key_ends || (!entry_ends && e->suffix.data[common] > rest.data[common]))
                return OK;
            matched = e->shared + common;
        }
        if (e->next >= v->restarts_at)
            return END;
        *offset = e->next;
        if (!parse(v, *offset, e))
            return CORRUPT;
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
    *out = (struct entry){.key = key, .value = e.value, .seq = e.seq, .expire_ms = e.expire_ms, .tag = e.tag};
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

// --- The cursor -------------------------------------------------------------------------------------------------------------------

int block_cursor_init(struct block_cursor *c, struct slice contents)
{
    c->entry = (struct entry){0};
    c->current = c->next = 0;
    return view_init(&c->view, contents);
}

void block_cursor_release(struct block_cursor *c)
{
    buf_release(&c->key);
    *c = (struct block_cursor){0};
}

// Makes the parsed entry the current one; its shared bytes are taken from `base`, which may lie in the cursor's own buf.
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

static int to_restart(struct block_cursor *c, uint32_t i)
{
    struct parsed e;
    uint32_t offset;
    if (!parse_restart(&c->view, i, &offset, &e))
        return CORRUPT;
    return show(c, offset, &e, e.suffix);
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
    if (!parse(&c->view, c->next, &e))
        return CORRUPT;
    return show(c, c->next, &e, c->entry.key);
}

// Goes to restart i and on to the entry that ends at `end`.
static int walk_to(struct block_cursor *c, uint32_t i, uint32_t end)
{
    int status = to_restart(c, i);
    while (status == OK && c->next < end)
        status = block_cursor_next(c);
    return status == OK && c->next != end ? CORRUPT : status;
}

int block_cursor_last(struct block_cursor *c)
{
    uint32_t count = c->view.restart_count;
    return count == 0 ? END : walk_to(c, count - 1, c->view.restarts_at);
}

int block_cursor_prev(struct block_cursor *c)
{
    if (c->current == 0)
        return END;
    const uint8_t *restarts = c->view.data + c->view.restarts_at;
    uint32_t low = 0, high = c->view.restart_count; // the last restart before the current entry
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (get_le32(restarts + 4 * mid) < c->current)
            low = mid;
        else
            high = mid;
    }
    return walk_to(c, low, c->current);
}
