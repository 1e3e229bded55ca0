// fixture: commands over mini_engine, without sockets: a line in, a reply out.
#ifndef VARVE_TESTS_COMMANDS_FIXTURE_H
#define VARVE_TESTS_COMMANDS_FIXTURE_H

#include "commands/call.h"
#include "commands/command.h"
#include "mini_engine.h"

enum { FIXTURE_DATABASES = 16 };

struct fixture {
    struct engine *engine;
    struct databases *databases;
    struct commands *commands;
    struct env env;
    struct txn *txn;
    struct session session; // the one that run() uses
    struct buf reply;
    int64_t now_ms;
    uint64_t now_us;
    uint64_t seed;
    const char *password;
    int64_t max_bulk;
    size_t reply_max;  // bytes of a reply that is not a stream; 0: no bound
    unsigned attempts; // of the last command
};

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
// Closes commands and keyspace and opens them again over the same engine: a restart.
void fixture_restart(struct fixture *f);
// Runs one command to its end, through all its waits and a stream, and appends the reply to
// f->reply.
void fixture_execute(struct fixture *f, struct session *s, const struct slice *argv, int argc);
// Words are separated by spaces; "..." holds a word with spaces. Returns the whole reply, valid
// until the next call.
const char *run_as(struct fixture *f, struct session *s, const char *line);
const char *run(struct fixture *f, const char *line);

#endif
