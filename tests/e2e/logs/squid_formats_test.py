#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Access logs as Squid itself writes them: the same requests to Squid and to the proxy, and then their
logs side by side, line by line, in all built-in formats and in one that has every code.

Skipped where there is no Squid (SQUID, or /usr/sbin/squid). What no two runs share (times, ports, sizes
of heads) is compared by its shape alone."""
import os
import re
import shlex
import shutil
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
import bobtail  # noqa: E402

SQUID = os.environ.get("SQUID", "/usr/sbin/squid -N -f")
BUILT_IN = ("squid", "common", "combined", "referrer", "useragent")

# Everything that an accelerator may ask for; what stands in the second set only has a shape.
CODES = """>a >A >la >lp la lp <a <A <p rm ru rp rv >rm >ru >rs >rd >rP >rp >rv <rm <ru <rs <rd <rP <rp <rv
un ul ue credentials >Hs <Hs Ss Sh err_code err_detail mt st >st >sh <bs <sH <sS sn et ea note{key}
>h{User-Agent} >h{Cookie:;b} >h{X-Odd} >ha{Host} <h{Content-Type} <h{X-Odd} 03>Hs
6>Hs -6>Hs| 20rm| -20rm| .2rm "{X-Odd}>h [{X-Odd}>h #{X-Odd}>h /{X-Odd}>h '{X-Odd}>h #un "ru #ru /ru '>ru [>ru "rp
"{X-None}>h {X-None}>h 8{X-None}>h -8{X-None}>h|""".split()
SHAPED = """ts tu 03tu 6tu tl tg tl{%Y} tg{%H} tS .6tS tr 6tr 06tr -6tr| dt <pt <tt >p <lp <la <st <sh
master_xaction""".split()
# Squid's heads have other sizes than ours, and its pages too.
SIZES = {"st", "<st", "<sh"}
PAGE_SIZES = {"<sH", "<sS"}

# Where we leave Squid on purpose: (the beginning of a request's line, a code or None for the whole line), why.
DIFFERENCES = {
    ("", ">A"): "names are not asked for",
    ("", "<rv"): "Squid 5.7 writes what the code before it left there",
    ("", ">ha{Host}"): "Squid makes a Host of its own from the URL",
    ("GET /fresh 304", "<h{Content-Type}"): "a 304 says no Content-Type",
    ("GET /fresh 304", "<sS"): "the size is that of what is stored",
    ("GET /cut", "<Hs"): "a head that has no end has no status",
    ("GET /x HTTP/2.5", None): "refused as what it is, with one line",
    ("GET x ", None): "what was refused is told",
    ("CONNECT ", None): "what was refused is told",
    ("NOT HTTP", None): "what is no request line has no method",
    ("nothing", ">la"): "not asked of the system",
    ("nothing", ">lp"): "not asked of the system",
    ("nothing", "master_xaction"): "each has one",
}

ALL = CODES + SHAPED
# Numbered, not named: a quote or bracket in a label would change how the next value is written.
FORMAT = " ~ ".join(f"{number}=%{code}" for number, code in enumerate(ALL))

FORM = "POST /post HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


def get(path, fields="", method="GET", host="a.example"):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"


REQUESTS = [
    get("/fresh?a=1&b=%20z", "Referer: http://r.example/x?y\r\nUser-Agent: UA/1 (x; y)\r\nCookie: a=1; b=2; c=3\r\n"),
    get("/fresh?a=1&b=%20z", "X-Odd: a b\\d%[e]\tz,'q'\r\n"),
    get("/fresh?a=1&b=%20z", method="HEAD"),
    get("/fresh?a=1&b=%20z", 'If-None-Match: "v"\r\n'),
    get("/fresh?a=1&b=%20z", "Range: bytes=0-2\r\n"),
    get("/fresh?a=1&b=%20z", "Cache-Control: no-cache\r\n"),
    get("/private", host="A.Example:8080"),
    get("/missing"),
    get("/moved"),
    get("/nothing"),
    get("/closes"),
    get("/cut"),
    get("/silent"),
    get("/denied/x?y=1"),
    get("/elsewhere?y=1"),
    get("/reset"),
    get("/only", "Cache-Control: only-if-cached\r\n"),
    get("/odd(path)~!*'@:;,=+$/"),
    get("/brackets[1]?x"),
    get("/notype"),
    get("/slow"),
    get("/chunked"),
    get("/stale"),
    get("/stale"),
    get("/fresh?a=1&b=%20z", method="PURGE"),
    get("/x", method="OPTIONS"),
    get("/x", method="FOO"),
    FORM,
    get("/auth", "Authorization: Basic dTpw\r\n"),
    "GET http://b.example/fresh HTTP/1.1\r\nHost: c.example\r\nConnection: close\r\n\r\n",
    "GET /old HTTP/1.0\r\nHost: a.example\r\n\r\n",
    "GET /x HTTP/2.5\r\nHost: a.example\r\n\r\n",
    "GET x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    "NOT HTTP AT ALL\r\n\r\n",
    "",
]

