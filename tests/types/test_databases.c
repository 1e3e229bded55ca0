#include <criterion/criterion.h>

#include "mini_engine.h"
#include "types/keys.h"
#include "types/walk.h"

static struct engine *engine;
static struct databases *dbs;
static struct txn *txn;
static struct databases_view view;

static void open_databases(int databases)
{
    struct error err = {0};
    cr_assert_eq(databases_open(engine, databases, 7, &dbs, &err), OK, "%s", err.text);
}

static void begin(int db, int64_t now_ms)
{
    txn_begin(txn);
    databases_begin(&view, dbs, txn, db, now_ms);
}

static void commit(void)
{
    cr_assert_eq(txn_commit(txn), OK);
    databases_installed(&view);
}

static void open_fixture(void)
{
    engine = mini_new();
    txn = txn_new(engine);
    open_databases(4);
}

static void close_fixture(void)
{
    databases_free(dbs);
    txn_free(txn);
    mini_free(engine);
}

TestSuite(databases, .init = open_fixture, .fini = close_fixture);
TestSuite(keys, .init = open_fixture, .fini = close_fixture);
TestSuite(walk, .init = open_fixture, .fini = close_fixture);

static void put(int db, const char *key, int64_t expire_ms)
{
    struct value v = {.type = TYPE_STRING, .bytes = slice_cstr("v"), .expire_ms = expire_ms};
    begin(db, 1000);
    keys_put(&view, slice_cstr(key), &v);
    commit();
}

static int get(const char *key)
{
    struct value v;
    return keys_get(&view, LOOKUP_READ, slice_cstr(key), &v);
}

Test(keys, a_string_is_spelled_kind_generation_key)
{
    struct slice spelled = keys_build(dbs, 0x0102, slice_cstr("cat")), key;
    uint64_t gen = 0;
    cr_assert(slice_equal(spelled, slice_of("K\0\0\0\0\0\0\1\2cat", 12)));
    cr_assert(keys_take_apart(spelled, &gen, &key));
    cr_assert_eq(gen, 0x0102);
    cr_assert(slice_equal(key, slice_cstr("cat")));
    cr_assert_not(keys_take_apart(slice_of("M\0\0\0\0\0\0\1\2cat", 12), &gen, &key));
    cr_assert_not(keys_take_apart(slice_of(spelled.data, KEY_PREFIX_LEN - 1), &gen, &key));
}

// Strings and the heads of collections are the keys that DBSIZE counts; nothing else is.
Test(keys, what_users_call_keys_is_counted)
{
    static const char letters[] = "KCETM";
    for (const char *letter = letters; *letter != 0; letter++) {
        uint8_t key[KEY_PREFIX_LEN + 1] = {(uint8_t)*letter};
        bool counted = *letter == 'K' || *letter == 'C';
        cr_expect_eq(keys_counted_prefix(slice_of(key, sizeof key)), counted ? KEY_PREFIX_LEN : 0);
        cr_expect_eq(keys_counted_prefix(slice_of(key, KEY_PREFIX_LEN - 1)), 0);
    }
}

Test(keys, what_has_expired_is_hidden_and_staged_for_deletion)
{
    put(0, "k", 2000);
    begin(0, 2000);
    cr_assert_eq(get("k"), OK);
    begin(0, 2001);
    cr_assert_eq(get("k"), NOT_FOUND);
    cr_assert_eq(view.misses, 1);
    cr_assert_eq(view.expired, 1);
    cr_assert(txn_has_writes(txn));
    begin(0, 2001);
    view.frozen = true;
    cr_assert_eq(get("k"), NOT_FOUND);
    cr_assert_not(txn_has_writes(txn));
}

Test(databases, an_abandoned_attempt_changes_no_mapping)
{
    put(0, "k", 0);
    begin(0, 1000);
    databases_flush(&view, 0);
    cr_assert_eq(get("k"), NOT_FOUND);
    databases_abandon(&view);
    begin(0, 1000);
    cr_assert_eq(get("k"), OK);
}

