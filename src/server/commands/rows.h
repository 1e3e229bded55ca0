// rows: the server's own commands, each in the file of its functions; server.c registers them.
#ifndef VARVE_SERVER_COMMANDS_ROWS_H
#define VARVE_SERVER_COMMANDS_ROWS_H

#include "commands/command.h"

extern const struct command cmd_client_rows[]; // cmd_client.c
extern const struct command cmd_config_rows[]; // cmd_config.c
extern const struct command cmd_info_rows[];   // cmd_info.c
extern const struct command cmd_server_rows[]; // cmd_server.c
extern const struct command cmd_debug_rows[];  // cmd_debug.c

#endif
