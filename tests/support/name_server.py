# SPDX-License-Identifier: BSD-2-Clause
"""A DNS server for tests: `with NameServer(port, records)` answers on UDP at 127.0.0.1. records is a
mapping of (NAME, TYPE) to a value: an IPv4 address (or several) for "A", a name for "PTR"; what is not in it does
not exist, and a value of None gets no answer at all. questions has what was asked, in its order."""
import socket
import struct
import threading

TYPES = {1: "A", 12: "PTR", 28: "AAAA"}


def encode(name):
    labels = [label.encode() for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


class NameServer:
    def __init__(self, port, records):
        self.records = records
        self.questions = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(512)
            except OSError:
                return
            if len(query) < 17:
                return
            reply = self._reply(query)
            if reply:
                self.socket.sendto(reply, client)

    def _reply(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        question = query[12 : at + 5]
        name = ".".join(labels).lower()
        what = TYPES.get(struct.unpack(">H", query[at + 1 : at + 3])[0], "?")
        self.questions.append((name, what))
        value = self.records.get((name, what), "")
        if value is None:
            return b""
        is_known = any(known == name for known, _ in self.records)
        values = [value] if isinstance(value, str) else value
        answer = b""
        for value in filter(None, values):
            data = socket.inet_aton(value) if what == "A" else encode(value)
            answer += b"\xc0\x0c" + query[at + 1 : at + 5] + struct.pack(">IH", 60, len(data)) + data
        flags = 0x8180 if is_known else 0x8183
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(values) if answer else 0, 0, 0) + question + answer

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        # Wakes the thread, which ends at a datagram that is too short.
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join(10)
        self.socket.close()
