#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The helper programs that ship with Bobtail, each over its pipes; and side by side with Squid's of the
same name, where those are installed. What is not built or installed is skipped, and said."""
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time

from bundled_programs import PATIENCE, SQUIDS, Folder, Talk, expect, names_the_missing_file, run, same_as_squids, survives
from json_web_tokens import json_web_tokens
from bobtail import SKIP, finish, free_ports


def store_ids():
    rules = (
        "^http://a\\.([^ ]*)\thttp://b/$1\n# comment\n\nfoo(\\d+)-(\\d+)\t$2_$1$3\nq\tfi\"x\\y z\n"
        " lead\tL\ntail \tT\nCase\tC\nno tab\nz#y\tZ\n#q\tq\nend$\tE\nA(b)?d\t[$1]${1}$&\ntwo\ta\tb\n"
    )
    questions = [
        "http://a.x/y 192.0.2.1/- - GET", "1 http://a.x/y 192.0.2.1/- - GET", "foo12-34", "nothing",
        "2 nothing", "3 foo12-34", "", "4", "foo1-2foo3-4", "q", "lead", "tail", "case", "z#y", " #q",
        "end", "end 192.0.2.1/- -", "Abd", "two", "two x=y",
    ]
    with Folder() as folder:
        path = folder.file("rules", rules)
        same_as_squids("storeid_file_rewrite", [path], questions)
        command = ["./storeid_file_rewrite", path]
        said, messages = run(command, ["5 foo1-2", "Ad"])
        expect("a store id by groups", said == ["5 OK store-id=2_1$3", "OK store-id=[]${1}$&"], said)
        expect("bad rules are named", "rules line 9" in messages and "line 14" in messages, messages)
        survives("storeid_file_rewrite", command, "foo1-2", "OK store-id=2_1$3")
        missing = folder.file("none")
        names_the_missing_file("storeid_file_rewrite", [command[0], missing], missing, "x")


def url_rewrites():
    rules = """# comment
