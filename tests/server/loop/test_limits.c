// What ends a connection: errors, limits, time, and the server's own end.
#include "conn_fixture.h"

TestSuite(limits, .init = fixture_open, .fini = fixture_close);

Test(limits, a_protocol_error_is_told_before_the_connection_closes)
{
    struct client c;
    client_open(&c);
    client_send(&c, "ECHO a\r\n*1\r\nx\r\nECHO b\r\n");
    client_expect_closed(&c);
    client_expect(&c, "$1\r\na\r\n-ERR Protocol error: expected '$', got 'x'\r\n");
    client_close(&c);
}

Test(limits, quit_answers_and_closes_and_runs_nothing_behind_it)
{
    struct client c;
    client_open(&c);
    client_send(&c, "QUIT\r\nECHO b\r\n");
    client_expect_closed(&c);
    client_expect(&c, "+OK\r\n");
    cr_assert_eq(fake.done, 1);
    client_close(&c);
}

Test(limits, http_is_cut_without_a_word)
{
    static const char *const lines[] = {
        "POST / HTTP/1.1\r\n", "Host: here\r\nECHO a\r\n", "*1\r\n$5\r\nhOsT:\r\n"};
    for (int i = 0; i < 3; i++) {
        struct client c;
        client_open(&c);
        client_send(&c, lines[i]);
        client_expect_closed(&c);
        client_expect(&c, "");
        client_close(&c);
    }
    cr_assert_eq(fake.done, 0);
}

Test(limits, clients_over_maxclients_are_told)
{
    struct client first, second, third;
    fake_settings.network.maxclients = 2;
    client_open(&first);
    client_open(&second);
    client_open(&third);
    client_expect_closed(&third);
    client_expect(&third, "-ERR max number of clients reached\r\n");
    cr_assert_eq(server->counters.connections_rejected, 1);
    client_close(&first);
    WAIT_FOR(server->clients.count == 1);
    client_close(&third);
    client_open(&third);
    client_send(&third, "ECHO a\r\n");
    client_expect(&third, "$1\r\na\r\n");
    client_close(&second);
    client_close(&third);
}

Test(limits, an_endless_command_ends_at_the_query_buffer_limit)
{
    struct client c;
    struct buf input = {0};
    fake_settings.clients.query_buffer_limit = 1 << 20;
    fake_settings.data.memory_budget = 1ull << 30;
    client_open(&c);
    buf_printf(&input, "*2\r\n$4\r\nECHO\r\n$100000000\r\n");
    while (input.len < (2 << 20))
        buf_append(&input, "xxxxxxxxxxxxxxxx", 16);
    client_send_bytes(&c, input.data, input.len);
    client_expect_closed(&c);
    cr_assert_eq(server->counters.query_buffer_disconnects, 1);
    buf_release(&input);
    client_close(&c);
}

Test(limits, unread_output_over_the_hard_limit_closes)
{
    struct client c;
    fake_settings.clients.output[CLIENT_NORMAL].hard_bytes = 8 << 20;
    client_open(&c);
    for (int i = 0; i < 20 && server->clients.count > 0; i++)
        client_send(&c, "BIG 1000000\r\n");
    cr_assert_eq(server->clients.count, 0);
    cr_assert_eq(server->counters.output_buffer_disconnects, 1);
    client_close(&c);
}

Test(limits, unread_output_over_the_soft_limit_closes_after_its_time)
{
    struct client c;
    fake_settings.clients.output[CLIENT_NORMAL] =
        (struct output_limit){.soft_bytes = 1 << 20, .soft_seconds = 10};
    client_open(&c);
    for (int i = 0; i < 12; i++)
        client_send(&c, "BIG 1000000\r\n");
    fake.now_us += 9 * 1000 * 1000;
    client_send(&c, "ECHO a\r\n");
    cr_assert_eq(server->clients.count, 1);
    fake.now_us += 2 * 1000 * 1000;
    WAIT_FOR(server->clients.count == 0);
    cr_assert_eq(server->counters.output_buffer_disconnects, 1);
    client_close(&c);
}

Test(limits, who_does_not_read_goes_when_all_hold_too_much)
{
    struct client small, big, spared;
    fake_settings.clients.maxmemory_clients = 9 << 20;
    client_open(&small);
    client_open(&spared);
    client_open(&big);
    LIST_ENTRY(server->clients.all.next->next, struct conn, link)->use.no_evict = true;
    client_send(&spared, "BIG 12000000\r\n");
    client_send(&big, "BIG 11000000\r\n");
    client_send(&small, "ECHO a\r\n");
    client_expect(&small, "$1\r\na\r\n");
    cr_assert_gt(server->clients.memory, 9 << 20);
    cr_assert_eq(server->counters.evicted_clients, 0);
    fake.now_us += 6 * 1000 * 1000;
    WAIT_FOR(server->counters.evicted_clients == 1);
    client_expect_closed(&big);
    client_send(&small, "ECHO a\r\n");
    client_expect(&small, "$1\r\na\r\n");
    client_receive_bytes(&spared, 12000000);
    client_close(&small);
    client_close(&big);
    client_close(&spared);
}

