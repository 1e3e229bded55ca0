// batch: the staged writes of a txn, in the wire form of BATCH (format.h), which is also the
// payload of its log record. Owned by the loop. Later reads of the same txn look here first, newest
// entry first: linear for a few entries, through a hash index beyond that.
#ifndef VARVE_ENGINE_RECORD_BATCH_H
#define VARVE_ENGINE_RECORD_BATCH_H

#include "base/buf.h"
#include "engine/record/entry.h"

struct batch {
    struct buf bytes;
    uint32_t count;
    bool has_drops;
    uint64_t user_bytes; // keys and values
    // of the entries and prefixes; over ENGINE_KEY_MAX the batch cannot be committed
    size_t longest_key;
    // Private to batch.c. The hash index is built when a lookup finds more than a few entries.
    size_t *offsets; // of entry i in bytes
    uint32_t offsets_cap;
    uint32_t *slots; // hash table of entry numbers + 1; newest of a key
    uint32_t slots_cap;
    uint32_t indexed; // entries that are in slots
};

void batch_release(struct batch *b);
void batch_clear(struct batch *b); // keeps small buffers, gives large ones back
void batch_put(
    struct batch *b, struct slice key, struct slice value, struct slice value2, int64_t expire_ms);
void batch_delete(struct batch *b, struct slice key);
void batch_drop(struct batch *b, struct slice prefix);
// Takes the entries from number `count` on off again.
void batch_rewind(struct batch *b, uint32_t count);

// The newest PUT or DELETE of key: OK and *out (borrowed until the next change; seq is the entry's
// number), or NOT_FOUND.
int batch_get(struct batch *b, struct slice key, struct entry *out);
// Entry number i; i < count.
void batch_at(const struct batch *b, uint32_t i, struct entry *out);
// ORs flags (RECORD_FRESH, RECORD_IN_DOUBT) into the tag of entry i: what the commit found out.
void batch_flag(struct batch *b, uint32_t i, uint8_t flags);
// The batch's last word on each key, in order, copied out: a cursor for iterators that must see
// staged writes. seq is SEQ_MAX: newer than all that is committed.
struct cursor *batch_cursor(struct batch *b);

// Decodes one entry of a BATCH from any bytes. OK, and *p has moved behind it; CORRUPT: it is not
// well formed; NEWER_FORMAT: its kind or its flags are of a later version, and may not be skipped.
// seq is set to 0. Of DROP_RANGE `key` is from and `value` is to; of what may be skipped (NOTE too)
// `value` is all there is; of ADD the delta is only checked.
int batch_decode(const uint8_t **p, const uint8_t *end, struct entry *out);

#endif
