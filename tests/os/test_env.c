// What env.h promises, asked of the real environment and of the simulated one alike: the engine's
// tests are worth what the two have in common.
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/os.h"
#include "tests/sim/sim_env.h"

enum { REAL, SIMULATED, WORLDS };

// A world is an env with an empty directory.
struct world {
    struct env *env;
    struct sim_env *sim;
    char dir[256];
    char paths[4][300];
};

static void world_open(struct world *w, int kind)
{
    memset(w, 0, sizeof *w);
    if (kind == SIMULATED) {
        w->sim = sim_env_new(1);
        w->env = sim_env_env(w->sim);
        sim_env_set_cold_percent(w->sim, 0);
        snprintf(w->dir, sizeof w->dir, "db");
        cr_assert_eq(w->env->ops->mkdir(w->env, w->dir, NULL), OK);
        return;
    }
    const char *tmp = getenv("TMPDIR");
    snprintf(w->dir, sizeof w->dir, "%s/varve-test-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    cr_assert_not_null(mkdtemp(w->dir));
    w->env = os_env();
}

static void world_close(struct world *w)
{
    if (w->sim != NULL) {
        sim_env_free(w->sim);
        return;
    }
    struct dir_entry *entries;
    size_t count;
    cr_assert_eq(w->env->ops->list(w->env, w->dir, &entries, &count, NULL), OK);
    for (size_t i = 0; i < count; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", w->dir, entries[i].name);
        cr_assert_eq(w->env->ops->unlink(w->env, path, NULL), OK);
    }
    free(entries);
    cr_assert_eq(rmdir(w->dir), 0);
}

// One of four path buffers of the world.
static const char *in(struct world *w, int i, const char *name)
{
    snprintf(w->paths[i], sizeof w->paths[i], "%s/%s", w->dir, name);
    return w->paths[i];
}

#define FOR_BOTH_WORLDS(w)                                                                         \
    for (int kind = 0; kind < WORLDS && (world_open(&(w), kind), true); world_close(&(w)), kind++)

static struct file *make(struct world *w, const char *path, const char *text)
{
    struct file *f;
    cr_assert_eq(env_open(w->env, path, FILE_CREATE, &f, NULL), OK);
    struct slice piece = slice_cstr(text);
    cr_assert_eq(w->env->ops->write(w->env, f, 0, &piece, 1, NULL), OK);
    return f;
}

static void assert_contents(struct world *w, const char *path, const char *text)
{
    uint8_t *data;
    size_t len;
    cr_assert_eq(env_read_file(w->env, path, 1000, &data, &len, NULL), OK);
    cr_assert(slice_equal(slice_of(data, len), slice_cstr(text)), "%s", path);
    free(data);
}

Test(env, modes_of_open)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        struct file *f;
        struct error err;
        const char *a = in(&w, 0, "a");
        cr_assert_eq(env_open(w.env, a, FILE_READ, &f, &err), NOT_FOUND);
        cr_assert_eq(env_open(w.env, a, FILE_UPDATE, &f, &err), NOT_FOUND);
        cr_assert_str_eq(err.file, a);
        env_close(w.env, make(&w, a, "one"));
        cr_assert_eq(env_open(w.env, a, FILE_CREATE, &f, &err), IO);
        cr_assert_eq(env_open(w.env, a, FILE_UPDATE, &f, NULL), OK);
        struct slice piece = slice_cstr("O");
        cr_assert_eq(w.env->ops->write(w.env, f, 0, &piece, 1, NULL), OK);
        env_close(w.env, f);
        assert_contents(&w, a, "One");
        cr_assert_eq(env_open(w.env, a, FILE_OVERWRITE, &f, NULL), OK);
        env_close(w.env, f);
        assert_contents(&w, a, "");
        cr_assert_eq(env_open(w.env, in(&w, 1, "no-such-dir/b"), FILE_CREATE, &f, NULL), NOT_FOUND);
    }
}

