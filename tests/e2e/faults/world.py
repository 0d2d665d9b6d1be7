# SPDX-License-Identifier: BSD-2-Clause
"""A proxy with a cache on disk, an origin, and clients that ask without end and check each reply.

Memory holds no objects, so that what is a hit comes from the disk."""
import os
import random
import re
import shlex
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../torture"), os.path.join(HERE, "../../support")]
import bobtail  # pylint: disable=wrong-import-position
from client import Connection, Request, Wrong  # pylint: disable=wrong-import-position
from origin import Gone, Origin  # pylint: disable=wrong-import-position

with open(bobtail.shutil.which(shlex.split(bobtail.COMMAND)[0]) or os.devnull, "rb") as program:
    IS_SANITIZED = any(mark in program.read() for mark in (b"__asan_init", b"__tsan_init"))
# What is no wait yet, on a busy machine. The faults themselves last longer.
WAIT_S = 4 if not IS_SANITIZED else 12
PATIENCE_S = 20 if not IS_SANITIZED else 60
PIECE_BYTES = 66500  # of what is stored; a larger body is sent before all of it is read
SIZES = (0, 1, 700, 5000, 30000, 66500, 66501, 200000, 300000)

CONFIG = """
visible_hostname faults.test
http_port 127.0.0.1:{port} accel defaultsite=faults.test vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver connect-fail-limit=1000
http_access allow all
pid_filename {folder}/pid
coredump_dir {folder}
cache_log {folder}/cache.log
access_log {access_log}
cache_mem 0
workers 2
shutdown_lifetime 1 seconds
cache_dir ufs {directory} {megabytes} 16 256
"""


class Failure(Exception):
    """What was expected of the proxy did not come."""


class Ask(Request):
    """A GET; only the right 200 will do, or, for a probe, that it is not in the cache."""

    is_probe = is_hit = False

    def check(self, status, fields, body):
        if status == 504 and self.is_probe:
            return
        if status != 200:
            raise Wrong(f"{self.path}: status {status}")
        if body != self.whole_body():
            raise Wrong(f"{self.path}: {len(body)} bytes, and not the right ones")
        self.is_hit = ";hit" in fields.get("cache-status", "")
        self.cache_status = fields.get("cache-status", "")
        if not fields.get("age", "0").isdigit():
            raise Wrong(f"{self.path}: Age: {fields['age']}")


class Load:
    """A few clients. `wrongs` holds what may not be; `breaks` counts connections that ended while
    that was allowed."""

    def __init__(self, port, nclients=3):
        self.port = port
        self.paths = []  # what is asked for again
        self.may_break = False  # a crash is part of the test
        self.may_cut = False    # a body of several pieces is cut short, or late, by a bad piece
        self.wrongs = []
        self.slowest_s = 0.0
        self.nreplies = self.nhits = self.nbreaks = self.nnew = 0
        self.is_over = False
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(nclients)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def _path(self):
        if self.paths and random.random() < 0.8:
            return random.choice(self.paths)
        self.nnew += 1
        return f"/l/{random.choice(SIZES)}/new-{id(self)}-{self.nnew}-{random.random()}"

    def _run(self):
        connection = None
        while not self.is_over and not self.wrongs:
            path = self._path()
            try:
                connection = connection or Connection(self.port)
                if not self.ask(connection, path):
                    connection = None
            except (Gone, OSError) as error:
                connection = None
                self.nbreaks += 1
                if not self.is_excused(path):
                    self.wrongs.append(f"{path}: the connection broke: {error!r}")
                time.sleep(0.05)
            except Wrong as wrong:
                self.wrongs.append(str(wrong))
            except Exception:  # pylint: disable=broad-except
                self.wrongs.append(traceback.format_exc())
            time.sleep(0.005)

    def is_excused(self, path):
        return self.may_break or (self.may_cut and int(path.split("/")[2]) > PIECE_BYTES)

    def ask(self, connection, path):
        """Whether the connection goes on."""
        request = Ask("GET", path)
        begun = time.monotonic()
        connection.send(request)
        goes_on = connection.reply(request)
        took = time.monotonic() - begun
        if not self.is_excused(path):
            self.slowest_s = max(self.slowest_s, took)
        if took > WAIT_S and not self.is_excused(path):
            raise Wrong(f"{path} took {took:.1f} s")
        self.nreplies += 1
        self.nhits += request.is_hit
        return goes_on


