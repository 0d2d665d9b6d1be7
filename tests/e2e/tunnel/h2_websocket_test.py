#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""WebSocket over HTTP/2 (RFC 8441), to origins that speak HTTP/1."""
import os
import shutil
import ssl
import socket
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support")]
import bobtail
import certificates
import h2_frames as h2
import websocket
from bobtail import expect
from websocket import field

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-tunnel.")
os.chmod(FOLDER, 0o777)
CA = certificates.Authority(FOLDER)
CERTIFICATE, KEY = CA.issue("a", ["a.example"])
CLEAR, HTTPS = bobtail.free_ports(2)
CONFIG = """
http_port 127.0.0.1:{clear} accel defaultsite=a.example h2c
https_port 127.0.0.1:{https} accel defaultsite=a.example tls-cert={certificate} tls-key={key}
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
acl denied urlpath_regex ^/denied
{rules}
http_access allow all
logformat short %Ss/%03>Hs %>st %<st %rm %ru
access_log stdio:{folder}/access.log short
logfile_rotate 0
read_timeout {idle}
pid_filename none
visible_hostname proxy.test
workers 1
shutdown_lifetime 1 second
"""
RULES = "http_upgrade_request_protocols websocket deny denied\nhttp_upgrade_request_protocols websocket allow all"
ENABLE_CONNECT_PROTOCOL = 8
CONNECT_ERROR = 10


def config(origin, rules=RULES, idle="15 minutes"):
    return CONFIG.format(clear=CLEAR, https=HTTPS, certificate=CERTIFICATE, key=KEY, origin=origin.port,
                         folder=FOLDER, rules=rules, idle=idle)


class Connection(h2.Connection):
    """With the bytes that come, and windows: of what is received unless it is deaf, of what is sent."""

    def __init__(self, port, connection=None):
        self.remote, self.content, self.windows, self.is_deaf = {}, {}, {0: 65535}, False
        super().__init__(port, connection)
        self.wait(lambda c: c.remote)

    def _take(self, kind, flags, stream, payload):
        if kind == h2.SETTINGS and not flags & h2.ACK:
            self.remote = h2.values_of(payload)
        if kind == h2.WINDOW_UPDATE:
            self.windows[stream] = self.windows.get(stream, self.remote[4]) + struct.unpack(">I", payload)[0]
        super()._take(kind, flags, stream, payload)
        if kind == h2.DATA and payload:
            self.content[stream] = self.content.get(stream, b"") + payload
            if not self.is_deaf:
                grant = struct.pack(">I", len(payload))
                self.send(h2.frame(h2.WINDOW_UPDATE, 0, stream, grant) +
                          h2.frame(h2.WINDOW_UPDATE, 0, 0, grant))

    def connect(self, stream, path, protocol="websocket", fields=(), flags=h2.END_HEADERS):
        """Its status, once there is one; 0 for a reset."""
        self.send(h2.headers(stream, [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"),
                                      (":path", path), (":authority", "a.example"),
                                      ("sec-websocket-version", "13"), *fields], flags))
        self.wait(lambda c: stream in c.statuses or stream in c.resets or c.goaway is not None)
        return self.statuses.get(stream, 0)

    def window(self, stream):
        return min(self.windows[0], self.windows.get(stream, self.remote[4]))

    def put(self, stream, data, flags=0, seconds=20):
        """Sends within the windows; how much of it went out in that time."""
        sent, deadline = 0, time.monotonic() + seconds
        while sent < len(data) or (flags and sent == 0 and not data):
            left = deadline - time.monotonic()
            if data and not self.wait(lambda c: c.window(stream) > 0 or stream in c.resets, max(left, 0)):
                break
            if stream in self.resets:
                break
            piece = data[sent:sent + min(16384, self.window(stream))] if data else b""
            sent += len(piece)
            last = flags if sent == len(data) else 0
            self.send(h2.frame(h2.DATA, last, stream, piece))
            for number in (0, stream):
                self.windows[number] = self.windows.get(number, self.remote[4]) - len(piece)
            if not data:
                break
        return sent

    def get_bytes(self, stream, size, seconds=20):
        self.wait(lambda c: len(c.content.get(stream, b"")) >= size or stream in c.resets or
                  stream in c.ended, seconds)
        data = self.content.get(stream, b"")
        self.content[stream] = data[size:]
        return data[:size]

    def echo(self, stream, payload):
        self.put(stream, websocket.frame(payload))
        return websocket.read_frame(lambda size: self.get_bytes(stream, size)) == (websocket.BINARY, payload)


def tls_connection():
    context = ssl.create_default_context(cafile=CA.pem)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", HTTPS), 20),
                               server_hostname="a.example")


