// keyspace_impl: what keyspace.c and walk.c share. Private to this folder.
#ifndef VARVE_TYPES_KEYSPACE_IMPL_H
#define VARVE_TYPES_KEYSPACE_IMPL_H

#include "base/buf.h"
#include "base/random.h"
#include "types/keyspace.h"

// Generations below it belong to the database of that number; those from it on are handed out.
static const uint64_t FIRST_GENERATION = 1ull << 32;
static const uint64_t NO_GENERATION = UINT64_MAX;

enum { META_KEY_MAX = 10, COPY_KEPT = 64 * 1024 };

struct keyspace {
    struct engine *engine;
    int databases;
    uint64_t *gens;       // of each database
    uint64_t *spare_gens; // the copy that an attempt stages in; one attempt at a time does
    uint64_t next_gen;
    uint64_t mapped_end;         // no database from this one on was ever remapped
    uint64_t cursor, cursor_end; // numbers for SCAN: the next one, and where the reserved ones end
    struct random random;        // for numbers that could not be reserved
    struct buf copy;             // a value on its way from the batch into the batch
    uint8_t scratch[KEY_PREFIX_LEN + KEY_MAX];
};

// In ks->scratch.
struct slice keyspace_build_key(struct keyspace *ks, uint64_t gen, struct slice key);

#endif
