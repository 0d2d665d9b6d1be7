#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Ports and peers that are Unix sockets, and the PROXY header to peers: as one process (-N) and as parent
and child. The socket's file: its mode, a stale one, one that is no socket, reload, crash, stop."""
import os
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

bobtail.skip_without_program()
PATIENCE = 30


class App(socketserver.StreamRequestHandler):
    """Answers with what it was sent: the PROXY header of its connection, then the request's head."""

    def handle(self):
        seen = self.server.seen
        seen["connections"] += 1
        header = self.read_proxy_header()
        while (line := self.rfile.readline()).strip():
            head = [line]
            while (field := self.rfile.readline()).strip():
                head.append(field)
            body = header + b"|" + b"".join(head)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n%s"
                             % (len(body), body))

    def read_proxy_header(self):
        start = self.rfile.peek(16)[:16]
        if start.startswith(b"PROXY "):
            return self.rfile.readline()
        if start.startswith(b"\r\n\r\n\0\r\nQUIT\n"):
            head = self.rfile.read(16)
            return head + self.rfile.read(struct.unpack(">H", head[14:])[0])
        return b""


class Quiet:
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        """The proxy closed the connection."""


class UnixApp(Quiet, socketserver.ThreadingUnixStreamServer):
    pass


class TcpApp(Quiet, socketserver.ThreadingTCPServer):
    pass


