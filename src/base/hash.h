// XXH3 (https://xxhash.com): checksums of what lies on disk, and hashes of keys in memory. Values
// of hash64 are part of the disk format where format.h says so (filters).
#ifndef VARVE_BASE_HASH_H
#define VARVE_BASE_HASH_H

#include "base/slice.h"

uint64_t hash64(struct slice s);
uint64_t checksum64(const void *data, size_t len, uint64_t seed);

#endif
