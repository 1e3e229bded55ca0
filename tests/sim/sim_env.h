// sim_env: a machine in memory. Implements engine/env.h under a seed, with power cuts, faults, a
// full disk, damage and a virtual clock. The same calls under the same seed give the same run. One
// thread.
//
// What a power cut does (sim_env_crash):
//   contents   Bytes are durable when their file was synced after they were written. Of the
//              unsynced bytes each sector of 512, on its own, is kept, lost (what was durable
//              before, or zeros), torn (kept up to some byte) or garbled; sectors may also have
//              gone out by themselves, in any version. Bytes that were not written since the last
//              sync are never touched, also within a sector ("powersafe overwrite", as SQLite calls
//              it): appending to a synced log endangers only what is appended.
//   sizes      An unsynced size is the durable one, the new one, or, where the file grew, one
//              between.
//   names      Creations, renames, links and unlinks are durable after sync_dir of their directory.
//              Of the others an ordered file system has done the first so many; an unordered one
//              has done each or not; a rename may leave both names behind, never neither. Which of
//              the two the machine is, the seed decides. Syncing a file does not make its name
//              durable.
//   failed     After a sync that failed, some of its sectors count as clean and never reach the
//              disk: retrying does not help.
//
// Everything before the cut is undone or done as said, all files are closed, locks are gone, and
// the same sim_env is the machine after the reboot. Files that the test's subject still holds open
// must be closed by it; calls on them fail.
//
// Contract breaches of the subject (writing to a file opened for reading, a new name in no
// directory) abort.
#ifndef VARVE_TESTS_SIM_ENV_H
#define VARVE_TESTS_SIM_ENV_H

#include "base/buf.h"
#include "engine/env.h"

struct sim_env;

// The kinds of operations, for faults and counts. Those up to SIM_LAST_CHANGE change something, and
// are the operations that crash_at counts.
enum sim_op {
    SIM_CREATE, // open with CREATE or OVERWRITE, and the lock file
    SIM_WRITE,
    SIM_SYNC,
    SIM_ALLOCATE,
    SIM_TRUNCATE,
    SIM_RENAME,
    SIM_UNLINK,
    SIM_LINK,
    SIM_MKDIR,
    SIM_SYNC_DIR,
    SIM_LAST_CHANGE = SIM_SYNC_DIR,
    SIM_OPEN, // of what exists
    SIM_READ,
    SIM_LIST,
    SIM_OP_COUNT,
};

enum sim_names { SIM_NAMES_BY_SEED, SIM_NAMES_ORDERED, SIM_NAMES_UNORDERED };

// The directories "." and "/" exist. With VARVE_SIM_TRACE set in the environment, every operation
// is printed to stderr.
struct sim_env *sim_env_new(uint64_t seed);
// A machine with the same durable files, for running the same start many times. Nothing is open and
// nothing unsynced: after a crash.
struct sim_env *sim_env_copy(const struct sim_env *from, uint64_t seed);
void sim_env_free(struct sim_env *sim);
struct env *sim_env_env(struct sim_env *sim);
void sim_env_set_names(struct sim_env *sim, enum sim_names names);

// --- Power ---------------------------------------------------------------------------------------

// Changing operations since the machine was made.
uint64_t sim_env_operations(const struct sim_env *sim);
// The power goes in the midst of operation number n (as sim_env_operations counts; the first is 0):
// it may have some effect, and it and all later ones, reads too, fail with IO. UINT64_MAX: never.
void sim_env_crash_at(struct sim_env *sim, uint64_t n);
bool sim_env_power_is_gone(const struct sim_env *sim);
// The cut, if it did not come before, and the reboot. Faults and crash_at are forgotten; the clock
// goes on.
void sim_env_crash(struct sim_env *sim);

// --- Faults --------------------------------------------------------------------------------------

// Of the operations of this kind on paths that contain `part` (NULL: all), after `skip` more, the
// next `times` fail with status (IO, NO_SPACE, RETRY). A failed write may have written a part.
void sim_env_fail(struct sim_env *sim, enum sim_op op, const char *part, uint64_t skip,
    uint64_t times, int status);
void sim_env_heal(struct sim_env *sim); // forgets all faults
// Bytes of all files together, NO_SPACE beyond. UINT64_MAX: no limit.
void sim_env_set_disk_size(struct sim_env *sim, uint64_t bytes);
uint64_t sim_env_disk_used(const struct sim_env *sim);
// How many of 100 read_nowait answer WAIT; 50 at first.
void sim_env_set_cold_percent(struct sim_env *sim, unsigned percent);
// XORs one byte of a file, durably. MISUSE if there is no such byte.
int sim_env_flip(struct sim_env *sim, const char *path, uint64_t offset, uint8_t mask);

// --- Looking and setting -------------------------------------------------------------------------

uint64_t sim_env_count(const struct sim_env *sim, enum sim_op op); // since the machine was made
uint32_t sim_env_open_files(const struct sim_env *sim);
// OK and the contents as a program would read them, or NOT_FOUND.
int sim_env_read_file(struct sim_env *sim, const char *path, struct buf *out);
// Makes or replaces a file; durable at once, its name too. The directory exists.
void sim_env_write_file(struct sim_env *sim, const char *path, struct slice contents);
// Durable at once. NOT_FOUND is an answer.
int sim_env_remove_file(struct sim_env *sim, const char *path);

// --- Time ----------------------------------------------------------------------------------------

#define SIM_START_MS 1700000000000 // the wall clock of a new machine

void sim_env_advance_us(struct sim_env *sim, uint64_t us);
void sim_env_advance(struct sim_env *sim, uint64_t ms);
// Steps the wall clock only, as an administrator does.
void sim_env_step_wall_clock(struct sim_env *sim, int64_t ms);

#endif
