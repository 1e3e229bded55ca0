// The disk format, byte for byte: fixed contents must become exactly the bytes of golden/v2.txt,
// and those bytes must be read, as those that version 1 made of the same contents (golden/v1.txt)
// still are. When this fails, the format has changed: that is a new version (format.h), a new
// golden file, and a reader of this one. VARVE_GOLDEN=write makes the file of this version anew.
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "engine/filename.h"
#include "engine/log/segment.h"
#include "engine/record/batch.h"
#include "engine/table/table.h"
#include "engine/table/table_builder.h"
#include "engine/version/version.h"
#include "tests/engine/table/table_file.h"
#include "tests/sim/sim_env.h"

enum { ENTRIES = 40, LINE_BYTES = 32 };

static const struct lineage lineage = {.id = {0xda, 0x7a}, .timeline = 3};
static struct sim_env *sim;
static struct env *env;

static void set_up(void)
{
    sim = sim_env_new(1);
    env = sim_env_env(sim);
    cr_assert_eq(env->ops->mkdir(env, "db", NULL), OK);
}

static void tear_down(void)
{
    sim_env_free(sim);
}

static struct entry entry_number(int i, char key[32], char value[64])
{
    snprintf(key, 32, "user:%04d", i);
    snprintf(value, 64, "value %d value %d value", i, i * i);
    struct entry e = {.key = slice_cstr(key),
        .value = slice_cstr(value),
        .seq = 1000 + (uint64_t)i,
        .tag = RECORD_PUT};
    if (i % 5 == 1) {
        e.tag |= RECORD_EXPIRES | RECORD_FRESH;
        e.expire_ms = 1700000000000 + i;
    }
    if (i % 7 == 3) {
        e.tag = RECORD_DELETE | RECORD_IN_DOUBT;
        e.expire_ms = 0;
        e.value.len = 0;
    }
    return e;
}

static void build_table(uint64_t number, enum compression compression, struct buf *out)
{
    struct table_builder_options options = {.env = env,
        .dir = "db",
        .number = number,
        .level = 2,
        .lineage = lineage,
        .block_size = 512,
        .bloom_bits_per_key = 10,
        .compression = compression,
        .compression_level = 1};
    struct table_builder *b;
    struct table *t = NULL;
    char key[32], value[64], path[FILENAME_PATH_SIZE];
    cr_assert_eq(table_builder_open(&options, &b, NULL), OK);
    for (int i = 0; i < ENTRIES; i++) {
        struct entry e = entry_number(i, key, value);
        cr_assert_eq(table_builder_add(b, &e, NULL), OK);
    }
    cr_assert_eq(table_builder_finish(b, &t, NULL), OK);
    table_unref(t);
    filename_table(path, "db", number);
    cr_assert_eq(sim_env_read_file(sim, path, out), OK);
}

static void build_segment(struct buf *out)
{
    struct batch batch = {0};
    uint8_t header[SEGMENT_HEADER_SIZE];
    segment_header_encode(header, LOG_MAGIC, 7, &lineage);
    buf_append(out, header, sizeof header);
    batch_put(&batch, slice_cstr("key"), slice_cstr("val"), slice_cstr("ue"), 0);
    batch_put(&batch, slice_cstr("fleeting"), slice_cstr("x"), slice_cstr(""), 1700000000000);
    batch_flag(&batch, 0, RECORD_FRESH);
    segment_append(out, 7, out->len, 5, 1700000000001, 0, buf_slice(&batch.bytes));
    uint32_t proven = (uint32_t)out->len;
    batch_clear(&batch);
    batch_delete(&batch, slice_cstr("key"));
    batch_drop(&batch, slice_cstr("prefix"));
    segment_append(out, 7, out->len, 7, 1700000000002, proven, buf_slice(&batch.bytes));
    segment_append_seal(
        out, 7, out->len, 1700000000003, (uint32_t)out->len, (struct segment_seal){8, 9});
    batch_release(&batch);
}

