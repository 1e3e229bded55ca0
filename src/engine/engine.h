// The engine: ordered bytes -> bytes, durable. The public header of this folder; options.h is what
// it is opened with, env.h and exec.h are what it needs from outside.
//
// Thread: everything here is called on the loop, and every callback fires on the loop, never inside
// the call that asked for it.
//
// The shape of use: a `txn` is one command's reads and staged writes. Calls answer at once. WAIT
// means "not in memory": the caller gives up the attempt (txn_begin again), asks txn_wait() for a
// call back, and then runs the whole command again from its start. What an earlier attempt fetched
// stays pinned, so each attempt gets further. Nothing a txn stages is visible to others before
// txn_commit() == OK; from then on it is visible to all, and durable when engine_durable_seq() has
// reached txn_seq().
#ifndef VARVE_ENGINE_ENGINE_H
#define VARVE_ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/logger.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/blocking.h"
#include "engine/env.h"
#include "engine/exec.h"
#include "engine/options.h"

struct engine;
struct txn;
struct snapshot;
struct iter;

// What was asked for is done, or has failed.
typedef void (*engine_done_cb)(void *arg, int status);
// What the last attempt missed has arrived, or failed.
typedef void (*txn_ready_cb)(struct txn *txn, void *arg);
typedef void (*iter_ready_cb)(struct iter *it, void *arg);
typedef void (*txn_write_cb)(void *arg, int kind, struct slice key);
typedef void (*engine_count_cb)(void *arg, struct slice prefix);

// Opens or creates a database. Blocking; reads the manifest and the log's tail. On failure nothing
// on disk was changed if the reason lies in what was found there: CORRUPT, MISSING, NEWER_FORMAT,
// LOCKED; err says file and offset.
int engine_open(const struct engine_options *options, struct engine **out, struct error *err);
// Waits for what is under way, makes the log durable, and frees, without on_progress. All txns,
// iterators and snapshots are closed before. Returns the status of the last sync.
int engine_close(struct engine *engine, struct error *err);

// Takes effect for commits from now on.
void engine_set_fsync(struct engine *engine, enum fsync_policy policy);
void engine_set_compaction_rate_limit(struct engine *engine, uint64_t bytes_per_second);
// The cache follows at once, the memtables' size when it has to shrink; what was derived from the
// budget at opening stays otherwise.
void engine_set_memory_budget(struct engine *engine, uint64_t bytes);

// The end of a loop turn: writes what was committed in it to the log as one group (or submits it to
// the log lane).
void engine_turn_end(struct engine *engine);
// All commits with a seq up to this one are as durable as the policy asks.
uint64_t engine_durable_seq(const struct engine *engine);
// OK, or the failure after which the engine takes no more writes; commits above the durable seq are
// then lost and invisible. (A failure outside of the log is told once all commits before it are
// durable; txn_commit says READ_ONLY at once.)
int engine_write_status(const struct engine *engine, struct error *err);
// Microseconds for which the author of the commit just made should not be read from: pacing in
// proportion to the debt. 0: none.
uint64_t engine_pace_us(const struct engine *engine);

// --- Transactions --------------------------------------------------------------------------------

struct row {
    struct slice value; // borrowed until the txn's next txn_begin, txn_commit or txn_free
    uint64_t seq;       // 0 for what this txn staged itself
    // absolute; 0: never. The engine does not hide what has expired, compaction may drop it
    int64_t expire_ms;
};

// What most commands need to know of a row: a small fact, which costs a parked command a hundred
// bytes, however long the value is.
struct fact {
    uint64_t value_len, seq;
    int64_t expire_ms; // both as in struct row
    uint8_t head[8];   // what the value begins with
};

struct txn *txn_new(struct engine *engine);
void txn_free(struct txn *txn);
// A new attempt: forgets staged writes and noted misses, keeps pins.
void txn_begin(struct txn *txn);
// The command is over: as txn_begin, and gives up the pins. No allocation for a txn that never
// waited.
void txn_reset(struct txn *txn);

// OK, NOT_FOUND, WAIT (the key is noted; go on to other keys to fetch them together), or a failure:
// CORRUPT, IO; NO_MEMORY: the command needs more than it may have, and so will each attempt.
int txn_get(struct txn *txn, struct slice key, struct row *out);
int txn_get_fact(struct txn *txn, struct slice key, struct fact *out);
// Stages a write. The bytes are copied. `value` may be given in two pieces (value2 may be empty).
// Order matters as in a log.
void txn_put(
    struct txn *txn, struct slice key, struct slice value, struct slice value2, int64_t expire_ms);
void txn_delete(struct txn *txn, struct slice key);
// Promises that nobody will read keys that start with prefix again, older than this txn. Constant
// time; readers may still see them. A counted prefix is dropped as a whole (prefix is no longer
// than it), which makes its count zero.
void txn_drop_prefix(struct txn *txn, struct slice prefix);
bool txn_has_writes(const struct txn *txn);
// Takes back what was staged since `mark` (from txn_mark): for a command that fails in the middle
// of a transaction.
size_t txn_mark(const struct txn *txn);
void txn_rewind(struct txn *txn, size_t mark);
// Calls write_cb for every staged write, in order. kind is a enum record_kind of format.h.
void txn_each(struct txn *txn, txn_write_cb write_cb, void *arg);

