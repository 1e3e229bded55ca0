// docs: a row's texts as COMMAND INFO and COMMAND DOCS show them.
//
// The texts are in three small languages (docs.h). Each has one reader, a cursor that goes through
// the text and calls out what it finds; the same reader serves the reply and the check that every
// row passes when it is registered, so no row can surprise a client. The texts are ours: a mistake
// in one is a broken invariant.
#include "commands/docs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "commands/dispatch.h"

// In the order in which Redis lists them.
static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_ASKING, "asking"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_MAY_REPLICATE, "may_replicate"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_MOVABLEKEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
};

static const struct {
    const char *name;
    uint32_t follows_from;         // any of these flags
    uint32_t follows_from_lack_of; // all of these flags
} categories[] = {
    {"keyspace", 0},
    {"read", CMD_READONLY},
    {"write", CMD_WRITE},
    {"set", 0},
    {"sortedset", 0},
    {"list", 0},
    {"hash", 0},
    {"string", 0},
    {"bitmap", 0},
    {"hyperloglog", 0},
    {"geo", 0},
    {"stream", 0},
    {"pubsub", CMD_PUBSUB},
    {"admin", CMD_ADMIN},
    {"fast", CMD_FAST},
    {"slow", 0, CMD_FAST},
    {"blocking", CMD_BLOCKING},
    {"dangerous", CMD_ADMIN},
    {"connection", 0},
    {"transaction", 0},
    {"scripting", 0},
};

enum {
    FLAG_COUNT = sizeof flag_names / sizeof *flag_names,
    CATEGORY_COUNT = sizeof categories / sizeof *categories
};

// --- Words ---------------------------------------------------------------------------------------

// Takes the next word off *text: bytes up to one of the separators. Empty at the end.
static struct slice next_word(const char **text, const char *separators)
{
    const char *p = *text + strspn(*text, separators);
    size_t len = strcspn(p, separators);
    *text = p + len;
    return slice_of(p, len);
}

static bool has_word(const char *text, const char *word, size_t len)
{
    struct slice w;
    while (text != NULL && (w = next_word(&text, " ")).len > 0)
        if (w.len == len && memcmp(w.data, word, len) == 0)
            return true;
    return false;
}

static int count_words(const char *text, const char *separators)
{
    int count = 0;
    while (text != NULL && next_word(&text, separators).len > 0)
        count++;
    return count;
}

static void reply_status_slice(struct reply *r, struct slice s)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)s.len, (const char *)s.data);
    reply_simple(r, text);
}

static bool category_known(const char *category, size_t len)
{
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (slice_equal_nocase(slice_of(category, len), categories[i].name))
            return true;
    return false;
}

static bool in_category(const struct command *row, int i)
{
    if (row->flags & categories[i].follows_from)
        return true;
    uint32_t lack = categories[i].follows_from_lack_of;
    if (lack != 0 && !(row->flags & lack))
        return true;
    return has_word(row->acl, categories[i].name, strlen(categories[i].name));
}

bool docs_in_category(const struct command *row, const char *category, size_t len)
{
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (slice_equal_nocase(slice_of(category, len), categories[i].name))
            return in_category(row, i);
    return false;
}

// --- Key specs -----------------------------------------------------------------------------------

struct key_spec {
    struct slice flags, notes; // notes may be empty
    char begin, find;          // the letters of docs.h
    struct slice keyword;
    int begin_at;
    int numbers[3]; // of find
};

static bool read_numbers(const char **p, int *numbers, int count)
{
    for (int i = 0; i < count; i++) {
        char *end;
        numbers[i] = (int)strtol(*p, &end, 10);
        if (end == *p)
            return false;
        *p = end;
        if (i + 1 < count && *(*p)++ != ',')
            return false;
    }
    return true;
}

static bool read_begin(const char **p, struct key_spec *spec)
{
    spec->begin = *(*p)++;
    if (spec->begin == 'i')
        return read_numbers(p, &spec->begin_at, 1);
    if (spec->begin == 'k') {
        spec->keyword = slice_of(*p, strcspn(*p, ","));
        *p += spec->keyword.len;
        return *(*p)++ == ',' && read_numbers(p, &spec->begin_at, 1);
    }
    return spec->begin == 'u';
}

