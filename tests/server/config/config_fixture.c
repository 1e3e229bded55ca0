#include "config_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/os.h"

static char dir[64];

static void remove_directory(void)
{
    struct dir_entry *entries;
    size_t count;
    if (os_env()->ops->list(os_env(), dir, &entries, &count, NULL) == OK) {
        for (size_t i = 0; i < count; i++) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s", dir, entries[i].name);
            unlink(path);
        }
        free(entries);
    }
    rmdir(dir);
}

const char *test_directory(void)
{
    if (dir[0] == 0) {
        strcpy(dir, "/tmp/varve-test-XXXXXX");
        cr_assert_not_null(mkdtemp(dir));
        atexit(remove_directory);
    }
    return dir;
}

const char *write_test_file(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

char *read_test_file(const char *path)
{
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    char *text = calloc(1, 1 << 18);
    size_t n = fread(text, 1, (1 << 18) - 1, f);
    cr_assert_lt(n, (1 << 18) - 1);
    fclose(f);
    return text;
}

int load(const char *text, const char *const *arguments, const char *const *environment,
    struct config **out, struct error *err)
{
    char *argv[32] = {strdup("varve-server")};
    int argc = 1;
    if (text != NULL)
        argv[argc++] = strdup(write_test_file("test.conf", text));
    for (; arguments != NULL && *arguments != NULL; arguments++)
        argv[argc++] = strdup(*arguments);
    char *none = NULL;
    FILE *sink = fopen("/dev/null", "w");
    char **variables = environment != NULL ? (char **)(uintptr_t)environment : &none;
    int status = config_load_from(os_env(), argc, argv, variables, sink, out, err);
    fclose(sink);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return status;
}

struct config *loaded(
    const char *text, const char *const *arguments, const char *const *environment)
{
    struct config *c;
    struct error err = {0};
    cr_assert_eq(load(text, arguments, environment, &c, &err), OK, "%s", err.text);
    return c;
}
