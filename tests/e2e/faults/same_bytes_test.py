#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Objects from nothing to 64 MiB, with a length, in chunks or up to the end of the connection, asked for whole, in
parts, and given up by client or origin: from the origin, from memory, from disk and after a restart each byte is the
same.

SAME_BYTES: how many objects (300; make endurance: 10000); SAME_BYTES_SEED: another draw."""
import concurrent.futures
import math
import os
import random
import re
import socket
import socketserver
import sys
import threading
import time

import world
from world import Failure, World
from client import PATIENCE_S, Wrong
from origin import Gone, Input, parse_head

NOBJECTS = int(os.environ.get("SAME_BYTES", "300"))
SEED = int(os.environ.get("SAME_BYTES_SEED", "1"))
NCLIENTS = 6
LARGEST = 64 << 20 if not world.IS_SANITIZED else 8 << 20
# Each body is a stretch of this, no two from the same place.
BASE = memoryview(random.Random(SEED).randbytes(LARGEST + (1 << 20) + 65537))
TEXT = """
maximum_object_size_in_memory 1 MB
maximum_object_size 128 MB
quick_abort_min 0 KB
"""


def log_uniform(draw, most):
    return int(math.exp(draw.uniform(0, math.log(most)))) - 1


class Thing:
    """One object: its size, how the origin frames it, and who gives it up the first time."""

    def __init__(self, number):
        draw = random.Random(SEED * 1000003 + number)
        self.path = f"/{number}"
        kind = draw.random()
        if number == 0:
            self.size = LARGEST
        elif number == 1:
            self.size = 0
        elif kind < 0.97:
            self.size = log_uniform(draw, 256 << 10)
        elif kind < 0.998:
            self.size = log_uniform(draw, 4 << 20)
        else:
            self.size = draw.randrange(LARGEST // 4, LARGEST + 1)
        self.at = number * 7919 % (1 << 20)
        self.framing = draw.choices(("length", "chunked", "close"), (70, 25, 5))[0]
        self.cut_by = draw.choices((None, "client", "origin"), (90, 5, 5))[0]
        self.is_cut = threading.Event()
        if self.size < 10 or (self.framing == "close" and self.cut_by == "origin"):
            self.cut_by = None  # the end of the connection is no end that could be missed

    def body(self):
        return BASE[self.at : self.at + self.size]


THINGS = [Thing(number) for number in range(NOBJECTS)]


class Answer(socketserver.StreamRequestHandler):
    """The origin. A Range is ignored: the proxy makes the parts."""

    def handle(self):
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (line := self.rfile.readline().split()):
            while self.rfile.readline().strip():
                pass
            if not self.answer(THINGS[int(line[1][1:])]):
                return

    def answer(self, thing):
        head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=36000\r\nETag: \"%d\"\r\n" % thing.size
        head += {
            "length": b"Content-Length: %d\r\n\r\n" % thing.size,
            "chunked": b"Transfer-Encoding: chunked\r\n\r\n",
            "close": b"Connection: close\r\n\r\n",
        }[thing.framing]
        body = thing.body()
        is_cut = thing.cut_by == "origin" and not thing.is_cut.is_set()
        if is_cut:
            thing.is_cut.set()
            body = body[: thing.size // 2]
        self.wfile.write(head)
        if thing.framing == "chunked":
            self.chunks(body)
            if not is_cut:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body)
        return thing.framing != "close" and not is_cut

    def chunks(self, body):
        at = 0
        while at < len(body):
            size = random.choice((1, 999, 8192, 40000, 300000))
            piece = body[at : at + size]
            self.wfile.write(b"%x\r\n" % len(piece))
            self.wfile.write(piece)
            self.wfile.write(b"\r\n")
            at += len(piece)


class Origin(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Connections break here: that is part of it."""


class Refused(Wrong):
    """An error, which a failing origin may lead to."""


