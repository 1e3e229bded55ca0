#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/dispatch.h"
#include "commands/docs.h"
#include "fixture.h"

static struct fixture f;

static void open_fixture(void)
{
    fixture_open(&f);
}

static void close_fixture(void)
{
    fixture_close(&f);
}

TestSuite(docs, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)

enum { NAMES_MAX = 400 };

// The names of all commands, as COMMAND LIST tells them.
static int list_names(char names[NAMES_MAX][64])
{
    const char *p = run(&f, "COMMAND LIST");
    int count = atoi(p + 1);
    cr_assert(count > 70 && count < NAMES_MAX);
    for (int i = 0; i < count; i++) {
        p = strstr(strchr(p, '$'), "\r\n") + 2;
        snprintf(names[i], sizeof names[i], "%.*s", (int)strcspn(p, "\r"), p);
    }
    return count;
}

Test(docs, every_row_is_well_formed)
{
    static char names[NAMES_MAX][64];
    int count = list_names(names);
    for (int i = 0; i < count; i++) {
        if (strchr(names[i], '|') != NULL)
            continue; // checked with its container
        const struct entry *e = table_find(f.commands, slice_cstr(names[i]));
        cr_assert_not_null(e, "%s", names[i]);
        const struct command *row = e->row;
        cr_assert_null(docs_check(row), "%s: %s", names[i], docs_check(row));
    }
}

// Each command, with as few arguments as it takes, gives the same answer whether or not its reads
// wait.
Test(docs, every_command_answers_and_may_wait)
{
    static char names[NAMES_MAX][64];
    int count = list_names(names);
    struct fixture cold;
    fixture_open(&cold);
    mini_set_cold(cold.engine, true);
    for (int i = 0; i < count; i++) {
        char line[128], reply[256];
        char *bar = strchr(names[i], '|');
        if (bar != NULL)
            *bar = '\0';
        const struct command *row = table_find(f.commands, slice_cstr(names[i]))->row;
        for (const struct command *sub = row->subcommands; bar != NULL && sub->name != NULL; sub++)
            if (strcmp(sub->name, bar + 1) == 0)
                row = sub;
        size_t len = (size_t)snprintf(
            line, sizeof line, bar != NULL ? "%s %s" : "%s", names[i], bar != NULL ? bar + 1 : "");
        for (int arg = bar != NULL ? 2 : 1; arg < abs(row->arity); arg++)
            len += (size_t)snprintf(line + len, sizeof line - len, " 1");
        snprintf(reply, sizeof reply, "%s", run(&f, line));
        cr_assert(strchr("+-:$*", reply[0]) != NULL && reply[0] != '\0', "%s", line);
        cr_assert_eq(strncmp(run(&cold, line), reply, sizeof reply - 1), 0, "%s", line);
    }
    fixture_close(&cold);
}

Test(docs, info_derives_from_the_row)
{
    EXPECT("COMMAND INFO get nosuch",
        "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@"
        "read\r\n+@string\r\n+@fast\r\n*0\r\n"
        "*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n*4\r\n$"
        "4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n"
        "*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$"
        "4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n"
        "$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n$-1\r\n");
}

Test(docs, arguments_derive_from_their_language)
{
    const char *reply = run(&f, "COMMAND DOCS copy");
    cr_assert_not_null(strstr(reply, "$4\r\nname\r\n$14\r\ndestination-db\r\n$4\r\ntype\r\n$"
                                     "7\r\ninteger\r\n$5\r\ntoken\r\n$2\r\nDB\r\n"
                                     "$5\r\nflags\r\n*1\r\n+optional\r\n"));
    cr_assert_not_null(strstr(run(&f, "COMMAND DOCS getset"), "+deprecated\r\n"));
}

Test(docs, keys_of_a_command_line)
{
    EXPECT("COMMAND GETKEYS mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    EXPECT("COMMAND GETKEYS ping x", "-ERR The command has no key arguments\r\n");
    EXPECT("COMMAND GETKEYS mset a", "-ERR Invalid number of arguments specified for command\r\n");
    EXPECT("COMMAND GETKEYSANDFLAGS copy a b",
        "*2\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n");
    EXPECT("COMMAND GETKEYSANDFLAGS set a 1", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
}

Test(docs, lists_filter)
{
    EXPECT("COMMAND LIST FILTERBY PATTERN object|f*", "*1\r\n$11\r\nobject|freq\r\n");
    EXPECT("COMMAND LIST FILTERBY MODULE x", "*0\r\n");
    EXPECT("COMMAND LIST FILTERBY ACLCAT nosuch", "*0\r\n");
    cr_assert_gt(atoi(run(&f, "COMMAND LIST FILTERBY ACLCAT transaction") + 1), 4);
}

Test(docs, malformed_texts_are_found)
{
    struct command row = {.name = "x",
        .fn = table_find(f.commands, slice_cstr("get"))->row->fn,
        .arity = 1,
        .since = "1",
        .group = "g",
        .summary = "s"};
    cr_assert_null(docs_check(&row));
    static const char *const bad[] = {
        "a", "a:", "a:q", "a:s!", "a:s(b:s)", "a:o", "a:o(b:s", "a:k#0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        row.arguments = bad[i];
        cr_assert_not_null(docs_check(&row), "%s", bad[i]);
    }
    row.arguments = NULL;
    row.specs = "RO,access i1 r0,1";
    cr_assert_not_null(docs_check(&row));
}
