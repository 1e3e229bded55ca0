#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

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
