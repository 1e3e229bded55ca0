// value: the header of what stands behind a key, and what OBJECT ENCODING says of it.
//
// Redis chooses a string's encoding when the command runs: a plain SET tries int, then embstr up to
// 44 bytes; APPEND and SETRANGE change bytes in place and leave raw; INCRBYFLOAT stores text. The
// bytes are the same in all cases, so the header remembers only which of the three ways it was, and
// the name is worked out when somebody asks. A header that is none of ours is damage: value_decode
// says so.
#include "types/value.h"

enum { EMBSTR_MAX = 44 };

bool value_decode_header(uint8_t header, enum value_type *type, enum string_form *form)
{
    unsigned low = header & 0x0f, high = header >> 4;
    if (low == TYPE_NONE || low > TYPE_STREAM || high > FORM_RAW)
        return false;
    *type = (enum value_type)low;
    *form = (enum string_form)high;
    return true;
}

bool value_decode(struct slice stored, struct value *out)
{
    if (stored.len == 0 || !value_decode_header(stored.data[0], &out->type, &out->form))
        return false;
    out->bytes = slice_skip(stored, 1);
    out->spread = (struct spread){0};
    return true;
}

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {"none", "string", "list", "set", "zset", "hash", "stream"};
    return names[type];
}

const char *value_encoding(const struct value *v)
{
    int64_t ignored;
    if (v->type == TYPE_HASH)
        return v->spread.outgrown ? "hashtable" : "listpack";
    if (v->type == TYPE_SET)
        return v->spread.outgrown || v->form != FORM_ENCODED ? "hashtable" : "intset";
    if (v->form == FORM_RAW)
        return "raw";
    if (v->form == FORM_ENCODED && value_is_integer(v->bytes, &ignored))
        return "int";
    return v->bytes.len <= EMBSTR_MAX ? "embstr" : "raw";
}

bool value_is_integer(struct slice bytes, int64_t *out)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    if (bytes.len == 0 || bytes.len > INTEGER_TEXT_MAX)
        return false;
    if (bytes.len == 1 && *p == '0') {
        *out = 0;
        return true;
    }
    bool negative = *p == '-';
    if (negative)
        p++;
    if (p == end || *p < '1' || *p > '9')
        return false;
    uint64_t v = 0, limit = (uint64_t)INT64_MAX + negative;
    for (; p < end; p++) {
        unsigned digit = (unsigned)*p - '0';
        if (digit > 9 || v > (limit - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}
