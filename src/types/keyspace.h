// keyspace: databases, and keys with their types and expiry, as entries of the engine
// (../engine/README.md, "Keys in the engine").
//
// K gen key -> header value. A database is a number that maps to a generation: FLUSHDB takes a new
// generation and drops the old prefixes, SWAPDB exchanges two; both O(1). The mapping lives under M
// entries and, loop-owned, in memory. What has expired by the view's time is hidden here, and
// staged for deletion when a command comes across it.
//
// Thread: loop. Statuses are the engine's: WAIT means that the attempt is given up (after noting
// other misses, if one likes).
#ifndef VARVE_TYPES_KEYSPACE_H
#define VARVE_TYPES_KEYSPACE_H

#include "engine/engine.h"
#include "types/value.h"

enum {
    KEY_MAX = 64 * 1024,        // bytes of a user's key
    KEY_PREFIX_LEN = 9,         // kind and generation before the user's key
    DATABASES_MAX = 1024 * 1024 // bound of the directive
};

struct keyspace;

// Reads the databases' generations. Blocking, before the loop. MISUSE with err if there is data in
// a database >= databases. seed: random bits.
int keyspace_open(
    struct engine *engine, int databases, uint64_t seed, struct keyspace **out, struct error *err);
void keyspace_free(struct keyspace *ks);
// For engine_options: counts K and C entries below their generation.
size_t keyspace_counted_prefix(struct slice key);
int keyspace_databases(const struct keyspace *ks);
struct engine *keyspace_engine(const struct keyspace *ks);
// A number below 2^53 that this data directory has never handed out before, also not before a
// restart.
uint64_t keyspace_next_cursor(struct keyspace *ks);

// One attempt's view: the txn, its time, the current database, the mapping with what the attempt
// itself has changed of it, and what the attempt has counted. Fields are read-only outside of this
// folder.
struct keyspace_view {
    struct keyspace *ks;
    struct txn *txn;
    int64_t now_ms;
    int db;
    uint64_t gen;          // of db
    uint64_t *staged_gens; // NULL: the keyspace's own
    uint64_t next_gen;     // the first that was not handed out, by this attempt either
    bool frozen;           // no lazy deletes: the engine takes no writes
    uint64_t hits, misses, expired;
};

// Begins an attempt. The txn has been begun.
void keyspace_begin(
    struct keyspace_view *v, struct keyspace *ks, struct txn *txn, int db, int64_t now_ms);
// After txn_commit() == OK: installs the mapping. Otherwise the view is just abandoned.
void keyspace_installed(struct keyspace_view *v);
void keyspace_abandon(struct keyspace_view *v);
// Makes db current; db is in range.
void keyspace_use(struct keyspace_view *v, int db);

// How a lookup counts. A lookup of any kind hides what has expired and stages its deletion (except
// LOOKUP_QUIET).
enum lookup {
    LOOKUP_READ,  // counts a hit or a miss
    LOOKUP_WRITE, // counts nothing
    LOOKUP_QUIET, // counts nothing, changes nothing
};

// OK, NOT_FOUND (absent or expired), WAIT or a failure. out->bytes is borrowed until the txn's next
// begin or commit, and, where it is `staged`, until the attempt stages its next write.
int keyspace_get(struct keyspace_view *v, enum lookup how, struct slice key, struct value *out);
// As keyspace_get with LOOKUP_QUIET, but shows what has expired: OK with *expired set.
int keyspace_peek(struct keyspace_view *v, struct slice key, struct value *out, bool *expired);

// Stages a key, whatever was there before. expire_ms 0: never. Reads nothing. value.bytes may be
// what keyspace_get handed out.
void keyspace_put(struct keyspace_view *v, struct slice key, const struct value *value);
// Stages the deletion of a key that a lookup of this attempt has found.
void keyspace_delete(struct keyspace_view *v, struct slice key, const struct value *found);
// Stages another expiry (0: none) for a key that a lookup of this attempt has found.
void keyspace_expire(
    struct keyspace_view *v, struct slice key, const struct value *found, int64_t expire_ms);
// Stages the move of a found key to another name of the current database, over whatever is there.
void keyspace_rename(
    struct keyspace_view *v, struct slice from, struct slice to, const struct value *found);

// Keys of a database, staged changes included: O(1). in_doubt may be NULL.
int64_t keyspace_count(struct keyspace_view *v, int db, int64_t *in_doubt);
// Empties a database: O(1). Nothing is staged if it is empty.
void keyspace_flush(struct keyspace_view *v, int db);
void keyspace_swap(struct keyspace_view *v, int a, int b);
// The engine's key of a user's key, borrowed until the next call on this keyspace: for prefetching
// and MEMORY USAGE.
struct slice keyspace_engine_key(struct keyspace *ks, int db, struct slice key);
// The other way, by the mapping before the attempt or, `after`, with what it staged: false if it is
// no user's key of any database.
bool keyspace_user_key(
    const struct keyspace_view *v, bool after, struct slice engine_key, int *db, struct slice *key);

// --- Walking keys in order -----------------------------------------------------------------------

// A walk over the keys of one database that begin with a prefix, each at most once, expired ones
// left out. With a view it belongs to the attempt and sees its staged writes; with a snapshot it
// lives on its own (iter_wait on walk->it).
struct walk {
    struct iter *it;
    int64_t now_ms;
    bool started;
    uint8_t *from; // engine key to start at; owned
    size_t from_len;
};

struct walk_key {
    struct slice key;   // borrowed until the next step
    struct value value; // same
    bool expired;       // hidden: count it, do not show it
};

// from: the first user key that may be seen (empty: the first of all).
void walk_open(struct walk *w, struct keyspace_view *v, struct slice prefix, struct slice from);
void walk_open_snapshot(struct walk *w, struct keyspace *ks, struct snapshot *snapshot, int db,
    int64_t now_ms, struct slice prefix);
void walk_close(struct walk *w);
// OK, END, WAIT (the same call again goes on where it was) or a failure. One entry a call, expired
// ones included and marked.
int walk_next(struct walk *w, struct walk_key *out);
// Moves to the first key >= key; END if there is none.
int walk_seek(struct walk *w, struct slice key, struct walk_key *out);
// Moves to the last key < key, an empty key: the last of all; END if there is none.
int walk_before(struct walk *w, struct slice key, struct walk_key *out);

#endif
