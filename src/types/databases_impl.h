// databases_impl: the fields of struct databases, which databases.c, keys.c and walk.c share.
// Private to this folder.
#ifndef VARVE_TYPES_DATABASES_IMPL_H
#define VARVE_TYPES_DATABASES_IMPL_H

#include "base/buf.h"
#include "base/random.h"
#include "types/databases.h"
#include "types/heads.h"
#include "types/keys.h"
#include "types/spread.h"

// What a commit has changed of the mapping.
struct remapped {
    uint64_t seq;
    int db;
    uint64_t old_gen;
};

struct databases {
    struct engine *engine;
    int number;
    uint64_t *gens;            // of each database
    uint64_t *spare_gens;      // the copy that an attempt stages in; one attempt at a time does
    uint64_t gens_seq;         // of the commit that changed them last
    struct remapped *remapped; // what is not durable yet, oldest first
    size_t remapped_count, remapped_cap;
    uint64_t next_gen;
    uint64_t mapped_end;         // no database from this one on was ever remapped
    uint64_t cursor, cursor_end; // numbers for SCAN: the next one, and where the reserved ones end
    struct random random;        // for numbers that could not be reserved
    struct buf copy;             // keys.c: a value on its way from the batch into the batch
    struct buf packed;           // a small collection that is being changed
    struct databases_limits limits;
    uint64_t next_id;    // the first id of a collection that was not handed out
    struct heads *heads; // of the generations that may hold spread collections
    size_t heads_count;
    int64_t reap_ms; // reaper.c: nothing in the index of expiry is due before
    // keys.c: the engine key at hand; spread.c: that of an element
    uint8_t scratch[KEY_PREFIX_LEN + EXPIRY_TIME_LEN + KEY_MAX];
    uint8_t element[SPREAD_PREFIX_LEN + KEY_MAX];
};

// The heads of a generation; NULL: no collection is spread there.
struct heads *databases_heads(const struct databases *dbs, uint64_t gen);

#endif
