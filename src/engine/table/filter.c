// filter: see filter.h for what and format.h for where. This file is the normative text of how bits
// are chosen.
//
// The high half of a key's hash picks the 64-byte line. The low half is multiplied by an odd
// constant k times; the top nine bits of each product are the number of a bit in the line (bit b
// is bit b % 8 of byte b / 8). The products differ in their top bits as those of a multiplicative
// hash do (Knuth, 6.4), which is random enough: the rate measured by the tests is within a fifth of
// the ideal.
//
// On disk the lines are followed by their number n, the number of probes k, and (from version 2 on)
// the type. In memory the type has done its work and is cut off, so that a check looks at no more
// than n, k and one line. A filter of a type that we do not know is kept as one of no lines and no
// probes, which never says no.
//
// A line holds more or fewer keys than the average (Poisson), so the best k is a little below the
// ln 2 * bits of a classic filter.

#include "engine/table/filter.h"

#include "base/coding.h"
#include "engine/format.h"

#define MULTIPLIER 0x9e3779b9u

enum {
    TAIL_SIZE = 8, // n and k
    TYPE_SIZE = 4, // the type and three zeros
    PROBES_MAX = 16,
    LINE_BITS_LOG2 = 9,
    LINE_BITS = 8 * FILTER_LINE_SIZE,
};

static uint64_t line_of(uint64_t hash, uint32_t lines)
{
    return ((hash >> 32) * lines) >> 32;
}

static uint32_t first_probe(uint64_t hash)
{
    return (uint32_t)hash * MULTIPLIER;
}

static uint32_t bit_of(uint32_t probe)
{
    return probe >> (32 - LINE_BITS_LOG2);
}

static uint32_t probes_for(unsigned bits_per_key)
{
    unsigned k = (bits_per_key * 6 + 4) / 10;
    return k < 1 ? 1 : k > PROBES_MAX ? PROBES_MAX : k;
}

void filter_build(struct buf *out, const uint64_t *hashes, size_t count, unsigned bits_per_key)
{
    uint64_t wanted = ((uint64_t)count * bits_per_key + LINE_BITS - 1) / LINE_BITS;
    uint32_t lines = wanted < 1 ? 1 : wanted > UINT32_MAX ? UINT32_MAX : (uint32_t)wanted;
    uint32_t probes = probes_for(bits_per_key);
    size_t bytes = (size_t)lines * FILTER_LINE_SIZE;
    buf_reserve(out, bytes + TAIL_SIZE + TYPE_SIZE);
    uint8_t *bits = out->data + out->len;
    memset(bits, 0, bytes);
    for (size_t i = 0; i < count; i++) {
        uint8_t *line = bits + line_of(hashes[i], lines) * FILTER_LINE_SIZE;
        uint32_t probe = first_probe(hashes[i]);
        for (uint32_t j = 0; j < probes; j++, probe *= MULTIPLIER)
            line[bit_of(probe) / 8] |= (uint8_t)(1u << (bit_of(probe) % 8));
    }
    out->len += bytes;
    buf_append_le32(out, lines);
    buf_append_le32(out, probes);
    buf_append_le32(out, FILTER_KEYS);
}

static bool is_valid(struct slice loaded)
{
    const uint8_t *tail = loaded.data + loaded.len - TAIL_SIZE;
    uint64_t lines = get_le32(tail), probes = get_le32(tail + 4);
    return lines > 0 && lines * FILTER_LINE_SIZE == loaded.len - TAIL_SIZE && probes > 0 &&
           probes <= PROBES_MAX;
}

bool filter_load(uint8_t *contents, size_t *len, uint64_t format)
{
    size_t type_size = format >= 2 ? TYPE_SIZE : 0;
    if (*len < TAIL_SIZE + type_size)
        return false;
    size_t loaded = *len - type_size;
    if (type_size > 0 && contents[loaded] != FILTER_KEYS) {
        memset(contents, 0, TAIL_SIZE);
        loaded = TAIL_SIZE;
    } else if (!is_valid(slice_of(contents, loaded))) {
        return false;
    }
    *len = loaded;
    return true;
}

void filter_prefetch(struct slice loaded, uint64_t hash)
{
    uint32_t lines = get_le32(loaded.data + loaded.len - TAIL_SIZE);
    __builtin_prefetch(loaded.data + line_of(hash, lines) * FILTER_LINE_SIZE);
}

bool filter_may_contain(struct slice loaded, uint64_t hash)
{
    const uint8_t *tail = loaded.data + loaded.len - TAIL_SIZE;
    uint32_t lines = get_le32(tail), probes = get_le32(tail + 4);
    const uint8_t *line = loaded.data + line_of(hash, lines) * FILTER_LINE_SIZE;
    uint32_t probe = first_probe(hash);
    for (uint32_t j = 0; j < probes; j++, probe *= MULTIPLIER) {
        if ((line[bit_of(probe) / 8] & (1u << (bit_of(probe) % 8))) == 0)
            return false;
    }
    return true;
}
