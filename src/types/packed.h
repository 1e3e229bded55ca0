// packed: a small collection as one value: strings one behind the other, each as a varint length
// and its bytes, in the order in which they came. A hash has its fields and values in turn.
// Example: {a: 1, bc: ""} is
//     01 'a' 01 '1' 02 'b' 'c' 00
// Functions find by looking at everything: a packed value is at most some KiB (spread.h).
//
// Thread: loop. Slices borrow from the bytes that were given.
#ifndef VARVE_TYPES_PACKED_H
#define VARVE_TYPES_PACKED_H

#include "base/buf.h"

// Whether bytes are whole strings, a multiple of `width` of them; *rows: how many times. What the
// disk has handed out is asked this once; the functions below take nothing else.
bool packed_check(struct slice bytes, unsigned width, uint64_t *rows);

// Goes over the strings: at begins with 0. False at the end.
bool packed_next(struct slice bytes, size_t *at, struct slice *out);
// The first of each `width` strings that equals name: where that row begins, or bytes.len.
size_t packed_find(struct slice bytes, unsigned width, struct slice name);
// The place of the string behind the one at `at`.
size_t packed_skip(struct slice bytes, size_t at, unsigned strings);

void packed_append(struct buf *b, struct slice string);
// The string at `at`, before what stands there.
void packed_insert(struct buf *b, size_t at, struct slice string);
// Another string at the place of the one at `at`.
void packed_replace(struct buf *b, size_t at, struct slice string);
// Takes `strings` strings out.
void packed_remove(struct buf *b, size_t at, unsigned strings);

#endif
