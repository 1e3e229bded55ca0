#include "engine/table/filter.h"
#include <stdio.h>

#include "model_table.h"
#include "table_file.h"

// A source that answers WAIT at random, over a blocking one: what the loop's looks like.
struct moody_source {
    struct block_source source;
    struct block_source *below;
    struct random *random;
    int held;
};

static int moody_get(struct block_source *s, struct table *t, struct handle h,
    struct block_ref *out, struct error *err)
{
    struct moody_source *m = (struct moody_source *)(void *)s;
    if (m->random != NULL && random_below(m->random, 3) == 0)
        return WAIT;
    int status = m->below->get(m->below, t, h, out, err);
    m->held += status == OK;
    return status;
}

static void moody_put(struct block_source *s, struct block_ref *ref)
{
    struct moody_source *m = (struct moody_source *)(void *)s;
    m->held--;
    m->below->put(m->below, ref);
}

static void moody_want(struct block_source *s, struct table *t, struct handle h)
{
    cr_assert_leq(h.offset + h.len + BLOCK_TRAILER_SIZE, t->meta.size);
}

static void moody_leave(struct block_source *s, struct table *t)
{
    struct moody_source *m = (struct moody_source *)(void *)s;
    m->below->leave(m->below, t);
}

static struct moody_source moody(struct block_source *below, struct random *random)
{
    struct block_source source = {
        .get = moody_get, .put = moody_put, .want = moody_want, .leave = moody_leave};
    return (struct moody_source){source, below, random, 0};
}

// Writes the model as up to `max` tables that are disjoint in their keys, as a level is.
static uint32_t write_level(struct sim_env *sim, const struct model *m, struct random *r,
    uint32_t max, struct table **tables)
{
    uint32_t count = 0;
    for (size_t from = 0; from < m->count;) {
        size_t to = count + 1 == max ? m->count : from + 1 + random_below(r, m->count - from);
        while (to < m->count && slice_equal(m->entries[to - 1].key, m->entries[to].key))
            to++;
        struct table_builder_options options = model_table_options(sim, count + 1);
        options.compression = random_below(r, 2) ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        tables[count++] = model_table(&options, m, from, to);
        from = to;
    }
    return count;
}

static void walk_levels(uint64_t seed, uint32_t max_tables, bool wait)
{
    struct random r = {seed};
    for (int round = 0; round < 25; round++) {
        struct sim_env *sim = sim_env_new(seed);
        struct model m = model_random(&r, 1 + random_below(&r, 400), 200, 3000);
        struct table *tables[16];
        uint32_t count = write_level(sim, &m, &r, max_tables, tables);
        struct error err = {0};
        struct block_source *scan = table_scan_new(sim_env_env(sim), ".", 4096, MODEL_MAX_BLOCK);
        struct moody_source source = moody(scan, wait ? &r : NULL);
        struct model_walk w = {.model = &m, .at = SIZE_MAX};
        w.cursor = max_tables == 1 ? table_cursor(&source.source, tables[0], &err)
                                   : level_cursor(&source.source, tables, count, &err);
        for (int step = 0; step < 3000; step++)
            model_walk_step(&w, &r);
        w.cursor->ops->close(w.cursor);
        cr_assert_eq(source.held, 0);
        cr_assert_eq(sim_env_open_files(sim), 0, "the cursor has left its table");
        table_scan_free(scan, NULL);
        for (uint32_t i = 0; i < count; i++)
            table_unref(tables[i]);
        model_release(&m);
        sim_env_free(sim);
    }
}

Test(table, cursor_agrees_with_a_sorted_array)
{
    walk_levels(1, 1, false);
}

Test(table, cursor_goes_on_after_every_wait)
{
    walk_levels(2, 1, true);
}

Test(table, level_cursor_agrees_with_a_sorted_array)
{
    walk_levels(3, 8, false);
}

Test(table, level_cursor_goes_on_after_every_wait)
{
    walk_levels(4, 8, true);
}

