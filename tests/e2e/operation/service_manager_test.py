#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A service manager's side: sockets that it opened are used and those that nobody wants are not, it hears
READY, RELOADING with a time, WATCHDOG while all is well, the same process id after an upgrade, STOPPING.
And what a signal means: one storm of SIGHUP is few reloads, a second instance is refused, what a dead one
left is replaced, a hung one is stopped."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import site_under_load as load  # pylint: disable=wrong-import-position
from site_under_load import bobtail  # pylint: disable=wrong-import-position

expect = bobtail.expect


class Manager:
    """What systemd does, as far as a service sees it."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.heard = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            self.heard.append(self.socket.recv(4096).decode())

    def has_heard(self, pattern, since=0):
        return any(re.search(pattern, text) for text in self.heard[since:])


def start(config, folder, sockets, manager, out):
    """As the manager does: descriptors from 3 on, and LISTEN_PID with the pid of the service itself."""
    environment = dict(os.environ, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="600000",
                       LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join("abcdef"[:len(sockets)]))
    moves = " ".join(f"{3 + i}<&{one.fileno()}" for i, one in enumerate(sockets))
    script = f'export LISTEN_PID=$$; exec {moves} "$@"' if moves else 'export LISTEN_PID=$$; exec "$@"'
    return subprocess.Popen(["/bin/bash", "-c", script, "bash", load.PROGRAM, "--foreground", "-f",
                             config], env=environment, pass_fds=[one.fileno() for one in sockets],
                            stdout=out, stderr=out, cwd=folder)


def listening(port):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    one.listen(64)
    os.set_inheritable(one.fileno(), False)
    # Out of the way of 3, 4, ...
    return socket.socket(fileno=os.dup2(one.detach(), 60 + listening.count()))


listening.count = iter(range(1000)).__next__


def is_served(port):
    clients = load.Clients(port, 1, 1, 0)
    served = bobtail.wait_for(lambda: clients.ndone > 3, 20)
    clients.stop()
    return served and not clients.wrong


def ctl(config, *words):
    return subprocess.run([load.CTL, "-f", config, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False).returncode


def test_manager(config, folder, ports, out):
    port, unwanted = ports
    manager = Manager(folder)
    sockets = [listening(port), listening(unwanted)]
    # Whoever asks before the service is up waits in the socket.
    early = socket.create_connection(("127.0.0.1", port), 20)
    early.sendall(b"GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    process = start(config, folder, sockets, manager, out)
    for one in sockets:
        one.close()
    expect("READY with the process id", bobtail.wait_for(lambda: manager.has_heard(
        rf"^READY=1\nMAINPID={process.pid}\n"), 20), manager.heard)
    early.settimeout(20)
    expect("a connection from before the start is answered", early.recv(100).startswith(b"HTTP/1.1 200"))
    expect("a socket of the manager is served", is_served(port))
    bobtail.expect_soon("what no port wants is closed", lambda: not bobtail.is_open(unwanted), 10)
    bobtail.expect_soon("the watchdog hears", lambda: manager.has_heard("^WATCHDOG=1"), 10)
    for what, words in (("a reload", ("reconfigure",)), ("an upgrade", ("upgrade",))):
        n = len(manager.heard)
        expect(f"{what} works", ctl(config, *words) == 0)
        expect("RELOADING has a time", bobtail.wait_for(lambda n=n: manager.has_heard(
            r"^RELOADING=1\nMONOTONIC_USEC=\d+\n", n), 10), manager.heard[n:])
        expect("READY again, the same process", bobtail.wait_for(lambda n=n: manager.has_heard(
            rf"^READY=1\nMAINPID={process.pid}\n", n), 10), manager.heard[n:])
        expect("served on the same socket", is_served(port))
    n = len(manager.heard)
    bobtail.expect_soon("the watchdog hears after an upgrade", lambda: manager.has_heard("^WATCHDOG=1", n), 10)
    test_hung_kid(process, manager)
    process.send_signal(signal.SIGTERM)
    expect("a stop within ten seconds", process.wait(10) == 0)
    expect("STOPPING", manager.has_heard("^STOPPING=1"))


def test_hung_kid(process, manager):
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
        kid = int(file.read().split()[-1])
    os.kill(kid, signal.SIGSTOP)
    time.sleep(0.3)
    n = len(manager.heard)
    time.sleep(1.5)
    expect("the watchdog hears nothing of a process that hangs",
           not manager.has_heard("^WATCHDOG=1", n), manager.heard[n:])
    os.kill(kid, signal.SIGCONT)
    bobtail.expect_soon("and hears again when it goes on", lambda: manager.has_heard("^WATCHDOG=1", n), 10)


def test_signals(folder, more):
    site = load.Site(folder, more)
    log = os.path.join(folder, "cache.log")

    def reloads():
        with open(log, encoding="latin-1") as file:
            return file.read().count("Reconfiguring Squid Cache")

    expect("it serves", is_served(site.port) and site.ctl("reconfigure")[0] == 0)
    before, fds = reloads(), site.descriptors()
    for _ in range(1000):
        os.kill(site.pid, signal.SIGHUP)
        time.sleep(0.001)
    bobtail.wait_for(lambda: reloads() > before, 10)
    time.sleep(0.6)
    expect("a thousand SIGHUP are few reloads", 0 < reloads() - before < 60, reloads() - before)
    # The database's readers open theirs when they are asked for the first time.
    expect("and leave no descriptor behind",
           bobtail.wait_for(lambda: site.descriptors()[0] <= fds[0] and site.descriptors()[1] <= fds[1] + 14, 10),
           (fds, site.descriptors()))
    second = subprocess.run([load.PROGRAM, "--foreground", "-f", site.config], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=30, check=False)
    expect("a second instance is refused", second.returncode == 1)
    expect("with the process id of the first", f"PID {site.pid}" in second.stdout.decode(),
           second.stdout)
    kid = site.kids()[0]
    os.kill(kid, signal.SIGABRT)
    expect("a crashed process has a successor within a second or so",
           bobtail.wait_for(lambda: site.kids() and site.kids()[0] != kid, 5) and is_served(site.port))
    os.kill(site.pid, signal.SIGKILL)
    site.proxy.process.wait(10)
    expect("a pid file and a socket of a dead one are left", os.path.exists(site.pid_file)
           and os.path.exists(site.pid_file + ".ctl"))
    bobtail.wait_for(lambda: not bobtail.is_open(site.port), 20)
    again = subprocess.Popen([load.PROGRAM, "--foreground", "-f", site.config],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    expect("and replaced", bobtail.wait_for(lambda: bobtail.is_open(site.port), 20) and is_served(site.port)
           and ctl(site.config, "info") == 0)
    again.terminate()
    expect("it ends well", again.wait(20) == 0)
    site.stop()


def main():
    bobtail.skip_without_program()
    folder = tempfile.mkdtemp(prefix="bobtail-service.")
    os.chmod(folder, 0o777)
    *ports, origin_port = bobtail.free_ports(3)
    origin = load.Server(("127.0.0.1", origin_port), load.Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    config = os.path.join(folder, "squid.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f"http_port 127.0.0.1:{ports[0]} accel vhost\nworkers 2\naccess_log none\n"
                   f"cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver\n"
                   f"http_access allow all\npid_filename {folder}/pid\n"
                   f"cache_log {folder}/cache.log\nshutdown_lifetime 2 seconds\n")
    try:
        with open(os.path.join(folder, "output"), "wb") as out:
            test_manager(config, folder, ports, out)
        test_signals(folder, f"cache_dir ufs {folder}/store 64 16 256")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


if __name__ == "__main__":
    main()
