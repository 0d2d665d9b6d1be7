#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Client certificates: who is let in by clientca=, what ACLs and logs see of them."""
import os
import shutil
import ssl
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), HERE]
import bobtail
import certificates
from client import ask, connect, context, eventually
from small_origin import Origin

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-tls.")
os.chmod(FOLDER, 0o777)
CA = certificates.Authority(FOLDER)
STRANGER = certificates.Authority(FOLDER, "stranger")
SERVER = CA.issue("server", ["a.example"])
ALICE = CA.issue("alice", ["alice.example"], subject="/C=FI/O=Example/CN=Alice")
BOB = CA.issue("bob", ["bob.example"], subject="/C=FI/O=Example/CN=Bob")
REVOKED = CA.issue("revoked", ["revoked.example"])
MALLORY = STRANGER.issue("mallory", ["mallory.example"], subject="/C=FI/O=Example/CN=Alice")
CRL = CA.revoke("revoked")
with open(f"{FOLDER}/asked", "w", encoding="utf-8") as helper:
    helper.write('#!/bin/sh\nwhile read -r line; do echo "$line" >>"$0.notes"; case $line in -*) echo ERR ;;'
                 ' *) echo OK ;; esac; done\n')
os.chmod(f"{FOLDER}/asked", 0o755)
MUST, MAY, DELAYED, OPEN, NO_CRL, HTTP, ORIGIN = bobtail.free_ports(7)

CONFIG = f"""
http_port 127.0.0.1:{HTTP} accel defaultsite=a.example
https_port 127.0.0.1:{MUST} accel defaultsite=a.example tls-cert={SERVER[0]} tls-key={SERVER[1]} clientca={CA.pem} crlfile={CRL}
https_port 127.0.0.1:{MAY} accel defaultsite=a.example tls-cert={SERVER[0]} tls-key={SERVER[1]} clientca={CA.pem} sslflags=CONDITIONAL_AUTH
https_port 127.0.0.1:{DELAYED} accel defaultsite=a.example tls-cert={SERVER[0]} tls-key={SERVER[1]} clientca={CA.pem} sslflags=DELAYED_AUTH
https_port 127.0.0.1:{NO_CRL} accel defaultsite=a.example tls-cert={SERVER[0]} tls-key={SERVER[1]} clientca={CA.pem} crlfile={FOLDER}/none.crl
https_port 127.0.0.1:{OPEN} accel defaultsite=a.example tls-cert={SERVER[0]} tls-key={SERVER[1]}
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver
acl alice user_cert CN Alice
acl private urlpath_regex ^/1$
acl finns urlpath_regex ^/2$
acl finnish user_cert C FI
http_access deny private !alice
http_access deny finns !finnish
external_acl_type asked children-max=1 %USER_CERT_CN %USER_CERT_C %USER_CA_CERT_CN %USER_CERT_ST {FOLDER}/asked
acl asked external asked
acl third urlpath_regex ^/3$
http_access deny third !asked
http_access allow all
cache_mem 16 MB
logformat who %ssl::>negotiated_version %ssl::>negotiated_cipher %ssl::>sni %us %ssl::>cert_subject %ssl::>cert_issuer
access_log stdio:{FOLDER}/access.log logformat=who
cache_log {FOLDER}/cache.log
pid_filename none
visible_hostname proxy.test
workers 1
shutdown_lifetime 1 second
"""


def is_let_in(port, pair, version=None):
    """A refusal shows in the handshake, or with TLS 1.3 when the answer is read."""
    try:
        with connect(context(CA, version, pair), port, "a.example") as connection:
            return ask(connection, "/10")[0] == 200
    except (ssl.SSLError, ConnectionError, AssertionError):
        return False


def lets_in_whom_the_ca_vouches_for():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for port, pair, expected in (
                (MUST, ALICE, True), (MUST, None, False), (MUST, MALLORY, False),
                (MUST, REVOKED, False), (MAY, ALICE, True), (MAY, None, True),
                (MAY, MALLORY, False), (DELAYED, None, True), (DELAYED, MALLORY, True),
                (OPEN, None, True)):
            assert is_let_in(port, pair, version) == expected, (version, port, pair)


