// One bit changed in any byte of any file of a small database, after each way of stopping. What
// lies below the last proof (all of it, after a clean stop or a rest) reads right, or the start is
// refused with the file and the place named; above it the log may be cut, too, which is told with
// the number of bytes. And whatever a start has made of it, it makes once: the next one finds all
// that was there then, and what was written since.
//
// VARVE_TEST_FULL=1 tries each byte, else it is every few; of the zeros of unused space the first
// hundred.
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "tests/engine/golden_text.h"
#include "tests/sim/sim_exec.h"

enum { SLOTS = 30, FLUSHED = 70, SYNCED = 80, BATCHES = 90, REST_MS = 1500 };

enum stop { CLEAN, KILLED_AFTER_REST, KILLED_AT_ONCE };

struct machine {
    struct logger logger; // first member
    unsigned long long cut_bytes;
    bool told;
    struct sim_env *env;
    struct sim_exec *exec;
    struct engine *engine;
    struct txn *txn;
};

static void note_cut(struct logger *logger, enum log_level level, const char *line)
{
    struct machine *m = (struct machine *)logger;
    const char *bytes = strstr(line, " bytes were cut");
    if (bytes == NULL)
        return;
    while (bytes > line && bytes[-1] != ' ')
        bytes--;
    m->told = true;
    m->cut_bytes = strtoull(bytes, NULL, 10);
}

static int open_machine(struct machine *m, enum fsync_policy policy, struct error *err)
{
    m->logger = (struct logger){LOG_DEBUG, note_cut};
    m->told = false;
    struct engine_options options = {
        .dir = "db",
        .env = sim_env_env(m->env),
        .exec = sim_exec_exec(m->exec),
        .logger = &m->logger,
        .memory_budget = 256 * 1024,
        .write_buffer_size = 8 * 1024,
        .fsync = policy,
    };
    int status = engine_open(&options, &m->engine, err);
    if (status == OK)
        m->txn = txn_new(m->engine);
    return status;
}

static struct machine machine_of(struct sim_env *env)
{
    return (struct machine){.env = env, .exec = sim_exec_new(env, 1)};
}

static void close_machine(struct machine *m)
{
    txn_free(m->txn);
    cr_assert_eq(engine_close(m->engine, NULL), OK);
}

static void free_machine(struct machine *m)
{
    sim_exec_free(m->exec);
    sim_env_free(m->env);
}

// Batch n writes its number under its slot and under "M".
static void write_batch(struct machine *m, unsigned n)
{
    char key[32], value[32];
    struct slice v = slice_of(value, (size_t)snprintf(value, 32, "%u", n));
    txn_begin(m->txn);
    txn_put(m->txn, slice_of(key, (size_t)snprintf(key, 32, "slot %u", n % SLOTS)), v,
        (struct slice){0}, 0);
    txn_put(m->txn, slice_cstr("M"), v, (struct slice){0}, 0);
    cr_assert_eq(engine_blocking_commit(m->engine, m->txn), OK);
    txn_reset(m->txn);
}

static int read_number(struct machine *m, const char *key, unsigned *n)
{
    struct row row;
    char text[32] = {0};
    txn_begin(m->txn);
    int status = engine_blocking_get(m->engine, m->txn, slice_cstr(key), &row);
    if (status == OK)
        memcpy(text, row.value.data, row.value.len < 31 ? row.value.len : 31);
    *n = (unsigned)strtoul(text, NULL, 10);
    txn_reset(m->txn);
    return status;
}

// Everything is as after *batches batches: OK, or a failure to read. A wrong answer is the end.
static int check(struct machine *m, const char *what, size_t at, unsigned *batches)
{
    int status = read_number(m, "M", batches);
    for (unsigned slot = 0; slot < SLOTS && status >= 0; slot++) {
        char key[32];
        unsigned found, last = *batches < slot ? 0 : *batches - (*batches - slot) % SLOTS;
        snprintf(key, sizeof key, "slot %u", slot);
        status = read_number(m, key, &found);
        cr_assert(status < 0 || (status == OK ? found == last : last == 0), "%s at %zu: %s is %u",
            what, at, key, found);
    }
    return status < 0 ? status : OK;
}

// As kill -9 leaves them: everything that was written is there.
static struct sim_env *image_of(struct sim_env *env)
{
    struct sim_env *image = sim_env_new(1);
    struct dir_entry *files;
    size_t count = golden_files(env, &files);
    cr_assert_eq(sim_env_env(image)->ops->mkdir(sim_env_env(image), "db", NULL), OK);
    cr_assert_eq(sim_env_env(image)->ops->sync_dir(sim_env_env(image), ".", NULL), OK);
    for (size_t i = 0; i < count; i++) {
        char path[300];
        struct buf bytes = {0};
        snprintf(path, sizeof path, "db/%s", files[i].name);
        cr_assert_eq(sim_env_read_file(env, path, &bytes), OK);
        sim_env_write_file(image, path, buf_slice(&bytes));
        buf_release(&bytes);
    }
    free(files);
    return image;
}

