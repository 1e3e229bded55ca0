// LevelDB as a store, through its C API.
#include <leveldb/c.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench/store.h"

struct store {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_writeoptions_t *write_options;
    leveldb_readoptions_t *read_options;
    leveldb_writebatch_t *batch;
};

static void check(const char *what, char *error)
{
    if (error != NULL)
        bench_fail(what, error);
}

static struct store *level_open(const struct store_options *o)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->options = leveldb_options_create();
    s->cache = leveldb_cache_create_lru((size_t)o->cache_bytes);
    s->filter = leveldb_filterpolicy_create_bloom((int)o->bloom_bits);
    leveldb_options_set_create_if_missing(s->options, 1);
    leveldb_options_set_cache(s->options, s->cache);
    leveldb_options_set_filter_policy(s->options, s->filter);
    leveldb_options_set_write_buffer_size(s->options, (size_t)o->write_buffer_bytes);
    leveldb_options_set_block_size(s->options, o->block_bytes);
    leveldb_options_set_max_open_files(s->options, 1000);
    leveldb_options_set_compression(
        s->options, o->compress ? leveldb_snappy_compression : leveldb_no_compression);
    s->write_options = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(s->write_options, o->sync);
    s->read_options = leveldb_readoptions_create();
    s->batch = leveldb_writebatch_create();
    char *error = NULL;
    s->db = leveldb_open(s->options, o->dir, &error);
    check("leveldb_open", error);
    return s;
}

static void level_close(struct store *s)
{
    leveldb_close(s->db);
    leveldb_writebatch_destroy(s->batch);
    leveldb_readoptions_destroy(s->read_options);
    leveldb_writeoptions_destroy(s->write_options);
    leveldb_options_destroy(s->options);
    leveldb_filterpolicy_destroy(s->filter);
    leveldb_cache_destroy(s->cache);
    free(s);
}

static void level_write(
    struct store *s, const struct slice *keys, const struct slice *values, unsigned count)
{
    leveldb_writebatch_clear(s->batch);
    for (unsigned i = 0; i < count; i++) {
        const char *key = (const char *)keys[i].data;
        if (values == NULL || values[i].data == NULL)
            leveldb_writebatch_delete(s->batch, key, keys[i].len);
        else
            leveldb_writebatch_put(
                s->batch, key, keys[i].len, (const char *)values[i].data, values[i].len);
    }
    char *error = NULL;
    leveldb_write(s->db, s->write_options, s->batch, &error);
    check("leveldb_write", error);
}

static bool level_get(struct store *s, struct slice key, size_t *value_len)
{
    char *error = NULL;
    char *value =
        leveldb_get(s->db, s->read_options, (const char *)key.data, key.len, value_len, &error);
    check("leveldb_get", error);
    bool found = value != NULL;
    leveldb_free(value);
    return found;
}

static uint64_t level_scan(struct store *s, struct slice from, struct slice end, bool backward,
    uint64_t most, uint64_t *bytes)
{
    leveldb_iterator_t *it = leveldb_create_iterator(s->db, s->read_options);
    if (backward && from.len == 0)
        leveldb_iter_seek_to_last(it);
    else
        leveldb_iter_seek(it, (const char *)from.data, from.len);
    uint64_t seen = 0;
    while (leveldb_iter_valid(it)) {
        size_t key_len, value_len;
        const char *key = leveldb_iter_key(it, &key_len);
        if (end.len > 0 && slice_compare(slice_of(key, key_len), end) >= 0)
            break;
        leveldb_iter_value(it, &value_len);
        *bytes += key_len + value_len;
        if (++seen == most)
            break;
        if (backward)
            leveldb_iter_prev(it);
        else
            leveldb_iter_next(it);
    }
    char *error = NULL;
    leveldb_iter_get_error(it, &error);
    check("leveldb iterator", error);
    leveldb_iter_destroy(it);
    return seen;
}

// LevelDB does not say whether it is compacting: quiet is when its own statistics have not changed
// for a while.
static void level_settle(struct store *s)
{
    char *before = NULL;
    for (int quiet = 0, tries = 0; quiet < 5 && tries < 600; tries++) {
        char *now = leveldb_property_value(s->db, "leveldb.stats");
        quiet = before != NULL && strcmp(before, now) == 0 ? quiet + 1 : 0;
        leveldb_free(before);
        before = now;
        usleep(100 * 1000);
    }
    leveldb_free(before);
}

const struct store_ops store_leveldb = {
    .name = "leveldb",
    .open = level_open,
    .close = level_close,
    .write = level_write,
    .get = level_get,
    .scan = level_scan,
    .settle = level_settle,
};
