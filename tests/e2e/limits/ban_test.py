#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ban: wrong passwords and probes shut an address out, and nobody else; the table can be read, edited and
survives a restart; who is exempt, and proxies that speak for others, stay."""
import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
from small_origin import Origin

bobtail.skip_without_program()
PATIENCE = 20
CTL = os.path.abspath("bobtailctl")
NCSA = os.path.abspath("basic_ncsa_auth")
port, origin_port = bobtail.free_ports(2)
folder = tempfile.mkdtemp(prefix="bobtail-ban.")
os.chmod(folder, 0o777)
BANS = os.path.join(folder, "bans")
BANS_MAX = 65536
PASSWORDS = os.path.join(folder, "passwords")
with open(PASSWORDS, "w", encoding="ascii") as passwords:
    passwords.write("alice:$1$salt$oeR6KDmE3vYpAFTrWOXAm/\n")  # whatever: no test logs in
os.chmod(PASSWORDS, 0o644)

CONFIG = f"""
http_port 127.0.0.1:{port} accel defaultsite=site.example
cache_peer 127.0.0.1 parent {origin_port} 0 originserver name=origin
auth_param basic program {NCSA} {PASSWORDS}
auth_param basic children 1
acl users proxy_auth REQUIRED
acl private urlpath_regex ^/1000
acl probe urlpath_regex ^/[.]env
acl relay src 127.0.0.8
acl trusted src 127.0.0.9
follow_x_forwarded_for allow relay
acl hidden urlpath_regex ^/hidden
acl refused http_status 403
http_access deny hidden
http_access deny private !users
http_access allow all
ban logins auth-failures 3 1 minute 1 hour
ban probes acl 2 1 minute 1 hour probe
ban refusals acl 2 1 minute 1 hour hidden refused
ban_exempt allow trusted
ban_file {BANS}
workers 2
cache_mem 16 MB
pid_filename {folder}/bobtail.pid
access_log none
cache_log /dev/stderr
shutdown_lifetime 1 second
"""


def get(address, path="/5", fields=""):
    """The status; None: the connection was closed instead."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE, (address, 0)) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n"
                           f"{fields}\r\n".encode())
            head = client.makefile("rb").readline()
            return int(head.split()[1]) if head else None
    except (ConnectionResetError, BrokenPipeError):
        return None


def wrong(address, fields=""):
    credentials = base64.b64encode(b"alice:wrong").decode()
    return get(address, "/1000", f"Authorization: Basic {credentials}\r\n{fields}")


def ctl(config, *words):
    done = subprocess.run([CTL, "-f", config, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode()


def file_text():
    try:
        with open(BANS, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def edit(text):
    with open(BANS + ".edited", "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(BANS + ".edited", 0o644)
    os.rename(BANS + ".edited", BANS)


def check_counting(config):
    got = [wrong("127.0.0.2") for _ in range(3)]
    bobtail.expect("wrong passwords get 401", got == [401] * 3, got)
    bobtail.expect_soon("and the third of them a ban", lambda: get("127.0.0.2") is None)
    bobtail.expect("which concerns nobody else", get("127.0.0.3") == 200)
    got = [get("127.0.0.4", "/1000") for _ in range(4)]
    bobtail.expect("who has no password is only asked", got == [401] * 4 and get("127.0.0.4") == 200, got)
    for _ in range(2):
        get("127.0.0.5", "/.env")
    bobtail.expect_soon("probes are counted too", lambda: get("127.0.0.5") is None)
    for _ in range(2):
        get("127.0.0.10", "/hidden")
    bobtail.expect_soon("and what was refused here", lambda: get("127.0.0.10") is None)
    for _ in range(3):
        get("127.0.0.9", "/.env")
    bobtail.expect("who is exempt is not banned", get("127.0.0.9") == 200)
    status, text = ctl(config, "ban", "list")
    bobtail.expect("the list says whom, and why",
                   status == 0 and "127.0.0.2\t" in text and "logins" in text and "probes" in text, text)


def check_relay():
    field = "X-Forwarded-For: 203.0.113.7\r\n"
    for _ in range(3):
        wrong("127.0.0.8", field)
    bobtail.expect_soon("behind a proxy it is the client that is banned", lambda: get("127.0.0.8", "/5", field) == 403)
    bobtail.expect("not the proxy", get("127.0.0.8", "/5", "X-Forwarded-For: 203.0.113.8\r\n") == 200)


def check_editing(config):
    bobtail.expect("add", ctl(config, "ban", "add", "127.0.6.0/24", "3600")[0] == 0)
    bobtail.expect("a prefix", get("127.0.6.77") is None and get("127.0.7.1") == 200)
    bobtail.expect("nonsense is refused", ctl(config, "ban", "add", "::/0")[0] == 1)
    bobtail.expect("so is who is exempt", ctl(config, "ban", "add", "127.0.0.9")[0] == 1)
    bobtail.expect("remove", ctl(config, "ban", "remove", "127.0.0.5")[0] == 0 and get("127.0.0.5") == 200)
    bobtail.expect("only once", ctl(config, "ban", "remove", "127.0.0.5")[0] == 1)
    bobtail.expect_soon("the file has it", lambda: "127.0.6.0/24 " in file_text() and "127.0.0.5 " not in file_text())
    edit(file_text() + "127.0.0.6 forever # by hand\nnonsense\n")
    bobtail.expect_soon("an edited line is a ban", lambda: get("127.0.0.6") is None)


def check_full_table(config):
    edit("".join(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255} forever many\n" for i in range(BANS_MAX + 5)))
    bobtail.expect_soon("as many as there may be are listed", lambda: len(
        ctl(config, "ban", "list")[1].splitlines()) == BANS_MAX + 1)


def main():
    with Origin(origin_port):
        with bobtail.Proxy(CONFIG, port) as proxy:
            check_counting(proxy.config)
            check_relay()
            check_editing(proxy.config)
            bobtail.expect("a reply is always there", "without an HTTP" not in proxy.output(), proxy.output())
        bobtail.expect("the end leaves the file", "127.0.0.2 " in file_text(), file_text())
        with bobtail.Proxy(CONFIG, port) as proxy:
            bobtail.expect("bans survive a restart", get("127.0.0.2") is None and get("127.0.6.1") is None
                           and get("127.0.0.6") is None, proxy.output())
            bobtail.expect("and nothing else does", get("127.0.0.5") == 200)
            check_full_table(proxy.config)
    shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


main()
