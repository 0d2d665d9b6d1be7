#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What peers' options do that are not Squid's: queues before a full peer, checks, cookies that keep a
client at its peer; and what is tried elsewhere: an address that hangs, a request that times out."""
import http.client
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail

bobtail.skip_without_program()
PATIENCE = 30  # seconds until a wait is a failure


class Origin(threading.Thread):
    """Answers with its name; GET /wait… waits for the gate, GET /hang for ever; /up says `up`; for a,
    /busy is a 503, /gateway a 502, and /half half a head."""

    def __init__(self, name, address="127.0.0.1", port=0):
        super().__init__(daemon=True)
        self.name_ = name
        self.gate = threading.Event()
        self.up = b"all is well"
        self.seen = []
        self.listening = socket.create_server((address, port), backlog=64)
        self.port = self.listening.getsockname()[1]
        self.start()

    def run(self):
        while True:
            conn, _ = self.listening.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rb") as lines:
            while line := lines.readline():
                while lines.readline().strip():
                    pass
                path = line.split()[1]
                if path != b"/up":
                    self.seen.append(line.split()[0] + path)
                if path.startswith(b"/wait"):
                    self.gate.wait(PATIENCE)
                if path == b"/hang":
                    time.sleep(PATIENCE)
                body = self.up if path == b"/up" else self.name_.encode()
                status = self.status(path)
                if status == b"half":
                    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-")
                    return
                conn.sendall(b"HTTP/1.1 %s\r\nCache-Control: no-store\r\nContent-Length: %d"
                             b"\r\n\r\n%s" % (status, len(body), body))

    def status(self, path):
        moods = {b"/busy": b"503 Busy", b"/gateway": b"502 Bad Gateway", b"/half": b"half"}
        return moods.get(path, b"200 OK") if self.name_ == "a" else b"200 OK"


def ask(port, path, method="GET", cookie=None, body=None):
    """(status, body, Set-Cookie)"""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Cookie": cookie} if cookie else {}
    client.request(method, path, body, headers)
    reply = client.getresponse()
    result = reply.status, reply.read().decode("latin-1"), reply.getheader("Set-Cookie")
    client.close()
    return result


class Answers:
    """Requests of their own threads, and what came of them."""

    def __init__(self):
        self.got, self.threads = [], []

    def ask(self, *args):
        self.threads.append(threading.Thread(target=lambda: self.got.append(ask(*args)[0])))
        self.threads[-1].start()

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
        return sorted(self.got)


def start(peers, more=""):
    port = bobtail.free_ports(1)[0]
    return port, bobtail.Proxy(
        f"http_port 127.0.0.1:{port} accel defaultsite=www.example\nhttp_access allow all\n"
        f"visible_hostname rig\npid_filename none\naccess_log none\ncache_log stdio:/dev/stderr\n"
        f"{more}{peers}", port)


def peer(origin, options, host="127.0.0.1"):
    return (f"cache_peer {host} parent {origin.port} 0 no-query originserver "
            f"name={origin.name_} {options}\n")


def queues():
    a = Origin("a")
    port, proxy = start(peer(a, "max-conn=1 max-conn-queue=2 max-conn-queue-timeout=20"),
                        "collapsed_forwarding off\n")
    with proxy:
        first, others = Answers(), Answers()
        first.ask(port, "/wait")
        bobtail.expect_soon("the first request is there", lambda: a.seen == [b"GET/wait"])
        for path in ("/1", "/2", "/3"):
            others.ask(port, path)
        bobtail.expect("of three more one is turned away at once, the others wait",
                       bobtail.wait_for(lambda: others.got) and others.got == [503], others.got)
        bobtail.expect("no other was sent meanwhile", a.seen == [b"GET/wait"], a.seen)
        a.gate.set()
        bobtail.expect("the first is answered", first.join() == [200], first.got)
        bobtail.expect("those that waited are answered", others.join() == [200, 200, 503],
                       others.got)
        bobtail.expect("and then there is room", ask(port, "/4")[0] == 200)


def checks():
    a, b = Origin("a"), Origin("b")
    port, proxy = start(
        peer(a, "health=/up health-text=well health-interval=1 health-rise=1 health-fall=1")
        + peer(b, "monitorurl=http://b.example/up monitorsize=5 monitorinterval=1"))
    with proxy:
        bobtail.expect("the first one up", ask(port, "/")[1] == "a")
        a.up = b"out of order"
        bobtail.expect("a check that fails takes it out",
                       bobtail.wait_for(lambda: ask(port, "/")[1] == "b"))
        b.up = b""
        bobtail.expect_soon("so does monitorurl; then there is nobody", lambda: ask(port, "/")[0] == 502)
        bobtail.expect("the log says why",
                       "1 checks in a row failed: the answer lacks the text 'well'" in proxy.output()
                       and "1 checks in a row failed: the answer has only 0 bytes" in proxy.output(),
                       proxy.output())
        a.up = b"well again"
        bobtail.expect_soon("and it comes back", lambda: ask(port, "/")[1] == "a")


def stickiness():
    a, b = Origin("a"), Origin("b")
    port, proxy = start(peer(a, "round-robin sticky=srv") + peer(b, "round-robin sticky=srv"))
    with proxy:
        _, name, cookie = ask(port, "/")
        bobtail.expect("a cookie is set", cookie and cookie.startswith("srv="), cookie)
        again = [ask(port, "/", cookie=cookie.split(";")[0]) for _ in range(6)]
        bobtail.expect("it leads to the same peer", {reply[1] for reply in again} == {name}, again)
        bobtail.expect("and is not set again", {reply[2] for reply in again} == {None}, again)


def retries():
    a, b = Origin("a"), Origin("b")
    port, proxy = start(peer(a, "") + peer(b, ""), "read_timeout 1 second\n")
    with proxy:
        status = ask(port, "/hang", "POST", None, "x")[0]
        bobtail.expect("a POST that timed out is not sent twice",
                       (status, b.seen) == (504, []), (status, b.seen))
        status = ask(port, "/hang")[0]
        bobtail.expect("a GET that timed out is tried at the next peer",
                       (status, b.seen) == (504, [b"GET/hang"]), (status, b.seen))
        status, body, _ = ask(port, "/busy")
        bobtail.expect("a 503 is an answer", (status, body) == (503, "a"), (status, body))
    port, proxy = start(peer(a, "") + peer(b, ""), "retry_on_error on\n")
    with proxy:
        status, body, _ = ask(port, "/busy")
        bobtail.expect("with retry_on_error the next peer is asked", (status, body) == (200, "b"), (status, body))
        status = ask(port, "/busy", "POST", None, "x")[0]
        bobtail.expect("but not for a POST", status == 503, status)


def useless_answers():
    """All GETs are answered elsewhere, and who gives nothing else gets no more. The budget for retries, 100
    here, is for what was worked on."""
    for what in "/half", "/gateway":
        a, b = Origin("a"), Origin("b")
        port, proxy = start(peer(a, "") + peer(b, ""))
        with proxy:
            status = ask(port, what, "POST", None, "x")[0]
            bobtail.expect(f"{what}: a POST is not sent twice", (status, b.seen) == (502, []), status)
            replies = {ask(port, what)[:2] for _ in range(130)}
            bobtail.expect(f"{what}: GETs are answered elsewhere", replies == {(200, "b")}, replies)
            bobtail.expect(f"{what}: it is not asked for ever", len(a.seen) < 100, len(a.seen))
            bobtail.expect_soon("until it answers well", lambda: ask(port, "/")[1] == "a")


def no_hedging():
    """Other requests show meanwhile how quick an answer could be."""
    a, b = Origin("a"), Origin("b")
    port, proxy = start(peer(a, "") + peer(b, ""))
    with proxy:
        slow = Answers()
        for number in range(5):
            slow.ask(port, f"/wait{number}")
        bobtail.expect_soon("slow requests are there", lambda: len(a.seen) == 5)
        for number in range(100):
            ask(port, f"/{number}")
        waiting = sorted(path for path in a.seen if path.startswith(b"GET/wait"))
        bobtail.expect("each is sent once, and to nobody else",
                       (waiting, b.seen) == ([b"GET/wait%d" % number for number in range(5)], []),
                       (waiting, b.seen))
        a.gate.set()
        bobtail.expect("and is answered", slow.join() == [200] * 5, slow.got)


def late_start():
    """connect-fail-limit is 10."""
    late = bobtail.free_ports(1)[0]
    port, proxy = start(f"cache_peer 127.0.0.1 parent {late} 0 no-query originserver name=late\n")
    with proxy:
        statuses = [ask(port, "/")[0] for _ in range(12)]
        bobtail.expect("nobody listens", statuses == [503] * 12, statuses)
        dead = "Detected DEAD Parent: late"
        bobtail.expect("it is down for that", dead in proxy.output(), proxy.output())
        Origin("late", port=late)
        status = ask(port, "/")[:2]
        bobtail.expect("who listens has the very next request", status == (200, "late"), status)


def eyeballs():
    """127.0.0.2 takes no more connections, 127.0.0.3 answers."""
    b = Origin("b", "127.0.0.3")
    hung = socket.socket()
    hung.bind(("127.0.0.2", b.port))
    hung.listen(0)
    full = []
    for _ in range(4):
        full.append(socket.socket())
        full[-1].setblocking(False)
        full[-1].connect_ex(("127.0.0.2", b.port))
    hosts = "/tmp/bobtail-peers-hosts.%d" % os.getpid()
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.0.0.2 origin.test\n127.0.0.3 origin.test\n")
    port, proxy = start(peer(b, "connect-timeout=20", "origin.test"), f"hosts_file {hosts}\n")
    with proxy:
        began = time.monotonic()
        status = ask(port, "/")[:2]
        bobtail.expect("an address that hangs holds nobody up",
                       status == (200, "b") and time.monotonic() - began < 10,
                       (status, time.monotonic() - began))
    os.unlink(hosts)


for scenario in (queues, checks, stickiness, retries, useless_answers, no_hedging, late_start, eyeballs):
    print("----", scenario.__name__)
    scenario()
bobtail.finish()
