#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Many clients ask for one thing while its origin is slow: one fetch serves those whom it may serve, and
lets the others go at once. Clients that leave, answers that are private, vary, fail or break; and what
becomes of a fetch that nobody waits for any more (quick_abort_*)."""
import os
import re
import socket
import socketserver
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

bobtail.skip_without_program()
PATIENCE = 30  # seconds until a wait is a failure
CROWD = 8
FRESH = b"Cache-Control: max-age=300\r\n"


class Thing:
    """One URL at the origin: counts its requests, and answers each as the scenario says."""

    def __init__(self, answer):
        self.answer = answer
        self.changed = threading.Condition()
        self.requests = []  # the heads, in their order
        self.ended = 0  # connections that were found closed while an answer was being sent
        self.sent = 0  # answers that were sent to their end
        self.gate = threading.Event()

    def wait_until(self, holds, what):
        with self.changed:
            assert self.changed.wait_for(lambda: holds(self), PATIENCE), f"{what}: {len(self.requests)} requests"

    def note(self, **changes):
        with self.changed:
            for name, value in changes.items():
                setattr(self, name, getattr(self, name) + value)
            self.changed.notify_all()

    def wait_at_gate(self):
        assert self.gate.wait(PATIENCE), "the gate stayed closed"


THINGS = {}


class Origin(socketserver.StreamRequestHandler):
    def handle(self):
        while (line := self.rfile.readline().split()):
            head = {}
            while (field := self.rfile.readline().strip()):
                name, _, value = field.partition(b":")
                head[name.lower()] = value.strip()
            thing = THINGS[line[1].decode()]
            with thing.changed:
                thing.requests.append(head)
                number = len(thing.requests)
                thing.changed.notify_all()
            if thing.answer(self, thing, head, number) == "close":
                return

    def send(self, *parts):
        self.wfile.write(b"".join(parts))

    def is_closed(self):
        """Waits for the proxy to close the connection."""
        self.connection.settimeout(PATIENCE)
        try:
            return self.connection.recv(1) == b""
        except ConnectionError:
            return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """The proxy closed the connection: what some scenarios are about."""


def reply(body, *lines, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, b"".join(lines), len(body), body)


class Client(threading.Thread):
    """Asks once and reads to the end. first: set at the first byte of the body."""

    def __init__(self, port, path, lines=b""):
        super().__init__(daemon=True)
        self.path = path
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.first = threading.Event()
        self.status, self.body, self.is_whole = 0, b"", False
        self.sock.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path.encode(), lines))
        self.start()

    def run(self):
        try:
            self.read(self.sock.makefile("rb"))
        except OSError:
            pass
        self.first.set()

    def read(self, reader):
        line = reader.readline().split()
        if not line:
            return
        length = 0
        while (field := reader.readline().strip()):
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.status = int(line[1])
        while len(self.body) < length and (data := reader.read1(65536)):
            self.body += data
            self.first.set()
        self.is_whole = len(self.body) == length

    def leave(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.join(PATIENCE)
        self.sock.close()

    def result(self):
        self.join(PATIENCE)
        assert not self.is_alive(), f"{self.path}: an answer never came"
        self.sock.close()
        return self.status, self.body, self.is_whole


def crowd(port, path, lines=lambda n: b""):
    return [Client(port, path, lines(n)) for n in range(CROWD)]


# How long a request that should not come is given to come. It makes a broken rule visible; that it is
# long enough is not needed for a sound one to pass.
LULL = 0.3


# ---- one fetch for all


def all_get_one_answer(port):
    """They also get it as it comes."""

    def answer(origin, thing, _head, _number):
        origin.send(b"HTTP/1.1 200 OK\r\n", FRESH, b"Content-Length: 8\r\n\r\nhalf")
        thing.wait_at_gate()
        origin.send(b"half")

    thing = THINGS["/one"] = Thing(answer)
    clients = crowd(port, "/one")
    for client in clients:
        assert client.first.wait(PATIENCE), "what came was not passed on"
    thing.gate.set()
    assert all(client.result() == (200, b"halfhalf", True) for client in clients)
    assert len(thing.requests) == 1, len(thing.requests)


def a_slow_head_is_waited_for(port):
    def answer(origin, thing, _head, _number):
        thing.wait_at_gate()
        origin.send(reply(b"body", FRESH))

    thing = THINGS["/head"] = Thing(answer)
    clients = crowd(port, "/head")
    thing.wait_until(lambda t: t.requests, "a request")
    time.sleep(LULL)
    assert len(thing.requests) == 1, len(thing.requests)
    thing.gate.set()
    assert all(client.result() == (200, b"body", True) for client in clients)
    assert len(thing.requests) == 1, len(thing.requests)


def a_fetch_that_hangs_is_asked(port):
    """What comes of it is seen at the end: that takes some seconds."""

    def answer(origin, thing, _head, number):
        if number == 1:
            return "close" if origin.is_closed() else None
        origin.send(reply(b"body", FRESH))
        return None

    thing = THINGS["/hangs"] = Thing(answer)
    thing.first = Client(port, "/hangs")
    thing.wait_until(lambda t: t.requests, "a request")
    thing.others = crowd(port, "/hangs")


def a_fetch_that_hangs_holds_up_others_for_seconds(_port):
    """One of them asks then, for all others; at most one in each worker."""
    thing = THINGS["/hangs"]
    got = [client.result() for client in thing.others]
    assert all(one == (200, b"body", True) for one in got), got
    assert len(thing.requests) <= 3, len(thing.requests)
    assert thing.first.is_alive(), "who asked first does not wait for an answer any more"
    thing.first.leave()


STALE = b'ETag: "1"\r\nAge: 400\r\n' + FRESH  # at once; but what renews it keeps it fresh


def renewed_for_all(port, path, renewal, wanted):
    """What all find stale is asked about once. With conditions of their own too."""

    def answer(origin, thing, head, number):
        if number == 1:
            return origin.send(reply(b"old", STALE))
        thing.note(sent=head.get(b"if-none-match") == b'"1"')
        thing.wait_at_gate()
        origin.send(renewal)

    thing = THINGS[path] = Thing(answer)
    assert Client(port, path).result() == (200, b"old", True)
    clients = crowd(port, path, lambda n: b'If-None-Match: "other"\r\n' if n % 2 else b"")
    thing.wait_until(lambda t: len(t.requests) == 2, "a validation")
    time.sleep(LULL)
    assert len(thing.requests) == 2 and thing.sent == 1, thing.requests
    thing.gate.set()
    got = [client.result() for client in clients]
    assert all(one == wanted for one in got), got
    assert len(thing.requests) == 2, len(thing.requests)


def a_validation_serves_all(port):
    renewal = b'HTTP/1.1 304 Not Modified\r\nAge: 0\r\nETag: "1"\r\n%s\r\n' % FRESH
    renewed_for_all(port, "/renewed", renewal, (200, b"old", True))


def what_replaces_the_stale_serves_all(port):
    renewed_for_all(port, "/replaced", reply(b"new", FRESH), (200, b"new", True))


def objects_on_disk(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/squid-internal-mgr/metrics", timeout=PATIENCE) as page:
        return int(re.search(rb"^bobtail_disk_cache_objects{.*?} (\d+)", page.read(), re.M)[1])


def settled_objects_on_disk(port):
    """What was answered before may still be on its way there, in batches of 200 ms."""
    number = None
    while number != (now := objects_on_disk(port)):
        number = now
        time.sleep(0.5)
    return number


def what_is_on_disk_alone_is_validated_once(port):
    """And not once more while the new head is on its way into the file."""

    def answer(origin, thing, head, number):
        if number == 1:
            return origin.send(reply(b"x" * 800_000, STALE))
        thing.wait_at_gate()
        origin.send(b'HTTP/1.1 304 Not Modified\r\nAge: 0\r\nETag: "1"\r\n', FRESH, b"\r\n")

    before = settled_objects_on_disk(port)
    thing = THINGS["/on-disk"] = Thing(answer)
    assert Client(port, "/on-disk").result()[0] == 200
    deadline = time.monotonic() + PATIENCE
    while objects_on_disk(port) == before:
        assert time.monotonic() < deadline, "it never was on disk"
    clients = crowd(port, "/on-disk")
    thing.wait_until(lambda t: len(t.requests) == 2, "a validation")
    time.sleep(LULL)
    thing.gate.set()
    assert all(client.result()[::2] == (200, True) for client in clients)
    assert Client(port, "/on-disk").result()[::2] == (200, True)
    assert len(thing.requests) == 2, len(thing.requests)


def what_is_stale_before_it_is_on_disk_is_fetched_once(port):
    """The batch that stores it comes up to 200 ms later."""

    def answer(origin, thing, head, number):
        if number == 2:
            thing.wait_at_gate()
        origin.send(reply(b"x" * 800_000, STALE))

    thing = THINGS["/stale-at-once"] = Thing(answer)
    assert Client(port, "/stale-at-once").result()[0] == 200
    clients = crowd(port, "/stale-at-once")
    thing.wait_until(lambda t: len(t.requests) == 2, "a second fetch")
    time.sleep(LULL)
    assert len(thing.requests) == 2, len(thing.requests)
    thing.gate.set()
    assert all(client.result()[::2] == (200, True) for client in clients)


def each_variant_is_validated_once(port):
    """Side by side: none waits for another's."""

    def answer(origin, thing, head, number):
        lines = FRESH + b'Vary: X-A\r\nETag: "%s"\r\n' % head[b"x-a"]
        if number <= 2:
            return origin.send(reply(head[b"x-a"], lines, b"Age: 400\r\n"))
        thing.wait_until(lambda t: len(t.requests) >= 4, "the other variant's validation")
        thing.wait_at_gate()
        origin.send(b"HTTP/1.1 304 Not Modified\r\nAge: 0\r\n%s\r\n" % lines)

    thing = THINGS["/validated-variants"] = Thing(answer)
    for n in range(2):
        assert Client(port, "/validated-variants", b"X-A: %d\r\n" % n).result()[0] == 200
    clients = crowd(port, "/validated-variants", lambda n: b"X-A: %d\r\n" % (n % 2))
    thing.wait_until(lambda t: len(t.requests) == 4, "two validations")
    time.sleep(LULL)
    thing.gate.set()
    for n, client in enumerate(clients):
        assert client.result() == (200, b"%d" % (n % 2), True), n
    assert len(thing.requests) == 4, len(thing.requests)


