"""kill -9 under load: what was acknowledged is there; what was not is there whole or not at all.

Each writer has a connection and writes a counter's successive values: plain SETs of single keys,
and MULTI batches that set the same number in several keys and append it to a log of keys of its
own. It keeps a window of requests in flight and notes the last one that was acknowledged. After the
kill and a restart, for a writer that had `acknowledged` and had `sent`:

  single keys   key N exists with the right value for N <= acknowledged; the ones beyond form a run
                without gaps up to at most `sent`
  batches       all keys of a batch carry the same number, which lies between acknowledged and sent;
                none is torn

A kill is not a power cut: the promise holds under every fsync policy.
"""

import os
import random
import threading

from support.resp import ConnectionClosed, encode, plain, wait_until

WINDOW = 64
BATCH_KEYS = 5


class Writer(threading.Thread):
    """Writes numbers from `first` on until the connection breaks."""

    def __init__(self, server, name, batches, first):
        super().__init__()
        self.connection = server.connect()
        self.name_of_keys = name
        self.batches = batches
        self.sent = self.acknowledged = first - 1
        self.trouble = None

    def request(self, number):
        if self.batches:
            value = b"%d" % number
            words = [encode("MULTI")] + [
                encode("SET", self.key(i), value) for i in range(BATCH_KEYS)
            ]
            return b"".join(
                words + [encode("SET", self.key("log:%d" % number), value), encode("EXEC")]
            )
        return encode("SET", self.key(number), self.value(number))

    def reply(self):
        if self.batches:
            replies = [self.connection.read() for _ in range(BATCH_KEYS + 3)]
            return replies[-1] == ("*", [("+", b"OK")] * (BATCH_KEYS + 1)), replies
        reply = self.connection.read()
        return reply == ("+", b"OK"), reply

    def key(self, what):
        return "%s:%s" % (self.name_of_keys, what)

    def value(self, number):
        return b"%d:" % number + b"v" * (number % 300)

    def run(self):
        try:
            while True:
                while self.sent - self.acknowledged < WINDOW:
                    self.sent += 1
                    self.connection.send_raw(self.request(self.sent))
                good, reply = self.reply()
                if not good:
                    self.trouble = "write %d was answered with %r" % (self.acknowledged + 1, reply)
                    return
                self.acknowledged += 1
        except (ConnectionClosed, OSError):
            pass

    def check(self, connection, first):
        """Returns the newest number that is there."""
        last = (
            self.check_batches(connection, first)
            if self.batches
            else self.check_singles(connection, first)
        )
        assert (
            self.acknowledged <= last <= self.sent
        ), "%s: %d acknowledged, %d sent, newest after the kill %d" % (
            self.name_of_keys,
            self.acknowledged,
            self.sent,
            last,
        )
        return last

    def present(self, connection, first, key_of):
        """The values of key_of(first), key_of(first + 1) ... up to `sent`, None where there is
        none."""
        values = []
        for at in range(first, self.sent + 1, 1000):
            keys = [key_of(n) for n in range(at, min(at + 1000, self.sent + 1))]
            values += plain(connection.call("MGET", *keys))
        return values

    def check_run(self, values, first, expected):
        last = first - 1
        for i, value in enumerate(values):
            number = first + i
            if value is None:
                assert (
                    number > self.acknowledged
                ), "%s: write %d was acknowledged (up to %d) and is gone" % (
                    self.name_of_keys,
                    number,
                    self.acknowledged,
                )
                continue
            assert value == expected(number), "%s: write %d came back as %r" % (
                self.name_of_keys,
                number,
                value[:60],
            )
            assert number == last + 1, "%s: write %d is there and %d is not: not in order" % (
                self.name_of_keys,
                number,
                last + 1,
            )
            last = number
        return last

    def check_singles(self, connection, first):
        return self.check_run(self.present(connection, first, self.key), first, self.value)

    def check_batches(self, connection, first):
        last = self.check_run(
            self.present(connection, first, lambda n: self.key("log:%d" % n)),
            first,
            lambda n: b"%d" % n,
        )
        values = plain(connection.call("MGET", *[self.key(i) for i in range(BATCH_KEYS)]))
        if last >= first:
            assert (
                values == [b"%d" % last] * BATCH_KEYS
            ), "%s: a torn batch: %r, the log of batches ends at %d" % (
                self.name_of_keys,
                values,
                last,
            )
        return last