def status(port, pair, path):
    with connect(context(CA, None, pair), port, "a.example") as connection:
        return ask(connection, path)[0]


def acls_see_the_names():
    assert status(MUST, ALICE, "/1") == 200
    assert status(MUST, BOB, "/1") == 403
    assert status(MUST, BOB, "/2") == 200
    assert status(MAY, None, "/1") == 403
    assert status(MAY, None, "/2") == 403
    assert status(DELAYED, ALICE, "/1") == 403


def helpers_are_told_the_names():
    assert status(MUST, ALICE, "/3") == 200
    assert status(MAY, None, "/3") == 403
    with open(f"{FOLDER}/asked.notes", encoding="utf-8") as file:
        assert file.read().splitlines() == ["Alice FI ca%20of%20the%20test - -", "- - - - -"]


def sessions_keep_the_names_and_their_port():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = context(CA, version, ALICE)
        with connect(made, MUST, "a.example") as connection:
            assert ask(connection, "/1")[0] == 200
            session = connection.session
        with connect(made, MUST, "a.example", session) as connection:
            assert ask(connection, "/1")[0] == 200
            assert connection.session_reused
        made = context(CA, version)
        with connect(made, OPEN, "a.example") as connection:
            ask(connection, "/10")
            session = connection.session
        try:
            with connect(made, MUST, "a.example", session) as connection:
                ask(connection, "/10")
            raise AssertionError("a session of an open port was let in")
        except (ssl.SSLError, ConnectionError):
            pass


def logs_name_the_client():
    def is_there():
        with open(f"{FOLDER}/access.log", encoding="utf-8") as log:
            lines = log.read().splitlines()
        return (any(line.startswith("TLS/1.3 TLS_") and
                    " a.example Alice /C=FI/O=Example/CN=Alice /CN=ca%20of%20the%20test" in line
                    for line in lines) and
                any(line.startswith("TLS/1.2 ECDHE-ECDSA-AES128-GCM-SHA256 a.example - - -")
                    for line in lines))

    eventually("the access log names who asked", is_there, 10)


def log_has(text):
    with open(f"{FOLDER}/cache.log", encoding="utf-8") as log:
        return text in log.read()


def files_that_are_gone_keep_what_was_read():
    with open(CRL, "rb") as file:
        good = file.read()
    with open(CRL, "wb"):
        pass  # as while it is written anew
    eventually("an empty CRL is told", lambda: log_has("the CRL cannot be read: there is none; going on as before"),
               20)
    assert is_let_in(MUST, ALICE) and not is_let_in(MUST, REVOKED)
    os.unlink(CRL)
    assert is_let_in(MUST, ALICE) and not is_let_in(MUST, REVOKED)
    with open(CRL, "wb") as file:
        file.write(good)
    os.rename(CA.pem, f"{CA.pem}.away")
    eventually("CAs that are gone are told",
               lambda: log_has("the CA certificates cannot be read: there is none; going on as before"), 20)
    os.rename(f"{CA.pem}.away", CA.pem)
    assert is_let_in(MUST, ALICE) and not is_let_in(MUST, MALLORY)
    assert not is_let_in(NO_CRL, ALICE) and not is_let_in(NO_CRL, REVOKED)


TESTS = [lets_in_whom_the_ca_vouches_for, acls_see_the_names, helpers_are_told_the_names,
         sessions_keep_the_names_and_their_port, logs_name_the_client,
         files_that_are_gone_keep_what_was_read]


def main():
    with Origin(ORIGIN), bobtail.Proxy(CONFIG, HTTP) as proxy:
        for test in TESTS:
            try:
                test()
            except Exception:
                with open(f"{FOLDER}/access.log", encoding="utf-8") as log:
                    print(log.read()[-2000:])
                raise
            assert proxy.is_alive(), f"{test.__name__}: the proxy died:\n{proxy.output()}"
            print("ok", test.__name__)


try:
    main()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
