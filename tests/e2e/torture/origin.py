# SPDX-License-Identifier: BSD-2-Clause
"""An origin that misbehaves in every way that the protocol allows, and in some that it does not.

A URL says what lies behind it, /KIND/SIZE/NAME: the body is a function of the URL (and of the
language, where it varies) alone, so whoever receives one can tell a mixed up one from a right one.
How it is sent, whole or not, is drawn anew each time.

    c: fresh for a minute    f: fresh for a second    s: stale at once, with an ETag
    l: fresh for an hour, with an ETag
    v: varies by language    n: not to be stored      u: echoes the checksum of what was uploaded
    e: the same, and begins to answer before it reads"""
import functools
import random
import socket
import struct
import threading
import time
import zlib

TIMEOUT_S = 60  # more than any client waits: a slow one may hold an answer up for long
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nCache-Control: max-age=60\r\n\r\npoison"
CACHE_CONTROL = {
    "c": "max-age=60", "l": "max-age=3600", "v": "max-age=60", "f": "max-age=1", "s": "max-age=0"
}


@functools.lru_cache(64)
def body_of(path, language=""):
    kind, size = path.split("/")[1:3]
    return random.Random(path + (language if kind == "v" else "")).randbytes(int(size))


def real_path(path):
    """What the rewriter makes of it."""
    return path[3:] if path.startswith("/rw/") else path


def etag_of(path):
    return '"%08x"' % zlib.crc32(path.encode())


class Gone(Exception):
    """The proxy closed the connection."""


