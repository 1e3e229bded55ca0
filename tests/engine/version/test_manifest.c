#include "engine/version/manifest.h"

#include "base/alloc.h"
#include "tests/engine/table/fake_table.h"
#include "tests/sim/sim_exec.h"

struct world {
    struct sim_env *env;
    struct sim_exec *exec;
    struct manifest *manifest;
    struct version *version;
    uint64_t next_file;
    int done, status; // of the last append
};

static void open_world(struct world *w, uint64_t seed)
{
    *w = (struct world){.env = sim_env_new(seed), .next_file = 2, .version = version_new()};
    w->version->lineage = (struct lineage){.id = {0xda, 0x7a}, .timeline = 1};
    w->exec = sim_exec_new(w->env, seed);
    cr_assert_eq(sim_env_env(w->env)->ops->mkdir(sim_env_env(w->env), "db", NULL), OK);
    cr_assert_eq(sim_env_env(w->env)->ops->sync_dir(sim_env_env(w->env), ".", NULL), OK);
}

static int create(struct world *w)
{
    return manifest_create(sim_env_env(w->env), sim_exec_exec(w->exec), "db", w->version, 1,
        w->next_file, &w->manifest, NULL);
}

static void close_world(struct world *w)
{
    if (w->manifest != NULL)
        manifest_close(w->manifest);
    version_unref(w->version, NULL, NULL);
    sim_exec_free(w->exec);
    sim_env_free(w->env);
}

static void appended(void *arg, int status, const struct error *err)
{
    struct world *w = arg;
    w->done++;
    w->status = status;
}

// One more table in level 0; the world's version follows if it worked.
static int append(struct world *w, uint64_t new_number)
{
    struct version_edit e = {.last_seq = w->next_file * 10};
    struct version *next;
    uint64_t number = w->next_file++;
    edit_add_fake(&e, 0, fake_table(number, "a", "b", number * 10, number * 10));
    cr_assert_eq(version_apply(w->version, &e, &next, NULL), OK);
    int before = w->done;
    manifest_append(w->manifest, &e, next, w->next_file, new_number, appended, w);
    cr_assert_eq(w->done, before, "the callback came inside the call");
    sim_exec_settle(w->exec);
    cr_assert_eq(w->done, before + 1);
    version_edit_release(&e);
    version_unref(w->status == OK ? w->version : next, NULL, NULL);
    if (w->status == OK)
        w->version = next;
    return w->status;
}

static int load(struct world *w, struct version **v, struct error *err)
{
    uint64_t next_file, number;
    int status = manifest_load(sim_env_env(w->env), "db", v, &next_file, &number, err);
    if (status == OK)
        cr_assert_geq(next_file, (*v)->last_seq / 10 + 1);
    return status;
}

Test(manifest, what_was_appended_is_loaded)
{
    struct world w;
    open_world(&w, 1);
    struct version *v;
    cr_assert_eq(load(&w, &v, NULL), NOT_FOUND);
    cr_assert_eq(create(&w), OK);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(append(&w, 0), OK);
    cr_assert_eq(load(&w, &v, NULL), OK);
    cr_assert_eq(v->levels[0].count, 20);
    cr_assert_eq(v->last_seq, w.version->last_seq);
    version_unref(v, NULL, NULL);
    close_world(&w);
}

Test(manifest, a_new_one_takes_over_and_the_old_file_goes)
{
    struct world w;
    open_world(&w, 1);
    cr_assert_eq(create(&w), OK);
    cr_assert_eq(append(&w, 0), OK);
    uint64_t number = w.next_file++;
    cr_assert_eq(append(&w, number), OK);
    cr_assert_eq(manifest_number(w.manifest), number);
    cr_assert_eq(append(&w, 0), OK);
    struct version *v;
    struct buf old = {0};
    cr_assert_eq(load(&w, &v, NULL), OK);
    cr_assert_eq(v->levels[0].count, 3);
    cr_assert_eq(sim_env_read_file(w.env, "db/MANIFEST-1", &old), NOT_FOUND);
    version_unref(v, NULL, NULL);
    close_world(&w);
}

// The power goes at each operation in turn: what was reported is there, and nothing but one more
// edit may be.
Test(manifest, a_power_cut_at_any_operation_loses_nothing_reported)
{
    for (uint64_t cut = 0;; cut++) {
        struct world w;
        open_world(&w, cut + 1);
        uint64_t start = sim_env_operations(w.env);
        sim_env_crash_at(w.env, start + cut);
        int status = create(&w);
        bool created = status == OK;
        for (int i = 0; i < 6 && status == OK; i++)
            status = append(&w, i == 3 ? w.next_file++ : 0);
        bool cut_came = sim_env_power_is_gone(w.env);
        sim_env_crash(w.env);
        struct version *v;
        struct error err = {0};
        int loaded = load(&w, &v, &err);
        cr_assert(loaded == OK || (loaded == NOT_FOUND && !created), "cut %lu: %s", cut, err.text);
        if (loaded == OK) {
            cr_assert_geq(v->levels[0].count, w.version->levels[0].count, "cut %lu", cut);
            cr_assert_leq(v->levels[0].count, w.version->levels[0].count + 1, "cut %lu", cut);
            version_unref(v, NULL, NULL);
        }
        close_world(&w);
        if (!cut_came)
            break;
    }
}