static void put_echo(struct buf *out, size_t len)
{
    buf_printf(out, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", len);
    buf_reserve(out, len + 2);
    memset(out->data + out->len, 'x', len);
    memcpy(out->data + out->len + len, "\r\n", 2);
    out->len += len + 2;
}

Test(limits, a_command_over_the_limit_is_an_error_and_the_connection_stays)
{
    struct client c;
    struct buf input = {0};
    client_open(&c);
    put_echo(&input, 9 << 20);
    buf_printf(&input, "ECHO b\r\n*2\r\n$4\r\n");
    client_send_bytes(&c, input.data, input.len);
    client_expect(&c, "-OOM too large\r\n$1\r\nb\r\n");
    cr_assert_lt(server->clients.memory, 256 * 1024);
    client_send(&c, "ECHO\r\n$536870913\r\n");
    client_expect_closed(&c);
    client_expect(&c, "-ERR Protocol error: invalid bulk length\r\n");
    buf_release(&input);
    client_close(&c);
}

// Two clients with commands of 8 MiB, where 9 MiB are for all: the first has sent half of its own,
// so the other is not read from.
static void let_one_wait(struct client *first, struct client *second, struct buf *input)
{
    fake_settings.clients.maxmemory_clients = 9 << 20;
    client_open(first);
    client_open(second);
    put_echo(input, 8 << 20);
    client_send_bytes(first, input->data, 4 << 20);
    client_send_bytes(second, input->data, 1 << 20);
    cr_assert(!list_empty(&server->clients.claim_waiters));
    cr_assert_lt(server->clients.memory, 9 << 20);
}

Test(limits, big_commands_wait_for_each_other)
{
    struct client first, second;
    struct buf input = {0};
    let_one_wait(&first, &second, &input);
    client_send_bytes(&first, input.data + (4 << 20), input.len - (4 << 20));
    client_receive_bytes(&first, 8 << 20);
    cr_assert(list_empty(&server->clients.claim_waiters));
    client_send_bytes(&second, input.data + (1 << 20), input.len - (1 << 20));
    client_receive_bytes(&second, 8 << 20);
    cr_assert_eq(server->clients.claimed, 0);
    cr_assert_eq(server->counters.evicted_clients, 0);
    buf_release(&input);
    client_close(&first);
    client_close(&second);
}

Test(limits, who_makes_others_wait_and_sends_nothing_goes)
{
    struct client first, second;
    struct buf input = {0};
    let_one_wait(&first, &second, &input);
    fake.now_us += 6 * 1000 * 1000;
    client_expect_closed(&first);
    client_send_bytes(&second, input.data + (1 << 20), input.len - (1 << 20));
    client_receive_bytes(&second, 8 << 20);
    cr_assert_eq(server->counters.evicted_clients, 1);
    buf_release(&input);
    client_close(&first);
    client_close(&second);
}

Test(limits, a_connection_with_much_unsent_output_executes_later)
{
    struct client c;
    struct buf input = {0};
    fake_settings.clients.maxmemory_clients = 9 << 20;
    client_open(&c);
    for (int i = 0; i < 60; i++)
        buf_printf(&input, "BIG 1000000\r\n");
    client_send_bytes(&c, input.data, input.len);
    cr_assert_lt(fake.done, 40);
    cr_assert_lt(server->clients.memory, 9 << 20);
    client_receive_bytes(&c, 60 * 1000012);
    cr_assert_eq(fake.done, 60);
    cr_assert_eq(c.got.len, 60 * 1000012);
    buf_release(&input);
    client_close(&c);
}

Test(limits, idle_clients_go_after_the_timeout)
{
    struct client idle, busy;
    fake_settings.network.timeout_s = 5;
    client_open(&idle);
    client_open(&busy);
    fake.now_us += 4 * 1000 * 1000;
    client_send(&busy, "ECHO a\r\n");
    fake.now_us += 2 * 1000 * 1000;
    WAIT_FOR(server->clients.count == 1);
    client_expect_closed(&idle);
    client_expect(&busy, "$1\r\na\r\n");
    client_close(&idle);
    client_close(&busy);
}

Test(limits, a_writer_is_paced_and_nobody_else)
{
    struct client writer, other;
    client_open(&writer);
    client_open(&other);
    fake.pace_us = 600;
    client_send(&writer, "SET k v\r\nSET k v\r\nSET k v\r\n");
    client_expect(&writer, "+OK\r\n+OK\r\n");
    client_send(&other, "ECHO a\r\nGET k\r\n");
    client_expect(&other, "$1\r\na\r\n$5\r\nvalue\r\n");
    client_expect(&writer, "");
    fake.pace_us = 0;
    fake.now_us += 1300;
    WAIT_FOR(fake.done == 5);
    client_expect(&writer, "+OK\r\n");
    client_close(&writer);
    client_close(&other);
}

Test(limits, buffers_of_idle_clients_shrink)
{
    struct client c;
    client_open(&c);
    client_send(&c, "BIG 60000\r\n");
    client_receive_bytes(&c, 60000);
    cr_assert_gt(server->clients.memory, 60000);
    fake.now_us += 10 * 1000 * 1000;
    WAIT_FOR(server->clients.memory < 4096);
    client_close(&c);
}

Test(limits, the_server_stops_after_the_last_reply)
{
    struct client c;
    client_open(&c);
    fake.hold_log = true;
    client_send(&c, "SET k v\r\n");
    server_stop(server, 3);
    settle();
    cr_assert_eq(server->clients.count, 1);
    log_becomes_durable();
    client_expect_closed(&c);
    client_expect(&c, "+OK\r\n");
    cr_assert_eq(server->exit_status, 3);
    client_close(&c);
}
