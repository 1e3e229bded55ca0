// Under `always`, and whenever the log lane writes, records are applied and visible before they are
// durable. If the log then fails, they must go again. That never happens in a healthy life, so
// noting must cost next to nothing: a fixed-size note, and the bytes that an overwrite in place
// destroys, appended to a buffer that the commit uses over and over. Notes are read from the end:
// each says how many bytes precede it.
//
// A record that was added cannot be removed from chain and index; it becomes void. A void record
// may lie before a live one with a smaller seq from then on, so that overwriting that one could
// break the order: the memtable is frozen. Counts are restored by the differences in the note;
// those that a drop forgot are written out in full.
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/memtable/memtable_impl.h"

void undo_note_overwrite(struct buf *undo, const struct record *r, struct undo_note note)
{
    note.record = (struct record *)(uintptr_t)r;
    note.seq = r->seq;
    note.expire_ms = r->expire_ms;
    note.value_len = r->value_len;
    note.tag = r->tag;
    note.bytes = r->value_len;
    buf_reserve(undo, note.bytes + sizeof note);
    buf_append_slice(undo, record_value(r));
    buf_append(undo, &note, sizeof note);
}

void undo_note_drop(
    struct buf *undo, const struct counts *counts, struct slice prefix, struct undo_note note)
{
    size_t start = undo->len;
    for (uint32_t i = 0; i < counts->cap; i++) {
        const struct count *c = &counts->slots[i];
        if (c->prefix.len == 0 || !slice_starts_with(c->prefix, prefix))
            continue;
        buf_append_bytes(undo, c->prefix);
        buf_append_le64(undo, (uint64_t)c->live);
        buf_append_le64(undo, (uint64_t)c->in_doubt);
    }
    note.bytes = undo->len - start;
    buf_append(undo, &note, sizeof note);
}

static void take_back_drop(struct memtable *m, struct slice forgotten)
{
    const uint8_t *p = forgotten.data, *end = forgotten.data + forgotten.len;
    while (p < end) {
        struct slice prefix;
        p = bytes_get(p, end, &prefix);
        ENSURE(p != NULL);
        counts_add(&m->counts, prefix, (int64_t)get_le64(p), (int64_t)get_le64(p + 8));
        p += 16;
    }
}

static void make_void(struct memtable *m, struct record *r)
{
    r->tag = 0;
    m->live--;
}

static void take_back(struct memtable *m, const struct undo_note *note, struct slice bytes)
{
    struct record *r = note->record, *previous = note->previous;
    m->last_seq = note->last_seq;
    if (note->kind == UNDO_DROP) {
        take_back_drop(m, bytes);
        return;
    }
    if (m->counted_prefix != NULL)
        counts_add(&m->counts, slice_of(r->bytes, m->counted_prefix(record_key(r))), -note->live,
            -note->in_doubt);
    if (note->kind == UNDO_OVERWRITE) {
        r->seq = note->seq;
        r->expire_ms = note->expire_ms;
        r->tag = note->tag;
        r->value_len = note->value_len;
        if (bytes.len > 0)
            memcpy(r->bytes + r->key_len, bytes.data, bytes.len);
        if (r->expire_ms > 0)
            expiry_heap_note(&m->expiry, r);
        return;
    }
    make_void(m, r);
    if (previous == NULL)
        return;
    struct slice key = record_key(r);
    index_find(&m->index, key, hash64(key))->head = previous;
    r->older = NULL;
    previous->superseded = false;
    if (note->kind == UNDO_REPLACE) {
        previous->tag = note->tag;
        m->live++;
    }
    if (previous->expire_ms > 0)
        expiry_heap_note(&m->expiry, previous);
}

void memtable_undo(struct memtable *m, struct buf *undo)
{
    size_t drops = m->drops.count;
    m->frozen = true;
    order_forget_dead(&m->order);
    while (undo->len > 0) {
        struct undo_note note;
        ENSURE(undo->len >= sizeof note);
        undo->len -= sizeof note;
        memcpy(&note, undo->data + undo->len, sizeof note);
        ENSURE(undo->len >= note.bytes);
        undo->len -= note.bytes;
        drops -= note.kind == UNDO_DROP;
        take_back(m, &note, slice_of(undo->data + undo->len, note.bytes));
    }
    drop_index_cut(&m->drops, drops); // all at once: the index is made anew
}
