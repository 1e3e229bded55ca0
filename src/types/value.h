// value: what stands behind a key: one header byte, then the type's bytes. The header is the type
// in the low four bits and, in the high four, what a string must remember of how it was made for
// OBJECT ENCODING to answer as Redis does. A small collection is such a value, whole (packed.h); of
// a large one only the head is (spread.h), and its elements are records of their own.
#ifndef VARVE_TYPES_VALUE_H
#define VARVE_TYPES_VALUE_H

#include "base/slice.h"

enum { INTEGER_TEXT_MAX = 20 }; // bytes: a longer value is no integer

enum value_type { TYPE_NONE, TYPE_STRING, TYPE_LIST, TYPE_SET, TYPE_ZSET, TYPE_HASH, TYPE_STREAM };

enum string_form {
    FORM_ENCODED = 0, // Redis would have tried its encodings: int, embstr or raw by the bytes
    FORM_TEXT = 1,    // never int: what INCRBYFLOAT stores
    FORM_RAW = 2,     // changed in place: APPEND, SETRANGE
};

// What the head of a spread collection holds; its expiry is the value's.
struct spread {
    uint64_t id;      // its elements lie below it; 0: this is no spread collection
    uint64_t count;   // of its elements
    int64_t armed_ms; // the time for which the index of expiry has it; 0: it has not
    bool outgrown;    // larger than what Redis keeps packed, once at least
};

struct value {
    enum value_type type;
    enum string_form form;
    struct slice bytes; // none of a spread collection
    int64_t expire_ms;  // 0: never
    bool staged;        // set by lookups: the bytes lie in the attempt's own batch
    struct spread spread;
};

// What a small fact of the engine tells of a value.
struct value_fact {
    enum value_type type;
    enum string_form form;
    uint64_t len;      // of the bytes
    int64_t expire_ms; // 0: never
    struct spread spread;
};

static inline uint8_t value_header(const struct value *v)
{
    return (uint8_t)(v->type | v->form << 4);
}

// Decodes what the engine holds; false if it is not a value.
bool value_decode(struct slice stored, struct value *out);
// The same for the header byte alone.
bool value_decode_header(uint8_t header, enum value_type *type, enum string_form *form);
const char *value_type_name(enum value_type type); // "string", "none" ...
// "int", "embstr" or "raw"; "listpack", "hashtable".
const char *value_encoding(const struct value *v);
// Whether the bytes are a 64-bit integer in its one canonical spelling.
bool value_is_integer(struct slice bytes, int64_t *out);

#endif
