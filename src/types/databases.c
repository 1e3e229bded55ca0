// databases: numbers that map to generations, so that FLUSHDB and SWAPDB cost nothing.
//
// Problem: both must be instant however large the database is, inside MULTI too, and a crash must
// find both or neither. Idea: a database number maps to a generation that is part of every key.
// Emptying takes a generation that was never used and promises the engine that nobody reads the old
// one (txn_drop_prefix); swapping exchanges two numbers. What changed is written as M entries in
// the same batch. A generation below FIRST_GENERATION is its database's own from the start, so a
// new data directory needs no entries.
//
//   M 'd' db(8)  -> generation(8)    only for databases that were remapped
//   M 'e'        -> databases from this one on were never remapped(8)
//   M 'g'        -> next generation(8)
//   M 'c'        -> cursors below this were reserved(8)
//
// Example: in a new directory database 0 has generation 0 and its key `a` is K 0 a. FLUSHDB writes
// M 'd' 0 -> 2^32, M 'e' -> 1, M 'g' -> 2^32 + 1, and drops the prefixes K 0 and C 0. SWAPDB 0 1
// then writes M 'd' 0 -> 1, M 'd' 1 -> 2^32, M 'e' -> 2, and touches no key.
//
// The mapping in memory is as old as the commit that changed it last: until that is durable every
// view says so to its txn, whose reply then waits, and if the log fails the mapping goes back with
// everything else. Example: under `always` one client's FLUSHDB commits as 17, and while it is
// being synced another asks for GET a. It finds nothing below the new generation, which it may not
// say yet: its txn has seen 17. The sync fails: both get the error, and the next GET a finds its
// value.
//
// Invariants: two databases never map to one generation; a generation that was written is never
// handed out again. The mapping of an attempt is a copy that replaces the loop's own after its
// commit; an attempt that is repeated gets the same generations again, so that it finds what it has
// fetched.
//
// Opening asks for single entries and for the engine's counts. It walks no range but where a count
// says that keys are in the way, for a walk puts all that recovery left in memory in order first.
// What can fail: opening, when the mapping cannot be read, or when there are keys in a database
// beyond the configured number.
#include "types/databases.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "types/databases_impl.h"
#include "types/keys.h"

// Generations below it belong to the database of that number; those from it on are handed out.
static const uint64_t FIRST_GENERATION = 1ull << 32;
static const uint64_t NO_GENERATION = UINT64_MAX;

// Cursors are doubles to some clients: below 2^53. A run reserves a block of them before it hands
// out the first; when that cannot be written (a full disk), it draws from the upper half, which is
// never reserved.
static const uint64_t CURSOR_BLOCK = 1ull << 32;
static const uint64_t CURSOR_HALF = 1ull << 52;

enum { META_KEY_MAX = 10 };

int databases_number(const struct databases *dbs)
{
    return dbs->number;
}

void databases_set_limits(struct databases *dbs, const struct databases_limits *limits)
{
    dbs->limits = *limits;
}

struct engine *databases_engine(const struct databases *dbs)
{
    return dbs->engine;
}

void databases_free(struct databases *dbs)
{
    if (dbs == NULL)
        return;
    buf_release(&dbs->copy);
    buf_release(&dbs->packed);
    free(dbs->gens);
    free(dbs->spare_gens);
    free(dbs->remapped);
    for (size_t i = 0; i < dbs->heads_count; i++)
        heads_release(&dbs->heads[i]);
    free(dbs->heads);
    free(dbs);
}

// Half of the upper half lies behind every place that may be drawn.
static void draw_cursors(struct databases *dbs)
{
    dbs->cursor = CURSOR_HALF + random_below(&dbs->random, CURSOR_HALF / 2);
    dbs->cursor_end = 2 * CURSOR_HALF;
}

uint64_t databases_next_cursor(struct databases *dbs)
{
    if (dbs->cursor == dbs->cursor_end)
        draw_cursors(dbs);
    return dbs->cursor++;
}

// --- Spread collections --------------------------------------------------------------------------

struct heads *databases_heads(const struct databases *dbs, uint64_t gen)
{
    for (size_t i = 0; i < dbs->heads_count; i++)
        if (dbs->heads[i].gen == gen)
            return &dbs->heads[i];
    return NULL;
}

bool databases_may_spread(const struct databases *dbs, uint64_t gen)
{
    return databases_heads(dbs, gen) != NULL;
}

