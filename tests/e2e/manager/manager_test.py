#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The cache manager: who may ask, what it says, and that scripts written for Squid find their names.

names.txt lists what Squid 5.7 shows."""
import base64
import os
import re
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import bobtail
from bobtail import expect
import small_origin

CONFIG = """
http_port 127.0.0.1:{port} accel defaultsite=site.test
http_port 127.0.0.1:{plain}
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver name=o1
visible_hostname mgr.test
pid_filename {folder}/pid
cache_log {folder}/cache.log
access_log none
workers 2
cache_mem 8 MB
"""



gate = threading.Event()


class Handler(small_origin.Handler):
    def do_GET(self):
        if self.path == "/wait":
            gate.wait(30)
            self.path = "/1"
        super().do_GET()



def read_reply(connection):
    """Status, fields and body of one reply; (None, {}, b"") when there is none."""
    file = connection.makefile("rb")
    line = file.readline().split()
    fields = {}
    while (field := file.readline().strip()) != b"":
        name, _, value = field.decode("latin-1").partition(": ")
        fields[name.lower()] = value
    if not line:
        return None, {}, b""
    body = b""
    if fields.get("transfer-encoding") == "chunked":
        while (size := int(file.readline(), 16)) > 0:
            body += file.read(size)
            file.readline()
        file.readline()
    elif "content-length" in fields:
        body = file.read(int(fields["content-length"]))
    elif fields.get("connection") == "close":
        body = file.read()
    return int(line[1]), fields, body


def ask(port, target, method="GET", version="1.1", **fields):
    """Fields are given as X_Name="value"."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    head = "\r\n".join([f"{method} {target} HTTP/{version}", "Host: whoever.test", *lines, "", ""])
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(head.encode("latin-1"))
        if method != "HEAD":
            return read_reply(connection)
        connection.shutdown(socket.SHUT_WR)
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        return int(head.split()[1]), {}, body


def mgr(port, action, **more):
    return ask(port, "/squid-internal-mgr/" + action, **more)


def basic(password):
    return "Basic " + base64.b64encode(f"any:{password}".encode()).decode()


def start(ports, folder, rules):
    config = CONFIG.format(port=ports[0], plain=ports[1], origin=ports[2], folder=folder)
    return bobtail.Proxy(config + rules, ports[0])


def test_who_may_ask(ports, folder):
    with start(ports, folder, "http_access deny manager\nhttp_access allow all\n"):
        status, fields, _ = mgr(ports[0], "info")
        expect("a denied one is told so", status == 403, status)
        expect("as by any rule", fields["x-squid-error"] == "ERR_ACCESS_DENIED 0", fields)
        expect("an old URL is no way around", ask(ports[0], "cache_object://h/info")[0] == 403)
        expect("the site itself is served", ask(ports[0], "/3")[2] == b"xxx")
    with start(ports, folder, ""):
        expect("without a rule nobody may", mgr(ports[0], "menu")[0] == 403)
    with start(ports, folder, "http_access allow all\n"):
        expect("allow all lets this machine in", mgr(ports[0], "menu")[0] == 200)
        for name in ("Via", "Forwarded", "X_Forwarded_For"):
            status = mgr(ports[0], "menu", **{name: "1.1 192.0.2.1"})[0]
            expect(f"but nobody behind a proxy ({name})", status == 403, status)


PASSWORDS = """
cachemgr_passwd secret shutdown info
cachemgr_passwd disable storedir
cachemgr_passwd none rotate
http_access allow manager
http_access allow all
"""


def test_passwords(port, plain, folder):
    _, _, menu = mgr(port, "menu")
    for line in (
        b" info                  \tGeneral Runtime Information     \tprotected",
        b" storedir              \tStore Directory Stats           \tdisabled",
        b" reconfigure           \tReconfigure Squid               \thidden",
        b" rotate                \tRotate Squid Logs               \tpublic",
        b" counters              \tTraffic and Resource Counters   \tpublic",
    ):
        expect(f"the menu has {line!r}", line in menu.split(b"\n"), menu)
    status, fields, _ = mgr(port, "info")
    expect("a password is asked for", status == 401, status)
    expect("for the action", fields.get("www-authenticate") == 'Basic realm="info"', fields)
    expect("under its name", fields["x-squid-error"] == "ERR_CACHE_MGR_ACCESS_DENIED 0", fields)
    for wrong in ("wrong", "secre", "secrets", "disable", "none", ""):
        status = mgr(port, "info", Authorization=basic(wrong))[0]
        expect(f"{wrong!r} is not the password", status == 401, status)
    expect("the password opens", mgr(port, "info", Authorization=basic("secret"))[0] == 200)
    expect("in an old URL too", ask(port, "cache_object://h/info@secret", version="1.0")[0] == 200)
    expect("not another one", ask(port, "cache_object://h/info@wrong", version="1.0")[0] == 401)
    for action in ("storedir", "reconfigure"):
        for password in ("secret", "disable", "none"):
            status, fields, _ = mgr(port, action, Authorization=basic(password))
            expect(f"{action} is not to be had", status == 404, status)
            expect("and says so", fields["x-squid-error"] == "ERR_INVALID_URL 0", fields)
    expect("rotate needs no password here", mgr(port, "rotate")[0] == 200)
    expect("HEAD shuts nothing down",
           mgr(port, "shutdown", method="HEAD", Authorization=basic("secret"))[0] == 200)
    time.sleep(0.2)
    expect("it still serves", mgr(plain, "menu")[0] == 200)


