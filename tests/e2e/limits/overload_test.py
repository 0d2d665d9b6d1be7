#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Overload: what needs an origin is answered 503 at once while too many requests are with origins
(overload_requests), come faster than they are served (overload_delay), or descriptors run out; what is in the cache goes on. Idle connections make room for new
ones. Each state is told once when it begins and once when it ends."""
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
import h2_frames as h2

bobtail.skip_without_program()
PORT, ORIGIN = bobtail.free_ports(2)
FILES, MOST, PATIENCE_S = 160, 4, 30
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=a.example h2c
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
cachemgr_passwd none all
cache_mem 16 MB
access_log none
cache_log /dev/stderr
pid_filename none
workers 1
shutdown_lifetime 1 second
max_filedescriptors {FILES}
overload_requests {MOST}
overload_delay 100 milliseconds
acl laborious urlpath_regex ^/laborious
acl labour urlpath_regex {" ".join(f"x+z{number}y" for number in range(200))}
acl labour urlpath_regex {" ".join(f"x+y{number}z" for number in range(200))}
http_access deny laborious labour
http_access allow all
"""
REQUESTS = "overload: too many requests are with origins"
DELAY = "overload: requests wait too long for a worker"
DESCRIPTORS = "overload: too few file descriptors are left"


class Origin(threading.Thread):
    """Answers /held... once the gate is open, all else at once; /kept is fresh for an hour, /stale not at all."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", ORIGIN), backlog=128)
        self.gate = threading.Event()
        self.nheld = 0

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn:
            while head := conn.recv(65536):
                path = head.split(b" ")[1]
                if path.startswith(b"/held"):
                    self.nheld += 1
                    self.gate.wait()
                age = b"3600" if path.startswith((b"/kept", b"/laborious")) else b"0"
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"1\"\r\n"
                             b"Cache-Control: max-age=" + age + b"\r\n\r\nok")


class Crowd(threading.Thread):
    """Asks for hits that cost much, without end: at least AHEAD of them are always under way."""

    AHEAD = 20

    def __init__(self, path):
        super().__init__(daemon=True)
        self.client = Client()
        self.path = path
        self.is_over = False

    def run(self):
        for _ in range(self.AHEAD):
            self.client.send(self.path)
        while not self.is_over:
            for _ in range(self.AHEAD):
                self.client.send(self.path)
            for _ in range(self.AHEAD):
                self.client.answer()
        for _ in range(self.AHEAD):
            self.client.answer()


class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def send(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())

    def answer(self):
        """(status, fields, body)"""
        status = int(self.file.readline().split()[1])
        fields = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return status, fields, self.file.read(int(fields.get("content-length", 0)))

    def get(self, path):
        self.send(path)
        return self.answer()

    def close(self):
        self.file.close()
        self.socket.close()


class Busy:
    """Asks over HTTP/2 again and again; ends when this machine was so slow that it was idle for long."""

    IDLE_S = 0.5

    def __init__(self):
        self.connection = h2.Connection(PORT)
        self.outcomes = []
        self.answered = time.monotonic()

    def get(self, path):
        if time.monotonic() - self.answered > self.IDLE_S:
            self.answered = 0
            return
        stream = 2 * len(self.outcomes) + 1
        self.connection.get(stream, path)
        self.outcomes.append(self.connection.outcome(stream))
        self.answered = time.monotonic()


def status_of(path):
    """On a connection of its own."""
    client = Client()
    status = client.get(path)[0]
    client.close()
    return status


def other():
    """What nobody has asked for yet."""
    return f"/{time.monotonic_ns()}"


def is_turned_away(answer):
    status, fields, _ = answer
    return status == 503 and fields["retry-after"] == "5" and "ERR_TOO_BUSY" in fields["x-squid-error"]


def told(proxy, state):
    """How often a state was said to begin, and to be over."""
    lines = proxy.output()
    return lines.count(f"WARNING: {state}"), len(re.findall(f"over after [0-9]+ s: {state}", lines))


def too_many_requests(origin):
    client = Client()
    bobtail.expect("before, all is served", [client.get(path)[0] for path in ("/kept", "/stale")] == [200] * 2)
    waiting = [Client() for _ in range(MOST)]
    for number, each in enumerate(waiting):
        each.send(f"/held{number}")
    bobtail.expect_soon("the origin has as many as it may", lambda: origin.nheld == MOST)
    answers = [client.get(f"/new{number}") for number in range(3)]
    bobtail.expect("one more is turned away at once", all(map(is_turned_away, answers)), answers)
    bobtail.expect("a hit is served", client.get("/kept")[0] == 200)
    stale = client.get("/stale")
    bobtail.expect("what is stale is served too", stale[0] == 200 and stale[2] == b"ok", stale)
    origin.gate.set()
    bobtail.expect("those that wait get their answers", [each.answer()[0] for each in waiting] == [200] * MOST)
    bobtail.expect_soon("then others are served", lambda: client.get("/next")[0] == 200)
    for each in [client, *waiting]:
        each.close()


def too_late():
    path = "/laborious" + "x" * 3000
    client = Client()
    bobtail.expect("it is a hit", [client.get(path)[0] for _ in range(2)] == [200] * 2)
    crowd = [Crowd(path) for _ in range(12)]
    for each in crowd:
        each.start()
    bobtail.expect_soon("what needs an origin is turned away", lambda: is_turned_away(client.get(other())))
    bobtail.expect("a hit is served", client.get("/kept")[0] == 200)
    for each in crowd:
        each.is_over = True
    for each in crowd:
        each.join()
        each.client.close()
    bobtail.expect_soon("then others are served", lambda: client.get("/next")[0] == 200)
    client.close()


def idle_make_room(proxy):
    """More connections than descriptors, all idle: the oldest make room."""
    clients, statuses = [], []
    for _ in range(2):
        for _ in range(FILES * 5 // 8):
            clients.append(Client())
            statuses.append(clients[-1].get("/kept")[0])
        time.sleep(0.6)
    clients.append(Client())
    statuses.append(clients[-1].get("/fresh")[0])
    bobtail.expect("idle connections make room for new ones", set(statuses) == {200}, statuses)
    bobtail.expect("which is no overload", told(proxy, DESCRIPTORS) == (0, 0), proxy.output())
    for client in clients:
        client.close()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors_run_out(proxy):
    client = Client()
    bobtail.expect("before, all is served", client.get("/kept")[0] == 200)
    crowd, busy = [], Busy()
    for _ in range(FILES + 40):  # each with a request that does not end
        crowd.append(socket.create_connection(("127.0.0.1", PORT), PATIENCE_S))
        crowd[-1].sendall(b"GET / HTTP/1.1\r\n")
        busy.get("/kept")
    bobtail.expect("who has just had an answer keeps the connection", set(busy.outcomes) == {("status", 200)},
                   busy.outcomes)
    busy.connection.close()
    bobtail.expect("it is told", bobtail.wait_for(lambda: told(proxy, DESCRIPTORS)[0]), proxy.output())
    began, cpu = time.monotonic(), cpu_s(proxy.process.pid)
    client.send("/kept")
    bobtail.expect("a hit is served", client.answer()[0] == 200)
    bobtail.expect("a miss is turned away", is_turned_away(client.get(other())))
    time.sleep(max(0, began + 1 - time.monotonic()))
    share = (cpu_s(proxy.process.pid) - cpu) / (time.monotonic() - began)
    bobtail.expect("nothing spins", share < 0.5, share)
    for each in crowd:
        each.close()
    bobtail.expect_soon("then it heals", lambda: status_of("/another") == 200)
    metrics = socket.create_connection(("127.0.0.1", PORT), PATIENCE_S)
    metrics.sendall(b"GET /squid-internal-mgr/metrics HTTP/1.0\r\nHost: a.example\r\n\r\n")
    page = metrics.makefile(encoding="latin-1").read()
    count = int(re.search("^bobtail_overload_refusals_total ([0-9]+)$", page, re.M)[1])
    bobtail.expect("what was turned away is counted", count >= 5, count)


origin_under_test = Origin()
origin_under_test.start()
with bobtail.Proxy(CONFIG, PORT) as proxy_under_test:
    too_many_requests(origin_under_test)
    too_late()
    idle_make_room(proxy_under_test)
    descriptors_run_out(proxy_under_test)
    for kind in (REQUESTS, DELAY, DESCRIPTORS):
        bobtail.expect(f"it is told when it begins and ends, not each time: {kind}",
                       bobtail.wait_for(lambda: told(proxy_under_test, kind) in ((1, 1), (2, 2))),
                       proxy_under_test.output())
bobtail.finish()
