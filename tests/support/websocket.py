# SPDX-License-Identifier: BSD-2-Clause
"""Connections that change from HTTP to another protocol: a client, an origin whose paths say what it
does then, and the frames of WebSocket (RFC 6455)."""
import base64
import hashlib
import os
import socket
import struct
import threading
import time

import bobtail

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(payload, kind=BINARY, masked=True):
    mask = os.urandom(4) if masked else b""
    length = len(payload)
    first = 128 if masked else 0
    if length < 126:
        head = struct.pack(">BB", 128 | kind, first | length)
    elif length < 65536:
        head = struct.pack(">BBH", 128 | kind, first | 126, length)
    else:
        head = struct.pack(">BBQ", 128 | kind, first | 127, length)
    if masked:
        payload = xor(payload, mask)
    return head + mask + payload


def xor(payload, mask):
    many = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(many, "big")).to_bytes(len(payload), "big")


def read_frame(read):
    """(kind, payload), by read(n), which gives exactly n bytes."""
    first, second = read(2)
    length = second & 127
    if length == 126:
        length = struct.unpack(">H", read(2))[0]
    elif length == 127:
        length = struct.unpack(">Q", read(8))[0]
    mask = read(4) if second & 128 else b""
    payload = read(length)
    return first & 15, xor(payload, mask) if mask else payload


class Reader:
    """Exact reads of a socket, behind what was read of it before."""

    def __init__(self, connection, rest=b""):
        self.connection, self.rest = connection, rest

    def __call__(self, size):
        while len(self.rest) < size:
            data = self.connection.recv(65536)
            if not data:
                raise EOFError
            self.rest += data
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def head(self):
        while b"\r\n\r\n" not in self.rest:
            data = self.connection.recv(65536)
            if not data:
                break
            self.rest += data
        head, mark, self.rest = self.rest.partition(b"\r\n\r\n")
        return head + mark

    def all(self):
        data, self.rest = self.rest, b""
        while True:
            more = self.connection.recv(65536)
            if not more:
                return data
            data += more


def field(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name.lower():
            return value.strip()
    return None


class Client:
    """Asks for another protocol: status and head of the answer, then a Reader and the socket. `more` is
    sent with the head."""

    KEY = b"dGhlIHNhbXBsZSBub25jZQ=="

    def __init__(self, port, path, protocol="websocket", connection=None, more=b"", fields="", timeout=20):
        self.socket = connection or socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.settimeout(timeout)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n"
                            f"Upgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\n"
                            f"Sec-WebSocket-Key: {self.KEY.decode()}\r\n{fields}\r\n".encode() + more)
        self.read = Reader(self.socket)
        self.head = self.read.head()
        self.status = int(self.head.split()[1]) if self.head else 0

    def send(self, payload, kind=BINARY):
        self.socket.sendall(frame(payload, kind))

    def receive(self):
        return read_frame(self.read)

    def echo(self, payload):
        self.send(payload)
        return self.receive() == (BINARY, payload)

    def body(self):
        """Of an ordinary answer with a Content-Length."""
        return self.read(int(field(self.head, b"Content-Length") or 0))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def log_line(folder, path):
    """The words of the access log's last line about that path, once there is one; None: none came."""
    def last():
        with open(f"{folder}/access.log", encoding="latin-1") as file:
            lines = [words for words in map(str.split, file) if words and words[-1].endswith(path)]
        return lines[-1] if lines else None
    return bobtail.wait_for(last)


