#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A soak: hits, misses and what is not stored at 70 % of the rate that this machine reaches, with a reload
every two seconds, a peer that dies and comes back every five, clients that go away in the midst of a
download, a WebSocket or an HTTP/2 stream, and others that stay. No request fails, and neither memory
nor descriptors grow.

SOAK_S: how long (600 in `make endurance`). With an ASan build memory is not judged, but its report is.
Needs wrk."""
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import site_under_load as load  # pylint: disable=wrong-import-position
from open_connections import h2, websocket  # pylint: disable=wrong-import-position
from site_under_load import bobtail  # pylint: disable=wrong-import-position

expect = bobtail.expect
SOAK_S = int(os.environ.get("SOAK_S", "600"))
SHARE = 0.7
NCONNECTIONS = 64
BODY = b"x" * 4096
SAMPLES = 40
GROWTH_KB = 4096  # of what malloc keeps, beside a twentieth

# Half of the requests are for a thousand URLs, two tenths for new ones that are stored, all others are not.
SCRIPT = """
local n = 0
local pause = tonumber(os.getenv("PAUSE_MS"))
function delay() return math.random() * 2 * pause end
function request()
  local dice = math.random(10)
  n = n + 1
  local path = dice <= 5 and "/kept/" .. math.random(1000) or dice <= 7 and "/kept/new" .. n or "/new/" .. n
  return "GET " .. path .. " HTTP/1.1\\r\\nHost: www.example\\r\\n\\r\\n"
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('JSON {"requests": %d, "us": %d, "p99_us": %d, "status": %d, "lost": %d, "late": %d}\\n',
    summary.requests, summary.duration, latency:percentile(99), e.status, e.connect + e.read + e.write, e.timeout))
end
"""


class Peer(threading.Thread):
    """An origin that dies and comes back at the same port."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.open, self.server = port, set(), None
        self.loop = asyncio.new_event_loop()
        self.start()
        self.call(self.listen())

    def run(self):
        self.loop.run_forever()

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def serve(self, reader, writer):
        self.open.add(writer)
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")):
                kept = b"max-age=60" if b"/kept/" in head else b"no-store"
                large = 64 if b"/large/" in head else 1
                writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: %s\r\nContent-Length: %d\r\n\r\n"
                             % (kept, len(BODY) * large) + BODY * large)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)

    async def die(self):
        self.server.close()
        for writer in list(self.open):
            writer.transport.abort()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def leave_download(port):
    connection = socket.create_connection(("127.0.0.1", port), 20)
    connection.sendall(b"GET /large/%d HTTP/1.1\r\nHost: www.example\r\n\r\n" % random.randrange(10 ** 9))
    connection.recv(random.randrange(1, 9000))
    reset(connection)


def leave_head(port):
    connection = socket.create_connection(("127.0.0.1", port), 20)
    connection.sendall(b"GET /new/1 HTTP/1.1\r\nHost: www.exa")
    connection.close()


def leave_socket(port):
    client = websocket.Client(port, "/echo/1")
    client.send(b"hello")
    reset(client.socket)


def leave_streams(port):
    connection = h2.Connection(port)
    for stream in range(1, 16, 2):
        connection.get(stream, f"/large/h2/{random.randrange(10 ** 9)}")
    connection.wait(lambda c: len(c.bytes) > 2, 5)
    reset(connection.socket)


class Trouble(threading.Thread):
    """Calls what is given again and again, so many seconds apart, until stop()."""

    def __init__(self, every_s, *works):
        super().__init__(daemon=True)
        self.every_s, self.works, self.ndone = every_s, works, 0
        self.is_over = threading.Event()
        self.start()

    def run(self):
        while not self.is_over.wait(self.every_s):
            try:
                self.works[self.ndone % len(self.works)]()
            except (OSError, EOFError, struct.error, ValueError):
                pass  # these clients want no answer
            self.ndone += 1

    def stop(self):
        self.is_over.set()
        self.join(60)


def run_wrk(folder, port, seconds, pause_ms):
    script = os.path.join(folder, "soak.lua")
    with open(script, "w", encoding="ascii") as file:
        file.write(SCRIPT)
    done = subprocess.run(["wrk", "-t1", f"-c{NCONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "-s", script,
                           f"http://127.0.0.1:{port}"], env=dict(os.environ, PAUSE_MS=str(pause_ms)),
                          stdout=subprocess.PIPE, check=False, timeout=seconds + 60)
    return json.loads(done.stdout.decode().split("JSON ")[1])


def rate_of(figures):
    return figures["requests"] * 1e6 / figures["us"]


