# SPDX-License-Identifier: BSD-2-Clause
"""Starts the proxy for a test and ends it again.

BOBTAIL is the command that serves in the foreground when a configuration file's path follows it;
its default is the program of the build directory that `make check` runs in."""
import fcntl
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

COMMAND = os.environ.get("BOBTAIL", "./bobtail -N -f")
SKIP = 77  # what the test driver takes for "skipped"


def skip_without_program():
    """Ends the test as skipped when there is no program to test."""
    if not shutil.which(shlex.split(COMMAND)[0]):
        print(f"skipped: there is no {COMMAND.split()[0]}")
        sys.exit(SKIP)


_nfailed = 0


def expect(what, holds, more=""):
    """Says whether it holds; what does not is counted for finish()."""
    global _nfailed  # pylint: disable=global-statement
    print("ok:" if holds else "NOT OK:", what, "" if holds else f"\n   {more!r:.2000}")
    _nfailed += not holds


PATIENCE_S = 60  # what has not come by then will not come


def wait_for(holds, seconds=PATIENCE_S):
    """What holds() says once that is something true; what it says at last, if that takes too long."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def expect_soon(what, holds, seconds=PATIENCE_S):
    expect(what, wait_for(holds, seconds))


def require_soon(what, holds, seconds=PATIENCE_S):
    """Ends the test when it does not come to hold, since nothing that follows would make sense."""
    if not wait_for(holds, seconds):
        sys.exit(f"in vain: {what}")


def finish():
    """Ends the test with its verdict."""
    sys.exit(1 if _nfailed else 0)


_claims = os.open(f"{tempfile.gettempdir()}/bobtail-ports.{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
_claimed = set()


def _is_claimed(port):
    """No other test that runs side by side has taken it, nor will before this process ends."""
    try:
        fcntl.lockf(_claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def free_ports(count, first=24000, last=31999):
    """`count` different TCP ports of 127.0.0.1 that nobody listens on, and that no later call in this
    process or one beside it names. Programs that end before their ports are used (run-vtc.sh:
    20000 to 23999, operations_test.sh, demo_test.sh) ask for ranges of their own."""
    ports = []
    while len(ports) < count:
        port = random.randint(first, last)
        if port in _claimed or not _is_claimed(port):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _claimed.add(port)
        ports.append(port)
    return ports


def is_open(port):
    """Does somebody listen on this port of 127.0.0.1?"""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


class Proxy:
    """A proxy that runs with the text of a squid.conf; `with` ends it and removes its folder."""

    def __init__(self, config, port, command=None):
        self.folder = tempfile.mkdtemp(prefix="bobtail-test.")
        os.chmod(self.folder, 0o777)  # started as root, the proxy becomes another user
        self.config = os.path.join(self.folder, "squid.conf")
        with open(self.config, "w", encoding="latin-1") as file:
            file.write(config)
        self.log = os.path.join(self.folder, "output")
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [*shlex.split(command or COMMAND), self.config], stdout=output, stderr=output
            )
        self._wait_for(port)

    def _wait_for(self, port):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            if is_open(port):
                return
            time.sleep(0.05)
        output = self.output()
        self.stop()
        sys.exit(f"the proxy did not start:\n{output}")

    def output(self):
        with open(self.log, encoding="latin-1") as file:
            return file.read()

    def is_alive(self):
        return self.process.poll() is None

    def end(self):
        if self.is_alive():
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def run_scenarios(scenarios, config, server):
    """For each (MORE, [SCENARIO, ...]) a proxy with config.format(port, origin_port, more) before server,
    an origin that is not running yet; each scenario(port) asks it. Words of the command line name the scenarios to
    run. "{folder}" in MORE is a folder of the proxy's, the same for all."""
    chosen = sys.argv[1:]
    (port,) = free_ports(1)
    with server, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # started as root, the proxy becomes another user
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for more, group in scenarios:
            group = [scenario for scenario in group if not chosen or scenario.__name__ in chosen]
            if not group:
                continue
            text = config.format(port=port, origin_port=server.server_address[1],
                                 more=more.format(folder=folder))
            with Proxy(text, port) as proxy:
                for scenario in group:
                    started = time.monotonic()
                    scenario(port)
                    assert proxy.is_alive(), proxy.output()[-3000:]
                    print(f"ok: {scenario.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        server.shutdown()
