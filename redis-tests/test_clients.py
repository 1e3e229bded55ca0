"""The clients people use: redis-cli in its modes, redis-benchmark, redis-py, node redis and
ioredis. hiredis is in the C tests."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

from support.resp import encode, plain

HERE = os.path.dirname(os.path.abspath(__file__))


def cli(t, server, *args, **more):
    more.setdefault("timeout", 120)
    return subprocess.run(
        [t.tool("redis-cli"), "-p", str(server.port), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **more
    )


class Terminal:
    """A program on a terminal of its own, for what redis-cli does only there."""

    def __init__(self, t, words):
        main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        env = dict(os.environ, TERM="xterm", HOME=t.tmp, COLUMNS="120")
        self.process = subprocess.Popen(
            words, stdin=other, stdout=other, stderr=other, env=env, start_new_session=True
        )
        os.close(other)
        self.fd = main
        self.output = b""
        t.defer(self.close)

    def type(self, data):
        os.write(self.fd, data)

    def expect(self, text, seconds=20):
        """Waits until text has come; forgets all up to its end."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, "%r did not come within %d s; there is %r" % (
                text,
                seconds,
                self.output[-500:],
            )
            try:
                self.output += os.read(self.fd, 65536)
            except OSError:
                raise AssertionError("the program ended; it had written %r" % self.output[-500:])
        self.output = self.output.split(text, 1)[1]

    def ask(self, line, *texts):
        """Types a line, waits for the texts in this order and for the prompt: what is typed before
        it is thrown away by redis-cli."""
        self.type(line + b"\r")
        for text in texts:
            self.expect(text)
        self.expect(b"> ")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)


def test_cli_interactive(t):
    """A session at the prompt, with the hints that come from COMMAND DOCS."""
    server = t.varve()
    prompt = b"127.0.0.1:%d> " % server.port
    terminal = Terminal(t, [t.tool("redis-cli"), "-p", str(server.port)])
    terminal.expect(prompt)
    terminal.type(b"setex ")
    terminal.expect(b"key seconds value")
    terminal.ask(b"k 1000 hello", b"OK")
    terminal.type(b"get ")
    terminal.expect(b"key")
    terminal.ask(b"k", b'"hello"')
    terminal.type(b"config get ")
    terminal.expect(b"parameter")
    terminal.ask(b"save", b'1) "save"')
    terminal.ask(b"help setex", b"SETEX", b"key seconds value", b"2.0.0", b"string")
    terminal.ask(b"nosuch", b"(error) ERR unknown command 'nosuch'")
    terminal.ask(b"multi", b"(TX)")
    terminal.ask(b"incr n", b"QUEUED")
    terminal.ask(b"exec", b"1) (integer) 1")
    terminal.ask(b"select 3", b"[3]")
    terminal.ask(b"hello 3", b'"proto" => (integer) 3')
    server.restart()
    terminal.ask(b"get k", b"not connected")
    terminal.ask(b"select 0", b"OK")
    terminal.ask(b"get k", b'"hello"')
    terminal.type(b"exit\r")
    assert terminal.process.wait(20) == 0


def test_cli_scan_and_bigkeys(t):
    server = t.varve()
    c = server.connect()
    c.call("MSET", *[w for i in range(3000) for w in ("user:%d" % i, "x" * (i % 50))])
    c.call("SET", "biggest", "y" * 500)
    lines = cli(t, server, "--scan").stdout.decode().split()
    assert len(set(lines)) == 3001, "--scan found %d keys of 3001" % len(set(lines))
    lines = cli(t, server, "--scan", "--pattern", "user:29*").stdout.decode().split()
    assert sorted(set(lines)) == sorted(
        "user:%d" % i for i in range(3000) if str(i).startswith("29")
    ), lines
    out = cli(t, server, "--bigkeys").stdout.decode()
    assert (
        "Biggest string found '\"biggest\"' has 500 bytes" in out and "Sampled 3001 keys" in out
    ), out
    assert "3001 strings with" in out, out


def test_cli_pipe(t):
    server = t.varve()
    count = 50000
    data = b"".join(encode("SET", "k%d" % i, "v%d" % i) for i in range(count)) + encode(
        "INCR", "k1"
    )
    out = cli(t, server, "--pipe", input=data).stdout
    assert b"errors: 1, replies: %d" % (count + 1) in out, out
    c = server.connect()
    assert plain(c.call("DBSIZE")) == count
    out = cli(t, server, "--pipe", input=b"SET inline 1\r\nSET inline 2\r\n").stdout
    assert b"errors: 0, replies: 2" in out and plain(c.call("GET", "inline")) == b"2", out


