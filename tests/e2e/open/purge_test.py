#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Purges under traffic: PURGE, SQL typed into sqlite3, bobtailctl by URL, host, prefix, regex, tag and
condition, hard and soft, with a disk and in memory alone; what is fetched across a purge is not stored;
purge_log remembers."""
import threading
import time

from cache_site import Site, bobtail


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


def parts_are_purged_too(site):
    for words in (["http://www.example/part/news"], ["--tag", "news"], ["--prefix", "http://www.example/part"]):
        site.get("/part/news", part="0-3")
        assert fetched_again(site, "/part/news", part="0-3") == 0
        assert int(site.ctl("purge", *words)["memory"]) >= 1
        assert fetched_again(site, "/part/news", part="0-3") == 1
        site.ctl("purge", "http://www.example/part/news")


def wrong_purges_are_refused(site):
    site.ctl("purge", status=2)
    site.ctl("purge", "http://www.example/", "--tag", "x", status=2)
    site.ctl("purge", "--regex", "(", status=1)
    site.ctl("purge", "www.example/", status=1)
    site.ctl("purge", "--tag", "", status=1)


def purged_softly_it_serves_while_it_is_renewed(site):
    assert fetched_again(site, "/swr/news") == 1
    assert fetched_again(site, "/swr/news") == 0
    body = site.get("/swr/news")
    site.ctl("purge", "--tag", "news", "--soft")
    assert site.get("/swr/news") == body  # stale-while-revalidate
    bobtail.require_soon("a refresh in the background", lambda: site.count("/swr/news") == 2)
    assert fetched_again(site, "/news/1") == 1  # stale, without that wish: asked for again


def fetch_across(site, path, *words):
    """A fetch whose head came before the purge, and its body after it."""
    site.origin.gate.clear()
    site.origin.waiting.clear()
    client = threading.Thread(target=site.get, args=(path,))
    client.start()
    assert site.origin.waiting.wait(20)
    site.ctl("purge", *words)
    site.origin.gate.set()
    client.join(20)


def what_is_fetched_across_a_soft_purge_is_stored_stale(site):
    path = "/slow/swr"
    fetch_across(site, path, "--prefix", "http://www.example/slow/swr", "--soft")
    assert site.count(path) == 1
    assert site.get(path) == "www.example/slow/swr 1"  # kept: it serves while it is renewed
    bobtail.require_soon("a refresh in the background", lambda: site.count(path) == 2)


def what_is_fetched_across_a_purge_is_not_stored(site):
    fetch_across(site, "/slow/news", "--tag", "news")
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
        site.wait_stored(2, "/typed/")
        before = [site.count(f"/typed/{n}") for n in range(2)]
        site.sql(statement)
        bobtail.require_soon(f"the origin asked again after {statement}",
                             lambda: all(site.count(f"/typed/{n}") > before[n] for n in range(2)), 2)
        stop.set()
        for thread in traffic:
            thread.join(20)
    bobtail.require_soon("a line of the shell's in purge_log",
                         lambda: site.sql("SELECT count(*) FROM purged WHERE who = 'sqlite3'")[0][0] >= 2)


def ask_until(site, stop, n):
    while not stop.is_set():
        site.get(f"/typed/{n}")
        time.sleep(0.002)


def by_condition_on_disk(site):
    site.get("/where/1")
    site.get("/where/2")
    site.wait_stored(2, "/where/")
    assert site.ctl("purge", "--where", "url LIKE '%/where/1'", "--dry-run")["disk"] == "1"
    assert site.ctl("purge", "--where", "url LIKE '%/where/1'")["disk"] == "1"
    bobtail.require_soon("memory forgets it too", lambda: fetched_again(site, "/where/1") == 1, 2)
    assert fetched_again(site, "/where/2") == 0
    site.ctl("purge", "--where", "1); DELETE FROM object; --", status=1)
    site.ctl("purge", "--where", "nonsense(", status=1)


def while_a_shell_holds_the_file_what_is_purged_serves_no_more(site):
    """In memory and on disk, by two purges at once; the rows go when the shell lets go."""
    site.get("/held/news")
    site.get("/held/other")
    site.wait_stored(2, "/held/")
    site.restart()  # now /held/other is on disk alone
    site.get("/held/news")
    before = site.count("/held/news"), site.count("/held/other")
    with site.shell() as shell:
        shell.execute("BEGIN IMMEDIATE")
        for words in (("--tag", "news"), ("--prefix", "http://www.example/held/o")):
            site.begin("purge", *words)
        bobtail.require_soon("the origin asked again",
                             lambda: [site.get("/held/news"), site.get("/held/other")] and
                             site.count("/held/news") > before[0] and site.count("/held/other") > before[1])
        shell.execute("ROLLBACK")
    bobtail.require_soon("both purges to their end", lambda: all(ctl.poll() == 0 for ctl in site.begun), 20)
    assert site.sql("SELECT count(*) FROM purged WHERE what IN"
                    " ('tag news', 'prefix http://www.example/held/o')")[0][0] >= 2


def purge_log_remembers_what_when_and_who(site):
    assert site.get("/a", method="PURGE") == ""
    bobtail.require_soon("the PURGE in the log",
                         lambda: site.sql("SELECT 1 FROM purged WHERE who = 'PURGE from 127.0.0.1' AND"
                                          " what = 'url http://www.example/a' AND how = 'deleted' AND at IS NOT NULL"))
    rows = site.sql("SELECT who, how, what, objects FROM purged WHERE what = 'tag all'")
    assert rows and rows[0][0].startswith("bobtailctl ") and rows[0][1] == "deleted", rows
    assert site.sql("SELECT 1 FROM purged WHERE what LIKE 'where url LIKE%'")


def nothing_purged_is_left_on_disk(site):
    for n in range(30):
        site.get(f"/many/{n}/news")
    bobtail.require_soon("thirty on disk",
                         lambda: site.sql("SELECT count(*) FROM tag WHERE tag = 'news' AND url LIKE '%/many/%'")
                         [0][0] == 30)
    said = site.ctl("purge", "--prefix", "http://www.example/many/")
    assert said["disk"] == "30", said
    assert site.sql("SELECT count(*) FROM object WHERE url LIKE '%/many/%'") == [(0,)]
    bobtail.require_soon("no piece left behind",
                         lambda: site.sql("SELECT count(*) FROM chunk WHERE id >> 20 NOT IN (SELECT id FROM object)")
                         == [(0,)])


def main():
    everywhere = [purges_by_all_that_can_be_said, parts_are_purged_too, wrong_purges_are_refused,
                  purged_softly_it_serves_while_it_is_renewed,
                  what_is_fetched_across_a_soft_purge_is_stored_stale,
                  what_is_fetched_across_a_purge_is_not_stored]
    on_disk = [typed_into_a_shell_it_takes_effect_within_a_second, by_condition_on_disk,
               while_a_shell_holds_the_file_what_is_purged_serves_no_more,
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
