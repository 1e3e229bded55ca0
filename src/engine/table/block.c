// block: building the contents of a block, and the way between contents and the bytes on disk.
//
// Keys in a table come sorted, so neighbours share long prefixes, and so do the kinds and ids that
// the layer above puts in front. An entry therefore stores only what its key does not share with
// the key before it. Every TABLE_RESTART_INTERVAL entries a key is stored whole (a restart), and
// the offsets of these entries stand at the end: a reader searches them by bisection and then walks
// at most one interval.
//
// On disk a block is followed by a trailer with a checksum over everything in front of it. The
// checksum is seeded with the table's number and the block's offset, so that a good block in the
// wrong place is as bad as a damaged one. It covers the stored bytes, not the uncompressed ones:
// damage is found before the decompressor sees it.
//
// What can fail: block_decode on any input, with CORRUPT. Building cannot fail.

#include "engine/table/block.h"

#include <pthread.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"

enum {
    TRAILER_COMPRESSION = 0,
    TRAILER_LENGTH = 4,
    TRAILER_CHECKSUM = 8,
    ENTRY_HEADER_MAX = 5 + 5 + 1 + VARINT_MAX_LEN + 8 + 5,
    COMPRESS_STEP = 256 * 1024,   // of a large value
    COMPRESS_TRIED = 1024 * 1024, // before it may be given up
};

void block_builder_release(struct block_builder *b)
{
    buf_release(&b->bytes);
    buf_release(&b->last_key);
    free(b->restarts);
    *b = (struct block_builder){0};
}

void block_builder_clear(struct block_builder *b)
{
    buf_clear(&b->bytes);
    buf_clear(&b->last_key);
    b->restart_count = 0;
    b->count = 0;
}

static void add_restart(struct block_builder *b)
{
    if (b->restart_count == b->restart_cap) {
        b->restart_cap = b->restart_cap == 0 ? 16 : b->restart_cap * 2;
        b->restarts = xrealloc(b->restarts, b->restart_cap * sizeof *b->restarts);
    }
    ENSURE(b->bytes.len <= UINT32_MAX);
    b->restarts[b->restart_count++] = (uint32_t)b->bytes.len;
}

// All of the entry but the value, for which it makes room if it is to follow.
static void add_head(struct block_builder *b, const struct entry *e, size_t room)
{
    size_t shared = 0;
    if (b->count++ % TABLE_RESTART_INTERVAL == 0)
        add_restart(b);
    else
        shared = slice_common_prefix(buf_slice(&b->last_key), e->key);
    struct slice unshared = slice_skip(e->key, shared);
    bool put = entry_kind(e) == RECORD_PUT;

    buf_reserve(&b->bytes, ENTRY_HEADER_MAX + unshared.len + room);
    uint8_t *p = b->bytes.data + b->bytes.len;
    p = varint_put(p, shared);
    p = varint_put(p, unshared.len);
    *p++ = (uint8_t)(e->tag & ~RECORD_MORE); // we know of no more flags
    p = varint_put(p, e->seq);
    if (e->tag & RECORD_EXPIRES) {
        put_le64(p, (uint64_t)e->expire_ms);
        p += 8;
    }
    if (put)
        p = varint_put(p, e->value.len);
    b->bytes.len = (size_t)(p - b->bytes.data);
    buf_append_slice(&b->bytes, unshared);

    b->last_key.len = shared;
    buf_append_slice(&b->last_key, unshared);
}

void block_builder_add(struct block_builder *b, const struct entry *e)
{
    add_head(b, e, e->value.len);
    if (entry_kind(e) == RECORD_PUT)
        buf_append_slice(&b->bytes, e->value);
}

size_t block_builder_size(const struct block_builder *b)
{
    return b->bytes.len + 4 * ((size_t)b->restart_count + 1);
}

struct slice block_builder_finish(struct block_builder *b)
{
    for (uint32_t i = 0; i < b->restart_count; i++)
        buf_append_le32(&b->bytes, b->restarts[i]);
    buf_append_le32(&b->bytes, b->restart_count);
    return buf_slice(&b->bytes);
}

// --- Contents <-> stored bytes -------------------------------------------------------------------

struct block_compressor {
    ZSTD_CCtx *context;
    int level;
};

struct block_compressor *block_compressor_new(enum compression compression, int level)
{
    if (compression == COMPRESSION_NONE)
        return NULL;
    struct block_compressor *c = xmalloc(sizeof *c);
    *c = (struct block_compressor){.context = ZSTD_createCCtx(), .level = level};
    ENSURE(c->context != NULL);
    return c;
}

