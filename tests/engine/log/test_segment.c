#include <criterion/criterion.h>

#include <stdio.h>

#include "base/hash.h"
#include "base/random.h"
#include "engine/log/segment.h"
#include "tests/sim/sim_env.h"

enum { NUMBER = 9, RECORDS = 12 };

static const struct lineage lineage = {.id = {0xda, 0x7a}, .timeline = 3};

struct written {
    struct buf bytes;
    uint64_t offsets[RECORDS + 1];
    uint32_t proven[RECORDS];
};

static struct slice payload_of(char out[64], unsigned i)
{
    size_t len = 1 + i * 5 % 23;
    for (size_t at = 0; at < len; at++)
        out[at] = (char)('A' + (i * 7 + at) % 26);
    return slice_of(out, len);
}

// Twelve records; every third one knows that all before the one preceding it was synced, if
// `proofs`.
static void write_segment(struct written *w, bool proofs)
{
    uint8_t header[SEGMENT_HEADER_SIZE];
    memset(w, 0, sizeof *w);
    segment_header_encode(header, LOG_MAGIC, NUMBER, &lineage);
    buf_append(&w->bytes, header, sizeof header);
    for (unsigned i = 0; i < RECORDS; i++) {
        char text[64];
        w->offsets[i] = w->bytes.len;
        w->proven[i] = proofs && i % 3 == 2 ? (uint32_t)w->offsets[i - 1] : 0;
        segment_append(
            &w->bytes, NUMBER, w->offsets[i], 100 + i, 1000 + i, w->proven[i], payload_of(text, i));
        cr_assert_eq(w->bytes.len % SEGMENT_ALIGNMENT, 0);
    }
    w->offsets[RECORDS] = w->bytes.len;
}

struct outcome {
    int opened, status;
    unsigned records;
    bool torn;
    uint64_t error_at;
};

// Reads a segment of these bytes; what comes out is the beginning of what was written, or an end,
// or an error.
static struct outcome read_segment(struct sim_env *sim, struct slice bytes, uint64_t limit)
{
    sim_env_write_file(sim, "./9.log", bytes);
    struct outcome o = {0};
    struct error err = {0};
    struct segment_reader r;
    o.opened = segment_open(&r, sim_env_env(sim), "./9.log", LOG_MAGIC, NUMBER, limit, &err);
    if (o.opened != OK)
        return o;
    struct segment_record record;
    while ((o.status = segment_next(&r, "./9.log", &record, &o.torn, &err)) == OK) {
        char text[64];
        cr_assert(slice_equal(record.payload, payload_of(text, o.records)));
        cr_assert_eq(record.seq, 100 + o.records);
        cr_assert_eq(record.time_ms, 1000 + o.records);
        o.records++;
    }
    o.error_at = err.offset;
    segment_close(&r);
    return o;
}

Test(segment, records_read_back)
{
    struct sim_env *sim = sim_env_new(1);
    struct written w;
    write_segment(&w, true);
    struct outcome o = read_segment(sim, buf_slice(&w.bytes), UINT64_MAX);
    cr_assert_eq(o.status, END);
    cr_assert_eq(o.records, RECORDS);
    cr_assert_not(o.torn);
    uint8_t zeros[4096] = {0};
    buf_append(&w.bytes, zeros, sizeof zeros);
    o = read_segment(sim, buf_slice(&w.bytes), UINT64_MAX);
    cr_assert_eq(o.records, RECORDS);
    cr_assert_not(o.torn);
    o = read_segment(sim, buf_slice(&w.bytes), w.offsets[4]);
    cr_assert_eq(o.records, 4);
    cr_assert_eq(o.status, END);
    cr_assert_not(o.torn);
    buf_release(&w.bytes);
    sim_env_free(sim);
}

Test(segment, cut_at_every_byte_it_ends_at_the_last_whole_record)
{
    struct sim_env *sim = sim_env_new(1);
    struct written w;
    write_segment(&w, true);
    for (size_t cut = 0; cut < w.bytes.len; cut++) {
        struct outcome o = read_segment(sim, slice_of(w.bytes.data, cut), UINT64_MAX);
        bool half_a_header = cut >= SEGMENT_HEADER_SIZE_V1 && cut < SEGMENT_HEADER_SIZE;
        cr_assert_eq(o.opened, half_a_header ? CORRUPT : OK);
        if (half_a_header)
            continue;
        unsigned whole = 0;
        while (w.offsets[whole + 1] <= cut)
            whole++;
        cr_assert_eq(o.status, END);
        cr_assert_eq(o.records, whole, "cut at %zu", cut);
        cr_assert_eq(o.torn, cut > w.offsets[whole]);
    }
    buf_release(&w.bytes);
    sim_env_free(sim);
}

// The record that a byte belongs to, and whether a later record proves it.
static bool is_proven(const struct written *w, unsigned damaged)
{
    for (unsigned i = damaged + 1; i < RECORDS; i++)
        if (w->proven[i] > w->offsets[damaged])
            return true;
    return false;
}

