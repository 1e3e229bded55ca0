"""The wire: malformed input, limits, connection commands and introspection, each held against
redis-server.

Malformed input is followed by QUIT and the replies are read to the end of the connection, so that
nothing here waits for time to pass.
"""

import random
import select
import socket

from support.compare import NEWER_SUBCOMMANDS, canonical, is_error, same_row, same_shape
from support.resp import Connection, ConnectionClosed, encode, pairs, parse_info, plain, wait_until

MARKER = b"the-end-of-this-case"


def both(t, **directives):
    return t.redis(**directives), t.varve(**directives)


def answer(server, data):
    """All bytes that come back for data and an orderly good-bye. Rubbish may swallow the ECHO, but
    not the inline QUIT behind it."""
    c = server.connect()
    try:
        c.send_raw(data + encode("ECHO", MARKER) + b"\r\nQUIT\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    return c.read_to_end()


def compare_raw(servers, cases):
    redis, varve = servers
    differences = []
    for data in cases:
        expected, got = answer(redis, data), answer(varve, data)
        if expected != got:
            differences.append("%r\n    redis: %r\n    varve: %r" % (data[:200], expected, got))
    assert not differences, "\n".join(differences)


def compare_calls(servers, calls, proto=2, known=()):
    """Each list of calls on a fresh connection of each server. `known` are types of reply that may
    differ in contents: (words, ...)."""
    differences = []
    for calls_of_case in calls:
        a, b = servers[0].connect(proto), servers[1].connect(proto)
        for words in calls_of_case:
            x, y = a.call(*words), b.call(*words)
            if x != y and not (words in known and same_shape(x, y)):
                differences.append("RESP%d %r\n    redis: %r\n    varve: %r" % (proto, words, x, y))
        a.close()
        b.close()
    assert not differences, "\n".join(differences)


# No inline command with a zero byte: redis-server takes it for the end of what has arrived and
# waits for more.
MALFORMED = [
    b"*1\r\n+PING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$99999999999999999999\r\n",
    b"*1048577\r\n",
    b"*2147483648\r\n",
    b"*x\r\n",
    b"*1x\r\n",
    b"*1.0\r\n",
    b"* 1\r\n",
    b"*+1\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$4 \r\nPING\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*-5\r\n",
    b"*\r\n",
    b"\r\n",
    b"\n",
    b"   \r\n",
    b"\r\n\r\n\r\nPING\r\n",
    b"*0\r\n*0\r\nPING\r\n",
    b"PING\r\n",
    b"PING\n",
    b"ping hello\r\n",
    b'ECHO "a b\\n\\x41\\"\\t\\q"\r\n',
    b"ECHO 'a\\'b \\n'\r\n",
    b'ECHO "unbalanced\r\n',
    b"ECHO 'unbalanced\r\n",
    b'ECHO "a"b\r\n',
    b"ECHO 'a'b\r\n",
    b'ECHO a"b"\r\n',
    b'ECHO ""\r\n',
    b"ECHO \t x \t\r\n",
    b'ECHO "\\xzz"\r\n',
    b"ECHO \xff\r\n",
    b"+PING\r\n",
    b"$4\r\nPING\r\n",
    b"-x\r\n",
    b"GET\r\n",
    b"nosuch a b\r\n",
    b"x" * 70000 + b"\r\n",
    b"x" * 70000,
    b"*" + b"1" * 70000,
    b"*1\r\n$" + b"1" * 70000,
    b"PING\r\nPING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$3\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$4\r\nPINGPING",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*3\r\n$4\r\nPING\r\nx",
    b"\x01\x02\r\n",
    b"\x16\x03\x01\x02\r\n",
    b"*1\n$4\nPING\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"*1\r$4\r\nPING\r\n",
    b"*1\r\n$4\rPING\r\n",
    b"PING\rPING\r\n",
    b"PING \r\n",
    b"*1\r\n\r\n",
]


def test_malformed(t):
    compare_raw(both(t), MALFORMED)


def test_pipelines_before_an_error_are_answered(t):
    compare_raw(
        both(t),
        [
            encode("SET", "k", "v") + encode("GET", "k") + b"*1\r\n+x\r\n" + encode("GET", "k"),
            encode("PING") * 1000 + b"*1\r\n$x\r\n",
            encode("SET", "big", b"x" * 100000) + encode("GET", "big") * 5 + b"*x\r\n",
        ],
    )


def test_split_at_every_byte(t):
    """A pipeline means the same whatever the pieces in which it arrives."""
    varve = t.varve()
    data = (
        encode("SET", "k", b"\r\n$5\r\n")
        + b"GET k\r\n"
        + encode("ECHO", "")
        + b"*0\r\n\r\nECHO 'a b'\r\n"
        + encode("ECHO", MARKER)
    )
    whole = None
    for cut in range(len(data)):
        c = varve.connect()
        c.send_raw(data[:cut])
        if cut:
            c.send_raw(data[cut:])
        else:
            c.send_raw(b"")
            c.send_raw(data)
        replies = [c.read() for _ in range(5)]
        whole = whole or replies
        assert replies == whole, "cut at byte %d: %r, uncut %r" % (cut, replies, whole)
        c.close()
    assert whole[1] == ("$", b"\r\n$5\r\n") and whole[4] == ("$", MARKER), whole


def test_attackers_protocols(t):
    """POST and Host: are an HTTP request that a browser was tricked into: the connection ends with
    no reply."""
    compare_raw(
        both(t),
        [
            b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"post /\r\n",
            b"Host: localhost\r\n",
            b"host:\r\nPING\r\n",
            encode("POST", "x"),
            encode("host:", "x"),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            encode("SET", "k", "v") + b"POST /\r\nGET k\r\n",
        ],
    )


def test_unknown_commands(t):
    long = "x" * 300
    calls = [
        ["NOSUCH"],
        ["nosuch", "a", "b"],
        ["nosuch", ""],
        ["nosuch", "a'b"],
        ["nosuch", long],
        [long],
        [long, long],
        ["nosuch"] + ["arg%d" % i for i in range(50)],
        [""],
        ["\x00"],
        ["no such"],
        ["no\r\nsuch", "a\r\nb"],
        ["CLIENT", "NOSUCH"],
        ["client", "nosuch", "x"],
        ["CONFIG", "NOSUCH"],
        ["OBJECT", "NOSUCH", "k"],
        ["MEMORY", "NOSUCH"],
        ["COMMAND", "NOSUCH"],
        ["COMMAND", "NO\r\nSUCH"],
        ["CONFIG", long],
        ["CLIENT"],
        ["CONFIG"],
        ["OBJECT"],
        ["MEMORY"],
        ["CLIENT", ""],
        ["DEBUG", "NOSUCH"],
        ["CONFIG", "GET"],
        ["CLIENT", "ID", "x"],
        ["OBJECT", "ENCODING"],
        ["GET"],
        ["get", "a", "b"],
        ["CLIENT|ID"],
        ["config|get", "x"],
    ]
    servers = both(t)
    for proto in (2, 3):
        compare_calls(
            servers, [[c] for c in calls] + [[["MULTI"], c, ["EXEC"]] for c in calls], proto
        )


def test_hello(t):
    servers = both(t)
    cases = [
        ["HELLO"],
        ["HELLO", "2"],
        ["HELLO", "3"],
        ["HELLO", "1"],
        ["HELLO", "4"],
        ["HELLO", "x"],
        ["HELLO", "3", "SETNAME", "me"],
        ["HELLO", "3", "SETNAME", "a b"],
        ["HELLO", "3", "AUTH", "default", "x"],
        ["HELLO", "3", "AUTH", "nobody", "x"],
        ["HELLO", "3", "AUTH", "default"],
        ["HELLO", "3", "FOO"],
        ["HELLO", "2", "AUTH", "default", "x", "SETNAME", "me"],
        ["HELLO", "3", "SETNAME"],
        ["HELLO", "2", "SETNAME", "x", "SETNAME", "y"],
        ["HELLO", ""],
        ["HELLO", "03"],
    ]
    for words in cases:
        replies = []
        for server in servers:
            c = server.connect()
            reply = c.call(*words)
            if not is_error(reply):
                values = pairs(reply)
                assert isinstance(values.pop(b"id"), int), reply
                reply = (reply[0], sorted(values.items()))
            replies.append((reply, c.call("CLIENT", "GETNAME"), c.call("GET", "nosuchkey")))
            c.close()
        assert replies[0] == replies[1], "%r\n    redis: %r\n    varve: %r" % (words, *replies)


def test_authentication(t):
    servers = both(t, requirepass="secret")
    calls = [
        [
            ["PING"],
            ["GET", "a"],
            ["NOSUCH"],
            ["AUTH", "wrong"],
            ["AUTH", "default", "wrong"],
            ["AUTH", "nobody", "secret"],
            ["AUTH", "secret"],
            ["PING"],
        ],
        [["AUTH", "default", "secret"], ["GET", "a"], ["RESET"], ["GET", "a"]],
        [["HELLO"], ["HELLO", "3"], ["HELLO", "3", "AUTH", "default", "wrong"], ["GET", "a"]],
        [
            ["MULTI"],
            ["EXEC"],
            ["COMMAND", "COUNT"],
            ["CLIENT", "GETNAME"],
            ["ECHO", "x"],
            ["RESET"],
            ["AUTH"],
            ["AUTH", "a", "b", "c"],
        ],
        [
            ["AUTH", "secret"],
            ["CONFIG", "GET", "requirepass"],
            ["CONFIG", "SET", "requirepass", ""],
            ["GET", "a"],
        ],
    ]
    compare_calls(servers, calls)
    for server in servers:
        c = server.connect()
        c.call("CONFIG", "SET", "requirepass", "secret")
        c.close()
    hello = ["HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me"]
    for server in servers:
        c = server.connect()
        assert c.call(*hello)[0] == "%" and c.call("GET", "a") == ("_", None)
        c.close()


def test_limits_before_auth(t):
    compare_raw(
        both(t, requirepass="secret"),
        [
            encode("ECHO", *["x"] * 9),
            b"*10\r\n" + b"$1\r\nx\r\n" * 10,
            b"*11\r\n",
            b"*2\r\n$4\r\nECHO\r\n$16385\r\n",
            b"*2\r\n$4\r\nECHO\r\n$16384\r\n" + b"x" * 16384 + b"\r\n",
            b"PING\r\n",
            b"*1\r\n$16385\r\n",
            b"*1000000\r\n",
        ],
    )


def test_limits(t):
    redis, varve = both(t, proto_max_bulk_len="1mb")
    megabyte = b"x" * (1 << 20)
    compare_raw(
        (redis, varve),
        [
            b"*2\r\n$4\r\nECHO\r\n$1048577\r\n",
            encode("SET", "k", megabyte),
            encode("SET", "k", megabyte)
            + encode("STRLEN", "k")
            + encode("APPEND", "k", "x")
            + encode("STRLEN", "k"),
            encode("SETRANGE", "k", 1048576, "x"),
            encode("SETRANGE", "k", 1048575, "y") + encode("STRLEN", "k"),
            encode("SETRANGE", "fresh", 1048577, "x"),
            encode("MGET", *["k"] * 5),
        ],
    )


def test_keys_and_values_over_the_limit(t):
    """Varve's own limits: an error each, and the connection goes on."""
    if t.is_redis():
        return
    varve = t.varve()
    c = varve.connect()
    assert c.call("SET", b"k" * 65536, "x") == ("+", b"OK")
    assert c.call("GET", b"k" * 65536) == ("$", b"x")
    for words in (
        ["SET", b"k" * 65537, "x"],
        ["MSET", "a", "1", b"k" * 65537, "x"],
        ["SET", "v", b"x" * (9 << 20)],
        ["APPEND", "v", b"x" * (9 << 20)],
    ):
        reply = c.call(*words)
        assert is_error(reply), "%s of %d bytes: %r" % (words[0], max(len(w) for w in words), reply)
    assert c.call("EXISTS", "a", "v") == (":", b"0"), "a refused command left something behind"
    assert c.call("SET", "v", b"x" * (7 << 20)) == ("+", b"OK")
    assert c.call("STRLEN", "v") == (":", b"%d" % (7 << 20))
    c.close()


def test_deep_pipelines(t):
    """More than a turn's share in one piece, with replies larger than the socket's buffers."""
    varve = t.varve()
    count = 20000 if t.quick else 100000
    c = varve.connect()
    c.send_raw(encode("SET", "k", b"v" * 100))
    sent = b"".join(encode("INCR", "n") + encode("GET", "k") for _ in range(count))
    expected = b"+OK\r\n" + b"".join(
        b":%d\r\n$100\r\n%s\r\n" % (i + 1, b"v" * 100) for i in range(count)
    )
    other = varve.connect()
    # Send in pieces and read in between: neither side may have to hold it all.
    got = bytearray()
    c.sock.setblocking(False)
    at = 0
    while len(got) < len(expected):
        readable, writable, _ = select.select([c.sock], [c.sock] if at < len(sent) else [], [], 60)
        assert readable or writable, "nothing moves: %d of %d bytes came back" % (
            len(got),
            len(expected),
        )
        if readable:
            piece = c.sock.recv(1 << 18)
            assert piece, "closed in the middle of a pipeline"
            got += piece
        if writable:
            at += c.sock.send(sent[at : at + (1 << 18)])
    assert bytes(got) == expected, "replies of a pipeline are not those of its commands"
    assert other.call("PING") == ("+", b"PONG")
    c.close()
    other.close()


def test_quit_and_reset(t):
    redis, varve = both(t)
    compare_raw(
        (redis, varve),
        [
            encode("QUIT"),
            b"quit\r\n",
            encode("QUIT", "x"),
            encode("PING") + encode("QUIT") + encode("PING"),
            encode("MULTI") + encode("QUIT"),
        ],
    )
    compare_calls(
        (redis, varve),
        [
            [["MULTI"], ["SET", "k", "1"], ["RESET"], ["GET", "k"], ["EXEC"]],
            [["SELECT", "3"], ["SET", "k", "3"], ["RESET"], ["GET", "k"]],
            [["CLIENT", "SETNAME", "x"], ["RESET"], ["CLIENT", "GETNAME"]],
            [["WATCH", "k"], ["SET", "k", "2"], ["RESET"], ["MULTI"], ["PING"], ["EXEC"]],
            [["HELLO", "2"], ["RESET"], ["GET", "nosuch"]][1:],
            [["RESET", "x"]],
        ],
    )
    for server in (redis, varve):
        c = server.connect(3)
        assert c.call("RESET") == ("+", b"RESET") and c.call("GET", "nosuch") == (
            "$",
            None,
        ), "RESET goes back to RESP2"


def test_transactions(t):
    servers = both(t)
    cases = [
        [["MULTI"], ["SET", "a", "1"], ["GET"], ["SET", "b", "1"], ["EXEC"], ["EXISTS", "a", "b"]],
        [
            ["MULTI"],
            ["SET", "a", "x"],
            ["INCR", "a"],
            ["SET", "c", "2"],
            ["EXEC"],
            ["MGET", "a", "c"],
        ],
        [["MULTI"], ["NOSUCH"], ["EXEC"]],
        [["EXEC"]],
        [["DISCARD"]],
        [["MULTI"], ["MULTI"], ["EXEC"]],
        [["MULTI"], ["WATCH", "a"], ["EXEC"]],
        [
            ["WATCH", "a"],
            ["SET", "a", "9"],
            ["MULTI"],
            ["GET", "a"],
            ["EXEC"],
            ["MULTI"],
            ["GET", "a"],
            ["EXEC"],
        ],
        [["WATCH", "a"], ["SELECT", "1"], ["SET", "a", "9"], ["MULTI"], ["GET", "a"], ["EXEC"]],
        [["WATCH", "a"], ["UNWATCH"], ["SET", "a", "9"], ["MULTI"], ["GET", "a"], ["EXEC"]],
        [["WATCH", "nosuch"], ["DEL", "nosuch"], ["MULTI"], ["EXEC"]],
        [["SET", "a", "1"], ["WATCH", "a"], ["EXPIRE", "a", "100"], ["MULTI"], ["EXEC"]],
        [["SET", "a", "1"], ["WATCH", "a"], ["FLUSHALL"], ["MULTI"], ["EXEC"]],
        [["DEL", "a"], ["WATCH", "a"], ["FLUSHDB"], ["MULTI"], ["EXEC"]],
        [
            ["SET", "a", "1"],
            ["SELECT", "1"],
            ["DEL", "a"],
            ["SELECT", "0"],
            ["WATCH", "a"],
            ["SWAPDB", "0", "1"],
            ["MULTI"],
            ["EXEC"],
            ["FLUSHALL"],
        ],
        [["SET", "a", "1"], ["WATCH", "a"], ["RENAME", "a", "b"], ["MULTI"], ["EXEC"]],
        [["WATCH", "z"], ["COPY", "b", "z"], ["MULTI"], ["EXEC"]],
        [
            ["MULTI"],
            ["SELECT", "2"],
            ["SET", "a", "two"],
            ["GET", "a"],
            ["SELECT", "0"],
            ["GET", "a"],
            ["EXEC"],
            ["GET", "a"],
        ],
        [
            ["MULTI"],
            ["SET", "a", "1"],
            ["FLUSHALL"],
            ["SET", "b", "2"],
            ["SWAPDB", "0", "1"],
            ["KEYS", "*"],
            ["DBSIZE"],
            ["EXEC"],
            ["DBSIZE"],
        ],
        [
            ["MULTI"],
            ["SET", "t", "1"],
            ["PEXPIREAT", "t", "1"],
            ["GET", "t"],
            ["EXEC"],
            ["GET", "t"],
            ["DBSIZE"],
        ],
        [["MULTI"], ["EXEC"]],
        [["MULTI", "x"]],
        [["EXEC", "x"]],
        [["MULTI"], ["EXEC", "x"], ["EXEC"]],
        [["MULTI"], ["DISCARD", "x"], ["PING"], ["EXEC"]],
        [["MULTI"], ["SAVE"], ["SHUTDOWN"], ["EXEC"]],
        [["MULTI"], ["CLIENT", "ID", "x"], ["EXEC"]],
        [["MULTI"], ["RESET"], ["PING"]],
    ]
    for proto in (2, 3):
        compare_calls(servers, cases, proto)


def client_fields(line):
    return [part.split("=", 1)[0] for part in line.decode().split()]


def test_client_list_and_info(t):
    redis, varve = both(t)
    for words in (["CLIENT", "INFO"], ["CLIENT", "LIST"]):
        fields = []
        for server in (redis, varve):
            c = server.connect()
            line = plain(c.call(*words))
            assert line.endswith(b"\n") and line.count(b"\n") == 1, line
            fields.append(client_fields(line))
            c.close()
        # 7.2's fields of CLIENT SETINFO may follow.
        ours = [f for f in fields[1] if f not in ("lib-name", "lib-ver")]
        assert fields[0] == ours, "%r\n    redis: %r\n    varve: %r" % (words, *fields)
    for server in (redis, varve):
        a, b = server.connect(), server.connect(3)
        a.call("CLIENT", "SETNAME", "one")
        a.call("SELECT", "3")
        b.call("MULTI")
        lines = {}
        c = server.connect()
        for line in plain(c.call("CLIENT", "LIST", "TYPE", "normal")).splitlines():
            values = dict(part.split("=", 1) for part in line.decode().split())
            lines[values["id"]] = values
        one = lines[str(plain(a.call("CLIENT", "ID")))]
        assert (one["name"], one["db"], one["multi"], one["resp"], one["user"]) == (
            "one",
            "3",
            "-1",
            "2",
            "default",
        ), one
        two = [v for v in lines.values() if v["multi"] == "0"]
        assert len(two) == 1 and two[0]["resp"] == "3" and "x" in two[0]["flags"], lines
        assert one["laddr"] == "127.0.0.1:%d" % server.port and one["addr"].startswith(
            "127.0.0.1:"
        ), one
        only = plain(c.call("CLIENT", "LIST", "ID", one["id"], "999999"))
        assert only.count(b"\n") == 1 and b"name=one" in only, only
        for x in (a, b, c):
            x.close()
    compare_calls(
        (redis, varve),
        [
            [w]
            for w in (
                ["CLIENT", "LIST", "TYPE", "nosuch"],
                ["CLIENT", "LIST", "TYPE", "pubsub"],
                ["CLIENT", "LIST", "TYPE", "replica"],
                ["CLIENT", "LIST", "TYPE"],
                ["CLIENT", "LIST", "ID"],
                ["CLIENT", "LIST", "ID", "x"],
                ["CLIENT", "LIST", "FOO"],
                ["CLIENT", "INFO", "x"],
                ["CLIENT", "LIST", "ID", "999999"],
            )
        ],
    )


def test_client_kill(t):
    redis, varve = both(t)
    harmless = [
        ["CLIENT", "KILL"] + w
        for w in (
            [],
            ["1.2.3.4:5"],
            ["x"],
            ["ID"],
            ["ID", "999999"],
            ["ID", "x"],
            ["ID", "-1"],
            ["ID", "0"],
            ["ADDR", "1.2.3.4:5"],
            ["LADDR", "1.2.3.4:5"],
            ["TYPE", "pubsub"],
            ["TYPE", "nosuch"],
            ["USER", "nosuch"],
            ["SKIPME", "maybe"],
            ["FOO", "1"],
            ["ADDR", "1.2.3.4:5", "SKIPME"],
            ["TYPE", "replica", "SKIPME", "yes"],
            ["USER", "default", "ADDR", "1.2.3.4:5"],
            ["MAXAGE", "1"],
        )
    ]
    compare_calls((redis, varve), [[w] for w in harmless])
    for server in (redis, varve):
        killer = server.connect()

        def victims():
            c = server.connect()
            address = "127.0.0.1:%d" % c.sock.getsockname()[1]
            return c, address, str(plain(c.call("CLIENT", "ID")))

        c, address, ident = victims()
        assert (
            killer.call("CLIENT", "KILL", address) == ("+", b"OK") and c.closed_by_server()
        ), server.name
        c, address, ident = victims()
        assert (
            killer.call("CLIENT", "KILL", "ID", ident) == (":", b"1") and c.closed_by_server()
        ), server.name
        c, address, ident = victims()
        assert (
            killer.call("CLIENT", "KILL", "ADDR", address, "TYPE", "normal") == (":", b"1")
            and c.closed_by_server()
        ), server.name
        three = [victims()[0] for _ in range(3)]
        assert killer.call("CLIENT", "KILL", "TYPE", "normal") == (
            ":",
            b"3",
        ), "SKIPME is yes by default"
        assert all(c.closed_by_server() for c in three), server.name
        reply = killer.call("CLIENT", "KILL", "LADDR", "127.0.0.1:%d" % server.port, "SKIPME", "no")
        assert (
            reply == (":", b"1") and killer.closed_by_server()
        ), "one that kills itself gets its reply first: %r" % (reply,)


def test_client_odds_and_ends(t):
    redis, varve = both(t)
    known = known_commands(varve)
    calls = [
        ["CLIENT", "UNBLOCK", "999999"],
        ["CLIENT", "UNBLOCK", "x"],
        ["CLIENT", "UNBLOCK", "1", "FOO"],
        ["CLIENT", "UNBLOCK"],
        ["CLIENT", "UNBLOCK", "999999", "ERROR"],
        ["CLIENT", "GETREDIR"],
        ["CLIENT", "CACHING", "YES"],
        ["CLIENT", "CACHING", "x"],
        ["CLIENT", "TRACKINGINFO"],
        ["CLIENT", "NO-EVICT", "on"],
        ["CLIENT", "NO-EVICT", "x"],
        ["CLIENT", "SETNAME", ""],
        ["CLIENT", "GETNAME"],
    ]
    calls = [w for w in calls if "client|" + w[1].lower() in known]
    for proto in (2, 3):
        compare_calls((redis, varve), [[w] for w in calls], proto)


def known_commands(server):
    c = server.connect()
    names = {n.decode() for n in plain(c.call("COMMAND", "LIST"))}
    c.close()
    return names


def test_client_setinfo_and_no_touch(t):
    """From 7.2; client libraries send SETINFO unasked."""
    if t.is_redis():
        return
    c = t.varve().connect()
    ok = ("+", b"OK")
    assert (
        c.call("CLIENT", "SETINFO", "LIB-NAME", "redis-py") == ok
        and c.call("CLIENT", "SETINFO", "lib-ver", "1.2.3") == ok
    )
    info = plain(c.call("CLIENT", "INFO"))
    assert b" lib-name=redis-py lib-ver=1.2.3" in info, info
    for words in (["LIB-NAME", "a b"], ["FOO", "x"], ["LIB-NAME"], ["LIB-VER", "a\nb"]):
        assert is_error(c.call("CLIENT", "SETINFO", *words)), words
    assert c.call("CLIENT", "NO-TOUCH", "ON") == ok and c.call("CLIENT", "NO-TOUCH", "off") == ok
    assert is_error(c.call("CLIENT", "NO-TOUCH", "maybe")) and is_error(
        c.call("CLIENT", "NO-TOUCH")
    )
    c.close()


# Fields of `INFO everything` that depend on what the server has been doing, the build or the
# allocator's presence.
CHANGING = (
    "cmdstat_",
    "errorstat_",
    "latency_percentiles_usec_",
    "db",
    "slave",
    "aof_",
    "rdb_last_load",
    "io_threads",
)
# Fields of Redis that Varve leaves out, each with its reason. Kept short: a monitoring tool may ask
# for any of them.
ABSENT = {}


def test_info_fields(t):
    redis, varve = both(t, appendonly="yes")
    c, d = redis.connect(), varve.connect()
    for words in (
        [],
        ["everything"],
        ["all"],
        ["default"],
        ["server", "CLIENTS"],
        ["nosuch"],
        ["Keyspace"],
        ["commandstats"],
        ["server", "server"],
        ["modules", "cluster"],
    ):
        theirs, ours = parse_info(plain(c.call("INFO", *words))), parse_info(
            plain(d.call("INFO", *words))
        )
        sections = [s for s in theirs if s in ours]
        assert sections == list(theirs), "INFO %s: sections %r, redis has %r" % (
            words,
            list(ours),
            list(theirs),
        )
        for section, fields in theirs.items():
            missing = [
                f
                for f in fields
                if f not in ours[section] and f not in ABSENT and not f.startswith(CHANGING)
            ]
            assert not missing, "INFO %s lacks %s" % (section, " ".join(missing))
    for proto in (2, 3):
        a, b = redis.connect(proto), varve.connect(proto)
        assert a.call("INFO", "nosuch") == b.call("INFO", "nosuch")
        assert a.call("INFO")[0] == b.call("INFO")[0]
    info = varve.info()
    expected = {
        "redis_version": "7.0.15",
        "loading": "0",
        "role": "master",
        "maxmemory_policy": "noeviction",
        "tcp_port": str(varve.port),
        "process_id": str(varve.pid),
        "redis_mode": "standalone",
        "cluster_enabled": "0",
        "aof_enabled": "1",
        "aof_last_write_status": "ok",
    }
    wrong = {k: info.get(k) for k in expected if info.get(k) != expected[k]}
    assert not wrong, "%r, expected %r" % (wrong, {k: expected[k] for k in wrong})
    d.call("MSET", "a", "1", "b", "2")
    d.call("EXPIRE", "a", "1000")
    d.call("GET", "a")
    d.call("GET", "nosuch")
    d.call("INCR", "a", "b")
    sections = parse_info(plain(d.call("INFO", "everything")))
    assert sections["Keyspace"]["db0"].startswith("keys=2,"), sections["Keyspace"]
    assert sections["Commandstats"]["cmdstat_get"].startswith("calls=2,usec="), sections[
        "Commandstats"
    ]
    assert sections["Errorstats"]["errorstat_ERR"].startswith("count="), sections["Errorstats"]
    assert (sections["Stats"]["keyspace_hits"], sections["Stats"]["keyspace_misses"]) == (
        "1",
        "1",
    ), sections["Stats"]
    if not t.is_redis():
        assert (
            "Engine" in sections and "varve_version" in info and "varve_cache_bytes" in info
        ), sections.keys()
        assert info["maxmemory"] == str(64 << 20), info["maxmemory"]
    assert d.call("CONFIG", "RESETSTAT") == ("+", b"OK")
    sections = parse_info(plain(d.call("INFO", "everything")))
    assert (
        sections["Stats"]["keyspace_hits"] == "0" and "cmdstat_get" not in sections["Commandstats"]
    ), "RESETSTAT forgets"


def test_command_rows(t):
    """COMMAND INFO of everything that Varve has: arity, flags, categories, tips, key
    specifications."""
    redis, varve = both(t)
    for proto in (2, 3):
        a, b = redis.connect(proto), varve.connect(proto)
        names = [n for n in plain(b.call("COMMAND", "LIST")) if n not in NEWER_SUBCOMMANDS]
        theirs, ours = a.call("COMMAND", "INFO", *names), b.call("COMMAND", "INFO", *names)
        differences = []
        for name, x, y in zip(names, theirs[1], ours[1]):
            if not same_row(x, y):
                differences.append(
                    "%s\n    redis: %r\n    varve: %r" % (name.decode(), canonical(x), canonical(y))
                )
        assert not differences, "\n".join(differences)
        everything = b.call("COMMAND")
        assert {row[1][0][1] for row in everything[1]} >= {
            n for n in names if b"|" not in n
        }, "COMMAND without arguments has all"
        a.close()
        b.close()


def strip_texts(docs):
    """Of COMMAND DOCS what is fact and not prose: everything but the sentences."""
    doc = {k.decode(): v for k, v in docs.items()}
    for text in ("summary", "complexity"):
        if text in doc:
            doc[text] = bool(doc[text])
    if "history" in doc:
        doc["history"] = sorted(str(version) for version, _ in doc["history"])
    doc.pop("subcommands", None)
    return doc


def docs_of(connection, name):
    reply = connection.call("COMMAND", "DOCS", name)
    values = pairs(reply)
    if name not in values:
        return None, {}
    doc = values[name]
    doc = dict(zip(doc[0::2], doc[1::2]))
    return strip_texts(doc), {
        k: doc_values(v)
        for k, v in zip(doc.get(b"subcommands", [])[0::2], doc.get(b"subcommands", [])[1::2])
    }


def doc_values(flat):
    return strip_texts(dict(zip(flat[0::2], flat[1::2])))


def test_command_docs(t):
    redis, varve = both(t)
    for proto in (2, 3):
        a, b = redis.connect(proto), varve.connect(proto)
        differences = []
        for name in [n for n in plain(b.call("COMMAND", "LIST")) if n not in NEWER_SUBCOMMANDS]:
            (theirs, their_subs), (ours, our_subs) = docs_of(a, name), docs_of(b, name)
            if theirs != ours:
                differences.append(
                    "%s\n    redis: %r\n    varve: %r" % (name.decode(), theirs, ours)
                )
            for sub, doc in our_subs.items():
                if sub in their_subs and their_subs[sub] != doc:
                    differences.append(
                        "%s\n    redis: %r\n    varve: %r" % (sub.decode(), their_subs[sub], doc)
                    )
        assert not differences, "\n".join(differences)
        assert a.call("COMMAND", "DOCS", "nosuch") == b.call("COMMAND", "DOCS", "nosuch")
        a.close()
        b.close()


def test_command_list_and_count(t):
    redis, varve = both(t)
    a, b = redis.connect(), varve.connect()
    theirs, ours = set(plain(a.call("COMMAND", "LIST"))), plain(b.call("COMMAND", "LIST"))
    assert len(ours) == len(set(ours)), "COMMAND LIST has each once"
    assert len([n for n in ours if b"|" not in n]) == plain(
        b.call("COMMAND", "COUNT")
    ), "COMMAND COUNT counts commands, not their subcommands"
    assert set(ours) - NEWER_SUBCOMMANDS <= theirs, "unknown to redis: %r" % sorted(
        set(ours) - theirs
    )
    ours = set(ours) - NEWER_SUBCOMMANDS
    for words in (
        ["FILTERBY", "PATTERN", "set*"],
        ["FILTERBY", "ACLCAT", "string"],
        ["FILTERBY", "ACLCAT", "nosuch"],
        ["FILTERBY", "MODULE", "nosuch"],
    ):
        x, y = set(plain(a.call("COMMAND", "LIST", *words))), set(
            plain(b.call("COMMAND", "LIST", *words))
        )
        assert y - NEWER_SUBCOMMANDS == x & ours, "%r: %r, redis has %r" % (
            words,
            sorted(y),
            sorted(x & ours),
        )
    compare_calls(
        (redis, varve),
        [
            [["COMMAND", "LIST"] + w]
            for w in (
                ["FILTERBY"],
                ["FILTERBY", "PATTERN"],
                ["FOO"],
                ["FILTERBY", "FOO", "x"],
                ["FILTERBY", "PATTERN", "a", "b"],
            )
        ],
    )
    compare_calls(
        (redis, varve),
        [
            [["COMMAND", "COUNT", "x"]],
            [["COMMAND", "INFO", "nosuch", "get"]],
            [["COMMAND", "GETKEYS"]],
            [["COMMAND", "GETKEYS", "get"]],
        ],
    )


def test_help_subcommands(t):
    """HELP is in our words: the first line is Redis', every line is a status reply."""
    redis, varve = both(t)
    a, b = redis.connect(), varve.connect()
    for container in ("CLIENT", "COMMAND", "CONFIG", "OBJECT", "MEMORY"):
        x, y = a.call(container, "HELP"), b.call(container, "HELP")
        assert (
            y[0] == "*" and all(line[0] == "+" for line in y[1]) and len(y[1]) >= 5
        ), "%s HELP: %r" % (container, y)
        assert x[1][0] == y[1][0], "%s HELP\n    redis: %r\n    varve: %r" % (
            container,
            x[1][0],
            y[1][0],
        )
        assert a.call(container, "HELP", "x") == b.call(container, "HELP", "x")


def test_config_parameters(t):
    """Every parameter of Redis is known to CONFIG GET; setting what may not be set answers in
    Redis' words."""
    redis, varve = both(t)
    a, b = redis.connect(), varve.connect()
    theirs, ours = pairs(a.call("CONFIG", "GET", "*")), pairs(b.call("CONFIG", "GET", "*"))
    missing = sorted(set(theirs) - set(ours))
    assert not missing, "CONFIG GET * lacks %s" % b" ".join(missing).decode()
    machine = {
        b"dir",
        b"port",
        b"maxmemory",
        b"appendonly",
        b"logfile",
        b"pidfile",
        b"maxclients",
        b"bind",
        b"unixsocket",
        b"maxmemory-clients",
    }
    different = [
        "%s: redis %r, varve %r" % (k.decode(), v, ours[k])
        for k, v in theirs.items()
        if k not in machine and ours[k] != v
    ]
    assert not different, "defaults differ:\n" + "\n".join(different)
    calls = [
        [["CONFIG", "SET"] + w]
        for w in (
            ["dir", "/tmp"],
            ["databases", "4"],
            ["enable-debug-command", "yes"],
            ["port", "99999"],
            ["port", "-1"],
            ["bind", "x y"],
            ["maxmemory", "x"],
            ["maxmemory", "1zb"],
            ["timeout", "-1"],
            ["nosuch", "x"],
            ["timeout", "1", "timeout"],
            ["timeout", "1", "nosuch", "2"],
            ["timeout", "1", "timeout", "2"],
            ["appendfsync", "sometimes"],
            ["loglevel", "x"],
            ["client-output-buffer-limit", "x"],
            ["enable-protected-configs", "yes"],
            ["daemonize", "yes"],
            ["dbfilename", "x/y"],
            ["maxclients", "0"],
            ["tcp-backlog", "1"],
            ["unixsocket", "x"],
            ["protected-mode", "perhaps"],
            ["lazyfree-lazy-user-del", "x"],
            ["slowlog-log-slower-than", "x"],
            ["hz", "0"],
            ["latency-tracking", "x"],
        )
    ]
    compare_calls(
        (redis, varve),
        calls
        + [
            [["CONFIG", "GET"]],
            [["CONFIG", "SET", "timeout"]],
            [["CONFIG", "SET"]],
            [["CONFIG", "REWRITE"]],
            [["CONFIG", "RESETSTAT", "x"]],
            [
                ["CONFIG", "SET", "timeout", "7"],
                ["CONFIG", "GET", "timeout"],
                ["CONFIG", "SET", "timeout", "9", "nosuch", "1"],
                ["CONFIG", "GET", "timeout"],
            ],
        ],
    )


def test_protected_settings(t):
    """Without enable-debug-command DEBUG answers nobody."""
    redis, varve = both(t, enable_debug_command="no")
    compare_calls(
        (redis, varve),
        [
            [["DEBUG", "SLEEP", "0"]],
            [["DEBUG", "NOSUCH"]],
            [["MULTI"], ["DEBUG", "SLEEP", "0"], ["EXEC"]],
        ],
    )


def test_debug_sleep(t):
    servers = both(t)
    compare_calls(
        servers,
        [
            [
                ["DEBUG", "SLEEP", "0"],
                ["DEBUG", "SLEEP", "0.01"],
                ["DEBUG", "SLEEP"],
                ["DEBUG", "NOSUCH"],
                ["PING"],
            ]
        ],
    )


def test_random_bytes(t):
    """Any bytes: the same replies up to the end of the connection, and the servers live on."""
    redis, varve = both(t)
    rng = random.Random(t.seed)
    alphabet = [
        b"*",
        b"$",
        b"\r\n",
        b"1",
        b"4",
        b"2",
        b"PING",
        b"-1",
        b"ECHO",
        b"\r",
        b"\n",
        b" ",
        b"'",
        b'"',
        b"\\x",
        b"0",
        b"\xff",
        b"SET",
        b"a",
    ]
    cases = []
    for _ in range(150 if t.quick else 600):
        data = b"".join(rng.choice(alphabet) for _ in range(1 + rng.randrange(12)))
        # A newline ends any inline rubbish; a length that reaches over the marker is met by filling
        # bytes.
        cases.append(data + b"\r\n" * 3 + b"\r\n" * 500)
    compare_raw((redis, varve), cases)
    for server in (redis, varve):
        assert server.connect().call("PING") == ("+", b"PONG")


def test_shutdown(t):
    redis, varve = both(t)
    compare_calls(
        (redis, varve),
        [[["SHUTDOWN", w]] for w in ("FOO", "ABORT")]
        + [
            [["SHUTDOWN", "NOSAVE", "SAVE"]],
            [["SHUTDOWN", "NOSAVE", "FOO"]],
            [["SHUTDOWN", "ABORT", "NOW"]],
        ],
    )
    for words in (
        ["SHUTDOWN"],
        ["SHUTDOWN", "NOSAVE"],
        ["SHUTDOWN", "NOW", "FORCE"],
        ["SHUTDOWN", "SAVE"],
    ):
        c = varve.connect()
        c.call("SET", "k", " ".join(words))
        c.send(*words)
        assert c.closed_by_server(), "SHUTDOWN answers with the end of the connection"
        assert varve.wait_end() == 0, "%s ends with status 0" % words
        varve.start()
        assert varve.connect().call("GET", "k") == ("$", " ".join(words).encode())
    assert varve.stop() == 0, "SIGTERM ends it with status 0"


def test_idle_timeout(t):
    varve = t.varve(timeout=1)
    c, d = varve.connect(), varve.connect()
    d.call("PING")
    assert c.closed_by_server(), "an idle connection is closed after `timeout`"


def test_maxclients(t):
    redis, varve = both(t, maxclients=5)
    texts = []
    for server in (redis, varve):
        held = [server.connect() for _ in range(5)]
        for c in held:
            c.call("PING")
        texts.append(server.connect().read_to_end())
        held.pop().close()

        def room():
            try:
                c = Connection(server.port)
                answered = c.call("PING") == ("+", b"PONG")
                c.close()
                return answered
            except (ConnectionClosed, OSError):
                return False

        wait_until(room, 20, "room for another client of %s" % server.name)
    assert texts[0] == texts[1], texts


def test_protected_mode(t):
    """From outside with no password: DENIED, with Redis' reason; what to do about it is said in our
    words. Needs an address that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            address = s.getsockname()[0]
        except OSError:
            address = None
    if not address or address.startswith("127."):
        return
    texts = []
    for server in both(t, bind="0.0.0.0"):
        c = Connection(server.port, host=address)
        texts.append(c.read_to_end())
    reasons = [text.split(b". ")[0] for text in texts]
    assert reasons[0] == reasons[1] and reasons[0].startswith(
        b"-DENIED"
    ), "redis: %r\nvarve: %r" % tuple(texts)
    assert texts[1].endswith(b"\r\n") and texts[1].count(b"\r\n") == 1, texts[1]


def test_slow_readers_are_cut(t):
    """client-output-buffer-limit: one that asks for more than it reads is closed, and the server
    goes on."""
    varve = t.varve(client_output_buffer_limit=["normal", "1mb", "0", "0"])
    c = varve.connect()
    c.call("SET", "k", b"x" * 500000)
    c.send_raw(encode("GET", "k") * 100)
    other = varve.connect()
    wait_until(
        lambda: plain(other.call("CLIENT", "LIST")).count(b"\n") == 1,
        30,
        "the connection over its limit is closed",
    )
    other.close()
