#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""NTLM and Negotiate, which authenticate a connection: with a scripted helper, and Squid's ntlm_fake_auth with
curl --ntlm where they are. The scripted helper names the user after the first token that it was sent, so that
a conversation which changed its child would show."""
import http.client
import os
import shutil
import subprocess
import sys
import threading

from site_with_auth import SQUIDS, Site as AuthSite, bobtail, expect, run

RULES = """
logformat who %un %>Hs
access_log stdio:ACCESS_LOG who
acl users proxy_auth REQUIRED
http_access allow users
"""


class Site(AuthSite):
    def __init__(self, lines):
        super().__init__(lines + RULES)

    def connect(self, port=None):
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)

    def ask(self, connection, credentials=None, path="/1"):
        """The status and the challenges."""
        fields = {"Authorization": credentials} if credentials else {}
        status, _, headers = self.get(path, fields, connection)
        return status, headers.get_all("WWW-Authenticate") or []


def conversation():
    """YR TT KK AF, then the connection is somebody, and no other one is."""
    with Site("auth_param ntlm program AUTH\nauth_param ntlm children 2\n") as site:
        one, other = site.connect(), site.connect()
        expect(site.ask(one), (401, ["NTLM"]), "nobody")
        status, challenge = site.ask(one, "NTLM first")
        expect((status, len(challenge)), (401, 1), "the first token")
        assert challenge[0].startswith("NTLM Y2hhbGxlbmdl"), challenge
        expect(site.ask(one, "NTLM second")[0], 200, "the second token")
        expect(site.ask(one)[0], 200, "without credentials")
        expect(site.ask(one, "NTLM second")[0], 200, "with the same ones")
        expect(site.asked(), ["YR first", "KK second"], "questions")
        expect(site.ask(other), (401, ["NTLM"]), "another connection")
        expect(site.ask(one, "Basic am9lOng=")[0], 401, "other credentials")
        expect(site.ask(one)[0], 401, "and then none")
        site.log_has("joe-first@REALM 200")


def conversations_do_not_mix():
    """Two at once have a child each; one that waits for a child gets that of a connection that ends."""
    with Site("auth_param ntlm program AUTH\nauth_param ntlm children 2\n") as site:
        one, other, third = site.connect(), site.connect(), site.connect()
        challenges = {site.ask(one, "NTLM aaaa")[1][0], site.ask(other, "NTLM bbbb")[1][0]}
        expect(len(challenges), 2, "children")
        waiting = []
        thread = threading.Thread(target=lambda: waiting.append(site.ask(third, "NTLM cccc")))
        thread.start()
        expect(site.ask(other, "NTLM next")[0], 200, "the second connection")
        thread.join(30)
        expect((len(waiting), waiting[0][0]), (1, 401), "the third connection has its challenge")
        fourth = site.connect()
        thread = threading.Thread(target=lambda: waiting.append(site.ask(fourth, "NTLM dddd")))
        thread.start()
        third.close()
        thread.join(30)
        expect((len(waiting), waiting[1][0]), (2, 401), "the fourth connection has its challenge")
        expect(site.ask(one, "NTLM next")[0], 200, "the first connection")
        expect(site.ask(fourth, "NTLM next")[0], 200, "the fourth connection")
        site.log_has("joe-aaaa@REALM 200", "joe-bbbb@REALM 200", "joe-dddd@REALM 200")


def negotiate():
    """One token may do; the proof goes to the client; what is refused is asked again."""
    with Site("auth_param negotiate program AUTH\nauth_param basic program /bin/false\n") as site:
        one = site.connect()
        expect(site.ask(one, "Negotiate one"), (200, ["Negotiate ZG9uZQ=="]), "at once")
        expect(site.ask(one), (200, []), "then")
        every = [401, ["Negotiate", 'Basic realm="Squid proxy-caching web server"']]
        for token in ("bad", "broken", "", "no token", "x" * 70000):
            fresh = site.connect()
            answer = site.ask(fresh, f"Negotiate {token}")
            assert list(answer) == every or answer[0] == 431, f"{token[:9]}: {answer}"
            if answer[0] == 401:
                expect(site.ask(fresh, "Negotiate one")[0], 200, "then a good one")
            fresh.close()


def not_offered():
    """keep_alive off, connection-auth=off, and HTTP/2."""
    plain, h2c = bobtail.free_ports(2)
    lines = f"""
http_port 127.0.0.1:{plain} accel connection-auth=off
http_port 127.0.0.1:{h2c} accel h2c
auth_param ntlm program AUTH
auth_param ntlm keep_alive off
auth_param basic program /bin/false
auth_param basic realm B
"""
    with Site(lines) as site:
        connection = site.connect()
        status, _, headers = site.get("/1", connection=connection)
        expect((status, headers["Connection"]), (401, "close"), "keep_alive off")
        status, _, headers = site.get("/1", {"Authorization": "NTLM first"}, site.connect())
        expect((status, headers["Connection"]), (401, "keep-alive"), "within a conversation")
        expect(site.ask(site.connect(plain)), (401, ['Basic realm="B"']), "connection-auth=off")
        expect(site.ask(site.connect(plain), "NTLM first"), (401, ['Basic realm="B"']), "though it is tried")
        if not shutil.which("curl"):
            return
        command = ["curl", "-s", "-i", "--noproxy", "*", "--http2-prior-knowledge", "-H", "Authorization: NTLM first"]
        answer = subprocess.run(
            command + [f"http://127.0.0.1:{h2c}/1"], capture_output=True, timeout=30, check=False
        ).stdout.decode("latin-1")
        assert "HTTP/2 401" in answer and 'Basic realm="B"' in answer and "NTLM" not in answer, answer


def curl_and_squids_helper():
    """curl --ntlm with ntlm_fake_auth as it comes."""
    program = os.path.join(SQUIDS, "ntlm_fake_auth")
    if not os.access(program, os.X_OK) or not shutil.which("curl"):
        print("skipped: there is no ntlm_fake_auth, or no curl", file=sys.stderr)
        return
    version = subprocess.run(["curl", "-V"], capture_output=True, timeout=30, check=False).stdout
    if b"NTLM" not in version:
        print("skipped: this curl has no NTLM", file=sys.stderr)
        return
    with Site(f"auth_param ntlm program {program}\nauth_param ntlm children 2\n") as site:
        url = f"http://127.0.0.1:{site.port}/1"
        command = ["curl", "-s", "-w", "%{http_code} ", "-o", os.devnull, "-o", os.devnull, "--noproxy", "*"]
        done = subprocess.run(
            command + ["--ntlm", "-u", "joe:pw", url, url], capture_output=True, timeout=30, check=False
        )
        expect(done.stdout.decode().split(), ["200", "200"], "curl --ntlm")
        assert any(line.endswith(" 200") and "joe" in line for line in site.logged(3)), site.logged(3)


run((conversation, conversations_do_not_mix, negotiate, not_offered, curl_and_squids_helper))