static void build_edit(struct buf *out)
{
    struct version_edit e = {.lineage = lineage, .next_file = 12, .last_seq = 3456, .log_start = 9};
    struct table *t = table_new();
    t->meta.number = 11;
    t->meta.size = 65536;
    t->meta.index = (struct handle){60000, 500};
    t->meta.filter = (struct handle){58000, 1984};
    t->meta.entries = 100;
    t->meta.deletes = 3;
    t->meta.in_doubt = 2;
    t->meta.expiring = 1;
    t->meta.seq_min = 17;
    t->meta.seq_max = 3456;
    t->meta.expire_min = t->meta.expire_max = 1700000000000;
    t->meta.raw_bytes = 99999;
    t->meta.clean_seq = 16;
    table_meta_set_range(&t->meta, slice_cstr("aardvark"), slice_cstr("zebra"));
    version_edit_add(&e, 1, t);
    table_unref(t);
    version_edit_remove(&e, 0, 8);
    drop_set_add(&e.drops, slice_cstr("Kgone"), 3000);
    drop_set_add(&e.drops_done, slice_cstr("Kolder"), 2000);
    version_edit_add_log_end(&e, (struct log_end){6, 4096, 9});
    counts_add(&e.counts, slice_cstr("K"), -5, 2);
    version_edit_encode(&e, out);
    version_edit_release(&e);
}

static void write_golden(FILE *f, const char *name, const struct buf *bytes)
{
    fprintf(f, "%s %zu\n", name, bytes->len);
    for (size_t i = 0; i < bytes->len; i++)
        fprintf(f, "%02x%s", bytes->data[i],
            i % LINE_BYTES == LINE_BYTES - 1 || i + 1 == bytes->len ? "\n" : "");
}

static void read_golden(FILE *f, const char *name, struct buf *out)
{
    char found[32];
    size_t len;
    cr_assert_eq(fscanf(f, "%31s %zu", found, &len), 2);
    cr_assert_str_eq(found, name);
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        cr_assert_eq(fscanf(f, "%2x", &byte), 1);
        buf_append_byte(out, (uint8_t)byte);
    }
}

static const char *const names[] = {"table", "table-zstd", "segment", "edit"};
enum { TABLE, TABLE_ZSTD, SEGMENT, EDIT, PARTS };

static void build_all(struct buf parts[PARTS])
{
    build_table(42, COMPRESSION_NONE, &parts[TABLE]);
    build_table(43, COMPRESSION_ZSTD, &parts[TABLE_ZSTD]);
    build_segment(&parts[SEGMENT]);
    build_edit(&parts[EDIT]);
}

static void load_all(const char *file, struct buf parts[PARTS])
{
    FILE *f = fopen(file, "r");
    cr_assert_not_null(f);
    for (int i = 0; i < PARTS; i++)
        read_golden(f, names[i], &parts[i]);
    fclose(f);
}

static void release_all(struct buf parts[PARTS])
{
    for (int i = 0; i < PARTS; i++)
        buf_release(&parts[i]);
}

Test(format, is_written_as_ever, .init = set_up, .fini = tear_down)
{
    struct buf built[PARTS] = {0}, golden[PARTS] = {0};
    build_all(built);
    if (getenv("VARVE_GOLDEN") != NULL) {
        FILE *f = fopen(GOLDEN_DIR "/v2.txt", "w");
        for (int i = 0; i < PARTS; i++)
            write_golden(f, names[i], &built[i]);
        fclose(f);
    }
    load_all(GOLDEN_DIR "/v2.txt", golden);
    for (int i = 0; i < PARTS; i++) {
        if (i == TABLE_ZSTD) // another zstd may compress otherwise: only what is read of it counts
            continue;
        cr_assert(
            slice_equal(buf_slice(&built[i]), buf_slice(&golden[i])), "%s has changed", names[i]);
    }
    release_all(built);
    release_all(golden);
}

