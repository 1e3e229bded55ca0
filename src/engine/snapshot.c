// A snapshot is a seq that flush and compaction keep the records of, and that commits do not
// overwrite in place. It holds no references: what it needs survives because everyone who drops
// records looks at the list of snapshots first. The list is in order of seq since seqs only grow.
// Releasing one may make tables worth compacting.
#include "base/alloc.h"
#include "engine/engine_impl.h"

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
    compaction_maybe(e);
}
