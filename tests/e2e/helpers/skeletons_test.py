#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `bobtailctl helper new` writes passes `bobtailctl helper test` as it comes, in every language that
this machine can run. SKELETONS=all: every kind in every language, which takes its time."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOOL = os.environ.get("BOBTAILCTL", "./bobtailctl")
ANSWER = ("url_rewrite", "store_id", "external", "basic", "digest", "bearer")
KINDS = ANSWER + ("ntlm", "negotiate", "log")
FEW = (("url_rewrite", True), ("external", False), ("basic", False), ("log", False))
WITH_IDS = ("url_rewrite", "external")  # those of others come from the same lines
LANGUAGES = {  # what runs or builds it, file name, build command
    "python": (sys.executable, "mine.py", None),
    "perl": ("perl", "mine.pl", None),
    "sh": ("sh", "mine.sh", None),
    "c": ("cc", "mine.c", "cc -O1 -Wall -Wextra -Werror -o mine mine.c"),
    "node": ("node", "mine.js", None),
    "lua": ("lua", "mine.lua", None),
    "go": ("go", "mine.go", "go build -o mine mine.go"),
    "rust": ("rustc", "mine.rs", "rustc -D warnings -o mine mine.rs"),
}


def run(what, command, folder="."):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=240, check=False)
    if done.returncode != 0:
        sys.exit(f"{what}: {done.stdout.decode('latin-1')}")
    return done.stdout


def examine(language, kind, has_ids):
    program, name, build = LANGUAGES[language]
    ids = ["--ids"] if has_ids else []
    what = f"{language} {kind} {ids}"
    with tempfile.TemporaryDirectory(prefix="bobtail-skeleton.") as folder:
        path = os.path.join(folder, name)
        text = run(what, [TOOL, "helper", "new", "--kind", kind, "--lang", language, *ids])
        if re.search(rb"@[A-Z]+@|^%%", text, re.M):
            sys.exit(f"{what}: a word is left in its place:\n{text.decode()}")
        with open(path, "wb") as file:
            file.write(text)
        if build:
            run(what, build.split(), folder)
        command = [os.path.join(folder, "mine")] if build else [program, path]
        concurrency = ["--concurrency", "20"] if has_ids else []
        report = run(what, [TOOL, "helper", "test", "--kind", kind, "--timeout", "20", *concurrency,
                            "--", *command])
        if b"odd" in report.replace(b"odd bytes", b""):
            sys.exit(f"{what}: {report.decode('latin-1')}")


def wanted(language):
    if os.environ.get("SKELETONS") == "all":
        return [(kind, False) for kind in KINDS] + [(kind, True) for kind in ANSWER]
    if language in ("go", "rust"):  # whose compilers take their time
        return list(FEW[:2])
    if language not in ("python", "perl", "sh", "c"):
        return list(FEW)
    return [(kind, False) for kind in KINDS] + [(kind, True) for kind in WITH_IDS]


def main():
    with concurrent.futures.ThreadPoolExecutor(20) as pool:  # they mostly wait
        tasks = []
        for language, (program, *_) in LANGUAGES.items():
            if shutil.which(program):
                tasks += [pool.submit(examine, language, *row) for row in wanted(language)]
            else:
                print(f"skipped: there is no {program}", file=sys.stderr)
        for task in tasks:
            task.result()


main()
