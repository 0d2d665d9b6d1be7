#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""cache_store_log: what the disk stored (SWAPOUT) and what nobody kept (RELEASE), as Squid writes it."""
import http.client
import http.server
import os
import re
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail

bobtail.skip_without_program()
PORT, ORIGIN = bobtail.free_ports(2)
PATIENCE = 30
LINE = re.compile(
    r"^\d{10}\.\d{3} (?P<action>SWAPOUT|RELEASE) (?P<place>\S\S [0-9A-F]{8}) [0-9A-F]{32}  "
    r"(?P<status>\d{3}) +(?P<date>-?\d+) +(?P<modified>-?\d+) +(?P<expires>-?\d+) (?P<type>\S+) "
    r"(?P<sizes>\S+) GET (?P<url>\S+)$"
)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Cache-Control", "no-store" if "private" in self.path else "max-age=600")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


def get(path):
    client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
    client.request("GET", path, headers={"Host": "www.example"})
    client.getresponse().read()
    client.close()


def find(log, url):
    """The fields of the line about url, once it is there; None: it never came."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if os.path.exists(log):
            with open(log, encoding="ascii") as file:
                for line in file:
                    if line.endswith(f" {url}\n"):
                        match = LINE.match(line.rstrip("\n"))
                        return match.groupdict() if match else {"bad": line}
        time.sleep(0.05)
    return None


def main():
    folder = tempfile.mkdtemp(prefix="bobtail-store-log.")
    os.chmod(folder, 0o777)
    os.mkdir(os.path.join(folder, "cache"))
    os.chmod(os.path.join(folder, "cache"), 0o777)
    log = os.path.join(folder, "store.log")
    config = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
http_access allow all
cache_dir ufs {folder}/cache 100 16 256
cache_store_log stdio:{log}
access_log none
cache_log /dev/stdout
pid_filename none
workers 1
"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", ORIGIN), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with bobtail.Proxy(config, PORT):
        get("/stored?query=1")
        get("/private")
        stored = find(log, "http://www.example/stored?")
        released = find(log, "http://www.example/private")
    bobtail.expect(
        "what the disk has is SWAPOUT, with its row",
        stored and stored.get("action") == "SWAPOUT" and stored["place"].startswith("00 0000"),
        stored,
    )
    bobtail.expect(
        "with its times, type and sizes",
        stored
        and stored.get("modified") == "1767225600"
        and int(stored["expires"]) == int(stored["date"]) + 600
        and (stored["status"], stored["type"], stored["sizes"]) == ("200", "text/plain", "5/5"),
        stored,
    )
    bobtail.expect(
        "what nobody kept is RELEASE, of no place",
        released
        and (released.get("action"), released.get("place")) == ("RELEASE", "-1 FFFFFFFF")
        and released["expires"] == "-1",
        released,
    )
    server.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


main()
bobtail.finish()
