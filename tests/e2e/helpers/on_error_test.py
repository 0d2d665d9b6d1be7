#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""on-error= of url_rewrite_children, store_id_children and external_acl_type: what a request comes to when no helper answers, one
that cannot be started, one that ends at once, and one that has trouble each time."""
import shutil
import time

from site_of_helpers import Site, expect, run

FALSE = shutil.which("false")
DEAD = ("/nonexistent/helper", FALSE)


def statuses(kind, program, url="/1"):
    got = {}
    for word in ("", "bypass", "503", "deny"):
        option = f" on-error={word}" if word else ""
        lines = f"""
{kind}_program {program}
{kind}_children 1{option}
http_access allow all
"""
        with Site(lines) as site:
            got[word] = site.get(url)[0]
    return got


def rewriters():
    for program in DEAD:
        expect(statuses("url_rewrite", program), {"": 503, "bypass": 200, "503": 503, "deny": 403}, program)
    expect(statuses("url_rewrite", "HELPER", "/1?/bh"),
           {"": 200, "bypass": 200, "503": 503, "deny": 403}, "BH")


def store_ids():
    for program in DEAD[:1]:
        expect(statuses("store_id", program), {"": 200, "bypass": 200, "503": 503, "deny": 403}, program)


def externals():
    """In one proxy: each word of on-error= for helpers that cannot be started, and that have trouble each time."""
    words, programs = ("usual", "deny", "503", "allow"), (("dead", "/nonexistent/helper"), ("bh", "HELPER"))
    lines = ""
    for word in words:
        for name, program in programs:
            mine = f"{name}-{word}"
            lines += f"""
external_acl_type {mine} children-max=1 {"" if word == "usual" else "on-error=" + word} %>rp %>ha{{X-Long}} {program}
acl {mine} external {mine}
acl to-{mine} urlpath_regex ^/1\\?{mine}/
http_access deny to-{mine} !{mine}
http_access allow to-{mine} {mine}
"""
    wanted = {"usual": (503, 403), "deny": (403, 403), "503": (503, 503), "allow": (200, 200)}
    with Site(lines) as site:
        for word in words:
            for (name, _), status in zip(programs, wanted[word]):
                expect(site.get(f"/1?{name}-{word}/bh")[0], status, f"{name} {word}")
        expect(site.get("/1?bh-allow/ok", {"X-Long": '"' * 30000})[0], 403, "a question that cannot be asked")


def stale():
    """An answer of before serves while the helper has trouble; who was never asked about is refused."""
    lines = """
external_acl_type kept ttl=1 on-error=stale:60 on-error=deny children-max=1 %SRC FOLDER/sometimes
acl kept external kept
http_access allow kept
"""
    script = '#!/bin/sh\nwhile read -r line; do if [ -e "$0.off" ]; then echo BH; else echo OK; fi; done\n'
    with Site(lines, {"sometimes": script}, executable="sometimes") as site:
        expect(site.get("/1")[0], 200, "asked")
        with open(f"{site.folder}/sometimes.off", "wb"):
            pass
        deadline = time.monotonic() + 1.2  # its ttl is over then
        while time.monotonic() < deadline:
            expect(site.get("/1")[0], 200, "kept, and stale")
        expect(site.get("/1", source="127.0.0.2")[0], 403, "never known")


run((rewriters, store_ids, externals, stale))
