// open_files: see open_files.h. The list holds those that have a file, most recently used first;
// what is in use may be anywhere in it and is passed over when one has to go. If all are in use the
// bound is exceeded by as many: the number of reads under way is itself bounded. And who
// would open one more while much is open or being closed waits for closes (open_files_has_room).
//
// Two jobs may open the same file at once. The first to come back provides it, the second's is
// closed.
//
// Invariants: table->file == of exactly if of->table == table; of without table and users is freed
// at once.

#include "engine/table/open_files.h"

#include "base/alloc.h"
#include "base/ensure.h"

struct close_job {
    struct job job;
    struct open_files *files;
    struct file *file;
};

void open_files_init(struct open_files *files, struct env *env, struct exec *exec, unsigned max,
    open_files_closed_cb closed_cb, void *arg)
{
    *files = (struct open_files){
        .env = env, .exec = exec, .max = max, .closed_cb = closed_cb, .closed_arg = arg};
    list_init(&files->by_use);
}

static void close_job_run(struct job *job)
{
    struct close_job *c = (struct close_job *)(void *)job;
    env_close(c->files->env, c->file);
}

static void close_job_done(struct job *job)
{
    struct close_job *c = (struct close_job *)(void *)job;
    struct open_files *files = c->files;
    files->closing--;
    free(c);
    files->closed_cb(files->closed_arg);
}

bool open_files_has_room(const struct open_files *files)
{
    // A quarter and a few more, so that nobody waits while closing keeps up.
    return files->open + files->closing < files->max + files->max / 4 + 8;
}

static void close_file(struct open_files *files, struct file *file)
{
    struct close_job *c = xmalloc(sizeof *c);
    *c = (struct close_job){
        .job = {.run = close_job_run, .done = close_job_done}, .files = files, .file = file};
    files->closing++;
    exec_submit(files->exec, LANE_FILES, &c->job);
}

static void drop(struct open_file *of)
{
    if (of->table != NULL)
        of->table->loop.file = NULL;
    if (of->file != NULL) {
        of->files->open--;
        list_remove(&of->link);
        close_file(of->files, of->file);
    }
    free(of);
}

static void keep_within_bound(struct open_files *files)
{
    struct list *l = files->by_use.prev;
    while (files->open > files->max && l != &files->by_use) {
        struct open_file *of = LIST_ENTRY(l, struct open_file, link);
        l = l->prev;
        if (of->users == 0)
            drop(of);
    }
}

void open_files_release(struct open_files *files)
{
    while (!list_empty(&files->by_use)) {
        struct open_file *of = LIST_ENTRY(files->by_use.next, struct open_file, link);
        ENSURE(of->users == 0);
        drop(of);
    }
    while (files->closing > 0)
        ENSURE(exec_drive(files->exec));
}

struct open_file *open_file_use(struct open_files *files, struct table *t)
{
    struct open_file *of = t->loop.file;
    if (of == NULL) {
        of = xcalloc(1, sizeof *of);
        of->files = files;
        of->table = t;
        list_init(&of->link);
        t->loop.file = of;
    }
    of->users++;
    return of;
}

void open_file_unuse(struct open_file *of)
{
    struct open_files *files = of->files;
    ENSURE(of->users > 0);
    if (--of->users > 0)
        return;
    if (of->table == NULL || of->file == NULL)
        drop(of);
    keep_within_bound(files);
}

void open_file_opened(struct open_file *of, struct file *file)
{
    if (of->file != NULL) {
        close_file(of->files, file);
        return;
    }
    of->file = file;
    of->files->open++;
    list_push_front(&of->files->by_use, &of->link);
    keep_within_bound(of->files);
}

struct file *open_file_peek(struct table *t)
{
    struct open_file *of = t->loop.file;
    if (of == NULL || of->file == NULL)
        return NULL;
    list_remove(&of->link);
    list_push_front(&of->files->by_use, &of->link);
    return of->file;
}

void open_files_forget(struct open_files *files, struct table *t)
{
    struct open_file *of = t->loop.file;
    if (of == NULL)
        return;
    t->loop.file = NULL;
    of->table = NULL;
    if (of->users == 0)
        drop(of);
}
