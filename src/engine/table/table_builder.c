// table_builder: entries in, one file out, in one pass and with bounded memory (format.h, TABLE).
//
// Data blocks are encoded into a buffer that goes to the file in large writes. The index entry of a
// block waits until the next key is known, because the separator lies between the two keys and is
// as short as they allow. What grows with the table is the index and 8 bytes a key for the filter;
// both are written behind the data.
//
// A large value, which is alone in its block anyway, is written from where it lies: flush and
// compaction need no memory for it, but for its compressed bytes.
//
// Blocks are cut by size alone. Versions of one key may so be spread over blocks (the separator is
// then the key itself, and readers go on in the next block), which keeps a key with many versions
// from growing a block without bound.
//
// What can fail: every write, with IO or NO_SPACE. After that the builder can only be abandoned;
// finish abandons by itself.

#include "engine/table/table_builder.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/filename.h"
#include "engine/table/filter.h"
#include "engine/table/table.h"

enum {
    WRITE_SIZE = 512 * 1024,
    LONE_VALUE = 64 * 1024, // a value of this size gets a block alone, and is not copied
};

struct table_builder {
    struct table_builder_options options;
    char path[FILENAME_PATH_SIZE];
    struct file *file;
    struct buf out;                   // blocks that are not in the file yet
    uint64_t written;                 // bytes that are
    struct checksum_stream *checksum; // of them
    struct block_builder data, index;
    struct block_compressor *compressor;
    struct buf last_key;
    bool index_due; // the entry of the last block
    struct handle due;
    uint32_t due_count; // of the last block's entries
    uint64_t *hashes;
    size_t hash_count, hash_cap;
    struct table *table;
};

int table_builder_open(
    const struct table_builder_options *options, struct table_builder **out, struct error *err)
{
    struct table_builder *b = xcalloc(1, sizeof *b);
    b->options = *options;
    filename_table(b->path, options->dir, options->number);
    int status = env_open(options->env, b->path, FILE_CREATE, &b->file, err);
    if (status != OK) {
        free(b);
        return status;
    }
    b->compressor = block_compressor_new(options->compression, options->compression_level);
    b->table = table_new();
    b->table->meta.number = options->number;
    b->table->meta.level = options->level;
    b->table->meta.lineage = options->lineage;
    b->checksum = checksum_stream_new();
    *out = b;
    return OK;
}

static uint64_t position(const struct table_builder *b)
{
    return b->written + b->out.len;
}

static int write_pieces(
    struct table_builder *b, const struct slice *pieces, unsigned count, struct error *err)
{
    int status =
        b->options.env->ops->write(b->options.env, b->file, b->written, pieces, count, err);
    if (status != OK)
        return status;
    for (unsigned i = 0; i < count; i++) {
        checksum_stream_add(b->checksum, pieces[i].data, pieces[i].len);
        b->written += pieces[i].len;
    }
    buf_clear(&b->out);
    return OK;
}

static int write_out(struct table_builder *b, struct error *err)
{
    struct slice piece = buf_slice(&b->out);
    return write_pieces(b, &piece, 1, err);
}

static struct handle add_block(
    struct table_builder *b, struct slice contents, struct block_compressor *compressor)
{
    struct handle h = {.offset = position(b)};
    h.len = block_encode(&b->out, contents, compressor, b->options.number, h.offset);
    return h;
}

// The shortest key >= last and < next, or last itself where that is as short or they are equal.
static struct slice separator(struct slice last, struct slice next)
{
    size_t common = slice_common_prefix(last, next);
    return common + 1 < next.len && common + 1 < last.len ? slice_of(next.data, common + 1) : last;
}

static void add_index_entry(struct table_builder *b, struct slice key)
{
    uint8_t bytes[2 * VARINT_MAX_LEN],
        *end = varint_put(varint_put(bytes, b->due.offset), b->due.len);
    struct entry e = {.key = key,
        .value = slice_of(bytes, (size_t)(end - bytes)),
        .seq = b->due_count,
        .tag = RECORD_PUT};
    block_builder_add(&b->index, &e);
    b->index_due = false;
}

static int cut_block(struct table_builder *b, struct error *err)
{
    ENSURE(!b->index_due);
    struct table_meta *meta = &b->table->meta;
    b->due_count = b->data.count;
    meta->block_most = b->due_count > meta->block_most ? b->due_count : meta->block_most;
    b->due = add_block(b, block_builder_finish(&b->data), b->compressor);
    b->index_due = true;
    block_builder_clear(&b->data);
    return b->out.len >= WRITE_SIZE ? write_out(b, err) : OK;
}

static bool is_lone(const struct table_builder *b, const struct entry *e)
{
    return e->value.len >= LONE_VALUE && e->value.len > 2ull * b->options.block_size &&
           entry_kind(e) == RECORD_PUT;
}

static int add_lone(struct table_builder *b, const struct entry *e, struct error *err)
{
    int status = b->out.len > 0 ? write_out(b, err) : OK;
    if (status != OK)
        return status;
    struct lone_block block;
    b->due.offset = b->written;
    block_encode_lone(
        &b->data, e, &b->out, b->compressor, b->options.number, b->due.offset, &block);
    b->due.len = block.len;
    b->index_due = true;
    status = write_pieces(b, block.pieces, block.count, err);
    block_builder_clear(&b->data);
    buf_clear(&b->out);
    buf_shrink(&b->out, 2 * WRITE_SIZE);
    return status;
}

static void add_hash(struct table_builder *b, struct slice key)
{
    if (b->hash_count == b->hash_cap) {
        b->hash_cap = b->hash_cap == 0 ? 1024 : b->hash_cap * 2;
        b->hashes = xrealloc(b->hashes, b->hash_cap * sizeof *b->hashes);
    }
    b->hashes[b->hash_count++] = hash64(key);
}

