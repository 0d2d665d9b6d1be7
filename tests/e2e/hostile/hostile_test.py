#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plays tables of hostile cases against the proxy, between a raw client and a raw origin.

Each case runs whole and one byte at a time (with --every-split also cut in two at every place) and
must end the same way: the reply, whether the connection goes on, and the bytes that reached the
origin. Lanes work side by side; each has ports and an origin of its own, so that what reaches an
origin belongs to one case.

    hostile_test.py [--every-split] [-v] [TABLE ...] [CASE ...]"""
import os
import queue
import select
import socket
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]
import bobtail  # pylint: disable=wrong-import-position
import table  # pylint: disable=wrong-import-position
from origin import Origin  # pylint: disable=wrong-import-position

TABLES = ["requests.txt", "origins.txt"]
NLANES = 10
PATIENCE_S = 20
SETTLE_S = 0.04  # for what a proxy at fault would still send
SHORT_BYTES = 2000  # of a script whose bytes are sent with a rest between them
REST_S = 0.0002
MAX_SPLIT_BYTES = 300

HEAD = """
visible_hostname hostile.test
httpd_suppress_version_string on
access_log none
cache_log /dev/null
pid_filename none
cache_mem 16 MB
request_timeout 6 seconds
read_timeout 3 seconds
server_idle_pconn_timeout 5 seconds
client_lifetime 1 minute
workers 2
acl ours dstdomain a b site
acl PURGE method PURGE
http_access allow ours
http_access deny all
"""
LANE = """
http_port 127.0.0.1:{vhost} accel vhost name=vhost{lane}
http_port 127.0.0.1:{site} accel defaultsite=site name=site{lane}
http_port 127.0.0.1:{dead} accel vhost name=dead{lane}
acl of{lane} myportname vhost{lane} site{lane}
acl dead{lane} myportname dead{lane}
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver name=origin{lane}
cache_peer_access origin{lane} allow of{lane}
cache_peer 127.0.0.1 parent {refusing} 0 no-query originserver name=refusing{lane}
cache_peer_access refusing{lane} allow dead{lane}
"""


class Failure(Exception):
    """The case did not end as it must."""


class Client:
    """One connection to the proxy, whose replies are read as strictly as they are written."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.poll = select.poll()
        self.poll.register(self.socket, select.POLLIN)
        self.data = b""
        self.is_ended = False

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, wait_s):
        """Takes what there is, waiting at most so long for it. False: nothing came."""
        if self.is_ended or not self.poll.poll(wait_s * 1000):
            return False
        try:
            piece = self.socket.recv(262144)
        except OSError:
            piece = b""
        self.data += piece
        self.is_ended = not piece
        return True

    def read_or_fail(self, what):
        if not self.read(PATIENCE_S) and not self.is_ended:
            raise Failure(f"waited in vain for {what}; got {self.data[:200]!r}")

    def send(self, pieces, rest_s):
        """Sends until all is sent or the proxy has ended the connection."""
        for count, piece in enumerate(pieces):
            if count % 64 == 0:
                self.read(0)
            if self.is_ended:
                return
            try:
                self.socket.sendall(piece)
            except OSError:
                return
            if rest_s:
                time.sleep(rest_s)

    def take_head(self):
        """The next head, or b"" when the connection ended cleanly before it."""
        while b"\r\n\r\n" not in self.data:
            if self.is_ended:
                if self.data:
                    raise Failure(f"the connection ended inside a head: {self.data!r}")
                return b""
            self.read_or_fail("a reply")
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        return head

    def take_exactly(self, size):
        while len(self.data) < size and not self.is_ended:
            self.read_or_fail("the rest of a body")
        body, self.data = self.data[:size], self.data[size:]
        return body

    def take_line(self):
        while b"\r\n" not in self.data and not self.is_ended:
            self.read_or_fail("a chunk")
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def take_chunks(self):
        """(body, whether it is whole)."""
        body = b""
        while True:
            size = self.take_line()
            if not size:
                return body, False
            piece = self.take_exactly(int(size, 16))
            body += piece
            if len(piece) < int(size, 16) or self.take_exactly(2) != b"\r\n":
                return body, False
            if int(size, 16) == 0:
                return body, True

    def take_body(self, status, fields, is_to_head):
        """(body, whether it is whole, whether its framing lets the connection go on)."""
        if is_to_head or status < 200 or status in (204, 304):
            return b"", True, True
        if fields.get(b"transfer-encoding") == b"chunked":
            return (*self.take_chunks(), True)
        if b"content-length" in fields:
            size = int(fields[b"content-length"])
            body = self.take_exactly(size)
            return body, len(body) == size, True
        while not self.is_ended:
            self.read_or_fail("the end of the connection")
        body, self.data = self.data, b""
        return body, True, False

    def expect(self, reply):
        head = self.take_head()
        if not reply.statuses:
            if head:
                raise Failure(f"got {head!r}, not just the end")
            return
        if not head.startswith(b"HTTP/1.1 "):
            raise Failure(f"got {head[:60]!r}, not {reply.statuses}")
        lines = [line.partition(b":") for line in head.split(b"\r\n")]
        fields = {name.lower(): value.strip() for name, _, value in lines}
        status = int(head[9:12])
        if status not in reply.statuses:
            raise Failure(f"got {status}, not {reply.statuses}")
        body, is_whole, _ = self.take_body(status, fields, reply.is_to_head)
        if is_whole == (reply.is_cut and status < 400):
            raise Failure("the body is whole" if is_whole else "the body was cut short")
        if reply.body is not None and body != reply.body:
            raise Failure(f"got the body {body[:80]!r}")
        check_lines(reply, head.split(b"\r\n"))
        if reply.ending:
            self.expect_ending(reply.ending)

    def expect_ending(self, ending):
        if ending == "open":
            self.send([b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n"], 0)
            self.expect(table.parse_reply("200 body=ok"))
            return
        while not self.is_ended:
            self.read_or_fail("the end of the connection")
        if self.data:
            raise Failure(f"more followed: {self.data[:80]!r}")


def check_lines(reply, lines):
    for line in reply.lines:
        if line not in lines:
            raise Failure(f"the reply lacks {line!r}: {lines}")


def run_steps(case, client, connect, cut):
    """Plays the client's part; cut makes pieces of what it sends. Returns the last client."""
    rest_s = REST_S if sum(len(v) for k, v in case.steps if k == "send") < SHORT_BYTES else 0
    for verb, value in case.steps:
        if verb == "send":
            client.send(cut(value), rest_s)
        elif verb == "expect":
            client.expect(value)
        elif verb == "pause":
            time.sleep(float(value))
        elif verb == "hangup":
            client.close()
        elif verb == "reset":
            client.reset()
        elif verb == "again":
            client.close()
            client = connect(value.strip() or case.port)
        else:
            raise Failure(f"{verb} is no step")
    return client


def check_requests(case, requests):
    for expected, (head, body) in zip(case.requests, requests):
        if head + body != expected:
            raise Failure(f"the origin got\n{(head + body)[:600]!r}, not\n{expected[:600]!r}")


def check_origin(case, origin):
    time.sleep(SETTLE_S)
    requests = [got for got in origin.requests if b" /probe " not in got[0]]
    if origin.complaints:
        raise Failure(f"the origin got what no proxy may send: {origin.complaints}")
    if case.origin == "nothing" and origin.nbytes:
        raise Failure(f"the origin got {origin.requests or origin.leftovers}")
    if case.origin == "cut":
        deadline = time.monotonic() + 3
        while origin.has_unfinished() and time.monotonic() < deadline:
            time.sleep(SETTLE_S)
        if origin.has_unfinished() or requests:
            raise Failure(f"the origin's request was not ended early: {requests}")
    if case.requests or case.origin.isdigit():
        count = int(case.origin) if case.origin.isdigit() else len(case.requests)
        if len(requests) != count:
            raise Failure(f"the origin got {len(requests)} requests, not {count}: {requests}")
        check_requests(case, requests)


def whole(data):
    return [data]


def one_byte_at_a_time(data):
    return (data[at : at + 1] for at in range(len(data)))


def split_at(place):
    return lambda data: [piece for piece in (data[:place], data[place:]) if piece]


def modes_of(case, is_every_split):
    """(name, how to cut) of the ways in which a case's bytes are sent."""
    yield "whole", whole
    if case.modes != "whole":
        yield "one byte at a time", one_byte_at_a_time
    steps = case.steps + [step for answer in case.answers for step in answer.steps]
    size = max((len(value) for verb, value in steps if verb == "send"), default=0)
    if is_every_split and size <= MAX_SPLIT_BYTES and case.modes != "whole":
        for place in range(1, size):
            yield f"split at {place}", split_at(place)


class Lane:
    """Ports and an origin of its own, and the cases that it takes from the queue."""

    PORTS = ("vhost", "site", "dead", "origin", "refusing")

    def __init__(self, number, ports):
        self.ports = dict(zip(self.PORTS, ports))
        self.config = LANE.format(lane=number, **self.ports)
        self.origin = Origin(self.ports["origin"])

    def connect(self, name):
        return Client(self.ports[name])

    def run(self, case, cut):
        self.origin.reset(case.answers, cut)
        client = self.connect(case.port)
        try:
            client = run_steps(case, client, self.connect, cut)
            check_origin(case, self.origin)
        finally:
            client.close()

    def work(self, cases, failures, options):
        while True:
            try:
                case = cases.get_nowait()
            except queue.Empty:
                return
            for name, cut in modes_of(case, "--every-split" in options):
                started = time.monotonic()
                try:
                    self.run(case, cut)
                except (Failure, OSError, ValueError) as error:
                    failures.append(f"{case.name} ({case.title}), {name}: {error}")
                if "-v" in options:
                    print(f"{case.name} {name}: {time.monotonic() - started:.2f} s", flush=True)


def run_all(cases, options):
    """The failures, each as a sentence."""
    waiting, failures = queue.SimpleQueue(), []
    for case in cases:
        waiting.put(case)
    nlanes, nports = min(NLANES, len(cases)), len(Lane.PORTS)
    ports = bobtail.free_ports(nlanes * nports)
    lanes = [Lane(number, ports[number * nports :][:nports]) for number in range(nlanes)]
    config = HEAD + "".join(lane.config for lane in lanes)
    with bobtail.Proxy(config, lanes[0].ports["vhost"]) as proxy:
        threads = [
            threading.Thread(target=lane.work, args=(waiting, failures, options)) for lane in lanes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not proxy.is_alive():
            failures.append(f"the proxy ended:\n{proxy.output()}")
    return failures


def main(args):
    bobtail.skip_without_program()
    options = {arg for arg in args if arg.startswith("-")}
    names = [arg for arg in args if not arg.startswith("-")]
    tables = [name for name in names if name.endswith(".txt")]
    wanted = set(names) - set(tables)
    paths = tables or [os.path.join(HERE, name) for name in TABLES]
    cases = [case for path in paths for case in table.read(path)]
    cases = [case for case in cases if not wanted or case.name in wanted]
    failures = run_all(cases, options)
    for failure in failures:
        print(f"FAIL: {failure}")
    print(f"{len(cases)} cases, {len(failures)} failures")
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
