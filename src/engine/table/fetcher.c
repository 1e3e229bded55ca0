// fetcher: the cold reads of an engine. One read is one block and one job of the read lane: open
// the table's file if nobody has, read, verify, uncompress. The loop then puts the block into the
// cache and tells all who wait for it.
//
// Reads are found by (table number, offset), so that whoever asks for a block that is on its way
// joins. They go out in order of asking, a bounded number at a time: the rest waits in `queue`,
// costs no block memory, and leaves room for the read lane's other users.
//
// A read does not need its table: it has the number, the place and the open file. When the table
// goes meanwhile (fetcher_forget) the result is thrown away; its waiters will not ask for it again,
// because no version leads there.
//
// A moment without descriptors or memory (RETRY) is waited for: the read goes back to the head of
// the queue, which pauses. Who waits gets the error only if that does not help for a while.
//
// Call backs run at the end of a job's done, after all bookkeeping, off the `ready` list: a call
// back may release other fetches on it.

#include "engine/table/fetcher.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/filename.h"
#include "engine/stats.h"
#include "engine/table/filter.h"

enum {
    PROBES_A_TURN = 64,
    SUBMITTED_MAX = 64,
    READ_AHEAD_MAX = 256, // reads under way and queued beyond which nothing is prefetched
    FIRST_READS = 256,
    HELD_UP_MS = 20,
    TRIES_MAX = 250, // with pauses in between: 5 s
};

struct read {
    struct job job;
    struct fetcher *fetcher;
    struct read *next_hash;
    struct list queued;
    struct list waiters; // fetch_item.waiters
    uint64_t number;
    struct handle handle;
    uint64_t limit;         // of the uncompressed length
    uint64_t filter_format; // of a filter: its table's format version; else 0
    bool forgotten;
    unsigned tries;
    struct open_file *open;
    // For and from the job.
    struct file *file, *opened;
    uint8_t *contents;
    size_t len;
    struct error *error;
};

static void file_closed(void *arg)
{
    fetcher_submit(arg);
}

static void held_up_timer_fired(struct exec_timer *timer)
{
    struct fetcher *f =
        (struct fetcher *)(void *)((char *)timer - offsetof(struct fetcher, held_up_timer));
    f->held_up = false;
    fetcher_submit(f);
}

struct fetcher *fetcher_new(struct env *env, struct exec *exec, const char *dir,
    struct cache *cache, unsigned max_open_files, uint64_t max_block, struct engine_stats *stats)
{
    struct fetcher *f = xcalloc(1, sizeof *f);
    *f = (struct fetcher){.env = env,
        .exec = exec,
        .dir = dir,
        .cache = cache,
        .stats = stats,
        .max_block = max_block};
    f->held_up_timer.fire = held_up_timer_fired;
    open_files_init(&f->files, env, exec, max_open_files, file_closed, f);
    f->reads = xcalloc(FIRST_READS, sizeof(struct read *));
    f->reads_mask = FIRST_READS - 1;
    list_init(&f->queue);
    list_init(&f->ready);
    f->probes_left = PROBES_A_TURN;
    return f;
}

void fetcher_turn_begin(struct fetcher *f)
{
    f->probes_left = PROBES_A_TURN;
}

// Data blocks are bounded by the largest value; an index or a filter is not compressed, and lies in
// the file.
static uint64_t limit_of(const struct fetcher *f, struct table *t, struct handle h)
{
    return fetcher_slot(t, h) != NULL ? t->meta.size : f->max_block;
}

// The table's format version if the block is its filter, else 0.
static uint64_t filter_format_of(struct table *t, struct handle h)
{
    struct cached_block **slot = fetcher_slot(t, h);
    return slot == &t->loop.filter_block ? t->meta.format : 0;
}

static int decode(uint8_t *stored, uint64_t number, struct handle h, uint64_t limit,
    uint64_t filter_format, const char *path, uint8_t **contents, size_t *len, struct error *err)
{
    int status = block_decode(stored, (size_t)h.len + BLOCK_TRAILER_SIZE, number, h.offset,
        (size_t)limit, path, contents, len, err);
    if (status == OK && filter_format != 0 && !filter_load(*contents, len, filter_format)) {
        free(*contents);
        status = error_set(err, CORRUPT, path, h.offset, 0, "this is not a filter");
    }
    return status;
}

int fetcher_probe(struct fetcher *f, struct table *t, struct handle h, struct cached_block **out,
    struct error *err)
{
    uint64_t limit = limit_of(f, t, h);
    if (h.len > limit)
        return table_corrupt(err, t, h.offset, "a block is larger than allowed");
    struct file *file = f->probes_left > 0 ? open_file_peek(t) : NULL;
    if (file == NULL)
        return WAIT;
    f->probes_left--;
    size_t stored_len = (size_t)h.len + BLOCK_TRAILER_SIZE, len;
    uint8_t *stored = xmalloc(stored_len), *contents;
    if (f->env->ops->read_nowait(f->env, file, h.offset, stored, stored_len) != OK) {
        free(stored);
        return WAIT;
    }
    char path[FILENAME_PATH_SIZE];
    filename_table(path, f->dir, t->meta.number);
    struct cached_block **slot = fetcher_slot(t, h);
    int status = decode(
        stored, t->meta.number, h, limit, filter_format_of(t, h), path, &contents, &len, err);
    if (status != OK)
        return status;
    *out = cache_insert(f->cache, t->meta.number, h.offset, contents, len);
    fetcher_set_slot(*out, slot);
    return OK;
}

