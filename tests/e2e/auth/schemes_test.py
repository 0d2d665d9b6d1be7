#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Digest and bearer authentication, several schemes at once, and what is offered to whom; with scripted
helpers, and Squid's own digest_file_auth where it is."""
import base64
import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from site_with_auth import SQUIDS, Site, expect, run

LOGGED = "logformat who %un %>Hs %{group}note %note\naccess_log stdio:ACCESS_LOG who\n"
USERS = "acl users proxy_auth REQUIRED\nhttp_access allow users\n"


class Digest:
    """A browser: takes a challenge, then counts."""

    def __init__(self, challenge, user="joe", password="pw", algorithm="md5"):
        self.parameters = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
        self.user, self.password, self.algorithm = user, password, algorithm
        self.counter = itertools.count(1)

    def hash(self, *parts):
        return hashlib.new(self.algorithm, ":".join(parts).encode()).hexdigest()

    def fields(self, uri, nc=None, method="GET", signed=None, extra=""):
        count = f"{nc or next(self.counter):08x}"
        nonce, realm = self.parameters["nonce"], self.parameters["realm"]
        ha1 = self.hash(self.user, realm, self.password)
        ha2 = self.hash(method, signed or uri)
        response = self.hash(ha1, nonce, count, "cn", "auth", ha2)
        name = f", algorithm={self.parameters['algorithm']}" if "algorithm" in self.parameters else ""
        return {
            "Authorization": f'Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", qop=auth, nc={count}, cnonce="cn"{name}{extra}'
        }


def is_stale(challenges):
    return any("stale=true" in challenge for challenge in challenges)


def digest_like_a_browser():
    """One nonce for many requests; a count once; a wrong password, a wrong uri, another method's hash."""
    lines = f"""
auth_param digest program AUTH
auth_param digest realm The Library
auth_param digest nonce_max_count 8
{LOGGED}{USERS}
"""
    with Site(lines) as site:
        offered = site.challenges()
        expect(len(offered), 1, "challenges")
        assert re.fullmatch(
            r'Digest realm="The Library", nonce="[0-9a-f]+", qop="auth", stale=false', offered[0]
        ), offered
        browser = Digest(offered[0])
        for path in ("/1", "/2?a=b,c", "/3"):
            expect(site.get(path, browser.fields(path))[0], 200, path)
        expect(len(site.asked()), 1, "questions")
        expect(site.asked()[0], '"joe":"The Library"', "question")
        refused = site.challenges("/3", browser.fields("/3", nc=3))
        assert is_stale(refused), "a replay"
        # Out of order, as connections of a browser bring them: each count once.
        expect(site.get("/1", browser.fields("/1", nc=6))[0], 200, "count 6")
        expect(site.get("/1", browser.fields("/1", nc=5))[0], 200, "count 5")
        assert is_stale(site.challenges("/1", browser.fields("/1", nc=5))), "count 5 again"
        wrong = Digest(offered[0], password="guessed").fields("/1", nc=7)
        refused = site.challenges("/1", wrong)
        expect((len(refused), is_stale(refused)), (1, False), "a wrong password")
        assert not is_stale(site.challenges("/other", browser.fields("/1", nc=7))), "a wrong uri"
        assert not is_stale(site.challenges("/1", browser.fields("/1", nc=7, method="POST"))), "a method"
        for nc, is_ending in ((7, False), (8, True), (9, True)):
            status, _, headers = site.get("/1", browser.fields("/1", nc=nc))
            told = headers["Authentication-Info"] or ""  # as Squid 5.7, which says it when one use is left
            expect((status, told != ""), (200, is_ending), f"count {nc}")
        following = Digest("Digest " + told.replace("nextnonce", "nonce") + ', realm="The Library"')
        expect(site.get("/1", following.fields("/1"))[0], 200, "the nonce that comes next")
        assert is_stale(site.challenges("/1", browser.fields("/1", nc=10))), "used too often"
        made_up = Digest(offered[0].replace('nonce="', 'nonce="00'))
        assert is_stale(site.challenges("/1", made_up.fields("/1"))), "a nonce of nobody's"
        log = site.log_has("joe 200 g1", "joe 401 g1")
        everything = "\n".join(log) + site.proxy.output()
        ha1 = hashlib.md5(b"joe:The Library:pw").hexdigest()
        assert ha1 not in everything, "the hash of a password is in a log"