HOSTILE = (
    "nosuch", "INFO", "info/", "info%00", "%69nfo", "../info", "info@secret", "info;x", "menu//", "." * 3000,
    "%n%n%s", "a" * 7000, "menu%0d%0aX:%20y", "-1", "all", "none",
)


def test_hostile_names(port):
    for name in HOSTILE:
        status, fields, _ = mgr(port, name)
        expect(f"{name[:20]!r} is unknown or malformed", status in (400, 404), (status, fields))
    for target in ("/squid-internal-mgr", "/squid-internal-static/icons/x.png", "/squid-internal-x"):
        expect(f"{target} is nothing", ask(port, target)[0] == 404)
    status = ask(port, "/3?/squid-internal-mgr/info")[0]
    expect("a query is no path", status == 200, status)
    for target in ("cache_object:", "cache_object://", "cache_object:///info", "cache_object://a b/info",
                   "cache_object://h:x/info", "cache_object://h/%zz"):
        expect(f"{target} is malformed", ask(port, target, version="1.0")[0] == 400)


def test_forms(port, plain):
    status, fields, body = mgr(port, "counters")
    expect("text", fields["content-type"] == "text/plain;charset=utf-8", fields)
    expect("that may not be kept", fields["expires"] == fields["date"], fields)
    expect("HEAD has no body", mgr(port, "counters", method="HEAD")[2] == b"")
    status, fields, body = mgr(port, "counters", version="1.0")
    expect("HTTP/1.0 ends with the connection", fields["connection"] == "close" and body, fields)
    expect("parameters are let be", mgr(port, "counters?x=1&y")[0] == 200)
    expect("no name is the menu", mgr(port, "")[2] == mgr(port, "menu")[2])
    expect("a plain port serves it", mgr(plain, "menu")[0] == 200)
    expect("and nothing else", ask(plain, "http://site.test/3")[0] == 403)
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        request = b"GET /squid-internal-mgr/counters HTTP/1.1\r\nHost: a\r\n\r\n"
        for _ in range(3):
            connection.sendall(request)
            status, _, body = read_reply(connection)
            expect("again on one connection", status == 200 and b"aborted_requests = " in body, body)


def test_all_pages(port, folder):
    lines = mgr(port, "menu")[2].decode().splitlines()
    for line in lines:
        name, _, protection = (part.strip() for part in line.split("\t"))
        if protection != "public" or name == "rotate":
            continue
        status, _, body = mgr(port, name)
        expect(f"{name} is answered", status == 200, (status, body))
        told = subprocess.run(["./bobtailctl", "-f", folder + "/squid.conf", "mgr", name],
                              capture_output=True, check=False)
        expect(f"bobtailctl shows {name}", told.returncode == 0, told)
    expect("there are pages", len(lines) > 12, lines)


