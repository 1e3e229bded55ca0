// table_draw: a record at random. Whoever takes any block, and any record in it, draws the records
// of sparse blocks too often: a block of 4 KiB has a hundred small ones, or one. So the index says
// how many each block has (format.h), and a block is taken with a probability in proportion: any
// entry of the index is picked, and kept by the chance of its count to the largest count in the
// table. That costs no reading; only the block that was kept is read.
//
// An entry of a block is picked by its restart and its number behind it. The last restart may have
// fewer entries than the others: a number that it does not have is picked again.
//
// Example: blocks of 100, 1 and 1 records. The first is kept always, the others once in a hundred
// times: of 300 picks 102 are kept, 100 for the first block, one for each of the others, so each
// record comes up once.
#include "base/ensure.h"
#include "engine/table/table.h"

enum {
    PICKS_MAX = 5000, // of entries of an index; then the last one is kept
    INTERVAL_MAX = 4096
};

// Entries that begin with the first restart, and so with each but the last.
static uint32_t interval(struct block_cursor *c)
{
    uint32_t count = 1;
    while (count < INTERVAL_MAX && block_cursor_at(c, 0, count) == OK)
        count++;
    return count;
}

static int open_index(struct block_source *source, struct table *t, struct block_cursor *index,
    struct block_ref *ref, struct error *err)
{
    int status = source->get(source, t, t->meta.index, ref, err);
    if (status != OK)
        return status;
    status = block_cursor_init(index, ref->contents);
    if (status == OK)
        return OK;
    source->put(source, ref);
    return table_corrupt(err, t, t->meta.index.offset, "the index is not well formed");
}

// Records in the blocks of the index entries from where the cursor stands to the one at `last`.
static uint64_t count_blocks(struct block_cursor *index, uint32_t last)
{
    uint64_t count = 0;
    for (int status = OK; status == OK && index->current <= last; status = block_cursor_next(index))
        count += index->entry.seq;
    return count;
}

// What lies outside is counted if that is less.
static void count_part(struct block_cursor *index, struct table_part *part)
{
    uint32_t restarts = index->view.restart_count,
             inside = part->last_restart - part->first_restart + 1;
    uint64_t all = part->table->meta.entries;
    if (part->table->meta.block_most == 0) {
        part->entries = (uint64_t)((unsigned __int128)all * inside / restarts);
    } else if (inside <= restarts / 2) {
        if (block_cursor_at(index, part->first_restart, 0) == OK)
            part->entries = count_blocks(index, part->last);
    } else {
        uint64_t outside = 0;
        if (part->first > 0 && block_cursor_first(index) == OK)
            outside += count_blocks(index, part->first - 1);
        if (block_cursor_at(index, part->last_restart, 0) == OK) {
            uint64_t last = count_blocks(index, part->last);
            if (block_cursor_at(index, part->last_restart, 0) == OK)
                outside += count_blocks(index, UINT32_MAX) - last;
        }
        part->entries = all > outside ? all - outside : 0;
    }
}

int table_part_find(struct block_source *source, struct table_part *part, struct slice lower,
    struct slice upper, struct error *err)
{
    struct block_ref ref;
    struct block_cursor index = {0};
    int status = open_index(source, part->table, &index, &ref, err);
    if (status != OK)
        return status;
    part->known = true;
    part->entries = 0;
    status = block_cursor_seek(&index, lower, SEQ_MAX);
    if (status == OK) {
        part->first = index.current;
        part->first_restart = block_cursor_restart(&index);
        status = upper.len > 0 ? block_cursor_seek(&index, upper, SEQ_MAX) : END;
        if (status == END)
            status = block_cursor_last(&index);
        part->last = index.current;
        part->last_restart = block_cursor_restart(&index);
    }
    if (status == OK && part->first <= part->last)
        count_part(&index, part);
    block_cursor_release(&index);
    source->put(source, &ref);
    return table_judge_block(err, part->table, part->table->meta.index.offset,
        status == END ? OK : status, "the index is not well formed");
}

// Leaves the index on the block that is kept.
static int draw_block(
    struct block_cursor *index, const struct table_part *part, struct random *random)
{
    uint64_t most = part->table->meta.block_most;
    uint32_t restarts = part->last_restart - part->first_restart + 1, each = interval(index);
    bool inside = false;
    for (unsigned picks = 0; picks < PICKS_MAX || !inside; picks++) {
        uint32_t restart = part->first_restart + (uint32_t)random_below(random, restarts);
        int status = block_cursor_at(index, restart, (uint32_t)random_below(random, each));
        if (status != OK && status != END)
            return status;
        inside = status == OK && index->current >= part->first && index->current <= part->last;
        if (inside && (most == 0 || random_below(random, most) < index->entry.seq))
            return OK;
        if (picks == 2 * PICKS_MAX)
            return NOT_FOUND;
    }
    return OK;
}

static int draw_record(struct block_cursor *block, struct random *random)
{
    uint32_t restarts = block->view.restart_count, each = restarts > 0 ? interval(block) : 0;
    for (unsigned picks = 0; picks < PICKS_MAX && restarts > 0; picks++) {
        uint32_t restart = (uint32_t)random_below(random, restarts);
        int status = block_cursor_at(block, restart, (uint32_t)random_below(random, each));
        if (status != END)
            return status;
    }
    return NOT_FOUND;
}

static int draw_from_block(struct block_source *source, struct table *t, struct handle h,
    struct random *random, struct buf *key, struct entry *out, struct error *err)
{
    struct block_ref ref;
    int status = source->get(source, t, h, &ref, err);
    if (status != OK)
        return status;
    struct block_cursor block = {0};
    status = block_cursor_init(&block, ref.contents);
    if (status == OK)
        status = draw_record(&block, random);
    if (status == OK) {
        *out = block.entry;
        buf_clear(key);
        buf_append_slice(key, out->key);
        out->key = buf_slice(key);
        out->value = slice_of(NULL, 0);
    }
    block_cursor_release(&block);
    source->put(source, &ref);
    return table_judge_block(err, t, h.offset, status, "a data block is not well formed");
}

int table_draw(struct block_source *source, const struct table_part *part, struct random *random,
    struct buf *key, struct entry *out, struct error *err)
{
    struct block_ref ref;
    struct handle h;
    struct block_cursor index = {0};
    ENSURE(part->known);
    int status = open_index(source, part->table, &index, &ref, err);
    if (status != OK)
        return status;
    status = draw_block(&index, part, random);
    if (status == OK && !table_handle_decode(part->table, index.entry.value, &h))
        status = CORRUPT;
    block_cursor_release(&index);
    source->put(source, &ref);
    if (status != OK)
        return table_judge_block(err, part->table, part->table->meta.index.offset, status,
            "the index is not well formed");
    return draw_from_block(source, part->table, h, random, key, out, err);
}