def who_validates_leaves(port):
    """The next one does, for all others; at most one in each worker, if they wake up at the same time."""

    def answer(origin, thing, _head, number):
        if number == 1:
            return origin.send(reply(b"old", STALE))
        if number > 2:
            thing.wait_at_gate()
            return origin.send(reply(b"new", FRESH))
        return "close" if origin.is_closed() else None

    thing = THINGS["/validates-and-leaves"] = Thing(answer)
    assert Client(port, "/validates-and-leaves").result() == (200, b"old", True)
    first = Client(port, "/validates-and-leaves")
    thing.wait_until(lambda t: len(t.requests) == 2, "a validation")
    others = crowd(port, "/validates-and-leaves")
    time.sleep(LULL)
    assert len(thing.requests) == 2, len(thing.requests)
    first.leave()
    thing.wait_until(lambda t: len(t.requests) > 2, "the next one's validation")
    time.sleep(LULL)
    thing.gate.set()
    assert all(client.result() == (200, b"new", True) for client in others)
    assert len(thing.requests) <= 4, len(thing.requests)


# ---- answers that are not for all


def released_at_once(port, path, lines, status=200):
    """The first answer frees the others, who then ask side by side: the origin answers nobody of
    them before all have asked."""

    def answer(origin, thing, _head, number):
        if number == 1:
            thing.wait_at_gate()
        else:
            thing.wait_until(lambda t: len(t.requests) >= CROWD, "the others' requests")
        origin.send(reply(b"%d" % number, *lines, status=b"%d X" % status))

    thing = THINGS[path] = Thing(answer)
    first = Client(port, path)
    thing.wait_until(lambda t: t.requests, "the first request")
    others = [Client(port, path) for _ in range(CROWD - 1)]
    time.sleep(LULL)
    thing.gate.set()
    results = [client.result() for client in [first, *others]]
    assert all(code == status and whole for code, _, whole in results), results
    assert sorted(int(body) for _, body, _ in results) == list(range(1, CROWD + 1)), results


