// Where values come from: files with their includes, the environment, the command line.
//
// All of them end in config_read_words(): a directive and its values. What comes later replaces
// what came earlier, within a source and over all of them, except for the two directives that take
// many lines (save and client-output-buffer-limit), whose lines add up. An include is read in its
// place.
//
// Every failure is one line for the operator: "FILE:LINE: DIRECTIVE: WHAT IS WRONG; allowed: WHAT".
// Reading goes on after it, so that all of them are told at once.
#include "server/config/config_parse.h"
#include "server/config/config_impl.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "commands/parts/glob.h"
#include "resp/quote.h"

enum {
    INCLUDE_DEPTH_MAX = 8,
    FILE_SIZE_MAX = 16 << 20,
};

static int fail(struct error *err, const struct config_source *source, struct slice name,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static int fail(struct error *err, const struct config_source *source, struct slice name,
    const char *format, ...)
{
    char what[768];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    int len = name.len < 64 ? (int)name.len : 64;
    if (source->line > 0)
        return error_set(err, MISUSE, NULL, 0, 0, "%s:%d: %.*s: %s", source->name, source->line,
            len, name.data, what);
    return error_set(err, MISUSE, NULL, 0, 0, "%s: %.*s: %s", source->name, len, name.data, what);
}

void config_note(struct config *c, int status, const struct error *err)
{
    if (status == OK || c->problem_count >= CONFIG_PROBLEMS_MAX)
        return;
    buf_printf(&c->problems, "%s%s", c->problem_count > 0 ? "\n" : "", err->text);
    c->problem_count++;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct dir_entry *)a)->name, ((const struct dir_entry *)b)->name);
}

static int include(
    struct config *c, struct config_source *source, struct slice word, struct error *err)
{
    struct slice name = slice_cstr("include");
    if (source->depth >= INCLUDE_DEPTH_MAX)
        return fail(err, source, name, "more than %d files deep", INCLUDE_DEPTH_MAX);
    char *given = xstrndup(word.data, word.len);
    char *path = config_absolute(given);
    free(given);
    char *slash = strrchr(path, '/');
    if (strpbrk(slash, "*?[") == NULL) {
        int status = config_read_file(c, path, source, err);
        free(path);
        return status;
    }
    char *pattern = xstrdup(slash + 1);
    *(slash == path ? slash + 1 : slash) = 0;
    struct dir_entry *entries = NULL;
    size_t count = 0;
    int status = c->env->ops->list(c->env, path, &entries, &count, err);
    if (status != OK)
        status = fail(err, source, name, "%s cannot be read", path);
    else
        qsort(entries, count, sizeof *entries, compare_names);
    for (size_t i = 0; status == OK && i < count; i++) {
        if (!glob_match(slice_cstr(pattern), slice_cstr(entries[i].name), false))
            continue;
        struct buf full = {0};
        buf_printf(&full, "%s/%s", path, entries[i].name);
        status = config_read_file(c, (char *)full.data, source, err);
        buf_release(&full);
    }
    free(entries);
    free(pattern);
    free(path);
    return status;
}

int config_read_words(struct config *c, struct config_source *source, const struct slice *words,
    int count, struct error *err)
{
    int index = config_find(words[0]);
    if (index < 0)
        return fail(err, source, words[0], "unknown directive; allowed: those that --help lists");
    const struct directive *row = config_row(index);
    if ((row->flags & DIRECTIVE_INCLUDE) && count == 2)
        return include(c, source, words[1], err);
    struct config_value value;
    struct buf scratch = {0};
    const char *why = "wrong number of arguments";
    const struct slice *values = words + 1;
    struct slice *split = NULL, empty = slice_of("", 0);
    int value_count = count - 1, status = OK;
    if (value_count == 0 && (row->flags & DIRECTIVE_EMPTY_OK)) {
        values = &empty;
        value_count = 1;
    }
    if (value_count == 1 && row->type >= DIRECTIVE_WORDS)
        value_count = config_split_value(values[0], &split);
    if (value_count == 0 ||
        !config_parse_value(row, c->slots[index].text, c->slots[index].given,
            split != NULL ? split : values, value_count, &value, &scratch, &why)) {
        struct buf allowed = {0};
        config_describe_allowed(row, &allowed);
        if (row->treatment == TREAT_REFUSED)
            status = fail(err, source, words[0], "%s%s%s", why,
                row->initial != NULL ? "; allowed: " : "",
                row->initial == NULL   ? ""
                : row->initial[0] != 0 ? row->initial
                                       : "\"\"");
        else
            status =
                fail(err, source, words[0], "%s; allowed: %s", why, (const char *)allowed.data);
        buf_release(&allowed);
    } else {
        config_assign(c, index, &value);
    }
    free(split);
    buf_release(&scratch);
    return status;
}

static int read_line(
    struct config *c, struct config_source *source, struct slice line, struct error *err)
{
    while (line.len > 0 && isspace(line.data[0]))
        line = slice_skip(line, 1);
    while (line.len > 0 && isspace(line.data[line.len - 1]))
        line.len--;
    if (line.len == 0 || line.data[0] == '#')
        return OK;
    struct buf storage = {0};
    struct slice *words = NULL;
    int cap = 0;
    int count = quote_split(line, &storage, &words, &cap);
    int status = OK;
    if (count < 0)
        status = fail(err, source, line,
            "unbalanced quotes; allowed: \"...\" or '...' before a blank or the end");
    else if (count > 0)
        status = config_read_words(c, source, words, count, err);
    free(words);
    buf_release(&storage);
    return status;
}

