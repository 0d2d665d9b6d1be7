#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""http_upgrade_request_protocols: which protocols are offered to the origin, and tunnels over HTTP/1,
plain and over TLS on either side."""
import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support")]
import bobtail
import certificates
import websocket
from bobtail import expect
from websocket import Client, field

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-tunnel.")
os.chmod(FOLDER, 0o777)
CA = certificates.Authority(FOLDER)
CERTIFICATE, KEY = CA.issue("a", ["a.example"])
HTTP, HTTPS = bobtail.free_ports(2)
CONFIG = """
http_port 127.0.0.1:{http} accel defaultsite=a.example
https_port 127.0.0.1:{https} accel defaultsite=a.example tls-cert={certificate} tls-key={key}
cache_peer 127.0.0.1 parent {plain} 0 no-query originserver name=plain
cache_peer 127.0.0.1 parent {secure} 0 no-query originserver name=secure tls tls-cafile={ca} ssldomain=a.example
acl secure urlpath_regex /secure$
cache_peer_access secure allow secure
cache_peer_access plain deny secure
acl denied urlpath_regex ^/denied
http_upgrade_request_protocols websocket deny denied
http_upgrade_request_protocols WebSocket allow all
http_upgrade_request_protocols chat/2 allow all
http_upgrade_request_protocols OTHER deny denied
{other}
acl switched http_status 101
acl hidden urlpath_regex ^/pipe/hidden
http_reply_access deny switched hidden
http_access allow all
logformat short %Ss/%03>Hs %>st %<st %rm %ru
access_log stdio:{folder}/access.log short
logfile_rotate 0
cache_mem 16 MB
read_timeout {idle}
client_lifetime {lifetime}
pid_filename none
visible_hostname proxy.test
workers 1
shutdown_lifetime 1 second
"""


def config(origins, other="", idle="15 minutes", lifetime="1 day"):
    return CONFIG.format(http=HTTP, https=HTTPS, certificate=CERTIFICATE, key=KEY, ca=CA.pem,
                         plain=origins[0].port, secure=origins[1].port, folder=FOLDER, other=other,
                         idle=idle, lifetime=lifetime)


def tls_connection():
    context = ssl.create_default_context(cafile=CA.pem)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", HTTPS), 20),
                               server_hostname="a.example")


def check_echo():
    for name, port, connect, path in (
            ("plain", HTTP, lambda: None, "/echo/plain"),
            ("TLS to the client", HTTPS, tls_connection, "/echo/tls"),
            ("TLS to the origin", HTTP, lambda: None, "/echo/secure"),
            ("TLS to both", HTTPS, tls_connection, "/echo/both/secure")):
        with Client(port, path, connection=connect()) as client:
            expect(f"{name}: 101", client.status == 101, client.head)
            expect(f"{name}: Accept passes",
                   field(client.head, b"Sec-WebSocket-Accept") == websocket.accept_of(Client.KEY))
            expect(f"{name}: Upgrade and Connection", field(client.head, b"Upgrade") == b"websocket"
                   and field(client.head, b"Connection") == b"Upgrade", client.head)
            for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
                expect(f"{name}: {size} bytes come back", client.echo(os.urandom(size)))
            client.send(b"", websocket.CLOSE)
            expect(f"{name}: close", client.receive()[0] == websocket.CLOSE)
            expect(f"{name}: end", client.read.all() == b"")
    line = websocket.log_line(FOLDER, "/echo/plain")
    expect("logged as Squid does", line and line[0] == "TCP_TUNNEL/101", line)
    total = 0 + 1 + 125 + 126 + 65535 + 65536 + (1 << 20)
    expect("bytes of both directions are in the log",
           line and total < int(line[1]) < total + 1000 and total < int(line[2]) < total + 1000, line)


def check_offers(origin):
    def offered(protocols, path="/plain/x", fields="", head="GET"):
        with Client(HTTP, path, protocols, fields=fields) as client:
            body = client.body()
            return field(body, b"Upgrade"), field(body, b"Connection"), client

    upgrade, connection, client = offered("websocket")
    expect("an offer that is allowed passes", (upgrade, connection) == (b"websocket", b"Upgrade"), client.head)
    expect("an origin that does not change answers as ever", client.status == 200)
    expect("what is denied by an ACL does not", offered("websocket", "/denied")[0] is None)
    expect("nor what no rule allows", offered("foo, h2c")[0] is None)
    expect("what is left of a list", offered("foo, websocket, chat/1, chat/2")[0] == b"websocket, chat/2")
    expect("a version that no rule has", offered("chat/1")[:2] == (None, b"keep-alive"))
    expect("no list at all", offered("web socket")[0] is None)
    expect("an empty list", offered(",")[0] is None)
    origin.heads.clear()
    for what, head in (
            ("HTTP/1.0", "GET /plain HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
            ("no Connection", "GET /plain HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\r\n"),
            ("a body", "POST /plain HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\n"
                       "Upgrade: websocket\r\nContent-Length: 2\r\n\r\nab"),
            ("a chunked body", "POST /plain HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\n"
                               "Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")):
        with socket.create_connection(("127.0.0.1", HTTP), 20) as raw:
            raw.sendall(head.encode())
            answer = websocket.Reader(raw).head()
        expect(f"no offer with {what}", b" 200 " in answer and
               field(origin.heads[-1], b"Upgrade") is None, answer)


def check_pipelined():
    with Client(HTTP, "/plain/first", more=b"GET /plain/second HTTP/1.1\r\nHost: a.example\r\n\r\n") as client:
        client.body()
        expect("what is behind a request that did not change anything is the next one",
               b" 200 " in client.read.head())
    with Client(HTTP, "/pipe", more=b"GET /plain/second HTTP/1.1\r\n") as client:
        expect("what is behind one that did goes to the origin",
               client.read(28) == b"GET /plain/second HTTP/1.1\r\n")
    with Client(HTTP, "/early") as client:
        expect("what the origin says with its head comes first", client.read(10) == b"early bird")
        expect("its own fields pass", field(client.head, b"X-Own") == b"yes" and
               field(client.head, b"Set-Cookie") == b"a=1", client.head)
        client.socket.sendall(b"12345")
        expect("then what follows", client.read.all() == b"12345")


def check_hostile_answers():
    for path in ("/wrong", "/silent", "/unnamed"):
        with Client(HTTP, path) as client:
            expect(f"{path}: 502", client.status == 502, client.head)
            expect(f"{path}: nothing of it passes", b"smuggled" not in client.body())
    with socket.create_connection(("127.0.0.1", HTTP), 20) as raw:
        raw.sendall(b"GET /echo/unasked HTTP/1.1\r\nHost: a.example\r\n\r\n")
        expect("a 101 that nobody asked for: 502", b" 502 " in websocket.Reader(raw).head())
    with Client(HTTP, "/pipe/hidden") as client:
        expect("http_reply_access judges the 101", client.status == 403, client.head)
    with Client(HTTP, "/refuse") as client:
        expect("a refusal passes", client.status == 403 and client.body() == b"no")


def check_ends(origin):
    with Client(HTTP, "/pipe") as client:
        client.socket.sendall(b"x" * 100000)
        client.socket.shutdown(socket.SHUT_WR)
        expect("the client's end is passed on, and the rest comes back", len(client.read.all()) == 100000)
        expect("the origin saw the end", origin.outcome("pipe") == "end")
    with Client(HTTP, "/bye") as client:
        expect("the origin's end is passed on", client.read.all() == b"bye")
        client.socket.sendall(b"and you")
        client.socket.shutdown(socket.SHUT_WR)
        expect("the other direction goes on", origin.outcome("bye") == b"and you")
    with Client(HTTP, "/reset") as client:
        client.socket.sendall(b"x")
        try:
            expect("the origin's reset is one", client.read.all() is None)
        except ConnectionResetError:
            expect("the origin's reset is one", True)
    client = Client(HTTP, "/watch")
    websocket.reset(client.socket)
    expect("the client's reset is one", origin.outcome("watch") == "ConnectionResetError")
    line = websocket.log_line(FOLDER, "/watch")
    expect("and is logged as such", line and line[0] == "TCP_TUNNEL_ABORTED/101", line)


def bounded_send(connection, limit=64 << 20):
    """How much it takes before a pause of 2 s."""
    sent = 0
    connection.settimeout(2)
    try:
        while sent < limit:
            sent += connection.send(b"y" * 65536)
    except OSError:
        pass
    return sent


def check_slow_readers(origin):
    with Client(HTTP, "/flood") as client:
        taken = origin.outcome("flood")
        expect("an origin that floods is held up", taken is not None and taken < 32 << 20, taken)
        expect("what it said comes", client.read(1 << 20) == b"x" * (1 << 20))
    with Client(HTTP, "/deaf") as client:
        sent = bounded_send(client.socket)
        expect("a client that floods is held up", sent < 32 << 20, sent)
        client.socket.shutdown(socket.SHUT_WR)
        origin.hearing.set()
        expect("all of it comes once the origin reads", origin.outcome("deaf") == sent, sent)


def offers_foo():
    with Client(HTTP, "/plain/foo", "foo") as client:
        return field(client.body(), b"Upgrade") == b"foo"


def check_reload(proxy, origins):
    with Client(HTTP, "/echo/reload") as client:
        with open(proxy.config, "w", encoding="latin-1") as file:
            file.write(config(origins, other="http_upgrade_request_protocols OTHER allow all"))
        proxy.process.send_signal(signal.SIGHUP)
        bobtail.expect_soon("a reload brings new rules", offers_foo)
        expect("and leaves open tunnels open", client.echo(b"still here"))


def check_limits(origins):
    with bobtail.Proxy(config(origins, idle="2 seconds"), HTTP):
        with Client(HTTP, "/pipe/idle") as client:
            began = time.monotonic()
            for _ in range(3):
                time.sleep(1)
                client.socket.sendall(b"z")
                client.read(1)
            try:
                client.read.all()
            except ConnectionResetError:
                pass
            took = time.monotonic() - began
            expect("an idle tunnel ends after read_timeout, one in use does not", took > 4.5, took)
    with bobtail.Proxy(config(origins, lifetime="3 seconds"), HTTP):
        with Client(HTTP, "/pipe/life") as client:
            began = time.monotonic()
            try:
                while time.monotonic() < began + 15:
                    client.socket.sendall(b"z")
                    client.read(1)
                    time.sleep(0.1)
            except (OSError, EOFError):
                pass
            took = time.monotonic() - began
            expect("any tunnel ends after client_lifetime", 2 < took < 14, took)


def check_shutdown(proxy):
    with Client(HTTP, "/echo/last") as client:
        expect("open before the end", client.echo(b"x"))
        proxy.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        proxy.process.wait(15)
        expect("a stop waits for shutdown_lifetime at most", time.monotonic() - began < 12)


def main():
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(CERTIFICATE, KEY)
    origins = [websocket.Origin(), websocket.Origin(context=secure)]
    try:
        with bobtail.Proxy(config(origins), HTTP) as proxy:
            check_echo()
            check_offers(origins[0])
            check_pipelined()
            check_hostile_answers()
            check_ends(origins[0])
            check_slow_readers(origins[0])
            check_reload(proxy, origins)
            expect("the proxy lives", proxy.is_alive(), proxy.output())
            check_shutdown(proxy)
            expect("and ends well", proxy.process.returncode == 0, proxy.output())
        check_limits(origins)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    bobtail.finish()


main()
