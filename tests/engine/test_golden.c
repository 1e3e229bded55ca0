// Whole databases of both formats, as they lay on the disk of somebody (golden.h): read, written
// on, compacted; the upgrade from version 1 cut at every step; and every byte of every file
// changed. VARVE_GOLDEN=write makes those of version 2 anew, VARVE_TEST_FULL=1 tries every byte.
//
// What this version writes is not compared with them byte by byte: file numbers and tables follow
// from the order of jobs, which may change with any change of the engine. The bytes themselves are
// fixed by test_format.c. Here what is written anew must hold the same, in files of the same kinds.
#include <criterion/criterion.h>

#include "base/coding.h"
#include "engine/filename.h"
#include "engine/format.h"
#include "engine/log/segment.h"
#include "tests/engine/golden.h"
#include "tests/engine/golden_text.h"

enum { TORN_SEEDS = 200 };

static const char *const texts[] = {GOLDEN_DIR "/v1-clean.txt", GOLDEN_DIR "/v1-torn.txt",
    GOLDEN_DIR "/v2-clean.txt", GOLDEN_DIR "/v2-torn.txt"};
enum { V1_CLEAN, V1_TORN, V2_CLEAN, V2_TORN, TEXTS };

static struct golden_machine machine_of(struct sim_env *env)
{
    return (struct golden_machine){.env = env, .exec = sim_exec_new(env, 1)};
}

static void free_machine(struct golden_machine *m)
{
    sim_exec_free(m->exec);
    sim_env_free(m->env);
}

// --- What is in it -------------------------------------------------------------------------------

// A failure, or OK, and the value is that of this batch; 0: there is none.
static int expect(struct golden_machine *m, struct slice key, unsigned batch, const char *what)
{
    char text[64];
    struct row row;
    struct slice value = golden_value(text, batch);
    txn_begin(m->txn);
    int status = engine_blocking_get(m->engine, m->txn, key, &row);
    if (status >= 0)
        cr_assert(status == (batch == 0 ? NOT_FOUND : OK) &&
                      (status != OK || slice_equal(row.value, value)),
            "%s: %.*s", what, (int)key.len, (const char *)key.data);
    txn_reset(m->txn);
    return status < 0 ? status : OK;
}

static int marker_of(struct golden_machine *m, unsigned *batches)
{
    struct row row;
    txn_begin(m->txn);
    int status = engine_blocking_get(m->engine, m->txn, slice_cstr("M"), &row);
    *batches = 0;
    char text[16] = {0};
    if (status == OK) {
        memcpy(text, row.value.data, row.value.len < 15 ? row.value.len : 15);
        *batches = (unsigned)strtoul(text, NULL, 10);
    }
    txn_reset(m->txn);
    return status < 0 ? status : OK;
}

// Everything is as after some number of batches, which is returned; *status is a failure to read.
static unsigned check(struct golden_machine *m, const char *what, int *status)
{
    char key[32];
    unsigned batches;
    *status = marker_of(m, &batches);
    struct golden_model model = golden_model_of(batches);
    for (unsigned i = 0; i < GOLDEN_KEYS && *status == OK; i++)
        *status = expect(m, golden_string(key, i), model.strings[i], what);
    for (unsigned i = 0; i < GOLDEN_ELEMENTS && *status == OK; i++)
        *status = expect(m, golden_element(key, model.drops, i), model.elements[i], what);
    return batches;
}

static void check_count(struct golden_machine *m, unsigned batches)
{
    struct golden_model model = golden_model_of(batches);
    int64_t live = 0, count, in_doubt;
    for (unsigned i = 0; i < GOLDEN_KEYS; i++)
        live += model.strings[i] != 0;
    txn_begin(m->txn);
    txn_count(m->txn, slice_cstr("K"), &count, &in_doubt);
    txn_reset(m->txn);
    cr_assert_eq(in_doubt, 0);
    cr_assert_eq(count, live);
}

