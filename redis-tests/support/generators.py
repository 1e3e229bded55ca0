"""One generator a command: (Values) -> arguments after the command's name, valid or not.

The table GENERATORS is the list of what the differential test knows, by Redis' own names ('set',
'client|setname'); test_commands_covered.py holds it against COMMAND LIST. A command whose effect
ends the connection or the server, or whose reply depends on what runs in the background, is in
EXPLICIT instead, with the test that exercises it.

mutate() makes wrong calls of right ones: an argument too few or too many, one replaced by garbage,
other case.
"""

GENERATORS = {}

EXPLICIT = {
    "quit": "protocol.quit_and_reset",
    "shutdown": "protocol.shutdown",
    "save": "differential.persistence_commands",
    "bgsave": "differential.persistence_commands",
    "lastsave": "differential.persistence_commands",
    "bgrewriteaof": "differential.persistence_commands",
    "client|kill": "protocol.client_kill",
    "client|list": "protocol.client_list_and_info",
    "client|info": "protocol.client_list_and_info",
    "client|setinfo": "protocol.client_setinfo_and_no_touch",
    "client|no-touch": "protocol.client_setinfo_and_no_touch",
    "client|unblock": "protocol.client_odds_and_ends",
    "client|caching": "protocol.client_odds_and_ends",
    "client|getredir": "protocol.client_odds_and_ends",
    "client|trackinginfo": "protocol.client_odds_and_ends",
    "info": "protocol.info_fields",
    "command": "protocol.command_rows",
    "command|docs": "protocol.command_docs",
    "command|count": "protocol.command_list_and_count",
    "command|list": "protocol.command_list_and_count",
    "scan": "differential.strings_resp2",
    "multi": "differential.strings_resp2",
    "exec": "differential.strings_resp2",
    "discard": "differential.strings_resp2",
    "watch": "differential.strings_resp2",
    "unwatch": "differential.strings_resp2",
    "config|rewrite": "config.rewrite",
    "client|help": "protocol.help_subcommands",
    "command|help": "protocol.help_subcommands",
    "config|help": "protocol.help_subcommands",
    "object|help": "protocol.help_subcommands",
    "memory|help": "protocol.help_subcommands",
}


def command(*names):
    def register(function):
        for name in names:
            GENERATORS[name] = function
        return function

    return register


def maybe(v, probability, *args):
    return list(args) if v.chance(probability) else []


# --- connection -----------------------------------------------------------------------------------


@command("ping")
def ping(v):
    return maybe(v, 0.5, v.value())


@command("echo")
def echo(v):
    return [v.value()]


@command("hello")
def hello(v):
    # Only arguments that leave the protocol as it is: the version of the connection is put in by
    # the test.
    return v.choice(
        [
            ["PROTO"],
            ["PROTO", "SETNAME", v.choice(["ab", "a b", ""])],
            ["1"],
            ["4"],
            ["x"],
            ["PROTO", "AUTH", "default", "pw"],
            ["PROTO", "AUTH", "nobody", "pw"],
            ["PROTO", "AUTH"],
            ["PROTO", "FOO"],
            [],
        ]
    )


@command("auth")
def auth(v):
    return v.choice([["pw"], ["default", "pw"], ["nobody", "pw"], ["a", "b", "c"], [""]])


@command("select")
def select(v):
    return [v.db()]


@command("reset")
def reset(v):
    return []


@command("time")
def time(v):
    return []


@command("client|id", "client|getname")
def client_plain(v):
    return []


@command("client|setname")
def client_setname(v):
    return [
        v.choice(
            ["name", "", "with space", "new\nline", "\xe9".encode("utf-8"), "x" * 200, "~", "!"]
        )
    ]


@command("client|no-evict")
def client_no_evict(v):
    return [v.choice(["ON", "OFF", "on", "maybe", ""])]


