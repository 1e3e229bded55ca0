// env.h by system calls.
//
// Every call is continued until it is complete or fails: interrupted calls are repeated, short
// reads and writes go on where they stopped. errno becomes a status in one place (fail), where
// ENOSPC and EDQUOT are told from the rest, so that a full disk is never taken for a broken one;
// and so is what has failed before a byte was written, for want of descriptors or memory (RETRY).
// Writing and syncing contents is never RETRY: how far those came, nobody knows.
// fdatasync is called once: after a failure the kernel may have dropped the dirty pages, and a
// second call would lie.
//
// What systems lack:
//   RWF_NOWAIT   (Linux 4.14, not on every file system, not on macOS or BSD): read_nowait answers
//                WAIT, remembered for each open file
//   fallocate    (not on every file system): the blocks are taken by writing zeros
//   fdatasync    (macOS: does not reach the platter): F_FULLFSYNC
//   fsync of a directory (some network file systems say EINVAL): taken as done, they have no other
//     way
// Syncing a directory takes an open descriptor of it, and where there is none left a rename that
// was made could not be made durable. So those of the last few directories stay open.
// The lock is flock(), which excludes other open files of this process too, and goes with the
// process however it ends.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "os/os.h"

// What os_delay_reads asks for; set by the loop, read by jobs.
static unsigned read_delay_ms;

enum { PIECES_AT_ONCE = 64, ZEROS_AT_ONCE = 256 * 1024 };

struct file {
    int fd;
    bool no_nowait; // read_nowait's own: the file system cannot tell. Loop only
    char *path;
};

static int status_of(int code)
{
    switch (code) {
    case ENOENT:
        return NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return NO_SPACE;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return RETRY;
    default:
        return IO;
    }
}

static int fail(struct error *err, const char *path, uint64_t offset, const char *what)
{
    int code = errno;
    return error_set(err, status_of(code), path, offset, code, "%s", what);
}

// As fail, of what may have happened in part.
static int fail_for_good(struct error *err, const char *path, uint64_t offset, const char *what)
{
    int code = errno, status = status_of(code);
    return error_set(err, status == RETRY ? IO : status, path, offset, code, "%s", what);
}

static struct file *new_file(int fd, const char *path)
{
    struct file *file = xcalloc(1, sizeof *file);
    file->fd = fd;
    file->path = xstrdup(path);
    return file;
}

// --- Files ---------------------------------------------------------------------------------------

static int open_fd(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0644);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int os_open(
    struct env *env, const char *path, enum file_mode mode, struct file **out, struct error *err)
{
    static const int flags[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [FILE_OVERWRITE] = O_RDWR | O_CREAT | O_TRUNC,
        [FILE_UPDATE] = O_RDWR,
    };
    int fd = open_fd(path, flags[mode]);
    if (fd < 0)
        return fail(err, path, 0, "open");
    *out = new_file(fd, path);
    return OK;
}

static void os_close(struct env *env, struct file *file)
{
    // Not repeated on EINTR: Linux has closed the descriptor by then.
    close(file->fd);
    free(file->path);
    free(file);
}

