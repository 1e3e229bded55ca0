// turn: one iteration of the loop, from bytes read to replies sent; how it runs is told in turn.c.
// Loop only.
#ifndef VARVE_SERVER_LOOP_TURN_H
#define VARVE_SERVER_LOOP_TURN_H

#include "server/server.h"

void turn_tick(struct server *s); // takes the time
// Hands the turn's commits to the log, and settles every connection in which something happened.
void turn_end(struct server *s);
// The handles of server_handles.
void turn_on_check(uv_check_t *check);
void turn_on_prepare(uv_prepare_t *prepare);
void turn_on_idle(uv_idle_t *idle);

#endif
