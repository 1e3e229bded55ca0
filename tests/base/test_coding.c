#include <criterion/criterion.h>

#include "base/coding.h"

Test(coding, varints_round_trip_at_every_length)
{
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = (1ull << shift) + (uint64_t)delta, back;
            uint8_t bytes[VARINT_MAX_LEN];
            uint8_t *end = varint_put(bytes, v);
            cr_assert_eq((size_t)(end - bytes), varint_len(v));
            cr_assert_eq(varint_get(bytes, end, &back), end);
            cr_assert_eq(back, v);
            for (const uint8_t *cut = bytes; cut < end; cut++)
                cr_assert_null(varint_get(bytes, cut, &back));
        }
    }
}

Test(coding, varints_over_64_bits_are_refused)
{
    uint8_t bytes[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02, 0};
    uint64_t v;
    cr_assert_null(varint_get(bytes, bytes + sizeof bytes, &v));
}

Test(coding, bytes_that_claim_more_than_there_is_are_refused)
{
    uint8_t bytes[] = {5, 'a', 'b', 'c', 'd'};
    struct slice s;
    cr_assert_null(bytes_get(bytes, bytes + sizeof bytes, &s));
    bytes[0] = 4;
    cr_assert_eq(bytes_get(bytes, bytes + sizeof bytes, &s), bytes + 5);
    cr_assert(slice_equal(s, slice_cstr("abcd")));
}

Test(coding, big_endian_order_is_numeric_order)
{
    uint8_t a[8], b[8];
    put_be64(a, 255);
    put_be64(b, 256);
    cr_assert_lt(memcmp(a, b, 8), 0);
}

// Strings over {0, 0xff} tell signed from unsigned bytes and one end of a word from the other.
static size_t any_bytes(uint64_t *state, uint8_t *out, size_t max)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    size_t len = (size_t)(*state >> 33) % (max + 1);
    for (size_t i = 0; i < len; i++) {
        *state = *state * 6364136223846793005ull + 1442695040888963407ull;
        out[i] = (*state >> 40) % 8 == 0 ? 0xff : 0;
    }
    return len;
}

Test(slice, compares_as_memcmp_does_and_a_prefix_comes_first)
{
    uint64_t state = 1;
    for (int round = 0; round < 200000; round++) {
        uint8_t a[40], b[40];
        size_t a_len = any_bytes(&state, a, sizeof a), b_len = any_bytes(&state, b, sizeof b);
        size_t same = (size_t)(state >> 50) % 40; // some begin alike
        for (size_t i = 0; i < same && i < a_len && i < b_len; i++)
            b[i] = a[i];
        int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
        int expected = order != 0 ? (order > 0) - (order < 0) : (a_len > b_len) - (a_len < b_len);
        int got = slice_compare(slice_of(a, a_len), slice_of(b, b_len));
        cr_assert_eq((got > 0) - (got < 0), expected);
    }
}