// --- The table of reads --------------------------------------------------------------------------

static struct read **place_of(struct fetcher *f, uint64_t number, uint64_t offset)
{
    uint64_t h = (number * 0x9e3779b97f4a7c15ull) ^ (offset * 0xc2b2ae3d27d4eb4full);
    struct read **p = &f->reads[(h ^ (h >> 29)) & f->reads_mask];
    while (*p != NULL && ((*p)->number != number || (*p)->handle.offset != offset))
        p = &(*p)->next_hash;
    return p;
}

static void grow(struct fetcher *f)
{
    uint32_t old = f->reads_mask + 1;
    struct read **reads = f->reads;
    f->reads = xcalloc(old * 2, sizeof(struct read *));
    f->reads_mask = old * 2 - 1;
    for (uint32_t i = 0; i < old; i++) {
        for (struct read *r = reads[i], *next; r != NULL; r = next) {
            next = r->next_hash;
            r->next_hash = NULL;
            *place_of(f, r->number, r->handle.offset) = r;
        }
    }
    free(reads);
}

static void remove_read(struct fetcher *f, struct read *r)
{
    struct read **p = place_of(f, r->number, r->handle.offset);
    ENSURE(*p == r);
    *p = r->next_hash;
    f->read_count--;
    f->incoming_bytes -= fetch_cost(r->handle);
}

// --- The job -------------------------------------------------------------------------------------

static int read_block(struct read *r, struct error *err)
{
    struct fetcher *f = r->fetcher; // of which only what never changes is looked at
    char path[FILENAME_PATH_SIZE];
    filename_table(path, f->dir, r->number);
    int status = OK;
    if (r->file == NULL) {
        status = env_open(f->env, path, FILE_READ, &r->opened, err);
        if (status == NOT_FOUND)
            status = error_set(err, MISSING, path, 0, 0, "a table of the database");
        if (status != OK)
            return status;
        r->file = r->opened;
    }
    size_t stored_len = (size_t)r->handle.len + BLOCK_TRAILER_SIZE;
    uint8_t *stored = xmalloc(stored_len);
    status = env_read_exactly(f->env, r->file, path, r->handle.offset, stored, stored_len, err);
    if (status != OK) {
        free(stored);
        return status;
    }
    return decode(
        stored, r->number, r->handle, r->limit, r->filter_format, path, &r->contents, &r->len, err);
}

static void read_job_run(struct job *job)
{
    struct read *r = (struct read *)(void *)job;
    struct error err = {0};
    int status = read_block(r, &err);
    if (status == OK)
        return;
    err.status = status;
    r->error = xmalloc(sizeof err);
    *r->error = err;
}

// What the read brought, for one who waits for it.
static void deliver(struct fetch_item *item, struct cached_block *b, const struct error *error)
{
    struct fetch *waiter = item->fetch;
    list_remove(&item->waiters);
    waiter->pending--;
    if (b != NULL) {
        fetch_item_hold(item, b);
    } else if (error != NULL) {
        item->state = ITEM_FAILED;
        item->error = xmalloc(sizeof *error);
        *item->error = *error;
        waiter->failed++;
    } else {
        item->state = ITEM_DROPPED;
    }
    if (waiter->pending == 0)
        list_push_back(&waiter->fetcher->ready, &waiter->ready_link);
}

static void call_ready(struct fetcher *f)
{
    while (!list_empty(&f->ready)) {
        struct fetch *waiter = LIST_ENTRY(f->ready.next, struct fetch, ready_link);
        fetch_ready_cb ready_cb = waiter->ready_cb;
        list_remove(&waiter->ready_link);
        waiter->ready_cb = NULL;
        ready_cb(waiter);
    }
}

static void ready_timer_fired(struct exec_timer *timer)
{
    call_ready((struct fetcher *)(void *)((char *)timer - offsetof(struct fetcher, ready_timer)));
}

void fetcher_ready_later(struct fetcher *f, struct fetch *waiter)
{
    list_push_back(&f->ready, &waiter->ready_link);
    f->ready_timer.fire = ready_timer_fired;
    exec_timer_start(f->exec, &f->ready_timer, 0);
}

static void free_read(struct read *r)
{
    open_file_unuse(r->open);
    free(r->error);
    free(r);
}

// Whether the read has met a moment without descriptors, and waits for a better one.
static bool try_again(struct fetcher *f, struct read *r)
{
    if (r->error == NULL || r->error->status != RETRY || r->forgotten || ++r->tries > TRIES_MAX)
        return false;
    free(r->error);
    r->error = NULL;
    list_push_front(&f->queue, &r->queued);
    if (!f->held_up)
        exec_timer_start(f->exec, &f->held_up_timer, HELD_UP_MS);
    f->held_up = true;
    return true;
}

