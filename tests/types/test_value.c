#include <criterion/criterion.h>

#include "types/value.h"

Test(value, headers_round_trip_and_others_are_refused)
{
    for (unsigned header = 0; header < 256; header++) {
        uint8_t stored[] = {(uint8_t)header, 'x'};
        struct value v;
        bool ours =
            (header & 15) >= TYPE_STRING && (header & 15) <= TYPE_STREAM && header >> 4 <= FORM_RAW;
        cr_assert_eq(value_decode(slice_of(stored, 2), &v), ours);
        if (ours) {
            cr_assert_eq(value_header(&v), header);
            cr_assert(slice_equal(v.bytes, slice_cstr("x")));
        }
    }
    struct value v;
    cr_assert_not(value_decode(slice_of(NULL, 0), &v));
}

static const char *encoding(const char *text, enum string_form form)
{
    struct value v = {.type = TYPE_STRING, .form = form, .bytes = slice_cstr(text)};
    return value_encoding(&v);
}

Test(value, encodings_follow_bytes_and_history)
{
    static const char fits[] = "12345678901234567890123456789012345678901234";
    static const char too_long[] = "123456789012345678901234567890123456789012345";
    cr_assert_str_eq(encoding("-12", FORM_ENCODED), "int");
    cr_assert_str_eq(encoding("012", FORM_ENCODED), "embstr");
    cr_assert_str_eq(encoding("12", FORM_TEXT), "embstr");
    cr_assert_str_eq(encoding("12", FORM_RAW), "raw");
    cr_assert_str_eq(encoding(fits, FORM_ENCODED), "embstr");
    cr_assert_str_eq(encoding(too_long, FORM_ENCODED), "raw");
}