def start(server):
    server.seen = {"connections": 0}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Client:
    def __init__(self, to):
        if isinstance(to, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(to)
        else:
            self.sock = socket.create_connection(("127.0.0.1", to), PATIENCE)
        self.reader = self.sock.makefile("rb")

    def get(self, path="/", ahead=b""):
        self.sock.sendall(ahead + b"GET %s HTTP/1.1\r\nHost: www.example\r\n\r\n" % path.encode())
        status, length = int(self.reader.readline().split()[1]), 0
        while (line := self.reader.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, self.reader.read(length)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.sock.close()


def get(to, path="/", ahead=b""):
    with Client(to) as client:
        return client.get(path, ahead)


def field(body, name):
    for line in body.partition(b"|")[2].split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return None


CONFIG = """
http_port 127.0.0.1:{port} accel defaultsite=www.example
http_port unix:{folder}/in.sock accel defaultsite=www.example mode={mode}
http_port unix:{folder}/balanced.sock accel defaultsite=www.example require-proxy-header
{more}
proxy_protocol_access allow all
cache_peer unix:{folder}/app.sock parent 0 0 no-query originserver name=app
cache_peer 127.0.0.1 parent {app1} 0 no-query originserver name=v1 proxy-protocol=v1
cache_peer 127.0.0.2 parent {app2} 0 no-query originserver name=v2 proxy-protocol=v2
cache_peer unix:{folder}/nobody.sock parent 0 0 no-query originserver name=nobody connect-fail-limit=1000
acl to_v1 urlpath_regex ^/v1
acl to_v2 urlpath_regex ^/v2
acl to_nobody urlpath_regex ^/nobody
acl to_local urlpath_regex ^/local
acl local src 127.0.0.0/8 ::1
cache_peer_access v1 allow to_v1
cache_peer_access v2 allow to_v2
cache_peer_access nobody allow to_nobody
cache_peer_access app deny to_v1
cache_peer_access app deny to_v2
cache_peer_access app deny to_nobody
cache_peer_access app allow all
http_access deny to_local !local
http_access allow all
access_log stdio:{folder}/access.log
pid_filename {folder}/proxy.pid
cache_log {folder}/cache.log
workers 2
shutdown_lifetime 1 second
"""


class Rig:
    """The folder lives as long as the test, and its proxies come and go."""

    def __init__(self, folder):
        self.folder = folder
        self.port, app1, app2 = bobtail.free_ports(3)
        self.values = {"folder": folder, "port": self.port, "app1": app1, "app2": app2, "mode": "660", "more": ""}
        self.app = start(UnixApp(f"{folder}/app.sock", App))
        os.chmod(f"{folder}/app.sock", 0o666)
        self.app1 = start(TcpApp(("127.0.0.1", app1), App))
        self.app2 = start(TcpApp(("127.0.0.2", app2), App))

    def path(self, name):
        return f"{self.folder}/{name}"

    def proxy(self, **changes):
        return bobtail.Proxy(CONFIG.format(**{**self.values, **changes}), self.port)

    def rewrite(self, proxy, **changes):
        with open(proxy.config, "w", encoding="latin-1") as file:
            file.write(CONFIG.format(**{**self.values, **changes}))
        proxy.process.send_signal(signal.SIGHUP)

    def mode(self, name):
        return os.stat(self.path(name)).st_mode & 0o777

    def log(self):
        with open(self.path("access.log"), encoding="latin-1") as file:
            return file.read()


def requests_pass(rig):
    status, body = get(rig.path("in.sock"), "/one")
    assert status == 200 and body.startswith(b"|GET /one HTTP/1.1"), body
    assert field(body, b"x-forwarded-for") == b"unknown", body
    assert field(body, b"host") == b"www.example", body
    assert get(rig.port, "/two")[0] == 200
    # A Unix socket's client has no address: it is not 127.0.0.1.
    assert get(rig.path("in.sock"), "/local")[0] == 403
    assert get(rig.port, "/local")[0] == 200
    assert get(rig.path("in.sock"), "/nobody")[0] == 503
    with Client(rig.path("in.sock")) as client:  # connections persist on both sides
        client.get()
        before = rig.app.seen["connections"]
        for _ in range(5):
            assert client.get()[0] == 200
        assert rig.app.seen["connections"] - before <= 1
    bobtail.require_soon("the log", lambda: "/one" in rig.log())
    line = next(line for line in rig.log().splitlines() if "/one" in line)
    assert line.split()[2] == "-", line


def large_bodies_pass(rig):
    with Client(rig.path("in.sock")) as client:
        status, body = client.get("/" + "x" * 30_000)
        assert status == 200 and len(body) > 30_000


def who_is_behind_a_balancer_is_known(rig):
    status, body = get(rig.path("balanced.sock"), "/three", b"PROXY TCP4 10.9.8.7 192.0.2.1 1234 80\r\n")
    assert status == 200 and field(body, b"x-forwarded-for") == b"10.9.8.7", body
    status, body = get(rig.path("balanced.sock"), "/v1", b"PROXY TCP4 10.9.8.7 192.0.2.1 1234 80\r\n")
    assert body.startswith(b"PROXY TCP4 10.9.8.7 192.0.2.1 1234 80\r\n|"), body
    bobtail.require_soon("the log", lambda: "/three" in rig.log())
    line = next(line for line in rig.log().splitlines() if "/three" in line)
    assert line.split()[2] == "10.9.8.7", line


def peers_are_told_whose_connection_it_is(rig):
    with Client(rig.port) as client, Client(rig.port) as other:
        own, others = client.sock.getsockname()[1], other.sock.getsockname()[1]
        expected = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n|" % (own, rig.port)
        before = rig.app1.seen["connections"]
        for _ in range(3):
            status, body = client.get("/v1")
            assert status == 200 and body.startswith(expected), body
        # The same connection for the same client only.
        assert rig.app1.seen["connections"] == before + 1
        status, body = other.get("/v1")
        assert body.startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 %d " % others), body
        assert rig.app1.seen["connections"] == before + 2
        assert client.get("/v1")[1].startswith(expected)

        status, body = client.get("/v2")
        header = body[:28]  # whose ports may hold any byte
        assert status == 200 and body[28:29] == b"|" and header[:16] == b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", body
        assert struct.unpack(">4s4sHH", header[16:]) == (b"\x7f\0\0\1", b"\x7f\0\0\1", own, rig.port)
    assert get(rig.path("in.sock"), "/v1")[1].startswith(b"PROXY UNKNOWN\r\n|")


def a_reload_keeps_the_socket(rig, proxy, is_ours):
    inode = os.stat(rig.path("in.sock")).st_ino
    assert rig.mode("in.sock") == 0o660 and rig.mode("balanced.sock") == 0o666
    stop, failures = threading.Event(), []

    def ask():
        while not stop.is_set():
            try:
                if get(rig.path("in.sock"))[0] != 200:
                    failures.append("not 200")
            except (OSError, IndexError) as error:
                failures.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    rig.rewrite(proxy, mode="600", more=f"http_port unix:{rig.folder}/new.sock accel defaultsite=a")
    bobtail.require_soon("the new port", lambda: os.path.exists(rig.path("new.sock")))
    bobtail.require_soon("an answer there", lambda: can_get(rig.path("new.sock")))
    if is_ours:
        bobtail.require_soon("the new mode", lambda: rig.mode("in.sock") == 0o600)
    rig.rewrite(proxy)
    bobtail.require_soon("the end of the new port", lambda: not os.path.exists(rig.path("new.sock")))
    stop.set()
    asking.join(PATIENCE)
    assert not failures, failures
    assert os.stat(rig.path("in.sock")).st_ino == inode


def can_get(to):
    try:
        return get(to)[0] == 200
    except (OSError, IndexError):
        return False


def a_crash_is_survived(rig, proxy):
    children = subprocess.run(["pgrep", "-P", str(proxy.process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    bobtail.require_soon("an answer of the next child", lambda: can_get(rig.path("in.sock")))


def files_in_the_way(rig):
    """A stale socket makes way; a file of another kind stays, and the other ports serve."""
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(rig.path("in.sock"))
    stale.close()
    with open(rig.path("balanced.sock"), "w", encoding="ascii") as file:
        file.write("precious")
    with rig.proxy() as proxy:
        assert get(rig.path("in.sock"))[0] == 200
        with open(rig.path("cache.log"), encoding="latin-1") as log:
            said = log.read() + proxy.output()
        assert "is no socket" in said, said
    with open(rig.path("balanced.sock"), encoding="ascii") as file:
        assert file.read() == "precious"
    os.unlink(rig.path("balanced.sock"))


def run(is_parted):
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-test.")
    os.chmod(folder, 0o777)  # started as root, the proxy becomes another user
    rig = Rig(folder)
    try:
        files_in_the_way(rig)
        with rig.proxy() as proxy:
            requests_pass(rig)
            large_bodies_pass(rig)
            who_is_behind_a_balancer_is_known(rig)
            peers_are_told_whose_connection_it_is(rig)
            a_reload_keeps_the_socket(rig, proxy, is_parted or os.geteuid() != 0)
            if is_parted:
                a_crash_is_survived(rig, proxy)
            assert proxy.is_alive(), proxy.output()
        assert not os.path.exists(rig.path("in.sock")), "the socket's file stayed"
    finally:
        for app in (rig.app, rig.app1, rig.app2):
            app.shutdown()
            app.server_close()
        bobtail.shutil.rmtree(folder, ignore_errors=True)


def main():
    run(False)
    print("ok: one process")
    if " -N " in bobtail.COMMAND:
        bobtail.COMMAND = bobtail.COMMAND.replace(" -N ", " --foreground ")
        run(True)
        print("ok: parent and child")


main()
