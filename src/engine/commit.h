// commit: the way of a batch into memtable and log (txn_commit), and back out of the memtable when
// the log fails. Loop.
#ifndef VARVE_ENGINE_COMMIT_H
#define VARVE_ENGINE_COMMIT_H

#include "engine/record/batch.h"
#include "engine/state.h"

// Hands the turn's group to the log, settles, and sees to those who wait for room.
void commit_turn_end(struct engine *e);
// The durable seq or the log's status may have changed: forgets what need not be taken back any
// more, or takes back what was not made durable and fails the engine. Marks the change.
void commit_settle(struct engine *e);
// What committing the batch now would add to the counts of prefix: for txn_count. *forgotten: a
// staged drop covers the prefix, the present count is not to be added.
void commit_staged_count(struct engine *e, struct batch *batch, struct slice prefix, int64_t *live,
    int64_t *in_doubt, bool *forgotten);
// A step of upkeep: calls back the txns that wait for room, if there is some; or has a timer do it.
void commit_wake_room(struct engine *e);
void commit_wake_room_later(struct engine *e);
// Recovery: applies one replayed entry, whose tag already says what its commit found out, to the
// active memtable; engine->counts is not kept.
void commit_replay(struct engine *e, const struct entry *entry);

void commit_init(struct engine *e);
void commit_release(struct engine *e);

#endif
