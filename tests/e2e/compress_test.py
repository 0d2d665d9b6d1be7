#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The compress directive: what goes over the wire in which coding, with which ETag and Vary; ranges, HEAD,
conditions, HTTP/2; what the origin has packed, and bombs; a large body holds nobody up."""
import ctypes
import ctypes.util
import gzip
import http.client
import http.server
import json
import os
import re
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

bobtail.skip_without_program()
random.seed(7)
WORDS = """time person year way day thing man world life hand part child eye woman place work week case point
government company number group problem fact be have do say get make go know take see come think look want give use
find tell ask seem feel try leave call good new first last long great little own other old right big high""".split()
BIG = 10 << 20


def prose(length):
    return " ".join(random.choice(WORDS) for _ in range(length // 5))[:length]


def html():
    rows = "".join(f'<li class="entry item-{i}"><a href="/page/{i}">{prose(60)}</a></li>\n' for i in range(300))
    return f"<!doctype html><html><head><title>T</title></head><body><ul>\n{rows}</ul></body></html>"


def css():
    return "".join(
        f".{random.choice(WORDS)}-{i} {{ margin: {i}px auto; padding: 0 {i % 7}em; color: #{i * 4099 & 0xFFFFFF:06x}; }}\n"
        for i in range(400)
    )


def javascript():
    return "".join(
        f"export function {random.choice(WORDS)}{i}(value, next) {{\n\treturn next(value + {i}, '{prose(30)}');\n}}\n"
        for i in range(300)
    )


def as_json():
    return json.dumps([{"id": i, "name": prose(20), "tags": random.sample(WORDS, 4), "isActive": i % 3 == 0} for i in range(300)])


def packed(text, level=9):
    return gzip.compress(text, level)


# path: (type, fields, body)
FRESH = {"Cache-Control": "max-age=600"}
PLAIN = "\n".join(prose(70) for _ in range(400)).encode()
DATE = "Wed, 01 Jan 2020 00:00:00 GMT"
THINGS = {
    "/html": ("text/html; charset=utf-8", {**FRESH, "ETag": '"h1"', "Accept-Ranges": "bytes", "Content-MD5": "x", "Digest": "x"}, html().encode()),
    "/css": ("text/css", FRESH, css().encode()),
    "/js": ("application/javascript", FRESH, javascript().encode()),
    "/json": ("application/json", {**FRESH, "Vary": "Accept-Language"}, as_json().encode()),
    "/weak": ("text/plain", {**FRESH, "ETag": 'W/"w1"'}, PLAIN),
    "/small": ("text/html", FRESH, b"<p>small</p>"),
    "/image": ("image/png", FRESH, PLAIN),
    "/no-transform": ("text/plain", {"Cache-Control": "max-age=600, no-transform"}, PLAIN),
    "/private": ("text/plain", {"Cache-Control": "private", "Set-Cookie": "a=b"}, PLAIN),
    "/denied": ("text/plain", FRESH, PLAIN),
    "/packed": ("text/plain", {**FRESH, "ETag": '"p1"', "Content-Encoding": "gzip"}, packed(PLAIN)),
    "/bad": ("text/plain", {**FRESH, "Content-Encoding": "gzip"}, packed(PLAIN)[:900] + b"x" * 9000),
    "/bomb": ("text/plain", {**FRESH, "Content-Encoding": "gzip"}, packed(bytes(64 << 20))),
    "/renewed": ("text/plain", {"Cache-Control": "max-age=0", "ETag": '"r1"'}, PLAIN),
    "/purged": ("text/plain", FRESH, PLAIN),
    "/dated": ("text/plain", {**FRESH, "Last-Modified": DATE}, PLAIN),
    "/big": ("text/plain", FRESH, (PLAIN * (BIG // len(PLAIN) + 1))[:BIG]),
    "/drip": ("text/plain", {"Cache-Control": "no-store"}, b""),
}
ASKED = []  # (method, path, Accept-Encoding, If-None-Match)


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def drip(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for text in (b"first words " * 200, b"last words"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.flush()
            if text.startswith(b"first"):
                SEEN.wait(20)
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path not in THINGS:
            self.send_error(404)
            return
        ASKED.append((self.command, path, self.headers.get("Accept-Encoding"), self.headers.get("If-None-Match")))
        if path == "/drip":
            self.drip()
            return
        kind, fields, body = THINGS[path]
        is_known = fields.get("ETag") and self.headers.get("If-None-Match") == fields["ETag"]
        self.send_response(304 if is_known else 200)
        for name, value in fields.items():
            self.send_header(name, value)
        if not is_known:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and not is_known:
            try:
                self.wfile.write(body)
            except OSError:
                pass  # the proxy had enough of it

    do_HEAD = do_GET


SEEN = threading.Event()
PORT, ORIGIN = bobtail.free_ports(2)
CONFIG = f"""
http_port {PORT} accel defaultsite=site.example vhost h2c
cache_peer 127.0.0.1 parent {ORIGIN} 0 originserver no-query no-digest
acl denied urlpath_regex ^/denied
acl purge method PURGE
http_access allow all
compress deny denied
compress allow all
maximum_object_size_in_memory 2 MB
cache_mem 64 MB
access_log none
cache_log none
pid_filename none
shutdown_lifetime 0 seconds
"""


class Reply:
    """What came for a path, in the given coding; body as it was on the wire."""

    def __init__(self, path, accept=None, method="GET", **fields):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if accept is not None:
            headers["Accept-Encoding"] = accept
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        self.status, self.fields = response.status, response.headers
        self.body, self.is_cut = b"", False
        try:
            while piece := response.read1(65536):
                self.body += piece
        except (http.client.IncompleteRead, ConnectionResetError):
            self.is_cut = True
        connection.close()

    def __getattr__(self, name):
        return self.fields.get(name.replace("_", "-"))

    def text(self):
        coding = self.fields.get("Content-Encoding")
        if coding == "gzip":
            return zlib.decompress(self.body, 31)
        return unbrotli(self.body) if coding == "br" else self.body


LIBRARY = ctypes.util.find_library("brotlidec")


def unbrotli(body):
    if not LIBRARY:
        return None
    size = ctypes.c_size_t(BIG * 2)
    out = ctypes.create_string_buffer(size.value)
    if ctypes.CDLL(LIBRARY).BrotliDecoderDecompress(ctypes.c_size_t(len(body)), body, ctypes.byref(size), out) != 1:
        return b"not brotli"
    return out.raw[: size.value]


def varies(reply):
    return "accept-encoding" in ",".join(reply.fields.get_all("Vary") or []).lower()


def sizes():
    """HTML, CSS, JavaScript and JSON fall by over 60 %, in the first reply and in those from the cache."""
    for path in ("/html", "/css", "/js", "/json"):
        body = THINGS[path][2]
        for accept in ("gzip", "gzip, br"):
            for turn in ("first", "second"):
                reply = Reply(path, accept)
                is_right = reply.text() in (body, None) and reply.Content_Encoding == accept.split(", ")[-1]
                what = f"{path} {accept} {turn}: {len(reply.body)} of {len(body)} bytes"
                bobtail.expect(what, is_right and len(reply.body) < 0.4 * len(body) and varies(reply), reply.fields.items())
                if turn == "second":
                    bobtail.expect("with its length", reply.Content_Length == str(len(reply.body)), reply.fields.items())
        plain = Reply(path)
        bobtail.expect(f"{path} plain", plain.text() == body and not plain.Content_Encoding and varies(plain), plain.fields.items())
        bobtail.expect("one request for all", [asked[1] for asked in ASKED].count(path) == 1, ASKED)
    bobtail.expect("other fields of Vary stay", "Accept-Language" in str(Reply("/json", "gzip").fields.get_all("Vary")))
    bobtail.expect("the origin sees no coding", all(asked[2] is None for asked in ASKED), ASKED)


def validators():
    tags = {accept: Reply("/html", accept).ETag for accept in ("gzip", "br", "identity")}
    bobtail.expect("each coding has its tag", tags == {"gzip": '"h1-gzip"', "br": '"h1-br"', "identity": '"h1"'} or not LIBRARY, tags)
    reply = Reply("/html", "gzip")
    bobtail.expect("digests are gone", not reply.Content_MD5 and not reply.Digest and not reply.Accept_Ranges, reply.fields.items())
    bobtail.expect("a weak tag stays", Reply("/weak", "gzip").ETag == 'W/"w1"')
    reply = Reply("/html", "gzip", If_None_Match='"h1-gzip"')
    bobtail.expect("its tag: 304", reply.status == 304 and reply.ETag == '"h1-gzip"' and varies(reply), reply.fields.items())
    bobtail.expect("another coding's tag: 200", Reply("/html", "gzip", If_None_Match='"h1"').status == 200)
    reply = Reply("/html", None, If_None_Match='"h1"')
    bobtail.expect("the plain one's: 304", reply.status == 304 and varies(reply), reply.fields.items())


def left_alone():
    for path in ("/small", "/image", "/no-transform", "/denied"):
        reply = Reply(path, "gzip, br")
        bobtail.expect(f"{path} is left alone", not reply.Content_Encoding and reply.body == THINGS[path][2] and not varies(reply), reply.fields.items())
    bobtail.expect("where denied, the origin sees it", ("GET", "/denied", "gzip, br", None) in ASKED, ASKED)
    reply = Reply("/html", "gzip", Range="bytes=5-9")
    bobtail.expect("a range is of the plain one", reply.status == 206 and reply.body == THINGS["/html"][2][5:10] and reply.ETag == '"h1"', reply.fields.items())
    reply = Reply("/html", "gzip", Range="bytes=5-9", If_Range='"h1-gzip"')
    bobtail.expect("and not of another", reply.status == 200 and not reply.Content_Encoding, reply.fields.items())
    for _ in range(2):
        reply = Reply("/dated", "gzip", Range="bytes=5-9", If_Range=DATE)
        bobtail.expect("a date does not say of which coding a range is", reply.status == 200 and reply.Content_Encoding == "gzip", reply.fields.items())
    reply = Reply("/dated", "identity", Range="bytes=5-9", If_Range=DATE)
    bobtail.expect("it does for who takes none", reply.status == 206 and reply.body == PLAIN[5:10], reply.fields.items())
    for accept, coding in (("gzip;q=0", None), ("gzip;q=0.2, identity;q=0.5", None), ("*", "br"), ("br;q=0, *", "gzip"), ("GZIP", "gzip"), ("zstd", None)):
        reply = Reply("/html", accept)
        bobtail.expect(f"{accept}: {coding}", reply.Content_Encoding == coding or not LIBRARY, reply.fields.items())


def relayed():
    reply = Reply("/private", "gzip")
    bobtail.expect("what is not stored", reply.text() == PLAIN and reply.Content_Encoding == "gzip" and reply.Set_Cookie == "a=b", reply.fields.items())
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    connection.request("GET", "/drip", headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    unpack = zlib.decompressobj(31)
    text = b""
    while not text.endswith(b"words ") and (piece := response.read1(4096)):
        text += unpack.decompress(piece)
    bobtail.expect("what has come is not held back", text == b"first words " * 200, text)
    SEEN.set()
    text += unpack.decompress(response.read())
    bobtail.expect("and the rest follows", text.endswith(b"last words") and unpack.eof, text[-30:])


def heads():
    got, head = Reply("/css", "gzip"), Reply("/css", "gzip", method="HEAD")
    bobtail.expect("HEAD as GET", head.body == b"" and all(head.fields.get(name) == got.fields.get(name) for name in ("Content-Encoding", "Content-Length", "Content-Type", "Vary")), head.fields.items())
    head = Reply("/small?head", "gzip", method="HEAD")
    ranged = Reply("/html", "gzip", "HEAD", Range="bytes=0-9")
    bobtail.expect("HEAD knows no Range", ranged.status == 200 and ranged.Content_Encoding == "gzip", ranged.fields.items())
    bobtail.expect("HEAD of what is small", not head.Content_Encoding and head.Content_Length == "12", head.fields.items())
    head = Reply("/html?head", "gzip", method="HEAD")
    bobtail.expect("HEAD of what is not there", head.Content_Encoding == "gzip" and not head.Content_Length and head.ETag == '"h1-gzip"', head.fields.items())


def unpacked():
    packed_reply = Reply("/packed", "gzip")
    bobtail.expect("as the origin packed it", packed_reply.body == THINGS["/packed"][2] and packed_reply.ETag == '"p1"' and varies(packed_reply), packed_reply.fields.items())
    for turn in ("first", "second"):
        reply = Reply("/packed")
        bobtail.expect(f"unpacked, {turn}", reply.body == PLAIN and not reply.Content_Encoding and reply.ETag == '"p1-identity"' and varies(reply), reply.fields.items())
    bobtail.expect("for all from one", [asked[1] for asked in ASKED].count("/packed") == 1, ASKED)
    reply = Reply("/bad")
    bobtail.expect("what is broken is cut", reply.is_cut, (len(reply.body), reply.fields.items()))
    reply = Reply("/bomb")
    bobtail.expect("a bomb is cut", reply.is_cut and len(reply.body) < 32 << 20, len(reply.body))
    bobtail.expect("but passes as it is", Reply("/bomb", "gzip").body == THINGS["/bomb"][2])


def renewed():
    Reply("/renewed", "gzip")
    for _ in range(3):
        reply = Reply("/renewed", "gzip")
        bobtail.expect("renewed by a 304", reply.text() == PLAIN and reply.Content_Encoding == "gzip" and reply.ETag == '"r1-gzip"', reply.fields.items())
    bobtail.expect("its packed form goes on", reply.Content_Length == str(len(reply.body)), reply.fields.items())
    reply = Reply("/renewed", "gzip", If_None_Match='"r1-gzip"')
    bobtail.expect("and is confirmed", reply.status == 304 and reply.ETag == '"r1-gzip"', reply.fields.items())
    bobtail.expect("by the origin's own tag", {asked[3] for asked in ASKED if asked[1] == "/renewed"} == {None, '"r1"'}, ASKED)


def purged():
    Reply("/purged", "gzip")
    kind, fields, body = THINGS["/purged"]
    THINGS["/purged"] = (kind, fields, body[::-1])
    bobtail.expect("still the old one", Reply("/purged", "gzip").text() == body)
    bobtail.expect("PURGE", Reply("/purged", method="PURGE").status == 200)
    bobtail.expect("removes all codings", Reply("/purged", "gzip").text() == body[::-1])


def large():
    """While 10 MiB are packed, others are served at once."""
    Reply("/small")
    got = []
    thread = threading.Thread(target=lambda: got.append(Reply("/big", "gzip")))
    thread.start()
    slowest, count = 0, 0
    while thread.is_alive():
        begun = time.monotonic()
        Reply("/small")
        slowest, count = max(slowest, time.monotonic() - begun), count + 1
    thread.join()
    bobtail.expect("10 MiB", got[0].text() == THINGS["/big"][2] and got[0].Content_Encoding == "gzip", got[0].fields.items())
    bobtail.expect(f"meanwhile {count} others, the slowest in {slowest * 1000:.0f} ms", count > 5)


def over_http2():
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["curl", "-s", "--http2-prior-knowledge", "-H", "Accept-Encoding: gzip", "-D", "-", "-o", out.name, f"http://127.0.0.1:{PORT}/js"],
            stdout=subprocess.PIPE, timeout=30, check=False,
        )
        body = out.read()
    head = run.stdout.decode("latin-1").lower()
    bobtail.expect("HTTP/2", head.startswith("http/2 200") and "content-encoding: gzip" in head and zlib.decompress(body, 31) == THINGS["/js"][2], head)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the proxy ends what it has had enough of


def counted():
    """What all that was is found in the metrics."""
    samples = dict(re.findall(r"^bobtail_(\w+(?:{[^}]*})?) (\S+)$", Reply("/squid-internal-mgr/metrics").body.decode(), re.M))
    bobtail.expect("replies by coding", float(samples['coded_replies_total{coding="gzip"}']) > 8 and
                   float(samples['coded_replies_total{coding="identity"}']) > 0, samples)
    bobtail.expect("bodies are packed once", 0 < float(samples['recoded_bodies_total{coding="gzip"}']) <
                   float(samples['coded_replies_total{coding="gzip"}']), samples)
    bobtail.expect("bytes before and behind", float(samples["recoder_received_bytes_total"]) > 10_000 and
                   float(samples["recoder_sent_bytes_total"]) > 0, samples)


with Server(("127.0.0.1", ORIGIN), Origin) as server, bobtail.Proxy(CONFIG, PORT) as proxy:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for part in (sizes, validators, left_alone, relayed, heads, unpacked, renewed, purged, large, counted):
        part()
    if shutil.which("curl"):
        over_http2()
    proxy.end()
    bobtail.expect("it ended well", proxy.process.returncode == 0, proxy.output())
    server.shutdown()
bobtail.finish()