Test(segment, a_changed_byte_is_damage_below_a_proof_and_the_end_above)
{
    for (int proofs = 0; proofs < 2; proofs++) {
        struct sim_env *sim = sim_env_new(1);
        struct written w;
        write_segment(&w, proofs);
        for (size_t at = 0; at < w.bytes.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                w.bytes.data[at] ^= (uint8_t)(1u << bit);
                struct outcome o = read_segment(sim, buf_slice(&w.bytes), UINT64_MAX);
                w.bytes.data[at] ^= (uint8_t)(1u << bit);
                if (at < SEGMENT_HEADER_SIZE) {
                    cr_assert_eq(o.opened, CORRUPT);
                    continue;
                }
                unsigned damaged = 0;
                while (w.offsets[damaged + 1] <= at)
                    damaged++;
                cr_assert_eq(o.records, damaged);
                cr_assert_eq(
                    o.status, is_proven(&w, damaged) ? CORRUPT : END, "byte %zu bit %u", at, bit);
                if (o.status == CORRUPT)
                    cr_assert_eq(o.error_at, w.offsets[damaged]);
                else
                    cr_assert(o.torn);
            }
        }
        buf_release(&w.bytes);
        sim_env_free(sim);
    }
}

Test(segment, a_lost_sector_below_a_proof_is_damage)
{
    struct sim_env *sim = sim_env_new(1);
    struct written w;
    write_segment(&w, true);
    memset(w.bytes.data + w.offsets[2], 0, w.offsets[5] - w.offsets[2]);
    cr_assert_eq(read_segment(sim, buf_slice(&w.bytes), UINT64_MAX).status, CORRUPT);
    buf_release(&w.bytes);
    write_segment(&w, false);
    memset(w.bytes.data + w.offsets[2], 0, w.offsets[5] - w.offsets[2]);
    struct outcome o = read_segment(sim, buf_slice(&w.bytes), UINT64_MAX);
    cr_assert_eq(o.status, END);
    cr_assert(o.torn);
    buf_release(&w.bytes);
    sim_env_free(sim);
}

Test(segment, records_of_another_segment_or_place_are_not_taken)
{
    struct sim_env *sim = sim_env_new(1);
    struct written w;
    write_segment(&w, false);
    size_t first = w.offsets[1] - w.offsets[0];
    memmove(w.bytes.data + w.offsets[1], w.bytes.data + w.offsets[0], first);
    cr_assert_eq(read_segment(sim, buf_slice(&w.bytes), UINT64_MAX).records, 1);
    buf_release(&w.bytes);

    uint8_t header[SEGMENT_HEADER_SIZE];
    segment_header_encode(header, LOG_MAGIC, NUMBER, &lineage);
    buf_append(&w.bytes, header, sizeof header);
    segment_append(&w.bytes, NUMBER + 1, SEGMENT_HEADER_SIZE, 100, 1000, 0, slice_cstr("A"));
    struct outcome o = read_segment(sim, buf_slice(&w.bytes), UINT64_MAX);
    cr_assert_eq(o.records, 0);
    cr_assert(o.torn);
    buf_release(&w.bytes);
    sim_env_free(sim);
}

Test(segment, headers_that_do_not_fit_are_refused)
{
    struct sim_env *sim = sim_env_new(1);
    uint8_t header[SEGMENT_HEADER_SIZE];
    segment_header_encode(header, LOG_MAGIC, NUMBER + 1, &lineage);
    cr_assert_eq(read_segment(sim, slice_of(header, sizeof header), UINT64_MAX).opened, CORRUPT);
    segment_header_encode(header, MANIFEST_MAGIC, NUMBER, &lineage);
    cr_assert_eq(read_segment(sim, slice_of(header, sizeof header), UINT64_MAX).opened, CORRUPT);
    segment_header_encode(header, LOG_MAGIC, NUMBER, &lineage);
    header[8] = FORMAT_VERSION + 1;
    uint64_t sum = checksum64(header, 24, 0);
    memcpy(header + 24, &sum, sizeof sum);
    cr_assert_eq(
        read_segment(sim, slice_of(header, sizeof header), UINT64_MAX).opened, NEWER_FORMAT);
    uint8_t zeros[100] = {0};
    struct outcome o = read_segment(sim, slice_of(zeros, sizeof zeros), UINT64_MAX);
    cr_assert_eq(o.opened, OK);
    cr_assert_eq(o.status, END);
    cr_assert_not(o.torn);
    sim_env_free(sim);
}

// Twelve records and a seal.
static void write_sealed(struct written *w, uint32_t proven)
{
    write_segment(w, false);
    segment_append_seal(&w->bytes, NUMBER, w->bytes.len, 5000, proven,
        (struct segment_seal){100 + RECORDS - 1, 12});
}

