// The engine's life: options, opening, the end of a turn, closing. Everything else that engine.h
// promises lives in a module of its own: txn.c, iter.c, commit.c, snapshot.c, draw.c, pace.c,
// flush.c, compaction_scheduler.c, stats.c, blocking.c.
//
// Opening. The lock comes first, so that nobody changes what we read. recovery_run() then reads
// everything, judges it, and only when all is known to be good changes the first byte. What it
// builds (version, memtables, log, manifest) is torn down here if it fails half-way.
//
// Closing is the reverse: first everybody who starts work is stopped and what is under way awaited,
// then the log made durable, then memory is freed from the top of the dependencies down: memtables
// and the version (whose tables leave the fetcher), fetcher, cache.
//
// Memory. The budget is split: memtables get at most three eighths (each is an eighth, or what the
// option says, and never more), the cache one half; the rest is for pins, jobs' buffers and the
// heap's slack.
#include "engine/engine.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/commit.h"
#include "engine/compaction_scheduler.h"
#include "engine/filename.h"
#include "engine/flush.h"
#include "engine/memtables.h"
#include "engine/publish.h"
#include "engine/recovery.h"
#include "engine/settle.h"
#include "engine/space.h"
#include "engine/unlink.h"
#include "engine/upkeep.h"

#define MIB (1024ull * 1024)

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void fill_defaults(struct engine_options *o)
{
    if (o->memory_budget == 0)
        o->memory_budget = 256 * MIB;
    o->write_buffer_size = clamp(o->write_buffer_size, 1, o->memory_budget / 8);
    if (o->target_file_size == 0)
        o->target_file_size = clamp(o->memory_budget / 32, 2 * MIB, 32 * MIB);
    if (o->level0_file_limit == 0)
        o->level0_file_limit = 4;
    if (o->block_size == 0)
        o->block_size = 4096;
    if (o->bloom_bits_per_key == 0)
        o->bloom_bits_per_key = 10;
    if (o->compression_level == 0)
        o->compression_level = 1;
    if (o->max_open_files == 0)
        o->max_open_files = 256;
    // What a command carries is at most a sixth of the budget (server), and a fact takes up to four
    // times what its key took in there: two thirds, and a little.
    if (o->wait_memory_percent == 0)
        o->wait_memory_percent = 69;
    if (o->wait_attempts == 0)
        o->wait_attempts = 200;
    // About a millisecond if all are in memory.
    if (o->wait_round_keys == 0)
        o->wait_round_keys = 512;
}

// --- Opening -------------------------------------------------------------------------------------

// The directory that holds dir.
static void parent_of(char out[FILENAME_PATH_SIZE], const char *dir)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    while (len > 0 && dir[len - 1] != '/')
        len--;
    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (len == 0)
        strcpy(out, ".");
    else
        snprintf(out, FILENAME_PATH_SIZE, "%.*s", (int)len, dir);
}

static int make_and_lock(struct engine *e, struct error *err)
{
    char path[FILENAME_PATH_SIZE], parent[FILENAME_PATH_SIZE];
    if (strlen(e->dir) > FILENAME_DIR_MAX)
        return error_set(err, MISUSE, e->dir, 0, 0, "the path is too long");
    filename_lock(path, e->dir);
    int status = e->env->ops->lock(e->env, path, &e->lock, NULL);
    if (status == OK)
        return OK;
    if (status != LOCKED) {
        status = e->env->ops->mkdir(e->env, e->dir, err);
        if (status != OK)
            return status;
        parent_of(parent, e->dir);
        // best effort: the parent may not be ours to open
        e->env->ops->sync_dir(e->env, parent, NULL);
    }
    return e->env->ops->lock(e->env, path, &e->lock, err);
}

static struct engine *engine_new(const struct engine_options *options)
{
    struct engine *e = xcalloc(1, sizeof *e);
    e->options = *options;
    if (options->write_buffer_size == 0)
        e->options.write_buffer_size = 64 * MIB;
    e->write_buffer_wanted = e->options.write_buffer_size;
    fill_defaults(&e->options);
    e->target_file_wanted = e->options.target_file_size;
    e->dir = xstrdup(options->dir);
    e->options.dir = e->dir;
    e->env = options->env;
    e->exec = options->exec;
    e->logger = options->logger;
    e->next_file = 1;
    list_init(&e->snapshots);
    list_init(&e->views);
    list_init(&e->parked);
    list_init(&e->held_back);
    list_init(&e->edits.waiting);
    e->cache = cache_new(e->options.memory_budget / ENGINE_CACHE_SHARE);
    e->fetcher = fetcher_new(
        e->env, e->exec, e->dir, e->cache, e->options.max_open_files, ENGINE_BLOCK_MAX, &e->stats);
    upkeep_init(e);
    commit_init(e);
    space_init(e);
    flush_init(e);
    compaction_scheduler_init(e);
    settle_init(e);
    return e;
}

