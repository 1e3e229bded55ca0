// The engine's state, and nothing but data: one struct a concern. All of it is the loop's. Who
// includes this header lies at the engine's root; everybody else has a wing. What each module does
// with its part is said in the module's own header.
#ifndef VARVE_ENGINE_STATE_H
#define VARVE_ENGINE_STATE_H

#include "base/list.h"
#include "engine/engine.h"
#include "engine/log/wal.h"
#include "engine/memtable/clean.h"
#include "engine/memtable/memtable.h"
#include "engine/stats.h"
#include "engine/table/fetch.h"
#include "engine/table/pins.h"
#include "engine/version/manifest.h"

// The cache gets this part of the budget.
enum { ENGINE_CACHE_SHARE = 2 };

// Memtables that wait for their flush; with the active one they share the memtables' part of the
// budget.
enum { FROZEN_MAX = 4 };

struct compaction_scheduler; // compaction_scheduler.c
struct edit_op;              // publish.h
struct flush_state;          // flush.c
struct settle_state;         // settle.c

// memtables.h
struct memtables {
    struct memtable *active;
    struct memtable *frozen[FROZEN_MAX]; // oldest first
    unsigned frozen_count;
    struct clean clean; // flushed ones that are kept for point reads
};

// What a failed log write takes back. A group is what one turn applied to one memtable.
struct undo_group {
    struct buf undo;
    struct memtable *memtable; // referenced
    uint64_t last_seq;
};

// commit.h
struct commit_state {
    struct undo_group *groups; // oldest first; those behind group_count are spare, for their bufs
    unsigned group_count, group_cap;
    bool group_open;              // the last one takes further commits of this turn
    bool taken_back;              // the log has failed, and what was not durable is gone
    struct list room_waiters;     // txns whose commit said WAIT
    struct exec_timer room_timer; // wakes them after a turn: never inside the call that ended it
};

// pace.h
struct pace_state {
    uint64_t debt;       // bytes that compaction is behind, as of the last change of the version
    double pressure;     // 0 to 1: how far debt is on its way from the soft to the hard bound
    double bytes_per_us; // what flush and compaction have been keeping up with
    uint64_t frozen_bytes;
    uint64_t next_us;  // when the bytes committed so far will have been paid for
    uint64_t delay_us; // for the last commit
};

// space.h: whether the disk is about to be full.
struct space_state {
    struct job job;
    struct exec_timer retry_timer, drop_timer, rest_timer;
    uint64_t free;     // bytes, as last looked at
    uint64_t capacity; // bytes that the database may have: its own and what is free
    bool low;          // only what gives space back is committed
    bool tight, out;   // the steps below it: space.c
    bool running;      // the job
    bool complained;   // that the disk is low
    uint64_t said_us;  // when
    uint64_t ballast;  // bytes of it that are on the disk
    // for the job: how large it should be, and the free bytes from which on it may; or it goes
    uint64_t ballast_wanted, ballast_needs;
    bool ballast_goes;
    bool timer_runs;          // the retry timer
    bool drop_waits;          // the drop timer runs
    bool compaction_has_none; // the last one met a full disk
    bool flush_has_none;      // the last flush met a full disk: a commit without room is NO_SPACE
    bool rest_waits;          // the rest timer runs
    uint64_t rest_bytes;      // users' bytes when it was started
    uint64_t covers;          // records of the active memtable that may hide one in a table
    bool closing;
};

// publish.h: edits on their way into the manifest, one at a time, in the order of submission.
struct edit_queue {
    struct list waiting; // struct edit_op
    struct edit_op *running;
    struct version *next; // what the running one results in
};

// upkeep.h
struct upkeep_state {
    unsigned changes; // enum upkeep_change, not yet seen to
    bool running;
    bool in_turn;            // engine_turn_end: who waits for room is woken after it
    struct exec_timer timer; // what must not follow inside the call that changed something
    struct error failed;     // status != OK: read-only until opened again
};

struct engine {
    struct engine_options options; // defaults filled in
    // as opened with; options has what the budget and the disk allow of it: space_fit
    uint64_t write_buffer_wanted, target_file_wanted;
    char *dir;
    struct env *env;
    struct exec *exec;
    struct logger *logger;
    struct file *lock;

    uint64_t last_seq; // of the newest commit
    uint64_t next_file;
    struct memtables memtables;
    struct version *version;
    struct counts counts;      // version's plus all memtables'; with what follows ...
    struct counts corrections; // ... which settle.c has found out, what txn_count answers from
    struct wal *wal;
    struct manifest *manifest;

    struct cache *cache;
    struct fetcher *fetcher;
    struct pins pins;
    // All filters together take at most half of the cache: those that are missing are worth
    // reading.
    bool filters_fit;

    struct list snapshots; // ascending seq
    struct list views;     // ascending seq: what views or snapshots need is not overwritten
    struct list parked;    // txns that have waited for reads, in the order in which they began to
    unsigned gaps;         // that txns remember
    struct list held_back; // those of them that have to let older ones finish first

    struct commit_state commit;
    struct pace_state pace;
    struct space_state space;
    struct flush_state *flush;
    struct compaction_scheduler *compaction;
    struct settle_state *settle;
    struct edit_queue edits;
    struct upkeep_state upkeep;
    unsigned unlinks; // files that the files lane is unlinking
    bool closing;     // what is let go of now stays on disk
    struct engine_stats stats;
};

static inline uint64_t engine_new_file_number(struct engine *e)
{
    return e->next_file++;
}

#endif