// Takes the next spec off *text: 1, or 0 at the end, or -1 if it is malformed.
static int next_spec(const char **text, struct key_spec *spec)
{
    const char *p = *text;
    *spec = (struct key_spec){0};
    if (p == NULL || *p == '\0')
        return 0;
    spec->flags = next_word(&p, " ");
    if (*p++ != ' ' || !read_begin(&p, spec) || *p++ != ' ')
        return -1;
    spec->find = *p++;
    if ((spec->find == 'r' || spec->find == 'n') && !read_numbers(&p, spec->numbers, 3))
        return -1;
    if (strchr("rnu", spec->find) == NULL || spec->find == '\0')
        return -1;
    if (strncmp(p, " (", 2) == 0) {
        const char *end = strstr(p, ") | ");
        size_t len = end != NULL ? (size_t)(end - p) : strlen(p) - 1;
        spec->notes = slice_of(p + 2, len - 2);
        p += len + 1;
    }
    if (strncmp(p, " | ", 3) == 0)
        p += 3;
    else if (*p != '\0')
        return -1;
    *text = p;
    return 1;
}

static void reply_spec_flags(struct reply *r, struct slice flags)
{
    int count = 1;
    for (size_t i = 0; i < flags.len; i++)
        count += flags.data[i] == ',';
    reply_set(r, count);
    while (count-- > 0) {
        const uint8_t *comma = memchr(flags.data, ',', flags.len);
        size_t len = comma != NULL ? (size_t)(comma - flags.data) : flags.len;
        reply_status_slice(r, slice_of(flags.data, len));
        if (count > 0)
            flags = slice_skip(flags, len + 1);
    }
}

static void reply_named_int(struct reply *r, const char *name, int value)
{
    reply_bulk_cstr(r, name);
    reply_int(r, value);
}

static void reply_begin_search(struct reply *r, const struct key_spec *spec)
{
    reply_bulk_cstr(r, "begin_search");
    reply_map(r, 2);
    reply_bulk_cstr(r, "type");
    reply_bulk_cstr(r, spec->begin == 'i' ? "index" : spec->begin == 'k' ? "keyword" : "unknown");
    reply_bulk_cstr(r, "spec");
    if (spec->begin == 'i') {
        reply_map(r, 1);
        reply_named_int(r, "index", spec->begin_at);
    } else if (spec->begin == 'k') {
        reply_map(r, 2);
        reply_bulk_cstr(r, "keyword");
        reply_bulk(r, spec->keyword);
        reply_named_int(r, "startfrom", spec->begin_at);
    } else {
        reply_map(r, 0);
    }
}

static void reply_find_keys(struct reply *r, const struct key_spec *spec)
{
    reply_bulk_cstr(r, "find_keys");
    reply_map(r, 2);
    reply_bulk_cstr(r, "type");
    reply_bulk_cstr(r, spec->find == 'r' ? "range" : spec->find == 'n' ? "keynum" : "unknown");
    reply_bulk_cstr(r, "spec");
    if (spec->find == 'u') {
        reply_map(r, 0);
        return;
    }
    reply_map(r, 3);
    reply_named_int(r, spec->find == 'r' ? "lastkey" : "keynumidx", spec->numbers[0]);
    reply_named_int(r, spec->find == 'r' ? "keystep" : "firstkey", spec->numbers[1]);
    reply_named_int(r, spec->find == 'r' ? "limit" : "keystep", spec->numbers[2]);
}

static void reply_specs(struct reply *r, const char *specs)
{
    struct key_spec spec;
    int count = 0;
    for (const char *p = specs; next_spec(&p, &spec) > 0;)
        count++;
    reply_set(r, count);
    while (next_spec(&specs, &spec) > 0) {
        reply_map(r, spec.notes.len > 0 ? 4 : 3);
        if (spec.notes.len > 0) {
            reply_bulk_cstr(r, "notes");
            reply_bulk(r, spec.notes);
        }
        reply_bulk_cstr(r, "flags");
        reply_spec_flags(r, spec.flags);
        reply_begin_search(r, &spec);
        reply_find_keys(r, &spec);
    }
}