@command("command|info")
def command_info(v):
    return [
        v.choice(["get", "SET", "nosuch", "client|id", "config|get", "", "client|nosuch", "get|x"])
        for _ in range(1 + v.below(3))
    ]


def some_call(v):
    name = v.choice([n for n in KEYED if n in GENERATORS])
    return [name] + GENERATORS[name](v)


@command("command|getkeys", "command|getkeysandflags")
def command_getkeys(v):
    if v.chance(0.15):
        return v.choice(
            [
                ["nosuch"],
                ["ping"],
                ["get"],
                ["client", "id"],
                ["client", "nosuch"],
                ["mset", "a"],
                ["set", "a"],
                ["config"],
                ["multi"],
            ]
        )
    return some_call(v)


# --- strings --------------------------------------------------------------------------------------

EXPIRY_OPTIONS = [("EX", "s"), ("PX", "ms")]
DEADLINE_OPTIONS = [("EXAT", "s"), ("PXAT", "ms")]


def expiry_option(v):
    if v.chance(0.6):
        option, unit = v.choice(EXPIRY_OPTIONS)
        return [option, v.ttl(unit)]
    option, unit = v.choice(DEADLINE_OPTIONS)
    return [option, v.deadline(unit)]


@command("get", "strlen", "getdel")
def one_key(v):
    return [v.key()]


@command("set")
def set_(v):
    options = []
    for _ in range(v.choice([0, 0, 0, 1, 1, 1, 2, 3])):
        options += v.choice(
            [["NX"], ["XX"], ["GET"], ["KEEPTTL"], expiry_option(v), expiry_option(v), [v.word()]]
            if v.chance(0.3)
            else [["NX"], ["XX"], ["GET"], ["KEEPTTL"], expiry_option(v)]
        )
    return [v.key(), v.value()] + options


@command("setnx", "getset", "append")
def key_value(v):
    return [v.key(), v.value()]


@command("setex")
def setex(v):
    return [v.key(), v.ttl("s"), v.value()]


@command("psetex")
def psetex(v):
    return [v.key(), v.ttl("ms"), v.value()]


@command("mset", "msetnx")
def mset(v):
    args = []
    for key in v.keys():
        args += [key, v.value()]
    return args


@command("mget")
def mget(v):
    return v.keys(6)


@command("getex")
def getex(v):
    return [v.key()] + v.choice(
        [
            [],
            ["PERSIST"],
            expiry_option(v),
            expiry_option(v),
            ["PERSIST", "EX", "10000"],
            ["EX"],
            [v.word()],
        ]
    )


@command("getrange", "substr")
def getrange(v):
    return [v.key(), v.position(), v.position()]


@command("setrange")
def setrange(v):
    return [v.key(), v.offset(), v.choice([b"", b"x", b"abc", v.rng.randbytes(20)])]


@command("incr", "decr")
def incr(v):
    return [v.choice([v.key(), b"n"])]


@command("incrby", "decrby")
def incrby(v):
    return [v.choice([v.key(), b"n"]), v.integer()]


@command("incrbyfloat")
def incrbyfloat(v):
    return [v.choice([v.key(), b"f"]), v.floating()]


# --- hashes ---------------------------------------------------------------------------------------


@command("hset", "hmset")
def hset(v):
    args = [v.hash_key()]
    for _ in range(1 + v.below(v.choice([2, 2, 2, 8, 30]))):
        args += [v.field(), v.value()]
    return args


@command("hsetnx")
def hsetnx(v):
    return [v.hash_key(), v.field(), v.value()]


@command("hget", "hexists", "hstrlen")
def one_field(v):
    return [v.hash_key(), v.field()]


@command("hmget", "hdel")
def many_fields(v):
    return [v.hash_key()] + [v.field() for _ in range(1 + v.below(5))]


@command("hgetall", "hkeys", "hvals", "hlen")
def one_hash(v):
    return [v.hash_key()]


@command("hincrby")
def hincrby(v):
    return [v.hash_key(), v.choice([v.field(), b"n"]), v.integer()]