static void read_job_done(struct job *job)
{
    struct read *r = (struct read *)(void *)job;
    struct fetcher *f = r->fetcher;
    struct cached_block *b = NULL;
    f->submitted--;
    f->stats->cold_reads++;
    if (r->opened != NULL) {
        open_file_opened(r->open, r->opened);
        r->opened = NULL;
    }
    if (try_again(f, r))
        return;
    remove_read(f, r);
    if (r->contents != NULL && r->forgotten)
        free(r->contents);
    else if (r->contents != NULL)
        b = cache_insert(f->cache, r->number, r->handle.offset, r->contents, r->len);
    while (!list_empty(&r->waiters))
        deliver(LIST_ENTRY(r->waiters.next, struct fetch_item, waiters), b, r->error);
    if (b != NULL)
        cache_unpin(f->cache, b);
    free_read(r);
    fetcher_submit(f);
    call_ready(f);
}

void fetcher_submit(struct fetcher *f)
{
    while (f->submitted < SUBMITTED_MAX && !list_empty(&f->queue) && !f->held_up) {
        struct read *r = LIST_ENTRY(f->queue.next, struct read, queued);
        if (r->open->file == NULL && !open_files_has_room(&f->files) &&
            f->submitted + f->files.closing > 0) // of which each comes back here
            break;
        list_remove(&r->queued);
        f->submitted++;
        r->file = r->open->file;
        exec_submit(f->exec, LANE_READ, &r->job);
    }
}

static struct read *queue_read(struct fetcher *f, const struct fetch_item *item)
{
    struct table *t = item->table;
    struct read **place = place_of(f, t->meta.number, item->handle.offset);
    if (*place != NULL)
        return *place;
    struct read *r = xcalloc(1, sizeof *r);
    *r = (struct read){.job = {.run = read_job_run, .done = read_job_done},
        .fetcher = f,
        .number = t->meta.number,
        .handle = item->handle,
        .limit = limit_of(f, t, item->handle),
        .filter_format = filter_format_of(t, item->handle),
        .open = open_file_use(&f->files, t)};
    list_init(&r->waiters);
    *place = r;
    list_push_back(&f->queue, &r->queued);
    f->incoming_bytes += fetch_cost(r->handle);
    if (++f->read_count > f->reads_mask)
        grow(f);
    return r;
}

void fetcher_read(struct fetcher *f, struct fetch_item *item)
{
    list_push_back(&queue_read(f, item)->waiters, &item->waiters);
}

void fetcher_read_ahead(struct fetcher *f, const struct fetch_item *item)
{
    if (f->read_count < READ_AHEAD_MAX)
        queue_read(f, item);
}

static void adopt(struct fetcher *f, struct table *t, struct handle h, struct built_block *built)
{
    if (built->data == NULL)
        return;
    struct cached_block *b =
        cache_insert(f->cache, t->meta.number, h.offset, built->data, built->len);
    *built = (struct built_block){0};
    fetcher_set_slot(b, fetcher_slot(t, h));
    cache_unpin(f->cache, b);
}

void fetcher_adopt(struct fetcher *f, struct table *t)
{
    adopt(f, t, t->meta.index, &t->loop.built_index);
    adopt(f, t, t->meta.filter, &t->loop.built_filter);
}

void fetcher_want_filter(struct fetcher *f, struct table *t)
{
    struct fetch_item item = {.table = t, .number = t->meta.number, .handle = t->meta.filter};
    if (t->meta.filter.len == 0 || t->loop.filter_block != NULL)
        return;
    struct cached_block *b = cache_get(f->cache, t->meta.number, t->meta.filter.offset);
    if (b != NULL) {
        fetcher_set_slot(b, &t->loop.filter_block);
        cache_unpin(f->cache, b);
        return;
    }
    fetcher_read_ahead(f, &item);
    fetcher_submit(f);
}

void fetcher_forget(struct fetcher *f, struct table *t)
{
    for (uint32_t i = 0; i <= f->reads_mask && f->read_count > 0; i++) {
        for (struct read *r = f->reads[i]; r != NULL; r = r->next_hash)
            r->forgotten = r->forgotten || r->number == t->meta.number;
    }
    open_files_forget(&f->files, t);
    cache_erase_table(f->cache, t->meta.number);
}

void fetcher_free(struct fetcher *f)
{
    if (f == NULL)
        return;
    while (!list_empty(&f->queue)) {
        struct read *r = LIST_ENTRY(f->queue.next, struct read, queued);
        ENSURE(list_empty(&r->waiters));
        list_remove(&r->queued);
        remove_read(f, r);
        free_read(r);
    }
    while (f->submitted > 0)
        ENSURE(exec_drive(f->exec));
    exec_timer_stop(f->exec, &f->held_up_timer);
    open_files_release(&f->files);
    if (f->ready_timer.fire != NULL)
        exec_timer_stop(f->exec, &f->ready_timer);
    free(f->reads);
    free(f);
}
