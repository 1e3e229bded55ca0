"""Bulk data: many keys written and read back at the speed of the socket rather than of Python."""

import random

POOL = random.Random(20250101).randbytes(1 << 20)


def value_of(number, size):
    """A value that only `number` has, of bytes that do not compress."""
    head = b"%016d" % number
    offset = (number * 7919) % (len(POOL) - size)
    return head + POOL[offset : offset + size - 16]


class Range:
    """Keys PREFIX000000000N for N in [0, count) with values of `size` bytes."""

    def __init__(self, prefix, count, size):
        self.prefix = prefix
        self.count = count
        self.size = size

    def key(self, n):
        return b"%s%012d" % (self.prefix, n)

    def set_bytes(self, begin, end):
        key_length = len(self.prefix) + 12
        form = b"*3\r\n$3\r\nSET\r\n$%d\r\n%s%%012d\r\n$%d\r\n%%s\r\n" % (
            key_length,
            self.prefix,
            self.size,
        )
        return b"".join(form % (n, value_of(n, self.size)) for n in range(begin, end))

    def get_bytes(self, begin, end):
        form = b"*2\r\n$3\r\nGET\r\n$%d\r\n%s%%012d\r\n" % (len(self.prefix) + 12, self.prefix)
        return b"".join(form % n for n in range(begin, end))

    def expected_bytes(self, begin, end):
        return b"".join(
            b"$%d\r\n%s\r\n" % (self.size, value_of(n, self.size)) for n in range(begin, end)
        )


BATCH = 500


def fill(connection, keys, begin=0, end=None):
    """SETs the keys; every reply must be OK."""
    end = keys.count if end is None else end
    for at in range(begin, end, BATCH):
        stop = min(at + BATCH, end)
        connection.send_raw(keys.set_bytes(at, stop))
        replies = connection.read_exactly(5 * (stop - at))
        assert replies == b"+OK\r\n" * (stop - at), "SET of %s..%s: %r" % (
            keys.key(at),
            keys.key(stop),
            replies[:200],
        )


def verify(connection, keys, begin=0, end=None):
    """GETs the keys; every value must be the one that fill() wrote."""
    end = keys.count if end is None else end
    for at in range(begin, end, BATCH):
        stop = min(at + BATCH, end)
        connection.send_raw(keys.get_bytes(at, stop))
        expected = keys.expected_bytes(at, stop)
        got = connection.read_exactly(min(5, len(expected)))
        if got == expected[:5]:
            got += connection.read_exactly(len(expected) - 5)
        assert got == expected, first_difference(keys, at, stop, got, expected)


def first_difference(keys, begin, end, got, expected):
    at = 0
    for n in range(begin, end):
        one = keys.expected_bytes(n, n + 1)
        if got[at : at + len(one)] != one:
            return "GET %s: %r, expected %r" % (keys.key(n), got[at : at + 80], one[:80])
        at += len(one)
    return "replies of %d bytes, expected %d" % (len(got), len(expected))
