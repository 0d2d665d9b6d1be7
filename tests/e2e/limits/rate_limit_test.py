#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rate_limit: who asks without end gets its rate and no more, nobody else notices; counters survive a
reload that leaves their line alone. SECONDS (4) is how long the abuser goes on."""
import os
import signal
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
from small_origin import Origin

bobtail.skip_without_program()
SECONDS = float(os.environ.get("SECONDS", "4"))
RATE, BURST, NOTHERS = 50, 25, 20
port, origin_port = bobtail.free_ports(2)

CONFIG = f"""
http_port 127.0.0.1:{port} accel defaultsite=site.example
cache_peer 127.0.0.1 parent {origin_port} 0 originserver name=origin
http_access allow all
workers 2
cache_mem 16 MB
pid_filename none
access_log none
cache_log /dev/stderr
logfile_rotate 0
acl few urlpath_regex ^/1
rate_limit each {RATE}/s {BURST} address
rate_limit hourly 1/h 3 header=X-Key path
rate_limit_access hourly allow few
acl near urlpath_regex ^/2
rate_limit neighbours 1/h 2 network
rate_limit_access neighbours allow near
acl behind urlpath_regex ^/3
rate_limit forwarded 1/h 2 address
rate_limit_access forwarded allow behind
follow_x_forwarded_for allow localhost
"""


class Client:
    """A connection that stays, from an address of its own."""

    def __init__(self, address):
        self.socket = socket.create_connection(("127.0.0.1", port), 30, (address, 0))
        self.file = self.socket.makefile("rb")

    def get(self, path="/5", fields=""):
        """(status, fields in lower case)"""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: site.example\r\n{fields}\r\n".encode())
        status = int(self.file.readline().split()[1])
        got = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            got[name.lower()] = value.strip()
        self.file.read(int(got["content-length"]))
        return status, got

    def close(self):
        self.file.close()
        self.socket.close()


def abuse(result):
    client = Client("127.0.0.2")
    began = now = time.monotonic()
    statuses = []
    while now - began < SECONDS:
        statuses.append(client.get()[0])
        time.sleep(max(0, began + len(statuses) / 500 - time.monotonic()))
        now = time.monotonic()
    result.update(seconds=now - began, asked=len(statuses), served=statuses.count(200),
                  refused=statuses.count(429))
    client.close()


def behave(number, statuses, times):
    client = Client(f"127.0.1.{number + 1}")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        began = time.monotonic()
        statuses.append(client.get()[0])
        times.append(time.monotonic() - began)
        time.sleep(0.5)
    client.close()


def check_abuser(proxy):
    result, statuses, times = {}, [], []
    threads = [threading.Thread(target=abuse, args=(result,))]
    threads += [threading.Thread(target=behave, args=(i, statuses, times)) for i in range(NOTHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entitled = BURST + RATE * result["seconds"]
    print(f"abuser: {result}, entitled to {entitled:.0f}; others: {len(statuses)}")
    bobtail.expect("the abuser gets at most its rate", result["served"] <= entitled * 1.05 + 1, result)
    if result["asked"] / result["seconds"] > 4 * RATE:  # else the machine was too slow to tell
        bobtail.expect("and not less", result["served"] >= entitled * 0.95 - 1, result)
    bobtail.expect("all else is 429", result["served"] + result["refused"] == result["asked"], result)
    bobtail.expect("the others get all", set(statuses) == {200}, statuses)
    bobtail.expect("and wait for nobody", statistics.median(times) < 0.2, sorted(times))
    nlines = proxy.output().count("rate_limit each")
    bobtail.expect("refusals are told of, not each", 1 <= nlines <= 2 + SECONDS / 10, nlines)


def check_keys():
    client = Client("127.0.0.3")
    first = [client.get("/1", "X-Key: a\r\n")[0] for _ in range(3)]
    status, fields = client.get("/1", "X-Key: a\r\n")
    bobtail.expect("a burst is served, what is behind it is not",
                   first == [200] * 3 and status == 429, (first, status))
    bobtail.expect("Retry-After says when to come back",
                   3500 <= int(fields.get("retry-after", 0)) <= 1201 * 3 + 1, fields)
    bobtail.expect("the page has a name", "TOO_MANY_REQUESTS" in fields.get("x-squid-error", ""), fields)
    bobtail.expect("another key is served", client.get("/1", "X-Key: b\r\n")[0] == 200)
    bobtail.expect("another path too", client.get("/10", "X-Key: a\r\n")[0] == 200)
    bobtail.expect("a query is no path", client.get("/1?q", "X-Key: a\r\n")[0] == 429)
    client.close()


def check_networks():
    clients = [Client(f"127.0.5.{i}") for i in (1, 2, 3)] + [Client("127.0.6.1")]
    statuses = [client.get("/2")[0] for client in clients]
    bobtail.expect("neighbours share what a network has", statuses == [200, 200, 429, 200], statuses)
    for client in clients:
        client.close()


def check_forwarded():
    """Clients of IPv6 behind a proxy: a /64 is one of them."""
    client = Client("127.0.0.1")
    addresses = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:2:8000:1:2:3", "2001:db8:1:3::1",
                 "192.0.2.7", "192.0.2.8")
    statuses = [client.get("/3", f"X-Forwarded-For: {address}\r\n")[0] for address in addresses]
    bobtail.expect("the addresses of a /64 share, its neighbour has its own",
                   statuses == [200, 200, 429, 200, 200, 200], statuses)
    client.close()


def status_after_reload(proxy, wanted):
    """Of a request that was refused before; waits for wanted."""
    proxy.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 15
    status = None
    while time.monotonic() < deadline:
        client = Client("127.0.0.3")
        status = client.get("/1", "X-Key: a\r\n")[0]
        client.close()
        if status == wanted and (wanted == 200 or "econfigur" in proxy.output()):
            return status
        time.sleep(0.2)
    return status


def check_reload(proxy):
    bobtail.expect("a reload keeps what was counted", status_after_reload(proxy, 429) == 429,
                   proxy.output())
    with open(proxy.config, "w", encoding="ascii") as file:
        file.write(CONFIG.replace("1/h 3", "1/h 4"))
    bobtail.expect("a line that changes begins anew", status_after_reload(proxy, 200) == 200,
                   proxy.output())


with Origin(origin_port), bobtail.Proxy(CONFIG, port) as proxy_under_test:
    check_abuser(proxy_under_test)
    check_keys()
    check_networks()
    check_forwarded()
    check_reload(proxy_under_test)
bobtail.finish()
