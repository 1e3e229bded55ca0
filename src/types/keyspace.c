// keyspace: databases as generations, keys as engine entries, expiry as something that a reader
// does not see.
//
// Problem: FLUSHDB and SWAPDB must cost nothing however large the database is, inside MULTI too,
// and a crash must find both or neither. Idea: a database number maps to a generation that is part
// of every key. Emptying takes a generation that was never used and promises the engine that nobody
// reads the old one (txn_drop_prefix); swapping exchanges two numbers. What changed is written as M
// entries in the same batch. A generation below FIRST_GENERATION is its database's own from the
// start, so a new data directory needs no entries.
//
//   M 'd' db(8)  -> generation(8)    only for databases that were remapped
//   M 'e'        -> databases from this one on were never remapped(8)
//   M 'g'        -> next generation(8)
//   M 'c'        -> cursors below this were reserved(8)
//
// Invariants: two databases never map to one generation; a generation that was written is never
// handed out again. The mapping of an attempt is a copy that replaces the loop's own after its
// commit; an attempt that is repeated gets the same generations again, so that it finds what it has
// fetched. Expiry: a key is alive while now <= expire_ms, as in Redis. Whoever comes across an
// expired one stages its deletion, unless the engine takes no writes: the reader is not to be
// failed for a courtesy. Opening asks for single entries and for the engine's counts. It walks no
// range but where a count says that keys are in the way, for a walk puts all that recovery left in
// memory in order first. What can fail: reads WAIT or fail as the engine says; a value whose header
// is none of ours is CORRUPT.
#include "types/keyspace.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "types/keyspace_impl.h"

enum { KIND_STRING = 'K', KIND_HEAD = 'C', KIND_META = 'M' };

// Cursors are doubles to some clients: below 2^53. A run reserves a block of them before it hands
// out the first; when that cannot be written (a full disk), it draws from the upper half, which is
// never reserved.
static const uint64_t CURSOR_BLOCK = 1ull << 32;
static const uint64_t CURSOR_HALF = 1ull << 52;

static void put_prefix(uint8_t *out, uint8_t kind, uint64_t gen)
{
    out[0] = kind;
    put_be64(out + 1, gen);
}

struct slice keyspace_build_key(struct keyspace *ks, uint64_t gen, struct slice key)
{
    ENSURE(key.len <= KEY_MAX);
    put_prefix(ks->scratch, KIND_STRING, gen);
    if (key.len > 0)
        memcpy(ks->scratch + KEY_PREFIX_LEN, key.data, key.len);
    return slice_of(ks->scratch, KEY_PREFIX_LEN + key.len);
}

size_t keyspace_counted_prefix(struct slice key)
{
    bool counted =
        key.len >= KEY_PREFIX_LEN && (key.data[0] == KIND_STRING || key.data[0] == KIND_HEAD);
    return counted ? KEY_PREFIX_LEN : 0;
}

int keyspace_databases(const struct keyspace *ks)
{
    return ks->databases;
}

struct engine *keyspace_engine(const struct keyspace *ks)
{
    return ks->engine;
}

void keyspace_free(struct keyspace *ks)
{
    if (ks == NULL)
        return;
    buf_release(&ks->copy);
    free(ks->gens);
    free(ks->spare_gens);
    free(ks);
}

// Half of the upper half lies behind every place that may be drawn.
static void draw_cursors(struct keyspace *ks)
{
    ks->cursor = CURSOR_HALF + random_below(&ks->random, CURSOR_HALF / 2);
    ks->cursor_end = 2 * CURSOR_HALF;
}

uint64_t keyspace_next_cursor(struct keyspace *ks)
{
    if (ks->cursor == ks->cursor_end)
        draw_cursors(ks);
    return ks->cursor++;
}

// --- Opening -------------------------------------------------------------------------------------

static size_t meta_key(uint8_t *out, char what, uint64_t db)
{
    out[0] = KIND_META;
    out[1] = (uint8_t)what;
    if (what != 'd')
        return 2;
    put_be64(out + 2, db);
    return META_KEY_MAX;
}

static void stage_meta(struct txn *txn, char what, uint64_t db, uint64_t number)
{
    uint8_t key[META_KEY_MAX], value[8];
    size_t len = meta_key(key, what, db);
    put_be64(value, number);
    txn_put(txn, slice_of(key, len), slice_of(value, sizeof value), slice_of(NULL, 0), 0);
}

