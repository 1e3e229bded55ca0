// conn_fixture: the server's connections over loopback sockets, with fakes below them: a log that
// becomes durable, or fails, when the test says so, reads that wait until the test lets them
// arrive, a clock that the test moves. Everything runs in the test's one thread: the test turns the
// loop.
//
// Commands of the fake (they count in fake.done when they have completed):
//   ECHO x         a bulk        SET k v   +OK, shows a new seq         GET k     $5 value, shows
//                  the newest seq
//   COLD n         +OK after n waits                                    BIG n     a bulk of n bytes
//   STREAM n       an array of n bulks of 1,000 bytes, as a stream      QUIT      +OK, and closes
#ifndef VARVE_TESTS_SERVER_CONN_FIXTURE_H
#define VARVE_TESTS_SERVER_CONN_FIXTURE_H

#include <criterion/criterion.h>

#include "server/loop/conn.h"

struct fake {
    struct env env; // first
    uint64_t now_us;
    uint64_t seq, durable_seq;
    bool hold_log; // the end of a turn makes nothing durable
    bool failed;
    uint64_t pace_us;
    unsigned done;
    unsigned prefetched;
    bool stream_waits;    // the next step of a stream says WAIT
    bool stream_stutters; // most steps write little
    void (*stream_ready_cb)(void *arg);
    void *stream_ready_arg;
    unsigned streams_open;
    struct list waiting; // txns
};

extern struct fake fake;
extern struct settings fake_settings;
extern struct server *server;

// A server on a free port; defaults as Redis'.
void fixture_open(void);
void fixture_close(void);
// Turns the loop until nothing more happens.
void settle(void);
// What waits for the disk has arrived: all of it, or the oldest.
void arrive_all(void);
void log_becomes_durable(void);
// Waits for a condition with the loop turning.
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        uint64_t deadline = uv_hrtime() + 10ull * 1000 * 1000 * 1000;                              \
        while (!(condition)) {                                                                     \
            cr_assert_lt(uv_hrtime(), deadline, "waited in vain for " #condition);                 \
            uv_run(server->loop, UV_RUN_ONCE);                                                     \
        }                                                                                          \
    } while (0)

// A client: a non-blocking socket and what it has received.
struct client {
    int fd;
    struct buf got;
    bool closed; // by the server
};

void client_open(struct client *c);
void client_close(struct client *c);
// Sends all, turning the loop as needed, and settles.
void client_send(struct client *c, const char *text);
void client_send_bytes(struct client *c, const void *data, size_t len);
// Receives what there is.
void client_receive(struct client *c);
// Settles; what has been received since the last call is exactly text.
void client_expect(struct client *c, const char *text);
// Receives until there are so many bytes, or the connection is closed.
void client_receive_bytes(struct client *c, size_t len);
// Settles until the server has closed the connection.
void client_expect_closed(struct client *c);

#endif