def pause_for(folder, port):
    """Between the requests of a connection, so that all together are at that share of the most."""
    most = rate_of(run_wrk(folder, port, 4, 0))
    pause_ms = max(1, NCONNECTIONS * 1000 / (SHARE * most))
    for _ in range(2):  # answers take their time, too
        rate = rate_of(run_wrk(folder, port, 3, pause_ms))
        pause_ms = max(0.5, pause_ms + NCONNECTIONS * 1000 * (1 / (SHARE * most) - 1 / rate))
    return most, pause_ms


def start_trouble(site, peer):
    def reload():
        site.rewrite(f"acl list{random.randrange(9)} dstdomain .site{random.randrange(999)}.example\n")
        os.kill(site.pid, signal.SIGHUP)

    def flap():
        peer.call(peer.die())
        time.sleep(1)
        peer.call(peer.listen())

    leavers = [lambda leave=leave: leave(site.port) for leave in (leave_download, leave_head, leave_socket,
                                                                  leave_streams)]
    return [Trouble(2, reload), Trouble(5, flap), Trouble(0.1, *leavers)]


def watch(site, samples):
    """A sample now and then, for as long as it takes: kilobytes, descriptors, threads."""
    def sample():
        with open(f"/proc/{site.kids()[-1]}/status", encoding="ascii") as file:
            threads = [int(line.split()[1]) for line in file if line.startswith("Threads:")][0]
        samples.append((site.kilobytes(), site.descriptors()[1], threads))
    return Trouble(max(0.5, SOAK_S / SAMPLES), sample)


def judge_growth(samples, what, column, slack):
    """The last third beside the second: the first is for caches to fill."""
    third = len(samples) // 3
    second = statistics.median(sample[column] for sample in samples[third:2 * third])
    last = statistics.median(sample[column] for sample in samples[2 * third:])
    print(f"   {what}: {second} in the second third, {last} in the last one")
    expect(f"no growth: {what}", last <= second * 1.05 + slack,
           [sample[column] for sample in samples])


def soak(site, peer, folder):
    troubles = start_trouble(site, peer)
    clients = load.Clients(site.port, nkeeping=1, nnew=1, ndownloads=2, nopen=2)
    most, pause_ms = pause_for(folder, site.port)
    samples = []
    troubles.append(watch(site, samples))
    figures = run_wrk(folder, site.port, SOAK_S, pause_ms)
    for trouble in troubles:
        trouble.stop()
    clients.stop()
    reloads, flaps, left, _ = (trouble.ndone for trouble in troubles)
    print(f"   {figures['requests']} requests in {SOAK_S} s, {rate_of(figures):.0f} a second where {most:.0f} are the "
          f"most, 99 % within {figures['p99_us'] / 1000:.1f} ms; {reloads} reloads, {flaps} flaps, {left} clients "
          f"that left; {clients.did()}")
    expect("no request failed", figures["status"] + figures["lost"] + figures["late"] == 0, figures)
    expect("nothing refused, reset or wrong for those that stayed", not clients.wrong, clients.wrong[:5])
    judge_growth(samples, "descriptors", 1, 8)
    judge_growth(samples, "threads", 2, 0)
    if not load.IS_SANITIZED:
        judge_growth(samples, "KB", 0, GROWTH_KB)


def is_quiet(text):
    return not any(word in text for word in ("AddressSanitizer", "LeakSanitizer", "runtime error",
                                             "ThreadSanitizer", "check failed"))


def main():
    bobtail.skip_without_program()
    if not shutil.which("wrk"):
        print("skipped: there is no wrk")
        sys.exit(bobtail.SKIP)
    folder = tempfile.mkdtemp(prefix="bobtail-soak.")
    os.chmod(folder, 0o777)
    peer = Peer(bobtail.free_ports(1, 33000, 33900)[0])
    # The site's own origin serves while the peer is away.
    site = load.Site(folder, f"""
cache_peer 127.0.0.1 parent {peer.port} 0 no-query originserver name=fast round-robin connect-fail-limit=1
acl fallback urlpath_regex ^/(slow|echo)/ ^/(kept|new)/(h2/)?[0-9]*/[0-9]*$
cache_peer_access fast deny fallback
cache_dir ufs {folder}/store 32 16 256
cache_mem 16 MB
maximum_object_size_in_memory 64 KB
dead_peer_timeout 1 second
pconn_timeout 5 seconds
""")
    output = site.proxy.output
    try:
        before = site.descriptors()
        soak(site, peer, folder)
        expect("descriptors are back", bobtail.wait_for(lambda: site.descriptors()[1] <= before[1] + 24, 30),
               (before, site.descriptors()))
        site.proxy.end()
        expect("it ends well", site.proxy.process.returncode == 0, site.proxy.process.returncode)
        expect("no sanitizer has anything to say", is_quiet(output()), output()[-2000:])
    finally:
        site.stop()
        shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


if __name__ == "__main__":
    main()
