// config_parse: reads the sources of a configuration. Private to the config modules.
#ifndef VARVE_SERVER_CONFIG_CONFIG_PARSE_H
#define VARVE_SERVER_CONFIG_CONFIG_PARSE_H

#include "server/config/config_row.h"

// Where a value comes from, for messages and for values of many lines.
struct config_source {
    const char *name; // a path, "command line", "environment", "standard input"
    int line;         // 0: none
    bool *seen;       // one a row: given before by this source
    int depth;        // of includes
};
int config_read_words(struct config *c, struct config_source *source, const struct slice *words,
    int count, struct error *err);
int config_read_text(
    struct config *c, struct config_source *source, struct slice text, struct error *err);
int config_read_file(
    struct config *c, const char *path, struct config_source *parent, struct error *err);
int config_read_arguments(struct config *c, int argc, char **argv, struct error *err);
// VARVE_MAX_OPEN_FILES=512. Names that no row has are reported to `notes` and passed over.
int config_read_environment(struct config *c, char **environment, FILE *notes, struct error *err);

#endif
