#include "engine/env.h"

#include "base/alloc.h"

int env_create_anew(struct env *e, const char *path, struct file **out, struct error *err)
{
    int status = e->ops->unlink(e, path, err);
    if (status < 0)
        return status;
    return env_open(e, path, FILE_CREATE, out, err);
}

int env_read_exactly(struct env *e, struct file *f, const char *path, uint64_t offset, void *data,
    size_t len, struct error *err)
{
    size_t got = 0;
    int status = e->ops->read(e, f, offset, data, len, &got, err);
    if (status == OK && got < len)
        status =
            error_set(err, CORRUPT, path, offset, 0, "the file ends %zu bytes short", len - got);
    return status;
}

int env_read_file(
    struct env *e, const char *path, size_t max, uint8_t **out, size_t *len, struct error *err)
{
    struct file *f;
    int status = env_open(e, path, FILE_READ, &f, err);
    if (status != OK)
        return status;
    uint8_t *data = NULL;
    uint64_t size;
    status = e->ops->size(e, f, &size, err);
    if (status == OK && size > max)
        status = error_set(err, TOO_LARGE, path, 0, 0, "%llu bytes, at most %zu are allowed",
            (unsigned long long)size, max);
    if (status != OK)
        goto out;
    data = xmalloc((size_t)size + 1);
    status = env_read_exactly(e, f, path, 0, data, (size_t)size, err);
    if (status != OK)
        goto out;
    *out = data;
    *len = (size_t)size;
    data = NULL;
out:
    free(data);
    env_close(e, f);
    return status;
}
