#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Purges under traffic: PURGE, SQL typed into sqlite3, bobtailctl by URL, host, prefix, regex, tag and
condition, hard and soft, with a disk and in memory alone; what is fetched across a purge is not stored;
purge_log remembers."""
import http.server
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.environ.get("srcdir", "."), "tests/support"))
import bobtail  # noqa: E402

BOBTAILCTL = os.environ.get("BOBTAILCTL", "./bobtailctl")
bobtail.skip_without_program()


class Origin(http.server.ThreadingHTTPServer):
    """Counts; /slow/… waits for the gate; tags and the host name come from the path."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.counts = {}
        self.gate = threading.Event()
        self.waiting = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        key = self.headers["Host"].split(":")[0] + self.path
        self.server.counts[key] = self.server.counts.get(key, 0) + 1
        body = f"{key} {self.server.counts[key]}".encode()
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=3600, stale-while-revalidate=600"
                         if "swr" in self.path else "max-age=3600")
        self.send_header("ETag", '"same"')
        if "news" in self.path:
            self.send_header("Surrogate-Key", "all news")
        if "sport" in self.path:
            self.send_header("Cache-Tag", "all,sport")
        if "vary" in self.path:
            self.send_header("Vary", "Accept-Language")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.flush()
        if "slow" in self.path:
            self.server.waiting.set()
            self.server.gate.wait(20)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Site:
    """An origin, a proxy before it, and questions to both."""

    def __init__(self, has_disk):
        self.origin = Origin()
        self.port = bobtail.free_ports(1)[0]
        self.folder = "/tmp/bobtail-purge-" + str(self.port)
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o777)
        self.store = os.path.join(self.folder, "store")
        disk = f"cache_dir ufs {self.store} 64 16 256" if has_disk else ""
        self.proxy = bobtail.Proxy(f"""
http_port {self.port} accel defaultsite=www.example vhost
cache_peer 127.0.0.1 parent {self.origin.server_address[1]} 0 no-query originserver
acl all_urls url_regex .
acl purge method PURGE
http_access allow purge
http_access allow all_urls
pid_filename {self.folder}/pid
cache_log {self.folder}/cache.log
access_log none
{disk}
""", self.port)

    def close(self):
        self.proxy.stop()
        self.origin.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path, host="www.example", method="GET", language=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         headers={"Host": host})
        if language:
            request.add_header("Accept-Language", language)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()

    def count(self, path, host="www.example"):
        return self.origin.counts.get(host + path, 0)

    def ctl(self, *words, status=0):
        run = subprocess.run([BOBTAILCTL, "-f", self.proxy.config, *words], timeout=60,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert run.returncode == status, (words, run.returncode, run.stdout)
        return dict(line.split(" = ", 1) for line in run.stdout.splitlines() if " = " in line)

    def sql(self, text):
        """As typed into a shell that waits for a busy writer."""
        with sqlite3.connect(os.path.join(self.store, "cache.db"), timeout=10) as shell:
            rows = shell.execute(text).fetchall()
        shell.close()
        return rows

    def wait_stored(self, n):
        wait(lambda: self.sql("SELECT count(*) FROM object")[0][0] == n, f"{n} objects on disk")


def wait(is_so, what, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def fill(site):
    """Some of everything; each is a hit afterwards."""
    paths = ["/a", "/news/1", "/news/2", "/sport/1", "/vary"]
    for path in paths:
        site.get(path)
    site.get("/vary", language="fi")
    site.get("/b", host="other.example")
    return paths


def fetched_again(site, path, host="www.example", **wishes):
    before = site.count(path, host)
    site.get(path, host, **wishes)
    return site.count(path, host) - before


def purges_by_all_that_can_be_said(site):
    fill(site)
    said = site.ctl("purge", "http://www.example/a", "--dry-run")
    assert said["memory"] == "1", said
    assert fetched_again(site, "/a") == 0
    assert site.ctl("purge", "http://www.example/a")["memory"] == "1"
    assert fetched_again(site, "/a") == 1
    assert site.ctl("purge", "http://www.example/vary")["memory"] == "2"
    assert fetched_again(site, "/vary") + fetched_again(site, "/vary", language="fi") == 2
    assert site.ctl("purge", "--tag", "news")["memory"] == "2"
    assert [fetched_again(site, p) for p in ("/news/1", "/news/2", "/sport/1")] == [1, 1, 0]
    said = site.ctl("purge", "--tag", "all")
    assert said["memory"] == "3" and int(said["took_ms"]) >= 0, said
    assert [fetched_again(site, p) for p in ("/news/1", "/sport/1", "/a")] == [1, 1, 0]
    assert site.ctl("purge", "--regex", "^http://[^/]*/news/[12]$")["memory"] == "1"
    assert [fetched_again(site, p) for p in ("/news/1", "/sport/1")] == [1, 0]
    assert site.ctl("purge", "--prefix", "http://www.example/sport")["memory"] == "1"
    assert [fetched_again(site, p) for p in ("/news/1", "/sport/1")] == [0, 1]
    site.ctl("purge", "--host", "other.example")
    assert fetched_again(site, "/b", "other.example") == 1
    assert fetched_again(site, "/a") == 0
    assert site.ctl("purge", "--tag", "none")["memory"] == "0"


def wrong_purges_are_refused(site):
    site.ctl("purge", status=2)
    site.ctl("purge", "http://www.example/", "--tag", "x", status=2)
    site.ctl("purge", "--regex", "(", status=1)
    site.ctl("purge", "--tag", "", status=1)


def purged_softly_it_serves_while_it_is_renewed(site):
    assert fetched_again(site, "/swr/news") == 1
    assert fetched_again(site, "/swr/news") == 0
    body = site.get("/swr/news")
    site.ctl("purge", "--tag", "news", "--soft")
    assert site.get("/swr/news") == body  # stale-while-revalidate
    wait(lambda: site.count("/swr/news") == 2, "a refresh in the background")
    assert fetched_again(site, "/news/1") == 1  # stale, without that wish: asked for again


def what_is_fetched_across_a_purge_is_not_stored(site):
    site.origin.gate.clear()
    site.origin.waiting.clear()
    client = threading.Thread(target=site.get, args=("/slow/news",))
    client.start()
    assert site.origin.waiting.wait(20)
    site.ctl("purge", "--tag", "news")
    site.origin.gate.set()
    client.join(20)
    before = site.count("/slow/news")
    site.get("/slow/news")
    assert site.count("/slow/news") == before + 1
    site.get("/slow/news")
    assert site.count("/slow/news") == before + 1


def typed_into_a_shell_it_takes_effect_within_a_second(site):
    for statement in ("DELETE FROM cache WHERE url LIKE '%/typed/%'",
                      "UPDATE object SET expires = unixepoch() - 1 WHERE url LIKE '%/typed/%'"):
        stop = threading.Event()
        traffic = [threading.Thread(target=ask_until, args=(site, stop, n)) for n in range(2)]
        for thread in traffic:
            thread.start()
        wait(lambda: site.sql("SELECT count(*) FROM object WHERE url LIKE '%/typed/%'")[0][0] == 2,
             "what is asked for on disk")
        before = [site.count(f"/typed/{n}") for n in range(2)]
        site.sql(statement)
        wait(lambda: all(site.count(f"/typed/{n}") > before[n] for n in range(2)),
             f"the origin asked again after {statement}", 2)
        stop.set()
        for thread in traffic:
            thread.join(20)
    wait(lambda: site.sql("SELECT count(*) FROM purged WHERE who = 'sqlite3'")[0][0] >= 2,
         "a line of the shell's in purge_log")


def ask_until(site, stop, n):
    while not stop.is_set():
        site.get(f"/typed/{n}")
        time.sleep(0.002)


def by_condition_on_disk(site):
    site.get("/where/1")
    site.get("/where/2")
    wait(lambda: site.sql("SELECT count(*) FROM object WHERE url LIKE '%/where/%'")[0][0] == 2,
         "two on disk")
    assert site.ctl("purge", "--where", "url LIKE '%/where/1'", "--dry-run")["disk"] == "1"
    assert site.ctl("purge", "--where", "url LIKE '%/where/1'")["disk"] == "1"
    wait(lambda: fetched_again(site, "/where/1") == 1, "memory forgets it too", 2)
    assert fetched_again(site, "/where/2") == 0
    site.ctl("purge", "--where", "1); DELETE FROM object; --", status=1)
    site.ctl("purge", "--where", "nonsense(", status=1)


def purge_log_remembers_what_when_and_who(site):
    assert site.get("/a", method="PURGE") == ""
    wait(lambda: site.sql("SELECT 1 FROM purged WHERE who = 'PURGE from 127.0.0.1' AND"
                          " what = 'url http://www.example/a' AND how = 'deleted' AND at IS NOT NULL"),
         "the PURGE in the log")
    rows = site.sql("SELECT who, how, what, objects FROM purged WHERE what = 'tag all'")
    assert rows and rows[0][0].startswith("bobtailctl ") and rows[0][1] == "deleted", rows
    assert site.sql("SELECT 1 FROM purged WHERE what LIKE 'where url LIKE%'")


def nothing_purged_is_left_on_disk(site):
    for n in range(30):
        site.get(f"/many/{n}/news")
    wait(lambda: site.sql("SELECT count(*) FROM tag WHERE tag = 'news' AND url LIKE '%/many/%'")
         [0][0] == 30, "thirty on disk")
    said = site.ctl("purge", "--prefix", "http://www.example/many/")
    assert said["disk"] == "30", said
    assert site.sql("SELECT count(*) FROM object WHERE url LIKE '%/many/%'") == [(0,)]
    wait(lambda: site.sql("SELECT count(*) FROM chunk WHERE id >> 20 NOT IN (SELECT id FROM object)")
         == [(0,)], "no piece left behind")


def main():
    everywhere = [purges_by_all_that_can_be_said, wrong_purges_are_refused,
                  purged_softly_it_serves_while_it_is_renewed,
                  what_is_fetched_across_a_purge_is_not_stored]
    on_disk = [typed_into_a_shell_it_takes_effect_within_a_second, by_condition_on_disk,
               purge_log_remembers_what_when_and_who, nothing_purged_is_left_on_disk]
    for has_disk in (False, True):
        site = Site(has_disk)
        try:
            for test in everywhere + (on_disk if has_disk else []):
                test(site)
                print(f"ok: {test.__name__} ({'disk' if has_disk else 'memory alone'})")
        except BaseException:
            print(site.proxy.output())
            raise
        finally:
            site.close()


main()
