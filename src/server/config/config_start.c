// The start: what the command line asks for, and the texts that are made from the rows: help and
// the sample file.
//
//   varve-server [FILE | -] [--directive value ...]
//   varve-server --help | --version | --sample-config
//   varve-server [FILE | -] [--directive value ...] --check-config
//
// Order of the sources, the last wins: FILE (or standard input), the environment, the command line.
#include "server/config/config_impl.h"
#include "server/config/config_parse.h"
#include "server/config/config_rewrite.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/os.h"

enum { TEXT_WIDTH = 100 };
#define NEXT_PROBLEM "\nvarve-server: "

// Breaks text at blanks into lines that begin with `indent`.
static void print_wrapped(FILE *out, const char *indent, const char *text)
{
    while (*text != 0) {
        size_t len = strlen(text), room = TEXT_WIDTH - strlen(indent);
        if (len > room) {
            len = room;
            while (len > 0 && text[len] != ' ')
                len--;
        }
        fprintf(out, "%s%.*s\n", indent, (int)len, text);
        text += len;
        while (*text == ' ')
            text++;
    }
}

static void print_allowed(FILE *out, const char *indent, const struct directive *row)
{
    struct buf allowed = {0};
    buf_printf(&allowed, "Allowed: ");
    config_describe_allowed(row, &allowed);
    if (row->initial != NULL)
        buf_printf(&allowed, ". Default: %s", row->initial[0] != 0 ? row->initial : "\"\"");
    buf_printf(&allowed, !(row->flags & DIRECTIVE_IMMUTABLE) ? "."
                         : row->flags & DIRECTIVE_FILE_ONLY  ? "."
                                                             : ". At start only.");
    print_wrapped(out, indent, (const char *)allowed.data);
    buf_release(&allowed);
}

void config_print_help(FILE *out)
{
    fputs("varve-server [FILE | -] [--directive value ...]\n\n"
          "FILE is a configuration file in Redis' syntax, - is standard input. Every directive\n"
          "may also be given on the command line, or in the environment as VARVE_NAME in\n"
          "capitals, with _ for each dash. The command line wins over the environment, and that\n"
          "over FILE.\n\n"
          "  --check-config   read all that, say whether it is right, and end\n"
          "  --sample-config  print a file with every directive and what it does\n"
          "  --version        print the version\n"
          "  --help           print this\n",
        out);
    for (const struct directive_group *g = config_groups(); g->title != NULL; g++) {
        fprintf(out, "\n%s\n", g->title);
        for (const struct directive *row = g->rows; row->name != NULL; row++) {
            if (row->flags & DIRECTIVE_HIDDEN)
                continue;
            fprintf(out, "  %s\n", row->name);
            print_wrapped(out, "      ", row->help);
            if (row->treatment == TREAT_HONOURED)
                print_allowed(out, "      ", row);
        }
    }
}

static void print_sample_row(FILE *out, const struct directive *row)
{
    fputc('\n', out);
    print_wrapped(out, "# ", row->help);
    print_allowed(out, "# ", row);
    if (row->flags & DIRECTIVE_FILE_ONLY) {
        fprintf(out, "# %s ...\n", row->name);
        return;
    }
    struct buf lines = {0};
    config_append_lines(row, slice_cstr(row->initial), &lines);
    for (char *line = (char *)lines.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        fprintf(out, "# %.*s\n", (int)(end - line), line);
    buf_release(&lines);
}

void config_print_sample(FILE *out)
{
    fputs("# Varve's directives. A line without # sets one; what stands here behind a # is the "
          "default.\n"
          "# Made by: varve-server --sample-config\n"
          "#\n"
          "# Sizes take a unit: 1k is 1000 bytes, 1kb is 1024, and so on with m, mb, g, gb.\n"
          "# Values with blanks stand in quotes.\n",
        out);
    for (const struct directive_group *g = config_groups(); g->title != NULL; g++) {
        fprintf(out, "\n# === %s ===\n", g->title);
        bool list = g->rows[0].treatment != TREAT_HONOURED;
        if (list)
            fputc('\n', out);
        for (const struct directive *row = g->rows; row->name != NULL; row++) {
            if (row->flags & DIRECTIVE_HIDDEN)
                continue;
            if (!list) {
                print_sample_row(out, row);
                continue;
            }
            struct buf line = {0};
            for (; row[1].name != NULL && strcmp(row[1].help, row->help) == 0; row++)
                buf_printf(&line, "%s, ", row->name);
            buf_printf(&line, "%s: %s", row->name, row->help);
            print_wrapped(out, "# ", (const char *)line.data);
            buf_release(&line);
        }
    }
}

static void read_standard_input(struct config *c, struct error *err)
{
    struct buf text = {0};
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, stdin)) > 0 && text.len < 16 << 20;)
        buf_append(&text, piece, n);
    struct config_source source = {.name = "standard input"};
    config_read_text(c, &source, buf_slice(&text), err);
    buf_release(&text);
}

