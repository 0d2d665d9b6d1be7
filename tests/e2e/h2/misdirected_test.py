#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Requests on a connection whose certificate is not for their host (RFC 9110, section 7.4)."""
import os
import shutil
import socket
import ssl
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support")]
import bobtail
import certificates
import h2_frames as h2
from bobtail import expect
from small_origin import Origin

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-h2.")
os.chmod(FOLDER, 0o777)
CA = certificates.Authority(FOLDER)
HTTPS, ORIGIN = bobtail.free_ports(2)
PAIRS = [CA.issue("a", ["a.example", "*.shared.example"]), CA.issue("b", ["b.example", "x.shared.example"])]
CONFIG = f"""
https_port 127.0.0.1:{HTTPS} accel defaultsite=a.example {" ".join(f"tls-cert={c} tls-key={k}" for c, k in PAIRS)}
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver
http_access allow all
logformat short %>Hs %ssl::>sni %ru
access_log stdio:{FOLDER}/access.log short
pid_filename none
visible_hostname proxy.test
workers 1
shutdown_lifetime 1 second
"""


def connect(name, protocol="h2"):
    context = ssl.create_default_context(cafile=CA.pem)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", HTTPS), 20), server_hostname=name)


def ask(name, *hosts):
    """The statuses, on one connection for that name (None: without SNI)."""
    statuses = []
    with h2.Connection(HTTPS, connect(name)) as client:
        for i, host in enumerate(hosts):
            client.send(h2.headers(2 * i + 1, [(":method", "GET"), (":scheme", "https"), (":path", "/10"),
                                               (":authority", host)]))
            statuses.append(client.outcome(2 * i + 1)[1])
    return statuses


def main():
    try:
        with Origin(ORIGIN), bobtail.Proxy(CONFIG, HTTPS):
            expect("its own name, with a port and in capitals",
                   ask("a.example", "a.example", "a.example:8443", "A.Example") == [200, 200, 200])
            expect("a name that another certificate is for: 421; and the connection goes on",
                   ask("a.example", "b.example", "a.example", "b.example") == [421, 200, 421])
            expect("the same from the other side",
                   ask("b.example", "b.example", "a.example") == [200, 421])
            expect("another name of the same certificate", ask("a.example", "y.shared.example") == [200])
            expect("though one of its own has another certificate",
                   ask("a.example", "x.shared.example") == [200])
            expect("a name that no certificate is for", ask("a.example", "c.example") == [200])
            expect("a name that no certificate is for got the first",
                   ask("c.example", "c.example", "a.example", "b.example") == [200, 200, 421])
            expect("without SNI nothing is known better", ask(None, "b.example") == [200])
            with connect("a.example", "http/1.1") as raw:
                raw.sendall(b"GET /10 HTTP/1.1\r\nHost: b.example\r\n\r\n")
                expect("HTTP/1.1 is served as in Squid", b" 200 " in raw.recv(100))
        with open(f"{FOLDER}/access.log", encoding="latin-1") as log:
            lines = log.read().split("\n")
        expect("the log has it, with the SNI", "421 a.example https://b.example/10" in lines, lines)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    bobtail.finish()


main()
