// config: directives -> settings. Redis' syntax and names; one row a directive in config_table.c, from which the parser, --help, CONFIG
// GET, SET and REWRITE derive. Loop only, and main before it.
#ifndef VARVE_SERVER_CONFIG_H
#define VARVE_SERVER_CONFIG_H

#include "server/settings.h"

struct config;

// Command line, file with its includes, environment. OK: go on; END: what was asked for has been printed (--help, --version,
// --check-config), exit 0; else a failure: err has the one line to print.
int config_load(int argc, char **argv, struct config **out, struct error *err);
void config_free(struct config *config);
struct settings *config_settings(struct config *config);
// The absolute path of the file that was read; "" without one.
const char *config_file(const struct config *config);

// The sink that settings.log asks for; one a process.
struct logger *config_logger(struct config *config);

#endif
