# SPDX-License-Identifier: BSD-2-Clause
"""An origin, a proxy before it with a cache, and what is asked of both; for the tests of this folder."""
import contextlib
import http.server
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail  # noqa: E402

BOBTAILCTL = os.environ.get("BOBTAILCTL", "./bobtailctl")


class Origin(http.server.ThreadingHTTPServer):
    """Counts; /slow/… waits for the gate; tags and the host name come from the path."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.counts = {}
        self.gate = threading.Event()
        self.waiting = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        key = self.headers["Host"].split(":")[0] + self.path
        self.server.counts[key] = self.server.counts.get(key, 0) + 1
        body = f"{key} {self.server.counts[key]}".encode()
        part = self.headers["Range"] if "part" in self.path else None
        self.send_response(206 if part else 200)
        if part:  # whatever the range: the first bytes of something longer
            self.send_header("Content-Range", f"bytes 0-{len(body) - 1}/1000")
        self.send_header("Cache-Control", "max-age=3600, stale-while-revalidate=600"
                         if "swr" in self.path else "max-age=3600")
        self.send_header("ETag", '"same"')
        if "news" in self.path:
            self.send_header("Surrogate-Key", "all news")
        if "sport" in self.path:
            self.send_header("Cache-Tag", "all,sport")
        if "vary" in self.path:
            self.send_header("Vary", "Accept-Language")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.flush()
        if "slow" in self.path:
            self.server.waiting.set()
            self.server.gate.wait(20)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Site:
    """An origin, a proxy before it, and questions to both."""

    def __init__(self, has_disk, more=""):
        bobtail.skip_without_program()
        self.origin = Origin()
        self.begun = []
        self.port = bobtail.free_ports(1)[0]
        self.folder = "/tmp/bobtail-purge-" + str(self.port)
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o777)
        self.store = os.path.join(self.folder, "store")
        disk = f"cache_dir ufs {self.store} 64 16 256" if has_disk else ""
        self.config = f"""
http_port {self.port} accel defaultsite=www.example vhost
cache_peer 127.0.0.1 parent {self.origin.server_address[1]} 0 no-query originserver
acl all_urls url_regex .
acl purge method PURGE
http_access allow purge
http_access allow all_urls
pid_filename {self.folder}/pid
cache_log {self.folder}/cache.log
access_log none
{disk}
{more}
"""
        self.proxy = bobtail.Proxy(self.config, self.port)

    def stop(self):
        """Ends the proxy; its store, and a copy of its configuration for bobtailctl, stay."""
        self.proxy.stop()
        self.proxy.config = os.path.join(self.folder, "squid.conf")
        with open(self.proxy.config, "w", encoding="ascii") as file:
            file.write(self.config)

    def start(self):
        self.proxy = bobtail.Proxy(self.config, self.port)

    def restart(self):
        self.proxy.stop()
        self.start()

    def close(self):
        for ctl in self.begun:
            ctl.kill()
            ctl.wait()
        self.proxy.stop()
        self.origin.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path, host="www.example", method="GET", language=None, part=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         headers={"Host": host})
        if language:
            request.add_header("Accept-Language", language)
        if part:
            request.add_header("Range", f"bytes={part}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()

    def count(self, path, host="www.example"):
        return self.origin.counts.get(host + path, 0)

    def ctl(self, *words, status=0):
        lines = self.lines(*words, status=status)
        return dict(line.split(" = ", 1) for line in lines if " = " in line)

    def lines(self, *words, status=0):
        """What bobtailctl says."""
        run = subprocess.run([BOBTAILCTL, "-f", self.proxy.config, *words], timeout=60,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert run.returncode == status, (words, run.returncode, run.stdout)
        return run.stdout.splitlines()

    def begin(self, *words):
        """The same, without waiting for what it says."""
        self.begun.append(subprocess.Popen([BOBTAILCTL, "-f", self.proxy.config, *words],
                                           stdout=subprocess.DEVNULL))

    def shell(self):
        return contextlib.closing(sqlite3.connect(os.path.join(self.store, "cache.db"), timeout=10,
                                                  isolation_level=None))

    def sql(self, text):
        """As typed into a shell that waits for a busy writer."""
        with sqlite3.connect(os.path.join(self.store, "cache.db"), timeout=10) as shell:
            rows = shell.execute(text).fetchall()
        shell.close()
        return rows

    def wait_stored(self, n, below="/"):
        """Until so many objects are on disk whose URLs have that in them."""
        count = f"SELECT count(*) FROM object WHERE url LIKE '%{below}%'"
        bobtail.require_soon(f"{n} of {below} on disk", lambda: self.sql(count)[0][0] == n)
