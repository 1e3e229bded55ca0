// filter: a blocked Bloom filter over key hashes (Putze, Sanders, Singler: Cache-, Hash- and
// Space-Efficient Bloom Filters, 2007): all probes of a key fall into one 64-byte block, so that a
// check costs one cache line. Format in format.h.
#ifndef VARVE_ENGINE_TABLE_FILTER_H
#define VARVE_ENGINE_TABLE_FILTER_H

#include "base/buf.h"

// Appends the filter of `count` hashes (hash64 of user keys) to out, as it lies on disk.
void filter_build(struct buf *out, const uint64_t *hashes, size_t count, unsigned bits_per_key);
// Turns a filter block from disk, of a table of that format version, into what the functions below
// ask: in place, *len gets smaller. Takes any bytes; false: this is no filter. One of a type that
// we do not know says "maybe" to all.
bool filter_load(uint8_t *contents, size_t *len, uint64_t format);
// Asks for the line that filter_may_contain will read: whoever asks several filters waits for
// memory once.
void filter_prefetch(struct slice loaded, uint64_t hash);
// false: certainly not there.
bool filter_may_contain(struct slice loaded, uint64_t hash);

#endif
