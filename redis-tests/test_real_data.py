"""Real data: Debian's package index, tens of thousands of stanzas, through `redis-cli --pipe` as a
user would load it."""

import subprocess

from support.resp import encode, plain


def stanzas(t):
    """(name, stanza) of every package known to apt; of every installed one where apt's lists were
    cleaned away."""
    text = subprocess.run(
        [t.tool("apt-cache"), "dumpavail"], stdout=subprocess.PIPE, check=True
    ).stdout
    if not text.strip():
        with open("/var/lib/dpkg/status", "rb") as f:
            text = f.read()
    packages = {}
    for stanza in text.split(b"\n\n"):
        stanza = stanza.strip(b"\n")
        if stanza.startswith(b"Package: "):
            packages[stanza[9 : stanza.index(b"\n")]] = stanza
    assert len(packages) > 50, "no packages in apt's index nor in dpkg's"
    return packages


def check_all(server, packages, redis):
    c = server.connect()
    names = sorted(packages)
    for at in range(0, len(names), 500):
        part = names[at : at + 500]
        values = plain(c.call("MGET", *[b"pkg:" + n for n in part]))
        wrong = [n for n, v in zip(part, values) if v != packages[n]]
        assert not wrong, "%d of %d stanzas differ, the first is %s" % (
            len(wrong),
            len(part),
            wrong[0].decode(),
        )
    server.check_count(c, len(packages))
    for prefix in (b"lib", b"python3-", b"a", b"zzz-none", b"lib[ab]"):
        expected = {
            n
            for n in names
            if (n.startswith(prefix) if b"[" not in prefix else n.startswith((b"liba", b"libb")))
        }
        found, cursor = [], b"0"
        while True:
            cursor, page = plain(
                c.call("SCAN", cursor, "MATCH", b"pkg:" + prefix + b"*", "COUNT", "1000")
            )
            found += page
            if cursor == b"0":
                break
        assert {k[4:] for k in found} == expected, "SCAN MATCH pkg:%s*: %d keys, expected %d" % (
            prefix.decode(),
            len(set(found)),
            len(expected),
        )
        assert redis or len(found) == len(set(found)), "SCAN returned a key twice"
    c.close()


def test_package_index(t):
    packages = stanzas(t)
    if t.quick:
        packages = {n: packages[n] for i, n in enumerate(sorted(packages)) if i % 4 == 0}
    server = t.varve()
    data = b"".join(encode("SET", b"pkg:" + name, stanza) for name, stanza in packages.items())
    loaded = subprocess.run(
        [t.tool("redis-cli"), "-p", str(server.port), "--pipe"],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    assert (
        loaded.returncode == 0 and b"errors: 0, replies: %d" % len(packages) in loaded.stdout
    ), loaded.stdout
    check_all(server, packages, t.is_redis())
    server.kill()
    server.start()
    check_all(server, packages, t.is_redis())
    server.restart()
    check_all(server, packages, t.is_redis())
