#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Helpers are asked the same, byte by byte, by Squid itself: the same requests to Squid and to the proxy,
and then what a helper of each kind was asked side by side, with channel ids and without.

Skipped where there is no Squid (SQUID, or /usr/sbin/squid) or no perl. Ports are compared by their names."""
import base64
import concurrent.futures
import difflib
import hashlib
import os
import re
import shlex
import shutil
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
import bobtail  # noqa: E402

SQUID = os.environ.get("SQUID", "/usr/sbin/squid -N -f")
HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 20
REALM = "The Library"
# Where we leave Squid on purpose: (helpers, Squid's words, ours).
DIFFERENCES = (
    # A blank in a user's name would be another word.
    ("external-|url_rewrite|store_id", "u ser", "u%20ser"),
    ("external-|url_rewrite|store_id", "joe doe", "joe%20doe"),
    ("external-|url_rewrite|store_id", "Joe Doe", "Joe%20Doe"),
    ("external-|url_rewrite|store_id", "\xc3\xa9", "%C3%A9"),
    # %rm and %rv: Squid 5.7 has them after the questions of ACLs alone.
    ("external-urls", "- 0.0 -", "GET 1.1 -"),
    # %>A: nobody is asked for a name.
    ("url_rewrite|store_id", " 127.0.0.1/NAME ", " 127.0.0.1/127.0.0.1 "),
)
HA1 = hashlib.md5(f"joe:{REALM}:pw".encode()).hexdigest()

# name: what stands between `external_acl_type NAME OPTIONS` and the program. Each is asked about its own path.
EXTERNAL = {
    "simple": "%SRC %METHOD %PATH",
    "names": "%>a %>rm %>ru %>rs %>rd %>rP %>rp %la %lp %>p",
    "old_names": "%SRC %SRCPORT %DST %PROTO %PORT %PATH %METHOD %URI %MYADDR %MYPORT %ACL %IDENT",
    "users": "%un %ul %ue %et %ea %EXT_USER %EXT_TAG %EXT_LOG",
    "headers": "%>{X-A} %>{X-List:b} %>{X-List:;c} %>ha{X-A} %>h{X-A} %>{X-None} %>{Cookie:;b}",
    "members": "%>{X-Q:m} %>{X-Q:;m} %>{X-Q:n} %>{X-Q:;n} %>{X-S:;m} %>{X-S:m} %>{X-S:;o} %>{X-S:;p} %>{X-S:q} %>{X-S:r}",
    "modifiers": "%'>ha{X-A} %\">ha{X-A} %#>ha{X-A} %/>ha{X-A}",
    "urls": "%ru %>ru %rp %>rp %rm %rv",
    "data_inside": "%METHOD %DATA %PATH",
    "data_last": "%METHOD %DATA",
    "percent": "%% %METHOD",
    "old_protocol": "protocol=2.5 %>{X-A} %PATH",
    "shell": "quote=shell %>{X-A} %PATH",
    "url_quoted": "quote=url protocol=3.0 %>{X-A} %PATH",
    "again": "%PATH",
    "login": "%LOGIN %METHOD",
}
ARGUMENTS = {"data_inside": "one two%20x", "data_last": "three", "simple": "arg one%2 q'", "shell": 'a"b c\\d'}

CONFIG = """\
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest originserver name=o
pid_filename none
coredump_dir {folder}
cache_log {folder}/cache.log
visible_hostname proxy.test
shutdown_lifetime 1 second
workers 1
logfile_rotate 3
strip_query_terms on
auth_param basic program {noting}basic {ids} OK
auth_param basic children 1 startup=1 {concurrency}
auth_param basic realm {realm}
{basic}
auth_param digest program {folder}/digest
auth_param digest children 1 startup=1 {concurrency}
auth_param digest realm {realm}
auth_param negotiate program {folder}/negotiate
auth_param negotiate children 1 startup=1
auth_param ntlm program {folder}/ntlm
auth_param ntlm children 1 startup=1
url_rewrite_program {noting}url_rewrite {ids} ERR
url_rewrite_children 1 startup=1 {concurrency}
store_id_program {noting}store_id {ids} ERR
store_id_children 1 startup=1 {concurrency}
{extras}
logfile_daemon {folder}/noting.pl
logformat short %>a %rm %>ru %>Hs
access_log daemon:{folder}/notes/log short
acl users proxy_auth REQUIRED
acl asks_user urlpath_regex ^/(user|login)
http_access deny asks_user !users
{external}
http_access allow all
"""
BASIC = {0: "", 9: 'auth_param basic key_extras "%>a %>rm %{X-A}>h"\nauth_param basic casesensitive on'}
EXTRAS = {
    0: "",
    9: 'url_rewrite_extras "%>a %>rm %{X-A}>ha %un %>rp %ru"\nstore_id_extras "%>a %un %>rm %rp"',
}

ODD = 'va"l u\\e%\xe9\' `x` [y] {z} <a> #b |c ^d ~e'
URLS = (
    "/plain", "/sp%20ace?q=%41", "/a;b=c?d=e&f=%2F", '/"<>{}|^`\'', "/back\\slash", "//two///x/../y",
    "/?", "/q?a?b", "/" + "long/" * 400, "/$(id)", "/tab%09", "/~user,(1)!*:@",
    "http://W.Example/absolute", "http://w.example:80/port", "http://w.example:8080/port",
)


def get(target, fields="", method="GET", host="w.example"):
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"


def basic(user, password):
    text = base64.b64encode(f"{user}:{password}".encode("latin-1")).decode()
    return f"Authorization: Basic {text}\r\n"


USERS = (
    ("ok", "p w"), ("OKUser", 'p%:"\xc3\xa9'), ("u ser", "#<>[]{}|\\^~`'"), ("a+b@c", "a+b/c=;,?&"), ("\xc3\xa9", "\xe9"),
    ("tab", "a\tb"), ("del", "a\x7fb"), ("x", "long" * 100), ("none", ""), ("ok", "p w"), ("ok", "other"),
)


def requests():
    """Lists of requests, each over a connection of its own."""
    found = [[get(url)] for url in URLS]
    found += [[get(f"/{method}", method=method)] for method in ("HEAD", "OPTIONS", "DELETE", "FOO")]
    found += [[get("/host", host=host)] for host in ("W.EXAMPLE", "w.example:80", "w.example:8080", "w.example.", "[::1]", "192.0.2.1")]
    found += [[get("/user/1", basic(*user) + "X-A: b c\r\n")] for user in USERS]
    found += [[get(f"/external/{name}/p%20q?R=1", f"X-A: {ODD}\r\nX-A: two\r\nX-List: a=1, b=\"2 x\"\r\nX-List: c=3; c=4\r\n"
                   "X-Q: mm=0, q=\"x, m=1; m=2\", M=3; m=4\r\nX-Q: m=5; n=\"a;b\" ; o=6\r\n"
                   "X-S: m=1, m=2; m = 3|p=4; o= 5 ,p;p=|x,q=\"a\\\"b, c\",r=\"open, s=7\r\n"
                   "Cookie: a=1; b=x y; c=3\r\n")] for name in EXTERNAL if name != "login"]
    found += [[get(f"/external/{name}", "X-A: \r\n", "HEAD")] for name in ("simple", "headers", "shell")]
    found += [[get("/login/1"), get("/login/1", basic("Joe Doe", "p")), get("/external/users/1", basic("Joe Doe", "p"))]]
    for scheme in ("Negotiate", "NTLM"):
        found.append([get("/user/2", f"Authorization: {scheme} TlRMTVNTUAABAAAA\r\n"),
                      get("/user/2", f"Authorization: {scheme} TlRMTVNTUAADAAAA\r\n"), get("/user/3")])
    found.append("digest")
    return found


class Origin:
    """Answers each request with its little page; `with` ends it."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    @staticmethod
    def serve(client):
        with client, client.makefile("rb") as lines:
            for line in lines:
                if line == b"\r\n":
                    client.sendall(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Client:
    """A connection; its port goes into ports."""

    def __init__(self, port, ports):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        ports.add(self.socket.getsockname()[1])
        self.lines = self.socket.makefile("rb")

    def ask(self, request):
        """The head of the answer; "" at the connection's end."""
        head, length = "", 0
        try:
            self.socket.sendall(request.encode("latin-1"))
            while not head.endswith("\r\n\r\n"):
                line = self.lines.readline().decode("latin-1")
                if not line:
                    return ""
                head += line
                length = int(line.split(":")[1]) if line.lower().startswith("content-length:") else length
            if not request.startswith("HEAD"):
                self.lines.read(length)
        except OSError:
            return ""
        return head

    def close(self):
        self.lines.close()
        self.socket.close()


def ask_digest(client):
    challenge = client.ask(get("/user/4"))
    nonce = re.search(r'Digest realm="[^"]*", nonce="([^"]*)"', challenge)[1]
    ha2 = hashlib.md5(b"GET:/user/4").hexdigest()
    response = hashlib.md5(f"{HA1}:{nonce}:00000001:cn:auth:{ha2}".encode()).hexdigest()
    return client.ask(get("/user/4", f'Authorization: Digest username="joe", realm="{REALM}", nonce="{nonce}", '
                          f'uri="/user/4", response="{response}", qop=auth, nc=00000001, cnonce="cn"\r\n'))


def external_lines(folder, concurrency):
    lines = []
    for name, formats in EXTERNAL.items():
        ids, options = ("ids", f"concurrency={concurrency}") if concurrency else ("", "")
        lines.append(f"external_acl_type {name} ipv4 ttl=0 children-max=1 children-startup=1 {options} {formats} "
                     f"{folder}/noting.pl {folder}/notes/external-{name} {ids} {'BH BH OK' if name == 'again' else 'OK'}")
        lines.append(f"acl is_{name} urlpath_regex ^/(external/)?{name}")
        lines.append(f"acl ask_{name} external {name} {ARGUMENTS.get(name, '')}")
        lines.append(f"http_access deny is_{name} !ask_{name}")
    return "\n".join(lines)


def write_config(folder, port, origin, concurrency):
    ids = "ids" if concurrency else ""
    os.mkdir(f"{folder}/notes")
    os.chmod(f"{folder}/notes", 0o777)
    shutil.copy(os.path.join(HERE, "noting.pl"), folder)
    for name, answers in (("digest", f"{ids} 'OK ha1=\"{HA1}\"'"), ("negotiate", "'TT TlRMTVNTUAACAAAA' 'AF xyz= joe@REALM'"),
                          ("ntlm", "'TT TlRMTVNTUAACAAAA' 'AF joe'")):  # words with blanks: by a shell
        path = os.path.join(folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nexec {folder}/noting.pl {folder}/notes/{name} {answers}\n")
        os.chmod(path, 0o755)
    return CONFIG.format(port=port, origin=origin, folder=folder, noting=f"{folder}/noting.pl {folder}/notes/", ids=ids,
                         concurrency=f"concurrency={concurrency}", realm=REALM, basic=BASIC[concurrency],
                         extras=EXTRAS[concurrency], external=external_lines(folder, concurrency))


def notes_of(folder, names):
    """{helper: its questions}; names: {port: name}, and 0 where %>A may be any name."""
    found = {}
    for name in os.listdir(f"{folder}/notes"):
        with open(f"{folder}/notes/{name}", encoding="latin-1") as file:
            text = re.sub(r"\b\d{5}\b", lambda word: names.get(int(word[0]), word[0]), file.read())
        if names[0]:
            text = re.sub(r"(?<= 127.0.0.1/)\S+", "NAME", text)
        found[name] = [line for line in text.split("\n") if line not in ("", "F")]
    return found


def questions_of(command, origin, concurrency):
    """What helpers are asked about all requests: {helper: [line, ...]}."""
    port, = bobtail.free_ports(1)
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-questions.")
    os.chmod(folder, 0o777)
    ports, statuses = set(), []
    with bobtail.Proxy(write_config(folder, port, origin, concurrency), port, command) as proxy:
        time.sleep(1 if command else 0)  # Squid looks whether its peer is there
        for talk in requests():
            client = Client(port, ports)
            heads = [ask_digest(client)] if talk == "digest" else [client.ask(request) for request in talk]
            statuses += [head.split(" ", 2)[1] if head else "none" for head in heads]
            client.close()
        proxy.end()
        output = proxy.output()
    names = {number: "CLIENTPORT" for number in ports} | {port: "PORT", 0: command}
    notes = notes_of(folder, names)
    notes["statuses"] = [f"{status} {talk if talk == 'digest' else talk[0].splitlines()[0]}"
                         for status, talk in zip(statuses, requests())]
    shutil.rmtree(folder)
    if len(notes) <= len(EXTERNAL):
        print(output)
    return notes


def as_ours(name, lines):
    for helpers, theirs, ours in DIFFERENCES:
        if re.match(helpers, name):
            lines = [line.replace(theirs, ours) for line in lines]
    return lines


def main():
    bobtail.skip_without_program()
    if not shutil.which(shlex.split(SQUID)[0]) or not shutil.which("perl"):
        print("skipped: there is no Squid to compare with, or no perl")
        sys.exit(bobtail.SKIP)
    origin, = bobtail.free_ports(1)
    with Origin(origin), concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(questions_of, command, origin, concurrency) for command, concurrency in
                ((SQUID, 0), (None, 0), (SQUID, 9), (None, 9))]
        results = [run.result() for run in runs]
    for what, theirs, ours in (("without ids", *results[:2]), ("with ids", *results[2:])):
        for name in sorted(theirs | ours):
            left, right = as_ours(name, theirs.get(name, [])), ours.get(name, [])
            lines = list(difflib.unified_diff(left, right, "Squid", "ours", n=0, lineterm=""))
            bobtail.expect(f"{name}, {what}: {len(left)} lines", len(left) > 0 and not lines, "\n".join(lines))
        expected = {"basic", "digest", "negotiate", "ntlm", "url_rewrite", "store_id", "log"} | {f"external-{name}" for name in EXTERNAL}
        bobtail.expect(f"each helper was asked {what}", expected <= set(ours), expected - set(ours))
    bobtail.finish()


if __name__ == "__main__":
    main()
