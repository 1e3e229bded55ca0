"""What the disk and the operating system are short of: descriptors and space. Every shortage
passes, and with it what it brought about: nothing ends in a server that has to be restarted.
"""

import resource
import subprocess
import threading

from support.load import Range, fill, verify
from support.resp import pairs, plain


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
        t.wait_until(
            lambda: "out of descriptors" in server.log_tail(400), 30, "a flush without descriptors"
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
