// The operations of env.h over a sim_disk. Every one passes through gate(), which counts it, cuts
// the power when its number has come, and looks for a fault; what is left of each operation is
// argument checks and a call to the disk.
//
// An operation that is cut may still have had its effect: a write a part of its bytes, a change of
// names all or nothing (it is not durable in either case). A sync that is cut did nothing beyond
// what unsynced data may do by itself.
#include "tests/sim/sim_env.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "tests/sim/sim_disk.h"

enum { FAULTS_MAX = 16 };

struct fault {
    enum sim_op op;
    char *part; // NULL: every path
    uint64_t skip, times;
    int status;
};

struct sim_env {
    struct env env;
    struct sim_disk disk;
    struct random random; // entropy for the subject, and the dice of faults
    uint64_t now_us;
    int64_t wall_offset_ms;
    uint64_t counts[SIM_OP_COUNT];
    uint64_t operations, crash_at;
    bool power_is_gone;
    uint32_t boot; // handles of earlier boots are dead
    uint32_t open_files;
    struct fault faults[FAULTS_MAX];
    unsigned fault_count;
    uint64_t disk_size;
    unsigned cold_percent;
    bool trace;
};

struct file {
    struct inode *inode;
    uint32_t boot;
    bool writable, is_lock;
    char *path;
};

static struct sim_env *sim_of(struct env *env)
{
    return (struct sim_env *)(void *)env;
}

// --- The gate ------------------------------------------------------------------------------------

static const char *const op_names[SIM_OP_COUNT] = {"create", "write", "sync", "allocate",
    "truncate", "rename", "unlink", "link", "mkdir", "sync_dir", "open", "read", "list"};

static int take_fault(struct sim_env *sim, enum sim_op op, const char *path)
{
    for (unsigned i = 0; i < sim->fault_count; i++) {
        struct fault *f = &sim->faults[i];
        if (f->op != op || f->times == 0 || (f->part != NULL && strstr(path, f->part) == NULL))
            continue;
        if (f->skip > 0) {
            f->skip--;
            continue;
        }
        f->times--;
        return f->status;
    }
    return OK;
}

static int fail(struct error *err, int status, const char *path, uint64_t offset, const char *what)
{
    int code = status == NO_SPACE ? ENOSPC : status == RETRY ? EMFILE : EIO;
    return error_set(err, status, path, offset, code, "%s", what);
}

// OK; or the failure of this operation, and in *effect whether it may take effect all the same.
static int gate(
    struct sim_env *sim, enum sim_op op, const char *path, bool *effect, struct error *err)
{
    *effect = false;
    if (sim->power_is_gone)
        return fail(err, IO, path, 0, "simulated: the power is gone");
    sim->counts[op]++;
    if (sim->trace)
        fprintf(
            stderr, "sim %llu %s %s\n", (unsigned long long)sim->operations, op_names[op], path);
    if (op <= SIM_LAST_CHANGE && sim->operations++ >= sim->crash_at) {
        sim->power_is_gone = true;
        *effect = op != SIM_SYNC && op != SIM_SYNC_DIR && random_below(&sim->random, 2) == 0;
        return fail(err, IO, path, 0, "simulated: the power goes");
    }
    int status = take_fault(sim, op, path);
    if (status != OK) {
        *effect = op == SIM_WRITE && random_below(&sim->random, 2) == 0;
        return fail(err, status, path, 0, "simulated fault");
    }
    *effect = true;
    return OK;
}

// As gate, for an open file.
static int gate_file(struct sim_env *sim, enum sim_op op, struct file *file, uint64_t offset,
    bool *effect, struct error *err)
{
    *effect = false;
    if (file->boot != sim->boot)
        return fail(err, IO, file->path, 0, "simulated: opened before the power cut");
    ENSURE(op == SIM_READ || (file->writable && !file->is_lock));
    int status = gate(sim, op, file->path, effect, err);
    if (status != OK && err != NULL)
        err->offset = offset;
    return status;
}

// --- Files ---------------------------------------------------------------------------------------

