#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""access_log ... json: each line is JSON, whatever a request held; bobtailctl log shows it."""
import json
import os
import random
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
import bobtail
from bobtail import Proxy, expect, finish, free_ports, skip_without_program

skip_without_program()
CTL = os.environ.get("BOBTAILCTL", "./bobtailctl")
(PORT,) = free_ports(1)


def send(request):
    with socket.create_connection(("127.0.0.1", PORT), 10) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        try:
            while client.recv(65536):
                pass
        except ConnectionResetError:
            pass


folder = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()
os.chmod(folder, 0o777)
LOG = f"{folder}/access.json"
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=site.example
http_access deny all
cache_log /dev/null
access_log stdio:{LOG} json
pid_filename {folder}/pid
"""


def lines():
    if not os.path.exists(LOG):
        return []
    with open(LOG, "rb") as file:
        return file.read().split(b"\n")[:-1]  # the last one is still being written, or empty


def show(*options, **more):
    return subprocess.run([CTL, *options], capture_output=True, timeout=30, **more)


with Proxy(CONFIG, PORT) as proxy:
    source = random.Random(7)
    everything = bytes(c for c in range(1, 256) if c not in b"\r\n")
    text = bytes(c for c in everything if c == 9 or 32 <= c != 127)  # what a field may hold
    count = len(lines())
    for i in range(60):
        value = bytes(source.choice(everything) for _ in range(40))
        send(b"GET /" + (value if i % 3 == 0 else b"x%1b%ff\"") + b" HTTP/1.1\r\nHost: "
             + (value if i % 3 == 1 else b"site.example") + b"\r\nUser-Agent: " + (text if i % 2 else everything)
             + b"\r\nReferer: \"\\ \xc3\xa9 \xff " + (text if i % 2 else value) + b"\r\nConnection: close\r\n\r\n")
    send(b"GET /long HTTP/1.1\r\nHost: site.example\r\nUser-Agent: " + b"\xff\t" * 9000
         + b"\r\nConnection: close\r\n\r\n")
    send(b"\x16\x03\x01\x00\x00nothing\r\n\r\n")
    expect("each has a line", bobtail.wait_for(lambda: len(lines()) >= 62), len(lines()))
    parsed, wrong = [], []
    for line in lines():
        try:
            parsed.append(json.loads(line))
        except ValueError as error:
            wrong.append((error, line))
    expect("each is JSON", not wrong, wrong)
    expect("in printable ASCII", all(32 <= c < 127 for line in lines() for c in line))
    last = [record for record in parsed if record["url"].endswith("/long")][0]
    expect("its fields", last["method"] == "GET" and last["status"] == 403
           and last["result"] == "TCP_DENIED" and last["user"] is None
           and last["error"] == "ERR_ACCESS_DENIED" and last["bytes_out"] > 0
           and abs(last["timestamp"] - time.time()) < 100, last)

    shown = show("-f", proxy.config, "log")
    expect("log shows the configured one", shown.returncode == 0 and
           shown.stdout.count(b"\n") == len(parsed) and b"403 TCP_DENIED" in shown.stdout, shown)
    expect("printable", all(c == 10 or 32 <= c < 127 for c in shown.stdout))
    shown = show("log", LOG, "-n", "2")
    expect("-n", shown.stdout.count(b"\n") == 2, shown.stdout)
    native = b"1795296655.293 1 127.0.0.1 TCP_MISS/200 341 GET http://w/\x1b[31m - HIER_NONE/- -\nodd \x07\n"
    shown = show("log", "-", input=native)
    expect("Squid's own", b"200 TCP_MISS" in shown.stdout and b"http://w/\\x1b[31m" in shown.stdout
           and b"odd \\x07" in shown.stdout, shown.stdout)

    shown = show("log", folder)
    expect("a directory is none", shown.returncode == 1 and not shown.stdout, shown)
    shown = show("log", "-", input=b"\0" * (5 << 19))
    expect("a line without an end is shown in pieces", shown.stdout.count(b"\n") == 3
           and shown.stdout.startswith(b"\\x00\\x00"), (len(shown.stdout), shown.stderr))

    follower = subprocess.Popen([CTL, "log", "-F", LOG], stdout=subprocess.PIPE)
    os.set_blocking(follower.stdout.fileno(), False)
    seen = b""

    def has(text):
        global seen
        seen += follower.stdout.read() or b""
        return text in seen

    bobtail.expect_soon("-F shows the last ones", lambda: has(b"\n") and seen.count(b"\n") >= 10)
    send(b"GET /followed HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
    expect("-F goes on", bobtail.wait_for(lambda: has(b"/followed")), seen)
    os.rename(LOG, LOG + ".1")
    show("-f", proxy.config, "rotate")
    send(b"GET /rotated HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
    expect("and after a rotation", bobtail.wait_for(lambda: has(b"/rotated")), seen)
    follower.terminate()
    follower.wait(10)

own = CONFIG.replace("http_access", "logformat json mine %rm\nhttp_access").replace(LOG, LOG + ".own")
with Proxy(own, PORT) as proxy:
    send(b"GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
    bobtail.expect_soon("a logformat of that name wins", lambda: os.path.exists(LOG + ".own")
                        and b"mine GET\n" in open(LOG + ".own", "rb").read())
subprocess.run(["rm", "-rf", folder], check=True)
finish()
