// table: point reads, and the life of a table in memory.
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
#include "engine/env.h"
#include "engine/stats.h"
#include "engine/table/cache.h"
#include "engine/table/filter.h"

#define BAD_INDEX "the index is not well formed"

struct table *table_new(void)
{
    struct table *t = xcalloc(1, sizeof *t);
    t->refs = 1;
    t->meta.format = FORMAT_VERSION;
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
    corrections_free(t->loop.corrections);
    free(t);
}

static int blame(
    struct error *err, const struct table *t, uint64_t offset, int status, const char *what)
{
    char name[32];
    snprintf(name, sizeof name, "%" PRIu64 ".sst", t->meta.number);
    return error_set(err, status, name, offset, 0, "%s", what);
}

int table_corrupt(struct error *err, const struct table *t, uint64_t offset, const char *what)
{
    return blame(err, t, offset, CORRUPT, what);
}

int table_judge_block(
    struct error *err, const struct table *t, uint64_t offset, int status, const char *what)
{
    if (status == NEWER_FORMAT)
        what = "a block has an entry of a kind that only a later version knows";
    return status == CORRUPT || status == NEWER_FORMAT ? blame(err, t, offset, status, what)
                                                       : status;
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
    int answer = filter_may_contain(ref.contents, hash);
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
    if (status == OK && !table_handle_decode(t, value, out))
        status = CORRUPT;
    status = table_judge_block(err, t, t->meta.index.offset, status, BAD_INDEX);
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
    if (status == OK)
        return OK;
    source->put(source, pin);
    return table_judge_block(err, t, h.offset, status, "a data block is not well formed");
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
    status = status == OK || status == END
                 ? NOT_FOUND
                 : table_judge_block(err, t, t->meta.index.offset, status, BAD_INDEX);
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
