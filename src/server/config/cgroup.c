// The memory limit of a container.
//
// /proc/self/cgroup has a line for each hierarchy, "ID:CONTROLLERS:PATH". Version 2 is the line
// with no controllers; its limit is in memory.max below /sys/fs/cgroup. Version 1 has a line whose
// controllers hold "memory", and the limit in memory.limit_in_bytes below /sys/fs/cgroup/memory. A
// group obeys the limits of all groups around it, so that the walk goes up to the root and keeps
// the smallest. Inside a container the path may be as seen from outside; then nothing is found
// below it, and the walk still ends at the mounted root, which is the container's own group.
//
// "max", and version 1's huge number for no limit, are simply not smaller than the machine. What
// cannot be read limits nothing.
#include "server/config/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t cgroup_machine_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

int cgroup_read_file(struct env *env, const char *path, char *data, size_t size)
{
    struct file *f;
    if (env_open(env, path, FILE_READ, &f, NULL) != OK)
        return -1;
    size_t got = 0;
    int status = env->ops->read(env, f, 0, data, size - 1, &got, NULL);
    env_close(env, f);
    if (status != OK)
        return -1;
    data[got] = 0;
    return (int)got;
}

static uint64_t smallest_limit(
    struct env *env, const char *mount, char *group, const char *file, uint64_t limit)
{
    for (;;) {
        char path[4096 + 128], text[64];
        snprintf(path, sizeof path, "%s%s/%s", mount, group, file);
        if (cgroup_read_file(env, path, text, sizeof text) > 0 && text[0] >= '0' &&
            text[0] <= '9') {
            uint64_t found = strtoull(text, NULL, 10);
            if (found > 0 && found < limit)
                limit = found;
        }
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return limit;
        *slash = 0;
    }
}

static bool has_memory(const char *controllers)
{
    size_t len = strlen(controllers);
    for (const char *at = controllers; (at = strstr(at, "memory")) != NULL; at += 6) {
        bool starts = at == controllers || at[-1] == ',';
        bool ends = at + 6 == controllers + len || at[6] == ',';
        if (starts && ends)
            return true;
    }
    return false;
}

uint64_t cgroup_available_memory(struct env *env)
{
    uint64_t limit = cgroup_machine_memory();
    char text[4096];
    if (cgroup_read_file(env, "/proc/self/cgroup", text, sizeof text) <= 0)
        return limit;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        strsep(&line, ":"); // the hierarchy's number
        char *controllers = strsep(&line, ":");
        if (controllers == NULL || line == NULL)
            continue;
        if (controllers[0] == 0)
            limit = smallest_limit(env, "/sys/fs/cgroup", line, "memory.max", limit);
        else if (has_memory(controllers))
            limit =
                smallest_limit(env, "/sys/fs/cgroup/memory", line, "memory.limit_in_bytes", limit);
    }
    return limit;
}