// Leaves *number as it is where there is no such entry.
static int read_number(struct engine *engine, struct txn *txn, char what, uint64_t db,
    uint64_t *number, struct error *err)
{
    uint8_t key[META_KEY_MAX];
    size_t len = meta_key(key, what, db);
    struct row row;
    int status = engine_blocking_get(engine, txn, slice_of(key, len), &row);
    if (status == NOT_FOUND)
        return OK;
    if (status != OK)
        return error_set(
            err, status, NULL, 0, 0, "cannot read the databases' mapping: %s", status_text(status));
    if (row.value.len != 8)
        return error_set(
            err, CORRUPT, NULL, 0, 0, "the databases' mapping has an entry of a wrong size");
    *number = get_be64(row.value.data);
    return OK;
}

static int64_t count_generation(struct txn *txn, uint64_t gen, int64_t *in_doubt)
{
    static const uint8_t kinds[] = {KIND_STRING, KIND_HEAD};
    int64_t sum = 0;
    *in_doubt = 0;
    for (size_t i = 0; i < sizeof kinds; i++) {
        uint8_t prefix[KEY_PREFIX_LEN];
        int64_t live, doubts;
        put_prefix(prefix, kinds[i], gen);
        txn_count(txn, slice_of(prefix, sizeof prefix), &live, &doubts);
        sum += live;
        *in_doubt += doubts;
    }
    return sum;
}

static bool holds_keys(struct engine *engine, uint64_t gen, int *status)
{
    static const uint8_t kinds[] = {KIND_STRING, KIND_HEAD};
    for (size_t i = 0; i < sizeof kinds; i++) {
        uint8_t lower[KEY_PREFIX_LEN], upper[KEY_PREFIX_LEN];
        put_prefix(lower, kinds[i], gen);
        put_prefix(upper, kinds[i], gen + 1);
        struct iter_options options = {
            .lower = slice_of(lower, sizeof lower), .upper = slice_of(upper, sizeof upper)};
        struct iter *it = iter_open(engine, NULL, &options);
        *status = engine_blocking_step(engine, it, ITER_SEEK, options.lower);
        iter_close(it);
        if (*status != END)
            return *status == OK;
    }
    return false;
}

// Whether the engine holds a key below a generation; expired ones count.
static int generation_in_use(
    struct engine *engine, struct txn *txn, uint64_t gen, bool *in_use, struct error *err)
{
    int64_t in_doubt;
    int status = OK;
    *in_use = count_generation(txn, gen, &in_doubt) != 0 || in_doubt != 0;
    if (*in_use)
        *in_use = holds_keys(engine, gen, &status);
    if (status < 0)
        return error_set(err, status, NULL, 0, 0, "cannot look for keys of old databases: %s",
            status_text(status));
    return OK;
}

static int refuse_if_in_use(
    struct keyspace *ks, struct txn *txn, uint64_t db, uint64_t gen, struct error *err)
{
    bool in_use;
    int status = generation_in_use(ks->engine, txn, gen, &in_use, err);
    if (status == OK && in_use)
        status = error_set(err, MISUSE, NULL, 0, 0,
            "there are keys in database %llu, but 'databases' is %d", (unsigned long long)db,
            ks->databases);
    return status;
}

// Installs one M 'd' entry, if there is one, or, for a database beyond the configured number, makes
// sure that it is empty.
static int load_mapping(struct keyspace *ks, struct txn *txn, uint64_t db, struct error *err)
{
    uint64_t gen = NO_GENERATION;
    int status = read_number(ks->engine, txn, 'd', db, &gen, err);
    if (status != OK || gen == NO_GENERATION)
        return status;
    if (db >= (uint64_t)ks->databases)
        return refuse_if_in_use(ks, txn, db, gen, err);
    ks->gens[db] = gen;
    return OK;
}

static int load_mappings(struct keyspace *ks, struct txn *txn, struct error *err)
{
    int status = read_number(ks->engine, txn, 'e', 0, &ks->mapped_end, err);
    if (status == OK && ks->mapped_end > DATABASES_MAX)
        status = error_set(err, CORRUPT, NULL, 0, 0, "the databases' mapping has too many entries");
    for (uint64_t db = 0; db < ks->mapped_end && status == OK; db++)
        status = load_mapping(ks, txn, db, err);
    return status;
}

// Generations of databases beyond the configured number, as far as they never were remapped, below
// which something is counted.
struct beyond {
    uint64_t databases;
    uint64_t *gens;
    size_t count;
};

static void note_beyond(void *arg, struct slice prefix)
{
    struct beyond *b = arg;
    uint64_t gen = get_be64(prefix.data + 1);
    if (gen < b->databases || gen >= FIRST_GENERATION)
        return;
    b->gens = xrealloc(b->gens, (b->count + 1) * sizeof *b->gens);
    b->gens[b->count++] = gen;
}

