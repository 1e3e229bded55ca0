#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "base/random.h"
#include "engine/format.h"
#include "engine/options.h"
#include "engine/table/table_meta.h"

static uint64_t some(struct random *r)
{
    return random_below(r, 4) == 0 ? 0 : random_next(r) >> random_below(r, 64);
}

static struct table_meta random_meta(struct random *r)
{
    struct table_meta m = {
        .number = 1 + random_below(r, 1000),
        .format = 1 + random_below(r, FORMAT_VERSION),
        .level = random_below(r, ENGINE_LEVELS),
        .size = 100000 + random_below(r, 1000),
        .checksum = some(r),
        .index = {50000 + random_below(r, 100), 1 + random_below(r, 100)},
        .entries = some(r),
        .deletes = some(r),
        .in_doubt = some(r),
        .expiring = some(r),
        .seq_min = random_below(r, 1000),
        .seq_max = 1000 + random_below(r, 1000),
        .expire_min = (int64_t)random_below(r, 1000),
        .raw_bytes = some(r),
        .clean_seq = some(r),
    };
    m.expire_max = m.expire_min + (int64_t)random_below(r, 1000);
    if (random_below(r, 2))
        m.filter = (struct handle){random_below(r, 40000), 1 + random_below(r, 1000)};
    if (random_below(r, 2)) {
        m.lineage.timeline = 1 + random_below(r, 100);
        for (size_t i = 0; i < sizeof m.lineage.id; i++)
            m.lineage.id[i] = (uint8_t)random_next(r);
    }
    table_meta_set_range(&m, slice_of("aa", random_below(r, 3)), slice_cstr("b"));
    return m;
}

// Members alone: the keys lie elsewhere.
static bool same(const struct table_meta *a, const struct table_meta *b)
{
    struct table_meta x = *a, y = *b;
    x.smallest = x.largest = y.smallest = y.largest = (struct slice){0};
    return memcmp(&x, &y, sizeof x) == 0 && slice_equal(a->smallest, b->smallest) &&
           slice_equal(a->largest, b->largest);
}

Test(table_meta, a_description_survives_its_encoding)
{
    struct random r = {1};
    for (int round = 0; round < 1000; round++) {
        struct table_meta m = random_meta(&r), back = {0};
        struct buf bytes = {0};
        struct error err;
        table_meta_encode(&m, TABLE_META_IN_MANIFEST, &bytes);
        cr_assert_eq(table_meta_decode(&back, buf_slice(&bytes), &err), OK, "%s", err.text);
        cr_assert(same(&m, &back));

        // From the file, with what its footer tells.
        struct table_meta file = {.number = m.number, .size = m.size, .index = m.index};
        buf_clear(&bytes);
        table_meta_encode(&m, TABLE_META_IN_FILE, &bytes);
        cr_assert_eq(table_meta_decode(&file, buf_slice(&bytes), &err), OK, "%s", err.text);
        m.checksum = m.clean_seq = 0;
        cr_assert(same(&m, &file));
        buf_release(&bytes);
        table_meta_release(&m);
        table_meta_release(&back);
        table_meta_release(&file);
    }
}

static int decode_with(const struct table_meta *m, unsigned property, const char *value)
{
    struct table_meta back = {0};
    struct buf bytes = {0};
    table_meta_encode(m, TABLE_META_IN_MANIFEST, &bytes);
    buf_append_varint(&bytes, property);
    buf_append_bytes(&bytes, slice_cstr(value));
    int status = table_meta_decode(&back, buf_slice(&bytes), NULL);
    table_meta_release(&back);
    buf_release(&bytes);
    return status;
}

Test(table_meta, unknown_properties_below_optional_are_a_newer_format)
{
    struct random r = {2};
    struct table_meta m = random_meta(&r);
    cr_assert_eq(decode_with(&m, PROPERTY_OPTIONAL - 1, "x"), NEWER_FORMAT);
    cr_assert_eq(decode_with(&m, PROPERTY_OPTIONAL + 1, "x"), OK);
    cr_assert_eq(decode_with(&m, PROPERTY_FORMAT, "\3"), NEWER_FORMAT);
    cr_assert_eq(decode_with(&m, PROPERTY_LOCATION, "\1"), NEWER_FORMAT);
    table_meta_release(&m);
}

Test(table_meta, what_makes_no_sense_is_corrupt)
{
    struct random r = {3};
    struct table_meta m = random_meta(&r);
    cr_assert_eq(decode_with(&m, PROPERTY_ENTRIES, "\1"), OK);
    cr_assert_eq(decode_with(&m, PROPERTY_ENTRIES, "\1\1"), CORRUPT, "more than a number");
    cr_assert_eq(decode_with(&m, PROPERTY_ENTRIES, ""), CORRUPT, "less than a number");
    cr_assert_eq(decode_with(&m, PROPERTY_LEVEL, "\7"), CORRUPT);
    cr_assert_eq(decode_with(&m, PROPERTY_SIZE, "\100"), CORRUPT, "the index lies outside");
    cr_assert_eq(decode_with(&m, PROPERTY_SMALLEST, "c"), CORRUPT, "behind the largest");
    cr_assert_eq(decode_with(&m, PROPERTY_SEQ_MAX, "\0"), m.seq_min == 0 ? OK : CORRUPT);
    cr_assert_eq(decode_with(&m, PROPERTY_CHECKSUM, "1234567"), CORRUPT);
    cr_assert_eq(decode_with(&m, PROPERTY_DATABASE, "0123456789abcde\1"), CORRUPT);
    char same_block[8];
    size_t len = (size_t)((char *)varint_put((uint8_t *)same_block, m.index.offset) - same_block);
    same_block[len] = 1;
    same_block[len + 1] = '\0';
    cr_assert_eq(decode_with(&m, PROPERTY_FILTER, same_block), CORRUPT, "the filter is the index");
    table_meta_release(&m);
}

Test(table_meta, damaged_descriptions_are_errors_and_nothing_worse)
{
    struct random r = {4};
    for (int round = 0; round < 3000; round++) {
        struct table_meta m = random_meta(&r), back = {0};
        struct buf bytes = {0};
        table_meta_encode(&m, TABLE_META_IN_MANIFEST, &bytes);
        size_t len = random_below(&r, bytes.len + 1);
        uint8_t *exact = xmalloc(len + 1); // its own block, so that a read past the end is seen
        memcpy(exact, bytes.data, len);
        if (len > 0)
            exact[random_below(&r, len)] ^= (uint8_t)(1 << random_below(&r, 8));
        int status = table_meta_decode(&back, slice_of(exact, len), NULL);
        cr_assert(status == OK || status == CORRUPT || status == NEWER_FORMAT);
        cr_assert(status == OK || back.smallest.data == NULL, "unchanged");
        table_meta_release(&back);
        table_meta_release(&m);
        buf_release(&bytes);
        free(exact);
    }
}
