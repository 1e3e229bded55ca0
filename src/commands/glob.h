// glob: Redis' patterns: * ? [a-z] [^a] and backslash, over bytes.
#ifndef VARVE_COMMANDS_GLOB_H
#define VARVE_COMMANDS_GLOB_H

#include "base/slice.h"

bool glob_match(struct slice pattern, struct slice text, bool ignore_case);
// The bytes every match begins with, unescaped, into out (at least pattern.len bytes). *exact: the
// pattern is just these bytes.
size_t glob_prefix(struct slice pattern, uint8_t *out, bool *exact);
// Whether the pattern matches everything: "*".
bool glob_is_all(struct slice pattern);

#endif