Test(segment, a_seal_is_the_end)
{
    struct sim_env *sim = sim_env_new(1);
    struct written w;
    write_sealed(&w, 0);
    uint8_t zeros[512] = {0};
    size_t end = w.bytes.len;
    buf_append(&w.bytes, zeros, sizeof zeros);
    sim_env_write_file(sim, "./9.log", buf_slice(&w.bytes));
    struct segment_reader r;
    struct segment_record record;
    bool torn;
    cr_assert_eq(
        segment_open(&r, sim_env_env(sim), "./9.log", LOG_MAGIC, NUMBER, UINT64_MAX, NULL), OK);
    cr_assert(r.version == FORMAT_VERSION && r.header_size == SEGMENT_HEADER_SIZE);
    cr_assert(lineage_same_database(&r.lineage, &lineage) && r.lineage.timeline == 3);
    for (unsigned i = 0; i < RECORDS; i++)
        cr_assert_eq(segment_next(&r, "./9.log", &record, &torn, NULL), OK);
    cr_assert_eq(segment_next(&r, "./9.log", &record, &torn, NULL), END);
    cr_assert(r.sealed && !torn && r.seal.last_seq == 100 + RECORDS - 1 && r.seal.next == 12);
    cr_assert(r.seal_offset == w.offsets[RECORDS] && r.offset == end);
    cr_assert_eq(segment_next(&r, "./9.log", &record, &torn, NULL), END);
    segment_close(&r);
    for (size_t at = end; at < w.bytes.len; at += 7) {
        w.bytes.data[at] ^= 4;
        struct outcome o = read_segment(sim, buf_slice(&w.bytes), UINT64_MAX);
        cr_assert(o.status == CORRUPT && o.error_at == at);
        w.bytes.data[at] ^= 4;
    }
    buf_release(&w.bytes);
    sim_env_free(sim);
}

// Of a seal that proves what lies before it every byte counts; one that proves nothing is a record
// like any other.
Test(segment, what_a_seal_proves_is_its_proven_position)
{
    for (int clean = 0; clean < 2; clean++) {
        struct sim_env *sim = sim_env_new(1);
        struct written w;
        write_sealed(&w, 0);
        if (clean) {
            buf_release(&w.bytes);
            write_sealed(&w, (uint32_t)w.offsets[RECORDS]);
        }
        for (size_t at = SEGMENT_HEADER_SIZE; at < w.bytes.len; at++) {
            w.bytes.data[at] ^= 1;
            struct outcome o = read_segment(sim, buf_slice(&w.bytes), UINT64_MAX);
            w.bytes.data[at] ^= 1;
            bool proven = clean && at < w.offsets[RECORDS];
            cr_assert_eq(o.status, proven ? CORRUPT : END, "byte %zu", at);
            cr_assert(proven || o.torn);
        }
        buf_release(&w.bytes);
        sim_env_free(sim);
    }
}

// Below the end that a version remembers, everything was synced.
Test(segment, below_a_known_end_everything_is_proven)
{
    struct sim_env *sim = sim_env_new(1);
    struct written w;
    write_segment(&w, false);
    for (size_t at = SEGMENT_HEADER_SIZE; at < w.offsets[6]; at++) {
        w.bytes.data[at] ^= 1;
        cr_assert_eq(read_segment(sim, buf_slice(&w.bytes), w.offsets[5]).status,
            at < w.offsets[5] ? CORRUPT : END);
        w.bytes.data[at] ^= 1;
    }
    struct outcome o = read_segment(sim, slice_of(w.bytes.data, w.offsets[3]), w.offsets[5]);
    cr_assert(o.status == CORRUPT && o.error_at == w.offsets[3], "the file is shorter");
    buf_release(&w.bytes);
    sim_env_free(sim);
}

Test(segment, random_bytes_are_never_a_record)
{
    struct sim_env *sim = sim_env_new(1);
    struct random random = {3};
    for (unsigned round = 0; round < 300; round++) {
        uint8_t bytes[600];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(random_below(&random, 2) ? random_below(&random, 3)
                                                          : random_next(&random));
        segment_header_encode(bytes, LOG_MAGIC, NUMBER, &lineage);
        cr_assert_eq(read_segment(sim, slice_of(bytes, sizeof bytes), UINT64_MAX).records, 0);
    }
    sim_env_free(sim);
}

Test(segment, only_a_record_that_proves_something_is_a_proof)
{
    for (int proofs = 0; proofs < 2; proofs++) {
        struct sim_env *sim = sim_env_new(1);
        struct written w;
        write_segment(&w, proofs);
        sim_env_write_file(sim, "./9.log", buf_slice(&w.bytes));
        struct segment_reader r;
        cr_assert_eq(
            segment_open(&r, sim_env_env(sim), "./9.log", LOG_MAGIC, NUMBER, UINT64_MAX, NULL), OK);
        cr_assert_eq(segment_has_proof(&r), proofs == 1);
        segment_close(&r);
        buf_release(&w.bytes);
        sim_env_free(sim);
    }
}
