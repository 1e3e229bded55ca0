// The engine's private state, one struct a concern. Included by engine.c and the modules that make
// up engine.h's functions (txn, iter, commit, flush, compaction_job, snapshot, recovery, stats); by
// nothing outside this folder. All of it is the loop's.
#ifndef VARVE_ENGINE_ENGINE_IMPL_H
#define VARVE_ENGINE_ENGINE_IMPL_H

#include "base/list.h"
#include "engine/compaction/picker.h"
#include "engine/engine.h"
#include "engine/log/wal.h"
#include "engine/memtable/clean.h"
#include "engine/memtable/memtable.h"
#include "engine/record/batch.h"
#include "engine/stats.h"
#include "engine/table/fetch.h"
#include "engine/table/pins.h"
#include "engine/version/manifest.h"

// bytes of an uncompressed block: what a damaged length can make us allocate
enum { ENGINE_BLOCK_MAX = 1 << 30 };

enum { ENGINE_CACHE_SHARE = 2 }; // the cache gets this part of the budget

enum {
    FROZEN_MAX = 4
}; // memtables that wait for their flush; with the active one they share the memtables' part of the budget

struct memtables {
    struct memtable *active;
    struct memtable *frozen[FROZEN_MAX]; // oldest first
    unsigned frozen_count;
};

// commit.c: what a failed log write takes back. A group is what one turn applied to one memtable.
struct undo_group {
    struct buf undo;
    struct memtable *memtable; // referenced
    uint64_t last_seq;
};

struct commit_state {
    struct undo_group *groups; // oldest first; those behind group_count are spare, for their bufs
    unsigned group_count, group_cap;
    bool group_open;              // the last one takes further commits of this turn
    bool taken_back;              // the log has failed, and what was not durable is gone
    struct list room_waiters;     // txns whose commit said WAIT
    struct exec_timer room_timer; // wakes them after a turn: never inside the call that ended it
};

struct pace_state {
    uint64_t debt;       // bytes that compaction is behind, as of the last change of the version
    double pressure;     // 0 to 1: how far debt is on its way from the soft to the hard bound
    double bytes_per_us; // what flush and compaction have been keeping up with
    uint64_t frozen_bytes;
    uint64_t next_us;  // when the bytes committed so far will have been paid for
    uint64_t delay_us; // for the last commit
};

// space.c: whether the disk is about to be full.
struct space_state {
    struct job job;
    struct exec_timer retry, drop;
    uint64_t free;   // bytes, as last looked at
    bool low;        // only what gives space back is committed
    bool running;    // the job
    bool drop_waits; // the drop timer
    bool closing;
};

// engine.c: edits on their way into the manifest, one at a time, in the order of submission.
struct edit_queue {
    struct list waiting; // struct edit_op
    struct edit_op *running;
    struct version *next; // what the running one results in
};

struct engine {
    struct engine_options options; // defaults filled in
    char *dir;
    struct env *env;
    struct exec *exec;
    struct logger *logger;
    struct file *lock;

    uint64_t last_seq; // of the newest commit
    uint64_t next_file;
    struct memtables memtables;
    struct clean clean; // what was flushed last, for point reads
    struct version *version;
    struct counts counts; // version's plus all memtables': what txn_count answers from
    struct wal *wal;
    struct manifest *manifest;
    struct cache *cache;
    struct fetcher *fetcher;
    struct pins pins;
    struct list snapshots; // ascending seq
    // ascending seq: what views or snapshots need is not overwritten in place
    struct list views;
    struct list parked;    // txns that have waited for reads, in the order in which they began to
    struct list held_back; // those of them that have to let older ones finish first
    struct commit_state commit;
    struct pace_state pace;
    struct flush_state *flush;           // flush.c
    struct compaction_state *compaction; // compaction_job.c
    struct edit_queue edits;
    struct space_state space;
    unsigned unlinks; // files that the files lane is unlinking
    // all filters together take at most half of the cache: those that are missing are worth reading
    bool filters_fit;
    // the last flush met a full disk and will try again: without room a commit is NO_SPACE, not
    // WAIT
    bool no_space;
    struct exec_timer failed_timer; // tells of it outside the call in which it happened
    struct error failed;            // status != OK: read-only until opened again
    struct engine_stats stats;
};

struct snapshot {
    struct list link;
    uint64_t seq;
};

// A view of everything at a moment: what an iterator reads. Holds references.
struct view {
    uint32_t refs;
    struct list link;                                 // in engine->views
    struct memtable *memtables[2 * (FROZEN_MAX + 1)]; // newest first
    unsigned memtable_count;
    struct version *version;
    uint64_t seq;
};

enum txn_state { TXN_IDLE, TXN_FETCHING, TXN_ROOM, TXN_HELD_BACK };

// What rows borrow from: let go by txn_begin.
struct txn_borrowed {
    struct block_ref few[4];
    struct block_ref *more; // once few are full
    uint32_t count, more_cap;
    struct borrowed_copy *copies; // of staged values, which move when more is staged
};

struct txn {
    struct engine *engine;
    struct batch batch;
    struct fetch fetch;
    struct txn_borrowed borrowed;
    struct pin **pinned; // rows this txn holds
    uint32_t pinned_count, pinned_cap;
    struct view *view; // shared by the attempts' iterators; NULL until one is opened
    uint64_t seq;
    enum txn_state state;
    bool waited;     // this is not the first attempt
    bool yields;     // it has come to the limit of rows that all may hold: older ones first
    bool wants_room; // the last commit said WAIT
    struct list room_link;
    struct list parked_link, held_back_link;
    void (*ready_cb)(struct txn *txn, void *arg);
    void *ready_arg;
};