Test(env, many_pieces_are_written_one_behind_the_other)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        enum { PIECES = 3000 };
        struct slice *pieces = xcalloc(PIECES, sizeof *pieces);
        uint8_t expected[5 + PIECES * 2];
        size_t len = 5;
        memset(expected, 0, 5);
        for (int i = 0; i < PIECES; i++) {
            pieces[i] = slice_of(&"ab"[0], (size_t)(i % 3)); // some are empty
            memcpy(expected + len, "ab", pieces[i].len);
            len += pieces[i].len;
        }
        struct file *f;
        cr_assert_eq(env_open(w.env, in(&w, 0, "a"), FILE_CREATE, &f, NULL), OK);
        cr_assert_eq(w.env->ops->write(w.env, f, 5, pieces, PIECES, NULL), OK);
        cr_assert_eq(w.env->ops->sync(w.env, f, NULL), OK);
        uint8_t *back = xcalloc(len + 10, 1);
        size_t got;
        cr_assert_eq(w.env->ops->read(w.env, f, 0, back, len + 10, &got, NULL), OK);
        cr_assert_eq(got, len);
        cr_assert_eq(memcmp(back, expected, len), 0);
        cr_assert_eq(w.env->ops->read(w.env, f, len + 100, back, 10, &got, NULL), OK);
        cr_assert_eq(got, 0);
        free(back);
        free(pieces);
        env_close(w.env, f);
    }
}

Test(env, allocated_space_reads_as_zeros_and_counts_as_size)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        struct file *f = make(&w, in(&w, 0, "a"), "abc");
        uint64_t size;
        cr_assert_eq(w.env->ops->allocate(w.env, f, 700000, NULL), OK);
        cr_assert_eq(w.env->ops->size(w.env, f, &size, NULL), OK);
        cr_assert_eq(size, 700000);
        uint8_t bytes[4];
        cr_assert_eq(env_read_exactly(w.env, f, "a", 699996, bytes, 4, NULL), OK);
        cr_assert_eq(memcmp(bytes, "\0\0\0\0", 4), 0);
        cr_assert_eq(w.env->ops->truncate(w.env, f, 2, NULL), OK);
        cr_assert_eq(w.env->ops->allocate(w.env, f, 4, NULL), OK);
        cr_assert_eq(env_read_exactly(w.env, f, "a", 0, bytes, 4, NULL), OK);
        cr_assert_eq(memcmp(bytes, "ab\0\0", 4), 0);
        cr_assert_eq(env_read_exactly(w.env, f, "a", 1, bytes, 4, NULL), CORRUPT);
        env_close(w.env, f);
    }
}

Test(env, read_nowait_reads_what_was_just_written_or_waits)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        struct file *f = make(&w, in(&w, 0, "a"), "abc");
        char bytes[8] = "";
        int status = w.env->ops->read_nowait(w.env, f, 1, bytes, 2);
        cr_assert(status == WAIT || (status == OK && strcmp(bytes, "bc") == 0));
        cr_assert_eq(w.env->ops->read_nowait(w.env, f, 1, bytes, 3), WAIT, "behind the end");
        env_close(w.env, f);
    }
}

Test(env, names_change_as_posix_has_it)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        const char *a = in(&w, 0, "a"), *b = in(&w, 1, "b"), *c = in(&w, 2, "c");
        env_close(w.env, make(&w, a, "first"));
        env_close(w.env, make(&w, b, "second"));
        cr_assert_eq(w.env->ops->link(w.env, a, c, NULL), OK);
        cr_assert_eq(w.env->ops->link(w.env, a, b, NULL), IO, "a link replaces nothing");
        cr_assert_eq(w.env->ops->rename(w.env, a, b, NULL), OK);
        assert_contents(&w, b, "first");
        assert_contents(&w, c, "first");
        cr_assert_eq(w.env->ops->rename(w.env, a, b, NULL), NOT_FOUND);
        cr_assert_eq(w.env->ops->unlink(w.env, b, NULL), OK);
        cr_assert_eq(w.env->ops->unlink(w.env, b, NULL), NOT_FOUND);
        cr_assert_eq(w.env->ops->link(w.env, b, a, NULL), NOT_FOUND);
        cr_assert_eq(w.env->ops->sync_dir(w.env, w.dir, NULL), OK);
        cr_assert_eq(w.env->ops->sync_dir(w.env, a, NULL), NOT_FOUND);
        cr_assert_eq(w.env->ops->mkdir(w.env, w.dir, NULL), OK, "it exists");
        cr_assert_eq(w.env->ops->mkdir(w.env, c, NULL), IO, "a file is in the way");
    }
}

