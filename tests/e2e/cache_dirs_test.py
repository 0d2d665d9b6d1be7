#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Several cache_dir lines: an object goes where min-size= and max-size= let it, all are asked and purged,
a start finds everything again, and one that cannot be used takes nothing from the others. Each has the policy of
the line above it, and the marks of the last reload."""
import http.client
import os
import shutil
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail

bobtail.skip_without_program()
SIZES = (100, 10000, 200000)
NAMES = range(4)
asked = {}


class Origin(socketserver.StreamRequestHandler):
    """/SIZE/NAME is a body of SIZE bytes."""

    def handle(self):
        while line := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            url = line.split()[1].decode()
            asked[url] = asked.get(url, 0) + 1
            body = url.encode().ljust(int(url.split("/")[1]), b".")
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body)
            )


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


PORT, ORIGIN_PORT = bobtail.free_ports(2)
FOLDER = tempfile.mkdtemp(prefix="bobtail-dirs.")
os.chmod(FOLDER, 0o777)


def folder(name):
    return os.path.join(FOLDER, name)


def config(dirs, more=""):
    lines = "".join(f"cache_dir ufs {folder(name)} 64 {options}\n" for name, options in dirs)
    return f"""http_port 127.0.0.1:{PORT} accel vhost
cache_peer 127.0.0.1 parent {ORIGIN_PORT} 0 no-query originserver
acl purge method PURGE
http_access allow purge
http_access allow all
cache_mem 0
maximum_object_size 1 MB
{lines}{more}workers 1
access_log none
cache_log {folder("cache.log")}
shutdown_lifetime 1 second
"""


BY_SIZE = (
    ("small", "max-size=4096"),
    ("medium", "min-size=4097 max-size=50000"),
    ("large", "min-size=50001"),
)


def ask(url, method="GET"):
    """The status, and whether the origin was asked."""
    before = asked.get(url, 0)
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    connection.request(method, url, headers={"Host": "www.example"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if method == "GET" and body != url.encode().ljust(int(url.split("/")[1]), b"."):
        sys.exit(f"{url}: not its body")
    return response.status, asked.get(url, 0) != before


def urls(sizes=SIZES):
    return [f"/{size}/{name}" for size in sizes for name in NAMES]


def sizes_in(name):
    """Of the objects in a directory's file."""
    database = sqlite3.connect(f"file:{folder(name)}/cache.db?mode=ro", uri=True)
    try:
        return [row[0] for row in database.execute("SELECT size FROM object")]
    except sqlite3.OperationalError:
        return []
    finally:
        database.close()


def is_hit(url):
    return not ask(url)[1]


def expect_hits(what, wanted):
    for url in wanted:
        bobtail.require_soon(f"{what}: {url} is a hit", lambda url=url: is_hit(url))


def each_takes_its_sizes():
    for url in urls():
        ask(url)
    for (name, _), size in zip(BY_SIZE, SIZES):
        bobtail.require_soon(f"{name} has its objects", lambda n=name, s=size: sizes_in(n) == [s] * len(NAMES))
    expect_hits("stored", urls())


def a_purge_reaches_each():
    for size in SIZES:
        url = f"/{size}/0"
        if ask(url, "PURGE")[0] != 200:
            sys.exit(f"{url}: not purged")
        if not ask(url)[1]:
            sys.exit(f"{url}: a hit after its purge")
        if ask("/1/nothing", "PURGE")[0] != 404:
            sys.exit("what is nowhere was purged")
    expect_hits("after the purge", urls())


def the_others_serve_without_one():
    """The first is no directory for a while: its objects are misses, and back when it is."""
    os.rename(folder("small"), folder("away"))
    with open(folder("small"), "w", encoding="ascii") as file:
        file.write("in the way\n")
    with bobtail.Proxy(config(BY_SIZE), PORT):
        expect_hits("without small", urls(SIZES[1:]))
        for _ in range(2):
            if not ask("/100/1")[1]:
                sys.exit("/100/1: a hit from a directory that is not there")
    os.remove(folder("small"))
    os.rename(folder("away"), folder("small"))
    with bobtail.Proxy(config(BY_SIZE), PORT):
        before = dict(asked)
        expect_hits("with small again", urls())
        if asked != before:
            sys.exit("what lay on disk was fetched")


