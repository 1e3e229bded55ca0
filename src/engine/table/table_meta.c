// table_meta: what can be said of a table without its file, and the bytes that say it.
//
// A description is a row of (tag, length, value), so that a later version can add to it. Which tag
// is which member stands once, in fields[]: encoder and decoder both go by that table, and a new
// property is one row there. What is 0 or empty is left out and comes back as such.
//
// The same description stands in the manifest and, without what only the manifest can know (the
// size, the checksum of the whole file ...), in the file. Nothing here is trusted: a decoded
// description is checked for sense before anybody gets it, because reading a table relies on its
// blocks lying inside the file and on the filter and the index being two blocks.
//
// What can fail: decoding, with CORRUPT; with NEWER_FORMAT where a later version has said something
// that must not be missed.
#include "engine/table/table_meta.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/coding.h"
#include "engine/format.h"
#include "engine/options.h"

static void free_range(struct table_meta *m)
{
    free((void *)(uintptr_t)m->smallest.data);
    free((void *)(uintptr_t)m->largest.data);
}

void table_meta_release(struct table_meta *m)
{
    free_range(m);
    *m = (struct table_meta){0};
}

void table_meta_set_range(struct table_meta *m, struct slice smallest, struct slice largest)
{
    char *low = xstrndup(smallest.data, smallest.len), *high = xstrndup(largest.data, largest.len);
    free_range(m);
    m->smallest = slice_of(low, smallest.len);
    m->largest = slice_of(high, largest.len);
}

bool table_meta_holds(const struct table_meta *m, struct handle h)
{
    return m->size >= BLOCK_TRAILER_SIZE && h.len <= m->size - BLOCK_TRAILER_SIZE &&
           h.offset <= m->size - BLOCK_TRAILER_SIZE - h.len;
}

bool table_meta_overlaps(const struct table_meta *m, struct slice smallest, struct slice largest)
{
    return slice_compare(m->largest, smallest) >= 0 && slice_compare(m->smallest, largest) <= 0;
}

bool table_meta_needs_drop(const struct table_meta *m, const struct drop *d)
{
    if (m->seq_min >= d->seq || m->clean_seq >= d->seq || slice_compare(m->largest, d->prefix) < 0)
        return false;
    return slice_compare(m->smallest, d->prefix) <= 0 || slice_starts_with(m->smallest, d->prefix);
}

// --- The description as bytes --------------------------------------------------------------------

struct field {
    enum table_property property;
    enum field_kind {
        FIELD_NUMBER,
        FIELD_KEY,
        FIELD_HANDLE,
        FIELD_CHECKSUM,
        FIELD_LINEAGE,
    } kind;
    size_t offset; // of the member
    enum table_meta_place place;
};

#define FIELD(property, kind, member, place)                                                       \
    {                                                                                              \
        PROPERTY_##property, FIELD_##kind, offsetof(struct table_meta, member),                    \
            TABLE_META_IN_##place                                                                  \
    }

