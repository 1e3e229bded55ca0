// os: the real environment: files and clocks by system calls, jobs on libuv's threadpool. The only
// user of file system calls; implements engine/env.h and engine/exec.h.
#ifndef VARVE_OS_OS_H
#define VARVE_OS_OS_H

#include <uv.h>

#include "engine/env.h"
#include "engine/exec.h"

// One a process; needs no release. Files are made with mode 0644, directories with 0755, less the
// umask.
struct env *os_env(void);
// Every read takes so much longer from now on, and read_nowait finds nothing: a slow disk, for
// tests. Loop only.
void os_delay_reads(unsigned ms);

// Slots: log 1, flush 1, compaction as given (1 or 2), files 1, unlinks 1, reads the rest of
// `threads` (at least 5 + compaction). Sets UV_THREADPOOL_SIZE, and so comes before the first use
// of libuv's pool, whose size then is fixed for the process. Nothing else may use the pool.
// exec_drive() runs the loop, and with it whatever else has a handle there.
struct exec *os_exec_new(uv_loop_t *loop, int threads, int compaction_slots);
// No job is under way; timers that still run are stopped. Runs the loop until libuv has let go of
// them.
void os_exec_free(struct exec *exec);

#endif
