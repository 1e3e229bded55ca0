// What the tests of the administrators' commands share: rows called directly, over a fake engine
// whose flushes end when the test says so.
#ifndef VARVE_TESTS_SERVER_ADMIN_FIXTURE_H
#define VARVE_TESTS_SERVER_ADMIN_FIXTURE_H

#include "commands/stream.h"
#include "engine/stats.h"
#include "server/config/config.h"
#include "server/server.h"

struct fake_engine {
    struct engine_stats stats;
    bool failed;
    enum fsync_policy fsync;
    uint64_t rate_limit;
    struct fake_job {
        void (*done_cb)(void *arg, int status);
        void *arg;
        int started;
    } flush, compact;
};

struct fixture {
    struct server server;
    struct fake_engine engine;
    struct exec exec;
    struct job *job; // submitted, and not run yet
    struct session session;
    struct stream *stream; // of the last command
    bool in_exec;
    bool local;      // what server_is_local answers
    bool listen_ok;  // and server_listen_again
    int descriptors; // and server_fit_descriptors
    int stopped;     // calls of server_stop
    int reset;       // and server_reset_counters
    int64_t keys[16];
    uint64_t changes;
};

struct fixture *fixture_new(const char *config_text); // NULL: no configuration file
void fixture_free(struct fixture *f);
// Ends the flush or compaction that is under way.
void fixture_end(struct fake_job *job, int status);
// Runs the job that was submitted.
void fixture_run_job(struct fixture *f);
// Runs a command, words separated by blanks ('' is the empty word), RESP2. The reply is valid until
// the next call.
const char *run(struct fixture *f, const char *words);
// Lets the last command's stream write; returns the status of its step.
int run_stream(struct fixture *f, const char **reply);

#endif
