#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bobtailctl cache: list, show, top, stat, verify, export and import, while an instance runs and while
none does; what people see in the views; a reader that never ends delays nobody."""
import json
import os
import shutil
import sqlite3
import subprocess
import time

from cache_site import BOBTAILCTL, Site, bobtail  # noqa: E402


def fill(site):
    for path in ("/a", "/news/1", "/vary", "/long?" + "x" * 300):
        site.get(path)
    site.get("/vary", language="fi")
    site.get("/b", host="other.example")
    site.wait_stored(6)


def lists_what_is_cached(site):
    lines = site.lines("cache", "list")
    assert len(lines) == 6 and all(line.count("\t") == 6 for line in lines), lines
    assert site.lines("cache", "list", "--host", "other.example", "--columns", "url") == \
        ["http://other.example/b"]
    assert site.lines("cache", "list", "--tag", "news", "--columns", "status,url") == \
        ["200\thttp://www.example/news/1"]
    assert len(site.lines("cache", "list", "--prefix", "http://www.example/v")) == 2
    assert len(site.lines("cache", "list", "--state", "fresh", "--where", "size > 0",
                          "--limit", "3")) == 3
    rows = [json.loads(line) for line in site.lines("cache", "list", "--json", "--sort", "-size")]
    assert rows[0]["url"].startswith("http://www.example/long") and rows[0]["status"] == 200
    site.lines("cache", "list", "--columns", "url; DROP TABLE object", status=1)
    site.lines("cache", "list", "--where", "1) UNION SELECT", status=1)
    site.lines("cache", "list", "--bogus", status=2)


def shows_all_variants_and_a_body(site):
    text = "\n".join(site.lines("cache", "show", "http://www.example/vary"))
    assert text.count("HTTP/1.1 200 OK") == 2 and "accept-language" in text.lower(), text
    assert site.lines("cache", "show", "--body", "http://other.example/b") == \
        ["other.example/b 1"]
    site.lines("cache", "show", "http://www.example/none", status=1)


def tells_figures(site):
    stat = site.ctl("cache", "stat")
    assert stat["objects"] == "6" and stat["hosts"] == "2" and int(stat["file_bytes"]) > 0, stat
    site.lines("cache", "top")
    hosts = site.lines("cache", "top", "--hosts", "--limit", "1")
    assert len(hosts) == 1


def verifies(site):
    said = site.ctl("cache", "verify")
    assert said == {"objects": "6", "wrong": "0"}, said


def views_answer_questions(site):
    for view in ("cache", "host", "expiring", "biggest", "hottest", "tag", "content", "purged",
                 "summary"):
        site.sql(f"SELECT * FROM {view}")
    assert site.sql("SELECT objects FROM host WHERE host = 'www.example'") == [(5,)]
    assert site.sql("SELECT count(*) FROM tag WHERE tag = 'news'") == [(1,)]
    assert site.sql("SELECT count(*) FROM expiring WHERE seconds BETWEEN 1 AND 3600") == [(6,)]


def exports_a_site_that_another_starts_from(site):
    file = os.path.join(site.folder, "export.db")
    assert site.ctl("cache", "export", "--host", "www.example", file)["exported"] == "5"
    site.lines("cache", "export", file, status=1)  # it is there already
    assert os.listdir(site.folder).count("export.db-wal") == 0
    other = Site(True)
    try:
        other.stop()
        for name in os.listdir(other.store):
            os.unlink(os.path.join(other.store, name))
        shutil.copy(file, os.path.join(other.store, "cache.db"))
        os.chmod(os.path.join(other.store, "cache.db"), 0o666)
        if os.getuid() == 0:
            owner = os.stat(other.store)
            os.chown(os.path.join(other.store, "cache.db"), owner.st_uid, owner.st_gid)
        other.start()
        assert other.get("/a") == "www.example/a 1"
        assert other.get("/vary", language="fi").startswith("www.example/vary ")
        assert other.count("/a") + other.count("/vary") == 0
        assert other.sql("PRAGMA journal_mode") == [("wal",)]
    finally:
        other.close()


def imports_into_a_running_one(site):
    file = os.path.join(site.folder, "all.db")
    assert site.ctl("cache", "export", file)["exported"] == "6"
    os.chmod(file, 0o644)
    other = Site(True)
    try:
        said = other.ctl("cache", "import", file)
        assert said == {"stored": "6", "skipped": "0", "damaged": "0"}, said
        other.wait_stored(6)
        assert other.get("/b", host="other.example") == "other.example/b 1"
        assert other.count("/b", "other.example") == 0
        other.stop()
        assert other.ctl("cache", "verify")["wrong"] == "0"
        if os.getuid() != 0:  # as root its files would not be bobtail's
            assert other.ctl("cache", "import", file)["stored"] == "6"
            assert other.ctl("cache", "verify") == {"objects": "6", "wrong": "0"}
        other.lines("cache", "import", other.proxy.config, status=1)
    finally:
        other.close()


def all_of_it_works_while_none_runs(site):
    site.stop()
    assert len(site.lines("cache", "list")) == 6
    assert site.ctl("cache", "stat")["objects"] == "6"
    verifies(site)
    assert site.ctl("purge", "--where", "host = 'other.example'")["disk"] == "1"
    site.lines("purge", "http://www.example/a", status=1)
    site.start()
    before = site.count("/b", "other.example")
    site.get("/b", host="other.example")
    assert site.count("/b", "other.example") == before + 1
    assert site.get("/a") == "www.example/a 1"


def several_files_give_one_answer(site):
    """A copy of the store as a second cache_dir, and a third that cannot be opened."""
    site.stop()
    one = site.ctl("cache", "stat")
    urls = site.lines("cache", "list", "--columns", "url")
    second = os.path.join(site.folder, "second")
    shutil.copytree(site.store, second)
    with sqlite3.connect(os.path.join(second, "cache.db")) as shell:
        shell.execute("UPDATE usage SET hits = 1000 WHERE id = (SELECT min(id) FROM usage)")
    shell.close()
    with open(site.proxy.config, "a", encoding="ascii") as config:
        config.write(f"cache_dir ufs {second} 64 16 256\n")
    merged = site.lines("cache", "list", "--columns", "url")
    assert merged == sorted(urls + urls), merged
    assert site.lines("cache", "list", "--columns", "url", "--limit", "2") == merged[:2]
    assert site.lines("cache", "list", "--columns", "hits", "--sort", "-hits")[0] == "1000"
    assert site.lines("cache", "top", "--limit", "1")[0].startswith("1000\t")
    hosts = site.lines("cache", "top", "--hosts")
    assert len(hosts) == int(one["hosts"]), hosts
    both = site.ctl("cache", "stat")
    for name in ("objects", "body_bytes", "charged_bytes", "pages"):
        assert int(both[name]) == 2 * int(one[name]), (name, one, both)
    assert both["hosts"] == one["hosts"] and both["schema"] == one["schema"], (one, both)
    with open(site.proxy.config, "a", encoding="ascii") as config:
        config.write(f"cache_dir ufs {site.folder}/none 64 16 256\n")
    lines = site.lines("cache", "list", "--columns", "url", status=1)
    assert lines[1:] == merged and "none/cache.db" in lines[0], lines
    shutil.rmtree(second)
    site.start()


def damage_is_found(site):
    site.stop()
    with sqlite3.connect(os.path.join(site.store, "cache.db")) as shell:
        shell.execute("DROP TRIGGER chunk_update")
        shell.execute("UPDATE chunk SET data = CAST('x' AS BLOB) WHERE id = (SELECT min(id) FROM chunk)")
    shell.close()
    lines = site.lines("cache", "verify", status=1)
    assert any("not what was written" in line for line in lines), lines
    assert "wrong = 1" in lines, lines
    site.start()


def a_reader_without_end_delays_nobody(site):
    shell = sqlite3.connect(os.path.join(site.store, "cache.db"))
    reading = shell.execute("SELECT * FROM object")
    reading.fetchone()  # its transaction stays open
    slowest = 0
    for n in range(200):
        begin = time.monotonic()
        site.get(f"/beside/{n % 100}")
        slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 2, f"an answer took {slowest:.1f} s"
    with sqlite3.connect(os.path.join(site.store, "cache.db")) as other:
        bobtail.require_soon("what is stored beside the reader",
                             lambda: other.execute("SELECT count(*) FROM object WHERE url LIKE '%/beside/%'")
                             .fetchone()[0] == 100)
    other.close()
    shell.close()


def lists_memory_without_a_disk():
    site = Site(False)
    try:
        site.get("/a")
        site.get("/news/1")
        lines = site.lines("cache", "list")
        assert len(lines) == 2 and any(line.endswith("http://www.example/a") for line in lines)
        assert len(site.lines("cache", "list", "--tag", "news")) == 1
        site.lines("cache", "stat", status=1)
    finally:
        site.close()


def says_when_its_output_cannot_be_written(site):
    for words in (["cache", "list"], ["counters"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            run = subprocess.run([BOBTAILCTL, "-f", site.proxy.config, *words], stdout=full,
                                 stderr=subprocess.PIPE, text=True, timeout=60)
        assert run.returncode == 1 and "could not be written" in run.stderr, run


def tells_a_long_url_whole(site):
    path = "/" + "long" * 1500
    site.get(path)
    url = "http://www.example" + path
    assert any(line.endswith("\t" + url) for line in site.lines("cache", "list", "--memory"))
    assert site.ctl("why", url)["url"] == url
    site.wait_stored(1, "/longlong")
    assert site.ctl("purge", url)["disk"] == "1"


def main():
    site = Site(True)
    try:
        fill(site)
        for test in (lists_what_is_cached, shows_all_variants_and_a_body, tells_figures, verifies,
                     views_answer_questions, exports_a_site_that_another_starts_from,
                     imports_into_a_running_one, says_when_its_output_cannot_be_written,
                     tells_a_long_url_whole, all_of_it_works_while_none_runs,
                     several_files_give_one_answer, damage_is_found, a_reader_without_end_delays_nobody):
            test(site)
            print(f"ok: {test.__name__}")
    except BaseException:
        print(site.proxy.output() if site.proxy.is_alive() else "(not running)")
        raise
    finally:
        site.close()
    lists_memory_without_a_disk()
    print("ok: lists_memory_without_a_disk")


main()
