// Any bytes as a log segment of either version: opened or refused, walked to an end or to damage,
// and each record's entries decoded. The header and the checksums of the records that the input
// seems to hold are put right first, so that the reader behind them is reached; what is put right,
// and for which version, is decided by the first byte.
#include "base/alloc.h"
#include "base/coding.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "engine/log/segment.h"
#include "engine/record/batch.h"
#include "tests/sim/sim_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NUMBER = 9 };

static const struct lineage lineage = {.id = {0xda, 0x7a}, .timeline = 3};

enum { RIGHT_HEADER = 1, RIGHT_RECORDS = 2, RIGHT_VERSION_1 = 4 };

static void put_header(uint8_t *bytes, size_t size)
{
    uint8_t header[SEGMENT_HEADER_SIZE];
    segment_header_encode(header, LOG_MAGIC, NUMBER, &lineage);
    if (size == SEGMENT_HEADER_SIZE_V1) {
        put_le32(header + 8, 1);
        put_le32(header + 12, 0);
        put_le64(header + 24, checksum64(header, 24, 0));
    }
    memcpy(bytes, header, size);
}

static void put_right(uint8_t *bytes, size_t len, uint8_t choice)
{
    size_t at = (choice & RIGHT_VERSION_1) != 0 ? SEGMENT_HEADER_SIZE_V1 : SEGMENT_HEADER_SIZE;
    if (len >= at && (choice & RIGHT_HEADER) != 0)
        put_header(bytes, at);
    while ((choice & RIGHT_RECORDS) != 0 && at + SEGMENT_RECORD_HEADER_SIZE <= len) {
        size_t payload = get_le32(bytes + at + 8) % 256;
        if (at + SEGMENT_RECORD_HEADER_SIZE + payload > len)
            break;
        put_le32(bytes + at + 8, (uint32_t)payload);
        put_le64(bytes + at, checksum64(bytes + at + 8, SEGMENT_RECORD_HEADER_SIZE - 8 + payload,
                                 segment_seed(NUMBER, at)));
        at += (SEGMENT_RECORD_HEADER_SIZE + payload + SEGMENT_ALIGNMENT - 1) / SEGMENT_ALIGNMENT *
              SEGMENT_ALIGNMENT;
    }
}

static void decode_entries(struct slice payload)
{
    const uint8_t *p = payload.data, *end = p + payload.len;
    int status = OK;
    while (p < end && status == OK) {
        struct entry e;
        const uint8_t *before = p;
        status = batch_decode(&p, end, &e);
        ENSURE(status == OK ? p > before && p <= end
                            : p == before && (status == CORRUPT || status == NEWER_FORMAT));
        ENSURE(status != OK || entry_kind(&e) != RECORD_VALUE_POINTER);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *bytes = xmalloc(size);
    memcpy(bytes, data + 1, size - 1);
    put_right(bytes, size - 1, data[0]);
    struct sim_env *sim = sim_env_new(1);
    sim_env_write_file(sim, "9.log", slice_of(bytes, size - 1));
    struct segment_reader reader;
    struct error err;
    int status =
        segment_open(&reader, sim_env_env(sim), "9.log", LOG_MAGIC, NUMBER, UINT64_MAX, &err);
    ENSURE(status == OK || status == CORRUPT || status == NEWER_FORMAT);
    if (status == OK) {
        struct segment_record record;
        bool torn;
        while ((status = segment_next(&reader, "9.log", &record, &torn, &err)) == OK) {
            ENSURE(record.payload.len > 0 && record.type == SEGMENT_DATA);
            decode_entries(record.payload);
        }
        ENSURE(status == END || status == CORRUPT || status == NEWER_FORMAT);
        ENSURE(!reader.sealed || (status == END && !torn));
        segment_close(&reader);
    }
    sim_env_free(sim);
    free(bytes);
    return 0;
}
