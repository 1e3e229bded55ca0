"""The same random commands to Varve and to redis-server: every reply must be the same
(support/compare.py says what that means).

Commands go to both in lockstep over two connections each, so that WATCH and EXEC have somebody to
disturb them. A failure prints the seed, the step, the command, both replies and what went before;
run.py's last line replays it.
"""

import random
import time

from support.compare import Context, is_size_of_a_collection, same
from support.generators import CommandSource
from support.resp import encode, plain, to_bytes, wait_until
from support.values import Values

ROUNDS = 6
STEPS = 1500
QUICK_ROUNDS = 2


class Difference(AssertionError):
    pass


class Pair:
    """Both servers, two connections each; what is sent to one is sent to the other."""

    def __init__(self, redis, varve, proto, rng):
        self.proto = proto
        self.v = Values(rng)
        self.redis = [redis.connect(proto) for _ in range(2)]
        self.varve = [varve.connect(proto) for _ in range(2)]
        self.queued = [None, None]
        self.history = []
        self.context = Context()
        known = [n.decode() for n in plain(self.varve[0].call("COMMAND", "LIST"))]
        self.source = CommandSource(self.v, known)

    def close(self):
        for c in self.redis + self.varve:
            c.close()

    def call(self, i, name, words):
        return self.exchange(i, [(name, words)], encode(*words))[0]

    def exchange(self, i, calls, data):
        """Sends data, which is `calls`, to both; compares the replies and returns redis'."""
        begin = time.monotonic()
        self.redis[i].send_raw(data)
        self.varve[i].send_raw(data)
        replies = []
        for name, words in calls:
            a = self.redis[i].read()
            b = self.varve[i].read()
            self.context.skew_ms = max(self.context.skew_ms, int((time.monotonic() - begin) * 1000))
            self.history.append((i, words, a))
            self.check(i, name, words, a, b)
            replies.append(a)
        return replies

    def check(self, i, name, words, a, b):
        queued = self.queued[i]
        if queued is not None and a == b == ("+", b"QUEUED"):
            queued.append((name, words))
            return
        if name == "exec" and queued is not None:
            equal = same(name, queued, a, b, self.context)
        else:
            equal = same(name, words, a, b, self.context)
            if not equal and name == "dbsize":
                equal = self.sizes_meet(i)
            if not equal and is_size_of_a_collection(name, a, b):
                equal = plain(self.redis[i].call("TYPE", words[2])) not in ("string", b"string")
        if not equal:
            self.fail(i, words, a, b)
        if name == "multi" and a[0] == "+":
            self.queued[i] = []
        elif name in ("exec", "discard", "reset") and not (a[0] == "-" and b"wrong number" in a[1]):
            self.queued[i] = None
        if name == "randomkey" and queued is None and b[0] == "$" and b[1] is not None:
            self.redis[i].send("EXISTS", b[1])
            if self.redis[i].read() != (":", b"1"):
                self.fail(i, words, a, b)

    def sizes_meet(self, i):
        """Redis counts a key that was set with a time long past until somebody asks for it, or its
        cycle comes by; so does EXEC's DBSIZE, see compare.py."""
        both = (self.redis[i], self.varve[i])
        for _ in range(100):
            if len({c.call("DBSIZE") for c in both}) == 1:
                return True
            time.sleep(0.01)
        return False

    def fail(self, i, words, a, b):
        lines = [
            "%d  %s\n       %s" % (c, show_words(w), show(r)) for c, w, r in self.history[-15:]
        ]
        raise Difference(
            "RESP%d, connection %d, command %d: %s\n  redis: %s\n  varve: %s\n"
            "before it (with redis' replies):\n%s"
            % (
                self.proto,
                i,
                len(self.history),
                show_words(words),
                show(a),
                show(b),
                "\n".join(lines),
            )
        )

    # --- steps ---

    def step(self):
        v = self.v
        i = 0 if v.chance(0.7) else 1
        roll = v.random()
        if roll < 0.80:
            self.single(i)
        elif roll < 0.86:
            self.transaction(i)
        elif roll < 0.90:
            self.pipeline(i)
        elif roll < 0.93:
            self.inline(i)
        elif roll < 0.95:
            self.scan(i)
        elif roll < 0.96:
            self.hscan(i)
        elif roll < 0.97:
            self.sscan(i)
        elif roll < 0.99:
            self.scan_errors(i)
        else:
            self.tiny_ttl(i)

    def single(self, i):
        name, words = self.source.next(self.proto)
        self.call(i, name, words)
        if name == "reset":
            self.after_reset(i)

    def after_reset(self, i):
        if self.proto == 3:
            self.call(i, "hello", ["HELLO", "3"])

    def disturb(self, i):
        name, words = self.source.next_keyed()
        self.call(1 - i, name, words)

    def transaction(self, i):
        v = self.v
        if v.chance(0.5):
            self.call(i, "watch", ["WATCH"] + v.keys(3))
            if v.chance(0.5):
                self.disturb(i)
            if v.chance(0.15):
                self.call(i, "unwatch", ["UNWATCH"])
        if v.chance(0.05):
            self.call(
                i,
                *v.choice(
                    [
                        ("exec", ["EXEC"]),
                        ("discard", ["DISCARD"]),
                        ("watch", ["WATCH"]),
                        ("multi", ["MULTI", "x"]),
                    ]
                )
            )
        self.call(i, "multi", ["MULTI"])
        reset = False
        for _ in range(v.below(6)):
            if v.chance(0.06):
                self.call(
                    i,
                    *v.choice(
                        [
                            ("multi", ["MULTI"]),
                            ("watch", ["WATCH", "a"]),
                            ("nosuch", ["NOSUCH", "a"]),
                            ("unwatch", ["UNWATCH"]),
                        ]
                    )
                )
            name, words = self.source.next(self.proto)
            self.call(i, name, words)
            reset = reset or name == "reset"
            if v.chance(0.2):
                self.disturb(i)
        self.call(
            i,
            *v.choice(
                [("exec", ["EXEC"])] * 5 + [("discard", ["DISCARD"]), ("exec", ["exec", "x"])]
            )
        )
        self.call(i, "discard", ["DISCARD"])
        if reset:
            self.after_reset(i)

    def pipeline(self, i):
        calls = [self.source.next_keyed() for _ in range(2 + self.v.below(30))]
        self.exchange(i, calls, b"".join(encode(*words) for _, words in calls))

    def inline(self, i):
        name, words = self.source.next_keyed()
        if sum(len(to_bytes(w)) for w in words) < 2000:
            line = b" ".join(quote(self.v, to_bytes(w)) for w in words)
            self.exchange(i, [(name, words)], line + self.v.choice([b"\r\n", b"\n", b"  \r\n"]))

    def scan(self, i):
        v = self.v
        options = []
        if v.chance(0.5):
            options += ["MATCH", v.pattern()]
        if v.chance(0.5):
            options += ["COUNT", v.choice([1, 2, 10, 1000])]
        if v.chance(0.3):
            options += ["TYPE", v.choice(["string", "STRING", "hash", "nosuch"])]
        theirs = collect_scan(self.redis[i], options)
        ours = collect_scan(self.varve[i], options)
        words = ["SCAN", "to the end"] + options
        self.history.append((i, words, ("*", [("$", k) for k in sorted(theirs)])))
        if sorted(set(theirs)) != sorted(ours):
            self.fail(
                i,
                words,
                ("*", [("$", k) for k in sorted(theirs)]),
                ("*", [("$", k) for k in sorted(ours)]),
            )

    def hscan(self, i):
        """A walk to the end shows each field once, and HRANDFIELD with a count above all of them
        each field, too."""
        v = self.v
        key = v.choice([b"h1", b"h2", b"h3"])
        if plain(self.redis[i].call("TYPE", key)) not in (b"hash", "hash"):
            return
        options = ["MATCH", v.pattern()] if v.chance(0.3) else []
        options += ["COUNT", v.choice([1, 2, 10, 1000])] if v.chance(0.7) else []
        theirs = dict(couples(collect_scan(self.redis[i], options, ["HSCAN", key])))
        ours = couples(collect_scan(self.varve[i], options, ["HSCAN", key]))
        words = ["HSCAN", key, "to the end"] + options
        self.history.append((i, words, ("*", [("$", k) for k in sorted(theirs)])))
        if sorted(theirs.items()) != sorted(ours):
            self.fail(i, words, ("*", sorted(theirs.items())), ("*", sorted(ours)))
        drawn = [
            sorted(plain(c.call("HRANDFIELD", key, 1000))) for c in (self.redis[i], self.varve[i])
        ]
        if drawn[0] != drawn[1]:
            self.fail(i, ["HRANDFIELD", key, "1000"], ("*", drawn[0]), ("*", drawn[1]))
        if v.chance(0.3):
            for field in plain(self.varve[i].call("HRANDFIELD", key, -20)):
                self.call(i, "hexists", ["HEXISTS", key, field])

    def sscan(self, i):
        """A walk to the end shows each member once; what SPOP takes out here goes there, too."""
        v = self.v
        key = v.choice([b"s1", b"s2", b"s3"])
        if plain(self.redis[i].call("TYPE", key)) not in (b"set", "set"):
            return
        options = ["MATCH", v.pattern()] if v.chance(0.3) else []
        options += ["COUNT", v.choice([1, 2, 10, 1000])] if v.chance(0.7) else []
        theirs, ours = (
            collect_scan(c, options, ["SSCAN", key]) for c in (self.redis[i], self.varve[i])
        )
        self.history.append((i, ["SSCAN", key] + options, ("*", [("$", k) for k in theirs])))
        if sorted(set(theirs)) != sorted(ours):
            self.fail(i, ["SSCAN", key] + options, ("*", sorted(theirs)), ("*", sorted(ours)))
        count = v.choice([[], ["2"], ["7"]])
        popped = plain(self.varve[i].call("SPOP", key, *count))
        members = [popped] if not count else list(popped)
        removed = plain(self.redis[i].call("SREM", key, *members))
        self.history.append((i, ["SPOP", key] + count, ("*", [("$", k) for k in members])))
        if removed != len(members):
            self.fail(i, ["SPOP", key] + count, (":", removed), ("*", members))

    def scan_errors(self, i):
        v = self.v
        words = ["SCAN"] + v.choice(
            [
                ["abc"],
                ["", "COUNT", "1000"],
                ["18446744073709551616"],
                ["0", "COUNT", v.choice(["0", "-1", "x"])],
                ["0", "MATCH"],
                ["0", "FOO", "1"],
                ["0", "COUNT"],
                ["0", "FOO"],
                [],
                ["x", "COUNT", "0"],
                ["1.5"],
                [" 0"],
            ]
        )
        self.call(i, "scan", words)

    def tiny_ttl(self, i):
        v = self.v
        key, ms = v.choice([b"tiny", b"a", b"user:1"]), 1 + v.below(30)
        self.call(
            i,
            *v.choice([("set", ["SET", key, "x", "PX", ms]), ("psetex", ["PSETEX", key, ms, "x"])])
        )
        if v.chance(0.3):
            self.call(1 - i, "watch", ["WATCH", key])
        for connection in (self.redis[i], self.varve[i]):
            wait_until(
                lambda: connection.call("PTTL", key) == (":", b"-2"),
                20,
                "a key with %d ms to live expires" % ms,
            )
        for name in ("get", "ttl", "exists", "strlen", "type", "persist"):
            self.call(i, name, [name.upper(), key])
        self.call(1 - i, "unwatch", ["UNWATCH"])

    def compare_all(self):
        """Every database, key for key."""
        for db in (0, 1, 2, 3, 15):
            self.call(1, "select", ["SELECT", db])
            keys = plain(self.call(1, "keys", ["KEYS", "*"]))
            self.call(1, "dbsize", ["DBSIZE"])
            for key in keys:
                self.call(1, "type", ["TYPE", key])
                self.call(1, "get", ["GET", key])
                self.call(1, "hgetall", ["HGETALL", key])
                self.call(1, "smembers", ["SMEMBERS", key])
                self.call(1, "pttl", ["PTTL", key])


