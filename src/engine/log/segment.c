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
// A segment is read as a whole: it is bounded by the write buffer, and recovery has not yet filled
// the memory that it may use. Nothing here trusts a length before it has compared it with what is
// there.
#include "engine/log/segment.h"

#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"

enum { CHECKED_HEADER = 24, SUM_SIZE = 8 };

void segment_header_encode(uint8_t header[SEGMENT_HEADER_SIZE], uint64_t magic, uint64_t number)
{
    put_le64(header, magic);
    put_le32(header + 8, FORMAT_VERSION);
    put_le32(header + 12, 0);
    put_le64(header + 16, number);
    put_le64(header + CHECKED_HEADER, checksum64(header, CHECKED_HEADER, 0));
}

size_t segment_record_size(size_t payload_len)
{
    return SEGMENT_RECORD_HEADER_SIZE +
           ((payload_len + SEGMENT_ALIGNMENT - 1) & ~(size_t)(SEGMENT_ALIGNMENT - 1));
}

void segment_frame(
    struct buf *out, uint64_t seq, int64_t time_ms, uint32_t proven, struct slice payload)
{
    ENSURE(payload.len > 0 && payload.len <= UINT32_MAX);
    size_t size = segment_record_size(payload.len);
    buf_reserve(out, size);
    uint8_t *p = out->data + out->len;
    put_le64(p, 0);
    put_le32(p + 8, (uint32_t)payload.len);
    put_le32(p + 12, proven);
    put_le64(p + 16, seq);
    put_le64(p + 24, (uint64_t)time_ms);
    memcpy(p + SEGMENT_RECORD_HEADER_SIZE, payload.data, payload.len);
    memset(p + SEGMENT_RECORD_HEADER_SIZE + payload.len, 0,
        size - SEGMENT_RECORD_HEADER_SIZE - payload.len);
    out->len += size;
}

void segment_seal(uint8_t *record, uint64_t number, uint64_t offset)
{
    size_t len = SEGMENT_RECORD_HEADER_SIZE - SUM_SIZE + get_le32(record + 8);
    put_le64(record, checksum64(record + SUM_SIZE, len, segment_seed(number, offset)));
}

void segment_append(struct buf *out, uint64_t number, uint64_t offset, uint64_t seq,
    int64_t time_ms, uint32_t proven, struct slice payload)
{
    size_t at = out->len;
    segment_frame(out, seq, time_ms, proven, payload);
    segment_seal(out->data + at, number, offset);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static int check_header(const struct segment_reader *r, const char *path, uint64_t magic,
    uint64_t number, struct error *err)
{
    const uint8_t *header = r->data;
    if (get_le64(header) != magic)
        return error_set(err, CORRUPT, path, 0, 0, "not a segment of this kind");
    if (get_le64(header + CHECKED_HEADER) != checksum64(header, CHECKED_HEADER, 0))
        return error_set(err, CORRUPT, path, 0, 0, "damaged segment header");
    uint32_t version = get_le32(header + 8);
    if (version > FORMAT_VERSION)
        return error_set(err, NEWER_FORMAT, path, 0, 0,
            "format version %u, this server knows up to %d", version, FORMAT_VERSION);
    if (version == 0 || get_le32(header + 12) != 0)
        return error_set(err, CORRUPT, path, 0, 0, "impossible segment header");
    if (get_le64(header + 16) != number)
        return error_set(err, CORRUPT, path, 0, 0, "the segment says that its number is %llu",
            (unsigned long long)get_le64(header + 16));
    return OK;
}

int segment_open(struct segment_reader *r, struct env *env, const char *path, uint64_t magic,
    uint64_t number, uint64_t limit, struct error *err)
{
    struct segment_reader opened = {
        .number = number, .limit = limit, .offset = SEGMENT_HEADER_SIZE};
    int status = env_read_file(env, path, SIZE_MAX - 1, &opened.data, &opened.len, err);
    if (status != OK)
        return status;
    if (opened.len < SEGMENT_HEADER_SIZE || all_zero(opened.data, opened.len)) {
        opened.len = 0;
    } else {
        status = check_header(&opened, path, magic, number, err);
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
        .time_ms = (int64_t)get_le64(p + 24),
        .proven = get_le32(p + 12),
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

int segment_next(struct segment_reader *r, const char *path, struct segment_record *out, bool *torn,
    struct error *err)
{
    *torn = false;
    size_t size = record_at(r, r->offset, out);
    if (size != 0) {
        r->offset += size;
        if (out->proven > r->proven)
            r->proven = out->proven;
        return OK;
    }
    if (r->offset >= r->len)
        return END;
    if (r->proven > r->offset || find_proof(r, r->offset, r->offset))
        return error_set(err, CORRUPT, path, r->offset, 0,
            "damaged record: it was complete before later ones were written");
    *torn = !all_zero(r->data + r->offset, r->len - (size_t)r->offset);
    return END;
}

bool segment_has_proof(const struct segment_reader *r)
{
    return find_proof(r, SEGMENT_HEADER_SIZE, 0);
}