// engine.c (owner of the struct)
uint64_t engine_new_file_number(struct engine *e);
// Lets clean memtables go until they fit what active and frozen ones leave of the memtables' part
// of the budget.
void engine_trim_clean(struct engine *e);
// Makes an edit durable and publishes the version it results in: e->version is replaced,
// done_cb(arg, OK) is called (a flush takes its memtable away there), then counts and debt are
// computed anew, waiters for room are woken, and flush and compaction are asked whether there is
// work. NO_SPACE: nothing has happened, it may be submitted again. The caller owns op and its edit
// until done_cb.
struct edit_op {
    struct list link;
    struct version_edit *edit;
    uint64_t
        // count deltas below drops newer than this are void: those drops came while the edit was
        // being made
        base_seq;
    void (*done_cb)(void *arg, int status);
    void *arg;
};
void engine_submit_edit(struct engine *e, struct edit_op *op);
// What the picker goes by, now.
struct picker_options engine_picker_options(const struct engine *e);
// The seqs of all snapshots, ascending: one heap block.
uint64_t *engine_snapshots(const struct engine *e, uint32_t *count);
void engine_unref_version(struct engine *e, struct version *v);
void engine_unlink(struct engine *e, uint64_t table_number); // by the files lane
// After the version has changed: what the builders of new tables left in memory goes into the
// cache, for the next commits and reads want it; and e->filters_fit.
void engine_adopt_tables(struct engine *e);
// e->counts from version and memtables
void engine_recount(struct engine *e);
// read-only from now on; on_progress fires later
void engine_fail(struct engine *e, const struct error *cause);
uint64_t engine_oldest_snapshot(const struct engine *e); // SEQ_MAX if none
// enters engine->views in order of seq
struct view *view_new(struct engine *e, uint64_t seq);
void view_unref(struct engine *e, struct view *v);

// txn.c
void txn_has_room(struct txn *t); // calls back one of room_waiters, which is off the list before
static inline void txn_saw(struct txn *t, uint64_t seq)
{
    if (seq > t->seq)
        t->seq = seq;
}

// commit.c
void commit_init(struct engine *e);
void commit_release(struct engine *e);
// The body of engine_turn_end: hands the turn's group to the log, and what commit_on_progress does.
void commit_turn_end(struct engine *e);
// The durable seq or the log's status has changed (wal_options.on_progress): forgets undo, or takes
// back what was not made durable and fails the engine; asks for flushes that waited for their
// memtable to be durable; wakes those who wait for room.
void commit_on_progress(struct engine *e);
// What committing the batch now would add to the counts of prefix: for txn_count. *forgotten: a
// staged drop covers the prefix, the present count is not to be added.
void commit_staged_count(struct engine *e, struct batch *batch, struct slice prefix, int64_t *live,
    int64_t *in_doubt, bool *forgotten);
// Freezes the active memtable and begins a new one: OK (also if it is empty); WAIT: as many as may
// are frozen, or no segment is ready.
int commit_freeze(struct engine *e);
// How many memtables may be frozen: with the active one they stay within three eighths of the
// budget.
unsigned commit_frozen_max(const struct engine *e);
void commit_wake_room(struct engine *e); // calls back the txns that wait for room, if there is some
// Applies one replayed entry, whose tag already says what its commit found out, to the active
// memtable; engine->counts is not kept.
void commit_replay(struct engine *e, const struct entry *entry);

// pace.c
void pace_update(struct engine *e); // after the version or a memtable has changed
void pace_on_commit(struct engine *e, uint64_t bytes);

// space.c
void space_init(struct engine *e);
void space_stop(struct engine *e);  // drives exec until it does nothing any more
void space_check(struct engine *e); // looks, soon: space has been taken or given
// a drop was committed: its memtable is not to stay unflushed for long
void space_on_drop(struct engine *e);
bool space_allows(
    // false: the disk is about to be full, and b would take more of it
    const struct engine *e, const struct batch *b);

// flush.c
void flush_init(struct engine *e);
// begins none any more, cancels waiters, drives exec until none is under way
void flush_stop(struct engine *e);
void flush_release(struct engine *e); // after stop
// Begins one if none is under way and a memtable is frozen whose last seq is durable (what is not
// may have to be taken back).
void flush_maybe(struct engine *e);
// engine_flush
void flush_wait(struct engine *e, void (*done_cb)(void *arg, int status), void *arg);
// Recovery: writes a memtable's tables on this thread and adds what they change to the edit
// (tables, last_seq, drops, counts).
int flush_blocking(
    struct engine *e, struct memtable *m, struct version_edit *edit, struct error *err);

// compaction_job.c
void compaction_init(struct engine *e);
// as flush_stop, which comes before; a merge is given up at its next step
void compaction_stop(struct engine *e);
void compaction_release(struct engine *e);
void compaction_maybe(struct engine *e);
// engine_compact
void compaction_wait(struct engine *e, void (*done_cb)(void *arg, int status), void *arg);

// recovery.c: everything between the lock and a ready engine.
int recovery_run(struct engine *e, struct error *err);

#endif