static struct heads *new_heads(struct databases *dbs, uint64_t gen, bool complete)
{
    dbs->heads = xrealloc(dbs->heads, (dbs->heads_count + 1) * sizeof *dbs->heads);
    dbs->heads[dbs->heads_count] = (struct heads){.gen = gen, .complete = complete};
    return &dbs->heads[dbs->heads_count++];
}

void databases_note_spread(struct databases *dbs, uint64_t gen, struct slice key)
{
    struct heads *heads = databases_heads(dbs, gen);
    heads_add(heads != NULL ? heads : new_heads(dbs, gen, true), hash64(key));
}

static void note_counted(void *arg, struct slice prefix)
{
    if (prefix.data[0] == KIND_HEAD && !databases_may_spread(arg, keys_generation(prefix)))
        new_heads(arg, keys_generation(prefix), false); // the reaper's first round completes it
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
    int64_t sum = 0;
    *in_doubt = 0;
    for (const struct key_kind *kind = key_kinds; kind->letter != 0; kind++) {
        uint8_t prefix[KEY_PREFIX_LEN];
        int64_t live, doubts;
        if (!kind->counted)
            continue;
        keys_prefix(prefix, kind->letter, gen);
        txn_count(txn, slice_of(prefix, sizeof prefix), &live, &doubts);
        sum += live;
        *in_doubt += doubts;
    }
    return sum;
}

