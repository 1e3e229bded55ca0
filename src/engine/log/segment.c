// A segment is a file of checksummed records that a power cut may have torn at its end, and a disk
// may have damaged anywhere. The two look alike (a record whose checksum is wrong) and want
// opposite treatment: a torn tail was never promised to anybody and is dropped, damage must be
// reported. What tells them apart is the position that each record brings along: below `proven`,
// all bytes were synced before it was written, so a bad record below any proven position of a good
// record is damage. The bad record itself cannot be trusted for its length, so the rest of the
// segment is searched for good records at every aligned offset; the checksum is seeded with segment
// and offset, so that old contents, copies and coincidences do not pass for one.
//
// The gap behind a record is zeros and is checked: every byte of a segment is either covered by a
// checksum, or known.
//
// A seal is a record that says of its segment: this was all, and there it goes on. It adds the
// knowledge that a missing or empty successor is a loss. What it proves of the bytes before it is
// what its own proven position says, as of any record: under everysec it may have reached the disk
// in the same write as records that did not.
//
// A proof is a record that says nothing else: what rests is proven by it, since no later record
// comes to do that.
//
// A segment is read as a whole: it is bounded by the write buffer, and recovery has not yet filled
// the memory that it may use. Nothing here trusts a length before it has compared it with what is
// there.
#include "engine/log/segment.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"

enum {
    CHECKED_HEADER = 24,  // of the part that all versions share, whose checksum follows
    LINEAGE_AT = 32,      // the part that began with version 2
    CHECKED_LINEAGE = 24, // bytes of it before its checksum
    SUM_SIZE = 8,         // of a record's checksum, which comes first
    TYPE_AT = 31,         // in a record's header
};

#define TIME_MASK ((1ull << 56) - 1)

void segment_header_encode(uint8_t header[SEGMENT_HEADER_SIZE], uint64_t magic, uint64_t number,
    const struct lineage *lineage)
{
    put_le64(header, magic);
    put_le32(header + 8, FORMAT_VERSION);
    put_le32(header + 12, SEGMENT_HEADER_SIZE);
    put_le64(header + 16, number);
    put_le64(header + CHECKED_HEADER, checksum64(header, CHECKED_HEADER, 0));
    uint8_t *p = header + LINEAGE_AT;
    memcpy(p, lineage->id, DATABASE_ID_SIZE);
    put_le64(p + DATABASE_ID_SIZE, lineage->timeline);
    put_le64(p + CHECKED_LINEAGE, checksum64(p, CHECKED_LINEAGE, number));
}

size_t segment_record_size(size_t payload_len)
{
    return SEGMENT_RECORD_HEADER_SIZE +
           ((payload_len + SEGMENT_ALIGNMENT - 1) & ~(size_t)(SEGMENT_ALIGNMENT - 1));
}

static void frame(struct buf *out, enum segment_record_type type, uint64_t seq, int64_t time_ms,
    uint32_t proven, struct slice payload)
{
    ENSURE(payload.len > 0 && payload.len <= UINT32_MAX);
    size_t size = segment_record_size(payload.len);
    buf_reserve(out, size);
    uint8_t *p = out->data + out->len;
    put_le64(p, 0);
    put_le32(p + 8, (uint32_t)payload.len);
    put_le32(p + 12, proven);
    put_le64(p + 16, seq);
    put_le64(p + 24, time_ms < 0 ? 0 : (uint64_t)time_ms & TIME_MASK);
    p[TYPE_AT] = (uint8_t)type;
    memcpy(p + SEGMENT_RECORD_HEADER_SIZE, payload.data, payload.len);
    memset(p + SEGMENT_RECORD_HEADER_SIZE + payload.len, 0,
        size - SEGMENT_RECORD_HEADER_SIZE - payload.len);
    out->len += size;
}

void segment_frame(
    struct buf *out, uint64_t seq, int64_t time_ms, uint32_t proven, struct slice payload)
{
    frame(out, SEGMENT_DATA, seq, time_ms, proven, payload);
}

void segment_sum(uint8_t *record, uint64_t number, uint64_t offset)
{
    size_t len = SEGMENT_RECORD_HEADER_SIZE - SUM_SIZE + get_le32(record + 8);
    put_le64(record, checksum64(record + SUM_SIZE, len, segment_seed(number, offset)));
}

void segment_append(struct buf *out, uint64_t number, uint64_t offset, uint64_t seq,
    int64_t time_ms, uint32_t proven, struct slice payload)
{
    size_t at = out->len;
    segment_frame(out, seq, time_ms, proven, payload);
    segment_sum(out->data + at, number, offset);
}

