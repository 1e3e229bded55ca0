// config_rewrite: directives as lines of a file. Private to the config modules.
#ifndef VARVE_SERVER_CONFIG_CONFIG_REWRITE_H
#define VARVE_SERVER_CONFIG_CONFIG_REWRITE_H

#include "server/config/config_row.h"

// The directive as lines of a file: "save 3600 1\nsave 300 100\n". A zero lies behind the value.
void config_append_lines(const struct directive *row, struct slice value, struct buf *out);
void config_rewrite_text(const struct config *c, struct slice old, struct buf *out);

#endif
