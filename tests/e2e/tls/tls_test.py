#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""https_port: which certificate is shown, versions, resumption, large bodies, plain text."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), HERE]
import bobtail
import certificates
import client
from small_origin import Origin

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-tls.")
os.chmod(FOLDER, 0o755)
CA = certificates.Authority(FOLDER)
HTTPS, HTTP, ORIGIN = bobtail.free_ports(3)
DIR = os.path.join(FOLDER, "more")
CHALLENGES = os.path.join(FOLDER, "challenges")
PROXY = []

CONFIG = f"""
http_port 127.0.0.1:{HTTP} accel defaultsite=a.example
https_port 127.0.0.1:{HTTPS} accel defaultsite=a.example tls-cert={{a}} tls-key={{a_key}} tls-cert={{wild}} tls-key={{wild_key}} tls-cert={{rsa}} tls-key={{rsa_key}} tls-cert-dir={DIR}
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver
http_access allow localhost
acme_challenge_dir {CHALLENGES}
cache_mem 16 MB
access_log none
acl elsewhere src 127.0.0.77
tls_key_log stdio:{FOLDER}/keys.log if !elsewhere
cache_log {{log}}
pid_filename none
visible_hostname proxy.test
sslproxy_session_ttl 1234
workers 2
shutdown_lifetime 1 second
"""


def context(version=None):
    return client.context(CA, version)


def connect(name, made=None, session=None):
    return client.connect(made or context(), HTTPS, name, session)


def ask(connection, path="/", body=b""):
    status, content = client.ask(connection, path, body=body)
    assert status == 200, status
    return content


def shows_the_certificate_that_a_client_names():
    for asked, expected in (("a.example", "a.example"), ("A.EXAMPLE", "a.example"),
                            ("x.wild.example", "*.wild.example"), ("deep.example", "deep.example"),
                            ("one.example", "one.example"), ("two.example", "two.example"),
                            ("three.example", "three.example")):
        with connect(asked) as connection:
            assert client.common_name(connection) == expected, (asked, client.common_name(connection))
            assert ask(connection, "/10") == b"x" * 10
    made = context()
    made.check_hostname = False
    for asked in ("unknown.example", "deep.x.wild.example", None):
        with connect(asked, made=made) as connection:
            assert client.common_name(connection) == "a.example", asked


def shows_a_certificate_that_the_client_can_verify():
    for signatures, part in (("ECDSA+SHA256:RSA-PSS+SHA256", b"Peer signature type: ECDSA"),
                             ("RSA-PSS+SHA256", b"Peer signature type: RSA-PSS")):
        asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{HTTPS}",
                                "-servername", "a.example", "-sigalgs", signatures],
                               stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
                               check=False)
        assert part in asked.stdout, asked.stdout


def staples_ocsp_answers():
    for name, part in (("a.example", b"OCSP Response Status: successful"),
                       ("one.example", b"OCSP response: no response sent")):
        asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{HTTPS}", "-status",
                                "-servername", name], stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=30, check=False)
        assert part in asked.stdout, asked.stdout


def speaks_tls_12_and_13_alone():
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        with connect("a.example", made=context(version)) as connection:
            assert connection.version() == name
            assert ask(connection, "/100") == b"x" * 100
    old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{HTTPS}", "-tls1_1",
                          "-cipher", "ALL@SECLEVEL=0"], stdin=subprocess.DEVNULL,
                         capture_output=True, timeout=30, check=False)
    assert b"protocol version" in old.stderr, old.stderr


def sessions_go_on():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = context(version)
        with connect("a.example", made=made) as connection:
            ask(connection, "/10")
            session = connection.session
            assert not connection.session_reused
        for _ in range(4):  # whichever worker gets it
            with connect("a.example", made=made, session=session) as connection:
                ask(connection, "/10")
                assert connection.session_reused, version


