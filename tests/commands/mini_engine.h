// mini_engine: engine.h over a sorted array, for testing what stands on the engine. Everything is
// in memory and nothing is durable; but reads can be made to miss (`cold`): then the first look at
// every key in a command says WAIT, as a cold block would, and the attempt must be given up. So
// each command can be run with all its waits in all their places, and must end as it does without.
#ifndef VARVE_TESTS_COMMANDS_MINI_ENGINE_H
#define VARVE_TESTS_COMMANDS_MINI_ENGINE_H

#include "engine/reader.h"

struct engine *mini_new(void);
void mini_free(struct engine *e);
// From now on the first look at a key, between two calls of txn_reset, says WAIT.
void mini_set_cold(struct engine *e, bool cold);
// What the next commits answer, changing nothing; OK: they work.
void mini_set_commit_status(struct engine *e, int status);
uint64_t mini_waits(const struct engine *e);
uint64_t mini_rows(const struct engine *e);
uint64_t mini_rows_of(const struct engine *e, char first); // with keys that begin so
// Reads and positionings since the engine was made.
uint64_t mini_reads(const struct engine *e);
// Snapshots and iterators that were not given back.
int mini_open_handles(const struct engine *e);

#endif
