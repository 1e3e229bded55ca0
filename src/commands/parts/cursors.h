// cursors: the bounded table of places where a SCAN may go on: number -> the last key that was
// shown. Loop. A place is usable any number of times, by anybody; the least recently used one goes
// when there are too many, in number or in bytes.
#ifndef VARVE_COMMANDS_PARTS_CURSORS_H
#define VARVE_COMMANDS_PARTS_CURSORS_H

#include "base/list.h"
#include "base/slice.h"

enum { CURSORS_MAX = 65536 };

struct cursors {
    struct list *buckets; // allocated with the first cursor
    struct list recent;   // most recently used first
    size_t count, bytes, bytes_max;
};

void cursors_init(struct cursors *c, size_t bytes_max);
void cursors_release(struct cursors *c);
void cursors_add(struct cursors *c, uint64_t number, struct slice after);
// The key after which to go on, borrowed until the next cursors_add; false if the number is not
// known (any more).
bool cursors_find(struct cursors *c, uint64_t number, struct slice *after);

#endif
