// listen: sockets that accept. What opens them is server_listen() and its kin, in server.h. Loop
// only.
#ifndef VARVE_SERVER_LOOP_LISTEN_H
#define VARVE_SERVER_LOOP_LISTEN_H

#include "server/server.h"

// Closes all of them.
void listen_close(struct server *s);

#endif