static struct file *new_file(
    struct sim_env *sim, struct inode *inode, const char *path, bool writable)
{
    struct file *file = xcalloc(1, sizeof *file);
    file->inode = inode;
    file->boot = sim->boot;
    file->writable = writable;
    file->path = xstrdup(path);
    inode->handles++;
    sim->open_files++;
    return file;
}

static int sim_open(
    struct env *env, const char *path, enum file_mode mode, struct file **out, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    bool effect, makes = mode == FILE_CREATE || mode == FILE_OVERWRITE;
    int status = gate(sim, makes ? SIM_CREATE : SIM_OPEN, path, &effect, err);
    if (status != OK && !effect)
        return status;
    struct inode *inode = disk_find(&sim->disk, path);
    if (inode != NULL && (inode->is_dir || mode == FILE_CREATE))
        return status != OK ? status
                            : error_set(err, IO, path, 0, inode->is_dir ? EISDIR : EEXIST, "open");
    if (inode == NULL && (!makes || !disk_has_parent(&sim->disk, path)))
        return status != OK ? status : error_set(err, NOT_FOUND, path, 0, ENOENT, "open");
    if (inode == NULL)
        inode = disk_create(&sim->disk, path, false);
    else if (mode == FILE_OVERWRITE)
        inode_resize(inode, 0);
    if (status == OK)
        *out = new_file(sim, inode, path, mode != FILE_READ);
    return status;
}

static void sim_close(struct env *env, struct file *file)
{
    struct sim_env *sim = sim_of(env);
    sim->open_files--;
    if (file->boot == sim->boot) {
        if (file->is_lock)
            file->inode->locked = false;
        file->inode->handles--;
        disk_sweep(&sim->disk);
    }
    free(file->path);
    free(file);
}

static int sim_read(struct env *env, struct file *file, uint64_t offset, void *data, size_t len,
    size_t *got, struct error *err)
{
    bool effect;
    int status = gate_file(sim_of(env), SIM_READ, file, offset, &effect, err);
    if (status != OK)
        return status;
    uint64_t size = file->inode->live_size;
    size_t there = offset >= size ? 0 : (size_t)(size - offset);
    *got = there < len ? there : len;
    if (*got > 0)
        memcpy(data, file->inode->live + offset, *got);
    return OK;
}

static int sim_read_nowait(
    struct env *env, struct file *file, uint64_t offset, void *data, size_t len)
{
    struct sim_env *sim = sim_of(env);
    if (sim->power_is_gone || file->boot != sim->boot ||
        random_below(&sim->random, 100) < sim->cold_percent)
        return WAIT;
    if (offset > file->inode->live_size || len > file->inode->live_size - offset)
        return WAIT;
    if (len > 0)
        memcpy(data, file->inode->live + offset, len);
    return OK;
}

// NO_SPACE if the file cannot grow to size.
static int check_space(
    struct sim_env *sim, const struct file *file, uint64_t size, struct error *err)
{
    uint64_t now = file->inode->live_size;
    if (size <= now || sim->disk_size == UINT64_MAX)
        return OK;
    uint64_t used = disk_used(&sim->disk);
    if (used < sim->disk_size && size - now <= sim->disk_size - used)
        return OK;
    return fail(err, NO_SPACE, file->path, now, "simulated: the disk is full");
}

static int sim_write(struct env *env, struct file *file, uint64_t offset,
    const struct slice *pieces, size_t count, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    bool effect;
    int status = gate_file(sim, SIM_WRITE, file, offset, &effect, err);
    if (status != OK && !effect)
        return status;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].len;
    if (status == OK)
        status = check_space(sim, file, offset + total, err);
    uint64_t left = status == OK ? total : random_below(&sim->random, total + 1);
    if (status == NO_SPACE && offset + left > file->inode->live_size)
        left = offset < file->inode->live_size ? file->inode->live_size - offset : 0;
    for (size_t i = 0; i < count && left > 0; i++) {
        size_t len = pieces[i].len < left ? pieces[i].len : (size_t)left;
        inode_write(&sim->disk, file->inode, offset, slice_of(pieces[i].data, len));
        offset += len;
        left -= len;
    }
    return status;
}

