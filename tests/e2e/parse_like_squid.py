#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares `-k parse` with Squid's for each directive, without a value and with one that few take: do both
accept the file? make check-squid runs it in the build folder. Where we differ on purpose,
squid-parse-differences.txt says why; what is not listed is a failure, and so is a listed line that does not
differ."""
import concurrent.futures
import fnmatch
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SQUID = os.environ.get("SQUID_PROGRAM", "/usr/sbin/squid")
BOBTAIL = os.path.abspath("bobtail")
VALUES = ["", "x"]
LIMIT_S = 60


def words_of(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip() and line[0] != "#"]


def parse(program, line):
    """Whether the file is accepted."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "squid.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"http_port 20001 accel\n{line}\n")
        run = subprocess.run(
            [program, "-k", "parse", "-f", path], capture_output=True, timeout=LIMIT_S, check=False
        )
    return run.returncode == 0


def compare(line):
    return parse(SQUID, line), parse(BOBTAIL, line)


def main():
    if not os.path.exists(SQUID):
        sys.exit("there is no Squid to compare with")
    table = os.path.join(HERE, "..", "unit", "squid-compat", "directives.tsv")
    names = [row[0] for row in words_of(table)]
    listed = {row[0]: False for row in words_of(os.path.join(HERE, "squid-parse-differences.txt"))}
    lines = [f"{name} {value}".strip() for name in names for value in VALUES]
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for line, (theirs, ours) in zip(lines, pool.map(compare, lines)):
            if theirs == ours:
                continue
            expected = [p for p in listed if fnmatch.fnmatchcase(line, p)]
            listed.update((pattern, True) for pattern in expected)
            if not expected:
                failures += 1
                print(f"NOT OK: {line!r} is accepted by {'Squid' if theirs else 'us'} alone")
    for pattern in (p for p, is_seen in listed.items() if not is_seen):
        failures += 1
        print(f"NOT OK: {pattern!r} is listed and does not differ")
    print(f"-k parse: {len(lines)} lines, {failures} failures")
    return failures > 0


sys.exit(main())
