// outputs: the tables that one flush or compaction writes, one after the other: when to cut, which
// numbers to take, and cleaning up. Made on the loop, used by one job at a time, taken apart on the
// loop.
#ifndef VARVE_ENGINE_COMPACTION_OUTPUTS_H
#define VARVE_ENGINE_COMPACTION_OUTPUTS_H

#include "engine/table/table_builder.h"

// file numbers in hand: a step uses fewer, and the loop fills up before each
enum { OUTPUTS_NUMBERS = 4 };

struct outputs {
    struct table_builder_options builder_options; // number is set for each
    // a table is cut when it has grown to this, between two keys
    uint64_t file_size;
    // borrowed; cut also before overlapping too many bytes of them
    struct table *const *grandparents;
    uint32_t grandparent_count;

    uint64_t numbers[OUTPUTS_NUMBERS];
    uint32_t number_count;
    struct table_builder *builder; // NULL: none begun
    struct buf last_key;
    uint32_t grandparent; // the first that may still overlap what comes
    uint64_t grandparent_bytes;
    struct table **tables; // finished
    uint32_t table_count;
    uint64_t bytes; // of them
    struct error err;
};

// A sink for a rewriter; arg is the outputs. OK or a failure, kept in err.
int outputs_add(void *arg, const struct entry *e);
uint64_t outputs_written(const struct outputs *o); // bytes, the unfinished table included
// Finishes the last table and syncs the directory.
int outputs_finish(struct outputs *o);
// Unlinks everything that was written, the finished tables too. Blocking.
void outputs_abandon(struct outputs *o);
void outputs_release(struct outputs *o); // frees memory; files stay

#endif
