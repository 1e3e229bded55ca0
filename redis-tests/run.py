#!/usr/bin/python3
"""Runs the tests of the running server: every function test_* of every test_*.py here, each with
servers of its own.

    redis-tests/run.py --server build/varve-server [--redis redis-server] [--only NAME ...]
                       [--quick] [--seed N]

One line a test, and at the end 'N passed, N failed'; the exit status is 0 when none failed. --only
takes parts of names as they are printed (FILE.TEST). A test is a function of one argument, the
TestContext of support/servers.py; it fails by raising.
"""

import argparse
import importlib
import os
import random
import shutil
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from support.servers import TestContext  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Tests of the running server through real clients."
    )
    parser.add_argument("--server", required=True, help="the varve-server to test")
    parser.add_argument("--redis", default="redis-server", help="the redis-server to compare with")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only tests whose FILE.TEST contains one of these",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="smaller data and fewer rounds, for continuous integration",
    )
    parser.add_argument("--seed", type=int, help="replays the random tests of an earlier run")
    parser.add_argument("--list", action="store_true", help="prints the names of the tests")
    parser.add_argument("--keep", action="store_true", help="keeps the directories of failed tests")
    options = parser.parse_args()
    options.server = os.path.abspath(options.server)
    options.redis = shutil.which(options.redis) or options.redis
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 31)
    for path in (options.server, options.redis):
        if not os.access(path, os.X_OK):
            parser.error("%s: no such program" % path)
    return options


def find_tests(only):
    tests = []
    for file in sorted(os.listdir(HERE)):
        if not (file.startswith("test_") and file.endswith(".py")):
            continue
        module = importlib.import_module(file[:-3])
        for name, function in vars(module).items():
            full = "%s.%s" % (file[5:-3], name[5:])
            if (
                name.startswith("test_")
                and callable(function)
                and (not only or any(part in full for part in only))
            ):
                tests.append((full, function))
    return tests


def run_one(name, function, options):
    """True if it passed."""
    tmp = tempfile.mkdtemp(prefix="varve-test-")
    t = TestContext(options, tmp)
    begin = time.monotonic()
    passed = False
    try:
        function(t)
        for server in t.servers:
            if server.running() and server.stop() != 0:  # where a sanitizer's build reports leaks
                raise AssertionError(
                    "%s ended with status %d at SIGTERM" % (server.name, server.process.returncode)
                )
            if server.sanitizer_spoke():
                raise AssertionError("%s was reported by its sanitizer" % server.name)
        passed = True
    except Exception:
        trouble = traceback.format_exc()
    finally:
        t.close()
    seconds = time.monotonic() - begin
    print("%-6s %-50s %6.1f s" % ("ok" if passed else "FAILED", name, seconds), flush=True)
    if not passed:
        print(trouble)
        print(t.logs())
        print(
            "again: redis-tests/run.py --server %s --seed %d --only %s%s\n"
            % (
                os.path.relpath(options.server),
                options.seed,
                name,
                " --quick" if options.quick else "",
            ),
            flush=True,
        )
    if passed or not options.keep:
        shutil.rmtree(tmp, ignore_errors=True)
    return passed


def main():
    options = parse_arguments()
    tests = find_tests(options.only)
    if options.list:
        print("\n".join(name for name, _ in tests))
        return 0
    if not tests:
        print("no test is called so")
        return 1
    print("seed %d" % options.seed, flush=True)
    failed = 0
    for name, function in tests:
        failed += not run_one(name, function, options)
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
