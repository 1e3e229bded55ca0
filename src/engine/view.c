// A view is what makes an iterator's world stand still: references to the memtables and the version
// of a moment, and a place in the list of views, by which commits know what they must not overwrite
// in place (snapshot_keep_seq).
//
// A command that waits runs again, and its next attempt must see what was committed meanwhile; but
// were its version new each time, the tables whose blocks it has just fetched might be gone from
// it. So view_renew() takes the memtables of now and the tables of before. What was flushed in
// between is then in neither: those memtables are taken over from the old view, which has them
// while they are still frozen. If one was both made and flushed in between, nobody has it, and the
// view is wholly new.
#include "engine/view.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/unlink.h"

// Of now.
static struct view *view_new(struct engine *e, uint64_t seq)
{
    struct view *v = xcalloc(1, sizeof *v);
    v->refs = 1;
    v->seq = seq;
    v->version = version_ref(e->version);
    v->memtables[v->memtable_count++] = memtable_ref(e->memtables.active);
    for (unsigned i = e->memtables.frozen_count; i > 0; i--)
        v->memtables[v->memtable_count++] = memtable_ref(e->memtables.frozen[i - 1]);
    struct list *behind = e->views.prev;
    while (behind != &e->views && LIST_ENTRY(behind, struct view, link)->seq > seq)
        behind = behind->prev;
    list_insert_before(behind->next, &v->link);
    return v;
}

static bool has_memtable(const struct view *v, const struct memtable *m)
{
    for (unsigned i = 0; i < v->memtable_count; i++) {
        if (v->memtables[i] == m)
            return true;
    }
    return false;
}

// Gives a fresh view the tables of an older one, if it can have all that was flushed since.
static void keep_tables(struct engine *e, struct view *fresh, const struct view *old)
{
    unsigned missing = 0, cap = sizeof fresh->memtables / sizeof fresh->memtables[0];
    for (unsigned i = 0; i < old->memtable_count; i++)
        missing += !has_memtable(fresh, old->memtables[i]);
    // The older view's active memtable is still there: so are all that came after it.
    if (fresh->version == old->version || !has_memtable(fresh, old->memtables[0]) ||
        fresh->memtable_count + missing > cap)
        return;
    for (unsigned i = 0; i < old->memtable_count; i++) {
        if (!has_memtable(fresh, old->memtables[i]))
            fresh->memtables[fresh->memtable_count++] = memtable_ref(old->memtables[i]);
    }
    struct version *newer = fresh->version;
    fresh->version = version_ref(old->version);
    unlink_version(e, newer);
}

struct view *view_renew(struct engine *e, struct view *old, uint64_t seq)
{
    struct view *v = view_new(e, seq);
    if (old != NULL) {
        keep_tables(e, v, old);
        view_unref(e, old);
    }
    return v;
}

struct view *view_ref(struct view *v)
{
    v->refs++;
    return v;
}

void view_unref(struct engine *e, struct view *v)
{
    ENSURE(v->refs > 0);
    if (--v->refs > 0)
        return;
    list_remove(&v->link);
    for (unsigned i = 0; i < v->memtable_count; i++)
        memtable_unref(v->memtables[i]);
    unlink_version(e, v->version);
    free(v);
}
