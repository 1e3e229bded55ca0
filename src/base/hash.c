#include "base/hash.h"

#include "base/ensure.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(struct slice s)
{
    return XXH3_64bits(s.data, s.len);
}

uint64_t checksum64(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

uint64_t checksum64_pieces(const struct slice *pieces, unsigned count, uint64_t seed)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset_withSeed(&state, seed);
    for (unsigned i = 0; i < count; i++)
        XXH3_64bits_update(&state, pieces[i].data, pieces[i].len);
    return XXH3_64bits_digest(&state);
}

struct checksum_stream {
    XXH3_state_t state; // the library wants it aligned, and allocates it so
};

struct checksum_stream *checksum_stream_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    ENSURE(state != NULL && XXH3_64bits_reset(state) == XXH_OK);
    return (struct checksum_stream *)(void *)state;
}

void checksum_stream_add(struct checksum_stream *s, const void *data, size_t len)
{
    XXH3_64bits_update(&s->state, data, len);
}

uint64_t checksum_stream_value(const struct checksum_stream *s)
{
    return XXH3_64bits_digest(&s->state);
}

void checksum_stream_free(struct checksum_stream *s)
{
    if (s != NULL)
        XXH3_freeState(&s->state);
}
