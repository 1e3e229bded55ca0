// What the tests of the configuration share: a configuration read from given arguments, environment
// and file, in a directory of its own.
#ifndef VARVE_TESTS_SERVER_CONFIG_FIXTURE_H
#define VARVE_TESTS_SERVER_CONFIG_FIXTURE_H

#include "server/config/config.h"

// Reads `text` as a file (NULL: no file) and then the arguments (ends with NULL; may be NULL
// itself). The status of config_load_from; *out is set on OK only.
int load(const char *text, const char *const *arguments, const char *const *environment,
    struct config **out, struct error *err);
// The same, which must succeed.
struct config *loaded(
    const char *text, const char *const *arguments, const char *const *environment);
// A file in the test's directory; the path is valid until the next call.
const char *write_test_file(const char *name, const char *text);
char *read_test_file(const char *path); // heap
const char *test_directory(void);

#endif