// Each spec stands for one key, in order, and the last one for all that follow.
void docs_reply_key_flags(
    struct reply *r, const struct command *row, const struct slice *argv, int argc, int number)
{
    struct key_spec spec, found = {0};
    int specs = 0;
    for (const char *p = row->specs; next_spec(&p, &spec) > 0; specs++)
        if (specs <= number)
            found = spec;
    if (row->key_flags != NULL)
        found.flags = slice_cstr(row->key_flags(argv, argc));
    if (found.flags.len > 0)
        reply_spec_flags(r, found.flags);
    else
        reply_set(r, 0);
}

// --- COMMAND INFO --------------------------------------------------------------------------------

static void reply_flags(struct reply *r, uint32_t flags)
{
    int count = 0;
    for (int i = 0; i < FLAG_COUNT; i++)
        count += (flags & flag_names[i].flag) != 0;
    reply_set(r, count);
    for (int i = 0; i < FLAG_COUNT; i++)
        if (flags & flag_names[i].flag)
            reply_simple(r, flag_names[i].name);
}

static void reply_categories(struct reply *r, const struct command *row)
{
    int count = 0;
    for (int i = 0; i < CATEGORY_COUNT; i++)
        count += in_category(row, i);
    reply_set(r, count);
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (in_category(row, i)) {
            char name[32];
            snprintf(name, sizeof name, "@%s", categories[i].name);
            reply_simple(r, name);
        }
}

static int count_subcommands(const struct command *row)
{
    int count = 0;
    for (const struct command *sub = row->subcommands; sub != NULL && sub->name != NULL; sub++)
        count++;
    return count;
}

void docs_reply_info(struct reply *r, const struct command *row, const struct command *parent)
{
    char name[64];
    int subs = count_subcommands(row);
    struct slice tip;
    const char *tips = row->tips;
    reply_array(r, 10);
    reply_bulk_cstr(r, entry_name(row, parent, name));
    reply_int(r, row->arity);
    reply_flags(r, row->flags);
    reply_int(r, row->first_key);
    reply_int(r, row->last_key);
    reply_int(r, row->key_step);
    reply_categories(r, row);
    reply_set(r, count_words(tips, " "));
    while (tips != NULL && (tip = next_word(&tips, " ")).len > 0)
        reply_bulk(r, tip);
    reply_specs(r, row->specs);
    if (subs == 0)
        reply_set(r, 0);
    else
        reply_array(r, subs);
    for (int i = 0; i < subs; i++)
        docs_reply_info(r, &row->subcommands[i], row);
}

// --- Arguments -----------------------------------------------------------------------------------

struct argument {
    struct slice name, token, since, deprecated;
    char type;
    int key_spec; // -1: none
    bool has_token, optional, multiple, multiple_token;
    const char *inside; // what stands in parentheses; NULL: none
};

static struct slice read_token(const char **p)
{
    if (**p == '\'') {
        struct slice quoted = slice_of(*p + 1, strcspn(*p + 1, "'"));
        *p += quoted.len + 2;
        return quoted;
    }
    struct slice token = slice_of(*p, strcspn(*p, " #@~?*+()"));
    *p += token.len;
    return token;
}

static struct slice read_version(const char **p)
{
    struct slice v = slice_of(*p, strspn(*p, "0123456789."));
    *p += v.len;
    return v;
}

// Reads what follows an argument's type; false at what does not belong there.
static bool read_attribute(const char **p, struct argument *a)
{
    switch (*(*p)++) {
    case '#':
        return read_numbers(p, &a->key_spec, 1);
    case '=':
        a->token = read_token(p);
        a->has_token = true;
        return true;
    case '@':
        a->since = read_version(p);
        return a->since.len > 0;
    case '~':
        a->deprecated = read_version(p);
        return a->deprecated.len > 0;
    case '?':
        return a->optional = true;
    case '*':
        return a->multiple = true;
    case '+':
        return a->multiple_token = true;
    default:
        return false;
    }
}