def kill_rounds(t, policy, rounds):
    rng = random.Random("%d %s" % (t.seed, policy))
    server = t.varve(appendfsync=policy, **({} if t.is_redis() else {"write_buffer_size": "1mb"}))
    next_number = {}
    for r in range(rounds):
        writers = []
        for w in range(4):
            name = "%s%d" % ("batch" if w % 2 else "single", w)
            writers.append(Writer(server, name, w % 2 == 1, next_number.get(name, 1)))
        for writer in writers:
            writer.start()
        enough = 20 + rng.randrange(200 if policy == "always" else 4000)

        def progressed():
            return all(
                w.acknowledged - next_number.get(w.name_of_keys, 1) + 1 >= enough
                or not w.is_alive()
                for w in writers
            )

        wait_until(progressed, 120, "every writer has %d writes acknowledged" % enough)
        server.kill()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive() and writer.trouble is None, (
                writer.trouble or "a writer does not end"
            )
        server.start()
        c = server.connect()
        for writer in writers:
            first = next_number.get(writer.name_of_keys, 1)
            last = writer.check(c, first)
            next_number[writer.name_of_keys] = last + 1
        c.close()
    # All rounds at once: later kills took nothing of the earlier rounds.
    c = server.connect()
    for writer in writers:
        writer.acknowledged = writer.sent = next_number[writer.name_of_keys] - 1
        writer.check(c, 1)


def rounds(t):
    return 3 if t.quick else 8


def test_kill_always(t):
    kill_rounds(t, "always", rounds(t))


def test_kill_everysec(t):
    kill_rounds(t, "everysec", rounds(t))


def test_kill_no(t):
    kill_rounds(t, "no", rounds(t))


def test_deletes_and_expiry_survive(t):
    """What was deleted, dropped with its database, exchanged or set to expire stays so."""
    server = t.varve()
    c = server.connect()
    for i in range(1000):
        c.call("SET", "k%d" % i, i)
    c.call("DEL", *["k%d" % i for i in range(0, 1000, 2)])
    c.call("SELECT", 1)
    c.call("MSET", "gone", "1", "also", "2")
    c.call("FLUSHDB")
    c.call("SET", "new", "3")
    c.call("SWAPDB", 1, 2)
    c.call("SELECT", 0)
    c.call("EXPIRE", "k1", 10000)
    c.call("PEXPIREAT", "k3", 1)
    c.call("RENAME", "k5", "renamed")
    for _ in range(2):
        server.kill()
        server.start()
        c = server.connect()
        server.check_count(c, 499)
        assert plain(c.call("MGET", "k0", "k1", "k3", "k5", "renamed")) == [
            None,
            b"1",
            None,
            None,
            b"5",
        ]
        assert 9000 < plain(c.call("TTL", "k1")) <= 10000
        for db, keys in ((1, []), (2, [b"new"])):
            c.call("SELECT", db)
            assert plain(c.call("KEYS", "*")) == keys, "database %d" % db
            server.check_count(c, len(keys))


def size_on_disk(directory):
    return sum(
        os.stat(os.path.join(directory, name)).st_blocks * 512 for name in os.listdir(directory)
    )


def test_restarts_leave_nothing_behind(t):
    """Ten restarts with a write each: neither the disk nor what a start has to read grows."""
    if t.is_redis():
        return
    for end in ("stop", "kill"):
        server = t.varve(maxmemory="1gb")
        sizes, recovered = [], []
        for i in range(10):
            server.connect().call("SET", "life%d" % i, i)
            getattr(server, end)()
            sizes.append(size_on_disk(server.dir))
            server.start()
            recovered.append(int(server.info()["engine_recovered_records"]))
        assert max(sizes) < 6 << 20 and sizes[-1] < sizes[1] + (1 << 19), sizes
        assert max(recovered) <= 12, recovered  # of the last few lives
        server.check_count(server.connect(), 10)
        server.stop()
