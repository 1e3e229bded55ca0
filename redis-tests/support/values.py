"""What random commands are made of: keys, values, numbers and the wrong ones among them.

Everything comes from one seeded random source. Times to live are either so long or so far in the
past that two servers cannot disagree on whether the key is still there; keys that expire while the
test looks on are the business of a step of its own (tiny_ttl in test_differential.py), which waits
until they are gone on both sides.
"""

FAR_FUTURE_S = 4102444800  # 2100-01-01
I64_MAX = 9223372036854775807
I64_MIN = -9223372036854775808

KEYS = [
    b"a",
    b"b",
    b"c",
    b"key:1",
    b"key:2",
    b"user:1",
    b"user:10",
    b"user:2",
    b"",
    b"\x00\xff\r\n",
    b"long" * 30,
    b"n",
    b"f",
    b"[x]",
    b"K",
    b"h1",
    b"h2",
    b"h3",
    b"s1",
    b"s2",
    b"s3",
]
SET_KEYS = [b"s1", b"s2", b"s3"]
MEMBERS = [b"%d" % n for n in range(-5, 20)] + [b"word", b"", b"\x00\xff", b"01", b"m" * 80]
HASH_KEYS = [b"h1", b"h2", b"h3"]
FIELDS = [b"f%d" % n for n in range(25)] + [b"", b"\x00\xff", b"field" * 20, b"n", b"f"]
SMALL_VALUES = [
    b"",
    b"0",
    b"1",
    b"-5",
    b"10",
    b"3.14",
    b"-0",
    b"1e3",
    b"abc",
    b" 1",
    b"1 ",
    b"01",
    b"+1",
    b"\r\n",
    b"nan",
    b"inf",
    b"5.0e3",
    b"0.1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"9223372036854775806",
    b"12345678901234567890123",
    b"x" * 43,
    b"x" * 44,
    b"x" * 45,
]
BAD_INTEGERS = [
    "",
    "abc",
    "1.5",
    " 1",
    "1 ",
    "01",
    "+1",
    "0x10",
    "9223372036854775808",
    "-9223372036854775809",
    "1e3",
    "\x00",
    "--1",
]
PATTERNS = [
    "*",
    "?",
    "a*",
    "*1",
    "user:*",
    "user:1*",
    "key:[12]",
    "key:[^1]",
    "[a-c]",
    "[z-a]",
    "[",
    "[a",
    "\\a",
    "a\\",
    "\\*",
    "**",
    "",
    "*?*",
    "k*y:?",
    "\\[x\\]",
    "[[]x*",
    "*:*",
    "nothing*",
    "\x00*",
    "[^",
    "user:1",
    "?*?*?",
]


class Values:
    def __init__(self, rng):
        self.rng = rng
        self.choice = rng.choice
        self.random = rng.random
        self.below = rng.randrange

    def chance(self, probability):
        return self.rng.random() < probability

    def key(self):
        return self.choice(KEYS)

    def keys(self, most=4):
        return [self.key() for _ in range(1 + self.below(most))]

    def hash_key(self):
        """Mostly one that nobody but hashes and the commands for all types use."""
        return self.choice(HASH_KEYS) if self.chance(0.9) else self.key()

    def set_key(self):
        return self.choice(SET_KEYS) if self.chance(0.93) else self.key()

    def member(self):
        """Mostly an integer, so that a set stays an intset for a while."""
        roll = self.random()
        if roll < 0.95:
            return self.choice(MEMBERS[:25])
        return self.choice(MEMBERS) if roll < 0.99 else self.value()

    def field(self):
        return self.choice(FIELDS)

    def value(self):
        roll = self.random()
        if roll < 0.6:
            return self.choice(SMALL_VALUES)
        if roll < 0.97:
            return self.rng.randbytes(self.below(100))
        return self.rng.randbytes(1000 + self.below(40000))

    def integer(self):
        roll = self.random()
        if roll < 0.6:
            return self.below(41) - 20
        if roll < 0.8:
            return self.choice(
                [I64_MAX, I64_MIN, I64_MAX - 1, I64_MIN + 1, 1 << 31, -(1 << 31), 1 << 32, 0, -1, 1]
            )
        return self.choice(BAD_INTEGERS)

    def floating(self):
        return self.choice(
            [
                "1",
                "-1",
                "0.1",
                "3.0e3",
                "-1.5e-3",
                "1e400",
                "1e308",
                "nan",
                "inf",
                "-inf",
                "abc",
                "",
                " 1",
                "1 ",
                "0x10",
                "5.0e-324",
                "1.23456789012345678",
                "100000000000000000000",
                "0.5",
                "-0.5",
                "1e17",
                "1e-17",
                ".5",
                "5.",
            ]
        )

    def offset(self):
        """For SETRANGE: small, or beyond every limit, or wrong."""
        roll = self.random()
        if roll < 0.8:
            return self.below(60)
        return self.choice([-1, I64_MIN, 536870912, 536870913, I64_MAX, 1 << 40] + BAD_INTEGERS)

    def position(self):
        roll = self.random()
        if roll < 0.85:
            return self.below(61) - 30
        return self.choice([I64_MAX, I64_MIN, 1 << 33, -(1 << 33)] + BAD_INTEGERS)

    def ttl(self, unit):
        """Relative time to live; unit 's' or 'ms'."""
        scale = 1000 if unit == "ms" else 1
        roll = self.random()
        if roll < 0.55:
            return (1000 + self.below(100000)) * scale
        if roll < 0.7:
            return self.choice([0, -1, -1000, I64_MIN, I64_MIN + 1])
        if roll < 0.85:
            return self.choice(
                [
                    I64_MAX,
                    I64_MAX - 1,
                    I64_MAX // 1000,
                    I64_MAX // 1000 + 1,
                    9000000000000000,
                    92233720368547758,
                ]
            )
        return self.choice([bad for bad in BAD_INTEGERS if bad not in ("01", "+1")])

    def deadline(self, unit):
        """Absolute time of expiry."""
        scale = 1000 if unit == "ms" else 1
        roll = self.random()
        if roll < 0.55:
            return (FAR_FUTURE_S + self.below(1000000)) * scale
        if roll < 0.75:
            return self.choice([0, -1, 1, 1000, I64_MIN])
        if roll < 0.88:
            return self.choice([I64_MAX, I64_MAX // 1000, I64_MAX // 1000 + 1, I64_MAX - 1])
        return self.choice(BAD_INTEGERS)

    def db(self):
        roll = self.random()
        if roll < 0.85:
            return self.below(4)
        return self.choice([15, 16, -1, "x", "", I64_MAX, "1.5", 1 << 32])

    def pattern(self):
        if self.chance(0.8):
            return self.choice(PATTERNS)
        return "".join(self.choice("*?[]^-\\ak1:u") for _ in range(self.below(7)))

    def word(self):
        return self.choice(["foo", "", "GET", "1", "*", "\x00", "a b", "XX"])