@command("hincrbyfloat")
def hincrbyfloat(v):
    return [v.hash_key(), v.choice([v.field(), b"f"]), v.floating()]


@command("hrandfield")
def hrandfield(v):
    count = v.choice(["1", "2", "5", "100", "0", "-1", "-7", "x", "-9223372036854775808", ""])
    return [v.hash_key()] + v.choice(
        [[], [count], [count, "WITHVALUES"], [count, v.word()], [count, "WITHVALUES", "x"]]
    )


@command("hscan")
def hscan(v):
    # Whole walks are a step of the test's own.
    options = maybe(v, 0.5, "MATCH", v.pattern()) + maybe(
        v, 0.5, "COUNT", v.choice(["1000", "0", "-1", "x"])
    )
    return [v.hash_key(), v.choice(["0", "0", "0", "x", "1.5"])] + options + maybe(v, 0.1, v.word())


# --- sets -----------------------------------------------------------------------------------------


@command("sadd")
def sadd(v):
    return [v.set_key()] + [v.member() for _ in range(1 + v.below(v.choice([3, 3, 12])))]


@command("srem", "smismember")
def some_members(v):
    return [v.set_key()] + [v.member() for _ in range(1 + v.below(4))]


@command("sismember")
def sismember(v):
    return [v.set_key(), v.member()]


@command("scard", "smembers")
def one_set(v):
    return [v.set_key()]


@command("smove")
def smove(v):
    return [v.set_key(), v.set_key(), v.member()]


@command("sinter", "sunion", "sdiff", "sinterstore", "sunionstore", "sdiffstore")
def some_sets(v):
    return [v.set_key() for _ in range(2 + v.below(3))]


@command("sintercard")
def sintercard(v):
    keys = [v.set_key() for _ in range(1 + v.below(3))]
    count = v.choice([len(keys)] * 4 + [0, -1, len(keys) + 1, "x"])
    return (
        [count]
        + keys
        + v.choice([[], [], ["LIMIT", v.choice(["0", "2", "-1", "x"])], ["LIMIT"], [v.word()]])
    )


@command("srandmember")
def srandmember(v):
    return [v.set_key()] + v.choice(
        [[], [v.choice(["1", "3", "100", "0", "-5", "x", "-9223372036854775808"])], ["1", "2"]]
    )


@command("spop")
def spop(v):
    # Which ones go is anybody's choice, so all go or none does; the rest is a step of the test's.
    return [v.set_key(), v.choice(["0", "100000", "-1", "x"])] + maybe(v, 0.1, "1")


@command("sscan")
def sscan(v):
    options = maybe(v, 0.5, "MATCH", v.pattern()) + maybe(
        v, 0.5, "COUNT", v.choice(["1000", "0", "-1", "x"])
    )
    return [v.set_key(), v.choice(["0", "0", "0", "x", "1.5"])] + options + maybe(v, 0.1, v.word())


# --- keys -----------------------------------------------------------------------------------------


@command("del", "unlink", "exists", "touch")
def many_keys(v):
    return v.keys()


@command(
    "type",
    "ttl",
    "pttl",
    "expiretime",
    "pexpiretime",
    "persist",
    "object|encoding",
    "object|freq",
    "object|idletime",
    "object|refcount",
)
def one_key_again(v):
    return [v.key()]


@command("keys")
def keys(v):
    return [v.pattern()]


@command("randomkey", "dbsize")
def nothing(v):
    return []


def expire_flags(v):
    return [
        v.choice(["NX", "XX", "GT", "LT", "gt", "FOO"]) for _ in range(v.choice([0, 0, 0, 1, 1, 2]))
    ]


@command("expire")
def expire(v):
    return [v.key(), v.ttl("s")] + expire_flags(v)


@command("pexpire")
def pexpire(v):
    return [v.key(), v.ttl("ms")] + expire_flags(v)


