// stats: counts calls and errors. Private to this folder.
#ifndef VARVE_COMMANDS_STATS_H
#define VARVE_COMMANDS_STATS_H

#include "commands/table.h"

void stats_count_call(struct commands *c, struct entry *e, uint64_t usec, bool failed);
// Counts the error that begins at `at` in the reply.
void stats_count_error_at(struct commands *c, const struct reply *reply, size_t at);
uint64_t stats_clock(struct commands *c); // microseconds since the last call or tick

#endif
