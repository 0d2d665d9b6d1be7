#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A start with things missing: who needs them gets a 503 or an alert, everybody else is served, and
`bobtailctl health` tells; then they are supplied, and all is well without a restart or a reload."""
import http.client
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import bobtail  # pylint: disable=wrong-import-position
import certificates  # pylint: disable=wrong-import-position
from name_server import NameServer  # pylint: disable=wrong-import-position

expect = bobtail.expect
CTL = os.path.abspath("bobtailctl")
HELPER = """#!/usr/bin/env python3
import sys
for line in sys.stdin:
    print({answer!r}, flush=True)
"""


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=60")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def make_pem(path):
    """A certificate with its key, in one file."""
    authority = certificates.Authority(os.path.dirname(path), os.path.basename(path)[:-4] + "-ca")
    with open(authority.pem, encoding="ascii") as cert, open(authority.key, encoding="ascii") as key:
        text = cert.read() + key.read()
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def status(port, host, user=None):
    """0: no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Host": host}
    if user:
        headers["Authorization"] = "Basic dTpw"
    try:
        connection.request("GET", f"/{time.monotonic()}", headers=headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    except OSError:
        return 0
    finally:
        connection.close()


def handshake(port):
    """"" when it succeeds, else the reason."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), 20) as raw:
            context.wrap_socket(raw, server_hostname="a.test").close()
        return ""
    except OSError as error:
        return str(error)


def write_program(path, answer):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(HELPER.format(answer=answer))
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


def configuration(folder, ports):
    plain, tls, broken, peer, down, dns, empty = ports
    return f"""
http_port 127.0.0.1:{plain} accel vhost
https_port 127.0.0.1:{tls} accel vhost tls-cert={folder}/good.pem
https_port 127.0.0.1:{broken} accel vhost tls-cert={folder}/late.pem
https_port 127.0.0.1:{empty} accel vhost tls-cert-dir={folder}/live
cache_peer 127.0.0.1 parent {peer} 0 no-query originserver name=good
cache_peer 127.0.0.1 parent {down} 0 no-query originserver name=down connect-timeout=2
cache_peer late.example parent {peer} 0 no-query originserver name=nameless
dns_nameservers 127.0.0.1:{dns}
negative_dns_ttl 1 second
acl down dstdomain down.test
acl nameless dstdomain nameless.test
acl rewritten dstdomain rewritten.test
acl private dstdomain private.test
acl asked dstdomain asked.test
external_acl_type asker concurrency=0 %DST {folder}/asker
acl allowed external asker
auth_param basic program {folder}/users
auth_param basic realm test
acl user proxy_auth REQUIRED
cache_peer_access down allow down
cache_peer_access down deny all
cache_peer_access nameless allow nameless
cache_peer_access nameless deny all
cache_peer_access good deny down
cache_peer_access good deny nameless
http_access deny asked !allowed
http_access deny private !user
http_access allow all
url_rewrite_program {folder}/rewriter
url_rewrite_access allow rewritten
url_rewrite_access deny all
cache_dir ufs {folder}/cache/store 64 16 256
cache_dir ufs {folder}/locked 64 16 256
cache_dir ufs {folder}/damaged 64 16 256
cache_log {folder}/logs/cache.log
access_log stdio:{folder}/logs/access.log
pid_filename {folder}/pid
"""


def health(config):
    done = subprocess.run([CTL, "-f", config, "health"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode()


MISSING = ["cache_dir", "cache_log", "access_log", "redirector", "basicauthenticator",
           "external_acl_type", "https_port"]


def test_missing(proxy, folder, ports):
    plain, tls, broken, *_ = ports
    bobtail.expect_soon("a site that needs none of it is served", lambda: status(plain, "a.test") == 200)
    expect("by TLS as well", handshake(tls) == "")
    expect("a port without its certificate ends handshakes with an alert",
           "alert" in handshake(broken).lower())
    expect("a peer that is down: 503", status(plain, "down.test") == 503)
    expect("a name that does not resolve is an error of that site alone",
           status(plain, "nameless.test") in (502, 503))
    expect("no rewriter: 503", status(plain, "rewritten.test") == 503)
    expect("nobody who knows the users: 503", status(plain, "private.test", "u") == 503)
    expect("no external ACL: 503", status(plain, "asked.test") == 503)
    code, text = health(proxy.config)
    expect("health fails", code == 1, text)
    for name in MISSING:
        expect(f"health names {name}", any(line.startswith(name) for line in text.splitlines()),
               text)
    expect("also the database that another program holds", f"{folder}/locked" in text, text)
    expect("a damaged database is set aside", os.path.exists(f"{folder}/damaged/cache.db.damaged"))
    expect("a folder without certificates too", "no certificate yet" in text, text)
    expect("and says since when", text.count("(since 20") == text.count("\n") - 1, text)
    expect("the log has the reasons", "No such file or directory" in proxy.output())


def make_databases(folder):
    """One is damaged, the other held by a connection, which is returned."""
    for name in "damaged", "locked":
        os.makedirs(os.path.join(folder, name))
        os.chmod(os.path.join(folder, name), 0o777)
    with open(f"{folder}/damaged/cache.db", "wb") as file:
        file.write(b"SQLite format 3\0" + b"\x5a" * 100000)
    os.chmod(f"{folder}/damaged/cache.db", 0o666)
    holder = sqlite3.connect(f"{folder}/locked/cache.db", isolation_level=None, check_same_thread=False)
    os.chmod(f"{folder}/locked/cache.db", 0o666)
    holder.execute("BEGIN EXCLUSIVE")
    return holder


def supply(folder, late):
    os.makedirs(os.path.join(folder, "logs"))
    os.makedirs(os.path.join(folder, "cache"))
    for name in "logs", "cache":
        os.chmod(os.path.join(folder, name), 0o777)
    write_program(os.path.join(folder, "rewriter"), "ERR")
    write_program(os.path.join(folder, "users"), "OK")
    write_program(os.path.join(folder, "asker"), "OK")
    shutil.copy(late, os.path.join(folder, "late.pem"))
    os.makedirs(os.path.join(folder, "live"))
    shutil.copy(late, os.path.join(folder, "live", "late.pem"))


def test_supplied(proxy, folder, ports):
    plain, _, broken, _, down, _, empty = ports
    origin = ThreadingHTTPServer(("127.0.0.1", down), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    bobtail.expect_soon("the peer is used", lambda: status(plain, "down.test") == 200)
    bobtail.expect_soon("the name is found", lambda: status(plain, "nameless.test") == 200)
    bobtail.expect_soon("the rewriter is asked", lambda: status(plain, "rewritten.test") == 200)
    bobtail.expect_soon("users are let in", lambda: status(plain, "private.test", "u") == 200)
    bobtail.expect_soon("the external ACL decides", lambda: status(plain, "asked.test") == 200)
    bobtail.expect_soon("handshakes succeed", lambda: handshake(broken) == "" and handshake(empty) == "")
    bobtail.expect_soon("the access log is written", lambda: status(plain, "a.test") == 200 and
                        os.path.exists(os.path.join(folder, "logs", "access.log")))
    bobtail.expect_soon("cache.log is there", lambda: os.path.exists(os.path.join(folder, "logs", "cache.log")))
    bobtail.expect_soon("nothing of it is said to be missing", lambda: status(plain, "a.test") == 200 and
                        not any(line.startswith(tuple(MISSING)) for line in health(proxy.config)[1].split("\n")))
    print(health(proxy.config)[1])
    expect("one process has seen all of it", proxy.is_alive())


def main():
    bobtail.skip_without_program()
    certificates.skip_without_openssl()
    folder = os.path.realpath(os.path.join(os.environ.get("TMPDIR", "/tmp"),
                                           f"bobtail-degraded.{os.getpid()}"))
    os.makedirs(folder)
    os.chmod(folder, 0o755)
    ports = bobtail.free_ports(7)
    origin = ThreadingHTTPServer(("127.0.0.1", ports[3]), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    good, late = os.path.join(folder, "good.pem"), os.path.join(folder, "elsewhere.pem")
    make_pem(good)
    make_pem(late)
    holder = make_databases(folder)
    try:
        with NameServer(ports[5], {}) as names, bobtail.Proxy(configuration(folder, ports), ports[0]) as proxy:
            test_missing(proxy, folder, ports)
            supply(folder, late)
            names.records[("late.example", "A")] = "127.0.0.1"
            holder.execute("ROLLBACK")
            holder.close()
            test_supplied(proxy, folder, ports)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


if __name__ == "__main__":
    main()
