// Without this, a flush would make the newest data the slowest: a row that was read from the
// memtable a moment ago would next be found through a filter, an index and a block that has yet to
// be read. The memtable is in memory already; keeping it costs nothing but that memory, which is
// the memtables' part of the budget that active and frozen ones do not use now.
//
// Dropping the oldest first keeps the rule that a hit here is the newest record: were a newer one
// dropped before an older one, the older would answer with a record that has been overwritten.
#include "engine/memtable/clean.h"

#include <string.h>

static void drop_oldest(struct clean *c)
{
    c->count--;
    c->bytes -= c->tables[c->count].bytes;
    memtable_unref(c->tables[c->count].memtable);
}

void clean_add(struct clean *c, struct memtable *flushed)
{
    if (c->count == CLEAN_MAX)
        drop_oldest(c);
    memmove(c->tables + 1, c->tables, c->count * sizeof c->tables[0]);
    c->tables[0].memtable = flushed;
    c->tables[0].bytes = memtable_bytes(flushed);
    c->bytes += c->tables[0].bytes;
    c->count++;
}

void clean_trim(struct clean *c, uint64_t bytes_max)
{
    while (c->count > 0 && c->bytes > bytes_max)
        drop_oldest(c);
}

int clean_get(const struct clean *c, struct slice key, uint64_t hash, struct entry *out)
{
    for (unsigned i = 0; i < c->count; i++)
        if (memtable_get(c->tables[i].memtable, key, hash, SEQ_MAX, out) == OK)
            return OK;
    return NOT_FOUND;
}
