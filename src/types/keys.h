// keys: the kinds of entries there are, how their keys are spelled for the engine, and what is done
// to one key of a user: lookups, put, delete, expire, rename. What has expired by the view's time
// is hidden here, and staged for deletion when a command comes across it.
//
// Thread: loop, but for keys_counted_prefix. Statuses are the engine's: WAIT means that the attempt
// is given up (after noting other misses, if one likes).
#ifndef VARVE_TYPES_KEYS_H
#define VARVE_TYPES_KEYS_H

#include "engine/reader.h"
#include "types/databases.h"
#include "types/value.h"

enum {
    KEY_MAX = 64 * 1024, // bytes of a user's key
    KEY_PREFIX_LEN = 9,  // kind and generation before the user's key
    EXPIRY_TIME_LEN = 8, // between them and it, in the index of expiry
};

// The first byte of every engine key.
enum key_letter {
    KIND_STRING = 'K',  // K gen key: a string, or a small collection
    KIND_HEAD = 'C',    // C gen key: the head of a spread collection
    KIND_ELEMENT = 'E', // E gen id sub-kind ...: all else of a collection, so one range covers it
    KIND_EXPIRY = 'T',  // T gen ms key: when a collection expires
    KIND_META = 'M',    // M ...: the server's own, see databases.c
};

struct key_kind {
    uint8_t letter; // 0: the end of the table
    bool counted;   // the engine counts them below their generation: DBSIZE
    bool expires;   // their records carry an expiry; the others' expiry stands elsewhere
    bool flushed;   // FLUSHDB drops them
};

// All of them, in keys.c with who writes them.
extern const struct key_kind key_kinds[];

// --- Spelling ------------------------------------------------------------------------------------

// What all keys of a kind and generation begin with.
void keys_prefix(uint8_t out[KEY_PREFIX_LEN], enum key_letter kind, uint64_t gen);
// The generation in such a prefix.
uint64_t keys_generation(struct slice prefix);
// The engine's key of a user's string or small collection, in a buffer that the next call, for any
// kind, uses again.
struct slice keys_build(struct databases *dbs, uint64_t gen, struct slice key);
// The same for the head of a spread collection, and for its entry in the index of expiry.
struct slice keys_build_head(struct databases *dbs, uint64_t gen, struct slice key);
struct slice keys_build_expiry(
    struct databases *dbs, uint64_t gen, int64_t expire_ms, struct slice key);
// The other way, for K and C: false if it is no user's key. *key borrows.
bool keys_take_apart(struct slice engine_key, uint64_t *gen, struct slice *key);
// For engine_options: a pure function that jobs call too.
size_t keys_counted_prefix(struct slice engine_key);
// keys_build by a database as it is outside of any attempt: for prefetching and MEMORY USAGE.
struct slice keys_engine_key(struct databases *dbs, int db, struct slice key);
// keys_take_apart with the database, by the mapping before the attempt or, `after`, with what it
// staged: false if it is no user's key of any database.
bool keys_user_key(const struct databases_view *v, bool after, struct slice engine_key, int *db,
    struct slice *key);

// --- One key of the view's current database ------------------------------------------------------

// How a lookup counts. A lookup of any kind hides what has expired and stages its deletion (except
// LOOKUP_QUIET).
enum lookup {
    LOOKUP_READ,  // counts a hit or a miss
    LOOKUP_WRITE, // counts nothing
    LOOKUP_QUIET, // counts nothing, changes nothing
};

// OK, NOT_FOUND (absent or expired), WAIT or a failure. out->bytes is borrowed until the txn's next
// begin or commit, and, where it is `staged`, until the attempt stages its next write.
int keys_get(struct databases_view *v, enum lookup how, struct slice key, struct value *out);
// The same for who does not need the value: any number of cold keys costs little.
int keys_get_fact(
    struct databases_view *v, enum lookup how, struct slice key, struct value_fact *out);
// As keys_get_fact with LOOKUP_QUIET, but shows what has expired: OK with *expired set.
int keys_peek(struct databases_view *v, struct slice key, struct value_fact *out, bool *expired);

// A key of the database of generation gen at the moment of a reader, outside of any view: as
// keys_get with LOOKUP_QUIET; out->bytes is borrowed as by reader_get.
int keys_read_at(struct databases *dbs, struct reader *reader, uint64_t gen, int64_t now_ms,
    struct slice key, struct value *out);

// For who is going to put a key that no lookup of this attempt has asked for: stages the end of a
// spread collection that stands there. OK, WAIT or a failure; reads nothing where there can be
// none.
int keys_make_way(struct databases_view *v, struct slice key);
// Stages a string or small collection, whatever of these was there before. expire_ms 0: never.
// Reads nothing. value.bytes may be what keys_get handed out.
void keys_put(struct databases_view *v, struct slice key, const struct value *value);
// Stages the deletion of a key that a lookup of this attempt has found; found: value or fact's.
void keys_delete(struct databases_view *v, struct slice key, const struct spread *found);
// The same, where the key has been put elsewhere: both together are one change.
void keys_delete_moved(struct databases_view *v, struct slice key, const struct spread *found);
// Stages another expiry (0: none) for a key that a lookup of this attempt has found.
void keys_expire(
    struct databases_view *v, struct slice key, const struct value *found, int64_t expire_ms);
// Stages the move of a found key to another name of the current database, over whatever is there:
// OK, WAIT or a failure.
int keys_rename(
    struct databases_view *v, struct slice from, struct slice to, const struct value *found);
// Stages a copy of a key found in from_db in the current database, over whatever is there: OK, WAIT
// or a failure; NO_MEMORY if its elements are more than max_bytes.
int keys_copy(struct databases_view *v, int from_db, struct slice to, const struct value *found,
    uint64_t max_bytes);

#endif
