// os: the real environment: files and clocks by system calls, jobs on libuv's threadpool. The only user of file system calls; implements
// engine/env.h and engine/exec.h.
#ifndef VARVE_OS_OS_H
#define VARVE_OS_OS_H

#include <uv.h>

#include "engine/env.h"
#include "engine/exec.h"

// One a process; needs no release.
struct env *os_env(void);

struct exec_os;
// Slots: log 1, flush 1, compaction as given (1 or 2), files 1, reads the rest of `threads` (at least 4 + compaction). Sets
// UV_THREADPOOL_SIZE, and so comes before the first use of libuv's pool. Nothing else may use the pool.
struct exec *os_exec_new(uv_loop_t *loop, int threads, int compaction_slots);
// Nothing is under way.
void os_exec_free(struct exec *exec);

#endif