rewrite       ^http://img\\.example/(?<name>.*)\\.jpeg$  http://o.example/${name}.jpg
redirect=308  /shop/(.*)  https://s.example/$1"x
keep          ^http://api\\.
redirect      ^http://(api|www)\\.  https://$1.example/
rewrite       (a+)+$  http://never.example/
fold          x y
rewrite       (  y
redirect=200  x y
keep          x y
"""
    cases = [
        ("http://img.example/a/b.jpeg 192.0.2.1/- - GET", 'OK rewrite-url="http://o.example/a/b.jpg"'),
        ("9 http://x.example/shop/1 -", '9 OK status=308 url="https://s.example/1\\"x"'),
        ("http://api.example/", "ERR"),
        ("http://www.example/", 'OK status=302 url="https://www.example/"'),
        ("http://other.example/", "ERR"),
        ("http://x.example/" + "a" * 40 + "!", "ERR"),
        ("", "ERR"),
    ]
    with Folder() as folder:
        path = folder.file("rules", rules)
        said, messages = run(["./url_rewrite_rules", path], [question for question, _ in cases])
        for (question, answer), was in zip(cases, said):
            expect(f"url_rewrite_rules: {question}", was == answer, was)
        for line in (7, 8, 9, 10):
            expect(f"a bad rule on line {line} is named", f"rules line {line}:" in messages, messages)
        survives("url_rewrite_rules", ["./url_rewrite_rules", path], "http://api.example/", "ERR")
        with Talk("./url_rewrite_rules", path) as talk:
            expect("before the change", talk.ask("http://w.example/") == "ERR")
            folder.file("rules", "rewrite w\\.example http://new.example/\n")
            is_new = 'OK rewrite-url="http://new.example/"'
            expect("a changed file counts at once", talk.ask("http://w.example/") == is_new)
            os.unlink(path)
            expect("without it, the rules stay", talk.ask("http://w.example/") == is_new)
        names_the_missing_file("url_rewrite_rules", ["./url_rewrite_rules", path], path, "http://w/")


def users_and_addresses():
    lines = """127.0.0.1 alice
10.0.0.0/255.0.0.0 bob
192.168.1.0/255.255.255.0 ALL
192.168.0.0/255.255.0.0 NONE
192.0.2.4 @root
# c
7.7.7.7\ttab
6.6.6.0/255.255.255.128 x
9.9.9.9 NONE
9.9.9.9 carl
"""
    questions = [
        "127.0.0.1 alice", "127.0.0.1 bob", "10.3.3.3 bob", "192.168.1.7 zed", "192.168.2.7 zed",
        "192.0.2.4 nobody", "", "foo", "192.0.2.1 ", "::1 alice", "127.0.0.1 alice extra",
        "127.0.0.1 al%69ce", "7.7.7.7 tab", "6.6.6.127 x", "6.6.6.128 x", "9.9.9.9 carl", "zz alice",
        "127.0.0.1 ALICE", "127.0.0.1 -", "4.4.4.4 ALL",
    ]
    with Folder() as folder:
        path = folder.file("users", lines)
        same_as_squids("ext_file_userip_acl", ["-f", path], questions)
        folder.file("users", lines + "5.5.5.0/24 al\n2001:db8::/33 six\n1.2.3.4/40 x\nfoo y\n3.3.3.3\n")
        command = ["./ext_file_userip_acl", "-f", path]
        said, messages = run(
            command,
            ["3 127.0.0.1 alice", "5.5.5.9 al", "5.5.6.0 al", "2001:db8:7fff::1 six",
             "2001:db8:8000::1 six", "9.9.9.9 NONE", "1.2.3.4 x"],
        )
        answers = ["3 OK", "OK", "ERR", "OK", "ERR", "ERR", "ERR"]
        expect("channel ids, prefixes, IPv6, nobody is called NONE", said == answers, said)
        expect("bad lines are named", messages.count("left out") == 3, messages)
        survives("ext_file_userip_acl", command, "127.0.0.1 alice", "OK")
        missing = folder.file("none")
        names_the_missing_file("ext_file_userip_acl", [command[0], "-f", missing], missing, "::1 x")


def sessions():
    """Squid's answers, as Debian 12's program gives them once its database can be opened at all."""
    passive = [
        ("1 u", '1 ERR message="Welcome"'), ("2 u", "2 OK"), ("3 v LOGIN", '3 OK message="Welcome"'),
        ("4 v", "4 OK"), ("7 u LOGOUT", '7 OK message="Bye"'), ("8 u", '8 ERR message="Welcome"'),
        ("9 u -", "9 OK"),
    ]
    none = 'ERR message="No session available"'
    active = [
        ("1 u", f"1 {none}"), ("2 u LOGIN", '2 OK message="Welcome"'), ("3 u", "3 OK"),
        ("4 u LOGOUT", '4 OK message="Bye"'), ("5 u", f"5 {none}"), ("6 u LOGOUT", '6 OK message="Bye"'),
        ("7 LOGIN", f"7 {none}"), ("8 a b LOGIN", '8 OK message="Welcome"'), ("9 a b", "9 OK"),
        ("10 a", f"10 {none}"), ("11 u LOGINX", f"11 {none}"), ("12 u LOGIN", '12 OK message="Welcome"'),
        ("13 u -", "13 OK"), ("14 u FOO", f"14 {none}"),
    ]
    program = "./ext_session_acl"
    with Folder() as folder:
        for what, options, cases in (("passive", [], passive), ("active", ["-a"], active)):
            for path in ([], ["-b", folder.file(what)]):
                said, _ = run([program, *options, *path], [question for question, _ in cases])
                expect(f"sessions, {what} {path}", said == [answer for _, answer in cases], said)
        shared = ["-b", folder.path]
        with Talk(program, *shared) as first, Talk(program, *shared) as second:
            expect("begun in one child", first.ask("1 u").startswith("1 ERR"))
            expect("known in the other", second.ask("1 u") == "1 OK")
        expect("and after a restart", run([program, *shared], ["1 u"])[0] == ["1 OK"])
        with Talk(program, "-T", "1") as fixed, Talk(program, "-t", "1") as idle:
            fixed.ask("1 u")
            idle.ask("1 u")
            deadline = time.monotonic() + PATIENCE
            while fixed.ask("2 u") == "2 OK" and time.monotonic() < deadline:
                time.sleep(0.1)
            expect("a fixed session ends however often it is asked for", time.monotonic() < deadline)
            time.sleep(1.1)
            expect("an idle one ends", idle.ask("2 u") == '2 ERR message="Welcome"')
        said = run([program], ["u"])[0]
        expect("without a channel id", "BH message=" in said[0], said)
        names_the_missing_file("ext_session_acl", [program, "-b", "/none/x"], "/none/x", "1 u")
        foreign = folder.file("foreign", "not a database, but long enough to be looked at\n" * 50)
        names_the_missing_file("ext_session_acl", [program, "-b", foreign], foreign, "1 u")
        survives("ext_session_acl", [program, "-a"], "1 u LOGIN", '1 OK message="Welcome"')


def digests():
    plain = "user:pass\n#c:d\nbob:realm:secret\nempty:\n\nx y:z\nba\\ck:pw\ndup:one\ndup:two\nblank:pass \n"
    hash1, hash2 = "0123456789abcdef" * 2, "1123456789ABCDEF" * 2
    hashed = f"a:r:{hash1}\nb:r:{hash2}\nc:r:{hash1}0\nd:r:{hash1}\nd:s:{hash2}\nplain:pass\n"
    questions = [
        '"user":"realm"', '"nobody":"realm"', '"bob":"realm"', '"bob":"other"', "garbage", "", '"user"',
        '7 "user":"realm"', "8 garbage", '"user":"re alm"', '"empty":"r"', '"x y":"r"', '"ba\\ck":"r"',
        '"dup":"r"', '"blank":"r"', '"user":""', '"":"realm"', '"user":"realm" extra', '"user": "realm"',
    ]
    with Folder() as folder:
        path = folder.file("plain", plain)
        same_as_squids("digest_file_auth", [path], questions)
        names = [f'"{name}":"{realm}"' for name in ("a", "b", "c", "d", "plain") for realm in ("r", "s")]
        same_as_squids("digest_file_auth", ["-c", folder.file("hashed", hashed)], names)
        program = "./digest_file_auth"
        md5 = hashlib.md5(b"user:realm:pass").hexdigest()
        sha256 = hashlib.sha256(b"user:realm:pass").hexdigest()
        said, _ = run([program, "-s", path], questions[:1])
        expect("with SHA-256", said == [f'OK ha1="{md5}" ha1-sha256="{sha256}"'], said)
        long = folder.file("long", f"user:realm:{md5}:{sha256}\n")
        expect("hashed likewise", run([program, "-cs", long], questions[:1])[0] == said)
        survives("digest_file_auth", [program, path], questions[0], f'OK ha1="{md5}"')
        missing = folder.file("none")
        names_the_missing_file("digest_file_auth", [program, missing], missing, questions[0])


def daemon_log():
    commands = b"r3\nb0\nLone\nLtwo\nR\nLthree\nR\nLfour\nF\nR\nR\nLx\nZjunk\n\nTzap\nO\nL\nLnoeol"
    names = ["log", "log.0", "log.1", "log.2"]
    with Folder() as folder:
        written = {}
        for program in ("./log_file_daemon", os.path.join(SQUIDS, "log_file_daemon")):
            if not os.access(program, os.X_OK):
                print(f"skipped: {program} is not there", file=sys.stderr)
                continue
            run([program, folder.file("log")], commands)
            written[program] = []
            for name in names:
                with open(folder.file(name), "rb") as file:
                    written[program].append(file.read())
                os.unlink(folder.file(name))
        ours = written["./log_file_daemon"]
        expect("rotated", ours == [b"x\nZjunk\n\n\nnoeol", b"", b"four\n", b"three\n"], ours)
        expect("as Squid's", all(texts == ours for texts in written.values()), written)
        line = b"a" * 1000000 + b"\0b"
        run(["./log_file_daemon", folder.file("log")], b"L" + line + b"\nLnext\n")
        with open(folder.file("log"), "rb") as file:
            expect("a long line, with a NUL", file.read() == line + b"\nnext\n")
        _, messages = run(["./log_file_daemon", folder.file("none/log")], b"Lx\nLy\n")
        expect("a folder that is missing", messages.count("none/log") == 1, messages)
        _, messages = run(["./log_file_daemon", "/dev/full"], b"Lx\nF\nLy\n")
        expect("a full disk", "No space left" in messages, messages)

DATABASE = """
CREATE TABLE passwd (user TEXT PRIMARY KEY, password TEXT, enabled INTEGER);
INSERT INTO passwd VALUES ('joe', '$apr1$P8usp7pN$6yMJQ8Cb5wGbShVsAQVy..', 1), ('off', 'x', 0),
    ('1', '$apr1$P8usp7pN$6yMJQ8Cb5wGbShVsAQVy..', 1), ('nil', NULL, 1), ('plain', 's3cret', 1);
CREATE TABLE allowed (address TEXT, user TEXT, tag TEXT, message TEXT);
INSERT INTO allowed VALUES ('192.0.2.1', 'joe', 'a "b', NULL), ('192.0.2.1', 'o''k x', 't', 'm');
"""


def database(path, text=DATABASE):
    with sqlite3.connect(path) as connection:
        connection.executescript(text)
    connection.close()
    return path


def passwords():
    """What is in htpasswd's files is tests/unit/helpers/password_test.c's."""
    lines = "joe:$apr1$P8usp7pN$6yMJQ8Cb5wGbShVsAQVy..\n"
    questions = ["joe s3cret", "joe s3%63ret", "joe x", "jim x", "joe", "", " x", "joe ", "1 joe s3cret"]
    with Folder() as folder:
        path = folder.file("passwd", lines)
        same_as_squids("basic_ncsa_auth", [path], questions)
        survives("basic_ncsa_auth", ["./basic_ncsa_auth", path], "joe s3cret", "OK")
        missing = folder.file("none")
        names_the_missing_file("basic_ncsa_auth", ["./basic_ncsa_auth", missing], missing, "joe x")


def sqlite_passwords():
    program = "./basic_sqlite_auth"
    wrong, nobody = 'ERR message="Wrong password"', 'ERR message="No such user"'
    cases = [
        ("joe s3cret", "OK"), ("joe s3%63ret", "OK"), ("joe x", wrong), ("jim x", nobody),
        ("off x", nobody), ("nil x", wrong), ("' x", nobody), ("1 s3cret", "OK"),
        ("joe", 'BH message="Invalid Input."'), ("", 'BH message="Invalid Input."'),
    ]
    with Folder() as folder:
        path = database(folder.file("users"))
        said, _ = run([program, path], [question for question, _ in cases])
        expect("passwords from SQLite", said == [answer for _, answer in cases], said)
        said, _ = run([program, "-c", path], ["7 joe s3cret", "8 1 x"])
        expect("with channel ids", said == ["7 OK", f"8 {wrong}"], said)
        query = "SELECT password FROM passwd WHERE user=lower(?1)".split()
        said, _ = run([program, "-p", path, *query], ["PLAIN s3cret", "plain s3cretx", "nil "])
        expect("plain ones, by a query of one's own", said[:2] == ["OK", wrong], said)
        survives("basic_sqlite_auth", [program, path], "joe s3cret", "OK")
        missing = folder.file("none")
        names_the_missing_file("basic_sqlite_auth", [program, missing], missing, "joe x")
        with Talk(program, path) as talk:
            talk.ask("joe s3cret")
            other = database(folder.file("other"), DATABASE.replace("'joe'", "'ann'"))
            os.rename(other, path)
            expect("a database that is replaced", talk.ask("ann s3cret") == "OK")


def sqlite_acl():
    program = "./ext_sqlite_acl"
    query = "SELECT tag, message FROM allowed WHERE address = ?1 AND user = ?2".split()
    with Folder() as folder:
        path = database(folder.file("acl"))
        command = [program, path, *query]
        questions = ["192.0.2.1 joe", "192.0.2.1 o'k%20x -", "192.0.2.2 joe", "192.0.2.1", ""]
        said, _ = run(command, questions)
        answers = ['OK tag="a \\"b"', 'OK tag="t" message="m"', "ERR", "ERR", "ERR"]
        expect("an ACL from SQLite", said == answers, said)
        expect("with channel ids", run([program, "-c", path, *query], ["5 192.0.2.1 joe"])[0][0][:4] == "5 OK")
        said, _ = run([program, path, "SELECT", "x", "FROM", "missing_one"], ["a"])
        expect("a bad query is said", "no such table" in said[0], said)
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"
        begun = time.monotonic()
        said, _ = run([program, path, *endless.split()], ["a"])
        expect("an endless query ends", "BH message=" in said[0] and time.monotonic() < begun + 25, said)
        survives("ext_sqlite_acl", command, "192.0.2.2 joe", "ERR")
        missing = folder.file("none")
        names_the_missing_file("ext_sqlite_acl", [program, missing, *query], missing, "a b")


def is_built(name):
    if os.access(f"./{name}", os.X_OK):
        return True
    print(f"skipped: {name} is not built here", file=sys.stderr)
    return False


def pam():
    """Nobody may log in here; that somebody may is up to the machine."""
    if is_built("basic_pam_auth"):
        command = ["./basic_pam_auth", "-n", "bobtail-no-such-service", "-t", "60", "-1"]
        said, _ = run(command, ["root wrong", "root", "", "no%20such x"])
        expect("PAM lets nobody in", said == ["ERR"] * 4, said)
        survives("basic_pam_auth", command, "root wrong", "ERR")


SLAPD = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example
rootdn cn=admin,dc=example
rootpw admin
directory FOLDER
access to * by anonymous auth by * none
"""
PEOPLE = """dn: dc=example
objectClass: dcObject
objectClass: organization
o: x
dc: example

dn: uid=joe,dc=example
objectClass: inetOrgPerson
uid: joe
cn: joe
sn: joe
userPassword: s3cret

dn: uid=o\\20k\\2cx,dc=example
objectClass: inetOrgPerson
uid: o k,x
cn: joe
sn: joe
userPassword: s3cret
"""


def answers_within(seconds, command, question, answer):
    deadline, said = time.monotonic() + seconds, ""
    while said != answer and time.monotonic() < deadline:
        said = run(command, [question])[0][0]
        time.sleep(0.1)
    return said == answer


def ldap():
    program = "./basic_ldap_auth"
    if not is_built("basic_ldap_auth"):
        return
    said, _ = run([program, "-b", "dc=example", "-c", "5", "ldap://127.0.0.1:1"], ["joe x", "joe", ""])
    expect("no server: BH", said[0].startswith("BH message=\"ldap://127.0.0.1:1: "), said)
    missing = ['ERR message="Missing password"', 'ERR message="Missing username"']
    expect("half a question", said[1:] == missing, said)
    slapd = shutil.which("slapd", path="/usr/sbin:/usr/lib/openldap")
    if not slapd:
        print("skipped: slapd is not there", file=sys.stderr)
        return
    with Folder() as folder:
        config = folder.file("conf", SLAPD.replace("FOLDER", folder.path))
        filled = subprocess.run(
            ["slapadd", "-f", config], input=PEOPLE.encode(), capture_output=True, check=False,
            executable=os.path.join(os.path.dirname(slapd), "slapadd"),
        )
        if filled.returncode != 0:
            print("skipped: slapd does not work here", filled.stderr, file=sys.stderr)
            return
        url = f"ldap://127.0.0.1:{free_ports(1)[0]}"
        server = subprocess.Popen([slapd, "-f", config, "-h", url, "-d", "0"], stderr=subprocess.DEVNULL)
        try:
            directory(folder, [program, "-b", "dc=example", "-c", "5"], url)
        finally:
            server.terminate()
            server.wait(PATIENCE)


def directory(folder, command, url):
    expect("a server", answers_within(PATIENCE, [*command, url], "joe s3cret", "OK"))
    admin = ["-D", "cn=admin,dc=example"]
    refused = 'ERR message="Invalid credentials"'
    questions = ["joe s3cret", "o%20k,x s3cret", "joe x", "nobody s3cret", "* s3cret", "joe)(uid=* s3cret"]
    answers = ["OK", "OK", refused, refused, refused, refused]
    secret = folder.file("secret", "admin\n")
    for options in (
        [], ["-f", "uid=%s", *admin, "-w", "admin"], ["-P", "-f", "(&(uid=%s)(cn=joe))", *admin, "-W", secret],
        ["-U", "userPassword", *admin, "-w", "admin"],
    ):
        said, _ = run([*command, *options, url], questions)
        expect(f"LDAP {options}", said == answers, said)
    said, _ = run([*command, "-f", "uid=%s", *admin, "-w", "wrong", url], questions[:1])
    expect("who may not search: BH", "BH message=" in said[0], said)
    none = folder.file("none")
    names_the_missing_file("basic_ldap_auth", [*command, "-f", "uid=%s", *admin, "-W", none, url], none, "a b")
    survives("basic_ldap_auth", [*command, url], "joe s3cret", "OK")



def main():
    if not os.access("./url_rewrite_rules", os.X_OK):
        print("skipped: the programs are not built here")
        sys.exit(SKIP)
    for test in (
        store_ids, url_rewrites, users_and_addresses, sessions, digests, daemon_log, passwords, sqlite_passwords,
        sqlite_acl, json_web_tokens, pam, ldap,
    ):
        test()
    finish()


main()
