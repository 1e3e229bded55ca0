// A record in doubt counts as an overwrite, and whether it is one stands in the tables beneath its
// own. A compaction finds out by merging them, which costs the rewriting of all of them; who only
// wants to know reads one table from end to end, and beneath it the blocks that a doubtful key may
// be in: the filters are asked first. Keys come in order, so each place beneath is walked once,
// forwards.
//
// What the record beneath one in doubt is decides (counts.h):
//   none, a tombstone, below a drop   it was no overwrite: +1
//   a PUT                             it was one: 0
//   a PUT with an expiry              0, and +1 when that has gone: by then it has taken itself out
//                                     of the count, here or when somebody rewrites its table
// A record with an expiry that is its table's newest of the key takes itself out, -1, whether or
// not a newer one lies in another place: that one was committed over an expiry, and is therefore in
// doubt.
//
// All of this stays true for as long as the table is not rewritten: nothing can come between it and
// what lies beneath, and what lies beneath changes only by what is said above. A drop that comes
// later forgets the counts, and with them what is found here (base_seq).
//
// What can fail is reading: CORRUPT, IO and the like, with an error that names the file.
#include "engine/compaction/survey.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/table/filter.h"

enum {
    READAHEAD = 256 * 1024, // of the table itself
    READAHEAD_BELOW = 32 * 1024,
    STEP_CHECK = 32, // entries between looks at the clock
};

// A place beneath the table that may hold a key: a table of level 0, or the one of a level that was
// asked last.
struct place {
    struct table *table; // NULL: none
    struct cursor *cursor;
    struct block_ref filter;
};

struct survey {
    struct survey_options options;
    struct block_source *source, *below;
    struct cursor *cursor;
    bool positioned;
    struct corrections *corrections;
    struct error read_err, below_err;
    struct place *places; // of level 0, then one for each level
    uint32_t first0;      // of level 0: those before it are not beneath
    uint32_t place_count;

    // The key at hand.
    struct buf key;
    bool has_key;
    bool newest; // no entry of it has been seen yet
    bool open;   // the last one is in doubt
};

struct survey *survey_new(const struct survey_options *options)
{
    struct survey *s = xcalloc(1, sizeof *s);
    const struct level *level0 = &options->version->levels[0];
    s->options = *options;
    s->corrections =
        corrections_new(options->version->last_seq, options->with_doubts, options->terms_max);
    s->source = table_scan_new(options->env, options->dir, READAHEAD, options->block_max);
    s->below = table_scan_new(options->env, options->dir, READAHEAD_BELOW, options->block_max);
    s->cursor = table_cursor(s->source, options->table, &s->read_err);
    s->first0 = level0->count;
    if (options->level == 0) {
        s->first0 = 0;
        while (s->first0 < level0->count && level0->tables[s->first0] != options->table)
            s->first0++;
        s->first0++;
    }
    s->place_count = level0->count + ENGINE_LEVELS;
    s->places = xcalloc(s->place_count, sizeof *s->places);
    return s;
}

static void leave_place(struct survey *s, struct place *p)
{
    if (p->cursor != NULL)
        p->cursor->ops->close(p->cursor);
    if (p->filter.impl != NULL)
        s->below->put(s->below, &p->filter);
    if (p->table != NULL && s->below->leave != NULL)
        s->below->leave(s->below, p->table);
    *p = (struct place){0};
}

void survey_free(struct survey *s)
{
    for (uint32_t i = 0; i < s->place_count; i++)
        leave_place(s, &s->places[i]);
    s->cursor->ops->close(s->cursor);
    table_scan_free(s->source, NULL);
    table_scan_free(s->below, NULL);
    corrections_free(s->corrections);
    buf_release(&s->key);
    free(s->places);
    free(s);
}

struct corrections *survey_take(struct survey *s)
{
    struct corrections *taken = s->corrections;
    s->corrections = NULL;
    return taken;
}

// --- What lies beneath ---------------------------------------------------------------------------

