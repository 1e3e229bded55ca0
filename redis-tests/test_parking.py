"""One who waits for the disk keeps nobody else waiting.

DEBUG READ-DELAY makes every cold read of the server take that long and makes it find nothing in the
system's page cache, so that a small data set behaves like one on a slow disk. The proof is in the
order of replies, not in times.
"""

import select

from support.load import Range, fill
from support.resp import encode, plain

DELAY_MS = 50


def cold_server(t, **directives):
    """A server whose keys are all on disk and none in memory."""
    server = t.varve(maxmemory="32mb", write_buffer_size="64kb", **directives)
    keys = Range(b"cold:", 20000, 1000)
    c = server.connect()
    fill(c, keys)
    assert c.call("SAVE") == ("+", b"OK")
    server.restart()
    c = server.connect()
    assert c.call("DEBUG", "READ-DELAY", DELAY_MS) == ("+", b"OK")
    return server, keys, c


def readable(connection):
    return bool(select.select([connection.sock], [], [], 0)[0])


def test_pings_overtake_parked_gets(t):
    if t.is_redis():
        return
    server, keys, c = cold_server(t)
    other = server.connect()
    before = int(server.info()["engine_cold_reads"])
    overtaken = 0
    for n in range(20):
        c.send("GET", keys.key(n * 997))
        for _ in range(3):
            assert other.call("PING") == ("+", b"PONG")
            overtaken += not readable(c)
        assert c.read() == ("$", keys.expected_bytes(n * 997, n * 997 + 1)[len(b"$1000\r\n") : -2])
    assert (
        int(server.info()["engine_cold_reads"]) > before
    ), "no GET read from disk: the test shows nothing"
    assert overtaken >= 20, (
        "of 60 PINGs %d were answered before the GET that was sent first" % overtaken
    )


def test_order_within_a_connection(t):
    """The parked client's own replies keep their order, and its writes their effect."""
    if t.is_redis():
        return
    server, keys, c = cold_server(t)
    c.send_raw(
        encode("GET", keys.key(5))
        + encode("PING")
        + encode("APPEND", keys.key(7777), "!")
        + encode("GET", keys.key(7777))
        + encode("ECHO", "end")
    )
    values = [keys.expected_bytes(n, n + 1)[len(b"$1000\r\n") : -2] for n in (5, 7777)]
    assert [c.read() for _ in range(5)] == [
        ("$", values[0]),
        ("+", b"PONG"),
        (":", b"1001"),
        ("$", values[1] + b"!"),
        ("$", b"end"),
    ]


def test_misses_of_one_command_are_read_together(t):
    """An MGET of 40 cold keys waits for a few reads, not for forty in a row: others see it finish
    before 40 * 50 ms of their GETs."""
    if t.is_redis():
        return
    server, keys, c = cold_server(t)
    other = server.connect()
    c.send("MGET", *[keys.key(n * 487) for n in range(40)])
    singles = 0
    while not readable(c):
        assert other.call("GET", keys.key(19999 - singles * 331))[0] == "$"
        singles += 1
        assert singles < 30, "30 cold GETs in a row were answered and an MGET of 40 keys was not"
    assert plain(c.read()) == [
        keys.expected_bytes(n * 487, n * 487 + 1)[len(b"$1000\r\n") : -2] for n in range(40)
    ]


def test_watch_sees_changes_while_parked(t):
    """An EXEC that parks on a cold read fails if its watched key changes meanwhile, or shows its
    effects at once: never half."""
    if t.is_redis():
        return
    server, keys, c = cold_server(t)
    other = server.connect()
    for n in range(10):
        c.pipeline([["WATCH", "w"], ["MULTI"], ["INCR", "done"], ["GET", keys.key(n * 1009 + 3)]])
        c.send("EXEC")
        assert other.call("PING") == ("+", b"PONG")
        other.call("SET", "w", n)
        result = c.read()
        assert result[0] == "*", result
    done = plain(other.call("GET", "done"))
    assert done is None or 1 <= int(done) <= 10


def test_patterns_that_take_long(t):
    """SCAN and KEYS with 200 million comparisons to make: others are answered before."""
    if t.is_redis():
        return
    server = t.varve()
    c, other = server.connect(), server.connect()
    assert c.call("SET", b"a" * 60000, "v") == ("+", b"OK")
    pattern = b"*" + b"?" * 3500 + b"b"
    for command in (["SCAN", "0", "MATCH", pattern], ["KEYS", pattern]):
        c.send(*command)
        overtaken = 0
        for _ in range(50):
            assert other.call("PING") == ("+", b"PONG")
            overtaken += not readable(c)
        assert overtaken >= 40, f"{overtaken} of 50 PINGs were answered before {command[0]}"
        assert plain(c.read()) in ([b"0", []], [])


def test_what_a_waiting_command_may_hold_is_configurable(t):
    if t.is_redis():
        return
    server, keys, c = cold_server(t, command_wait_memory=1)
    c.call("DEBUG", "READ-DELAY", 0)

    def transaction(n):
        c.send_raw(encode("MULTI") + b"".join(encode("GET", keys.key(i)) for i in range(n)))
        assert all(c.read()[0] == "+" for _ in range(n + 1))
        return c.call("EXEC")

    kind, text = transaction(2000)
    assert kind == "-" and text.startswith(b"OOM"), (kind, text)
    assert len(transaction(100)[1]) == 100
