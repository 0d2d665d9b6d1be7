# SPDX-License-Identifier: BSD-2-Clause
"""Clients that ask, check each byte of what they get, and behave badly otherwise."""
import base64
import random
import re
import socket
import struct
import time

from origin import Gone, Input, body_of, checksum, chunked, etag_of, parse_head, real_path

PATIENCE_S = 30
SIZES = (0, 1, 100, 2047, 2048, 4096, 5000, 20000, 32768, 32769, 65536, 70000, 300000, 2000000)
WEIGHTS = (1, 1, 6, 1, 1, 3, 4, 4, 1, 1, 1, 2, 1, 0.3)
RANGES = ("bytes=10-20", "bytes=0-", "bytes=-7", "bytes=33000-", "bytes=0-0,5-9", "bytes=9-5",
          "bytes=1-2,40000-50000,-1", "bytes=0-99999999", "bytes=2-1999999")
KINDS = "ccccfsvn"
ERRORS = {403, 502, 503, 504}  # what the chaos behind the proxy may lead to


class Wrong(Exception):
    """The proxy did what it must not do."""


class Request:
    """One request; `wire` is what is sent, `check` judges a reply that arrived whole."""

    def __init__(self, method, path, fields=None, body=b"", minor=1):
        self.method, self.path, self.fields = method, path, dict(fields or {})
        self.body, self.minor = body, minor
        self.statuses = {200}

    def wire(self):
        fields = {"Host": "torture.test", **self.fields}
        if self.body is not None and self.method in ("POST", "PUT"):
            if random.random() < 0.5 and self.minor == 1:
                fields["Transfer-Encoding"] = "chunked"
                body = chunked(self.body)
            else:
                fields["Content-Length"] = str(len(self.body))
                body = self.body
        else:
            body = b""
        head = f"{self.method} {self.path} HTTP/1.{self.minor}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return head.encode() + b"\r\n", body

    def check(self, status, fields, body):
        if status in ERRORS or status == 401:
            return
        if status not in self.statuses:
            raise Wrong(f"{self.method} {self.path}: status {status}")
        if status == 206:
            self.check_range(fields, body)
        if status != 200:
            return
        if self.method == "POST":
            expected = checksum(self.body)
            if self.path.startswith("/e/"):
                expected = b"early " + expected
        elif self.method == "HEAD":
            expected = b""
            size = fields.get("content-length", self.path.split("/")[-2])
            if size != self.path.split("/")[-2]:
                raise Wrong(f"HEAD {self.path}: Content-Length {size}")
        elif self.method == "PURGE":
            expected = b""
        else:
            expected = self.whole_body()
        if body != expected:
            raise Wrong(describe(self.path, body, expected))


    def whole_body(self):
        return body_of(real_path(self.path), self.fields.get("Accept-Language", ""))

    def check_range(self, fields, body):
        """One part, as Content-Range says, or several, each with a head of its own."""
        kind = fields.get("content-type", "")
        boundary = re.fullmatch(r"multipart/byteranges; *boundary=\"?([^\"]+)\"?", kind)
        if not boundary:
            return self.check_part(fields, body)
        mark = b"--" + boundary[1].encode()
        parts = (b"\r\n" + body).split(b"\r\n" + mark)
        if parts[-1].strip() != b"--":
            raise Wrong(f"{self.path} {self.fields}: parts end {parts[-1]!r}")
        for part in parts[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            self.check_part(parse_head(head)[1], content)

    def check_part(self, fields, body):
        whole = self.whole_body()
        numbers = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", fields.get("content-range", ""))
        if not numbers:
            raise Wrong(f"{self.path} {self.fields}: a part without its place: {fields}")
        first, last, size = map(int, numbers.groups())
        part = whole[first : last + 1]
        if size != len(whole) or body != part or last >= size:
            raise Wrong(f"{self.path} {self.fields}: {describe(numbers[0], body, part)}")


def describe(path, body, expected):
    same = 0
    while same < min(len(body), len(expected)) and body[same] == expected[same]:
        same += 1
    return (
        f"{path}: {len(body)} bytes instead of {len(expected)}, first difference at {same}: "
        f"{body[same:same + 60]!r}"
    )


class Connection:
    """To the proxy; replies are read one by one."""

    def __init__(self, port, small_window=False):
        self.socket = socket.socket()
        if small_window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = Input(self.socket)

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, request, tiny=False):
        head, body = request.wire()
        if "Expect" in request.fields:
            self.socket.sendall(head)
            time.sleep(random.random() * 0.02)
            self.socket.sendall(body)
        elif len(body) > 1000 and random.random() < 0.5:
            self.socket.sendall(head + body[:1000])
            time.sleep(random.random() * 0.02)
            self.socket.sendall(body[1000:])
        elif tiny:
            wire, at = head + body, 0
            while at < len(wire):
                size = random.choice((1, 3, 10, 5000))
                self.socket.sendall(wire[at : at + size])
                at += size
                if at < 200:
                    time.sleep(0.001)
        else:
            self.socket.sendall(head + body)

    def reply(self, request):
        """Reads and checks one reply. Whether the connection goes on; Gone: it was cut short."""
        status = 100
        while 100 <= status < 200:
            line, fields = parse_head(self.input.until(b"\r\n\r\n"))
            if not re.fullmatch(r"HTTP/1\.1 \d\d\d .*", line):
                raise Wrong(f"{request.method} {request.path}: reply begins {line[:80]!r}")
            status = int(line.split(" ")[1])
        is_ended = fields.get("connection") == "close"
        if request.method == "HEAD" or status in (204, 304):
            body = b""
        elif "transfer-encoding" in fields:
            body = self.input.chunks()
        elif "content-length" in fields:
            body = self.input.exactly(int(fields["content-length"]))
        else:
            body, is_ended = self._to_the_end(), True
        request.check(status, fields, body)
        request.status = status
        return not is_ended

    def _to_the_end(self):
        try:
            while True:
                self.input.more()
        except Gone:
            return self.input.data


