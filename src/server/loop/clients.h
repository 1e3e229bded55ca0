// clients: all connections together. Loop only.
#ifndef VARVE_SERVER_LOOP_CLIENTS_H
#define VARVE_SERVER_LOOP_CLIENTS_H

#include "server/server.h"

// Closes those that hold most while all of them hold more than maxmemory-clients.
void clients_evict(struct server *s);

#endif
