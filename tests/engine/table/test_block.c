#include "tests/engine/model.h"

#include "base/coding.h"
#include "engine/table/block.h"

static struct slice build(struct block_builder *b, const struct model *m)
{
    block_builder_clear(b);
    for (size_t i = 0; i < m->count; i++)
        block_builder_add(b, &m->entries[i]);
    size_t size = block_builder_size(b);
    struct slice contents = block_builder_finish(b);
    cr_assert_eq(contents.len, size);
    return contents;
}

static void check(struct block_cursor *c, const struct model *m, int status, size_t expected)
{
    cr_assert_eq(status, expected < m->count ? OK : END);
    if (expected < m->count)
        cr_assert(entry_same(&c->entry, &m->entries[expected]));
}

Test(block, entries_come_back_in_both_directions_from_every_position)
{
    struct random r = {1};
    struct block_builder b = {0};
    struct block_cursor c = {0};
    for (size_t count = 0; count < 120; count += 1 + count / 8) {
        struct model m = model_random(&r, count, 300, 5000);
        cr_assert_eq(block_cursor_init(&c, build(&b, &m)), OK);
        for (size_t i = 0; i < m.count; i++) {
            check(&c, &m, block_cursor_seek(&c, m.entries[i].key, m.entries[i].seq), i);
            size_t at = i;
            for (int step = 0; step < 40 && at < m.count; step++) {
                bool forward = random_below(&r, 2);
                at = forward ? at + 1 : at - 1;
                check(&c, &m, forward ? block_cursor_next(&c) : block_cursor_prev(&c), at);
            }
        }
        check(&c, &m, block_cursor_first(&c), 0);
        check(&c, &m, block_cursor_last(&c), m.count - 1);
        model_release(&m);
    }
    block_cursor_release(&c);
    block_builder_release(&b);
}

Test(block, seeks_and_lookups_agree_with_a_sorted_array)
{
    struct random r = {2};
    struct block_builder b = {0};
    struct block_cursor c = {0};
    for (int round = 0; round < 60; round++) {
        struct model m = model_random(&r, random_below(&r, 200), 60, 100);
        struct slice contents = build(&b, &m);
        cr_assert_eq(block_cursor_init(&c, contents), OK);
        for (int i = 0; i < 300; i++) {
            struct slice key = model_key(&r, 60, 4);
            uint64_t seq = random_below(&r, 2) ? random_below(&r, 1u << 20) : SEQ_MAX;
            size_t expected = model_find(&m, key, seq);
            check(&c, &m, block_cursor_seek(&c, key, seq), expected);
            struct entry e;
            int status = block_get(contents, key, seq, &e);
            if (expected == m.count) {
                cr_assert_eq(status, END);
            } else if (!slice_equal(m.entries[expected].key, key)) {
                cr_assert_eq(status, NOT_FOUND);
            } else {
                cr_assert_eq(status, OK);
                cr_assert(entry_same(&e, &m.entries[expected]));
            }
            struct slice value;
            expected = model_find(&m, key, SEQ_MAX);
            cr_assert_eq(block_find(contents, key, &value), expected < m.count ? OK : END);
            if (expected < m.count)
                cr_assert(slice_equal(value, m.entries[expected].value));
            free((void *)(uintptr_t)key.data);
        }
        model_release(&m);
    }
    block_cursor_release(&c);
    block_builder_release(&b);
}

// A block as format.h has it, with a restart wherever chance wants one.
static void build_with_random_restarts(struct random *r, const struct model *m, struct buf *out)
{
    struct buf restarts = {0};
    uint32_t count = 0;
    unsigned one_in = 1 + (unsigned)random_below(r, 40);
    for (size_t i = 0; i < m->count; i++) {
        const struct entry *e = &m->entries[i];
        bool restart = i == 0 || random_below(r, one_in) == 0;
        size_t shared = restart ? 0 : slice_common_prefix(m->entries[i - 1].key, e->key);
        if (restart) {
            buf_append_le32(&restarts, (uint32_t)out->len);
            count++;
        }
        buf_append_varint(out, shared);
        buf_append_varint(out, e->key.len - shared);
        buf_append(out, &e->tag, 1);
        buf_append_varint(out, e->seq);
        if (e->tag & RECORD_EXPIRES)
            buf_append_le64(out, (uint64_t)e->expire_ms);
        if (entry_kind(e) == RECORD_PUT)
            buf_append_varint(out, e->value.len);
        buf_append_slice(out, slice_skip(e->key, shared));
        if (entry_kind(e) == RECORD_PUT)
            buf_append_slice(out, e->value);
    }
    buf_append_slice(out, buf_slice(&restarts));
    buf_append_le32(out, count);
    buf_release(&restarts);
}