def test_names(port):
    pages = {}
    with open(os.path.join(HERE, "names.txt"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("|") for line in file if line[0] not in "#\n"]
    for page, begin, pattern in rows:
        begin, pattern = begin.replace("\\t", "\t"), pattern.replace("\\t", "\t")
        if page not in pages:
            pages[page] = mgr(port, page, Authorization=basic("secret"))[2].decode().splitlines()
        rests = [line[len(begin):] for line in pages[page] if line.startswith(begin)]
        if not begin:
            rests = [rest for rest in rests if re.fullmatch(pattern, rest)]
        expect(f"{page} has {begin!r} {pattern}", len(rests) == 1, pages[page])
        for rest in rests:
            expect(f"{page} {begin!r}: {pattern}", re.fullmatch(pattern, rest), rest)
    expect("there are names", len(rows) > 150, len(rows))


def value(port, name):
    found = re.search(rf"(?m)^{re.escape(name)} = (\d+)$", mgr(port, "counters")[2].decode())
    return int(found.group(1))


def test_values(port):
    before = {name: value(port, name) for name in
              ("client_http.requests", "client_http.hits", "server.http.requests",
               "client_http.hit_kbytes_out", "server.http.kbytes_in", "client_http.errors")}
    for _ in range(4):
        ask(port, "/20480")
    ask(port, "/squid-internal-mgr/nosuch")
    after = {name: value(port, name) for name in before}
    change = {name: after[name] - before[name] for name in before}
    expect("requests are counted", change["client_http.requests"] >= 5, change)
    expect("hits", change["client_http.hits"] == 3, change)
    expect("fetches", change["server.http.requests"] == 1, change)
    expect("errors", change["client_http.errors"] == 1, change)
    expect("in KB", 60 <= change["client_http.hit_kbytes_out"] <= 64, change)
    expect("from servers as well", 20 <= change["server.http.kbytes_in"] <= 22, change)
    rates = mgr(port, "5min")[2].decode()
    hits = float(re.search(r"client_http.hits = ([0-9.]+)/sec", rates).group(1))
    expect("per second", 0 < hits < 10, rates)


def test_clients(port):
    body = mgr(port, "client_list")[2].decode()
    expect("there is one client", body.count("Address: ") == 1 and "Address: 127.0.0.1\n" in body, body)
    for pattern in (r"Currently established connections: \d+", r"    HTTP Requests \d\d+",
                    r"        TCP_MEM_HIT                3 +\d+%", r"HTTP: \d+ Requests, 3 Hits \( +\d+%\)"):
        expect(f"client_list: {pattern}", re.search("(?m)^" + pattern + "$", body), body)
    info = mgr(port, "info", Authorization=basic("secret"))[2].decode()
    expect("info counts it once", "\tNumber of clients accessing cache:\t1\n" in info, info)


def test_under_way(port):
    """A request that waits for the origin is shown, from whichever worker."""
    gate.clear()
    with socket.create_connection(("127.0.0.1", port), 20) as waiting:
        waiting.sendall(b"GET /wait HTTP/1.1\r\nHost: whoever.test\r\n\r\n")
        until = time.monotonic() + 20
        body = ""
        while "uri http://whoever.test/wait\n" not in body and time.monotonic() < until:
            body = mgr(port, "active_requests")[2].decode()
            time.sleep(0.05)
        expect("a request under way is shown", "uri http://whoever.test/wait\n" in body, body)
        expect("with its client", "\tremote: 127.0.0.1:%d\n" % waiting.getsockname()[1] in body, body)
        expect("the question is one too", "/squid-internal-mgr/active_requests\n" in body, body)
        gate.set()
        expect("it is answered", read_reply(waiting)[0] == 200)


def test_lists(port, path):
    body = mgr(port, "objects")[2].decode()
    expect("objects are listed", "\tGET http://whoever.test/20480\n" in body, body)
    body = mgr(port, "filedescriptors")[2].decode()
    expect("descriptors have rows", re.search(r"(?m)^ +\d+ Socket    0       0        0  127.0.0.1:", body), body)
    body = mgr(port, "server_list")[2].decode()
    expect("the peer is there", "\nParent     : o1\nHost       : 127.0.0.1/" in body, body)
    expect("config has no password", mgr(port, "config")[0] == 404)
    told = subprocess.run(["./bobtailctl", "-f", path, "mgr", "config"], capture_output=True, check=False)
    body = told.stdout.decode()
    expect("passwords are not told", "cachemgr_passwd ******** shutdown info\t# " in body, body)
    told = subprocess.run(["./bobtailctl", "-f", path, "config"], capture_output=True, check=False)
    body = told.stdout.decode()
    expect("a line and its place", re.search(rf"(?m)^visible_hostname mgr.test\t# {re.escape(path)}:5$", body), body)
    expect("a default", "\nvia on\t# default\n" in body, body)
    expect("of lines that replace each other the last", body.count("\nshutdown_lifetime ") == 1, body)
    expect("of others all", body.count("\ncachemgr_passwd ") == 3, body)


def test_shutdown(port, proxy):
    status, _, body = mgr(port, "shutdown", Authorization=basic("secret"))
    expect("shutdown is answered", status == 200 and b"Shutting down" in body, body)
    proxy.process.wait(40)
    expect("and ends it", proxy.process.returncode == 0, proxy.process.returncode)


def main():
    bobtail.skip_without_program()
    ports = bobtail.free_ports(3)
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-manager.")
    os.chmod(folder, 0o777)
    try:
        with small_origin.Origin(ports[2]) as origin:
            origin.server.RequestHandlerClass = Handler
            test_who_may_ask(ports, folder)
            with start(ports, folder, PASSWORDS + "shutdown_lifetime 9 seconds\nshutdown_lifetime 1 second\n") as proxy:
                test_passwords(ports[0], ports[1], folder)
                test_hostile_names(ports[0])
                test_forms(ports[0], ports[1])
                test_all_pages(ports[0], os.path.dirname(proxy.config))
                test_names(ports[0])
                test_values(ports[0])
                test_clients(ports[0])
                test_under_way(ports[0])
                test_lists(ports[0], proxy.config)
                test_shutdown(ports[0], proxy)
    finally:
        bobtail.shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


main()