static int os_read(struct env *env, struct file *file, uint64_t offset, void *data, size_t len,
    size_t *got, struct error *err)
{
    size_t done = 0;
    unsigned delay_ms = __atomic_load_n(&read_delay_ms, __ATOMIC_RELAXED);
    if (delay_ms > 0)
        nanosleep(&(struct timespec){delay_ms / 1000, (long)(delay_ms % 1000) * 1000000}, NULL);
    while (done < len) {
        ssize_t n = pread(file->fd, (uint8_t *)data + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(err, file->path, offset + done, "read");
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return OK;
}

static int os_read_nowait(
    struct env *env, struct file *file, uint64_t offset, void *data, size_t len)
{
#ifdef RWF_NOWAIT
    if (file->no_nowait || read_delay_ms > 0)
        return WAIT;
    struct iovec piece = {data, len};
    ssize_t n = preadv2(file->fd, &piece, 1, (off_t)offset, RWF_NOWAIT);
    if (n == (ssize_t)len)
        return OK;
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        file->no_nowait = true;
#endif
    return WAIT;
}

// Fills iov from the pieces, leaving out the first `skip` bytes. Returns how many entries.
static int fill_iov(struct iovec *iov, const struct slice *pieces, size_t count, size_t skip)
{
    int n = 0;
    for (size_t i = 0; i < count && n < PIECES_AT_ONCE; i++) {
        if (skip >= pieces[i].len) {
            skip -= pieces[i].len;
            continue;
        }
        iov[n].iov_base = (void *)(uintptr_t)(pieces[i].data + skip);
        iov[n++].iov_len = pieces[i].len - skip;
        skip = 0;
    }
    return n;
}

static int os_write(struct env *env, struct file *file, uint64_t offset, const struct slice *pieces,
    size_t count, struct error *err)
{
    struct iovec iov[PIECES_AT_ONCE];
    size_t done = 0; // of pieces[0] and on; whole pieces are passed by
    while (count > 0) {
        int n = fill_iov(iov, pieces, count, done);
        if (n == 0)
            break;
        ssize_t written = pwritev(file->fd, iov, n, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_for_good(err, file->path, offset, "write");
        offset += (uint64_t)written;
        done += (size_t)written;
        for (; count > 0 && done >= pieces->len; pieces++, count--)
            done -= pieces->len;
    }
    return OK;
}

static int os_sync(struct env *env, struct file *file, struct error *err)
{
#ifdef F_FULLFSYNC
    int failed = fcntl(file->fd, F_FULLFSYNC);
#else
    int failed = fdatasync(file->fd);
#endif
    return failed ? fail_for_good(err, file->path, 0, "sync") : OK;
}

static int os_size(struct env *env, struct file *file, uint64_t *out, struct error *err)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return fail(err, file->path, 0, "stat");
    *out = (uint64_t)st.st_size;
    return OK;
}

static int allocate_by_writing(struct env *env, struct file *file, uint64_t size, struct error *err)
{
    uint64_t at = 0;
    int status = os_size(env, file, &at, err);
    if (status != OK)
        return status;
    void *zeros = xcalloc(1, ZEROS_AT_ONCE);
    while (status == OK && at < size) {
        struct slice piece =
            slice_of(zeros, size - at < ZEROS_AT_ONCE ? (size_t)(size - at) : ZEROS_AT_ONCE);
        status = os_write(env, file, at, &piece, 1, err);
        at += piece.len;
    }
    free(zeros);
    return status;
}

static int os_allocate(struct env *env, struct file *file, uint64_t size, struct error *err)
{
#ifdef __linux__
    int failed;
    do {
        failed = fallocate(file->fd, 0, 0, (off_t)size);
    } while (failed && errno == EINTR);
    if (!failed)
        return OK;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return fail(err, file->path, 0, "allocate");
#endif
    return allocate_by_writing(env, file, size, err);
}

static int os_truncate(struct env *env, struct file *file, uint64_t size, struct error *err)
{
    int failed;
    do {
        failed = ftruncate(file->fd, (off_t)size);
    } while (failed && errno == EINTR);
    return failed ? fail(err, file->path, size, "truncate") : OK;
}

// --- Names ---------------------------------------------------------------------------------------

static int os_rename(struct env *env, const char *from, const char *to, struct error *err)
{
    return rename(from, to) != 0 ? fail(err, from, 0, "rename") : OK;
}

static int os_unlink(struct env *env, const char *path, struct error *err)
{
    return unlink(path) != 0 ? fail(err, path, 0, "unlink") : OK;
}

static int os_link(struct env *env, const char *from, const char *to, struct error *err)
{
    return link(from, to) != 0 ? fail(err, from, 0, "link") : OK;
}

static int os_mkdir(struct env *env, const char *path, struct error *err)
{
    if (mkdir(path, 0755) == 0)
        return OK;
    struct stat st;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return OK;
    return fail(err, path, 0, "mkdir");
}

// Directories that have been synced; guarded by the lock, also while one of them is being synced.
static struct known_dir {
    char *path; // NULL: none
    int fd;
} known_dirs[4];
static pthread_mutex_t known_dirs_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_still(int fd, const char *path)
{
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

static void forget_dir(struct known_dir *d)
{
    if (d->path == NULL)
        return;
    close(d->fd);
    free(d->path);
    d->path = NULL;
}

// A descriptor of the directory, or -1 and errno.
static int know_dir(const char *path)
{
    enum { KNOWN = sizeof known_dirs / sizeof *known_dirs };
    for (unsigned i = 0; i < KNOWN; i++) {
        if (known_dirs[i].path == NULL || strcmp(known_dirs[i].path, path) != 0)
            continue;
        if (is_still(known_dirs[i].fd, path))
            return known_dirs[i].fd;
        forget_dir(&known_dirs[i]);
    }
    int fd = open_fd(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    forget_dir(&known_dirs[KNOWN - 1]);
    memmove(known_dirs + 1, known_dirs, sizeof known_dirs - sizeof *known_dirs);
    known_dirs[0] = (struct known_dir){xstrdup(path), fd};
    return fd;
}

static int os_sync_dir(struct env *env, const char *path, struct error *err)
{
    int status = OK;
    pthread_mutex_lock(&known_dirs_lock);
    int fd = know_dir(path);
    if (fd < 0)
        status = fail(err, path, 0, "open directory");
    else if (fsync(fd) != 0 && errno != EINVAL)
        status = fail_for_good(err, path, 0, "sync directory");
    pthread_mutex_unlock(&known_dirs_lock);
    return status;
}

// Appends a directory entry if it is a regular file; one that vanished meanwhile is left out.
static int add_entry(DIR *dir, const char *path, const char *name, struct dir_entry **list,
    size_t *count, size_t *cap, struct error *err)
{
    struct stat st;
    if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? OK : fail(err, path, 0, "stat");
    if (!S_ISREG(st.st_mode))
        return OK;
    if (*count == *cap) {
        *cap = *cap * 2 + 16;
        *list = xrealloc(*list, *cap * sizeof **list);
    }
    struct dir_entry *entry = &(*list)[(*count)++];
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->size = (uint64_t)st.st_size;
    return OK;
}

static int os_list(
    struct env *env, const char *path, struct dir_entry **out, size_t *count, struct error *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return fail(err, path, 0, "open directory");
    struct dir_entry *list = NULL;
    size_t n = 0, cap = 0;
    int status = OK;
    while (status == OK) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            status = errno != 0 ? fail(err, path, 0, "read directory") : OK;
            break;
        }
        status = add_entry(dir, path, entry->d_name, &list, &n, &cap, err);
    }
    closedir(dir);
    if (status != OK) {
        free(list);
        return status;
    }
    *out = list;
    *count = n;
    return OK;
}

static int os_lock(struct env *env, const char *path, struct file **out, struct error *err)
{
    int fd = open_fd(path, O_RDWR | O_CREAT);
    if (fd < 0)
        return fail(err, path, 0, "open");
    int failed;
    do {
        failed = flock(fd, LOCK_EX | LOCK_NB);
    } while (failed && errno == EINTR);
    if (!failed) {
        *out = new_file(fd, path);
        return OK;
    }
    int status = errno == EWOULDBLOCK
                     ? error_set(err, LOCKED, path, 0, 0, "locked by another process")
                     : fail(err, path, 0, "lock");
    close(fd);
    return status;
}

static int os_free_space(struct env *env, const char *path, uint64_t *out, struct error *err)
{
    struct statvfs st;
    if (statvfs(path, &st) != 0)
        return fail(err, path, 0, "statvfs");
    *out = (uint64_t)st.f_bavail * st.f_frsize;
    return OK;
}

// --- Clocks and entropy --------------------------------------------------------------------------

static int64_t os_now_ms(struct env *env)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t os_now_us(struct env *env)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t os_random(struct env *env)
{
    uint64_t bits;
    int failed = getentropy(&bits, sizeof bits);
    ENSURE(!failed);
    return bits;
}

void os_delay_reads(unsigned ms)
{
    __atomic_store_n(&read_delay_ms, ms, __ATOMIC_RELAXED);
}

struct env *os_env(void)
{
    static const struct env_ops ops = {
        .open = os_open,
        .close = os_close,
        .read = os_read,
        .read_nowait = os_read_nowait,
        .write = os_write,
        .sync = os_sync,
        .allocate = os_allocate,
        .truncate = os_truncate,
        .size = os_size,
        .rename = os_rename,
        .unlink = os_unlink,
        .link = os_link,
        .mkdir = os_mkdir,
        .sync_dir = os_sync_dir,
        .list = os_list,
        .lock = os_lock,
        .unlock = os_close,
        .free_space = os_free_space,
        .now_ms = os_now_ms,
        .now_us = os_now_us,
        .random = os_random,
    };
    static struct env env = {&ops};
    return &env;
}
