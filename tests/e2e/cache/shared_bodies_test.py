#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Large bodies that many ask for at the same time are one fetch: whatever their length and framing, and
though one of the clients stands still. Who comes in the midst reads from the beginning, too."""
import os
import socket
import socketserver
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail

bobtail.skip_without_program()
PATIENCE = 50  # seconds until a wait is a failure
BLOCK = bytes((n * 7 + n // 256) % 256 for n in range(1 << 20))
TWICE = BLOCK * 2
FIRST = 60000  # bytes that come before the gate: all of them in memory still
CONFIG = """
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver
http_access allow all
access_log none
pid_filename none
workers 4
{more}
"""


class Thing:
    """One URL: its body's size in blocks, what becomes of it, and who asked."""

    def __init__(self, nblocks, is_chunked=False, breaks_at=None, is_given_up=False):
        self.nblocks, self.is_chunked, self.breaks_at = nblocks, is_chunked, breaks_at
        self.is_given_up = is_given_up  # the proxy closes the connection in the middle
        self.closed = threading.Event()
        self.size = nblocks * len(BLOCK)
        self.requests = []
        self.gates = [threading.Event(), threading.Event()]  # behind FIRST, and in the middle


THINGS = {}


class Origin(socketserver.StreamRequestHandler):
    def handle(self):
        thing = THINGS[self.rfile.readline().split()[1].decode()]
        head = b""
        while (line := self.rfile.readline()).strip():
            head += line.lower()
        thing.requests.append(head)
        if b"\nrange: " in b"\n" + head:
            self.wfile.write(b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nOK")
            return
        try:
            self.answer(thing)
        except ConnectionError:
            thing.closed.set()

    def answer(self, thing):
        framing = b"Transfer-Encoding: chunked" if thing.is_chunked else b"Content-Length: %d" % thing.size
        self.wfile.write(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=300\r\nConnection: close\r\n%s\r\n\r\n" % framing)
        self.send(thing, BLOCK[:FIRST])
        assert thing.gates[0].wait(PATIENCE)
        self.send(thing, BLOCK[FIRST:])
        for n in range(1, thing.nblocks):
            if n == thing.nblocks // 2:
                assert thing.gates[1].wait(PATIENCE)
                if thing.is_given_up:
                    self.wait_for_close(thing)
                    return
            if n == thing.breaks_at:
                return
            self.send(thing, BLOCK)
        if thing.is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def wait_for_close(self, thing):
        self.connection.settimeout(PATIENCE)
        if self.connection.recv(1) == b"":
            thing.closed.set()

    def send(self, thing, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if thing.is_chunked else data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """The proxy closed the connection: what some scenarios are about."""


class Client(threading.Thread):
    """Asks, and reads as far as it may: compares each byte. HTTP/1.0, so that there are no chunks."""

    def __init__(self, port, path, lines=b"", stands_still=False, offset=0):
        super().__init__(daemon=True)
        self.first, self.goes_on = threading.Event(), threading.Event()
        self.head, self.got, self.is_wrong = b"", 0, False
        self.offset = offset  # of its first byte in the body
        if not stands_still:
            self.goes_on.set()
        self.sock = socket.socket()
        if stands_still:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(b"GET %s HTTP/1.0\r\nHost: a\r\n%s\r\n" % (path.encode(), lines))
        self.start()

    def run(self):
        try:
            while b"\r\n\r\n" not in self.head and (data := self.sock.recv(4096)):
                self.head += data
            self.head, _, body = self.head.partition(b"\r\n\r\n")
            if body:
                self.take(body)
            self.goes_on.wait(PATIENCE)
            while (data := self.sock.recv(1 << 18)):
                self.take(data)
        except OSError:
            pass
        self.first.set()
        self.sock.close()

    def take(self, data):
        at = (self.offset + self.got) % len(BLOCK)
        self.is_wrong |= data != TWICE[at : at + len(data)]
        self.got += len(data)
        self.first.set()

    def result(self):
        self.join(PATIENCE)
        assert not self.is_alive(), f"it never ended: {self.got} bytes came"
        assert not self.is_wrong, f"wrong bytes among {self.got}"
        return self.got


def begin(port, path, nclients, **more):
    """Clients that share a fetch, all of which have read something; one more than that stands still."""
    clients = [Client(port, path) for _ in range(nclients)]
    for client in clients:
        assert client.first.wait(PATIENCE), "nothing came"
    clients.append(Client(port, path, stands_still=True, **more))
    assert clients[-1].first.wait(PATIENCE), "nothing came"
    return clients


def twenty_get_one_body(port):
    """So do who comes in the midst, and who wants a part of what came already; but who wants what will not
    come for long asks for himself. One of them stands still up to the end."""
    thing = THINGS["/large"] = Thing(30)
    clients = begin(port, "/large", 18)
    assert len(thing.requests) == 1, len(thing.requests)
    thing.gates[0].set()
    deadline = time.monotonic() + PATIENCE
    while any(client.got < 14 << 20 for client in clients[:-1]):
        assert time.monotonic() < deadline, [client.got for client in clients]
        time.sleep(0.01)
    late = Client(port, "/large")
    part = Client(port, "/large", b"Range: bytes=1000-1999\r\n", offset=1000)
    assert part.result() == 1000, part.head
    assert len(thing.requests) == 1, len(thing.requests)
    far = Client(port, "/large", b"Range: bytes=30000000-30000001\r\n")
    far.join(PATIENCE)
    assert far.got == 2 and len(thing.requests) == 2, (far.head, thing.requests)
    thing.gates[1].set()
    assert all(client.result() == thing.size for client in [*clients[:-1], late])
    clients[-1].goes_on.set()
    assert clients[-1].result() == thing.size
    assert len(thing.requests) == 2, len(thing.requests)


def who_stands_still_holds_up_nobody(port):
    """Though the length is not known, and the body grows out of memory as it comes."""
    thing = THINGS["/chunked"] = Thing(16, is_chunked=True)
    clients = begin(port, "/chunked", 9)
    for gate in thing.gates:
        gate.set()
    assert all(client.result() == thing.size for client in clients[:-1])
    clients[-1].goes_on.set()
    assert clients[-1].result() == thing.size
    assert len(thing.requests) == 1, len(thing.requests)


def a_body_that_breaks_is_whole_for_nobody(port):
    thing = THINGS["/breaks"] = Thing(4, breaks_at=3)
    clients = begin(port, "/breaks", 3)
    for gate in thing.gates:
        gate.set()
    clients[-1].goes_on.set()
    assert all(client.result() < thing.size for client in clients)
    assert len(thing.requests) == 1, len(thing.requests)


def what_all_leave_is_given_up(port):
    """By quick_abort_*, though it was on its way to the disk."""
    thing = THINGS["/left"] = Thing(8, is_given_up=True)
    clients = begin(port, "/left", 2)
    for gate in thing.gates:
        gate.set()
    for client in clients:
        client.goes_on.set()
        client.sock.shutdown(socket.SHUT_RDWR)
    assert thing.closed.wait(PATIENCE), "the fetch went on"


def without_a_spool_who_stands_still_is_let_go(port):
    """The body cannot be held for him, and the others do not wait for ever."""
    thing = THINGS["/no-spool"] = Thing(16, is_chunked=True)
    clients = begin(port, "/no-spool", 3)
    for gate in thing.gates:
        gate.set()
    assert all(client.result() == thing.size for client in clients[:-1])
    clients[-1].goes_on.set()
    assert clients[-1].result() < thing.size
    assert len(thing.requests) == 1, len(thing.requests)
    assert spool_metric(port, "refusals_total") > 0


def ask_in_turn(port, path, times):
    for _ in range(times):
        assert Client(port, path).result() == THINGS[path].size


def whole(nblocks):
    """One that the origin sends without a stop."""
    thing = Thing(nblocks)
    for gate in thing.gates:
        gate.set()
    return thing


def what_has_just_ended_is_found(port):
    """Though it is not on disk before the writer's next turn, and in memory never: 2 MiB are held back as they
    are, 8 MiB wait for the disk, and others lie in a spool."""
    THINGS["/held-back"], THINGS["/passed"], THINGS["/spooled"] = whole(2), whole(8), whole(8)
    ask_in_turn(port, "/held-back", 20)
    ask_in_turn(port, "/passed", 20)
    both = [Client(port, "/spooled") for _ in range(2)]
    assert all(client.result() == THINGS["/spooled"].size for client in both)
    ask_in_turn(port, "/spooled", 20)
    for path in ("/held-back", "/passed"):
        assert len(THINGS[path].requests) == 1, (path, len(THINGS[path].requests))
    assert len(THINGS["/spooled"].requests) <= 2, len(THINGS["/spooled"].requests)  # who was first might be done


def what_no_disk_takes_is_found_while_it_is_read(port):
    thing = THINGS["/homeless"] = Thing(16)
    clients = begin(port, "/homeless", 2)
    for gate in thing.gates:
        gate.set()
    assert all(client.result() == thing.size for client in clients[:-1])
    part = Client(port, "/homeless", b"Range: bytes=16000000-16000999\r\n", offset=16000000)
    assert part.result() == 1000, part.head
    ask_in_turn(port, "/homeless", 3)
    assert len(thing.requests) == 1, len(thing.requests)
    assert spool_metric(port, "objects") == 1
    assert thing.size <= spool_metric(port, "bytes") <= spool_metric(port, "max_bytes")
    clients[-1].goes_on.set()
    assert clients[-1].result() == thing.size
    bobtail.require_soon("it goes with its last reader", lambda: asks_anew(port, "/homeless"))


def spool_metric(port, name):
    """Of the spools in memory."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/squid-internal-mgr/metrics", timeout=PATIENCE) as page:
        line = next(line for line in page if line.startswith(b'bobtail_spool_%s{place="memory"}' % name.encode()))
        return int(line.split()[1])


def asks_anew(port, path):
    before = len(THINGS[path].requests)
    ask_in_turn(port, path, 1)
    return len(THINGS[path].requests) > before


SCENARIOS = [
    ("maximum_object_size 100 MB\ncache_dir ufs {folder} 1000 16 256",
     [twenty_get_one_body, who_stands_still_holds_up_nobody, a_body_that_breaks_is_whole_for_nobody,
      what_all_leave_is_given_up, what_has_just_ended_is_found]),
    ("", [who_stands_still_holds_up_nobody, what_no_disk_takes_is_found_while_it_is_read]),  # the spool lies in memory, the body in no store
    ("cache_mem 0", [without_a_spool_who_stands_still_is_let_go]),
]


bobtail.run_scenarios(SCENARIOS, CONFIG, Server(("127.0.0.1", *bobtail.free_ports(1)), Origin))