def reset(connection):
    """Closes it with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Origin:
    """Serves each connection on a thread of its own; the first word of a path names what it does, one
    of the methods do_WORD(connection, read, head)."""

    def __init__(self, port=0, context=None):
        self.context = context
        self.heads = []      # of requests, as they came
        self.outcomes = {}   # what a method found, by its word
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def outcome(self, word, seconds=15):
        """What the method found, once it did."""
        deadline = time.monotonic() + seconds
        while word not in self.outcomes and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.outcomes.pop(word, None)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            read = Reader(connection)
            while True:
                head = read.head()
                if len(head.split()) < 2:
                    break
                self.heads.append(head)
                word = head.split()[1].decode().strip("/").split("/")[0].split("?")[0]
                if getattr(self, f"do_{word}", self.do_plain)(connection, read, head) is not True:
                    break
        except (OSError, EOFError):
            pass
        finally:
            try:
                connection.close()
            except OSError:
                pass

    @staticmethod
    def switch(connection, head, more=b"", protocol=None, fields=b""):
        key = field(head, b"Sec-WebSocket-Key") or b""
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: " +
                           (protocol or field(head, b"Upgrade") or b"none") +
                           b"\r\nSec-WebSocket-Accept: " + accept_of(key) + b"\r\n" + fields + b"\r\n" + more)

    def do_plain(self, connection, _read, head):
        body = head
        connection.sendall(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: "
                           + str(len(body)).encode() + b"\r\n\r\n" + body)
        return True

    def do_refuse(self, connection, _read, _head):
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        return True

    def do_echo(self, connection, read, head):
        """A WebSocket that sends all messages back."""
        self.switch(connection, head)
        while True:
            kind, payload = read_frame(read)
            if kind == PING:
                kind = PONG
            connection.sendall(frame(payload, kind, masked=False))
            if kind == CLOSE:
                return

    def do_pipe(self, connection, read, head):
        """Bytes come back as they are, and so does the end."""
        self.switch(connection, head)
        data = read.rest
        while True:
            if data:
                connection.sendall(data)
            data = connection.recv(65536)
            if not data:
                self.outcomes["pipe"] = "end"
                return

    def do_early(self, connection, read, head):
        """Speaks first, in one packet with its head."""
        self.switch(connection, head, more=b"early bird", fields=b"X-Own: yes\r\nSet-Cookie: a=1\r\n")
        connection.sendall(read(5))

    def do_wrong(self, connection, _read, head):
        self.switch(connection, head, more=b"smuggled", protocol=b"other")

    def do_silent(self, connection, _read, _head):
        """A 101 that names no protocol."""
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n")

    def do_unnamed(self, connection, _read, _head):
        """A 101 whose Connection does not say so."""
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")

    def do_badaccept(self, connection, _read, _head):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                           b"Upgrade: websocket\r\nSec-WebSocket-Accept: bm90IHlvdXIga2V5IGF0IGFsbA==\r\n\r\n")

    def do_flood(self, connection, _read, head):
        """Sends without end; tells how much was taken."""
        self.switch(connection, head)
        sent = 0
        connection.settimeout(3)
        try:
            while True:
                sent += connection.send(b"x" * 65536)
        except OSError:
            self.outcomes["flood"] = sent

    def do_deaf(self, connection, _read, head):
        """Reads nothing until the test says so, or the end."""
        self.switch(connection, head)
        self.hearing = threading.Event()  # pylint: disable=attribute-defined-outside-init
        self.hearing.wait(20)
        taken = 0
        try:
            while True:
                data = connection.recv(65536)
                if not data:
                    break
                taken += len(data)
        except OSError:
            pass
        self.outcomes["deaf"] = taken

    def do_bye(self, connection, read, head):
        """Ends its own direction and reads on."""
        self.switch(connection, head, more=b"bye")
        connection.shutdown(socket.SHUT_WR)
        self.outcomes["bye"] = read.all()

    def do_reset(self, connection, read, head):
        self.switch(connection, head)
        read(1)
        reset(connection)

    def do_watch(self, connection, read, head):
        """Tells how the connection ended."""
        self.switch(connection, head)
        try:
            while connection.recv(65536):
                pass
            self.outcomes["watch"] = "end"
        except OSError as error:
            self.outcomes["watch"] = type(error).__name__