def a_private_answer_releases_the_others(port):
    released_at_once(port, "/private", [b"Cache-Control: private, max-age=300\r\n"])


def an_answer_not_to_be_stored_releases_the_others(port):
    released_at_once(port, "/no-store", [b"Cache-Control: no-store\r\n"])


def an_error_releases_the_others(port):
    released_at_once(port, "/error", [], status=500)


def an_answer_for_another_variant_releases_the_others(port):
    def answer(origin, thing, head, number):
        if number == 1:
            thing.wait_at_gate()
        origin.send(reply(head[b"x-a"], FRESH, b"Vary: X-A\r\n"))

    thing = THINGS["/vary"] = Thing(answer)
    clients = crowd(port, "/vary", lambda n: b"X-A: %d\r\n" % (n // 2))
    thing.wait_until(lambda t: t.requests, "the first request")
    time.sleep(LULL)
    thing.gate.set()
    for n, client in enumerate(clients):
        assert client.result() == (200, b"%d" % (n // 2), True), n
    assert len(thing.requests) <= CROWD


def a_connection_that_breaks_before_the_head_is_not_everybodys_error(port):
    def answer(origin, thing, _head, number):
        if number == 1:
            thing.wait_at_gate()
        if number <= 3:  # the proxy may try again by itself
            return "close"
        origin.send(reply(b"body", FRESH))
        return None

    thing = THINGS["/broken-head"] = Thing(answer)
    clients = crowd(port, "/broken-head")
    thing.wait_until(lambda t: t.requests, "the first request")
    time.sleep(LULL)
    thing.gate.set()
    results = [client.result() for client in clients]
    assert all(r in ((200, b"body", True),) or r[0] == 502 for r in results), results
    assert results.count((200, b"body", True)) >= CROWD - 3, results


def a_body_that_breaks_is_whole_for_nobody(port):
    def answer(origin, thing, _head, number):
        if number == 1:
            origin.send(b"HTTP/1.1 200 OK\r\n", FRESH, b"Content-Length: 8\r\n\r\nhalf")
            thing.wait_at_gate()
            return "close"
        origin.send(reply(b"whole", FRESH))
        return None

    thing = THINGS["/broken-body"] = Thing(answer)
    clients = crowd(port, "/broken-body")
    for client in clients:
        assert client.first.wait(PATIENCE)
    thing.gate.set()
    for client in clients:
        assert client.result() == (200, b"half", False)
    assert Client(port, "/broken-body").result() == (200, b"whole", True)


# ---- clients that leave


def who_asked_first_leaves_before_the_head(port):
    def answer(origin, thing, _head, _number):
        thing.wait_at_gate()
        origin.send(reply(b"body", FRESH))

    thing = THINGS["/left"] = Thing(answer)
    first = Client(port, "/left")
    thing.wait_until(lambda t: t.requests, "the first request")
    others = [Client(port, "/left") for _ in range(CROWD - 1)]
    time.sleep(LULL)
    first.leave()
    # One of the others, at most one in each worker, asks in its place.
    thing.gate.set()
    assert all(client.result() == (200, b"body", True) for client in others)
    assert len(thing.requests) <= 3, len(thing.requests)


def who_asked_first_leaves_in_the_midst(port):
    def answer(origin, thing, _head, _number):
        origin.send(b"HTTP/1.1 200 OK\r\n", FRESH, b"Content-Length: 8\r\n\r\nhalf")
        thing.wait_at_gate()
        origin.send(b"half")

    thing = THINGS["/left-body"] = Thing(answer)
    first = Client(port, "/left-body")
    assert first.first.wait(PATIENCE)
    others = [Client(port, "/left-body") for _ in range(CROWD - 1)]
    for client in others:
        assert client.first.wait(PATIENCE)
    first.leave()
    thing.gate.set()
    assert all(client.result() == (200, b"halfhalf", True) for client in others)
    assert len(thing.requests) == 1


def all_leave(port, path, total, sent_first, goes_on, validator=b""):
    """Squid: quick_abort_min 16 KB, quick_abort_max 16 KB, quick_abort_pct 95 unless set."""

    def answer(origin, thing, _head, number):
        if number > 1:
            origin.send(reply(b"again", FRESH))
            return None
        origin.send(b"HTTP/1.1 200 OK\r\n", FRESH, validator, b"Content-Length: %d\r\n\r\n" % total)
        origin.send(b"x" * sent_first)
        thing.wait_at_gate()
        if not goes_on:
            thing.note(ended=origin.is_closed())
            return "close"
        origin.send(b"x" * (total - sent_first))
        thing.note(sent=1)
        return None

    thing = THINGS[path] = Thing(answer)
    clients = crowd(port, path)
    for client in clients:
        assert client.first.wait(PATIENCE)
    for client in clients:
        client.leave()
    time.sleep(LULL)
    thing.gate.set()
    if goes_on:
        thing.wait_until(lambda t: t.sent, "the end of the answer")
        assert Client(port, path).result() == (200, b"x" * total, True)
        assert len(thing.requests) == 1
    else:
        thing.wait_until(lambda t: t.ended, "the end of the connection")
        assert Client(port, path).result() == (200, b"again", True)


def little_is_left_and_fetched(port):
    all_leave(port, "/little", 40_000, 30_000, True)


def much_is_left_and_given_up(port):
    all_leave(port, "/much", 90_000, 30_000, False)


def most_is_there_but_much_is_left(port):
    """Over 95 per cent, but more than quick_abort_max is left: given up."""
    all_leave(port, "/most", 480_000, 460_000, False)


def what_was_given_up_is_resumed(port):
    """A strong validator: what came stays, and the rest is asked for (RFC 9111 3.3)."""

    def answer(origin, thing, head, number):
        if number > 1:
            assert head[b"if-range"] == b'"v1"'
            first = int(head[b"range"].removeprefix(b"bytes=").rstrip(b"-"))
            origin.send(reply(b"y" * (90_000 - first), FRESH, b'ETag: "v1"\r\n',
                              b"Content-Range: bytes %d-89999/90000\r\n" % first, status=b"206 Partial"))
            return None
        origin.send(b'HTTP/1.1 200 OK\r\nETag: "v1"\r\n', FRESH, b"Content-Length: 90000\r\n\r\n", b"y" * 30_000)
        thing.wait_at_gate()
        thing.note(ended=origin.is_closed())
        return "close"

    thing = THINGS["/resumed"] = Thing(answer)
    client = Client(port, "/resumed")
    assert client.first.wait(PATIENCE)
    client.leave()
    thing.gate.set()
    thing.wait_until(lambda t: t.ended, "the end of the connection")
    assert Client(port, "/resumed").result() == (200, b"y" * 90_000, True)
    assert Client(port, "/resumed").result() == (200, b"y" * 90_000, True)
    assert len(thing.requests) == 2


def who_leaves_before_the_head_ends_the_fetch(port):
    def answer(origin, thing, _head, number):
        if number > 1:
            origin.send(reply(b"body", FRESH))
            return None
        thing.note(ended=origin.is_closed())
        return "close"

    thing = THINGS["/alone"] = Thing(answer)
    client = Client(port, "/alone")
    thing.wait_until(lambda t: t.requests, "the request")
    client.leave()
    thing.wait_until(lambda t: t.ended, "the end of the connection")
    assert Client(port, "/alone").result() == (200, b"body", True)


def private_is_given_up_whatever_is_left(port):
    def answer(origin, thing, _head, _number):
        origin.send(b"HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 8\r\n\r\nhalf")
        thing.note(ended=origin.is_closed())
        return "close"

    thing = THINGS["/private-left"] = Thing(answer)
    client = Client(port, "/private-left")
    assert client.first.wait(PATIENCE)
    client.leave()
    thing.wait_until(lambda t: t.ended, "the end of the connection")


def always_goes_on(port):
    all_leave(port, "/always", 400_000, 1_000, True)


def never_goes_on(port):
    all_leave(port, "/never", 40_000, 39_990, False)


def by_percentage(port):
    all_leave(port, "/pct-enough", 200_000, 120_000, True)
    all_leave(port, "/pct-short", 200_000, 90_000, False)


CONFIG = """
http_port 127.0.0.1:{port} accel defaultsite=a
cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver connect-fail-limit=1000
http_access allow all
access_log none
pid_filename none
workers 2
collapsed_forwarding on
{more}
"""

SCENARIOS = [
    ("", [a_fetch_that_hangs_is_asked, all_get_one_answer, a_slow_head_is_waited_for, a_validation_serves_all,
          what_replaces_the_stale_serves_all, each_variant_is_validated_once, who_validates_leaves,
          a_private_answer_releases_the_others,
          an_answer_not_to_be_stored_releases_the_others, an_error_releases_the_others,
          an_answer_for_another_variant_releases_the_others,
          a_connection_that_breaks_before_the_head_is_not_everybodys_error,
          a_body_that_breaks_is_whole_for_nobody, who_asked_first_leaves_before_the_head,
          who_asked_first_leaves_in_the_midst, little_is_left_and_fetched, much_is_left_and_given_up,
          most_is_there_but_much_is_left, what_was_given_up_is_resumed,
          who_leaves_before_the_head_ends_the_fetch, private_is_given_up_whatever_is_left,
          a_fetch_that_hangs_holds_up_others_for_seconds]),
    ("quick_abort_min -1 KB\ncache_dir ufs {folder} 100 16 256",
     [what_is_on_disk_alone_is_validated_once, what_is_stale_before_it_is_on_disk_is_fetched_once,
      always_goes_on]),
    ("quick_abort_min 0 KB\nquick_abort_max 0 KB", [never_goes_on]),
    ("quick_abort_min 0 KB\nquick_abort_max 200 KB\nquick_abort_pct 50", [by_percentage]),
]


bobtail.run_scenarios(SCENARIOS, CONFIG, Server(("127.0.0.1", *bobtail.free_ports(1)), Origin))
