#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a memory hit costs in another content coding (compress), beside a plain one. Run in the build folder.

Two proxies, without compress and with it, run at once, and rounds alternate between them and the codings that
a client takes. CPU time is utime + stime over the requests answered. Bodies are words in a random order."""
import http.server
import os
import random
import statistics
import sys
import threading
import urllib.request

import requests

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

ROUNDS = 9
SITE = """
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
{extra}
http_access allow all
workers 1
access_log none
cache_log /dev/null
pid_filename none
"""
SIZES = {"/1k": 1 << 10, "/32k": 32 << 10}
WAYS = (  # proxy, what a client takes, what that is called
    ("off", "identity", "compress off"),
    ("on", "identity", "plain"),
    ("on", "gzip", "gzip"),
    ("on", "gzip, deflate, br", "as browsers ask"),
)
DRAW = random.Random(3)
WORDS = ["".join(DRAW.choices("abcdefghijklmnopqrstuvwxyz", k=DRAW.randint(2, 9))) for _ in range(3000)]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = SIZES[self.path]
        body = " ".join(DRAW.choices(WORDS, k=size)).encode()[:size]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "max-age=3600")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def size_of(port, path, accept):
    """Fetches it once, so that it is there in that coding; bytes of the body."""
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, headers={"Accept-Encoding": accept})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return len(reply.read())


def measure(proxies, path):
    samples = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for proxy, accept, name in WAYS:
            pid, port = proxies[proxy]

            def load(port, path, accept=accept):
                return requests.load_with_wrk(port, path, "-H", f"Accept-Encoding: {accept}")

            _, (cpu_us, _, _) = requests.measure_load(pid, port, path, load)
            samples[proxy, accept, name].append(cpu_us)
    for (proxy, accept, name), taken in samples.items():
        requests.row(f"{path}, {name}", f"{statistics.median(taken):.2f} µs CPU",
                     f"{size_of(proxies[proxy][1], path, accept)} bytes")


def main():
    bobtail.skip_without_program()
    proxy_core, load_core = requests.pick_cores()
    os.sched_setaffinity(0, {load_core})
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    first, second = bobtail.free_ports(2)
    os.sched_setaffinity(0, {proxy_core})
    off = SITE.format(port=first, origin=origin.server_port, extra="")
    on = SITE.format(port=second, origin=origin.server_port,
                     extra="compress allow all\ncompress_min_length 500 bytes")
    with bobtail.Proxy(off, first) as off, bobtail.Proxy(on, second) as on:
        os.sched_setaffinity(0, {load_core})
        proxies = {"off": (off.process.pid, first), "on": (on.process.pid, second)}
        for path in SIZES:
            for proxy, accept, _ in WAYS:
                size_of(proxies[proxy][1], path, accept)
            measure(proxies, path)


main()