def test_cli_stat_and_latency(t):
    server = t.varve()
    server.connect().call("SET", "a", "1")
    stat = subprocess.Popen(
        [t.tool("redis-cli"), "-p", str(server.port), "--stat", "-i", "0.05"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    t.defer(stat.wait)
    t.defer(stat.kill)
    lines = [stat.stdout.readline().decode() for _ in range(6)]
    stat.send_signal(signal.SIGINT)
    assert "keys" in lines[1] and all(len(line.split()) >= 6 for line in lines[2:]), lines
    assert lines[3].split()[0] == "1", "--stat shows one key: %r" % lines
    out = cli(t, server, "--raw", "--latency", "-i", "1").stdout.split()
    assert len(out) == 4 and int(out[3]) > 10, "min, max, average, samples: %r" % out
    out = cli(t, server, "-3", "get", "a").stdout
    assert out.strip() == b"1", out
    out = cli(t, server, "-r", "3", "incr", "a").stdout.split()
    assert out == [b"2", b"3", b"4"], out
    out = cli(t, server, "--csv", "mget", "a", "nosuch").stdout
    assert out.strip() == b'"4",NULL', out


# clients, pipeline, bytes of a value, requests
BENCHMARKS = [
    (c, p, d, max(2 * c * p, 2000)) for c in (1, 50, 1000) for p in (1, 16, 64) for d in (3, 100)
]
BENCHMARKS += [(c, p, 16384, max(c * p, 400)) for c in (1, 50) for p in (1, 16)]
BENCHMARKS += [(1, 1, 1 << 20, 40), (1, 16, 1 << 20, 64), (50, 1, 1 << 20, 100)]
QUICK_BENCHMARKS = [
    (1, 1, 3, 1000),
    (50, 16, 100, 20000),
    (1000, 64, 3, 64000),
    (1000, 1, 100, 5000),
    (50, 16, 16384, 800),
    (1, 16, 1 << 20, 32),
    (50, 1, 1 << 20, 50),
]
TESTS = "ping_inline,ping_mbulk,set,get,incr,mset"


def test_benchmark(t):
    server = t.varve(maxmemory="1gb")
    for clients, pipeline, size, requests in QUICK_BENCHMARKS if t.quick else BENCHMARKS:
        # An MSET of ten big values from each of many clients is a test of memory, which is
        # elsewhere.
        tests = TESTS.replace(",mset", "") if size * clients * pipeline > 1 << 20 else TESTS
        words = [
            t.tool("redis-benchmark"),
            "-p",
            str(server.port),
            "-t",
            tests,
            "-c",
            str(clients),
            "-P",
            str(pipeline),
            "-d",
            str(size),
            "-n",
            str(requests),
            "-r",
            "1000",
            "--csv",
        ]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        out = done.stdout.decode("utf-8", "replace")
        names = [line.split(",")[0].strip('"') for line in out.splitlines() if line.startswith('"')]
        expected = 1 + len(tests.split(","))
        assert (
            done.returncode == 0 and len(names) == expected and "rror" not in out
        ), "%s: status %d\n%s" % (" ".join(words[1:]), done.returncode, out)
    c = server.connect()
    assert plain(c.call("STRLEN", "key:000000000001")) in {
        d for _, _, d, _ in BENCHMARKS + QUICK_BENCHMARKS
    } | {0}


def test_redis_py(t):
    try:
        import redis
    except ImportError:
        raise AssertionError(
            "redis-py is not installed for %s (Debian's python3-redis)" % shutil.which("python3")
        )
    server = t.varve()
    r = redis.Redis(host="127.0.0.1", port=server.port, socket_timeout=60, client_name="py")
    assert (
        r.ping()
        and r.set("a", "ä\r\n".encode())
        and r.get("a") == "ä\r\n".encode()
        and r.get("nosuch") is None
    )
    assert (
        r.client_getname() == "py"
        and r.set("a", "x", nx=True) is None
        and r.set("t", 1, ex=1000)
        and 990 < r.ttl("t") <= 1000
    )
    assert r.mset({"b": 1, "c": 2}) and r.mget("b", "c", "nosuch") == [b"1", b"2", None]
    assert (
        r.incrbyfloat("f", 0.25) == 0.25
        and r.getrange("a", 0, 0) == "ä".encode()[:1]
        and r.exists("b", "c", "d") == 2
    )

    with r.pipeline() as pipeline:  # sends MULTI
        for i in range(1000):
            pipeline.set("p:%d" % i, i).incr("p:%d" % i)
        replies = pipeline.execute()
    assert replies == [x for i in range(1000) for x in (True, i + 1)]
    with r.pipeline(transaction=False) as pipeline:
        for i in range(1000):
            pipeline.get("p:%d" % i)
        assert pipeline.execute() == [b"%d" % (i + 1) for i in range(1000)]
    with r.pipeline() as pipeline:
        pipeline.set("x", "text").incr("x").get("x")
        replies = pipeline.execute(raise_on_error=False)
        assert isinstance(replies[1], redis.ResponseError) and replies[2] == b"text", replies
    with r.pipeline() as pipeline:
        pipeline.watch("x")
        r.set("x", "changed")
        pipeline.multi()
        pipeline.set("x", "lost")
        try:
            pipeline.execute()
            raise AssertionError("EXEC went through although a watched key had changed")
        except redis.WatchError:
            pass

    def exclaim(pipeline):
        value = pipeline.get("x")
        pipeline.multi()
        pipeline.set("x", value + b"!")

    assert r.transaction(exclaim, "x") == [True] and r.get("x") == b"changed!"
    assert {k for k in r.scan_iter(match="p:1*", count=50)} == {
        b"p:%d" % i for i in range(1000) if str(i).startswith("1")
    }
    assert (
        r.info()["redis_version"] == "7.0.15"
        and r.info("keyspace")["db0"]["keys"] == r.dbsize()
        and r.config_get("appendonly")
    )
    assert (
        any(row["name"] == "py" for row in r.client_list())
        and r.command_count() > 50
        and "get" in r.command()
    )
    assert (
        r.copy("b", "copied")
        and r.rename("copied", "renamed")
        and r.type("renamed") == b"string"
        and r.touch("b", "c") == 2
    )
    assert (
        r.execute_command("HELLO", 2)
        and r.time()[0] > 0
        and r.lastsave()
        and r.memory_usage("a") > 0
    )

    with redis.Redis(host="127.0.0.1", port=server.port, db=5) as five:
        assert five.dbsize() == 0 and five.set("only", "here") and r.get("only") is None

    server.restart()
    assert r.get("x") == b"changed!" and r.client_getname() == "py", "reconnects with its name"
    server.kill()
    try:
        r.get("x")
        raise AssertionError("a server that is not there answers")
    except redis.ConnectionError:
        pass
    server.start()
    assert r.get("x") == b"changed!"
    r.close()


def node_clients(t):
    """The folder with node_modules in place, by npm ci from the committed lock file."""
    folder = os.path.join(HERE, "node")
    if not os.path.isdir(os.path.join(folder, "node_modules", "ioredis")):
        done = subprocess.run(
            [t.tool("npm"), "ci", "--no-audit", "--no-fund"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
        assert done.returncode == 0, "npm ci:\n" + done.stdout.decode("utf-8", "replace")
    return folder


def run_node(t, kind):
    server = t.varve()
    errors = open(os.path.join(t.tmp, "node.err"), "w+")
    node = subprocess.Popen(
        [t.tool("node"), "clients.js", kind, str(server.port)],
        cwd=node_clients(t),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    t.defer(node.wait)
    t.defer(node.kill)

    def line():
        ready, _, _ = select.select([node.stdout], [], [], 60)
        text = node.stdout.readline().decode().strip() if ready else "silence"
        if text not in ("restart", "done"):
            errors.seek(0)
            raise AssertionError("%s: %s\n%s" % (kind, text or "ended", errors.read()))
        return text

    assert line() == "restart"
    server.restart()
    node.stdin.write(b"restarted\n")
    node.stdin.flush()
    assert line() == "done" and node.wait(30) == 0


def test_node_redis_resp2(t):
    run_node(t, "redis2")


def test_node_redis_resp3(t):
    run_node(t, "redis3")


def test_ioredis(t):
    run_node(t, "ioredis")
