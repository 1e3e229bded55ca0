// budget: what connections may hold of the clients' memory (maxmemory-clients), so that nobody has
// to be cut off for being served. Told in budget.c. Loop only.
#ifndef VARVE_SERVER_LOOP_BUDGET_H
#define VARVE_SERVER_LOOP_BUDGET_H

#include "server/loop/conn.h"

// Bytes of one command that are kept (resp_limits.max_command): the largest argument and a key.
size_t budget_command_max(const struct server *s);
// Bytes of one reply after which no further value is added to it; 0: no bound.
size_t budget_reply_max(const struct server *s);
// Bytes of a transaction's queue.
size_t budget_queue_max(const struct server *s);
// How much one read may bring into the shared buffer; 0: not in this turn, whose replies fill what
// there is.
size_t budget_read_size(const struct server *s);
// Whether this turn's replies fill what there is: who is not served yet waits for the next.
bool budget_turn_is_full(const struct server *s);
// Unsent bytes at which a connection executes nothing more.
size_t budget_output_pause(const struct server *s);
// Capacity that an empty buffer keeps from turn to turn.
size_t budget_keep(const struct server *s);

// May the connection's own input take so much in all? If not, it waits for its turn, is not read
// from, and conn_update_reading is called when it may.
bool budget_claim_input(struct conn *c, size_t total);
// Its input is small again, or it goes.
void budget_release_input(struct conn *c);
// A second or so has passed. False: others wait for what this connection holds and does not use.
bool budget_check(struct conn *c);
// At the end of a turn: closes the biggest while all hold far too much.
void budget_evict(struct server *s);
// Ten times a second or so: closes the biggest of those that do not read their replies while all
// hold too much.
void budget_evict_stalled(struct server *s);

#endif
