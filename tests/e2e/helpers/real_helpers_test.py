#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Squid's own helpers, unmodified, behind external_acl_type and url_rewrite_program; users who log in from
too many places; and a stop that no helper holds up. What is not installed is skipped, and said."""
import base64
import concurrent.futures
import http.client
import os
import shutil
import subprocess
import sys
import time

from session_database import make_sessions, sessions_can_be_made
from site_of_helpers import Site, bobtail, expect, run

SQUIDS = os.environ.get("SQUID_LIBEXEC", "/usr/lib/squid")


def program(name):
    folders = [SQUIDS] + ([f"{os.environ['SQUID_ROOT']}/usr/lib/squid"] if "SQUID_ROOT" in os.environ else [])
    path = shutil.which(name, path=os.pathsep.join(folders))
    if not path:
        print(f"skipped: {name} is not in {folders}", file=sys.stderr)
    return path


def basic(user, password="x"):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def wait_for_status(site, fields, wanted):
    bobtail.require_soon(f"a {wanted}", lambda: site.get("/1", fields)[0] == wanted)


def users_and_addresses():
    """ext_file_userip_acl: who is asked for his name may come from where the file says."""
    userip, fake = program("ext_file_userip_acl"), program("basic_fake_auth")
    if not userip or not fake:
        return
    lines = f"""
auth_param basic program {fake}
auth_param basic children 1
external_acl_type userip children-max=1 %SRC %LOGIN {userip} -f FOLDER/users
acl known external userip
http_access allow known
"""
    with Site(lines, {"users": "127.0.0.1 alice\n10.0.0.1 bob\n"}) as site:
        expect(site.get("/1")[0], 401, "nobody")
        expect(site.get("/1", basic("alice"))[0], 200, "alice")
        expect(site.get("/1", basic("bob"))[0], 401, "bob, from elsewhere")


def session():
    """ext_session_acl in its active mode. Squid 5.7's opens its database read-only (openat: O_RDONLY|O_CREAT):
    without a good one that is there it ends at once, and what LOGIN begins is not kept. So it is asked about
    sessions that are there already."""
    helper = program("ext_session_acl")
    if not helper or not sessions_can_be_made():
        return
    lines = f"""
external_acl_type session ttl=0 negative_ttl=0 children-max=1 concurrency=10 %>{{X-User}} {helper} -a -T 3600 -b FOLDER/sessions
acl login external session LOGIN
acl logout external session LOGOUT
acl there external session
acl is_login urlpath_regex login
acl is_logout urlpath_regex logout
http_access allow is_login login
http_access allow is_logout logout
http_access allow there
http_access deny all
"""
    with Site(lines) as site:
        for path in ("/1", "/1?login"):
            assert site.get(path, {"X-User": "joe"})[0] in (403, 503), f"{path}, without a database"
        assert "Failed to open session db" in site.ctl("helpers"), site.ctl("helpers")
        make_sessions(os.path.join(site.folder, "sessions"), {"joe": 0, "ann": 7200})
        site.ctl("reconfigure")
        wait_for_status(site, {"X-User": "joe"}, 200)
        expect(site.get("/1", {"X-User": "ann"})[0], 403, "a session that is over")
        expect(site.get("/1", {"X-User": "bob"})[0], 403, "none")
        expect(site.get("/1?login", {"X-User": "bob"})[0], 200, "login")
        expect(site.get("/1?logout", {"X-User": "bob"})[0], 200, "logout")
        expect(site.get("/1", {"X-User": "bob"})[0], 403, "after the logout")


def rewriters():
    """url_fake_rewrite, with ids and without."""
    for name, children in (("url_fake_rewrite", "1"), ("url_fake_rewrite", "1 concurrency=5")):
        path = program(name)
        if not path:
            continue
        lines = f"url_rewrite_program {path}\nurl_rewrite_children {children}\nhttp_access allow all\n"
        with Site(lines) as site:
            for i in range(3):
                expect(site.get(f"/{i}")[0], 200, f"{name} {children}")


def jesred():
    """Debian's redirector of old, which reads /etc/jesred.conf alone, in an /etc of its own."""
    path, own_files = program("jesred"), ["unshare", "-m" if os.geteuid() == 0 else "-rm"]
    if not path:
        return
    if not shutil.which("unshare") or subprocess.run([*own_files, "mount", "-t", "tmpfs", "none", "/etc"], check=False).returncode != 0:
        print("skipped: jesred cannot get an /etc of its own here", file=sys.stderr)
        return
    files = {
        "conf": "allow = FOLDER/allow\nrules = FOLDER/rules\n",
        "allow": "127.0.0.0/8\n",
        "rules": "regex ^http://w.example/9(.*)$ http://w.example/7\\1\n"
                 "regexi ^http://w.example/GONE 301:http://new.example/\n",
        "start": f"mount -t tmpfs none /etc && cp FOLDER/conf /etc/jesred.conf && exec {path}\n",
    }
    lines = f"""
cache_effective_user root
url_rewrite_program {shutil.which("unshare")} {own_files[1]} sh FOLDER/start
url_rewrite_children 1
http_access allow all
"""
    with Site(lines, files) as site:
        expect(site.get("/9?x")[1], b"x" * 7, "a rewritten URL")
        expect(site.origin.requests[-1][0], "/7?x", "what the origin is asked for")
        expect(site.get("/5")[1], b"x" * 5, "a URL that no rule is for")
        status, _, fields = site.get("/gone")
        expect((status, fields["Location"]), (302, "http://new.example/"), "a redirect")


