# SPDX-License-Identifier: BSD-2-Clause
"""A proxy with one origin and scripted helpers, whose questions are noted. In the lines of its
squid.conf, HELPER is the helper, ACCESS_LOG a file, FOLDER what `files` are written to."""
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import bobtail
from small_origin import Origin

bobtail.skip_without_program()
PATIENCE = 30

CONFIG = """\
http_port 127.0.0.1:{port} accel defaultsite=w.example
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver login=PASS name=o
cache_peer_access o allow all
pid_filename {folder}/pid
cache_log /dev/stderr
workers 2
shutdown_lifetime 1 second
{lines}
"""


class Site:
    """The proxy with its origin and a folder for what helpers note."""

    def __init__(self, lines, files=None, executable=""):
        self.port, origin = bobtail.free_ports(2)
        self.origin = Origin(origin)
        self.folder = tempfile.mkdtemp(prefix="bobtail-helpers.")
        os.chmod(self.folder, 0o777)
        self.notes = os.path.join(self.folder, "notes")
        with open(self.notes, "wb"):
            os.chmod(self.notes, 0o666)
        for name, text in (files or {}).items():
            with open(os.path.join(self.folder, name), "w", encoding="latin-1") as file:
                file.write(text.replace("FOLDER", self.folder))
            if name in executable.split():
                os.chmod(os.path.join(self.folder, name), 0o755)
        text = lines.replace("HELPER", f"{HERE}/scripted.py {self.notes}")
        text = text.replace("ACCESS_LOG", self.notes + ".log").replace("FOLDER", self.folder)
        self.proxy = bobtail.Proxy(
            CONFIG.format(port=self.port, origin=origin, folder=self.folder, lines=text), self.port
        )

    def __enter__(self):
        self.origin.__enter__()
        return self

    def __exit__(self, *details):
        self.proxy.stop()
        self.origin.__exit__(*details)
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path, fields=None, connection=None, method="GET", source=""):
        own = connection or http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=PATIENCE, source_address=(source, 0) if source else None
        )
        own.request(method, path, headers={"Host": "w.example", **(fields or {})})
        answer = own.getresponse()
        body = answer.read()
        if not connection:
            own.close()
        return answer.status, body, answer.headers

    def ctl(self, *words):
        tool = os.environ.get("BOBTAILCTL", "./bobtailctl")
        done = subprocess.run([tool, "-s", f"{self.folder}/pid.ctl", *words], capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def asked(self, what=""):
        with open(self.notes, encoding="latin-1") as file:
            return [line.rstrip("\n") for line in file if what in line]

    def logged(self, n):
        deadline = time.monotonic() + PATIENCE
        lines = []
        while time.monotonic() < deadline and len(lines) < n:
            time.sleep(0.05)
            if os.path.exists(self.notes + ".log"):
                with open(self.notes + ".log", encoding="latin-1") as file:
                    lines = [line.rstrip("\n") for line in file if not line.startswith(("0 ", "NONE"))]
        assert len(lines) >= n, f"{len(lines)} lines of log, not {n}"
        return lines


def expect(got, wanted, what):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


def run(parts):
    """All parts, or those that the command line names."""
    for part in parts:
        if len(sys.argv) > 1 and part.__name__ not in sys.argv[1:]:
            continue
        part()
        print(f"ok: {part.__name__}")
