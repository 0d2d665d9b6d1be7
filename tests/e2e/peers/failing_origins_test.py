#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Three origins under load while one after the other is killed, hung (it accepts and never answers) and
slowed, and comes back: no GET fails, the traffic returns, and before and after each has its share."""
import asyncio
import collections
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail

bobtail.skip_without_program()
RATE = int(os.environ.get("RATE", "150"))  # requests a second
SAMPLE = int(os.environ.get("SAMPLE", "400"))  # requests whose shares are looked at
NCLIENTS = 10
PATIENCE = 30  # seconds until a wait is a failure
WEIGHTS = {"a": 1, "b": 2, "c": 2}
BODY = b"x" * 1024


class Origin:
    """Answers every request with its name, as soon as its mood lets it."""

    def __init__(self, name, port):
        self.name, self.port = name, port
        self.mood = "well"
        self.server = None
        self.open = set()

    async def serve(self, reader, writer):
        self.open.add(writer)
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")):
                while self.mood == "hung":
                    await asyncio.sleep(0.05)
                if self.mood == "slow" and b"/health" not in head:
                    await asyncio.sleep(0.3)
                writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nX-Origin: %s\r\n"
                             b"Content-Length: %d\r\n\r\n" % (self.name.encode(), len(BODY)) + BODY)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)

    async def kill(self):
        self.server.close()
        for writer in list(self.open):
            writer.transport.abort()


class Load:
    """Requests at a steady rate over kept connections; counts who answered, and what failed."""

    def __init__(self, port):
        self.port = port
        self.counts = collections.Counter()
        self.failures = []
        self.slowest = 0.0
        self.over = False

    async def client(self, start):
        reader = writer = None
        turn = start
        number = 0
        while not self.over:
            turn += NCLIENTS / RATE
            await asyncio.sleep(max(0, turn - time.monotonic()))
            turn = max(turn, time.monotonic() - 1)
            began = time.monotonic()
            try:
                if not writer:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                number += 1
                writer.write(b"GET /%d HTTP/1.1\r\nHost: www.example\r\n\r\n" % number)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                await asyncio.wait_for(
                    reader.readexactly(int(fields[b"Content-Length"])), PATIENCE)
                if not head.startswith(b"HTTP/1.1 200"):
                    raise ValueError(head[:200])
                self.counts[fields[b"X-Origin"].decode()] += 1
            except (OSError, ValueError, KeyError, EOFError, asyncio.TimeoutError) as why:
                self.failures.append(repr(why))
                writer = None
            self.slowest = max(self.slowest, time.monotonic() - began)

    async def share_of(self, count):
        """The counts of the next `count` answers."""
        before = self.counts.copy()
        deadline = time.monotonic() + PATIENCE
        while self.counts.total() - before.total() < count and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return self.counts - before

    async def wait(self, what, holds):
        """Until that holds of the last few answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if holds(await self.share_of(25)):
                return
        bobtail.expect(what, False)


def has_shares(counts):
    """Within 2 % of the weights."""
    total, weights = counts.total(), sum(WEIGHTS.values())
    return all(abs(counts[name] / total - weight / weights) <= 0.02
               for name, weight in WEIGHTS.items())


def ctl(proxy, *words):
    return subprocess.run(["./bobtailctl", "-f", proxy.config, *words], check=False,
                          capture_output=True, text=True, timeout=PATIENCE)


async def trouble(load, origin, what, break_it, mend_it):
    await break_it()
    await load.wait(f"no traffic to what is {what}", lambda counts: counts[origin.name] == 0)
    await mend_it()
    await load.wait(f"traffic to what was {what}", lambda counts: counts[origin.name] > 0)
    counts = await load.share_of(SAMPLE)
    bobtail.expect(f"shares are those of the weights after one was {what}", has_shares(counts), counts)


async def slowed(load, origin):
    """Slow is not down: it goes on, and requests wait for it."""
    origin.mood = "slow"
    counts = await load.share_of(RATE)
    bobtail.expect("a slow one still serves", counts[origin.name] > 0, counts)
    origin.mood = "well"