void block_compressor_free(struct block_compressor *c)
{
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->context);
    free(c);
}

// Appends the compressed contents, if that is worth it.
static bool append_compressed(struct buf *out, struct slice contents, struct block_compressor *c)
{
    size_t bound = ZSTD_compressBound(contents.len);
    buf_reserve(out, bound + BLOCK_TRAILER_SIZE);
    size_t len = ZSTD_compressCCtx(
        c->context, out->data + out->len, bound, contents.data, contents.len, c->level);
    if (ZSTD_isError(len) || len > contents.len - contents.len / 8)
        return false;
    out->len += len;
    return true;
}

static void put_trailer_head(uint8_t trailer[BLOCK_TRAILER_SIZE], bool compressed, size_t len)
{
    memset(trailer, 0, BLOCK_TRAILER_SIZE);
    trailer[TRAILER_COMPRESSION] = compressed ? COMPRESSION_ZSTD : COMPRESSION_NONE;
    put_le32(trailer + TRAILER_LENGTH, (uint32_t)len);
}

size_t block_encode(struct buf *out, struct slice contents, struct block_compressor *compressor,
    uint64_t table_number, uint64_t offset)
{
    size_t start = out->len;
    bool compressed = compressor != NULL && append_compressed(out, contents, compressor);
    if (!compressed)
        buf_append_slice(out, contents);
    size_t len = out->len - start;

    uint8_t trailer[BLOCK_TRAILER_SIZE];
    put_trailer_head(trailer, compressed, contents.len);
    buf_append(out, trailer, TRAILER_CHECKSUM);
    uint64_t checksum =
        checksum64(out->data + start, len + TRAILER_CHECKSUM, block_seed(table_number, offset));
    buf_append_le64(out, checksum);
    return len;
}

static bool compresses_well(size_t from, size_t to)
{
    return to <= from - from / 8;
}

// Appends the compressed pieces, if that is worth it; else out is as it was. The output lags behind
// the input by what the compressor holds back, which is in favour of going on.
static bool append_compressed_pieces(
    struct buf *out, const struct slice *pieces, unsigned count, struct block_compressor *c)
{
    size_t total = 0, done = 0, start = out->len;
    for (unsigned i = 0; i < count; i++)
        total += pieces[i].len;
    buf_reserve(out, total - total / 8 + BLOCK_TRAILER_SIZE);
    ZSTD_outBuffer to = {out->data + start, total - total / 8, 0};
    bool good =
        !ZSTD_isError(ZSTD_CCtx_reset(c->context, ZSTD_reset_session_and_parameters)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(c->context, ZSTD_c_compressionLevel, c->level)) &&
        !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c->context, total));
    for (unsigned i = 0; i < count && good; i++) {
        for (size_t at = 0; at < pieces[i].len && good;) {
            size_t rest = pieces[i].len - at, len = rest < COMPRESS_STEP ? rest : COMPRESS_STEP;
            bool last = i + 1 == count && len == rest;
            ZSTD_inBuffer from = {pieces[i].data + at, len, 0};
            size_t left =
                ZSTD_compressStream2(c->context, &to, &from, last ? ZSTD_e_end : ZSTD_e_continue);
            at += len;
            done += len;
            good = !ZSTD_isError(left) && from.pos == len && (!last || left == 0) &&
                   (done < COMPRESS_TRIED || compresses_well(done, to.pos));
        }
    }
    if (!good || !compresses_well(total, to.pos))
        return false;
    out->len += to.pos;
    return true;
}

