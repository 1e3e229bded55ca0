"""More data than memory: correct, within the budget, and with filters that spare the disk."""

from support.load import POOL, Range, fill, value_of, verify
from support.resp import encode, plain

MIB = 1 << 20
BUDGET = 64 * MIB
PEAK_KIB = 128 * 1024


def peak_is_bounded(t, server, when):
    if t.is_redis():
        return
    peak = server.memory_peak_kib()
    assert peak < PEAK_KIB, "VmHWM %d KiB %s, allowed are %d KiB at a budget of 64 MiB" % (
        peak,
        when,
        PEAK_KIB,
    )


def engine_field(info, name):
    """A counter of INFO's Engine section."""
    return int(info["engine_" + name])


def dataset(t):
    total = (256 if t.quick else 1024) * MIB
    return [Range(b"small:", total // 2 // 100, 100), Range(b"large:", total // 2 // 1000, 1000)]


def settle(server):
    """No flush and no compaction under way."""
    wait_until(
        lambda: engine_field(server.info(), "compaction_running") == 0
        and engine_field(server.info(), "flush_running") == 0,
        300,
        "compaction is done",
    )


def test_more_data_than_memory(t):
    server = t.varve(maxmemory="0" if t.is_redis() else "64mb", appendfsync="everysec")
    sets = dataset(t)
    c = server.connect(timeout=300)
    for keys in sets:
        fill(c, keys)
    peak_is_bounded(t, server, "after writing")
    for keys in sets:
        verify(c, keys)
    peak_is_bounded(t, server, "after reading")
    absent_keys(t, server, c, sets[0])
    server.restart()
    c = server.connect(timeout=300)
    for keys in sets:
        verify(c, keys)
    server.check_count(c, sum(keys.count for keys in sets))
    peak_is_bounded(t, server, "after the restart")


def test_values_of_many_sizes(t):
    """What is freed goes back to the system: a quarter over the budget, and 32 MiB."""
    server = t.varve(maxmemory="0" if t.is_redis() else "64mb", appendfsync="everysec")
    c = server.connect(timeout=300)
    for size in (16, 1024, 16 << 10, 128 << 10, MIB - 64, 2 * MIB - 64):
        count = min(40000, (24 if t.quick else 96) * MIB // size)
        value = POOL * (size // len(POOL) + 1)
        for n in range(count):
            assert plain(c.call("SET", "s%d:%d" % (size, n), value[:size])) == b"OK"
        for n in range(0, count, max(1, count // 100)):
            assert len(plain(c.call("GET", "s%d:%d" % (size, n)))) == size
        if not t.is_redis():
            peak, most = server.memory_peak_kib(), (64 * 5 // 4 + 32) * 1024
            assert peak <= most, "VmHWM %d KiB with values of %d bytes" % (peak, size)


def absent_keys(t, server, c, keys):
    """Keys that nobody wrote, between those that somebody did: the filters skip at least 98 of 100
    tables."""
    count = 20000
    before = server.info()
    step = keys.count // count
    for at in range(0, count, 1000):
        c.send_raw(b"".join(encode("GET", keys.key(n * step) + b"x") for n in range(at, at + 1000)))
        assert c.read_exactly(5000) == b"$-1\r\n" * 1000, "an absent key has a value"
    if t.is_redis():
        return
    after = server.info()
    asked, skipped = (
        engine_field(after, f) - engine_field(before, f)
        for f in ("filter_checks", "filter_negatives")
    )
    assert (
        asked > 0 and skipped >= 0.98 * asked
    ), "of %d tables asked %d were skipped by their filters" % (asked, skipped)


def test_many_cold_keys_at_once(t):
    """MGET and DEL of 100,000 keys that lie on disk, while compaction runs. The reply fits what
    clients may hold, a fifth of the budget."""
    server = t.varve(maxmemory="0" if t.is_redis() else "64mb")
    keys = Range(b"cold:", 1500000 if t.quick else 4000000, 40)
    c = server.connect(timeout=300)
    fill(c, keys)
    server.restart()
    c, other = server.connect(timeout=300), server.connect()
    count = 100000
    step = keys.count // count
    chosen = [n * step for n in range(count)]
    reply = other.call("BGREWRITEAOF")
    assert reply[0] == "+" or t.is_redis(), "BGREWRITEAOF: %r" % (reply,)
    reply = c.call("MGET", *[keys.key(n) for n in chosen])
    assert reply[0] == "*", "MGET of %d cold keys: %r" % (count, reply)
    wrong = [n for n, value in zip(chosen, plain(reply)) if value != value_of(n, 40)]
    assert not wrong, "MGET of cold keys: %d values are wrong, the first of %s" % (
        len(wrong),
        keys.key(wrong[0]),
    )
    assert (
        plain(c.call("MGET", *[keys.key(n) + b"x" for n in chosen])) == [None] * count
    ), "MGET of absent keys"
    assert (
        plain(c.call("DEL", *[keys.key(n) for n in chosen])) == count
    ), "DEL counts what was there"
    assert plain(c.call("EXISTS", *[keys.key(n) for n in chosen])) == 0, "EXISTS after DEL"
    peak_is_bounded(t, server, "after MGET and DEL of cold keys")
    server.check_count(c, keys.count - count)
