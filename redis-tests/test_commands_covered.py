"""Every command that Varve has is in the differential test, and every command of its list is
there."""

import importlib

from support.generators import EXPLICIT, GENERATORS
from support.resp import plain

REQUIRED = """
    ping echo hello auth select quit reset time
    client client|id client|info client|list client|kill client|getname client|setname
    client|setinfo client|no-touch client|no-evict client|unblock client|help
    command command|count command|info command|docs command|list command|getkeys
    command|getkeysandflags command|help
    multi exec discard watch unwatch
    get set setnx setex psetex mset msetnx mget getset getdel getex append strlen getrange substr
    setrange incr decr incrby decrby incrbyfloat
    hset hsetnx hmset hget hmget hdel hexists hgetall hkeys hvals hlen hstrlen hincrby hincrbyfloat
    hscan hrandfield
    sadd srem smove sismember smismember scard smembers sscan srandmember spop
    sinter sintercard sinterstore sunion sunionstore sdiff sdiffstore
    del unlink exists type scan keys randomkey dbsize expire pexpire expireat pexpireat ttl pttl
    expiretime pexpiretime
    persist rename renamenx copy move touch
    object object|encoding object|freq object|idletime object|refcount object|help flushdb flushall
    swapdb
    info config config|get config|set config|rewrite config|resetstat config|help save bgsave
    lastsave bgrewriteaof shutdown
    memory memory|usage memory|help debug
""".split()

CONTAINERS = {"client", "config", "object", "memory"}


def names_of(server):
    c = server.connect()
    names = {n.decode() for n in plain(c.call("COMMAND", "LIST"))}
    c.close()
    return names


def test_every_command_has_a_test(t):
    if t.is_redis():
        return
    names = names_of(t.varve())
    without = sorted(n for n in names - CONTAINERS if n not in GENERATORS and n not in EXPLICIT)
    assert not without, "no generator in support/generators.py for: " + " ".join(without)


def test_every_command_is_there(t):
    newer = {"client|setinfo", "client|no-touch"} if t.is_redis() else set()
    missing = sorted(set(REQUIRED) - names_of(t.varve()) - newer)
    assert not missing, "COMMAND LIST lacks: " + " ".join(missing)


def test_named_tests_exist(t):
    for name, test in EXPLICIT.items():
        file, function = test.split(".")
        module = importlib.import_module("test_" + file)
        assert hasattr(
            module, "test_" + function
        ), "support/generators.py says that %s is tested by %s" % (name, test)
