// Runs the registered tests one after the other, each in a child of its own, so that a crash or a
// data race (TSan ends the child with exit code 66) fails one test only. A name as argument,
// SUITE/NAME or a part of it, selects.
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "criterion/criterion.h"

enum { TIMEOUT_S = 120 };

static struct plain_test *tests;

void plain_register(struct plain_test *test)
{
    struct plain_test **at = &tests;
    while (*at != NULL)
        at = &(*at)->next;
    *at = test;
}

void plain_message(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\n", stderr);
}

void plain_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, condition);
    fflush(NULL);
    _exit(1);
}

static const struct plain_options *suite_of(const struct plain_test *test)
{
    static const struct plain_options none;
    for (const struct plain_test *s = tests; s != NULL; s = s->next) {
        if (s->name == NULL && strcmp(s->suite, test->suite) == 0)
            return &s->options;
    }
    return &none;
}

static void run_child(const struct plain_test *test)
{
    const struct plain_options *suite = suite_of(test);
    alarm(TIMEOUT_S);
    void (*init)(void) = test->options.init != NULL ? test->options.init : suite->init;
    void (*fini)(void) = test->options.fini != NULL ? test->options.fini : suite->fini;
    if (init != NULL)
        init();
    test->run();
    if (fini != NULL)
        fini();
    exit(0);
}

static bool run(const struct plain_test *test)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_child(test);
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (test->options.signal != 0)
        return WIFSIGNALED(status) && WTERMSIG(status) == test->options.signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == test->options.exit_code;
}

static bool selected(const struct plain_test *test, int argc, char **argv)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", test->suite, test->name);
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        any = true;
        if (strstr(full, argv[i]) != NULL)
            return true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    unsigned tested = 0, passed = 0;
    for (const struct plain_test *t = tests; t != NULL; t = t->next) {
        if (t->name == NULL || t->options.disabled || !selected(t, argc, argv))
            continue;
        tested++;
        if (run(t))
            passed++;
        else
            fprintf(stderr, "[FAIL] %s::%s\n", t->suite, t->name);
    }
    printf("[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: 0\n", tested,
        passed, tested - passed);
    return passed == tested ? 0 : 1;
}
