#include "base/arena.h"

#include "base/alloc.h"

// Pieces over a quarter of a chunk get one of their own, so that a large one does not waste the
// rest of the current chunk.
enum { CHUNK_SIZE = 64 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    uint64_t bytes[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_release(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks; c != NULL;) {
        struct arena_chunk *next = c->next;
        free(c);
        c = next;
    }
    arena_init(a);
}

static void *new_chunk(struct arena *a, size_t size)
{
    struct arena_chunk *c = xmalloc(sizeof *c + size);
    c->next = a->chunks;
    a->chunks = c;
    a->total += sizeof *c + size;
    return c->bytes;
}

void *arena_alloc_slow(struct arena *a, size_t size)
{
    if (size > CHUNK_SIZE / 4)
        return new_chunk(a, size);
    uint8_t *piece = new_chunk(a, CHUNK_SIZE);
    a->next = piece + size;
    a->left = CHUNK_SIZE - size;
    return piece;
}