def multiplexed():
    """helper-mux: many helpers that know no ids behind one that does. It takes what it reads at once for a
    line, so Python must not write a line in pieces."""
    path = program("helper-mux")
    if not path:
        return
    lines = f"""
external_acl_type asked ttl=0 children-max=1 concurrency=100 queue-size=1000 %>rp /usr/bin/env -u PYTHONUNBUFFERED {path} HELPER
acl asked external asked
http_access allow asked
"""
    with Site(lines) as site, concurrent.futures.ThreadPoolExecutor(4) as pool:
        deeds = ["slow", "ok", "err", "ok"] * 2
        codes = list(pool.map(lambda row: site.get(f"/{row[0]}?/{row[1]}-{row[0]}")[0], enumerate(deeds)))
        expect(codes, [200, 200, 403, 200] * 2, "answers by id")
        expect(len(site.asked()), 8, "questions")


def too_many_addresses():
    """max_user_ip: with -s the address too many is turned away, and the first one goes on."""
    fake = program("basic_fake_auth")
    if not fake:
        return
    lines = f"""
auth_param basic program {fake}
auth_param basic children 1
authenticate_ip_ttl 1 hour
acl many max_user_ip -s 1
acl users proxy_auth REQUIRED
http_access deny many
http_access allow users
"""
    with Site(lines) as site:
        expect(site.get("/1", basic("alice"))[0], 200, "the first address")
        expect(site.get("/1", basic("alice"), source="127.0.0.2")[0], 403, "another one")
        expect(site.get("/1", basic("alice"))[0], 200, "the first one again")
        expect(site.get("/1", basic("bob"), source="127.0.0.2")[0], 200, "another user")


def stop():
    """A helper that hangs does not hold up a stop."""
    lines = """
external_acl_type asked timeout=600 children-max=1 %>rp HELPER
acl asked external asked
http_access allow asked
"""
    with Site(lines) as site:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        connection.request("GET", "/1?/hang", headers={"Host": "w.example"})
        bobtail.wait_for(lambda: site.asked("hang"))
        began = time.monotonic()
        site.proxy.process.terminate()
        site.proxy.process.wait(40)
        assert time.monotonic() - began < 30, "the stop took too long"
        connection.close()


run((users_and_addresses, session, rewriters, jesred, multiplexed, too_many_addresses, stop))
