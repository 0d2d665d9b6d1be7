#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Starts the proxy of one .vtc test, whose ${proxy_start} this is.

    vtc_proxy.py STATE FOLDER PORT ORIGIN_PORT [LINE ...]

Writes a squid.conf of LINEs (with a port, a peer and access for all where they name none) into FOLDER,
starts PROXY_COMMAND with it, waits until PORT answers, and leaves the process's id in STATE, which
run-vtc.sh reads to end it. Squid connects to each peer once before it uses it (PROXY_PROBES): those
connections are taken here, so that the test's own server, which starts later, never sees them."""
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time

START_S = 20
PROBES_S = 0.3


def is_root_only():
    """Started by root, below a folder that nobody else can reach: the helpers there are root's alone."""
    asked = ["runuser", "-u", "proxy", "--", "test", "-r", os.path.abspath(__file__)]
    return os.geteuid() == 0 and subprocess.run(asked, check=False).returncode != 0


def config_of(folder, port, origin_port, lines):
    """The text of squid.conf."""
    words = {line.split()[0] for line in lines if line.strip()}
    text = [
        "visible_hostname proxy.test",
        f"pid_filename {folder}/proxy.pid",
        f"cache_log {folder}/cache.log",
        f"coredump_dir {folder}",
        "shutdown_lifetime 1 second",
        "cache_mem 8 MB",
        "workers 1",
    ]
    if is_root_only():
        text.append("cache_effective_user root")
    if "access_log" not in words:
        text.append("access_log none")
    if "http_port" not in words:
        text.append(f"http_port 127.0.0.1:{port} accel vhost")
    if "cache_peer" not in words:
        text.append(f"cache_peer 127.0.0.1 parent {origin_port} 0 no-query no-digest originserver name=origin")
    return "\n".join([*text, *lines, "http_access allow all", ""])


def take_probes(config):
    """Listens on the ports of all peers; returns the function that stops it."""
    ports = {int(port) for port in re.findall(r"cache_peer \S+ parent (\d+)", config)}
    listeners = [socket.create_server(("127.0.0.1", port)) for port in sorted(ports)]

    def take(listener):
        try:
            while True:
                listener.accept()[0].close()
        except OSError:
            return

    for listener in listeners:
        threading.Thread(target=take, args=(listener,), daemon=True).start()

    def stop():
        time.sleep(PROBES_S)
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    return stop


def wait_for(port, process):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def main(state, folder, port, origin_port, *lines):
    os.chmod(folder, 0o777)  # started as root, the proxy becomes another user
    config = config_of(folder, port, origin_port, lines)
    path = os.path.join(folder, "squid.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config)
    stop_taking = take_probes(config) if "PROXY_PROBES" in os.environ else None
    with open(os.path.join(folder, "output"), "wb") as output:
        process = subprocess.Popen(
            [*shlex.split(os.environ["PROXY_COMMAND"]), path],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    with open(os.path.join(state, "pids"), "a", encoding="ascii") as file:
        print(process.pid, file=file)
    is_up = wait_for(int(port), process)
    if stop_taking:
        stop_taking()
    if not is_up:
        with open(os.path.join(folder, "output"), encoding="latin-1") as output:
            print(output.read())
    return 0 if is_up else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