// Takes --check-config out of the arguments: the one that is no directive and may stand anywhere.
static bool take_check(int *argc, char **argv)
{
    int kept = 0;
    for (int i = 0; i < *argc; i++)
        if (strcmp(argv[i], "--check-config") != 0)
            argv[kept++] = argv[i];
    bool found = kept < *argc;
    *argc = kept;
    return found;
}

static bool print_what_is_asked(const char *option, FILE *out)
{
    if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
        config_print_help(out);
    else if (strcmp(option, "--version") == 0 || strcmp(option, "-v") == 0)
        fprintf(out, "varve-server %s (speaks as Redis 7.0.15)\n", VARVE_VERSION);
    else if (strcmp(option, "--sample-config") == 0)
        config_print_sample(out);
    else
        return false;
    return true;
}

// As one error, a line each; what is too long for that goes to standard error beforehand.
static int tell_problems(const struct config *c, struct error *err)
{
    const char *at = (const char *)c->problems.data, *end;
    struct buf all = {0};
    for (; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        if (c->problems.len + (size_t)c->problem_count * strlen(NEXT_PROBLEM) < sizeof err->text)
            buf_printf(&all, "%.*s" NEXT_PROBLEM, (int)(end - at), at);
        else
            fprintf(stderr, "varve-server: %.*s\n", (int)(end - at), at);
    }
    buf_printf(&all, "%s", at);
    int status = error_set(err, MISUSE, NULL, 0, 0, "the configuration is wrong");
    snprintf(err->text, sizeof err->text, "%s", (const char *)all.data);
    buf_release(&all);
    return status;
}

static int read_sources(
    struct config *c, int argc, char **argv, char **environment, FILE *out, struct error *err)
{
    if (argc > 0 && strcmp(argv[0], "-") == 0) {
        read_standard_input(c, err);
        argc--, argv++;
    } else if (argc > 0 && strncmp(argv[0], "--", 2) != 0) {
        c->file = config_absolute(argv[0]);
        config_note(c, config_read_file(c, argv[0], NULL, err), err);
        argc--, argv++;
    }
    config_read_environment(c, environment, out, err);
    config_read_arguments(c, argc, argv, err);
    return c->problem_count == 0 ? OK : tell_problems(c, err);
}

int config_load_from(struct env *env, int argc, char **argv, char **environment, FILE *out_file,
    struct config **out, struct error *err)
{
    if (argc > 1 && print_what_is_asked(argv[1], out_file))
        return END;
    char **rest = xcalloc((size_t)argc + 1, sizeof *rest);
    int count = argc > 0 ? argc - 1 : 0;
    memcpy(rest, argv + 1, (size_t)count * sizeof *rest);
    bool check = take_check(&count, rest);
    struct config *c = config_new(env);
    int status = read_sources(c, count, rest, environment, out_file, err);
    free(rest);
    if (status == OK) {
        config_derive(c);
        if (check) {
            fprintf(out_file, "The configuration is right.\n");
            status = END;
        }
    }
    if (status == OK && strcmp(config_get(c, "daemonize"), "yes") == 0)
        fprintf(out_file,
            "varve-server: daemonize yes: stays in the foreground all the same: let a "
            "service manager run it\n");
    if (status == OK)
        *out = c;
    else
        config_free(c);
    return status;
}

int config_load(int argc, char **argv, struct config **out, struct error *err)
{
    return config_load_from(os_env(), argc, argv, environ, stdout, out, err);
}
