#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What http_access costs a 1 KiB hit: one rule, beside 50 rules over 200 ACLs. Run in the build folder.

Of the 200 there are 40 src, 50 dstdomain, 50 path prefixes, 20 port, 30 method and 10 regexes. Each rule
names four of them, another kind first in turn; none matches as a whole, so all 50 are looked at, and all
ten regexes tried. Both proxies run at once, and rounds alternate between them; CPU time is utime + stime
over the requests answered."""
import os
import statistics
import sys

import requests

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

ROUNDS = 15
SITE = """
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
{rules}
http_access allow all
workers 1
access_log none
cache_log /dev/null
pid_filename none
"""


def last_kind(i):
    """The fourth ACL of rule i, and whether it comes first: a regex, a method (which matches) or a port."""
    if i % 5 == 0:
        return rf"url_regex -i \.(php|asp|cgi){i}(\?|$)", True
    if i % 5 in (1, 2):
        return "method GET HEAD", i % 10 < 5
    return f"port {8000 + i}", i % 10 < 5


def fifty_rules():
    lines = []
    for i in range(50):
        fourth, is_first = last_kind(i)
        kinds = [
            f"src 10.{i}.0.0/16 172.16.{i}.0/24" if i < 40 else "method POST PUT",
            f"dstdomain .site{i}.example .shop{i}.example",
            f"urlpath_regex ^/prefix{i}/",
        ]
        kinds = kinds[i % 3 :] + kinds[: i % 3]
        kinds.insert(0 if is_first else 3, fourth)
        lines += [f"acl a{i}x{j} {kind}" for j, kind in enumerate(kinds)]
        lines.append("http_access deny " + " ".join(f"a{i}x{j}" for j in range(4)))
    return "\n".join(lines)


def load(port, path):
    return requests.load_with_wrk(port, path, "-H", "Host: www.shop.example.com")


def measure(proxies):
    """µs of CPU time a request, of each proxy in each round."""
    samples = {name: [] for name in proxies}
    for _ in range(ROUNDS):
        for name, (proxy, port) in proxies.items():
            _, (cpu_us, _, _) = requests.measure_load(proxy.process.pid, port, "/hit", load)
            samples[name].append(cpu_us)
    return samples


def main():
    bobtail.skip_without_program()
    proxy_core, load_core = requests.pick_cores()
    os.sched_setaffinity(0, {load_core})
    origin = requests.Origin()
    first, second = bobtail.free_ports(2)
    os.sched_setaffinity(0, {proxy_core})
    one = SITE.format(port=first, origin=origin.port, rules="")
    fifty = SITE.format(port=second, origin=origin.port, rules=fifty_rules())
    with bobtail.Proxy(one, first) as one, bobtail.Proxy(fifty, second) as fifty:
        os.sched_setaffinity(0, {load_core})
        samples = measure({"one rule": (one, first), "50 rules, 200 ACLs": (fifty, second)})
    for name, taken in samples.items():
        requests.row(f"1 KiB hits, {name}", f"{statistics.median(taken):.2f} µs CPU")
    ratios = [b / a for a, b in zip(*samples.values())]
    print(f"{(statistics.median(ratios) - 1) * 100:+.1f} % (median of {ROUNDS} rounds)")


main()
