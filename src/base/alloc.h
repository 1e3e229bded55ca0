// Heap allocation that cannot fail: out of memory aborts with a line on stderr. Sizes that a client
// or a file controls are bounded by the caller before they come here. Memory is released with
// free().
#ifndef VARVE_BASE_ALLOC_H
#define VARVE_BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

// Once, before the first allocation of size: how the heap is to give memory back.
void alloc_set_up(void);

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
// A NUL-terminated copy of len bytes.
char *xstrndup(const void *data, size_t len);
char *xstrdup(const char *text);

#endif
