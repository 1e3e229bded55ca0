// multi: the queue of a transaction. A queued command is one block of memory: the slices of its
// arguments and behind them their bytes, so that EXEC hands it to a handler as it would a command
// off the wire. Checks that need no data were made before queueing; one that failed makes the queue
// dirty, and then nothing more is kept, since EXEC will refuse.
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

void multi_queue(struct session *s, struct entry *e, const struct slice *argv, int argc)
{
    struct multi *m = s->multi;
    if (m->dirty || s->watch_dirty)
        return;
    if (m->count == m->cap)
        grow(m);
    size_t size = (size_t)argc * sizeof *argv;
    for (int i = 0; i < argc; i++)
        size += argv[i].len;
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
}

void multi_discard(struct session *s)
{
    struct multi *m = s->multi;
    if (m == NULL)
        return;
    for (int i = 0; i < m->count; i++)
        free(m->argvs[i]);
    free(m->entries);
    free(m->argvs);
    free(m->argcs);
    free(m);
    s->multi = NULL;
}