static int sim_sync(struct env *env, struct file *file, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    bool effect;
    int status = gate_file(sim, SIM_SYNC, file, 0, &effect, err);
    if (status == OK)
        inode_sync(file->inode);
    else if (!sim->power_is_gone)
        inode_sync_badly(&sim->disk, file->inode);
    return status;
}

static int sim_allocate(struct env *env, struct file *file, uint64_t size, struct error *err)
{
    bool effect;
    int status = gate_file(sim_of(env), SIM_ALLOCATE, file, 0, &effect, err);
    if (status == OK)
        status = check_space(sim_of(env), file, size, err);
    if (status != OK && !(effect && sim_of(env)->power_is_gone))
        return status;
    if (size > file->inode->live_size)
        inode_resize(file->inode, size);
    return status;
}

static int sim_truncate(struct env *env, struct file *file, uint64_t size, struct error *err)
{
    bool effect;
    int status = gate_file(sim_of(env), SIM_TRUNCATE, file, 0, &effect, err);
    if (effect)
        inode_resize(file->inode, size);
    return status;
}

static int sim_size(struct env *env, struct file *file, uint64_t *out, struct error *err)
{
    bool effect;
    int status = gate_file(sim_of(env), SIM_READ, file, 0, &effect, err);
    if (status == OK)
        *out = file->inode->live_size;
    return status;
}

// --- Names ---------------------------------------------------------------------------------------

// As gate, for operations on a name that must be there.
static int gate_names(
    struct sim_env *sim, enum sim_op op, const char *from, bool *effect, struct error *err)
{
    int status = gate(sim, op, from, effect, err);
    struct inode *inode = disk_find(&sim->disk, from);
    if (inode != NULL && !inode->is_dir)
        return status;
    *effect = false;
    return status != OK ? status : error_set(err, NOT_FOUND, from, 0, ENOENT, "%s", op_names[op]);
}

static int sim_rename(struct env *env, const char *from, const char *to, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    ENSURE(disk_has_parent(&sim->disk, to) || sim->power_is_gone);
    bool effect;
    int status = gate_names(sim, SIM_RENAME, from, &effect, err);
    if (effect)
        disk_rename(&sim->disk, from, to);
    return status;
}

static int sim_unlink(struct env *env, const char *path, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    bool effect;
    int status = gate_names(sim, SIM_UNLINK, path, &effect, err);
    if (effect)
        disk_unlink(&sim->disk, path);
    return status;
}

static int sim_link(struct env *env, const char *from, const char *to, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    ENSURE(disk_has_parent(&sim->disk, to) || sim->power_is_gone);
    bool effect;
    int status = gate_names(sim, SIM_LINK, from, &effect, err);
    if (effect && disk_find(&sim->disk, to) != NULL)
        return status != OK ? status : error_set(err, IO, to, 0, EEXIST, "link");
    if (effect)
        disk_link(&sim->disk, to, disk_find(&sim->disk, from));
    return status;
}

static int sim_mkdir(struct env *env, const char *path, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    bool effect;
    int status = gate(sim, SIM_MKDIR, path, &effect, err);
    if (!effect)
        return status;
    struct inode *inode = disk_find(&sim->disk, path);
    if (inode != NULL)
        return status != OK || inode->is_dir ? status
                                             : error_set(err, IO, path, 0, ENOTDIR, "mkdir");
    if (!disk_has_parent(&sim->disk, path))
        return status != OK ? status : error_set(err, NOT_FOUND, path, 0, ENOENT, "mkdir");
    disk_create(&sim->disk, path, true);
    return status;
}

static bool is_directory(const struct sim_env *sim, const char *path)
{
    struct inode *inode = disk_find(&sim->disk, path);
    return inode != NULL ? inode->is_dir : strcmp(path, ".") == 0 || strcmp(path, "/") == 0;
}

