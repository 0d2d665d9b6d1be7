#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A start with a million objects on disk: time to the first answer from disk, to the loaded index, and
the memory for each object; after a clean stop and after a kill. Some 40 s and 1 GB of scratch; run it
in the build folder. An argument sets another number of objects.

A few objects are stored by the proxy; the others are copies of one of them under keys that no URL has,
put into the file by SQL while the proxy is down. "first hit" is counted from the moment the program is
started: the proxy's own start is in it."""
import http.server
import os
import random
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

KNOWN = 50  # objects that are asked for
WAIT_S = 60
COPY = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
INSERT INTO {table} SELECT {columns} FROM n, {table} AS old WHERE old.id = {id}"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=100000")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def log_message(self, *_):
        pass


def start_origin():
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    origin.asked = 0
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    return origin


def write_config(folder, port, origin_port):
    path = os.path.join(folder, "squid.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(
            f"http_port 127.0.0.1:{port} accel vhost\n"
            f"cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver\n"
            "http_access allow all\nworkers 1\naccess_log none\n"
            f"cache_dir ufs {folder}/cache 8000 16 256\n"
            f"cache_log {folder}/cache.log\npid_filename {folder}/pid\n"
        )
    return path


def start(config):
    command = [*shlex.split(bobtail.COMMAND), config]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ask(port, number):
    """False: nobody listens yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            request = f"GET /{number} HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n"
            sock.sendall(request.encode())
            answer = b""
            while data := sock.recv(65536):
                answer += data
    except ConnectionRefusedError:
        return False
    if not answer.startswith(b"HTTP/1.1 200 "):
        sys.exit(f"the proxy answered {answer[:100]!r}")
    return True


def wait(what, is_there, began):
    while not is_there():
        if time.monotonic() - began > WAIT_S:
            sys.exit(f"{what}: not within {WAIT_S} s")
        time.sleep(0.001)
    return time.monotonic() - began


def disk_objects(config):
    """None while the index is being loaded."""
    ctl = os.path.join(os.path.dirname(shlex.split(bobtail.COMMAND)[0]), "bobtailctl")
    text = subprocess.run([ctl, "-f", config, "info"], capture_output=True, text=True).stdout
    found = re.search(r"disk.objects = (\d+)", text)
    return int(found.group(1)) if found and "(loading)" not in text else None


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def stop(proxy, by=signal.SIGINT):
    proxy.send_signal(by)
    proxy.wait(WAIT_S)


def copy_rows(db, count):
    """Triggers refuse what only the proxy may do; they go for this, and come back."""
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    source, last = db.execute("SELECT min(id), max(id) FROM object").fetchone()
    for table in ("object", "usage"):
        names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        new = {"id": f"{last} + n.i", "key": "random()", "url": "old.url || '/' || n.i"}
        columns = ", ".join(new.get(name, f"old.{name}") for name in names)
        db.execute(COPY.format(table=table, columns=columns, id=source, count=count))
    db.execute(
        f"INSERT INTO chunk SELECT ({last} + n.id) << 20, old.crc, old.data FROM"
        f" (SELECT id - {last} AS id FROM usage WHERE id > {last}) AS n, chunk AS old"
        f" WHERE old.id = {source} << 20"
    )
    db.execute("UPDATE meta SET value = value + ? WHERE name = 'next_id'", (last + count,))
    for _, sql in triggers:
        db.execute(sql)
    db.commit()


def fill(config, port, folder, count):
    proxy = start(config)
    wait("start", lambda: ask(port, 0), time.monotonic())
    for number in range(1, KNOWN):
        ask(port, number)
    wait("stores", lambda: disk_objects(config) == KNOWN, time.monotonic())
    time.sleep(1)
    empty_kib = pss_kib(proxy.pid)
    stop(proxy)
    with sqlite3.connect(os.path.join(folder, "cache", "cache.db")) as db:
        copy_rows(db, count - KNOWN)
    return empty_kib


def measure(what, config, port, origin, empty_kib, count, by):
    asked, began = origin.asked, time.monotonic()
    proxy = start(config)
    first_s = wait("first hit", lambda: ask(port, random.randrange(KNOWN)), began)
    is_hit = origin.asked == asked
    loaded_s = wait("load", lambda: disk_objects(config) == count, began)
    for number in range(KNOWN):
        ask(port, number)
    time.sleep(3)
    kib = pss_kib(proxy.pid)
    print(
        f"{what:12}  first {'hit' if is_hit else 'MISS'} {first_s * 1000:5.0f} ms, index loaded"
        f" {loaded_s * 1000:5.0f} ms,  {KNOWN - (origin.asked - asked)} of {KNOWN} are hits, "
        f" {(kib - empty_kib) * 1024 / count:5.1f} bytes of memory an object ({kib / 1024:.1f} MiB)"
    )
    stop(proxy, by)


def main():
    bobtail.skip_without_program()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    folder = tempfile.mkdtemp(prefix="bobtail-million.")
    os.chmod(folder, 0o777)  # started as root, the proxy becomes another user
    origin = start_origin()
    (port,) = bobtail.free_ports(1)
    config = write_config(folder, port, origin.server_port)
    try:
        empty_kib = fill(config, port, folder, count)
        print(f"{count} objects on disk; without them {empty_kib / 1024:.1f} MiB")
        measure("after SQL", config, port, origin, empty_kib, count, signal.SIGINT)
        measure("after a stop", config, port, origin, empty_kib, count, signal.SIGKILL)
        measure("after a kill", config, port, origin, empty_kib, count, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
