# SPDX-License-Identifier: BSD-2-Clause
"""What the scripts of this folder share: origins, a proxy in front of them, requests, and the verdict.

Each script is run in the build folder (PROGRAM, CTL), listens on free ports of 127.0.0.1 alone, and keeps
its files in a folder that goes with it. Its exit status is the verdict: 0 when all that it promised held."""
import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "support"))
import bobtail  # pylint: disable=wrong-import-position

CTL = os.path.abspath("bobtailctl")
PATIENCE_S = 30
bobtail.skip_without_program()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write a reply

    def do_GET(self):
        origin = self.server
        origin.requests.append((self.command, self.path, dict(self.headers)))
        time.sleep(origin.delay_s)
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        body = f"{origin.name} {self.path}\n".encode()
        self.send_response_only(200)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)),
                            **origin.fields}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_):
        pass


class Origin(ThreadingHTTPServer):
    """A web server: answers with its name and the path, and notes what it was asked."""
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, name, port=0, delay_s=0, **fields):
        super().__init__(("127.0.0.1", port), Handler)
        self.name, self.delay_s = name, delay_s
        self.fields = {key.replace("_", "-"): value for key, value in fields.items()}
        self.requests = []
        self.connections_ = []
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A connection that ends early is the proxy's affair."""

    def process_request(self, request, client_address):
        self.connections_.append(request)
        super().process_request(request, client_address)

    def stop(self):
        """As a process that ends: connections go, too."""
        self.shutdown()
        self.server_close()
        for connection in self.connections_:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Reply:
    def __init__(self, reply):
        self.status, self.fields = reply.status, reply.headers
        self.body = reply.read().decode("latin-1")

    def is_hit(self):
        return (self.fields.get("X-Cache") or "").startswith("HIT")


def connect(port, tls=None):
    """A connection for several requests; tls is an ssl.SSLContext."""
    if tls:
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=tls)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)


def get(where, path, host="www.example", method="GET", body=None, **fields):
    """Of a port, or over a connection."""
    connection = connect(where) if isinstance(where, int) else where
    fields = {key.replace("_", "-"): value for key, value in fields.items()}
    connection.request(method, path, body, {"Host": host, **fields})
    reply = Reply(connection.getresponse())
    if isinstance(where, int):
        connection.close()
    return reply


def in_threads(work, n):
    """work(0) … work(n - 1) at a time; returns what they returned."""
    results = [None] * n

    def run(i):
        results[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def until(holds):
    """Does it hold in time?"""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def figure(what, value):
    print(f"    {what:<44} {value}")


class Proxy(bobtail.Proxy):
    """Bobtail with the lines of a squid.conf that the use is about, which it shows, and what it needs
    to run here. {folder} in them is its scratch folder, in which `files` lie."""

    def __init__(self, port, lines, files=None):
        print("\n".join("  | " + line for line in lines.strip().splitlines()))
        self.port = port
        self.folder_ = bobtail.tempfile.mkdtemp(prefix="bobtail-use.")
        os.chmod(self.folder_, 0o777)
        for name, text in (files or {}).items():
            with open(os.path.join(self.folder_, name), "w", encoding="latin-1") as file:
                file.write(text)
        super().__init__(lines.replace("{folder}", self.folder_) + f"""
workers 2
visible_hostname proxy.example
access_log {self.folder_}/access.log squid
cache_log {self.folder_}/cache.log
pid_filename {self.folder_}/pid
shutdown_lifetime 1 second
""", port)

    def ctl(self, *words):
        done = subprocess.run([CTL, "-f", self.config, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False)
        if done.returncode != 0:
            bobtail.expect("bobtailctl " + " ".join(words), False, done.stdout)
        return done.stdout.decode()

    def active(self, peer):
        """Requests that the peer has now."""
        rows = [line.split() for line in self.ctl("peer", "list").splitlines()]
        return next(int(row[rows[0].index("active")]) for row in rows if row[0] == peer)

    def metric(self, name):
        """Its first sample."""
        return next(line.split()[-1] for line in self.ctl("metrics").splitlines()
                    if line.startswith(name + "{"))

    def access_log(self):
        with open(os.path.join(self.folder_, "access.log"), encoding="latin-1") as file:
            return file.read()

    def restart(self):
        self.end()
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen([*bobtail.shlex.split(bobtail.COMMAND), self.config],
                                            stdout=output, stderr=output)
        self._wait_for(self.port)

    def stop(self):
        super().stop()
        bobtail.shutil.rmtree(self.folder_, ignore_errors=True)


def port():
    return bobtail.free_ports(1)[0]


def trusting(pem, protocols=("http/1.1",)):
    """A client that trusts one CA, and takes any name of it: connections here go to an address."""
    context = ssl.create_default_context(cafile=pem)
    context.check_hostname = False
    context.set_alpn_protocols(list(protocols))
    return context


expect, finish = bobtail.expect, bobtail.finish