static unsigned open_and_check(struct golden_machine *m, const char *what)
{
    struct error err = {0};
    int status;
    cr_assert_eq(golden_open(m, &err), OK, "%s: %s", what, err.text);
    unsigned batches = check(m, what, &status);
    cr_assert_eq(status, OK, "%s: %s", what, status_text(status));
    return batches;
}

// The format version that a file says it has.
static uint32_t version_of(struct sim_env *env, const char *name)
{
    uint64_t number;
    struct buf bytes = {0};
    golden_read(env, name, &bytes);
    size_t at = filename_parse(name, &number) == FILENAME_TABLE ? bytes.len - TABLE_FOOTER_SIZE : 0;
    uint32_t version = get_le32(bytes.data + at + 8);
    buf_release(&bytes);
    return version;
}

static void check_versions(struct sim_env *env, uint32_t version)
{
    struct dir_entry *files;
    size_t count = golden_files(env, &files), tables = 0, segments = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        enum filename_kind kind = filename_parse(files[i].name, &number);
        if (kind != FILENAME_OTHER)
            cr_assert_eq(version_of(env, files[i].name), version, "%s", files[i].name);
        tables += kind == FILENAME_TABLE;
        segments += kind == FILENAME_LOG;
    }
    cr_assert(tables > 0 && segments > 0);
    free(files);
}

// --- Reading, and going on -----------------------------------------------------------------------

static void go_on_from(int text)
{
    struct golden_machine m = machine_of(golden_load(texts[text], 5));
    check_versions(m.env, text < V2_CLEAN ? 1 : 2);
    unsigned batches = open_and_check(&m, texts[text]);
    bool torn = text == V1_TORN || text == V2_TORN;
    cr_assert_eq(m.told, torn);
    cr_assert(
        torn ? batches < GOLDEN_BATCHES && batches >= GOLDEN_SYNCED : batches == GOLDEN_BATCHES,
        "%u batches", batches);
    for (unsigned more = 0; more < 60; more++)
        golden_commit(&m, ++batches);
    cr_assert_eq(engine_blocking_flush(m.engine), OK);
    cr_assert_eq(engine_blocking_compact(m.engine), OK);
    check_count(&m, batches);
    golden_commit(&m, ++batches);
    cr_assert_eq(golden_close(&m), OK);
    check_versions(m.env, 2);
    m.told = false;
    cr_assert_eq(open_and_check(&m, "reopened"), batches);
    cr_assert_not(m.told);
    cr_assert_eq(golden_close(&m), OK);
    free_machine(&m);
}

Test(golden, version_1_is_read_written_and_becomes_version_2)
{
    go_on_from(V1_CLEAN);
    go_on_from(V1_TORN);
}

Test(golden, version_2_is_read_and_written)
{
    go_on_from(V2_CLEAN);
    go_on_from(V2_TORN);
}

// --- What is written -----------------------------------------------------------------------------

// A life whose end was torn: which one of them, the seeds of the power cut decide.
static struct sim_env *torn_life(void)
{
    for (uint64_t seed = 1; seed < TORN_SEEDS; seed++) {
        struct sim_env *env = golden_live(seed, false);
        struct golden_machine m = machine_of(sim_env_copy(env, 1));
        unsigned batches = open_and_check(&m, "a life");
        bool torn = m.told && batches < GOLDEN_BATCHES && batches > GOLDEN_SYNCED;
        golden_close(&m);
        free_machine(&m);
        if (torn)
            return env;
        sim_env_free(env);
    }
    cr_assert_fail("no power cut tears the log");
    return NULL;
}

static void write_text(const char *text, struct sim_env *env, const char *what)
{
    FILE *f = fopen(text, "w");
    fprintf(f, "A database of format version 2, %s: see tests/engine/golden.h.\n", what);
    golden_dump(env, f);
    fclose(f);
}

static void count_kinds(struct sim_env *env, unsigned kinds[FILENAME_TMP + 1])
{
    struct dir_entry *files;
    uint64_t number;
    size_t count = golden_files(env, &files);
    for (size_t i = 0; i < count; i++)
        kinds[filename_parse(files[i].name, &number)]++;
    free(files);
}