Test(block, any_distance_between_restarts_is_read)
{
    struct random r = {12};
    struct block_cursor c = {0};
    for (int round = 0; round < 60; round++) {
        struct model m = model_random(&r, 1 + random_below(&r, 200), 40, 60);
        struct buf contents = {0};
        build_with_random_restarts(&r, &m, &contents);
        cr_assert_eq(block_cursor_init(&c, buf_slice(&contents)), OK);
        for (size_t i = 0; i < m.count; i++) {
            const struct entry *want = &m.entries[i];
            struct entry e;
            cr_assert_eq(block_get(buf_slice(&contents), want->key, want->seq, &e), OK);
            cr_assert(entry_same(&e, want));
            check(&c, &m, i == 0 ? block_cursor_first(&c) : block_cursor_next(&c), i);
        }
        for (size_t i = m.count - 1; i-- > 0;)
            check(&c, &m, block_cursor_prev(&c), i);
        cr_assert_eq(m.count > 1 ? block_cursor_prev(&c) : END, END);
        buf_release(&contents);
        model_release(&m);
    }
    block_cursor_release(&c);
}

Test(block, long_keys_and_large_values_fit)
{
    struct random r = {3};
    struct block_builder b = {0};
    struct block_cursor c = {0};
    struct model m = model_random(&r, 40, 64 * 1024, 300000);
    cr_assert_eq(block_cursor_init(&c, build(&b, &m)), OK);
    for (size_t i = 0; i < m.count; i++)
        check(&c, &m, i == 0 ? block_cursor_first(&c) : block_cursor_next(&c), i);
    model_release(&m);
    block_cursor_release(&c);
    block_builder_release(&b);
}

// A heap block of exactly these bytes, so that ASan sees a read behind it.
static uint8_t *exact_copy(const void *data, size_t len)
{
    uint8_t *copy = xmalloc(len == 0 ? 1 : len);
    memcpy(copy, data, len);
    return copy;
}

static void decode_all_flips(enum compression compression)
{
    struct random r = {4};
    struct block_builder b = {0};
    struct model m = model_random(&r, 30, 30, 200);
    struct slice contents = build(&b, &m);
    struct block_compressor *compressor = block_compressor_new(compression, 1);
    struct buf stored = {0};
    size_t stored_len = block_encode(&stored, contents, compressor, 7, 4096);
    cr_assert_eq(stored.len, stored_len + BLOCK_TRAILER_SIZE);
    if (compression == COMPRESSION_ZSTD)
        cr_assert_lt(stored_len, contents.len);

    uint8_t *out;
    size_t len;
    struct error err;
    cr_assert_eq(block_decode(exact_copy(stored.data, stored.len), stored.len, 7, 4096, 1 << 20,
                     "t", &out, &len, &err),
        OK);
    cr_assert(slice_equal(slice_of(out, len), contents));
    free(out);
    for (size_t i = 0; i < stored.len * 8; i++) {
        uint8_t *bad = exact_copy(stored.data, stored.len);
        bad[i / 8] ^= (uint8_t)(1u << (i % 8));
        cr_assert_eq(
            block_decode(bad, stored.len, 7, 4096, 1 << 20, "t", &out, &len, &err), CORRUPT);
        cr_assert_eq(err.offset, 4096);
    }
    for (size_t cut = 0; cut < stored.len; cut++)
        cr_assert_eq(block_decode(exact_copy(stored.data, cut), cut, 7, 4096, 1 << 20, "t", &out,
                         &len, &err),
            CORRUPT);
    cr_assert_eq(block_decode(exact_copy(stored.data, stored.len), stored.len, 7, 0, 1 << 20, "t",
                     &out, &len, &err),
        CORRUPT, "a good block in the wrong place");
    cr_assert_eq(block_decode(exact_copy(stored.data, stored.len), stored.len, 7, 4096,
                     contents.len - 1, "t", &out, &len, &err),
        CORRUPT, "a block over the limit");
    block_compressor_free(compressor);
    buf_release(&stored);
    model_release(&m);
    block_builder_release(&b);
}

