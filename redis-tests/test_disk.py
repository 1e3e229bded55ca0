"""What the disk and the operating system are short of: descriptors and space. Every shortage
passes, and with it what it brought about: nothing ends in a server that has to be restarted.
"""

import os
import random
import resource
import subprocess
import sys
import threading
import time

from support.compare import is_error
from support.load import Range, fill, value_of, verify
from support.resp import encode, pairs, plain


def limited(t, descriptors, **directives):
    """A server under `ulimit -n`, soft and hard."""
    server = t.varve(start=False, **directives)
    server.binary, program = "prlimit", server.binary
    line = server.command_line
    server.command_line = lambda: (
        ["prlimit", "--nofile=%d:%d" % (descriptors, descriptors), program] + line()[1:]
    )
    return server


def test_few_descriptors(t):
    """The engine leaves the clients most of a small limit; what is too little refuses the start."""
    if t.is_redis():
        return
    t.tool("prlimit")
    server = limited(t, 256).start()
    c = server.connect()
    most = int(pairs(c.call("CONFIG", "GET", "maxclients"))[b"maxclients"])
    assert 200 <= most <= 224, most
    clients = [server.connect() for _ in range(most - 1)]
    assert all(x.call("PING") == ("+", b"PONG") for x in clients)
    keys = Range(b"few:", 40000, 1000)
    fill(c, keys)
    assert c.call("SAVE") == ("+", b"OK")
    verify(c, keys)
    words = limited(t, 16).command_line()
    done = subprocess.run(words, capture_output=True, timeout=20, cwd=t.tmp)
    assert done.returncode == 1, done
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1 and "file descriptors" in lines[0] and "16" in lines[0], lines


def test_a_moment_without_descriptors(t):
    """No descriptor to be had for a while, under writing and cold reading: all goes on after it."""
    if t.is_redis():
        return
    server = t.varve(maxmemory="32mb")
    c = server.connect()
    keys = Range(b"moment:", 40000, 1000)
    fill(c, keys, 0, 20000)
    old = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, old[1]))

    def heal():
        # Who meets it first, the log, a flush or a compaction, the machine decides; a log that
        # waits for a segment holds the flush up.
        t.wait_until(
            lambda: server.log_tail(400).count("Too many open files") >= 2
            or "out of descriptors" in server.log_tail(400),
            30,
            "jobs without descriptors",
        )
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, old)

    healer = threading.Thread(target=heal)
    healer.start()
    c.send_raw(keys.set_bytes(20000, 40000))  # which takes until there is room again
    replies = c.read_exactly(5 * 20000)
    healer.join()
    assert replies == b"+OK\r\n" * 20000, replies[:200]
    assert c.call("SAVE") == ("+", b"OK")
    verify(c, keys)
    assert plain(c.call("SET", "after", "1")) == b"OK"


