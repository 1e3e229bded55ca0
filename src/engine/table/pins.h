// pins: rows, or their absence, that parked commands have fetched from the tables. While one is
// held, newer commits replace what it says (commit.c tells), and compaction cannot take it away: so
// an attempt never misses what an earlier one of the same command fetched. Shared by all txns of an
// engine; loop-owned. Costs one comparison a commit while nobody is parked.
#ifndef VARVE_ENGINE_TABLE_PINS_H
#define VARVE_ENGINE_TABLE_PINS_H

#include "base/buf.h"
#include "engine/record/entry.h"

struct pin {
    struct pin *next_hash;
    uint32_t refs;
    uint64_t hash;
    struct buf key;
    struct buf value;
    bool present;       // false: the key is absent (or deleted)
    bool forgotten;     // no longer found; its holders only give it back
    struct entry entry; // key and value borrow from the bufs; the newest state of the key
};

struct pins {
    struct pin **slots;
    uint32_t cap;
    uint32_t used; // pins that can be found
    uint64_t bytes;
};

void pins_release(struct pins *p); // none is held
// The pin of key, or NULL.
struct pin *pins_find(const struct pins *p, struct slice key, uint64_t hash);
// A pin for what the tables say of key (entry NULL: absent), with one reference; the existing one,
// with one more, if there is one.
struct pin *pins_add(struct pins *p, struct slice key, uint64_t hash, const struct entry *entry);
void pins_unref(struct pins *p, struct pin *pin);
// A commit has applied this PUT, DELETE or DROP.
void pins_on_commit(struct pins *p, const struct entry *e);
// Commits above seq were taken back: pins that say what they wrote are forgotten, and their keys
// read again.
void pins_forget_above(struct pins *p, uint64_t seq);

#endif
