#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""store_id_program: the id is the key in place of the URL, for look-ups, refresh_pattern and PURGE, and
nothing else changes; a helper that fails leaves the URL as the key."""
import os
import sys

from site_of_helpers import Site, expect, run

SQUIDS = os.environ.get("SQUID_LIBEXEC", "/usr/lib/squid")


def keys():
    """Squid 5.7's line, whatever the method; the key; what is asked of the origin and logged."""
    lines = """
logformat urls %Ss %ru [%{store-id}note]
access_log stdio:ACCESS_LOG urls
store_id_program HELPER ids
store_id_children 1 concurrency=4
acl purge method PURGE
acl plain urlpath_regex plain
store_id_access deny plain
http_access allow all

"""
    with Site(lines) as site:
        expect(site.get("/1?a/key")[0], 200, "the first URL")
        status, body, fields = site.get("/2?b/key")
        expect((status, body), (200, b"x"), "another URL with the same id")
        assert "HIT" in fields["X-Cache"], fields
        expect([path for path, *_ in site.origin.requests], ["/1?a/key"], "fetches")
        expect(site.get("/2?plain/key")[1], b"xx", "store_id_access")
        expect(site.get("/2?bare")[1], b"xx", "a bare URL is no key")
        expect(site.get("/1?c/key", method="PURGE")[0], 200, "PURGE goes by the id")
        expect(site.get("/2?b/key")[1], b"xx", "after PURGE")
        expect(site.get("/1?a/key")[1], b"xx", "and by the id again")
        expect(site.get("/5?d/key", method="HEAD")[2]["Content-Length"], "2", "HEAD")
        expect(site.get("/3?e/key", {"Content-Length": "0"}, method="POST")[0], 200, "POST")
        expect(site.get("/3?f/key")[1], b"xxx", "POST invalidates by the id")
        port = site.port
        expect(site.asked("a/key")[0],
               f"1 http://w.example/1?a/key 127.0.0.1/127.0.0.1 - GET myip=127.0.0.1 myport={port}",
               "the question")
        assert site.asked("POST") and site.asked("PURGE"), site.asked()
        logged = site.logged(2)
        assert logged[0].endswith("MISS http://w.example/1? [http://key.example/one]"), logged[0]
        assert logged[1].endswith("HIT http://w.example/2? [http://key.example/one]"), logged[1]


def rules():
    """refresh_pattern goes by the id."""
    lines = """
store_id_program HELPER
store_id_children 1
refresh_pattern ^http://key\\.example/ 60 100% 60 override-expire ignore-reload
refresh_pattern . 0 0% 0
http_access allow all
"""
    with Site(lines) as site:
        for _ in range(3):
            expect(site.get("/1?a/key", {"Cache-Control": "no-cache"})[0], 200, "reload")
        expect(len(site.origin.requests), 1, "ignore-reload of the id's rule")


def broken():
    """Whatever the helper does, clients are served, under the URL as key."""
    lines = """
store_id_program HELPER
store_id_children 2
http_access allow all
"""
    with Site(lines) as site:
        for deed in ("bh", "garbage", "crash", "flood", "twice", "nul", "evil"):
            expect(site.get(f"/1?{deed}")[0], 200, deed)
            expect(site.get(f"/1?x/ok-after-{deed}")[0], 200, f"after {deed}")
        assert site.proxy.is_alive(), "the proxy died of its helper"


def real():
    """Squid's own storeid_file_rewrite, which repeats the extras behind its key."""
    program = os.path.join(SQUIDS, "storeid_file_rewrite")
    if not os.access(program, os.X_OK):
        print(f"skipped: {program} is not there", file=sys.stderr)
        return
    lines = f"""
store_id_program {program} FOLDER/patterns
store_id_children 1 concurrency=10
http_access allow all
"""
    patterns = "^http:\\/\\/w\\.example\\/[0-9]+\\?m[0-9]\\/(.*)\thttp://mirror.internal/$1\n"
    with Site(lines, {"patterns": patterns}) as site:
        expect(site.get("/1?m1/file")[1], b"x", "the first mirror")
        expect(site.get("/2?m2/file")[1], b"x", "the second mirror")
        expect(site.get("/2?other")[1], b"xx", "no mirror")


run((keys, rules, broken, real))