def small_disk(t, megabytes, number):
    """An empty file system of its own, or None where mounting is not allowed."""
    path = os.path.join(t.tmp, "disk%d" % number)
    os.mkdir(path)
    words = ["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "tmpfs", path]
    if subprocess.run(words, capture_output=True).returncode != 0:
        return None
    t.defer(lambda: subprocess.run(["umount", "-l", path], check=True))
    return path


NOISE = random.Random(13).randbytes(4 << 20)


def noise(n, size):
    """A value that compression makes no smaller, and another for each n."""
    at = n * 7919 % (len(NOISE) - size)
    return (b"%d." % n + NOISE[at : at + size])[:size]


def fill_up(c, size, prefix):
    """SETs new keys until one is refused; returns those that were accepted."""
    n, accepted, batch = 0, [], max(1, min(1000, (1 << 20) // size))
    while True:
        names = [b"%s%d" % (prefix, i) for i in range(n, n + batch)]
        wanted = [encode("SET", name, noise(n + i, size)) for i, name in enumerate(names)]
        c.send_raw(b"".join(wanted))
        replies = [c.read() for _ in names]
        accepted += [name for name, reply in zip(names, replies) if reply == ("+", b"OK")]
        n += batch
        if any(is_error(reply) for reply in replies):
            assert all(b"No space" in reply[1] or reply[0] == "+" for reply in replies), replies
            return accepted


def delete_all(t, c, names):
    """DELs one by one; what is refused for want of space is tried again."""
    left = list(names)

    def deleted():
        nonlocal left
        refused = []
        for at in range(0, len(left), 1000):
            some = left[at : at + 1000]
            c.send_raw(b"".join(encode("DEL", name) for name in some))
            refused += [name for name in some if is_error(c.read())]
        left = refused
        return not left

    t.wait_until(deleted, 60, "all deleted")


def cycle(t, server, size, way, number):
    c = server.connect()
    names = fill_up(c, size, b"c%d:" % number)
    assert names, "nothing fits"
    if way == "DEL":
        delete_all(t, c, names)
    else:
        assert c.call("FLUSHALL") == ("+", b"OK")
    if number % 2 == 0:
        server.stop()
    else:
        server.kill()
    server.start()
    c = server.connect()
    began = time.monotonic()
    t.wait_until(lambda: c.call("SET", "k", b"x" * size)[0] == "+", 10, "room again")
    waited = time.monotonic() - began
    assert c.call("KEYS", "*") == ("*", [("$", b"k")])
    assert plain(c.call("GET", "k")) == b"x" * size
    assert c.call("DEL", "k") == (":", b"1")
    return len(names) * size, waited


def test_full_disk_cycles(t):
    """Filled to the last byte to be had, emptied, restarted: written to again in seconds."""
    if t.is_redis():
        return
    number = 0
    disks = [(100, "64mb")]
    if not t.quick:
        disks += [(200, "64mb"), (300, "64mb"), (400, "64mb"), (100, "0"), (400, "0")]
    for megabytes, memory in disks:
        disk = small_disk(t, megabytes, number)
        if disk is None:
            print("(mounting is not allowed here: left out) ", end="")
            return
        server = t.varve(start=False, maxmemory=memory)
        server.dir = disk
        server.start()
        for size in (400, 2000000) if t.quick else (20, 200, 4000, 100000, 2000000):
            for way in ("DEL", "FLUSHALL"):
                number += 1
                taken, waited = cycle(t, server, size, way, number)
                if os.environ.get("DISK_TEST_VERBOSE"):
                    said = (megabytes, memory, size, way, taken >> 20, waited)
                    print("%d MB, %s, %d bytes, %s: %d MB in, %.1f s" % said, file=sys.stderr)
                if 200 <= size <= 100000:  # below that the keys weigh more, above it a table
                    assert taken > 0.6 * (megabytes << 20), (megabytes, memory, size, way, taken)
        server.stop()


def table_bytes(server):
    total = 0
    for name in os.listdir(server.dir):
        try:
            total += os.path.getsize(os.path.join(server.dir, name)) if ".sst" in name else 0
        except FileNotFoundError:  # gone in between
            pass
    return total


def test_space_comes_back_at_rest(t):
    """What was deleted or written over gives its space back when nobody writes any more."""
    if t.is_redis():
        return
    server = t.varve(maxmemory="64mb")
    c = server.connect()
    big = Range(b"big:", 300 if not t.quick else 100, 1000000)
    for n in range(big.count):
        assert plain(c.call("SET", big.key(n), value_of(n, big.size))) == b"OK"
    for n in range(big.count):
        assert c.call("UNLINK", big.key(n)) == (":", b"1")
    t.wait_until(lambda: table_bytes(server) < 4 << 20, 30, "the space of what was unlinked")
    small = Range(b"small:", 60000, 2000)
    fill(c, small)
    fill(c, small, 0, small.count // 2)  # the same again
    live = small.count * small.size
    t.wait_until(lambda: table_bytes(server) < 1.3 * live, 30, "the space of what was overwritten")
    kept = live // 2
    c.send_raw(b"".join(encode("DEL", small.key(n)) for n in range(0, small.count, 2)))
    assert all(c.read() == (":", b"1") for n in range(0, small.count, 2))
    t.wait_until(lambda: table_bytes(server) < 1.3 * kept, 30, "the space of every second key")
    left = int(server.info()["engine_reclaimable_bytes"])
    assert left < kept, left
