// table: from a name to its row. Private to this folder.
#ifndef VARVE_COMMANDS_TABLE_H
#define VARVE_COMMANDS_TABLE_H

#include "commands/command.h"

// A row as the table knows it. Subcommands are entries of their own behind their container's
// `subs`.
struct entry {
    const struct command *row;
    const struct command *parent; // NULL at the top level
    struct entry *subs;
    int sub_count;
    struct command_stats stats;
};

enum { COMMAND_NAME_MAX = 31 };

void table_release(struct commands *c);
struct entry *table_find(const struct commands *c, struct slice name);
// The entry to run for these arguments: the subcommand's where there is one. NULL: unknown;
// *container is set if only the subcommand is.
struct entry *table_lookup(
    const struct commands *c, const struct slice *argv, int argc, struct entry **container);
struct entry *entry_sub(const struct entry *container, struct slice name);
// "client|setname". At least 64 bytes.
const char *entry_name(const struct command *row, const struct command *parent, char *out);
// Positions of keys: as command->get_keys. Works for every row.
int command_keys(
    const struct command *row, const struct slice *argv, int argc, int *positions, int max);

#endif