// Everything in memory, whatever of it there is. Nothing is under way.
static void engine_free(struct engine *e)
{
    e->closing = true;
    flush_release(e);
    compaction_scheduler_release(e);
    commit_release(e);
    memtables_release(e);
    if (e->version != NULL)
        unlink_version(e, e->version);
    unlink_stop(e);
    if (e->manifest != NULL)
        manifest_close(e->manifest);
    pins_release(&e->pins);
    fetcher_free(e->fetcher);
    cache_free(e->cache);
    counts_release(&e->counts);
    counts_release(&e->corrections);
    settle_release(e);
    if (e->lock != NULL)
        e->env->ops->unlock(e->env, e->lock);
    upkeep_stop(e);
    free(e->dir);
    free(e);
}

int engine_open(const struct engine_options *options, struct engine **out, struct error *err)
{
    uint64_t began = env_now_us(options->env);
    struct engine *e = engine_new(options);
    int status = make_and_lock(e, err);
    if (status == OK)
        status = recovery_run(e, err);
    if (status != OK) {
        space_stop(e);
        if (e->wal != NULL)
            wal_abandon(e->wal);
        engine_free(e);
        return status;
    }
    e->stats.recovery_us = env_now_us(e->env) - began;
    publish_recount(e);
    publish_adopt_tables(e);
    if (e->space.covers > 0)
        space_on_cover(e);
    upkeep_mark(e, CHANGED_VERSION | CHANGED_MEMTABLES);
    upkeep_run(e);
    *out = e;
    return OK;
}

static bool is_busy(const struct engine *e)
{
    return e->edits.running != NULL || e->unlinks > 0;
}

int engine_close(struct engine *e, struct error *err)
{
    ENSURE(list_empty(&e->snapshots) && list_empty(&e->views));
    e->options.on_progress = NULL; // its owner closes us, and may be gone
    commit_turn_end(e);
    space_stop(e);
    settle_stop(e);
    flush_stop(e);
    compaction_scheduler_stop(e);
    while (is_busy(e))
        ENSURE(exec_drive(e->exec));
    int status = wal_close(e->wal, err);
    if (status == OK && upkeep_has_failed(e)) {
        status = e->upkeep.failed.status;
        if (err != NULL)
            *err = e->upkeep.failed;
    }
    engine_free(e);
    return status;
}

// --- A turn --------------------------------------------------------------------------------------

void engine_turn_end(struct engine *e)
{
    if (e->wal != NULL) // else it is being opened, and read from
        upkeep_turn_end(e);
    fetcher_turn_begin(e->fetcher);
}

uint64_t engine_durable_seq(const struct engine *e)
{
    return wal_durable_seq(e->wal);
}

// A failure outside of the log stops new commits; those that are on their way to the disk still
// arrive, and are waited for.
int engine_write_status(const struct engine *e, struct error *err)
{
    int status = wal_status(e->wal, err);
    if (status != OK || e->upkeep.failed.status == OK || wal_durable_seq(e->wal) < e->last_seq)
        return status;
    if (err != NULL)
        *err = e->upkeep.failed;
    return e->upkeep.failed.status;
}

void engine_set_fsync(struct engine *e, enum fsync_policy policy)
{
    e->options.fsync = policy;
    wal_set_fsync(e->wal, policy);
}

void engine_set_compaction_rate_limit(struct engine *e, uint64_t bytes_per_second)
{
    e->options.compaction_rate_limit = bytes_per_second;
}

void engine_set_memory_budget(struct engine *e, uint64_t bytes)
{
    e->options.memory_budget = bytes;
    space_fit(e);
    cache_set_capacity(e->cache, bytes / ENGINE_CACHE_SHARE);
    memtables_trim_clean(e);
}

void engine_each_count(const struct engine *e, engine_count_cb count_cb, void *arg)
{
    for (uint32_t i = 0; i < e->counts.cap; i++) {
        const struct count *c = &e->counts.slots[i];
        if (c->prefix.len > 0 && (c->live != 0 || c->in_doubt != 0))
            count_cb(arg, c->prefix);
    }
}

void engine_flush(struct engine *e, engine_done_cb done_cb, void *arg)
{
    flush_wait(e, done_cb, arg);
}

void engine_compact(struct engine *e, engine_done_cb done_cb, void *arg)
{
    compaction_scheduler_wait(e, done_cb, arg);
}
