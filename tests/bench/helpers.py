#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What users, external ACLs and rewriters cost: CPU time a request (of the proxy, not of the helper) for memory
hits of 1 KiB, by what is asked before: nothing, what is known already, or a helper each time. One proxy for each,
all with one worker, one after the other in each round; figures as requests.py has them, and what lies between
each and the first. Some 30 s; `make bench-helpers` runs it in the build folder. wrk has to be installed."""
import base64
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import requests
from requests import bobtail

ROUNDS = 3
HELPER = os.path.join(os.getcwd(), "tests/bench/answering_helper")
USER = "Authorization: Basic " + base64.b64encode(b"joe:secret").decode()
EACH_TIME = "external_acl_type asked ttl=0 cache=0 children-max=1 children-startup=1 concurrency=1000 %>a %>rp"
ALL = "http_access allow all"
ASKED = "acl asked external asked\nhttp_access allow asked"
KNOWN = f"""
auth_param basic program {HELPER}
auth_param basic children 1 startup=1 concurrency=100
external_acl_type asked children-max=1 children-startup=1 concurrency=100 %SRC %LOGIN %>rp {HELPER}
"""
REWRITE = "\nurl_rewrite_children 1 startup=1 concurrency=1000\n"

# what is asked; connections; lines of squid.conf
WORKLOADS = (
    ("nobody", 64, ALL),
    ("a user and an external ACL, known", 64, KNOWN + ASKED),
    ("an external ACL each time, at once", 64, f"{EACH_TIME} {HELPER}\n{ASKED}"),
    ("an external ACL each time, 50 us", 64, f"{EACH_TIME} {HELPER} 50\n{ASKED}"),
    ("a rewriter each time, 50 us", 64, f"url_rewrite_program {HELPER} 50{REWRITE}{ALL}"),
    ("nobody", 1, ALL),
    ("an external ACL each time, 50 us", 1, f"{EACH_TIME} {HELPER} 50\n{ASKED}"),
)


def load(port, nconnections):
    """Requests that were answered in a while."""
    command = ["wrk", "-t1", f"-c{nconnections}", f"-d{requests.SECONDS}s", "-H", USER,
               f"http://127.0.0.1:{port}/hit"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"requests failed:\n{text}")
    return int(re.search(r"(\d+) requests in", text).group(1))


def start(lines, origin_port):
    (port,) = bobtail.free_ports(1)
    config = f"""
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver
workers 1
access_log none
cache_log /dev/null
pid_filename none
{lines}
"""
    return port, bobtail.Proxy(config, port)


def measure(proxies):
    """Of each workload (CPU us a request, requests a second), the medians."""
    samples = [[] for _ in proxies]
    for _ in range(ROUNDS):
        for (port, proxy), (_, nconnections, _), taken in zip(proxies, WORKLOADS, samples):
            used, began = requests.cpu_seconds(proxy.process.pid), time.monotonic()
            count = load(port, nconnections)
            used = requests.cpu_seconds(proxy.process.pid) - used
            taken.append((used * 1e6 / count, count / (time.monotonic() - began)))
    return [[statistics.median(column) for column in zip(*taken)] for taken in samples]


def main():
    bobtail.skip_without_program()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed")
    proxy_core, load_core = requests.pick_cores()
    os.sched_setaffinity(0, {load_core})
    origin = requests.Origin()
    with contextlib.ExitStack() as stack:
        proxies = []
        for _, _, lines in WORKLOADS:
            os.sched_setaffinity(0, {proxy_core})
            proxies.append(start(lines, origin.port))
            stack.enter_context(proxies[-1][1])
        os.sched_setaffinity(0, {load_core})
        print(f"{'asked is':36}{'connections':>12}{'CPU us':>9}{'more':>8}{'times':>7}{'requests/s':>12}")
        for (what, nconnections, _), (cpu_us, rate) in zip(WORKLOADS, measure(proxies)):
            if what == "nobody":
                least_us = cpu_us
            print(f"{what:36}{nconnections:12}{cpu_us:9.2f}{cpu_us - least_us:8.2f}{cpu_us / least_us:7.2f}"
                  f"{rate:12.0f}")


main()
