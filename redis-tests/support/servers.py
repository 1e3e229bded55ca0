"""Servers of a test: started on a free port of 127.0.0.1 with a directory of their own, ended by
their own process id.

A Server may be stopped, killed and started again over the same directory and port, which is what
the tests of durability do. Its output goes to a file, shown when a test fails.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

from support.resp import Connection, ConnectionClosed, parse_info, plain, wait_until

START_SECONDS = 60
STOP_SECONDS = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class StartFailed(Exception):
    """The server ended, or never answered PING. The message carries the end of its log."""


class Server:
    """`directives` is a dict of configuration directives; a list as a value gives several words."""

    def __init__(self, binary, name, tmp, directives, config_file=None, environment=None):
        self.binary = binary
        self.name = name
        self.tmp = tmp
        self.dir = os.path.join(tmp, name + "-data")
        self.log_path = os.path.join(tmp, name + ".log")
        os.makedirs(self.dir, exist_ok=True)
        self.port = free_port()
        self.directives = dict(directives)
        self.config_file = config_file
        self.environment = environment
        self.process = None

    def command_line(self):
        words = [self.binary]
        if self.config_file:
            words.append(self.config_file)
        words += ["--port", str(self.port), "--dir", self.dir]
        for directive, value in self.directives.items():
            words.append("--" + directive)
            words += [str(v) for v in value] if isinstance(value, list) else [str(value)]
        return words

    def start(self, wait=True):
        env = dict(os.environ)
        env.update(self.environment or {})
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command_line(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=self.tmp,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise StartFailed(
                    "%s ended with status %d at start:\n%s"
                    % (self.name, self.process.returncode, self.log_tail())
                )
            try:
                c = Connection(self.port, timeout=START_SECONDS)
                reply = c.call("PING")
                c.close()
                if reply == ("+", b"PONG") or reply[1].startswith(b"NOAUTH"):
                    return
            except (OSError, ConnectionClosed):
                pass
            if time.monotonic() > deadline:
                raise StartFailed(
                    "%s did not answer PING within %d s:\n%s"
                    % (self.name, START_SECONDS, self.log_tail())
                )
            time.sleep(0.005)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """SIGTERM, as an init system does. Returns the exit status."""
        if not self.running():
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                "%s did not end within %d s of SIGTERM" % (self.name, STOP_SECONDS)
            )

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def wait_end(self, seconds=STOP_SECONDS):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end within %d s" % (self.name, seconds))

    def connect(self, proto=2, timeout=60):
        return Connection(self.port, proto, timeout)

    def info(self, section="everything"):
        """All fields of INFO in one dict."""
        c = self.connect()
        fields = {}
        for values in parse_info(plain(c.call("INFO", section))).values():
            fields.update(values)
        c.close()
        return fields

    def check_count(self, connection, expected):
        """DBSIZE of the connection's database: within its doubts now (INFO tells how many), and
        exact after some rest."""
        doubts = int(self.info().get("engine_keys_in_doubt", 0))
        count = plain(connection.call("DBSIZE"))
        assert (
            count <= expected <= count + doubts
        ), "DBSIZE %d with %d keys in doubt, there are %d" % (count, doubts, expected)
        if doubts:
            wait_until(
                lambda: int(self.info()["engine_keys_in_doubt"]) == 0,
                60,
                "no key is in doubt",
            )
            count = plain(connection.call("DBSIZE"))
            assert count == expected, "DBSIZE %d at rest, there are %d keys" % (count, expected)

    def memory_peak_kib(self):
        with open("/proc/%d/status" % self.pid) as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
        raise AssertionError("no VmHWM of process %d" % self.pid)

    def sanitizer_spoke(self):
        """Whether the log has a report; of a killed server too, and of one whose exit status does
        not tell."""
        if not os.path.exists(self.log_path):
            return False
        with open(self.log_path, "rb") as f:
            return (
                re.search(
                    rb"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ", f.read()
                )
                is not None
            )

    def log_tail(self, lines=40):
        try:
            with open(self.log_path, "r", errors="replace") as f:
                return "".join("    %s: %s" % (self.name, line) for line in f.readlines()[-lines:])
        except OSError:
            return ""


VARVE_DIRECTIVES = {"maxmemory": "64mb", "enable-debug-command": "yes", "save": ""}
REDIS_DIRECTIVES = {"appendonly": "no", "enable-debug-command": "yes", "save": ""}


class TestContext:
    """What a test gets: `t`. It starts servers and ends them with the test, and carries the options
    of the run."""

    def __init__(self, options, tmp):
        self.options = options
        self.quick = options.quick
        self.seed = options.seed
        self.tmp = tmp
        self.servers = []
        self.closers = []

    def _server(self, binary, name, directives, **more):
        server = Server(binary, "%s%d" % (name, len(self.servers)), self.tmp, directives, **more)
        self.servers.append(server)
        return server

    def varve(self, start=True, config_file=None, environment=None, defaults=True, **directives):
        """The server under test; directives with '_' for '-'. Without `defaults` it gets port, dir
        and what is asked for only."""
        merged = dict(VARVE_DIRECTIVES) if defaults else {}
        if defaults and self.is_redis():
            merged["appendonly"] = "yes"  # what Varve always does
        merged.update({k.replace("_", "-"): v for k, v in directives.items()})
        server = self._server(
            self.options.server, "varve", merged, config_file=config_file, environment=environment
        )
        return server.start() if start else server

    def redis(self, **directives):
        merged = dict(REDIS_DIRECTIVES)
        merged.update({k.replace("_", "-"): v for k, v in directives.items()})
        return self._server(self.options.redis, "redis", merged).start()

    def is_redis(self):
        """The harness is tried out on redis-server in Varve's place: tests of what only Varve has
        do not apply."""
        return os.path.basename(self.options.server) == "redis-server"

    def defer(self, function):
        self.closers.append(function)

    def tool(self, name):
        path = shutil.which(name)
        if not path:
            raise AssertionError("%s is not installed (scripts/test installs it)" % name)
        return path

    def wait_until(self, condition, seconds, what):
        return wait_until(condition, seconds, what)

    def close(self):
        for function in reversed(self.closers):
            function()
        for server in self.servers:
            server.kill()

    def logs(self):
        return "".join(s.log_tail() for s in self.servers)