class Client:
    """Draws what to do; `urls` is how many different ones there are of each kind and size."""

    def __init__(self, port, urls, user=None, rewrites=False, is_calm=False):
        self.port, self.urls, self.user, self.rewrites = port, urls, user, rewrites
        self.is_calm = is_calm  # nothing behind the proxy fails, so nothing here may
        self.done = {}
        self.statuses = {}

    def path(self):
        size = random.choices(SIZES, WEIGHTS)[0]
        path = f"/{random.choice(KINDS)}/{size}/{random.randrange(self.urls)}"
        return "/rw" + path if self.rewrites and random.random() < 0.4 else path

    def fields(self):
        fields = {}
        if self.user:
            pair = f"{self.user}:{self.user}" if random.random() < 0.9 else f"{self.user}:wrong"
            fields["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return fields

    def get(self):
        request = Request("GET", self.path(), self.fields(), minor=random.choice((1, 1, 1, 1, 0)))
        draw = random.random()
        if draw < 0.1:
            request.method = "HEAD"
        elif draw < 0.2:
            request.fields["Cache-Control"] = random.choice(("no-cache", "max-age=0"))
        elif draw < 0.3 and "/s/" in request.path:
            request.fields["If-None-Match"] = etag_of(real_path(request.path))
            request.statuses = {200, 304}
        elif draw < 0.4:
            request.fields["Range"] = random.choice(RANGES)
            request.statuses = {200, 206, 416}
        elif draw < 0.42:
            request.fields["Cache-Control"] = "only-if-cached"
        if "/v/" in request.path:
            request.fields["Accept-Language"] = random.choice(("fi", "en", "de"))
        if request.minor == 0 and random.random() < 0.5:
            request.fields["Connection"] = "keep-alive"
        return request

    def post(self):
        size = random.choice((0, 1, 1000, 40000, 300000))
        path = f"/{random.choice('uuce')}/100/{random.randrange(self.urls)}"
        request = Request("POST", path, self.fields(), random.randbytes(size))
        if size and random.random() < 0.3:
            request.fields["Expect"] = "100-continue"
        return request

    def purge(self):
        request = Request("PURGE", self.path(), self.fields())
        request.statuses = {200, 404, 500}
        return request

    def once(self):
        """One act; whatever the proxy must not do is raised."""
        act = random.choices(
            (self.keep_alive, self.pipeline, self.abort, self.slowly, self.upload, self.half_close,
             self.purge_one, self.broken_upload, self.tiny, self.stop_in_head),
            (40, 10, 10, 4, 12, 4, 6, 4, 6, 2),
        )[0]
        self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        connection = None
        try:
            connection = Connection(self.port, small_window=act == self.slowly)
            act(connection)
        except socket.timeout as error:
            raise Wrong(f"{act.__name__}: no end within {PATIENCE_S} s") from error
        except (Gone, OSError) as error:
            if self.is_calm and act in (self.keep_alive, self.pipeline, self.tiny, self.upload):
                raise Wrong(f"{act.__name__}: no whole reply to {self.last}: {error!r}") from error
        finally:
            if connection:
                connection.close()

    def ask(self, connection, request, tiny=False):
        self.last = f"{request.method} {request.path} {request.fields}"
        try:
            connection.send(request, tiny)
        except ConnectionError:
            pass  # answered before all was sent: the reply may be there
        try:
            goes_on = connection.reply(request)
            self.statuses[request.status] = self.statuses.get(request.status, 0) + 1
            if self.is_calm and request.status >= 500 and "Cache-Control" not in request.fields:
                raise Wrong(f"{request.method} {request.path}: status {request.status}")
            return goes_on
        except socket.timeout as error:
            raise Wrong(
                f"{request.method} {request.path} {request.fields}: no end within {PATIENCE_S} s"
            ) from error

    def keep_alive(self, connection):
        for _ in range(random.randrange(1, 12)):
            request = self.get() if random.random() < 0.9 else self.post()
            if not self.ask(connection, request):
                return
            if random.random() < 0.1:
                time.sleep(0.02)

    def pipeline(self, connection):
        requests = [
            self.get() if random.random() < 0.9 else self.post()
            for _ in range(random.randrange(2, 12))
        ]
        for request in requests:
            request.fields.pop("Expect", None)
        wire = b"".join(b"".join(request.wire()) for request in requests)
        self.last = f"{len(requests)} pipelined ones"
        try:
            connection.socket.sendall(wire)
        except ConnectionError:
            pass
        for request in requests:
            if not connection.reply(request):
                return

    def abort(self, connection):
        request = self.get() if random.random() < 0.7 else self.post()
        head, body = request.wire()
        wire = (head + body)[: random.randrange(1, len(head + body) + 1)]
        connection.socket.sendall(wire)
        time.sleep(random.choice((0, 0, 0.002, 0.02, 0.1)))
        connection.socket.settimeout(0.1)
        if random.random() < 0.5:
            try:
                connection.socket.recv(random.choice((1, 1000, 60000)))
            except socket.timeout:
                pass
        if random.random() < 0.5:
            connection.reset()

    def slowly(self, connection):
        request = self.get()
        connection.send(request)
        connection.input.rest_s = 0.02
        connection.input.give_up_at = time.monotonic() + 1
        connection.reply(request)

    def upload(self, connection):
        for _ in range(random.randrange(1, 4)):
            if not self.ask(connection, self.post()):
                return

    def tiny(self, connection):
        while self.ask(connection, self.get() if random.random() < 0.7 else self.post(), True):
            if random.random() < 0.3:
                return

    def half_close(self, connection):
        request = self.get()
        connection.send(request)
        connection.socket.shutdown(socket.SHUT_WR)
        connection.reply(request)

    def purge_one(self, connection):
        self.ask(connection, self.purge())

    def broken_upload(self, connection):
        request = self.post()
        request.fields["Transfer-Encoding"] = "chunked"
        request.body = None
        head, _ = request.wire()
        end = random.choice((b"zz\r\n", b"ffffffffffffffffff\r\n", b""))
        connection.socket.sendall(head + b"5\r\nhello\r\n" + end)
        if random.random() < 0.5:
            connection.socket.shutdown(socket.SHUT_WR)
            request.check = self.expect_failure
            connection.reply(request)

    @staticmethod
    def expect_failure(status, _fields, _body):
        if 200 <= status < 300:
            raise Wrong("a broken upload was answered as if it were whole")

    def stop_in_head(self, connection):
        connection.socket.sendall(b"GET /c/1/1 HTTP/1.1\r\nHos")
        time.sleep(random.random())
