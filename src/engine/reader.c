// A reader is what a reply needs that is longer than memory: many values of one moment, each used
// at once. A txn shows the present, and holds what it has fetched until it is done; an iterator
// holds a block of each level, which for large values is much more than the value that is asked
// for.
//
// The snapshot keeps the records of its moment wherever flush and compaction take them, so nothing
// else has to stand still: a read asks the memtables of now, newest first, and then the version of
// now, for the newest record up to the snapshot. A block that was fetched may be of a table that is
// gone when it has arrived; then the next look goes to its successor, which is fetched, too.
//
// The block that a row borrows from is held until the next read. What a wait has fetched is held by
// the fetch until the next wait (fetch.h), and is a bounded part of the cache.
#include "engine/reader.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/memtables.h"
#include "engine/point_read.h"
#include "engine/snapshot.h"

struct reader {
    struct engine *engine;
    struct snapshot *snapshot;
    struct fetch fetch;
    struct block_ref held;
    bool holds;
    reader_ready_cb ready_cb;
    void *ready_arg;
};

struct reader *reader_new(struct engine *e)
{
    struct reader *r = xcalloc(1, sizeof *r);
    r->engine = e;
    r->snapshot = snapshot_new(e);
    fetch_init(&r->fetch, e->fetcher);
    return r;
}

static void let_go(struct reader *r)
{
    if (r->holds)
        r->fetch.source.put(&r->fetch.source, &r->held);
    r->holds = false;
}

void reader_free(struct reader *r)
{
    let_go(r);
    fetch_free(&r->fetch);
    snapshot_free(r->engine, r->snapshot);
    free(r);
}

uint64_t reader_seq(const struct reader *r)
{
    return r->snapshot->seq;
}

bool reader_is_full(const struct reader *r)
{
    return fetch_full(&r->fetch);
}

int reader_get(struct reader *r, struct slice key, struct row *out)
{
    struct engine *e = r->engine;
    struct entry entry;
    struct error err;
    uint64_t hash = hash64(key);
    let_go(r);
    int status = memtables_get_at(e, key, hash, r->snapshot->seq, &entry);
    if (status == NOT_FOUND) {
        status = point_read(e, &r->fetch, key, hash, r->snapshot->seq, &entry, &r->held, &err);
        r->holds = status == OK;
        if (status < 0)
            log_line(e->logger, LOG_WARNING, "a read failed: %s", err.text);
    }
    if (status == OK && entry_kind(&entry) != RECORD_PUT)
        status = NOT_FOUND;
    if (status == OK)
        *out = (struct row){entry.value, entry.seq, entry.expire_ms};
    return status;
}

static void reader_fetched(struct fetch *f)
{
    struct reader *r = LIST_ENTRY(f, struct reader, fetch);
    r->ready_cb(r, r->ready_arg);
}

void reader_wait(struct reader *r, reader_ready_cb ready_cb, void *arg)
{
    r->engine->stats.waits++;
    r->ready_cb = ready_cb;
    r->ready_arg = arg;
    fetch_start(&r->fetch, reader_fetched);
}
