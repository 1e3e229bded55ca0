// multi: the queue of a transaction. A queued command is one block of memory: the slices of its
// arguments and behind them their bytes, so that EXEC hands it to a handler as it would a command
// off the wire. Checks that need no data were made before queueing; one that failed makes the queue
// dirty, and then nothing is kept, since EXEC will refuse. So does one for which there is no room.
#include "commands/multi.h"

#include "base/alloc.h"

void multi_begin(struct session *s)
{
    s->multi = xcalloc(1, sizeof *s->multi);
}

static void grow(struct multi *m)
{
    int cap = m->cap == 0 ? 8 : m->cap * 2;
    size_t n = (size_t)cap, each = sizeof *m->entries + sizeof *m->argvs + sizeof *m->argcs;
    m->entries = xrealloc(m->entries, n * sizeof *m->entries);
    m->argvs = xrealloc(m->argvs, n * sizeof *m->argvs);
    m->argcs = xrealloc(m->argcs, n * sizeof *m->argcs);
    m->bytes += (size_t)(cap - m->cap) * each;
    m->cap = cap;
}

bool multi_queue(struct session *s, struct entry *e, const struct slice *argv, int argc, size_t max)
{
    struct multi *m = s->multi;
    if (m->dirty || s->watch_dirty)
        return true;
    size_t size = (size_t)argc * sizeof *argv;
    for (int i = 0; i < argc; i++)
        size += argv[i].len;
    if (m->bytes + size > max)
        return false;
    if (m->count == m->cap)
        grow(m);
    struct slice *copy = xmalloc(size);
    uint8_t *bytes = (uint8_t *)(copy + argc);
    for (int i = 0; i < argc; i++) {
        if (argv[i].len > 0)
            memcpy(bytes, argv[i].data, argv[i].len);
        copy[i] = slice_of(bytes, argv[i].len);
        bytes += argv[i].len;
    }
    m->entries[m->count] = e;
    m->argvs[m->count] = copy;
    m->argcs[m->count++] = argc;
    m->bytes += size;
    return true;
}

void multi_spoil(struct session *s)
{
    struct multi *m = s->multi;
    for (int i = 0; i < m->count && m->argvs != NULL; i++)
        free(m->argvs[i]);
    free(m->entries);
    free(m->argvs);
    free(m->argcs);
    *m = (struct multi){.count = m->count, .dirty = true};
}

void multi_discard(struct session *s)
{
    struct multi *m = s->multi;
    if (m == NULL)
        return;
    multi_spoil(s);
    free(m);
    s->multi = NULL;
}
