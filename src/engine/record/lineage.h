// lineage: which database something belongs to, and in which stretch of its history it was written
// (format.h, "A database has an id"). Plain bytes; whoever holds one holds a copy.
//
// A timeline begins where sequence numbers may be given out a second time: after a crash nobody
// knows which of the last numbers were used by records that never reached the disk. Whoever keeps
// records outside of the directory (an archive, a replica) needs all three to name one for ever.
#ifndef VARVE_ENGINE_RECORD_LINEAGE_H
#define VARVE_ENGINE_RECORD_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/format.h"

struct lineage {
    uint8_t id[DATABASE_ID_SIZE];
    uint64_t timeline; // 0: not known, the id is zeros (version 1)
};

static inline bool lineage_same_database(const struct lineage *a, const struct lineage *b)
{
    return memcmp(a->id, b->id, DATABASE_ID_SIZE) == 0;
}

#endif
