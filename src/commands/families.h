// families: the rows of this folder, one list a file; each ends with a NULL name. commands_new()
// registers them. Private to this folder.
#ifndef VARVE_COMMANDS_FAMILIES_H
#define VARVE_COMMANDS_FAMILIES_H

#include "commands/command.h"

extern const struct command connection_rows[];
extern const struct command command_rows[];
extern const struct command transaction_rows[];
extern const struct command string_rows[];
extern const struct command string_range_rows[];
extern const struct command counter_rows[];
extern const struct command key_rows[];
extern const struct command hash_rows[];
extern const struct command set_rows[];
extern const struct command set_algebra_rows[];
extern const struct command expire_rows[];
extern const struct command scan_rows[];
extern const struct command database_rows[];
extern const struct command object_rows[];

#endif
