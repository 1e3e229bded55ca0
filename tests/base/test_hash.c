#include <criterion/criterion.h>

#include "base/hash.h"
#include "base/random.h"

Test(hash, a_checksum_in_pieces_is_that_of_the_whole)
{
    struct random r = {1};
    uint8_t bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_next(&r);
    for (size_t len = 0; len <= sizeof bytes; len += 1 + len / 7) {
        struct checksum_stream *s = checksum_stream_new();
        for (size_t at = 0, piece; at < len; at += piece) {
            piece = 1 + random_below(&r, len - at);
            checksum_stream_add(s, bytes + at, piece);
        }
        cr_assert_eq(checksum_stream_value(s), checksum64(bytes, len, 0));
        checksum_stream_free(s);
    }
}
