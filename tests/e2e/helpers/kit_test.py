#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bobtailctl helper test: what is right passes, and each fault is named."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time

SRC = os.environ.get("srcdir", ".")
TOOL = os.environ.get("BOBTAILCTL", "./bobtailctl")
BROKEN = os.path.join(SRC, "tests/e2e/helpers/broken.py")
SAMPLES = os.path.join(SRC, "helpers/bundled/url_rewrite_sample")
SQUIDS = os.environ.get("SQUID_LIBEXEC", "/usr/lib/squid")

# fault, options, exit status, what the report says
FAULTS = (
    ("none", "", 0, "fit for url_rewrite_program"),
    ("banner", "", 1, "'ready'"),
    ("dies", "", 1, "exited with status 1"),
    ("dies", "", 1, "no licence found"),
    ("hangs", "", 1, "no answer in 1000 ms"),
    ("twice", "", 1, "it answers twice"),
    ("flood", "", 1, "it floods"),
    ("endless", "", 1, "it answers twice"),
    ("buffers", "", 1, "its output is buffered"),
    ("nul", "", 1, "NUL byte"),
    ("words", "", 1, "'okay' makes no sense"),
    ("words", "--kind external", 1, "an answer begins with OK, ERR or BH"),
    ("none", "--kind store_id", 0, "fit for store_id_program"),
    ("pairs", "", 0, "odd"),
    ("ids", "", 1, "channel id, but none was sent"),
    ("none", "--concurrency 5", 1, "answers without the channel id"),
    ("shifted", "--concurrency 5", 1, "which is not open"),
    ("status", "--concurrency 5", 1, "invalid 200 redirect"),
    ("crash", "", 1, "was killed by signal 6"),
    ("half", "", 1, "half a line"),
    ("noisy", "", 0, "xxxxx"),
    ("stays", "", 1, "still runs 1000 ms after the end of its input"),
)
SQUIDS_OWN = (
    ("--kind log", "log_file_daemon"),
    ("--kind ntlm", "ntlm_fake_auth"),
    ("--kind basic", "basic_fake_auth"),
    ("--kind store_id --concurrency 4", "storeid_file_rewrite", "/dev/null"),
    ("--kind url_rewrite", "url_fake_rewrite"),
)
OURS = (
    ("--kind basic", "basic_ncsa_auth", "/dev/null"),
    ("--kind digest --concurrency 9", "digest_file_auth", "/dev/null"),
    ("--kind external --concurrency 9", "ext_session_acl"),
    ("--kind external", "ext_file_userip_acl", "-f", "/dev/null"),
    ("--kind external --concurrency 9", "ext_sqlite_acl", "-c", ":memory:", "SELECT", "1"),
    ("--kind bearer --concurrency 9", "bearer_jwt_auth", "-k", "/dev/null"),
    ("--concurrency 9", "url_rewrite_rules", "/dev/null"),
    ("--kind store_id", "storeid_file_rewrite", "/dev/null"),
    ("--kind log", "log_file_daemon"),
)
TAUGHT = {"url_rewrite", "store_id", "external", "basic", "digest", "bearer", "ntlm"}
WRONG_USE = ("--kind nothing", "--concurrency x", "--kind log --concurrency 3")


def examine(options, *command):
    began = time.monotonic()
    done = subprocess.run([TOOL, "helper", "test", *options.split(), "--", *command],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=170, check=False)
    return done.returncode, done.stdout.decode("latin-1"), time.monotonic() - began


def expect(what, holds, report):
    if not holds:
        sys.exit(f"{what}:\n{report}")


def show(row):
    fault, options, status, text = row
    # Only who answers must not be given up too early.
    patience = {"hangs": 1, "buffers": 1, "half": 1, "stays": 1, "endless": 5}.get(fault, 10)
    got, report, seconds = examine(f"--timeout {patience} {options}", sys.executable, BROKEN, fault)
    expect(f"{fault} {options}: exit status {got}", got == status, report)
    expect(f"{fault} {options}: no {text!r}", text in report, report)
    expect(f"{fault} {options}: took {seconds:.1f} s", seconds < 150, report)


def sample(options, path):
    got, report, _ = examine(options, path)
    expect(path, got == 0, report)


def squids_own(options, *command):
    """What has served for decades is fit."""
    path = shutil.which(os.path.join(SQUIDS, command[0]))
    if not path:
        print(f"skipped: there is no {command[0]}", file=sys.stderr)
        return
    got, report, _ = examine(options, path, *command[1:])
    expect(command[0], got == 0, report)


def ours(options, name, *words):
    """Each bundled program is fit, whatever it finds in its files."""
    got, report, _ = examine(options, f"./{name}", *words)
    expect(f"{name} {options}", got == 0, report)


def transcripts():
    """(kind, {question: answer}) of each that docs/HELPERS.md shows."""
    kinds = {"url_rewrite_program": "url_rewrite", "store_id_program": "store_id", "external_acl_type": "external"}
    with open(os.path.join(SRC, "docs/HELPERS.md"), encoding="utf-8") as file:
        blocks = re.split(r"(?m)^(?:\*\*|The same)", file.read())
    for block in blocks:
        questions, answers = (re.findall(rf"(?m)^    {mark} (.*)", block) for mark in "<>")
        if not questions or not answers:
            continue
        if questions[0][0] == "7":
            pairs = {question.split(" ", 1)[1]: answer.split(" ", 1)[1] for question, answer in zip(questions, sorted(answers))}
            yield "url_rewrite", pairs
        else:
            title = block.partition("**")[0].removeprefix("auth_param ").split(",")[0].split(" ")[0]
            yield kinds.get(title, title), dict(zip(questions, answers))


def as_taught(kind, pairs):
    """A helper that says what the page says is fit."""
    cases = "".join(f"'{question}') echo '{answer}' ;;\n" for question, answer in pairs.items())
    other = "BH no" if kind == "ntlm" else "ERR"
    helper = f"while IFS= read -r question; do case $question in\n{cases}*) echo '{other}' ;; esac; done"
    questions = [word for question in pairs for word in ("--ask", question)]
    done = subprocess.run([TOOL, "helper", "test", "--kind", kind, "--timeout", "10", *questions, "--", "sh", "-c", helper],
                          capture_output=True, timeout=170, check=False)
    expect(f"docs/HELPERS.md, {kind}", done.returncode == 0, done.stdout.decode("latin-1"))


def wrong_use(options):
    got, report, _ = examine(options, "true")
    expect(options, got == 1 and "WRONG" not in report, report)


def main():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # they mostly wait
        tasks = [pool.submit(show, row) for row in FAULTS]
        for options in ("", "--concurrency 20"):
            tasks += [pool.submit(sample, options, SAMPLES + end) for end in (".py", ".sh")]
        tasks += [pool.submit(squids_own, *row) for row in SQUIDS_OWN]
        tasks += [pool.submit(ours, *row) for row in OURS]
        tasks += [pool.submit(wrong_use, row) for row in WRONG_USE]
        taught = list(transcripts())
        expect("the page shows each kind", {kind for kind, _ in taught} == TAUGHT, str(taught))
        tasks += [pool.submit(as_taught, *row) for row in taught]
        for task in tasks:
            task.result()


main()