def writes_the_secrets_down_that_it_is_told_to():
    """tls_key_log: the client knows the same ones, so they decrypt what a capture holds."""
    for version, nlines in ((ssl.TLSVersion.TLSv1_2, 1), (ssl.TLSVersion.TLSv1_3, 4)):
        known = []
        for source in ("127.0.0.1", "127.0.0.77"):
            made = context(version)
            made.keylog_filename = os.path.join(FOLDER, f"{source}-{nlines}.keys")
            plain = socket.create_connection(("127.0.0.1", HTTPS), 20, source_address=(source, 0))
            with made.wrap_socket(plain, server_hostname="a.example") as connection:
                client.ask(connection, "/10")
            known.append(client.secrets(made.keylog_filename))
        assert len(known[0]) == nlines, known[0]
        client.eventually("the secrets are there",
                          lambda: known[0] <= client.secrets(f"{FOLDER}/keys.log"))
        assert not known[1] & client.secrets(f"{FOLDER}/keys.log")


def says_how_long_sessions_may_go_on():
    asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{HTTPS}", "-tls1_2"],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert b"ticket lifetime hint: 1234 " in asked.stdout, asked.stdout


def negotiates_http_1_1():
    made = context()
    made.set_alpn_protocols(["http/1.1"])
    with connect("a.example", made=made) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


def passes_large_bodies_both_ways():
    with connect("a.example") as connection:
        for size in (0, 1, 16384, 16385, 1000000, 30000000):
            assert len(ask(connection, f"/{size}")) == size
        for size in (1, 16384, 100000, 20000000):
            assert ask(connection, "/", body=b"y" * size) == b"%d" % size


