#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the proxy costs: CPU time a request for memory hits and for what passes through, memory when
it has started and for each idle connection. Some 20 s; `make bench` runs it in the build folder.

CPU time is utime + stime of the proxy's process over the requests answered, the median of ROUNDS.
The proxy has one core and the load and the origin another, where there are two. When "core busy" is
well under 100 %, the load was the limit, and the requests a second are the load's."""
import email.utils
import multiprocessing
import os
import re
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

ROUNDS = 3
SECONDS = 2  # of each round and workload
CONNECTIONS = 64
IDLE_CONNECTIONS = 2000
OTHER_FILES = 100  # that this program and the proxy have open besides
BODY = b"x" * 1024
WORKLOADS = {  # path: what is asked
    "/hit": "1 KiB hits from memory",
    "/pass": "1 KiB, no-store, through to the origin",
}
FORK = multiprocessing.get_context("fork")


def pick_cores():
    """The proxy's core and the load's."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def raise_file_limit():
    """As many open files as idle connections need, if that may be; returns for how many it does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return IDLE_CONNECTIONS if soft == resource.RLIM_INFINITY else min(wanted, soft) - OTHER_FILES


class Origin:
    """A process that answers 1 KiB to each GET, and counts them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.asked = {path: FORK.Value("Q", 0, lock=False) for path in WORKLOADS}
        self.process = FORK.Process(target=self._serve, daemon=True)
        self.process.start()
        self.listener.close()

    def _serve(self):
        date = email.utils.formatdate(usegmt=True)
        head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {len(BODY)}\r\nCache-Control: "
        answers = {
            path: f"{head}{how}\r\n\r\n".encode() + BODY
            for path, how in (("/hit", "max-age=3600"), ("/pass", "no-store"))
        }
        self.listener.setblocking(False)
        epoll = select.epoll()
        epoll.register(self.listener, select.EPOLLIN)
        clients = {}
        while True:
            for fd, _ in epoll.poll():
                if fd == self.listener.fileno():
                    client = self.listener.accept()[0]
                    clients[client.fileno()] = client
                    epoll.register(client, select.EPOLLIN)
                    continue
                # A proxy that waits for each answer sends its head in one piece.
                data = receive(clients[fd])
                if data:
                    path = "/hit" if data.startswith(b"GET /hit ") else "/pass"
                    self.asked[path].value += 1
                    clients[fd].sendall(answers[path])
                else:
                    epoll.unregister(fd)
                    clients.pop(fd).close()


def receive(sock):
    """What has come; nothing when the peer closed or reset."""
    try:
        return sock.recv(65536)
    except ConnectionError:
        return b""


def request_bytes(port, path):
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def is_whole(answer):
    """Whether answer, bytes of one reply so far, is all of it. Ends the program on any but a 200."""
    head_end = answer.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    if not answer.startswith(b"HTTP/1.1 200 "):
        sys.exit(f"the proxy answered {answer[:head_end].decode('latin-1')}")
    return len(answer) >= head_end + 4 + len(BODY)


def ask(sock, port, path):
    """One request and its reply."""
    sock.sendall(request_bytes(port, path))
    answer = b""
    while not is_whole(answer):
        data = receive(sock)
        if not data:
            sys.exit(f"the proxy closed behind {answer!r}")
        answer += data


def load_with_wrk(port, path, *options):
    """Requests that were answered in SECONDS; options are wrk's."""
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *options, url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"requests failed:\n{text}")
    return int(re.search(r"(\d+) requests in", text).group(1))


def load_by_ourselves(port, path):
    """The same without wrk: on each connection one request after the other."""
    request = request_bytes(port, path)
    epoll = select.epoll()
    clients, answers, count = {}, {}, 0
    for _ in range(CONNECTIONS):
        client = socket.create_connection(("127.0.0.1", port), 5)
        clients[client.fileno()], answers[client.fileno()] = client, b""
        epoll.register(client, select.EPOLLIN)
        client.sendall(request)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for fd, _ in epoll.poll(1):
            data = receive(clients[fd])
            if not data:
                sys.exit("the proxy closed a connection under load")
            answers[fd] += data
            if is_whole(answers[fd]):
                count += 1
                answers[fd] = b""
                clients[fd].sendall(request)
    for client in clients.values():
        client.close()
    return count


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        fields = file.read().rpartition(")")[2].split()  # from field 3 on: a name may hold blanks
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def measure_memory(pid, port, nconnections):
    """KiB after the start, and for each of nconnections that made one request and keep still."""
    time.sleep(1)
    started = pss_kib(pid)
    connections = [socket.create_connection(("127.0.0.1", port), 5)]
    ask(connections[0], port, "/hit")
    before = pss_kib(pid)  # with what the first request alone brings along
    for _ in range(nconnections):
        connections.append(socket.create_connection(("127.0.0.1", port), 5))
        ask(connections[-1], port, "/hit")
    time.sleep(1)
    after = pss_kib(pid)
    for connection in connections:
        connection.close()
    return started, (after - before) / nconnections


def measure_load(pid, port, path, load):
    """Requests answered; then the figures: CPU µs for each, how many a second, share of a core."""
    used, began = cpu_seconds(pid), time.monotonic()
    count = load(port, path)
    used, passed = cpu_seconds(pid) - used, time.monotonic() - began
    return count, (used * 1e6 / count, count / passed, used / passed)


def check_what_was_measured(path, asked, count):
    """Hits must not have reached the origin, and everything else must have."""
    if (path == "/hit" and asked > 0) or (path == "/pass" and asked < count):
        sys.exit(f"{path}: {asked} of {count} requests reached the origin")


def row(what, *figures):
    print(f"{what:40}" + "".join(f"{figure:>16}" for figure in figures))


def measure(proxy, port, origin, load, nconnections):
    pid = proxy.process.pid
    started, each = measure_memory(pid, port, nconnections)
    samples = {path: [] for path in WORKLOADS}
    for _ in range(ROUNDS):
        for path, taken in samples.items():
            before = origin.asked[path].value
            count, figures = measure_load(pid, port, path, load)
            check_what_was_measured(path, origin.asked[path].value - before, count)
            taken.append(figures)
    row("", "CPU µs/request", "requests/s", "core busy")
    for path, taken in samples.items():
        cpu_us, rate, busy = (statistics.median(column) for column in zip(*taken))
        row(WORKLOADS[path], f"{cpu_us:.1f}", f"{rate:.0f}", f"{busy:.0%}")
    row("started, idle: PSS", f"{started / 1024:.1f} MiB")
    row(f"{nconnections} idle keepalive connections", f"{each:.2f} KiB each")


def main():
    bobtail.skip_without_program()
    load = load_with_wrk if shutil.which("wrk") else load_by_ourselves
    if load is load_by_ourselves:
        print("wrk is not installed: the load is a slower one of our own")
    proxy_core, load_core = pick_cores()
    if proxy_core == load_core:
        print("there is one core only: the proxy shares it with the load")
    nconnections = raise_file_limit()
    os.sched_setaffinity(0, {load_core})
    origin = Origin()
    (port,) = bobtail.free_ports(1)
    config = f"""
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver
http_access allow all
workers 1
access_log none
cache_log /dev/null
pid_filename none
"""
    os.sched_setaffinity(0, {proxy_core})  # which the proxy's threads inherit
    with bobtail.Proxy(config, port) as proxy:
        os.sched_setaffinity(0, {load_core})
        measure(proxy, port, origin, load, nconnections)


if __name__ == "__main__":
    main()
