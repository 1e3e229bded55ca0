"""A RESP2 and RESP3 client that keeps what was on the wire.

Client libraries turn replies into the language's values and so hide what a differential test is
after: a null bulk and a null array, a double and the bulk with the same digits, an error and a
status. Here a reply is a tuple of its type byte and its payload:

    ('+', b'OK')  ('-', b'ERR ...')  (':', b'5')  ('$', b'bytes' or None)  ('*', [replies] or None)
    ('_', None)  (',', b'3.14')  ('#', b't')  ('(', b'123')  ('!', b'ERR')  ('=', b'txt:...')
    ('%', [key, value, ...])  ('~', [replies])  ('>', [replies])

Payloads stay bytes, so that two replies are equal exactly if their bytes were.
"""

import socket
import time


class ConnectionClosed(Exception):
    """The server closed the connection where a reply was expected."""


class MalformedReply(Exception):
    """What came is not RESP."""


def to_bytes(arg):
    if isinstance(arg, bytes):
        return arg
    return str(arg).encode()


def encode(*args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = to_bytes(arg)
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Connection:
    """One connection. Every wait ends after `timeout` seconds with an exception."""

    def __init__(self, port, proto=2, timeout=60, host="127.0.0.1"):
        self.sock = socket.create_connection((host, port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.at = 0
        if proto == 3:
            reply = self.call("HELLO", "3")
            if reply[0] != "%":
                raise MalformedReply("HELLO 3 was answered with %r" % (reply,))

    def close(self):
        self.sock.close()

    # --- sending ---

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, *args):
        self.sock.sendall(encode(*args))

    def call(self, *args):
        self.send(*args)
        return self.read()

    def pipeline(self, commands):
        """Sends all, then reads all. For pipelines that fit the socket buffers."""
        self.sock.sendall(b"".join(encode(*c) for c in commands))
        return [self.read() for _ in commands]

    # --- receiving ---

    def _more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionClosed("connection closed by the server")
        if self.at > 1 << 20:
            del self.buffer[: self.at]
            self.at = 0
        self.buffer += data

    def _line(self):
        start = self.at
        while True:
            end = self.buffer.find(b"\r\n", start)
            if end >= 0:
                line = bytes(self.buffer[self.at : end])
                self.at = end + 2
                return line
            start = max(self.at, len(self.buffer) - 1)
            before = self.at
            self._more()
            start -= before - self.at

    def read_exactly(self, count):
        while len(self.buffer) - self.at < count:
            self._more()
        data = bytes(self.buffer[self.at : self.at + count])
        self.at += count
        if self.at == len(self.buffer):
            self.buffer.clear()
            self.at = 0
        return data

    def read_to_end(self):
        """Everything until the server closes the connection."""
        try:
            while True:
                self._more()
        except (ConnectionClosed, ConnectionResetError):
            data = bytes(self.buffer[self.at :])
            self.buffer.clear()
            self.at = 0
            return data

    def closed_by_server(self):
        """Waits for the end of the connection; True if nothing came before it."""
        return self.read_to_end() == b""

    def read(self):
        line = self._line()
        if not line:
            raise MalformedReply("an empty line")
        kind, rest = chr(line[0]), line[1:]
        if kind in "+-:,#(":
            return (kind, rest)
        if kind == "_":
            return (kind, None)
        if kind in "$!=":
            length = int(rest)
            if length == -1:
                return (kind, None)
            data = self.read_exactly(length + 2)
            if data[-2:] != b"\r\n":
                raise MalformedReply("a bulk without its CRLF: %r" % data[-10:])
            return (kind, data[:-2])
        if kind in "*~>%":
            count = int(rest)
            if count == -1:
                return (kind, None)
            if kind == "%":
                count *= 2
            return (kind, [self.read() for _ in range(count)])
        raise MalformedReply("unknown type byte in %r" % line[:60])


# --- reading replies without caring for their type ------------------------------------------------


def plain(reply):
    """A reply as Python's values: bytes, int, None, lists. Errors stay tuples, so that they are
    noticed."""
    kind, value = reply
    if kind == "-" or kind == "!":
        return reply
    if kind == ":":
        return int(value)
    if kind in "*~>%":
        return None if value is None else [plain(v) for v in value]
    if kind == "=":
        return value[4:]
    return value


def pairs(reply):
    """A map, or the flat array that stands for it in RESP2, as a dict."""
    items = plain(reply)
    return dict(zip(items[0::2], items[1::2]))


def parse_info(text):
    """INFO's text as {section: {field: value}}; a field without a section comes under ''."""
    sections = {}
    current = sections.setdefault("", {})
    for line in text.decode("utf-8", "replace").split("\r\n"):
        if line.startswith("# "):
            current = sections.setdefault(line[2:], {})
        elif ":" in line:
            name, value = line.split(":", 1)
            current[name] = value
    if not sections[""]:
        del sections[""]
    return sections


def wait_until(condition, seconds, what):
    """Polls until condition() is true; the value is handed back. The deadline is an error that says
    what was waited for."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %g seconds: %s" % (seconds, what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
