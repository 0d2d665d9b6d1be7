#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""cache_peer ... tls: whom the proxy believes to be its origin, who it says that it is itself, and
what becomes of requests that nobody trustworthy is there for."""
import os
import shlex
import shutil
import socket
import ssl
import sys
import tempfile
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), HERE]
import bobtail
import certificates
from client import ask, eventually, secrets
from small_origin import Origin

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-tls.")
CA = certificates.Authority(FOLDER)
STRANGER = certificates.Authority(FOLDER, "stranger")
SEEN = []


def server(issuer, file, names, **options):
    """What an origin speaks TLS with; it notes the names that it is asked for."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*issuer.issue(file, names, **options))
    made.sni_callback = lambda connection, name, context: SEEN.append(name)
    return made


def origin_of(kind):
    if kind == "mutual":
        made = server(CA, "mutual", ["origin.example"])
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(CA.pem)
        return made
    if kind == "stranger":
        return server(STRANGER, "stranger-origin", ["origin.example"])
    if kind == "expired":
        return server(CA, "expired", ["origin.example"], days=-1)
    if kind == "other":
        return server(CA, "other", ["other.example"])
    if kind == "address":
        return server(CA, "address", ["127.0.0.1"])
    if kind == "old":
        made = server(CA, "old", ["origin.example"])
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        return made
    return server(CA, "good", ["origin.example"])


# Kind of origin, options of the peer beside the CA, the status that a client gets, a part of the log.
CASES = [
    ("good", "tls ssldomain=origin.example", 200, None),
    ("good", "ssl forceddomain=origin.example", 200, None),
    ("old", "tls ssldomain=origin.example", 200, None),
    ("old", "tls ssldomain=origin.example tls-min-version=1.3", 502, "version"),
    ("address", "tls", 200, None),
    ("good", "tls", 502, "name in the certificate does not match"),
    ("other", "tls ssldomain=origin.example", 502, "name in the certificate does not match"),
    ("other", "tls ssldomain=origin.example sslflags=DONT_VERIFY_DOMAIN", 200, None),
    ("stranger", "tls ssldomain=origin.example", 502, "issuer is unknown"),
    ("stranger", "tls ssldomain=origin.example sslflags=DONT_VERIFY_PEER", 200, None),
    ("expired", "tls ssldomain=origin.example", 502, "expired"),
    ("mutual", "tls ssldomain=origin.example sslcert={client} sslkey={client_key}", 200, None),
    ("mutual", "tls ssldomain=origin.example", 502, None),
    ("plain", "tls ssldomain=origin.example", 502, None),
]


def config(http, port, options, names):
    return f"""
http_port 127.0.0.1:{http} accel defaultsite=a.example
cache_peer 127.0.0.1 parent {port} 0 no-query originserver sslcafile={CA.pem} {options.format(**names)}
http_access allow all
cache_mem 16 MB
acl numbered urlpath_regex ^/1
tls_key_log {FOLDER}/keys.log on-error=drop if numbered
logformat detail %>Hs %err_code %err_detail
access_log stdio:{FOLDER}/access.log logformat=detail
pid_filename none
visible_hostname proxy.test
workers 1
shutdown_lifetime 1 second
"""


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        return ask(connection, path)


def check(kind, options, status, reason, names):
    http, port = bobtail.free_ports(2)
    context = None if kind == "plain" else origin_of(kind)
    del SEEN[:]
    with Origin(port, context) as origin, bobtail.Proxy(config(http, port, options, names),
                                                        http) as proxy:
        got, body = get(http, "/1000")
        case = f"{kind}, {options}"
        assert got == status, f"{case}: {got}\n{proxy.output()}"
        if status == 200:
            assert body == b"x" * 1000, case
            expected = "origin.example" if "origin.example" in options else None
            assert SEEN and set(SEEN) == {expected}, (case, SEEN)
            uploads_and_goes_on(http)
        else:
            assert not origin.requests, f"{case}: the origin got a request"
            assert "negotiating TLS with 127.0.0.1:" in proxy.output(), case
        if reason:
            assert reason in proxy.output(), f"{case}:\n{proxy.output()}"
            eventually(f"{case}: the access log says why", lambda: is_logged(reason), 10)
    print("ok", case)


def is_logged(reason):
    with open(f"{FOLDER}/access.log", encoding="utf-8") as log:
        line = urllib.parse.unquote(log.read().splitlines()[-1])
    return line.startswith("502 ERR_SECURE_CONNECT_FAIL ") and reason in line


def uploads_and_goes_on(http):
    """Larger bodies, both ways, over connections that are used again."""
    with socket.create_connection(("127.0.0.1", http), 20) as connection:
        assert ask(connection, "/500000")[1] == b"x" * 500000
        assert ask(connection, "/", body=b"y" * 300000) == (200, b"300000")
        assert ask(connection, "/7")[1] == b"x" * 7


def connections_and_sessions_are_used_again(names):
    http, port = bobtail.free_ports(2)
    speaking = origin_of("good")
    speaking.keylog_filename = f"{FOLDER}/origin.keys"
    with Origin(port, speaking) as origin, bobtail.Proxy(
            config(http, port, "tls ssldomain=origin.example", names), http) as proxy:
        for i in range(5):
            assert get(http, f"/{i + 10}")[0] == 200
        assert len({id(connection) for _, _, connection in origin.requests}) == 1, "one connection"
        with socket.create_connection(("127.0.0.1", http), 20) as one:
            for size in (5, 6):  # a body, so a connection of its own
                assert ask(one, "/", body=b"z" * size)[0] == 200
        assert get(http, "/77")[0] == 200
        eventually("the secrets are there of the connection that /10 was asked for on, of TLS 1.3",
                   lambda: len(secrets(f"{FOLDER}/origin.keys") & secrets(f"{FOLDER}/keys.log")) == 4)
        reused = [connection.session_reused for _, _, connection in origin.posts]
        assert True in reused, f"no session went on: {reused}\n{proxy.output()}"
    print("ok connections and sessions are used again")


def main():
    os.chmod(FOLDER, 0o777)
    bobtail.COMMAND = f"{shlex.split(bobtail.COMMAND)[0]} -N -d1 -f"
    client, client_key = CA.issue("client", ["proxy.example"])
    names = {"client": client, "client_key": client_key}
    for case in CASES:
        check(*case, names)
    connections_and_sessions_are_used_again(names)


try:
    main()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
