// pace: writers that are faster than compaction can follow are read from later. Loop only.
#ifndef VARVE_SERVER_LOOP_PACE_H
#define VARVE_SERVER_LOOP_PACE_H

#include "server/loop/conn.h"

// The connection's last write asks for so long a pause.
void pace_conn(struct conn *c, uint64_t delay_us);
void pace_on_timer(uv_timer_t *timer); // server_handles.pace

#endif