PAGES = {
    "/fresh": ("200 OK", 'Content-Type: text/plain; charset=utf-8\r\nETag: "v"\r\nCache-Control: max-age=600', "hello"),
    "/missing": ("404 Not Found", "Content-Type: text/html\r\nCache-Control: no-store", "none"),
    "/moved": ("302 Found", "Location: /fresh", ""),
    "/nothing": ("204 No Content", "Cache-Control: no-store", None),
    "/notype": ("200 OK", "Cache-Control: no-store", "x"),
    "/stale": ("200 OK", 'Content-Type: text/css\r\nETag: "s"\r\nCache-Control: max-age=0', "stale"),
}
PRIVATE = ("200 OK", "Content-Type: text/html\r\nCache-Control: no-store\r\nX-Odd: a\"b", "private")


class Origin:
    """Answers by path, a request a connection; `with` ends it."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                got = client.recv(65536)
                if not got:
                    return
                head += got
            self.answer(client, head.decode("latin-1"))

    def answer(self, client, head):
        method, path = head.split(" ")[:2]
        path = path.partition("?")[0]
        if path == "/closes":
            return
        if path == "/cut":
            client.sendall(b"HTTP/1.1 200 OK\r\nDat")
            return
        if path == "/silent":
            client.recv(1)
            return
        if path == "/slow":
            time.sleep(0.05)
        if path == "/stale" and "if-none-match" in head.lower():
            status, fields, body = "304 Not Modified", 'ETag: "s"\r\nCache-Control: max-age=0', None
        else:
            status, fields, body = PAGES.get(path, PRIVATE)
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        lines = f"HTTP/1.1 {status}\r\nDate: {date}\r\nConnection: close\r\n{fields}\r\n"
        if path == "/chunked":
            text = f"{lines}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        elif body is None:
            text = lines + "\r\n"
        else:
            text = f"{lines}Content-Length: {len(body)}\r\n\r\n{'' if method == 'HEAD' else body}"
        client.sendall(text.encode("latin-1"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def config_of(port, origin_port, folder):
    formats = "\n".join(f"access_log stdio:{folder}/{name} {name}" for name in BUILT_IN)
    return f"""visible_hostname proxy.test
pid_filename {folder}/pid
cache_log {folder}/cache.log
coredump_dir {folder}
shutdown_lifetime 1 second
cache_mem 8 MB
workers 1
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin_port} 0 no-query no-digest originserver name=site login=PASS
read_timeout 1 second
logformat everything {FORMAT}
acl PURGE method PURGE
acl denied urlpath_regex ^/denied
acl elsewhere urlpath_regex ^/elsewhere
acl reset urlpath_regex ^/reset
deny_info http://login.example/?from=%u elsewhere
deny_info TCP_RESET reset
http_access deny denied
http_access deny elsewhere
http_access deny reset
http_access allow all
{formats}
access_log stdio:{folder}/everything everything
"""


def send(port, request):
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(request.encode("latin-1"))
        try:
            while client.recv(65536):
                if not request:
                    break
        except OSError:
            pass


def read_log(path):
    try:
        with open(path, encoding="latin-1") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def wait_for(folder, nlines):
    """Squid may log a connection's end in a line of its own."""
    deadline = time.monotonic() + 10
    while len(read_log(f"{folder}/everything")) < nlines and time.monotonic() < deadline:
        time.sleep(0.02)


