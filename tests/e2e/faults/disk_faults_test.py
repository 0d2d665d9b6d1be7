#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What may befall the disk cache while clients ask: no request fails or waits, nothing damaged is
served, it recovers by itself, and each change of its state is one line in the log.

    disk_faults_test.py [FAULT ...]"""
import concurrent.futures
import hashlib
import os
import random
import shutil
import sqlite3
import sys
import time
import traceback

import world
from world import Failure, World

SHIM = os.path.join(os.getcwd(), "tests/e2e/faults/io_faults.so")
SIDE_BY_SIDE = 6
ACCESS_LOG = "stdio:{directory}/access.log"

# ---- what the log says

PAUSED = "does not store for now, hits go on: "
OFF = "is not used for now, trying again by itself: "
STORES_AGAIN = "stores again$"
SET_ASIDE = r"is damaged \(.*\): setting it aside, starting an empty one$"
MOVED = "was moved or deleted: opening what is there now$"


class Skip(Exception):
    """Not possible on this machine."""


def sql(database, text):
    connection = sqlite3.connect(database, timeout=5, isolation_level=None)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def written_back(w):
    """All is in the database, and the log of SQLite empty: what follows strikes the database."""

    def is_done():
        is_busy, _, _ = sql(w.database, "PRAGMA wal_checkpoint(TRUNCATE)")[0]
        return not is_busy

    w.until(is_done, "the log is written back whole")


# ---- the disk takes no more


def paused_by(w, begin, end, reason):
    """Hits go on meanwhile, and stores afterwards."""
    paths = w.warm()
    begin()
    w.said(PAUSED + reason)
    w.serves_for(1)
    w.serves_hits(paths)
    end()
    w.said(STORES_AGAIN)
    w.stores()
    w.serves_hits(paths)


def fill(path):
    """The last byte of its file system."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


def full_disk(w):
    """P1: others filled it, before a batch was begun or in its midst."""
    filler = f"{w.directory}/filler"
    paused_by(w, lambda: fill(filler), lambda: os.unlink(filler), "(the disk is nearly|database or disk is) full")


def mounted(w):
    if not w.mount("40m"):
        raise Skip


def struck_by(letter, reason):
    def run(w):
        paused_by(w, lambda: w.fault(letter), lambda: w.fault(""), reason)

    return run


# ENOSPC in the midst of a transaction; RLIMIT_FSIZE, whose signal may not end the process; what ext4
# does to itself after an error; EIO on writes (P9).
no_space = struck_by("f", "database or disk is full")
file_size_limit = struck_by("b", "disk I/O error")
becomes_read_only = struck_by("o", "disk I/O error")
write_errors = struck_by("w", "disk I/O error")


# ---- errors of the device


def off_by(w, letter):
    """Serves without the disk meanwhile; what was in it is there again afterwards."""
    paths = w.warm()
    w.fault(letter)
    w.said(OFF)
    w.serves_for(2)
    w.expect(w.struck(), "nothing was struck")
    w.fault("")
    w.said(STORES_AGAIN)
    w.stores()
    w.until(lambda: all(w.is_hit(path) for path in paths), "the index is read again")
    w.expect(not os.path.exists(w.database + ".damaged"), "a sound file was set aside")


def read_errors(w):
    off_by(w, "r")


def sync_errors(w):
    """P9."""
    off_by(w, "s")


def stalled_reads(w):
    """A device that answers no read for a while: requests are fetched. (A body that was begun
    waits for its rest.)"""
    paths = w.warm()
    w.load.may_cut = True
    w.fault("R")
    w.said("does not answer: hits are fetched for now$")
    w.serves_for(world.WAIT_S + 1)
    w.fault("")
    w.said("answers again$")
    w.load.may_cut = False
    w.until(lambda: all(w.is_hit(path) for path in paths), "hits again")
    w.stores()


def stalled_writes(w):
    """Stores wait in a bounded queue, and nothing else does."""
    paths = w.warm()
    w.fault("W")
    w.until(w.struck, "a write that stalls")
    w.serves_for(world.WAIT_S + 1)
    w.serves_hits(paths)
    w.fault("")
    w.stores()
    w.serves_hits(paths)
    w.said()


# ---- the file is damaged


def damaged(change):
    """It is set aside, once, and an empty one takes its place."""

    def run(w):
        w.warm()
        written_back(w)
        w.load.may_cut = True
        change(w.database, os.stat(w.database).st_size)
        w.said(SET_ASIDE)
        w.load.may_cut = False
        w.serves_for(1)
        w.stores()
        w.expect(os.path.exists(w.database + ".damaged"), "the damaged file was not kept")

    return run


def write_noise(database, size):
    with open(database, "r+b") as file:
        file.write(os.urandom(size))


