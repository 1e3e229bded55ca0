// A table's file goes when nobody can read it any more: it has left the present version, and the
// last older version that held it has been let go of by its iterators and jobs. So it is enough to
// look when a reference to a version goes: a table that no version holds now was removed by an edit
// that is durable, for nothing else takes a table out of the present version, except that the
// engine closes. Unlinking a large file takes the file system a while, so it is a job, in a lane
// where nobody waits behind it.
//
// What can fail: an unlink. What stays is an orphan, which the next opening finds and removes.
#include "engine/unlink.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/filename.h"
#include "engine/table/table.h"
#include "engine/upkeep.h"

struct unlink_job {
    struct job job;
    struct engine *engine;
    char path[FILENAME_PATH_SIZE];
};

static void unlink_job_run(struct job *job)
{
    struct unlink_job *u = LIST_ENTRY(job, struct unlink_job, job);
    u->engine->env->ops->unlink(u->engine->env, u->path, NULL);
}

static void unlink_job_done(struct job *job)
{
    struct unlink_job *u = LIST_ENTRY(job, struct unlink_job, job);
    u->engine->unlinks--;
    free(u);
}

void unlink_table(struct engine *e, uint64_t number)
{
    if (upkeep_has_failed(e))
        return;
    struct unlink_job *u = xcalloc(1, sizeof *u);
    u->engine = e;
    u->job = (struct job){.run = unlink_job_run, .done = unlink_job_done};
    filename_table(u->path, e->dir, number);
    e->unlinks++;
    exec_submit(e->exec, LANE_UNLINK, &u->job);
}

static void table_gone(void *arg, struct table *t)
{
    struct engine *e = arg;
    fetcher_forget(e->fetcher, t);
    if (!e->closing)
        unlink_table(e, t->meta.number);
}

void unlink_version(struct engine *e, struct version *v)
{
    version_unref(v, table_gone, e);
}

void unlink_stop(struct engine *e)
{
    while (e->unlinks > 0)
        ENSURE(exec_drive(e->exec));
}
