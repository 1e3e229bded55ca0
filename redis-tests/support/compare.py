"""Are two replies to the same command the same?

By default byte for byte. The exceptions are of two kinds: what no two servers can agree on (the
clock, identifiers, order where there is none), and ACCEPTED, the differences of Varve that we stand
by, each with its reason.
"""

import time

from support.resp import pairs, plain

# (name, command, does it apply?, reason). `applies` gets the arguments and both replies, redis'
# first.
ACCEPTED = [
    (
        "reference counts",
        "object|refcount",
        lambda args, a, b: a[0] == b[0] == ":" and int(b[1]) in (1, 2147483647),
        "Redis shares small integers that were written as such, and counts a queued SET's own "
        "argument; Varve has no objects that are shared",
    ),
    (
        "string encoding after a change in place",
        "object|encoding",
        lambda args, a, b: {a[1], b[1]} <= {b"raw", b"embstr", b"int"} and a[0] == b[0] == "$",
        "Redis' raw, embstr and int of a string depend on how it came about and are forgotten by a "
        "restart; Varve tells them from the value",
    ),
    (
        "unknown cursors",
        "scan",
        lambda args, a, b: b == ("-", b"ERR invalid cursor") and plain_cursor(args[1:]) != 0,
        "a cursor is remembered, not computed: one that was never handed out is an error rather "
        "than a walk from anywhere",
    ),
    (
        "unknown cursors of hashes",
        "hscan",
        lambda args, a, b: b == ("-", b"ERR invalid cursor") and plain_cursor(args[2:]) != 0,
        "as of SCAN",
    ),
    (
        "unknown cursors of sets",
        "sscan",
        lambda args, a, b: b == ("-", b"ERR invalid cursor") and plain_cursor(args[2:]) != 0,
        "as of SCAN",
    ),
]


def plain_cursor(args):
    try:
        return int(args[0])
    except (ValueError, IndexError):
        return 0


def is_error(reply):
    return reply[0] in "-!"


def canonical(reply):
    """Sets and lists of flags in one order, so that equal contents compare equal."""
    kind, value = reply
    if kind in "*~>" and value is not None:
        items = [canonical(v) for v in value]
        if kind == "~" or (items and all(k == "+" for k, _ in items)):
            items.sort(key=repr)
        return (kind, items)
    if kind == "%":
        items = [canonical(v) for v in value]
        couples = sorted(zip(items[0::2], items[1::2]), key=repr)
        return (kind, [x for couple in couples for x in couple])
    return reply


def same_shape(a, b):
    """The same types all the way down, whatever the contents."""
    if a[0] != b[0]:
        return False
    if isinstance(a[1], list) and isinstance(b[1], list):
        return len(a[1]) == len(b[1]) and all(same_shape(x, y) for x, y in zip(a[1], b[1]))
    return (a[1] is None) == (b[1] is None)


# --- comparisons of one command -------------------------------------------------------------------


def randomkey(args, a, b, context):
    """Both a key or both none; that it is one of the keys is asked by the test where it can."""
    return a == b or (a[0] == b[0] == "$" and a[1] is not None and b[1] is not None)


def unordered(args, a, b, context):
    if a[0] != b[0] or not isinstance(a[1], list) or not isinstance(b[1], list):
        return a == b
    return sorted(a[1], key=repr) == sorted(b[1], key=repr)


def near(args, a, b, context):
    if a[0] == b[0] == ":" and int(a[1]) >= 0 and int(b[1]) >= 0:
        return abs(int(a[1]) - int(b[1])) <= 2 + context.skew_ms
    return a == b


def type_only(args, a, b, context):
    return a == b or (not is_error(a) and not is_error(b) and same_shape(a, b))


def memory_usage(args, a, b, context):
    """Bytes that stand for the same key and value. Redis' strings grow ahead of need, to twice
    their length and then to the next size of its allocator; each has overheads of its own."""
    if a[0] != ":" or b[0] != ":":
        return a == b
    x, y = int(a[1]), int(b[1])
    return 0 < x <= 3 * y + 500 and 0 < y <= 2 * x + 500


def lastsave(args, a, b, context):
    """Seconds since 1970: the servers are young, so both have saved, or started, just now."""
    if a[0] != ":" or b[0] != ":":
        return a == b
    return all(abs(int(r[1]) - time.time()) < 60 for r in (a, b))


def time_now(args, a, b, context):
    """Seconds and microseconds of the same moment."""
    if is_error(a) or is_error(b) or not same_shape(a, b):
        return a == b
    x, y = ([int(part[1]) for part in reply[1]] for reply in (a, b))
    return max(x[1], y[1]) < 1000000 and abs(x[0] - y[0] + (x[1] - y[1]) / 1e6) < 5


def both_refuse(args, a, b, context):
    """Texts differ on purpose."""
    return a == b or (is_error(a) and is_error(b))


def hello(args, a, b, context):
    if is_error(a) or is_error(b) or a[0] != b[0]:
        return a == b
    x, y = pairs(a), pairs(b)
    del x[b"id"]
    return y.pop(b"id", None) is not None and x == y


def config_get(args, a, b, context):
    if is_error(a) or is_error(b) or a[0] != b[0]:
        return a == b
    return pairs(a) == pairs(b)


