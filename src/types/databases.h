// databases: numbered databases over one engine. A number maps to a generation that is part of
// every key: FLUSHDB takes a new generation and drops the old prefixes, SWAPDB exchanges two; both
// O(1). The mapping lives under M entries and, loop-owned, in memory.
//
// Thread: loop. Statuses are the engine's.
#ifndef VARVE_TYPES_DATABASES_H
#define VARVE_TYPES_DATABASES_H

#include "engine/engine.h"

enum {
    DATABASES_MAX = 1024 * 1024 // bound of the directive
};

struct databases;

// Up to when a collection counts as small: Redis' directives.
struct databases_limits {
    uint64_t hash_max_entries, hash_max_value; // hash-max-listpack-entries, -value
    uint64_t set_max_integers;                 // set-max-intset-entries
};

// Reads the databases' generations. Blocking, before the loop. MISUSE with err if there is data in
// a database >= databases. seed: random bits.
int databases_open(
    struct engine *engine, int databases, uint64_t seed, struct databases **out, struct error *err);
// engine_accept_cb: the same check before anything is written; arg: the number, an int.
int databases_accept(struct engine *engine, void *databases, struct error *err);
void databases_free(struct databases *dbs);
int databases_number(const struct databases *dbs); // as configured
// Holds for what is changed from now on. Redis' own defaults hold until it is called.
void databases_set_limits(struct databases *dbs, const struct databases_limits *limits);
struct engine *databases_engine(const struct databases *dbs);
// A number below 2^53 that this data directory has never handed out before, also not before a
// restart.
uint64_t databases_next_cursor(struct databases *dbs);

// One attempt's view: the txn, its time, the current database, the mapping with what the attempt
// itself has changed of it, and what the attempt has counted. Fields are read-only outside of this
// folder.
struct databases_view {
    struct databases *dbs;
    struct txn *txn;
    int64_t now_ms;
    int db;
    uint64_t gen;          // of db
    uint64_t *staged_gens; // NULL: the databases' own
    uint64_t next_gen;     // the first that was not handed out, by this attempt either
    uint64_t next_id;      // of a collection: the same
    bool frozen;           // no lazy deletes: the engine takes no writes
    uint64_t hits, misses, expired;
    uint64_t changes; // keys put, changed or removed by commands, as Redis' `dirty`
};

// Begins an attempt. The txn has been begun; while the mapping is not durable, it shows that
// (txn_shows). What the engine has lost of the mapping has been taken back.
void databases_begin(
    struct databases_view *v, struct databases *dbs, struct txn *txn, int db, int64_t now_ms);
// After txn_commit() == OK: installs the mapping. Otherwise the view is just abandoned.
void databases_installed(struct databases_view *v);
void databases_abandon(struct databases_view *v);
// Makes db current; db is in range.
void databases_use(struct databases_view *v, int db);

// Stages that ids below v->next_id are taken.
void databases_note_ids(struct databases_view *v);
// Whether collections are spread below a generation; true for ever once it was noted, but for
// generations that no database has any more.
bool databases_may_spread(const struct databases *dbs, uint64_t gen);
void databases_note_spread(struct databases *dbs, uint64_t gen, struct slice key);

// The database that has this generation, by the mapping before the attempt or, `after`, with what
// it staged; -1: none.
int databases_find(const struct databases_view *v, bool after, uint64_t gen);

// Keys of a database, staged changes included: O(1). in_doubt may be NULL.
int64_t databases_key_count(struct databases_view *v, int db, int64_t *in_doubt);
// Empties a database: O(1). Nothing is staged if it is empty.
void databases_flush(struct databases_view *v, int db);
void databases_swap(struct databases_view *v, int a, int b);
#endif
