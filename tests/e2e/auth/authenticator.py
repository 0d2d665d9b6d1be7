#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An authentication helper that does what its questions say: authenticator.py NOTES. Each question is a line of
the file NOTES. Digest: the password of joe is what stands in NOTES.password, else "pw" ("BH": nothing works); rich has HA1 of SHA-256
too, legacy the old form of an answer. Bearer: good-USER-TTL is good. NTLM and Negotiate: see `tokens`."""
import hashlib
import os
import re
import sys


def hashed(algorithm, user, realm, password):
    return hashlib.new(algorithm, f"{user}:{realm}:{password}".encode()).hexdigest()


def digest(line, password):
    match = re.match(r'"([^"]*)":"([^"]*)"', line)
    user, realm = match.groups()
    if user == "nobody":
        return 'ERR message="No such user"'
    md5 = hashed("md5", user, realm, password)
    if user == "legacy":
        return md5
    extra = f' ha1-sha256="{hashed("sha256", user, realm, password)}"' if user == "rich" else ""
    return f'OK ha1="{md5}"{extra} group=g1'


def bearer(line):
    match = re.match(r"good-(\w+)-(\w+)", line)
    if not match:
        return "ERR error=invalid_token" if "scope" not in line else "ERR error=insufficient_scope"
    user, ttl = match.groups()
    return "OK" if user == "anonymous" else f"OK user={user} ttl={ttl} group=g2"


def tokens(line, state):
    """YR challenge -> TT, KK name -> AF; at once for a first token that begins with `one`."""
    word, _, rest = line.partition(" ")
    if rest.startswith("bad"):
        return "NA bm8= no such user"
    if rest.startswith("broken"):
        return "BH out of order"
    if word == "YR" and not rest.startswith("one"):
        state.append(rest)
        return f"TT Y2hhbGxlbmdl{os.getpid()}"
    challenged = state.pop() if state else "none"
    if word == "KK" and challenged == "none":
        return "BH no challenge was sent"
    return "AF ZG9uZQ== joe@REALM" if word == "YR" else f"AF ZG9uZQ== joe-{challenged}@REALM"


def main():
    notes, state = open(sys.argv[1], "ab", buffering=0), []
    for line in sys.stdin:
        notes.write(line.encode("utf-8", "surrogateescape"))
        line = line.rstrip("\n")
        password = "pw"
        if os.path.exists(sys.argv[1] + ".password"):
            with open(sys.argv[1] + ".password", encoding="utf-8") as file:
                password = file.read()
        if password == "BH":
            answer = "BH out of order"
        elif line.startswith('"'):
            answer = digest(line, password)
        elif line[:2] in ("YR", "KK"):
            answer = tokens(line, state)
        else:
            answer = bearer(line)
        print(answer, flush=True)


sys.stdin.reconfigure(errors="surrogateescape")
main()