void segment_append_seal(struct buf *out, uint64_t number, uint64_t offset, int64_t time_ms,
    uint32_t proven, struct segment_seal seal)
{
    uint8_t payload[SEGMENT_SEAL_SIZE];
    size_t at = out->len;
    put_le64(payload, seal.last_seq);
    put_le64(payload + 8, seal.next);
    frame(out, SEGMENT_SEAL, 0, time_ms, proven, slice_of(payload, sizeof payload));
    segment_sum(out->data + at, number, offset);
}

void segment_append_proof(
    struct buf *out, uint64_t number, uint64_t offset, int64_t time_ms, uint64_t last_seq)
{
    uint8_t payload[SEGMENT_PROOF_SIZE];
    size_t at = out->len;
    ENSURE(offset <= UINT32_MAX);
    put_le64(payload, last_seq);
    frame(out, SEGMENT_PROOF, 0, time_ms, (uint32_t)offset, slice_of(payload, sizeof payload));
    segment_sum(out->data + at, number, offset);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

// The part that every version understands.
static int check_header(const struct segment_reader *r, const char *path, uint64_t magic,
    uint64_t number, struct error *err)
{
    const uint8_t *header = r->data;
    if (get_le64(header) != magic)
        return error_set(err, CORRUPT, path, 0, 0, "not a segment of this kind");
    if (get_le64(header + CHECKED_HEADER) != checksum64(header, CHECKED_HEADER, 0))
        return error_set(err, CORRUPT, path, 0, 0, "damaged segment header");
    uint32_t version = get_le32(header + 8), size = get_le32(header + 12);
    if (version > FORMAT_VERSION)
        return error_set(err, NEWER_FORMAT, path, 0, 0,
            "format version %u, this server knows up to %d", version, FORMAT_VERSION);
    if (version == 0 || size != (version == 1 ? 0 : SEGMENT_HEADER_SIZE))
        return error_set(err, CORRUPT, path, 0, 0, "impossible segment header");
    if (get_le64(header + 16) != number)
        return error_set(err, CORRUPT, path, 0, 0, "the segment says that its number is %llu",
            (unsigned long long)get_le64(header + 16));
    return OK;
}

static int read_lineage(struct segment_reader *r, const char *path, struct error *err)
{
    const uint8_t *p = r->data + LINEAGE_AT;
    if (r->len < SEGMENT_HEADER_SIZE ||
        get_le64(p + CHECKED_LINEAGE) != checksum64(p, CHECKED_LINEAGE, r->number))
        return error_set(err, CORRUPT, path, LINEAGE_AT, 0, "damaged segment header");
    memcpy(r->lineage.id, p, DATABASE_ID_SIZE);
    r->lineage.timeline = get_le64(p + DATABASE_ID_SIZE);
    if (r->lineage.timeline == 0)
        return error_set(err, CORRUPT, path, LINEAGE_AT, 0, "impossible segment header");
    return OK;
}

static int read_header(
    struct segment_reader *r, const char *path, uint64_t magic, struct error *err)
{
    int status = check_header(r, path, magic, r->number, err);
    if (status != OK)
        return status;
    r->version = get_le32(r->data + 8);
    r->header_size = r->version == 1 ? SEGMENT_HEADER_SIZE_V1 : SEGMENT_HEADER_SIZE;
    r->offset = r->header_size;
    return r->version == 1 ? OK : read_lineage(r, path, err);
}

int segment_open(struct segment_reader *r, struct env *env, const char *path, uint64_t magic,
    uint64_t number, uint64_t limit, struct error *err)
{
    struct segment_reader opened = {.number = number,
        .limit = limit,
        .offset = SEGMENT_HEADER_SIZE,
        .header_size = SEGMENT_HEADER_SIZE,
        .proven = limit == UINT64_MAX ? 0 : limit};
    int status = env_read_file(env, path, SIZE_MAX - 1, &opened.data, &opened.len, err);
    if (status != OK)
        return status;
    if (opened.len < SEGMENT_HEADER_SIZE_V1 || all_zero(opened.data, opened.len)) {
        opened.len = 0;
    } else {
        status = read_header(&opened, path, magic, err);
        if (status != OK) {
            free(opened.data);
            return status;
        }
    }
    if (opened.len > limit)
        opened.len = (size_t)limit;
    *r = opened;
    return OK;
}

void segment_close(struct segment_reader *r)
{
    free(r->data);
    r->data = NULL;
}

// Whether a good record begins at offset: its whole size, or 0.
static size_t record_at(const struct segment_reader *r, uint64_t offset, struct segment_record *out)
{
    if (offset > r->len || r->len - offset < SEGMENT_RECORD_HEADER_SIZE)
        return 0;
    const uint8_t *p = r->data + offset;
    size_t len = get_le32(p + 8), left = r->len - (size_t)offset;
    if (len == 0 || len > left - SEGMENT_RECORD_HEADER_SIZE || segment_record_size(len) > left)
        return 0;
    if (get_le64(p) != checksum64(p + SUM_SIZE, SEGMENT_RECORD_HEADER_SIZE - SUM_SIZE + len,
                           segment_seed(r->number, offset)))
        return 0;
    size_t size = segment_record_size(len);
    if (!all_zero(p + SEGMENT_RECORD_HEADER_SIZE + len, size - SEGMENT_RECORD_HEADER_SIZE - len))
        return 0;
    *out = (struct segment_record){
        .payload = slice_of(p + SEGMENT_RECORD_HEADER_SIZE, len),
        .offset = offset,
        .seq = get_le64(p + 16),
        .time_ms = (int64_t)(get_le64(p + 24) & TIME_MASK),
        .proven = get_le32(p + 12),
        .type = r->version == 1 ? SEGMENT_DATA : p[TYPE_AT],
    };
    return size;
}

// A good record at or behind offset that proves a position above `above`. A record proves no more
// than what lies before it, which is checked first: otherwise lengths in random garbage would have
// us compute checksums over most of the segment again and again.
static bool find_proof(const struct segment_reader *r, uint64_t offset, uint64_t above)
{
    struct segment_record record;
    for (; offset + SEGMENT_RECORD_HEADER_SIZE <= r->len; offset += SEGMENT_ALIGNMENT) {
        uint64_t proven = get_le32(r->data + offset + 12);
        bool plausible = proven > above && proven <= offset && proven % SEGMENT_ALIGNMENT == 0;
        if (plausible && record_at(r, offset, &record) != 0)
            return true;
    }
    return false;
}

// There is no good record at the reader's position.
static int end_of_records(struct segment_reader *r, const char *path, bool *torn, struct error *err)
{
    if (r->offset < r->len || r->proven > r->offset) {
        if (r->proven > r->offset || find_proof(r, r->offset, r->offset))
            return error_set(err, CORRUPT, path, r->offset, 0,
                "damaged record: it was complete before later ones were written");
        *torn = !all_zero(r->data + r->offset, r->len - (size_t)r->offset);
    }
    return END;
}

static int take_seal(struct segment_reader *r, const struct segment_record *record,
    const char *path, struct error *err)
{
    if (record->payload.len != SEGMENT_SEAL_SIZE)
        return error_set(err, CORRUPT, path, record->offset, 0, "an impossible seal");
    for (uint64_t at = r->offset; at < r->len; at++)
        if (r->data[at] != 0)
            return error_set(err, CORRUPT, path, at, 0, "something lies behind the segment's seal");
    r->sealed = true;
    r->seal_offset = record->offset;
    r->seal =
        (struct segment_seal){get_le64(record->payload.data), get_le64(record->payload.data + 8)};
    return END;
}

int segment_next(struct segment_reader *r, const char *path, struct segment_record *out, bool *torn,
    struct error *err)
{
    *torn = false;
    size_t size;
    while (!r->sealed && (size = record_at(r, r->offset, out)) != 0) {
        if (out->proven > r->proven)
            r->proven = out->proven;
        if (out->type > SEGMENT_SEAL && out->type < SEGMENT_OPTIONAL)
            return error_set(err, NEWER_FORMAT, path, r->offset, 0,
                "a record of the unknown type %u", out->type);
        r->offset += size;
        if (out->type == SEGMENT_DATA)
            return OK;
        if (out->type == SEGMENT_SEAL)
            return take_seal(r, out, path, err);
    }
    return r->sealed ? END : end_of_records(r, path, torn, err);
}

bool segment_has_proof(const struct segment_reader *r)
{
    return find_proof(r, SEGMENT_HEADER_SIZE_V1, 0);
}

bool segment_is_touched(const struct segment_reader *r)
{
    return r->len > r->header_size && !all_zero(r->data + r->header_size, r->len - r->header_size);
}

bool segment_was_used(struct slice file, uint64_t number)
{
    struct segment_reader r = {
        .data = (uint8_t *)(uintptr_t)file.data, .len = file.len, .number = number};
    struct segment_record record;
    return record_at(&r, SEGMENT_HEADER_SIZE_V1, &record) != 0 ||
           record_at(&r, SEGMENT_HEADER_SIZE, &record) != 0 || segment_has_proof(&r);
}