Test(golden, what_is_written_is_what_was_written)
{
    struct sim_env *clean = golden_live(1, true), *torn = torn_life();
    if (getenv("VARVE_GOLDEN") != NULL) {
        write_text(texts[V2_CLEAN], clean, "closed");
        write_text(texts[V2_TORN], torn, "after a power cut");
    }
    for (int text = V2_CLEAN; text < TEXTS; text++) {
        struct golden_machine golden = machine_of(golden_load(texts[text], 5)),
                              written = machine_of(text == V2_CLEAN ? clean : torn);
        unsigned kinds[2][FILENAME_TMP + 1] = {0};
        check_versions(written.env, FORMAT_VERSION);
        count_kinds(golden.env, kinds[0]);
        count_kinds(written.env, kinds[1]);
        cr_assert_eq(kinds[0][FILENAME_MANIFEST], kinds[1][FILENAME_MANIFEST]);
        cr_assert_eq(kinds[1][FILENAME_TMP], 0);
        unsigned batches = open_and_check(&golden, texts[text]);
        if (text == V2_CLEAN)
            cr_assert_eq(open_and_check(&written, "written"), batches);
        else
            open_and_check(&written, "written");
        golden_close(&golden);
        golden_close(&written);
        free_machine(&golden);
        free_machine(&written);
    }
}

// --- The upgrade, cut at every step --------------------------------------------------------------

static bool current_is_version_1(struct sim_env *env)
{
    char name[FILENAME_CURRENT_MAX];
    uint64_t number;
    struct buf current = {0};
    golden_read(env, "CURRENT", &current);
    cr_assert(filename_current_decode(buf_slice(&current), &number));
    snprintf(name, sizeof name, "MANIFEST-%llu", (unsigned long long)number);
    buf_release(&current);
    return version_of(env, name) == 1;
}

// Every file that `before` had is there as it was.
static void check_untouched(struct sim_env *env, struct sim_env *before, uint64_t cut)
{
    struct dir_entry *files;
    size_t count = golden_files(before, &files);
    for (size_t i = 0; i < count; i++) {
        struct buf was = {0}, is = {0};
        golden_read(before, files[i].name, &was);
        golden_read(env, files[i].name, &is);
        cr_assert(slice_equal(buf_slice(&was), buf_slice(&is)), "cut %lu: %s has changed", cut,
            files[i].name);
        buf_release(&was);
        buf_release(&is);
    }
    free(files);
}

// false: the upgrade was over before.
static bool cut_upgrade(int text, uint64_t cut, unsigned *old, unsigned *new)
{
    struct sim_env *before = golden_load(texts[text], 5);
    struct golden_machine m = machine_of(sim_env_copy(before, cut + 1));
    sim_env_crash_at(m.env, sim_env_operations(m.env) + cut);
    if (golden_open(&m, NULL) == OK)
        golden_close(&m);
    bool came = sim_env_power_is_gone(m.env);
    sim_exec_free(m.exec);
    sim_env_crash(m.env);
    m.exec = sim_exec_new(m.env, 2);
    bool is_old = current_is_version_1(m.env);
    *(is_old ? old : new) += 1;
    if (is_old)
        check_untouched(m.env, before, cut);
    unsigned batches = open_and_check(&m, "after a cut");
    cr_assert(text == V1_CLEAN ? batches == GOLDEN_BATCHES : batches >= GOLDEN_SYNCED);
    golden_close(&m);
    free_machine(&m);
    sim_env_free(before);
    return came;
}

Test(golden, an_upgrade_that_is_cut_leaves_version_1_or_version_2)
{
    for (int text = V1_CLEAN; text <= V1_TORN; text++) {
        unsigned old = 0, new = 0;
        uint64_t cut = 0;
        while (cut_upgrade(text, cut, &old, &new))
            cut++;
        cr_assert(old > 3 && new > 10, "%u of version 1, %u of version 2", old, new);
    }
}

// --- Every byte changed --------------------------------------------------------------------------

