// filter: a blocked Bloom filter over key hashes (Putze, Sanders, Singler: Cache-, Hash- and
// Space-Efficient Bloom Filters, 2007): all probes of a key fall into one 64-byte block, so that a
// check costs one cache line. Format in format.h.
#ifndef VARVE_ENGINE_TABLE_FILTER_H
#define VARVE_ENGINE_TABLE_FILTER_H

#include "base/buf.h"

// Appends the filter of `count` hashes (hash64 of user keys) to out.
void filter_build(struct buf *out, const uint64_t *hashes, size_t count, unsigned bits_per_key);
// Whether bytes are a filter: everything filter_may_contain relies on.
bool filter_valid(struct slice filter);
// Asks for the line that filter_may_contain will read: whoever asks several filters waits for
// memory once. The filter is valid.
void filter_prefetch(struct slice filter, uint64_t hash);
// false: certainly not there. The filter is valid.
bool filter_may_contain(struct slice filter, uint64_t hash);

#endif
