// reaper: removes spread collections when their time comes, along the index of expiry. (Strings and
// small collections carry their expiry on their records: the engine tells of those.)
//
// Thread: loop. Statuses are the engine's.
#ifndef VARVE_TYPES_REAPER_H
#define VARVE_TYPES_REAPER_H

#include "types/databases.h"

struct reaper {
    int64_t due_ms; // when the next one is due, as far as this attempt has seen
    int expired;    // collections whose end it has staged
    int staged;     // entries dealt with
};

// Whether something may be due: asks memory alone.
bool reaper_is_due(const struct databases *dbs, int64_t now_ms);
// One attempt, by a view that has been begun: stages what follows for at most `max` entries that
// are due, of any database. OK, WAIT or a failure.
int reaper_stage(struct reaper *r, struct databases_view *v, int max);
// After its commit.
void reaper_done(const struct reaper *r, struct databases *dbs);

#endif
