// table_meta: what a table is, apart from its file: where its parts lie, what it holds, and which
// keys. The builder fills it and the manifest keeps it; once the table is in a published version it
// never changes, so jobs read it as they like. What the loop keeps for a table stands in table.h.
#ifndef VARVE_ENGINE_TABLE_TABLE_META_H
#define VARVE_ENGINE_TABLE_TABLE_META_H

#include "base/buf.h"
#include "base/status.h"
#include "engine/record/drops.h"
#include "engine/record/lineage.h"

// Where a block lies in its table.
struct handle {
    uint64_t offset;
    uint64_t len; // bytes as stored, without the trailer
};

struct table_meta {
    uint64_t number;
    uint64_t format; // version of the file's format
    uint64_t level;  // it was written for, or was in when the manifest told; a version knows better
    uint64_t location;           // the directory it lies in; 0, the data directory, is all there is
    uint64_t size;               // bytes of the file
    uint64_t checksum;           // of the whole file; 0: not known (version 1)
    struct lineage lineage;      // of its writer
    struct handle index, filter; // filter.len 0: none
    uint64_t entries, deletes;   // records, and how many of them are tombstones
    uint64_t in_doubt, expiring; // records in doubt; with an expiry
    uint64_t covers;             // records that may hide an older one: all but the fresh
    uint64_t seq_min, seq_max;
    int64_t expire_min, expire_max; // ms since 1970; 0: nothing expires
    uint64_t raw_bytes;             // of keys and values
    uint64_t block_most;            // the most entries of a data block; 0: not told, as in INDEX
    uint64_t clean_seq;             // no entry in it lies below a drop with seq <= clean_seq
    struct slice smallest, largest; // user keys, owned; table_meta_set_range() sets them
};

void table_meta_release(struct table_meta *m);
// Copies both keys, which may be the present ones.
void table_meta_set_range(struct table_meta *m, struct slice smallest, struct slice largest);

// DESCRIPTION of format.h, appended to out: all of it for the manifest, or what the file itself can
// know.
enum table_meta_place { TABLE_META_IN_FILE, TABLE_META_IN_MANIFEST };
void table_meta_encode(const struct table_meta *m, enum table_meta_place place, struct buf *out);
// Takes any bytes. What they do not say stays as it is in *m (from a file's footer: number, size,
// index), but for the format, which is 1. OK, or *m is unchanged: CORRUPT, NEWER_FORMAT.
int table_meta_decode(struct table_meta *m, struct slice bytes, struct error *err);
// Whether what was decoded makes sense, as far as others rely on it: OK, CORRUPT, or NEWER_FORMAT.
int table_meta_check(const struct table_meta *m, struct error *err);

bool table_meta_overlaps(const struct table_meta *m, struct slice smallest, struct slice largest);
// Whether the table may hold entries below the drop.
bool table_meta_needs_drop(const struct table_meta *m, const struct drop *d);

// Whether a block and its trailer lie inside the file.
bool table_meta_holds(const struct table_meta *m, struct handle h);

#endif
