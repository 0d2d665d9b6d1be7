# SPDX-License-Identifier: BSD-2-Clause
"""A small site, and clients that ask it all the time by new connections and remember what failed: for tests that
replace, restart or upgrade what serves it."""
import http.server
import socket
import threading
import time

TARGETS = ("/a", "/b", "/c", "/slow")


class _Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        slow = self.path.startswith("/slow")
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=3600" if self.path.startswith("/kept") else "no-store")
        self.send_header("Content-Length", "4000" if slow else "5")
        self.end_headers()
        for _ in range(4 if slow else 0):
            self.wfile.write(b"x" * 1000)
            time.sleep(0.25)
        if not slow:
            self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


class Origin(http.server.ThreadingHTTPServer):
    """/slow takes a second, /kept... may be stored, everything else says hello."""
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), _Pages)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def get(port, target, fields=""):
    """Which server answered, "bobtail" or "squid"; raises OSError for whatever goes wrong."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n{fields}\r\n".encode())
        reply = b""
        while piece := client.recv(65536):
            reply += piece
    if not reply.startswith(b"HTTP/1.1 200") or not reply.endswith(b"x" * 1000 if "slow" in target else b"hello"):
        raise OSError(f"answered {reply[-200:]!r}")
    return "bobtail" if b"bobtail" in reply.lower().split(b"\r\n\r\n")[0] else "squid"


class Load:
    """Asks until stop(); servers counts who answered, failures has the time, the target and the error of the rest."""

    def __init__(self, port, targets=TARGETS):
        self.port, self.failures, self.servers, self.is_over = port, [], {}, False
        self.threads = [threading.Thread(target=self._work, args=(target,)) for target in targets]
        for thread in self.threads:
            thread.start()

    def _work(self, target):
        while not self.is_over:
            began = time.monotonic()
            try:
                server = get(self.port, target)
                self.servers[server] = self.servers.get(server, 0) + 1
            except OSError as error:
                self.failures.append((round(began, 3), target, repr(error)))
            time.sleep(0.002)

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()
