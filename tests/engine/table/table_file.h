// A table from its file alone, as whoever has lost the manifest would read it: footer and
// properties. The engine itself goes by the manifest.
#ifndef VARVE_TESTS_ENGINE_TABLE_FILE_H
#define VARVE_TESTS_ENGINE_TABLE_FILE_H

#include "base/alloc.h"
#include "base/coding.h"
#include "base/hash.h"
#include "engine/filename.h"
#include "engine/format.h"
#include "engine/table/table.h"

enum { TABLE_FILE_PROPERTIES_MAX = 1 << 20 };

static inline int table_file_read_footer(struct env *env, struct file *f, const char *path,
    struct table *t, struct handle *properties, struct error *err)
{
    uint8_t footer[TABLE_FOOTER_SIZE];
    if (t->meta.size < sizeof footer)
        return error_set(
            err, CORRUPT, path, 0, 0, "a table of %llu bytes", (unsigned long long)t->meta.size);
    uint64_t at = t->meta.size - sizeof footer;
    const struct table_meta whole = {.size = at};
    int status = env_read_exactly(env, f, path, at, footer, sizeof footer, err);
    if (status != OK)
        return status;
    if (get_le64(footer) != TABLE_MAGIC || get_le64(footer + 56) != checksum64(footer, 56, 0))
        return error_set(err, CORRUPT, path, at, 0, "this is not the footer of a table");
    if (get_le32(footer + 8) > FORMAT_VERSION)
        return error_set(err, NEWER_FORMAT, path, at, 0, "version %u, we read up to %u",
            get_le32(footer + 8), FORMAT_VERSION);
    t->meta.format = get_le32(footer + 8);
    t->meta.index = (struct handle){get_le64(footer + 16), get_le64(footer + 24)};
    *properties = (struct handle){get_le64(footer + 32), get_le64(footer + 40)};
    if (get_le64(footer + 48) != t->meta.number || !table_meta_holds(&whole, t->meta.index) ||
        !table_meta_holds(&whole, *properties) || properties->len > TABLE_FILE_PROPERTIES_MAX)
        return error_set(
            err, CORRUPT, path, at, 0, "the footer is of another table, or points outside");
    return OK;
}

static inline int table_file_read_meta(
    struct env *env, struct file *f, const char *path, struct table *t, struct error *err)
{
    struct handle properties = {0};
    int status = env->ops->size(env, f, &t->meta.size, err);
    if (status == OK)
        status = table_file_read_footer(env, f, path, t, &properties, err);
    if (status != OK)
        return status;
    size_t stored_len = (size_t)properties.len + BLOCK_TRAILER_SIZE, len;
    uint8_t *stored = xmalloc(stored_len), *contents;
    status = env_read_exactly(env, f, path, properties.offset, stored, stored_len, err);
    if (status != OK) {
        free(stored);
        return status;
    }
    status = block_decode(stored, stored_len, t->meta.number, properties.offset,
        TABLE_FILE_PROPERTIES_MAX, path, &contents, &len, err);
    if (status != OK)
        return status;
    uint64_t footer_format = t->meta.format;
    status = table_meta_decode(&t->meta, slice_of(contents, len), err);
    free(contents);
    if (status == OK && t->meta.format != footer_format)
        status = error_set(err, CORRUPT, path, 0, 0, "footer and properties differ in the version");
    return status;
}

static inline int table_file_read(
    struct env *env, const char *dir, uint64_t number, struct table **out, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    filename_table(path, dir, number);
    struct file *f;
    int status = env_open(env, path, FILE_READ, &f, err);
    if (status != OK)
        return status;
    struct table *t = table_new();
    t->meta.number = number;
    status = table_file_read_meta(env, f, path, t, err);
    env_close(env, f);
    if (status == OK)
        *out = t;
    else
        table_unref(t);
    return status;
}

#endif
