#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A browser (Chromium, where it is installed) loads a page with 100 images over HTTP/2 and speaks
WebSocket on the same connection."""
import os
import shutil
import subprocess
import sys
import tempfile
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support")]
import bobtail
import certificates
import websocket
from bobtail import expect

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
bobtail.skip_without_program()
certificates.skip_without_openssl()
if not BROWSER:
    print("skipped: there is no chromium")
    sys.exit(bobtail.SKIP)

FOLDER = tempfile.mkdtemp(prefix="bobtail-browser.")
os.chmod(FOLDER, 0o777)
CA = certificates.Authority(FOLDER)
CERTIFICATE, KEY = CA.issue("a", ["a.example"])
(HTTPS,) = bobtail.free_ports(1)
IMAGES = 100
CONFIG = """
https_port 127.0.0.1:{https} accel defaultsite=a.example tls-cert={certificate} tls-key={key}
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
http_upgrade_request_protocols websocket allow all
http_access allow all
logformat short %Ss/%03>Hs %rv %ru
access_log stdio:{folder}/access.log short
pid_filename none
visible_hostname proxy.test
workers 1
shutdown_lifetime 1 second
"""
PAGE = """<!DOCTYPE html><title>waiting</title><body><script>
const images = [...Array(%d).keys()].map(i => new Promise(done => {
  const image = new Image();
  image.onload = () => done(image.width == 1);
  image.onerror = () => done(false);
  image.src = "/image/" + i;
}));
const echo = new Promise(done => {
  const socket = new WebSocket("wss://" + location.host + "/echo");
  socket.onopen = () => socket.send("hello");
  socket.onmessage = event => { done(event.data); socket.close(); };
  socket.onerror = () => done("failed");
});
Promise.all([echo, ...images]).then(([said, ...loaded]) => {
  document.body.textContent = "said " + said + ", loaded " + loaded.filter(x => x).length;
});
</script>""" % IMAGES


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b""))


class Origin(websocket.Origin):
    @staticmethod
    def answer(connection, kind, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Type: " + kind +
                           b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
        return True

    def do_page(self, connection, _read, _head):
        return self.answer(connection, b"text/html", PAGE.encode())

    def do_image(self, connection, _read, _head):
        return self.answer(connection, b"image/png", png())


def load():
    """What the page holds when all is done."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
               "--ignore-certificate-errors", f"--user-data-dir={FOLDER}/profile",
               f"--host-resolver-rules=MAP a.example:443 127.0.0.1:{HTTPS}",
               "--virtual-time-budget=20000", "--dump-dom", "https://a.example/page"]
    done = subprocess.run(command, capture_output=True, timeout=100, check=False,
                          env={**os.environ, "HOME": FOLDER})
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def main():
    origin = Origin()
    config = CONFIG.format(https=HTTPS, certificate=CERTIFICATE, key=KEY, origin=origin.port, folder=FOLDER)
    try:
        with bobtail.Proxy(config, HTTPS):
            page, errors = load()
        expect("the page has all its images", f"loaded {IMAGES}" in page, page + errors)
        expect("and the WebSocket its echo", "said hello" in page, page + errors)
        with open(f"{FOLDER}/access.log", encoding="latin-1") as log:
            lines = [line.split() for line in log]
        images = [line for line in lines if "/image/" in line[-1]]
        expect("all images over HTTP/2", len(images) == IMAGES and
               all(line[1] == "2.0" and line[0].endswith("/200") for line in images), images)
        sockets = [line for line in lines if line[-1].endswith("/echo")]
        expect("the WebSocket too (RFC 8441)", len(sockets) == 1 and
               sockets[0][0].startswith("TCP_TUNNEL") and sockets[0][0].endswith("/200") and
               sockets[0][1] == "2.0", sockets)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    bobtail.finish()


main()
