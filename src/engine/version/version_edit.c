// The edit's bytes (format.h, EDIT). Encoding a field that is not set writes nothing, so that the
// same function writes a flush of one table and the whole version that a manifest begins with.
//
// Decoding takes any bytes: every length is checked against what is there, levels and key lengths
// against their limits, and a table's range and handles for sense, because later code relies on
// them. What decodes may still not fit the version before it: that is for version_apply() to find.
// An unknown tag below EDIT_OPTIONAL is a meaning that we must not miss, so it is NEWER_FORMAT.
#include "base/alloc.h"
#include "base/coding.h"
#include "engine/version/version.h"

void version_edit_release(struct version_edit *e)
{
    for (uint32_t i = 0; i < e->added_count; i++)
        table_unref(e->added[i].table);
    free(e->added);
    free(e->removed);
    free(e->log_ends);
    drop_set_release(&e->drops);
    drop_set_release(&e->drops_done);
    damage_set_release(&e->damages);
    damage_set_release(&e->damages_done);
    counts_release(&e->counts);
    *e = (struct version_edit){0};
}

// Arrays of an edit grow by doubling at powers of two.
static void *grown(void *items, uint32_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? xrealloc(items, (count ? count * 2 : 1) * size) : items;
}

void version_edit_add(struct version_edit *e, unsigned level, struct table *t)
{
    e->added = grown(e->added, e->added_count, sizeof *e->added);
    e->added[e->added_count++] = (struct edit_table){level, table_ref(t)};
}

void version_edit_remove(struct version_edit *e, unsigned level, uint64_t number)
{
    e->removed = grown(e->removed, e->removed_count, sizeof *e->removed);
    e->removed[e->removed_count++] = (struct edit_removed){level, number};
}

void version_edit_add_log_end(struct version_edit *e, struct log_end end)
{
    e->log_ends = grown(e->log_ends, e->log_end_count, sizeof *e->log_ends);
    e->log_ends[e->log_end_count++] = end;
}

// --- Encoding ------------------------------------------------------------------------------------

static void put_field(struct buf *out, unsigned tag, const struct buf *field)
{
    buf_append_varint(out, tag);
    buf_append_bytes(out, buf_slice(field));
}

static void put_number(struct buf *out, unsigned tag, uint64_t value)
{
    if (value == 0)
        return;
    buf_append_varint(out, tag);
    buf_append_varint(out, varint_len(value));
    buf_append_varint(out, value);
}

static void put_lineage(struct buf *out, const struct lineage *l, struct buf *field)
{
    if (l->timeline == 0)
        return;
    buf_clear(field);
    buf_append(field, l->id, DATABASE_ID_SIZE);
    buf_append_varint(field, l->timeline);
    put_field(out, EDIT_DATABASE, field);
}

static void put_table(
    struct buf *out, unsigned level, const struct table_meta *m, struct buf *field)
{
    struct table_meta described = *m; // borrows
    described.level = level;
    buf_clear(field);
    table_meta_encode(&described, TABLE_META_IN_MANIFEST, field);
    put_field(out, EDIT_TABLE, field);
}

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static void put_counts(struct buf *out, const struct counts *c, struct buf *field)
{
    for (uint32_t i = 0; i < c->cap; i++) {
        const struct count *count = &c->slots[i];
        if (count->live == 0 && count->in_doubt == 0)
            continue;
        buf_clear(field);
        buf_append_bytes(field, count->prefix);
        buf_append_varint(field, zigzag(count->live));
        buf_append_varint(field, zigzag(count->in_doubt));
        put_field(out, EDIT_COUNT, field);
    }
}

struct drop_fields {
    struct buf *out, *field;
    unsigned tag;
};

static void put_drop(void *arg, const struct drop *d)
{
    struct drop_fields *f = arg;
    buf_clear(f->field);
    buf_append_varint(f->field, d->seq);
    buf_append_slice(f->field, d->prefix);
    put_field(f->out, f->tag, f->field);
}

static void put_drops(
    struct buf *out, unsigned tag, const struct drop_set *drops, struct buf *field)
{
    struct drop_fields fields = {out, field, tag};
    drop_set_walk(drops, put_drop, &fields);
}

