#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bobtailctl init: what it writes, with any set of options, is accepted without a word, and serves."""
import http.server
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from bobtail import Proxy, expect, finish, free_ports, skip_without_program

skip_without_program()
CTL, PROGRAM = os.environ.get("BOBTAILCTL", "./bobtailctl"), "./bobtail"
PORT, TLS_PORT, ORIGIN = free_ports(3)
folder = tempfile.mkdtemp(prefix="bobtail-init.")
os.chmod(folder, 0o755)
CERT, KEY, USERS, DIR = (f"{folder}/{name}" for name in ("cert.pem", "key.pem", "users", "certs"))
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", KEY, "-out", CERT, "-days", "30", "-subj", "/CN=www.example.org",
                "-addext", "subjectAltName=DNS:www.example.org"], check=True, capture_output=True)
os.makedirs(f"{DIR}/www.example.org")
shutil.copy(CERT, f"{DIR}/www.example.org/fullchain.pem")
shutil.copy(KEY, f"{DIR}/www.example.org/privkey.pem")
with open(USERS, "w") as file:
    file.write("anna:{PLAIN}x\n")
for name in (KEY, USERS):
    os.chmod(name, 0o600)


def init(*options):
    return subprocess.run([CTL, "init", *options], capture_output=True, text=True, timeout=30)


def complaints(text):
    """What -k parse says besides what it reads."""
    path = f"{folder}/parsed.conf"
    with open(path, "w") as file:
        file.write(text)
    said = subprocess.run([PROGRAM, "-k", "parse", "-f", path], capture_output=True, text=True, timeout=30)
    return said.returncode, [line for line in (said.stdout + said.stderr).splitlines()
                             if "| Processing" not in line and "proxy context" not in line]


BASE = ["--site", "www.example.org", "--port", f"127.0.0.1:{PORT}"]
ORIGINS = [["--origin", f"http://127.0.0.1:{ORIGIN}"], ["--origin", "https://127.0.0.1/"],
           ["--origin", "http://[::1]:8080"]]
AUTHS = [[], ["--auth", USERS, "--auth-program", os.path.abspath("basic_ncsa_auth")]]
TLS_PORTS = ["--tls-port", f"127.0.0.1:{TLS_PORT}"]
TLS = [[], ["--tls-cert", CERT, "--tls-key", KEY, *TLS_PORTS], ["--tls-cert-dir", DIR, *TLS_PORTS]]
CACHES = [[], ["--cache", f"{folder}/cache"]]
for sets in itertools.product(ORIGINS, AUTHS, TLS, CACHES):
    options = [word for part in sets for word in part]
    written = init(*BASE, *options)
    status, said = complaints(written.stdout)
    expect(" ".join(options), written.returncode == 0 and status == 0 and not said,
           (written.stderr, said, written.stdout))

good = BASE + ORIGINS[0]


def with_wrong(wrong):
    """The good options, where those that wrong gives otherwise have its values."""
    pairs = dict(zip(good[::2], good[1::2])) | dict(zip(wrong[::2], wrong[1::2]))
    return [word for pair in pairs.items() for word in pair]


for wrong in (["--site", "a b"], ["--site", "x\nhttp_access allow all"], ["--origin", "ftp://x"],
              ["--origin", "http://x:0"], ["--origin", "http://x y"], ["--origin", "http://x:99999"],
              ["--auth", "relative"], ["--auth", "/a b"], ["--cache", "/a\nb"], ["--tls-key", KEY],
              ["--port", "0"], ["--port", "x y:80"], ["--tls-port", "443"],
              ["--tls-cert", CERT, "--tls-cert-dir", DIR]):
    said = init(*with_wrong(wrong))
    expect(f"{wrong} is refused", said.returncode == 2 and not said.stdout and said.stderr, said)
expect("--site is needed", init(*ORIGINS[0]).returncode == 2)
said = init(*good, "--site", "other.example")
expect("an option is given once", said.returncode == 2 and "--site is there twice" in said.stderr, said)

path = f"{folder}/new.conf"
expect("-o writes", init(*good, "-o", path).returncode == 0 and os.path.getsize(path) > 500)
before = open(path).read()
expect("and never overwrites", init(*good, "--cache", "/x", "-o", path).returncode == 1
       and open(path).read() == before)


class Origin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"made at the origin")

    def log_message(self, *_):
        pass


def get(**fields):
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/page?x", headers=fields)
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=20) as reply:
            return reply.status, reply.read().decode(), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


origin = http.server.ThreadingHTTPServer(("127.0.0.1", ORIGIN), Origin)
threading.Thread(target=origin.serve_forever, daemon=True).start()


def movable(text):
    """With its files where a test may write."""
    return re.sub(r"/(run|var/log)/bobtail/", folder + "/", text)


os.chmod(folder, 0o777)
with Proxy(movable(init(*good).stdout), PORT):
    expect("it serves the site", get(Host="www.example.org")[:2] == (200, "made at the origin"))
    expect("and no other", get(Host="other.example")[0] == 403)
with Proxy(movable(init(*good, *TLS[1]).stdout), PORT):
    status, _, fields = get(Host="www.example.org")
    expect("plain HTTP leads to TLS", status == 308 and
           fields["Location"] == f"https://www.example.org:{TLS_PORT}/page?x", (status, str(fields)))
text = init(*good, "--tls-cert", CERT, "--tls-key", KEY).stdout
expect("which is 443 where nothing else is said", "308:https://www.example.org%R" in text, text)
os.chmod(USERS, 0o644)
with Proxy(movable(init(*good, *AUTHS[1]).stdout), PORT):
    expect("it asks who that is", get(Host="www.example.org")[0] == 401)
origin.shutdown()
shutil.rmtree(folder, ignore_errors=True)
finish()
