// The memory limit of a container, over an environment whose files the test makes up.
#include <criterion/criterion.h>

#include "server/config/cgroup.h"

struct made_up {
    const char *path, *text;
};

struct fake_env {
    struct env env; // first
    const struct made_up *files;
};

static int fake_open(
    struct env *env, const char *path, enum file_mode mode, struct file **out, struct error *err)
{
    for (const struct made_up *f = ((struct fake_env *)env)->files; f->path != NULL; f++) {
        if (strcmp(f->path, path) == 0) {
            *out = (struct file *)(uintptr_t)f;
            return OK;
        }
    }
    return NOT_FOUND;
}

static int fake_read(struct env *env, struct file *file, uint64_t offset, void *data, size_t len,
    size_t *got, struct error *err)
{
    const char *text = ((const struct made_up *)(const void *)file)->text;
    *got = strlen(text) < len ? strlen(text) : len;
    memcpy(data, text, *got);
    return OK;
}

static void fake_close(struct env *env, struct file *file)
{
}

static uint64_t available(const struct made_up *files)
{
    static const struct env_ops ops = {.open = fake_open, .read = fake_read, .close = fake_close};
    struct fake_env env = {{&ops}, files};
    return cgroup_available_memory(&env.env);
}

enum { MIB = 1 << 20 };

Test(cgroup, without_groups_it_is_the_machines_memory)
{
    cr_expect_eq(available((const struct made_up[]){{NULL}}), cgroup_machine_memory());
    cr_expect_gt(cgroup_machine_memory(), 16 * MIB);
}

Test(cgroup, version_2_takes_the_smallest_limit_on_the_way_up)
{
    static const struct made_up files[] = {{"/proc/self/cgroup", "0::/a.slice/b.scope\n"},
        {"/sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n"},
        {"/sys/fs/cgroup/a.slice/memory.max", "104857600\n"},
        {"/sys/fs/cgroup/memory.max", "209715200\n"}, {NULL}};
    cr_expect_eq(available(files), 100 * MIB);
}

Test(cgroup, inside_a_container_the_mounted_root_counts)
{
    static const struct made_up files[] = {{"/proc/self/cgroup", "0::/seen/from/outside\n"},
        {"/sys/fs/cgroup/memory.max", "134217728\n"}, {NULL}};
    cr_expect_eq(available(files), 128 * MIB);
}

Test(cgroup, version_1_is_found_by_its_controller)
{
    static const struct made_up files[] = {
        {"/proc/self/cgroup",
            "12:cpu,cpuacct:/x\n5:hugetlb,memory:/docker/abc\n1:name=systemd:/y\n"},
        {"/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "67108864\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}, {NULL}};
    cr_expect_eq(available(files), 64 * MIB);
}

Test(cgroup, nonsense_limits_nothing)
{
    static const struct made_up files[] = {{"/proc/self/cgroup", "no colons\n0::\n::::\n"},
        {"/sys/fs/cgroup/memory.max", "-5\n"}, {NULL}};
    cr_expect_eq(available(files), cgroup_machine_memory());
}
