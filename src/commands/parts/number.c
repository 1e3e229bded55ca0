// number: the spellings of numbers that Redis accepts and prints. Integers are strict on purpose:
// "007", "+1" and " 1" are strings, so that a number that was parsed prints as what it was. Floats
// go through the C library, as in Redis: what it accepts is what users can send.
#include "commands/parts/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "types/value.h"

enum { LONG_DOUBLE_TEXT_MAX = 5 * 1024 - 1, FRACTION_DIGITS = 17 };

bool number_parse_int(struct slice s, int64_t *out)
{
    return value_is_integer(s, out);
}

bool number_parse_uint(struct slice s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.len == 0 || s.len > 20)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)s.data[i] - '0';
        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

bool number_parse_long_double(struct slice s, long double *out)
{
    char text[LONG_DOUBLE_TEXT_MAX + 1];
    if (s.len == 0 || s.len > LONG_DOUBLE_TEXT_MAX)
        return false;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    long double v = strtold(text, &end);
    if (isspace((unsigned char)text[0]) || (size_t)(end - text) != s.len || isnan(v))
        return false;
    if (errno == ERANGE && (isinf(v) || v == 0))
        return false;
    *out = v;
    return true;
}

size_t number_format_int(char *out, int64_t value)
{
    char reversed[20];
    size_t digits = 0, len = 0;
    uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        reversed[digits++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    if (value < 0)
        out[len++] = '-';
    while (digits > 0)
        out[len++] = reversed[--digits];
    return len;
}

size_t number_format_long_double(char *out, long double value)
{
    size_t len = (size_t)snprintf(out, NUMBER_TEXT_MAX, "%.*Lf", FRACTION_DIGITS, value);
    while (len > 0 && out[len - 1] == '0')
        len--;
    if (len > 0 && out[len - 1] == '.')
        len--;
    if (len == 2 && memcmp(out, "-0", 2) == 0) {
        out[0] = '0';
        len = 1;
    }
    return len;
}