// A database beyond the configured number that was never remapped still has its first generation.
// Those that were remapped are skipped: their first generation was dropped, or belongs to another
// database now.
static int refuse_unmapped(struct keyspace *ks, struct txn *txn, struct error *err)
{
    struct beyond beyond = {.databases = (uint64_t)ks->databases};
    int status = OK;
    engine_each_count(ks->engine, note_beyond, &beyond);
    for (size_t i = 0; i < beyond.count && status == OK; i++) {
        uint64_t gen = beyond.gens[i], mapped = NO_GENERATION;
        status = read_number(ks->engine, txn, 'd', gen, &mapped, err);
        if (status == OK && mapped == NO_GENERATION)
            status = refuse_if_in_use(ks, txn, gen, gen, err);
    }
    free(beyond.gens);
    return status;
}

static int reserve_cursors(struct keyspace *ks, struct txn *txn, uint64_t reserved)
{
    if (reserved > CURSOR_HALF - CURSOR_BLOCK)
        return NO_SPACE;
    txn_begin(txn);
    stage_meta(txn, 'c', 0, reserved + CURSOR_BLOCK);
    int status = engine_blocking_commit(ks->engine, txn);
    if (status != OK)
        return status;
    ks->cursor = reserved + 1;
    ks->cursor_end = reserved + CURSOR_BLOCK;
    return OK;
}

int keyspace_open(
    struct engine *engine, int databases, uint64_t seed, struct keyspace **out, struct error *err)
{
    struct keyspace *ks = xcalloc(1, sizeof *ks);
    struct txn *txn = txn_new(engine);
    uint64_t reserved = 0;
    ks->engine = engine;
    ks->databases = databases;
    ks->random.state = seed;
    ks->gens = xmalloc((size_t)databases * sizeof *ks->gens);
    ks->next_gen = FIRST_GENERATION;
    for (int db = 0; db < databases; db++)
        ks->gens[db] = (uint64_t)db;
    txn_begin(txn);
    int status = read_number(engine, txn, 'g', 0, &ks->next_gen, err);
    if (status == OK)
        status = read_number(engine, txn, 'c', 0, &reserved, err);
    if (status == OK)
        status = load_mappings(ks, txn, err);
    if (status == OK)
        status = refuse_unmapped(ks, txn, err);
    if (status == OK && reserve_cursors(ks, txn, reserved) != OK)
        draw_cursors(ks);
    txn_free(txn);
    if (status != OK) {
        keyspace_free(ks);
        return status;
    }
    *out = ks;
    return OK;
}

// --- A view --------------------------------------------------------------------------------------

static uint64_t generation(const struct keyspace_view *v, int db)
{
    return v->staged_gens != NULL ? v->staged_gens[db] : v->ks->gens[db];
}

void keyspace_begin(
    struct keyspace_view *v, struct keyspace *ks, struct txn *txn, int db, int64_t now_ms)
{
    *v = (struct keyspace_view){.ks = ks,
        .txn = txn,
        .now_ms = now_ms,
        .db = db,
        .gen = ks->gens[db],
        .next_gen = ks->next_gen};
}

void keyspace_installed(struct keyspace_view *v)
{
    if (v->staged_gens != NULL)
        memcpy(v->ks->gens, v->staged_gens, (size_t)v->ks->databases * sizeof *v->staged_gens);
    v->ks->next_gen = v->next_gen;
    v->staged_gens = NULL;
}

void keyspace_abandon(struct keyspace_view *v)
{
    v->staged_gens = NULL;
}

void keyspace_use(struct keyspace_view *v, int db)
{
    ENSURE(db >= 0 && db < v->ks->databases);
    v->db = db;
    v->gen = generation(v, db);
}

int keyspace_peek(struct keyspace_view *v, struct slice key, struct value *out, bool *expired)
{
    struct row row;
    int status = txn_get(v->txn, keyspace_build_key(v->ks, v->gen, key), &row);
    if (status != OK)
        return status;
    if (!value_decode(row.value, out))
        return CORRUPT;
    out->expire_ms = row.expire_ms;
    out->staged = row.seq == 0;
    *expired = row.expire_ms != 0 && v->now_ms > row.expire_ms;
    return OK;
}