Test(manifest, a_full_disk_is_no_end)
{
    struct world w;
    open_world(&w, 1);
    cr_assert_eq(create(&w), OK);
    sim_env_set_disk_size(w.env, sim_env_disk_used(w.env));
    int status = OK;
    for (int i = 0; i < 3000 && status == OK; i++)
        status = append(&w, 0);
    cr_assert_eq(status, NO_SPACE);
    cr_assert_eq(append(&w, w.next_file++), NO_SPACE); // neither is there room for a new one
    sim_env_set_disk_size(w.env, UINT64_MAX);
    cr_assert_eq(append(&w, 0), OK);
    struct version *v;
    cr_assert_eq(load(&w, &v, NULL), OK);
    cr_assert_eq(v->levels[0].count, w.version->levels[0].count);
    version_unref(v, NULL, NULL);
    close_world(&w);
}

Test(manifest, a_failed_sync_is_final)
{
    struct world w;
    open_world(&w, 1);
    cr_assert_eq(create(&w), OK);
    cr_assert_eq(append(&w, 0), OK);
    sim_env_fail(w.env, SIM_SYNC, "MANIFEST", 0, 1, IO);
    cr_assert_eq(append(&w, 0), IO);
    cr_assert_eq(append(&w, 0), IO);
    close_world(&w);
}

Test(manifest, damage_is_found_with_its_file)
{
    struct world w;
    open_world(&w, 1);
    cr_assert_eq(create(&w), OK);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(append(&w, 0), OK);
    struct buf file = {0};
    cr_assert_eq(sim_env_read_file(w.env, "db/MANIFEST-1", &file), OK);
    unsigned found = 0;
    for (uint64_t at = 0; at < 600; at += 7) {
        struct version *v;
        struct error err = {0};
        cr_assert_eq(sim_env_flip(w.env, "db/MANIFEST-1", at, 0x10), OK);
        int status = load(&w, &v, &err);
        if (status == OK) { // the last edit looks torn, or the space behind it is touched
            cr_assert_geq(v->levels[0].count, 4);
            version_unref(v, NULL, NULL);
        } else {
            cr_assert(status == CORRUPT || status == NEWER_FORMAT);
            cr_assert_not_null(strstr(err.text, "MANIFEST-1"));
            found++;
        }
        cr_assert_eq(sim_env_flip(w.env, "db/MANIFEST-1", at, 0x10), OK);
    }
    cr_assert_gt(found, 40);
    struct version *v;
    sim_env_write_file(w.env, "db/CURRENT", slice_cstr("MANIFEST-7\n"));
    cr_assert_eq(load(&w, &v, NULL), MISSING);
    sim_env_write_file(w.env, "db/CURRENT", slice_cstr("MANIFEST-1"));
    cr_assert_eq(load(&w, &v, NULL), CORRUPT);
    buf_release(&file);
    close_world(&w);
}

// A power cut in the midst of the switch may leave both names, for the same file. What the next
// attempt does to CURRENT.tmp must not reach CURRENT: at any of its operations the power may go
// again.
Test(manifest, a_leftover_of_the_switch_that_is_current_itself_is_never_written_to)
{
    for (uint64_t at = 0;; at++) {
        struct world w;
        struct version *v;
        open_world(&w, at);
        struct env *env = sim_env_env(w.env);
        cr_assert_eq(create(&w), OK);
        manifest_close(w.manifest);
        w.manifest = NULL;
        cr_assert_eq(env->ops->link(env, "db/CURRENT", "db/CURRENT.tmp", NULL), OK);
        cr_assert_eq(env->ops->sync_dir(env, "db", NULL), OK);
        sim_env_crash_at(w.env, sim_env_operations(w.env) + at);
        int status = manifest_create(
            env, sim_exec_exec(w.exec), "db", w.version, 2, w.next_file, &w.manifest, NULL);
        bool whole = !sim_env_power_is_gone(w.env);
        if (status == OK)
            manifest_close(w.manifest);
        w.manifest = NULL;
        sim_env_crash(w.env);
        cr_assert_eq(load(&w, &v, NULL), OK, "cut at operation %llu", (unsigned long long)at);
        version_unref(v, NULL, NULL);
        close_world(&w);
        if (whole)
            break;
    }
}
