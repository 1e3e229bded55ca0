// The parser against its own whole-input parse: how the input is cut must not matter. Error texts
// are those of redis-server 7.0.15.
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/random.h"
#include "resp/parser.h"

static const struct resp_limits limits = {.max_args = INT32_MAX, .max_bulk = 512 << 20};

// Feeds input in two or more pieces, moving what is left to fresh memory at each piece, and writes
// what was parsed as text.
struct feed {
    struct resp_parser parser;
    struct buf pending, log;
    bool failed;
};

static void feed_piece(struct feed *f, struct slice piece)
{
    struct buf moved = {0};
    buf_append_slice(&moved, buf_slice(&f->pending));
    buf_append_slice(&moved, piece);
    buf_release(&f->pending);
    f->pending = moved;
    size_t at = 0;
    while (!f->failed) {
        size_t used = 0;
        enum resp_result result =
            resp_parse(&f->parser, slice_skip(buf_slice(&f->pending), at), &limits, &used);
        if (result == RESP_MORE)
            break;
        if (result == RESP_ERROR) {
            buf_printf(&f->log, "error %s;", f->parser.error);
            f->failed = true;
            break;
        }
        buf_printf(&f->log, "%d:", f->parser.argc);
        for (int i = 0; i < f->parser.argc; i++) {
            buf_append_slice(&f->log, f->parser.argv[i]);
            buf_append_byte(&f->log, ',');
        }
        buf_append_byte(&f->log, ';');
        at += used;
    }
    buf_consume(&f->pending, at);
}

static void feed_release(struct feed *f)
{
    resp_parser_release(&f->parser);
    buf_release(&f->pending);
    buf_release(&f->log);
}

static void feed_init(struct feed *f)
{
    *f = (struct feed){0};
    resp_parser_init(&f->parser);
}

static void check_every_cut(struct slice input, const char *want)
{
    for (size_t first = 0; first <= input.len; first++) {
        for (size_t second = first; second <= input.len; second += 1 + (input.len > 200 ? 13 : 0)) {
            struct feed f;
            feed_init(&f);
            feed_piece(&f, slice_of(input.data, first));
            feed_piece(&f, slice_of(input.data + first, second - first));
            feed_piece(&f, slice_of(input.data + second, input.len - second));
            buf_append_byte(&f.log, 0);
            cr_assert_str_eq((char *)f.log.data, want, "cut at %zu and %zu: %s", first, second,
                (char *)f.log.data);
            feed_release(&f);
        }
    }
    struct feed f;
    feed_init(&f);
    for (size_t i = 0; i < input.len; i++)
        feed_piece(&f, slice_of(input.data + i, 1));
    buf_append_byte(&f.log, 0);
    cr_assert_str_eq((char *)f.log.data, want);
    feed_release(&f);
}

Test(parser, every_cut_of_a_pipeline_parses_the_same)
{
    static const char input[] = "*1\r\n$4\r\nPING\r\n"
                                "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n*1\r\n$4\r\nPI\r\n\r\n"
                                "PING\r\n"
                                "\r\n"
                                "echo \"a b\\x41\\n\" 'c\\'d' e\"f g\"\n"
                                "*0\r\n*-7\r\n"
                                "*2\r\n$3\r\nGET\r\n$0\r\n\r\n"
                                "*9\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$"
                                "1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n";
    check_every_cut(slice_cstr(input), "1:PING,;3:SET,k,*1\r\n$4\r\nPI\r\n,;1:PING,;0:;4:echo,a "
                                       "bA\n,c'd,ef g,;0:;0:;2:GET,,;9:1,2,3,4,5,6,7,8,9,;");
}

