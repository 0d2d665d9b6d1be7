#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How connections are used where squid.conf says otherwise: half_closed_clients, detect_broken_pconn,
server_pconn_for_nonretriable, broken_posts, force_request_body_continuation; and stats_collection."""
import concurrent.futures
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail

bobtail.skip_without_program()
PORT, ORIGIN = bobtail.free_ports(2)
PATIENCE = 30
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
http_access allow all
visible_hostname www.example
cachemgr_passwd none all
cache deny all
acl odd urlpath_regex ^/odd
acl dead urlpath_regex dead$
cache_peer_access o deny dead
acl manager_page urlpath_regex ^/squid-internal-mgr/
access_log none
cache_log /dev/stdout
pid_filename none
workers 1
"""
ON = """
half_closed_clients on
detect_broken_pconn on
server_pconn_for_nonretriable allow odd
broken_posts allow odd
force_request_body_continuation allow odd
stats_collection deny odd
stats_collection deny manager_page
"""


class Origin(threading.Thread):
    """Notes (connection number, head, body, what follows the body within a moment)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", ORIGIN))
        self.requests = []
        self.gate = threading.Event()
        self.nconns = 0

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            self.nconns += 1
            threading.Thread(target=self.serve, args=(conn, self.nconns), daemon=True).start()

    def serve(self, conn, number):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = conn.recv(65536)
                if not more:
                    return
                data += more
            head, _, data = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            while len(data) < length:
                data += conn.recv(65536)
            body, data = data[:length], data[length:]
            if length:
                conn.settimeout(0.5)
                try:
                    data += conn.recv(65536)
                except socket.timeout:
                    pass
                conn.settimeout(None)
            self.requests.append((number, head, body, data))
            if b"/slow" in head:
                self.gate.wait(PATIENCE)
            if b"/endless" in head:
                conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nbeginning")
                continue
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=PATIENCE)


def read_all(sock):
    """To the end; a reset is one, for what is cut short."""
    data = b""
    try:
        while (more := sock.recv(65536)):
            data += more
    except ConnectionResetError:
        pass
    return data


def ask(text):
    with connect() as sock:
        sock.sendall(text)
        return read_all(sock)


def get(path):
    return ask(f"GET {path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n".encode())


def post(path):
    return ask(
        f"POST {path} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n"
        "Content-Length: 4\r\n\r\nbody".encode()
    )


def half_close(origin):
    """What a client gets that sends no more."""
    origin.gate.clear()
    before = len(origin.requests)
    with connect() as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: www.example\r\n\r\n")
        bobtail.wait_for(lambda: len(origin.requests) > before)
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.3)  # for the proxy to see it: with "off" it closes
        origin.gate.set()
        return read_all(sock)


def continuation(path):
    """Does 100 Continue come before any byte of the body?"""
    with connect() as sock:
        sock.sendall(
            f"POST {path} HTTP/1.1\r\nHost: www.example\r\nExpect: 100-continue\r\n"
            "Connection: close\r\nContent-Length: 4\r\n\r\n".encode()
        )
        first = sock.recv(65536)
        sock.sendall(b"body")
        return first, read_all(sock)


def counted():
    text = get("/squid-internal-mgr/counters").decode()
    return int(text.partition("client_http.requests = ")[2].split("\n")[0])


def with_defaults(origin):
    with bobtail.Proxy(CONFIG, PORT):
        reply = half_close(origin)
        bobtail.expect("half_closed_clients off: who sends no more has gone", reply == b"", reply)
        get("/one")
        reply = post("/odd")
        number, _, body, behind = origin.requests[-1]
        bobtail.expect("a POST is passed on as it is", body == b"body" and behind == b"", behind)
        bobtail.expect(
            "on a connection of its own", origin.requests[-2][0] != number, origin.requests[-2:]
        )


def timed_get(path):
    start = time.monotonic()
    return get(path), time.monotonic() - start


def with_all_on(origin):
    with bobtail.Proxy(CONFIG + ON, PORT), concurrent.futures.ThreadPoolExecutor(1) as beside:
        endless = beside.submit(timed_get, "/endless")
        before = counted()
        get("/one")
        get("/odd")
        get("/odd")
        after = counted()
        bobtail.expect("stats_collection counts what it allows", after - before == 1, (before, after))
        reply = half_close(origin)
        bobtail.expect("half_closed_clients on: it is answered", reply.endswith(b"ok"), reply)
        get("/one")
        post("/odd")
        number, _, body, behind = origin.requests[-1]
        bobtail.expect("a POST takes an old connection", origin.requests[-2][0] == number)
        bobtail.expect("and has a CRLF behind it", body == b"body" and behind == b"\r\n", behind)
        get("/one")
        bobtail.expect("after which nothing follows", origin.requests[-1][0] != number)
        post("/even")
        bobtail.expect("others have none", origin.requests[-1][3] == b"", origin.requests[-1])
        first, rest = continuation("/odd")
        bobtail.expect(
            "100 Continue comes at once", first.startswith(b"HTTP/1.1 100 ") and b" 200 " in rest, first
        )
        first, _ = continuation("/odd/dead")
        bobtail.expect("though no origin wants the body", first.startswith(b"HTTP/1.1 100 "), first)
        first, _ = continuation("/dead")
        bobtail.expect("others wait for that", first.startswith(b"HTTP/1.1 50"), first)
        reply, took = endless.result()
        bobtail.expect("an answer without an end ends after ten seconds",
                       b"beginning" in reply and 9 < took < 25, (took, reply))


ORIGIN_THREAD = Origin()
ORIGIN_THREAD.start()
with_defaults(ORIGIN_THREAD)
with_all_on(ORIGIN_THREAD)
bobtail.finish()
