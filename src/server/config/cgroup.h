// cgroup: how much memory this process may have: the machine's, or less where a control group (v1
// or v2) limits it.
#ifndef VARVE_SERVER_CONFIG_CGROUP_H
#define VARVE_SERVER_CONFIG_CGROUP_H

#include <stdint.h>

#include "engine/env.h"

uint64_t cgroup_machine_memory(void);
// The smaller of the machine's memory and the limits of our control group and the groups around it.
// Reads small files.
uint64_t cgroup_available_memory(struct env *env);
// A file of /proc or /sys, which tells no size: up to size - 1 bytes and a zero. -1 if it cannot be
// read.
int cgroup_read_file(struct env *env, const char *path, char *data, size_t size);

#endif