async def drained(load, proxy):
    bobtail.expect("peer drain", ctl(proxy, "peer", "drain", "b").returncode == 0)
    await load.wait("no traffic to what is drained", lambda counts: counts["b"] == 0)
    bobtail.expect("a reload leaves it drained", ctl(proxy, "reconfigure").returncode == 0)
    counts = await load.share_of(50)
    bobtail.expect("no traffic to what is drained after a reload", counts["b"] == 0, counts)
    listed = ctl(proxy, "peer", "list").stdout
    bobtail.expect("peer list says so", "\nb\tup,drained\t" in listed, listed)
    bobtail.expect("the manager says so",
                   "Drained    : no new requests" in ctl(proxy, "mgr", "server_list").stdout)
    bobtail.expect("peer undrain", ctl(proxy, "peer", "undrain", "b").returncode == 0)
    bobtail.expect("peer weight", ctl(proxy, "peer", "weight", "a", "6").returncode == 0)
    await load.share_of(20)
    counts = await load.share_of(SAMPLE // 2)
    bobtail.expect("six tenths for a weight of 6 of 10", abs(counts["a"] / counts.total() - .6) < .03,
                   counts)
    bobtail.expect("the old weight again", ctl(proxy, "peer", "weight", "a", "0").returncode == 0)
    bobtail.expect("no such peer", ctl(proxy, "peer", "drain", "x").returncode != 0)


async def run_all(proxy, port, origins):
    load = Load(port)
    start = time.monotonic()
    clients = [asyncio.create_task(load.client(start + i / RATE)) for i in range(NCLIENTS)]
    a, b, c = origins
    counts = await load.share_of(SAMPLE)
    bobtail.expect("shares are those of the weights", has_shares(counts), counts)

    async def hang():
        c.mood = "hung"

    async def recover():
        c.mood = "well"

    await trouble(load, b, "killed", b.kill, b.start)
    await trouble(load, c, "hung", hang, recover)
    await slowed(load, a)
    await drained(load, proxy)
    load.over = True
    await asyncio.gather(*clients)
    bobtail.expect("no GET failed", not load.failures,
                   f"{len(load.failures)} of {load.counts.total()}: {load.failures[:5]}")
    print(f"{load.counts.total()} requests in {time.monotonic() - start:.1f} s, the slowest took "
          f"{load.slowest:.2f} s")
    for line in ("Detected DEAD Parent: b", "Detected REVIVED Parent: b", "Detected DEAD Parent: c",
                 "Detected REVIVED Parent: c"):
        bobtail.expect(line, line in proxy.output())


async def main():
    port, *ports = bobtail.free_ports(4)
    origins = [Origin(name, at) for name, at in zip(WEIGHTS, ports)]
    for origin in origins:
        await origin.start()
    peers = "".join(
        f"cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name={origin.name} "
        f"round-robin weight={WEIGHTS[origin.name]} connect-timeout=1 connect-fail-limit=3 "
        f"{'health=/health health-interval=1 health-timeout=1 health-fall=2 ' * (origin.name == 'c')}"
        "\n" for origin in origins)
    config = (f"http_port 127.0.0.1:{port} accel\ncache_log stdio:/dev/stderr\nhttp_access allow all\nvisible_hostname rig\n"
              f"pid_filename PIDFILE\nread_timeout 1 second\naccess_log none\n{peers}")
    loop = asyncio.get_running_loop()
    proxy = await loop.run_in_executor(None, start_proxy, config, port)
    try:
        await asyncio.wait_for(run_all(proxy, port, origins), 120)
    finally:
        await loop.run_in_executor(None, proxy.stop)


def start_proxy(config, port):
    return bobtail.Proxy(config.replace("PIDFILE", os.path.join(FOLDER, "pid")), port)


FOLDER = tempfile.mkdtemp(prefix="bobtail-peers.")
os.chmod(FOLDER, 0o777)  # started as root, the proxy becomes another user
asyncio.run(main())
shutil.rmtree(FOLDER)
bobtail.finish()
