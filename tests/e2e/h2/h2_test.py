#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/2 to clients, by curl and by frames made by hand: what HTTP/1 clients get, over streams."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support")]
import bobtail
import certificates
import h2_frames as h2
from small_origin import Origin

bobtail.skip_without_program()
certificates.skip_without_openssl()
if b"HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, check=False).stdout:
    print("skipped: there is no curl that speaks HTTP/2")
    sys.exit(bobtail.SKIP)

FOLDER = tempfile.mkdtemp(prefix="bobtail-h2.")
os.chmod(FOLDER, 0o777)
CA = certificates.Authority(FOLDER)
CLEAR, TLS, NO_H2, EXTRA, ORIGIN, RAW = bobtail.free_ports(6)
CERTIFICATE, KEY = CA.issue("a", ["a.example"])
CONFIG = f"""
http_port 127.0.0.1:{CLEAR} accel defaultsite=a.example h2c
https_port 127.0.0.1:{TLS} accel defaultsite=a.example tls-cert={CERTIFICATE} tls-key={KEY}
https_port 127.0.0.1:{NO_H2} accel defaultsite=a.example no-http2 tls-cert={CERTIFICATE} tls-key={KEY}
#extra http_port 127.0.0.1:{EXTRA} accel defaultsite=a.example h2c
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=small
cache_peer 127.0.0.1 parent {RAW} 0 no-query originserver name=raw
acl raw urlpath_regex ^/raw
acl denied urlpath_regex ^/denied
acl cut urlpath_regex ^/cut
cache_peer_access raw allow raw
cache_peer_access small deny raw
deny_info TCP_RESET cut
http_access deny denied
http_access deny cut
http_access allow all
logformat version %rm %rv %>Hs %<st %>ru
access_log stdio:{FOLDER}/access.log version
logfile_rotate 0
cache_mem 64 MB
maximum_object_size_in_memory 4 MB
pid_filename none
visible_hostname proxy.test
workers 1
shutdown_lifetime 5 seconds
"""

RAW_ANSWERS = {
    b"/raw-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                   b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    b"/raw-trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
                      b"Connection: close\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n",
    b"/raw-short": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n" + b"x" * 60000,
    b"/raw-chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
                    b"1\r\na\r\n" * 3000 + b"0\r\n\r\n",
    b"/raw-close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"z" * 100000,
}


def serve_raw():
    listener = socket.create_server(("127.0.0.1", RAW))

    def answer(connection):
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            HEADS.append(head)
            connection.sendall(RAW_ANSWERS[head.split(b" ")[1]])
            if b"/raw-short" in head:
                CUT.wait(30)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def accept():
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


HEADS = []
CUT = threading.Event()  # the short answer ends once its beginning has arrived


def curl(url, *options, code=0):
    """What curl says and gets: its version of HTTP, the status, the head and the body."""
    head = os.path.join(FOLDER, "head")
    done = subprocess.run(["curl", "-sS", "--max-time", "30", "-D", head, "-w", "\n%{http_version} %{http_code}",
                           "--cacert", CA.pem, "--resolve", f"a.example:{TLS}:127.0.0.1",
                           "--resolve", f"a.example:{NO_H2}:127.0.0.1", *options, url],
                          capture_output=True, check=False)
    assert done.returncode == code, (url, options, done)
    body, _, said = done.stdout.rpartition(b"\n")
    with open(head, encoding="latin-1") as file:
        fields = file.read().lower()
    return (*said.decode().split(" "), fields, body)


def in_clear(path, *options, code=0):
    return curl(f"http://127.0.0.1:{CLEAR}{path}", "--http2-prior-knowledge", *options, code=code)


def over_tls(path, *options):
    return curl(f"https://a.example:{TLS}{path}", "--http2", *options)


