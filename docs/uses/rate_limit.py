#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rate limit: who asks too often is told to wait (429, Retry-After); the others feel nothing."""
import time

import use

RATE, BURST, SECONDS = 20, 10, 2

origin = use.Origin("app", Cache_Control="no-store")
port = use.port()


def client(i):
    """The first asks as fast as it can, the others twice a second. [(when, status, Retry-After) …]"""
    connection = use.connect(port)
    answers, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end:
        reply = use.get(connection, "/api/list", X_Forwarded_For=f"192.0.2.{i + 1}")
        answers.append((time.monotonic(), reply.status, reply.fields.get("Retry-After")))
        time.sleep(0.5 if i else 0.002)
    return answers


def allowance(times):
    """How many requests at these times a bucket of BURST, filled by RATE a second, lets pass."""
    level, last, passed = BURST, times[0], 0
    for now in times:
        level, last = min(BURST, level + (now - last) * RATE), now
        if level >= 1:
            level, passed = level - 1, passed + 1
    return passed


# Clients here all have one address: a balancer's field tells them apart.
with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=app
follow_x_forwarded_for allow localhost
acl api urlpath_regex ^/api/
rate_limit api {RATE}/s {BURST} address
rate_limit_access api allow api
http_access allow all
"""):
    results = use.in_threads(client, 9)
    greedy = results[0]
    served = sum(status == 200 for _, status, _ in greedy)
    refused = [after for _, status, after in greedy if status == 429]
    allowed = allowance([when for when, _, _ in greedy])
    use.figure("the greedy one asked, got, may have", f"{len(greedy)}, {served}, {allowed}")
    use.expect("it is held to its limit, within 5 %", abs(served - allowed) <= 0.05 * allowed + 1)
    use.expect("it is told to wait, and how long", refused and all(refused), greedy[:40])
    use.expect("there is no third answer", served + len(refused) == len(greedy))
    others = [status for answers in results[1:] for _, status, _ in answers]
    use.figure("eight others got", f"{others.count(200)} of {len(others)}")
    use.expect("the others feel nothing", set(others) == {200})
    use.expect("pages outside of the limit stay open",
               all(use.get(port, "/page").status == 200 for _ in range(60)))
use.finish()