def waits_for_a_slow_reader():
    with connect("a.example") as connection:
        connection.sendall(b"GET /8000000 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)
        got = 0
        while piece := connection.recv(100000):
            got += len(piece)
        assert got > 8000000, got


def takes_a_hello_byte_by_byte():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    speaker = context().wrap_bio(incoming, outgoing, server_hostname="a.example")
    with socket.create_connection(("127.0.0.1", HTTPS), 20) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                speaker.do_handshake()
                break
            except ssl.SSLWantReadError:
                hello = outgoing.read()
                for at in range(len(hello)):
                    plain.sendall(hello[at:at + 1])
                incoming.write(plain.recv(65536))
        plain.sendall(outgoing.read())


def says_when_it_is_done():
    with connect("a.example") as connection:
        connection.sendall(b"GET /10 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        got = b""
        while piece := connection.recv(65536):  # an end without close_notify would raise
            got += piece
        assert got.endswith(b"x" * 10)


def tells_a_plain_client_what_is_wrong():
    with socket.create_connection(("127.0.0.1", HTTPS), 20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        got = b""
        while piece := plain.recv(65536):
            got += piece
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert b"https" in got.lower(), got


def other_bytes_do_no_harm():
    for junk in (b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\x80" * 5000, b"\x16\x03\x01\x00\x05hello",
                 b"\x15\x03\x03\x00\x02\x02\x28", b"\n"):
        with socket.create_connection(("127.0.0.1", HTTPS), 20) as plain:
            plain.sendall(junk)
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(65536):
                pass


def has_stopped():
    tasks = f"/proc/{PROXY[0].process.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat", encoding="ascii", errors="replace") as stat:
            if stat.read().rpartition(")")[2].split()[0] != "T":
                return False
    return True


def an_end_within_a_record_ends_the_connection():
    """Part of a record and the end, both there when the proxy looks, amid a handshake."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context().wrap_bio(received, sent, server_hostname="a.example")
    try:
        half.do_handshake()
    except ssl.SSLWantReadError:
        pass
    with socket.create_connection(("127.0.0.1", HTTPS), 10) as plain:
        plain.sendall(sent.read())
        assert plain.recv(65536)
        PROXY[0].process.send_signal(signal.SIGSTOP)
        client.eventually("the proxy has stopped", has_stopped)
        plain.sendall(b"\x17\x03\x03")
        plain.shutdown(socket.SHUT_WR)
        PROXY[0].process.send_signal(signal.SIGCONT)
        while plain.recv(65536):
            pass


def many_handshakes_at_once():
    failures = []

    def one():
        try:
            with connect("a.example") as connection:
                assert ask(connection, "/10") == b"x" * 10
        except (OSError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]


def answers_acme_challenges_before_any_rule():
    with open(os.path.join(FOLDER, "secret"), "w", encoding="ascii") as file:
        file.write("secret")
    os.mkdir(CHALLENGES)
    with open(os.path.join(CHALLENGES, "Tok-en_1"), "w", encoding="ascii") as file:
        file.write("Tok-en_1.thumbprint")
    os.symlink("../secret", os.path.join(CHALLENGES, "link"))
    os.mkdir(os.path.join(CHALLENGES, "folder"))
    with open(os.path.join(CHALLENGES, "large"), "wb") as file:
        file.write(b"x" * 100000)
    base = "/.well-known/acme-challenge/"
    with socket.create_connection(("127.0.0.1", HTTP), 20) as plain:
        assert client.ask(plain, base + "Tok-en_1", "a.example") == (200, b"Tok-en_1.thumbprint")
    for path in ("", "link", "folder", "large", "..", "../secret", "..%2Fsecret", "Tok-en_1?x",
                 "Tok-en_1/", "none", "%54ok-en_1", "a" * 200):
        with socket.create_connection(("127.0.0.1", HTTP), 20) as plain:
            status, body = client.ask(plain, base + path, "a.example")
            assert status != 200 and b"secret" not in body, (path, status, body)


TESTS = [answers_acme_challenges_before_any_rule, shows_the_certificate_that_a_client_names,
         shows_a_certificate_that_the_client_can_verify, staples_ocsp_answers,
         speaks_tls_12_and_13_alone, sessions_go_on, says_how_long_sessions_may_go_on,
         negotiates_http_1_1, writes_the_secrets_down_that_it_is_told_to,
         passes_large_bodies_both_ways, waits_for_a_slow_reader, takes_a_hello_byte_by_byte,
         says_when_it_is_done, tells_a_plain_client_what_is_wrong, other_bytes_do_no_harm,
         an_end_within_a_record_ends_the_connection, many_handshakes_at_once]


def make_certificates():
    os.mkdir(DIR)
    made = {}
    made["a"], made["a_key"] = CA.issue("a", ["a.example"])
    made["wild"], made["wild_key"] = CA.issue("wild", ["*.wild.example"],
                                              kind="rsa")
    made["rsa"], made["rsa_key"] = CA.issue("rsa", ["a.example"], kind="rsa")
    cert, key = CA.issue("one", ["one.example"])
    with open(os.path.join(DIR, "one.pem"), "wb") as out:
        for part in (cert, key):
            with open(part, "rb") as file:
                out.write(file.read())
    cert, key = CA.issue("two", ["two.example"])
    os.mkdir(os.path.join(DIR, "two.example"))
    shutil.copy(cert, os.path.join(DIR, "two.example", "fullchain.pem"))
    shutil.copy(key, os.path.join(DIR, "two.example", "privkey.pem"))
    cert, key = CA.issue("three", ["three.example"])
    os.mkdir(os.path.join(DIR, "three.example_ecc"))
    shutil.copy(cert, os.path.join(DIR, "three.example_ecc", "fullchain.cer"))
    shutil.copy(key, os.path.join(DIR, "three.example_ecc", "three.example.key"))
    CA.answer("a")
    CA.issue("deep", ["deep.example"])
    for ending in ("pem", "key"):
        shutil.copy(CA.path(f"deep.{ending}"),
                    os.path.join(DIR, "0deep." + {"pem": "crt", "key": "key"}[ending]))
    return made


def main():
    names = make_certificates()
    names["log"] = os.path.join(FOLDER, "cache.log")
    os.chmod(FOLDER, 0o777)
    with Origin(ORIGIN), bobtail.Proxy(CONFIG.format(**names), HTTP) as proxy:
        PROXY.append(proxy)
        for test in TESTS:
            began = time.monotonic()
            test()
            assert proxy.is_alive(), f"{test.__name__}: the proxy died:\n{proxy.output()}"
            print(f"ok {test.__name__} ({time.monotonic() - began:.1f} s)")


try:
    main()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
