#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bobtailctl explain: text, --json and --upgrade of one old configuration, and its exit statuses."""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail

bobtail.skip_without_program()
PROGRAM = shlex.split(bobtail.COMMAND)[0]
CTL = os.path.join(os.path.dirname(PROGRAM), "bobtailctl")

OLD = b"""# Squid 2.6, with "quotes" and \xe9
http_port 8080 vhost
include more.conf
cache_peer 127.0.0.1 parent 8081 0 no-query originserver name=a
cache_peer_domain a .a.example
acl all src 0.0.0.0/0.0.0.0
acl manager proto cache_object
acl spare src 10.0.0.1/8
http_access allow all
http_access deny manager
hierarchy_stoplist cgi-bin ?
redirect_children 5
"""
MORE = "cache_dir ufs /nowhere/cache 100 16 256\nannounce_period 0\n"


def run(*arguments):
    done = subprocess.run([CTL, "explain", *arguments], capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


def check_text(path):
    status, out, _ = run(path)
    text = out.decode("latin-1")
    bobtail.expect("the status is of the worst class", status == 4, (status, text))
    for part in (
        f"{path}:2: same: http_port: works the same\n",
        f"{path}:5: differs: cache_peer_domain: ",
        "    write: cache_peer_access a deny !domains_of_a\n",
        "more.conf:1: differs: cache_dir: ",
        f"{path}:11: harmless: hierarchy_stoplist: ",
        "    warning: the ACL 'spare' is never used\n",
        "Netmask masks away part of the specified IP in '10.0.0.1/8'",
        f"never reached: 'http_access allow all' ({path}:9)",
        "     0  refused ",
    ):
        bobtail.expect(f"the text has {part!r}", part in text, text)
    _, out, _ = run("--brief", path)
    bobtail.expect("--brief leaves out what works the same", b":12: same" not in out, out)


def check_json(path):
    status, out, _ = run("--json", path)
    report = json.loads(out)
    lines = {line["line"]: line for line in report["lines"] if line["file"] == path}
    bobtail.expect("--json has the same status", status == 4, status)
    bobtail.expect("it names the worst class", report["worst"] == "differs", report["worst"])
    bobtail.expect("a line has its class", lines[5]["class"] == "differs", lines[5])
    bobtail.expect("it has what to write", lines[2]["replacement"] == ["http_port 8080 accel"], lines[2])
    bobtail.expect("nothing is to be changed", lines[4]["replacement"] is None, lines[4])
    bobtail.expect("a line can go", lines[11]["replacement"] == [], lines[11])
    bobtail.expect("warnings are apart", any("never used" in text for text in lines[8]["warnings"]), lines[8])
    counted = sum(len(line["warnings"]) for line in report["lines"])
    bobtail.expect("the summary counts", report["summary"]["warnings"] == counted, report["summary"])


def parse(program, path):
    done = subprocess.run([program, "-k", "parse", "-f", path], capture_output=True, check=False, timeout=60)
    return done.returncode, done.stderr.decode("latin-1")


def check_upgrade(folder, path):
    status, out, _ = run("--upgrade", path)
    bobtail.expect("--upgrade has the status of the old file", status == 4, status)
    bobtail.expect("comments stay, byte by byte", out.startswith(OLD[: OLD.index(b"\n") + 1]), out)
    bobtail.expect("included lines are written out", b"\ncache_dir ufs /nowhere/cache" in out, out)
    new = write(folder, "new.conf", out)
    status, said = parse(PROGRAM, new)
    bobtail.expect("Bobtail reads it", status == 0, said)
    for word in ("ERROR", "obsolete", "UPGRADE", "taken for"):
        bobtail.expect(f"and says nothing of {word}", word not in said, said)
    bobtail.expect("it can be upgraded no more", run("--upgrade", new)[1] == out)
    if shutil.which("squid"):
        status, said = parse("squid", new)
        bobtail.expect("Squid reads it", status == 0, said)
        bobtail.expect("without an error", "ERROR" not in said and "FATAL" not in said, said)


def check_secrets(folder):
    path = write(folder, "secret.conf", "http_port 8080 accel\ncachemgr_passwd hidden all\n")
    for mode, is_told in ((0o644, True), (0o640, False)):
        os.chmod(path, mode)
        _, out, _ = run(path)
        bobtail.expect(f"mode {mode:o} is told of: {is_told}", (b"may read" in out) == is_told, out)
        bobtail.expect("the password itself is not shown", b"hidden" not in out, out)


def check_statuses(folder):
    good = "http_port 8080 accel\nhttp_access allow localhost\nhttp_access deny all\n"
    for status, line in ((0, ""), (3, "icp_port 0"), (4, "workers 2"), (5, "ftp_passive off"), (6, "foo")):
        path = write(folder, "status.conf", f"{good}{line}\n")
        got, out, _ = run(path)
        bobtail.expect(f"{line!r} ends with {status}", got == status, (got, out))
    got, _, said = run(os.path.join(folder, "missing.conf"))
    bobtail.expect("a file that is not there ends with 1", got == 1 and b"missing.conf" in said, (got, said))
    bobtail.expect("wrong use ends with 2", run("a", "b")[0] == 2)
    got, out, _ = run("--help")
    bobtail.expect("--help tells the statuses", got == 0 and b"6 refused" in out, out)


with tempfile.TemporaryDirectory(prefix="bobtail-test.") as there:
    old_dir = os.getcwd()
    PROGRAM, CTL = os.path.abspath(PROGRAM), os.path.abspath(CTL)
    os.chdir(there)  # include names are relative
    old = write(there, "old.conf", OLD)
    write(there, "more.conf", MORE)
    check_text(old)
    check_json(old)
    check_upgrade(there, old)
    check_secrets(there)
    check_statuses(there)
    os.chdir(old_dir)
bobtail.finish()
