#include <criterion/criterion.h>

#include <stdio.h>

#include "base/random.h"
#include "engine/engine.h"
#include "engine/record/batch.h"

static struct slice numbered(char *out, size_t size, uint64_t n)
{
    return slice_of(out, (size_t)snprintf(out, size, "key-%llu", (unsigned long long)n));
}

Test(batch, an_entry_reads_back_as_it_was_staged)
{
    struct batch b = {0};
    struct entry e;
    batch_put(&b, slice_cstr("k"), slice_cstr("one"), slice_cstr("two"), 77);
    cr_assert_eq(batch_get(&b, slice_cstr("k"), &e), OK);
    cr_assert(slice_equal(e.value, slice_cstr("onetwo")));
    cr_assert_eq(e.expire_ms, 77);
    cr_assert_eq(e.tag, RECORD_PUT | RECORD_EXPIRES);
    batch_delete(&b, slice_cstr("k"));
    cr_assert_eq(batch_get(&b, slice_cstr("k"), &e), OK);
    cr_assert_eq(e.tag, RECORD_DELETE);
    cr_assert_eq(e.seq, 1);
    batch_rewind(&b, 1);
    cr_assert_eq(batch_get(&b, slice_cstr("k"), &e), OK);
    cr_assert_eq(e.expire_ms, 77);
    cr_assert_eq(b.user_bytes, 7);
    batch_release(&b);
}

Test(batch, drops_are_entries_that_lookups_do_not_see)
{
    struct batch b = {0};
    struct entry e;
    batch_put(&b, slice_cstr("p"), slice_cstr("v"), slice_cstr(""), 0);
    batch_drop(&b, slice_cstr("p"));
    cr_assert(b.has_drops);
    cr_assert_eq(batch_get(&b, slice_cstr("p"), &e), OK);
    cr_assert_eq(entry_kind(&e), RECORD_PUT);
    batch_at(&b, 1, &e);
    cr_assert_eq(entry_kind(&e), RECORD_DROP);
    batch_rewind(&b, 1);
    cr_assert_not(b.has_drops);
    batch_release(&b);
}

Test(batch, flags_are_patched_into_the_bytes)
{
    struct batch b = {0};
    struct entry e;
    batch_put(&b, slice_cstr("a"), slice_cstr("1"), slice_cstr(""), 0);
    batch_put(&b, slice_cstr("b"), slice_cstr("2"), slice_cstr(""), 0);
    batch_flag(&b, 1, RECORD_FRESH);
    batch_at(&b, 1, &e);
    cr_assert_eq(e.tag, RECORD_PUT | RECORD_FRESH);
    batch_at(&b, 0, &e);
    cr_assert_eq(e.tag, RECORD_PUT);
    batch_release(&b);
}

// Random stages and rewinds against an array of what each entry said.
Test(batch, lookups_agree_with_a_list_of_what_was_staged)
{
    enum { KEYS = 40, MOST = 600 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random = {seed};
        struct batch b = {0};
        int staged_key[MOST], staged_value[MOST]; // value -1: deleted
        uint32_t count = 0;
        for (unsigned step = 0; step < 3000; step++) {
            char key_text[32], value_text[32];
            int k = (int)random_below(&random, KEYS);
            struct slice key = numbered(key_text, sizeof key_text, (uint64_t)k);
            uint64_t what = random_below(&random, 100);
            if (what < 2) {
                count = (uint32_t)random_below(&random, count + 1u);
                batch_rewind(&b, count);
            } else if (what < 40 && count < MOST) {
                staged_key[count] = k;
                staged_value[count++] = (int)step;
                batch_put(
                    &b, key, numbered(value_text, sizeof value_text, step), slice_of(NULL, 0), 0);
            } else if (what < 50 && count < MOST) {
                staged_key[count] = k;
                staged_value[count++] = -1;
                batch_delete(&b, key);
            } else if (what == 99) {
                batch_clear(&b);
                count = 0;
            } else {
                int64_t newest = (int64_t)count - 1;
                while (newest >= 0 && staged_key[newest] != k)
                    newest--;
                struct entry e;
                int status = batch_get(&b, key, &e);
                cr_assert_eq(status, newest < 0 ? NOT_FOUND : OK, "seed %llu step %u",
                    (unsigned long long)seed, step);
                if (newest < 0)
                    continue;
                cr_assert_eq(e.seq, (uint64_t)newest);
                cr_assert_eq(entry_kind(&e), staged_value[newest] < 0 ? RECORD_DELETE : RECORD_PUT);
                if (staged_value[newest] >= 0)
                    cr_assert(slice_equal(e.value,
                        numbered(value_text, sizeof value_text, (uint64_t)staged_value[newest])));
            }
            cr_assert_eq(b.count, count);
        }
        batch_release(&b);
    }
}

