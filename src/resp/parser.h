// parser: bytes of a connection -> commands, incrementally: multibulk and inline (Redis 7.0 is the
// reference for every limit and error text). Arguments are slices of the input, nothing is copied
// (inline arguments with quotes are unescaped into the parser's own buffer). The parser holds no
// input: it is called with what the connection has from the start of the command at hand, remembers
// how far it got, and never scans a byte twice.
#ifndef VARVE_RESP_PARSER_H
#define VARVE_RESP_PARSER_H

#include "base/buf.h"

enum {
    RESP_INLINE_MAX = 64 * 1024, // bytes of an inline command, or of the line that holds a length
    RESP_ARGS_BEFORE_AUTH = 10,
    RESP_BULK_BEFORE_AUTH = 16 * 1024,
};

struct resp_limits {
    int64_t max_args;
    int64_t max_bulk;     // proto-max-bulk-len
    size_t max_command;   // input and argv of one command that are kept; 0: no limit
    bool unauthenticated; // the limits before AUTH hold as well
};

struct resp_parser {
    struct slice *argv; // the current command's arguments, complete after RESP_COMMAND
    int argc;
    int argv_cap;
    // Private.
    int64_t multibulk_left; // -1: at the start of a command
    int64_t bulk_len;       // -1: at the start of an argument
    bool skipping;          // the command is over max_command
    size_t skip;            // bytes of the argument at hand that are yet to be passed over
    size_t position;        // bytes of the command that are done with
    size_t scanned;         // bytes searched for a line end; at least position
    // where the input lay at the last call: argv of a command that is not complete points there
    uintptr_t base;
    struct buf unescaped; // arguments of an inline command
    char error[64];
};

enum resp_result {
    // argc, argv; *used bytes belong to the command. argc may be 0 (an empty line): skip it
    RESP_COMMAND,
    RESP_MORE, // needs more input; resp_parser_want() tells how much is known to be missing
    // The command is over max_command and not all there yet. *used bytes are done with: the next
    // call is made with the input behind them, so that nothing of it needs to be kept
    RESP_SKIPPED,
    RESP_TOO_LARGE, // its last piece: *used bytes are done with, and the next command follows
    RESP_ERROR,     // error holds Redis' text, without the minus; the connection cannot go on
};

void resp_parser_init(struct resp_parser *p);
void resp_parser_release(struct resp_parser *p);
// input: everything from the first byte of the command at hand. After RESP_COMMAND the next call is
// made with the input behind *used; argv is valid until then and as long as input does not move.
enum resp_result resp_parse(
    struct resp_parser *p, struct slice input, const struct resp_limits *limits, size_t *used);
// Forgets the command at hand, to parse it again from its first byte.
void resp_parser_restart(struct resp_parser *p);
// How many bytes the input must have, at least, for the next progress; 0: unknown. Lets a big
// argument be read into place.
size_t resp_parser_want(const struct resp_parser *p);
// Bytes of memory the parser holds.
size_t resp_parser_memory(const struct resp_parser *p);
// Between commands: gives back what a big command made it take.
void resp_parser_shrink(struct resp_parser *p);

#endif
