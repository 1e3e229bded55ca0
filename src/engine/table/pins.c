// A parked command runs again from its start when its blocks have arrived. Between the two, newer
// commits may overwrite a key that it has fetched, flush and compaction may move the key to another
// table, and the cache may drop the block. A pin makes the row outlive all three: it is the newest
// state of one key, held by the txns that fetched it and kept current by commits.
//
// A hash table with chains, shared by all txns: two commands that wait for the same key hold the
// same pin. A pin is not the truth about the memtables: whoever reads looks into them first, and a
// pin only answers for what is not there. That it follows commits matters once such a commit has
// been flushed: the memtable is gone then, and the pin must not answer with what the tables said
// before.
//
// A small fact. Most commands over many keys need to know only that a key is there, how long its
// value is, what it begins with, when it expires. So a pin always has that, in a hundred bytes with
// its key, and the value only if a holder wants the whole row.
//
// Keys are found by full comparison; the table doubles at a load of one. A forgotten pin has left
// the table but still belongs to its holders. Nothing here can fail.
#include "engine/table/pins.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"

enum { FIRST_SLOTS = 16 };

void pins_release(struct pins *p)
{
    ENSURE(p->used == 0);
    free(p->slots);
    *p = (struct pins){0};
}

static struct pin *find_any(const struct pins *p, struct slice key, uint64_t hash)
{
    if (p->used == 0)
        return NULL;
    struct pin *pin = p->slots[hash & (p->cap - 1)];
    while (pin != NULL && !(pin->hash == hash && slice_equal(pin_key(pin), key)))
        pin = pin->next_hash;
    return pin;
}

struct pin *pins_find(const struct pins *p, struct slice key, uint64_t hash)
{
    struct pin *pin = find_any(p, key, hash);
    return pin != NULL && pin->known ? pin : NULL;
}

static void grow(struct pins *p)
{
    uint32_t cap = p->cap ? p->cap * 2 : FIRST_SLOTS;
    struct pin **slots = xcalloc(cap, sizeof(struct pin *));
    for (uint32_t i = 0; i < p->cap; i++) {
        for (struct pin *pin = p->slots[i], *next; pin != NULL; pin = next) {
            next = pin->next_hash;
            pin->next_hash = slots[pin->hash & (cap - 1)];
            slots[pin->hash & (cap - 1)] = pin;
        }
    }
    free(p->slots);
    p->slots = slots;
    p->cap = cap;
}

static size_t memory_of(const struct pin *pin)
{
    enum { HEAP = 16 }; // what the allocator takes for a block
    return offsetof(struct pin, key) + pin->key_len + HEAP +
           (pin->held ? (size_t)pin->value_len + HEAP : 0);
}

// entry NULL: the key is absent.
static void set_state(struct pins *p, struct pin *pin, const struct entry *entry, uint64_t seq)
{
    bool present = entry != NULL && entry_kind(entry) == RECORD_PUT;
    struct slice value = present ? entry->value : slice_of(NULL, 0);
    p->bytes -= memory_of(pin);
    if (pin->held)
        free(pin->value);
    pin->held = pin->whole && value.len > PIN_HEAD_MAX;
    if (pin->held) {
        pin->value = xmalloc(value.len);
        memcpy(pin->value, value.data, value.len);
    } else if (value.len > 0) {
        memcpy(pin->head, value.data, value.len < PIN_HEAD_MAX ? value.len : PIN_HEAD_MAX);
    }
    ENSURE(value.len <= UINT32_MAX);
    pin->value_len = (uint32_t)value.len;
    pin->seq = seq;
    pin->expire_ms = present ? entry->expire_ms : 0;
    pin->tag = present ? entry->tag : RECORD_DELETE;
    pin->known = true;
    p->bytes += memory_of(pin);
}

struct pin *pins_want(struct pins *p, struct slice key, uint64_t hash, bool whole)
{
    struct pin *pin = find_any(p, key, hash);
    if (pin == NULL) {
        if (p->used >= p->cap)
            grow(p);
        pin = xcalloc(1, offsetof(struct pin, key) + key.len);
        pin->hash = hash;
        pin->key_len = (uint32_t)key.len;
        if (key.len > 0)
            memcpy(pin->key, key.data, key.len);
        p->bytes += memory_of(pin);
        pin->next_hash = p->slots[hash & (p->cap - 1)];
        p->slots[hash & (p->cap - 1)] = pin;
        p->used++;
    }
    pin->refs++;
    pin->whole = pin->whole || whole;
    return pin;
}

void pins_fill(struct pins *p, struct pin *pin, const struct entry *entry)
{
    if (!pin_answers(pin, pin->whole))
        set_state(p, pin, entry, entry != NULL ? entry->seq : 0);
}

static void forget(struct pins *p, struct pin *pin)
{
    struct pin **link = &p->slots[pin->hash & (p->cap - 1)];
    while (*link != pin)
        link = &(*link)->next_hash;
    *link = pin->next_hash;
    pin->forgotten = true;
    p->used--;
}

void pins_unref(struct pins *p, struct pin *pin)
{
    ENSURE(pin->refs > 0);
    if (--pin->refs > 0)
        return;
    if (!pin->forgotten)
        forget(p, pin);
    p->bytes -= memory_of(pin);
    if (pin->held)
        free(pin->value);
    free(pin);
}

void pins_on_commit(struct pins *p, const struct entry *e)
{
    if (p->used == 0)
        return;
    if (entry_kind(e) != RECORD_DROP) {
        struct pin *pin = find_any(p, e->key, hash64(e->key));
        if (pin != NULL)
            set_state(p, pin, e, e->seq);
        return;
    }
    for (uint32_t i = 0; i < p->cap; i++)
        for (struct pin *pin = p->slots[i]; pin != NULL; pin = pin->next_hash)
            if (slice_starts_with(pin_key(pin), e->key))
                set_state(p, pin, NULL, e->seq);
}

void pins_forget_above(struct pins *p, uint64_t seq)
{
    for (uint32_t i = 0; i < p->cap; i++) {
        for (struct pin *pin = p->slots[i], *next; pin != NULL; pin = next) {
            next = pin->next_hash;
            if (pin->seq > seq)
                forget(p, pin);
        }
    }
}
