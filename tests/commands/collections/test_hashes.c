// Hashes, small and spread. The limits are lowered where a hash is to be spread early, and the
// engine is cold in the second half of each random run.
#include <criterion/criterion.h>
#include <stdio.h>

#include "../fixture.h"
#include "base/random.h"
#include "types/keys.h"

static struct fixture f;

static void open_fixture(void)
{
    fixture_open(&f);
}

static void close_fixture(void)
{
    fixture_close(&f);
}

TestSuite(hashes, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)
#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

static void limit(uint64_t entries, uint64_t value)
{
    struct databases_limits limits = {.hash_max_entries = entries, .hash_max_value = value};
    databases_set_limits(f.databases, &limits);
}

// A hash of fields f0 to f(count - 1) with their numbers as values.
static void fill(const char *key, int count)
{
    char line[128];
    for (int i = 0; i < count; i++) {
        snprintf(line, sizeof line, "HSET %s f%03d %d", key, i, i);
        EXPECT(line, ":1\r\n");
    }
}

static uint64_t rows_of_kind(char letter)
{
    return mini_rows_of(f.engine, letter);
}

Test(hashes, set_get_and_count)
{
    EXPECT("HSET h a 1 b 2", ":2\r\n");
    EXPECT("HSET h b 3 c 4", ":1\r\n");
    EXPECT("HGETALL h", "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n3\r\n$1\r\nc\r\n$1\r\n4\r\n");
    EXPECT("HKEYS h", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT("HVALS h", "*3\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n4\r\n");
    EXPECT("HMGET h a x c", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n4\r\n");
    EXPECT("HLEN h", ":3\r\n");
    EXPECT("HSETNX h a 9", ":0\r\n");
    EXPECT("HSETNX h d 10", ":1\r\n");
    EXPECT("HSTRLEN h d", ":2\r\n");
    EXPECT("HEXISTS h x", ":0\r\n");
    EXPECT("HDEL h a b x", ":2\r\n");
    EXPECT("TYPE h", "+hash\r\n");
    EXPECT("OBJECT ENCODING h", "$8\r\nlistpack\r\n");
    EXPECT("HDEL h c d", ":2\r\n");
    EXPECT("EXISTS h", ":0\r\n");
    EXPECT("HSET h a", "-ERR wrong number of arguments for 'hset' command\r\n");
    EXPECT("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n");
    EXPECT("HGETALL h", "*0\r\n");
    EXPECT("HLEN h", ":0\r\n");
}

Test(hashes, counters)
{
    EXPECT("HINCRBY h n 5", ":5\r\n");
    EXPECT("HINCRBY h n -7", ":-2\r\n");
    EXPECT("HINCRBYFLOAT h f 0.1", "$3\r\n0.1\r\n");
    EXPECT("HINCRBYFLOAT h f 1e2", "$5\r\n100.1\r\n");
    EXPECT("HSET h s text", ":1\r\n");
    EXPECT("HINCRBY h s 1", "-ERR hash value is not an integer\r\n");
    EXPECT("HINCRBYFLOAT h s 1", "-ERR hash value is not a float\r\n");
    EXPECT("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity\r\n");
    EXPECT("HINCRBY h n x", "-ERR value is not an integer or out of range\r\n");
    EXPECT("HINCRBY h n 9223372036854775807", ":9223372036854775805\r\n");
    EXPECT("HINCRBY h n 10", "-ERR increment or decrement would overflow\r\n");
}

Test(hashes, a_key_is_of_one_type)
{
    limit(2, 64);
    EXPECT("SET s v", "+OK\r\n");
    EXPECT("HSET s a 1", WRONGTYPE);
    EXPECT("HGET s a", WRONGTYPE);
    for (int fields = 1; fields <= 3; fields += 2) { // packed, then spread
        fill("h", fields);
        EXPECT("GET h", WRONGTYPE);
        EXPECT("APPEND h x", WRONGTYPE);
        EXPECT("INCR h", WRONGTYPE);
        EXPECT("SET h v GET", WRONGTYPE);
        EXPECT("SETNX h v", ":0\r\n");
        EXPECT("MGET s h", "*2\r\n$1\r\nv\r\n$-1\r\n");
        EXPECT("SET h v", "+OK\r\n");
        EXPECT("GET h", "$1\r\nv\r\n");
        EXPECT("DBSIZE", ":2\r\n");
        cr_assert_eq(rows_of_kind(KIND_ELEMENT), 0, "a string over a hash leaves none of it");
        cr_assert_eq(rows_of_kind(KIND_HEAD), 0);
        EXPECT("DEL h", ":1\r\n");
    }
}

Test(hashes, what_grows_is_spread_and_stays_so)
{
    limit(8, 16);
    fill("h", 8);
    EXPECT("OBJECT ENCODING h", "$8\r\nlistpack\r\n");
    fill("i", 9);
    EXPECT("OBJECT ENCODING i", "$9\r\nhashtable\r\n");
    EXPECT("HLEN i", ":9\r\n");
    EXPECT("HGET i f007", "$1\r\n7\r\n");
    EXPECT("HDEL i f000 f001 f002 f003 f004 f005 f006", ":7\r\n");
    EXPECT("OBJECT ENCODING i", "$9\r\nhashtable\r\n");
    EXPECT("HGETALL i", "*4\r\n$4\r\nf007\r\n$1\r\n7\r\n$4\r\nf008\r\n$1\r\n8\r\n");
    EXPECT("HSET j a 12345678901234567", ":1\r\n");
    EXPECT("OBJECT ENCODING j", "$9\r\nhashtable\r\n");
    EXPECT("HDEL i f007 f008", ":2\r\n");
    EXPECT("EXISTS i", ":0\r\n");
    EXPECT("DBSIZE", ":2\r\n");
    cr_assert_eq(rows_of_kind(KIND_ELEMENT), 1);
}

Test(hashes, redis_calls_packed_what_we_spread_for_its_bytes)
{
    limit(512, 64);
    fill("h", 500); // over 4 KiB, but within Redis' limits
    EXPECT("OBJECT ENCODING h", "$8\r\nlistpack\r\n");
    cr_assert_eq(rows_of_kind(KIND_ELEMENT), 500);
    fill("i", 513);
    EXPECT("OBJECT ENCODING i", "$9\r\nhashtable\r\n");
}

Test(hashes, names_are_changed_without_the_elements)
{
    limit(2, 64);
    fill("h", 5);
    EXPECT("SET s v", "+OK\r\n");
    EXPECT("RENAME h s", "+OK\r\n");
    EXPECT("HLEN s", ":5\r\n");
    EXPECT("EXISTS h", ":0\r\n");
    fill("h", 3);
    EXPECT("RENAMENX h s", ":0\r\n");
    EXPECT("RENAME h s", "+OK\r\n");
    EXPECT("HGETALL s",
        "*6\r\n$4\r\nf000\r\n$1\r\n0\r\n$4\r\nf001\r\n$1\r\n1\r\n$4\r\nf002\r\n$1\r\n2\r\n");
    cr_assert_eq(rows_of_kind(KIND_ELEMENT), 3, "what was renamed over is gone");
    EXPECT("SET t v", "+OK\r\n");
    EXPECT("RENAME t s", "+OK\r\n");
    EXPECT("GET s", "$1\r\nv\r\n");
    cr_assert_eq(rows_of_kind(KIND_ELEMENT), 0);
    EXPECT("DBSIZE", ":1\r\n");
}

Test(hashes, copies_are_of_their_own)
{
    limit(2, 64);
    fill("h", 3);
    EXPECT("EXPIRE h 100", ":1\r\n");
    EXPECT("COPY h i", ":1\r\n");
    EXPECT("HSET i f000 x", ":0\r\n");
    EXPECT("HGET h f000", "$1\r\n0\r\n");
    EXPECT("TTL i", ":100\r\n");
    EXPECT("COPY h i", ":0\r\n");
    EXPECT("COPY h i REPLACE", ":1\r\n");
    EXPECT("HGET i f000", "$1\r\n0\r\n");
    EXPECT("COPY h h DB 1", ":1\r\n");
    EXPECT("MOVE i 1", ":1\r\n");
    EXPECT("DBSIZE", ":1\r\n");
    EXPECT("SELECT 1", "+OK\r\n");
    EXPECT("HGETALL i",
        "*6\r\n$4\r\nf000\r\n$1\r\n0\r\n$4\r\nf001\r\n$1\r\n1\r\n$4\r\nf002\r\n$1\r\n2\r\n");
    EXPECT("DBSIZE", ":2\r\n");
    EXPECT("FLUSHDB", "+OK\r\n");
    EXPECT("HLEN h", ":0\r\n");
    cr_assert_eq(rows_of_kind(KIND_ELEMENT), 3);
    cr_assert_eq(rows_of_kind(KIND_EXPIRY), 1);
}

Test(hashes, expiry_of_a_spread_one)
{
    limit(2, 64);
    fill("h", 3);
    fill("i", 3);
    EXPECT("PEXPIRE h 100", ":1\r\n");
    EXPECT("PEXPIRE i 100", ":1\r\n");
    EXPECT("PEXPIRE i 500", ":1\r\n"); // later: the entry of the index stays
    cr_assert_eq(commands_reap(f.commands, f.now_ms + 100, 10), 0, "alive to the last millisecond");
    f.now_ms += 101;
    EXPECT("HGET h f000", "$-1\r\n");
    EXPECT("TTL h", ":-2\r\n");
    EXPECT("PTTL i", ":399\r\n");
    cr_assert_eq(commands_reap(f.commands, f.now_ms, 10), 1, "that of i moves");
    cr_assert_eq(rows_of_kind(KIND_EXPIRY), 1);
    EXPECT("DBSIZE", ":1\r\n");
    cr_assert_eq(rows_of_kind(KIND_ELEMENT), 3);
    fixture_restart(&f);
    limit(2, 64);
    f.now_ms += 1000;
    mini_set_cold(f.engine, true);
    for (int i = 0; i < 10 && rows_of_kind(KIND_HEAD) > 0; i++)
        commands_reap(f.commands, f.now_ms, 10);
    EXPECT("DBSIZE", ":0\r\n");
    cr_assert_eq(mini_rows_of(f.engine, KIND_ELEMENT) + mini_rows_of(f.engine, KIND_EXPIRY), 0);
    mini_set_cold(f.engine, false);
    fill("h", 3);
    EXPECT("EXPIRE h 100", ":1\r\n");
    EXPECT("PERSIST h", ":1\r\n");
    EXPECT("TTL h", ":-1\r\n");
    cr_assert_eq(rows_of_kind(KIND_EXPIRY), 0);
    EXPECT("EXPIRE h 100", ":1\r\n");
    EXPECT("EXPIRE h -1", ":1\r\n");
    EXPECT("DBSIZE", ":0\r\n");
    cr_assert_eq(rows_of_kind(KIND_EXPIRY), 0);
}

Test(hashes, expiry_survives_the_spreading)
{
    limit(2, 64);
    fill("h", 1);
    EXPECT("PEXPIRE h 100", ":1\r\n");
    EXPECT("HSET h a 1 b 2 c 3", ":3\r\n");
    EXPECT("PTTL h", ":100\r\n");
    f.now_ms += 101;
    cr_assert_eq(commands_reap(f.commands, f.now_ms, 10), 1);
    EXPECT("DBSIZE", ":0\r\n");
}

Test(hashes, watch_sees_each_change)
{
    struct session other;
    limit(2, 64);
    fill("h", 3);
    session_init(f.commands, &other, 7);
    EXPECT("WATCH h", "+OK\r\n");
    cr_assert_str_eq(run_as(&f, &other, "HSET h f000 x"), ":0\r\n");
    EXPECT("MULTI", "+OK\r\n");
    EXPECT("PING", "+QUEUED\r\n");
    EXPECT("EXEC", "*-1\r\n");
    session_release(f.commands, &other);
}

Test(hashes, walks_show_each_key_once)
{
    limit(2, 64);
    for (int i = 0; i < 40; i++) {
        char key[16], line[32];
        snprintf(line, sizeof line, "SET k%02d v", 2 * i);
        EXPECT(line, "+OK\r\n");
        snprintf(key, sizeof key, "k%02d", 2 * i + 1);
        fill(key, 3);
    }
    char expected[32];
    const char *reply = run(&f, "SCAN 0 COUNT 100");
    cr_assert_neq(strstr(reply, "*80\r\n"), NULL);
    for (int i = 0, at = 0; i < 80; i++) {
        snprintf(expected, sizeof expected, "$3\r\nk%02d\r\n", i);
        const char *found = strstr(reply + at, expected);
        cr_assert_neq(found, NULL);
        at = (int)(found - reply);
    }
    reply = run(&f, "SCAN 0 COUNT 100 TYPE hash");
    cr_assert_neq(strstr(reply, "*40\r\n"), NULL);
    reply = run(&f, "KEYS k0*");
    cr_assert_eq(strncmp(reply, "*10\r\n", 5), 0);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(strncmp(run(&f, "RANDOMKEY"), "$3\r\nk", 5), 0);
}

Test(hashes, hscan_goes_on_at_its_cursor)
{
    limit(2, 64);
    fill("h", 25);
    char line[64], field[32];
    int seen = 0;
    snprintf(line, sizeof line, "HSCAN h 0 COUNT 10");
    for (int rounds = 0; rounds < 10; rounds++) {
        const char *reply = run(&f, line);
        unsigned long long cursor = 0;
        cr_assert_eq(sscanf(reply, "*2\r\n$%*d\r\n%llu\r\n", &cursor), 1);
        for (; seen < 25; seen++) {
            snprintf(field, sizeof field, "\r\nf%03d\r\n", seen);
            if (strstr(reply, field) == NULL)
                break;
        }
        if (cursor == 0)
            break;
        snprintf(line, sizeof line, "HSCAN h %llu COUNT 10", cursor);
    }
    cr_assert_eq(seen, 25);
    EXPECT("HSCAN h 12345", "-ERR invalid cursor\r\n");
    EXPECT("HSCAN h x", "-ERR invalid cursor\r\n");
    EXPECT("HSCAN nosuch 0 FOO", "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT("HSCAN h 0 FOO 1", "-ERR syntax error\r\n");
    EXPECT("HSCAN h 0 COUNT 0", "-ERR syntax error\r\n");
    EXPECT("HSCAN h 0 MATCH f01[12] COUNT 100",
        "*2\r\n$1\r\n0\r\n*4\r\n$4\r\nf011\r\n$2\r\n11\r\n$4\r\nf012\r\n$2\r\n12\r\n");
}

Test(hashes, fields_at_random)
{
    EXPECT("HRANDFIELD h", "$-1\r\n");
    EXPECT("HRANDFIELD h 3", "*0\r\n");
    EXPECT("HSET h a 1", ":1\r\n");
    EXPECT("HRANDFIELD h", "$1\r\na\r\n");
    EXPECT("HRANDFIELD h -3", "*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n");
    EXPECT("HRANDFIELD h -1 WITHVALUES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    EXPECT("HRANDFIELD h 1 X", "-ERR syntax error\r\n");
    EXPECT("HRANDFIELD h x", "-ERR value is not an integer or out of range\r\n");
    EXPECT("HRANDFIELD h -9223372036854775808",
        "-ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807\r\n");
    EXPECT("HELLO 3", run(&f, "HELLO 3"));
    EXPECT("HRANDFIELD h 5 WITHVALUES", "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    EXPECT("HGETALL h", "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
}

// Each field comes up about as often as any other, packed or spread.
Test(hashes, random_fields_are_even)
{
    enum { FIELDS = 12, DRAWS = 4800 };
    for (int round = 0; round < 2; round++) {
        int hits[FIELDS] = {0};
        limit(round == 0 ? 512 : 2, 64);
        EXPECT(round == 0 ? "DEL h" : "DEL h", round == 0 ? ":0\r\n" : ":1\r\n");
        fill("h", FIELDS);
        for (int i = 0; i < DRAWS; i++) {
            int field = -1;
            cr_assert_eq(sscanf(run(&f, "HRANDFIELD h"), "$4\r\nf%d", &field), 1);
            hits[field]++;
        }
        for (int i = 0; i < FIELDS; i++)
            cr_assert(hits[i] > 280 && hits[i] < 520, "field %d: %d of %d", i, hits[i], DRAWS);
    }
}

// --- Against a model -----------------------------------------------------------------------------

enum { MODEL_FIELDS = 30 };

static void check_against(const int *model)
{
    char line[64], expected[32];
    int count = 0;
    for (int i = 0; i < MODEL_FIELDS; i++) {
        snprintf(line, sizeof line, "HGET h f%03d", i);
        snprintf(expected, sizeof expected, "%d\r\n", model[i]);
        const char *reply = run(&f, line);
        if (model[i] < 0)
            cr_assert_str_eq(reply, "$-1\r\n");
        else
            cr_assert_neq(strstr(reply, expected), NULL, "%s: %s", line, reply);
        count += model[i] >= 0;
    }
    snprintf(expected, sizeof expected, ":%d\r\n", count);
    EXPECT("HLEN h", expected);
    snprintf(expected, sizeof expected, "*%d\r\n", 2 * count);
    cr_assert_eq(strncmp(run(&f, "HGETALL h"), expected, strlen(expected)), 0);
    snprintf(expected, sizeof expected, ":%d\r\n", count > 0);
    EXPECT("EXISTS h", expected);
}

Test(hashes, any_sequence_agrees_with_a_model)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        int model[MODEL_FIELDS];
        char line[128];
        memset(model, 0xff, sizeof model);
        limit(1 + random_below(&random, 20), 64);
        run(&f, "DEL h");
        for (int step = 0; step < 120; step++) {
            int field = (int)random_below(&random, MODEL_FIELDS), other = MODEL_FIELDS - 1 - field;
            int value = (int)random_below(&random, 1000);
            mini_set_cold(f.engine, step > 60);
            switch (random_below(&random, 6)) {
            case 0:
            case 1:
                snprintf(line, sizeof line, "HSET h f%03d %d f%03d %d", field, value, other, value);
                model[field] = model[other] = value;
                break;
            case 2:
                snprintf(line, sizeof line, "HDEL h f%03d f%03d", field, other);
                model[field] = model[other] = -1;
                break;
            case 3:
                snprintf(line, sizeof line, "HINCRBY h f%03d 1", field);
                model[field] = model[field] < 0 ? 1 : model[field] + 1;
                break;
            case 4:
                snprintf(line, sizeof line, "RENAME h h");
                break;
            default:
                snprintf(line, sizeof line, "HSETNX h f%03d %d", field, value);
                if (model[field] < 0)
                    model[field] = value;
                break;
            }
            run(&f, line);
            if (step % 20 == 19)
                check_against(model);
        }
        fixture_restart(&f);
        check_against(model);
    }
    EXPECT("FLUSHALL", "+OK\r\n");
    cr_assert_eq(mini_rows_of(f.engine, KIND_STRING) + mini_rows_of(f.engine, KIND_HEAD) +
                     mini_rows_of(f.engine, KIND_ELEMENT) + mini_rows_of(f.engine, KIND_EXPIRY),
        0, "nothing is left behind");
}
