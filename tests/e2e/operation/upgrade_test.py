#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Upgrades of the program under load: nobody is refused or reset, no byte is wrong, downloads,
WebSockets and HTTP/2 streams go on, the process id stays, and what the old processes had comes back. A program that cannot be used changes nothing.

UPGRADES: how many (ten in `make endurance`)."""
import contextlib
import http.client
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import site_under_load as load  # pylint: disable=wrong-import-position
from site_under_load import bobtail  # pylint: disable=wrong-import-position

expect = bobtail.expect
NUPGRADES = int(os.environ.get("UPGRADES", "3"))


def install(source, program):
    """As a package does: beside it first."""
    shutil.copy(source, program + ".new")
    os.chmod(program + ".new", 0o755)
    os.rename(program + ".new", program)


def test_upgrades(site, program):
    clients = load.Clients(site.port, ndownloads=0, nopen=2)
    clients.run_on(300)
    clients.stop()
    before, kilobytes = site.descriptors(), site.kilobytes()
    clients = load.Clients(site.port, nopen=2)
    clients.run_on(50)
    for i in range(NUPGRADES):
        kid = site.kids()[-1]
        install(load.PROGRAM, program)
        code, text = site.ctl("upgrade")
        expect(f"upgrade {i}", code == 0, text)
        with open(site.pid_file, encoding="ascii") as file:
            expect("the pid file is right", int(file.read()) == site.pid)
        expect("another process serves", site.kids()[-1] != kid, site.kids())
        clients.run_on(300)
    clients.stop()
    expect("nothing refused, reset or wrong", not clients.wrong, clients.wrong[:5])
    expect("downloads went on", clients.ndownloads >= 3, clients.ndownloads)
    print(f"   {clients.did()}, {NUPGRADES} upgrades")
    expect("the old processes go", bobtail.wait_for(lambda: len(site.kids()) == 1), site.kids())
    # Idle connections to the origin come and go.
    expect("as many descriptors as before",
           bobtail.wait_for(lambda: site.descriptors()[0] == before[0]
                            and site.descriptors()[1] <= before[1] + 12, 20), (before, site.descriptors()))
    after = site.kilobytes()
    print(f"   {kilobytes} KB before, {after} KB after")
    expect("as much memory as before", load.IS_SANITIZED or after < kilobytes + 8192, (kilobytes, after))


def ask(site, path):
    """From whence the answer came: HIT or MISS."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.request("GET", path, headers={"Host": "www.example"})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.headers["X-Cache"].split()[0]


def test_stored(site):
    """What is on disk is a hit from the first request on. What was stored a moment before, and may not have
    been written yet, is not lost: all of it is a hit once the new process has the file, for which it has
    to wait a moment."""
    written = [f"/kept/written/{i}" for i in range(30)]
    for path in written:
        ask(site, path)
    expect("all is written", bobtail.wait_for(lambda: "queued_bytes = 0\n" in site.ctl("info")[1]), site.ctl("info"))
    probes = [f"/kept/probe/{i}" for i in range(100)]
    paths = [f"/kept/upgraded/{i}" for i in range(50)]
    first = [ask(site, path) for path in probes + paths]
    expect("all are misses", set(first) == {"MISS"}, first)
    code, text = site.ctl("upgrade")
    expect("an upgrade with stores under way", code == 0, text)
    expect("what was written is a hit at once", {ask(site, path) for path in written} == {"HIT"})
    nmissed = 0
    while nmissed < len(probes) and ask(site, probes[nmissed]) == "MISS":
        nmissed += 1
        time.sleep(0.02)
    print(f"   {nmissed} misses until the file was there")
    then = [ask(site, path) for path in paths]
    expect("what was stored before is a hit of the new process", set(then) == {"HIT"}, then)


def test_download_from_disk(site):
    """What the old process is sending from disk is sent to its end, though the new one removes it."""
    path = "/large/kept/1"
    expect("a large body is on disk", bobtail.wait_for(lambda: ask(site, path) == "HIT"))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.connect(("127.0.0.1", site.port))
        client.settimeout(30)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: www.example\r\n\r\n".encode())
        got = client.recv(1000)
        expect("the download begins as a hit", b"X-Cache: HIT" in got, got)
        expect("an upgrade", site.ctl("upgrade")[0] == 0)
        expect("the new process removes it",
               bobtail.wait_for(lambda: "disk = 1" in site.ctl("purge", f"http://www.example{path}")[1]
                                or ask(site, path) == "MISS"))
        expect("and has done so", bobtail.wait_for(lambda: "queued_bytes = 0\n" in site.ctl("info")[1]))
        head, _, body = got.partition(b"\r\n\r\n")
        while head and len(body) < len(load.LARGE) and (more := client.recv(1 << 20)):
            body += more
        expect("it comes whole", body == load.LARGE, (len(body), len(load.LARGE)))
    expect("then the old process goes", bobtail.wait_for(lambda: len(site.kids()) == 1), site.kids())


BAD_PROGRAMS = [
    ("exits at once", "#!/bin/sh\nexit 3\n", 0o755, "(exit status 3)"),
    ("dies", "#!/bin/sh\nkill -9 $$\n", 0o755, "died by signal 9"),
    ("is no program", "nonsense", 0o755, "cannot be run: not a program"),
    ("may not be run", "#!/bin/sh\nexit 0\n", 0o644, "cannot be run: Permission denied"),
]
if NUPGRADES >= 10:
    BAD_PROGRAMS.append(("hangs", "#!/bin/sh\nexec sleep 1000\n", 0o755, "within 20 seconds"))