Test(block, any_flipped_bit_of_a_stored_block_is_corrupt)
{
    decode_all_flips(COMPRESSION_NONE);
}

Test(block, any_flipped_bit_of_a_compressed_block_is_corrupt)
{
    decode_all_flips(COMPRESSION_ZSTD);
}

// The contents of a stored block, which the caller frees.
static uint8_t *decoded(struct slice stored, size_t *len)
{
    uint8_t *out;
    struct error err;
    cr_assert_eq(block_decode(exact_copy(stored.data, stored.len), stored.len, 7, 4096, 8 << 20,
                     "t", &out, len, &err),
        OK);
    return out;
}

// Value of a length, of which the last so many bytes are random.
static void lone_is_as_any(size_t value_len, size_t random_len, bool versions_of_it)
{
    struct random r = {value_len};
    uint8_t *value = xcalloc(1, value_len);
    for (size_t i = value_len - random_len; i < value_len; i++)
        value[i] = (uint8_t)random_next(&r);
    struct entry e = {.key = slice_cstr("a key"),
        .value = slice_of(value, value_len),
        .seq = 1000000,
        .expire_ms = versions_of_it ? 4000000000000 : 0,
        .tag = versions_of_it ? RECORD_PUT | RECORD_EXPIRES | RECORD_FRESH : RECORD_PUT};
    for (int compression = 0; compression < 2; compression++) {
        struct block_builder plain = {0}, lone = {0};
        struct buf expected = {0}, out = {0}, got = {0};
        struct block_compressor *compressor = block_compressor_new(compression, 1);
        struct lone_block block;
        block_builder_add(&plain, &e);
        block_encode(&expected, block_builder_finish(&plain), compressor, 7, 4096);
        block_encode_lone(&lone, &e, &out, compressor, 7, 4096, &block);
        for (unsigned i = 0; i < block.count; i++)
            buf_append_slice(&got, block.pieces[i]);
        cr_assert_eq(got.len, block.len + BLOCK_TRAILER_SIZE);
        if (compressor == NULL || random_len == value_len)
            cr_assert(slice_equal(buf_slice(&got), buf_slice(&expected)));
        else
            cr_assert_lt(got.len, value_len - random_len / 2);
        size_t len, expected_len;
        uint8_t *contents = decoded(buf_slice(&got), &len),
                *should_be = decoded(buf_slice(&expected), &expected_len);
        cr_assert(slice_equal(slice_of(contents, len), slice_of(should_be, expected_len)));
        free(contents);
        free(should_be);
        buf_release(&expected);
        buf_release(&out);
        buf_release(&got);
        block_compressor_free(compressor);
        block_builder_release(&plain);
        block_builder_release(&lone);
    }
    free(value);
}

Test(block, a_large_value_alone_is_stored_as_any_other)
{
    const size_t sizes[] = {64 * 1024, 256 * 1024, 256 * 1024 - 20, 300001, 3 << 20};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        lone_is_as_any(sizes[i], 0, false);
        lone_is_as_any(sizes[i], sizes[i] / 3, true);
        lone_is_as_any(sizes[i], sizes[i], false);
    }
}

// Walks contents that may be anything; what counts is that it ends and reads nothing outside.
static void exercise(struct slice contents, struct slice key)
{
    struct block_cursor c = {0};
    struct entry e;
    struct slice value;
    unsigned steps = 0;
    block_get(contents, key, SEQ_MAX, &e);
    block_find(contents, key, &value);
    if (block_cursor_init(&c, contents) == OK) {
        if (block_cursor_seek(&c, key, SEQ_MAX) == OK && block_cursor_next(&c) == OK)
            block_cursor_prev(&c);
        for (int status = block_cursor_first(&c); status == OK && steps < 10000;
             status = block_cursor_next(&c))
            steps++;
        for (int status = block_cursor_last(&c); status == OK && steps < 20000;
             status = block_cursor_prev(&c))
            steps++;
    }
    cr_assert_lt(steps, 10000);
    block_cursor_release(&c);
}

