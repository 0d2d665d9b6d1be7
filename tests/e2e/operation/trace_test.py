#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bobtailctl trace: which requests it shows, what of them, and that no reader holds up the server."""
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from bobtail import Proxy, expect, finish, free_ports, skip_without_program

skip_without_program()
CTL = os.environ.get("BOBTAILCTL", "./bobtailctl")
PORT, ORIGIN = free_ports(2)


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


def ask(target, count=1):
    with socket.create_connection(("127.0.0.1", PORT), 10) as client:
        for number in range(count):
            last = b"Connection: close\r\n" if number == count - 1 else b""
            client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: site.example\r\n" + last + b"\r\n")
        reply = b""
        while piece := client.recv(65536):
            reply += piece
        return reply


class Trace:
    """Runs it until `stop`; the first line of the socket says that it is looking."""

    def __init__(self, proxy, *options, first=b"/first-of-this-trace"):
        self.process = subprocess.Popen(
            [CTL, "-f", proxy.config, "trace", *options], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.lines = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.wait_for(first.decode(), lambda: ask(first))

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode("ascii"))

    def has(self, *texts):
        return any(all(text in line for text in texts) for line in self.lines)

    def wait_for(self, text, act=None):
        deadline = time.monotonic() + 20
        while not self.has(text) and time.monotonic() < deadline:
            if act:
                act()
            time.sleep(0.1)
        return self.has(text)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.reader.join()


origin = http.server.ThreadingHTTPServer(("127.0.0.1", ORIGIN), Origin)
threading.Thread(target=origin.serve_forever, daemon=True).start()
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=site.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=app
acl secret urlpath_regex ^/secret
acl first urlpath_regex ^/first
http_access deny secret
http_access allow all
cache_log /dev/null
access_log none
pid_filename {{}}/pid
"""
folder = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()
os.chmod(folder, 0o777)
with Proxy(CONFIG.format(folder), PORT) as proxy:
    trace = Trace(proxy)
    ask(b"/a")
    ask(b"/a")
    ask(b"/secret/x")
    ask(b"/\x1b[31mred\x9b")
    trace.wait_for("red")
    trace.wait_for("400")
    trace.stop()
    shown = "".join(trace.lines)
    expect("the request", trace.has("request", "GET http://site.example/a from 127.0.0.1:"), shown)
    expect("the line of http_access", trace.has("http_access", "allowed, by", "http_access allow all"))
    expect("the line that denies", trace.has("http_access", "denied, by", "http_access deny secret"))
    expect("a miss", trace.has("lookup", "not found"))
    expect("a hit", trace.has("lookup", "found in memory"))
    expect("its freshness", trace.has("decide", "fresh: "))
    expect("the peer", trace.has("origin", "200 from app 127.0.0.1:"))
    expect("its steps", trace.has("fetch", "send app 127.0.0.1:"))
    expect("the reply", trace.has("reply", "200 TCP_MISS") and trace.has("reply", "200 TCP_MEM_HIT"))
    expect("the end", trace.has("end", "bytes sent"))
    expect("no control character", "\x1b" not in shown, shown)

    trace = Trace(proxy, "--url", "/(want|first)", "--match", "!secret")
    ask(b"/other")
    ask(b"/secret/wanted")
    ask(b"/wanted")
    expect("what is wanted", trace.wait_for("/wanted"), trace.lines)
    trace.stop()
    expect("--url: nothing else", not trace.has("/other"), trace.lines)
    expect("--match: nothing else", not trace.has("/secret/"), trace.lines)

    began = time.monotonic()
    once = subprocess.run([CTL, "-f", proxy.config, "trace", "--seconds", "1"], timeout=30)
    expect("--seconds ends it", once.returncode == 0 and time.monotonic() - began >= 0.9)
    for wrong in (["--match", "nobody"], ["--url", "("], ["--seconds", "x"]):
        said = subprocess.run([CTL, "-f", proxy.config, "trace", *wrong], capture_output=True)
        expect(f"{wrong} is refused", said.returncode == 1 and said.stderr, said)

    top = subprocess.Popen([CTL, "-f", proxy.config, "top", "--once", "--seconds", "3"],
                           stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while top.poll() is None and time.monotonic() < deadline:
        ask(b"/new%d" % time.monotonic_ns())  # asks the peer, whenever it was that top began to look
        ask(b"/often", 3)
        ask(b"/seldom")
        time.sleep(0.01)
    table = top.communicate(timeout=20)[0].splitlines()
    often = [line.split() for line in table if line.endswith("http://site.example/often")]
    seldom = [line.split() for line in table if line.endswith("http://site.example/seldom")]
    expect("top counts", often and seldom and int(often[0][0]) > 2 * int(seldom[0][0]) > 0, table)
    expect("hosts, clients, peers", all(any(line.endswith(f"  {name}") for line in table)
                                        for name in ("site.example", "127.0.0.1", "app")), table)

    # One that reads nothing: requests go on, and what it missed is counted.
    idle = Trace(proxy)
    idle.process.send_signal(signal.SIGSTOP)
    for _ in range(10):
        reply = ask(b"/a?" + b"x" * 4000, 100)
        expect("requests go on", reply.count(b"HTTP/1.1 200") == 100, reply[:300])
    idle.process.send_signal(signal.SIGCONT)
    expect("and the reader goes on", idle.wait_for("/last", lambda: ask(b"/last")))
    idle.stop()
    said = idle.process.stderr.read().decode()
    expect("something was lost, and said", " lines: they came faster" in said, said)
    expect("it still serves", b"200 OK" in ask(b"/a") and proxy.is_alive())
subprocess.run(["rm", "-rf", folder], check=True)
finish()
