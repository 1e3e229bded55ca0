// Any bytes are a stream of commands, and how the stream is cut into reads does not matter: the
// whole input at once, and in pieces whose sizes follow from the input, give the same commands and
// the same end.
#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"
#include "resp/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t digest; // of all arguments
    uint64_t commands;
    size_t used;
    bool failed;
};

static void take_command(struct resp_parser *p, struct outcome *o)
{
    o->commands++;
    for (int i = 0; i < p->argc; i++)
        o->digest = checksum64(p->argv[i].data, p->argv[i].len, o->digest + (uint64_t)i);
}

// piece: bytes that arrive at a time; 0: all of them.
static struct outcome run(struct slice input, size_t piece)
{
    const struct resp_limits limits = {.max_args = 1024, .max_bulk = 4096};
    struct resp_parser parser;
    struct outcome o = {0};
    resp_parser_init(&parser);
    for (size_t there = piece == 0 ? input.len : 0; there <= input.len && !o.failed;
         there += piece) {
        for (;;) {
            size_t used = 0;
            enum resp_result result =
                resp_parse(&parser, slice_of(input.data + o.used, there - o.used), &limits, &used);
            o.failed = result == RESP_ERROR;
            if (result != RESP_COMMAND)
                break;
            ENSURE(used > 0 && used <= there - o.used);
            take_command(&parser, &o);
            o.used += used;
        }
        if (piece == 0)
            break;
    }
    resp_parser_release(&parser);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece = data[0] % 16 + 1;
    size_t whole_pieces = (size - 1) / piece * piece;
    struct slice input = slice_of(data + 1, whole_pieces);
    struct outcome whole = run(input, 0), cut = run(input, piece);
    ENSURE(whole.commands == cut.commands && whole.digest == cut.digest && whole.used == cut.used);
    ENSURE(whole.failed == cut.failed);
    return 0;
}
