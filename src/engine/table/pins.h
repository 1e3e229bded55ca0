// pins: rows, small facts of rows, or their absence, that parked commands have fetched from the
// tables, and keys that they want to. While one is held, newer commits replace what it says
// (commit.c tells), and compaction cannot take it away: so an attempt never misses what an earlier
// one of the same command fetched. Shared by all txns of an engine; loop-owned. Costs one
// comparison a commit while nobody is parked.
#ifndef VARVE_ENGINE_TABLE_PINS_H
#define VARVE_ENGINE_TABLE_PINS_H

#include "engine/record/entry.h"

enum { PIN_HEAD_MAX = 16 };

// One command may hold hundreds of thousands, so every byte counts.
struct pin {
    struct pin *next_hash;
    const void *wanter; // the last txn whose attempt has wanted it, or NULL
    uint64_t hash;
    uint64_t seq; // of the newest state of the key
    int64_t expire_ms;
    union {
        uint8_t *value;             // `held`: all of a value that is longer than head
        uint8_t head[PIN_HEAD_MAX]; // else what the value begins with
    };
    uint32_t value_len, refs, key_len;
    uint8_t tag;        // RECORD_PUT and its flags, or RECORD_DELETE: the key is absent
    bool held : 1;      // the value
    bool known : 1;     // false: wanted, nobody has read it yet
    bool whole : 1;     // a holder needs the value, not just the fact
    bool forgotten : 1; // no longer found; its holders only give it back
    uint8_t key[];
};

struct pins {
    struct pin **slots;
    uint32_t cap;
    uint32_t used; // pins that can be found
    uint64_t bytes;
};

static inline bool pin_is_present(const struct pin *pin)
{
    return (pin->tag & RECORD_KIND_MASK) == RECORD_PUT;
}

// Whether the pin can answer: with the fact, or, `whole`, with the value.
static inline bool pin_answers(const struct pin *pin, bool whole)
{
    return pin->known &&
           (!whole || !pin_is_present(pin) || pin->value_len <= PIN_HEAD_MAX || pin->held);
}

static inline struct slice pin_key(const struct pin *pin)
{
    return slice_of(pin->key, pin->key_len);
}

// The value, or what is held of it.
static inline struct slice pin_value(const struct pin *pin)
{
    if (pin->held)
        return slice_of(pin->value, pin->value_len);
    return slice_of(pin->head, pin->value_len < PIN_HEAD_MAX ? pin->value_len : PIN_HEAD_MAX);
}

void pins_release(struct pins *p); // none is held
// The pin of key if it is known, or NULL.
struct pin *pins_find(const struct pins *p, struct slice key, uint64_t hash);
// The pin of key with one reference more, a new one if there is none. From now on it holds the
// value, too, if `whole`.
struct pin *pins_want(struct pins *p, struct slice key, uint64_t hash, bool whole);
// What the tables say of its key (entry NULL: absent), if the pin does not know it.
void pins_fill(struct pins *p, struct pin *pin, const struct entry *entry);
void pins_unref(struct pins *p, struct pin *pin);
// A commit has applied this PUT, DELETE or DROP.
void pins_on_commit(struct pins *p, const struct entry *e);
// Commits above seq were taken back: pins that say what they wrote are forgotten, and their keys
// read again.
void pins_forget_above(struct pins *p, uint64_t seq);

#endif
