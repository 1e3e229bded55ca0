// park: a connection whose command waits for the disk. It keeps the txn, which holds what was
// fetched, and the seed; it executes nothing until the data is there. Loop only.
#ifndef VARVE_SERVER_LOOP_PARK_H
#define VARVE_SERVER_LOOP_PARK_H

#include "server/loop/conn.h"

// The attempt of a command waited: txn becomes the connection's, rest is the input behind the
// command.
void park_conn(struct conn *c, struct txn *txn, uint64_t seed, struct slice rest);
// The command is over: its txn is free for the next.
void park_end(struct conn *c, struct txn *txn);
// The peer sends no more, and its command has been waiting for long since: it is to be closed.
bool park_is_given_up(const struct conn *c);
// The connection goes.
void park_release(struct conn *c);

#endif
