// version: the set of tables that make up the database below the memtables, and everything that
// changes with it. Owned by the loop, immutable once published; readers and jobs hold references
// (the counter is the loop's alone). A new version is an old one plus an edit.
//
// A table's life: version_edit_add -> every version it is in holds a reference -> an edit removes
// it -> the last version that holds it goes -> gone_cb: its blocks leave the cache, its file is
// closed and unlinked (../unlink.h).
#ifndef VARVE_ENGINE_VERSION_VERSION_H
#define VARVE_ENGINE_VERSION_VERSION_H

#include "base/buf.h"
#include "engine/options.h"
#include "engine/record/counts.h"
#include "engine/record/drops.h"
#include "engine/record/lineage.h"
#include "engine/table/table.h"
#include "engine/version/damage.h"

struct level {
    // level 0: newest first (by seq_max, then number); others: by smallest key, disjoint
    struct table **tables;
    uint32_t count;
    uint64_t bytes;
};

// Where a recovery found the log's end: segment `number` ends at offset, the segments between it
// and `resume` do not count, and `resume`, which is there, goes on.
struct log_end {
    uint64_t number, offset, resume;
};

struct version {
    uint32_t refs;
    struct level levels[ENGINE_LEVELS];
    struct lineage lineage;   // the database's; its timeline in force
    uint64_t last_seq;        // everything up to it is in these tables
    uint64_t log_start;       // first segment that recovery reads
    struct log_end *log_ends; // in order; those with a number from log_start on
    uint32_t log_end_count;
    struct drop_set drops; // those that tables may still need, and some not looked at since
    uint32_t drops_looked; // number of the drop that is looked at next
    struct damage_set damages;
    struct counts counts;
};

// What changes from one version to the next; also what the manifest records. The builder of an edit
// owns it.
struct version_edit {
    struct lineage lineage; // timeline 0: not set
    uint64_t next_file;     // 0: not set, and so for the others
    uint64_t last_seq;
    uint64_t log_start;
    struct log_end *log_ends;
    uint32_t log_end_count;
    struct edit_table {
        unsigned level;
        struct table *table; // one reference held
    } * added;
    uint32_t added_count;
    struct edit_removed {
        unsigned level;
        uint64_t number;
    } * removed;
    uint32_t removed_count;
    struct drop_set drops; // new
    struct drop_set drops_done;
    struct damage_set damages; // new
    struct damage_set damages_done;
    struct counts counts; // deltas
};

void version_edit_release(struct version_edit *e);
void version_edit_add(struct version_edit *e, unsigned level, struct table *t); // takes a reference
void version_edit_remove(struct version_edit *e, unsigned level, uint64_t number);
void version_edit_add_log_end(struct version_edit *e, struct log_end end);
// EDIT of format.h. Decoding takes any bytes: CORRUPT or NEWER_FORMAT.
void version_edit_encode(const struct version_edit *e, struct buf *out);
int version_edit_decode(struct version_edit *e, struct slice payload, struct error *err);

struct version *version_new(void); // empty, one reference
struct version *version_ref(struct version *v);
// A table is about to be freed, because the last version that held it has gone. Loop.
typedef void (*version_table_gone_cb)(void *arg, struct table *t);
// Frees with the last reference. gone_cb (may be NULL) is called for each table that goes with it.
void version_unref(struct version *v, version_table_gone_cb gone_cb, void *arg);
// A new version, or CORRUPT if the edit does not fit (overlapping tables in a level, removing what
// is not there, another database's). New drops forget the counts below them, then the edit's counts
// are added. Of the drops some hundreds are looked at: those that no table needs any more (none
// overlaps that has older entries and was written without knowing the drop) are left out and added
// to edit->drops_done.
int version_apply(
    const struct version *base, struct version_edit *edit, struct version **out, struct error *err);
// The edit that makes this version out of nothing: the first of a new manifest.
void version_snapshot_edit(const struct version *v, struct version_edit *out);

// Index of the first table of a level >= 1 whose largest key is >= key; count if none.
uint32_t version_find(const struct level *level, struct slice key);
// Whether some table of levels > level overlaps [smallest, largest].
bool version_overlaps_below(
    const struct version *v, unsigned level, struct slice smallest, struct slice largest);
// The same for one key.
bool version_key_below(const struct version *v, unsigned level, struct slice key);
// Whether any drop newer than seq covers key.
bool version_dropped(const struct version *v, struct slice key, uint64_t seq);
#endif