int keyspace_get(struct keyspace_view *v, enum lookup how, struct slice key, struct value *out)
{
    bool expired = false;
    int status = keyspace_peek(v, key, out, &expired);
    if (status == OK && expired) {
        status = NOT_FOUND;
        if (how != LOOKUP_QUIET && !v->frozen) {
            txn_delete(v->txn, keyspace_build_key(v->ks, v->gen, key));
            v->expired++;
        }
    }
    if (how == LOOKUP_READ) {
        v->hits += status == OK;
        v->misses += status == NOT_FOUND;
    }
    return status;
}

void keyspace_put(struct keyspace_view *v, struct slice key, const struct value *value)
{
    uint8_t header = value_header(value);
    struct slice bytes = value->bytes;
    if (value->staged) { // staging may move the batch that it lies in
        buf_clear(&v->ks->copy);
        buf_append_slice(&v->ks->copy, bytes);
        bytes = buf_slice(&v->ks->copy);
    }
    txn_put(v->txn, keyspace_build_key(v->ks, v->gen, key), slice_of(&header, 1), bytes,
        value->expire_ms);
    if (value->staged)
        buf_shrink(&v->ks->copy, COPY_KEPT);
}

void keyspace_delete(struct keyspace_view *v, struct slice key, const struct value *found)
{
    ENSURE(found->type == TYPE_STRING);
    txn_delete(v->txn, keyspace_build_key(v->ks, v->gen, key));
}

void keyspace_expire(
    struct keyspace_view *v, struct slice key, const struct value *found, int64_t expire_ms)
{
    struct value changed = *found;
    changed.expire_ms = expire_ms;
    keyspace_put(v, key, &changed);
}

void keyspace_rename(
    struct keyspace_view *v, struct slice from, struct slice to, const struct value *found)
{
    keyspace_put(v, to, found);
    txn_delete(v->txn, keyspace_build_key(v->ks, v->gen, from));
}

// --- Databases as a whole ------------------------------------------------------------------------

int64_t keyspace_count(struct keyspace_view *v, int db, int64_t *in_doubt)
{
    int64_t ignored;
    return count_generation(v->txn, generation(v, db), in_doubt != NULL ? in_doubt : &ignored);
}

static void map(struct keyspace_view *v, int db, uint64_t gen)
{
    struct keyspace *ks = v->ks;
    size_t size = (size_t)ks->databases * sizeof *ks->gens;
    if (v->staged_gens == NULL) {
        if (ks->spare_gens == NULL)
            ks->spare_gens = xmalloc(size);
        v->staged_gens = ks->spare_gens;
        memcpy(v->staged_gens, ks->gens, size);
    }
    v->staged_gens[db] = gen;
    stage_meta(v->txn, 'd', (uint64_t)db, gen);
    // right even if the attempt is given up: the end is only a bound
    if ((uint64_t)db >= ks->mapped_end)
        ks->mapped_end = (uint64_t)db + 1;
    stage_meta(v->txn, 'e', 0, ks->mapped_end);
    if (db == v->db)
        v->gen = gen;
}

void keyspace_flush(struct keyspace_view *v, int db)
{
    static const uint8_t kinds[] = {KIND_STRING, KIND_HEAD};
    uint64_t old = generation(v, db);
    int64_t in_doubt;
    if (count_generation(v->txn, old, &in_doubt) == 0 && in_doubt == 0)
        return;
    map(v, db, v->next_gen++);
    stage_meta(v->txn, 'g', 0, v->next_gen);
    for (size_t i = 0; i < sizeof kinds; i++) {
        uint8_t prefix[KEY_PREFIX_LEN];
        put_prefix(prefix, kinds[i], old);
        txn_drop_prefix(v->txn, slice_of(prefix, sizeof prefix));
    }
}

void keyspace_swap(struct keyspace_view *v, int a, int b)
{
    uint64_t gen_a = generation(v, a), gen_b = generation(v, b);
    if (a == b)
        return;
    map(v, a, gen_b);
    map(v, b, gen_a);
}

struct slice keyspace_engine_key(struct keyspace *ks, int db, struct slice key)
{
    return keyspace_build_key(ks, ks->gens[db], key);
}

bool keyspace_user_key(
    const struct keyspace_view *v, bool after, struct slice engine_key, int *db, struct slice *key)
{
    if (engine_key.len < KEY_PREFIX_LEN || engine_key.data[0] != KIND_STRING)
        return false;
    uint64_t gen = get_be64(engine_key.data + 1);
    for (int i = 0; i < v->ks->databases; i++)
        if ((after ? generation(v, i) : v->ks->gens[i]) == gen) {
            *db = i;
            *key = slice_skip(engine_key, KEY_PREFIX_LEN);
            return true;
        }
    return false;
}