// Among small ones and versions of keys, in blocks of their own, compressed and not.
Test(table, large_values_are_found_where_they_belong)
{
    struct random r = {11};
    for (int round = 0; round < 12; round++) {
        struct sim_env *sim = sim_env_new(11);
        struct model m = model_random(&r, 3 + random_below(&r, 20), 200, 150000);
        struct table_builder_options options = model_table_options(sim, 1);
        options.compression = round % 2 ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        struct table *t = model_table(&options, &m, 0, m.count);
        struct error err = {0};
        struct block_source *scan = table_scan_new(sim_env_env(sim), ".", 4096, 1 << 20);
        struct model_walk w = {.model = &m, .at = SIZE_MAX};
        w.cursor = table_cursor(scan, t, &err);
        for (int step = 0; step < 200; step++)
            model_walk_step(&w, &r);
        w.cursor->ops->close(w.cursor);
        table_scan_free(scan, NULL);
        table_unref(t);
        model_release(&m);
        sim_env_free(sim);
    }
}

static void check_get(struct block_source *source, struct table *t, const struct model *m,
    struct slice key, uint64_t seq)
{
    struct entry e;
    struct block_ref pin;
    struct error err;
    int status, tries = 0;
    while ((status = table_get(source, t, key, hash64(key), seq, &e, &pin, NULL, &err)) == WAIT)
        cr_assert_lt(tries++, 10000);
    size_t expected = model_find(m, key, seq);
    if (expected == m->count || !slice_equal(m->entries[expected].key, key)) {
        cr_assert_eq(status, NOT_FOUND);
        return;
    }
    cr_assert_eq(status, OK);
    cr_assert(entry_same(&e, &m->entries[expected]));
    source->put(source, &pin);
}

static void check_gets_of(
    struct env *env, struct table *t, struct random *r, const struct model *m, bool wait)
{
    struct block_source *scan = table_scan_new(env, ".", 4096, MODEL_MAX_BLOCK);
    struct moody_source source = moody(scan, wait ? r : NULL);
    for (size_t i = 0; i < m->count; i++) {
        check_get(&source.source, t, m, m->entries[i].key, m->entries[i].seq);
        check_get(&source.source, t, m, m->entries[i].key, m->entries[i].seq - 1);
        check_get(&source.source, t, m, m->entries[i].key, SEQ_MAX);
        struct slice other = model_key(r, 40, 4);
        check_get(&source.source, t, m, other, SEQ_MAX);
        free((void *)(uintptr_t)other.data);
    }
    cr_assert_eq(source.held, 0);
    table_scan_free(scan, NULL);
}

static void check_gets(
    const struct table_builder_options *options, struct random *r, const struct model *m, bool wait)
{
    struct table *t = model_table(options, m, 0, m->count);
    check_gets_of(options->env, t, r, m, wait);
    table_unref(t);
}

Test(table, point_reads_agree_with_a_sorted_array)
{
    struct random r = {5};
    for (int round = 0; round < 24; round++) {
        struct sim_env *sim = sim_env_new(5);
        struct model m = model_random(&r, 200, 100, 2000);
        struct table_builder_options options = model_table_options(sim, 9);
        options.bloom_bits_per_key = round % 3 == 0 ? 0 : 10;
        options.compression = round % 2 ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        check_gets(&options, &r, &m, round % 4 >= 2);
        model_release(&m);
        sim_env_free(sim);
    }
}

Test(table, versions_of_one_key_go_on_over_many_blocks)
{
    struct random r = {6};
    struct sim_env *sim = sim_env_new(6);
    struct model m = {xcalloc(300, sizeof(struct entry)), 300};
    for (size_t i = 0; i < m.count; i++) {
        m.entries[i].key = model_copy(slice_cstr(i < 100 ? "a" : i < 280 ? "b" : "c"));
        m.entries[i].seq = 1000 - i;
        m.entries[i].tag = RECORD_PUT;
        m.entries[i].value =
            model_copy(slice_of("0123456789012345678901234567890123456789", i % 40));
    }
    struct table_builder_options options = model_table_options(sim, 1);
    options.block_size = 200;
    check_gets(&options, &r, &m, false);
    model_release(&m);
    sim_env_free(sim);
}

