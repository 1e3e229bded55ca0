#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

// Left to itself, glibc raises the size from which on a piece gets a mapping of its own up to 32
// MiB, as soon as a large one is freed; from then on values of megabytes lie between small pieces
// in as many arenas as there are threads, and what is freed stays resident. A fixed bound and few
// arenas keep what is resident near what is used. VmHWM in MiB, for one client's SETs of 8 MiB at a
// budget of 64 MiB, of up to 32 MiB at 256, and of 16 bytes at 64:
//
//                               8 MiB   to 32 MiB   16 bytes
//   as glibc comes                301        1144         28
//   one arena                     131         500         20
//   one arena, this bound         125         374         15
//   this bound                     90         408         18
//   jemalloc                      154         659         37
//   jemalloc, one arena, no decay 134         568         20
enum {
    MAPPED_FROM = 128 * 1024,
    TRIM_FROM = 1024 * 1024,
    ARENAS = 2,
};

void alloc_set_up(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM);
    mallopt(M_ARENA_MAX, ARENAS);
#endif
}

static void *checked(void *memory, size_t size)
{
    if (memory == NULL && size != 0) {
        fprintf(stderr, "varve: out of memory allocating %zu bytes\n", size);
        abort();
    }
    return memory;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size), size);
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count, size), count * size);
}

void *xrealloc(void *old, size_t size)
{
    return checked(realloc(old, size), size);
}

char *xstrndup(const void *data, size_t len)
{
    char *copy = xmalloc(len + 1);
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}
