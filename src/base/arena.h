// arena: memory that is allocated piece by piece and given back at once. Pieces are 8-byte aligned
// and never move. Not thread safe; after the last allocation the pieces may be read from any
// thread.
#ifndef VARVE_BASE_ARENA_H
#define VARVE_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    uint8_t *next;
    size_t left;
    struct arena_chunk *chunks;
    size_t total; // bytes taken from the heap: what the owner accounts for
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
void *arena_alloc_slow(struct arena *a, size_t size);

static inline void *arena_alloc(struct arena *a, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (size > a->left)
        return arena_alloc_slow(a, size);
    uint8_t *piece = a->next;
    a->next += size;
    a->left -= size;
    return piece;
}

#endif