void config_read_text(
    struct config *c, struct config_source *source, struct slice text, struct error *err)
{
    while (text.len > 0 && c->problem_count < CONFIG_PROBLEMS_MAX) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        source->line++;
        config_note(c, read_line(c, source, slice_of(text.data, len), err), err);
        text = slice_skip(text, end != NULL ? len + 1 : len);
    }
}

int config_read_file(
    struct config *c, const char *path, struct config_source *parent, struct error *err)
{
    uint8_t *data;
    size_t len;
    int status = env_read_file(c->env, path, FILE_SIZE_MAX, &data, &len, err);
    if (status == NOT_FOUND)
        return error_set(err, MISSING, NULL, 0, 0, "%s%s%s: there is no such file",
            parent != NULL ? parent->name : "", parent != NULL ? ": include " : "", path);
    if (status != OK)
        return status;
    struct config_source source = {path, 0, parent != NULL ? parent->depth + 1 : 0};
    config_read_text(c, &source, slice_of(data, len), err);
    free(data);
    return status;
}

// As Redis reads them: "--name" begins a directive, what follows are its values, of which the first
// may begin with dashes too; "--name value" may also be one argument. --save without a value means
// "".
static int read_argument(struct config *c, struct config_source *source, int argc, char **argv,
    int *used, struct error *err)
{
    struct buf storage = {0};
    struct slice *words = NULL;
    int cap = 0;
    int count = quote_split(slice_cstr(argv[0] + 2), &storage, &words, &cap);
    int n = 1;
    int index = count == 1 ? config_find(words[0]) : -1;
    bool may_be_empty = index >= 0 && (config_row(index)->flags & DIRECTIVE_EMPTY_OK);
    if (count > 0) {
        words = xrealloc(words, (size_t)(count + argc + 1) * sizeof *words);
        if (may_be_empty && (argc == 1 || strncmp(argv[1], "--", 2) == 0))
            words[count++] = slice_cstr("");
        else
            for (; n < argc && ((n == 1 && count == 1) || strncmp(argv[n], "--", 2) != 0); n++)
                words[count++] = slice_cstr(argv[n]);
    }
    *used = n;
    int status = OK;
    if (count <= 0)
        status = fail(
            err, source, slice_cstr(argv[0]), "no directive; allowed: those that --help lists");
    else
        status = config_read_words(c, source, words, count, err);
    free(words);
    buf_release(&storage);
    return status;
}

void config_read_arguments(struct config *c, int argc, char **argv, struct error *err)
{
    struct config_source source = {.name = "command line"};
    for (int i = 0, used; i < argc; i += used) {
        int status;
        used = 1;
        if (strncmp(argv[i], "--", 2) != 0)
            status = fail(err, &source, slice_cstr(argv[i]),
                "a value without a directive; allowed: --directive value ...");
        else
            status = read_argument(c, &source, argc - i, argv + i, &used, err);
        config_note(c, status, err);
        if (status != OK) // what belongs to it is no second fault
            while (i + used < argc && strncmp(argv[i + used], "--", 2) != 0)
                used++;
    }
}

static int read_variable(struct config *c, struct config_source *source, const char *variable,
    FILE *notes, struct error *err)
{
    const char *equals = strchr(variable, '=');
    char name[64];
    size_t len = (size_t)(equals - variable) - strlen("VARVE_");
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1),
        variable + strlen("VARVE_"));
    for (char *at = name; *at != 0; at++)
        *at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
    int index = config_find(slice_cstr(name));
    if (index < 0)
        for (char *at = name; *at != 0; at++) // the few names that have underscores
            *at = *at == '-' ? '_' : *at;
    index = index < 0 ? config_find(slice_cstr(name)) : index;
    if (index < 0) {
        fprintf(notes, "environment: VARVE_%.*s names no directive and is passed over\n", (int)len,
            variable + 6);
        return OK;
    }
    struct buf storage = {0};
    struct slice *words = NULL;
    int cap = 0;
    int count = quote_split(slice_cstr(equals + 1), &storage, &words, &cap);
    int status;
    struct slice given = slice_of(variable, (size_t)(equals - variable));
    if (count < 0) {
        status = fail(err, source, given,
            "unbalanced quotes; allowed: \"...\" or '...' before a blank or the end");
    } else {
        words = xrealloc(words, (size_t)(count + 2) * sizeof *words);
        if (count == 0) // VARVE_REQUIREPASS= is the empty value
            words[count++] = slice_cstr("");
        memmove(words + 1, words, (size_t)count * sizeof *words);
        words[0] = slice_cstr(name);
        status = config_read_words(c, source, words, count + 1, err);
    }
    free(words);
    buf_release(&storage);
    return status;
}

void config_read_environment(struct config *c, char **environment, FILE *notes, struct error *err)
{
    struct config_source source = {.name = "environment"};
    for (char **at = environment; at != NULL && *at != NULL; at++)
        if (strncmp(*at, "VARVE_", 6) == 0 && strchr(*at, '=') != NULL)
            config_note(c, read_variable(c, &source, *at, notes, err), err);
}