static void put_damages(
    struct buf *out, unsigned tag, const struct damage_set *damages, struct buf *field)
{
    for (uint32_t i = 0; i < damages->count; i++) {
        buf_clear(field);
        buf_append_varint(field, damages->items[i].seq);
        buf_append_bytes(field, damages->items[i].from);
        buf_append_bytes(field, damages->items[i].to);
        put_field(out, tag, field);
    }
}

void version_edit_encode(const struct version_edit *e, struct buf *out)
{
    struct buf field = {0};
    put_lineage(out, &e->lineage, &field);
    put_number(out, EDIT_NEXT_FILE, e->next_file);
    put_number(out, EDIT_LAST_SEQ, e->last_seq);
    put_number(out, EDIT_LOG_START, e->log_start);
    for (uint32_t i = 0; i < e->log_end_count; i++) {
        buf_clear(&field);
        buf_append_varint(&field, e->log_ends[i].number);
        buf_append_varint(&field, e->log_ends[i].offset);
        buf_append_varint(&field, e->log_ends[i].resume);
        put_field(out, EDIT_LOG_END, &field);
    }
    for (uint32_t i = 0; i < e->removed_count; i++) {
        buf_clear(&field);
        buf_append_varint(&field, e->removed[i].level);
        buf_append_varint(&field, e->removed[i].number);
        put_field(out, EDIT_DROP_TABLE, &field);
    }
    for (uint32_t i = 0; i < e->added_count; i++)
        put_table(out, e->added[i].level, &e->added[i].table->meta, &field);
    put_drops(out, EDIT_DROP, &e->drops, &field);
    put_drops(out, EDIT_DROP_DONE, &e->drops_done, &field);
    put_damages(out, EDIT_DAMAGE, &e->damages, &field);
    put_damages(out, EDIT_DAMAGE_DONE, &e->damages_done, &field);
    put_counts(out, &e->counts, &field);
    buf_release(&field);
}

// --- Decoding ------------------------------------------------------------------------------------

// What is left of a field. Once something does not decode, p is NULL and every further read gives
// 0.
struct reader {
    const uint8_t *p, *end;
};

static uint64_t take_varint(struct reader *r)
{
    uint64_t v = 0;
    if (r->p != NULL)
        r->p = varint_get(r->p, r->end, &v);
    return r->p != NULL ? v : 0;
}

static struct slice take_bytes(struct reader *r)
{
    struct slice s = {0};
    if (r->p != NULL)
        r->p = bytes_get(r->p, r->end, &s);
    return r->p != NULL ? s : (struct slice){0};
}

static unsigned take_level(struct reader *r)
{
    uint64_t level = take_varint(r);
    if (level >= ENGINE_LEVELS)
        r->p = NULL;
    return (unsigned)level;
}

static struct handle take_handle(struct reader *r)
{
    uint64_t offset = take_varint(r);
    return (struct handle){offset, take_varint(r)};
}

static int decode_table(struct version_edit *e, struct slice field, struct error *err)
{
    struct table *t = table_new();
    int status = table_meta_decode(&t->meta, field, err);
    if (status == OK)
        version_edit_add(e, (unsigned)t->meta.level, t);
    table_unref(t);
    return status;
}

// The same as version 1 has it.
static int decode_table_v1(struct version_edit *e, struct reader *r, struct error *err)
{
    struct table_meta m = {.format = 1, .level = take_varint(r)};
    m.number = take_varint(r);
    m.size = take_varint(r);
    m.index = take_handle(r);
    m.filter = take_handle(r);
    m.entries = take_varint(r);
    m.deletes = take_varint(r);
    m.in_doubt = take_varint(r);
    m.seq_min = take_varint(r);
    m.seq_max = take_varint(r);
    m.expire_min = (int64_t)take_varint(r);
    m.expire_max = (int64_t)take_varint(r);
    m.expiring = take_varint(r);
    m.raw_bytes = take_varint(r);
    m.clean_seq = take_varint(r);
    struct slice smallest = m.smallest = take_bytes(r), largest = m.largest = take_bytes(r);
    int status = r->p != NULL ? table_meta_check(&m, err) : OK;
    if (r->p == NULL || status != OK)
        return status;
    m.smallest = m.largest = (struct slice){0};
    struct table *t = table_new();
    t->meta = m;
    table_meta_set_range(&t->meta, smallest, largest);
    version_edit_add(e, (unsigned)m.level, t);
    table_unref(t);
    return OK;
}

