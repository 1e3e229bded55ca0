// config_impl: the fields of struct config, and what keeps its slots and settings together. Private
// to the config modules.
#ifndef VARVE_SERVER_CONFIG_CONFIG_IMPL_H
#define VARVE_SERVER_CONFIG_CONFIG_IMPL_H

#include "server/config/config_value.h"

struct config_slot {
    // Canonical, as CONFIG GET shows it, with a zero behind it; NULL for DIRECTIVE_FILE_ONLY.
    char *text;
    size_t len;
    bool given; // by a file, the environment, the command line or CONFIG SET
};

enum { CONFIG_PROBLEMS_MAX = 100 };

struct log_file;

struct config {
    struct settings settings;
    struct config_slot *slots; // one a row
    char *file;                // absolute; NULL: none
    struct env *env;
    struct log_file *log; // made by config_logger
    struct buf problems;  // lines: what is wrong with the sources
    int problem_count;
};

// Takes the value over.
void config_assign(struct config *c, int index, struct config_value *value);
// Recomputes what derives from other values: dir as an absolute path, the memory budget from
// maxmemory, the machine and its control group. Reads small files.
void config_derive(struct config *c);

// A path from the root: where the process was started, if it is relative. Heap.
char *config_absolute(const char *path);

#endif
