// How one version follows another. Flush and compaction make edits at their own pace; here they
// become durable and visible one at a time:
//
//   queued     in order of submission
//   running    applied to the present version (which tells whether it fits), and written to the
//              manifest with what it results in
//   published  e->version is replaced, the submitter is told, and everything that depends on the
//              version is brought up to date
//
// Because an edit is applied only when it is next, it always meets the version it follows, and the
// manifest's history is the history of e->version. Edits commute in what they do to tables: they
// name tables, and only their maker removes what it added.
//
// Counts. A compaction brings corrections to counts. If a drop was published while it ran, the
// count below the drop's prefix has been forgotten, and corrections of it would be wrong: they are
// left out. (Such a drop is still in the version: the inputs, which lie beneath it, keep it there.)
//
// What can fail. NO_SPACE and RETRY in the manifest: nothing has happened, the submitter tries
// again. Anything else: we do not know what the disk holds, so the engine becomes read-only and no
// file is removed any more; the next opening finds out. An edit that does not fit is a bug of ours,
// or memory gone bad: also read-only.
#include "engine/publish.h"

#include "base/ensure.h"
#include "engine/settle.h"
#include "engine/snapshot.h"
#include "engine/unlink.h"
#include "engine/upkeep.h"

// --- What is derived from a version --------------------------------------------------------------

// Counts are few and drops may be many: so each count is looked up among the drops.
static bool memtable_drops_count(const void *arg, struct slice prefix)
{
    return memtable_dropped(arg, prefix, 0);
}

static void add_memtable_counts(struct counts *c, const struct memtable *m)
{
    counts_forget_covered(c, memtable_drops_count, m);
    counts_add_all(c, memtable_counts(m));
}

void publish_adopt_tables(struct engine *e)
{
    uint64_t filter_bytes = 0;
    for (unsigned level = 0; level < ENGINE_LEVELS; level++) {
        for (uint32_t i = 0; i < e->version->levels[level].count; i++) {
            struct table *t = e->version->levels[level].tables[i];
            fetcher_adopt(e->fetcher, t);
            filter_bytes += t->meta.filter.len;
        }
    }
    e->filters_fit = filter_bytes <= e->options.memory_budget / ENGINE_CACHE_SHARE / 2;
}

void publish_recount(struct engine *e)
{
    counts_clear(&e->counts);
    counts_add_all(&e->counts, &e->version->counts);
    for (unsigned i = 0; i < e->memtables.frozen_count; i++)
        add_memtable_counts(&e->counts, e->memtables.frozen[i]);
    add_memtable_counts(&e->counts, e->memtables.active);
    settle_recount(e);
}

// --- The queue -----------------------------------------------------------------------------------

static void begin_next(struct engine *e);

static void publish(struct engine *e, struct edit_op *op, struct version *next)
{
    struct version *old = e->version;
    e->version = next;
    publish_adopt_tables(e);
    op->done_cb(op->arg, OK);
    unlink_version(e, old);
    publish_recount(e);
    upkeep_mark(e, CHANGED_VERSION);
}

static void edit_appended(void *arg, int status, const struct error *err)
{
    struct engine *e = arg;
    struct edit_op *op = e->edits.running;
    struct version *next = e->edits.next;
    e->edits.running = NULL;
    e->edits.next = NULL;
    if (status == OK) {
        publish(e, op, next);
    } else {
        if (!status_is_passing(status))
            upkeep_fail(e, err);
        version_unref(next, NULL, NULL);
        op->done_cb(op->arg, status);
    }
    begin_next(e);
    upkeep_run(e);
}

struct later_drops {
    const struct version *version;
    uint64_t base_seq;
};

static bool later_drop_covers(const void *arg, struct slice prefix)
{
    const struct later_drops *later = arg;
    return version_dropped(later->version, prefix, later->base_seq);
}

static void forget_void_counts(
    struct version_edit *edit, const struct version *v, uint64_t base_seq)
{
    struct later_drops later = {v, base_seq};
    counts_forget_covered(&edit->counts, later_drop_covers, &later);
}

// Nobody reads any more what a drop covers, unless a snapshot is older.
static void forget_damages(const struct engine *e, struct version_edit *edit)
{
    uint64_t oldest = snapshot_oldest(e);
    for (uint32_t i = 0; i < e->version->damages.count; i++) {
        const struct damage *d = &e->version->damages.items[i];
        if (drop_set_newest(&e->version->drops, d->from, d->to, oldest) > d->seq ||
            drop_set_newest(&edit->drops, d->from, d->to, oldest) > d->seq)
            damage_set_add(&edit->damages_done, d->from, d->to, d->seq);
    }
}

static void begin_next(struct engine *e)
{
    if (e->edits.running != NULL || list_empty(&e->edits.waiting))
        return;
    struct edit_op *op = LIST_ENTRY(e->edits.waiting.next, struct edit_op, link);
    list_remove(&op->link);
    forget_void_counts(op->edit, e->version, op->base_seq);
    forget_damages(e, op->edit);
    struct error err = {0};
    int status = version_apply(e->version, op->edit, &e->edits.next, &err);
    if (status != OK) {
        // The answer comes the usual way, by a manifest that fails it.
        upkeep_fail(e, &err);
        e->edits.next = version_ref(e->version);
        manifest_fail(e->manifest, &err);
    }
    e->edits.running = op;
    uint64_t new_number = manifest_is_large(e->manifest) ? engine_new_file_number(e) : 0;
    manifest_append(
        e->manifest, op->edit, e->edits.next, e->next_file, new_number, edit_appended, e);
}

void publish_edit(struct engine *e, struct edit_op *op)
{
    list_push_back(&e->edits.waiting, &op->link);
    begin_next(e);
}
