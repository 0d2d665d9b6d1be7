#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bobtailctl helper record and replay: a helper that is recorded is the same helper, nothing secret is kept,
a file that cannot be written costs a line, and replay names what a new version answers otherwise."""
import concurrent.futures
import os
import shutil
import sqlite3
import subprocess
import tempfile

from site_of_helpers import Site, bobtail

TOOL = os.path.abspath(os.environ.get("BOBTAILCTL", "./bobtailctl"))
PATIENCE = 60
FOLDER = tempfile.mkdtemp(prefix="bobtail-record.")

# A helper by what its question says; sh, since it starts fast.
HELPER = r"""#!/bin/sh
while read -r id question; do
	case $question in
	*bare*) printf '%s ' "$id"; printf 'OK store\055id=x\r\n' ;;
	*slow*) (sleep 0.2; echo "$id OK user=late") & ;;
	*exit*) echo "no licence" >&2; exit 7 ;;
	*kill*) kill -SEGV $$ ;;
	*close*) exec >&- <&- ; sleep 0.1; exit 3 ;;
	*who*) echo "$id OK user=joe password=s3cret" ;;
	*) echo "$id ERR message=\"$question\"" ;;
	esac
done
wait
exit 5
"""
# (what, input)
TALKS = (
    ("nothing", b""),
    ("questions", b"1 a b\n2 who\n3 bare\n4 c\n"),
    ("half a line", b"1 a\n2 half"),
    ("bytes", b"1 \xe9\xff\"<>|'\n2 \x01\n"),
    ("out of order", b"1 slow\n2 b\n"),
    ("an exit", b"1 a\n2 exit\n3 b\n"),
    ("a signal", b"1 a\n2 kill\n3 b\n"),
    ("a closed output", b"1 a\n2 close\n3 b\n"),
    ("a long line", b"1 " + b"x" * 200000 + b"\n2 b\n"),
)
OLD = 'while read -r q; do case $q in */new/*) echo ERR;; *) echo "OK rewrite-url=\\"http://n/$q\\"";; esac; done'
NEW = 'while read -r q; do case $q in */die*) exit 9;; *) echo "OK rewrite-url=http://n/$q ";; esac; done'


def path(name, text=None):
    full = os.path.join(FOLDER, name)
    if text is not None:
        with open(full, "w", encoding="latin-1") as file:
            file.write(text)
        os.chmod(full, 0o755)
    return full


def run(command, text=b""):
    done = subprocess.run(command, input=text, capture_output=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


def record(options, *command):
    return [TOOL, "helper", "record", *options.split(), "--", *command]


def replay(options, *command):
    status, said, complaint = run([TOOL, "helper", "replay", *options.split(), "--", *command])
    return status, said.decode("latin-1"), complaint.decode("latin-1")


def expect(what, holds, more=""):
    bobtail.expect(what, holds, more)


def rows(name, sql="SELECT question, answer FROM answer ORDER BY id"):
    with sqlite3.connect(path(name)) as connection:
        connection.text_factory = bytes
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def same(what, text):
    """What comes out of it, its exit and its stderr are those of the helper by itself."""
    helper, name = path("helper"), what.replace(" ", "-") + ".db"
    plain = run([helper], text)
    recorded = run(record(f"--kind external --concurrency 9 --to {path(name)}", helper), text)
    expect(f"{what}: as without", recorded == plain, (plain, recorded))


def recorded_pairs():
    found = rows("questions.db")
    expect("each question with its answer", len(found) == 4 and found[0] == (b"a b", b'ERR message="a b"'), found)
    expect("a password of an answer is hashed", found[1][1].startswith(b"OK user=joe password={hashed:"), found)
    expect("a CR is no part of it", found[2] == (b"bare", b"OK store-id=x"), found)
    found = rows("a-signal.db", "SELECT question, answer, latency_us FROM answer ORDER BY id")
    expect("the one that killed it has no answer", found[1] == (b"kill", None, None), found)
    with open(path("questions.db"), "rb") as file:
        expect("nothing secret is in the file", b"s3cret" not in file.read())
    expect("the file is its owner's", os.stat(path("questions.db")).st_mode & 0o777 == 0o600)


def failing_files():
    talk = b"1 a\n2 b\n"
    plain = run([path("helper")], talk)
    foreign = path("foreign.db", "no database at all, but a text\n" * 100)
    for name in (foreign, path("none/x.db"), "/dev/full"):
        status, said, complaint = run(record(f"--concurrency 1 --to {name}", path("helper")), talk)
        expect(f"{name}: the helper goes on", (status, said) == plain[:2], (status, said))
        expect(f"{name}: said once", complaint.count(b"\n") == 1 and name.encode() in complaint, complaint)
    expect("another's file stays", os.path.getsize(foreign) == 3100)
    status, said, complaint = run(record(f"--to {path('x.db')}", "/none/helper"))
    expect("no such program", status == 127 and said == b"" and b"/none/helper" in complaint, complaint)
    for wrong in ("--kind log --to x", "--kind none --to x", "", "--to x --secret 0", "--to x --limit y"):
        expect(f"refused: {wrong}", run(record(wrong, "true"))[0] == 1)
    _, _, complaint = run(record(f"--to {path('limit.db')} --limit 2 --concurrency 1", path("helper")), talk)
    expect("enough is enough", len(rows("limit.db")) == 2 and b"enough" in complaint, complaint)


def compared():
    """The recorded one is the same; another one is not, and it is shown where."""
    name = path("urls.db")
    run(record(f"--to {name}", "sh", "-c", OLD), b"http://a/1\nhttp://a/new/2\nhttp://a/die\nhttp://a/1\n")
    status, said, _ = replay(f"--from {name}", "sh", "-c", OLD)
    expect("the same", status == 0 and "3 questions asked: 3 answered as recorded" in said, said)
    status, said, _ = replay(f"--from {name} --timeout 20", "sh", "-c", NEW)
    expect("differences fail", status == 1 and "2 differently" in said, said)
    shown = "different 'http://a/new/2'\n    was   'ERR'\n    is    'OK rewrite-url=http://n/http://a/new/2 '\n"
    expect("and are shown", shown in said, said)
    expect("who dies is named", "different 'http://a/die'" in said and "exited with status 9" in said, said)
    expect("latencies", "recorded" in said and "now" in said, said)
    status, said, _ = replay(f"--from {name} --show 1", "cat")
    expect("so many are shown", said.count("different ") == 1 and "and 2 more" in said, said)
    _, _, complaint = replay(f"--from {path('foreign.db')}", "cat")
    expect("no recording", "not a recording" in complaint or "not a database" in complaint, complaint)
    _, _, complaint = replay(f"--from {name} --kind basic", "cat")
    expect("no such kind in it", "url_rewrite" in complaint, complaint)


def with_ids():
    """A window of questions; the one that kills it is told from its neighbours."""
    text = "".join(f"{i} who{i}\n" for i in range(1, 40)) + "40 exit\n41 a\n"
    name = path("ids.db")
    run(record(f"--kind external --concurrency 9 --to {name}", path("helper")), text.encode())
    run(record(f"--kind external --concurrency 9 --to {name}", path("helper")), b"1 a\n2 b\n")
    status, said, _ = replay(f"--from {name} --concurrency 10 --timeout 20", path("helper"))
    expect("with ids", status == 1 and "42 questions asked: 42 answered as recorded" in said, said)
    other = path("other", HELPER.replace("s3cret", "changed").replace("*exit*", "*nothing*"))
    status, said, _ = replay(f"--from {name} --concurrency 10 --show 2", other)
    expect("secrets of answers are compared", status == 1 and "40 differently" in said, said)
    expect("and not shown as recorded", "s3cret" not in said and "changed" not in said, said)


def secrets():
    name, helper = path("basic.db"), 'while read -r u p; do [ "$p" = p%20w ] && echo OK || echo ERR; done'
    talk = b"alice p%20w\nbob wrong\nalice\n"
    run(record(f"--kind basic --to {name}", "sh", "-c", helper), talk)
    with open(name, "rb") as file:
        kept = file.read()
    expect("no password is kept", b"p%20w" not in kept and b"wrong" not in kept and b"alice" in kept)
    status, said, _ = replay(f"--from {name}", "sh", "-c", helper)
    expect("without them questions are left out", status == 0 and "1 questions asked" in said and "2 left out" in said,
           said)
    known = path("known", "p%20w\nother\n")
    status, said, _ = replay(f"--from {name} --secrets {known}", "sh", "-c", helper)
    expect("with one", status == 0 and "2 questions asked" in said and "1 left out" in said, said)
    status, said, _ = replay(f"--from {name} --secrets {known}", "sh", "-c", "while read -r x; do echo ERR; done")
    expect("its answer counts", status == 1 and "was   'OK'" in said and "p%20w" not in said, said)


def behind_the_proxy():
    """In the place of a helper, several at a time into one file; a stop of the proxy ends all."""
    name = path("site.db")
    lines = f"""