@command("expireat")
def expireat(v):
    return [v.key(), v.deadline("s")] + expire_flags(v)


@command("pexpireat")
def pexpireat(v):
    return [v.key(), v.deadline("ms")] + expire_flags(v)


@command("rename", "renamenx")
def rename(v):
    return [v.key(), v.key()]


@command("copy")
def copy(v):
    options = []
    for _ in range(v.choice([0, 0, 1, 1, 2])):
        options += v.choice([["REPLACE"], ["DB", v.db()], ["DB", v.db()], ["DB"], [v.word()]])
    return [v.key(), v.key()] + options


@command("move")
def move(v):
    return [v.key(), v.db()]


@command("flushdb", "flushall")
def flush(v):
    return v.choice([[], [], ["ASYNC"], ["SYNC"], ["sync"], ["NOW"], ["ASYNC", "SYNC"]])


@command("swapdb")
def swapdb(v):
    return [v.db(), v.db()]


# --- server ---------------------------------------------------------------------------------------


@command("config|get")
def config_get(v):
    return v.choice(
        [
            ["save"],
            ["databases"],
            ["maxmemory-policy"],
            ["maxclients", "timeout"],
            ["nosuch"],
            ["TIMEOUT"],
            ["tcp-keepalive", "tcp-keepalive"],
            ["hash-max-*-entries"],
            ["proto-max-bulk-len"],
            ["lazyfree-lazy-*"],
            ["slowlog-*"],
            ["requirepass"],
            ["databases", "nosuch", "timeout"],
            ["client-output-buffer-limit"],
            ["set-max-intset-entries"],
            ["appenddirname"],
            ["hz"],
            ["list-max-ziplist-size"],
            [""],
        ]
    )


@command("config|set")
def config_set(v):
    return v.choice(
        [
            ["timeout", v.choice(["0", "100000", "-1", "x", "2147483648", "1.5", ""])],
            ["nosuch", "1"],
            ["timeout"],
            ["timeout", "0", "nosuch", "1"],
            ["timeout", "0", "timeout", "0"],
            ["databases", "4"],
            ["dir", "/nosuch"],
            ["maxmemory-policy", "foo"],
            ["tcp-keepalive", v.choice(["300", "-1", "x"])],
            ["lazyfree-lazy-expire", v.choice(["yes", "no", "maybe"])],
            ["appendfsync", v.choice(["everysec", "never"])],
            ["loglevel", v.choice(["notice", "loud"])],
            ["slowlog-max-len", v.choice(["128", "-1"])],
            ["hash-max-listpack-entries", v.choice(["512", "3", "20", "x"])],
            ["hash-max-ziplist-value", v.choice(["64", "10", "x"])],
            ["set-max-intset-entries", v.choice(["512", "3", "20", "x"])],
            [
                "client-output-buffer-limit",
                v.choice(["normal 0 0", "normal 0 0 0", "foo 0 0 0", "normal x 0 0"]),
            ],
            ["enable-debug-command", "no"],
            ["port", "x"],
            ["proto-max-bulk-len", v.choice(["536870912", "1mb", "1", "512mb", "1tb2"])],
            ["maxmemory-clients", v.choice(["0", "20%", "101%", "-1"])],
            ["daemonize", "yes"],
            ["save", v.choice(["", "x", "900"])],
            ["hz", v.choice(["10", "x"])],
        ]
    )


@command("config|resetstat")
def config_resetstat(v):
    return []


@command("memory|usage")
def memory_usage(v):
    return [v.key()] + v.choice(
        [
            [],
            ["SAMPLES", "0"],
            ["SAMPLES", "5"],
            ["SAMPLES", "-1"],
            ["SAMPLES"],
            ["FOO", "1"],
            ["SAMPLES", "x"],
        ]
    )


@command("memory|purge")
def memory_purge(v):
    return []


