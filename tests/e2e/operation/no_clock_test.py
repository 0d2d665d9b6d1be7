#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A board that starts with its clock in 1970 and without a network, and learns the time later: it serves
at once, over TLS too; a peer whose certificate is "not yet valid" comes back by itself; what was stored is
asked about; and no duration, nor the time of its start, has 56 years in it."""
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import bobtail
from bobtail import expect
import certificates
import openmetrics

SHIM = os.path.join(os.getcwd(), "tests/e2e/faults/io_faults.so")
SHIFT_AT = 8  # in its file
PATIENCE_S = 30
CONFIG = """
http_port 127.0.0.1:{ports[0]} accel vhost defaultsite=plain.test
https_port 127.0.0.1:{ports[1]} accel vhost defaultsite=plain.test tls-cert={folder}/front.pem tls-key={folder}/front.key
cache_peer 127.0.0.1 parent {ports[2]} 0 no-query originserver name=plain
cache_peer 127.0.0.1 parent {ports[3]} 0 no-query originserver name=secret ssl tls-cafile={folder}/ca.pem ssldomain=back.test
cache_peer no-such-host.invalid parent 80 0 no-query originserver name=gone
acl secret dstdomain secret.test
acl gone dstdomain gone.test
cache_peer_access secret allow secret
cache_peer_access gone allow gone
cache_peer_access plain deny secret
cache_peer_access plain deny gone
cache_peer_access plain allow all
cache_dir ufs {folder}/disk 20 16 256
access_log stdio:{folder}/access.log
stats_file {folder}/disk/stats.db
cache_log {folder}/cache.log
pid_filename {folder}/pid
connect_timeout 2 seconds
http_access allow all
"""


class Origin:
    """Notes conditions; /slow waits until it is let go. The Date is right: servers have clocks."""

    def __init__(self, port, context=None):
        self.listening = socket.create_server(("127.0.0.1", port))
        self.context = context
        self.conditions, self.may_go = [], threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                while line := lines.readline():
                    fields = []
                    while (field := lines.readline()).strip():
                        fields.append(field.strip().lower())
                    self.answer(connection, line.split()[1], b'if-none-match: "1"' in fields)
        except OSError:
            pass

    def answer(self, connection, path, is_known):
        self.conditions.append((path, is_known))
        if path == b"/slow":
            self.may_go.wait(PATIENCE_S)
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode()
        head = b'Date: ' + date + b'\r\nETag: "1"\r\nCache-Control: max-age=3600\r\n'
        if is_known:
            connection.sendall(b"HTTP/1.1 304 Not Modified\r\n" + head + b"\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 5\r\n\r\nhello")


def get(port, path, host="plain.test", context=None):
    """Status and body."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        if context:
            connection = context.wrap_socket(connection, server_hostname=host)
        with connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def ask(proxy, verb):
    return subprocess.run(["./bobtailctl", "-f", proxy.config, verb], capture_output=True, text=True,
                          check=False).stdout


def until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not (is_so := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so


class Clock:
    """The one of the proxy."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(4096))
        os.chmod(path, 0o666)

    def shift(self, seconds):
        with open(self.path, "r+b") as file:
            file.seek(SHIFT_AT)
            file.write(int(seconds).to_bytes(8, "little", signed=True))


def before(ports, plain, context):
    """1970: it serves what it can reach."""
    expect("a page", get(ports[0], "/one") == (200, b"hello"))
    expect("from the cache", get(ports[0], "/one") == (200, b"hello") and len(plain.conditions) == 1,
           plain.conditions)
    expect("over TLS", get(ports[1], "/one", context=context) == (200, b"hello"))
    expect("a peer whose certificate is of the future is not believed",
           get(ports[0], "/x", "secret.test")[0] in (502, 503))
    status, _ = get(ports[0], "/x", "gone.test")
    expect("a peer whose name does not resolve is an error page", status in (502, 503, 504), status)


def after(ports, plain, folder, proxy):
    """The clock is set."""
    expect("what waited meanwhile is answered", until(lambda: "/slow" in text(folder, "access.log")))
    expect("what was stored before is asked about", get(ports[0], "/one") == (200, b"hello") and
           until(lambda: plain.conditions[-1] == (b"/one", True)), plain.conditions)
    expect("the peer comes back by itself",
           until(lambda: get(ports[0], "/x", "secret.test") == (200, b"hello")))
    expect("what is new is a hit", get(ports[0], "/x", "secret.test") == (200, b"hello"))
    families = openmetrics.parse(ask(proxy, "metrics"))
    sums = {name: [v for s, _, v in f.samples if s == "_sum"] for name, f in families.items()
            if f.kind == "histogram"}
    expect("no duration is of years", all(v < 100 for values in sums.values() for v in values), sums)
    started = families["bobtail_start_time_seconds"].samples[0][2]
    expect("it started just now, as the clock is now", 0 <= time.time() - started < 120, started)
    told = ask(proxy, "info")
    uptime = re.search(r"uptime_s = (\d+)", told)
    expect("it has been up for seconds", uptime and int(uptime[1]) < 120, told)


def text(folder, name):
    with open(os.path.join(folder, name), encoding="latin-1") as file:
        return file.read()


def logs(folder):
    """access.log has both times, and sane durations."""
    lines = [line.split() for line in text(folder, "access.log").splitlines()]
    days = {int(float(line[0])) // 86400 for line in lines}
    expect("lines of 1970 and of today", len(days) == 2 and min(days) <= 1, days)
    expect("no duration is of years", all(0 <= int(line[1]) < 100_000 for line in lines), lines)


def minutes(folder):
    db = sqlite3.connect(os.path.join(folder, "disk/stats.db"))
    rows = db.execute("SELECT minute, sum(requests), sum(service_us) FROM minutes GROUP BY minute").fetchall()
    db.close()
    expect("the minutes of today are there", any(minute > 28_000_000 for minute, _, _ in rows), rows)
    expect("and took no years", all(us < 100e6 for _, _, us in rows), rows)


def main():
    bobtail.skip_without_program()
    certificates.skip_without_openssl()
    ports = bobtail.free_ports(4)
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-clock.")
    os.mkdir(folder + "/disk")
    os.chmod(folder, 0o777)
    os.chmod(folder + "/disk", 0o777)
    authority = certificates.Authority(folder)
    authority.issue("front", ["plain.test"])
    back = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    back.load_cert_chain(*authority.issue("back", ["back.test"]))
    plain, _ = Origin(ports[2]), Origin(ports[3], back)
    clock = Clock(folder + "/clock")
    clock.shift(60 - int(time.time()))
    command = (f"env LD_PRELOAD={SHIM} IO_FAULTS={clock.path} "
               f"ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 {bobtail.COMMAND}")
    try:
        with bobtail.Proxy(CONFIG.format(ports=ports, folder=folder), ports[0], command) as proxy:
            before(ports, plain, ssl.create_default_context(cafile=authority.pem))
            slow = threading.Thread(target=get, args=(ports[0], "/slow"), daemon=True)
            slow.start()
            until(lambda: plain.conditions[-1][0] == b"/slow")
            clock.shift(0)
            plain.may_go.set()
            slow.join(PATIENCE_S)
            after(ports, plain, folder, proxy)
        logs(folder)
        minutes(folder)
    finally:
        bobtail.shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


main()
