"""Very many cold keys in one command, at a budget that holds a fraction of their values: the count,
or one clear error, and never a server that is busy with it for ever."""

import socket
import time

from support.load import Range, fill
from support.resp import encode, plain

KEYS = 20000


def cold_server(t):
    """64 MiB of budget, 80 MB of values, nothing in memory."""
    server = t.varve(maxmemory="0" if t.is_redis() else "64mb")
    keys = Range(b"cold:", KEYS, 4000)
    c = server.connect(timeout=300)
    fill(c, keys)
    assert c.call("SAVE") == ("+", b"OK")
    server.restart()
    return server, keys, server.connect(timeout=300)


def names(keys, step=1):
    return [keys.key(n) for n in range(0, KEYS, step)]


def transaction(c, commands):
    """The replies of MULTI ... EXEC: EXEC's own."""
    c.send_raw(encode("MULTI") + b"".join(encode(*command) for command in commands))
    assert c.read() == ("+", b"OK")
    for _ in commands:
        assert c.read() == ("+", b"QUEUED")
    return c.call("EXEC")


def test_counts_of_cold_keys(t):
    server, keys, c = cold_server(t)
    half = names(keys, 2)
    assert c.call("EXISTS", *names(keys)) == (":", b"%d" % KEYS)
    assert c.call("TOUCH", "none", *names(keys)) == (":", b"%d" % KEYS)
    assert c.call("DEL", *half) == (":", b"%d" % len(half))
    assert c.call("EXISTS", *names(keys)) == (":", b"%d" % (KEYS - len(half)))
    server.restart()
    c = server.connect(timeout=300)
    assert c.call("UNLINK", *names(keys)) == (":", b"%d" % (KEYS - len(half)))
    assert c.call("EXISTS", *names(keys)) == (":", b"0")


def test_facts_of_100000_keys_in_one_transaction(t):
    server, keys, c = cold_server(t)
    asked = [
        [["STRLEN"], ["TYPE"], ["TTL"], ["EXISTS"], ["EXPIRE"]][n % 5] + [keys.key(n % KEYS)]
        for n in range(50000)
    ] + [["STRLEN", "none:%d" % n] for n in range(50000)]
    for command in asked:
        if command[0] == "EXPIRE":
            command += ["100", "XX"]
    replies = plain(transaction(c, asked))
    assert len(replies) == len(asked)
    expected = {"STRLEN": 4000, "TYPE": b"string", "TTL": -1, "EXISTS": 1, "EXPIRE": 0}
    for command, reply in zip(asked, replies):
        want = 0 if str(command[1]).startswith("none") else expected[command[0]]
        assert reply in (want, str(want).encode()), (command, reply)


def test_more_values_than_fit_are_one_error(t):
    """Not an error for some of its commands and a wait without end for the others."""
    if t.is_redis():
        return
    server, keys, c = cold_server(t)
    reply = transaction(c, [["INCR", "touched"]] + [["GET", k] for k in names(keys)])
    assert reply[0] == "-" and reply[1].startswith(b"OOM"), reply[:60]
    assert c.call("EXISTS", "touched") == (":", b"0")
    assert c.call("PING") == ("+", b"PONG")


def test_a_client_that_is_gone_cancels_its_command(t):
    """With 50 ms for each read, and few at a time, the transaction would go on for minutes."""
    if t.is_redis():
        return
    server, keys, c = cold_server(t)
    assert c.call("DEBUG", "READ-DELAY", 50) == ("+", b"OK")
    gone = server.connect()
    gone.send_raw(
        encode("MULTI") + b"".join(encode("STRLEN", k) for k in names(keys)) + encode("EXEC")
    )
    t.wait_until(lambda: int(server.info()["engine_cold_reads"]) > 50, 30, "it reads")
    gone.sock.shutdown(socket.SHUT_RDWR)
    gone.close()
    began = time.monotonic()
    t.wait_until(lambda: int(server.info()["connected_clients"]) <= 2, 10, "it is gone")
    assert time.monotonic() - began < 5
    t.wait_until(lambda: reads_nothing(server), 10, "nothing is read for it")


def reads_nothing(server):
    before = server.info()["engine_cold_reads"]
    time.sleep(0.3)
    return server.info()["engine_cold_reads"] == before


def test_randomkey_is_even_over_keys_of_any_shape(t):
    """Keys of three kinds and two on their own, cold: each kind has its share, and no key comes up
    more often than chance has it once in a million runs."""
    server = t.varve(maxmemory="0" if t.is_redis() else "64mb")
    c = server.connect(timeout=300)
    kinds = {b"key:": 10000, b"other:" + b"x" * 200: 2000, b"large:": 2000}
    for name, number in kinds.items():
        value = b"v" * (4000 if name == b"large:" else 3)
        c.pipeline([["SET", name + b"%d" % n, value] for n in range(number)])
    c.call("SET", "single", "1")
    c.call("SET", "~", "1")
    assert c.call("SAVE") == ("+", b"OK")
    server.restart()
    c = server.connect(timeout=300)
    drawn = [reply[1] for reply in c.pipeline([["RANDOMKEY"]] * 7000)]
    for name, number in kinds.items():
        share = sum(key.startswith(name) for key in drawn) / len(drawn)
        due = number / 14002
        assert due / 1.25 < share < due * 1.25, (name[:8], share, due)
    most = max(drawn.count(key) for key in set(drawn[:1000]) | {b"single", b"~"})
    within = [reply[1] for reply in transaction(c, [["RANDOMKEY"]] * 1000)[1]]
    assert len(set(within)) > 900, f"{len(set(within))} different keys of 1,000 in EXEC"
    assert most <= 12, f"one of 14,002 keys came up {most} times in {len(drawn)}"
