// What the command line may ask for instead of a start.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "config_fixture.h"
#include "os/os.h"
#include "server/config/config_row.h"

// Runs a start and returns its status; *printed is heap.
static int start(char **argv, int argc, char **variables, char **printed, struct error *err)
{
    size_t len;
    FILE *out = open_memstream(printed, &len);
    struct config *c = NULL;
    int status = config_load_from(os_env(), argc, argv, variables, out, &c, err);
    fclose(out);
    config_free(c);
    return status;
}

Test(config_start, help_lists_every_directive)
{
    char program[] = "varve-server", help[] = "--help", *argv[] = {program, help}, *printed,
         *none = NULL;
    cr_assert_eq(start(argv, 2, &none, &printed, NULL), END);
    for (int i = 0; i < config_row_count(); i++) {
        char line[128];
        snprintf(line, sizeof line, "\n  %s\n", config_row(i)->name);
        bool shown = strstr(printed, line) != NULL;
        cr_expect_eq(shown, !(config_row(i)->flags & DIRECTIVE_HIDDEN), "%s", config_row(i)->name);
    }
    free(printed);
}

Test(config_start, check_config_says_right_or_wrong_and_ends)
{
    char program[] = "varve-server", check[] = "--check-config", port[] = "--port", good[] = "7000",
         bad[] = "x";
    char *printed, *none = NULL;
    struct error err = {0};
    char *right[] = {program, check, port, good};
    cr_expect_eq(start(right, 4, &none, &printed, &err), END);
    free(printed);
    char *wrong[] = {program, port, bad, check};
    cr_expect_eq(start(wrong, 4, &none, &printed, &err), MISUSE);
    cr_expect_not_null(strstr(err.text, "port"));
    free(printed);
}

Test(config_start, unknown_names_in_the_environment_are_told_and_passed_over)
{
    char program[] = "varve-server", other[] = "VARVE_SERVICE_HOST=10.0.0.1",
         known[] = "VARVE_TIMEOUT=5";
    char *argv[] = {program}, *variables[] = {other, known, NULL}, *printed;
    cr_expect_eq(start(argv, 1, variables, &printed, NULL), OK);
    cr_expect_str_eq(
        printed, "environment: VARVE_SERVICE_HOST names no directive and is passed over\n");
    free(printed);
}
