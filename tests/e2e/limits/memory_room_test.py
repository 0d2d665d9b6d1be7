#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Little memory is left in the control group: objects in memory make room, then what needs an origin is
answered 503; it is told, and over when there is memory again. The group's files are ours, in a name
space of the proxy's own (skipped where none can be made). And a limit of very many descriptors costs
neither memory nor time."""
import http.client
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
from small_origin import Origin

bobtail.skip_without_program()
PORT, ORIGIN = bobtail.free_ports(2)
FOLDER = tempfile.mkdtemp(prefix="bobtail-memory.")
KEPT = "/20000"  # the origin answers with so many bytes, which stay fresh
MIB, PATIENCE_S = 1 << 20, 30
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=a.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
http_access allow all
cachemgr_passwd none all
cache_mem 32 MB
workers 2
access_log none
cache_log stdio:/dev/stderr
pid_filename {FOLDER}/pid
shutdown_lifetime 1 second
"""


def skip_without_name_spaces():
    script = f"mount --bind {FOLDER} /sys/fs/cgroup"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, check=False)
    if done.returncode != 0:
        print(f"skipped: {done.stderr!r}")
        shutil.rmtree(FOLDER)
        sys.exit(bobtail.SKIP)


def set_memory(current_mib, files_mib=0):
    """What the group has in use, and what of it are files that the system may forget."""
    values = {"memory.max": 64 * MIB, "memory.high": "max", "memory.current": current_mib * MIB,
              "memory.stat": f"anon 1\nactive_file 0\ninactive_file {files_mib * MIB}"}
    for name, value in values.items():
        with open(os.path.join(FOLDER, "new"), "w", encoding="ascii") as file:
            file.write(f"{value}\n")
        os.rename(os.path.join(FOLDER, "new"), os.path.join(FOLDER, name))


def ask(path):
    """(status, X-Cache, body)"""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_S)
    connection.request("GET", path)
    reply = connection.getresponse()
    result = reply.status, reply.getheader("X-Cache", ""), reply.read().decode()
    connection.close()
    return result


def metric(name):
    return float(re.search(f"^{name} ([0-9.]+)$", ask("/squid-internal-mgr/metrics")[2], re.M)[1])


def health(proxy):
    done = subprocess.run(["./bobtailctl", "-f", proxy.config, "health"], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout


def is_refused():
    status, _, body = ask(f"/1?{time.monotonic_ns()}")
    return status == 503 and "ERR_TOO_BUSY" in body


def is_hit():
    return ask(KEPT)[1].startswith("HIT")


def test_memory(proxy):
    ask(KEPT)
    bobtail.expect("with memory it is a hit", is_hit())
    set_memory(63, files_mib=40)
    bobtail.expect("what the system can take back does not count", is_hit() and not is_refused())
    set_memory(58)
    bobtail.expect_soon("the objects in memory make room",
                        lambda: metric("bobtail_memory_cache_max_bytes") < 20000 and not is_hit())
    bobtail.expect("and all is served", not is_refused())
    set_memory(62)
    bobtail.expect_soon("with less, what needs an origin is turned away", is_refused)
    code, text = health(proxy)
    bobtail.expect("health says so",
                   code == 1 and "63488 of 65536 KB of the control group are in use" in text, text)
    set_memory(20)
    bobtail.expect_soon("with memory again all is served", lambda: not is_refused())
    bobtail.expect_soon("and kept", is_hit)
    bobtail.expect("health is well", "overload" not in health(proxy)[1], health(proxy))
    bobtail.expect("each state was told once", [proxy.output().count(text) for text in (
        "WARNING: overload: too little memory", " s: overload: too little memory")] == [1, 1], proxy.output())


def raise_files():
    """As far as we may; returns how far."""
    with open("/proc/sys/fs/nr_open", encoding="ascii") as nr_open:
        most = int(nr_open.read())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except ValueError:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return most


def test_many_files(proxy, nfiles):
    bobtail.expect("it has so many descriptors", metric("bobtail_max_files") == nfiles)
    with open(f"/proc/{proxy.process.pid}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * resource.getpagesize()
    print(f"   {nfiles} descriptors, {resident / MIB:.0f} MiB resident")
    bobtail.expect("which costs no memory", resident < 400 * MIB, resident)


os.chmod(FOLDER, 0o777)
skip_without_name_spaces()
set_memory(20)
MANY = raise_files()
try:
    with Origin(ORIGIN), bobtail.Proxy(
            CONFIG, PORT, f"unshare -m sh -c 'mount --bind {FOLDER} /sys/fs/cgroup; "
            f"exec {bobtail.COMMAND} \"$0\"'") as one:
        test_memory(one)
        test_many_files(one, MANY)
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
bobtail.finish()
