// log_file: the operator's log: standard output, or a file that is opened for each line, so that
// rotating tools may rename or cut it at any time. Thread safe, as a logger has to be.
#ifndef VARVE_SERVER_CONFIG_LOG_FILE_H
#define VARVE_SERVER_CONFIG_LOG_FILE_H

#include "base/logger.h"
#include "engine/env.h"

struct log_file;

// path is copied; NULL: standard output. Does not fail: while the file cannot be written, lines go
// to standard output, after one that says why.
struct log_file *log_file_new(struct env *env, const char *path);
void log_file_free(struct log_file *log); // NULL is allowed
struct logger *log_file_logger(struct log_file *log);

#endif
