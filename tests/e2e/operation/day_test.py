#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A day of a small board in two minutes: 80,000 requests while the origin works on 5 a second and no
more, with a cache_dir of 1 GB. No error, at most 64 MiB of resident memory, less than 2 GB written in a day.

By itself it is a piece of that day at the same pace; DAY_S=120 (`make endurance`) is the whole, with a
cache that is nearly full at its start: FILL_MB of what was stored before the day began.

The requests: one in ten is for a page that nobody has asked for before, or was not until lately (3 new
ones a second), one in ten for twenty pages that are renewed by their ETag every 30 s, and served stale meanwhile, all
others for what is stored, by a Zipf law. What is written is counted by the system for the process: the
run's (it has a day's requests in it, or its part of them), until it has been quiet for a while; the whole
adds, for the other hours of the day, what an idle Bobtail writes in the two minutes that follow."""
import bisect
import itertools
import os
import random
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import site_under_load as load  # pylint: disable=wrong-import-position
from site_under_load import bobtail  # pylint: disable=wrong-import-position

bobtail.skip_without_program()
expect = bobtail.expect
WHOLE_S, WHOLE_REQUESTS = 120, 80_000
DAY_S = int(os.environ.get("DAY_S", "4"))
IS_WHOLE = DAY_S >= WHOLE_S
FILL_MB = int(os.environ.get("FILL_MB", "850" if IS_WHOLE else "20"))
NREQUESTS = WHOLE_REQUESTS * DAY_S // WHOLE_S
OLD_BYTES = 100_000
NOLD = FILL_MB * 1_000_000 // OLD_BYTES
NHOT, NEW_A_SECOND = 20, 3
NCLIENTS = 96 if IS_WHOLE else 24  # those that wait for the origin keep nobody else
ORIGIN_A_SECOND = 5
QUIET_S = 15 if IS_WHOLE else 1
IDLE_S = 120 if IS_WHOLE else 0  # minutes: some is written once in each
MAX_RESIDENT, MAX_WRITTEN = 64 << 20, 2_000_000_000
BLOCK = bytes(range(256)) * 400


class Origin(threading.Thread):
    """/old/N, /new/N and /hot/N; one request at a time, 5 a second, once is_capped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listening.getsockname()[1]
        self.is_capped = False
        self.turn, self.next_s = threading.Lock(), 0
        self.nasked = 0
        self.start()

    def run(self):
        while True:
            conn, _ = self.listening.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def wait(self):
        with self.turn:
            self.nasked += 1
            if self.is_capped:
                time.sleep(max(0, self.next_s - time.monotonic()))
                self.next_s = time.monotonic() + 1 / ORIGIN_A_SECOND

    def serve(self, conn):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with conn, conn.makefile("rb") as lines:
            while line := lines.readline():
                path = line.split()[1].decode()
                is_known = False
                while (field := lines.readline()).strip():
                    is_known |= field.lower().startswith(b"if-none-match:")
                self.wait()
                conn.sendall(answer(path, is_known))


def answer(path, is_known):
    is_hot = path.startswith("/hot/")
    lifetime = "max-age=30, stale-while-revalidate=60" if is_hot else "max-age=100000"
    head = f'ETag: "1"\r\nCache-Control: {lifetime}\r\n'
    if is_known:
        return f"HTTP/1.1 304 Not Modified\r\n{head}\r\n".encode()
    body = body_of(path)
    return f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def body_of(path):
    _, kind, number = path.split("/")
    size = OLD_BYTES if kind == "old" else 2_000 + int(number) * 7919 % 40_000
    return BLOCK[int(number) % 256:][:size]


class Client:
    """Asks over one connection; what is not a 200 with the right body is an error."""

    def __init__(self, port):
        self.conn = socket.create_connection(("127.0.0.1", port), 60)
        self.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.conn.makefile("rb", 1 << 17)

    def get(self, path):
        self.conn.sendall(f"GET {path} HTTP/1.1\r\nHost: www.example\r\n\r\n".encode())
        status = self.lines.readline().split()[1]
        length = 0
        while (field := self.lines.readline()).strip():
            if field.lower().startswith(b"content-length:"):
                length = int(field.split()[1])
        return status == b"200" and self.lines.read(length) == body_of(path)


