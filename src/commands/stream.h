// stream: a reply that is produced piece by piece over many loop turns, for read-only commands that
// walk much data (KEYS, a long MGET; SMEMBERS, HGETALL, LRANGE, SORT ... later). It reads a
// snapshot through iterators or a reader of its own, gives the loop back after about a millisecond,
// pauses while the socket is full, and is cut after a time without progress. Inside EXEC commands
// do not stream, they run in one go.
#ifndef VARVE_COMMANDS_STREAM_H
#define VARVE_COMMANDS_STREAM_H

#include "resp/reply.h"

typedef void (*stream_ready_cb)(void *arg);

struct stream {
    // Writes more of the reply until about deadline_us (env's monotonic clock) or max_bytes of
    // output: OK: more to come, call again; END: complete; WAIT: call wait() and go on when it
    // fires; a failure: the reply cannot be completed, the connection closes.
    int (*step)(struct stream *s, struct reply *reply, uint64_t deadline_us, size_t max_bytes);
    void (*wait)(struct stream *s, stream_ready_cb ready_cb, void *arg);
    void (*close)(struct stream *s); // at any time; frees
    uint64_t seq;                    // the newest seq the reply may show
    size_t memory;                   // what it holds for its client
};

#endif