def couples(flat):
    return list(zip(flat[0::2], flat[1::2]))


def collect_scan(connection, options, words=("SCAN",)):
    """Every key a full walk returns, or field and value of HSCAN."""
    found, cursor = [], b"0"
    for _ in range(100000):
        reply = plain(connection.call(*words, cursor, *options))
        cursor = reply[0]
        found += reply[1]
        if cursor == b"0":
            return found
    raise AssertionError("%r %r never ends" % (words, options))


def quote(v, data):
    """As an argument of an inline command."""
    if data and data.isalnum():
        return data
    if v.chance(0.3) and not any(c in b"\r\n'\\\0" for c in data):
        return b"'" + data + b"'"
    return b'"' + b"".join(b"\\x%02x" % c for c in data) + b'"'


def show(reply):
    text = repr(reply)
    return text if len(text) < 600 else text[:600] + " ... (%d characters)" % len(text)


def show_words(words):
    return show([to_bytes(w) for w in words])


def run(t, proto):
    redis, varve = t.redis(), t.varve()
    for r in range(QUICK_ROUNDS if t.quick else ROUNDS):
        pair = Pair(redis, varve, proto, random.Random("%d %d %d" % (t.seed, proto, r)))
        for _ in range(STEPS):
            pair.step()
        pair.compare_all()
        pair.call(0, "flushall", ["FLUSHALL"])
        pair.close()