@command("debug")
def debug(v):
    return v.choice([["SLEEP", "0"], ["sleep", "0.0001"], ["NOSUCH"], ["SLEEP"], []])


# --- shapes ---------------------------------------------------------------------------------------

KEYED = [
    "get",
    "set",
    "setnx",
    "setex",
    "psetex",
    "mset",
    "msetnx",
    "mget",
    "getset",
    "getdel",
    "getex",
    "append",
    "strlen",
    "getrange",
    "substr",
    "setrange",
    "incr",
    "decr",
    "incrby",
    "decrby",
    "incrbyfloat",
    "hset",
    "hsetnx",
    "hmset",
    "hget",
    "hmget",
    "hdel",
    "hexists",
    "hlen",
    "hstrlen",
    "hgetall",
    "hkeys",
    "hvals",
    "hincrby",
    "hincrbyfloat",
    "hrandfield",
    "sadd",
    "srem",
    "smove",
    "sismember",
    "smismember",
    "scard",
    "smembers",
    "sinter",
    "sunion",
    "sdiff",
    "sinterstore",
    "sunionstore",
    "sdiffstore",
    "sintercard",
    "srandmember",
    "spop",
    "del",
    "unlink",
    "exists",
    "type",
    "expire",
    "pexpire",
    "expireat",
    "pexpireat",
    "ttl",
    "pttl",
    "expiretime",
    "pexpiretime",
    "persist",
    "rename",
    "renamenx",
    "copy",
    "move",
    "touch",
    "object|encoding",
    "object|refcount",
    "object|freq",
    "object|idletime",
]

# How often the others come, against 10 for those of KEYED.
WEIGHTS = {
    "flushall": 0.5,
    "flushdb": 1,
    "swapdb": 2,
    "select": 3,
    "reset": 1,
    "hello": 1,
    "debug": 0.3,
    "config|resetstat": 0.3,
}

# COMMAND INFO without arguments is every command, those we do not have yet too. The others are
# unsafe to mutate: a garbled argument could make something else of the connection, or a time to
# live that is neither long nor over.
NOT_MUTATED = {
    "spop",
    "hello",
    "command|info",
    "debug",
    "config|set",
    "reset",
    "client|no-evict",
    "command|getkeys",
    "command|getkeysandflags",
}


def words(name):
    """'client|id' -> ['CLIENT', 'ID']"""
    return name.upper().split("|")


def mutate(v, name, args):
    """A wrong call, most of the time, of a right one."""
    call = words(name) + args
    roll = v.random()
    if roll < 0.3 and args:
        return call[:-1]
    if roll < 0.55:
        # No number behind a dangling EX: a key that expires in a second.
        return call + [
            v.choice([b"x", b"", b"NX"] if name in ("set", "getex") else [b"x", b"", b"1", b"NX"])
        ]
    if roll < 0.75:
        return words(name)[:1] + [w.lower() if isinstance(w, str) else w for w in call[1:]]
    if roll < 0.85 and name not in ("set", "getex"):
        return [call[0].lower()] + call[1:]
    if args:
        at = len(call) - len(args) + v.below(len(args))
        call[at] = v.choice(["abc", "", "9223372036854775808", "1.5", b"\x00"])
    return call


class CommandSource:
    """Random calls of the commands that a server knows."""

    def __init__(self, v, known):
        self.v = v
        self.names = [n for n in GENERATORS if n in known]
        self.weights = [10 if n in KEYED else WEIGHTS.get(n, 4) for n in self.names]

    def next(self, proto):
        name = self.v.rng.choices(self.names, self.weights)[0]
        args = [str(proto) if a == "PROTO" else a for a in GENERATORS[name](self.v)]
        if name not in NOT_MUTATED and self.v.chance(0.12):
            return name, mutate(self.v, name, args)
        return name, words(name) + args

    def next_keyed(self):
        name = self.v.choice([n for n in KEYED if n in self.names])
        return name, words(name) + GENERATORS[name](self.v)