external_acl_type asked ttl=0 children-max=3 children-startup=3 %>rp {TOOL} helper record --kind external --to {name} -- HELPER
acl asked external asked
http_access allow asked
"""
    os.chmod(FOLDER, 0o777)
    with Site(lines) as site:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            codes = list(pool.map(lambda i: site.get(f"/{i}?/{'ok' if i % 2 else 'err'}-{i}")[0], range(30)))
        expect("the helpers decide", codes == [403, 200] * 15, codes)
        codes = [site.get("/?/crash")[0]] + [site.get("/?/ok")[0] for _ in range(3)]
        expect("one that dies is replaced", codes == [403, 200, 200, 200], codes)
        asked = len(site.asked())
    bobtail.wait_for(lambda: len(rows("site.db")) >= asked)
    found = rows("site.db")
    expect("all is kept", len(found) == asked, (len(found), asked))
    expect("what was said", (b"/1?/ok-1 -", b"OK") in found and (b"/0?/err-0 -", b"ERR") in found, found)


def main():
    path("helper", HELPER)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:  # they mostly wait
            list(pool.map(lambda talk: same(*talk), TALKS))
            tasks = [pool.submit(part) for part in (recorded_pairs, failing_files, secrets, with_ids, behind_the_proxy)]
            for task in tasks:
                task.result()
        compared()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    bobtail.finish()


main()
