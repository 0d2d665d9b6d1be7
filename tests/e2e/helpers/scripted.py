#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A helper that does what its question says: scripted.py NOTES [ids]. Each question is a line of the
file NOTES. The first word that names a deed below, at its beginning or behind its last / or ?, decides. ids:
questions begin with a channel number."""
import os
import sys
import time

ANSWERS = {
    "ok": "OK",
    "err": "ERR",
    "quiet": "",
    "bh": 'BH message="not now"',
    "garbage": "OKAY then",
    "nul": "OK user=a\0b",
    "who": "OK user=joe password=sec tag=T1 log=L1 message=hello foo=bar foo=two clt_conn_tag=C1",
    "evil": 'OK user="a\\nb" tag="x\\r\\ny" foo="p\\nq"',
    "no": 'ERR message="not <b>today</b>" tag=denied',
    "key": "OK store-id=http://key.example/one",
    "bare": "http://key.example/one",
    "twice": "OK\nERR",
}


def deed_of(line):
    for word in line.split():
        name = word.replace("?", "/").rstrip("/").rsplit("/", 1)[-1].split("-")[0]
        if name in ANSWERS or name in ("crash", "hang", "flood", "slow"):
            return name
    return "ok"


def main():
    notes = open(sys.argv[1], "ab", buffering=0)
    has_ids = "ids" in sys.argv[2:]
    for line in sys.stdin:
        notes.write(line.encode("utf-8", "surrogateescape"))
        deed, prefix = deed_of(line), line.split(" ", 1)[0] + " " if has_ids else ""
        if deed == "crash":
            os._exit(3)
        if deed == "hang":
            time.sleep(600)
        if deed == "flood":
            for _ in range(4096):
                sys.stdout.write("x" * 1024)
        if deed == "slow":
            time.sleep(0.3)
        print(prefix + ANSWERS.get(deed, "OK"), flush=True)


sys.stdin.reconfigure(errors="surrogateescape")
main()
