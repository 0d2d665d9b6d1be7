# SPDX-License-Identifier: BSD-2-Clause
"""An origin that follows a script and keeps every byte that reached it."""
import socket
import struct
import threading
import time

DEFAULT = [("send", b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\nok")]
DEFAULT_TO_HEAD = [("send", DEFAULT[0][1][:-2])]


SHORT_BYTES = 2000  # of an answer whose pieces are sent with a rest between them
REST_S = 0.0002


class Malformed(Exception):
    """The proxy sent something that no proxy may send."""


def field(head, name):
    """All values of a field of a head, in lower case."""
    return [
        line.partition(b":")[2].strip().lower()
        for line in head.split(b"\r\n")[1:]
        if line.partition(b":")[0].lower() == name
    ]


def take_chunks(data):
    """(body, bytes used) of a chunked body, or None while it is unfinished."""
    body, at = b"", 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        digits = data[at:end]
        if not digits or digits.strip(b"0123456789abcdefABCDEF"):
            raise Malformed(f"chunk size {digits!r}")
        size = int(digits, 16)
        at = end + 2
        if len(data) < at + size + 2:
            return None
        if data[at + size : at + size + 2] != b"\r\n":
            raise Malformed("no line end behind a chunk's data")
        body += data[at : at + size]
        at += size + 2
        if size == 0:
            return body, at


def take_request(data):
    """((head, body), bytes used), or None while the request is unfinished."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[: end + 4]
    lengths, codings = field(head, b"content-length"), field(head, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Malformed("more than one field frames the body")
    if codings:
        if codings != [b"chunked"]:
            raise Malformed(f"transfer coding {codings}")
        got = take_chunks(data[end + 4 :])
        return got and ((head, got[0]), end + 4 + got[1])
    size = int(lengths[0]) if lengths else 0
    if len(data) < end + 4 + size:
        return None
    return (head, data[end + 4 : end + 4 + size]), end + 4 + size


def send(connection, pieces, rest_s):
    for piece in pieces:
        connection.sendall(piece)
        if rest_s:
            time.sleep(rest_s)


class Origin:
    """Listens on a port of 127.0.0.1; each connection is served by a thread of its own."""

    def __init__(self, port):
        self.lock = threading.Lock()
        self.reset([], lambda data: [data])
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self, answers, cut):
        """Forgets what it saw; the requests to come are answered by `answers`, in turn, whose
        bytes `cut` makes pieces of."""
        with self.lock:
            self.answers = list(answers)
            self.cut = cut
            self.requests = []  # (head, body) of whole ones
            self.leftovers = {}  # connection: bytes of an unfinished one
            self.nbytes = 0
            self.complaints = []

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        data, is_answered = b"", False
        try:
            while connection.fileno() >= 0:
                piece = connection.recv(65536)
                if not piece:
                    break
                with self.lock:
                    self.nbytes += len(piece)
                data, is_answered = self._take(connection, data + piece, is_answered)
        except OSError:
            pass
        except Malformed as error:
            self.complaints.append(str(error))
        with self.lock:
            self.leftovers.pop(connection, None)
        connection.close()

    def _take(self, connection, data, is_answered):
        """Answers what is due. Returns what is left of data, and whether its request, which is
        unfinished, has been answered."""
        while data and connection.fileno() >= 0:
            got = take_request(data)
            with self.lock:
                self.leftovers[connection] = b"" if got else data
                if got:
                    self.requests.append(got[0])
                is_early = self.answers and self.answers[0].when == "early"
            if not is_answered and (got or is_early and b"\r\n\r\n" in data):
                self._answer(connection, data.startswith(b"HEAD "))
                is_answered = True
            if not got:
                break
            data, is_answered = data[got[1] :], False
        return data, is_answered

    def _answer(self, connection, is_to_head):
        with self.lock:
            answer = self.answers.pop(0) if self.answers else None
        if answer and answer.when == "never":
            return
        default = DEFAULT_TO_HEAD if is_to_head else DEFAULT
        for verb, value in answer.steps if answer else default:
            if verb == "send":
                send(connection, self.cut(value), REST_S if len(value) < SHORT_BYTES else 0)
            elif verb == "pause":
                time.sleep(float(value))
            elif verb == "close":
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            elif verb == "reset":
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()

    def has_unfinished(self):
        """Is a connection open on which a request began and did not end?"""
        with self.lock:
            return any(self.leftovers.values())
