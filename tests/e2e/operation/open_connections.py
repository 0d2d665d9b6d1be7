# SPDX-License-Identifier: BSD-2-Clause
"""Clients whose connections stay open through reloads and upgrades: WebSockets, and HTTP/2 connections
with several streams. Each runs until is_over is set; what went wrong is put in `wrong`."""
import os
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import h2_frames as h2  # pylint: disable=wrong-import-position
import websocket  # pylint: disable=wrong-import-position

PAUSE_S = 0.02
NSTREAMS = 4
NSTREAMS_OF_ONE = 400  # then it closes, as browsers do


def echo_messages(connection):
    """An origin's side of a WebSocket: connection has rfile and sendall."""
    while True:
        kind, payload = websocket.read_frame(connection.rfile.read)
        connection.connection.sendall(websocket.frame(payload, kind, masked=False))
        if kind == websocket.CLOSE:
            return


class Talker:
    """A WebSocket whose messages come back; nmessages each, None: one for all of the time."""

    def __init__(self, port, number, is_over, wrong, nmessages=None):
        self.port, self.number, self.is_over, self.wrong = port, number, is_over, wrong
        self.nmessages = nmessages
        self.ndone = self.nsockets = 0

    def _talk(self):
        with websocket.Client(self.port, f"/echo/{self.number}") as client:
            if client.status != 101:
                self.wrong.append(("WebSocket", client.head))
                return
            left = self.nmessages
            while not self.is_over.is_set() and left != 0:
                if not client.echo(os.urandom(1 + self.ndone % 3000)):
                    self.wrong.append(("WebSocket", "another message"))
                left = left and left - 1
                self.ndone += 1
                time.sleep(PAUSE_S)
            client.send(b"", websocket.CLOSE)
            if client.receive()[0] != websocket.CLOSE or client.read.all():
                self.wrong.append(("WebSocket", "another end"))
            self.nsockets += 1

    def run(self):
        while not self.is_over.is_set():
            try:
                self._talk()
            except (OSError, EOFError) as error:
                self.wrong.append(("WebSocket", self.number, repr(error)))


class Connection(h2.Connection):
    """With the bodies that come, and the last stream that the other side of a GOAWAY looks at."""

    def __init__(self, port):
        self.bodies, self.last = {}, None
        super().__init__(port)

    def _take(self, kind, flags, stream, payload):
        if kind == h2.DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
            if payload:
                grant = struct.pack(">I", len(payload))
                self.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, grant) +
                          h2.frame(h2.WINDOW_UPDATE, 0, stream, grant))
        if kind == h2.GOAWAY:
            self.last = int.from_bytes(payload[:4], "big")
        super()._take(kind, flags, stream, payload)


class Streams:
    """HTTP/2 in clear: a few streams at a time, one after the other; a GOAWAY without an error ends a
    connection once its streams have ended, and those behind its last one are asked for again."""

    def __init__(self, port, number, is_over, wrong, body_of):
        self.port, self.number, self.is_over, self.wrong = port, number, is_over, wrong
        self.body_of = body_of
        self.ndone = self.nconnections = 0

    def _check(self, connection, stream, path):
        if connection.last is not None and stream > connection.last:
            return
        body = connection.bodies.pop(stream, b"")
        status = connection.statuses.get(stream)
        if stream not in connection.ended or status != 200 or body != self.body_of(path):
            self.wrong.append(("HTTP/2", path, status, connection.resets.get(stream),
                               connection.goaway, connection.is_closed, len(body)))
        self.ndone += 1

    def _ask_some(self, connection, stream):
        streams = range(stream, stream + 2 * NSTREAMS, 2)
        paths = {at: f"/{'kept' if at % 4 == 1 else 'new'}/h2/{self.number}/{at % 50}" for at in streams}
        for at, path in paths.items():
            connection.get(at, path)
        connection.wait(lambda c: all(at in c.ended or at in c.resets or
                                      c.last is not None and at > c.last for at in streams))
        for at, path in paths.items():
            self._check(connection, at, path)

    def _ask(self):
        with Connection(self.port) as connection:
            stream = 1
            while not self.is_over.is_set() and connection.goaway is None and stream < NSTREAMS_OF_ONE:
                self._ask_some(connection, stream)
                stream += 2 * NSTREAMS
                connection.wait(lambda c: c.goaway is not None, PAUSE_S)
            if connection.goaway:
                self.wrong.append(("HTTP/2", "GOAWAY", connection.goaway))
            self.nconnections += 1

    def run(self):
        while not self.is_over.is_set():
            try:
                self._ask()
            except OSError as error:
                self.wrong.append(("HTTP/2", self.number, repr(error)))