Test(batch, the_cursor_shows_the_last_word_on_each_key_in_both_directions)
{
    struct batch b = {0};
    const char *keys[] = {"m", "c", "x", "c", "a", "m"};
    for (unsigned i = 0; i < 6; i++)
        batch_put(&b, slice_cstr(keys[i]), slice_of(&"012345"[i], 1), slice_of(NULL, 0), 0);
    batch_drop(&b, slice_cstr("d"));
    batch_delete(&b, slice_cstr("x"));
    struct cursor *c = batch_cursor(&b);
    batch_clear(&b);
    const char *want_keys[] = {"a", "c", "m", "x"};
    int status = c->ops->seek(c, slice_of(NULL, 0), SEQ_MAX);
    for (unsigned i = 0; i < 4; i++, status = c->ops->next(c)) {
        cr_assert_eq(status, OK);
        cr_assert(slice_equal(c->entry.key, slice_cstr(want_keys[i])));
        cr_assert(i == 3 || slice_equal(c->entry.value, slice_of(&"435"[i], 1)));
        cr_assert_eq(c->entry.seq, SEQ_MAX);
    }
    cr_assert_eq(status, END);
    status = c->ops->seek_last(c);
    for (unsigned i = 4; i-- > 0; status = c->ops->prev(c)) {
        cr_assert_eq(status, OK);
        cr_assert(slice_equal(c->entry.key, slice_cstr(want_keys[i])));
    }
    cr_assert_eq(status, END);
    cr_assert_eq(c->ops->seek_before(c, slice_cstr("m")), OK);
    cr_assert(slice_equal(c->entry.key, slice_cstr("c")));
    cr_assert_eq(c->ops->seek_before(c, slice_cstr("a")), END);
    cr_assert_eq(c->ops->seek(c, slice_cstr("n"), SEQ_MAX), OK);
    cr_assert_eq(entry_kind(&c->entry), RECORD_DELETE);
    cr_assert_eq(c->ops->seek(c, slice_cstr("c"), SEQ_MAX), OK);
    cr_assert(slice_equal(c->entry.key, slice_cstr("c")));
    cr_assert_eq(c->ops->seek(c, slice_cstr("c"), SEQ_MAX - 1), OK, "behind what is staged");
    cr_assert(slice_equal(c->entry.key, slice_cstr("m")));
    c->ops->close(c);
    batch_release(&b);
}

// Every single-byte change and every cut of a good batch, and random bytes: decoding stays inside,
// and what it accepts is well formed.
static void decode_all(const uint8_t *bytes, size_t len)
{
    // exactly as long, so that the sanitizer sees a read past the end
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    const uint8_t *p = copy, *end = copy + len;
    struct entry e;
    int status;
    while ((status = batch_decode(&p, end, &e)) == OK) {
        cr_assert(p <= end);
        cr_assert(entry_kind(&e) >= RECORD_PUT && entry_kind(&e) != RECORD_VALUE_POINTER);
        if (entry_may_be_skipped(&e))
            continue;
        cr_assert(e.key.data >= copy && e.key.data + e.key.len <= end);
        cr_assert_leq(e.key.len, (size_t)ENGINE_KEY_MAX);
        cr_assert_eq((e.tag & RECORD_EXPIRES) != 0, e.expire_ms > 0);
        if (entry_kind(&e) == RECORD_DROP_RANGE)
            cr_assert_lt(slice_compare(e.key, e.value), 0);
    }
    cr_assert(status == CORRUPT || status == NEWER_FORMAT);
    free(copy);
}

