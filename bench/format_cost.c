// format_cost: what the table format costs: 1,000 entries of key, value and timestamp as a table,
// plain and compressed, against the same entries as JSON lines. Bytes on disk count everything
// (blocks, filter, index, properties, footer); decoding visits every key, value and timestamp. The
// timestamp stands in the record's expiry field. JSON is decoded by cJSON.
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/random.h"
#include "bench/store.h"
#include "engine/filename.h"
#include "engine/table/table.h"
#include "engine/table/table_builder.h"
#include "os/os.h"

enum { ENTRIES = 1000, REPEATS = 200 };

struct item {
    char key[32];
    char value[128];
    int64_t timestamp;
};

_Noreturn void bench_fail(const char *what, const char *detail)
{
    fprintf(stderr, "format_cost: %s: %s\n", what, detail);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

// Readings of a few dozen stations: structured text with some entropy, as users store it.
static void make_items(struct item *items)
{
    static const char *const states[] = {
        "ok", "warming up", "low battery", "offline", "calibrating"};
    struct random r = {42};
    int64_t time = 1700000000000;
    for (int i = 0; i < ENTRIES; i++) {
        time += (int64_t)random_below(&r, 60000);
        items[i].timestamp = time;
        snprintf(items[i].key, sizeof items[i].key, "station:%02d:reading:%06d", i / 25, i);
        snprintf(items[i].value, sizeof items[i].value,
            "temperature=%d.%d humidity=%d state=%s serial=%08" PRIx32,
            (int)random_below(&r, 40) - 10, (int)random_below(&r, 10), (int)random_below(&r, 100),
            states[random_below(&r, 5)], (uint32_t)random_next(&r));
    }
}

static void json_lines(const struct item *items, struct buf *out)
{
    for (int i = 0; i < ENTRIES; i++)
        buf_printf(out, "{\"key\":\"%s\",\"value\":\"%s\",\"timestamp\":%" PRId64 "}\n",
            items[i].key, items[i].value, items[i].timestamp);
}

static uint64_t decode_json(const struct buf *lines)
{
    uint64_t check = 0;
    const char *p = (const char *)lines->data, *end = p + lines->len;
    while (p < end) {
        const char *parsed = NULL;
        cJSON *object = cJSON_ParseWithLengthOpts(p, (size_t)(end - p), &parsed, false);
        if (object == NULL)
            bench_fail("json", "not parsed");
        check += strlen(cJSON_GetObjectItem(object, "key")->valuestring);
        check += strlen(cJSON_GetObjectItem(object, "value")->valuestring);
        check += (uint64_t)cJSON_GetObjectItem(object, "timestamp")->valuedouble;
        cJSON_Delete(object);
        p = parsed + 1;
    }
    return check;
}

static struct table *build(
    const struct item *items, const char *dir, uint64_t number, enum compression compression)
{
    struct table_builder_options options = {
        .env = os_env(),
        .dir = dir,
        .number = number,
        .level = 2,
        .block_size = 4096,
        .bloom_bits_per_key = 10,
        .compression = compression,
        .compression_level = 1,
    };
    struct error err;
    struct table_builder *b;
    if (table_builder_open(&options, &b, &err) != OK)
        bench_fail("table", err.text);
    for (int i = 0; i < ENTRIES; i++) {
        struct entry e = {
            .key = slice_cstr(items[i].key),
            .value = slice_cstr(items[i].value),
            .seq = (uint64_t)i + 1,
            .expire_ms = items[i].timestamp,
            .tag = RECORD_PUT | RECORD_EXPIRES,
        };
        if (table_builder_add(b, &e, &err) != OK)
            bench_fail("table", err.text);
    }
    struct table *t;
    if (table_builder_finish(b, &t, &err) != OK)
        bench_fail("table", err.text);
    return t;
}

static uint64_t decode_table(struct table *t, const char *dir)
{
    struct error err = {0};
    struct block_source *source = table_scan_new(os_env(), dir, 256 * 1024, 1 << 20);
    struct cursor *c = table_cursor(source, t, &err);
    uint64_t check = 0;
    int status = c->ops->seek(c, (struct slice){0}, SEQ_MAX);
    for (; status == OK; status = c->ops->next(c))
        check += c->entry.key.len + c->entry.value.len + (uint64_t)c->entry.expire_ms;
    if (status != END)
        bench_fail("table", err.text);
    c->ops->close(c);
    uint64_t bytes_read;
    table_scan_free(source, &bytes_read);
    return check;
}

static void print_row(
    const char *name, uint64_t bytes, double us, uint64_t json_bytes, double json_us)
{
    printf("%-12s %9" PRIu64 " %9.1f %8.0f%% %12.1f %10.2f\n", name, bytes, (double)bytes / ENTRIES,
        100.0 * ((double)bytes / (double)json_bytes - 1), us, us / json_us);
}

int main(void)
{
    static struct item items[ENTRIES];
    make_items(items);
    char dir[] = "/tmp/format-cost-XXXXXX";
    if (mkdtemp(dir) == NULL)
        bench_fail("mkdtemp", dir);
    struct buf lines = {0};
    json_lines(items, &lines);
    struct table *tables[] = {
        build(items, dir, 1, COMPRESSION_NONE), build(items, dir, 2, COMPRESSION_ZSTD)};

    // In turns, so that a change of the machine's speed meets all three; the least time of each
    // counts.
    uint64_t best[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX}, checks[3];
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (int i = 0; i < 3; i++) {
            uint64_t begin = now_ns();
            checks[i] = i == 0 ? decode_json(&lines) : decode_table(tables[i - 1], dir);
            uint64_t took = now_ns() - begin;
            if (took < best[i])
                best[i] = took;
        }
    }
    if (checks[0] != checks[1] || checks[0] != checks[2])
        bench_fail("check", "the decoders do not agree");

    double json_us = (double)best[0] / 1e3;
    printf("%-12s %9s %9s %9s %12s %10s\n", "format", "bytes", "an entry", "size", "decode us",
        "time/JSON");
    print_row("JSON lines", lines.len, json_us, lines.len, json_us);
    print_row("table", tables[0]->meta.size, (double)best[1] / 1e3, lines.len, json_us);
    print_row("table, zstd", tables[1]->meta.size, (double)best[2] / 1e3, lines.len, json_us);

    for (int i = 0; i < 2; i++) {
        char path[FILENAME_PATH_SIZE];
        filename_table(path, dir, tables[i]->meta.number);
        unlink(path);
        table_unref(tables[i]);
    }
    rmdir(dir);
    buf_release(&lines);
    return 0;
}