def serves_in_clear_and_over_tls():
    for ask in (in_clear, over_tls):
        for size in (0, 1, 100, 16384, 16385, 100000, 3000000):
            for _ in range(2):  # from the origin, then from memory
                version, status, head, body = ask(f"/{size}")
                assert (version, status, len(body)) == ("2", "200", size), (version, status, len(body))
                for field in ("\nconnection:", "\ntransfer-encoding:", "\nkeep-alive:"):
                    assert field not in head, head
        assert "x-cache: hit" in head, head
    version, status, *_ = curl(f"http://127.0.0.1:{CLEAR}/100", "--http1.1")
    assert (version, status) == ("1.1", "200")
    version, status, *_ = curl(f"https://a.example:{NO_H2}/100", "--http2")
    assert (version, status) == ("1.1", "200")


def answers_as_over_http_1():
    _, status, head, _ = in_clear("/100", "-I")
    assert status == "200" and "content-length: 100" in head, head
    _, status, _, body = in_clear("/100000", "-r", "5-14")
    assert (status, body) == ("206", b"x" * 10)
    _, status, head, body = over_tls("/100000", "-r", "5-14,50000-99000")
    assert status == "206" and "multipart/byteranges" in head and body.count(b"x") == 49011, (status, head)
    _, status, _, body = in_clear("/denied")
    assert status == "403" and b"<html" in body.lower()
    _, status, _, body = over_tls("/denied", "-I")
    assert status == "403"
    in_clear("/cut", code=92)  # CURLE_HTTP2_STREAM: reset


def takes_request_bodies():
    path = os.path.join(FOLDER, "upload")
    for size in (0, 1, 300000, 5000000):
        with open(path, "wb") as file:
            file.write(b"y" * size)
        for ask in (in_clear, over_tls):
            _, status, _, body = ask("/", "--data-binary", f"@{path}")
            assert (status, body) == ("200", b"%d" % size), (size, status, body)
    with h2.Connection(CLEAR) as c:  # a length that the client did not say goes on in chunks
        c.send(h2.headers(1, [(":method", "POST"), (":path", "/raw-hints"), (":scheme", "http"),
                              (":authority", "a.example")], h2.END_HEADERS))
        c.send(h2.frame(h2.DATA, 0, 1, b"abc") + h2.frame(h2.DATA, h2.END_STREAM, 1, b"def"))
        assert c.outcome(1) == ("status", 200), c.outcome(1)
    assert b"transfer-encoding: chunked" in HEADS[-1].lower(), HEADS[-1]
    assert b"\r\nvia: 2.0 proxy.test" in HEADS[-1].lower(), HEADS[-1]
    with h2.Connection(CLEAR) as c:
        c.send(h2.headers(1, [(":method", "POST"), (":path", "/"), (":scheme", "http"),
                              (":authority", "a.example"), ("content-length", "3"),
                              ("expect", "100-continue")], h2.END_HEADERS))
        assert c.wait(lambda c: c.interim.get(1)), c.interim
        c.send(h2.frame(h2.DATA, h2.END_STREAM, 1, b"abc"))
        assert c.outcome(1) == ("status", 200)
        assert c.interim[1] == [100]


def joins_cookies():
    with h2.Connection(CLEAR) as c:
        c.get(1, "/raw-trailers", (("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")))
        assert c.outcome(1) == ("status", 200) and c.bytes[1] == 4
    assert b"\r\ncookie: a=1; b=2\r\n" in HEADS[-1].lower(), HEADS[-1]


def passes_hints_and_trailers():
    with h2.Connection(CLEAR) as c:
        c.get(1, "/raw-hints")
        assert c.outcome(1) == ("status", 200) and c.interim == {1: [103]}, c.interim
    _, status, head, body = in_clear("/raw-trailers", "-H", "TE: trailers")
    assert (status, body) == ("200", b"body") and "x-sum: 42" in head, head
    for path, whole in (("/raw-chunks", b"a" * 3000), ("/raw-close", b"z" * 100000)):
        _, status, head, body = in_clear(path)
        assert (status, body) == ("200", whole), path


