#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rolling upgrade: three servers are replaced one after another, under load, and no request fails."""
import threading

import use

servers = {name: use.Origin("version-1", delay_s=0.01, Cache_Control="no-store") for name in ("a", "b", "c")}
peers = "\n".join(f"cache_peer 127.0.0.1 parent {server.port} 0 no-query originserver round-robin name={name}"
                  for name, server in servers.items())
port = use.port()
is_over = threading.Event()
seen, failed = {"version-1": 0, "version-2": 0}, []


def client(_):
    connection = use.connect(port)
    while not is_over.is_set():
        reply = use.get(connection, "/")
        if reply.status == 200:
            seen[reply.body.split()[0]] += 1
        else:
            failed.append(reply.status)


with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
{peers}
http_access allow all
""") as proxy:
    clients = threading.Thread(target=use.in_threads, args=(client, 8))
    clients.start()
    use.until(lambda: seen["version-1"] > 200)
    for name, old in servers.items():
        proxy.ctl("peer", "drain", name)
        # What it has begun it finishes; then nothing more comes.
        use.expect(f"{name} has nothing left to do", use.until(lambda: proxy.active(name) == 0))
        asked = len(old.requests)
        old.stop()
        servers[name] = use.Origin("version-2", old.port, 0.01, Cache_Control="no-store")
        before = seen["version-2"]
        proxy.ctl("peer", "undrain", name)
        use.expect(f"{name} is back", use.until(lambda: seen["version-2"] > before + 50))
        use.figure(f"requests to the old {name}, to the new one",
                   f"{asked}, {len(servers[name].requests)} so far")
    is_over.set()
    clients.join(use.PATIENCE_S)
    use.figure("answers by version", seen)
    use.figure("failed requests", len(failed))
    use.expect("nobody noticed", not failed and not clients.is_alive(), failed[:10])
use.finish()