static int sim_sync_dir(struct env *env, const char *path, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    bool effect;
    int status = gate(sim, SIM_SYNC_DIR, path, &effect, err);
    if (status == OK && !is_directory(sim, path))
        return error_set(err, NOT_FOUND, path, 0, ENOENT, "sync_dir");
    if (status == OK)
        disk_sync_names(&sim->disk, path);
    return status;
}

static int sim_list(
    struct env *env, const char *path, struct dir_entry **out, size_t *count, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    bool effect;
    int status = gate(sim, SIM_LIST, path, &effect, err);
    if (status == OK && !is_directory(sim, path))
        status = error_set(err, NOT_FOUND, path, 0, ENOENT, "list");
    if (status != OK)
        return status;
    const struct names *names = &sim->disk.live;
    struct dir_entry *entries = xcalloc(names->count + 1, sizeof *entries);
    size_t n = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct name *row = &names->rows[i];
        if (row->inode->is_dir || !disk_is_in(row->path, path))
            continue;
        const char *slash = strrchr(row->path, '/');
        snprintf(
            entries[n].name, sizeof entries[n].name, "%s", slash == NULL ? row->path : slash + 1);
        entries[n++].size = row->inode->live_size;
    }
    *out = entries;
    *count = n;
    return OK;
}

static int sim_lock(struct env *env, const char *path, struct file **out, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    struct inode *inode = disk_find(&sim->disk, path);
    if (inode == NULL) {
        struct file *file;
        int status = sim_open(env, path, FILE_CREATE, &file, err);
        if (status != OK)
            return status;
        inode = file->inode;
        sim_close(env, file);
    } else if (sim->power_is_gone) {
        return fail(err, IO, path, 0, "simulated: the power is gone");
    }
    if (inode->locked)
        return error_set(err, LOCKED, path, 0, 0, "locked");
    *out = new_file(sim, inode, path, true);
    (*out)->is_lock = true;
    inode->locked = true;
    return OK;
}

static int sim_free_space(struct env *env, const char *path, uint64_t *out, struct error *err)
{
    struct sim_env *sim = sim_of(env);
    if (sim->power_is_gone)
        return fail(err, IO, path, 0, "simulated: the power is gone");
    uint64_t used = disk_used(&sim->disk);
    *out = sim->disk_size > used ? sim->disk_size - used : 0;
    return OK;
}

// --- Clocks and entropy --------------------------------------------------------------------------

static int64_t sim_now_ms(struct env *env)
{
    return (int64_t)(sim_of(env)->now_us / 1000) + sim_of(env)->wall_offset_ms;
}

static uint64_t sim_now_us(struct env *env)
{
    return sim_of(env)->now_us;
}

static uint64_t sim_random(struct env *env)
{
    return random_next(&sim_of(env)->random);
}

static const struct env_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .read_nowait = sim_read_nowait,
    .write = sim_write,
    .sync = sim_sync,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .size = sim_size,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .link = sim_link,
    .mkdir = sim_mkdir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .lock = sim_lock,
    .unlock = sim_close,
    .free_space = sim_free_space,
    .now_ms = sim_now_ms,
    .now_us = sim_now_us,
    .random = sim_random,
};

// --- What tests call -----------------------------------------------------------------------------

static struct sim_env *new_machine(uint64_t seed)
{
    struct sim_env *sim = xcalloc(1, sizeof *sim);
    sim->env.ops = &sim_ops;
    sim->random.state = ~seed;
    sim->now_us = 1000000;
    sim->wall_offset_ms = SIM_START_MS;
    sim->crash_at = UINT64_MAX;
    sim->disk_size = UINT64_MAX;
    sim->cold_percent = 50;
    sim->trace = getenv("VARVE_SIM_TRACE") != NULL;
    return sim;
}

struct sim_env *sim_env_new(uint64_t seed)
{
    struct sim_env *sim = new_machine(seed);
    disk_init(&sim->disk, seed);
    return sim;
}

struct sim_env *sim_env_copy(const struct sim_env *from, uint64_t seed)
{
    struct sim_env *sim = new_machine(seed);
    disk_copy(&sim->disk, &from->disk, seed);
    sim->now_us = from->now_us;
    sim->wall_offset_ms = from->wall_offset_ms;
    return sim;
}

