// table_cursor: walks the entries of one table, or of a row of disjoint tables, in both directions.
//
// Two block cursors: one in the index, one in the data block that the index entry points to. A
// movement that leaves the data block goes on in the index, and one that leaves the index goes on
// in the next table. Each of these steps may find its block missing, so the whole is a small state
// machine: `stage` is what remains to be done of the call that is under way, run() does it until
// the cursor shows an entry or an answer is due. WAIT leaves the stage as it is: the same call made
// again (entry.h) goes on there.
//
// Blocks are held while they are used, so what was fetched cannot be lost between two calls. A
// movement that waits for the next block asks for some more behind it: as many as it has passed
// since the last seek, so that seeks read nothing in vain and scans read far ahead.

#include "base/alloc.h"
#include "base/ensure.h"
#include "engine/table/table.h"

enum { AHEAD_MAX = 32 };

enum stage {
    STAGE_IDLE,
    STAGE_SEEK,            // to the target, in the table `at`
    STAGE_SEEK_BEFORE,     // the same
    STAGE_SEEK_NEXT_BLOCK, // versions of its key may go on there
    STAGE_SEEK_BLOCK,      // in the block that the index points to
    STAGE_FIRST,           // the first entry of the block that the index points to
    STAGE_LAST,
    STAGE_NEXT_BLOCK,
    STAGE_PREV_BLOCK,
    STAGE_FIRST_OF_TABLE, // the first entry of the table `at`
    STAGE_LAST_OF_TABLE,
    STAGE_NEXT_TABLE,
    STAGE_PREV_TABLE,
};

struct table_cursor {
    struct cursor base;
    struct block_source *source;
    struct error *err;
    struct table *const *tables;
    struct table *single; // what tables points to, of a cursor over one
    uint32_t count;
    uint32_t at;         // in tables
    struct table *table; // whose index and block are held; NULL: none
    struct block_ref index_ref, data_ref;
    bool has_index, has_data;
    uint64_t data_offset;
    struct block_cursor index, data;
    struct pending pending;
    enum stage stage;          // of the pending call
    uint32_t passed;           // blocks since the last seek
    table_damage_cb damage_cb; // NULL: damage ends the call
    void *damage_arg;
};

static struct table_cursor *self(struct cursor *c)
{
    return (struct table_cursor *)(void *)c;
}

static void drop_data(struct table_cursor *c)
{
    if (c->has_data)
        c->source->put(c->source, &c->data_ref);
    c->has_data = false;
}

static void close_table(struct table_cursor *c)
{
    drop_data(c);
    if (c->has_index)
        c->source->put(c->source, &c->index_ref);
    c->has_index = false;
    if (c->table != NULL && c->source->leave != NULL)
        c->source->leave(c->source, c->table);
    c->table = NULL;
}

// Makes `at` the table whose index is at hand.
static int open_table(struct table_cursor *c)
{
    struct table *t = c->tables[c->at];
    if (c->table == t && c->has_index)
        return OK;
    if (c->table != t)
        close_table(c);
    c->table = t;
    int status = c->source->get(c->source, t, t->meta.index, &c->index_ref, c->err);
    if (status != OK)
        return status;
    if (block_cursor_init(&c->index, c->index_ref.contents) != OK) {
        c->source->put(c->source, &c->index_ref);
        return table_corrupt(c->err, t, t->meta.index.offset, "the index is not well formed");
    }
    c->has_index = true;
    return OK;
}

static int in_index(struct table_cursor *c, int status)
{
    return table_judge_block(
        c->err, c->table, c->table->meta.index.offset, status, "the index is not well formed");
}

static int in_data(struct table_cursor *c, int status)
{
    return table_judge_block(
        c->err, c->table, c->data_offset, status, "a data block is not well formed");
}