def resets_what_is_cut_short():
    with h2.Connection(CLEAR, window=1 << 20) as c:
        c.get(1, "/raw-short")
        assert c.wait(lambda c: c.bytes.get(1))
        CUT.set()
        assert c.outcome(1) == ("reset", h2.INTERNAL_ERROR), c.outcome(1)


def serves_many_streams_at_once():
    with h2.Connection(CLEAR) as c:
        for i in range(100):
            c.get(2 * i + 1, f"/{5000 + i}")
        for _ in range(30):
            c.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, (100000).to_bytes(4, "big")))
        for i in range(100):
            assert c.outcome(2 * i + 1) == ("status", 200), i
            assert c.bytes[2 * i + 1] == 5000 + i
        assert c.goaway is None


def sends_what_is_urgent_first():
    while "x-cache: hit" not in in_clear("/30000", "-H", "Host: a.example")[2]:
        pass  # stored, its DATA need not be waited for
    with h2.Connection(CLEAR, window=1 << 20) as c:
        c.get(1, "/70000", (("priority", "u=6"),))
        c.get(3, "/70001", (("priority", "u=6"),))
        assert c.wait(lambda c: sum(c.bytes.values()) == 65535)  # the connection's window is used up
        c.get(5, "/30000", (("priority", "u=0"),))
        assert c.wait(lambda c: 5 in c.statuses)
        c.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, (35000).to_bytes(4, "big")))
        assert c.wait(lambda c: 5 in c.ended), c.bytes


def logs_the_version(proxy):
    lines = "".join(open(os.path.join(FOLDER, "access.log"), encoding="latin-1"))
    for expected in ("GET 2.0 200", "HEAD 2.0 200", "POST 2.0 200", "GET 1.1 200", "GET 2.0 403", "GET 2.0 206"):
        assert expected in lines, (expected, lines)
    assert proxy.is_alive()


def says_goodbye(proxy):
    with open(proxy.config, "w", encoding="latin-1") as file:
        file.write(CONFIG.replace("#extra ", ""))
    proxy.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while True:
        try:
            leaving = h2.Connection(EXTRA)
            break
        except OSError:
            assert time.monotonic() < deadline, proxy.output()
            time.sleep(0.1)
    staying = h2.Connection(CLEAR)
    for c in (leaving, staying):
        c.get(1, "/300000")  # more than the window
        assert c.wait(lambda c: c.bytes.get(1) == 65535), c.bytes
    with open(proxy.config, "w", encoding="latin-1") as file:
        file.write(CONFIG)
    proxy.process.send_signal(signal.SIGHUP)
    assert leaving.wait(lambda c: c.goaway is not None) and leaving.goaway == h2.NO_ERROR
    proxy.process.send_signal(signal.SIGTERM)
    assert staying.wait(lambda c: c.goaway is not None) and staying.goaway == h2.NO_ERROR
    for c in (leaving, staying):
        for stream in (0, 1):
            c.send(h2.frame(h2.WINDOW_UPDATE, 0, stream, (1 << 20).to_bytes(4, "big")))
        assert c.outcome(1) == ("status", 200) and c.bytes[1] == 300000, c.bytes
        assert c.end() == h2.NO_ERROR
        c.close()
    proxy.process.wait(20)
    assert proxy.process.returncode == 0, proxy.output()


def main():
    serve_raw()
    with Origin(ORIGIN), bobtail.Proxy(CONFIG, CLEAR) as proxy:
        serves_in_clear_and_over_tls()
        answers_as_over_http_1()
        takes_request_bodies()
        joins_cookies()
        passes_hints_and_trailers()
        resets_what_is_cut_short()
        serves_many_streams_at_once()
        sends_what_is_urgent_first()
        logs_the_version(proxy)
        says_goodbye(proxy)


try:
    main()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
