// A snapshot is a seq that flush and compaction keep the records of, and that commits do not
// overwrite in place. It holds no references: what it needs survives because everyone who drops
// records looks at the list of snapshots first. The list is in order of seq since seqs only grow.
// Releasing one may make tables worth compacting.
#include "engine/snapshot.h"

#include "base/alloc.h"
#include "engine/upkeep.h"
#include "engine/view.h"

struct snapshot *snapshot_new(struct engine *e)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    s->seq = e->last_seq;
    list_push_back(&e->snapshots, &s->link);
    return s;
}

void snapshot_free(struct engine *e, struct snapshot *s)
{
    list_remove(&s->link);
    free(s);
    upkeep_mark(e, CHANGED_SNAPSHOTS);
    upkeep_run(e);
}

uint64_t snapshot_oldest(const struct engine *e)
{
    return list_empty(&e->snapshots) ? SEQ_MAX
                                     : LIST_ENTRY(e->snapshots.next, struct snapshot, link)->seq;
}

uint64_t *snapshot_seqs(const struct engine *e, uint32_t *count)
{
    uint32_t n = 0;
    for (struct list *l = e->snapshots.next; l != &e->snapshots; l = l->next)
        n++;
    uint64_t *seqs = xmalloc((n + 1) * sizeof *seqs);
    n = 0;
    for (struct list *l = e->snapshots.next; l != &e->snapshots; l = l->next)
        seqs[n++] = LIST_ENTRY(l, struct snapshot, link)->seq;
    *count = n;
    return seqs;
}

uint64_t snapshot_keep_seq(const struct engine *e)
{
    uint64_t seq = 0;
    if (!list_empty(&e->snapshots))
        seq = LIST_ENTRY(e->snapshots.prev, struct snapshot, link)->seq;
    if (!list_empty(&e->views)) {
        uint64_t view_seq = LIST_ENTRY(e->views.prev, struct view, link)->seq;
        seq = view_seq > seq ? view_seq : seq;
    }
    return seq;
}