def test_bad_programs(site, program):
    kids = site.kids()
    for what, text, mode, why in BAD_PROGRAMS:
        with open(program + ".bad", "w", encoding="ascii") as file:
            file.write(text)
        install(program + ".bad", program)
        os.chmod(program, mode)
        code, output = site.ctl("upgrade")
        expect(f"a program that {what} is refused, and the reason told", code == 1 and why in output, output)
        expect("and the old one serves on", site.kids() == kids and is_served(site))
    site.rewrite("no_such_directive at all\n")
    install(load.PROGRAM, program)
    code, output = site.ctl("upgrade")
    expect("a squid.conf that cannot be used is a reason, too", code == 1, output)
    expect("and the old one serves on", site.kids() == kids and is_served(site))
    site.rewrite()
    early = socket.socket(socket.AF_UNIX)
    early.connect(site.pid_file + ".ctl")
    code, output = site.ctl("upgrade")
    expect("with both in order it works again", code == 0, output)
    with contextlib.suppress(BrokenPipeError):  # it has gone already
        early.sendall(b"upgrade\n")
    answer = b""
    with contextlib.suppress(ConnectionResetError):  # at its end: it has not read what was sent
        while more := early.recv(4096):
            answer += more
    expect("who was let in by the old one is told to ask again", b"ask again" in answer, answer)
    early.close()


def test_reload_meanwhile(site, program):
    """Who asks for a reload while an upgrade is under way gets the answer of who serves then; the same
    after an upgrade that comes to nothing."""
    answers = []
    with open(program + ".bad", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nsleep 0.5\nexit 1\n")
    install(program + ".bad", program)
    trying = threading.Thread(target=lambda: site.ctl("upgrade"))
    trying.start()
    expect("a reload beside a failing upgrade is answered", site.ctl("reconfigure")[0] == 0)
    trying.join()
    install(load.PROGRAM, program)
    threads = [threading.Thread(target=lambda: answers.append(site.ctl("reconfigure"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    code = 1
    while code:  # not while a reload is under way
        code = site.ctl("upgrade")[0]
    for thread in threads:
        thread.join()
    expect("reloads beside an upgrade are answered", [code for code, _ in answers] == [0] * 3, answers)


def test_wishes(site):
    """What the operator said of peers outlives an upgrade, and a serving process that dies."""

    def listed(what):
        return f"\n127.0.0.1\t{what}\t" in site.ctl("peer", "list")[1]

    site.ctl("peer", "drain", "127.0.0.1")
    site.ctl("peer", "weight", "127.0.0.1", "7")
    expect("a peer is drained", listed("up,drained"), site.ctl("peer", "list"))
    expect("an upgrade", site.ctl("upgrade")[0] == 0)
    after = site.ctl("peer", "list")[1]
    expect("it still is after an upgrade", "127.0.0.1\tup,drained\t-\t7\t" in after, after)
    os.kill(site.kids()[-1], signal.SIGKILL)
    expect("and when the process that was told has died", bobtail.wait_for(lambda: listed("up,drained")))
    site.ctl("peer", "undrain", "127.0.0.1")
    site.ctl("peer", "weight", "127.0.0.1", "0")
    expect("what is taken back", site.ctl("upgrade")[0] == 0)
    expect("stays so", listed("up") and is_served(site), site.ctl("peer", "list"))


def test_kid_that_fails(site, program, real):
    """The new program can be run and takes over, but the process that would serve does not come up: it
    has no memory. The old one, whose file has been replaced, goes on with its kid."""
    with open(f"/proc/{site.pid}/statm", encoding="ascii") as file:
        kilobytes = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE") // 1024
    with open(program + ".bad", "w", encoding="ascii") as file:
        file.write(f"""#!/bin/sh
[ -n "$BOBTAIL_REHEARSAL" ] || ulimit -S -v {kilobytes + 4096}
exec {real} "$@"
""")
    kids = site.kids()
    clients = load.Clients(site.port, ndownloads=0, nopen=1)
    clients.run_on(20)
    install(program + ".bad", program)
    code, output = site.ctl("upgrade")
    expect("a program that does not come up is refused", code == 1 and "come up" in output, output)
    expect("the old one serves on", site.kids()[-1] == kids[-1], (kids, site.kids()))
    clients.run_on(50)
    clients.stop()
    expect("nothing refused, reset or wrong meanwhile", not clients.wrong, clients.wrong[:5])
    resource.prlimit(site.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    install(load.PROGRAM, program)
    code, output = site.ctl("upgrade")
    expect("a good one is taken then", code == 0 and site.kids()[-1] != kids[-1], output)


def is_served(site):
    clients = load.Clients(site.port, 1, 1, 0)
    served = bobtail.wait_for(lambda: clients.ndone > 4, 20)
    clients.stop()
    return served and not clients.wrong


def main():
    bobtail.skip_without_program()
    folder = tempfile.mkdtemp(prefix="bobtail-upgrade.")
    os.chmod(folder, 0o777)
    program = os.path.join(folder, "bobtail")
    install(load.PROGRAM, program)
    os.environ["BOBTAIL_PARENT"] = f"{program} --foreground -f"
    site = load.Site(folder, f"maximum_object_size 16 MB\ncache_dir ufs {folder}/store 64 16 256\nupgrade_lifetime 2 minutes")
    try:
        test_upgrades(site, program)
        test_stored(site)
        test_download_from_disk(site)
        test_bad_programs(site, program)
        test_reload_meanwhile(site, program)
        test_wishes(site)
        if not load.IS_SANITIZED:  # which has all of the address space
            test_kid_that_fails(site, program, load.PROGRAM)
    finally:
        site.stop()
        shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


if __name__ == "__main__":
    main()
