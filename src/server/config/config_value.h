// config_value: words to a checked value and its canonical text, by a row. Private to the config
// modules.
#ifndef VARVE_SERVER_CONFIG_CONFIG_VALUE_H
#define VARVE_SERVER_CONFIG_CONFIG_VALUE_H

#include "server/config/config_row.h"

struct config_value {
    char *text; // heap, with a zero behind it
    size_t len;
    int64_t number;
};

// What may be given: "an integer from 0 to 65535", "yes or no".
void config_describe_allowed(const struct directive *row, struct buf *out);
// Checks words against the row. False: *why is Redis' text for it (static, or in scratch).
bool config_parse_value(const struct directive *row, const char *old, bool more,
    const struct slice *words, int count, struct config_value *out, struct buf *scratch,
    const char **why);
// The words of a value of many words that was given as one: what stands between single spaces. *out
// is one heap block, words borrow.
int config_split_value(struct slice value, struct slice **out);
bool config_parse_integer(struct slice text, int base, int64_t *out);
// Bytes with Redis' units. False if it is none.
bool config_parse_memory(struct slice text, int64_t *out);
// In the largest unit that fits: "64mb".
void config_append_memory(int64_t bytes, struct buf *out);

#endif
