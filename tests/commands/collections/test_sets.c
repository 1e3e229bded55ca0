// Sets, small and spread, alone and together. Half of each random run is cold.
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

TestSuite(sets, .init = open_fixture, .fini = close_fixture);

#define EXPECT(line, reply) cr_assert_str_eq(run(&f, line), reply)
#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

// Members m000 to m(count - 1), long enough to be spread when there are many.
static void fill(const char *key, int count)
{
    char line[128];
    for (int i = 0; i < count; i++) {
        snprintf(line, sizeof line, "SADD %s member-of-a-set-%03d", key, i);
        EXPECT(line, ":1\r\n");
    }
}

Test(sets, add_remove_and_ask)
{
    EXPECT("SADD s a b a", ":2\r\n");
    EXPECT("SADD s b c", ":1\r\n");
    EXPECT("SCARD s", ":3\r\n");
    EXPECT("SMEMBERS s", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT("SISMEMBER s b", ":1\r\n");
    EXPECT("SMISMEMBER s a x c", "*3\r\n:1\r\n:0\r\n:1\r\n");
    EXPECT("SMISMEMBER nosuch a", "*1\r\n:0\r\n");
    EXPECT("SREM s a x b", ":2\r\n");
    EXPECT("TYPE s", "+set\r\n");
    EXPECT("SREM s c", ":1\r\n");
    EXPECT("EXISTS s", ":0\r\n");
    EXPECT("SMEMBERS s", "*0\r\n");
    EXPECT("SET k v", "+OK\r\n");
    EXPECT("SADD k a", WRONGTYPE);
    EXPECT("HSET h a 1", ":1\r\n");
    EXPECT("SCARD h", WRONGTYPE);
    EXPECT("HGET k a", WRONGTYPE);
    EXPECT("SADD t 1", ":1\r\n");
    EXPECT("HGET t 1", WRONGTYPE);
    EXPECT("HELLO 3", run(&f, "HELLO 3"));
    EXPECT("SMEMBERS t", "~1\r\n$1\r\n1\r\n");
}

Test(sets, integers_stand_in_their_order_until_a_word_comes)
{
    struct databases_limits limits = {.set_max_integers = 4};
    databases_set_limits(f.databases, &limits);
    EXPECT("SADD s 10 -3 7", ":3\r\n");
    EXPECT("SMEMBERS s", "*3\r\n$2\r\n-3\r\n$1\r\n7\r\n$2\r\n10\r\n");
    EXPECT("OBJECT ENCODING s", "$6\r\nintset\r\n");
    EXPECT("SADD s word", ":1\r\n");
    EXPECT("OBJECT ENCODING s", "$9\r\nhashtable\r\n");
    EXPECT("SREM s word", ":1\r\n");
    EXPECT("OBJECT ENCODING s", "$9\r\nhashtable\r\n");
    EXPECT("SADD t 1 2 3 4", ":4\r\n");
    EXPECT("OBJECT ENCODING t", "$6\r\nintset\r\n");
    EXPECT("SADD t 5", ":1\r\n");
    EXPECT("OBJECT ENCODING t", "$9\r\nhashtable\r\n");
    EXPECT("COPY t u", ":1\r\n");
    EXPECT("OBJECT ENCODING u", "$9\r\nhashtable\r\n");
}

Test(sets, large_ones_are_spread)
{
    fill("s", 300);
    cr_assert_eq(mini_rows_of(f.engine, KIND_ELEMENT), 300);
    EXPECT("SCARD s", ":300\r\n");
    EXPECT("SISMEMBER s member-of-a-set-123", ":1\r\n");
    EXPECT("OBJECT ENCODING s", "$9\r\nhashtable\r\n");
    cr_assert_eq(strncmp(run(&f, "SMEMBERS s"), "*300\r\n", 6), 0);
    EXPECT("SREM s member-of-a-set-000 member-of-a-set-001", ":2\r\n");
    EXPECT("SCARD s", ":298\r\n");
    EXPECT("RENAME s t", "+OK\r\n");
    EXPECT("SADD s x", ":1\r\n");
    EXPECT("SMOVE t s member-of-a-set-100", ":1\r\n");
    EXPECT("SMOVE t s member-of-a-set-100", ":0\r\n");
    EXPECT("SISMEMBER s member-of-a-set-100", ":1\r\n");
    EXPECT("SMOVE s t x", ":1\r\n");
    EXPECT("SMOVE s s member-of-a-set-100", ":1\r\n");
    EXPECT("SMOVE s t member-of-a-set-100", ":1\r\n");
    EXPECT("EXISTS s", ":0\r\n");
    EXPECT("SCARD t", ":299\r\n");
    EXPECT("DEL t", ":1\r\n");
    cr_assert_eq(mini_rows_of(f.engine, KIND_ELEMENT), 0);
}

Test(sets, moves_within_one_transaction)
{
    EXPECT("SADD s a b", ":2\r\n");
    EXPECT("MULTI", "+OK\r\n");
    EXPECT("SADD t 1 2 3", "+QUEUED\r\n");
    EXPECT("SMOVE s t a", "+QUEUED\r\n");
    EXPECT("SMOVE t s 2", "+QUEUED\r\n");
    EXPECT("EXEC", "*3\r\n:3\r\n:1\r\n:1\r\n");
    EXPECT("SMEMBERS s", "*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
    EXPECT("SMEMBERS t", "*3\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\na\r\n");
}

Test(sets, together)
{
    EXPECT("SADD a 1 2 3 4", ":4\r\n");
    EXPECT("SADD b 3 4 5", ":3\r\n");
    EXPECT("SADD c 4 6", ":2\r\n");
    EXPECT("SINTER a b", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    EXPECT("SINTER a b c", "*1\r\n$1\r\n4\r\n");
    EXPECT("SINTER a nosuch", "*0\r\n");
    EXPECT(
        "SUNION a b c", "*6\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n");
    EXPECT("SDIFF a b c", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    EXPECT("SDIFF a a", "*0\r\n");
    EXPECT("SDIFF nosuch a", "*0\r\n");
    EXPECT("SINTERCARD 2 a b", ":2\r\n");
    EXPECT("SINTERCARD 2 a b LIMIT 1", ":1\r\n");
    EXPECT("SINTERCARD 0 a", "-ERR numkeys should be greater than 0\r\n");
    EXPECT("SINTERCARD 3 a b", "-ERR Number of keys can't be greater than number of args\r\n");
    EXPECT("SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative\r\n");
    EXPECT("SINTERCARD 1 a b", "-ERR syntax error\r\n");
    EXPECT("SET k v", "+OK\r\n");
    EXPECT("SINTER nosuch k", WRONGTYPE);
    EXPECT("SUNIONSTORE k a b", ":5\r\n");
    EXPECT("TYPE k", "+set\r\n");
    EXPECT("OBJECT ENCODING k", "$6\r\nintset\r\n");
    EXPECT("SINTERSTORE a a b", ":2\r\n");
    EXPECT("SMEMBERS a", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    EXPECT("SDIFFSTORE a a a", ":0\r\n");
    EXPECT("EXISTS a", ":0\r\n");
}

Test(sets, stored_over_a_spread_one)
{
    fill("a", 300);
    fill("b", 200);
    EXPECT("SDIFFSTORE a a b", ":100\r\n");
    EXPECT("SCARD a", ":100\r\n");
    EXPECT("SUNIONSTORE b a b", ":300\r\n");
    EXPECT("SINTERCARD 2 a b", ":100\r\n");
    EXPECT("DEL a b", ":2\r\n");
    cr_assert_eq(mini_rows_of(f.engine, KIND_ELEMENT), 0);
    EXPECT("DBSIZE", ":0\r\n");
}

Test(sets, drawn)
{
    EXPECT("SPOP s", "$-1\r\n");
    EXPECT("SPOP s 3", "*0\r\n");
    EXPECT("SRANDMEMBER s", "$-1\r\n");
    EXPECT("SRANDMEMBER s -3", "*0\r\n");
    EXPECT("SPOP s -1", "-ERR value is out of range, must be positive\r\n");
    EXPECT("SPOP s 1 2", "-ERR syntax error\r\n");
    EXPECT("SRANDMEMBER s 1 2", "-ERR syntax error\r\n");
    EXPECT("SADD s a", ":1\r\n");
    EXPECT("SRANDMEMBER s -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n");
    EXPECT("SRANDMEMBER s 5", "*1\r\n$1\r\na\r\n");
    EXPECT("SPOP s", "$1\r\na\r\n");
    EXPECT("EXISTS s", ":0\r\n");
    for (int spread = 0; spread < 2; spread++) {
        int count = spread ? 300 : 20;
        char line[96], expected[32];
        fill("s", count);
        cr_assert_eq(strncmp(run(&f, "SPOP s 7"), "*7\r\n", 4), 0);
        snprintf(expected, sizeof expected, ":%d\r\n", count - 7);
        EXPECT("SCARD s", expected);
        for (int i = 0; i < 5; i++) {
            char member[64];
            cr_assert_eq(sscanf(run(&f, "SPOP s"), "$19\r\n%63s", member), 1);
            snprintf(line, sizeof line, "SISMEMBER s %s", member);
            EXPECT(line, ":0\r\n");
        }
        snprintf(expected, sizeof expected, "*%d\r\n", count - 12);
        cr_assert_eq(strncmp(run(&f, "SPOP s 1000"), expected, strlen(expected)), 0);
        EXPECT("EXISTS s", ":0\r\n");
    }
    cr_assert_eq(mini_rows_of(f.engine, KIND_ELEMENT), 0);
}

// Each member comes up about as often as any other.
Test(sets, drawn_evenly)
{
    enum { MEMBERS = 12, DRAWS = 4800 };
    int hits[MEMBERS] = {0};
    fill("s", MEMBERS);
    for (int i = 0; i < DRAWS; i++) {
        int member = -1;
        cr_assert_eq(sscanf(run(&f, "SRANDMEMBER s"), "$19\r\nmember-of-a-set-%d", &member), 1);
        hits[member]++;
    }
    for (int i = 0; i < MEMBERS; i++)
        cr_assert(hits[i] > 280 && hits[i] < 520, "member %d: %d of %d", i, hits[i], DRAWS);
}

Test(sets, walked)
{
    int seen = 0;
    char line[64] = "SSCAN s 0 COUNT 70", member[64];
    fill("s", 250);
    for (int rounds = 0; rounds < 10; rounds++) {
        const char *reply = run(&f, line);
        unsigned long long cursor = 0;
        cr_assert_eq(sscanf(reply, "*2\r\n$%*d\r\n%llu\r\n", &cursor), 1);
        for (; seen < 250; seen++) {
            snprintf(member, sizeof member, "\r\nmember-of-a-set-%03d\r\n", seen);
            if (strstr(reply, member) == NULL)
                break;
        }
        if (cursor == 0)
            break;
        snprintf(line, sizeof line, "SSCAN s %llu COUNT 70", cursor);
    }
    cr_assert_eq(seen, 250);
    EXPECT("SADD t a b", ":2\r\n");
    EXPECT("SSCAN t 0 MATCH a", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
}

// --- Against a model -----------------------------------------------------------------------------

enum { SETS = 3, NUMBERS = 40 };

static void expect_card(const bool *model, char key)
{
    char line[32], expected[32];
    int count = 0;
    for (int i = 0; i < NUMBERS; i++)
        count += model[i];
    snprintf(line, sizeof line, "SCARD %c", key);
    snprintf(expected, sizeof expected, ":%d\r\n", count);
    EXPECT(line, expected);
    snprintf(line, sizeof line, "SMEMBERS %c", key);
    snprintf(expected, sizeof expected, "*%d\r\n", count);
    cr_assert_eq(strncmp(run(&f, line), expected, strlen(expected)), 0);
}

static void step(struct random *random, bool model[SETS][NUMBERS])
{
    // Long members: a handful of them is spread.
    static const char PADDING[] =
        "p-padding-padding-padding-padding-padding-padding-padding-padding-"
        "padding-padding-padding-padding-padding-padding-padding-padding";
    char line[512];
    int a = (int)random_below(random, SETS), b = (int)random_below(random, SETS);
    int c = (int)random_below(random, SETS), n = (int)random_below(random, NUMBERS);
    const char *long_one = n % 2 == 0 ? PADDING : "";
    switch (random_below(random, 8)) {
    case 0:
    case 1:
    case 2:
        snprintf(line, sizeof line, "SADD %c %d%s", 'a' + a, n, long_one);
        model[a][n] = true;
        break;
    case 3:
        snprintf(line, sizeof line, "SREM %c %d%s", 'a' + a, n, long_one);
        model[a][n] = false;
        break;
    case 4:
        snprintf(line, sizeof line, "SMOVE %c %c %d%s", 'a' + a, 'a' + b, n, long_one);
        if (model[a][n]) {
            model[a][n] = false;
            model[b][n] = true;
        }
        break;
    case 5:
        snprintf(line, sizeof line, "SUNIONSTORE %c %c %c", 'a' + a, 'a' + b, 'a' + c);
        for (int i = 0; i < NUMBERS; i++)
            model[a][i] = model[b][i] || model[c][i];
        break;
    case 6:
        snprintf(line, sizeof line, "SINTERSTORE %c %c %c", 'a' + a, 'a' + b, 'a' + c);
        for (int i = 0; i < NUMBERS; i++)
            model[a][i] = model[b][i] && model[c][i];
        break;
    default:
        snprintf(line, sizeof line, "SDIFFSTORE %c %c %c", 'a' + a, 'a' + b, 'a' + c);
        for (int i = 0; i < NUMBERS; i++)
            model[a][i] = model[b][i] && (b == c ? false : !model[c][i]);
        break;
    }
    cr_assert_neq(run(&f, line)[0], '-', "%s", line);
}

Test(sets, any_sequence_agrees_with_a_model)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct random random = {seed};
        bool model[SETS][NUMBERS] = {0};
        run(&f, "FLUSHALL");
        for (int i = 0; i < 150; i++) {
            mini_set_cold(f.engine, i > 75);
            step(&random, model);
            if (i % 10 == 9)
                for (int s = 0; s < SETS; s++)
                    expect_card(model[s], (char)('a' + s));
        }
    }
    EXPECT("FLUSHALL", "+OK\r\n");
    cr_assert_eq(mini_rows_of(f.engine, KIND_STRING) + mini_rows_of(f.engine, KIND_HEAD) +
                     mini_rows_of(f.engine, KIND_ELEMENT),
        0, "nothing is left behind");
}