// OK and the entry, NOT_FOUND, or a failure.
static int ask_place(
    struct survey *s, struct place *p, struct table *t, uint64_t hash, struct entry *out)
{
    struct slice key = buf_slice(&s->key);
    int status = OK;
    if (slice_compare(key, t->meta.smallest) < 0 || slice_compare(key, t->meta.largest) > 0)
        return NOT_FOUND;
    if (p->table != t) {
        leave_place(s, p);
        p->table = t;
        if (t->meta.filter.len > 0)
            status = s->below->get(s->below, t, t->meta.filter, &p->filter, &s->below_err);
        if (status != OK)
            return status;
    }
    if (p->filter.impl != NULL && !filter_may_contain(p->filter.contents, hash))
        return NOT_FOUND;
    if (p->cursor == NULL)
        p->cursor = table_cursor(s->below, t, &s->below_err);
    status = p->cursor->ops->seek(p->cursor, key, SEQ_MAX);
    if (status == END || (status == OK && !slice_equal(p->cursor->entry.key, key)))
        return NOT_FOUND;
    *out = p->cursor->entry;
    return status;
}

static int find_beneath(struct survey *s, struct entry *out)
{
    const struct version *v = s->options.version;
    struct slice key = buf_slice(&s->key);
    uint64_t hash = hash64(key);
    for (uint32_t i = s->first0; i < v->levels[0].count; i++) {
        int status = ask_place(s, &s->places[i], v->levels[0].tables[i], hash, out);
        if (status != NOT_FOUND)
            return status;
    }
    for (unsigned level = s->options.level + 1; level < ENGINE_LEVELS; level++) {
        const struct level *l = &v->levels[level];
        uint32_t at = l->count > 0 ? version_find(l, key) : 0;
        if (at >= l->count)
            continue;
        int status = ask_place(s, &s->places[v->levels[0].count + level], l->tables[at], hash, out);
        if (status != NOT_FOUND)
            return status;
    }
    return NOT_FOUND;
}

// --- The table -----------------------------------------------------------------------------------

static struct slice counted_prefix(const struct survey *s)
{
    return slice_of(s->key.data, s->options.counted_prefix(buf_slice(&s->key)));
}

static void settle(struct survey *s, bool dead)
{
    s->open = false;
    corrections_add(s->corrections, counted_prefix(s), dead, -1);
}

static int finish_key(struct survey *s)
{
    struct entry e;
    if (!s->open)
        return OK;
    int status = find_beneath(s, &e);
    if (status != OK && status != NOT_FOUND)
        return status;
    if (status == NOT_FOUND &&
        damage_set_find(&s->options.version->damages, buf_slice(&s->key)) != 0) {
        s->open = false; // nobody can tell: the doubt stays
        return OK;
    }
    bool dead = status == NOT_FOUND || entry_kind(&e) != RECORD_PUT ||
                version_dropped(s->options.version, buf_slice(&s->key), e.seq);
    settle(s, dead);
    if (!dead && (e.tag & RECORD_EXPIRES))
        corrections_add_term(s->corrections, counted_prefix(s), e.expire_ms, 1);
    return OK;
}

static int see(struct survey *s, const struct entry *e)
{
    if (!s->has_key || !slice_equal(buf_slice(&s->key), e->key)) {
        int status = finish_key(s);
        if (status != OK)
            return status;
        buf_clear(&s->key);
        buf_append_slice(&s->key, e->key);
        s->has_key = s->newest = true;
    }
    if (s->options.counted_prefix(e->key) == 0)
        return OK;
    bool dropped = version_dropped(s->options.version, e->key, e->seq);
    if (s->open)
        settle(s, dropped || entry_kind(e) != RECORD_PUT);
    if (!dropped && s->newest && entry_kind(e) == RECORD_PUT && (e->tag & RECORD_EXPIRES))
        corrections_add_term(s->corrections, counted_prefix(s), e->expire_ms, -1);
    s->open = s->options.with_doubts && !dropped && (e->tag & RECORD_IN_DOUBT) != 0;
    s->newest = false;
    return OK;
}

static int walk(struct survey *s, uint64_t until_us)
{
    int status = OK;
    if (!s->positioned)
        status = s->cursor->ops->seek(s->cursor, (struct slice){0}, SEQ_MAX);
    s->positioned = true;
    for (unsigned entries = 1; status == OK; entries++) {
        status = see(s, &s->cursor->entry);
        if (status == OK)
            status = s->cursor->ops->next(s->cursor);
        if (entries % STEP_CHECK == 0 && env_now_us(s->options.env) >= until_us)
            break;
    }
    if (status != END)
        return status;
    status = finish_key(s);
    if (status != OK)
        return status;
    corrections_finish(s->corrections);
    return END;
}

int survey_step(struct survey *s, uint64_t until_us, struct error *err)
{
    int status = walk(s, until_us);
    if (status < 0)
        *err = s->below_err.status != OK ? s->below_err : s->read_err;
    return status;
}