static void describe(struct table_meta *m, const struct entry *e)
{
    if (m->entries == 0)
        m->seq_min = e->seq;
    m->entries++;
    m->raw_bytes += e->key.len + e->value.len;
    m->deletes += entry_kind(e) == RECORD_DELETE;
    m->in_doubt += (e->tag & RECORD_IN_DOUBT) != 0;
    m->covers += (e->tag & RECORD_FRESH) == 0;
    m->seq_min = e->seq < m->seq_min ? e->seq : m->seq_min;
    m->seq_max = e->seq > m->seq_max ? e->seq : m->seq_max;
    if (e->tag & RECORD_EXPIRES) {
        m->expire_min =
            m->expiring == 0 || e->expire_ms < m->expire_min ? e->expire_ms : m->expire_min;
        m->expire_max = e->expire_ms > m->expire_max ? e->expire_ms : m->expire_max;
        m->expiring++;
    }
}

int table_builder_add(struct table_builder *b, const struct entry *e, struct error *err)
{
    bool first = b->table->meta.entries == 0;
    bool new_key = first || !slice_equal(buf_slice(&b->last_key), e->key);
    if (first)
        table_meta_set_range(&b->table->meta, e->key, e->key);
    size_t size = block_builder_size(&b->data);
    int status = OK;
    if (b->data.count > 0 &&
        size + e->key.len + e->value.len > b->options.block_size + b->options.block_size / 8)
        status = cut_block(b, err);
    if (status != OK)
        return status;
    if (b->index_due)
        add_index_entry(b, separator(buf_slice(&b->last_key), e->key));
    if (is_lone(b, e))
        status = add_lone(b, e, err);
    else
        block_builder_add(&b->data, e);
    if (status != OK)
        return status;
    if (new_key) {
        if (b->options.bloom_bits_per_key > 0)
            add_hash(b, e->key);
        buf_clear(&b->last_key);
        buf_append_slice(&b->last_key, e->key);
    }
    describe(&b->table->meta, e);
    return OK;
}

uint64_t table_builder_bytes(const struct table_builder *b)
{
    return position(b) + block_builder_size(&b->data);
}

static void add_footer(struct table_builder *b, struct handle properties)
{
    uint8_t footer[TABLE_FOOTER_SIZE] = {0};
    put_le64(footer, TABLE_MAGIC);
    put_le32(footer + 8, FORMAT_VERSION);
    put_le64(footer + 16, b->table->meta.index.offset);
    put_le64(footer + 24, b->table->meta.index.len);
    put_le64(footer + 32, properties.offset);
    put_le64(footer + 40, properties.len);
    put_le64(footer + 48, b->options.number);
    put_le64(footer + 56, checksum64(footer, 56, 0));
    buf_append(&b->out, footer, sizeof footer);
}

static void keep_built(struct built_block *built, struct slice contents)
{
    built->data = xmalloc(contents.len);
    built->len = contents.len;
    memcpy(built->data, contents.data, contents.len);
}

// Filter, index, properties and footer, behind the last data block.
static void add_tail(struct table_builder *b)
{
    struct buf bytes = {0};
    if (b->hash_count > 0) {
        filter_build(&bytes, b->hashes, b->hash_count, b->options.bloom_bits_per_key);
        b->table->meta.filter = add_block(b, buf_slice(&bytes), NULL);
        keep_built(&b->table->loop.built_filter, buf_slice(&bytes));
        ENSURE(filter_load(
            b->table->loop.built_filter.data, &b->table->loop.built_filter.len, FORMAT_VERSION));
        buf_clear(&bytes);
    }
    struct slice index = block_builder_finish(&b->index);
    b->table->meta.index = add_block(b, index, NULL);
    keep_built(&b->table->loop.built_index, index);
    table_meta_encode(&b->table->meta, TABLE_META_IN_FILE, &bytes);
    add_footer(b, add_block(b, buf_slice(&bytes), NULL));
    buf_release(&bytes);
}

static void free_builder(struct table_builder *b)
{
    if (b->file != NULL)
        env_close(b->options.env, b->file);
    block_builder_release(&b->data);
    block_builder_release(&b->index);
    block_compressor_free(b->compressor);
    checksum_stream_free(b->checksum);
    buf_release(&b->out);
    buf_release(&b->last_key);
    free(b->hashes);
    if (b->table != NULL)
        table_unref(b->table);
    free(b);
}

void table_builder_abandon(struct table_builder *b)
{
    env_close(b->options.env, b->file);
    b->file = NULL;
    // If it stays, it is an orphan that the next start removes.
    b->options.env->ops->unlink(b->options.env, b->path, NULL);
    free_builder(b);
}

int table_builder_finish(struct table_builder *b, struct table **out, struct error *err)
{
    ENSURE(b->table->meta.entries > 0);
    struct slice last_key = buf_slice(&b->last_key);
    int status = b->data.count > 0 ? cut_block(b, err) : OK;
    if (status != OK)
        goto failed;
    add_index_entry(b, last_key);
    table_meta_set_range(&b->table->meta, b->table->meta.smallest, last_key);
    add_tail(b);
    status = write_out(b, err);
    if (status == OK)
        status = b->options.env->ops->sync(b->options.env, b->file, err);
    if (status != OK)
        goto failed;
    b->table->meta.size = b->written;
    b->table->meta.checksum = checksum_stream_value(b->checksum);
    *out = b->table;
    b->table = NULL;
    free_builder(b);
    return OK;
failed:
    table_builder_abandon(b);
    return status;
}
