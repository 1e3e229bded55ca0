// Drawing a key: data of every shape, in memory, flushed and compacted, and how often each key
// comes. Everything random has a seed, so a run that passes once passes always.
#include "model_engine.h"

#include "engine/state.h"

enum { NUMBER = 1000, DRAWS_A_KEY = 40 };

#define NOW INT64_C(4000000000000) // far beyond the simulated clock

// How the keys of a shape look: all of one class begin with a letter of their own.
struct shape {
    const char *classes;              // one letter for each; keys are dealt out in turn
    size_t (*value_len)(char letter); // at most VALUE_MAX
    void (*key_of)(uint32_t i, char letter, struct buf *out);
};

struct scene {
    struct side side;
    struct txn *txn;
    const struct shape *shape;
    char database;
    uint32_t number;
    bool alive[NUMBER];
    uint32_t hits[NUMBER];
};

static struct scene sc;

static size_t small_or_large(char letter)
{
    return letter == 'l' ? 900 : 4;
}

static void plain_key(uint32_t i, char letter, struct buf *out)
{
    char text[32];
    buf_append(out, text, (size_t)snprintf(text, sizeof text, "%c%u", letter, i * 7919 % 100003));
}

// Long prefixes that are shared, keys of one byte more, and clusters of neighbours.
static void odd_key(uint32_t i, char letter, struct buf *out)
{
    char text[32];
    buf_append_byte(out, (uint8_t)letter);
    for (unsigned n = letter == 'x' ? 300 : 0; n > 0; n--)
        buf_append_byte(out, 'x');
    if (letter == 'z') // each begins with the one before
        for (uint32_t n = 0; n < i / 4 + 1; n++)
            buf_append_byte(out, 0);
    else
        buf_append(out, text, (size_t)snprintf(text, sizeof text, "%06u", i));
}

static const struct shape plain = {"sssl", small_or_large, plain_key};
static const struct shape skewed = {"sl", small_or_large, plain_key};
static const struct shape odd = {"xsz0", small_or_large, odd_key};

static void spell(uint32_t i, char database, struct buf *out)
{
    const char *classes = sc.shape->classes;
    buf_clear(out);
    buf_append_byte(out, (uint8_t)database);
    sc.shape->key_of(i, classes[i % strlen(classes)], out);
}

static void open_scene(const struct shape *shape, uint32_t number)
{
    struct engine_options options = {.memory_budget = 8 << 20,
        .write_buffer_size = 256 << 10,
        .target_file_size = 64 << 10,
        .block_size = 1024,
        .no_clean_rows = true};
    memset(&sc, 0, sizeof sc);
    side_open_with(&sc.side, 1, 1, &options);
    sc.txn = txn_new(sc.side.engine);
    sc.shape = shape;
    sc.number = number;
    sc.database = 'd';
}

static void close_scene(void)
{
    txn_free(sc.txn);
    side_close(&sc.side);
}

static void commit(struct txn *t)
{
    cr_assert_eq(engine_blocking_commit(sc.side.engine, t), OK);
    txn_reset(t);
}

// Keys from..to - 1 of a database, in an order that is not theirs: present, or deleted.
static void write_keys(char database, uint32_t from, uint32_t to, bool present, int64_t expire_ms)
{
    static const uint8_t zeros[1024];
    const char *classes = sc.shape->classes;
    struct txn *t = txn_new(sc.side.engine);
    struct buf key = {0};
    for (uint32_t n = 0; n < to - from; n++) {
        uint32_t i = from + (uint32_t)((uint64_t)n * 617 % (to - from));
        spell(i, database, &key);
        if (present)
            txn_put(t, buf_slice(&key),
                slice_of(zeros, sc.shape->value_len(classes[i % strlen(classes)])),
                slice_of(NULL, 0), expire_ms);
        else
            txn_delete(t, buf_slice(&key));
        if (database == sc.database)
            sc.alive[i] = present && (expire_ms == 0 || expire_ms >= NOW);
        if (n % 50 == 49)
            commit(t);
    }
    commit(t);
    txn_free(t);
    buf_release(&key);
}

static void flush(void)
{
    cr_assert_eq(engine_blocking_flush(sc.side.engine), OK);
}

