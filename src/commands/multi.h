// multi: the queue of a transaction. Private to this folder.
#ifndef VARVE_COMMANDS_MULTI_H
#define VARVE_COMMANDS_MULTI_H

#include "commands/session.h"
#include "commands/table.h"

struct multi {
    struct entry **entries;
    struct slice **argvs; // one block each: the slices and then their bytes
    int *argcs;
    int count, cap;
    size_t bytes;
    bool dirty; // an error while queueing: EXEC refuses
};

void multi_begin(struct session *s);
// Copies the arguments. Keeps nothing once EXEC is bound to refuse. False, and nothing is done, if
// the queue would take more than `max` bytes.
bool multi_queue(
    struct session *s, struct entry *e, const struct slice *argv, int argc, size_t max);
// EXEC will refuse: what is queued is forgotten.
void multi_spoil(struct session *s);
// Also without a transaction.
void multi_discard(struct session *s);

#endif
