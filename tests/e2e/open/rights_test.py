#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may open cache.db: a member of the group reads it while Bobtail runs, when it was stopped and when
it was killed, and may not purge; others may not read. Needs root, to become somebody else."""
import os
import pwd
import sqlite3
import sys

from cache_site import Site  # noqa: E402

SKIP = 77


def as_other(groups, path, statement):
    """What SQLite says to a user without rights of his own: rows, or its refusal."""
    nobody = pwd.getpwnam("nobody")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            with sqlite3.connect(path, timeout=5) as shell:
                said = str(shell.execute(statement).fetchall())
        except sqlite3.Error as refusal:
            said = str(refusal)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def look(site, when):
    path = os.path.join(site.store, "cache.db")
    group = os.stat(path).st_gid
    assert os.stat(path).st_mode & 0o777 == 0o640, oct(os.stat(path).st_mode)
    assert os.stat(site.store).st_mode & 0o777 == 0o750, oct(os.stat(site.store).st_mode)
    assert as_other([group], path, "SELECT url FROM cache") == "[('http://www.example/a',)]", when
    assert "readonly" in as_other([group], path, "DELETE FROM cache"), when
    assert "unable to open" in as_other([], path, "SELECT url FROM cache"), when
    print(f"ok: {when}")


def main():
    if os.getuid() != 0 or pwd.getpwnam("nobody").pw_gid == 0:
        print("skipped: not root")
        sys.exit(SKIP)
    site = Site(True, "cache_effective_user bin\ncache_effective_group bin")
    try:
        site.get("/a")
        site.wait_stored(1)
        look(site, "while it runs")
        site.stop()
        look(site, "when it was stopped")
        site.start()
        site.proxy.process.kill()
        site.proxy.process.wait()
        look(site, "when it was killed")
    finally:
        site.close()


main()
