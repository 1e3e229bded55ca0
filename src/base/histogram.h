// A log-linear histogram of non-negative integers (as in HdrHistogram, Tene 2012): 32 buckets an
// octave, so that a percentile is at most about 3% above the true value. Fixed size, no allocation.
#ifndef VARVE_BASE_HISTOGRAM_H
#define VARVE_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 32 * 60 };

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
// The upper bound of the bucket in which the given share (0 to 100) of the values is reached; 0
// when empty.
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