void sim_env_free(struct sim_env *sim)
{
    if (sim == NULL)
        return;
    sim_env_heal(sim);
    disk_release(&sim->disk);
    free(sim);
}

struct env *sim_env_env(struct sim_env *sim)
{
    return &sim->env;
}

void sim_env_set_names(struct sim_env *sim, enum sim_names names)
{
    if (names != SIM_NAMES_BY_SEED)
        sim->disk.ordered = names == SIM_NAMES_ORDERED;
}

uint64_t sim_env_operations(const struct sim_env *sim)
{
    return sim->operations;
}

void sim_env_crash_at(struct sim_env *sim, uint64_t n)
{
    sim->crash_at = n;
}

bool sim_env_power_is_gone(const struct sim_env *sim)
{
    return sim->power_is_gone;
}

void sim_env_crash(struct sim_env *sim)
{
    disk_crash(&sim->disk);
    sim_env_heal(sim);
    sim->power_is_gone = false;
    sim->crash_at = UINT64_MAX;
    sim->boot++;
}

void sim_env_fail(struct sim_env *sim, enum sim_op op, const char *part, uint64_t skip,
    uint64_t times, int status)
{
    ENSURE(sim->fault_count < FAULTS_MAX && status < 0);
    sim->faults[sim->fault_count++] =
        (struct fault){op, part == NULL ? NULL : xstrdup(part), skip, times, status};
}

void sim_env_heal(struct sim_env *sim)
{
    while (sim->fault_count > 0)
        free(sim->faults[--sim->fault_count].part);
}

void sim_env_set_disk_size(struct sim_env *sim, uint64_t bytes)
{
    sim->disk_size = bytes;
}

uint64_t sim_env_disk_used(const struct sim_env *sim)
{
    return disk_used(&sim->disk);
}

void sim_env_set_cold_percent(struct sim_env *sim, unsigned percent)
{
    sim->cold_percent = percent;
}

int sim_env_flip(struct sim_env *sim, const char *path, uint64_t offset, uint8_t mask)
{
    struct inode *inode = disk_find(&sim->disk, path);
    if (inode == NULL || offset >= inode->live_size)
        return MISUSE;
    inode->live[offset] ^= mask;
    inode->durable[offset] ^= mask;
    return OK;
}

uint64_t sim_env_count(const struct sim_env *sim, enum sim_op op)
{
    return sim->counts[op];
}

uint32_t sim_env_open_files(const struct sim_env *sim)
{
    return sim->open_files;
}

int sim_env_read_file(struct sim_env *sim, const char *path, struct buf *out)
{
    struct inode *inode = disk_find(&sim->disk, path);
    if (inode == NULL || inode->is_dir)
        return NOT_FOUND;
    buf_append(out, inode->live, (size_t)inode->live_size);
    return OK;
}

void sim_env_write_file(struct sim_env *sim, const char *path, struct slice contents)
{
    ENSURE(disk_has_parent(&sim->disk, path));
    struct inode *inode = disk_find(&sim->disk, path);
    if (inode == NULL)
        inode = disk_create(&sim->disk, path, false);
    inode_resize(inode, 0);
    inode_write(&sim->disk, inode, 0, contents);
    inode_sync(inode);
    disk_sync_name(&sim->disk, path);
}

int sim_env_remove_file(struct sim_env *sim, const char *path)
{
    if (disk_find(&sim->disk, path) == NULL)
        return NOT_FOUND;
    disk_unlink(&sim->disk, path);
    disk_sync_name(&sim->disk, path);
    disk_sweep(&sim->disk);
    return OK;
}

void sim_env_advance_us(struct sim_env *sim, uint64_t us)
{
    sim->now_us += us;
}

void sim_env_advance(struct sim_env *sim, uint64_t ms)
{
    sim->now_us += ms * 1000;
}

void sim_env_step_wall_clock(struct sim_env *sim, int64_t ms)
{
    sim->wall_offset_ms += ms;
}
