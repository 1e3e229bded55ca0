// table_scan: the block source of a job that reads tables from end to end: compaction, checks,
// dumps.
//
// Each table that is being read has a file handle of its own and a window of read-ahead over its
// data blocks; blocks are copied out of the window. Index and filter are read past it, so that they
// do not throw it away. When a cursor leaves a table, handle and window go: a merge over a level of
// hundreds of tables holds one of each.
//
// Nothing here touches what the loop owns: not the cache, not the open files, no reference counter.

#include "base/alloc.h"
#include "engine/env.h"
#include "engine/filename.h"
#include "engine/table/filter.h"
#include "engine/table/table.h"

struct scanned {
    struct scanned *next;
    const struct table *table;
    struct file *file;
    char path[FILENAME_PATH_SIZE];
    uint8_t *window; // of `readahead` bytes; NULL until the first data block
    uint64_t window_at;
    size_t window_len;
};

struct table_scan {
    struct block_source source;
    struct env *env;
    const char *dir;
    size_t readahead, max_block;
    struct scanned *tables;
    uint64_t bytes_read;
};

static void close_scanned(struct table_scan *s, struct scanned *t)
{
    env_close(s->env, t->file);
    free(t->window);
    free(t);
}

static int open_scanned(
    struct table_scan *s, const struct table *table, struct scanned **out, struct error *err)
{
    for (struct scanned *t = s->tables; t != NULL; t = t->next) {
        if (t->table == table) {
            *out = t;
            return OK;
        }
    }
    struct scanned *t = xcalloc(1, sizeof *t);
    filename_table(t->path, s->dir, table->meta.number);
    int status = env_open(s->env, t->path, FILE_READ, &t->file, err);
    if (status == NOT_FOUND)
        status = error_set(err, MISSING, t->path, 0, 0, "a table of the database");
    if (status != OK) {
        free(t);
        return status;
    }
    t->table = table;
    t->next = s->tables;
    s->tables = t;
    *out = t;
    return OK;
}

static int read_stored(struct table_scan *s, struct scanned *t, uint64_t offset, void *data,
    size_t len, struct error *err)
{
    s->bytes_read += len;
    return env_read_exactly(s->env, t->file, t->path, offset, data, len, err);
}

// Copies from the window, after moving it if the bytes are not all in it.
static int read_windowed(struct table_scan *s, struct scanned *t, uint64_t offset, void *data,
    size_t len, struct error *err)
{
    if (len > s->readahead)
        return read_stored(s, t, offset, data, len, err);
    if (offset < t->window_at || offset + len > t->window_at + t->window_len) {
        if (t->window == NULL)
            t->window = xmalloc(s->readahead);
        uint64_t left = t->table->meta.size - offset;
        size_t want = left < s->readahead ? (size_t)left : s->readahead;
        t->window_len = 0;
        int status = read_stored(s, t, offset, t->window, want, err);
        if (status != OK)
            return status;
        t->window_at = offset;
        t->window_len = want;
    }
    memcpy(data, t->window + (offset - t->window_at), len);
    return OK;
}

static int scan_get(struct block_source *source, struct table *table, struct handle h,
    struct block_ref *out, struct error *err)
{
    struct table_scan *s = (struct table_scan *)(void *)source;
    struct scanned *t;
    bool filter = table->meta.filter.len > 0 && h.offset == table->meta.filter.offset;
    bool data = h.offset != table->meta.index.offset && !filter;
    // An index or a filter is not compressed, and lies in the file.
    uint64_t limit = data ? s->max_block : table->meta.size;
    if (h.len > limit)
        return table_corrupt(err, table, h.offset, "a block is larger than allowed");
    int status = open_scanned(s, table, &t, err);
    if (status != OK)
        return status;
    size_t stored_len = (size_t)h.len + BLOCK_TRAILER_SIZE, len;
    uint8_t *stored = xmalloc(stored_len), *contents;
    status = data ? read_windowed(s, t, h.offset, stored, stored_len, err)
                  : read_stored(s, t, h.offset, stored, stored_len, err);
    if (status != OK) {
        free(stored);
        return status;
    }
    status = block_decode(stored, stored_len, table->meta.number, h.offset, (size_t)limit, t->path,
        &contents, &len, err);
    if (status != OK)
        return status;
    if (filter && !filter_load(contents, &len, table->meta.format)) {
        free(contents);
        return table_corrupt(err, table, h.offset, "this is not a filter");
    }
    *out = (struct block_ref){slice_of(contents, len), contents};
    return OK;
}

static void scan_put(struct block_source *source, struct block_ref *ref)
{
    free(ref->impl);
    *ref = (struct block_ref){0};
}

static void scan_leave(struct block_source *source, struct table *table)
{
    struct table_scan *s = (struct table_scan *)(void *)source;
    for (struct scanned **p = &s->tables; *p != NULL; p = &(*p)->next) {
        if ((*p)->table == table) {
            struct scanned *gone = *p;
            *p = gone->next;
            close_scanned(s, gone);
            return;
        }
    }
}

struct block_source *table_scan_new(
    struct env *env, const char *dir, size_t readahead, uint64_t max_block)
{
    struct table_scan *s = xcalloc(1, sizeof *s);
    s->source = (struct block_source){.get = scan_get, .put = scan_put, .leave = scan_leave};
    s->env = env;
    s->dir = dir;
    s->readahead = readahead;
    s->max_block = (size_t)max_block;
    return &s->source;
}

void table_scan_free(struct block_source *source, uint64_t *bytes_read)
{
    struct table_scan *s = (struct table_scan *)(void *)source;
    while (s->tables != NULL) {
        struct scanned *t = s->tables;
        s->tables = t->next;
        close_scanned(s, t);
    }
    if (bytes_read != NULL)
        *bytes_read = s->bytes_read;
    free(s);
}
