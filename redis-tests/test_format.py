"""Two versions of the disk format and the programs that know them.

The program of format version 1 is built from the last commit that had it, out of this repository's
history. A directory that it made is opened by the server under test; from then on it refuses it, as
one of a newer format, and changes nothing. As long as the server under test has changed nothing
either (a start that was refused, --check-config), it goes on as ever.
"""

import os
import shutil
import subprocess
import tarfile

from support.load import Range, fill, verify
from support.resp import plain
from test_config import contents, refused, run_once

VERSION_1 = "0570ebc"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLES = Range(b"table:", 1500, 200)
LOG_KEYS = 200


def run_quietly(words, cwd):
    done = subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, "%s: status %d\n%s" % (
        " ".join(words),
        done.returncode,
        done.stdout.decode(errors="replace")[-3000:],
    )
    return done.stdout


def program_of_version_1(t):
    """Built once a test run, without optimization: it is to be right, not fast."""
    source, build = os.path.join(t.tmp, "version-1"), os.path.join(t.tmp, "version-1-build")
    archive = os.path.join(t.tmp, "version-1.tar")
    done = subprocess.run(
        ["git", "-C", ROOT, "archive", "--output", archive, VERSION_1], stderr=subprocess.PIPE
    )
    assert done.returncode == 0, (
        "the program of format version 1 is built from commit %s, which this checkout lacks: "
        "fetch the whole history "
        "(git fetch --unshallow)\n%s" % (VERSION_1, done.stderr.decode(errors="replace"))
    )
    with tarfile.open(archive) as tar:
        tar.extractall(source)
    options = ["-Doptimization=0", "-Ddebug=false", "-Dwerror=false"]
    run_quietly(["meson", "setup", build, source] + options, t.tmp)
    run_quietly(["ninja", "-C", build, "varve-server"], t.tmp)
    return os.path.join(build, "varve-server")


def make_directory(t, binary):
    """Tables, a log with a record that is not in them, and what expires one day; killed."""
    server = t.varve(start=False, write_buffer_size="64kb")
    server.binary = binary
    server.start()
    c = server.connect()
    fill(c, TABLES)
    assert c.call("SAVE") == ("+", b"OK")
    for i in range(LOG_KEYS):
        c.call("SET", "log:%d" % i, "v" * 20, "EX", "100000")
    c.call("SELECT", 9)
    c.call("SET", "far", "1")
    server.kill()
    return server


def check_data(server, more=0):
    c = server.connect()
    verify(c, TABLES)
    for i in range(LOG_KEYS):
        assert plain(c.call("GET", "log:%d" % i)) == b"v" * 20
    assert 0 < plain(c.call("TTL", "log:0")) <= 100000
    assert len(plain(c.call("KEYS", "*"))) == TABLES.count + LOG_KEYS + more
    return c


def format_versions(directory):
    """Of every segment, manifest and table: the number at byte 8 of header or footer (format.h)."""
    versions = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as f:
            data = f.read()
        if name.endswith(".sst"):
            data = data[-64:]
        if name.endswith((".sst", ".log")) or name.startswith("MANIFEST-"):
            versions[name] = int.from_bytes(data[8:12], "little")
    return versions


def test_version_1(t):
    if t.is_redis():
        return
    old = program_of_version_1(t)
    server = make_directory(t, old)
    directory = server.dir
    assert set(format_versions(directory).values()) == {1}, format_versions(directory)

    # What does not open it does not change it.
    before = contents(directory)
    words = ["--port", 0, "--dir", directory, "--maxmemory", "64mb"]
    status, out = run_once(t, "--check-config", *words)
    assert status == 0, out
    assert contents(directory) == before, "--check-config changed the directory"
    copy = os.path.join(t.tmp, "damaged")
    shutil.copytree(directory, copy)
    table = next(n for n in os.listdir(copy) if n.endswith(".sst"))
    os.truncate(os.path.join(copy, table), 100)
    before_damaged = contents(copy)
    refused(t, ["--port", 0, "--dir", copy, "--maxmemory", "64mb"], table)
    assert contents(copy) == before_damaged, "a refused start changed the directory"
    refused(t, words + ["--databases", 9], "databases", "9")
    assert contents(directory) == before, "a start refused for its databases changed the directory"
    server.start()
    check_data(server)
    server.stop()

    # Opened by this version: all is there, and the old program refuses it, unharmed.
    server.binary = t.options.server
    server.start()
    c = check_data(server)
    assert c.call("SET", "new", "1") == ("+", b"OK")
    server.kill()
    before = contents(directory)
    server.binary = old
    status, out = run_version_1(t, old, directory)
    assert status == 1 and "version 2" in out, "status %d: %s" % (status, out)
    assert contents(directory) == before, "the program of version 1 changed the directory"

    # And this version goes on; compaction leaves nothing of the old format.
    server.binary = t.options.server
    server.start()
    c = check_data(server, more=1)
    server.check_count(c, TABLES.count + LOG_KEYS + 1)
    assert c.call("BGREWRITEAOF")[0] == "+"
    t.wait_until(
        lambda: server.info()["aof_rewrite_in_progress"] == "0", 60, "everything is compacted"
    )
    assert server.stop() == 0
    assert set(format_versions(directory).values()) == {2}, format_versions(directory)
    server.start()
    check_data(server, more=1)


def run_version_1(t, binary, directory):
    done = subprocess.run(
        [binary, "--port", "0", "--dir", directory, "--maxmemory", "64mb"],
        cwd=t.tmp,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    return done.returncode, done.stdout.decode(errors="replace")