// Live keys below a counted prefix (exactly that one), staged writes included; O(1) and staged. The
// truth is not further away than there are in doubt; in quiet times these come to nothing within
// seconds. What has expired goes within a second or so. Never negative, never WAIT. in_doubt may be
// NULL.
void txn_count(struct txn *txn, struct slice prefix, int64_t *count, int64_t *in_doubt);

// A key from lower on and below upper (neither is empty), drawn evenly by `seed`, which is the same
// in each attempt, among those that are there and have not expired before now_ms: OK and *out; or
// WAIT, or a failure. NOT_FOUND: what was drawn is not there; *out is the last of it, or empty.
struct draw_options {
    struct slice lower, upper;
    int64_t now_ms;
    uint64_t seed;
};
int txn_draw(struct txn *t, const struct draw_options *options, struct buf *out);

// Every counted prefix that has live keys or keys in doubt, in no order. count_cb makes no changes.
void engine_each_count(const struct engine *engine, engine_count_cb count_cb, void *arg);

// Applies all staged writes at once. OK; WAIT: no room for it now, wait and run again; NO_SPACE:
// the disk is full or about to be (what only deletes or drops is accepted for longer); IO: the disk
// gives the log no space, for another reason; READ_ONLY: an earlier log write failed; TOO_LARGE. On
// all but OK nothing has changed.
int txn_commit(struct txn *txn);
// The newest seq among what this attempt has read, counted or written: the reply waits until it is
// durable.
uint64_t txn_seq(const struct txn *txn);
// This attempt shows what was committed as seq, though it has not read it: something that its
// caller keeps in memory.
void txn_shows(struct txn *txn, uint64_t seq);

// Asks for a call back when what the last attempt missed has arrived (or failed: the next attempt
// gets the failure). One at a time a txn; txn_free cancels.
void txn_wait(struct txn *txn, txn_ready_cb ready_cb, void *arg);
// Begins to fetch what reading key would miss, waiting for nothing: for commands queued behind a
// parked one. Bounded; may do nothing.
void engine_prefetch(struct engine *engine, struct slice key);

// --- Snapshots and iterators ---------------------------------------------------------------------

struct snapshot *snapshot_new(struct engine *engine);
void snapshot_free(struct engine *engine, struct snapshot *snapshot);

struct iter_options {
    struct slice lower;        // first key that may be seen; empty: from the start. Copied
    struct slice upper;        // first key that may not be seen; empty: to the end. Copied
    struct snapshot *snapshot; // NULL: the state at opening. With a txn: and its staged writes
    bool shows_gone; // forward, shows a deleted key now and then if there are many in a row
};

// A view that does not change. With a txn, its attempts share one view of the tables, misses are
// noted in it (txn_wait), and it ends before txn_begin. Without, it lives on its own (iter_wait).
struct iter *iter_open(struct engine *engine, struct txn *txn, const struct iter_options *options);
void iter_close(struct iter *it);
// Positioning: OK, END, WAIT or a failure. next and prev are for after OK only. After WAIT the same
// call is made again, which goes on where it was; or a seek, which gives it up (record/entry.h says
// more).
int iter_seek(struct iter *it, struct slice key); // first key >= key
// last key < key; empty key: the last of all
int iter_seek_before(struct iter *it, struct slice key);
int iter_next(struct iter *it);
int iter_prev(struct iter *it);
// Valid after OK, until the next positioning.
struct slice iter_key(const struct iter *it);
struct row iter_row(const struct iter *it);
bool iter_is_gone(const struct iter *it); // what is shown is a key that is not there
// Without a txn: fires when what the last call missed has arrived. iter_close cancels.
void iter_wait(struct iter *it, iter_ready_cb ready_cb, void *arg);

// --- Expiry --------------------------------------------------------------------------------------

// The in-memory record that expires first, if it has expired by now_ms: OK and its key (borrowed
// until the next commit), else NOT_FOUND. The caller deletes it by a txn, which takes it off.
int engine_next_expired(struct engine *engine, int64_t now_ms, struct slice *key);

// --- Maintenance ---------------------------------------------------------------------------------

// Freezes the memtable, flushes all that is frozen, then calls back with the status: what the disk
// refuses is tried again by itself, but not waited for. Any number may wait.
void engine_flush(struct engine *engine, engine_done_cb done_cb, void *arg);
// Flushes, then compacts everything once down to the lowest level in use.
void engine_compact(struct engine *engine, engine_done_cb done_cb, void *arg);

// See stats.h for what it holds.
struct engine_stats;
void engine_get_stats(const struct engine *engine, struct engine_stats *out);

#endif