static struct sim_env *stopped_database(enum stop stop, enum fsync_policy policy)
{
    struct machine m = machine_of(sim_env_new(7));
    cr_assert_eq(open_machine(&m, policy, NULL), OK);
    for (unsigned n = 1; n <= BATCHES; n++) {
        write_batch(&m, n);
        if (n == FLUSHED)
            cr_assert_eq(engine_blocking_flush(m.engine), OK);
        if (n == SYNCED)
            sim_exec_run_for(m.exec, REST_MS);
    }
    if (stop == KILLED_AFTER_REST)
        sim_exec_run_for(m.exec, REST_MS);
    struct sim_env *image = stop == CLEAN ? NULL : image_of(m.env);
    close_machine(&m);
    if (stop == CLEAN)
        image = image_of(m.env);
    free_machine(&m);
    return image;
}

// What was made of the damage is final: more is written, and the next start finds all of it.
static void go_on(
    struct machine *m, enum fsync_policy policy, const char *name, size_t at, unsigned batches)
{
    unsigned found;
    struct error err = {0};
    write_batch(m, batches + 1);
    close_machine(m);
    cr_assert_eq(open_machine(m, policy, &err), OK, "%s at %zu, twice: %s", name, at, err.text);
    cr_assert_not(m->told, "%s at %zu: cut twice", name, at);
    cr_assert_eq(check(m, name, at, &found), OK);
    cr_assert_eq(found, batches + 1, "%s at %zu: %u of %u later", name, at, found, batches + 1);
    close_machine(m);
}

// Whether it was noticed.
static bool flip(const struct sim_env *good, enum stop stop, enum fsync_policy policy,
    const char *name, size_t at)
{
    char path[300];
    struct error err = {0};
    struct machine m = machine_of(sim_env_copy(good, at + 1));
    bool is_log = strstr(name, ".log") != NULL, may_cut = stop == KILLED_AT_ONCE && is_log;
    snprintf(path, sizeof path, "db/%s", name);
    cr_assert_eq(sim_env_flip(m.env, path, at, (uint8_t)(1u << (at * 5 % 8))), OK);
    int status = open_machine(&m, policy, &err);
    if (status != OK) {
        cr_assert(status == CORRUPT || status == MISSING || status == NEWER_FORMAT);
        cr_assert_not_null(strstr(err.text, strcmp(name, "CURRENT") == 0 ? "db/" : name),
            "%s at %zu: %s", name, at, err.text);
    } else {
        unsigned batches;
        status = check(&m, name, at, &batches);
        cr_assert(status == OK || status == CORRUPT);
        if (status == OK && batches != BATCHES) {
            cr_assert(may_cut, "%s at %zu (stop %d): %u batches", name, at, stop, batches);
            cr_assert(m.told && m.cut_bytes > 0 && batches >= SYNCED);
        }
        if (status == OK)
            go_on(&m, policy, name, at, batches);
        else
            close_machine(&m);
    }
    free_machine(&m);
    return status != OK || m.told;
}

static void flip_every_byte(enum stop stop, enum fsync_policy policy)
{
    struct sim_env *good = stopped_database(stop, policy);
    struct dir_entry *files;
    size_t count = golden_files(good, &files), stride = getenv("VARVE_TEST_FULL") != NULL ? 1 : 3;
    unsigned noticed = 0, tables = 0;
    for (size_t i = 0; i < count; i++) {
        struct buf bytes = {0};
        golden_read(good, files[i].name, &bytes);
        tables += strstr(files[i].name, ".sst") != NULL;
        for (size_t at = 0; at < bytes.len; at += at < 64 ? 1 : stride) {
            size_t zeros = golden_zeros(&bytes, at);
            if (zeros > 200)
                at += zeros - 100;
            noticed += flip(good, stop, policy, files[i].name, at);
        }
        buf_release(&bytes);
    }
    cr_assert(noticed > 100 && tables > 0);
    free(files);
    sim_env_free(good);
}

Test(recovery_damage, after_a_clean_stop_every_change_is_refused_or_harmless, .timeout = 600)
{
    flip_every_byte(CLEAN, FSYNC_EVERYSEC);
    flip_every_byte(CLEAN, FSYNC_ALWAYS);
}

Test(recovery_damage, after_a_rest_every_change_is_refused_or_harmless, .timeout = 600)
{
    flip_every_byte(KILLED_AFTER_REST, FSYNC_EVERYSEC);
    flip_every_byte(KILLED_AFTER_REST, FSYNC_ALWAYS);
}

Test(recovery_damage, after_a_kill_a_change_above_the_proof_may_cut_and_is_told, .timeout = 600)
{
    flip_every_byte(KILLED_AT_ONCE, FSYNC_EVERYSEC);
}
