#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The bundled programs behind one proxy, whose squid.conf names those of a Squid that is not there: each is
found by its name, with a line that says so, and does its work."""
import base64
import hashlib
import hmac
import json
import os
import re
import sqlite3
import sys
import time

from site_of_helpers import Site, bobtail, expect, run

GONE = "/usr/lib/squid3"
SECRET = b"s" * 32
PASSWORD = "$apr1$P8usp7pN$6yMJQ8Cb5wGbShVsAQVy.."  # s3cret
BASIC = {
    "ncsa": "basic_ncsa_auth FOLDER/passwd",
    "sqlite": "basic_sqlite_auth FOLDER/users.db",
    "pam": "basic_pam_auth -n bobtail-no-such-service",
    "ldap": "basic_ldap_auth -b dc=example -h 127.0.0.1 -p 9",
}
FILES = {
    "passwd": f"joe:{PASSWORD}\n",
    "digests": "joe:pw\n",
    "keys": json.dumps({"keys": [{"kty": "oct", "k": base64.urlsafe_b64encode(SECRET).decode().rstrip("=")}]}),
    "userip": "127.0.0.1 joe\n",
    "rules": "rewrite ^http://w.example/9(.*) http://w.example/7$1\nredirect=301 /moved http://new.example/\n",
    "stores": "^http://w\\.example/3\\?.*\thttp://w.example.internal/3\n",
    "sql": "SELECT tag FROM allowed WHERE path = ?1\n",
}
LINES = f"""
auth_param basic program {GONE}/BASIC
auth_param basic children 1
auth_param digest program {GONE}/digest_file_auth FOLDER/digests
auth_param digest realm R
auth_param digest children 1
auth_param bearer program {GONE}/bearer_jwt_auth -k FOLDER/keys
auth_param bearer children 1
url_rewrite_program {GONE}/url_rewrite_rules FOLDER/rules
url_rewrite_children 1
store_id_program {GONE}/storeid_file_rewrite FOLDER/stores
store_id_children 1
logfile_daemon {GONE}/log_file_daemon
logformat who %>Hs %un %>ru %et
access_log daemon:FOLDER/notes.log who
external_acl_type session ttl=0 negative_ttl=0 concurrency=10 children-max=1 %SRC {GONE}/ext_session_acl -a -b FOLDER/sessions
external_acl_type userip children-max=1 %SRC %LOGIN {GONE}/ext_file_userip_acl -f FOLDER/userip
external_acl_type sql children-max=1 %PATH {GONE}/ext_sqlite_acl FOLDER/users.db SELECT tag FROM allowed WHERE path = ?1
acl login external session LOGIN
acl session external session
acl known_here external userip
acl in_table external sql
acl users proxy_auth REQUIRED
http_access deny {{session}}
"""
RULES = """
acl p_login urlpath_regex ^/1.login
acl p_session urlpath_regex ^/1.session
acl p_user urlpath_regex ^/1.user
acl p_here urlpath_regex ^/1.here
acl p_table urlpath_regex ^/1.table
http_access deny p_login !login
http_access deny p_session !session
http_access deny p_user !users
http_access deny p_here !known_here
http_access deny p_table !in_table
http_access allow all
"""


def database(path):
    with sqlite3.connect(path) as connection:
        connection.executescript(f"""
            CREATE TABLE passwd (user TEXT PRIMARY KEY, password TEXT, enabled INTEGER);
            INSERT INTO passwd VALUES ('ann', '{PASSWORD}', 1);
            CREATE TABLE allowed (path TEXT, tag TEXT);
            INSERT INTO allowed VALUES ('/1?table', 'gold');""")
    connection.close()
    os.chmod(path, 0o644)


def basic(user, password="s3cret"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(user):
    def text(value):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    head = text(b'{"alg":"HS256"}') + "." + text(json.dumps({"sub": user, "exp": int(time.time()) + 600}).encode())
    return {"Authorization": f"Bearer {head}.{text(hmac.new(SECRET, head.encode(), hashlib.sha256).digest())}"}


def digest(challenge, uri):
    def md5(*parts):
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    nonce = re.search(r'nonce="([^"]*)"', challenge)[1]
    response = md5(md5("joe", "R", "pw"), nonce, "00000001", "cn", "auth", md5("GET", uri))
    return {"Authorization": f'Digest username="joe", realm="R", nonce="{nonce}", uri="{uri}", response="{response}", '
                             'qop=auth, nc=00000001, cnonce="cn"'}


def configure(site, name):
    """Another program for Basic, by a reload."""
    with open(site.proxy.config, encoding="latin-1") as file:
        text = file.read()
    program = BASIC[name].replace("FOLDER", site.folder)
    with open(site.proxy.config, "w", encoding="latin-1") as file:
        file.write(re.sub(r"(?m)^auth_param basic program .*", lambda _: f"auth_param basic program {GONE}/{program}", text))
    said = site.proxy.output().count("the bundled")
    site.proxy.process.send_signal(1)
    bobtail.wait_for(lambda: site.proxy.output().count("the bundled") >= said + text.count(GONE))


def credentials(site):
    expect(site.get("/1?user")[0], 401, "nobody")
    expect(site.get("/1?user", basic("joe"))[0], 200, "basic_ncsa_auth")
    expect(site.get("/1?user", basic("joe", "wrong"))[0], 401, "basic_ncsa_auth, a wrong password")
    expect(site.get("/1?user", bearer("tess"))[0], 200, "bearer_jwt_auth")
    expect(site.get("/1?user", {"Authorization": "Bearer a.b.c"})[0], 401, "bearer_jwt_auth, another token")
    offered = [line for line in site.get("/1?user")[2].get_all("WWW-Authenticate") if line.startswith("Digest")]
    expect(site.get("/1?user", digest(offered[0], "/1?user"))[0], 200, "digest_file_auth")


def access(site):
    expect(site.get("/1?session")[0], 403, "ext_session_acl, before the login")
    expect(site.get("/1?login")[0], 200, "ext_session_acl, the login")
    expect(site.get("/1?session")[0], 200, "ext_session_acl, in the session")
    expect(site.get("/1?here", basic("joe"))[0], 200, "ext_file_userip_acl")
    expect(site.get("/1?table")[0], 200, "ext_sqlite_acl")
    expect(site.get("/1?table-not")[0], 403, "ext_sqlite_acl, not in the table")


def urls(site):
    expect(site.get("/9?x")[1], b"x" * 7, "url_rewrite_rules, rewritten")
    status, _, fields = site.get("/moved")
    expect((status, fields["Location"]), (301, "http://new.example/"), "url_rewrite_rules, a redirect")
    site.get("/3?one")
    asked = len(site.origin.requests)
    expect(site.get("/3?two")[1], b"xxx", "storeid_file_rewrite")
    expect(len(site.origin.requests), asked, "storeid_file_rewrite: one object")


def other_passwords(site):
    """One after the other in the place of basic_ncsa_auth, since there is one for Basic."""
    for name, status in (("sqlite", 200), ("pam", 401), ("ldap", 401)):
        program = BASIC[name].split()[0]
        if not os.access(program, os.X_OK):
            print(f"skipped: {program} is not built here", file=sys.stderr)
            continue
        configure(site, name)
        user = "ann" if status == 200 else "bob"  # who was let in is known for a while
        # The one before may still be asked.
        bobtail.wait_for(lambda who=basic(user), wanted=status: site.get("/1?user", who)[0] == wanted)
        expect(site.get("/1?user", basic(user))[0], status, program)


def all_in_one():
    if os.path.exists(GONE):
        print(f"skipped: there is a {GONE}", file=sys.stderr)
        return
    lines = LINES.replace("http_access deny {session}\n", RULES).replace("BASIC", BASIC["ncsa"])
    with Site(lines, FILES) as site:
        site.get("/0")
        database(os.path.join(site.folder, "users.db"))
        for part in (credentials, access, urls, other_passwords):
            part(site)
        log = site.logged(10)
        for line in ("200 joe http://w.example/1?user -", "200 tess http://w.example/1?user -", "200 - http://w.example/1?table gold"):
            assert line in log, ("log_file_daemon", line, log)
        output = site.proxy.output()
        for name in sorted(set(re.findall(GONE + r"/(\w+)", lines))):
            found = re.search(rf"WARNING: .*{GONE}/{name}: \(2\) No such file or directory; the bundled (\S+) is run instead", output)
            assert found and os.path.basename(found[1]) == name, (name, output[:2000])


run((all_in_one,))
