#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reloads under load, each with other rules and ports: nobody is refused or reset, no byte is wrong, no
memory or descriptor is lost. A rollback goes back without the file. Ten thousand entries of an ACL are
read within a second.

RELOADS: how many (1,000 in `make endurance`)."""
import os
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
NRELOADS = int(os.environ.get("RELOADS", "40"))
EVERY_S = 0.1
SPACING_S = 0.3  # a reload sooner after another one waits
MANY = 10000


def another(i, ports):
    """What changes with each reload: rules, a port, a peer that nobody uses."""
    return f"""
http_port 127.0.0.1:{ports[i % len(ports)]} accel vhost
acl list{i % 7} dstdomain {' '.join(f'.site{i}-{n}.example' for n in range(50))}
http_access deny list{i % 7}
refresh_pattern /{i}/ {i % 9} 20% 4320
cache_peer 127.0.0.1 sibling {1 + i % 50} 0 no-query name=other{i % 5}
cache_peer_access other{i % 5} deny all
request_header_access X-{i} deny all
"""


def reload_many(site, n, ports):
    for i in range(n):
        started = time.monotonic()
        site.rewrite(another(i, ports))
        os.kill(site.pid, signal.SIGHUP)
        time.sleep(max(0, EVERY_S - (time.monotonic() - started)))


def settle(site):
    """Back to the first file, and all of that in use."""
    site.rewrite()
    code, text = site.ctl("reconfigure")
    expect("the last reload works", code == 0, text)


def test_storm(site, ports):
    clients = load.Clients(site.port, ndownloads=0, nopen=2)
    reload_many(site, 20, ports)
    clients.run_on(100)
    clients.stop()
    settle(site)
    before, kilobytes = site.descriptors(), site.kilobytes()
    clients = load.Clients(site.port, nopen=2)
    reload_many(site, NRELOADS, ports)
    clients.run_on(100)
    clients.stop()
    settle(site)
    expect("nothing refused, reset or wrong", not clients.wrong, clients.wrong[:5])
    expect("downloads went on", clients.ndownloads > 0)
    print(f"   {clients.did()}, {NRELOADS} reloads")
    expect("as many descriptors as before",
           bobtail.wait_for(lambda: site.descriptors()[0] == before[0]
                            and site.descriptors()[1] <= before[1] + 12, 20), (before, site.descriptors()))
    after = site.kilobytes()
    print(f"   {kilobytes} KB before, {after} KB after")
    expect("as much memory, but for what malloc keeps",
           load.IS_SANITIZED or after < kilobytes + 8192 + kilobytes // 4, (kilobytes, after))
    expect("one process has served all of it", len(site.kids()) == 1)


def test_nothing_to_go_back_to(site):
    """Says so, and answers for nobody else: reloads that wait are answered by their own outcome."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(site.ctl("reconfigure")[0]))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    code, text = site.ctl("config", "rollback")
    expect("a rollback without an earlier configuration is refused", code == 1 and
           ("no earlier configuration" in text or "under way" in text), text)
    for thread in threads:
        thread.join()
    expect("reloads meanwhile work", answers == [0] * 4, answers)
    code, text = site.ctl("config", "rollback")
    expect("the reason is told", "there is no earlier configuration to go back to" in text, text)


def test_rollback(site, ports):
    site.rewrite(f"http_port 127.0.0.1:{ports[0]} accel vhost\n")
    expect("a reload opens a port", site.ctl("reconfigure")[0] == 0 and bobtail.is_open(ports[0]))
    site.rewrite("no_such_directive at all\n")
    expect("one that cannot be used changes nothing",
           site.ctl("reconfigure")[0] == 1 and bobtail.is_open(ports[0]))
    code, text = site.ctl("config", "rollback")
    expect("a rollback works though the file is broken", code == 0, text)
    bobtail.expect_soon("and has closed the port", lambda: not bobtail.is_open(ports[0]), 10)
    with open(site.config, encoding="ascii") as file:
        expect("no file was written", "no_such_directive" in file.read())
    settle(site)


def write_sites(site, n):
    path = site.config + ".sites"
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f".site{i}.example.org\n" for i in range(n))
    os.chmod(path, 0o644)
    return path


def test_many_entries(site):
    site.rewrite(f'acl many dstdomain "{write_sites(site, MANY)}"\nhttp_access deny many\n')
    started = time.monotonic()
    code, text = site.ctl("reconfigure")
    took_s = time.monotonic() - started
    expect("ten thousand entries are taken", code == 0, text)
    print(f"   bobtailctl reconfigure took {took_s:.2f} s")
    # bobtailctl reads the file too, and the machine may be busy.
    expect("in about a second", took_s < (20 if load.IS_SANITIZED else 3), took_s)


class Asked:
    """A reload, asked for without bobtailctl, which would read the file itself."""

    def __init__(self, site):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(site.pid_file + ".ctl")
        self._socket.sendall(b"reconfigure\n")

    def is_done(self):
        """Waits for the answer."""
        with self._socket, self._socket.makefile() as file:
            return not file.read().splitlines()[-1].startswith("!")


def test_asked_during_another(site):
    """Whoever asks is told what became of the file as it was then, also while another reload reads it."""
    slow = f'acl many dstdomain "{write_sites(site, 20 * MANY)}"\n'
    wrong = []
    for wait_s in (0.01, 0.03):
        site.rewrite(slow)
        time.sleep(SPACING_S)
        first = Asked(site)
        time.sleep(wait_s)
        site.rewrite("no_such_directive at all\n")
        second = Asked(site)
        if second.is_done():
            wrong.append(wait_s)
        first.is_done()
    expect("a reload is not answered by an earlier one", not wrong, wrong)
    settle(site)


def main():
    bobtail.skip_without_program()
    folder = tempfile.mkdtemp(prefix="bobtail-reload.")
    os.chmod(folder, 0o777)
    ports = bobtail.free_ports(3)
    site = load.Site(folder)
    try:
        test_nothing_to_go_back_to(site)
        test_storm(site, ports)
        test_rollback(site, ports)
        test_many_entries(site)
        test_asked_during_another(site)
    finally:
        site.stop()
        shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


if __name__ == "__main__":
    main()
