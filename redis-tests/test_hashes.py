"""Hashes that are larger than memory: read cold, walked, drawn from, expired, gone, and their
space given back."""

import os
import random

from support.resp import encode, plain, wait_until

BUDGET = 32 << 20
FIELDS = 600000
QUICK_FIELDS = 150000
A_CALL = 500
LATE_S = 0.6


def field(n):
    return b"field:%08d" % n


def value(n):
    return b"%d:" % n + b"v" * (100 + n % 50)


def fill_hash(c, key, count):
    for begin in range(0, count, A_CALL):
        words = [b"HSET", key]
        for n in range(begin, min(begin + A_CALL, count)):
            words += [field(n), value(n)]
        c.send_raw(encode(*words))
        assert c.read() == (":", b"%d" % A_CALL)


def bytes_on_disk(server):
    return sum(e.stat().st_size for e in os.scandir(server.dir) if e.name.endswith(".sst"))


def whole(c, key):
    """HGETALL as a dictionary."""
    flat = plain(c.call("HGETALL", key))
    return dict(zip(flat[0::2], flat[1::2]))


def test_larger_than_memory(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="32mb")
    count = QUICK_FIELDS if t.quick else FIELDS
    c = server.connect()
    fill_hash(c, b"big", count)
    server.restart()
    c = server.connect()
    rng = random.Random(t.seed)
    assert plain(c.call("HLEN", "big")) == count
    for n in rng.sample(range(count), 300):
        assert plain(c.call("HGET", "big", field(n))) == value(n)
    assert plain(c.call("HMGET", "big", *(field(n) for n in (1, count, 2)))) == [
        value(1),
        None,
        value(2),
    ]
    assert whole(c, "big") == {field(n): value(n) for n in range(count)}
    seen, cursor = [], b"0"
    while True:
        cursor, page = plain(c.call("HSCAN", "big", cursor, "COUNT", "5000"))
        seen += page[0::2]
        if cursor == b"0":
            break
    assert seen == [field(n) for n in range(count)]
    drawn = [int(plain(c.call("HRANDFIELD", "big")).split(b":")[1]) for _ in range(400)]
    thirds = [sum(1 for n in drawn if n * 3 // count == part) for part in range(3)]
    assert min(thirds) > 80, "HRANDFIELD by thirds of the fields: %r" % thirds
    most = BUDGET * 5 // 4 + (32 << 20)
    assert server.memory_peak_kib() * 1024 <= most, server.memory_peak_kib()


def test_gone_at_once_and_space_comes_back(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="32mb")
    count = QUICK_FIELDS
    c = server.connect()
    for way in (
        lambda: c.call("DEL", "big"),
        lambda: c.call("SET", "big", "x"),
        lambda: c.call("PEXPIRE", "big", "50"),
    ):
        fill_hash(c, b"big", count)
        assert plain(c.call("DBSIZE")) == 1
        way()
        wait_until(
            lambda: plain(c.call("TYPE", "big")) in ("none", "string", b"none", b"string"),
            10,
            "the hash is gone",
        )
        c.call("DEL", "big")
        wait_until(lambda: plain(c.call("DBSIZE")) == 0, 10, "nothing is counted")
    wait_until(lambda: bytes_on_disk(server) < 2 << 20, 60, "the space comes back")


def test_expiry_is_prompt(t):
    """Of large ones, too, whose end the disk knows: nobody needs to ask for them."""
    server = t.varve(maxmemory="32mb")
    c = server.connect()
    for n in range(20):
        fill_hash(c, b"big:%d" % n, 2 * A_CALL)
        c.call("PEXPIRE", b"big:%d" % n, 1000 if n < 10 else 100000)
    wait_until(lambda: plain(c.call("DBSIZE")) == 10, 1.0 + LATE_S, "ten have expired")
    server.restart()
    c = server.connect()
    assert plain(c.call("DBSIZE")) == 10
    for n in range(10, 20):
        c.call("PEXPIRE", b"big:%d" % n, 1)
    wait_until(lambda: plain(c.call("DBSIZE")) == 0, LATE_S, "the others have expired")


def test_kill_9_keeps_what_was_acknowledged(t):
    if t.is_redis():
        return
    server = t.varve(maxmemory="32mb", hash_max_listpack_entries="16")
    c = server.connect()
    model = {}
    rng = random.Random(t.seed)
    for life in range(3):
        for step in range(2000):
            key, name = b"h%d" % rng.randrange(20), b"f%d" % rng.randrange(60)
            fields = model.setdefault(key, {})
            if rng.random() < 0.75:
                fields[name] = b"%d.%d" % (life, step)
                c.call("HSET", key, name, fields[name])
            elif rng.random() < 0.9:
                c.call("HDEL", key, name)
                fields.pop(name, None)
            else:
                c.call("DEL", key)
                fields.clear()
        server.kill()
        server.start()
        c = server.connect()
        for key, fields in model.items():
            assert whole(c, key) == fields, key
            assert plain(c.call("HLEN", key)) == len(fields)
        assert plain(c.call("DBSIZE")) == sum(1 for fields in model.values() if fields)