static bool holds_keys(struct engine *engine, uint64_t gen, int *status)
{
    for (const struct key_kind *kind = key_kinds; kind->letter != 0; kind++) {
        uint8_t lower[KEY_PREFIX_LEN], upper[KEY_PREFIX_LEN];
        if (!kind->counted)
            continue;
        keys_prefix(lower, kind->letter, gen);
        keys_prefix(upper, kind->letter, gen + 1);
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
    struct databases *dbs, struct txn *txn, uint64_t db, uint64_t gen, struct error *err)
{
    bool in_use;
    int status = generation_in_use(dbs->engine, txn, gen, &in_use, err);
    if (status == OK && in_use)
        status = error_set(err, MISUSE, NULL, 0, 0,
            "there are keys in database %llu, but 'databases' is %d", (unsigned long long)db,
            dbs->number);
    return status;
}

// Installs one M 'd' entry, if there is one, or, for a database beyond the configured number, makes
// sure that it is empty.
static int load_mapping(struct databases *dbs, struct txn *txn, uint64_t db, struct error *err)
{
    uint64_t gen = NO_GENERATION;
    int status = read_number(dbs->engine, txn, 'd', db, &gen, err);
    if (status != OK || gen == NO_GENERATION)
        return status;
    if (db >= (uint64_t)dbs->number)
        return refuse_if_in_use(dbs, txn, db, gen, err);
    dbs->gens[db] = gen;
    return OK;
}

static int load_mappings(struct databases *dbs, struct txn *txn, struct error *err)
{
    int status = read_number(dbs->engine, txn, 'e', 0, &dbs->mapped_end, err);
    if (status == OK && dbs->mapped_end > DATABASES_MAX)
        status = error_set(err, CORRUPT, NULL, 0, 0, "the databases' mapping has too many entries");
    for (uint64_t db = 0; db < dbs->mapped_end && status == OK; db++)
        status = load_mapping(dbs, txn, db, err);
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
    uint64_t gen = keys_generation(prefix);
    if (gen < b->databases || gen >= FIRST_GENERATION)
        return;
    b->gens = xrealloc(b->gens, (b->count + 1) * sizeof *b->gens);
    b->gens[b->count++] = gen;
}

// A database beyond the configured number that was never remapped still has its first generation.
// Those that were remapped are skipped: their first generation was dropped, or belongs to another
// database now.
static int refuse_unmapped(struct databases *dbs, struct txn *txn, struct error *err)
{
    struct beyond beyond = {.databases = (uint64_t)dbs->number};
    int status = OK;
    engine_each_count(dbs->engine, note_beyond, &beyond);
    for (size_t i = 0; i < beyond.count && status == OK; i++) {
        uint64_t gen = beyond.gens[i], mapped = NO_GENERATION;
        status = read_number(dbs->engine, txn, 'd', gen, &mapped, err);
        if (status == OK && mapped == NO_GENERATION)
            status = refuse_if_in_use(dbs, txn, gen, gen, err);
    }
    free(beyond.gens);
    return status;
}

static int reserve_cursors(struct databases *dbs, struct txn *txn, uint64_t reserved)
{
    if (reserved > CURSOR_HALF - CURSOR_BLOCK)
        return NO_SPACE;
    txn_begin(txn);
    stage_meta(txn, 'c', 0, reserved + CURSOR_BLOCK);
    int status = engine_blocking_commit(dbs->engine, txn);
    if (status != OK)
        return status;
    dbs->cursor = reserved + 1;
    dbs->cursor_end = reserved + CURSOR_BLOCK;
    return OK;
}

static struct databases *databases_new(struct engine *engine, int databases, uint64_t seed)
{
    struct databases *dbs = xcalloc(1, sizeof *dbs);
    dbs->engine = engine;
    dbs->number = databases;
    dbs->random.state = seed;
    dbs->gens = xmalloc((size_t)databases * sizeof *dbs->gens);
    dbs->next_gen = FIRST_GENERATION;
    dbs->next_id = 1;
    dbs->limits = (struct databases_limits){
        .hash_max_entries = 512, .hash_max_value = 64, .set_max_integers = 512};
    for (int db = 0; db < databases; db++)
        dbs->gens[db] = (uint64_t)db;
    return dbs;
}

static int load(struct databases *dbs, struct txn *txn, uint64_t *reserved, struct error *err)
{
    txn_begin(txn);
    int status = read_number(dbs->engine, txn, 'g', 0, &dbs->next_gen, err);
    if (status == OK)
        status = read_number(dbs->engine, txn, 'i', 0, &dbs->next_id, err);
    if (status == OK)
        status = read_number(dbs->engine, txn, 'c', 0, reserved, err);
    if (status == OK)
        status = load_mappings(dbs, txn, err);
    return status == OK ? refuse_unmapped(dbs, txn, err) : status;
}

int databases_accept(struct engine *engine, void *databases, struct error *err)
{
    struct databases *dbs = databases_new(engine, *(const int *)databases, 0);
    struct txn *txn = txn_new(engine);
    uint64_t reserved = 0;
    int status = load(dbs, txn, &reserved, err);
    txn_free(txn);
    databases_free(dbs);
    return status;
}

int databases_open(
    struct engine *engine, int databases, uint64_t seed, struct databases **out, struct error *err)
{
    struct databases *dbs = databases_new(engine, databases, seed);
    struct txn *txn = txn_new(engine);
    uint64_t reserved = 0;
    int status = load(dbs, txn, &reserved, err);
    if (status == OK)
        engine_each_count(engine, note_counted, dbs);
    if (status == OK && reserve_cursors(dbs, txn, reserved) != OK)
        draw_cursors(dbs);
    txn_free(txn);
    if (status != OK) {
        databases_free(dbs);
        return status;
    }
    *out = dbs;
    return OK;
}

// --- A view --------------------------------------------------------------------------------------

static uint64_t generation(const struct databases_view *v, int db)
{
    return v->staged_gens != NULL ? v->staged_gens[db] : v->dbs->gens[db];
}

// A generation that was replaced holds spread collections no more, unless a database has it.
static void forget_spread(struct databases *dbs, uint64_t gen)
{
    if (!databases_may_spread(dbs, gen))
        return;
    for (int db = 0; db < dbs->number; db++)
        if (dbs->gens[db] == gen)
            return;
    struct heads *heads = databases_heads(dbs, gen);
    heads_release(heads);
    *heads = dbs->heads[--dbs->heads_count];
}

// Forgets how to take back what is durable, and takes back what the engine has lost.
static void settle_mapping(struct databases *dbs)
{
    uint64_t durable = engine_durable_seq(dbs->engine);
    size_t done = 0;
    while (done < dbs->remapped_count && dbs->remapped[done].seq <= durable)
        done++;
    for (size_t i = 0; i < done; i++)
        forget_spread(dbs, dbs->remapped[i].old_gen);
    dbs->remapped_count -= done;
    memmove(dbs->remapped, dbs->remapped + done, dbs->remapped_count * sizeof *dbs->remapped);
    if (engine_write_status(dbs->engine, NULL) == OK)
        return;
    while (dbs->remapped_count > 0) {
        const struct remapped *r = &dbs->remapped[--dbs->remapped_count];
        dbs->gens[r->db] = r->old_gen;
    }
}

void databases_begin(
    struct databases_view *v, struct databases *dbs, struct txn *txn, int db, int64_t now_ms)
{
    if (dbs->remapped_count > 0)
        settle_mapping(dbs);
    if (dbs->remapped_count > 0)
        txn_shows(txn, dbs->gens_seq);
    *v = (struct databases_view){.dbs = dbs,
        .txn = txn,
        .now_ms = now_ms,
        .db = db,
        .gen = dbs->gens[db],
        .next_gen = dbs->next_gen,
        .next_id = dbs->next_id};
}

static void note_remapped(struct databases *dbs, int db)
{
    if (dbs->remapped_count == dbs->remapped_cap) {
        dbs->remapped_cap = dbs->remapped_cap ? dbs->remapped_cap * 2 : 4;
        dbs->remapped = xrealloc(dbs->remapped, dbs->remapped_cap * sizeof *dbs->remapped);
    }
    dbs->remapped[dbs->remapped_count++] = (struct remapped){dbs->gens_seq, db, dbs->gens[db]};
}

static void install_mapping(struct databases_view *v)
{
    struct databases *dbs = v->dbs;
    dbs->gens_seq = txn_seq(v->txn);
    for (int db = 0; db < dbs->number; db++) {
        if (dbs->gens[db] == v->staged_gens[db])
            continue;
        note_remapped(dbs, db);
        dbs->gens[db] = v->staged_gens[db];
    }
}

void databases_installed(struct databases_view *v)
{
    if (v->staged_gens != NULL)
        install_mapping(v);
    v->dbs->next_gen = v->next_gen;
    v->dbs->next_id = v->next_id;
    v->staged_gens = NULL;
}

void databases_abandon(struct databases_view *v)
{
    v->staged_gens = NULL;
}

void databases_note_ids(struct databases_view *v)
{
    stage_meta(v->txn, 'i', 0, v->next_id);
}

void databases_use(struct databases_view *v, int db)
{
    ENSURE(db >= 0 && db < v->dbs->number);
    v->db = db;
    v->gen = generation(v, db);
}

int databases_find(const struct databases_view *v, bool after, uint64_t gen)
{
    for (int db = 0; db < v->dbs->number; db++)
        if ((after ? generation(v, db) : v->dbs->gens[db]) == gen)
            return db;
    return -1;
}

// --- Databases as a whole ------------------------------------------------------------------------

int64_t databases_key_count(struct databases_view *v, int db, int64_t *in_doubt)
{
    int64_t ignored;
    return count_generation(v->txn, generation(v, db), in_doubt != NULL ? in_doubt : &ignored);
}

static void map(struct databases_view *v, int db, uint64_t gen)
{
    struct databases *dbs = v->dbs;
    size_t size = (size_t)dbs->number * sizeof *dbs->gens;
    if (v->staged_gens == NULL) {
        if (dbs->spare_gens == NULL)
            dbs->spare_gens = xmalloc(size);
        v->staged_gens = dbs->spare_gens;
        memcpy(v->staged_gens, dbs->gens, size);
    }
    v->staged_gens[db] = gen;
    stage_meta(v->txn, 'd', (uint64_t)db, gen);
    // right even if the attempt is given up: the end is only a bound
    if ((uint64_t)db >= dbs->mapped_end)
        dbs->mapped_end = (uint64_t)db + 1;
    stage_meta(v->txn, 'e', 0, dbs->mapped_end);
    if (db == v->db)
        v->gen = gen;
}

void databases_flush(struct databases_view *v, int db)
{
    uint64_t old = generation(v, db);
    int64_t in_doubt;
    int64_t count = count_generation(v->txn, old, &in_doubt);
    if (count == 0 && in_doubt == 0)
        return;
    v->changes += count > 0 ? (uint64_t)count : 0;
    map(v, db, v->next_gen++);
    stage_meta(v->txn, 'g', 0, v->next_gen);
    for (const struct key_kind *kind = key_kinds; kind->letter != 0; kind++) {
        uint8_t prefix[KEY_PREFIX_LEN];
        if (!kind->flushed || (kind->letter != KIND_STRING && !databases_may_spread(v->dbs, old)))
            continue;
        keys_prefix(prefix, kind->letter, old);
        txn_drop_prefix(v->txn, slice_of(prefix, sizeof prefix));
    }
}

void databases_swap(struct databases_view *v, int a, int b)
{
    uint64_t gen_a = generation(v, a), gen_b = generation(v, b);
    v->changes++;
    if (a == b)
        return;
    map(v, a, gen_b);
    map(v, b, gen_a);
}
