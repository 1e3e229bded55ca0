// block: the sorted run of entries inside a table (format.h, DATA block contents), as bytes:
// builder and cursor, no I/O.
#ifndef VARVE_ENGINE_TABLE_BLOCK_H
#define VARVE_ENGINE_TABLE_BLOCK_H

#include "base/buf.h"
#include "engine/options.h"
#include "engine/record/entry.h"

struct block_builder {
    struct buf bytes;
    struct buf last_key;
    uint32_t *restarts;
    uint32_t restart_count, restart_cap;
    uint32_t count;
};

void block_builder_release(struct block_builder *b);
void block_builder_clear(struct block_builder *b);
void block_builder_add(struct block_builder *b, const struct entry *e); // in order
size_t block_builder_size(const struct block_builder *b);               // of the finished contents
// contents, valid until clear
struct slice block_builder_finish(struct block_builder *b);

// Reusable state of the compressor, of one job. NULL stands for no compression.
struct block_compressor;
// NULL for COMPRESSION_NONE
struct block_compressor *block_compressor_new(enum compression compression, int level);
void block_compressor_free(struct block_compressor *c);

// Compresses (if it pays: at least an eighth smaller) and appends contents and trailer to out,
// which will lie at `offset` of the table. Returns the stored length without trailer.
size_t block_encode(struct buf *out, struct slice contents, struct block_compressor *compressor,
    uint64_t table_number, uint64_t offset);
// A block of one entry with a large value, which is not copied: what is to be written at `offset`.
struct lone_block {
    struct slice pieces[3]; // trailer included; borrow from builder, entry and out
    unsigned count;
    size_t len; // without trailer
};
// The same for one entry alone. b and out are empty, and hold what is not the value until they are
// cleared. Gives up compressing as soon as what it has seen says that it does not pay.
void block_encode_lone(struct block_builder *b, const struct entry *e, struct buf *out,
    struct block_compressor *compressor, uint64_t table_number, uint64_t offset,
    struct lone_block *result);
// Checks and uncompresses stored bytes (with trailer), which are one heap block and taken over.
// *contents is one heap block. Takes any bytes; the uncompressed length is bounded by max_len
// before memory is taken. CORRUPT with path and offset.
int block_decode(uint8_t *stored, size_t stored_len, uint64_t table_number, uint64_t offset,
    size_t max_len, const char *path, uint8_t **contents, size_t *len, struct error *err);

// Contents have passed their checksum, but that does not make them well formed, or ours: everything
// that reads them may also answer CORRUPT, or NEWER_FORMAT for an entry that only a later version
// understands.
//
// Newest entry of key with seq <= max_seq in the contents of a block: OK, NOT_FOUND (the block goes
// on behind the key), or END (it ends before that could be said). *out borrows from contents and
// key. No allocation: what point reads use.
int block_get(struct slice contents, struct slice key, uint64_t max_seq, struct entry *out);
// In an index block: the value of the first entry with a key >= key. OK or END. No allocation.
int block_find(struct slice contents, struct slice key, struct slice *value);

// A position in a block.
struct block_view {
    const uint8_t *data;
    uint32_t restarts_at; // offset of the restart array
    uint32_t restart_count;
};

struct block_cursor {
    struct block_view view;
    uint32_t next;    // offset behind the current entry
    uint32_t current; // offset of the current entry
    uint32_t restart; // where the last walk to an entry began: a hint for the next step back
    struct buf key;   // current key, put together, unless it lies in the block as a whole
    struct entry entry;
};

// May be called again on another block.
int block_cursor_init(struct block_cursor *c, struct slice contents);
void block_cursor_release(struct block_cursor *c);
// OK or END. The key does not borrow from the cursor. next and prev need a valid position.
int block_cursor_seek(struct block_cursor *c, struct slice key, uint64_t seq);
// asks memory for what a seek touches first
void block_cursor_prefetch(const struct block_cursor *c);
int block_cursor_first(struct block_cursor *c);
int block_cursor_last(struct block_cursor *c);
int block_cursor_next(struct block_cursor *c);
int block_cursor_prev(struct block_cursor *c);
// Entry number nth (from 0) of those that begin with this restart, which there is: OK, or END if
// the next restart comes before. And the restart that the current entry belongs to.
int block_cursor_at(struct block_cursor *c, uint32_t restart, uint32_t nth);
uint32_t block_cursor_restart(const struct block_cursor *c);

#endif
