// point_read: what the tables say of one key, through a fetch that notes what is missing. Loop.
#ifndef VARVE_ENGINE_POINT_READ_H
#define VARVE_ENGINE_POINT_READ_H

#include "engine/state.h"

// The newest entry of key with seq <= max_seq in the present version: OK (PUT or DELETE; *ref holds
// the block that out borrows from, to be put by the caller), NOT_FOUND, WAIT (what is missing was
// noted in fetch), or a failure, which err explains (may be NULL).
int point_read(struct engine *e, struct fetch *fetch, struct slice key, uint64_t hash,
    uint64_t max_seq, struct entry *out, struct block_ref *ref, struct error *err);

#endif
