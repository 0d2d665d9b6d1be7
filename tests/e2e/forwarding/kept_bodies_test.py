#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A small body of a PUT or DELETE is kept until an answer comes, and sent again to the next peer, or on
a new connection, when the first one broke (RFC 9110 section 9.2.2). Nothing else is sent twice. And
forward_timeout ends a connect that is under way."""
import http.client
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail  # noqa: E402
from bobtail import expect  # noqa: E402


class Origin:
    """Reads requests; act(number of the request on its connection) says whether it answers or closes."""

    def __init__(self, act, early=False):
        self.act = act
        self.early = early  # closes as soon as a byte of the body is there
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        number = 0
        with conn, conn.makefile("rb") as file:
            while True:
                line = file.readline()
                if not line:
                    return
                head = {}
                for field in iter(file.readline, b"\r\n"):
                    name, value = field.decode().split(":", 1)
                    head[name.lower()] = value.strip()
                body = file.read(1) if self.early else self._body(file, head)
                number += 1
                self.seen.append((line.split()[0].decode(), body))
                if not self.act(number):
                    return
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    @staticmethod
    def _body(file, head):
        if head.get("transfer-encoding") != "chunked":
            return file.read(int(head.get("content-length", 0)))
        body = b""
        while True:
            size = int(file.readline(), 16)
            body += file.read(size)
            file.readline()
            if size == 0:
                return body


def proxy_before(*origins, more=""):
    port = bobtail.free_ports(1)[0]
    peers = "\n".join(f"cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=p{n} "
                      "connect-fail-limit=100" for n, origin in enumerate(origins))
    return bobtail.Proxy(f"""
http_port {port} accel defaultsite=www.example
{peers}
acl all_urls url_regex .
http_access allow all_urls
cache deny all_urls
workers 1
pid_filename none
access_log none
{more}
""", port), port


def ask(port, method, body, chunked=False, **fields):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        if chunked:
            body = iter([body[:len(body) // 2], body[len(body) // 2:]])
        client.request(method, "/x", body=body, headers=fields, encode_chunked=chunked)
        answer = client.getresponse()
        answer.read()
        return answer.status
    finally:
        client.close()


def sends_small_bodies_to_the_next_peer():
    for early in (False, True):
        broken, good = Origin(lambda _: False, early), Origin(lambda _: True)
        proxy, port = proxy_before(broken, good)
        with proxy:
            for method, size, chunked in (("PUT", 10, False), ("PUT", 60000, False),
                                          ("PUT", 40000, True), ("DELETE", 100, False)):
                body = os.urandom(size)
                fields = {"Transfer-Encoding": "chunked"} if chunked else {}
                status = ask(port, method, body, chunked, **fields)
                expect(f"{method} of {size} bytes{', in chunks' * chunked}: the next peer answers "
                       f"(the first closes {'early' if early else 'late'})", status == 200, status)
                expect("it got the body whole", good.seen[-1:] == [(method, body)])
            expect("the first one saw each", len(broken.seen) == 4, len(broken.seen))


def sends_nothing_else_twice():
    broken, good = Origin(lambda _: False), Origin(lambda _: True)
    proxy, port = proxy_before(broken, good)
    with proxy:
        for what, method, size, fields in (("a large PUT", "PUT", 70000, {}),
                                           ("a POST", "POST", 10, {}),
                                           ("a PUT on a condition", "PUT", 10, {"If-Match": '"1"'})):
            status = ask(port, method, os.urandom(size), **fields)
            expect(f"{what} is answered 502", status == 502, status)
        large = os.urandom(70000)
        status = ask(port, "PUT", large, True, **{"Transfer-Encoding": "chunked"})
        expect("a large PUT in chunks is answered 502", status == 502, status)
        expect("the next peer saw none of them", good.seen == [], [seen[0] for seen in good.seen])


def takes_an_idle_connection_and_a_new_one():
    """The origin closes each connection at its second request."""
    origin = Origin(lambda number: number < 2)
    proxy, port = proxy_before(origin)
    with proxy:
        expect("a first request", ask(port, "GET", None) == 200)
        body = os.urandom(5000)
        status = ask(port, "PUT", body)
        expect("a PUT on a connection that closes is sent again", status == 200, status)
        expect("both times whole", [seen[1] for seen in origin.seen] == [b"", body, body],
               [len(seen[1]) for seen in origin.seen])


def a_body_that_comes_in_two_halves():
    """The first peer goes when it has the first half; the next one gets that and the other."""
    broken, good = Origin(lambda _: False, early=True), Origin(lambda _: True)
    proxy, port = proxy_before(broken, good)
    with proxy, socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(b"PUT /x HTTP/1.1\r\nHost: www.example\r\nContent-Length: 10\r\n\r\n01234")
        bobtail.wait_for(lambda: broken.seen)
        client.sendall(b"56789")
        status = client.recv(4096).split(b" ")[1]
        expect("it is answered", status == b"200", status)
        expect("the second peer got both halves", good.seen == [("PUT", b"0123456789")], good.seen)


def forward_timeout_cuts_a_connect():
    """A listener whose queue is full lets nobody in: a connect to it hangs."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    held = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(full.getsockname())
        held.append(client)
    proxy, port = proxy_before(type("Full", (), {"port": full.getsockname()[1]}),
                               more="forward_timeout 1 second\nconnect_timeout 60 seconds\n"
                                    "peer_connect_timeout 60 seconds")
    with proxy:
        begin = time.monotonic()
        status = ask(port, "GET", None)
        took = time.monotonic() - begin
        expect("a connect that hangs ends with forward_timeout", status == 504 and 0.9 <= took < 15,
               (status, took))
    for client in held:
        client.close()


bobtail.skip_without_program()
sends_small_bodies_to_the_next_peer()
sends_nothing_else_twice()
takes_an_idle_connection_and_a_new_one()
a_body_that_comes_in_two_halves()
forward_timeout_cuts_a_connect()
bobtail.finish()
