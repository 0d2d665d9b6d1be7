#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Load balancing: shares by weight; when one server dies the others take its share, and no request fails."""
import use

servers = [use.Origin(name, Cache_Control="no-store") for name in ("a", "b", "c")]
weights = {"a": 2, "b": 1, "c": 1}
peers = "\n".join(f"cache_peer 127.0.0.1 parent {server.port} 0 no-query originserver round-robin "
                  f"name={server.name} weight={weights[server.name]}" for server in servers)
port = use.port()


def shares(n):
    """Of n requests, in per cent by server; what failed counts for none."""
    counts = dict.fromkeys(weights, 0)

    def client(_):
        connection = use.connect(port)
        for _ in range(n // 4):
            reply = use.get(connection, "/")
            if reply.status == 200:
                counts[reply.body.split()[0]] += 1

    use.in_threads(client, 4)
    use.figure(f"of {n} requests were answered", sum(counts.values()))
    return {name: 100 * count / n for name, count in counts.items()}


def near(measured, wanted):
    return all(abs(measured[name] - share) <= 2 for name, share in wanted.items())


with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
{peers}
http_access allow all
"""):
    measured = shares(800)
    use.figure("shares of a, b, c in per cent", measured)
    use.expect("shares are the weights', within 2 %", near(measured, {"a": 50, "b": 25, "c": 25}))
    servers[0].stop()
    measured = shares(800)
    use.figure("shares with a dead", measured)
    use.expect("the others have its share, and nothing failed", near(measured, {"a": 0, "b": 50, "c": 50}))
use.finish()
