#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`bobtailctl why` tells what the cache has for a request, and what it tells is what happens."""
import http.server
import os
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
from bobtail import expect

CONFIG = """
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
visible_hostname why.test
pid_filename {folder}/pid
cache_log {folder}/cache.log
access_log none
workers 1
cache_mem {cache_mem}
cache_dir ufs {folder}/cache 50 16 256
acl secret urlpath_regex ^/secret
cache deny secret localhost
acl text urlpath_regex ^/text
compress allow text localhost
compress_min_length 1 bytes
refresh_pattern -i ^http://[^/]+/mins 10 50% 20
refresh_pattern . 0 20% 4320
http_access allow all
"""


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fields = {
        "/fresh": {"Cache-Control": "max-age=1000"},
        "/mins": {"Last-Modified": "Sat, 01 Jan 2000 00:00:00 GMT"},
        "/must": {"Cache-Control": "max-age=1000, no-cache", "ETag": '"1"'},
        "/vary": {"Cache-Control": "max-age=1000", "Vary": "Accept-Language"},
        "/secret": {"Cache-Control": "max-age=1000"},
        "/text": {"Cache-Control": "max-age=1000", "Content-Type": "text/plain", "Vary": "Accept-Encoding"},
    }

    def do_GET(self):
        self.send_response(200)
        for name, value in self.fields[self.path].items():
            self.send_header(name, value)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


def why(config, url, *fields):
    """(exit status, [(name, value)]) of `bobtailctl why`."""
    options = [word for field in fields for word in ("-H", field)]
    run = subprocess.run(
        ["./bobtailctl", "-f", config, "why", *options, url], capture_output=True, text=True, timeout=30
    )
    return run.returncode, [tuple(line.split(" = ", 1)) for line in run.stdout.splitlines()], run.stderr


def says(answer, name, part):
    return any(name == key and part in value for key, value in answer[1])


def get(port, path, **fields):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=fields)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return reply.read(), reply.headers


def ask_all(port, config):
    base = f"http://127.0.0.1:{port}"
    answer = why(config, base + "/fresh")
    expect("nothing is there at first", says(answer, "found", "nothing"), answer)
    expect("a miss", says(answer, "verdict", "a miss"), answer)
    for path in ("/fresh", "/mins", "/must", "/secret"):
        get(port, path)
    get(port, "/vary", **{"Accept-Language": "fi"})

    answer = why(config, base + "/fresh")
    expect("found in memory", says(answer, "found", "memory"), answer)
    expect("why it was stored", says(answer, "decision", "stored: explicit expiry"), answer)
    expect("fresh by its expiry", says(answer, "reason", "explicit expiry"), answer)
    expect("the deciding rule is told", says(answer, "rule", "yes: its explicit expiry"), answer)
    expect("others are told", says(answer, "rule", "no: offline_mode (squid.conf)"), answer)
    answer = why(config, base + "/fresh", "Cache-Control: max-age=0")
    expect("the client's wish decides", says(answer, "rule", "yes: the client's max-age (RFC 9111"), answer)
    answer = why(config, base + "/mins")
    expect("the rule's line", says(answer, "refresh_pattern", "refresh_pattern -i ^http://[^/]+/mins 10 50% 20"), answer)
    expect("the line's number", says(answer, "refresh_pattern", "squid.conf:16:"), answer)
    answer = why(config, base + "/must")
    expect("no-cache", says(answer, "verdict", "the origin is asked"), answer)
    answer = why(config, base + "/vary", "Accept-Language: fi")
    expect("the variant", says(answer, "variant", "accept-language: fi"), answer)
    answer = why(config, base + "/vary", "Accept-Language: de")
    expect("no such variant", says(answer, "found", "only variants for other requests"), answer)
    answer = why(config, base + "/secret")
    expect("cache deny", says(answer, "cache", "deny"), answer)
    expect("compress", says(why(config, base + "/fresh"), "compress", "deny"))
    get(port, "/text", **{"Accept-Encoding": "gzip"})
    answer = why(config, base + "/text", "Accept-Encoding: gzip")
    expect("the coding", says(answer, "compress", "allow") and says(answer, "coding", "gzip (the client takes"), answer)
    answer = why(config, base + "/text")
    expect("or none", says(answer, "coding", "plain (the client gets"), answer)
    for url in ("nothing", "ftp://x/", base + "/a b"):
        answer = why(config, url)
        expect(f"{url} is refused", answer[0] == 1 and "bobtailctl" in answer[2], answer)
    answer = why(config, base + "/fresh", "no field")
    expect("a broken field is refused", answer[0] == 1, answer)


def ask_disk(port, config):
    base = f"http://127.0.0.1:{port}"
    get(port, "/fresh")
    bobtail.expect_soon("found on disk", lambda: says(why(config, base + "/fresh"), "found", "disk, row"))
    answer = why(config, base + "/fresh")
    expect("fresh from disk as well", says(answer, "verdict", "fresh"), answer)
    get(port, "/fresh")
    expect("asking has not hurt", says(why(config, base + "/fresh"), "verdict", "fresh"))


def run(cache_mem, ask):
    port, origin_port = bobtail.free_ports(2)
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", origin_port), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-test.")
    os.chmod(folder, 0o777)
    text = CONFIG.format(port=port, origin=origin_port, folder=folder, cache_mem=cache_mem)
    with bobtail.Proxy(text, port) as proxy:
        ask(port, proxy.config)
    origin.shutdown()
    bobtail.shutil.rmtree(folder, ignore_errors=True)


bobtail.skip_without_program()
run("8 MB", ask_all)
run("0", ask_disk)
bobtail.finish()
