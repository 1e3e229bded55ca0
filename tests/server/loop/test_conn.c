// Pipelines, durability marks, parking, streams: what a client sees of a connection.
#include <sys/socket.h>

#include "conn_fixture.h"

TestSuite(conn, .init = fixture_open, .fini = fixture_close);

Test(conn, a_pipeline_is_answered_in_order_and_with_one_write)
{
    struct client c;
    client_open(&c);
    uint64_t writes = server->counters.writes;
    client_send(&c, "ECHO a\r\n*2\r\n$4\r\nECHO\r\n$1\r\nb\r\n\r\nSET k v\r\nGET k\r\n");
    client_expect(&c, "$1\r\na\r\n$1\r\nb\r\n+OK\r\n$5\r\nvalue\r\n");
    cr_assert_eq(server->counters.writes, writes + 1);
    client_close(&c);
}

Test(conn, a_pipeline_cut_anywhere_is_answered_the_same)
{
    static const char input[] = "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\nECHO \"d "
                                "e\"\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    struct client c;
    client_open(&c);
    for (size_t cut = 1; cut < sizeof input - 1; cut++) {
        client_send_bytes(&c, input, cut);
        client_send_bytes(&c, input + cut, sizeof input - 1 - cut);
        client_expect(&c, "$3\r\nabc\r\n$3\r\nd e\r\n+OK\r\n");
    }
    client_close(&c);
}

Test(conn, a_deep_pipeline_leaves_the_loop_to_others)
{
    struct client deep, other;
    struct buf input = {0};
    client_open(&deep);
    client_open(&other);
    for (int i = 0; i < 5000; i++)
        buf_printf(&input, "ECHO a\r\n");
    cr_assert_eq(send(deep.fd, input.data, input.len, 0), (ssize_t)input.len);
    cr_assert_eq(send(other.fd, "ECHO b\r\n", 8, 0), 8);
    WAIT_FOR(fake.done > 0);
    client_receive_bytes(&other, 7);
    cr_assert_lt(fake.done, 5000, "the other client had to wait for the whole pipeline");
    client_receive_bytes(&deep, 5000 * 7);
    cr_assert_eq(deep.got.len, 5000 * 7);
    buf_release(&input);
    client_close(&deep);
    client_close(&other);
}

Test(conn, replies_wait_for_the_log_and_what_follows_waits_behind_them)
{
    struct client c, other;
    client_open(&c);
    client_open(&other);
    fake.hold_log = true;
    client_send(&c, "ECHO a\r\nSET k v\r\nECHO b\r\n");
    client_expect(&c, "$1\r\na\r\n");
    client_send(&other, "GET k\r\n");
    client_expect(&other, "");
    client_send(&c, "SET k v\r\n");
    client_expect(&c, "");
    log_becomes_durable();
    client_expect(&c, "+OK\r\n$1\r\nb\r\n+OK\r\n");
    client_expect(&other, "$5\r\nvalue\r\n");
    client_send(&other, "GET k\r\n");
    client_expect(&other, "$5\r\nvalue\r\n");
    client_close(&c);
    client_close(&other);
}

Test(conn, replies_that_the_log_has_lost_become_errors_one_for_one)
{
    struct client c;
    client_open(&c);
    fake.hold_log = true;
    client_send(&c, "SET k v\r\n");
    fake.durable_seq = fake.seq;
    client_send(&c, "SET k v\r\nECHO a\r\nGET k\r\nSET k v\r\n");
    client_expect(&c, "+OK\r\n");
    fake.failed = true;
    server_on_progress(server);
    client_expect(
        &c, "-MISCONF read only\r\n$1\r\na\r\n-MISCONF read only\r\n-MISCONF read only\r\n");
    client_close(&c);
}

Test(conn, many_marks_keep_their_order)
{
    struct client c;
    client_open(&c);
    fake.hold_log = true;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++)
            client_send(&c, "SET k v\r\n");
        fake.durable_seq = fake.seq - 10;
        server_on_progress(server);
        size_t want = (size_t)((round + 1) * 50 - 10) * 5;
        client_receive_bytes(&c, want);
        settle();
        client_receive(&c);
        cr_assert_eq(c.got.len, want);
    }
    client_close(&c);
}

Test(conn, a_parked_command_keeps_its_place_and_holds_up_nobody_else)
{
    struct client cold, other;
    client_open(&cold);
    client_open(&other);
    client_send(&cold, "ECHO a\r\nCOLD 2\r\nECHO b\r\nECHO c\r\n");
    client_expect(&cold, "$1\r\na\r\n");
    cr_assert_eq(fake.prefetched, 2);
    cr_assert_eq(server->clients.parked, 1);
    client_send(&cold, "ECHO d\r\n");
    client_send(&other, "ECHO e\r\n");
    client_expect(&other, "$1\r\ne\r\n");
    arrive_all();
    client_expect(&cold, "");
    arrive_all();
    client_expect(&cold, "+OK\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n");
    cr_assert_eq(server->clients.parked, 0);
    client_close(&cold);
    client_close(&other);
}

Test(conn, many_may_be_parked_and_a_parked_one_may_leave)
{
    enum { COUNT = 80 };
    struct client clients[COUNT];
    for (int i = 0; i < COUNT; i++) {
        client_open(&clients[i]);
        client_send(&clients[i], "COLD 1\r\n");
    }
    cr_assert_eq(server->clients.parked, COUNT);
    struct linger abort_now = {.l_onoff = 1};
    setsockopt(clients[0].fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof abort_now);
    client_close(&clients[0]);
    WAIT_FOR(server->clients.count == COUNT - 1);
    cr_assert_eq(server->clients.parked, COUNT - 1);
    arrive_all();
    for (int i = 1; i < COUNT; i++) {
        client_expect(&clients[i], "+OK\r\n");
        client_close(&clients[i]);
    }
}

