#include <criterion/criterion.h>

#include "resp/reply.h"

static void write_all(struct reply *r)
{
    reply_simple(r, "PONG");
    reply_ok(r);
    reply_error(r, "ERR two\r\nlines\r\n");
    reply_errorf(r, "ERR %d of '%s'", 5, "x\ny");
    reply_int(r, 0);
    reply_int(r, INT64_MIN);
    reply_int(r, INT64_MAX);
    reply_bulk(r, slice_of("a\0b", 3));
    reply_bulk(r, slice_of(NULL, 0));
    reply_bulk_cstr(r, "text");
    reply_bulk_int(r, -120);
    reply_null(r);
    reply_null_array(r);
    reply_array(r, 2);
    reply_map(r, 3);
    reply_set(r, 4);
    reply_verbatim(r, slice_cstr("some"), "txt");
}

static void check(int proto, const char *want, size_t want_len)
{
    struct buf out = {0};
    struct reply r = {.out = &out, .proto = proto};
    write_all(&r);
    cr_assert(r.failed);
    cr_assert_eq(memcmp(out.data + r.error_at, "-ERR 5 of", 9), 0);
    cr_assert(slice_equal(buf_slice(&out), slice_of(want, want_len)), "%.*s", (int)out.len,
        (char *)out.data);
    buf_release(&out);
}

#define COMMON                                                                                     \
    "+PONG\r\n+OK\r\n-ERR two  lines\r\n-ERR 5 of 'x "                                             \
    "y'\r\n:0\r\n:-9223372036854775808\r\n:9223372036854775807\r\n"                                \
    "$3\r\na\0b\r\n$0\r\n\r\n$4\r\ntext\r\n$4\r\n-120\r\n"

Test(reply, resp2_bytes)
{
    static const char want[] = COMMON "$-1\r\n*-1\r\n*2\r\n*6\r\n*4\r\n$4\r\nsome\r\n";
    check(2, want, sizeof want - 1);
}

Test(reply, resp3_bytes)
{
    static const char want[] = COMMON "_\r\n_\r\n*2\r\n%3\r\n~4\r\n=8\r\ntxt:some\r\n";
    check(3, want, sizeof want - 1);
}