def a_file_of_another_seed_is_found_in():
    """Made alone, it has a seed of its own."""
    alone = (("lonely", ""),)
    with bobtail.Proxy(config(alone), PORT):
        ask("/300/alone")
        bobtail.require_soon("lonely has it", lambda: len(sizes_in("lonely")) == 1)
    with bobtail.Proxy(config((*BY_SIZE, *alone)), PORT):
        before = asked["/300/alone"]
        expect_hits("beside others", ["/300/alone", *urls()])
        if asked["/300/alone"] != before:
            sys.exit("what lay on disk was fetched")


def log_text():
    with open(folder("cache.log"), encoding="utf-8") as file:
        return file.read()


def bobtailctl(proxy, *words):
    return subprocess.run(
        ["./bobtailctl", "-f", proxy.config, *words], capture_output=True, text=True, timeout=30, check=True
    ).stdout.splitlines()


def told(proxy, name):
    """What `bobtailctl info` says of it, for each directory."""
    return [line.split(" = ")[1] for line in bobtailctl(proxy, "info") if line.startswith(f"{name} = ")]


def marks_and_policies_are_those_of_the_file(proxy, text):
    """A reload changes the marks, and tells that the rest takes a restart."""
    megabyte = 1 << 20
    if told(proxy, "memory.policy") != ["lfuda"]:
        sys.exit("memory has another policy")
    if told(proxy, "disk.policy") != ["sieve", "lru", "gdsf"]:
        sys.exit(f"the policies are {told(proxy, 'disk.policy')}")
    if told(proxy, "disk.low_bytes") != [str(64 * megabyte)] * 3:
        sys.exit("there are marks without a line")
    with open(proxy.config, "w", encoding="ascii") as file:
        file.write(text.replace("heap GDSF", "heap LFUDA") + "cache_swap_low 50\n")
    bobtailctl(proxy, "reconfigure")
    if told(proxy, "disk.low_bytes") != [str(64 * megabyte // 100 * 50)] * 3:
        sys.exit("the low marks are not those of the reload")
    if told(proxy, "disk.high_bytes") != [str(64 * megabyte // 100 * 95)] * 3:
        sys.exit("the high marks are not Squid's")
    bobtail.require_soon(
        "the change of a policy is spoken of",
        lambda: "a change of cache_dir or its policy takes effect at the next restart" in log_text(),
    )


def turns_are_taken():
    names = ("one", "two", "three")
    text = config(
        [
            ("one", "\ncache_replacement_policy lru"),
            ("two", "\ncache_replacement_policy heap GDSF"),
            ("three", ""),
        ],
        f"""store_dir_select_algorithm round-robin
memory_replacement_policy heap LFUDA
pid_filename {folder("pid")}
""",
    )
    with bobtail.Proxy(text, PORT) as proxy:
        marks_and_policies_are_those_of_the_file(proxy, text)
        for url in urls():
            ask(url)
        share = len(urls()) // len(names)
        for name in names:
            bobtail.require_soon(f"{name} has a third", lambda n=name: len(sizes_in(n)) == share)
        # What is stored again goes where it was.
        ask("/100/0", "PURGE")
        expect_hits("taken in turn", urls())


def main():
    origin = Server(("127.0.0.1", ORIGIN_PORT), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    os.mkdir(folder("small"))
    os.chmod(folder("small"), 0o777)
    with open(folder("small") + "/swap.state", "w", encoding="ascii") as file:
        file.write("Squid's")
    try:
        with bobtail.Proxy(config(BY_SIZE), PORT):
            each_takes_its_sizes()
            a_purge_reaches_each()
            if "small: Squid's files there (swap.state) are left alone" not in log_text():
                sys.exit("Squid's files were not spoken of")
        with bobtail.Proxy(config(BY_SIZE), PORT):
            before = dict(asked)
            expect_hits("after a restart", urls())
            if asked != before:
                sys.exit("what lay on disk was fetched")
        the_others_serve_without_one()
        a_file_of_another_seed_is_found_in()
        turns_are_taken()
    finally:
        origin.shutdown()
        shutil.rmtree(FOLDER, ignore_errors=True)
    print("ok")


main()