void block_encode_lone(struct block_builder *b, const struct entry *e, struct buf *out,
    struct block_compressor *compressor, uint64_t table_number, uint64_t offset,
    struct lone_block *result)
{
    ENSURE(b->count == 0 && out->len == 0 && entry_kind(e) == RECORD_PUT);
    enum { RESTARTS = 8 };
    add_head(b, e, RESTARTS + BLOCK_TRAILER_SIZE);
    size_t head_len = b->bytes.len;
    block_builder_finish(b);
    const uint8_t *head = b->bytes.data, *restarts = head + head_len;
    size_t restarts_len = b->bytes.len - head_len, total = b->bytes.len + e->value.len;
    struct slice *pieces = result->pieces;
    pieces[0] = slice_of(head, head_len);
    pieces[1] = e->value;
    pieces[2] = slice_of(restarts, restarts_len);
    result->count = 3;
    result->len = total;
    struct buf *last = &b->bytes; // that the trailer follows
    bool compressed =
        compressor != NULL && append_compressed_pieces(out, pieces, result->count, compressor);
    if (compressed) {
        last = out;
        result->count = 1;
        result->len = out->len;
    }
    uint8_t trailer[BLOCK_TRAILER_SIZE];
    put_trailer_head(trailer, compressed, total);
    buf_append(last, trailer, TRAILER_CHECKSUM);
    struct slice *end = &pieces[result->count - 1];
    *end = compressed ? buf_slice(out) : slice_of(restarts, restarts_len + TRAILER_CHECKSUM);
    buf_append_le64(
        last, checksum64_pieces(pieces, result->count, block_seed(table_number, offset)));
    end->len += BLOCK_TRAILER_SIZE - TRAILER_CHECKSUM;
}

// A thread's decompressor. zstd's one-shot call makes a context of some 100 KiB each time, which
// costs more than uncompressing a small block; blocks are uncompressed on the loop and in jobs, so
// each thread keeps one until it ends.
static pthread_key_t decompressor_key;

static void free_decompressor(void *context)
{
    ZSTD_freeDCtx(context);
}

static void make_decompressor_key(void)
{
    ENSURE(pthread_key_create(&decompressor_key, free_decompressor) == 0);
}

static ZSTD_DCtx *decompressor(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_decompressor_key);
    ZSTD_DCtx *context = pthread_getspecific(decompressor_key);
    if (context == NULL) {
        context = ZSTD_createDCtx();
        ENSURE(context != NULL && pthread_setspecific(decompressor_key, context) == 0);
    }
    return context;
}

static int uncompress(const uint8_t *stored, size_t stored_len, uint64_t offset, size_t len,
    const char *path, uint8_t **contents, struct error *err)
{
    uint8_t *data = xmalloc(len + 1);
    size_t got = ZSTD_decompressDCtx(decompressor(), data, len, stored, stored_len);
    if (ZSTD_isError(got) || got != len) {
        free(data);
        return error_set(
            err, CORRUPT, path, offset, 0, "a block does not uncompress to its %zu bytes", len);
    }
    *contents = data;
    return OK;
}

static int decode(uint8_t *stored, size_t stored_len, uint64_t table_number, uint64_t offset,
    size_t max_len, const char *path, uint8_t **contents, size_t *len, struct error *err)
{
    if (stored_len < BLOCK_TRAILER_SIZE)
        return error_set(err, CORRUPT, path, offset, 0, "a block is shorter than its trailer");
    size_t stored_contents = stored_len - BLOCK_TRAILER_SIZE;
    const uint8_t *trailer = stored + stored_contents;
    uint64_t checksum =
        checksum64(stored, stored_contents + TRAILER_CHECKSUM, block_seed(table_number, offset));
    if (checksum != get_le64(trailer + TRAILER_CHECKSUM))
        return error_set(err, CORRUPT, path, offset, 0, "the checksum of a block does not match");

    size_t full = get_le32(trailer + TRAILER_LENGTH);
    if (full > max_len)
        return error_set(err, CORRUPT, path, offset, 0,
            "a block of %zu bytes, at most %zu are allowed", full, max_len);
    switch (trailer[TRAILER_COMPRESSION]) {
    case COMPRESSION_NONE:
        if (full != stored_contents)
            return error_set(err, CORRUPT, path, offset, 0, "a block claims %zu bytes and has %zu",
                full, stored_contents);
        *contents = stored;
        break;
    case COMPRESSION_ZSTD: {
        int status = uncompress(stored, stored_contents, offset, full, path, contents, err);
        if (status != OK)
            return status;
        break;
    }
    default:
        return error_set(
            err, CORRUPT, path, offset, 0, "unknown compression %u", trailer[TRAILER_COMPRESSION]);
    }
    *len = full;
    return OK;
}

int block_decode(uint8_t *stored, size_t stored_len, uint64_t table_number, uint64_t offset,
    size_t max_len, const char *path, uint8_t **contents, size_t *len, struct error *err)
{
    uint8_t *data = NULL;
    int status = decode(stored, stored_len, table_number, offset, max_len, path, &data, len, err);
    if (data != stored)
        free(stored);
    if (status == OK)
        *contents = data;
    return status;
}
