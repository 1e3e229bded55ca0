// XXH3 (https://xxhash.com): checksums of what lies on disk, and hashes of keys in memory. Values
// of hash64 are part of the disk format where format.h says so (filters).
#ifndef VARVE_BASE_HASH_H
#define VARVE_BASE_HASH_H

#include "base/slice.h"

uint64_t hash64(struct slice s);
uint64_t checksum64(const void *data, size_t len, uint64_t seed);
// Of the pieces in a row, as if they were one.
uint64_t checksum64_pieces(const struct slice *pieces, unsigned count, uint64_t seed);

// The checksum, with seed 0, of bytes that come in pieces.
struct checksum_stream;
struct checksum_stream *checksum_stream_new(void);
void checksum_stream_add(struct checksum_stream *s, const void *data, size_t len);
uint64_t checksum_stream_value(const struct checksum_stream *s); // of all that was added
void checksum_stream_free(struct checksum_stream *s);            // may be NULL

#endif