static void check_same(struct sim_env *env, struct sim_env *before, const char *what, size_t at)
{
    struct dir_entry *files, *old;
    size_t count = golden_files(env, &files), old_count = golden_files(before, &old);
    cr_assert_eq(count, old_count, "%s at %zu: a refused start made or removed files", what, at);
    check_untouched(env, before, at);
    free(files);
    free(old);
}

static bool is_log(const char *name)
{
    return strstr(name, ".log") != NULL;
}

// What an error names. Without its last edit, which nothing proves unless the database was closed
// by version 2, a manifest names tables and segments that have gone.
static const char *named_for(int text, const char *name)
{
    bool is_table = strstr(name, ".sst") != NULL;
    if (is_log(name))
        return ".log";
    return is_table || (text == V2_CLEAN && strcmp(name, "CURRENT") != 0) ? name : "db/";
}

// Whether the change was noticed.
static bool flip(const struct sim_env *good, int text, const char *name, size_t at, unsigned all)
{
    char path[300];
    struct golden_machine m = machine_of(sim_env_copy(good, at + 1));
    snprintf(path, sizeof path, "db/%s", name);
    cr_assert_eq(sim_env_flip(m.env, path, at, (uint8_t)(1u << (at * 5 % 8))), OK);
    struct sim_env *before = sim_env_copy(m.env, 1);
    struct error err = {0};
    int status = golden_open(&m, &err);
    if (status != OK) {
        cr_assert(status == CORRUPT || status == MISSING || status == NEWER_FORMAT);
        cr_assert_not_null(strstr(err.text, named_for(text, name)), "%s %s at %zu: %s", texts[text],
            name, at, err.text);
        check_same(m.env, before, name, at);
    } else {
        unsigned batches = check(&m, name, &status);
        cr_assert(status == OK || status == CORRUPT);
        if (status == OK && batches != all) {
            // above the last proof; after a clean close nothing is
            cr_assert(is_log(name) && m.told && text != V2_CLEAN, "%s at %zu: %u batches", name, at,
                batches);
            cr_assert_geq(batches, GOLDEN_SYNCED - 2);
        }
        golden_close(&m);
    }
    free_machine(&m);
    sim_env_free(before);
    return status != OK || m.told;
}

// All bytes that are not zero, and some that are.
static size_t next_offset(const struct buf *bytes, size_t at, size_t stride)
{
    size_t next = at + stride, zeros = next < bytes->len ? golden_zeros(bytes, next) : 0;
    return zeros > 200 ? next + zeros - 100 : next;
}

static void flip_every_byte(int text)
{
    struct sim_env *good = golden_load(texts[text], 5);
    struct golden_machine m = machine_of(sim_env_copy(good, 1));
    unsigned all = open_and_check(&m, texts[text]), tried = 0, noticed = 0;
    golden_close(&m);
    free_machine(&m);
    struct dir_entry *files;
    size_t count = golden_files(good, &files);
    size_t stride = getenv("VARVE_TEST_FULL") != NULL ? 1 : 11;
    for (size_t i = 0; i < count; i++) {
        struct buf bytes = {0};
        golden_read(good, files[i].name, &bytes);
        size_t step = strcmp(files[i].name, "CURRENT") == 0 ? 1 : stride;
        for (size_t at = i % step; at < bytes.len; at = next_offset(&bytes, at, step)) {
            noticed += flip(good, text, files[i].name, at, all);
            tried++;
        }
        buf_release(&bytes);
    }
    cr_assert_gt(noticed, tried / 2, "%u of %u", noticed, tried);
    free(files);
    sim_env_free(good);
}

Test(golden, a_changed_byte_of_version_1_is_named_or_harmless, .timeout = 3600)
{
    flip_every_byte(V1_CLEAN);
    flip_every_byte(V1_TORN);
}

Test(golden, a_changed_byte_of_version_2_is_named_or_harmless, .timeout = 3600)
{
    flip_every_byte(V2_CLEAN);
    flip_every_byte(V2_TORN);
}