def digest_passwords_change():
    """A hash that does not fit any more is asked for again, once; the old forms of an answer."""
    lines = f"""
auth_param digest program AUTH
auth_param digest realm R
auth_param digest children 1
error_directory FOLDER
{USERS}"""
    with Site(lines, {"ERR_CACHE_ACCESS_DENIED": "Why: %m"}) as site:
        offered = site.challenges()[0]
        expect(site.get("/1", Digest(offered).fields("/1"))[0], 200, "the old password")
        site.say_password("new")
        expect(site.get("/1", Digest(offered, password="new").fields("/1", nc=2))[0], 200, "the new password")
        expect(len(site.asked()), 2, "questions")
        time.sleep(0.01)  # an answer of the same millisecond is no old one
        expect(site.get("/1", Digest(offered).fields("/1", nc=3))[0], 401, "the old password now")
        expect(len(site.asked()), 3, "questions")
        legacy = Digest(offered, user="legacy", password="new")
        expect(site.get("/1", legacy.fields("/1", nc=4))[0], 200, "an old answer")
        status, body, _ = site.get("/1", Digest(offered, user="nobody").fields("/1", nc=5))
        expect((status, body), (401, b"Why: No such user"), "nobody is told what the helper says")


def digest_survives_a_reload():
    """Nonces and their counts outlive a configuration."""
    lines = f"auth_param digest program AUTH\nauth_param digest realm R\n{USERS}"
    with Site(lines) as site:
        browser = Digest(site.challenges()[0])
        expect(site.get("/1", browser.fields("/1"))[0], 200, "before")
        lines_before = len(site.proxy.output().splitlines())
        site.proxy.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while "Reconfigur" not in "".join(site.proxy.output().splitlines()[lines_before:]):
            assert time.monotonic() < deadline, "no reload"
            time.sleep(0.05)
        expect(site.get("/1", browser.fields("/1"))[0], 200, "behind")
        assert is_stale(site.challenges("/1", browser.fields("/1", nc=1))), "a replay"
        expect(len(site.asked()), 1, "questions")


def digest_sha256():
    """Offered with MD5 when asked for, and first."""
    lines = f"auth_param digest program AUTH\nauth_param digest realm R\nauth_param digest algorithms MD5 SHA-256\n{USERS}"
    with Site(lines) as site:
        first, second = site.challenges()
        assert "algorithm=SHA-256" in first and "algorithm" not in second, (first, second)
        rich = Digest(first, user="rich", algorithm="sha256")
        expect(site.get("/1", rich.fields("/1"))[0], 200, "SHA-256")
        expect(site.get("/1", Digest(second).fields("/1", nc=2))[0], 200, "MD5")
        expect(site.get("/1", Digest(first, algorithm="sha256").fields("/1", nc=3))[0], 401, "no such hash")


def digest_is_hostile():
    """Whatever stands in the field, somebody else is served."""
    lines = f"auth_param digest program AUTH\nauth_param digest realm R\n{USERS}"
    with Site(lines) as site:
        offered = site.challenges()[0]
        good = Digest(offered).fields("/1", nc=1)["Authorization"]
        bad = [
            good.replace("qop=auth", "qop=auth-int"),
            good + ", userhash=true",
            good + ", algorithm=MD5-sess",
            good + ", algorithm=SHA-512-256",
            good + ', username="other"',
            good.replace('username="joe"', 'username="j\\"oe"'),
            good.replace('username="joe"', "username*=UTF-8''joe"),
            good.replace("nc=00000001", "nc=00000000"),
            good.replace("nc=00000001", "nc=1"),
            good.replace('response="', 'response="0'),
            good.replace('realm="R"', 'realm="S"'),
            good + ', opaque="',
            "Digest",
            "Digest ,,,,",
            "Digest " + "a=b," * 5000,
            "Digest " + 'username="' + "\\" * 20000,
        ]
        for value in bad:
            status = site.get("/1", {"Authorization": value})[0]
            assert status in (401, 431), f"{value[:60]}: {status}"
        expect(site.get("/1", {"Authorization": good})[0], 200, "the good one")


def curl_and_squids_helper():
    """curl --digest and digest_file_auth as it comes."""
    program = os.path.join(SQUIDS, "digest_file_auth")
    if not os.access(program, os.X_OK) or not shutil.which("curl"):
        print("skipped: there is no digest_file_auth, or no curl", file=sys.stderr)
        return
    ha1 = hashlib.md5(b"joe:R:pw").hexdigest()
    lines = f"auth_param digest program {program} -c FOLDER/users\nauth_param digest realm R\n{USERS}"
    with Site(lines, {"users": f"joe:R:{ha1}\n"}) as site:
        for password, wanted in (("pw", "200"), ("other", "401")):
            command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--noproxy", "*", "--digest"]
            url = f"http://127.0.0.1:{site.port}/1?x=y"
            done = subprocess.run(command + ["-u", f"joe:{password}", url], capture_output=True, timeout=30)
            expect(done.stdout.decode(), wanted, password)