static void compact(void)
{
    cr_assert_eq(engine_blocking_compact(sc.side.engine), OK);
}

static int draw(uint64_t seed, struct buf *out)
{
    uint8_t lower = (uint8_t)sc.database, upper = lower + 1;
    struct draw_options options = {
        .lower = slice_of(&lower, 1), .upper = slice_of(&upper, 1), .now_ms = NOW, .seed = seed};
    int status;
    for (int attempts = 0; (status = txn_draw(sc.txn, &options, out)) == WAIT; attempts++) {
        cr_assert_lt(attempts, 300);
        wait_txn(&sc.side, sc.txn);
        txn_begin(sc.txn);
    }
    return status;
}

static int by_key(const void *a, const void *b)
{
    return slice_compare(buf_slice(a), buf_slice(b));
}

// Draws, and counts for each key how often it came; false is how often none did.
static uint32_t draw_many(uint32_t draws)
{
    static struct numbered {
        struct buf key; // first member
        uint32_t i;
    } keys[NUMBER];
    struct buf key = {0};
    uint32_t none = 0;
    for (uint32_t i = 0; i < sc.number; i++) {
        spell(i, sc.database, &keys[i].key);
        keys[i].i = i;
    }
    qsort(keys, sc.number, sizeof *keys, by_key);
    for (uint32_t n = 0; n < draws; n++) {
        int status = draw(n, &key);
        txn_reset(sc.txn);
        struct numbered *found =
            status == OK ? bsearch(&key, keys, sc.number, sizeof *keys, by_key) : NULL;
        cr_assert(status == NOT_FOUND || (found != NULL && sc.alive[found->i]),
            "draw %u: status %d", n, status);
        if (found != NULL)
            sc.hits[found->i]++;
        none += found == NULL;
    }
    for (uint32_t i = 0; i < sc.number; i++)
        buf_release(&keys[i].key);
    buf_release(&key);
    return none;
}

// Each key that is alive comes within a factor of 3 of its share, each class within 1.2.
static void expect_even(void)
{
    uint32_t alive = 0, in_class[256] = {0}, hits[256] = {0};
    const char *classes = sc.shape->classes;
    for (uint32_t i = 0; i < sc.number; i++)
        alive += sc.alive[i];
    uint32_t draws = alive * DRAWS_A_KEY, none = draw_many(draws);
    cr_assert_lt(none, draws / 50 + 1, "%u of %u draws hit nothing", none, draws);
    for (uint32_t i = 0; i < sc.number; i++) {
        uint8_t letter = (uint8_t)classes[i % strlen(classes)];
        in_class[letter] += sc.alive[i];
        hits[letter] += sc.hits[i];
        if (sc.alive[i])
            cr_assert(sc.hits[i] * 3 >= DRAWS_A_KEY && sc.hits[i] <= 3 * DRAWS_A_KEY,
                "key %u came up %u times, not some %d", i, sc.hits[i], DRAWS_A_KEY);
    }
    for (int c = 0; c < 256; c++)
        cr_assert(hits[c] * 6 >= in_class[c] * DRAWS_A_KEY * 5 &&
                      hits[c] * 5 <= in_class[c] * DRAWS_A_KEY * 6,
            "%u keys of class %c came up %u times, not %u", in_class[c], c, hits[c],
            in_class[c] * DRAWS_A_KEY);
}

Test(draw, in_memory)
{
    open_scene(&plain, NUMBER);
    write_keys('d', 0, NUMBER, true, 0);
    expect_even();
    close_scene();
}

Test(draw, small_and_large_values_in_tables)
{
    open_scene(&skewed, NUMBER);
    write_keys('d', 0, NUMBER, true, 0);
    flush();
    compact();
    expect_even();
    close_scene();
}

Test(draw, long_prefixes_and_clusters)
{
    open_scene(&odd, NUMBER);
    write_keys('d', 0, NUMBER, true, 0);
    flush();
    expect_even();
    close_scene();
}

Test(draw, memory_and_several_levels)
{
    open_scene(&plain, NUMBER);
    write_keys('d', 0, 700, true, 0);
    compact();
    write_keys('d', 500, 800, true, 0);
    flush();
    write_keys('d', 0, 100, true, 0);
    flush();
    write_keys('d', 750, NUMBER, true, 0);
    expect_even();
    close_scene();
}