Test(env, list_shows_files_with_their_sizes)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        struct dir_entry *entries;
        size_t count;
        cr_assert_eq(w.env->ops->list(w.env, w.dir, &entries, &count, NULL), OK);
        cr_assert_eq(count, 0);
        free(entries);
        env_close(w.env, make(&w, in(&w, 0, "a"), "abc"));
        cr_assert_eq(w.env->ops->list(w.env, w.dir, &entries, &count, NULL), OK);
        cr_assert_eq(count, 1);
        cr_assert_str_eq(entries[0].name, "a");
        cr_assert_eq(entries[0].size, 3);
        free(entries);
        cr_assert_eq(w.env->ops->list(w.env, in(&w, 0, "none"), &entries, &count, NULL), NOT_FOUND);
    }
}

Test(env, a_lock_excludes_the_same_process_too)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        struct file *a, *b;
        const char *path = in(&w, 0, "LOCK");
        cr_assert_eq(w.env->ops->lock(w.env, path, &a, NULL), OK);
        cr_assert_eq(w.env->ops->lock(w.env, path, &b, NULL), LOCKED);
        w.env->ops->unlock(w.env, a);
        cr_assert_eq(w.env->ops->lock(w.env, path, &b, NULL), OK);
        w.env->ops->unlock(w.env, b);
    }
}

Test(env, clocks_go_forward_and_entropy_varies)
{
    struct world w;
    FOR_BOTH_WORLDS(w)
    {
        uint64_t us = env_now_us(w.env);
        cr_assert_geq(env_now_us(w.env), us);
        cr_assert_gt(env_now_ms(w.env), 1600000000000);
        cr_assert_neq(w.env->ops->random(w.env), w.env->ops->random(w.env));
        uint64_t space;
        cr_assert_eq(w.env->ops->free_space(w.env, w.dir, &space, NULL), OK);
        cr_assert_gt(space, 0);
    }
}

// Without a descriptor left nothing is opened or made, which is no failure of the disk; what has
// been synced before can be synced again, so that a rename that was made becomes durable.
Test(env, a_process_without_descriptors_may_try_again)
{
    struct world w;
    struct file *file;
    world_open(&w, REAL);
    const struct env_ops *ops = w.env->ops;
    cr_assert_eq(ops->open(w.env, in(&w, 0, "a"), FILE_CREATE, &file, NULL), OK);
    ops->close(w.env, file);
    cr_assert_eq(ops->sync_dir(w.env, w.dir, NULL), OK);
    struct rlimit old, none;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct dir_entry *entries;
    size_t count;
    int opened = ops->open(w.env, in(&w, 0, "a"), FILE_READ, &file, NULL);
    int made = ops->open(w.env, in(&w, 1, "b"), FILE_CREATE, &file, NULL);
    int listed = ops->list(w.env, w.dir, &entries, &count, NULL);
    int renamed = ops->rename(w.env, in(&w, 0, "a"), in(&w, 1, "b"), NULL);
    int synced = ops->sync_dir(w.env, w.dir, NULL);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    cr_assert_eq(opened, RETRY);
    cr_assert_eq(made, RETRY);
    cr_assert_eq(listed, RETRY);
    cr_assert_eq(renamed, OK);
    cr_assert_eq(synced, OK);
    world_close(&w);
}
