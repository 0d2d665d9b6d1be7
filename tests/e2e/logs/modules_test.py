#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""access_log to daemons and collectors: what they get, and that those that die, hang or go away hold up
no request."""
import http.client
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
import bobtail  # noqa: E402
import small_origin  # noqa: E402

PATIENCE_S = 20
CTL = os.environ.get("BOBTAILCTL", "./bobtailctl")
SQUIDS_DAEMON = "/usr/lib/squid/log_file_daemon"

# Writes each line that it gets; one that says DIE ends it, one that says HANG stops it.
DAEMON = """#!/bin/sh
echo "started" >&2
while IFS= read -r line; do
    printf '%s\\n' "$line" >>"$1"
    case $line in
    *DIE*) exit 1 ;;
    *HANG*) sleep 60 ;;
    esac
done
echo ended >>"$1"
"""


def lines_of(path):
    try:
        with open(path, encoding="latin-1") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


class Collector:
    """A TCP server that gathers lines; stop and start again at will."""

    def __init__(self, port):
        self.port = port
        self.bytes = b""
        self.start()

    def start(self):
        self.socket = socket.create_server(("127.0.0.1", self.port))
        self.clients = []
        threading.Thread(target=self.run, args=(self.socket,), daemon=True).start()

    def run(self, listener):
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.gather, args=(client,), daemon=True).start()

    def gather(self, client):
        try:
            while got := client.recv(65536):
                self.bytes += got
        except OSError:
            return

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for client in self.clients:
            client.shutdown(socket.SHUT_RDWR)
            client.close()

    def has(self, text):
        return text.encode() in self.bytes


class Site:
    """A proxy with these access_log lines; `folder` is theirs."""

    def __init__(self, lines):
        self.folder = tempfile.mkdtemp(prefix="bobtail-logs.")
        os.chmod(self.folder, 0o777)
        self.daemon = os.path.join(self.folder, "daemon")
        with open(self.daemon, "w", encoding="ascii") as file:
            file.write(DAEMON)
        os.chmod(self.daemon, stat.S_IRWXU | stat.S_IXGRP | stat.S_IRGRP | stat.S_IXOTH | stat.S_IROTH)
        self.port, self.origin_port = bobtail.free_ports(2)
        self.origin = small_origin.Origin(self.origin_port)
        self.origin.__enter__()
        text = lines.replace("FOLDER", self.folder).replace("DAEMON", self.daemon)
        self.proxy = bobtail.Proxy(
            f"""http_port 127.0.0.1:{self.port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {self.origin_port} 0 no-query no-digest originserver
pid_filename {self.folder}/pid
cache_log {self.folder}/cache.log
http_access allow all
workers 1
{text}
""",
            self.port,
        )

    def get(self, path):
        started = time.monotonic()
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        client.request("GET", path)
        response = client.getresponse()
        response.read()
        client.close()
        assert response.status == 200, (path, response.status)
        assert time.monotonic() - started < PATIENCE_S / 2, f"{path} was held up"

    def path(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.stop()
        self.origin.__exit__()
        shutil.rmtree(self.folder)


LOGFORMAT = "logformat short %rm %>rp\n"


def a_daemon_gets_squids_commands():
    with Site(LOGFORMAT + "logfile_daemon DAEMON\nlogfile_rotate 3\naccess_log daemon:FOLDER/got short") as site:
        site.get("/1?a")
        bobtail.require_soon("a record and a flush", lambda: "LGET /1?a" in lines_of(site.path("got")))
        with open(site.path("pid"), encoding="ascii") as file:
            os.kill(int(file.read()), 10)  # SIGUSR1: rotate
        bobtail.require_soon("R", lambda: "R" in lines_of(site.path("got")))
        lines = lines_of(site.path("got"))
        assert lines[:2] == ["r3", "b0"], lines
        assert lines[lines.index("LGET /1?a") + 1] == "F", lines
        site.proxy.end()
        bobtail.require_soon("EOF at the end", lambda: lines_of(site.path("got"))[-1] == "ended")


def report(site):
    """What `bobtailctl helpers` says of the only daemon."""
    done = subprocess.run([CTL, "-s", site.path("pid.ctl"), "helpers", "--json"], capture_output=True, text=True,
                          timeout=PATIENCE_S, check=True)
    daemon, = map(json.loads, done.stdout.splitlines())
    return daemon


def a_daemon_that_dies_is_started_again():
    with Site(LOGFORMAT + "logfile_daemon DAEMON\naccess_log daemon:FOLDER/got short") as site:
        daemon = report(site)
        assert (daemon["kind"], daemon["name"]) == ("logfile_daemon", site.path("got")), daemon
        site.get("/1?DIE")
        bobtail.require_soon("its last record", lambda: "LGET /1?DIE" in lines_of(site.path("got")))
        site.get("/2")
        bobtail.require_soon("a second one", lambda: lines_of(site.path("got")).count("r10") >= 2)
        site.get("/3")
        bobtail.require_soon("records again", lambda: "LGET /3" in lines_of(site.path("got")))
        bobtail.require_soon("the last one is shown", lambda: report(site)["requests"] >= 3)
        daemon = report(site)
        assert (daemon["running"], daemon["breaker"], daemon["refused"]) == (1, "closed", 0), daemon
        assert daemon["died"] == daemon["started"] - 1 >= 1, daemon
        assert [note["text"] for note in daemon["stderr"]] == ["started"], daemon
        os.kill(daemon["children"][0]["pid"], 0)
        text = subprocess.run([CTL, "-s", site.path("pid.ctl"), "helpers"], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=True).stdout
        assert f"logfile_daemon {site.path('got')}: {site.daemon}\n" in text and " came, 0 are lost" in text, text


def a_daemon_that_hangs_holds_up_nobody():
    with Site(LOGFORMAT + "logfile_daemon DAEMON\naccess_log daemon:FOLDER/got short\n"
              "access_log stdio:FOLDER/file short") as site:
        site.get("/1?HANG")
        bobtail.require_soon("it hangs", lambda: "LGET /1?HANG" in lines_of(site.path("got")))
        for number in range(200):
            site.get(f"/2?{number}{'x' * 5000}")
        bobtail.require_soon("the other log", lambda: len(lines_of(site.path("file"))) >= 201)


def a_daemon_ends_when_its_line_goes():
    with Site(LOGFORMAT + "logfile_daemon DAEMON\naccess_log daemon:FOLDER/got short") as site:
        site.get("/1")
        bobtail.require_soon("a record", lambda: "LGET /1" in lines_of(site.path("got")))
        with open(site.proxy.config, encoding="latin-1") as file:
            text = file.read()
        with open(site.proxy.config, "w", encoding="latin-1") as file:
            file.write(text.replace("access_log daemon:", "access_log stdio:").replace("/got short", "/file short"))
        with open(site.path("pid"), encoding="ascii") as file:
            os.kill(int(file.read()), 1)  # SIGHUP: reconfigure
        bobtail.require_soon("EOF", lambda: lines_of(site.path("got"))[-1] == "ended")
        site.get("/2")
        bobtail.require_soon("the new log", lambda: "GET /2" in lines_of(site.path("file")))


def squids_daemon_runs_unmodified():
    if not os.access(SQUIDS_DAEMON, os.X_OK):
        print(f"left out: there is no {SQUIDS_DAEMON}")
        return
    with Site(LOGFORMAT + f"logfile_daemon {SQUIDS_DAEMON}\nlogfile_rotate 2\n"
              "access_log daemon:FOLDER/got short") as site:
        site.get("/1")
        bobtail.require_soon("a record", lambda: "GET /1" in lines_of(site.path("got")))
        with open(site.path("pid"), encoding="ascii") as file:
            os.kill(int(file.read()), 10)
        bobtail.require_soon("a rotation", lambda: "GET /1" in lines_of(site.path("got.0")))
        site.get("/2")
        bobtail.require_soon("a record in the new file", lambda: lines_of(site.path("got")) == ["GET /2"])


def a_collector_comes_and_goes():
    (port,) = bobtail.free_ports(1)
    with Site(LOGFORMAT + f"access_log tcp://127.0.0.1:{port} on-error=drop logformat=short") as site:
        site.get("/1")
        collector = Collector(port)
        bobtail.require_soon("what came before it", lambda: collector.has("GET /1\n"))
        collector.stop()
        site.get("/2")
        time.sleep(0.3)
        collector.start()
        site.get("/3")
        bobtail.require_soon("records again", lambda: collector.has("GET /3\n"))
        collector.stop()


def datagrams_hold_records():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        with Site(LOGFORMAT + f"access_log udp://127.0.0.1:{receiver.getsockname()[1]} short") as site:
            got = receiver.recv(2048)  # the connection that looked whether the proxy is there
            site.get("/1")
            while got != b"GET /1\n":
                got = receiver.recv(2048)


def main():
    bobtail.skip_without_program()
    a_daemon_gets_squids_commands()
    a_daemon_that_dies_is_started_again()
    a_daemon_that_hangs_holds_up_nobody()
    a_daemon_ends_when_its_line_goes()
    squids_daemon_runs_unmodified()
    a_collector_comes_and_goes()
    datagrams_hold_records()


if __name__ == "__main__":
    main()
