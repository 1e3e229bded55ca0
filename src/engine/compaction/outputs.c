// A table is cut when it is large enough, or when it would overlap so much of the level below its
// own that pushing it down later would be a long job. Never inside the versions of one key: below
// level 0 a key is in one table of a level, which lookups rely on.
//
// After a failure nothing more may be added, only abandoned. What a crash leaves behind is in no
// version, and recovery unlinks it.
#include "engine/compaction/outputs.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/filename.h"
#include "engine/table/table.h"

enum {
    GRANDPARENT_FACTOR = 10, // a table overlaps at most so many times the file size below
};

// Adds what the grandparents that end before key weigh: the table under construction overlaps them.
static void pass_grandparents(struct outputs *o, struct slice key)
{
    while (o->grandparent < o->grandparent_count &&
           slice_compare(o->grandparents[o->grandparent]->meta.largest, key) < 0) {
        if (o->builder != NULL)
            o->grandparent_bytes += o->grandparents[o->grandparent]->meta.size;
        o->grandparent++;
    }
}

static void unlink_table(const struct outputs *o, uint64_t number)
{
    char path[FILENAME_PATH_SIZE];
    filename_table(path, o->builder_options.dir, number);
    o->builder_options.env->ops->unlink(o->builder_options.env, path, NULL);
}

static int finish_table(struct outputs *o)
{
    struct table *t;
    int status = table_builder_finish(o->builder, &t, &o->err);
    o->builder = NULL;
    o->grandparent_bytes = 0;
    if (status != OK) {
        unlink_table(o, o->builder_options.number);
        return status;
    }
    o->tables = xrealloc(o->tables, (o->table_count + 1) * sizeof *o->tables);
    o->tables[o->table_count++] = t;
    o->bytes += t->meta.size;
    return OK;
}

static bool is_full(const struct outputs *o)
{
    return table_builder_bytes(o->builder) >= o->file_size ||
           o->grandparent_bytes > GRANDPARENT_FACTOR * o->file_size;
}

int outputs_add(void *arg, const struct entry *e)
{
    struct outputs *o = arg;
    int status = OK;
    pass_grandparents(o, e->key);
    bool new_key = !slice_equal(buf_slice(&o->last_key), e->key);
    if (o->builder != NULL && new_key && is_full(o) && o->number_count > 0)
        status = finish_table(o);
    if (status == OK && o->builder == NULL) {
        ENSURE(o->number_count > 0);
        o->builder_options.number = o->numbers[--o->number_count];
        status = table_builder_open(&o->builder_options, &o->builder, &o->err);
    }
    if (status != OK)
        return status;
    if (new_key) {
        buf_clear(&o->last_key);
        buf_append_slice(&o->last_key, e->key);
    }
    return table_builder_add(o->builder, e, &o->err);
}

uint64_t outputs_written(const struct outputs *o)
{
    return o->bytes + (o->builder != NULL ? table_builder_bytes(o->builder) : 0);
}

int outputs_finish(struct outputs *o)
{
    int status = o->builder != NULL ? finish_table(o) : OK;
    if (status == OK && o->table_count > 0)
        status = o->builder_options.env->ops->sync_dir(
            o->builder_options.env, o->builder_options.dir, &o->err);
    return status;
}

void outputs_abandon(struct outputs *o)
{
    if (o->builder != NULL)
        table_builder_abandon(o->builder);
    o->builder = NULL;
    for (uint32_t i = 0; i < o->table_count; i++)
        unlink_table(o, o->tables[i]->meta.number);
}

void outputs_release(struct outputs *o)
{
    ENSURE(o->builder == NULL);
    for (uint32_t i = 0; i < o->table_count; i++)
        table_unref(o->tables[i]);
    free(o->tables);
    buf_release(&o->last_key);
}
