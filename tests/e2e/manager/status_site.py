# SPDX-License-Identifier: BSD-2-Clause
"""A proxy with several sites, a dead peer, a helper, a certificate and requests of all kinds, for the status
page to show."""
import os
import random
import socket
import threading
import time

import bobtail
import certificates
import small_origin

HOSTILE = "/7?<script>alert(1)</script>&'%22><img/src=x/onerror=alert(1)>"
SITES = ("shop.example", "www.example", "static.example", "wiki.example")

CONFIG = """
http_port 127.0.0.1:{0} accel vhost defaultsite=www.example
https_port 127.0.0.1:{1} accel defaultsite=www.example tls-cert={folder}/cert.pem tls-key={folder}/cert.key
cache_peer 127.0.0.1 parent {2} 0 no-query originserver name=front
cache_peer 127.0.0.1 parent {3} 0 no-query originserver name=spare
acl gone urlpath_regex ^/gone
cache_peer_access front deny gone
cache_peer_access spare allow gone
cache_peer_access spare deny all
visible_hostname proxy.example
pid_filename {folder}/pid
cache_log {folder}/cache.log
access_log none
workers 2
cache_mem 16 MB
cache_dir ufs {folder}/cache 64 16 256
url_rewrite_program /bin/sh {folder}/rewriter
url_rewrite_children 3
http_access allow all
"""


class Handler(small_origin.Handler):
    def do_GET(self):
        self.path = self.path.partition("?")[0]
        if self.path == "/slow":
            time.sleep(self.server.slow_s)
            self.path = "/10"
        super().do_GET()


def get(port, path, host):
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                           .encode("latin-1"))
        while connection.recv(65536):
            pass


class Site:
    """`with Site(extra)`: started, with `ports`, `folder`, `proxy`; load() makes a round of requests."""

    def __init__(self, extra="", slow_s=1.5):
        self.ports = bobtail.free_ports(4)
        self.folder = bobtail.tempfile.mkdtemp(prefix="bobtail-status.")
        self.extra, self.slow_s = extra, slow_s

    def __enter__(self):
        os.makedirs(self.folder + "/cache")
        for name in (self.folder, self.folder + "/cache"):
            os.chmod(name, 0o777)
        certificates.Authority(self.folder).issue("cert", ["www.example", "shop.example"])
        with open(self.folder + "/rewriter", "w", encoding="ascii") as file:
            file.write('while read id rest; do echo "$id ERR"; done\n')
        self.origin = small_origin.Origin(self.ports[2])
        self.origin.server.RequestHandlerClass = Handler
        self.origin.server.slow_s = self.slow_s
        self.origin.__enter__()
        config = CONFIG.format(*self.ports, folder=self.folder) + self.extra
        self.proxy = bobtail.Proxy(config, self.ports[0])
        return self

    def __exit__(self, *_):
        self.proxy.stop()
        self.origin.__exit__()
        bobtail.shutil.rmtree(self.folder, ignore_errors=True)

    def load(self, n):
        """n requests: most are hits, some are not, one is hostile and one fails."""
        chance = random.Random(n)
        for _ in range(n):
            path = f"/{chance.choice((100, 1000, 5000, 20000))}?{chance.randint(1, 8)}"
            if chance.random() < 0.15:
                path = f"/300?{chance.random()}"
            get(self.ports[0], path, chance.choices(SITES, (8, 4, 2, 1))[0])
        get(self.ports[0], HOSTILE, SITES[0])
        get(self.ports[0], HOSTILE, SITES[0])
        get(self.ports[0], "/gone/<b>away</b><script>alert(1)</script>", SITES[0])

    def begin_slow(self):
        """A request that is under way for a while."""
        threading.Thread(target=get, args=(self.ports[0], "/slow?<i>", SITES[1]), daemon=True).start()