def bearer():
    """Tokens: kept as long as the helper says, never written down."""
    lines = f"""
auth_param bearer program AUTH
auth_param bearer realm api
acl joe proxy_auth joe
{LOGGED}http_access allow joe
http_access deny all
"""
    with Site(lines) as site:
        expect(site.challenges(), ['Bearer realm="api"'], "challenge")
        for _ in range(2):
            expect(site.get("/1", {"Authorization": "Bearer good-joe-60"})[0], 200, "a good token")
        expect(len(site.asked()), 1, "questions")
        for _ in range(2):
            expect(site.get("/1", {"Authorization": "bearer good-joe-0"})[0], 200, "a token not kept")
        expect(len(site.asked()), 3, "questions")
        expect(
            site.challenges(fields={"Authorization": "Bearer bad"}),
            ['Bearer realm="api", error="invalid_token"'],
            "a bad token",
        )
        expect(
            site.challenges(fields={"Authorization": "Bearer scope"}),
            ['Bearer realm="api", error="insufficient_scope"'],
            "another one",
        )
        expect(site.get("/1", {"Authorization": "Bearer good-sue-60"})[0], 403, "another user")
        expect(site.get("/1", {"Authorization": "Bearer good-anonymous-60"})[0], 401, "nobody's token")
        asked = len(site.asked())
        for token in ("a b", "x\x01y", "=", "x" * 9000, ""):
            expect(site.get("/1", {"Authorization": f"Bearer {token}"})[0] in (400, 401), True, token[:9])
        expect(len(site.asked()), asked, "questions")
        log = site.log_has("joe 200 g2", "sue 403")
        assert "good-joe" not in "\n".join(log) + site.proxy.output(), "a token is in a log"


def no_helper_answers():
    """on-error= of the children: what that comes to."""
    token = {"Authorization": "Bearer good-joe-1"}
    for option, known, unknown in (("stale:60", 200, 401), ("503", 503, 503), ("deny", 401, 401)):
        lines = f"auth_param bearer program AUTH\nauth_param bearer children 1 on-error={option}\n{USERS}"
        with Site(lines) as site:
            expect(site.get("/1", token)[0], 200, "a token for a second")
            site.say_password("BH")
            deadline = time.monotonic() + 30
            status, asked = 200, len(site.asked())
            while len(site.asked()) == asked:
                assert time.monotonic() < deadline, "it is kept for ever"
                time.sleep(0.1)
                status = site.get("/1", token)[0]
            expect(status, known, f"{option}: the token that was known")
            expect(site.get("/1", {"Authorization": "Bearer good-sue-1"})[0], unknown, f"{option}: another one")


def several():
    """In the order of their first line; auth_schemes chooses."""
    fake = os.path.join(SQUIDS, "basic_fake_auth")
    if not os.access(fake, os.X_OK):
        print("skipped: there is no basic_fake_auth", file=sys.stderr)
        return
    lines = f"""
auth_param bearer program AUTH
auth_param digest realm R
auth_param basic program {fake}
auth_param basic realm B
auth_param digest program AUTH
acl basic_only urlpath_regex ^/basic
acl turned urlpath_regex ^/turned
acl everything urlpath_regex ^/all
auth_schemes basic basic_only
auth_schemes basic,digest turned
auth_schemes ALL everything
{LOGGED}{USERS}
"""

    def names(path, fields=None):
        return [challenge.split()[0] for challenge in site.challenges(path, fields)]

    with Site(lines) as site:
        expect(names("/1"), ["Bearer", "Digest", "Basic"], "all")
        expect(names("/all"), ["Bearer", "Digest", "Basic"], "ALL")
        expect(names("/basic"), ["Basic"], "one")
        expect(names("/turned"), ["Basic", "Digest"], "two")
        expect(names("/1", {"Authorization": "Unheard of"}), ["Bearer", "Digest", "Basic"], "another scheme")
        offered = site.challenges()[1]
        bad = Digest(offered, password="bad").fields("/1")
        expect(names("/1", bad), ["Digest"], "a failed digest")
        expect(site.get("/1", Digest(offered).fields("/1"))[0], 200, "digest")
        basic = base64.b64encode(b"sue:x").decode()
        expect(site.get("/1", {"Authorization": f"Basic {basic}"})[0], 200, "basic")
        expect(site.get("/1", {"Authorization": "Bearer good-ann-9"})[0], 200, "bearer")
        site.log_has("joe 200", "sue 200", "ann 200")


run(
    (
        digest_like_a_browser,
        digest_passwords_change,
        digest_survives_a_reload,
        digest_sha256,
        digest_is_hostile,
        curl_and_squids_helper,
        bearer,
        no_helper_answers,
        several,
    )
)