// The blocks behind (or before) the one that is missing will be wanted, too.
static void want_ahead(struct table_cursor *c, bool forward)
{
    if (c->source->want == NULL || c->passed == 0)
        return;
    struct block_cursor ahead = {0};
    uint32_t left = c->passed < AHEAD_MAX ? c->passed : AHEAD_MAX;
    int status = block_cursor_init(&ahead, c->index_ref.contents);
    if (status == OK)
        status = block_cursor_seek(&ahead, c->index.entry.key, SEQ_MAX);
    // Separators of blocks that share a key are equal: find the very entry.
    while (status == OK && ahead.current < c->index.current)
        status = block_cursor_next(&ahead);
    while (status == OK && left-- > 0) {
        status = forward ? block_cursor_next(&ahead) : block_cursor_prev(&ahead);
        struct handle h;
        if (status == OK && table_handle_decode(c->table, ahead.entry.value, &h))
            c->source->want(c->source, c->table, h);
    }
    block_cursor_release(&ahead);
}

// Loads the block that the index points to.
static int load(struct table_cursor *c)
{
    struct handle h;
    if (!table_handle_decode(c->table, c->index.entry.value, &h))
        return in_index(c, CORRUPT);
    if (c->has_data && c->data_offset == h.offset)
        return OK;
    drop_data(c);
    int status = c->source->get(c->source, c->table, h, &c->data_ref, c->err);
    if (status == WAIT && (c->stage == STAGE_FIRST || c->stage == STAGE_LAST))
        want_ahead(c, c->stage == STAGE_FIRST);
    if (status != OK)
        return status;
    c->data_offset = h.offset;
    if (block_cursor_init(&c->data, c->data_ref.contents) != OK) {
        c->source->put(c->source, &c->data_ref);
        return in_data(c, CORRUPT);
    }
    c->has_data = true;
    return OK;
}

// OK: done, the data cursor is there. END: go on with `on_end`. Anything else is passed on.
static int done_or(struct table_cursor *c, int status, enum stage on_end)
{
    if (status == END)
        c->stage = on_end;
    else if (status == OK)
        c->stage = STAGE_IDLE;
    return status == END ? OK : in_data(c, status);
}

// The same for the index.
static int index_or(struct table_cursor *c, int status, enum stage on_ok, enum stage on_end)
{
    if (status == OK)
        c->stage = on_ok;
    else if (status == END)
        c->stage = on_end;
    return status == END ? OK : in_index(c, status);
}

static int run_seek(struct table_cursor *c)
{
    int status = open_table(c);
    if (status != OK)
        return status;
    status = block_cursor_seek(&c->index, pending_key(&c->pending), SEQ_MAX);
    if (status != OK)
        return index_or(c, status, STAGE_IDLE, STAGE_NEXT_TABLE);
    c->stage = STAGE_SEEK_BLOCK;
    return OK;
}

static int run_seek_block(struct table_cursor *c)
{
    int status = load(c);
    if (status != OK)
        return status;
    status = block_cursor_seek(&c->data, pending_key(&c->pending), c->pending.seq);
    return done_or(c, status, STAGE_SEEK_NEXT_BLOCK);
}

static int run_seek_before(struct table_cursor *c)
{
    int status = open_table(c);
    if (status != OK)
        return status;
    status = block_cursor_seek(&c->index, pending_key(&c->pending), SEQ_MAX);
    if (status != OK)
        return index_or(c, status, STAGE_IDLE, STAGE_LAST_OF_TABLE);
    status = load(c);
    if (status != OK)
        return status;
    status = block_cursor_seek(&c->data, pending_key(&c->pending), SEQ_MAX);
    if (status == OK)
        status = block_cursor_prev(&c->data);
    else if (status == END)
        status = block_cursor_last(&c->data);
    return done_or(c, status, STAGE_PREV_BLOCK);
}

// FIRST and LAST: the block that the index points to.
static int run_block(struct table_cursor *c, bool first)
{
    int status = load(c);
    if (status != OK)
        return status;
    c->passed++;
    status = first ? block_cursor_first(&c->data) : block_cursor_last(&c->data);
    return done_or(c, status, first ? STAGE_NEXT_BLOCK : STAGE_PREV_BLOCK);
}

static int run_table(struct table_cursor *c, bool first)
{
    int status = open_table(c);
    if (status != OK)
        return status;
    return first ? index_or(c, block_cursor_first(&c->index), STAGE_FIRST, STAGE_NEXT_TABLE)
                 : index_or(c, block_cursor_last(&c->index), STAGE_LAST, STAGE_PREV_TABLE);
}

