// table: point reads, and the description of a table from its own file.
//
// A point read asks the filter, then the index, then one data block. On the loop any of them may
// have to be fetched; filter and index are asked for together, because whoever lacks one mostly
// lacks both (the table was just opened), while the data block is asked for only when the filter
// has spoken: that saves the read in all but a hundredth of the tables that do not have the key.
//
// Checksums were verified where the block came into memory. What is checked here is that the
// contents make sense: CORRUPT names the table.

#include "engine/table/table.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/filename.h"
#include "engine/stats.h"
#include "engine/table/cache.h"
#include "engine/table/filter.h"

enum { PROPERTIES_MAX = 1 << 20 };

struct table *table_new(void)
{
    struct table *t = xcalloc(1, sizeof *t);
    t->refs = 1;
    return t;
}

struct table *table_ref(struct table *t)
{
    t->refs++;
    return t;
}

void table_unref(struct table *t)
{
    ENSURE(t->refs > 0);
    if (--t->refs > 0)
        return;
    table_meta_release(&t->meta);
    free(t->loop.built_index.data);
    free(t->loop.built_filter.data);
    free(t);
}

int table_corrupt(struct error *err, const struct table *t, uint64_t offset, const char *what)
{
    char name[32];
    snprintf(name, sizeof name, "%" PRIu64 ".sst", t->meta.number);
    return error_set(err, CORRUPT, name, offset, 0, "%s", what);
}

void handle_encode(struct buf *out, struct handle h)
{
    buf_append_varint(out, h.offset);
    buf_append_varint(out, h.len);
}

bool table_handle_decode(const struct table *t, struct slice bytes, struct handle *out)
{
    const uint8_t *end = bytes.data + bytes.len;
    const uint8_t *p = varint_get(bytes.data, end, &out->offset);
    if (p != NULL)
        p = varint_get(p, end, &out->len);
    return p == end && table_meta_holds(&t->meta, *out);
}

// --- Point reads ---------------------------------------------------------------------------------

void table_prefetch(const struct table *t, uint64_t hash)
{
    if (t->meta.filter.len > 0 && t->loop.filter_block != NULL)
        filter_prefetch(t->loop.filter_block->contents, hash);
}

int table_may_contain(const struct table *t, uint64_t hash)
{
    if (t->meta.filter.len == 0)
        return 1;
    if (t->loop.filter_block == NULL)
        return -1;
    t->loop.filter_block->visited = true;
    return filter_may_contain(t->loop.filter_block->contents, hash);
}

// As table_may_contain, through the source: 0, 1, WAIT or a failure in *status.
static int ask_filter(
    struct block_source *source, struct table *t, uint64_t hash, int *status, struct error *err)
{
    struct block_ref ref;
    *status = source->get(source, t, t->meta.filter, &ref, err);
    if (*status != OK)
        return -1;
    int answer = 0;
    if (filter_valid(ref.contents))
        answer = filter_may_contain(ref.contents, hash);
    else
        *status = table_corrupt(err, t, t->meta.filter.offset, "this is not a filter");
    source->put(source, &ref);
    return answer;
}

static int get_index(
    struct block_source *source, struct table *t, struct block_ref *ref, struct error *err)
{
    return source->get(source, t, t->meta.index, ref, err);
}

// The data block that would hold key: OK, NOT_FOUND, WAIT or a failure.
static int find_block(struct block_source *source, struct table *t, struct slice key,
    struct handle *out, struct error *err)
{
    struct block_ref index = {0};
    struct slice value;
    int status = OK;
    // nothing is evicted while we look into it: no pin
    bool at_hand = !source->tracks && t->loop.index_block != NULL;
    if (at_hand) {
        t->loop.index_block->visited = true;
        index.contents = t->loop.index_block->contents;
    } else if ((status = get_index(source, t, &index, err)) != OK) {
        return status;
    }
    status = block_find(index.contents, key, &value);
    if (status == CORRUPT || (status == OK && !table_handle_decode(t, value, out)))
        status = table_corrupt(err, t, t->meta.index.offset, "the index is not well formed");
    if (!at_hand)
        source->put(source, &index);
    return status == END ? NOT_FOUND : status;
}

