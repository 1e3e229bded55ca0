// env: the engine's outside world: files, clocks, entropy. `os/` implements it with system calls,
// `tests/sim` in memory with crashes and faults. Law 6: nothing in the engine reaches the world
// past this header and exec.h.
//
// Threads: every function may be called from any thread unless it says "loop". Functions marked
// "blocking" are for jobs, and for engine_open() and engine_close(), which run before the loop
// turns and after it has stopped.
//
// Errors: IO, NO_SPACE (ENOSPC, EDQUOT), RETRY (no descriptor or memory, and nothing has happened;
// never of write and sync), NOT_FOUND (positive: no such file) and LOCKED; err (may be NULL) names
// the path. Calls that the kernel cuts short are continued inside; EINTR is retried
// inside. A failed sync is never retried by anyone.
#ifndef VARVE_ENGINE_ENV_H
#define VARVE_ENGINE_ENV_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/status.h"

struct env;
struct file; // an open file; whoever opened it closes it

enum file_mode {
    FILE_READ,      // must exist
    FILE_CREATE,    // must not exist; for writing and reading
    FILE_OVERWRITE, // created or truncated; for writing
    FILE_UPDATE,    // must exist; for writing and reading
};

struct dir_entry {
    char name[256];
    uint64_t size;
};

struct env_ops {
    // Files. All blocking, except that read_nowait never sleeps.
    int (*open)(struct env *env, const char *path, enum file_mode mode, struct file **out,
        struct error *err);
    void (*close)(struct env *env, struct file *file);
    // Reads up to len bytes at offset; *got is less than len only at the end of the file.
    int (*read)(struct env *env, struct file *file, uint64_t offset, void *data, size_t len,
        size_t *got, struct error *err);
    // Loop. Reads exactly len bytes if they are in memory (preadv2 with RWF_NOWAIT): OK, else WAIT,
    // also where the system cannot tell.
    int (*read_nowait)(struct env *env, struct file *file, uint64_t offset, void *data, size_t len);
    // Writes all pieces at offset, one behind the other. On failure any part of them may have been
    // written.
    int (*write)(struct env *env, struct file *file, uint64_t offset, const struct slice *pieces,
        size_t count, struct error *err);
    // fdatasync: contents, and the size where it grew.
    int (*sync)(struct env *env, struct file *file, struct error *err);
    // Reserves disk blocks for [0, size), which read as zeros, and sets the size to it. NO_SPACE if
    // there is none.
    int (*allocate)(struct env *env, struct file *file, uint64_t size, struct error *err);
    int (*truncate)(struct env *env, struct file *file, uint64_t size, struct error *err);
    int (*size)(struct env *env, struct file *file, uint64_t *out, struct error *err);

    // Names. All blocking. A change of names is durable after sync_dir of the directory that holds
    // them. replaces `to`
    int (*rename)(struct env *env, const char *from, const char *to, struct error *err);
    // NOT_FOUND is an answer
    int (*unlink)(struct env *env, const char *path, struct error *err);
    // hard link
    int (*link)(struct env *env, const char *from, const char *to, struct error *err);
    // OK if it exists
    int (*mkdir)(struct env *env, const char *path, struct error *err);
    // of one that has been synced before never RETRY
    int (*sync_dir)(struct env *env, const char *path, struct error *err);
    // Regular files of a directory, without order. *out is one heap block, for free().
    int (*list)(struct env *env, const char *path, struct dir_entry **out, size_t *count,
        struct error *err);
    // An exclusive lock on a file, created if need be, held until unlock or the end of the process.
    // LOCKED if another holds it.
    int (*lock)(struct env *env, const char *path, struct file **out, struct error *err);
    void (*unlock)(struct env *env, struct file *lock);
    // Bytes an unprivileged writer can still take on the file system of path.
    int (*free_space)(struct env *env, const char *path, uint64_t *out, struct error *err);

    // Clocks and entropy.
    int64_t (*now_ms)(struct env *env);  // wall clock, milliseconds since 1970; may step
    uint64_t (*now_us)(struct env *env); // monotonic microseconds
    uint64_t (*random)(struct env *env); // 64 random bits
};

// Implementations embed this as their first member.
struct env {
    const struct env_ops *ops;
};

static inline int env_open(
    struct env *e, const char *path, enum file_mode m, struct file **out, struct error *err)
{
    return e->ops->open(e, path, m, out, err);
}

static inline void env_close(struct env *e, struct file *f)
{
    e->ops->close(e, f);
}

static inline int64_t env_now_ms(struct env *e)
{
    return e->ops->now_ms(e);
}

static inline uint64_t env_now_us(struct env *e)
{
    return e->ops->now_us(e);
}

// A new file under a name that may be taken: what an earlier attempt has left there is unlinked,
// and never written to. Truncating it instead would be wrong: after a power cut in the midst of a
// rename the name may lead to the file that is in force. Blocking.
int env_create_anew(struct env *e, const char *path, struct file **out, struct error *err);
// Reads exactly len bytes or fails: a shorter file is CORRUPT. Blocking.
int env_read_exactly(struct env *e, struct file *f, const char *path, uint64_t offset, void *data,
    size_t len, struct error *err);
// Reads a whole file of at most max bytes. *out is one heap block. NOT_FOUND is an answer.
// Blocking.
int env_read_file(
    struct env *e, const char *path, size_t max, uint8_t **out, size_t *len, struct error *err);

#endif
