"""Clients at a small budget: whoever does no wrong gets an answer, whatever its size; and memory
stays near the budget."""

import math
import os
import random
import socket
import threading
import time

from support.resp import encode, wait_until

MIB = 1 << 20


def memory_is_bounded(server, budget_mib, when):
    """A quarter over the budget, and 32 MiB for the program itself."""
    peak, most = server.memory_peak_kib() / 1024, budget_mib * 5 / 4 + 32
    assert peak <= most, "VmHWM %.1f MiB %s, allowed are %d MiB" % (peak, when, most)


def is_oom(reply):
    return reply[0] == "-" and reply[1].startswith(b"OOM ")


def shown(reply):
    return "%s of %d" % (reply[0], len(reply[1])) if reply[1] else repr(reply)


def nobody_was_cut_off(server):
    assert int(server.info()["evicted_clients"]) == 0, "clients were evicted"


def in_threads(count, work):
    """Runs work(i) in so many threads; raises what one of them raised."""
    troubles = []

    def guarded(i):
        try:
            work(i)
        except Exception as trouble:  # told below, by the test's own thread
            troubles.append((i, trouble))

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles, "%d of %d clients failed, the first: %r" % (
        len(troubles),
        count,
        troubles[0],
    )


def test_a_value_over_the_limit_again_and_again(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    c = server.connect()
    for _ in range(5 if t.quick else 30):
        reply = c.call("SET", "v", b"x" * (9 * MIB))
        assert is_oom(reply), shown(reply)
    assert c.call("MULTI") == ("+", b"OK")
    assert c.call("SET", "a", "1") == ("+", b"QUEUED")
    assert is_oom(c.call("SET", "v", b"x" * (9 * MIB)))
    reply = c.call("EXEC")
    assert reply[1].startswith(b"EXECABORT"), shown(reply)
    assert c.call("EXISTS", "a", "v") == (":", b"0")
    nobody_was_cut_off(server)


def test_clients_with_the_largest_values(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")

    def write(i):
        c = server.connect()
        value = bytes([65 + i]) * (8 * MIB)
        for _ in range(3):
            reply = c.call("SET", "big:%d" % i, value)
            assert reply == ("+", b"OK"), shown(reply)
            assert c.call("GET", "big:%d" % i)[1] == value

    in_threads(4, write)
    nobody_was_cut_off(server)


def test_many_clients_with_large_values(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")

    def write(i):
        c = server.connect()
        value = bytes([i]) * 100000
        for _ in range(3 if t.quick else 20):
            reply = c.call("SET", "key:%d" % i, value)
            assert reply == ("+", b"OK"), shown(reply)
            assert c.call("GET", "key:%d" % i)[1] == value

    in_threads(200, write)
    nobody_was_cut_off(server)


def test_values_that_many_clients_have_sent_half_of(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    command = encode("SET", "k", b"x" * 100000)
    clients = [server.connect() for _ in range(200)]
    for c in clients:
        c.sock.setblocking(False)
        try:
            c.sock.send(command[:90000])
        except BlockingIOError:
            pass
    time.sleep(1)
    held = int(server.info()["varve_clients_bytes"])
    assert held < 16 * MIB, "200 clients hold %d bytes" % held


def test_deep_pipelines_of_many_clients(t):
    """What redis-benchmark -c 200 -P 64 -d 1024 does."""
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    value = b"v" * 1024

    def run(i):
        c = server.connect()
        for j in range(2 if t.quick else 20):
            keys = ["key:%d" % ((i * 64 + k) % 5000) for k in range(64)]
            assert set(c.pipeline([("SET", key, value) for key in keys])) == {("+", b"OK")}
            assert set(c.pipeline([("GET", key) for key in keys])) == {("$", value)}

    in_threads(200, run)
    nobody_was_cut_off(server)


def test_replies_that_are_read_late(t):
    """A client that reads only after it has sent all, and replies far beyond the clients' share."""
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    c = server.connect()
    value = b"v" * 1000
    c.call("SET", "k", value)
    count = 50000
    c.send_raw(encode("GET", "k") * count)
    for _ in range(count):
        assert c.read() == ("$", value)
    nobody_was_cut_off(server)


def test_replies_of_many_values(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    c = server.connect()
    for i in range(6):
        assert c.call("SET", "v:%d" % i, b"v" * (4 * MIB)) == ("+", b"OK")
    keys = ["v:%d" % i for i in range(6)]
    assert len(c.call("MGET", *keys[:3])[1]) == 3
    queued = [("MULTI",), *[("GET", key) for key in keys], ("EXEC",)]
    reply = c.call("MGET", *keys)
    assert reply == ("*", [("$", b"v" * (4 * MIB))] * 6), shown(reply)
    for command in queued:
        reply = c.call(*command)
    assert is_oom(reply) or len(reply[1]) == 6, shown(reply)
    assert c.call("PING") == ("+", b"PONG")
    nobody_was_cut_off(server)


def test_a_reply_of_many_times_the_memory(t):
    """MGET of 1,000 values of 1 MiB, all of one moment, while others write."""
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    c, other = server.connect(), server.connect()
    count = 200 if t.quick else 1000
    values = [os.urandom(MIB) for _ in range(4)]
    for i in range(count):
        assert c.call("SET", "v:%d" % i, values[i % 4]) == ("+", b"OK")
    c.send_raw(encode("MGET", *["v:%d" % i for i in range(count)], "none"))
    wait_until(lambda: c.sock.recv(1, socket.MSG_PEEK), 30, "the reply begins")
    for i in range(0, count, 10):
        assert other.call("SET", "v:%d" % i, b"new" * 1000) == ("+", b"OK")
    assert other.call("FLUSHDB") == ("+", b"OK")
    reply = c.read()
    assert reply[0] == "*" and len(reply[1]) == count + 1, shown(reply)
    for i in range(count):
        assert reply[1][i] == ("$", values[i % 4]), "value %d is of another time" % i
    assert reply[1][count] == ("$", None)
    assert c.call("PING") == ("+", b"PONG")
    nobody_was_cut_off(server)
    memory_is_bounded(server, 64, "after an MGET of %d values" % count)


def test_commands_of_many_arguments(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    c = server.connect()
    reply = c.call("MGET", *["%010d" % i for i in range(200000)])
    assert len(reply[1]) == 200000, shown(reply)
    reply = c.call("MGET", *["%030d" % i for i in range(200000)])
    assert is_oom(reply) or len(reply[1]) == 200000, shown(reply)
    pairs = [word for i in range(100) for word in ("k:%d" % i, b"x" * 100000)]
    assert is_oom(c.call("MSET", *pairs))
    assert c.call("MSET", *pairs[:140]) == ("+", b"OK")
    assert c.call("MULTI") == ("+", b"OK")
    replies = [c.call("SET", "q:%d" % i, b"x" * (2 * MIB)) for i in range(10)]
    assert any(is_oom(reply) for reply in replies)
    assert c.call("EXEC")[1].startswith(b"EXECABORT")
    nobody_was_cut_off(server)


def test_who_does_not_read_goes(t):
    """And nobody else, who is answered all the while."""
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    c = server.connect()
    c.call("SET", "k", b"v" * (7 * MIB))
    deaf = [server.connect() for _ in range(4)]
    for other in deaf:
        other.send_raw(encode("GET", "k") * 3)
    deadline = time.monotonic() + 30
    while int(server.info()["evicted_clients"]) == 0 and time.monotonic() < deadline:
        assert c.call("PING") == ("+", b"PONG")
        time.sleep(0.05)
    assert 0 < int(server.info()["evicted_clients"]) < 4


def values_of_all_sizes(t, budget_mib, total_mib, compressible):
    server = t.varve(maxmemory="%dmb" % budget_mib)
    c = server.connect(timeout=300)
    rnd, largest = random.Random(t.seed), budget_mib * MIB // 8
    data = bytes(largest) if compressible else os.urandom(largest)
    written, sizes = 0, {}
    while written < total_mib * MIB:
        key, size = "k%d" % rnd.randrange(2000), largest
        if rnd.random() < 0.9:
            size = int(math.exp(rnd.uniform(math.log(16), math.log(largest))))
        reply = c.call("SET", key, data[:size])
        assert reply == ("+", b"OK"), shown(reply)
        sizes[key], written = size, written + size
    memory_is_bounded(server, budget_mib, "after writing")
    for key, size in sizes.items():
        assert len(c.call("GET", key)[1]) == size
    memory_is_bounded(server, budget_mib, "after reading")


def test_memory_with_values_of_all_sizes(t):
    """From 16 bytes to the largest allowed, an eighth of the budget."""
    if t.is_redis():
        return
    values_of_all_sizes(t, 64, 300 if t.quick else 700, compressible=False)
    if not t.quick:
        values_of_all_sizes(t, 64, 700, compressible=True)
        values_of_all_sizes(t, 256, 1500, compressible=False)


def test_memory_with_the_largest_values(t):
    """Of several clients at once, which are written, flushed, merged and read."""
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    value = os.urandom(8 * MIB)

    def work(i):
        c = server.connect(timeout=300)
        for n in range(5 if t.quick else 30):
            reply = c.call("SET", "v:%d:%d" % (i, n), value)
            assert reply == ("+", b"OK"), shown(reply)
        for n in range(5 if t.quick else 30):
            assert c.call("GET", "v:%d:%d" % (i, n))[1] == value

    in_threads(4, work)
    nobody_was_cut_off(server)
    memory_is_bounded(server, 64, "after 4 clients with values of 8 MiB")