static const struct field fields[] = {
    FIELD(NUMBER, NUMBER, number, FILE),
    FIELD(FORMAT, NUMBER, format, FILE),
    FIELD(LEVEL, NUMBER, level, FILE),
    FIELD(ENTRIES, NUMBER, entries, FILE),
    FIELD(DELETES, NUMBER, deletes, FILE),
    FIELD(IN_DOUBT, NUMBER, in_doubt, FILE),
    FIELD(EXPIRING, NUMBER, expiring, FILE),
    FIELD(SEQ_MIN, NUMBER, seq_min, FILE),
    FIELD(SEQ_MAX, NUMBER, seq_max, FILE),
    FIELD(EXPIRE_MIN, NUMBER, expire_min, FILE),
    FIELD(EXPIRE_MAX, NUMBER, expire_max, FILE),
    FIELD(RAW_BYTES, NUMBER, raw_bytes, FILE),
    FIELD(SMALLEST, KEY, smallest, FILE),
    FIELD(LARGEST, KEY, largest, FILE),
    FIELD(FILTER, HANDLE, filter, FILE),
    FIELD(DATABASE, LINEAGE, lineage, FILE),
    FIELD(BLOCK_MOST, NUMBER, block_most, FILE),
    FIELD(COVERS, NUMBER, covers, FILE),
    FIELD(INDEX, HANDLE, index, MANIFEST),
    FIELD(SIZE, NUMBER, size, MANIFEST),
    FIELD(CHECKSUM, CHECKSUM, checksum, MANIFEST),
    FIELD(LOCATION, NUMBER, location, MANIFEST),
    FIELD(CLEAN_SEQ, NUMBER, clean_seq, MANIFEST),
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

// The member's value as bytes; none if it is left out.
static void encode_value(const struct field *f, const void *member, struct buf *out)
{
    const uint64_t *number = member;
    const struct handle *h = member;
    const struct lineage *lineage = member;
    switch (f->kind) {
    case FIELD_NUMBER:
        if (*number != 0)
            buf_append_varint(out, *number);
        break;
    case FIELD_KEY:
        buf_append_slice(out, *(const struct slice *)member);
        break;
    case FIELD_HANDLE:
        if (h->len != 0) {
            buf_append_varint(out, h->offset);
            buf_append_varint(out, h->len);
        }
        break;
    case FIELD_CHECKSUM:
        if (*number != 0)
            buf_append_le64(out, *number);
        break;
    case FIELD_LINEAGE:
        if (lineage->timeline != 0) {
            buf_append(out, lineage->id, sizeof lineage->id);
            buf_append_varint(out, lineage->timeline);
        }
        break;
    }
}

void table_meta_encode(const struct table_meta *m, enum table_meta_place place, struct buf *out)
{
    struct buf value = {0};
    for (const struct field *f = fields; f < fields + FIELD_COUNT; f++) {
        if (f->place > place)
            continue;
        buf_clear(&value);
        encode_value(f, (const char *)m + f->offset, &value);
        if (value.len == 0)
            continue;
        buf_append_varint(out, f->property);
        buf_append_bytes(out, buf_slice(&value));
    }
    buf_release(&value);
}

static bool decode_handle(struct slice value, struct handle *out)
{
    const uint8_t *end = value.data + value.len, *p = varint_get(value.data, end, &out->offset);
    return p != NULL && varint_get(p, end, &out->len) == end;
}

static bool decode_lineage(struct slice value, struct lineage *out)
{
    if (value.len < sizeof out->id)
        return false;
    memcpy(out->id, value.data, sizeof out->id);
    const uint8_t *end = value.data + value.len;
    return varint_get(value.data + sizeof out->id, end, &out->timeline) == end;
}

static bool decode_value(const struct field *f, struct slice value, void *member)
{
    switch (f->kind) {
    case FIELD_NUMBER:
        return varint_get(value.data, value.data + value.len, member) == value.data + value.len;
    case FIELD_KEY:
        *(struct slice *)member = value;
        return true;
    case FIELD_HANDLE:
        return decode_handle(value, member);
    case FIELD_CHECKSUM:
        if (value.len != 8)
            return false;
        *(uint64_t *)member = get_le64(value.data);
        return true;
    case FIELD_LINEAGE:
        return decode_lineage(value, member);
    }
    return false;
}

static const struct field *find_field(uint64_t property)
{
    for (const struct field *f = fields; f < fields + FIELD_COUNT; f++)
        if (f->property == property)
            return f;
    return NULL;
}

static int decode_fields(struct table_meta *m, struct slice bytes, struct error *err)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    while (p != end) {
        uint64_t property;
        struct slice value;
        p = varint_get(p, end, &property);
        if (p == NULL || (p = bytes_get(p, end, &value)) == NULL)
            return error_set(err, CORRUPT, NULL, 0, 0, "the description of a table is cut off");
        const struct field *f = find_field(property);
        if (f == NULL && property < PROPERTY_OPTIONAL)
            return error_set(err, NEWER_FORMAT, NULL, 0, 0, "a table has the unknown property %llu",
                (unsigned long long)property);
        if (f != NULL && !decode_value(f, value, (char *)m + f->offset))
            return error_set(err, CORRUPT, NULL, 0, 0,
                "the property %llu of a table does not decode", (unsigned long long)property);
    }
    return OK;
}

int table_meta_decode(struct table_meta *m, struct slice bytes, struct error *err)
{
    struct table_meta found = *m; // its keys borrow until everything is good
    found.format = 1;
    int status = decode_fields(&found, bytes, err);
    if (status == OK)
        status = table_meta_check(&found, err);
    if (status != OK)
        return status;
    struct slice smallest = found.smallest, largest = found.largest;
    found.smallest = m->smallest;
    found.largest = m->largest;
    table_meta_set_range(&found, smallest, largest);
    *m = found;
    return OK;
}

static bool blocks_make_sense(const struct table_meta *m)
{
    return m->size >= TABLE_FOOTER_SIZE && m->index.len > 0 && table_meta_holds(m, m->index) &&
           (m->filter.len == 0 ||
               (table_meta_holds(m, m->filter) && m->filter.offset != m->index.offset));
}

int table_meta_check(const struct table_meta *m, struct error *err)
{
    unsigned long long number = m->number;
    if (m->format > FORMAT_VERSION)
        return error_set(err, NEWER_FORMAT, NULL, 0, 0,
            "table %llu has version %llu, we read up to %d", number, (unsigned long long)m->format,
            FORMAT_VERSION);
    if (m->location != 0)
        return error_set(err, NEWER_FORMAT, NULL, 0, 0, "table %llu lies in the unknown place %llu",
            number, (unsigned long long)m->location);
    bool good = m->number != 0 && m->format != 0 && m->level < ENGINE_LEVELS &&
                blocks_make_sense(m) && m->seq_min <= m->seq_max && m->expire_min >= 0 &&
                m->expire_min <= m->expire_max && m->largest.len <= ENGINE_KEY_MAX &&
                m->smallest.len <= ENGINE_KEY_MAX && slice_compare(m->smallest, m->largest) <= 0;
    return good ? OK
                : error_set(err, CORRUPT, NULL, 0, 0,
                      "the description of table %llu makes no sense", number);
}