static int get_in_block(struct block_source *source, struct table *t, struct handle h,
    struct slice key, uint64_t max_seq, struct entry *out, struct block_ref *pin, struct error *err)
{
    int status = source->get(source, t, h, pin, err);
    if (status != OK)
        return status;
    status = block_get(pin->contents, key, max_seq, out);
    if (status == CORRUPT)
        status = table_corrupt(err, t, h.offset, "a data block is not well formed");
    if (status != OK)
        source->put(source, pin);
    return status;
}

// The first block that may hold key has ended before (key, max_seq): looks in those that go on with
// the same key, if there are any.
static int get_in_following(struct block_source *source, struct table *t, struct slice key,
    uint64_t max_seq, struct entry *out, struct block_ref *pin, struct error *err)
{
    struct block_ref index;
    int status = get_index(source, t, &index, err);
    if (status != OK)
        return status;
    struct block_cursor c = {0};
    status = block_cursor_init(&c, index.contents);
    if (status == OK)
        status = block_cursor_seek(&c, key, SEQ_MAX);
    while (
        status == OK && slice_equal(c.entry.key, key) && (status = block_cursor_next(&c)) == OK) {
        struct handle h;
        if (!table_handle_decode(t, c.entry.value, &h)) {
            status = CORRUPT;
            break;
        }
        int found = get_in_block(source, t, h, key, max_seq, out, pin, err);
        if (found != END) {
            status = found;
            goto out;
        }
    }
    status = status == CORRUPT
                 ? table_corrupt(err, t, t->meta.index.offset, "the index is not well formed")
                 : NOT_FOUND;
out:
    block_cursor_release(&c);
    source->put(source, &index);
    return status;
}

int table_get(struct block_source *source, struct table *t, struct slice key, uint64_t hash,
    uint64_t max_seq, struct entry *out, struct block_ref *pin, struct engine_stats *stats,
    struct error *err)
{
    int status = OK,
        maybe = source->tracks && t->meta.filter.len > 0 ? -1 : table_may_contain(t, hash);
    if (maybe < 0)
        maybe = ask_filter(source, t, hash, &status, err);
    struct handle h;
    if (status == WAIT)
        find_block(source, t, key, &h, NULL); // notes the miss of the index, too
    if (status != OK)
        return status;
    bool filtered = t->meta.filter.len > 0;
    if (stats != NULL && filtered) {
        stats->filter_checks++;
        stats->filter_negatives += maybe == 0;
    }
    if (!maybe)
        return NOT_FOUND;
    status = find_block(source, t, key, &h, err);
    if (status == OK)
        status = get_in_block(source, t, h, key, max_seq, out, pin, err);
    if (status == END)
        status = get_in_following(source, t, key, max_seq, out, pin, err);
    if (status == NOT_FOUND && stats != NULL && filtered)
        stats->filter_false_positives++;
    return status;
}

// --- The file describes itself -------------------------------------------------------------------

static bool number_from(struct slice bytes, uint64_t *out)
{
    return varint_get(bytes.data, bytes.data + bytes.len, out) == bytes.data + bytes.len;
}

static bool set_property(struct table *t, uint64_t property, struct slice bytes)
{
    uint64_t v;
    switch (property) {
    case PROPERTY_ENTRIES:
        return number_from(bytes, &t->meta.entries);
    case PROPERTY_DELETES:
        return number_from(bytes, &t->meta.deletes);
    case PROPERTY_IN_DOUBT:
        return number_from(bytes, &t->meta.in_doubt);
    case PROPERTY_SEQ_MIN:
        return number_from(bytes, &t->meta.seq_min);
    case PROPERTY_SEQ_MAX:
        return number_from(bytes, &t->meta.seq_max);
    case PROPERTY_SMALLEST:
        table_meta_set_range(&t->meta, bytes, t->meta.largest);
        return true;
    case PROPERTY_LARGEST:
        table_meta_set_range(&t->meta, t->meta.smallest, bytes);
        return true;
    case PROPERTY_EXPIRE_MIN:
        if (!number_from(bytes, &v))
            return false;
        t->meta.expire_min = (int64_t)v;
        return true;
    case PROPERTY_EXPIRE_MAX:
        if (!number_from(bytes, &v))
            return false;
        t->meta.expire_max = (int64_t)v;
        return true;
    case PROPERTY_FILTER:
        return table_handle_decode(t, bytes, &t->meta.filter);
    case PROPERTY_RAW_BYTES:
        return number_from(bytes, &t->meta.raw_bytes);
    case PROPERTY_EXPIRING:
        return number_from(bytes, &t->meta.expiring);
    default:
        return true;
    }
}