def command_info(args, a, b, context):
    if is_error(a) or is_error(b) or a[0] != b[0]:
        return a == b
    return len(a[1]) == len(b[1]) and all(same_row(x, y) for x, y in zip(a[1], b[1]))


NEWER_SUBCOMMANDS = {b"client|setinfo", b"client|no-touch"}


def without_notes(reply):
    """A row of COMMAND INFO less its prose: the notes of key specifications are in our words."""
    if not isinstance(reply[1], list):
        return reply
    items = [without_notes(v) for v in reply[1]]
    for i, item in enumerate(items[:-1]):
        if item == ("$", b"notes"):
            items[i + 1] = ("$", b"")
    return (reply[0], items)


def same_row(a, b):
    """Rows of COMMAND INFO. A container's subcommands are compared where both have them: those to
    come later are not there yet."""
    if not isinstance(a[1], list) or not isinstance(b[1], list):
        return a == b
    if len(a[1]) != 10 or len(b[1]) != 10:
        return False
    if canonical(without_notes(("*", a[1][:9]))) != canonical(without_notes(("*", b[1][:9]))):
        return False
    theirs = {row[1][0][1]: row for row in a[1][9][1]}
    ours = {row[1][0][1]: row for row in b[1][9][1]}
    if not set(ours) - NEWER_SUBCOMMANDS <= set(theirs):
        return False
    return all(same_row(theirs[name], row) for name, row in ours.items() if name in theirs)


def getkeysandflags(args, a, b, context):
    return canonical(a) == canonical(b)


def fields_and_values(args, a, b, context):
    """Redis has no order here: couples of a map, or of a flat array in its place."""
    if a[0] != b[0] or a[0] != "*" or len(a[1]) != len(b[1]):
        return canonical(a) == canonical(b)
    x, y = (sorted(zip(r[1][0::2], r[1][1::2]), key=repr) for r in (a, b))
    return x == y


def hscan(args, a, b, context):
    """The first page: a whole small hash, or some of a large one; whole walks are a step of the
    test's own."""
    if is_error(a) or is_error(b) or a[1][0] != ("$", b"0") or b[1][0] != ("$", b"0"):
        return a == b or (a[0] == b[0] == "*" and not is_error(a))
    return fields_and_values(args, a[1][1], b[1][1], context)


def sscan(args, a, b, context):
    if is_error(a) or is_error(b) or a[1][0] != ("$", b"0") or b[1][0] != ("$", b"0"):
        return a == b or (a[0] == b[0] == "*" and not is_error(a))
    return unordered(args, a[1][1], b[1][1], context)


def random_fields(args, a, b, context):
    """As many; and the same ones where that is all there are. That they are fields, and evenly
    drawn, is shown elsewhere."""
    if is_error(a) or is_error(b) or not same_shape(a, b):
        return a == b
    return True


def scan(args, a, b, context):
    """One page: the same keys where both end with it. Walks to the end are compared by the test."""
    if is_error(a) or is_error(b) or a[1][0] != ("$", b"0") or b[1][0] != ("$", b"0"):
        return a == b
    return unordered(args, a[1][1], b[1][1], context)


COMPARISONS = {
    "scan": scan,
    "keys": unordered,
    "hgetall": fields_and_values,
    "hkeys": unordered,
    "hvals": unordered,
    "hscan": hscan,
    "hrandfield": random_fields,
    "smembers": unordered,
    "sinter": unordered,
    "sunion": unordered,
    "sdiff": unordered,
    "srandmember": random_fields,
    "spop": unordered,
    "sscan": sscan,
    "ttl": near,
    "pttl": near,
    "expiretime": near,
    "pexpiretime": near,
    "object|idletime": near,
    "time": time_now,
    "object|freq": both_refuse,
    "client|id": type_only,
    "randomkey": randomkey,
    "memory|usage": memory_usage,
    "lastsave": lastsave,
    "hello": hello,
    "config|get": config_get,
    "command|info": command_info,
    "command|getkeysandflags": getkeysandflags,
}


class Context:
    """skew_ms: how far apart in time the two servers may have run the same command."""

    skew_ms = 0


def counts_what_has_expired(name, a, b):
    """DBSIZE within EXEC, where nobody can ask again: Redis may still count what has expired."""
    return name == "dbsize" and a[0] == b[0] == ":" and 0 <= int(a[1]) - int(b[1]) <= 3


def is_size_of_a_collection(name, a, b):
    """MEMORY USAGE of one goes by a few samples, which each server takes elsewhere. Where the type
    can be asked for, the test does."""
    return name == "memory|usage" and a[0] == b[0] == ":" and int(a[1]) > 0 and int(b[1]) > 0


def same(name, args, a, b, context):
    if name == "exec" and a[0] == b[0] == "*" and a[1] is not None and b[1] is not None:
        queued = args
        return len(a[1]) == len(b[1]) == len(queued) and all(
            same(n, words, x, y, context)
            or counts_what_has_expired(n, x, y)
            or is_size_of_a_collection(n, x, y)
            for (n, words), x, y in zip(queued, a[1], b[1])
        )
    comparison = COMPARISONS.get(name)
    if comparison(args, a, b, context) if comparison else a == b:
        return True
    return any(command == name and applies(args, a, b) for _, command, applies, _ in ACCEPTED)