Test(draw, most_is_overwritten)
{
    open_scene(&skewed, 400);
    for (int i = 0; i < 6; i++) {
        write_keys('d', 0, i == 5 ? 200 : 400, true, 0);
        flush();
    }
    write_keys('d', 300, 400, true, 0);
    expect_even();
    close_scene();
}

Test(draw, most_is_deleted_or_has_expired)
{
    open_scene(&plain, NUMBER);
    write_keys('d', 0, 600, true, 0);
    write_keys('d', 600, NUMBER, true, NOW - 1);
    write_keys('d', 550, 600, true, NOW);
    flush();
    write_keys('d', 0, 400, false, 0);
    expect_even();
    close_scene();
}

Test(draw, of_one_database_among_many)
{
    open_scene(&skewed, 200);
    for (char database = 'a'; database <= 'p'; database++)
        write_keys(database, 0, 100, true, 0);
    flush();
    for (char database = 'a'; database <= 'p'; database++)
        write_keys(database, 50, 150, true, 0);
    compact();
    for (char database = 'a'; database <= 'p'; database++)
        write_keys(database, 120, 200, true, 0);
    expect_even();
    close_scene();
}

Test(draw, sees_what_is_staged)
{
    struct buf key = {0}, drawn = {0};
    open_scene(&plain, 20);
    write_keys('d', 0, 20, true, 0);
    uint32_t new_ones = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        for (uint32_t i = 0; i < 15; i++) {
            spell(i, 'd', &key);
            txn_delete(sc.txn, buf_slice(&key));
        }
        txn_put(sc.txn, slice_cstr("dnew"), slice_cstr("1"), slice_of(NULL, 0), 0);
        cr_assert_eq(draw(seed, &drawn), OK);
        bool is_new = slice_equal(buf_slice(&drawn), slice_cstr("dnew"));
        for (uint32_t i = 0; i < 15; i++) {
            spell(i, 'd', &key);
            cr_assert(!slice_equal(buf_slice(&drawn), buf_slice(&key)));
        }
        new_ones += is_new;
        txn_reset(sc.txn);
    }
    cr_assert(new_ones > 200 / 6 / 3 && new_ones < 200 / 6 * 3, "%u", new_ones);
    buf_release(&key);
    buf_release(&drawn);
    close_scene();
}

Test(draw, nothing_there_is_not_found)
{
    struct buf drawn = {0};
    open_scene(&plain, 100);
    cr_assert_eq(draw(1, &drawn), NOT_FOUND);
    write_keys('c', 0, 100, true, 0);
    write_keys('e', 0, 100, true, 0);
    flush();
    cr_assert_eq(draw(2, &drawn), NOT_FOUND);
    cr_assert_eq(drawn.len, 0);
    write_keys('d', 0, 100, true, 0);
    flush();
    write_keys('d', 0, 100, false, 0);
    cr_assert_eq(draw(3, &drawn), NOT_FOUND);
    cr_assert_eq(drawn.data[0], 'd');
    buf_release(&drawn);
    close_scene();
}

// Index, filter and one block, or two where a draw missed: whatever the sizes of values are.
Test(draw, cold_it_reads_a_few_blocks)
{
    struct buf drawn = {0};
    struct engine_stats stats;
    enum { DRAWS = 500 };
    open_scene(&skewed, NUMBER);
    write_keys('d', 0, NUMBER, true, 0);
    compact();
    cache_set_capacity(sc.side.engine->cache, 0);
    sim_env_set_cold_percent(sc.side.env, 100);
    engine_get_stats(sc.side.engine, &stats);
    uint64_t before = stats.cold_reads;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        cr_assert_eq(draw(seed, &drawn), OK);
        txn_reset(sc.txn);
    }
    engine_get_stats(sc.side.engine, &stats);
    cr_assert_leq(stats.cold_reads - before, 4 * DRAWS, "%llu blocks were read for %d draws",
        (unsigned long long)(stats.cold_reads - before), DRAWS);
    buf_release(&drawn);
    close_scene();
}
