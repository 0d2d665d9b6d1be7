#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""P10: the process is killed at any moment, under load. The database is sound each time, no half
of an object is in it, and each object that was committed is a hit for the first who asks, with the
right bytes.

KILL_ROUNDS: how often (10; make endurance: 200)."""
import os
import random
import shutil
import sqlite3
import sys
import time
import urllib.parse

import world
from world import Failure, Load, World

ROUNDS = int(os.environ.get("KILL_ROUNDS", "10"))
NASKED = 40
MUST_BE_OK = "SELECT group_concat(integrity_check) FROM pragma_integrity_check"
MUST_BE_NONE = (
    "SELECT count(*) FROM object WHERE id NOT IN (SELECT id FROM usage)",
    "SELECT count(*) FROM usage WHERE id NOT IN (SELECT id FROM object)",
    "SELECT count(*) FROM object o WHERE size <> (SELECT coalesce(sum(length(data)), 0)"
    " FROM chunk WHERE id BETWEEN o.id << 20 AND o.id << 20 | 1048575)",
)


def load_and_kill(w):
    w.start()
    w.load = Load(w.port, 4)
    w.load.may_break = True
    w.load.start()
    time.sleep(random.uniform(0.1, 0.6))
    w.proxy.process.kill()
    w.proxy.process.wait()
    w.load.stop()
    w.no_wrongs()
    w.proxy.stop()


def committed(w):
    """The paths of what is in a copy of the database, which is looked at first."""
    copy = f"{w.folder}/copy.db"
    for suffix in ("", "-wal"):
        if os.path.exists(w.database + suffix):
            shutil.copyfile(w.database + suffix, copy + suffix)
    connection = sqlite3.connect(copy)
    try:
        state = connection.execute(MUST_BE_OK).fetchone()[0]
        w.expect(state == "ok", f"integrity_check: {state}")
        for query in MUST_BE_NONE:
            w.expect(connection.execute(query).fetchone()[0] == 0, query)
        urls = connection.execute("SELECT url FROM object ORDER BY random()").fetchall()
    finally:
        connection.close()
    return [urllib.parse.urlsplit(url).path for (url,) in urls]


def main():
    world.bobtail.skip_without_program()
    w = World("kill", megabytes=24)
    nhits = 0
    try:
        for _ in range(ROUNDS):
            load_and_kill(w)
            paths = committed(w)
            w.start()
            begun = time.monotonic()
            w.serves_hits(paths[:1])
            first_s = time.monotonic() - begun
            w.expect(first_s < world.WAIT_S, f"the first hit took {first_s:.1f} s")
            w.serves_hits(paths[1:NASKED])
            nhits += len(paths[:NASKED])
            w.proxy.stop()
            w.said()
        w.expect(nhits > ROUNDS, "hardly anything was stored")
        print(f"ok: {ROUNDS} rounds, {nhits} hits asked for")
    except Failure as failure:
        print(f"not ok: {failure}", w.load.wrongs, *w.lines(), sep="\n")
        sys.exit(1)
    finally:
        w.proxy.stop()
        w.origin.close()
        shutil.rmtree(w.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