static int run_stage(struct table_cursor *c)
{
    switch (c->stage) {
    case STAGE_SEEK:
        return run_seek(c);
    case STAGE_SEEK_BEFORE:
        return run_seek_before(c);
    case STAGE_SEEK_NEXT_BLOCK:
        return index_or(c, block_cursor_next(&c->index), STAGE_SEEK_BLOCK, STAGE_NEXT_TABLE);
    case STAGE_SEEK_BLOCK:
        return run_seek_block(c);
    case STAGE_FIRST:
        return run_block(c, true);
    case STAGE_LAST:
        return run_block(c, false);
    case STAGE_NEXT_BLOCK:
        return index_or(c, block_cursor_next(&c->index), STAGE_FIRST, STAGE_NEXT_TABLE);
    case STAGE_PREV_BLOCK:
        return index_or(c, block_cursor_prev(&c->index), STAGE_LAST, STAGE_PREV_TABLE);
    case STAGE_FIRST_OF_TABLE:
        return run_table(c, true);
    case STAGE_LAST_OF_TABLE:
        return run_table(c, false);
    case STAGE_NEXT_TABLE:
        if (c->at + 1 >= c->count)
            return END;
        c->at++;
        c->stage = STAGE_FIRST_OF_TABLE;
        return OK;
    case STAGE_PREV_TABLE:
        if (c->at == 0)
            return END;
        c->at--;
        c->stage = STAGE_LAST_OF_TABLE;
        return OK;
    case STAGE_IDLE:
        break;
    }
    ENSURE_UNREACHABLE();
}

// What the index says that lies before the block it points to: END if nothing does.
static int separator_before(struct table_cursor *c, struct buf *out)
{
    struct block_cursor before = {0};
    int status = block_cursor_init(&before, c->index_ref.contents);
    if (status == OK)
        status = block_cursor_first(&before);
    while (status == OK && before.current < c->index.current) {
        buf_clear(out);
        buf_append_slice(out, before.entry.key);
        status = block_cursor_next(&before);
    }
    block_cursor_release(&before);
    return status == OK ? (out->len > 0 ? OK : END) : CORRUPT;
}

// Behind the damaged block, or the table if that is what cannot be read.
static int pass_damage(struct table_cursor *c)
{
    struct buf before = {0};
    struct slice last = c->table->meta.largest, key;
    int status = c->has_index ? separator_before(c, &before) : CORRUPT;
    bool block = status == OK || status == END;
    if (block && slice_compare(c->index.entry.key, last) < 0)
        last = c->index.entry.key;
    key = buf_slice(&before);
    bool pass = c->damage_cb(c->damage_arg, c->table, status == OK ? &key : NULL, last, c->err);
    buf_release(&before);
    drop_data(c);
    c->stage = block ? STAGE_NEXT_BLOCK : STAGE_NEXT_TABLE;
    return pass ? OK : CORRUPT;
}

// Goes on until the cursor shows an entry, unless the call's first part has its answer.
static int run(struct table_cursor *c, int status)
{
    if (status == CORRUPT && c->damage_cb != NULL)
        status = pass_damage(c);
    while (status == OK && c->stage != STAGE_IDLE) {
        status = run_stage(c);
        if (status == CORRUPT && c->damage_cb != NULL)
            status = pass_damage(c);
    }
    if (status == OK)
        c->base.entry = c->data.entry;
    return pending_answer(&c->pending, status);
}

// A seek begins in the table `at`, unless there is none.
static int begin(struct table_cursor *c, bool found, uint32_t at, enum stage stage)
{
    if (!found)
        return END;
    c->at = at;
    c->stage = stage;
    c->passed = 0;
    return OK;
}

