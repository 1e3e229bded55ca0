// wal: the write-ahead log. Owned by the loop; its writes and syncs are jobs of the log lane.
//
// Commits of a loop turn gather in a group. wal_turn_end() hands the group on:
//   everysec, no   the loop writes it itself (a copy into the page cache), unless a sync has been
//                  running for a second, the last write took over 2 ms, or the group holds a large
//                  value: then it goes to the log lane, and so does all behind it meanwhile
//   always         one job of the log lane writes and syncs; while it runs the next group collects
// Under everysec a timer submits a sync each second in which something was written. "Durable" is
// what the policy promises: written (everysec, no), synced (always). The durable seq only grows.
// When a write or sync fails it stops for good: wal_status() is the failure, wal_reserve() answers
// READ_ONLY, nothing is retried.
//
// Segments are created ahead of need by a job of the files lane: file, allocated blocks, header,
// directory entry synced. A segment is left for the next when the engine says so (wal_rotate, with
// a new memtable): it is sealed with the number of the next, and is synced before the first sync of
// the next is reported, so that a proven position speaks for all older segments too.
#ifndef VARVE_ENGINE_LOG_WAL_H
#define VARVE_ENGINE_LOG_WAL_H

#include "base/logger.h"
#include "base/status.h"
#include "engine/env.h"
#include "engine/exec.h"
#include "engine/options.h"
#include "engine/record/lineage.h"

struct wal;

typedef uint64_t (*wal_number_cb)(void *arg); // a fresh file number
// The durable seq, the status or the room has changed, from a job's completion.
typedef void (*wal_progress_cb)(void *arg);

struct wal_options {
    struct env *env;
    struct exec *exec;
    struct logger *logger;
    const char *dir;
    enum fsync_policy fsync;
    struct lineage lineage; // of the segments that are begun
    uint64_t segment_size;  // bytes allocated ahead at most, where that much is needed
    wal_number_cb new_number;
    wal_progress_cb on_progress;
    void *arg;
};

struct wal_stats {
    uint64_t segments, bytes; // now
    uint64_t allocated;       // bytes on the disk, now: what is ahead of need included
    uint64_t written_bytes, writes, syncs, sync_us_total, sync_us_max;
};

// Creates the first segment, blocking: recovery never appends to an old one. last_seq: what
// recovery found, durable from the start.
int wal_open(
    const struct wal_options *options, uint64_t last_seq, struct wal **out, struct error *err);
// A segment of an earlier life that recovery has read and that still counts: wal_release unlinks it
// in its time. Blocking: it is synced, so that what recovery found is as durable as what is written
// now. Before the first append.
int wal_adopt(struct wal *w, uint64_t number, uint64_t bytes, struct error *err);
// Blocking (drives exec): writes and syncs what is left, seals the log, and frees. on_progress does
// not fire any more. Returns the failure of the log, if there was one.
int wal_close(struct wal *w, struct error *err);

// After a start that failed, before any append: as wal_close, but the log gets no seal.
void wal_abandon(struct wal *w);

// Whether a batch of this many payload bytes can be taken: OK; NO_SPACE or IO: the segment cannot
// grow, which is tried again each second; READ_ONLY; or WAIT: the collecting group is at its bound,
// or the segment is growing: on_progress or the end of the turn brings news.
int wal_reserve(struct wal *w, size_t payload_bytes);
// Adds a batch to the group. Never fails after a wal_reserve that said OK.
void wal_append(struct wal *w, uint64_t first_seq, uint64_t last_seq, struct slice payload);
// Hands the group on. Where the loop writes it itself, the durable seq and the status have changed
// on return, without on_progress.
void wal_turn_end(struct wal *w);
uint64_t wal_durable_seq(const struct wal *w);
int wal_status(const struct wal *w, struct error *err);
void wal_set_fsync(struct wal *w, enum fsync_policy policy);
void wal_set_segment_size(struct wal *w, uint64_t bytes); // as in the options, from now on

// Later appends go to a new segment if one is ready: OK and its number; WAIT: not ready yet, go on
// with the old one, on_progress brings news; NO_SPACE or IO: as WAIT, but the last attempt to make
// one has failed, which is tried again each second.
int wal_rotate(struct wal *w, uint64_t *number);
bool wal_cannot_rotate(const struct wal *w); // it would answer NO_SPACE or IO
// written to the current segment, the group included
uint64_t wal_segment_bytes(const struct wal *w);
uint64_t wal_segment_number(const struct wal *w);
// Segments with numbers below are flushed and durable elsewhere: they are unlinked by the files
// lane.
void wal_release(struct wal *w, uint64_t below);
// Adds up what the log has done since wal_open.
void wal_get_stats(const struct wal *w, struct wal_stats *out);

#endif