Test(batch, decoding_takes_any_bytes)
{
    struct batch b = {0};
    batch_put(&b, slice_cstr("first"), slice_cstr("value"), slice_cstr(""), 1234567);
    batch_delete(&b, slice_cstr("second"));
    batch_drop(&b, slice_cstr("third"));
    batch_put(&b, slice_cstr(""), slice_cstr(""), slice_cstr(""), 0);
    for (size_t cut = 0; cut <= b.bytes.len; cut++)
        decode_all(b.bytes.data, cut);
    for (size_t at = 0; at < b.bytes.len; at++) {
        uint8_t was = b.bytes.data[at];
        for (unsigned byte = 0; byte < 256; byte++) {
            b.bytes.data[at] = (uint8_t)byte;
            decode_all(b.bytes.data, b.bytes.len);
        }
        b.bytes.data[at] = was;
    }
    struct random random = {42};
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(random_below(&random, 4) ? random_below(&random, 8)
                                                          : random_next(&random));
        decode_all(bytes, random_below(&random, sizeof bytes + 1));
    }
    batch_release(&b);
}

static int decode_one(const uint8_t *bytes, size_t len, struct entry *out)
{
    const uint8_t *p = bytes;
    int status = batch_decode(&p, bytes + len, out);
    cr_assert_eq(p, status == OK ? bytes + len : bytes);
    return status;
}

Test(batch, contradictory_tags_are_refused)
{
    struct entry e;
    const uint8_t refused[] = {0, RECORD_PUT | RECORD_FRESH | RECORD_IN_DOUBT,
        RECORD_DELETE | RECORD_EXPIRES, RECORD_DROP | RECORD_FRESH, RECORD_ADD | RECORD_FRESH,
        RECORD_DROP_RANGE | RECORD_IN_DOUBT};
    for (size_t i = 0; i < sizeof refused; i++) {
        uint8_t bytes[32] = {refused[i], 1, 'k', 1};
        cr_assert_eq(decode_one(bytes, sizeof bytes, &e), CORRUPT, "tag %u", refused[i]);
    }
    uint8_t good[] = {RECORD_DELETE | RECORD_IN_DOUBT, 1, 'k'};
    cr_assert_eq(decode_one(good, sizeof good, &e), OK);
}

Test(batch, what_a_later_version_may_write_is_not_damage)
{
    struct entry e;
    const uint8_t newer[][4] = {{RECORD_VALUE_POINTER, 1, 'k', 1}, {7, 1, 'k', 1}, {11, 1, 'k', 1},
        {RECORD_PUT | RECORD_MORE, 1, 1, 'k'}, {RECORD_DROP | RECORD_MORE, 64, 1, 'k'}};
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        cr_assert_eq(decode_one(newer[i], sizeof newer[i], &e), NEWER_FORMAT, "case %zu", i);
    const uint8_t no_flags[] = {RECORD_DELETE | RECORD_MORE, 0, 1, 'k'};
    cr_assert_eq(decode_one(no_flags, sizeof no_flags, &e), OK);
    cr_assert(slice_equal(e.key, slice_cstr("k")) && e.tag == RECORD_DELETE);
    // whatever its flags say, it can be skipped
    for (unsigned kind = RECORD_SKIPPABLE; kind <= RECORD_KIND_MASK; kind++) {
        const uint8_t skipped[] = {(uint8_t)(kind | 0xf0), 5, 3, 'a', 'b', 'c'};
        cr_assert_eq(decode_one(skipped, sizeof skipped, &e), OK);
        cr_assert(entry_may_be_skipped(&e) && slice_equal(e.value, slice_cstr("abc")));
        cr_assert_eq(decode_one(skipped, sizeof skipped - 1, &e), CORRUPT);
    }
}

Test(batch, reserved_kinds_have_their_shape)
{
    struct entry e;
    const uint8_t range[] = {RECORD_DROP_RANGE, 1, 'a', 2, 'a', 'b'};
    cr_assert_eq(decode_one(range, sizeof range, &e), OK);
    cr_assert(slice_equal(e.key, slice_cstr("a")) && slice_equal(e.value, slice_cstr("ab")));
    const uint8_t backward[] = {RECORD_DROP_RANGE, 1, 'b', 1, 'a'};
    cr_assert_eq(decode_one(backward, sizeof backward, &e), CORRUPT);
    const uint8_t add[] = {RECORD_ADD, 1, 'a', 0xff, 1};
    cr_assert_eq(decode_one(add, sizeof add, &e), OK);
    cr_assert(slice_equal(e.key, slice_cstr("a")));
    cr_assert_eq(decode_one(add, sizeof add - 1, &e), CORRUPT);
}
