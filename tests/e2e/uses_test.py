#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs/USES.md: each of its scripts ends well, and each script of docs/uses is named there."""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "..", "docs")
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import bobtail

bobtail.skip_without_program()
NOT_A_USE = {"use.py"}
LIMIT_S = 120


def run(name):
    try:
        done = subprocess.run([os.path.join(DOCS, "uses", name)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False,
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        return name, done.returncode, done.stdout.decode()
    except subprocess.TimeoutExpired as error:
        return name, None, (error.stdout or b"").decode()


with open(os.path.join(DOCS, "USES.md"), encoding="utf-8") as page:
    named = sorted(set(re.findall(r"\]\(uses/(\w+\.py)\)", page.read())))
there = sorted(name for name in os.listdir(os.path.join(DOCS, "uses"))
               if name.endswith(".py") and name not in NOT_A_USE)
bobtail.expect("the page names each script", named == there, (named, there))
with ThreadPoolExecutor(2) as pool:
    for name, status, output in pool.map(run, named):
        print(f"== {name}\n{output}")
        bobtail.expect(name, status in (0, bobtail.SKIP), status)
bobtail.finish()
