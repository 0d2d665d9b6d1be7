#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tls_ocsp_fetch: a responder's answer is stapled if it is a good one; whatever else it sends is kept out.
tls_handshake_limit: who begins too many handshakes in a second is refused, others are not."""
import http.server
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), HERE]
import bobtail
import certificates
from client import eventually

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-ocsp.")
CA = certificates.Authority(FOLDER)
STRANGER = certificates.Authority(FOLDER, "stranger")
HTTPS, HTTP, RESPONDER, NOBODY = bobtail.free_ports(4)
ASKED = []
STOP = threading.Event()

# What the responder does when it is asked about a certificate, and what cache.log then says.
CASES = {
    "good": "is stapled",
    "chunked": "is stapled",
    "serial": "it is about another certificate",
    "signer": "its signature is not one of the issuer",
    "revoked": "it does not say that the certificate is good",
    "garbage": "it cannot be read",
    "large": "the answer is too large",
    "endless": "the answer is too large",
    "status": "the responder's status is not 200",
    "cut": "the connection ended within the answer",
    "nobody": "Connection refused",
    "slow": "no answer in time",
}


def der_answer(name, question):
    request, answer = os.path.join(FOLDER, f"{name}.question"), os.path.join(FOLDER, f"{name}.answer")
    with open(request, "wb") as out:
        out.write(question)
    if name == "serial":
        certificates.run("ocsp", "-issuer", CA.pem, "-cert", CA.path("good.pem"), "-reqout", request)
    CA.answer_question(request, answer, "good" if name == "serial" else name, name == "revoked",
                       STRANGER if name == "signer" else CA)
    with open(answer, "rb") as file:
        return file.read()


class Responder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        name = self.path.strip("/")
        question = self.rfile.read(int(self.headers["Content-Length"]))
        ASKED.append((name, self.headers["Content-Type"]))
        self.close_connection = True
        body = {"garbage": b"x" * 1000, "large": b""}.get(name)
        if name == "slow":
            STOP.wait(60)
            return
        if body is None and name != "endless":
            body = der_answer(name, question)
        self.send_response(500 if name == "status" else 200)
        if name in ("chunked", "endless"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.send_chunks(body, name == "endless")
            return
        self.send_header("Content-Length", str(1 << 30 if name == "large" else len(body)))
        self.end_headers()
        self.wfile.write(body[:100] if name == "cut" else body)

    def send_chunks(self, body, is_endless):
        try:
            while is_endless:
                self.wfile.write(b"1000\r\n" + b"y" * 4096 + b"\r\n")
        except OSError:
            return
        for i in range(0, len(body), 50):
            piece = body[i:i + 50]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


def is_stapled(name):
    asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{HTTPS}", "-status",
                            "-servername", f"{name}.example"], stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=30, check=False)
    return b"OCSP Response Status: successful" in asked.stdout and b"Cert Status: good" in asked.stdout


def config(log):
    options = ""
    for name in reversed(CASES):  # the slow one first
        port = NOBODY if name == "nobody" else RESPONDER
        pair = CA.issue(name, [f"{name}.example"], responder=f"http://127.0.0.1:{port}/{name}")
        options += " tls-cert={} tls-key={}".format(*pair)
    silent = CA.issue("silent", ["silent.example"])
    return f"""
http_port 127.0.0.1:{HTTP} accel defaultsite=a.example
https_port 127.0.0.1:{HTTPS} accel defaultsite=a.example{options} tls-cert={silent[0]} tls-key={silent[1]}
tls_ocsp_fetch on
tls_handshake_limit 100
http_access deny all
access_log none
cache_log {log}
pid_filename none
"""


def refuses_who_begins_too_many():
    opened, greedy = [], "127.0.0.88"
    try:
        while len(opened) < 2000 and not is_any_closed(opened):
            opened.append(socket.create_connection(("127.0.0.1", HTTPS), 20,
                                                   source_address=(greedy, 0)))
        assert 100 < len(opened) < 2000, len(opened)
        assert is_stapled("good"), "another client gets in"
    finally:
        for connection in opened:
            connection.close()


def is_any_closed(connections):
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def has_said(log, name, what):
    with open(log, encoding="utf-8") as file:
        return any(f"{name}.pem'" in line and what in line for line in file if "OCSP" in line)


def main():
    log = os.path.join(FOLDER, "cache.log")
    text = config(log)
    os.chmod(FOLDER, 0o777)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", RESPONDER), Responder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    began = time.monotonic()
    with bobtail.Proxy(text, HTTP) as proxy:
        assert time.monotonic() - began < 4, "the start does not wait for a responder"
        for name, what in CASES.items():
            eventually(f"{name}: {what}", lambda n=name, w=what: has_said(log, n, w), 40)
            assert is_stapled(name) == (what == "is stapled"), f"{name}\n{proxy.output()}"
        assert not is_stapled("silent")
        assert all(kind == "application/ocsp-request" for _, kind in ASKED), ASKED
        names = [name for name, _ in ASKED]
        assert len(names) == len(set(names)), f"each was asked about once so far: {names}"
        refuses_who_begins_too_many()
        assert proxy.is_alive(), proxy.output()
    STOP.set()
    server.shutdown()


try:
    main()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
