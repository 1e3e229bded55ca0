// call: what a handler gets, and what handlers share: replies that several commands give, arguments
// that several take. Loop only.
//
// A handler is plain synchronous code (optimistic execution, README.md): it checks its arguments,
// reads and stages writes through call->txn, writes its reply. It returns OK when the reply is
// complete (an error reply is a complete reply), WAIT when a read said WAIT, or a negative status
// of the engine. After WAIT all it did is thrown away, and it runs again from its start, with the
// same seed.
#ifndef VARVE_COMMANDS_CALL_H
#define VARVE_COMMANDS_CALL_H

#include "commands/parts/number.h"
#include "commands/session.h"
#include "resp/reply.h"
#include "types/keys.h"

struct stream;

struct call {
    struct commands *commands;
    const struct command *command; // the subcommand's row where there is one
    struct session *session;
    struct databases_view *keys; // types' view for this attempt: txn, databases, time
    struct txn *txn;
    struct reply *reply;
    const struct slice *argv;
    int argc;
    int64_t now_ms; // fixed for the attempt
    uint64_t seed;  // fixed for the command
    bool in_exec;
    // set by a handler that goes on as a stream (stream.h), which then returns OK
    struct stream *stream;
};

// An effect outside of session and engine (a client's name, a setting) takes place when the attempt
// has been committed, in order, with a copy of data. Effects that are the same when done twice may
// as well be done at once.
typedef void (*call_effect_cb)(struct commands *c, struct session *s, struct slice data);
void call_defer(struct call *call, struct slice data, call_effect_cb effect_cb);
// Replies Redis' error for what is not an integer, and false.
bool call_int(struct call *call, struct slice arg, int64_t *out);
// "ERR syntax error"; returns OK, for `return call_syntax_error(call)`.
int call_syntax_error(struct call *call);
int call_error(struct call *call, const char *text);
// The lines of a HELP subcommand, framed as Redis does. lines ends with NULL; the HELP entry itself
// is added.
int call_help(struct call *call, const char *const *lines);
// "ERR unknown subcommand or wrong number of arguments for '...'. Try X HELP."
int call_subcommand_syntax_error(struct call *call);
// As call_int, for Redis' `int`: another error where it does not fit one.
bool call_int32(struct call *call, struct slice arg, int64_t *out);
// What Redis sees of a cursor: nothing behind a zero byte. Empty stands for 0.
struct slice call_cursor(struct slice arg);
// A cursor that stands for the place behind `after`, remembered when the attempt is committed.
int64_t call_next_cursor(struct call *call, struct slice after);
// Whether a value of this length may be stored; else the error is replied.
bool call_value_fits(struct call *call, size_t len);
// Replies that several families give.
int call_wrong_type(struct call *call);
// Finds a string: OK; NOT_FOUND; WAIT or a failure; or, having replied WRONGTYPE, ANSWERED.
enum { ANSWERED = 100 };
int call_get_string(struct call *call, enum lookup how, struct slice key, struct value *out);
// What a handler returns for a lookup status that is not OK: OK after ANSWERED, else the status.
static inline int call_status(int status)
{
    return status == ANSWERED ? OK : status;
}

#endif
