#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`bobtailctl warm` fetches what is missing, once, at its pace, and tells what failed."""
import collections
import http.server
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
from bobtail import expect

CONFIG = """
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
visible_hostname warm.test
pid_filename {folder}/pid
cache_log {folder}/cache.log
access_log none
workers 1
http_access allow all
"""
asked = collections.Counter()


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked[self.path] += 1
        body = self.path.encode() * 1000
        status = 404 if self.path == "/gone" else 200
        self.send_response(status)
        self.send_header("Cache-Control", "max-age=1000")
        self.send_header("X-Warm", self.headers.get("X-Warm", ""))
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args):
        pass


def warm(config, text, *options):
    return subprocess.run(
        ["./bobtailctl", "-f", config, "warm", "--from", "-", *options],
        input=text, capture_output=True, text=True, timeout=60,
    )


def run(port, config):
    urls = "".join(f"http://127.0.0.1:{port}/{name}\n" for name in ("1", "2", "chunked", "gone"))
    first = warm(config, urls, "--rate", "1000")
    expect("all but one were fetched", "fetched = 3" in first.stdout, first)
    expect("the one that failed is told", "/gone: status 404" in first.stderr, first)
    expect("and is a failure", first.returncode == 1, first)
    expect("each was asked for once", all(n == 1 for n in asked.values()), asked)
    good = urls.replace(f"http://127.0.0.1:{port}/gone\n", "")
    second = warm(config, good)
    expect("nothing is missing then", "stored already = 3" in second.stdout, second)
    expect("nothing was asked for again", asked["/1"] == asked["/chunked"] == 1, asked)
    expect("and all is well", second.returncode == 0, second)
    begin = time.monotonic()
    slow = warm(config, "".join(f"http://127.0.0.1:{port}/slow{i}\n" for i in range(4)), "--rate", "5")
    expect("at its pace", time.monotonic() - begin >= 0.6, slow)
    log = '192.0.2.1 - - [22/Nov/2026:03:52:35 +0100] "GET /logged HTTP/1.1" 200 5\n'
    logged = warm(config, log, "--site", f"http://127.0.0.1:{port}")
    expect("a log's path was fetched", asked["/logged"] == 1, logged)
    expect("nothing to do is said", warm(config, "no URL\n").returncode == 1)
    expect("without --from it is wrong use",
           subprocess.run(["./bobtailctl", "-f", config, "warm"], capture_output=True).returncode == 2)


bobtail.skip_without_program()
port, origin_port = bobtail.free_ports(2)
origin = http.server.ThreadingHTTPServer(("127.0.0.1", origin_port), Origin)
threading.Thread(target=origin.serve_forever, daemon=True).start()
folder = bobtail.tempfile.mkdtemp(prefix="bobtail-test.")
os.chmod(folder, 0o777)
with bobtail.Proxy(CONFIG.format(port=port, origin=origin_port, folder=folder), port) as proxy:
    run(port, proxy.config)
origin.shutdown()
bobtail.shutil.rmtree(folder, ignore_errors=True)
bobtail.finish()
