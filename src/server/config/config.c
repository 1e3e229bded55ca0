// config: the configuration as a whole: made of defaults, copied, asked.
//
// Every value has two faces that config_assign() keeps together: the text in its slot, which is
// what CONFIG GET shows and CONFIG REWRITE writes, and, where the server has use for it, a plain
// field of the settings. Strings in fields point into the slots, so nobody keeps them across a
// CONFIG SET.
#include "server/config/config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "resp/quote.h"
#include "server/config/cgroup.h"
#include "server/config/config_impl.h"
#include "server/config/log_file.h"

// --- Storing -------------------------------------------------------------------------------------

static void store(struct config *c, const struct directive *row, const struct config_value *value)
{
    char *field = (char *)&c->settings + row->field.offset;
    struct slice bytes = slice_of(value->text, value->len);
    int narrow = value->number > INT32_MAX ? INT32_MAX : (int)value->number;
    if (row->store != NULL)
        row->store(&c->settings, value->text);
    else if (row->field.size == 0)
        return;
    else if (row->type == DIRECTIVE_STRING)
        *(char **)(void *)field = value->text;
    else if (row->type == DIRECTIVE_BYTES)
        memcpy(field, &bytes, sizeof bytes);
    else if (row->field.size == sizeof(bool))
        *(bool *)field = value->number != 0;
    else if (row->field.size == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &value->number, sizeof value->number);
}

void config_assign(struct config *c, int index, struct config_value *value)
{
    const struct directive *row = config_row(index);
    struct config_slot *slot = &c->slots[index];
    slot->given = true;
    if (row->flags & (DIRECTIVE_FIXED | DIRECTIVE_FILE_ONLY)) {
        free(value->text);
    } else {
        free(slot->text);
        slot->text = value->text;
        slot->len = value->len;
        store(c, row, value);
    }
    value->text = NULL;
}

static void assign_default(struct config *c, int index, struct buf *scratch)
{
    const struct directive *row = config_row(index);
    struct slice whole = slice_cstr(row->initial), *words = NULL;
    struct buf storage = {0};
    int cap = 0, count = 1;
    if (row->type >= DIRECTIVE_WORDS)
        count = quote_split(whole, &storage, &words, &cap);
    struct config_value value;
    const char *why;
    ENSURE(config_parse_value(
        row, NULL, false, words != NULL ? words : &whole, count, &value, scratch, &why));
    ENSURE(strcmp(value.text, row->initial) == 0);
    c->slots[index].text = value.text;
    c->slots[index].len = value.len;
    store(c, row, &value);
    free(words);
    buf_release(&storage);
}

struct config *config_new(struct env *env)
{
    struct config *c = xcalloc(1, sizeof *c);
    c->env = env;
    c->slots = xcalloc((size_t)config_row_count(), sizeof *c->slots);
    struct buf scratch = {0};
    for (int i = 0; i < config_row_count(); i++)
        if (!(config_row(i)->flags & DIRECTIVE_FILE_ONLY))
            assign_default(c, i, &scratch);
    buf_release(&scratch);
    config_derive(c);
    return c;
}

struct config *config_copy(const struct config *c)
{
    struct config *copy = xcalloc(1, sizeof *copy);
    copy->env = c->env;
    copy->file = c->file != NULL ? xstrdup(c->file) : NULL;
    copy->slots = xcalloc((size_t)config_row_count(), sizeof *copy->slots);
    for (int i = 0; i < config_row_count(); i++)
        if (c->slots[i].text != NULL)
            copy->slots[i] = (struct config_slot){
                .text = xstrndup(c->slots[i].text, c->slots[i].len), .len = c->slots[i].len};
    return copy;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < config_row_count(); i++)
        free(c->slots[i].text);
    free(c->slots);
    for (int i = 0; i < c->settings.network.bind_count; i++)
        free(c->settings.network.bind[i]);
    free(c->settings.network.bind);
    buf_release(&c->problems);
    free(c->file);
    log_file_free(c->log);
    free(c);
}

char *config_absolute(const char *path)
{
    struct buf full = {0};
    char *here = path[0] != '/' ? getcwd(NULL, 0) : NULL;
    while (here != NULL && path[0] == '.' && path[1] == '/')
        path += 2;
    if (here != NULL && strcmp(path, ".") == 0)
        path = "";
    buf_printf(
        &full, path[0] != 0 && here != NULL ? "%s/%s" : "%s%s", here != NULL ? here : "", path);
    free(here);
    return (char *)full.data;
}

void config_derive(struct config *c)
{
    enum { BUDGET_MIN = 32 << 20 };
    struct data_settings *data = &c->settings.data;
    if (data->engine.dir[0] != '/') {
        int index = config_find(slice_cstr("dir"));
        struct config_value absolute = {.text = config_absolute(data->engine.dir)};
        absolute.len = strlen(absolute.text);
        bool given = c->slots[index].given;
        config_assign(c, index, &absolute);
        c->slots[index].given = given;
    }
    uint64_t budget = data->maxmemory != 0 ? data->maxmemory : cgroup_available_memory(c->env) / 4;
    data->memory_budget = budget > BUDGET_MIN ? budget : BUDGET_MIN;
    data->engine.memory_budget = data->memory_budget - settings_client_memory(&c->settings);
}

// --- Questions -----------------------------------------------------------------------------------

const char *config_get(const struct config *c, const char *name)
{
    int index = config_find(slice_cstr(name));
    return index >= 0 ? c->slots[index].text : NULL;
}

struct slice config_row_value(const struct config *c, int index)
{
    return slice_of(c->slots[index].text, c->slots[index].len);
}

struct settings *config_settings(struct config *c)
{
    return &c->settings;
}

const char *config_file(const struct config *c)
{
    return c->file != NULL ? c->file : "";
}

char *config_path(const struct config *c, const char *path)
{
    struct buf full = {0};
    if (path[0] != '/')
        buf_printf(&full, "%s/", c->settings.data.engine.dir);
    buf_printf(&full, "%s", path);
    return (char *)full.data;
}

struct logger *config_logger(struct config *c)
{
    if (c->log == NULL) {
        char *path = c->settings.log.file[0] != 0 ? config_path(c, c->settings.log.file) : NULL;
        c->log = log_file_new(c->env, path);
        free(path);
    }
    config_logger_update(c);
    return log_file_logger(c->log);
}

void config_logger_update(struct config *c)
{
    if (c->log != NULL)
        log_file_logger(c->log)->level = c->settings.log.level;
}

void config_warn(struct config *c, struct logger *logger)
{
    struct buf names = {0};
    for (int i = 0; i < config_row_count(); i++) {
        const struct directive *row = config_row(i);
        bool shown = !(row->flags & (DIRECTIVE_FIXED | DIRECTIVE_FILE_ONLY));
        bool differs = !shown || strcmp(c->slots[i].text, row->initial) != 0;
        if (c->slots[i].given && row->treatment == TREAT_ACCEPTED && differs)
            buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", row->name);
        if (row->caveat != NULL && differs)
            log_line(logger, LOG_WARNING, "%s %s: %s", row->name, c->slots[i].text, row->caveat);
    }
    if (names.len > 0)
        log_line(logger, LOG_WARNING, "Accepted without effect: %s", (const char *)names.data);
    buf_release(&names);
}
