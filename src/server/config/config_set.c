// CONFIG SET: all pairs or none, in three passes: find the rows and check that they may be set,
// parse and store, put into effect. What fails in the second or third takes back what was stored,
// and puts that into effect again. Texts and their order are those of Redis.
#include "server/config/config_impl.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"

struct change {
    int index;
    struct config_slot old; // its own copy
    bool stored, applied;
};

static bool fail(
    struct buf *error, const struct directive *row, struct slice given, const char *why)
{
    bool alias = row->alias != NULL && slice_equal_nocase(given, row->alias);
    buf_printf(error, "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
        alias ? row->alias : row->name, why);
    return false;
}

// The first pair that may not be set decides what is said.
static bool find_rows(struct change *changes, const struct slice *pairs, int count,
    bool protected_ok, struct buf *error)
{
    for (int i = 0; i < count; i++) {
        struct slice name = pairs[2 * i];
        int index = config_find(name);
        if (index < 0 || (config_row(index)->flags & DIRECTIVE_FILE_ONLY)) {
            buf_printf(error, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                name.len < 128 ? (int)name.len : 128, (const char *)name.data);
            return false;
        }
        const struct directive *row = config_row(index);
        if ((row->flags & DIRECTIVE_PROTECTED) && !protected_ok)
            return fail(error, row, name, "can't set protected config");
        if (row->flags & DIRECTIVE_IMMUTABLE)
            return fail(error, row, name, "can't set immutable config");
        for (int j = 0; j < i; j++)
            if (changes[j].index == index)
                return fail(error, row, name, "duplicate parameter");
        changes[i].index = index;
    }
    return true;
}

// Whether CONFIG SET may give a directive without effect this value.
static bool may_be_set(
    const struct directive *row, const struct config_slot *slot, const struct config_value *value)
{
    bool is_default = strcmp(value->text, row->initial) == 0;
    if (row->flags & DIRECTIVE_FIXED)
        return is_default;
    return !(row->flags & DIRECTIVE_PROMISE) || is_default || value->len == 0 ||
           strcmp(value->text, slot->text) == 0;
}

// again: what was there before, and may be there again.
static bool store(struct config *c, struct change *change, struct slice text, bool again,
    struct buf *scratch, const char **why)
{
    const struct directive *row = config_row(change->index);
    struct slice *words = NULL;
    int count = 1;
    if (row->type >= DIRECTIVE_WORDS)
        count = config_split_value(text, &words);
    struct config_value value;
    const struct config_slot *slot = &c->slots[change->index];
    bool ok = config_parse_value(
        row, slot->text, false, words != NULL ? words : &text, count, &value, scratch, why);
    free(words);
    if (ok && !again && !may_be_set(row, slot, &value)) {
        free(value.text);
        *why = row->help;
        ok = false;
    }
    if (!ok)
        return false;
    change->old = *slot;
    change->old.text = xstrndup(slot->text, slot->len);
    change->stored = true;
    config_assign(c, change->index, &value);
    return true;
}

static void take_back(struct config *c, struct change *change)
{
    struct buf scratch = {0};
    struct change again = {.index = change->index};
    const char *why;
    ENSURE(store(c, &again, slice_of(change->old.text, change->old.len), true, &scratch, &why));
    c->slots[change->index].given = change->old.given;
    free(again.old.text);
    buf_release(&scratch);
}

bool config_set(struct config *c, const struct slice *pairs, int count, bool protected_ok,
    struct buf *error, config_apply_cb apply_cb, void *arg)
{
    struct change *changes = xcalloc((size_t)count, sizeof *changes);
    struct buf scratch = {0};
    const char *why = NULL;
    bool ok = find_rows(changes, pairs, count, protected_ok, error);
    for (int i = 0; ok && i < count; i++) {
        ok = store(c, &changes[i], pairs[2 * i + 1], false, &scratch, &why);
        if (!ok)
            fail(error, config_row(changes[i].index), pairs[2 * i], why);
    }
    if (ok)
        config_derive(c);
    for (int i = 0; ok && apply_cb != NULL && i < count; i++) {
        changes[i].applied = true;
        ok = apply_cb(arg, config_row(changes[i].index), &why);
        if (!ok)
            fail(error, config_row(changes[i].index), pairs[2 * i], why);
    }
    for (int i = 0; !ok && i < count; i++)
        if (changes[i].stored)
            take_back(c, &changes[i]);
    if (!ok)
        config_derive(c);
    for (int i = 0; !ok && i < count; i++)
        if (changes[i].applied)
            apply_cb(arg, config_row(changes[i].index), &why);
    for (int i = 0; i < count; i++)
        free(changes[i].old.text);
    free(changes);
    buf_release(&scratch);
    return ok;
}
