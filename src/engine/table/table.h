// table: reading SSTables. One cursor serves the loop and the jobs; what differs is where blocks
// come from: a block_source.
#ifndef VARVE_ENGINE_TABLE_TABLE_H
#define VARVE_ENGINE_TABLE_TABLE_H

#include "base/random.h"
#include "engine/env.h"
#include "engine/record/corrections.h"
#include "engine/table/block.h"
#include "engine/table/table_meta.h"

// A block as its builder left it, on the heap. data NULL: none, or taken over by the cache.
struct built_block {
    uint8_t *data;
    size_t len;
};

// What changes while a table lives: the loop's alone.
struct table_loop {
    struct open_file *file;                          // open_files.c; NULL: not open
    struct cached_block *index_block, *filter_block; // slots of cached_block
    // Into the cache when the table is published, so that nobody has to wait for them.
    struct built_block built_index, built_filter;
    bool being_compacted;
    bool passed_over;   // and so being_compacted, for a while: a plan with it has failed
    bool survey_failed; // its doubts stay
    struct corrections *corrections; // of the counts; NULL: nobody has looked (survey.h)
};

// One job makes it, the loop publishes it; from then on jobs read meta and nothing else.
struct table {
    struct table_meta meta;
    struct table_loop loop;
    uint32_t refs; // the loop's
};

struct table *table_new(void); // one reference; nothing described but the format we write
struct table *table_ref(struct table *t);
// Frees with the last reference. While a table may be open or cached the last one is a version's
// (version_unref tells its gone_cb first): cursors and jobs hold none, but keep a version.
void table_unref(struct table *t);

// Where a table cursor gets its blocks: from the cache, answering WAIT on a miss that it notes
// (loop: fetch.h), or by blocking reads with read-ahead (jobs: table_scan.c).
struct block_ref {
    struct slice contents;
    void *impl;
};

struct block_source {
    // The contents, checked; of a filter, as filter_load() left them. OK, WAIT, or a failure, which
    // *err explains (err may be NULL).
    int (*get)(struct block_source *s, struct table *t, struct handle h, struct block_ref *out,
        struct error *err);
    void (*put)(struct block_source *s, struct block_ref *ref);
    // A cursor that has just been told to WAIT will want this block soon. NULL: no use for the
    // hint.
    void (*want)(struct block_source *s, struct table *t, struct handle h);
    // A block will be got soon, if it is in memory: first where it is found is asked of the
    // processor's caches, then (`near`) where it is. NULL: no use for the hint.
    void (*hint)(struct block_source *s, struct table *t, struct handle h, bool near);
    // A cursor has left this table. NULL: no use for the hint.
    void (*leave)(struct block_source *s, struct table *t);
    bool tracks; // it has to be told of every block that is used: no short cuts past get
};

// Over one table, which the caller keeps alive. Failures go to *err (may be NULL), which outlives
// the cursor.
struct cursor *table_cursor(struct block_source *source, struct table *t, struct error *err);
// Over the disjoint, ordered tables of a level (or any ordered slice of them), which the caller
// keeps alive with the array; opens them one at a time.
struct cursor *level_cursor(
    struct block_source *source, struct table *const *tables, uint32_t count, struct error *err);

// For cursors of jobs, which go forward: a data block that is damaged, or a whole table whose index
// is, is passed over if the callback says so. Its keys are those behind `before` (and further
// versions of that key), or from the smallest of the table on if it is NULL, up to last.
typedef bool (*table_damage_cb)(void *arg, struct table *t, const struct slice *before,
    struct slice last, const struct error *err);
void table_cursor_pass_damage(struct cursor *c, table_damage_cb damage_cb, void *arg);

// A source for one job: blocking, its own file handles, read-ahead, no cache. Closed by
// table_scan_free after its cursors.
struct block_source *table_scan_new(
    struct env *env, const char *dir, size_t readahead, uint64_t max_block);
void table_scan_free(struct block_source *s, uint64_t *bytes_read);

// Newest entry of key with seq <= max_seq: OK (PUT or DELETE), NOT_FOUND, WAIT, or a failure. *pin
// keeps the block that out borrows from (to be put by the caller) on OK. hash = hash64(key). stats
// may be NULL.
struct engine_stats;
int table_get(struct block_source *source, struct table *t, struct slice key, uint64_t hash,
    uint64_t max_seq, struct entry *out, struct block_ref *pin, struct engine_stats *stats,
    struct error *err);
// The part of a table that may hold keys from lower on and below upper.
struct table_part {
    struct table *table;
    uint64_t entries; // records in its blocks; of the whole table until `known`
    bool known;
    uint32_t first, last; // entries of the index, by their offsets; both included
    uint32_t first_restart, last_restart;
};

// Makes it known. OK, WAIT for the index, or a failure.
int table_part_find(struct block_source *source, struct table_part *part, struct slice lower,
    struct slice upper, struct error *err);
// A record out of the part's blocks, each as likely as any other if the table tells how many there
// are in a block (else each block is): OK, NOT_FOUND: none was hit, WAIT or a failure. out borrows
// from *key, and has no value.
int table_draw(struct block_source *source, const struct table_part *part, struct random *random,
    struct buf *key, struct entry *out, struct error *err);
// The table will be asked for this key soon: asks memory for the line of its filter, if that is
// there.
void table_prefetch(const struct table *t, uint64_t hash);
// 0: the filter, in memory, says no; 1: maybe; -1: the filter is not in memory.
int table_may_contain(const struct table *t, uint64_t hash);

// An entry's value of the index: false if it is no handle of a block inside the table.
bool table_handle_decode(const struct table *t, struct slice bytes, struct handle *out);
// CORRUPT: what passed its checksum makes no sense.
int table_corrupt(struct error *err, const struct table *t, uint64_t offset, const char *what);
// What reading in a block ended in, with an error that names the table: CORRUPT (`what`) or
// NEWER_FORMAT. Any other status is passed on as it is.
int table_judge_block(
    struct error *err, const struct table *t, uint64_t offset, int status, const char *what);

#endif
