#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Debian's helper programs as they come, recorded by `bobtailctl helper record` behind Squid itself and behind
the proxy: they are asked and answer the same; and a replay of what they were asked by Squid shows that the
bundled program of each name answers as they do.

Skipped where there is no Squid (SQUID, or /usr/sbin/squid); a program that is not installed is left out."""
import concurrent.futures
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time

import same_questions_test as same
from same_questions_test import Client, Origin, basic, bobtail, get
from session_database import make_sessions, sessions_can_be_made

SQUIDS = os.environ.get("SQUID_LIBEXEC", "/usr/lib/squid")
TOOL = os.path.abspath(os.environ.get("BOBTAILCTL", "./bobtailctl"))
PASSWORD = "$apr1$P8usp7pN$6yMJQ8Cb5wGbShVsAQVy.."  # s3cret

# kind: (program, arguments)
PROGRAMS = {
    "basic": (f"{SQUIDS}/basic_ncsa_auth", "FOLDER/passwd"),
    "digest": (f"{SQUIDS}/digest_file_auth", "FOLDER/digests"),
    "url_rewrite": ("/usr/bin/squidGuard", "-c FOLDER/guard"),
    "store_id": (f"{SQUIDS}/storeid_file_rewrite", "FOLDER/stores"),
    "external": (f"{SQUIDS}/ext_file_userip_acl", "-f FOLDER/userip"),
    "external-session": (f"{SQUIDS}/ext_session_acl", "-a -T 3600 -b FOLDER/sessions"),
}
FILES = {
    "passwd": f"joe:{PASSWORD}\nann:{PASSWORD}\n",
    "digests": "joe:pw\n",
    "guard": "dbhome FOLDER\nlogdir FOLDER\ndest bad { domainlist bad }\n"
             "acl { default { pass !bad all redirect 302:http://block.example/ } }\n",
    "bad": "bad.example\n",
    "stores": "^http://cdn[0-9]\\.example/(.*)\thttp://cdn.example.internal/$1\n",
    "userip": "127.0.0.1 joe\n",
    "known": "s3cret\nwrong\n",
}
CONFIG = """\
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest originserver name=o
pid_filename none
coredump_dir {folder}
cache_log {folder}/cache.log
access_log none
visible_hostname proxy.test
shutdown_lifetime 1 second
workers 1
acl asks_user urlpath_regex ^/user
acl asks_address urlpath_regex ^/address
acl asks_session urlpath_regex ^/session
acl asks_login urlpath_regex ^/login
{lines}
acl users proxy_auth REQUIRED
http_access deny asks_user !users
http_access allow all
"""
LINES = {
    "basic": "auth_param basic program {}\nauth_param basic children 1\nauth_param basic realm R",
    "digest": f"auth_param digest program {{}}\nauth_param digest children 1\nauth_param digest realm {same.REALM}",
    "url_rewrite": "url_rewrite_program {}\nurl_rewrite_children 1",
    "store_id": "store_id_program {}\nstore_id_children 1",
    "external": "external_acl_type known ipv4 ttl=0 children-max=1 %SRC %LOGIN {}\nacl known external known\n"
                "http_access deny asks_address !known",
    "external-session": "external_acl_type session ttl=0 negative_ttl=0 children-max=1 concurrency=9 %>{{X-User}} {}\n"
                        "acl session external session\nacl login external session LOGIN\n"
                        "http_access deny asks_login !login\nhttp_access deny asks_session !session",
}
REQUESTS = (
    get("/user/2", basic("joe", "wrong")), get("/user/1", basic("joe", "s3cret")), get("/user/3", basic("nobody", "s3cret")),
    get("/session", "X-User: joe\r\n"), get("/session", "X-User: ann\r\n"), get("/login", "X-User: ann\r\n"),
    get("/address/1", basic("joe", "s3cret")), get("/address/2", basic("ann", "s3cret")),
    get("/x?y=z", host="cdn7.example"), get("/x", host="www.example"), get("/p%20q", host="bad.example"),
)


def installed():
    found = {kind: row for kind, row in PROGRAMS.items()
             if os.access(row[0], os.X_OK) and (kind != "external-session" or sessions_can_be_made())}
    for kind in PROGRAMS.keys() - found.keys():
        print(f"skipped: there is no {PROGRAMS[kind][0]}", file=sys.stderr)
    return found


def options_of(kind):
    return "--kind external --concurrency 9" if kind == "external-session" else f"--kind {kind}"


def write_files(folder):
    os.chmod(folder, 0o777)
    for name, text in FILES.items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text.replace("FOLDER", folder))
    if "external-session" in installed():
        make_sessions(f"{folder}/sessions", {"joe": 0})


def record(command, origin, folder, port):
    """Drives the requests; returns {kind: [(question, how many secrets, answer), ...]}."""
    write_files(folder)
    lines = [LINES[kind].format(f"{TOOL} helper record {options_of(kind)} --to {folder}/{kind}.db -- {program} {words}")
             for kind, (program, words) in installed().items()]
    text = CONFIG.format(port=port, origin=origin, folder=folder, lines="\n".join(lines).replace("FOLDER", folder))
    with bobtail.Proxy(text, port, command):
        time.sleep(1 if command else 0)  # Squid looks whether its peer is there
        for request in (*REQUESTS, "digest"):
            client = Client(port, set())
            if request == "digest":
                same.ask_digest(client)
            else:
                client.ask(request)
            client.close()
    return wait_for_rows(folder)


def wait_for_rows(folder):
    """All of them: the proxy is gone, and each recorder ends with its helper."""
    deadline, rows, before = time.monotonic() + 20, {}, None
    while (not rows or not all(rows.values()) or rows != before) and time.monotonic() < deadline:
        time.sleep(0.4)  # longer than a batch
        before = rows
        rows = {kind: rows_of(f"{folder}/{kind}.db") for kind in installed()}
    return rows


def rows_of(path):
    if not os.path.exists(path):
        return []
    connection = sqlite3.connect(path, timeout=10)
    try:
        rows = connection.execute("SELECT question, secrets, answer FROM answer ORDER BY id").fetchall()
    except sqlite3.OperationalError:
        rows = []  # the file is being made
    connection.close()
    return [(question.split("{")[0], secrets, answer.split("{")[0]) for question, secrets, answer in rows]


def as_ours(rows, kind, their_port, our_port):
    """Nobody is asked for a client's name, and after a redirect nobody asks for a store id."""
    rows = [(re.sub(r"(?<= 127.0.0.1/)[^ ]+", "127.0.0.1", question).replace(their_port, our_port), secrets,
             re.sub(r"(?<= 127.0.0.1/)[^ ]+", "127.0.0.1", answer).replace(their_port, our_port))
            for question, secrets, answer in rows]
    return [row for row in rows if kind != "store_id" or not row[0].startswith("http://bad.example/")]