def logs_of(command, port, origin_port):
    """What the proxy logs about REQUESTS: {name of format: [lines of the first request, ...]}."""
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-formats.")
    os.chmod(folder, 0o777)
    logs = {name: [] for name in (*BUILT_IN, "everything")}
    with bobtail.Proxy(config_of(port, origin_port, folder), port, command):
        wait_for(folder, 1)
        time.sleep(1 if command else 0)  # Squid looks whether its peer is there
        for request in REQUESTS:
            before = {name: len(read_log(f"{folder}/{name}")) for name in logs}
            if request:
                send(port, request)
            else:
                socket.create_connection(("127.0.0.1", port), 10).close()
            wait_for(folder, before["everything"] + 1)
            time.sleep(0.03)  # a second line would be there by now
            for name, lines in logs.items():
                lines.append(read_log(f"{folder}/{name}")[before[name] :])
    shutil.rmtree(folder)
    return logs


def shape(text):
    numbers = re.sub(r"\d+", "N", text.strip())
    return re.sub(r"[A-Z][a-z]{2}(?=/)", "Mon", re.sub(r" +", " ", numbers))


def fields_of(line):
    """{code: value} of a line in the format that has all; what no two runs share as its shape."""
    fields = {}
    for part in line.split(" ~ "):
        number, value = part.split("=", 1)
        code = ALL[int(number)]
        is_shaped = code in SHAPED or code in SIZES or (code in PAGE_SIZES and len(value) > 2)
        fields[code] = shape(value) if is_shaped else value
    fields.pop("sn")  # Squid has written more lines by then
    return fields


def shape_built_in(name, line):
    line = re.sub(r"^\d{10}\.\d{3}", "TIME", line)
    line = re.sub(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", "[TIME]", line)
    if name == "squid":
        line = re.sub(r"^TIME +\d+ (\S+) (\S+) [1-9]\d*", r"TIME MS \1 \2 SIZE", line)
    return re.sub(r"(HTTP/\d\.\d\" \d+) [1-9]\d*", r"\1 SIZE", line)


class Comparison:
    """Counts what differs and is not meant to."""

    def __init__(self):
        self.nwrong = 0
        self.used = set()

    def is_meant(self, request, code):
        title = request.replace(" HTTP/1.1", " 304", 1) if "If-None-Match" in request else request
        title = re.sub(r"\?\S*", "", title, count=1) if request.startswith("GET /fresh") else title
        for start, what in DIFFERENCES:
            is_whole = what is None and (request or "nothing").startswith(start)
            if is_whole or (what == code and (title or "nothing").startswith(start)):
                self.used.add((start, what))
                return True
        return False

    def compare(self, what, request, code, squid, ours):
        if squid == ours or self.is_meant(request, code):
            return
        self.nwrong += 1
        print(f"{what}, {request.splitlines()[:1]}: Squid writes {squid!r}, we {ours!r}")

    def compare_lines(self, name, request, squid, ours):
        if name != "everything":
            left, right = ([shape_built_in(name, line) for line in lines] for lines in (squid, ours))
            self.compare(name, request, None, left, right)
        elif not self.is_meant(request, None):
            self.compare(name, request, None, len(squid), len(ours))
            for left, right in zip(map(fields_of, squid), map(fields_of, ours)):
                for code, value in left.items():
                    self.compare(f"%{code}", request, code, value, right[code])

    def finish(self):
        for unused in set(DIFFERENCES) - self.used:
            self.nwrong += 1
            print(f"a difference that is gone: {unused}")
        return self.nwrong > 0


def main():
    bobtail.skip_without_program()
    if not shutil.which(shlex.split(SQUID)[0]):
        print("skipped: there is no Squid to compare with")
        sys.exit(bobtail.SKIP)
    port, origin_port = bobtail.free_ports(2)
    with Origin(origin_port):
        theirs = logs_of(SQUID, port, origin_port)
        ours = logs_of(None, port, origin_port)
    comparison = Comparison()
    for name, lines in theirs.items():
        for request, squid, mine in zip(REQUESTS, lines, ours[name]):
            comparison.compare_lines(name, request, squid, mine)
    return comparison.finish()


if __name__ == "__main__":
    sys.exit(main())
