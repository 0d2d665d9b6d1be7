#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Helpers with every fault there is, all of them behind one proxy at a time:
each costs the requests that need it, in bounded time, while others are served as ever; and `bobtailctl
helpers` says what each of them did."""
import concurrent.futures
import json
import os
import threading
import time

from site_of_helpers import HERE, Site, expect

FAULTY = f"{HERE}/faulty.pl"
OK, NO, DOWN = 200, 403, 0  # down: 403, and 503 as soon as none can be kept alive

# name, which is the fault; options; what its requests get, one after the other, and how many of its
# processes are dead in the end, at least
ROWS = (
    ("never", "timeout=1", (NO,), 1),  # 1: no answer
    ("late", "timeout=2", (NO,), 1),  # 2: too late, without ids
    ("late", "timeout=2 concurrency=9", (NO, OK), 0),  # 2: with ids
    ("twice", "", (OK, OK), 1),  # 3
    ("banner", "", (NO,), 1),  # 4: what it says is taken for its answer
    ("channel", "timeout=1 concurrency=9", (NO,), 0),  # 5
    ("no_id", "concurrency=9", (NO,), 1),  # 7
    ("an_id", "", (NO,), 1),  # 8
    ("minus", "concurrency=9", (NO,), 1),  # 9
    ("zeros", "concurrency=9", (NO,), 1),  # 9
    ("huge", "concurrency=9", (NO,), 1),  # 9
    ("letters", "concurrency=9", (NO,), 1),  # 9
    ("again", "concurrency=9", (OK, OK, OK), 1),  # 10
    ("disorder", "concurrency=9", (OK, NO) * 4, 0),  # 11
    ("ahead", "", (OK,) * 8, 0),  # 12: without ids each is asked one thing at a time
    ("long_line", "", (NO,), 1),  # 13
    ("no_line", "", (NO,), 1),  # 14
    ("lines", "", (OK, OK), 1),  # 14: in lines
    ("nul", "", (NO, NO), 1),  # 15
    ("crlf", "", (OK,), 0),  # 16
    ("colours", "", (OK,), 0),  # 17
    ("empty", "", (NO,), 0),  # 18
    ("pieces", "", (OK, OK), 0),  # 19
    ("half", "", (NO,), 2),  # 20
    ("lower", "", (NO,), 0),  # 21
    ("okay", "", (NO,), 0),  # 21
    ("blank", "", (OK,), 0),  # 21
    ("quote", "", (OK,), 0),  # 22
    ("nameless", "", (OK,), 0),  # 22
    ("many", "", (OK,), 0),  # 22
    ("escaped", "", (OK,), 0),  # 23
    ("newline", "", (OK,), 0),  # 26
    ("endless_user", "", (NO,), 1),  # 26
    ("ttl", "", (OK,), 0),  # 27
    ("reserved", "", (OK,), 0),  # 28
    ("exits", "", (NO, DOWN), 3),  # 29
    ("fails", "", (NO, DOWN), 3),  # 30
    ("crash", "", (NO,), 2),  # 31
    ("killed", "", (NO,), 2),  # 32
    ("killed", "children-max=3 children-startup=3", (DOWN,) * 5, 3),  # 33
    ("shouts", "", (OK, OK), 0),  # 34
    ("deaf", "timeout=1 concurrency=9" + " %URI" * 15, (NO,) * 8, 0),  # 35
    ("closes", "", (NO,), 2),  # 36
    ("closes_output", "timeout=1", (NO,), 1),  # 36: standard input is the same socket, so that its time has to be over
    ("forks", "", (NO,), 2),  # 37
    ("stays", "", (OK,), 0),  # 38
    ("spins", "timeout=1", (NO,), 1),  # 39
    ("slow", "queue-size=1", None, 0),  # 40: some of both
    ("descriptors", "", (OK,), 0),  # 41
    ("trouble", "", (NO, NO), 0),  # 42
    ("trouble", "ttl=60", (NO, NO), 0),  # 42: none of it is kept
    ("turns", "negative_ttl=0", (NO, OK, NO, OK), 0),  # 42
    ("nonsense", "", (NO,), 0),
)
AT_ONCE = ("disorder", "ahead", "deaf", "slow")  # its requests
# 24, 25: to what URL it says that; what the client gets, and what the origin is asked for
REWRITES = (
    *((kind, 200, [f"/1?rewrite-{kind}"]) for kind in ("script", "file", "blanks", "breaks", "long", "status", "nostatus")),
    ("elsewhere", 200, ["/2"]),  # the peer's affair
    ("huge", 503, []),
    ("good", 200, ["/2?good"]),
)
MISSING = (  # 30: what cannot be started
    ("missing", "/nonexistent/helper"),
    ("folder", "/tmp"),
    ("text", "/etc/passwd"),
    *((name, f"FOLDER/{name}") for name in ("interpreter", "machine", "nothing")),
)
PROGRAMS = {"interpreter": "#!/nonexistent/perl\n", "machine": "\x7fELF\2\1\1" + "\0" * 9 + "\2\0\x99\x99" + "\0" * 200,
            "nothing": ""}
LONG = "x" * 4000
NEIGHBOURS = 3
ABREAST = 12  # rows at a time
LONGEST_S = float(os.environ.get("HELPERS_LONGEST_S", "10"))  # that a neighbour may take


def named(i):
    return f"row{i}-{ROWS[i][0]}"


def configuration():
    lines = ["logformat who %rp [%ue] [%et]", "access_log stdio:ACCESS_LOG who",
             f"url_rewrite_program {FAULTY} rewrites", "url_rewrite_children 1",
             "acl rewritten urlpath_regex ^/1\\?rewrite-", "url_rewrite_access allow rewritten"]
    programs = [(named(i), f"{options} %URI {FAULTY} {fault}{' ids' if 'conc' in options else ''}")
                for i, (fault, options, _, _) in enumerate(ROWS)]
    programs += [(name, f"%URI {path}") for name, path in MISSING]
    for name, rest in programs:
        lines += [
            f"external_acl_type {name} ttl=0 timeout=20 children-max=1 queue-size=50 {rest}",
            f"acl {name} external {name}",
            f"acl to-{name} urlpath_regex ^/1\\?{name}/",
            f"http_access allow to-{name} {name}",
            f"http_access deny to-{name}",
        ]
    return "\n".join(lines + ["http_access allow all\n"])


class Neighbours:
    """Clients who need no helper, and ask again and again."""

    def __init__(self, site):
        self.site, self.is_over, self.bad, self.n, self.longest_s = site, False, [], 0, 0.0
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(NEIGHBOURS)]

    def run(self, number):
        while not self.is_over:
            began = time.monotonic()
            status = self.site.get(f"/1?free-{number}-{self.n % 50}")[0]
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self.n += 1
            if status != 200:
                self.bad.append(status)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def ask(site, i):
    """What the requests of a row get."""
    name, wanted = named(i), ROWS[i][2]
    if ROWS[i][0] not in AT_ONCE:
        return tuple(site.get(f"/1?{name}/{n}")[0] for n in range(len(wanted)))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return tuple(pool.map(lambda n: site.get(f"/1?{name}/{LONG if ROWS[i][0] == 'deaf' else ''}{n}")[0], range(8)))


def is_as_wanted(i, got):
    wanted = ROWS[i][2]
    if not wanted:
        return OK in got and NO in got
    return all(status == want or want == DOWN and status in (403, 503) for status, want in zip(got, wanted))


def check_rewrites(site):
    """A URL that makes no sense is not used, and who asked is served."""
    for kind, *wanted in REWRITES:
        before = len(site.origin.requests)
        status = site.get(f"/1?rewrite-{kind}")[0]
        asked = [path for path, _, _ in site.origin.requests[before:] if "?free" not in path]
        expect([status, asked], wanted, kind)
    unchanged = [kind for kind, _, paths in REWRITES if f"/1?rewrite-{kind}" in paths]
    expect(site.proxy.output().count("ERROR: URL-rewrite produces invalid"), len(unchanged), "lines about them")


def check_values(site):
    """What helpers say goes nowhere as it came: by the names in the log, of those that were let in."""
    logged = {line.split("?")[1].split("/")[0].split("-", 1)[1]: line.split(" ", 1)[1]
              for line in site.logged(1) if line.startswith("/1?row")}
    for fault, words in (("colours", "[-] [-]"), ("escaped", "[-] [-]"), ("newline", "[-] [-]"),
                         ("nameless", "[-] [-]"), ("descriptors", "[3] [-]")):
        expect(logged[fault], words, fault)


def check_report(site):
    """bobtailctl helpers, for programs and for people."""
    pools = {pool["name"]: pool for pool in map(json.loads, site.ctl("helpers", "--json").splitlines())}
    expect(len(pools), len(ROWS) + len(MISSING) + 1, "pools, with the rewriter")
    for i, (fault, _, wanted, ndead) in enumerate(ROWS):
        pool = pools[named(i)]
        assert pool["died"] >= ndead, f"{named(i)}: {pool}"
        assert pool["requests"] == (len(wanted) if wanted else 8), f"{named(i)}: {pool}"
    for name, _ in MISSING:
        assert pools[name]["running"] == pools[name]["replies"] == 0, pools[name]
        assert pools[name]["breaker"] != "closed" or name == "machine", pools[name]  # that may be emulated
    for i, (fault, _, _, _) in enumerate(ROWS):
        pool = pools[named(i)]
        if fault == "fails":
            assert "no licence found" in [note["text"] for note in pool["stderr"]], pool
            expect(pool["last_end"], "exited with status 255", "last end")
        elif fault == "pieces":
            assert pool["p50_us"] <= pool["p99_us"] and pool["p99_us"] > 0, pool
            expect((pool["children"][0]["replies"], pool["breaker"]), (2, "closed"), "a good one")
        elif fault == "slow":
            assert pool["refused"] > 0 and pool["p50_us"] > 150000, pool
    text = site.ctl("helpers")
    assert "external_acl row0-never: " in text and "no licence found" in text, text


def main():
    with Site(configuration(), PROGRAMS, executable=" ".join(PROGRAMS)) as site, Neighbours(site) as neighbours:
        with concurrent.futures.ThreadPoolExecutor(ABREAST) as pool:
            answers = list(pool.map(lambda i: ask(site, i), range(len(ROWS))))
        for name, _ in MISSING:
            assert site.get(f"/1?{name}/")[0] in (403, 503), name
        wrong = [(named(i), got) for i, got in enumerate(answers) if not is_as_wanted(i, got)]
        expect(wrong, [], "what requests got")
        assert site.proxy.is_alive(), "the proxy died of its helpers"
        check_rewrites(site)
        check_values(site)
        check_report(site)
    expect(neighbours.bad, [], "neighbours")
    assert neighbours.longest_s < LONGEST_S, f"a neighbour took {neighbours.longest_s:.1f} s"
    print(f"ok: {len(ROWS) + len(MISSING)} helpers, {neighbours.n} neighbours' requests, "
          f"{neighbours.longest_s:.2f} s at most")


main()
