// keyspace: databases, and keys with their types and expiry, as entries of the engine (../engine/README.md, "Keys in the engine").
//
// K gen key -> header value. A database is a number that maps to a generation: FLUSHDB takes a new generation and drops the old
// prefixes, SWAPDB exchanges two; both O(1). The mapping lives under M entries and, loop-owned, in memory.
// What has expired by the view's time is hidden here, and staged for deletion when a command comes across it.
#ifndef VARVE_TYPES_KEYSPACE_H
#define VARVE_TYPES_KEYSPACE_H

#include "engine/engine.h"

enum value_type { TYPE_NONE, TYPE_STRING, TYPE_LIST, TYPE_SET, TYPE_ZSET, TYPE_HASH, TYPE_STREAM };

enum { KEY_MAX = 64 * 1024 }; // bytes of a user's key

struct keyspace;

// Reads the databases' generations. Blocking, before the loop. MISUSE with err if there is data in a database >= databases.
int keyspace_open(struct engine *engine, int databases, struct keyspace **out, struct error *err);
void keyspace_free(struct keyspace *ks);
// For engine_options: counts K and C entries below their generation.
size_t keyspace_counted_prefix(struct slice key);

// One attempt's view: the txn, its time, the database mapping with what the attempt itself has changed of it.
struct keyspace_view;

#endif