truncated = damaged(lambda database, size: os.truncate(database, size // 2 // 8192 * 8192))
truncated_to_nothing = damaged(lambda database, size: os.truncate(database, 0))
overwritten_by_noise = damaged(write_noise)
header_overwritten = damaged(lambda database, size: write_noise(database, 100))


def random_damage(w):
    """P4: as by dd. Pieces are dropped one by one, or all of the file; no wrong byte is served."""
    w.warm()
    written_back(w)
    w.load.may_cut = True
    size = os.stat(w.database).st_size
    with open(w.database, "r+b") as file:
        for _ in range(60):
            file.seek(random.randrange(size))
            file.write(os.urandom(64))
    w.serves_for(2)
    w.until(lambda: w.lines(), "a line in the log")
    w.stores()


def overwritten_by_copy(w):
    """An older copy of the database is written over it: what it says is of another time."""
    w.warm()
    written_back(w)
    copy = f"{w.folder}/copy"
    shutil.copyfile(w.database, copy)
    w.serves_for(1)
    written_back(w)
    w.load.may_cut = True
    with open(copy, "rb") as old, open(w.database, "r+b") as file:
        shutil.copyfileobj(old, file)
    w.serves_for(2)
    w.stores()


# ---- the file goes


def gone(remove, line):
    """P5: an empty one is made."""

    def run(w):
        w.warm()
        w.load.may_cut = True
        remove(w)
        w.said(line)
        w.load.may_cut = False
        w.serves_for(0.5)
        w.stores()

    return run


def unlink(*suffixes):
    return lambda w: [os.unlink(w.database + suffix) for suffix in suffixes]


deleted = gone(unlink(""), MOVED)
all_deleted = gone(unlink("", "-wal", "-shm"), MOVED)
wal_deleted = gone(unlink("-wal", "-shm"), SET_ASIDE)
directory_deleted = gone(lambda w: shutil.rmtree(w.directory), MOVED)


def replaced(w):
    """By a copy of itself, made by another Bobtail (its keys are of another seed): it serves."""
    paths = w.warm()
    copy = f"{w.folder}/copy"
    with sqlite3.connect(w.database, timeout=5) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    os.chmod(copy, 0o666)
    triggers = sql(copy, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    for name, _ in triggers:
        sql(copy, f"DROP TRIGGER {name}")
    sql(copy, "UPDATE meta SET value = 7 WHERE name = 'seed'")
    sql(copy, "UPDATE usage SET used = 1, key = id")
    for _, text in triggers:
        sql(copy, text)
    w.load.may_cut = True
    os.rename(copy, w.database)
    w.said(MOVED)
    w.load.may_cut = False
    w.until(lambda: all(w.is_hit(path) for path in paths), "its objects are hits")
    w.stores()
    w.expect(sql(w.database, "SELECT count(*) FROM usage WHERE used = 1")[0][0] > 0, "it was emptied")


def replaced_by_foreign(w):
    """Another program's database is not touched."""
    w.warm()
    other = f"{w.folder}/other"
    sql(other, "CREATE TABLE t(a)")
    before = checksum(other)
    os.chmod(other, 0o666)
    w.load.may_cut = True
    os.rename(other, w.database)
    w.said(MOVED, OFF + ".* is another program's database$")
    w.serves_for(2)
    w.expect(checksum(w.database) == before, "the other's database was changed")
    os.unlink(w.database)
    w.said(STORES_AGAIN)
    w.stores()


# ---- other programs


def locked(how):
    """P6: by the shell. Hits go on, stores wait in a bounded queue."""

    def run(w):
        holder = []

        def hold():
            holder.append(sqlite3.connect(w.database, timeout=5, isolation_level=None))
            holder[0].execute(f"BEGIN {how}")

        def let_go():
            holder[0].execute("ROLLBACK")
            holder[0].close()

        paused_by(w, hold, let_go, "another program holds its lock$")

    return run


def dropped_table(w):
    """P8."""
    w.warm()
    w.load.may_cut = True
    sql(w.database, "DROP TABLE chunk")
    w.said(SET_ASIDE)
    w.load.may_cut = False
    w.serves_for(0.5)
    w.stores()


def vacuum(w):
    paths = w.warm()
    for _ in range(100):
        try:
            sql(w.database, "VACUUM")
            break
        except sqlite3.OperationalError:
            time.sleep(0.05)
    w.serves_for(1)
    w.serves_hits(paths)
    w.stores()
    w.said()


def long_reader(w):
    """P7: a shell that reads without end keeps SQLite's log from being written back; at half the
    cap nothing more is stored."""
    paths = w.warm()
    reader = sqlite3.connect(w.database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM object").fetchall()
    for i in range(400):
        w.is_hit(f"/l/400000/long-{i}")
        if w.lines():
            break
    w.said(PAUSED + "a program that reads cache.db without end")
    w.serves_for(2)
    w.expect(os.stat(w.database + "-wal").st_size < 44 << 20, "the log grew on")
    w.serves_hits(paths)
    reader.execute("COMMIT")
    reader.close()
    w.said(STORES_AGAIN)
    w.stores()


def second_bobtail(w):
    """P21: it says so, reads what is small, stores nothing, and takes the disk over when the first has gone."""
    paths = w.warm()
    second = World("second")
    try:
        second.config = second.config.replace(second.directory, w.directory)
        second.begin()
        second.said(PAUSED[:-2] + ", trying again by itself: .* is in use by another process$")
        second.serves_hits([path for path in paths if int(path.split("/")[2]) <= 66500])
        second.serves_for(1)
        w.serves_hits(paths)
        w.said()
        w.load.stop()
        w.proxy.end()
        second.said(STORES_AGAIN)
        second.stores()
        second.until(lambda: all(second.is_hit(path) for path in paths), "the first one's are hits")
        second.no_wrongs()
    finally:
        second.end()


def shm_truncated(w):
    """SQLite's shared memory is mapped: the process dies of it, and the next one serves."""
    paths = w.warm()
    w.load.may_break = True
    os.truncate(w.database + "-shm", 0)
    w.until(lambda: w.load.nbreaks > 0, "broken connections")
    w.until(lambda: w.is_tried_hit(paths[3]), "hits again")
    w.stores()
    w.load.may_break = False
    w.serves_for(0.5)


# ---- at the start


def refused_at_start(w):
    """A foreign database, or a newer one's (P27), is left as it is."""
    before = checksum(w.database)
    w.said("cache_dir .*(another program's database|made by a newer version .*); going on without it")
    w.serves_for(1)
    w.expect(checksum(w.database) == before, "the other's database was changed")
    w.expect(sorted(os.listdir(w.directory)) == ["cache.db", "cache.db.lock"], "it was not tidy")


def with_database(*texts):
    def prepare(w):
        os.mkdir(w.directory)
        os.chmod(w.directory, 0o777)
        for text in texts:
            sql(w.database, text)
        os.chmod(w.database, 0o666)

    return prepare


foreign = with_database("CREATE TABLE t(a)")
newer = with_database(
    f"PRAGMA application_id={0x48434143}", "PRAGMA user_version=1000", "CREATE TABLE t(a)"
)


def absent_at_start(mend):
    """Serves without the disk until it can be had."""

    def run(w):
        w.said(OFF)
        w.serves_for(1)
        mend(w)
        w.said(STORES_AGAIN)
        w.stores()

    return run


def mounted_read_only(w):
    mounted(w)
    w.remount("ro")


def without_parent(w):
    parent = f"{w.folder}/not"
    w.config = w.config.replace(w.directory, f"{parent}/there")
    w.directory = f"{parent}/there"


def make_parent(w):
    parent = os.path.dirname(w.directory)
    os.mkdir(parent)
    os.chmod(parent, 0o777)


def network(w):
    """P11."""
    w.fault("n")


def refused_on_network(w):
    w.said("cache_dir .* lies on a network file system; going on without it")
    w.serves_for(1)


# ---- the clock of the day


YEAR_S = 365 * 86400


def nobjects(w):
    return sql(w.database, "SELECT count(*) FROM object")[0][0]


def log_flows(w):
    def size():
        return os.stat(f"{w.directory}/access.log").st_size

    before = size()
    w.until(lambda: size() > before, "access.log goes on")


def clock_forward(w):
    """P15: what is stale now is confirmed by the origin, not thrown away."""
    paths = w.warm()
    w.load.paths = []
    before = nobjects(w)
    w.shift_clock(YEAR_S)
    # A larger body may not be in memory as a whole, and is fetched anew.
    paths = [path for path in paths if int(path.split("/")[2]) <= world.PIECE_BYTES]
    for path in paths:
        w.expect(w.is_confirmed(path), f"{path} was not confirmed")
    w.expect(nobjects(w) >= before, "objects were deleted")
    w.until(lambda: all(w.is_hit(path, True) for path in paths), "what was confirmed is fresh")
    w.serves_for(1)
    log_flows(w)
    w.stores()
    w.said()


def clock_back(w):
    """P16: to 1970, as on a board without a clock. What was stored before is of no known age, so the origin is
    asked whether it holds; nothing that waits for a time waits for years."""
    paths = w.warm()
    w.shift_clock(-int(time.time()))
    confirmed = [path for path in paths if w.is_confirmed(path)]
    w.expect(confirmed, "nothing was validated")  # nor may all have been by the load, in this moment
    w.serves_for(1)
    log_flows(w)
    w.stores()
    w.shift_clock(0)
    for path in paths:
        w.expect(w.is_confirmed(path) or w.is_hit(path), f"{path} was fetched anew")
    w.stores()
    log_flows(w)
    w.said()


# ---- a full disk under access.log


def full_log(w):
    """P2: records are lost, and one line says so. What is written later begins on its own line."""
    log = f"{w.directory}/access.log"
    w.warm()
    log_flows(w)
    filler = f"{w.directory}/filler"
    fill(filler)
    w.until(lambda: "cannot write to" in w.proxy.output(), "a line about the log")
    w.serves_for(1)
    os.unlink(filler)
    log_flows(w)
    w.expect(w.proxy.output().count("cannot write to") == 1, "it was said more than once")
    with open(log, encoding="latin-1") as file:
        lines = file.read().splitlines()
    w.expect(sum(line.count(" GET http") > 1 for line in lines) == 0, "two records on one line")


FAULTS = {
    "full-disk": (full_disk, {"prepare": mounted}),
    "no-space": (no_space, {"preload": SHIM}),
    "file-size-limit": (file_size_limit, {"preload": SHIM}),
    "becomes-read-only": (becomes_read_only, {"preload": SHIM}),
    "read-errors": (read_errors, {"preload": SHIM}),
    "write-errors": (write_errors, {"preload": SHIM}),
    "sync-errors": (sync_errors, {"preload": SHIM}),
    "stalled-reads": (stalled_reads, {"preload": SHIM}),
    "stalled-writes": (stalled_writes, {"preload": SHIM}),
    "random-damage": (random_damage, {}),
    "truncated": (truncated, {}),
    "truncated-to-nothing": (truncated_to_nothing, {}),
    "overwritten-by-noise": (overwritten_by_noise, {}),
    "header-overwritten": (header_overwritten, {}),
    "overwritten-by-copy": (overwritten_by_copy, {}),
    "deleted": (deleted, {}),
    "all-deleted": (all_deleted, {}),
    "wal-deleted": (wal_deleted, {}),
    "directory-deleted": (directory_deleted, {}),
    "replaced": (replaced, {}),
    "replaced-by-foreign": (replaced_by_foreign, {}),
    "locked-immediate": (locked("IMMEDIATE"), {}),
    "locked-exclusive": (locked("EXCLUSIVE"), {}),
    "dropped-table": (dropped_table, {}),
    "vacuum": (vacuum, {}),
    "long-reader": (long_reader, {}),
    "second-bobtail": (second_bobtail, {}),
    "shm-truncated": (shm_truncated, {"options": "--foreground"}),
    "foreign-at-start": (refused_at_start, {"prepare": foreign}),
    "newer-at-start": (refused_at_start, {"prepare": newer}),
    "read-only-at-start": (absent_at_start(lambda w: w.remount("rw")), {"prepare": mounted_read_only}),
    "network-file-system": (refused_on_network, {"prepare": network, "preload": SHIM}),
    "clock-forward": (clock_forward, {"preload": SHIM, "access_log": ACCESS_LOG}),
    "clock-back": (clock_back, {"preload": SHIM, "access_log": ACCESS_LOG}),
    "full-log": (full_log, {"prepare": mounted, "access_log": ACCESS_LOG}),
    "missing-directory": (absent_at_start(make_parent), {"prepare": without_parent}),
}


def wrongs_of(w):
    output = w.proxy.output()
    wrongs = w.load.wrongs + w.origin.complaints
    if not w.proxy.is_alive() and w.proxy.process.returncode != 0:
        wrongs.append(f"the proxy died: {output[-2000:]}")
    if "Sanitizer" in output and not w.load.nbreaks:
        wrongs.append(output[-8000:])
    return wrongs


def suffer(w, fault):
    """What went wrong."""
    try:
        w.begin()
        fault(w)
        return wrongs_of(w)
    except Failure as failure:
        return [str(failure), *wrongs_of(w), *w.lines()]
    except Exception:  # pylint: disable=broad-except
        return [traceback.format_exc()]


def run(name):
    fault, options = FAULTS[name]
    begun = time.monotonic()
    w = World(name, **options)
    try:
        if "prepare" in options:
            options["prepare"](w)
        wrongs = suffer(w, fault)
    except Skip:
        print(f"SKIP {name}: not possible on this machine", flush=True)
        return []
    finally:
        w.end()
    took = time.monotonic() - begun
    verdict = "not ok" if wrongs else "ok"
    print(f"{verdict}: {name} ({took:.1f} s; slowest reply {w.load.slowest_s:.2f} s)", flush=True)
    return wrongs


def main():
    world.bobtail.skip_without_program()
    names = sys.argv[1:] or list(FAULTS)
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = list(pool.map(run, names))
    for name, wrongs in zip(names, results):
        for wrong in wrongs:
            print(f"{name}: {wrong}")
    sys.exit(any(results))


if __name__ == "__main__":
    main()
