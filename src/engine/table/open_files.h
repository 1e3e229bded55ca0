// open_files: the bounded cache of table files that are open for the loop's reads. Loop-owned. An
// open_file outlives its table while a read job uses it; one in use is never closed. Closing is a
// job of the files lane: the last close of an unlinked file gives its blocks back, which takes a
// while. A file that is being closed still has its descriptor, and counts: who wants to open one
// more asks open_files_has_room() first.
#ifndef VARVE_ENGINE_TABLE_OPEN_FILES_H
#define VARVE_ENGINE_TABLE_OPEN_FILES_H

#include "base/list.h"
#include "engine/env.h"
#include "engine/exec.h"
#include "engine/table/table.h"

// One more is closed: there may be room again. Loop, not inside a call of open_files.
typedef void (*open_files_closed_cb)(void *arg);

struct open_files {
    struct env *env;
    struct exec *exec;
    unsigned max;
    unsigned open;      // with a file
    unsigned closing;   // jobs under way
    struct list by_use; // those with a file, most recently used first
    open_files_closed_cb closed_cb;
    void *closed_arg;
};

struct open_file {
    struct list link;
    struct open_files *files;
    struct table *table; // NULL: it is gone
    struct file *file;   // NULL: nobody has opened it yet
    uint32_t users;
};

void open_files_init(struct open_files *files, struct env *env, struct exec *exec, unsigned max,
    open_files_closed_cb closed_cb, void *arg);
// Whether one more file should be opened now; else after a closed_cb, or when all who use one are
// done.
bool open_files_has_room(const struct open_files *files);
// none is in use; drives exec until all are closed
void open_files_release(struct open_files *files);
// The table's open_file, made if need be, with one more user.
struct open_file *open_file_use(struct open_files *files, struct table *t);
void open_file_unuse(struct open_file *of);
// A user's job has opened the table's file: taken over.
void open_file_opened(struct open_file *of, struct file *file);
// The file for a read right now, or NULL.
struct file *open_file_peek(struct table *t);
// The table is gone, or its file is to be closed.
void open_files_forget(struct open_files *files, struct table *t);

#endif
