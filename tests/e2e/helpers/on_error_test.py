#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""on-error= of url_rewrite_children and store_id_children: what a request comes to when no helper answers, one
that cannot be started, one that ends at once, and one that has trouble each time."""
import shutil

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


run((rewriters, store_ids))