static void same_meta(const struct table *a, const struct table *b)
{
    cr_assert(a->meta.format == b->meta.format && a->meta.level == b->meta.level);
    cr_assert_eq(memcmp(&a->meta.lineage, &b->meta.lineage, sizeof a->meta.lineage), 0);
    cr_assert_eq(a->meta.number, b->meta.number);
    cr_assert_eq(a->meta.size, b->meta.size);
    cr_assert(memcmp(&a->meta.index, &b->meta.index, sizeof a->meta.index) == 0 &&
              memcmp(&a->meta.filter, &b->meta.filter, sizeof a->meta.filter) == 0);
    cr_assert(a->meta.entries == b->meta.entries && a->meta.deletes == b->meta.deletes &&
              a->meta.in_doubt == b->meta.in_doubt);
    cr_assert(a->meta.expiring == b->meta.expiring && a->meta.expire_min == b->meta.expire_min &&
              a->meta.expire_max == b->meta.expire_max);
    cr_assert(a->meta.seq_min == b->meta.seq_min && a->meta.seq_max == b->meta.seq_max &&
              a->meta.raw_bytes == b->meta.raw_bytes);
    cr_assert(slice_equal(a->meta.smallest, b->meta.smallest) &&
              slice_equal(a->meta.largest, b->meta.largest));
}

Test(table, a_file_tells_what_its_builder_knew)
{
    struct random r = {7};
    struct sim_env *sim = sim_env_new(7);
    struct model m = model_random(&r, 300, 40, 300);
    struct table_builder_options options = model_table_options(sim, 1234567890123);
    options.level = 3;
    options.lineage = (struct lineage){"0123456789abcde", 17};
    struct table *built = model_table(&options, &m, 0, m.count), *read = NULL;
    struct error err;
    cr_assert_eq(
        table_file_read(options.env, ".", options.number, &read, &err), OK, "%s", err.text);
    same_meta(built, read);

    uint64_t deletes = 0, in_doubt = 0, expiring = 0, raw = 0;
    for (size_t i = 0; i < m.count; i++) {
        deletes += entry_kind(&m.entries[i]) == RECORD_DELETE;
        in_doubt += (m.entries[i].tag & RECORD_IN_DOUBT) != 0;
        expiring += m.entries[i].expire_ms != 0;
        raw += m.entries[i].key.len + m.entries[i].value.len;
    }
    cr_assert(read->meta.entries == m.count && read->meta.deletes == deletes &&
              read->meta.in_doubt == in_doubt);
    cr_assert(read->meta.expiring == expiring && read->meta.raw_bytes == raw);
    table_unref(built);
    table_unref(read);
    model_release(&m);
    sim_env_free(sim);
}

Test(table, the_checksum_is_that_of_the_whole_file)
{
    struct random r = {11};
    struct sim_env *sim = sim_env_new(11);
    struct model m = model_random(&r, 3000, 40, 20000); // several writes
    struct table_builder_options options = model_table_options(sim, 1);
    struct table *t = model_table(&options, &m, 0, m.count);
    struct buf file = {0};
    cr_assert_eq(sim_env_read_file(sim, "./1.sst", &file), OK);
    cr_assert_gt(file.len, 600 * 1024);
    cr_assert_eq(t->meta.checksum, checksum64(file.data, file.len, 0));
    cr_assert_eq(t->meta.size, file.len);
    buf_release(&file);
    table_unref(t);
    model_release(&m);
    sim_env_free(sim);
}

