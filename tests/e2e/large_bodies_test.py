#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bodies of 1 GiB pass in both directions, at full speed and with a slow reader in the way, while the
proxy's resident memory stays under 40 MiB: no body is held whole (LARGE_BODY_MIB changes the size)."""
import os
import shlex
import shutil
import socket
import socketserver
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail



MARKS = (b"__asan_init", b"__tsan_init")


def is_sanitized():
    """A program with a sanitizer in it is slow, and its memory says nothing."""
    program = shutil.which(shlex.split(bobtail.COMMAND)[0])
    with open(program, "rb") as file:
        text = file.read()
    return any(mark in text for mark in MARKS)


bobtail.skip_without_program()
IS_SANITIZED = is_sanitized()
SIZE = int(os.environ.get("LARGE_BODY_MIB", "64" if IS_SANITIZED else "1024")) << 20
LIMIT_KB = 40 * 1024
BLOCK = bytes(range(256)) * 4096


class Origin(socketserver.StreamRequestHandler):
    """GET sends SIZE bytes, with or without a length; anything else counts what it is sent."""

    def handle(self):
        line = self.rfile.readline().split()
        fields = {}
        while (field := self.rfile.readline().strip()):
            name, _, value = field.partition(b":")
            fields[name.lower()] = value.strip()
        if line[0] == b"GET":
            self.send_body(line[1] == b"/chunked")
            return
        count = self.count_chunks() if b"transfer-encoding" in fields else self.count_bytes(fields)
        answer = b"%d" % count
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

    def send_body(self, is_chunked):
        framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % SIZE
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%s\r\n\r\n" % framing)
        for _ in range(SIZE // len(BLOCK)):
            if is_chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))
            else:
                self.wfile.write(BLOCK)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def count_bytes(self, fields):
        left = length = int(fields[b"content-length"])
        while left > 0 and (data := self.rfile.read(min(left, 1 << 20))):
            left -= len(data)
        return length - left

    def count_chunks(self):
        count = 0
        while (size := int(self.rfile.readline(), 16)) > 0:
            count += len(self.rfile.read(size))
            self.rfile.readline()
        return count


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        """The stalled client's connection breaks at the end: nothing to say."""


def peak_kb(proxy):
    with open(f"/proc/{proxy.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), 60)
    sock.settimeout(60)
    return sock, sock.makefile("rb")


def read_head(reader):
    head = {}
    status = reader.readline()
    while (line := reader.readline().strip()):
        name, _, value = line.partition(b":")
        head[name.lower()] = value.strip()
    return int(status.split()[1]), head


def download(port, path):
    sock, reader = connect(port)
    sock.sendall(b"GET %s HTTP/1.0\r\nHost: a\r\n\r\n" % path)
    status, _ = read_head(reader)
    assert status == 200, status
    got = 0
    while (data := reader.read(len(BLOCK))):
        assert data == BLOCK[: len(data)], f"wrong bytes behind {got}"
        got += len(data)
    sock.close()
    assert got == SIZE, f"{got} of {SIZE} bytes came"


def upload(port, is_chunked):
    sock, reader = connect(port)
    framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % SIZE
    sock.sendall(b"PUT /up HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % framing)
    for _ in range(SIZE // len(BLOCK)):
        sock.sendall(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if is_chunked else BLOCK)
    if is_chunked:
        sock.sendall(b"0\r\n\r\n")
    status, head = read_head(reader)
    body = reader.read(int(head[b"content-length"]))
    sock.close()
    assert status == 200 and int(body) == SIZE, (status, body)


def stall(port):
    """A reader that takes a little and then nothing more: its answer waits, in bounded memory."""
    sock, reader = connect(port)
    sock.sendall(b"GET /slow-reader HTTP/1.1\r\nHost: a\r\n\r\n")
    reader.read(1000)
    return sock


def main():
    port, origin_port = bobtail.free_ports(2)
    origin = Server(("127.0.0.1", origin_port), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    config = f"""
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {origin_port} 0 no-query originserver
http_access allow all
access_log none
cache_log /dev/null
pid_filename none
workers 2
"""
    steps = [
        ("download with a length", lambda: download(port, b"/length")),
        ("download in chunks", lambda: download(port, b"/chunked")),
        ("upload with a length", lambda: upload(port, False)),
        ("upload in chunks", lambda: upload(port, True)),
    ]
    with bobtail.Proxy(config, port) as proxy:
        stalled = stall(port)
        for name, step in steps:
            step()
            print(f"ok: {name}, {SIZE >> 20} MiB; peak so far {peak_kb(proxy) / 1024:.1f} MiB")
        stalled.close()
        peak = peak_kb(proxy)
        assert proxy.is_alive()
    if IS_SANITIZED:
        print("memory is not judged under a sanitizer")
    elif peak >= LIMIT_KB:
        sys.exit(f"resident memory reached {peak} kB")


main()
