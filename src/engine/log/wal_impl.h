// The log's private structures, shared by wal.c, wal_job.c and wal_segment.c.
#ifndef VARVE_ENGINE_LOG_WAL_IMPL_H
#define VARVE_ENGINE_LOG_WAL_IMPL_H

#include "base/buf.h"
#include "base/list.h"
#include "engine/filename.h"
#include "engine/log/segment.h"
#include "engine/log/wal.h"

// One segment. The loop's; jobs read `file` and `number` only.
struct wal_file {
    struct list link; // in wal->files, oldest first; the last one is appended to
    struct wal *wal;
    uint64_t number;
    struct file *file; // NULL: of an earlier life
    uint64_t size;     // allocated
    uint64_t appended; // where the next record goes
    uint64_t written;
    uint64_t synced;
    unsigned users; // groups that go there, jobs that work on it
    bool released;  // to be unlinked
    struct job unlink_job;
};

// Batches that go to one place in one write.
struct wal_group {
    struct buf bytes;
    struct wal_file *file; // which it uses: a seal may wait when all before it has been flushed
    uint64_t offset;
    uint64_t last_seq;
    bool unsummed; // holds large records without their checksums
};

struct wal_groups {
    struct wal_group *items; // those behind count are spare, for their bufs
    unsigned count, cap;
};

struct wal_sync_target {
    struct wal_file *file;
    uint64_t upto;
};

// A job of the log lane: writes groups, then syncs targets; either may be none.
struct wal_job {
    struct job job;
    struct wal *wal;
    bool busy;
    uint64_t submitted_us;
    struct wal_groups groups;
    struct wal_sync_target *targets;
    unsigned target_count, target_cap;
    int status;
    struct error err;
    uint64_t write_us, sync_us; // time it took
    unsigned syncs;
};

// Creating the next segment, or extending the current one: jobs of the files lane.
struct wal_space {
    struct job create_job, extend_job;
    bool creating, extending;
    struct wal_file *creation; // being created
    struct wal_file *ready;    // created, not used yet
    struct wal_file *extended; // being extended
    uint64_t extend_to;
    uint64_t extend_wanted; // what the last failed extension was for; 0: none has failed
    int create_status, extend_status;
    uint64_t next_size; // of the next segment: as much as the last one needed
    int create_failed;  // status of the last creation, if none has worked since; tried each second
    struct error create_err, extend_err;
    struct exec_timer create_timer, extend_timer;
    bool complained;
};

struct wal {
    struct wal_options options;
    char *dir;
    struct list files;
    struct wal_file *current;
    uint64_t proven; // what a record written now may say
    struct wal_groups collecting;
    size_t collecting_bytes;
    struct wal_job write_job, sync_job;
    struct wal_space space;
    struct exec_timer sync_timer, rest_timer;
    bool sync_timer_runs, rest_timer_runs;
    bool unproven;     // batches were appended since the last proof
    uint64_t rest_seq; // last_seq when the rest timer was started
    unsigned unlinking;
    uint64_t last_seq; // of the newest batch that was appended
    uint64_t durable_seq;
    uint64_t last_write_us; // how long the last write took
    bool closing;
    struct error failed;
    struct wal_stats stats;
};

// wal.c
void wal_fail(struct wal *w, const struct error *cause);
void wal_progress(struct wal *w); // tells the owner
void wal_hand_over(struct wal *w);
void wal_update_proven(struct wal *w);
// Ends the current segment: this was all, `next` goes on. Into the group, as a batch.
void wal_append_seal(struct wal *w, uint64_t next);
void wal_count_sync(struct wal *w, uint64_t us);
// Everything is written and synced, and not proven yet: a proof goes into the group. Whoever calls
// hands it on and syncs it. If there is no room for it now, the rest timer tries again.
bool wal_append_proof(struct wal *w);

// wal_job.c
struct wal_group *wal_groups_add(struct wal_groups *g);
void wal_groups_clear(struct wal_groups *g);
void wal_groups_release(struct wal_groups *g);
int wal_write_group(struct wal *w, struct wal_group *g, struct error *err); // any thread
void wal_after_write(struct wal *w, const struct wal_group *g);
void wal_submit_write(struct wal *w, bool sync); // all that was collected; the job is not busy
// if there is something to sync, and no sync is under way
void wal_start_sync(struct wal *w);
void wal_arm_sync_timer(struct wal *w);
void wal_sync_timer_fired(struct exec_timer *timer);
void wal_arm_rest_timer(struct wal *w);
void wal_rest_timer_fired(struct exec_timer *timer);
void wal_job_release(struct wal_job *job);

// wal_segment.c
int wal_file_create(struct wal *w, struct wal_file *f, struct error *err); // blocking
struct wal_file *wal_file_new(struct wal *w, uint64_t number, uint64_t size);
void wal_file_free(struct wal_file *f); // and closes
void wal_create_ahead(struct wal *w);
void wal_note_need(struct wal *w, uint64_t bytes); // which the current segment had
// OK, WAIT, or why the last extension has failed; keeps room for a seal
int wal_make_room(struct wal *w, uint64_t end);
void wal_file_unuse(struct wal_file *f); // a job is done with it
void wal_space_init(struct wal *w);
void wal_space_stop(struct wal *w); // the timers

#endif
