#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""cache_peer standby=N: N idle connections are there before a request is, are used by it, and are
replaced; where they could not be used the log says so."""
import os
import socket
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail  # noqa: E402
from bobtail import expect  # noqa: E402


class Origin:
    """Counts its connections; each answers one request and closes, or closes when it is told to."""

    def __init__(self):
        self.accepted = 0
        self.requests = []  # the numbers of the connections that brought them
        self.conns = {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            conn, _ = self.listener.accept()
            self.accepted += 1
            self.conns[self.accepted] = conn
            threading.Thread(target=self._serve, args=(conn, self.accepted), daemon=True).start()

    def _serve(self, conn, number):
        with conn, conn.makefile("rb") as file:
            if file.readline():
                while file.readline() not in (b"\r\n", b""):
                    pass
                self.requests.append(number)
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            del self.conns[number]

    def is_open(self, count):
        return len(self.conns) == count


def proxy_before(origin, options, more=""):
    port = bobtail.free_ports(1)[0]
    return bobtail.Proxy(f"""
http_port {port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=o {options}
acl all_urls url_regex .
http_access allow all_urls
cache deny all_urls
pid_filename none
access_log none
cache_log /dev/stdout
workers 1
{more}
""", port), port


def get(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return answer.read()


def are_ready_used_and_replaced():
    origin = Origin()
    proxy, port = proxy_before(origin, "standby=3")
    with proxy:
        expect("three connections without a request", bobtail.wait_for(lambda: origin.is_open(3)), origin.conns)
        get(port)
        expect("a request takes one of them", origin.requests and origin.requests[0] <= 3,
               origin.requests)
        expect("which is replaced", bobtail.wait_for(lambda: origin.accepted == 4 and origin.is_open(3)),
               (origin.accepted, len(origin.conns)))
        for conn in list(origin.conns.values()):
            conn.shutdown(socket.SHUT_RDWR)
        expect("so are those that the origin closes",
               bobtail.wait_for(lambda: origin.accepted >= 7 and origin.is_open(3)),
               (origin.accepted, len(origin.conns)))
        time.sleep(0.5)
        expect("there are never more", origin.accepted == 7 and origin.is_open(3),
               (origin.accepted, len(origin.conns)))


def a_peer_that_is_not_there_yet():
    """The origin comes up after the proxy."""
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))  # does not listen: a connect is refused
    holder = type("Reserved", (), {"port": reserved.getsockname()[1]})
    proxy, _ = proxy_before(holder, "standby=2 connect-fail-limit=1")
    with proxy:
        expect("its failed connects are noticed",
               bobtail.wait_for(lambda: "DEAD Parent: o" in proxy.output()), proxy.output())
        reserved.listen()
        reserved.settimeout(0.05)
        accepted = []

        def come():
            try:
                accepted.append(reserved.accept()[0])
            except socket.timeout:
                pass
            # the look at a dead peer closes its own again
            for conn in list(accepted):
                conn.setblocking(False)
                try:
                    if conn.recv(1) == b"":
                        accepted.remove(conn)
                except BlockingIOError:
                    pass
            return len(accepted) == 2
        expect("two connections once it listens", bobtail.wait_for(come), len(accepted))
        for conn in accepted:
            conn.close()
    reserved.close()


def says_where_they_are_of_no_use():
    origin = Origin()
    proxy, _ = proxy_before(origin, "standby=2", "server_persistent_connections off")
    with proxy:
        expect("said in cache.log", bobtail.wait_for(lambda: "standby=2 has no effect" in proxy.output()),
               proxy.output())
        expect("and none is opened", origin.accepted == 0, origin.accepted)


bobtail.skip_without_program()
are_ready_used_and_replaced()
a_peer_that_is_not_there_yet()
says_where_they_are_of_no_use()
bobtail.finish()
