// filter: see filter.h for what and format.h for where. This file is the normative text of how bits
// are chosen.
//
// The high half of a key's hash picks the 64-byte block. The low half is multiplied by an odd
// constant k times; the top nine bits of each product are the number of a bit in the block (bit b
// is bit b % 8 of byte b / 8). The products differ in their top bits as those of a multiplicative
// hash do (Knuth, 6.4), which is random enough: the rate measured by the tests is within a fifth of
// the ideal.
//
// A block holds more or fewer keys than the average (Poisson), so the best k is a little below the
// ln 2 * bits of a classic filter.

#include "engine/table/filter.h"

#include "base/coding.h"
#include "engine/format.h"

#define MULTIPLIER 0x9e3779b9u

enum { TAIL_SIZE = 8, PROBES_MAX = 16, BLOCK_BITS_LOG2 = 9, BLOCK_BITS = 8 * FILTER_LINE_SIZE };

static uint64_t block_of(uint64_t hash, uint32_t blocks)
{
    return ((hash >> 32) * blocks) >> 32;
}

static uint32_t first_probe(uint64_t hash)
{
    return (uint32_t)hash * MULTIPLIER;
}

static uint32_t bit_of(uint32_t probe)
{
    return probe >> (32 - BLOCK_BITS_LOG2);
}

static uint32_t probes_for(unsigned bits_per_key)
{
    unsigned k = (bits_per_key * 6 + 4) / 10;
    return k < 1 ? 1 : k > PROBES_MAX ? PROBES_MAX : k;
}

void filter_build(struct buf *out, const uint64_t *hashes, size_t count, unsigned bits_per_key)
{
    uint64_t wanted = ((uint64_t)count * bits_per_key + BLOCK_BITS - 1) / BLOCK_BITS;
    uint32_t blocks = wanted < 1 ? 1 : wanted > UINT32_MAX ? UINT32_MAX : (uint32_t)wanted;
    uint32_t probes = probes_for(bits_per_key);
    size_t bytes = (size_t)blocks * FILTER_LINE_SIZE;
    buf_reserve(out, bytes + TAIL_SIZE);
    uint8_t *bits = out->data + out->len;
    memset(bits, 0, bytes);
    for (size_t i = 0; i < count; i++) {
        uint8_t *block = bits + block_of(hashes[i], blocks) * FILTER_LINE_SIZE;
        uint32_t probe = first_probe(hashes[i]);
        for (uint32_t j = 0; j < probes; j++, probe *= MULTIPLIER)
            block[bit_of(probe) / 8] |= (uint8_t)(1u << (bit_of(probe) % 8));
    }
    out->len += bytes;
    buf_append_le32(out, blocks);
    buf_append_le32(out, probes);
}

bool filter_valid(struct slice filter)
{
    if (filter.len < TAIL_SIZE)
        return false;
    const uint8_t *tail = filter.data + filter.len - TAIL_SIZE;
    uint64_t blocks = get_le32(tail), probes = get_le32(tail + 4);
    return blocks > 0 && blocks * FILTER_LINE_SIZE == filter.len - TAIL_SIZE && probes > 0 &&
           probes <= PROBES_MAX;
}

void filter_prefetch(struct slice filter, uint64_t hash)
{
    uint32_t blocks = get_le32(filter.data + filter.len - TAIL_SIZE);
    __builtin_prefetch(filter.data + block_of(hash, blocks) * FILTER_LINE_SIZE);
}

bool filter_may_contain(struct slice filter, uint64_t hash)
{
    const uint8_t *tail = filter.data + filter.len - TAIL_SIZE;
    uint32_t blocks = get_le32(tail), probes = get_le32(tail + 4);
    const uint8_t *block = filter.data + block_of(hash, blocks) * FILTER_LINE_SIZE;
    uint32_t probe = first_probe(hash);
    for (uint32_t j = 0; j < probes; j++, probe *= MULTIPLIER) {
        if ((block[bit_of(probe) / 8] & (1u << (bit_of(probe) % 8))) == 0)
            return false;
    }
    return true;
}
