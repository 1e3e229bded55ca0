// table: from a name to its row. Names are looked up for every command, so the table is open
// addressing with few probes, and the hash reads the name once, folding case as it goes. Rows are
// registered before the first command runs and stay for good.
//
// A container's subcommands are few and are searched one by one.
#include <strings.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "commands/dispatch.h"
#include "commands/docs.h"
#include "commands/table.h"

enum { FIRST_SLOTS = 1024 }; // more than three times the commands of Redis 7.0

// Bit 5 is what tells upper from lower case; it also merges some other characters, which costs a
// comparison at worst.
static uint32_t hash_name(struct slice name)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (name.data[i] | 0x20u)) * 16777619u;
    return h ^ h >> 15;
}

struct entry *table_find(const struct commands *c, struct slice name)
{
    if (name.len > COMMAND_NAME_MAX)
        return NULL;
    for (uint32_t at = hash_name(name);; at++) {
        struct entry *e = c->slots[at & (c->slot_count - 1)];
        if (e == NULL || slice_equal_nocase(name, e->row->name))
            return e;
    }
}

struct entry *entry_sub(const struct entry *container, struct slice name)
{
    for (int i = 0; i < container->sub_count; i++)
        if (slice_equal_nocase(name, container->subs[i].row->name))
            return &container->subs[i];
    return NULL;
}

struct entry *table_lookup(
    const struct commands *c, const struct slice *argv, int argc, struct entry **container)
{
    struct entry *e = table_find(c, argv[0]);
    *container = NULL;
    if (e == NULL || e->sub_count == 0 || argc == 1)
        return e;
    *container = e;
    return entry_sub(e, argv[1]);
}

static struct entry *entry_new(const struct command *row)
{
    struct entry *e = xcalloc(1, sizeof *e);
    e->row = row;
    for (const struct command *sub = row->subcommands; sub != NULL && sub->name != NULL; sub++)
        e->sub_count++;
    if (e->sub_count > 0)
        e->subs = xcalloc((size_t)e->sub_count, sizeof *e->subs);
    for (int i = 0; i < e->sub_count; i++)
        e->subs[i] = (struct entry){.row = &row->subcommands[i], .parent = row};
    return e;
}

void commands_register(struct commands *c, const struct command *rows)
{
    if (c->slots == NULL) {
        c->slot_count = FIRST_SLOTS;
        c->slots = xcalloc(c->slot_count, sizeof *c->slots);
        c->entries = xcalloc(c->slot_count / 2, sizeof *c->entries);
    }
    for (; rows->name != NULL; rows++) {
        struct slice name = slice_cstr(rows->name);
        ENSURE(table_find(c, name) == NULL && c->entry_count < c->slot_count / 2);
        ENSURE(docs_check(rows) == NULL);
        uint32_t at = hash_name(name);
        while (c->slots[at & (c->slot_count - 1)] != NULL)
            at++;
        struct entry *e = entry_new(rows);
        c->slots[at & (c->slot_count - 1)] = e;
        c->entries[c->entry_count++] = e;
    }
}

void table_release(struct commands *c)
{
    for (uint32_t i = 0; i < c->entry_count; i++) {
        free(c->entries[i]->subs);
        free(c->entries[i]);
    }
    free(c->entries);
    free(c->slots);
}

const char *entry_name(const struct command *row, const struct command *parent, char *out)
{
    if (parent == NULL)
        return row->name;
    char *p = stpcpy(out, parent->name);
    *p++ = '|';
    strcpy(p, row->name);
    return out;
}

int command_keys(
    const struct command *row, const struct slice *argv, int argc, int *positions, int max)
{
    if (row->get_keys != NULL)
        return row->get_keys(argv, argc, positions, max);
    if (row->first_key == 0)
        return 0;
    int last = row->last_key < 0 ? argc + row->last_key : row->last_key;
    int count = 0;
    for (int i = row->first_key; i <= last; i += row->key_step) {
        if (i >= argc)
            return -1;
        if (count < max)
            positions[count] = i;
        count++;
    }
    return count;
}