class Input:
    """What comes from a socket, by lines and by lengths."""

    def __init__(self, connection):
        self.connection = connection
        self.data = b""
        self.rest_s, self.give_up_at = 0, None  # for one that reads slowly

    def more(self):
        if self.rest_s:
            time.sleep(self.rest_s)
            if time.monotonic() > self.give_up_at:
                raise ConnectionAbortedError
        piece = self.connection.recv(65536)
        if not piece:
            raise Gone
        self.data += piece

    def until(self, mark):
        while mark not in self.data:
            self.more()
        taken, self.data = self.data.split(mark, 1)
        return taken

    def exactly(self, size):
        while len(self.data) < size:
            self.more()
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def chunks(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.until(b"\r\n"):
                    pass
                return body
            body += self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise ValueError("no line end behind a chunk")


def parse_head(head):
    """(first line, {name in lower case: value}) of a head without its empty line."""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return first, {name.lower(): value.strip() for name, _, value in fields}


class Origin:
    """Listens on a port of 127.0.0.1 until it is closed; may be opened again."""

    def __init__(self, port, chaos):
        self.port = port
        self.chaos = chaos  # how likely each misdeed is, 0 to 1
        self.complaints = []
        self.nrequests = 0
        self.open()

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self):
        """Fine on a closed one: the one who disturbs may be in the midst of it at the end."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        self.listener.close()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        source = Input(connection)
        try:
            while self._answer(connection, source):
                pass
        except (Gone, OSError):
            pass
        except (ValueError, IndexError) as error:
            self.complaints.append(f"the proxy sent a broken request: {error!r}")
        finally:
            connection.close()

    def _is(self, weight=1.0):
        return random.random() < self.chaos * weight

    def _answer(self, connection, source):
        """Answers one request; whether the connection goes on."""
        line, fields = parse_head(source.until(b"\r\n\r\n"))
        method, path, _ = line.split(" ")
        path = real_path(path)  # when no helper lives to rewrite it, it comes as it was asked for
        self.nrequests += 1
        if self._is(0.3):
            return False
        if path.startswith("/e/"):
            return self._answer_early(connection, source, fields)
        upload = self._take_upload(connection, source, fields, method)
        if upload is None:
            return False
        if self._is(0.3):
            hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            connection.sendall(hint * random.choice((1, 3)))
        if self._is():
            time.sleep(random.random() * 0.05)
        if method != "GET" and method != "HEAD":
            lines = "Cache-Control: no-store\r\n"
            return self._send(connection, "200 OK", lines, checksum(upload), method)
        kind = path.split("/")[1]
        if kind in "sl" and fields.get("if-none-match") == etag_of(path) and not self._is(0.3):
            head = f"HTTP/1.1 304 Not Modified\r\nETag: {etag_of(path)}\r\n\r\n"
            connection.sendall(head.encode())
            return not self._is(0.5)
        lines = f"Cache-Control: {CACHE_CONTROL.get(kind, 'no-store')}\r\nSet-Cookie: a=b\r\n"
        if kind in "sl":
            lines += f"ETag: {etag_of(path)}\r\n"
        if kind == "v":
            lines += "Vary: Accept-Language\r\n"
        body = body_of(path, fields.get("accept-language", ""))
        return self._send(connection, "200 OK", lines, body, method)

    @staticmethod
    def _answer_early(connection, source, fields):
        """The answer ends when the upload has."""
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"6\r\nearly \r\n"
        )
        if "transfer-encoding" in fields:
            upload = source.chunks()
        else:
            upload = source.exactly(int(fields.get("content-length", 0)))
        connection.sendall(chunked(checksum(upload)))
        return True

    def _take_upload(self, connection, source, fields, method):
        """The request's body; None: it was answered, or given up, before it was read."""
        has_body = "content-length" in fields or "transfer-encoding" in fields
        if has_body and self._is(0.5):
            self._send(connection, "403 Forbidden", "Cache-Control: no-store\r\n", b"no", method)
            if random.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
                time.sleep(0.02)
            return None
        if has_body and "expect" in fields:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "transfer-encoding" in fields:
            return source.chunks()
        return source.exactly(int(fields.get("content-length", 0)))

    def _send(self, connection, status, lines, body, method):
        framing = random.choices(("length", "chunked", "close"), (6, 3, 1))[0]
        if method == "HEAD":
            framing = "length"
        head = f"HTTP/1.1 {status}\r\nDate: {date_now()}\r\n{lines}"
        if framing == "length":
            head += f"Content-Length: {len(body)}\r\n"
        elif framing == "chunked":
            head += "Transfer-Encoding: chunked\r\n"
        if framing == "close":
            head += "Connection: close\r\n"
        wire = head.encode() + b"\r\n"
        if method != "HEAD":
            wire += chunked(body) if framing == "chunked" else body
        if self._is(0.5):
            return self._cut(connection, wire, framing)
        poison = POISON if framing != "close" and self._is(0.5) else b""
        self._write(connection, wire[:-1])
        connection.sendall(wire[-1:] + poison)  # in one: the answer's end and what follows it
        if poison:
            time.sleep(0.01)
            return random.random() < 0.5
        return framing != "close" and not self._is()

    def _cut(self, connection, wire, framing):
        """Sends a part. A body that its end delimits can be cut short by a reset alone."""
        connection.sendall(wire[: random.randrange(len(wire))])
        if framing == "close" or random.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _write(self, connection, wire):
        at = 0
        while at < len(wire):
            size = len(wire) - at
            if self._is():
                size = min(size, random.choice((1, 7, 100, 1460, 20000)))
                time.sleep(random.random() * 0.01)
            elif self._is():
                size = min(size, 65536)
            connection.sendall(wire[at : at + size])
            at += size


def checksum(upload):
    return b"%d %08x" % (len(upload), zlib.crc32(upload))


def chunked(body):
    """The body in chunks of odd sizes, with extensions and trailers now and then."""
    out, at = [], 0
    while at < len(body):
        piece = body[at : at + random.choice((1, 13, 999, 8192, 40000, 300000))]
        extension = random.choice((b"", b"", b";a=b", b';q="x;y"'))
        out.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
        at += len(piece)
    return b"".join(out) + random.choice((b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"))


def date_now():
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
