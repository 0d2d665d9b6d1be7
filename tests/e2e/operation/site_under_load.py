# SPDX-License-Identifier: BSD-2-Clause
"""An origin, a proxy with a parent process, and clients that notice every connection that is refused or
reset and every byte that is wrong: for what must go unnoticed."""
import http.client
import os
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
sys.path.insert(0, HERE)
import bobtail  # pylint: disable=wrong-import-position
import open_connections  # pylint: disable=wrong-import-position

PROGRAM = os.path.abspath("bobtail")
CTL = os.path.abspath("bobtailctl")
DOWNLOAD_PIECES = 40
PIECE = bytes(range(256)) * 256
LARGE = PIECE * 160  # more than sockets take


def is_sanitized():
    """Its memory says nothing then."""
    try:
        with open(PROGRAM, "rb") as file:
            text = file.read()
    except OSError:
        return False
    return b"__asan_init" in text or b"__tsan_init" in text


IS_SANITIZED = is_sanitized()


def body_of(path):
    return (path * 40).encode()


class Origin(BaseHTTPRequestHandler):
    """/slow/N comes in pieces, slow_s in between, /large/... at once; a WebSocket repeats messages, all else
    its path."""
    protocol_version = "HTTP/1.1"
    slow_s = 0.1

    def do_GET(self):
        if self.headers["Upgrade"] == "websocket":
            self.close_connection = True
            self.switch()
            return
        slow = self.path.startswith("/slow/")
        body = LARGE if self.path.startswith("/large/") else body_of(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(PIECE) * DOWNLOAD_PIECES if slow else len(body)))
        self.send_header("Cache-Control", "max-age=60" if "/kept/" in self.path else "no-store")
        self.end_headers()
        try:
            for _ in range(DOWNLOAD_PIECES if slow else 0):
                self.wfile.write(PIECE)
                time.sleep(self.slow_s)
            if not slow:
                self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def switch(self):
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.send_header("Sec-WebSocket-Accept", open_connections.websocket.accept_of(key).decode())
        self.end_headers()
        try:
            open_connections.echo_messages(self)
        except (OSError, ValueError, struct.error):  # it has gone
            pass

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Connections to an origin end as they like."""


class Clients:
    """Threads that ask until stop(); what went wrong is in `wrong`."""

    def __init__(self, port, nkeeping=3, nnew=2, ndownloads=3, nopen=0):
        self.port = port
        self.wrong = []
        self.ndone = 0
        self.ndownloads = 0
        self._is_over = threading.Event()
        self._talkers = [open_connections.Talker(port, i, self._is_over, self.wrong, nmessages)
                         for i in range(nopen) for nmessages in (None, 20)]
        self._streams = [open_connections.Streams(port, i, self._is_over, self.wrong, body_of)
                         for i in range(nopen)]
        self._threads = [threading.Thread(target=work, args=(i,), daemon=True)
                         for work, n in ((self._keep, nkeeping), (self._new, nnew),
                                         (self._download, ndownloads)) for i in range(n)]
        self._threads += [threading.Thread(target=each.run, daemon=True)
                          for each in self._talkers + self._streams]
        for thread in self._threads:
            thread.start()

    def _ask(self, connection, path):
        connection.request("GET", path, headers={"Host": "www.example"})
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200 or body != body_of(path):
            self.wrong.append((path, reply.status, body[:100]))
        self.ndone += 1
        return reply.will_close

    def _guard(self, what, work):
        try:
            return work()
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append((what, repr(error)))
            return True

    def _keep(self, number):
        connection, n = None, 0
        while not self._is_over.is_set():
            if not connection:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            n += 1
            path = f"/{'kept' if n % 2 else 'new'}/{number}/{n % 50}"
            if self._guard("on a kept connection", lambda: self._ask(connection, path)):
                connection.close()
                connection = None
            time.sleep(0.002)

    def _new(self, number):
        n = 0
        while not self._is_over.is_set():
            n += 1
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self._guard("on a new connection",
                        lambda: self._ask(connection, f"/kept/{number}/{n % 50}"))
            connection.close()
            time.sleep(0.002)

    def _get_slowly(self, number, n):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", f"/slow/{number}/{n}", headers={"Host": "www.example"})
        reply = connection.getresponse()
        for i in range(DOWNLOAD_PIECES):
            if reply.read(len(PIECE)) != PIECE:
                self.wrong.append(("download", number, n, i))
                break
        connection.close()
        self.ndownloads += 1

    def _download(self, number):
        n = 0
        while not self._is_over.is_set():
            n += 1
            self._guard("download", lambda: self._get_slowly(number, n))

    def run_on(self, nrequests, seconds=30):
        """Until so many more are done."""
        wanted = self.ndone + nrequests
        bobtail.wait_for(lambda: self.ndone >= wanted, seconds)

    def did(self):
        """What was done, in words."""
        return (f"{self.ndone} requests, {self.ndownloads} downloads, "
                f"{sum(each.ndone for each in self._talkers)} messages over "
                f"{sum(each.nsockets for each in self._talkers)} WebSockets, "
                f"{sum(each.ndone for each in self._streams)} streams over "
                f"{sum(each.nconnections for each in self._streams)} HTTP/2 connections")

    def stop(self):
        self._is_over.set()
        for thread in self._threads:
            thread.join(120)


class Site:
    """The proxy in the foreground with a parent, and its origin."""

    def __init__(self, folder, more=""):
        self.port, origin_port = bobtail.free_ports(2)
        self.origin = Server(("127.0.0.1", origin_port), Origin)
        threading.Thread(target=self.origin.serve_forever, daemon=True).start()
        self.base = f"""
http_port 127.0.0.1:{self.port} accel vhost h2c
http_upgrade_request_protocols websocket allow all
cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver
http_access allow all
cache_mem 32 MB
workers 2
access_log none
cache_log {folder}/cache.log
pid_filename {folder}/pid
shutdown_lifetime 5 seconds
{more}
"""
        self.pid_file = os.path.join(folder, "pid")
        self.proxy = bobtail.Proxy(self.base, self.port,
                                   command=os.environ.get("BOBTAIL_PARENT",
                                                          f"{PROGRAM} --foreground -f"))
        self.config = self.proxy.config
        self.pid = self.proxy.process.pid

    def rewrite(self, more=""):
        """squid.conf, in one step."""
        with open(self.config + ".new", "w", encoding="ascii") as file:
            file.write(self.base + more)
        os.rename(self.config + ".new", self.config)

    def ctl(self, *words):
        done = subprocess.run([CTL, "-f", self.config, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=100, check=False)
        return done.returncode, done.stdout.decode()

    def kids(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def descriptors(self):
        """Of the parent, and of all kids together."""
        return tuple(sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
                     for pids in ([self.pid], self.kids()))

    def kilobytes(self):
        """Of the kids' own memory."""
        total = 0
        for pid in self.kids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file
                             if line.startswith("Private_Dirty"))
        return total

    def stop(self):
        self.proxy.stop()
        self.origin.shutdown()