Test(block, contents_with_any_byte_changed_are_walked_without_harm)
{
    struct random r = {5};
    struct block_builder b = {0};
    struct model m = model_random(&r, 40, 30, 60);
    struct slice contents = build(&b, &m);
    for (size_t i = 0; i < contents.len; i++) {
        for (int variant = 0; variant < 10; variant++) {
            uint8_t *bad = exact_copy(contents.data, contents.len);
            bad[i] = (uint8_t)(variant < 8 ? bad[i] ^ (1u << variant) : random_next(&r));
            exercise(slice_of(bad, contents.len), m.entries[random_below(&r, m.count)].key);
            free(bad);
        }
    }
    model_release(&m);
    block_builder_release(&b);
}

Test(block, random_bytes_are_walked_without_harm)
{
    struct random r = {6};
    for (int round = 0; round < 20000; round++) {
        size_t len = random_below(&r, 100);
        uint8_t *bytes = xmalloc(len + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)random_below(&r, random_below(&r, 2) ? 4 : 256);
        uint8_t *exact = exact_copy(bytes, len);
        exercise(slice_of(exact, len), slice_of(bytes, len / 2));
        free(exact);
        free(bytes);
    }
}

// A block of one entry, with this tag, and `more` behind it if there is any.
static int read_one(uint8_t tag, const char *more, struct entry *out)
{
    struct buf contents = {0};
    buf_append(&contents, "\0\1", 2); // nothing shared, one byte not
    buf_append_byte(&contents, tag);
    buf_append(&contents, more, strlen(more));
    buf_append(&contents, "\5", 1); // seq
    if ((tag & RECORD_KIND_MASK) == RECORD_PUT)
        buf_append(&contents, "\1", 1);
    buf_append(&contents, "kv", (tag & RECORD_KIND_MASK) == RECORD_PUT ? 2 : 1);
    buf_append_le32(&contents, 0);
    buf_append_le32(&contents, 1);
    struct block_cursor c = {0};
    cr_assert_eq(block_cursor_init(&c, buf_slice(&contents)), OK);
    struct slice value;
    int status = block_get(buf_slice(&contents), slice_cstr("k"), SEQ_MAX, out);
    cr_assert_eq(block_find(buf_slice(&contents), slice_cstr("k"), &value), status);
    cr_assert_eq(block_cursor_first(&c), status);
    cr_assert_eq(block_cursor_last(&c), status);
    cr_assert_eq(block_cursor_seek(&c, slice_cstr("k"), SEQ_MAX), status);
    block_cursor_release(&c);
    buf_release(&contents);
    return status;
}

Test(block, what_a_later_version_may_write_is_not_taken_for_damage)
{
    struct entry e;
    cr_assert_eq(read_one(RECORD_PUT, "", &e), OK);
    cr_assert_eq(read_one(RECORD_ADD, "", &e), NEWER_FORMAT);
    cr_assert_eq(read_one(RECORD_VALUE_POINTER, "", &e), NEWER_FORMAT);
    for (unsigned kind = RECORD_ADD; kind <= RECORD_KIND_MASK; kind++)
        cr_assert_eq(read_one((uint8_t)kind, "", &e), NEWER_FORMAT);
    cr_assert_eq(read_one(RECORD_PUT | RECORD_MORE, "\1", &e), NEWER_FORMAT);
    cr_assert_eq(read_one(RECORD_DELETE | RECORD_MORE, "\200\1", &e), NEWER_FORMAT);
    cr_assert_eq(read_one(0, "", &e), CORRUPT);
    cr_assert_eq(read_one(RECORD_DROP, "", &e), CORRUPT);
    cr_assert_eq(read_one(RECORD_DROP_RANGE, "", &e), CORRUPT);
}

Test(block, more_flags_of_which_none_is_set_mean_nothing)
{
    struct buf contents = {0};
    struct entry e;
    buf_append(&contents, "\0\1", 2);
    buf_append_byte(&contents, RECORD_PUT | RECORD_FRESH | RECORD_MORE);
    buf_append(&contents, "\0\5\1kv", 5);
    buf_append_le32(&contents, 0);
    buf_append_le32(&contents, 1);
    cr_assert_eq(block_get(buf_slice(&contents), slice_cstr("k"), SEQ_MAX, &e), OK);
    cr_assert_eq(e.tag, RECORD_PUT | RECORD_FRESH);
    cr_assert(slice_equal(e.value, slice_cstr("v")));
    buf_release(&contents);
}