static void decode_drop(struct drop_set *drops, struct reader *r)
{
    uint64_t seq = take_varint(r);
    if (r->p == NULL)
        return;
    drop_set_add(drops, slice_of(r->p, (size_t)(r->end - r->p)), seq);
    r->p = r->end;
}

static void decode_damage(struct damage_set *damages, struct reader *r)
{
    uint64_t seq = take_varint(r);
    struct slice from = take_bytes(r), to = take_bytes(r);
    if (r->p != NULL && (seq == 0 || slice_compare(from, to) >= 0))
        r->p = NULL;
    if (r->p != NULL)
        damage_set_add(damages, from, to, seq);
}

static void decode_count(struct version_edit *e, struct reader *r)
{
    struct slice prefix = take_bytes(r);
    int64_t live = unzigzag(take_varint(r)), in_doubt = unzigzag(take_varint(r));
    if (r->p != NULL)
        counts_add(&e->counts, prefix, live, in_doubt);
}

static void decode_removed(struct version_edit *e, struct reader *r)
{
    unsigned level = take_level(r);
    uint64_t number = take_varint(r);
    if (r->p != NULL)
        version_edit_remove(e, level, number);
}

static void decode_log_end(struct version_edit *e, struct reader *r)
{
    struct log_end end = {.number = take_varint(r)};
    end.offset = take_varint(r);
    end.resume = take_varint(r);
    if (r->p != NULL)
        version_edit_add_log_end(e, end);
}

static void decode_lineage(struct version_edit *e, struct reader *r)
{
    if (r->end - r->p < DATABASE_ID_SIZE) {
        r->p = NULL;
        return;
    }
    memcpy(e->lineage.id, r->p, DATABASE_ID_SIZE);
    r->p += DATABASE_ID_SIZE;
    e->lineage.timeline = take_varint(r);
    if (e->lineage.timeline == 0)
        r->p = NULL;
}

static int decode_field(struct version_edit *e, uint64_t tag, struct slice field, struct error *err)
{
    struct reader r = {field.data, field.data + field.len};
    int status = OK;
    switch (tag) {
    case EDIT_NEXT_FILE:
        e->next_file = take_varint(&r);
        break;
    case EDIT_LAST_SEQ:
        e->last_seq = take_varint(&r);
        break;
    case EDIT_LOG_START:
        e->log_start = take_varint(&r);
        break;
    case EDIT_LOG_END:
        decode_log_end(e, &r);
        break;
    case EDIT_ADD_TABLE:
        status = decode_table_v1(e, &r, err);
        break;
    case EDIT_TABLE:
        return decode_table(e, field, err);
    case EDIT_DROP_TABLE:
        decode_removed(e, &r);
        break;
    case EDIT_COUNT:
        decode_count(e, &r);
        break;
    case EDIT_DROP:
        decode_drop(&e->drops, &r);
        break;
    case EDIT_DROP_DONE:
        decode_drop(&e->drops_done, &r);
        break;
    case EDIT_DAMAGE:
        decode_damage(&e->damages, &r);
        break;
    case EDIT_DAMAGE_DONE:
        decode_damage(&e->damages_done, &r);
        break;
    case EDIT_DATABASE:
        decode_lineage(e, &r);
        break;
    default:
        if (tag < EDIT_OPTIONAL)
            return error_set(err, NEWER_FORMAT, NULL, 0, 0, "an edit has the unknown field %llu",
                (unsigned long long)tag);
        return OK;
    }
    if (status != OK)
        return status;
    return r.p == r.end ? OK
                        : error_set(err, CORRUPT, NULL, 0, 0, "an edit's field %u does not decode",
                              (unsigned)tag);
}

int version_edit_decode(struct version_edit *e, struct slice payload, struct error *err)
{
    *e = (struct version_edit){0};
    struct reader r = {payload.data, payload.data + payload.len};
    int status = OK;
    while (status == OK && r.p != r.end) {
        uint64_t tag = take_varint(&r);
        struct slice field = take_bytes(&r);
        if (r.p == NULL)
            status = error_set(err, CORRUPT, NULL, 0, 0, "an edit is cut off");
        else
            status = decode_field(e, tag, field, err);
    }
    if (status != OK)
        version_edit_release(e);
    return status;
}
