"""Configuration: files, command line, environment, CONFIG; and the starts that must fail: each with
one line that says why, and nothing changed.

Most of this is what Varve adds to Redis' ways, so it does not run against redis-server itself; what
both have (CONFIG's replies and errors) is compared in test_protocol.py.
"""

import ctypes
import hashlib
import os
import shlex
import shutil
import socket
import subprocess

from support.load import Range, fill, verify
from support.resp import pairs, plain, wait_until

START_FAILS = 1


def run_once(t, *words, environment=None, seconds=60):
    """Runs the server under test, which is to end by itself. Returns status and output."""
    env = dict(os.environ)
    env.update(environment or {})
    done = subprocess.run(
        [t.options.server, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=t.tmp,
        timeout=seconds,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def refused(t, words, *texts, environment=None):
    """The start fails with status 1 and says all of texts in its last line."""
    status, out = run_once(t, *words, environment=environment)
    line = out.strip().splitlines()[-1] if out.strip() else ""
    missing = [text for text in texts if text.lower() not in line.lower()]
    assert status == START_FAILS and not missing, "%s: status %d, %s\n%s" % (
        " ".join(map(str, words)),
        status,
        "the last line lacks %r" % missing if missing else "expected 1",
        out[-2000:],
    )


def write(t, name, text):
    path = os.path.join(t.tmp, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def test_debian_stock_file(t):
    """Debian's redis.conf starts the server with only `dir` changed; here also the port, and what
    would write outside of the test."""
    if t.is_redis():
        return
    with open("/etc/redis/redis.conf") as f:
        text = f.read()
    server = t.varve(
        start=False, defaults=False, config_file="", daemonize="no", logfile="", pidfile=""
    )
    lines = [
        "dir %s" % server.dir if line.startswith("dir ") else line for line in text.splitlines()
    ]
    server.config_file = write(t, "stock.conf", "\n".join(lines) + "\n")
    server.directives.pop("dir", None)
    server.start()
    c = server.connect()
    values = pairs(c.call("CONFIG", "GET", "*"))
    assert (
        values[b"dir"].decode() == server.dir
        and values[b"appendfsync"] == b"everysec"
        and values[b"hash-max-listpack-entries"] == b"512"
    )
    assert c.call("SET", "a", "1") == ("+", b"OK")
    log = server.log_tail(1000)
    assert "appendonly" in log, "one warning names what has no effect:\n" + log


def test_include_and_order(t):
    """Later wins within a file; environment over file; command line over both."""
    if t.is_redis():
        return
    write(t, "inner.conf", "timeout 11\ntcp-keepalive 22\n# a comment\n\n  maxclients 33  \n")
    outer = write(
        t,
        "outer.conf",
        "timeout 1\ninclude inner.conf\nslowlog-max-len 44\nmaxmemory 40mb\n"
        "requirepass \"pa ss\\x21\"\n",
    )
    server = t.varve(
        defaults=False,
        config_file=outer,
        environment={"VARVE_SLOWLOG_MAX_LEN": "55", "VARVE_TCP_KEEPALIVE": "66"},
        tcp_keepalive="77",
    )
    c = server.connect()
    assert c.call("AUTH", "pa ss!") == ("+", b"OK")
    got = pairs(
        c.call(
            "CONFIG",
            "GET",
            "timeout",
            "tcp-keepalive",
            "maxclients",
            "slowlog-max-len",
            "maxmemory",
        )
    )
    expected = {
        b"timeout": b"11",
        b"tcp-keepalive": b"77",
        b"maxclients": b"33",
        b"slowlog-max-len": b"55",
        b"maxmemory": b"%d" % (40 << 20),
    }
    assert got == expected, got


def test_refused_starts(t):
    if t.is_redis():
        return
    conf = write(t, "bad.conf", "port 0\n\nno-such-directive 1\n")
    refused(t, [conf], "bad.conf", "3", "no-such-directive")
    for line, texts in (
        ("maxmemory 1mb", ["maxmemory", "32mb"]),
        ("port 70000", ["port", "65535"]),
        ("port x", ["port", "65535"]),
        ("appendfsync sometimes", ["appendfsync", "always", "everysec", "no"]),
        ("databases 0", ["databases", "1"]),
        ("timeout -1", ["timeout", "0"]),
        ("maxmemory-policy allkeys-lru", ["maxmemory-policy", "noeviction"]),
        ("replicaof 127.0.0.1 1", ["replicaof"]),
        ("slaveof 127.0.0.1 1", ["of"]),
        ("cluster-enabled yes", ["cluster-enabled"]),
        ("loadmodule /x.so", ["loadmodule"]),
        ("rename-command GET X", ["rename-command"]),
        ("tls-port 1", ["tls-port"]),
        ("user x on", ["user"]),
        ("aclfile /x", ["aclfile"]),
        ("maxmemory", ["maxmemory"]),
        ("timeout 1 2", ["timeout"]),
        ('requirepass "unbalanced', ["bad.conf", "2"]),
        ("include /no/such/file", ["/no/such/file"]),
        ("compression lzma", ["compression", "zstd"]),
        ("block-size 1", ["block-size", "512"]),
        ("bloom-bits-per-key 0", ["bloom-bits-per-key", "1"]),
        ("lazyfree-lazy-expire maybe", ["lazyfree-lazy-expire", "yes"]),
    ):
        conf = write(t, "bad.conf", "# first line\n%s\n" % line)
        refused(
            t,
            [conf, "--check-config"],
            *texts,
            *([] if line.startswith("include") else ["bad.conf:2"])
        )
        refused(t, [conf, "--port", 0, "--dir", os.path.join(t.tmp, "never")], *texts)
    assert not os.path.exists(
        os.path.join(t.tmp, "never")
    ), "a refused start made the data directory"
    refused(t, ["--nosuch", "1"], "nosuch")
    refused(t, ["--maxmemory", "31mb"], "maxmemory", "32mb")
    refused(t, [os.path.join(t.tmp, "nosuch.conf")], "nosuch.conf")
    refused(t, ["--check-config"], "maxmemory", environment={"VARVE_MAXMEMORY": "1kb"})


def test_accepted_and_checked(t):
    if t.is_redis():
        return
    conf = write(
        t,
        "good.conf",
        "save 900 1\nappendonly no\nhz 50\nrdbcompression no\nhash-max-ziplist-entries 7\n"
        "lazyfree-lazy-expire yes\n"
        "maxmemory 64mb\nmaxmemory-policy noeviction\n"
        "cluster-enabled no\ntls-port 0\n"
        "client-output-buffer-limit normal 1mb 2mb 3 pubsub 0 0 0\n",
    )
    status, out = run_once(t, conf, "--check-config")
    assert status == 0, out
    server = t.varve(defaults=False, config_file=conf)
    got = pairs(server.connect().call("CONFIG", "GET", "*"))
    assert (got[b"appendonly"], got[b"hz"], got[b"hash-max-listpack-entries"], got[b"save"]) == (
        b"yes",
        b"50",
        b"7",
        b"900 1",
    ), {k: got[k] for k in (b"appendonly", b"hz", b"hash-max-listpack-entries", b"save")}
    for option, text in (("--help", "maxmemory"), ("--version", "7.0.15")):
        status, out = run_once(t, option)
        assert status == 0 and text in out, out
    status, out = run_once(t, "--sample-config")
    sample = write(t, "sample.conf", out)
    assert status == 0 and run_once(t, sample, "--check-config")[0] == 0, "the sample file is right"


def test_rewrite(t):
    """CONFIG REWRITE keeps the author's file and changes what has changed."""
    conf = write(
        t,
        "rewrite.conf",
        "# mine\ntimeout 5\n\n# keep this comment\nmaxmemory 64mb\nslowlog-max-len 128\n",
    )
    secret = b'se"cret \0 word\xff'
    server = t.varve(defaults=False, config_file=conf)
    c = server.connect()
    c.call(
        "CONFIG",
        "SET",
        "timeout",
        "9",
        "requirepass",
        secret,
        "maxmemory",
        "96mb",
        "tcp-keepalive",
        "123",
    )
    assert c.call("CONFIG", "REWRITE") == ("+", b"OK")
    with open(conf) as f:
        text = f.read()
    lines = text.splitlines()
    assert (
        lines[0] == "# mine"
        and "timeout 9" in lines
        and "# keep this comment" in lines
        and "timeout 5" not in lines
    ), text
    assert (
        lines.index("timeout 9")
        < lines.index("# keep this comment")
        < [i for i, line in enumerate(lines) if line.startswith("maxmemory ")][0]
    ), text
    server.restart()
    c = server.connect()
    assert c.call("AUTH", secret) == ("+", b"OK")
    got = pairs(c.call("CONFIG", "GET", "timeout", "maxmemory", "tcp-keepalive"))
    assert got == {
        b"timeout": b"9",
        b"maxmemory": b"%d" % (96 << 20),
        b"tcp-keepalive": b"123",
    }, got


def test_set_takes_effect(t):
    server = t.varve()
    c, d = server.connect(), server.connect()
    assert c.call("CONFIG", "SET", "timeout", "1") == ("+", b"OK")
    assert d.closed_by_server(), "timeout set at run time"
    c = server.connect()
    assert c.call("CONFIG", "SET", "timeout", "0", "requirepass", "x", "appendfsync", "always") == (
        "+",
        b"OK",
    )
    d = server.connect()
    assert d.call("GET", "a")[1].startswith(b"NOAUTH") and c.call("GET", "a") == ("$", None)
    assert c.call("CONFIG", "SET", "requirepass", "") == ("+", b"OK") and c.call(
        "SET", "a", "1"
    ) == ("+", b"OK")
    if not t.is_redis():
        assert c.call("CONFIG", "SET", "maxmemory", "1mb")[0] == "-" and c.call(
            "CONFIG", "SET", "maxmemory", "128mb"
        ) == ("+", b"OK")
        assert server.info()["maxmemory"] == str(128 << 20)


# What ops tools set by habit, and what somebody would wait for in vain.
HARMLESS = """activedefrag no;hz 20;lazyfree-lazy-expire yes;slowlog-log-slower-than 5;save ""
    slowlog-max-len 9;latency-monitor-threshold 100;hash-max-listpack-entries 9;appendonly yes
    auto-aof-rewrite-percentage 0;maxmemory-samples 10;notify-keyspace-events ""
    busy-reply-threshold 9
    save "3600 1 300 100 60 10000";masterauth "";replica-priority 100;maxmemory-policy noeviction"""
IN_VAIN = """notify-keyspace-events KEA;save "900 1";appendonly no;masterauth x;replica-read-only no
    replica-priority 0;repl-backlog-size 2mb;min-replicas-max-lag 5;cluster-node-timeout 1
    stop-writes-on-bgsave-error no;aof-load-truncated no;aof-disable-auto-gc yes
    maxmemory-policy allkeys-lru;min-replicas-to-write 1;tls-session-caching no"""


def pairs_in(text):
    return [shlex.split(pair) for pair in text.replace("\n", ";").split(";")]


def test_set_without_effect(t):
    if t.is_redis():
        return
    server = t.varve(notify_keyspace_events="Ex")
    c = server.connect()
    for name, value in [["notify-keyspace-events", "xE"]] + pairs_in(HARMLESS):
        got = c.call("CONFIG", "SET", name, value)
        assert got == ("+", b"OK"), "CONFIG SET %s %s: %r" % (name, value, got)
    for name, value in pairs_in(IN_VAIN):
        before = c.call("CONFIG", "GET", name)
        kind, text = c.call("CONFIG", "SET", "timeout", 7, name, value)
        assert kind == "-" and name.encode() in text and b" - " in text, (name, value, text)
        assert c.call("CONFIG", "GET", name) == before
    assert c.call("CONFIG", "GET", "timeout")[1][1] == ("$", b"0")


def test_default_budget(t):
    if t.is_redis():
        return
    info = t.varve(defaults=False).info()
    assert 32 << 20 <= int(info["maxmemory"]) <= int(info["total_system_memory"]) // 4 + 1, info[
        "maxmemory"
    ]


# --- starts that fail for what is outside ---------------------------------------------------------


def test_port_in_use(t):
    if t.is_redis():
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        refused(
            t,
            ["--port", port, "--bind", "127.0.0.1", "--dir", os.path.join(t.tmp, "d")],
            str(port),
            "in use",
        )


def test_directory_not_writable(t):
    if t.is_redis():
        return
    path = write(t, "file", "in the way")
    refused(t, ["--port", 0, "--dir", path], path)
    refused(
        t,
        ["--port", 0, "--dir", os.path.join(t.tmp, "a", "b", "c")],
        os.path.join(t.tmp, "a", "b", "c"),
    )
    if os.geteuid() != 0:
        closed = os.path.join(t.tmp, "closed")
        os.mkdir(closed, 0o555)
        refused(t, ["--port", 0, "--dir", closed], closed, "permission")


def test_locked_directory(t):
    if t.is_redis():
        return
    server = t.varve()
    c = server.connect()
    c.call("SET", "a", "1")
    refused(t, ["--port", 0, "--dir", server.dir], server.dir, "locked")
    assert c.call("GET", "a") == ("$", b"1")


def test_data_beyond_databases(t):
    if t.is_redis():
        return
    server = t.varve()
    c = server.connect()
    c.call("SELECT", 9)
    c.call("SET", "a", "1")
    for end in (server.stop, server.kill):
        end()
        before = contents(server.dir)
        refused(t, ["--port", 0, "--dir", server.dir, "--databases", 9], "databases", "9")
        assert contents(server.dir) == before, "a refused start changed the directory"
        server.start()
    server.stop()
    server.start()
    c = server.connect()
    c.call("SELECT", 9)
    assert c.call("GET", "a") == ("$", b"1")


# --- damage ---------------------------------------------------------------------------------------


def contents(directory):
    """{name: hash} of all files but the lock, which is empty and says nothing."""
    hashes = {}
    for name in sorted(os.listdir(directory)):
        if name != "LOCK":
            with open(os.path.join(directory, name), "rb") as f:
                hashes[name] = hashlib.sha256(f.read()).hexdigest()
    return hashes


def a_database(t):
    """A stopped server whose directory has tables, a manifest with several edits and a log with
    records of known durability."""
    server = t.varve(appendfsync="always", write_buffer_size="64kb", maxmemory="64mb")
    c = server.connect()
    fill(c, Range(b"table:", 3000, 200))
    assert c.call("SAVE") == ("+", b"OK")
    for i in range(100):
        c.call("SET", "log:%d" % i, "v" * 20)
    server.kill()
    return server


def files_of(server, suffix):
    return sorted(
        (n for n in os.listdir(server.dir) if n.endswith(suffix)),
        key=lambda n: os.path.getsize(os.path.join(server.dir, n)),
    )


def manifest_of(server):
    with open(os.path.join(server.dir, "CURRENT")) as f:
        return f.read().strip()


def change(path, offset, data=None):
    """Flips a byte, or writes data, at offset."""
    with open(path, "r+b") as f:
        f.seek(offset)
        old = f.read(len(data) if data else 1)
        f.seek(offset)
        f.write(data or bytes([old[0] ^ 0x40]))


def damaged(t, server, name, damage, *texts):
    """Damages a copy of the directory: the start must fail, name the file and change nothing."""
    copy = os.path.join(t.tmp, "copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(server.dir, copy)
    damage(os.path.join(copy, name))
    before = contents(copy)
    refused(t, ["--port", 0, "--dir", copy, "--maxmemory", "64mb"], name, *texts)
    after = contents(copy)
    changed = sorted(set(before.items()) ^ set(after.items()))
    assert not changed, "a start that failed for damage in %s changed %s" % (name, changed)


def first_record(path):
    """Where the first record's payload lies in a segment, and how long it is (format.h)."""
    with open(path, "rb") as f:
        head = f.read(96)
    return 96, int.from_bytes(head[72:76], "little")


def test_damaged_files(t):
    if t.is_redis():
        return
    server = a_database(t)
    manifest = manifest_of(server)
    log = [n for n in files_of(server, ".log") if first_record(os.path.join(server.dir, n))[1] > 0][
        -1
    ]
    table = files_of(server, ".sst")[-1]
    size = os.path.getsize(os.path.join(server.dir, table))

    damaged(t, server, "CURRENT", lambda p: change(p, 0))
    damaged(t, server, "CURRENT", lambda p: change(p, 3, b"\0\0\0\0"))
    damaged(t, server, "CURRENT", lambda p: os.truncate(p, 4))
    damaged(t, server, "CURRENT", os.unlink)
    damaged(t, server, manifest, lambda p: change(p, 2))
    damaged(t, server, manifest, lambda p: change(p, 17))
    damaged(t, server, manifest, lambda p: change(p, 96 + first_record(p)[1] // 2), "offset")
    damaged(t, server, manifest, lambda p: change(p, 50))
    damaged(t, server, manifest, lambda p: change(p, 68), "offset")
    damaged(t, server, manifest, lambda p: os.truncate(p, 10))
    damaged(t, server, manifest, os.unlink)
    damaged(t, server, log, lambda p: change(p, 1))
    damaged(t, server, log, lambda p: change(p, 20))
    damaged(t, server, log, lambda p: change(p, 40))
    damaged(t, server, log, lambda p: change(p, 96), "offset")
    damaged(t, server, log, lambda p: change(p, 73), "offset")
    damaged(t, server, table, os.unlink)
    damaged(t, server, table, lambda p: os.truncate(p, size // 2), "offset")
    damaged(t, server, table, lambda p: os.truncate(p, size + 1), "offset")

    server.start()
    c = server.connect()
    verify(c, Range(b"table:", 3000, 200))
    assert len(plain(c.call("KEYS", "*"))) == 3100


def test_damaged_block(t):
    """Damage inside a table fails the commands that touch it, with file and offset in the log; the
    rest is served."""
    if t.is_redis():
        return
    server = a_database(t)
    table = files_of(server, ".sst")[-1]
    change(os.path.join(server.dir, table), 5000)
    server.start()
    c = server.connect()
    good, bad = 0, []
    keys = Range(b"table:", 3000, 200)
    for n in range(keys.count):
        reply = c.call("GET", keys.key(n))
        if reply[0] == "-":
            bad.append(reply[1])
        else:
            assert reply == (
                "$",
                keys.expected_bytes(n, n + 1)[len(b"$200\r\n") : -2],
            ), "GET %s: %r" % (keys.key(n), reply)
            good += 1
    assert bad and good > len(bad), "%d commands failed, %d did not" % (len(bad), good)
    assert c.call("SET", "new", "1") == ("+", b"OK") and c.call("GET", "log:5") == ("$", b"v" * 20)
    log = server.log_tail(10000)
    assert table in log and "offset" in log, "the log names file and offset:\n" + log[-2000:]


def test_newer_format(t):
    """A data directory of a later version is refused, by its version and not as damage."""
    if t.is_redis():
        return
    server = a_database(t)
    xxhash = ctypes.CDLL("libxxhash.so.0")
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

    def newer(path):
        with open(path, "rb") as f:
            head = bytearray(f.read(24))
        head[8:12] = (int.from_bytes(head[8:12], "little") + 1).to_bytes(4, "little")
        change(path, 0, bytes(head) + xxhash.XXH3_64bits(bytes(head), 24).to_bytes(8, "little"))

    damaged(t, server, manifest_of(server), newer, "version")
    damaged(t, server, files_of(server, ".log")[-1], newer, "version")


def test_orphans_are_removed(t):
    """What a crash left unfinished goes at start."""
    if t.is_redis():
        return
    server = a_database(t)
    for name in ("999999.sst", "x.tmp", "CURRENT.tmp"):
        with open(os.path.join(server.dir, name), "wb") as f:
            f.write(b"unfinished")
    server.start()
    c = server.connect()
    wait_until(
        lambda: not {"999999.sst", "x.tmp", "CURRENT.tmp"} & set(os.listdir(server.dir)),
        30,
        "orphans are removed",
    )
    assert len(plain(c.call("KEYS", "*"))) == 3100


def test_as_redis_has_it(t):
    """Small things of configuration and administration, each asked of both servers."""
    busy = socket.socket()
    busy.bind(("127.0.0.1", 0))
    busy.listen()
    modes = ("save now", "save nosave", "now save force", "default now", "", "bla", "save save")
    questions = [
        ("COMMAND", "GETKEYS", "MGET", *["k%d" % i for i in range(1000)]),
        ("COMMAND", "GETKEYS", "MSET", *["k%d" % i for i in range(1000)]),
        ("CONFIG", "SET", "port", str(busy.getsockname()[1])),
        ("CONFIG", "SET", "bind", "192.0.2.1"),
        ("CONFIG", "SET", "requirepass", b"a\0b"),
        ("CONFIG", "GET", "requirepass"),
        ("AUTH", "a"),
        ("AUTH", b"a\0b"),
        ("CONFIG", "SET", "requirepass", b"\0"),
        ("AUTH", b"\0"),
        ("AUTH", b"\0\0"),
        ("CONFIG", "SET", "requirepass", ""),
    ]
    for mode in modes:
        questions.append(("CONFIG", "SET", "shutdown-on-sigterm", mode))
        questions.append(("CONFIG", "GET", "shutdown-on-sigterm"))
    theirs, ours = (server.connect() for server in (t.redis(), t.varve()))
    for words in questions:
        expected, got = theirs.call(*words), ours.call(*words)
        assert expected == got, "%.60s: Redis %r, Varve %r" % (words, expected, got)
    busy.close()


def input_of_clients(server):
    """qbuf of every connection: one that asks, two that have sent a part."""
    c = server.connect()
    others = []
    for length, part in ((100, b"abc"), (100000, 50000 * b"x")):
        other = server.connect()
        other.send_raw(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s" % (length, part))
        others.append(other)
    wanted = ["qbuf=26", "qbuf=3", "qbuf=50000"]

    def shown():
        words = c.call("CLIENT", "LIST")[1].decode().split()
        return [word for word in words if word.startswith("qbuf=")]

    wait_until(lambda: shown() == wanted, 10, "CLIENT LIST shows %s" % wanted)


def test_query_buffers_are_counted_as_redis_does(t):
    input_of_clients(t.redis())
    input_of_clients(t.varve())


def changes(c):
    info = c.call("INFO", "persistence")[1].decode()
    return int(info.split("rdb_changes_since_last_save:")[1].split()[0])


def test_changes_are_counted_as_redis_does(t):
    """One for each key that has changed, whatever a command writes for it."""
    script = """MSET a 1 b 2 c 3;SET a 2;SETNX a 3;SETNX d 1;APPEND a x;SETRANGE a 5 y;INCR b
        GETSET a 1;DEL a b nosuch;DEL nosuch;EXPIRE c 100;EXPIRE nosuch 1;PERSIST c;PERSIST c
        GETEX c EX 50;GETEX c;RENAME c e;RENAMENX e d;COPY d f;MOVE f 1;MOVE f 1;GETDEL d
        SWAPDB 0 1;SWAPDB 0 0;SWAPDB 0 1;EXPIRE e -1;MSET a 1 b 2;FLUSHDB;FLUSHDB
        MSETNX a 1 b 2 c 3;MSETNX a 1 z 1;MULTI;SET a 1;DEL b c;FLUSHDB;SET b 1;EXEC
        MULTI;SET a 1;DISCARD;SET k v KEEPTTL;SELECT 5;MSET a 1 b 1;SELECT 0;FLUSHALL;FLUSHALL
        SET a 1;CONFIG RESETSTAT;TOUCH a;UNLINK a;HSET h a 1 b 2;HSET h a 3;HDEL h a x;HINCRBY h b 1
        CONFIG SET hash-max-listpack-entries 2;HSET h c 1 d 2 e 3;HDEL h c d;RENAME h i;COPY i j
        EXPIRE j 100;SET i v;HDEL j b e"""
    servers = t.redis(save=""), t.varve(save="")
    clients = [(server.connect(), server.connect()) for server in servers]
    ours = clients[1][1]
    for words in pairs_in(script):
        seen = [(c.call(*words), changes(watcher)) for c, watcher in clients]
        assert seen[0][1] == seen[1][1], "%s: Redis %r, Varve %r" % (words, *seen)
    assert ours.call("SAVE") == ("+", b"OK") and changes(ours) == 0


def test_flushall_leaves_nothing_to_save(t):
    for server in (t.redis(save="3600 1"), t.varve(save="3600 1")):
        c = server.connect()
        c.call("MSET", "a", "1", "b", "2")
        assert changes(c) == 2
        c.call("FLUSHALL")
        wait_until(lambda: changes(c) == 0, 10, "nothing is left to save")


def test_time_has_microseconds(t):
    c = t.varve().connect()
    seen = [c.call("TIME")[1] for _ in range(2000)]
    moments = [int(second[1]) * 1000000 + int(part[1]) for second, part in seen]
    assert moments == sorted(moments), "TIME went backwards"
    assert len(set(moments)) > 1500, "TIME showed %d values in 2,000 calls" % len(set(moments))


def test_daemonize_is_told_on_the_terminal(t):
    if t.is_redis():
        return
    status, out = run_once(t, "--daemonize", "yes", "--logfile", "log", "--check-config")
    assert status == 0 and "daemonize" not in out
    server = t.varve(daemonize="yes", logfile="log")
    with open(server.log_path, errors="replace") as file:
        assert "daemonize yes: " in file.read()
