// A small seeded generator (splitmix64, Steele, Lea and Flood 2014): everything random in Varve
// comes from a seed that env hands out, so that a run can be replayed.
#ifndef VARVE_BASE_RANDOM_H
#define VARVE_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Uniform in [0, bound); bound > 0.
static inline uint64_t random_below(struct random *r, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_next(r) * bound) >> 64);
}

#endif