// OK: the stage is that of a seek to (key, seq), begun or under way.
static int open_seek(struct table_cursor *c, struct slice key, uint64_t seq)
{
    if (pending_seek(&c->pending, CALL_SEEK, key, seq))
        return OK;
    uint32_t low = 0, high = c->count; // the first table whose largest key is >= key
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (slice_compare(c->tables[mid]->meta.largest, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return begin(c, low < c->count, low, STAGE_SEEK);
}

static int table_cursor_seek(struct cursor *base, struct slice key, uint64_t seq)
{
    struct table_cursor *c = self(base);
    return run(c, open_seek(c, key, seq));
}

static void hint(struct table_cursor *c, bool near)
{
    struct handle h;
    if (c->source->hint != NULL && table_handle_decode(c->table, c->index.entry.value, &h))
        c->source->hint(c->source, c->table, h, near);
}

// The steps: the index, with a hint of the block; a nearer hint; the block, but for the search in
// it.
static int run_aim(struct table_cursor *c, unsigned step)
{
    int status = OK;
    if (step == 0 && c->stage == STAGE_SEEK)
        status = run_seek(c);
    if (status != OK || c->stage != STAGE_SEEK_BLOCK)
        return status;
    if (step + 1 < AIM_STEPS) {
        hint(c, step > 0);
        return OK;
    }
    status = load(c);
    if (status == OK)
        block_cursor_prefetch(&c->data);
    return status;
}

static int table_cursor_aim(struct cursor *base, struct slice key, uint64_t seq, unsigned step)
{
    struct table_cursor *c = self(base);
    if (c->damage_cb != NULL)
        return OK; // the seek itself finds out
    int status = open_seek(c, key, seq);
    if (status == OK)
        status = run_aim(c, step);
    return status == OK ? OK : pending_answer(&c->pending, status); // OK is not the seek's answer
}

static int table_cursor_seek_before(struct cursor *base, struct slice key)
{
    struct table_cursor *c = self(base);
    if (pending_seek(&c->pending, CALL_SEEK_BEFORE, key, 0))
        return run(c, OK);
    uint32_t low = 0, high = c->count; // the first table whose smallest key is >= key
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (slice_compare(c->tables[mid]->meta.smallest, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return run(c, begin(c, low > 0, low - 1, STAGE_SEEK_BEFORE));
}

static int table_cursor_seek_last(struct cursor *base)
{
    struct table_cursor *c = self(base);
    if (pending_seek(&c->pending, CALL_SEEK_LAST, (struct slice){0}, 0))
        return run(c, OK);
    return run(c, begin(c, c->count > 0, c->count - 1, STAGE_LAST_OF_TABLE));
}

static int table_cursor_next(struct cursor *base)
{
    struct table_cursor *c = self(base);
    if (pending_step(&c->pending, CALL_NEXT))
        return run(c, OK);
    return run(c, done_or(c, block_cursor_next(&c->data), STAGE_NEXT_BLOCK));
}

static int table_cursor_prev(struct cursor *base)
{
    struct table_cursor *c = self(base);
    if (pending_step(&c->pending, CALL_PREV))
        return run(c, OK);
    return run(c, done_or(c, block_cursor_prev(&c->data), STAGE_PREV_BLOCK));
}

static void table_cursor_close(struct cursor *base)
{
    struct table_cursor *c = self(base);
    close_table(c);
    pending_release(&c->pending);
    block_cursor_release(&c->index);
    block_cursor_release(&c->data);
    free(c);
}

static const struct cursor_ops table_cursor_ops = {
    .seek = table_cursor_seek,
    .seek_before = table_cursor_seek_before,
    .seek_last = table_cursor_seek_last,
    .next = table_cursor_next,
    .prev = table_cursor_prev,
    .close = table_cursor_close,
    .aim = table_cursor_aim,
};

struct cursor *level_cursor(
    struct block_source *source, struct table *const *tables, uint32_t count, struct error *err)
{
    struct table_cursor *c = xcalloc(1, sizeof *c);
    c->base.ops = &table_cursor_ops;
    c->source = source;
    c->err = err;
    c->tables = tables;
    c->count = count;
    return &c->base;
}

void table_cursor_pass_damage(struct cursor *base, table_damage_cb damage_cb, void *arg)
{
    struct table_cursor *c = self(base);
    c->damage_cb = damage_cb;
    c->damage_arg = arg;
}

struct cursor *table_cursor(struct block_source *source, struct table *t, struct error *err)
{
    struct cursor *base = level_cursor(source, NULL, 1, err);
    struct table_cursor *c = self(base);
    c->single = t;
    c->tables = &c->single;
    return base;
}
