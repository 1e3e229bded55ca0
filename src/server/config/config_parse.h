// config_parse: reads the sources of a configuration. Private to the config modules.
#ifndef VARVE_SERVER_CONFIG_CONFIG_PARSE_H
#define VARVE_SERVER_CONFIG_CONFIG_PARSE_H

#include "server/config/config_row.h"

// Where a value comes from, for messages.
struct config_source {
    const char *name; // a path, "command line", "environment", "standard input"
    int line;         // 0: none
    int depth;        // of includes
};
int config_read_words(struct config *c, struct config_source *source, const struct slice *words,
    int count, struct error *err);
// The rest notes what is wrong (config_note) and goes on.
void config_read_text(
    struct config *c, struct config_source *source, struct slice text, struct error *err);
int config_read_file(
    struct config *c, const char *path, struct config_source *parent, struct error *err);
void config_read_arguments(struct config *c, int argc, char **argv, struct error *err);
// VARVE_MAX_OPEN_FILES=512. Names that no row has are reported to `notes` and passed over.
void config_read_environment(struct config *c, char **environment, FILE *notes, struct error *err);
// A failure is kept, to be told with the others; OK is none.
void config_note(struct config *c, int status, const struct error *err);

#endif
