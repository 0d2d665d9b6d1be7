#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Clients ask for random ranges and wholes of things that an origin serves honestly: some change, some
have no strong validator, some answers are cut short. What comes is compared byte by byte with the
representation that its ETag names, and no partial or broken answer ever passes as a whole one.
SEED and ROUNDS change the draw."""
import hashlib
import os
import random
import socket
import socketserver
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

bobtail.skip_without_program()
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 32))))
ROUNDS = int(os.environ.get("ROUNDS", "150"))  # requests of each client
CLIENTS = 6
DATE = "%a, %d %b %Y %H:%M:%S GMT"


class Thing:
    """A URL: its length, how its answers are validated, and how often it changes."""

    def __init__(self, number):
        self.path = f"/{number}"
        self.kind = ["strong", "strong", "weak", "dated", "none"][number % 5]
        self.base = [300_000, 1_500_000, 70_000, 1000, 10, 1, 0][number % 7]
        self.changes = self.kind == "strong" and number % 2 == 0
        self.is_chunked = number % 7 == 3
        self.version = 0

    def body(self, version):
        """Bytes that say where they stand, of this thing and this version."""
        length = self.base + version * 3 if self.base > 10 else self.base
        if (self.path, version) not in BODIES:
            seed = hashlib.sha256(f"{self.path} {version}".encode()).digest()
            rows = [hashlib.sha256(seed + row.to_bytes(4, "big")).digest() for row in range(length // 32 + 1)]
            BODIES[(self.path, version)] = b"".join(rows)[:length]
        return BODIES[(self.path, version)]

    def fields(self, version):
        if self.kind == "strong":
            return [("ETag", f'"v{version}"')]
        if self.kind == "weak":
            return [("ETag", 'W/"v0"')]
        if self.kind == "dated":
            return [("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")]
        return []


BODIES = {}
THINGS = []
SEEN = {"whole": 0, "part": 0, "filled": 0, "cut": 0}
LOCK = threading.Lock()


def parse_range(text, length):
    """(first, last) of one range; None: all, or nothing (first > last)."""
    if not text or "," in text:
        return None
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        return (max(0, length - int(last)), length - 1) if int(last) else (1, 0)
    return int(first), min(int(last), length - 1) if last else length - 1


class Origin(socketserver.StreamRequestHandler):
    def handle(self):
        rng = random.Random(SEED + threading.get_ident())
        while (line := self.rfile.readline().split()):
            fields = {}
            while (field := self.rfile.readline().strip()):
                name, _, value = field.decode().partition(":")
                fields[name.lower()] = value.strip()
            if not self.answer(THINGS[int(line[1][1:])], fields, rng):
                return

    def answer(self, thing, fields, rng):
        if thing.changes and rng.random() < 0.05:
            thing.version += 1
        version = thing.version  # others may change it meanwhile
        body, own = thing.body(version), dict(thing.fields(version))
        wanted = parse_range(fields.get("range"), len(body))
        if wanted and fields.get("if-range", "") not in ("", *own.values()):
            wanted = None
        status, extra = 200, []
        if wanted and wanted[0] > wanted[1]:
            status, body, extra = 416, b"", [f"Content-Range: bytes */{len(body)}"]
        elif wanted:
            status, extra = 206, [f"Content-Range: bytes {wanted[0]}-{wanted[1]}/{len(body)}"]
            body = body[wanted[0] : wanted[1] + 1]
        with LOCK:
            SEEN["whole" if status == 200 else "part"] += 1
            SEEN["filled"] += "if-range" in fields
        lifetime = 2 if thing.changes else 300
        lines = [f"HTTP/1.1 {status} X", f"Date: {time.strftime(DATE, time.gmtime())}",
                 f"Cache-Control: max-age={lifetime}", *extra, *(f"{name}: {value}" for name, value in own.items())]
        cut = rng.random() < 0.06 and len(body) > 0
        return self.send(lines, body, thing.is_chunked, rng.randrange(len(body)) if cut else None)

    def send(self, lines, body, is_chunked, cut):
        """cut: how many bytes come before the connection breaks; None: all do."""
        lines.append("Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}")
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        if cut is not None:
            with LOCK:
                SEEN["cut"] += 1
            body = body[:cut]
        if is_chunked:
            for at in range(0, len(body), 5000):
                piece = body[at : at + 5000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if cut is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body)
        return cut is None


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """The proxy gave up a connection: its right."""


class Client(threading.Thread):
    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port, self.rng = port, random.Random(seed)
        self.hits = self.answers = self.broken = 0
        self.error = None
        self.reader = None

    def run(self):
        try:
            for _ in range(ROUNDS):
                self.ask(self.rng.choice(THINGS))
        except Exception as error:  # told by the main thread
            self.error = error

    def draw_range(self, length):
        kind = self.rng.random()
        first = self.rng.randrange(length + 2)
        if kind < 0.15:
            return None
        if kind < 0.3:
            return f"bytes={first}-"
        if kind < 0.4:
            return f"bytes=-{self.rng.randrange(length + 2)}"
        if kind < 0.45:
            return f"bytes={first}-{first + 3},{first + 10}-{first + 12}"
        return f"bytes={first}-{first + self.rng.randrange(1 + self.rng.choice([5, 500, 50_000, length]))}"

    def ask(self, thing):
        if not self.reader:
            self.sock = socket.create_connection(("127.0.0.1", self.port), 30)
            self.reader = self.sock.makefile("rb")
        wanted = self.draw_range(thing.base)
        lines = [f"GET {thing.path} HTTP/1.1", "Host: a"]
        if wanted:
            lines.append(f"Range: {wanted}")
        if wanted and self.rng.random() < 0.1:
            lines.append('If-Range: "v0"')
        try:
            self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
            self.take(thing, wanted)
        except (EOFError, ConnectionError):
            self.broken += 1
            self.close()
        if self.reader and self.rng.random() < 0.03:
            self.close()

    def close(self):
        self.reader.close()
        self.sock.close()
        self.reader = None

    def take(self, thing, wanted):
        status_line = self.reader.readline()
        if not status_line:
            raise EOFError
        status, head = int(status_line.split()[1]), {}
        while (line := self.reader.readline().strip()):
            name, _, value = line.decode().partition(":")
            head[name.lower()] = value.strip()
        body = self.read_body(head)
        self.answers += 1
        self.hits += "HIT" in head.get("x-cache", "")
        self.compare(thing, wanted, status, head, body)
        if head.get("connection") == "close":
            self.close()

    def read_exactly(self, n):
        data = self.reader.read(n)
        if len(data) < n:
            raise EOFError
        return data

    def read_body(self, head):
        if "content-length" in head:
            return self.read_exactly(int(head["content-length"]))
        body = b""
        while (line := self.reader.readline().strip()) and (size := int(line, 16)):
            body += self.read_exactly(size)
            self.read_exactly(2)
        if not line:
            raise EOFError
        self.read_exactly(2)
        return body

    def compare(self, thing, wanted, status, head, body):
        what = f"{thing.path} ({thing.kind}) {wanted}: {status} {head}"
        if status in (416, 502):  # nothing of it there; the origin broke before its answer's end
            return
        version = int(head["etag"].strip('W/"v')) if "etag" in head else 0
        whole = thing.body(version)
        if status == 200:
            assert body == whole, what
            return
        assert status == 206 and wanted, what
        if head.get("content-type", "").startswith("multipart/byteranges"):
            self.compare_parts(whole, head, body, what)
            return
        span, _, length = head["content-range"].removeprefix("bytes ").partition("/")
        first, last = (int(number) for number in span.split("-"))
        assert int(length) == len(whole) and body == whole[first : last + 1], what
        assert (first, last) == parse_range(wanted, len(whole)) or "," in wanted, what

    def compare_parts(self, whole, head, body, what):
        boundary = b"\r\n--" + head["content-type"].partition("boundary=")[2].encode()
        parts = body.split(boundary)
        assert parts[0] == b"" and parts[-1] == b"--\r\n", what
        for part in parts[1:-1]:
            lines, _, data = part.partition(b"\r\n\r\n")
            span = lines.decode().partition("Content-Range: bytes ")[2].partition("/")[0]
            first, last = (int(number) for number in span.split("-"))
            assert data == whole[first : last + 1], what


CONFIG = """
http_port 127.0.0.1:{port} accel defaultsite=a
cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver
http_access allow all
access_log none
pid_filename none
workers 2
cache_mem 24 MB
range_offset_limit none whole
{more}
"""


def run(more, seed):
    BODIES.clear()
    THINGS[:] = [Thing(number) for number in range(20)]
    port, origin_port = bobtail.free_ports(2)
    with Server(("127.0.0.1", origin_port), Origin) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = "acl whole urlpath_regex ^/1\n" + CONFIG.format(port=port, origin_port=origin_port, more=more)
        with bobtail.Proxy(config, port) as proxy:
            clients = [Client(port, seed + n) for n in range(CLIENTS)]
            for client in clients:
                client.start()
            for client in clients:
                client.join(120)
            alive = proxy.is_alive()
            output = proxy.output()
        server.shutdown()
    errors = [client.error for client in clients if client.error]
    assert not errors, f"seed {SEED}: {errors[0]!r}"
    assert alive, f"seed {SEED}: the proxy ended: {output[-3000:]}"
    assert not any(client.is_alive() for client in clients), f"seed {SEED}: an answer never came"
    answers, hits = sum(c.answers for c in clients), sum(c.hits for c in clients)
    print(f"{answers} answers, {hits} hits, {sum(c.broken for c in clients)} broken off; the origin: {SEEN}")
    assert hits > answers // 10 and SEEN["filled"] > 10, f"seed {SEED}: nothing was kept"


def main():
    print(f"seed {SEED}")
    run("", SEED)
    run("maximum_object_size_in_memory 100 KB", SEED + 1000)
    with tempfile.TemporaryDirectory(prefix="bobtail-test.") as folder:
        os.chmod(folder, 0o777)  # started as root, the proxy becomes another user
        run(f"maximum_object_size_in_memory 100 KB\ncache_dir ufs {folder} 100 16 256", SEED + 2000)
    print("every range and every whole had the right bytes")


main()
