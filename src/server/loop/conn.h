// conn: one client's connection, owned by the loop. Its functions are in conn.c, conn_input.c
// (bytes -> commands), conn_output.c (replies -> bytes), conn_stream.c, and, what people are shown
// of it, clients.c. What holds it back has headers of its own: park.h (its command waits for the
// disk), pace.h, and budget.h (memory).
//
// Life: conn_new at accept; conn_close from anywhere on the loop takes it out of everything at once
// and frees it when libuv has let go of the handle, so a pointer stays readable (and `closed`)
// until the end of the callback.
#ifndef VARVE_SERVER_LOOP_CONN_H
#define VARVE_SERVER_LOOP_CONN_H

#include "commands/stream.h"
#include "server/server.h"

enum {
    // unexecuted input at which a held connection is no longer read from
    INPUT_BACKLOG = 64 * 1024,
    BUFFER_KEEP = 64 * 1024,    // capacity that an empty buffer keeps from turn to turn
    STREAM_OUTPUT = 256 * 1024, // unsent bytes at which a stream pauses
};

// Why a connection executes nothing now.
enum conn_hold {
    HOLD_PARKED = 1,  // its command waits for the disk
    HOLD_STREAM = 2,  // a reply is being streamed
    HOLD_PACED = 4,   // it has written faster than compaction can follow
    HOLD_OUTPUT = 8,  // it has much unsent output
    HOLD_CLOSING = 16 // it closes as soon as its output has been sent
};

struct conn_input {
    struct buf bytes; // what was read and not executed
    size_t position;  // bytes of it that have been executed
    struct resp_parser parser;
    size_t shared; // bytes of the shared buffer that are being executed; for CLIENT LIST
    bool reading;  // libuv reads
    bool ended;    // the peer sends no more
    uint64_t ended_us;
};

// What its input may take of the clients' memory, beyond a little that all may; budget.c.
struct conn_claim {
    size_t bytes;         // 0: none
    size_t wanted;        // while it waits
    uint64_t progress_us; // when it was made, or something arrived
    struct list link, wait_link;
};

// A reply that must not be sent before seq is durable: positions in the connection's whole output.
struct output_mark {
    uint64_t start, end, seq;
};

struct mark_ring {
    struct output_mark *marks;
    unsigned cap; // a power of two
    unsigned head, count;
    uint64_t seq_max;
};

struct conn_output {
    struct buf bytes; // not handed over for sending yet
    uint64_t base;    // position of its first byte in the whole output
    struct mark_ring ring;
    struct buf writing; // being sent by libuv while busy
    uv_write_t request;
    bool busy;
    uint64_t soft_since_us; // 0: below the soft limit
    uint64_t progress_us;   // while busy: when it began, or something was seen to move
    size_t queued;          // in libuv's write queue at that time
};

// The command at hand while it waits: kept over its attempts.
struct conn_park {
    struct txn *txn; // NULL: it has not waited
    uint64_t seed;
    uint64_t since_us; // its first wait
};

struct conn_stream {
    struct stream *stream; // NULL: none
    bool waiting;          // its wait() is under way
    bool paused;           // for its unsent output
    bool headed;           // the reply began before the first step
    uint64_t progress_us;  // when it last wrote, or the socket last took something
};

struct conn_use {
    uint64_t created_us;
    uint64_t active_us; // last command
    bool no_evict;
    bool unix_socket;
    char *address, *local_address; // NULL until somebody asks; clients.c
};

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t socket;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    struct server *server;
    struct session session;
    struct conn_input input;
    struct conn_claim claim;
    struct conn_output output;
    struct conn_park park;
    struct conn_stream streaming;
    struct conn_use use;
    uint64_t pace_debt_us, pace_until_us;
    size_t memory; // as counted in clients.memory
    unsigned hold; // of enum conn_hold
    bool closed;
    struct list link, ready_link, dirty_link, undurable_link, pace_link;
};

// conn.c. The handle has not been initialised; the caller does it with handle.data = conn, and then
// conn_start or conn_close.
struct conn *conn_new(struct server *s);
void conn_start(struct conn *c);
void conn_close(struct conn *c);
// Executes nothing more, and closes when what is pending has been sent.
void conn_close_after_reply(struct conn *c);
void conn_make_ready(struct conn *c);
void conn_make_dirty(struct conn *c);
// The end of a turn for a connection in which something happened: sends, checks limits, counts
// memory, closes if it is due.
void conn_settle(struct conn *c);
// What the connection's buffers and lists take.
size_t conn_memory(const struct conn *c);
// Gives back what it has not used of late.
void conn_shrink(struct conn *c);

// conn_input.c
void conn_update_reading(struct conn *c);
// Executes what has been read, for one turn.
void conn_run(struct conn *c);
static inline size_t conn_backlog(const struct conn *c)
{
    return c->input.bytes.len - c->input.position;
}

// conn_output.c
// The reply that was just written, from `start` of output.bytes on, shows seq.
void conn_mark(struct conn *c, size_t start, uint64_t seq);
// For libuv. Its own uv_buf_init takes an unsigned int, and would lose what is over 4 GiB.
uv_buf_t conn_piece(uint8_t *data, size_t len);
// Sends what may be sent. False: the connection is broken.
bool conn_send(struct conn *c);
static inline size_t conn_unsent(const struct conn *c)
{
    return c->output.bytes.len + c->output.writing.len;
}
static inline bool conn_has_marks(const struct conn *c)
{
    return c->output.ring.count > 0;
}
// Over a limit of client-output-buffer-limit.
bool conn_over_output_limit(struct conn *c);
// A second or so has passed: has the socket taken something?
void conn_output_check(struct conn *c);
void conn_output_release(struct conn_output *out);

// conn_stream.c
// headed: the handler has written the reply's beginning itself.
void conn_stream_begin(struct conn *c, struct stream *stream, bool headed);
void conn_stream_run(struct conn *c);
// Something has been sent: goes on if that was what it paused for.
void conn_stream_resume(struct conn *c);
void conn_stream_release(struct conn *c);
// A second or so has passed. False: it has made no progress for too long.
bool conn_stream_check(struct conn *c);

// clients.c: as text, made when somebody asks; valid as long as the connection.
const char *conn_address(struct conn *c);
const char *conn_local_address(struct conn *c);
bool conn_is_local(struct conn *c);
// One line of CLIENT LIST, without its end.
void conn_describe(struct conn *c, struct buf *out);

#endif