class Day:
    def __init__(self, port, nrequests, choose):
        self.port, self.choose = port, choose
        self.numbers = iter(range(nrequests))
        self.lock = threading.Lock()
        self.begun = time.monotonic()
        self.wrong, self.ndone, self.slowest_s = [], 0, 0

    def work(self):
        client = Client(self.port)
        while True:
            with self.lock:
                number = next(self.numbers, None)
            if number is None:
                return
            path, due_s = self.choose(number)
            time.sleep(max(0, self.begun + due_s - time.monotonic()))
            asked = time.monotonic()
            try:
                is_right = client.get(path)
            except (OSError, IndexError, ValueError) as error:
                is_right, path = False, f"{path}: {error!r}"
                client = Client(self.port)
            with self.lock:
                self.ndone += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - asked)
                if not is_right:
                    self.wrong.append(path)

    def run(self, nclients):
        """How long it took, in seconds."""
        threads = [threading.Thread(target=self.work, daemon=True) for _ in range(nclients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WHOLE_S + 4 * DAY_S)
        return time.monotonic() - self.begun


def chooser():
    """(path, when it is due) of the number-th request of the day; the same in each run."""
    draw = random.Random(7)
    weights = list(itertools.accumulate((i + 1) ** -0.9 for i in range(NOLD)))

    def choose(number):
        due_s = number * DAY_S / NREQUESTS
        kind = draw.random()
        if kind < 0.1:
            return f"/new/{draw.randint(0, int(due_s * NEW_A_SECOND))}", due_s
        if kind < 0.2:
            return f"/hot/{draw.randrange(NHOT)}", due_s
        return f"/old/{bisect.bisect(weights, draw.random() * weights[-1])}", due_s

    return choose


class Board:
    """The process that is measured."""

    def __init__(self, pid):
        self.pid = pid

    def resident(self, name="VmRSS"):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name + ":"))

    def written(self):
        with open(f"/proc/{self.pid}/io", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("write_bytes:"))

    def settle(self, quiet_s):
        """Until nothing is written for so long."""
        seen = [self.written(), time.monotonic()]

        def is_quiet():
            now = self.written()
            if now != seen[0]:
                seen[:] = now, time.monotonic()
            return time.monotonic() - seen[1] > quiet_s

        return bobtail.wait_for(is_quiet, 90)


def config(folder, port, origin_port):
    return f"""
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver
http_access allow all
cache_mem 16 MB
cache_dir ufs {folder}/cache 1000 16 256
access_log stdio:{folder}/access.log squid
buffered_logs on
stats_file {folder}/stats.db
cache_log {folder}/cache.log
pid_filename {folder}/pid
shutdown_lifetime 1 second
"""


def fill(port, origin):
    """What comes faster than the disk takes it is not stored: all is asked for until all is there."""
    paths = [f"/old/{i}" for i in range(NOLD)] + [f"/hot/{i}" for i in range(NHOT)]
    nasked = -1
    for _ in range(30):
        if nasked == origin.nasked:
            break
        nasked = origin.nasked
        before = Day(port, len(paths), lambda number: (paths[number], 0))
        before.run(4)
        expect("what is there before the day", not before.wrong, before.wrong[:5])


def live(proxy, port, origin):
    board = Board(proxy.process.pid)
    fill(port, origin)
    board.settle(1)
    origin.is_capped = True
    nasked, written = origin.nasked, board.written()
    day = Day(port, NREQUESTS, chooser())
    took_s = day.run(NCLIENTS)
    board.settle(QUIET_S)
    in_run = board.written() - written
    written = board.written()
    time.sleep(IDLE_S)
    idle = (board.written() - written) / max(IDLE_S, 1) * 86_400
    a_day = in_run * WHOLE_REQUESTS / NREQUESTS + idle
    print(f"{day.ndone} requests in {took_s:.0f} s, {len(day.wrong)} wrong; slowest {day.slowest_s:.1f} s")
    print(f"the origin was asked {origin.nasked - nasked} times: "
          f"{(origin.nasked - nasked) / took_s:.1f} a second")
    print(f"resident {board.resident() / 1048576:.1f} MiB, at most {board.resident('VmHWM') / 1048576:.1f}")
    print(f"written in the run {in_run / 1e6:.1f} MB; in a day {a_day / 1e6:.0f} MB, "
          f"{idle / 1e6:.1f} of them idle")
    expect("no error", day.ndone == NREQUESTS and not day.wrong, day.wrong[:5])
    expect("the origin is asked as often as it can", origin.nasked - nasked <= ORIGIN_A_SECOND * took_s + 2)
    if not load.IS_SANITIZED:
        expect("resident memory under 64 MiB", board.resident() < MAX_RESIDENT)
    expect("less than 2 GB written in a day", a_day < MAX_WRITTEN, a_day)
    if IS_WHOLE:
        expect("in its time", took_s < 1.1 * DAY_S, took_s)
    bobtail.finish()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bobtail-day.") as place:
        os.chmod(place, 0o777)
        os.mkdir(os.path.join(place, "cache"))
        os.chmod(os.path.join(place, "cache"), 0o777)
        source = Origin()
        (PORT,) = bobtail.free_ports(1)
        with bobtail.Proxy(config(place, PORT, source.port), PORT) as one:
            live(one, PORT, source)