Test(conn, a_stream_pauses_while_its_client_does_not_read)
{
    enum { COUNT = 20000 };
    struct client c, other;
    client_open(&c);
    client_open(&other);
    client_send(&c, "STREAM 20000\r\nECHO after\r\n");
    struct conn *conn = LIST_ENTRY(server->clients.all.next, struct conn, link);
    cr_assert_lt(conn_unsent(conn), 2 * STREAM_OUTPUT);
    client_send(&other, "ECHO b\r\n");
    client_expect(&other, "$1\r\nb\r\n");
    size_t total = 8 + (size_t)COUNT * 1009 + 11;
    client_receive_bytes(&c, total);
    cr_assert_eq(c.got.len, total);
    cr_assert_eq(memcmp(c.got.data, "*20000\r\n", 8), 0);
    cr_assert_eq(memcmp(c.got.data + total - 11, "$5\r\nafter\r\n", 11), 0);
    client_close(&c);
    client_close(&other);
}

// Whatever is unsent when the socket has room again: all of it may be taken at once.
Test(conn, a_stream_goes_on_when_its_client_reads_in_bursts)
{
    enum { COUNT = 20000 };
    const size_t total = 8 + (size_t)COUNT * 1009;
    uint64_t deadline = uv_hrtime() + 10ull * 1000 * 1000 * 1000;
    struct client c;
    client_open(&c);
    fake.stream_stutters = true;
    client_send(&c, "STREAM 20000\r\n");
    while (c.got.len < total) {
        cr_assert_lt(uv_hrtime(), deadline, "stuck after %zu bytes", c.got.len);
        settle();
        client_receive(&c);
    }
    client_close(&c);
}

Test(conn, a_stream_may_wait_for_the_disk)
{
    struct client c;
    client_open(&c);
    fake.stream_waits = true;
    client_send(&c, "STREAM 0\r\nECHO a\r\n");
    client_expect(&c, "");
    fake.stream_waits = false;
    fake.stream_ready_cb(fake.stream_ready_arg);
    client_expect(&c, "*0\r\n$1\r\na\r\n");
    client_close(&c);
}

Test(conn, a_stream_shows_nothing_that_is_not_durable)
{
    struct client c, lost;
    client_open(&c);
    client_open(&lost);
    fake.hold_log = true;
    client_send(&c, "SET k v\r\nSTREAM 0\r\n");
    client_expect(&c, "");
    log_becomes_durable();
    client_expect(&c, "+OK\r\n*0\r\n");
    client_send(&lost, "SET k v\r\nSTREAM 0\r\nECHO a\r\n");
    fake.failed = true;
    server_on_progress(server);
    client_expect(&lost, "-MISCONF read only\r\n-MISCONF read only\r\n$1\r\na\r\n");
    client_close(&c);
    client_close(&lost);
}

Test(conn, a_client_may_leave_in_the_middle_of_a_stream)
{
    struct client c;
    client_open(&c);
    client_send(&c, "STREAM 100000\r\n");
    cr_assert_eq(fake.streams_open, 1);
    client_close(&c);
    WAIT_FOR(server->clients.count == 0);
    cr_assert_eq(fake.streams_open, 0);
}

Test(conn, the_end_of_input_comes_after_the_last_reply)
{
    struct client c;
    client_open(&c);
    client_send(&c, "ECHO a\r\nCOLD 1\r\nECHO b\r\nECHO incompl");
    shutdown(c.fd, SHUT_WR);
    settle();
    client_receive(&c);
    cr_assert_not(c.closed);
    arrive_all();
    client_expect_closed(&c);
    client_expect(&c, "$1\r\na\r\n+OK\r\n$1\r\nb\r\n");
    client_close(&c);
}

Test(conn, a_big_argument_arrives_and_its_memory_is_given_back)
{
    enum { LEN = 5 << 20 };
    struct client c;
    struct buf input = {0};
    client_open(&c);
    buf_printf(&input, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", LEN);
    buf_reserve(&input, LEN);
    memset(input.data + input.len, 'x', LEN);
    input.len += LEN;
    buf_printf(&input, "\r\nECHO a\r\n");
    client_send_bytes(&c, input.data, input.len);
    client_expect(&c, "+OK\r\n$1\r\na\r\n");
    cr_assert_lt(server->clients.memory, 256 * 1024);
    buf_release(&input);
    client_close(&c);
}

Test(conn, a_big_reply_arrives_and_its_memory_is_given_back)
{
    struct client c;
    client_open(&c);
    client_send(&c, "BIG 20000000\r\nECHO a\r\n");
    client_receive_bytes(&c, 11 + 20000000 + 2 + 7);
    cr_assert_eq(memcmp(c.got.data + c.got.len - 7, "$1\r\na\r\n", 7), 0);
    settle();
    cr_assert_lt(server->clients.memory, 256 * 1024);
    client_close(&c);
}

Test(conn, a_piece_of_more_than_4_gib_keeps_its_length)
{
    uint8_t byte;
    for (size_t len = 1; len != 0; len <<= 1) {
        cr_expect_eq(conn_piece(&byte, len).len, len);
        cr_expect_eq(conn_piece(&byte, len - 1).len, len - 1);
    }
    cr_expect_eq(conn_piece(&byte, 1).base, (char *)&byte);
}
