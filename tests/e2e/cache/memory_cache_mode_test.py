#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""memory_cache_mode: which of what was fetched, and of hits on disk, is answered from memory afterwards."""
import contextlib
import http.client
import os
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
from small_origin import Origin

bobtail.skip_without_program()
PORT, ORIGIN = bobtail.free_ports(2)
PATIENCE = 30


class Run:
    """A proxy with a cache_dir that outlives it; get() tells the tags of its requests."""

    def __init__(self, mode, folder):
        self.log = os.path.join(folder, f"access-{time.monotonic_ns()}.log")
        self.ntags = 0
        self.proxy = bobtail.Proxy(
            f"""
http_port 127.0.0.1:{PORT} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
http_access allow all
cache_dir ufs {folder}/cache 100 16 256
memory_cache_mode {mode}
logformat tag %Ss
access_log stdio:{self.log} tag
cache_log /dev/stdout
pid_filename none
workers 1
""",
            PORT,
        )

    def get(self):
        """The tag of one more request; None: it was not logged."""
        client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
        client.request("GET", "/100")
        client.getresponse().read()
        client.close()
        self.ntags += 1
        return bobtail.wait_for(self.last_tag)

    def last_tag(self):
        with open(self.log, encoding="ascii") as file:
            tags = [line.strip() for line in file if line.startswith("TCP_")]
        return tags[-1] if len(tags) >= self.ntags else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.stop()


def is_stored(folder):
    """In a row, which is there when its whole batch is."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{folder}/cache/cache.db?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM object").fetchone()[0] == 1
    except sqlite3.OperationalError:
        return False


def try_mode(mode, fetched_stays, hits_stay):
    folder = tempfile.mkdtemp(prefix="bobtail-mode.")
    os.chmod(folder, 0o777)
    os.mkdir(os.path.join(folder, "cache"))
    os.chmod(os.path.join(folder, "cache"), 0o777)
    with Run(mode, folder) as run:
        first = run.get()
        bobtail.expect(f"{mode}: the first is a miss", first == "TCP_MISS", first)
        if fetched_stays:
            bobtail.require_soon("it is on disk", lambda: is_stored(folder))
            tags = [run.get() for _ in range(3)]
            bobtail.expect(f"{mode}: what was fetched stays", set(tags) == {"TCP_MEM_HIT"}, tags)
        else:
            bobtail.expect_soon(f"{mode}: what is on disk leaves memory", lambda: run.get() == "TCP_HIT")
    with Run(mode, folder) as run:
        tags = [run.get() for _ in range(8)]
        if hits_stay:
            good = tags[0] == "TCP_HIT" and tags[-1] == "TCP_MEM_HIT"
        else:
            good = set(tags) == {"TCP_HIT"}
        bobtail.expect(f"{mode}: hits on disk {'go to memory' if hits_stay else 'stay there'}", good, tags)
    shutil.rmtree(folder, ignore_errors=True)


with Origin(ORIGIN):
    try_mode("always", True, True)
    try_mode("disk", False, True)
    try_mode("network", True, False)
    try_mode("never", False, False)
bobtail.finish()