static bool set_properties(struct table *t, struct slice contents)
{
    const uint8_t *p = contents.data, *end = p + contents.len;
    while (p < end) {
        uint64_t property;
        struct slice bytes;
        p = varint_get(p, end, &property);
        if (p == NULL || (p = bytes_get(p, end, &bytes)) == NULL ||
            !set_property(t, property, bytes))
            return false;
    }
    return t->meta.entries > 0 && t->meta.seq_min <= t->meta.seq_max &&
           slice_compare(t->meta.smallest, t->meta.largest) <= 0;
}

static int read_footer(struct env *env, struct file *f, const char *path, struct table *t,
    struct handle *properties, struct error *err)
{
    uint8_t footer[TABLE_FOOTER_SIZE];
    if (t->meta.size < sizeof footer)
        return error_set(
            err, CORRUPT, path, 0, 0, "a table of %llu bytes", (unsigned long long)t->meta.size);
    uint64_t at = t->meta.size - sizeof footer;
    const struct table_meta whole = {.size = at};
    int status = env_read_exactly(env, f, path, at, footer, sizeof footer, err);
    if (status != OK)
        return status;
    if (get_le64(footer) != TABLE_MAGIC || get_le64(footer + 56) != checksum64(footer, 56, 0))
        return error_set(err, CORRUPT, path, at, 0, "this is not the footer of a table");
    if (get_le32(footer + 8) > FORMAT_VERSION)
        return error_set(err, NEWER_FORMAT, path, at, 0, "version %u, we read up to %u",
            get_le32(footer + 8), FORMAT_VERSION);
    t->meta.index = (struct handle){get_le64(footer + 16), get_le64(footer + 24)};
    *properties = (struct handle){get_le64(footer + 32), get_le64(footer + 40)};
    if (get_le64(footer + 48) != t->meta.number || !table_meta_holds(&whole, t->meta.index) ||
        !table_meta_holds(&whole, *properties) || properties->len > PROPERTIES_MAX)
        return error_set(
            err, CORRUPT, path, at, 0, "the footer is of another table, or points outside");
    return OK;
}

static int read_meta(
    struct env *env, struct file *f, const char *path, struct table *t, struct error *err)
{
    struct handle properties = {0};
    int status = env->ops->size(env, f, &t->meta.size, err);
    if (status == OK)
        status = read_footer(env, f, path, t, &properties, err);
    if (status != OK)
        return status;
    size_t stored_len = (size_t)properties.len + BLOCK_TRAILER_SIZE, len;
    uint8_t *stored = xmalloc(stored_len), *contents;
    status = env_read_exactly(env, f, path, properties.offset, stored, stored_len, err);
    if (status != OK) {
        free(stored);
        return status;
    }
    status = block_decode(stored, stored_len, t->meta.number, properties.offset, PROPERTIES_MAX,
        path, &contents, &len, err);
    if (status != OK)
        return status;
    if (!set_properties(t, slice_of(contents, len)))
        status = error_set(
            err, CORRUPT, path, properties.offset, 0, "the properties are not well formed");
    free(contents);
    return status;
}

int table_read_meta(
    struct env *env, const char *dir, uint64_t number, struct table **out, struct error *err)
{
    char path[FILENAME_PATH_SIZE];
    filename_table(path, dir, number);
    struct file *f;
    int status = env_open(env, path, FILE_READ, &f, err);
    if (status != OK)
        return status;
    struct table *t = table_new();
    t->meta.number = number;
    status = read_meta(env, f, path, t, err);
    env_close(env, f);
    if (status == OK)
        *out = t;
    else
        table_unref(t);
    return status;
}
