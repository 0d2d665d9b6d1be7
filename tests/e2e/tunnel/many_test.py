#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""1,000 tunnels at once: their memory, a reload under them, and hostile ends among them."""
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support")]
import bobtail
import websocket
from bobtail import expect
from websocket import Client

bobtail.skip_without_program()
TUNNELS = 1000
FILES = 8192
PIECE_KIB = 32  # that a tunnel may take, sanitizers aside
SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
if HARD != resource.RLIM_INFINITY and HARD < FILES:
    print("skipped: too few files may be open")
    sys.exit(bobtail.SKIP)
resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, HARD))
threading.stack_size(262144)

FOLDER = tempfile.mkdtemp(prefix="bobtail-tunnel.")
os.chmod(FOLDER, 0o777)
(HTTP,) = bobtail.free_ports(1)
CONFIG = """
http_port 127.0.0.1:{http} accel defaultsite=a.example
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
http_upgrade_request_protocols websocket allow all
http_access {access} all
access_log stdio:{folder}/access.log
logfile_rotate 0
max_filedescriptors 8192
pid_filename none
visible_hostname proxy.test
workers 2
shutdown_lifetime 1 second
"""


def config(origin, access="allow"):
    return CONFIG.format(http=HTTP, origin=origin.port, folder=FOLDER, access=access)


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def is_sanitized(pid):
    with open(f"/proc/{pid}/maps", encoding="latin-1") as file:
        return "libasan" in file.read() or memory_kib(pid) > 100000


def check_memory(proxy):
    pid = proxy.process.pid
    first = [Client(HTTP, "/echo") for _ in range(10)]
    before = memory_kib(pid)
    tunnels = first + [Client(HTTP, "/echo") for _ in range(TUNNELS - 10)]
    expect("all are open", all(client.status == 101 for client in tunnels))
    expect("all work", all(client.echo(b"x" * 70000) for client in tunnels[::10]) and
           all(client.echo(b"hello") for client in tunnels))
    each = (memory_kib(pid) - before) / (TUNNELS - 10)
    print(f"{each:.1f} KiB a tunnel")
    if not is_sanitized(pid):
        expect("they are small", each < PIECE_KIB, each)
    return tunnels


def status_of(path):
    with Client(HTTP, path) as client:
        return client.status


def check_reload(proxy, origin, tunnels):
    with open(proxy.config, "w", encoding="latin-1") as file:
        file.write(config(origin, access="deny"))
    proxy.process.send_signal(signal.SIGHUP)
    bobtail.expect_soon("the reload has taken effect", lambda: status_of("/plain") == 403)
    expect("and all tunnels still work", all(client.echo(b"again") for client in tunnels))
    with open(proxy.config, "w", encoding="latin-1") as file:
        file.write(config(origin))
    proxy.process.send_signal(signal.SIGHUP)
    bobtail.expect_soon("so has the next", lambda: status_of("/plain") == 200)


def end_somehow(i, client):
    """Each in one of five ways."""
    if i % 5 == 0:
        websocket.reset(client.socket)
    elif i % 5 == 1:
        client.socket.shutdown(socket.SHUT_WR)  # the origin ends it then
    elif i % 5 == 2:
        client.socket.sendall(websocket.frame(b"z" * 200000)[:150000])
        client.close()
    elif i % 5 == 3:
        client.send(b"", websocket.CLOSE)
        client.receive()
        client.close()
    else:
        client.close()


def tunnels_in_log():
    with open(f"{FOLDER}/access.log", encoding="latin-1") as log:
        return sum(" TCP_TUNNEL" in line and "/echo" in line for line in log)


def check_ends(proxy, tunnels):
    floods = [Client(HTTP, "/flood") for _ in range(5)]
    for i, client in enumerate(tunnels):
        end_somehow(i, client)
    bobtail.expect_soon("each is logged", lambda: tunnels_in_log() >= TUNNELS)
    expect("and once", tunnels_in_log() == TUNNELS, tunnels_in_log())
    for client in floods:
        client.close()
    with Client(HTTP, "/echo") as client:
        expect("and others are served", client.echo(b"next"))
    expect("the proxy lives", proxy.is_alive(), proxy.output())


def main():
    origin = websocket.Origin()
    try:
        with bobtail.Proxy(config(origin), HTTP) as proxy:
            tunnels = check_memory(proxy)
            check_reload(proxy, origin, tunnels)
            check_ends(proxy, tunnels)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    bobtail.finish()


main()
