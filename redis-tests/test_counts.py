"""DBSIZE: never negative, never further from the truth than there are keys in doubt, and exact
within seconds of rest, with no compaction of everything."""

import random
import time

from support.resp import plain, wait_until

REST_S = 10
LATE_S = 5


def many(c, commands):
    for reply in c.pipeline(commands):
        assert reply[0] != "-", reply


def size_and_doubts(t, server, c):
    size = plain(c.call("DBSIZE"))
    return size, 0 if t.is_redis() else int(server.info()["engine_keys_in_doubt"])


def is_exact_soon(t, server, c, expected, seconds):
    size, doubts = size_and_doubts(t, server, c)
    assert size >= 0 and abs(expected - size) <= doubts, "DBSIZE %d, %d in doubt, of %d" % (
        size,
        doubts,
        expected,
    )
    wait_until(
        lambda: size_and_doubts(t, server, c) == (expected, 0),
        seconds,
        "DBSIZE is %d with nothing in doubt" % expected,
    )


def test_deleting_what_was_in_doubt(t):
    server = t.varve()
    c = server.connect()
    keys = [[b"%s:%d" % (p, n) for n in range(20000)] for p in (b"a", b"b")]
    many(c, [("SET", key, "v") for key in keys[0]])
    assert plain(c.call("SAVE")) == b"OK"
    many(c, [("SET", key, "v") for key in keys[1]])
    many(c, [("DEL", key) for key in keys[0] + keys[1]])
    c.call("SET", "x", "1")
    is_exact_soon(t, server, c, 1, REST_S)
    assert server.info()["db0"].startswith("keys=1,")


def test_fresh_keys_and_random_overwrites(t):
    server = t.varve()
    c = server.connect()
    count = 30000 if t.quick else 300000
    random.seed(t.seed)
    many(c, [("SET", b"f:%d" % n, "v") for n in range(count)])
    is_exact_soon(t, server, c, count, REST_S)
    assert plain(c.call("SAVE")) == b"OK"
    many(c, [("SET", b"f:%d" % random.randrange(count), "w") for _ in range(count)])
    many(c, [("SET", b"g:%d" % n, "v") for n in range(count)])
    is_exact_soon(t, server, c, 2 * count, REST_S)


def test_one_write_a_second_starves_nobody(t):
    server = t.varve()
    c = server.connect()
    many(c, [("SET", b"f:%d" % n, "v") for n in range(5000)])
    assert plain(c.call("SAVE")) == b"OK"
    server.restart()
    c = server.connect()
    many(c, [("SET", b"f:%d" % n, "w") for n in range(5000)])
    begun = time.time()
    while size_and_doubts(t, server, c)[1] > 2:
        assert time.time() - begun < REST_S, "still in doubt: %s" % (size_and_doubts(t, server, c),)
        c.call("SET", "f:1", "z")
        time.sleep(1)


def test_what_expires_on_disk_leaves_the_count(t):
    server = t.varve()
    c = server.connect()
    many(c, [("SET", key, "1") for key in "abcde"])
    many(c, [("SET", b"x:%d" % n, "v", "PX", 500 + n) for n in range(3000)])
    assert plain(c.call("SAVE")) == b"OK"
    assert plain(c.call("DBSIZE")) in range(5, 3006)
    # some of them are written anew, with an expiry and without
    many(c, [("SET", b"x:%d" % n, "w") for n in range(10)])
    many(c, [("SET", b"x:%d" % n, "w", "PX", 4500) for n in range(10, 20)])
    time.sleep(3.6)
    wait_until(lambda: plain(c.call("DBSIZE")) == 25, 2, "DBSIZE is 25")
    time.sleep(1)
    wait_until(lambda: plain(c.call("DBSIZE")) == 15, 2, "DBSIZE is 15")
    if not t.is_redis():
        assert int(server.info()["engine_expired_dropped"]) <= int(server.info()["expired_keys"])
    server.restart()
    c = server.connect()
    is_exact_soon(t, server, c, 15, LATE_S)
    many(c, [("FLUSHALL",), ("SET", "y", "1")])
    is_exact_soon(t, server, c, 1, LATE_S)


def test_what_is_seen_to_be_gone_is_not_counted(t):
    """Whatever its client has done since."""
    server = t.varve()
    c = server.connect()
    for walk in (("KEYS", "*"), ("SCAN", "0"), ("RANDOMKEY",), ("PING",)):
        for _ in range(20):
            c.call("SET", "x", "1", "PXAT", "1000")
            c.call(*walk)
            assert plain(c.call("DBSIZE")) == 0, "counted after %r" % (walk,)
            assert b"db0" not in plain(c.call("INFO", "keyspace"))