// Reads everything in every way. The entries, or CORRUPT; never other entries.
static bool reads_whole(struct sim_env *sim, uint64_t number, const struct model *m)
{
    struct table *t = NULL;
    struct error err;
    int status = table_file_read(sim_env_env(sim), ".", number, &t, &err);
    if (status != OK) {
        cr_assert(status == CORRUPT || status == NEWER_FORMAT, "%s", err.text);
        return false;
    }
    struct block_source *scan = table_scan_new(sim_env_env(sim), ".", 4096, MODEL_MAX_BLOCK);
    struct cursor *c = table_cursor(scan, t, &err);
    size_t i = 0;
    for (status = c->ops->seek(c, slice_cstr(""), SEQ_MAX); status == OK;
         status = c->ops->next(c), i++)
        cr_assert(i < m->count && entry_same(&c->entry, &m->entries[i]));
    cr_assert(status == CORRUPT || (status == END && i == m->count));
    bool whole = status == END;
    struct entry e;
    struct block_ref pin;
    for (i = 0; i < m->count; i += 7) {
        struct slice key = m->entries[i].key;
        status = table_get(scan, t, key, hash64(key), m->entries[i].seq, &e, &pin, NULL, &err);
        cr_assert(status == CORRUPT || status == OK);
        whole = whole && status == OK;
        if (status == OK) {
            cr_assert(entry_same(&e, &m->entries[i]));
            scan->put(scan, &pin);
        }
    }
    c->ops->close(c);
    table_scan_free(scan, NULL);
    table_unref(t);
    return whole;
}

Test(table, any_changed_byte_is_corrupt)
{
    struct random r = {8};
    struct sim_env *sim = sim_env_new(8);
    struct model m = model_random(&r, 60, 20, 50);
    struct table_builder_options options = model_table_options(sim, 1);
    struct table *t = model_table(&options, &m, 0, m.count);
    cr_assert(reads_whole(sim, 1, &m));
    for (uint64_t offset = 0; offset < t->meta.size; offset++) {
        uint8_t mask = (uint8_t)(1u << random_below(&r, 8));
        cr_assert_eq(sim_env_flip(sim, "./1.sst", offset, mask), OK);
        cr_assert_not(
            reads_whole(sim, 1, &m), "a flip at %llu was not seen", (unsigned long long)offset);
        cr_assert_eq(sim_env_flip(sim, "./1.sst", offset, mask), OK);
    }
    table_unref(t);
    model_release(&m);
    sim_env_free(sim);
}

Test(table, a_cut_off_file_is_corrupt)
{
    struct random r = {9};
    struct sim_env *sim = sim_env_new(9);
    struct model m = model_random(&r, 60, 20, 50);
    struct table_builder_options options = model_table_options(sim, 1);
    struct table *t = model_table(&options, &m, 0, m.count);
    struct buf file = {0};
    cr_assert_eq(sim_env_read_file(sim, "./1.sst", &file), OK);
    for (size_t cut = 0; cut < file.len; cut++) {
        sim_env_write_file(sim, "./1.sst", slice_of(file.data, cut));
        cr_assert_not(reads_whole(sim, 1, &m));
    }
    buf_release(&file);
    table_unref(t);
    model_release(&m);
    sim_env_free(sim);
}

Test(table, a_failed_write_or_sync_leaves_no_file)
{
    struct random r = {10};
    struct model m = model_random(&r, 60, 20, 50);
    for (int op = SIM_WRITE; op <= SIM_SYNC; op++) {
        struct sim_env *sim = sim_env_new(10);
        struct table_builder_options options = model_table_options(sim, 1);
        sim_env_fail(sim, (enum sim_op)op, NULL, 0, 1, NO_SPACE);
        struct table_builder *b;
        struct table *t;
        struct error err;
        struct buf file = {0};
        cr_assert_eq(table_builder_open(&options, &b, &err), OK);
        for (size_t i = 0; i < m.count; i++)
            cr_assert_eq(table_builder_add(b, &m.entries[i], &err), OK);
        cr_assert_eq(table_builder_finish(b, &t, &err), NO_SPACE);
        cr_assert_eq(sim_env_open_files(sim), 0);
        cr_assert_eq(sim_env_read_file(sim, "./1.sst", &file), NOT_FOUND);
        sim_env_free(sim);
    }
    model_release(&m);
}

// --- Version 1 -----------------------------------------------------------------------------------

static struct handle append_block(struct buf *file, uint64_t number, struct slice contents)
{
    struct handle h = {.offset = file->len};
    h.len = block_encode(file, contents, NULL, number, h.offset);
    return h;
}

