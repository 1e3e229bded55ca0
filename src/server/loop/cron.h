// cron: what happens by the clock. Loop only.
#ifndef VARVE_SERVER_LOOP_CRON_H
#define VARVE_SERVER_LOOP_CRON_H

#include <uv.h>

void cron_on_timer(uv_timer_t *timer); // server_handles.cron

#endif
