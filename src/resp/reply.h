// reply: writes RESP2 or RESP3 (https://redis.io/docs/reference/protocol-spec) to a buf. One call,
// one value; aggregates announce how many values follow. Where RESP3 has a type and RESP2 has not,
// the function picks what Redis sends: a map becomes a flat array, a null "$-1" or "*-1". Doubles,
// booleans, pushes and attributes come with the commands that reply them.
#ifndef VARVE_RESP_REPLY_H
#define VARVE_RESP_REPLY_H

#include "base/buf.h"

struct reply {
    struct buf *out;
    int proto; // 2 or 3
    // An error was written since whoever owns the reply cleared this, and where in `out` the last
    // one begins: so that nobody has to tell an error from its bytes.
    bool failed;
    size_t error_at;
    // No value is begun beyond this length of `out`; `overflowed` tells that one was left out, and
    // the reply is to be thrown away. A single value may be of any length. 0: no bound.
    size_t max_len;
    bool overflowed;
};

void reply_simple(struct reply *r, const char *text); // +TEXT
void reply_ok(struct reply *r);
// -TEXT. Texts begin with Redis' code ("ERR ", "WRONGTYPE "); line breaks inside become spaces.
void reply_error(struct reply *r, const char *text);
void reply_errorf(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_int(struct reply *r, int64_t value);
void reply_bulk(struct reply *r, struct slice value);
void reply_bulk_cstr(struct reply *r, const char *text);
void reply_bulk_int(struct reply *r, int64_t value); // an integer as a bulk string
void reply_null(struct reply *r);                    // $-1 or _
void reply_null_array(struct reply *r);              // *-1 or _
void reply_array(struct reply *r, int64_t count);
void reply_map(struct reply *r, int64_t pairs);
void reply_set(struct reply *r, int64_t count);
void reply_verbatim(struct reply *r, struct slice text,
    const char format[3]); // "txt" or "mkd"; RESP2: a bulk string

#endif