class Client:
    """Asks on a connection of its own, and compares as it reads."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = Input(self.socket)

    def compare(self, expected, at, length):
        """The next bytes are expected's from `at` on."""
        end = at + length
        while at < end:
            if not self.input.data:
                self.input.data = self.socket.recv(min(end - at, 1 << 20))
                if not self.input.data:
                    raise Gone
            piece, self.input.data = self.input.data[: end - at], self.input.data[end - at :]
            if piece != expected[at : at + len(piece)]:
                raise Wrong(f"other bytes between {at} and {at + len(piece)}")
            at += len(piece)

    def head(self, thing, fields=""):
        request = f"GET {thing.path} HTTP/1.1\r\nHost: faults.test\r\n{fields}\r\n"
        self.socket.sendall(request.encode())
        line, fields = parse_head(self.input.until(b"\r\n\r\n"))
        return int(line.split()[1]), fields

    def get(self, thing, limit=None):
        """Whether it was a hit. limit: reads no more than that, and leaves."""
        status, fields = self.head(thing)
        if status != 200:
            raise Refused(f"status {status}")
        self.read_body(thing, fields, limit)
        return ";hit" in fields.get("cache-status", "")

    def read_body(self, thing, fields, limit=None):
        body, at = thing.body(), 0
        if "content-length" in fields:
            length = int(fields["content-length"])
            if length != thing.size:
                raise Wrong(f"Content-Length {length} instead of {thing.size}")
            self.compare(body, 0, min(length, limit or length))
        else:
            while (size := int(self.input.until(b"\r\n").split(b";")[0], 16)) > 0:
                if at + size > thing.size:
                    raise Wrong("longer than it is")
                self.compare(body, at, size)
                self.input.exactly(2)
                at += size
                if limit and at >= limit:
                    return
            self.input.until(b"\r\n")
            if at != thing.size:
                raise Wrong(f"ends behind {at} bytes")

    def get_part(self, thing, draw):
        first = draw.randrange(thing.size)
        last = min(first + draw.choice((0, 10, 5000, 70000, 1 << 30)), thing.size - 1)
        status, fields = self.head(thing, f"Range: bytes={first}-{last}\r\n")
        if status == 200 and thing.framing != "length":
            self.read_body(thing, fields)  # how long it is was not known yet
            return
        numbers = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", fields.get("content-range", ""))
        if status != 206 or not numbers:
            raise Wrong(f"Range {first}-{last}: status {status}, {fields}")
        if numbers.groups() != (str(first), str(last), str(thing.size)):
            raise Wrong(f"Range {first}-{last}: {fields}")
        self.compare(thing.body(), first, last - first + 1)

    def close(self):
        self.socket.close()


class Pass:
    """All objects once, by several clients. What was a hit is counted."""

    def __init__(self, port, name):
        self.port, self.name = port, name
        self.nhits = 0
        self.lock = threading.Lock()

    def run(self):
        begun = time.monotonic()
        things = THINGS[:]
        random.shuffle(things)
        with concurrent.futures.ThreadPoolExecutor(NCLIENTS) as pool:
            for wrong in pool.map(self.run_some, [things[i::NCLIENTS] for i in range(NCLIENTS)]):
                if wrong:
                    raise Failure(f"{self.name}: {wrong}")
        print(f"{self.name}: {self.nhits} hits, {time.monotonic() - begun:.1f} s", flush=True)

    def run_some(self, things):
        draw = random.Random()
        client = Client(self.port)
        for thing in things:
            try:
                if self.name == "origin" and thing.cut_by:
                    self.give_up(thing)
                if thing.size > 0 and draw.random() < 0.2:
                    self.part(thing, draw)
                is_hit = client.get(thing)
            except (Wrong, Gone, OSError) as error:
                return f"{thing.path}, {thing.size} bytes, {thing.framing}, cut {thing.cut_by}: {error!r}"
            with self.lock:
                self.nhits += is_hit
        client.close()
        return None

    def part(self, thing, draw):
        """Of what the cache may not have yet, all is fetched (range_offset_limit -1)."""
        client = Client(self.port)
        client.get_part(thing, draw)
        client.close()

    def give_up(self, thing):
        client = Client(self.port)
        if thing.cut_by == "client":
            client.get(thing, thing.size // 3)
            client.close()
            return
        try:
            client.get(thing)
        except (Gone, OSError, Refused):
            return
        finally:
            client.close()
        raise Wrong("a body cut short came as whole")


def passes(w):
    Pass(w.port, "origin").run()
    Pass(w.port, "second").run()
    time.sleep(1)  # what is queued is written
    again = Pass(w.port, "third")
    again.run()
    w.expect(again.nhits > NOBJECTS * 0.9, "too few hits")
    w.proxy.stop()
    w.start()
    after = Pass(w.port, "restarted")
    after.run()
    w.expect(after.nhits > NOBJECTS * 0.9, "too few hits after a restart")
    Pass(w.port, "from disk or memory").run()


def main():
    world.bobtail.skip_without_program()
    total = sum(thing.size for thing in THINGS)
    w = World("same", megabytes=(total >> 20) * 3 // 2 + 256, text=TEXT)
    w.config = re.sub("cache_mem .*", "cache_mem 64 MB", w.config)
    w.config = re.sub("workers .*", "workers 4", w.config)
    w.config += "range_offset_limit -1\n"
    w.config = w.config.replace(" 16 256", f" 16 256 max-size={LARGEST + 1}")
    w.origin.close()
    origin = Origin(("127.0.0.1", w.origin.port), Answer)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    print(f"{NOBJECTS} objects, {total >> 20} MiB", flush=True)
    try:
        w.start()
        passes(w)
        output = w.proxy.output()
        w.expect(w.proxy.is_alive() and "Sanitizer" not in output, output[-8000:])
        w.said()
    except Failure as failure:
        print(f"not ok: {failure}", *w.lines(), sep="\n")
        sys.exit(1)
    finally:
        w.end()


if __name__ == "__main__":
    main()