Test(parser, errors_are_those_of_redis_however_the_input_is_cut)
{
    static const struct {
        const char *input, *error;
    } cases[] = {
        {"*x\r\n", "invalid multibulk length"},
        {"*\r\n", "invalid multibulk length"},
        {"*+1\r\n", "invalid multibulk length"},
        {"*01\r\n", "invalid multibulk length"},
        {"*-0\r\n", "invalid multibulk length"},
        {"*2147483648\r\n", "invalid multibulk length"},
        {"*9223372036854775808\r\n", "invalid multibulk length"},
        {"*1\r\nPING\r\n", "expected '$', got 'P'"},
        {"*1\r\n$-1\r\n", "invalid bulk length"},
        {"*1\r\n$x\r\n", "invalid bulk length"},
        {"*1\r\n$536870913\r\n", "invalid bulk length"},
        {"*1\r\n$1000000000000000000\r\n", "invalid bulk length"},
        {"\"PING\r\n", "unbalanced quotes in request"},
        {"'PING'x\r\n", "unbalanced quotes in request"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[128];
        snprintf(want, sizeof want, "1:PING,;error Protocol error: %s;", cases[i].error);
        char input[128];
        snprintf(input, sizeof input, "PING\r\n%s", cases[i].input);
        check_every_cut(slice_cstr(input), want);
    }
}

// Commands over max_command among others, in every pair of cuts: what is kept of them never grows.
static void feed_limited(
    struct buf *kept, struct resp_parser *p, struct slice piece, struct buf *log)
{
    static const struct resp_limits small = {
        .max_args = INT32_MAX, .max_bulk = 1000, .max_command = 120};
    buf_append_slice(kept, piece);
    size_t at = 0;
    for (enum resp_result result = RESP_COMMAND; result != RESP_MORE && at < kept->len;) {
        size_t used = 0;
        result = resp_parse(p, slice_skip(buf_slice(kept), at), &small, &used);
        cr_assert_neq(result, RESP_ERROR, "%s", p->error);
        if (result == RESP_TOO_LARGE)
            buf_printf(log, "large;");
        if (result == RESP_COMMAND)
            buf_printf(log, "%d:%.4s;", p->argc, (const char *)p->argv[0].data);
        at += used;
        if (result == RESP_SKIPPED && used == 0)
            break;
    }
    buf_consume(kept, at);
    cr_assert_leq(kept->len, 130);
    cr_assert_leq(resp_parser_want(p), 130);
}

Test(parser, a_command_over_the_limit_is_passed_over)
{
    struct buf input = {0};
    buf_printf(&input, "*2\r\n$4\r\necho\r\n$1\r\na\r\n");
    buf_printf(&input, "*3\r\n$3\r\nbig\r\n$300\r\n%300s\r\n$5\r\n*1\r\n$\r\n", "x");
    buf_printf(&input, "*1\r\n$4\r\nping\r\n*30\r\n");
    for (int i = 0; i < 30; i++)
        buf_printf(&input, "$2\r\nab\r\n");
    buf_printf(&input, "*2\r\n$4\r\necho\r\n$50\r\n%50s\r\n", "y");
    for (size_t first = 0; first <= input.len; first++) {
        for (size_t second = first; second <= input.len; second += 7) {
            struct resp_parser p;
            struct buf kept = {0}, log = {0};
            resp_parser_init(&p);
            feed_limited(&kept, &p, slice_of(input.data, first), &log);
            feed_limited(&kept, &p, slice_of(input.data + first, second - first), &log);
            feed_limited(&kept, &p, slice_of(input.data + second, input.len - second), &log);
            buf_append_byte(&log, 0);
            cr_assert_str_eq((char *)log.data, "2:echo;large;1:ping;large;2:echo;",
                "cut at %zu and %zu: %s", first, second, (char *)log.data);
            resp_parser_release(&p);
            buf_release(&kept);
            buf_release(&log);
        }
    }
    buf_release(&input);
}

static enum resp_result parse_once(
    struct resp_parser *p, struct slice input, const struct resp_limits *l)
{
    size_t used;
    resp_parser_init(p);
    return resp_parse(p, input, l, &used);
}

Test(parser, lines_without_an_end_are_refused)
{
    static const struct {
        const char *start, *error;
    } cases[] = {
        {"a", "Protocol error: too big inline request"},
        {"*1", "Protocol error: too big mbulk count string"},
        {"*1\r\n$1", "Protocol error: too big bulk count string"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct buf input = {0};
        buf_append_slice(&input, slice_cstr(cases[i].start));
        while (input.len < RESP_INLINE_MAX)
            buf_append_byte(&input, '1');
        struct resp_parser p;
        cr_assert_eq(parse_once(&p, buf_slice(&input), &limits), RESP_MORE);
        resp_parser_release(&p);
        while (input.len < RESP_INLINE_MAX + 6)
            buf_append_byte(&input, '1');
        cr_assert_eq(parse_once(&p, buf_slice(&input), &limits), RESP_ERROR);
        cr_assert_str_eq(p.error, cases[i].error);
        resp_parser_release(&p);
        buf_release(&input);
    }
}

Test(parser, before_auth_counts_and_lengths_are_small)
{
    static const struct {
        const char *input, *error;
    } cases[] = {
        {"*10\r\n", NULL},
        {"*11\r\n", "Protocol error: unauthenticated multibulk length"},
        {"*1\r\n$16384\r\n", NULL},
        {"*1\r\n$16385\r\n", "Protocol error: unauthenticated bulk length"},
    };
    struct resp_limits before = limits;
    before.unauthenticated = true;
    for (size_t i = 0; i < 4; i++) {
        struct resp_parser p;
        enum resp_result result = parse_once(&p, slice_cstr(cases[i].input), &before);
        cr_assert_eq(result, cases[i].error ? RESP_ERROR : RESP_MORE);
        if (cases[i].error)
            cr_assert_str_eq(p.error, cases[i].error);
        cr_assert_eq(parse_once(&p, slice_cstr(cases[i].input), &limits), RESP_MORE);
        resp_parser_release(&p);
    }
}

Test(parser, a_big_argument_says_how_much_is_missing)
{
    struct resp_parser p;
    struct slice head = slice_cstr("*2\r\n$3\r\nGET\r\n$100000\r\nabc");
    cr_assert_eq(parse_once(&p, head, &limits), RESP_MORE);
    cr_assert_eq(resp_parser_want(&p), head.len - 3 + 100000 + 2);
    resp_parser_restart(&p);
    cr_assert_eq(resp_parser_want(&p), 0);
    resp_parser_release(&p);
}

Test(parser, an_announced_count_takes_no_memory)
{
    struct resp_parser p;
    cr_assert_eq(parse_once(&p, slice_cstr("*2147483647\r\n$4\r\nMSET\r\n"), &limits), RESP_MORE);
    cr_assert_leq(resp_parser_memory(&p), 1024);
    resp_parser_release(&p);
}

Test(parser, random_bytes_give_the_same_result_in_pieces)
{
    static const char alphabet[] = "*$012-\r\n\r\nab\"'\\ x";
    struct random random = {42};
    for (int round = 0; round < 20000; round++) {
        uint8_t text[24];
        size_t len = random_below(&random, sizeof text + 1);
        for (size_t i = 0; i < len; i++)
            text[i] = (uint8_t)alphabet[random_below(&random, sizeof alphabet - 1)];
        struct feed whole, pieces;
        feed_init(&whole);
        feed_init(&pieces);
        feed_piece(&whole, slice_of(text, len));
        for (size_t at = 0; at < len;) {
            size_t n = 1 + random_below(&random, len - at);
            feed_piece(&pieces, slice_of(text + at, n));
            at += n;
        }
        cr_assert(slice_equal(buf_slice(&whole.log), buf_slice(&pieces.log)), "round %d", round);
        feed_release(&whole);
        feed_release(&pieces);
    }
}