def replay(kind, folder, *program):
    secrets = ["--secrets", f"{folder}/known"] if kind == "basic" else []
    done = subprocess.run([TOOL, "helper", "replay", "--from", f"{folder}/{kind}.db", *secrets, "--timeout", "20", "--",
                           *program], capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode("latin-1") + done.stderr.decode("latin-1")


def main():
    bobtail.skip_without_program()
    if not shutil.which(shlex.split(same.SQUID)[0]) or not installed():
        print("skipped: there is no Squid, or none of its helpers")
        sys.exit(bobtail.SKIP)
    origin, theirs, ours = bobtail.free_ports(3, 29000, 31000)
    folders = [bobtail.tempfile.mkdtemp(prefix="bobtail-recorded.") for _ in range(2)]
    with Origin(origin), concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(record, command, origin, folder, port)
                for command, folder, port in ((same.SQUID, folders[0], theirs), (None, folders[1], ours))]
        by_squid, by_us = [run.result() for run in runs]
    for kind, (program, words) in installed().items():
        name = os.path.basename(program)
        left, right = as_ours(by_squid[kind], kind, str(theirs), str(ours)), by_us[kind]
        bobtail.expect(f"{name} behind both: {len(left)} questions", left and left == right, (left, right))
        if kind == "external-session":
            bobtail.expect("sessions begun before, and none", [answer[:3] for _, _, answer in right] == ["OK", "ERR", "OK "], right)
        elif os.access(f"./{name}", os.X_OK):  # ours has another database
            status, said = replay(kind, folders[0], f"./{name}", *words.replace("FOLDER", folders[0]).split())
            bobtail.expect(f"{name}: the bundled one answers as Squid's", status == 0 and " 0 left out" in said, said)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


main()