def check_echo(origin):
    for name, port, make in (("clear", CLEAR, lambda: None), ("TLS", HTTPS, tls_connection)):
        with Connection(port, make()) as client:
            expect(f"{name}: extended CONNECT is announced", client.remote.get(ENABLE_CONNECT_PROTOCOL) == 1)
            origin.heads.clear()
            status = client.connect(1, f"/echo/{name}", fields=[("sec-websocket-protocol", "x"),
                                                                ("sec-websocket-key", "bm90IG91cnM=")])
            expect(f"{name}: 200", status == 200, (status, client.resets))
            head = origin.heads[-1]
            expect(f"{name}: a GET with Upgrade", head.startswith(b"GET /echo/") and
                   field(head, b"Upgrade") == b"websocket" and field(head, b"Connection") == b"Upgrade" and
                   field(head, b"Host") == b"a.example", head)
            expect(f"{name}: one key, and not the client's", head.lower().count(b"sec-websocket-key:") == 1
                   and len(field(head, b"Sec-WebSocket-Key")) == 24
                   and field(head, b"Sec-WebSocket-Key") != b"bm90IG91cnM=", head)
            expect(f"{name}: fields of the handshake pass", field(head, b"Sec-WebSocket-Protocol") == b"x")
            for size in (0, 1, 65535, 1 << 20):
                expect(f"{name}: {size} bytes come back", client.echo(1, os.urandom(size)))
            expect(f"{name}: another stream beside it", client.connect(3, "/echo/other") == 200 and
                   client.echo(3, b"other") and client.echo(1, b"first"))
            client.get(5, "/plain")
            expect(f"{name}: and a request", client.outcome(5) == ("status", 200))
            client.put(1, websocket.frame(b"", websocket.CLOSE))
            client.wait(lambda c: 1 in c.ended or 1 in c.resets)
            expect(f"{name}: the origin's end is END_STREAM", 1 in client.ended, client.resets)
            client.put(1, b"", h2.END_STREAM)
    line = websocket.log_line(FOLDER, "/echo/clear")
    expect("logged with the bytes of both directions", line and line[0] == "TCP_TUNNEL/200" and
           int(line[1]) > 1 << 20 and int(line[2]) > 1 << 20, line)


def check_refusals():
    with Connection(CLEAR) as client:
        expect("a denied one: 403", client.connect(1, "/denied") == 403)
        expect("another protocol: 501", client.connect(3, "/echo", "connect-udp") == 501)
        expect("an answer that is no change: 502", client.connect(5, "/plain") == 502)
        expect("a refusal passes", client.connect(7, "/refuse") == 403 and
               client.get_bytes(7, 2) == b"no", client.content)
        expect("a wrong Accept: 502", client.connect(9, "/badaccept") == 502)
        expect("another protocol in the 101: 502", client.connect(11, "/wrong") == 502)
        fields = [(":method", "GET"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/echo"),
                  (":authority", "a.example")]
        client.send(h2.headers(13, fields))
        expect(":protocol without CONNECT is a stream error", client.outcome(13)[0] == "reset")
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "a.example")]
        client.send(h2.headers(15, fields))
        expect("no :path: a stream error", client.outcome(15)[0] == "reset")
        client.send(h2.headers(17, [(":method", "CONNECT"), (":authority", "a.example:443")]))
        expect("a plain CONNECT is refused as ever", client.outcome(17) == ("status", 405))


def check_ends(origin):
    with Connection(CLEAR) as client:
        expect("open", client.connect(1, "/pipe") == 200)
        client.put(1, b"x" * 100000, h2.END_STREAM)
        expect("END_STREAM is passed on, and the rest comes back",
               len(client.get_bytes(1, 100000)) == 100000 and origin.outcome("pipe") == "end")
        client.wait(lambda c: 1 in c.ended)
        expect("and then the end", 1 in client.ended, client.resets)

        expect("open", client.connect(3, "/bye") == 200)
        client.wait(lambda c: 3 in c.ended)
        expect("the origin's end is passed on", client.content.get(3) == b"bye" and 3 in client.ended)
        client.put(3, b"and you", h2.END_STREAM)
        expect("the other direction goes on", origin.outcome("bye") == b"and you")

        expect("open", client.connect(5, "/reset") == 200)
        client.put(5, b"x")
        client.wait(lambda c: 5 in c.resets)
        expect("the origin's reset is one", client.resets.get(5) == CONNECT_ERROR, client.resets)

        expect("open", client.connect(7, "/watch") == 200)
        client.send(h2.frame(h2.RST_STREAM, 0, 7, struct.pack(">I", h2.CANCEL)))
        expect("the client's reset is one", origin.outcome("watch") == "ConnectionResetError")
        expect("open", client.connect(9, "/watch") == 200)
    expect("so is the end of its connection", origin.outcome("watch") == "ConnectionResetError")


def check_slow_readers(origin):
    with Connection(CLEAR) as client:
        client.is_deaf = True
        expect("open", client.connect(1, "/flood") == 200)
        taken = origin.outcome("flood")
        expect("an origin that floods is held up by the window", taken is not None and taken < 32 << 20, taken)
        expect("only what the window lets comes", client.bytes.get(1, 0) <= 65535, client.bytes)
    with Connection(CLEAR) as client:
        expect("open", client.connect(1, "/deaf") == 200)
        sent = client.put(1, b"y" * (24 << 20), h2.END_STREAM, seconds=3)
        expect("a client that floods is held up by the window", sent < 24 << 20, sent)
        expect("other streams are not", client.connect(3, "/echo/beside") == 200 and client.echo(3, b"z"))
        origin.hearing.set()
        client.put(1, b"y" * ((24 << 20) - sent), h2.END_STREAM)
        expect("all of it comes once the origin reads", origin.outcome("deaf") == 24 << 20, sent)


def check_idle(origin):
    with bobtail.Proxy(config(origin, idle="2 seconds"), CLEAR):
        with Connection(CLEAR) as client:
            expect("open", client.connect(1, "/pipe/idle") == 200)
            client.wait(lambda c: 1 in c.resets, 15)
            expect("an idle tunnel is reset after read_timeout", 1 in client.resets)
    with bobtail.Proxy(config(origin, rules=""), CLEAR):
        with Connection(CLEAR) as client:
            expect("without rules nothing is announced", ENABLE_CONNECT_PROTOCOL not in client.remote)
            client.connect(1, "/echo")
            expect("and nothing taken", 1 in client.resets or client.goaway, client.statuses)


def main():
    origin = websocket.Origin()
    try:
        with bobtail.Proxy(config(origin), CLEAR) as proxy:
            check_echo(origin)
            check_refusals()
            check_ends(origin)
            check_slow_readers(origin)
            expect("the proxy lives", proxy.is_alive(), proxy.output())
        check_idle(origin)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    bobtail.finish()


main()