Test(keys, a_value_staged_by_the_attempt_can_be_staged_again)
{
    struct value v = {.type = TYPE_STRING, .bytes = slice_cstr("some bytes")}, found;
    begin(0, 1000);
    keys_put(&view, slice_cstr("a"), &v);
    cr_assert_eq(keys_get(&view, LOOKUP_READ, slice_cstr("a"), &found), OK);
    cr_assert(found.staged);
    keys_rename(&view, slice_cstr("a"), slice_cstr("b"), &found);
    cr_assert_eq(get("a"), NOT_FOUND);
    cr_assert_eq(keys_get(&view, LOOKUP_READ, slice_cstr("b"), &found), OK);
    cr_assert(slice_equal(found.bytes, v.bytes));
}

static int reopen(int databases)
{
    struct error err = {0};
    databases_free(dbs);
    dbs = NULL;
    return databases_open(engine, databases, 7, &dbs, &err);
}

Test(databases, fewer_databases_than_hold_keys_are_refused)
{
    put(3, "k", 0);
    cr_assert_eq(reopen(3), MISUSE);
    cr_assert_eq(reopen(4), OK);
    begin(3, 1000);
    databases_flush(&view, 3);
    commit();
    cr_assert_eq(reopen(3), OK);
}

Test(databases, swapped_databases_are_refused_by_what_they_hold)
{
    put(0, "k", 0);
    begin(0, 1000);
    databases_swap(&view, 0, 3);
    commit();
    cr_assert_eq(reopen(2), MISUSE);
    cr_assert_eq(reopen(4), OK);
    begin(0, 1000);
    databases_swap(&view, 0, 3);
    commit();
    cr_assert_eq(reopen(2), OK);
}

Test(databases, cursors_never_recur_after_a_restart)
{
    uint64_t last = 0;
    for (int start = 0; start < 3; start++) {
        for (int i = 0; i < 10; i++) {
            uint64_t next = databases_next_cursor(dbs);
            cr_assert(next > last && next < 1ull << 53);
            last = next;
        }
        cr_assert_eq(reopen(4), OK);
    }
    mini_set_commit_status(engine, NO_SPACE); // then they are drawn where none is ever reserved
    cr_assert_eq(reopen(4), OK);
    cr_assert(databases_next_cursor(dbs) >= 1ull << 52);
}

Test(walk, a_walk_is_bounded_by_its_prefix)
{
    static const char *const keys[] = {"a", "b\xff", "b\xff\xff", "bb", "c"};
    struct walk w;
    struct walk_key at;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put(1, keys[i], 0);
    begin(1, 1000);
    walk_open(&w, &view, slice_cstr("b\xff"), slice_of(NULL, 0), false);
    cr_assert_eq(walk_next(&w, &at), OK);
    cr_assert(slice_equal(at.key, slice_cstr("b\xff")));
    cr_assert_eq(walk_next(&w, &at), OK);
    cr_assert_eq(walk_next(&w, &at), END);
    walk_close(&w);
    walk_open(&w, &view, slice_cstr("b"), slice_cstr("zzz"), false);
    cr_assert_eq(walk_next(&w, &at), END);
    walk_close(&w);
    walk_open(&w, &view, slice_of(NULL, 0), slice_cstr("bb"), false);
    cr_assert_eq(walk_next(&w, &at), OK);
    cr_assert(slice_equal(at.key, slice_cstr("bb")));
    walk_close(&w);
    cr_assert_eq(mini_open_handles(engine), 0);
}

Test(walk, what_is_drawn_is_of_the_views_database)
{
    struct buf key = {0};
    put(1, "one", 0);
    put(2, "two", 0);
    put(1, "gone", 999);
    begin(1, 1000);
    for (uint64_t seed = 0; seed < 20; seed++) {
        cr_assert_eq(walk_draw(&view, seed, &key), OK);
        cr_assert(slice_equal(buf_slice(&key), slice_cstr("one")));
    }
    databases_use(&view, 3);
    cr_assert_eq(walk_draw(&view, 1, &key), NOT_FOUND);
    cr_assert_eq(key.len, 0);
    buf_release(&key);
}