// Passes over a parenthesis whose opening is behind *p; false if it does not close.
static bool skip_inside(const char **p)
{
    for (int depth = 1; depth > 0; (*p)++) {
        if (**p == '\0')
            return false;
        depth += (**p == '(') - (**p == ')');
    }
    return true;
}

// The length of an argument's name: up to the colon that a type follows, which leaves "ip:port"
// whole.
static size_t name_length(const char *p)
{
    const char *end = p + strcspn(p, " ()");
    for (const char *at = p; at < end; at++)
        if (*at == ':' && strchr("sidkptxob", at[1]) != NULL && at[1] != '\0' &&
            strchr(" ()#=@~?*+", at[2]) != NULL)
            return (size_t)(at - p);
    return (size_t)(end - p);
}

// Takes the next argument off *text: 1, or 0 at the end or the closing parenthesis, or -1 if it is
// malformed.
static int next_argument(const char **text, struct argument *a)
{
    const char *p = *text + strspn(*text, " ");
    *a = (struct argument){.key_spec = -1};
    if (*p == '\0' || *p == ')')
        return 0;
    a->name = slice_of(p, name_length(p));
    p += a->name.len;
    if (a->name.len == 0 || *p++ != ':')
        return -1;
    a->type = *p++;
    while (*p != '\0' && strchr(" ()", *p) == NULL)
        if (!read_attribute(&p, a))
            return -1;
    if (*p == '(') {
        a->inside = ++p;
        if (!skip_inside(&p))
            return -1;
    }
    if ((a->inside != NULL) != (a->type == 'o' || a->type == 'b'))
        return -1;
    *text = p;
    return 1;
}

static const char *type_name(char letter)
{
    static const struct {
        char letter;
        const char *name;
    } types[] = {{'s', "string"}, {'i', "integer"}, {'d', "double"}, {'k', "key"}, {'p', "pattern"},
        {'t', "unix-time"}, {'x', "pure-token"}, {'o', "oneof"}, {'b', "block"}};
    size_t i = 0;
    while (types[i].letter != letter)
        i++;
    return types[i].name;
}

static void reply_text_entry(struct reply *r, const char *name, struct slice value)
{
    reply_bulk_cstr(r, name);
    reply_bulk(r, value);
}

static void reply_argument_flags(struct reply *r, const struct argument *a)
{
    reply_bulk_cstr(r, "flags");
    reply_set(r, a->optional + a->multiple + a->multiple_token);
    if (a->optional)
        reply_simple(r, "optional");
    if (a->multiple)
        reply_simple(r, "multiple");
    if (a->multiple_token)
        reply_simple(r, "multiple_token");
}

static void reply_arguments(struct reply *r, const char *text)
{
    struct argument a;
    int count = 0;
    for (const char *p = text; next_argument(&p, &a) > 0;)
        count++;
    reply_array(r, count);
    while (next_argument(&text, &a) > 0) {
        bool flags = a.optional || a.multiple || a.multiple_token;
        reply_map(r, 2 + (a.key_spec >= 0) + a.has_token + (a.since.len > 0) +
                         (a.deprecated.len > 0) + flags + (a.inside != NULL));
        reply_text_entry(r, "name", a.name);
        reply_text_entry(r, "type", slice_cstr(type_name(a.type)));
        if (a.key_spec >= 0)
            reply_named_int(r, "key_spec_index", a.key_spec);
        if (a.has_token)
            reply_text_entry(r, "token", a.token);
        if (a.since.len > 0)
            reply_text_entry(r, "since", a.since);
        if (a.deprecated.len > 0)
            reply_text_entry(r, "deprecated_since", a.deprecated);
        if (flags)
            reply_argument_flags(r, &a);
        if (a.inside != NULL) {
            reply_bulk_cstr(r, "arguments");
            reply_arguments(r, a.inside);
        }
    }
}

// --- COMMAND DOCS --------------------------------------------------------------------------------

