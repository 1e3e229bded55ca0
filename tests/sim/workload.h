// workload: a fixed sequence of batches and what the database holds after each of them: the model
// that the power-loss tests compare with.
//
// Keys are a small universe, so that the same ones are written over and over: two counted prefixes
// (one of them is dropped as a whole now and then, as FLUSHDB does), collections that are filled
// and dropped, and a marker that every batch writes, by which a recovered database says how many
// batches it holds. Some expire: half of these far in the future, half around the time at which the
// workload runs.
#ifndef VARVE_TESTS_SIM_WORKLOAD_H
#define VARVE_TESTS_SIM_WORKLOAD_H

#include "base/buf.h"
#include "engine/engine.h"

enum {
    COUNTED_PREFIXES = 2,
    KEYS_PER_PREFIX = 24,
    COLLECTIONS = 4,
    ELEMENTS = 8,
    COLLECTION_KEYS = COLLECTIONS * ELEMENTS,
    MARKER = COUNTED_PREFIXES * KEYS_PER_PREFIX + COLLECTION_KEYS, // the number of the marker key
    KEYS,
    BATCH_OPS_MAX = 12,
};

enum { DEAD = -1, UNSPECIFIED = -2 }; // else: the number of the batch that wrote the key last

struct model {
    int writer[KEYS];
    int64_t now_ms; // what expires up to then may be there or not, but nothing older in its place
};

// Options that make everything happen in a small workload: tiny memtables, tables and levels.
struct engine_options workload_options(struct env *env, struct exec *exec, enum fsync_policy fsync);

// Stages batch number `batch` of the workload `seed`.
void workload_stage(struct txn *txn, uint64_t seed, int batch);
// What holds after the first `batches` batches.
void model_after(struct model *m, uint64_t seed, int batches, int64_t now_ms);
// Live keys below a prefix, without what has expired; *expired: how many of these.
int64_t model_count(const struct model *m, int prefix, int64_t *expired);

// How many batches an engine holds by its marker. A failure of the engine, else OK.
int workload_batches(struct engine *engine, int *batches);
// Compares all an engine holds with the model: point reads, iteration in both directions, counts
// (exactly if `settled`, else within their doubt; what has expired may count). false and a line in
// `why`.
bool workload_check(struct engine *engine, const struct model *m, bool settled, struct buf *why);

#endif