class World:
    """`preload`: a library that the proxy is started with; `options`: what it is started with
    instead of -N."""

    def __init__(self, name, megabytes=64, preload=None, options=None, text="", access_log="none", **_):
        self.name = name
        self.port, origin_port = bobtail.free_ports(2)
        self.folder = bobtail.tempfile.mkdtemp(prefix="bobtail-faults.")
        os.chmod(self.folder, 0o777)
        self.directory = f"{self.folder}/disk"
        self.database = f"{self.directory}/cache.db"
        self.origin = Origin(origin_port, 0)
        self.config = text + CONFIG.format(
            port=self.port, origin=origin_port, folder=self.folder, directory=self.directory,
            megabytes=megabytes, access_log=access_log.format(directory=self.directory),
        )
        self.control = f"{self.folder}/control"
        with open(self.control, "wb") as file:
            file.write(bytes(4096))
        os.chmod(self.control, 0o666)
        self.command = self._command(preload, options)
        self.mounts = []
        self.proxy = None
        self.load = None
        self.nlines_seen = 0

    def _command(self, preload, options):
        words = shlex.split(bobtail.COMMAND)
        if options:
            words = [options if word == "-N" else word for word in words]
        if preload:
            words = ["env", f"LD_PRELOAD={preload}", f"IO_FAULTS={self.control}",
                     "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0", *words]
        return shlex.join(words)

    # ---- life

    def start(self):
        self.proxy = bobtail.Proxy(self.config, self.port, self.command)

    def begin(self):
        self.start()
        self.load = Load(self.port)
        self.load.start()

    def end(self):
        if self.load:
            self.load.stop()
        if self.proxy:
            self.proxy.stop()
        self.origin.close()
        for path in self.mounts:
            os.system(f"umount {shlex.quote(path)}")
        bobtail.shutil.rmtree(self.folder, ignore_errors=True)

    def mount(self, size):
        """A small file system for the cache; False: this machine does not let us."""
        os.mkdir(self.directory)
        status = os.system(f"mount -t tmpfs -o size={size},mode=777 none {self.directory} 2>/dev/null")
        if status == 0:
            self.mounts.append(self.directory)
        return status == 0

    def remount(self, how):
        self.expect(os.system(f"mount -o remount,{how} {self.directory}") == 0, "no remount")

    def fault(self, letter):
        """"" ends it."""
        with open(self.control, "r+b") as file:
            file.write(bytes([ord(letter) if letter else 0, 0]))

    def shift_clock(self, seconds):
        with open(self.control, "r+b") as file:
            file.seek(8)
            file.write(int(seconds).to_bytes(8, "little", signed=True))

    def struck(self):
        with open(self.control, "rb") as file:
            return file.read(2)[1] == 1

    # ---- looking

    def expect(self, is_so, what):
        if not is_so:
            raise Failure(what)

    def no_wrongs(self):
        self.expect(not self.load or not self.load.wrongs, "requests failed")

    def is_hit(self, path, is_probe=False):
        """A probe fetches nothing, so that nothing is stored once more."""
        request = Ask("GET", path, {"Cache-Control": "only-if-cached"} if is_probe else {})
        request.is_probe = is_probe
        connection = Connection(self.port)
        try:
            connection.send(request)
            connection.reply(request)
        finally:
            connection.close()
        return request.is_hit

    def is_confirmed(self, path):
        """The origin was asked, and said that what is stored still holds."""
        request = Ask("GET", path)
        connection = Connection(self.port)
        connection.send(request)
        connection.reply(request)
        connection.close()
        return ";fwd-status=304" in request.cache_status

    def until(self, is_so, what, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while not is_so():
            self.no_wrongs()
            self.expect(time.monotonic() < deadline, f"it did not come to be: {what}")
            time.sleep(0.05)

    def warm(self, npaths=24):
        """Objects that are on disk from here on."""
        paths = [f"/l/{SIZES[i % len(SIZES)]}/{i}-{random.random()}" for i in range(npaths)]
        for path in paths:
            self.is_hit(path)
        for path in paths:
            self.until(lambda path=path: self.is_hit(path, True), f"{path} is a hit")
        self.load.paths = paths
        return paths

    def serves_hits(self, paths):
        for path in paths:
            self.expect(self.is_hit(path), f"{path} is no hit any more")

    def stores(self):
        """Something new becomes a hit."""
        path = f"/l/70000/after-{random.random()}"

        self.until(lambda: self.is_tried_hit(path), "a new object is stored and a hit")

    def is_tried_hit(self, path):
        try:
            return self.is_hit(path)
        except (Gone, OSError):
            if not self.load or not self.load.may_break:
                raise
            return False

    def serves_for(self, seconds):
        """Requests go on for a while, and how many there were is worth the name of traffic."""
        before = self.load.nreplies
        time.sleep(seconds)
        self.no_wrongs()
        self.expect(self.load.nreplies - before > 5, "there was no traffic")

    def lines(self):
        """What the log says of the disk."""
        try:
            with open(f"{self.folder}/cache.log", encoding="latin-1") as file:
                text = file.read()
        except FileNotFoundError:
            return []
        return [line for line in text.splitlines() if re.search("[Dd]isk cache|cache_dir ", line)]

    def said(self, *patterns):
        """These lines, in this order, and no others, since it was last asked; the last ones may
        be on their way still."""

        def match():
            lines = self.lines()[self.nlines_seen :]
            return len(lines) == len(patterns) and all(
                re.search(pattern, line) for pattern, line in zip(patterns, lines)
            )

        try:
            self.until(match, "its lines in the log")
        except Failure as failure:
            lines = "\n    ".join(self.lines()[self.nlines_seen :])
            raise Failure(f"expected {patterns}, the log says:\n    {lines}") from failure
        self.nlines_seen += len(patterns)