static void reply_history(struct reply *r, const char *history)
{
    struct slice part;
    reply_bulk_cstr(r, "history");
    reply_set(r, count_words(history, ";"));
    while ((part = next_word(&history, ";")).len > 0) {
        const uint8_t *colon = memchr(part.data, ':', part.len);
        size_t version = colon != NULL ? (size_t)(colon - part.data) : part.len;
        reply_array(r, 2);
        reply_bulk(r, slice_of(part.data, version));
        reply_bulk(r, colon != NULL ? slice_skip(part, version + 1) : slice_of(NULL, 0));
    }
}

static void reply_deprecation(struct reply *r, const char *replaced_by)
{
    const char *colon = strchr(replaced_by, ':');
    reply_bulk_cstr(r, "doc_flags");
    reply_set(r, 1);
    reply_simple(r, "deprecated");
    reply_text_entry(r, "deprecated_since", slice_of(replaced_by, (size_t)(colon - replaced_by)));
    reply_text_entry(r, "replaced_by", slice_cstr(colon + 1));
}

void docs_reply_docs(struct reply *r, const struct command *row, const struct command *parent)
{
    char name[64];
    int subs = count_subcommands(row);
    reply_bulk_cstr(r, entry_name(row, parent, name));
    bool inner = (row->flags & CMD_PROTECTED) != 0; // for those who work on the server
    reply_map(r, 3 + (row->complexity != NULL) + inner + (row->replaced_by != NULL ? 3 : 0) +
                     (row->history != NULL) + (row->arguments != NULL) + (subs > 0));
    reply_text_entry(r, "summary", slice_cstr(row->summary));
    reply_text_entry(r, "since", slice_cstr(row->since));
    reply_text_entry(r, "group", slice_cstr(row->group));
    if (row->complexity != NULL)
        reply_text_entry(r, "complexity", slice_cstr(row->complexity));
    if (inner) {
        reply_bulk_cstr(r, "doc_flags");
        reply_set(r, 1);
        reply_simple(r, "syscmd");
    }
    if (row->replaced_by != NULL)
        reply_deprecation(r, row->replaced_by);
    if (row->history != NULL)
        reply_history(r, row->history);
    if (row->arguments != NULL) {
        reply_bulk_cstr(r, "arguments");
        reply_arguments(r, row->arguments);
    }
    if (subs > 0) {
        reply_bulk_cstr(r, "subcommands");
        reply_map(r, subs);
        for (int i = 0; i < subs; i++)
            docs_reply_docs(r, &row->subcommands[i], row);
    }
}

// --- The check -----------------------------------------------------------------------------------

static const char *check_arguments(const char *text, int specs)
{
    struct argument a;
    int status;
    while ((status = next_argument(&text, &a)) > 0) {
        if (a.key_spec >= specs)
            return "an argument names a key spec that there is not";
        const char *inside = a.inside != NULL ? check_arguments(a.inside, specs) : NULL;
        if (inside != NULL)
            return inside;
    }
    return status < 0 ? "a malformed argument" : NULL;
}

static const char *check_categories(const char *acl)
{
    struct slice word;
    while (acl != NULL && (word = next_word(&acl, " ")).len > 0)
        if (!category_known((const char *)word.data, word.len))
            return "an unknown ACL category";
    return NULL;
}

const char *docs_check(const struct command *row)
{
    struct key_spec spec;
    const char *p = row->specs, *wrong;
    int status, specs = 0;
    if (row->summary == NULL || row->since == NULL || row->group == NULL || row->arity == 0)
        return "no summary, since, group or arity";
    if (row->fn == NULL && row->subcommands == NULL)
        return "neither a function nor subcommands";
    while ((status = next_spec(&p, &spec)) > 0)
        specs++;
    if (status < 0)
        return "a malformed key spec";
    if ((row->first_key != 0) != (specs > 0 && row->get_keys == NULL) && row->get_keys == NULL)
        return "key positions and key specs do not agree";
    if (row->replaced_by != NULL && strchr(row->replaced_by, ':') == NULL)
        return "replaced_by without a version";
    wrong = row->arguments != NULL ? check_arguments(row->arguments, specs) : NULL;
    if (wrong == NULL)
        wrong = check_categories(row->acl);
    for (const struct command *sub = row->subcommands;
         wrong == NULL && sub != NULL && sub->name != NULL; sub++)
        wrong = docs_check(sub);
    return wrong;
}
