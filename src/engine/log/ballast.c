// A start needs space before it can give any back: a log segment, a manifest, CURRENT. Were the
// disk full to the last byte, with nothing of ours that belongs to nobody, it would have to fail,
// and nobody could delete anything. So a file of ours lies there that can go at any time. It says
// nothing, needs no proof and no order: a ballast that a power cut has cut short or taken away is a
// smaller ballast.
//
// What can fail is all of it, and it matters to nobody: without room there is no ballast for now.
#include "engine/log/ballast.h"

#include "engine/filename.h"

int ballast_keep(struct env *env, const char *dir, uint64_t bytes)
{
    char path[FILENAME_PATH_SIZE];
    struct file *file;
    filename_ballast(path, dir);
    int status = env_open(env, path, FILE_UPDATE, &file, NULL);
    bool made = status == NOT_FOUND;
    if (made)
        status = env_open(env, path, FILE_CREATE, &file, NULL);
    if (status != OK)
        return status;
    status = env->ops->allocate(env, file, bytes, NULL);
    if (status == OK)
        status = env->ops->sync(env, file, NULL);
    env_close(env, file);
    if (status == OK && made)
        status = env->ops->sync_dir(env, dir, NULL);
    if (status != OK && made)
        ballast_release(env, dir);
    return status;
}

void ballast_release(struct env *env, const char *dir)
{
    char path[FILENAME_PATH_SIZE];
    filename_ballast(path, dir);
    env->ops->unlink(env, path, NULL);
}
