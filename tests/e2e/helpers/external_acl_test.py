#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""external_acl_type: what a helper is asked, byte for byte; what its answers do; that one answer serves
all who ask the same; and that a helper that fails costs the requests that need it, no others."""
import http.client
import threading
import time

from site_of_helpers import PATIENCE, Site, expect, run

def questions():
    """What helpers see, as Squid 5.7 writes it."""
    lines = r"""
external_acl_type one children-max=1 %SRC %>ha{X-A} %>{X-L:member} %>{X-L:;member} %URI %METHOD %DST %PORT %PATH %PROTO %un %EXT_USER %ACL HELPER
external_acl_type old children-max=1 protocol=2.5 %>{X-A} %DATA %{X-B} HELPER
external_acl_type bare children-max=1 concurrency=5 %METHOD %% HELPER ids
acl one external one argone two%20x
acl old external old "arg" one/two a\b
acl bare external bare
http_access allow one old bare
"""
    with Site(lines.replace('"arg" ', "")) as site:
        fields = {"X-A": 'va"l u\\e%\xe9', "X-L": "a=1; member=2, member=3", "X-B": "x y"}
        expect(site.get("/1?p%20q=R", fields)[0], 200, "questions")
        expect(site.asked(), [
            "127.0.0.1 va%22l%20u%5Ce%%E9 3 2 http://w.example/1?p%20q=R GET w.example 80 /1?p%20q=R http"
            " - - one argone two%2520x",
            r"va%22l%20u%5Ce%%E9 one/two a\\b x%20y ",
            "1 GET % -",
        ], "questions")


def answers():
    """Verdicts, and what an answer's words do."""
    lines = """
logformat words %>Hs [%un] [%ue] [%ul] [%et] [%ea] [%{foo}note] [%{mark}note] [%{conn}note] [%{fixed}note] [%note]
access_log stdio:ACCESS_LOG words
external_acl_type asked children-max=1 %>rp HELPER
acl asked external asked
acl tagged tag T1
acl joe ext_user joe
acl je ext_user_regex ^j.e$
acl foo note foo two
acl marks annotate_transaction mark=one mark+=more
acl marked note mark more
acl conn annotate_client conn=kept
acl two method POST
request_header_add X-User "%ue %{foo}note" all
note fixed "<%>rm>" joe
http_access allow !two asked tagged joe je foo marks marked conn
http_access allow two
http_access allow asked !tagged
"""
    with Site(lines) as site:
        line = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
        expect(site.get("/7?/who", connection=line)[0], 200, "who")
        fields = site.origin.requests[-1][1]
        expect(fields["Authorization"], "Basic am9lOnNlYw==", "login=PASS")
        expect(fields["X-User"], "joe bar,two", "request_header_add")
        expect(site.get("/8", connection=line)[0], 200, "the same connection")
        status, body, _ = site.get("/9?/no")
        expect(status, 403, "ERR")
        expect(site.get("/9?/evil")[0], 200, "values with control bytes")
        logged = site.logged(4)
        expect(logged[0].split(" [user:")[0],
               "200 [joe] [joe] [-] [T1] [L1] [bar,two] [one,more] [kept] [<GET>]", "log")
        assert "password" not in logged[0] and "clt_conn_tag: C1" in logged[0], logged[0]
        assert "[kept]" in logged[1] and "clt_conn_tag: C1" in logged[1], logged[1]
        assert logged[2].startswith("403 [-] [-] [-] [denied]"), logged[2]
        assert logged[3].startswith("200 [-] [-] [-] [-]"), logged[3]


def cached():
    """One question for all who ask the same, on both workers; negative answers for their own time."""
    lines = """
external_acl_type kept ttl=3600 negative_ttl=0 children-max=1 queue-size=1000 %>rp HELPER
external_acl_type brief ttl=0 children-max=1 %>rp HELPER
acl kept external kept
acl brief external brief
acl is_brief urlpath_regex brief
http_access allow !is_brief kept
http_access allow is_brief brief
"""
    with Site(lines) as site:
        results = []
        crowd = [threading.Thread(target=lambda: results.append(site.get("/1?/slow")[0]))
                 for _ in range(30)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        expect(results, [200] * 30, "a crowd")
        for _ in range(20):
            expect(site.get("/1?/slow")[0], 200, "kept")
        expect(len(site.asked("slow")), 1, "questions of a crowd")
        for _ in range(3):
            expect(site.get("/1?/err")[0], 403, "refused")
        expect(len(site.asked("err")), 3, "negative_ttl=0")
        for _ in range(3):
            expect(site.get("/1?/ok-brief")[0], 200, "ttl=0")
        expect(len(site.asked("brief")), 3, "ttl=0")


def hostile():
    """A helper that dies, hangs, floods or talks nonsense costs those who ask it, in bounded time."""
    lines = """
external_acl_type asked timeout=2 children-max=2 queue-size=1000 %>rp HELPER
acl asked external asked
acl free urlpath_regex ^/1.free
http_access allow free
http_access allow !asked
http_access allow asked
"""
    with Site(lines) as site:
        for deed in ("bh", "garbage", "crash", "flood", "hang"):
            began = time.monotonic()
            expect(site.get(f"/1?/{deed}")[0], 403, deed)
            assert time.monotonic() - began < 15, f"{deed} took too long"
            expect(site.get("/1?free")[0], 200, f"{deed}: who does not ask")
            expect(site.get(f"/1?/ok-after-{deed}")[0], 200, f"after {deed}")
        expect(len(site.asked("/bh")), 3, "BH is sent three times")
        assert len(site.asked("/crash")) <= 2, "a pill is sent once more at most"
        expect(site.get("/1?/twice")[0], 200, "twice")
        expect(site.get("/1?/ok-after-twice")[0], 200, "after twice")
        crowd = [threading.Thread(target=site.get, args=(f"/1?/crash-{i}",)) for i in range(10)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        assert site.proxy.is_alive(), "the proxy died of its helpers"
        expect(site.get("/1?free")[0], 200, "after many crashes")


def overload():
    """A full queue turns away at once, and the proxy lives."""
    lines = """
external_acl_type asked timeout=10 children-max=1 queue-size=1 %>rp HELPER
acl asked external asked
http_access allow asked
"""
    with Site(lines) as site:
        results = []
        crowd = [threading.Thread(target=lambda i=i: results.append(site.get(f"/1?/slow-{i}")[0]))
                 for i in range(20)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        assert results.count(200) >= 1 and results.count(403) >= 1, results
        expect(site.get("/1?/ok")[0], 200, "after overload")


run((questions, answers, cached, hostile, overload))