static void append_index_entry(struct block_builder *index, struct slice last, struct handle h)
{
    struct buf value = {0};
    buf_append_varint(&value, h.offset);
    buf_append_varint(&value, h.len);
    struct entry e = {.key = last, .value = buf_slice(&value), .tag = RECORD_PUT};
    block_builder_add(index, &e);
    buf_release(&value);
}

static struct handle append_data_v1(
    struct buf *file, uint64_t number, const struct model *m, struct buf *hashes)
{
    struct block_builder data = {0}, index = {0};
    for (size_t i = 0; i < m->count; i++) {
        block_builder_add(&data, &m->entries[i]);
        buf_append_le64(hashes, hash64(m->entries[i].key));
        if (i % 20 == 19 || i + 1 == m->count) {
            struct handle h = append_block(file, number, block_builder_finish(&data));
            append_index_entry(&index, m->entries[i].key, h);
            block_builder_clear(&data);
        }
    }
    struct handle h = append_block(file, number, block_builder_finish(&index));
    block_builder_release(&data);
    block_builder_release(&index);
    return h;
}

static void put_property_v1(struct buf *out, unsigned property, struct slice value)
{
    buf_append_varint(out, property);
    buf_append_bytes(out, value);
}

// A table as version 1 wrote it: a filter without a type, properties without number and format.
static void write_v1(struct sim_env *sim, uint64_t number, const struct model *m)
{
    struct buf file = {0}, hashes = {0}, filter = {0}, properties = {0}, handle = {0};
    struct handle index = append_data_v1(&file, number, m, &hashes);
    filter_build(&filter, (uint64_t *)(void *)hashes.data, m->count, 10);
    filter.len -= 4;
    struct handle h = append_block(&file, number, buf_slice(&filter));
    buf_append_varint(&handle, h.offset);
    buf_append_varint(&handle, h.len);
    put_property_v1(&properties, PROPERTY_FILTER, buf_slice(&handle));
    put_property_v1(&properties, PROPERTY_ENTRIES, slice_of(&(uint8_t){(uint8_t)m->count}, 1));
    put_property_v1(&properties, PROPERTY_SEQ_MIN, slice_of("", 1));
    put_property_v1(&properties, PROPERTY_SEQ_MAX, slice_of("\177", 1));
    put_property_v1(&properties, PROPERTY_SMALLEST, m->entries[0].key);
    put_property_v1(&properties, PROPERTY_LARGEST, m->entries[m->count - 1].key);
    h = append_block(&file, number, buf_slice(&properties));
    const uint64_t footer[] = {TABLE_MAGIC, 1, index.offset, index.len, h.offset, h.len, number};
    size_t at = file.len;
    for (size_t i = 0; i < sizeof footer / sizeof *footer; i++)
        buf_append_le64(&file, footer[i]);
    buf_append_le64(&file, checksum64(file.data + at, 56, 0));
    char path[32];
    snprintf(path, sizeof path, "./%u.sst", (unsigned)number);
    sim_env_write_file(sim, path, buf_slice(&file));
    buf_release(&file);
    buf_release(&hashes);
    buf_release(&filter);
    buf_release(&properties);
    buf_release(&handle);
}

Test(table, version_1_is_read)
{
    struct random r = {12};
    struct sim_env *sim = sim_env_new(12);
    struct model m = model_random(&r, 100, 40, 100);
    struct table *t = NULL;
    struct error err;
    write_v1(sim, 5, &m);
    cr_assert(reads_whole(sim, 5, &m));
    cr_assert_eq(table_file_read(sim_env_env(sim), ".", 5, &t, &err), OK, "%s", err.text);
    cr_assert(t->meta.format == 1 && t->meta.checksum == 0 && t->meta.lineage.timeline == 0);
    cr_assert_gt(t->meta.filter.len, 0);
    check_gets_of(sim_env_env(sim), t, &r, &m, false);
    table_unref(t);
    model_release(&m);
    sim_env_free(sim);
}