static void expect_entries(uint64_t number)
{
    struct table *t = NULL;
    struct error err = {0};
    uint64_t bytes_read;
    char key[32], value[64];
    cr_assert_eq(table_file_read(env, "db", number, &t, &err), OK, "%s", err.text);
    cr_assert_eq(t->meta.entries, ENTRIES);
    struct block_source *source = table_scan_new(env, "db", 4096, 1 << 20);
    struct cursor *c = table_cursor(source, t, &err);
    int status = c->ops->seek(c, slice_cstr(""), SEQ_MAX);
    for (int i = 0; i < ENTRIES; i++, status = c->ops->next(c)) {
        struct entry e = entry_number(i, key, value);
        cr_assert_eq(status, OK, "%s", err.text);
        cr_assert(slice_equal(c->entry.key, e.key) && slice_equal(c->entry.value, e.value));
        cr_assert(
            c->entry.seq == e.seq && c->entry.tag == e.tag && c->entry.expire_ms == e.expire_ms);
    }
    cr_assert_eq(status, END);
    c->ops->close(c);
    table_scan_free(source, &bytes_read);
    table_unref(t);
}

static void expect_segment(unsigned version)
{
    struct segment_reader r;
    struct segment_record record;
    struct entry e;
    bool torn;
    cr_assert_eq(segment_open(&r, env, "db/7.log", LOG_MAGIC, 7, UINT64_MAX, NULL), OK);
    cr_assert_eq(r.version, version);
    cr_assert_eq(r.lineage.timeline, version == 1 ? 0 : lineage.timeline);
    cr_assert_eq(lineage_same_database(&r.lineage, &lineage), version > 1);
    cr_assert_eq(segment_next(&r, "db/7.log", &record, &torn, NULL), OK);
    cr_assert_eq(record.seq, 5);
    cr_assert_eq(record.time_ms, 1700000000001);
    const uint8_t *p = record.payload.data;
    cr_assert_eq(batch_decode(&p, p + record.payload.len, &e), OK);
    cr_assert(slice_equal(e.value, slice_cstr("value")) && e.tag == (RECORD_PUT | RECORD_FRESH));
    cr_assert_eq(segment_next(&r, "db/7.log", &record, &torn, NULL), OK);
    cr_assert_gt(record.proven, 0);
    cr_assert_eq(segment_next(&r, "db/7.log", &record, &torn, NULL), END);
    cr_assert_eq(r.sealed, version > 1);
    cr_assert(!r.sealed || (r.seal.last_seq == 8 && r.seal.next == 9));
    segment_close(&r);
}

static void expect_edit(struct slice bytes, unsigned version)
{
    struct version_edit edit;
    cr_assert_eq(version_edit_decode(&edit, bytes, NULL), OK);
    cr_assert_eq(edit.lineage.timeline, version == 1 ? 0 : lineage.timeline);
    cr_assert_eq(edit.next_file, 12);
    cr_assert_eq(edit.added_count, 1);
    cr_assert(slice_equal(edit.added[0].table->meta.largest, slice_cstr("zebra")));
    cr_assert_eq(edit.added[0].table->meta.clean_seq, 16);
    version_edit_release(&edit);
}

static void expect_parts(const char *file, unsigned version)
{
    struct buf golden[PARTS] = {0};
    load_all(file, golden);
    sim_env_write_file(sim, "db/42.sst", buf_slice(&golden[TABLE]));
    sim_env_write_file(sim, "db/43.sst", buf_slice(&golden[TABLE_ZSTD]));
    sim_env_write_file(sim, "db/7.log", buf_slice(&golden[SEGMENT]));
    expect_entries(42);
    expect_entries(43);
    expect_segment(version);
    expect_edit(buf_slice(&golden[EDIT]), version);
    release_all(golden);
}

Test(format, version_1_is_read, .init = set_up, .fini = tear_down)
{
    expect_parts(GOLDEN_DIR "/v1.txt", 1);
}

Test(format, version_2_is_read, .init = set_up, .fini = tear_down)
{
    expect_parts(GOLDEN_DIR "/v2.txt", 2);
}
