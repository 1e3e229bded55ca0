// number: numbers as Redis reads and writes them. Pure functions.
#ifndef VARVE_COMMANDS_PARTS_NUMBER_H
#define VARVE_COMMANDS_PARTS_NUMBER_H

#include "base/slice.h"

enum { NUMBER_TEXT_MAX = 5200 }; // bytes of the longest long double without exponent, and some

// Strict: an optional minus, digits, no leading zeros, no spaces, no plus, 64 bits.
bool number_parse_int(struct slice s, int64_t *out);
bool number_parse_uint(struct slice s, uint64_t *out);
// Any spelling strtold takes (inf too, nan not), without spaces around it.
bool number_parse_long_double(struct slice s, long double *out);
// At least 21 bytes. Returns the length.
size_t number_format_int(char *out, int64_t value);
// As INCRBYFLOAT prints: %.17Lf without trailing zeros. At least NUMBER_TEXT_MAX bytes. Returns the
// length.
size_t number_format_long_double(char *out, long double value);

#endif