def test_strings_resp2(t):
    run(t, 2)


def test_strings_resp3(t):
    run(t, 3)


def test_keys_survive_a_restart(t):
    """What a random sequence left is there after a restart, with its times to live and generations
    of databases."""
    redis, varve = t.redis(appendonly="yes"), t.varve()
    for r in range(2):
        pair = Pair(redis, varve, 2, random.Random("%d restart %d" % (t.seed, r)))
        for _ in range(400):
            pair.step()
        pair.close()
        redis.restart()
        varve.restart()
        pair = Pair(redis, varve, 2, random.Random(0))
        pair.compare_all()
        pair.close()


def test_persistence_commands(t):
    """SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF: the same answers while nothing else runs, LASTSAVE
    moves."""
    redis, varve = t.redis(), t.varve()
    pair = Pair(redis, varve, 2, random.Random(1))

    def idle():
        for server in (redis, varve):
            wait_until(
                lambda: all(
                    server.info()[f] == "0"
                    for f in (
                        "rdb_bgsave_in_progress",
                        "aof_rewrite_in_progress",
                        "aof_rewrite_scheduled",
                    )
                ),
                30,
                "%s has done its background work" % server.name,
            )

    idle()
    for words in (
        ["SAVE"],
        ["SAVE", "x"],
        ["BGSAVE"],
        ["BGSAVE", "SCHEDULE"],
        ["BGSAVE", "NOW"],
        ["BGSAVE", "SCHEDULE", "x"],
        ["LASTSAVE"],
        ["LASTSAVE", "x"],
        ["BGREWRITEAOF"],
        ["BGREWRITEAOF", "x"],
        ["SAVE"],
    ):
        pair.call(0, words[0].lower(), ["SET", "k", "v"] if words == ["SAVE"] else ["ECHO", "x"])
        pair.call(0, words[0].lower(), words)
        idle()
    for server in (redis, varve):
        c = server.connect()
        before = plain(c.call("LASTSAVE"))
        wait_until(
            lambda: c.call("SAVE") == ("+", b"OK") and plain(c.call("LASTSAVE")) > before,
            20,
            "LASTSAVE of %s moves with SAVE" % server.name,
        )
        c.close()
    pair.close()
