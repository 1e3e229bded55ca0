#include "base/histogram.h"

static unsigned bucket_of(uint64_t value)
{
    if (value < 32)
        return (unsigned)value;
    unsigned octave = 63 - (unsigned)__builtin_clzll(value); // 5 or more
    return (octave - 4) * 32 + (unsigned)((value >> (octave - 5)) & 31);
}

static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < 32)
        return bucket;
    unsigned octave = bucket / 32 + 4;
    uint64_t width = 1ull << (octave - 5);
    return (1ull << octave) + (bucket % 32) * width + width - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count++;
    h->sum += value;
    if (value > h->max)
        h->max = value;
    h->buckets[bucket_of(value)]++;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    uint64_t want = (uint64_t)((double)h->count * percent / 100.0 + 0.5);
    if (want == 0)
        want = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->count > 0; i++) {
        seen += h->buckets[i];
        if (seen >= want)
            return bucket_top(i) < h->max ? bucket_top(i) : h->max;
    }
    return h->max;
}
