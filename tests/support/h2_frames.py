# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/2 by hand (RFC 9113), for tests that must be able to send anything: frames as bytes, fields as
literals of HPACK, and of what comes back the frames, with the status of a response."""
import socket
import struct
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 8, 9, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = ((":method", "GET"), (":scheme", "http"), (":path", "/10"), (":authority", "a.example"))

STATIC_STATUS = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
DIGITS = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4", "011011": "5",
          "011100": "6", "011101": "7", "011110": "8", "011111": "9"}


def number(value, bits, first=0):
    """An integer of HPACK behind the given first bits. RFC 7541, section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    out.append(value)
    return bytes(out)


def text(value):
    value = value if isinstance(value, bytes) else value.encode("latin-1")
    return number(len(value), 7) + value


def block(fields):
    """Fields as literals that are not indexed."""
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def headers(stream, fields, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, block(fields))


def settings(**values):
    ids = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", ids[k], v) for k, v in values.items()))


def status_of(payload):
    """The first field of a response; there is no dynamic table."""
    while payload[0] & 0xE0 == 0x20:  # its size
        payload = payload[1:]
    first = payload[0]
    if first & 0x80:
        return STATIC_STATUS[first & 0x7F]
    at = 1
    length = payload[at] & 0x7F
    value = payload[at + 1:at + 1 + length]
    if not payload[at] & 0x80:
        return int(value)
    bits, digits, code = "".join(f"{byte:08b}" for byte in value), "", ""
    for bit in bits:
        code += bit
        if code in DIGITS:
            digits, code = digits + DIGITS[code], ""
    return int(digits[:3])


def values_of(payload):
    """Of a SETTINGS frame, by their numbers."""
    return dict(struct.iter_unpack(">HI", payload))


class Connection:
    """A connection over a socket to 127.0.0.1 or one that is given (TLS). `with` closes it."""

    def __init__(self, port, connection=None, **values):
        self.socket = connection or socket.create_connection(("127.0.0.1", port), 30)
        self.socket.settimeout(30)
        self.input = b""
        self.statuses, self.resets, self.ended = {}, {}, set()
        self.bytes = {}
        self.interim = {}
        self.goaway = None
        self.is_closed = False
        self.pongs = 0
        self.send(PREFACE + settings(table=0, **values))

    def send(self, data):
        """True: it went out; false: the other side has gone."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def get(self, stream, path="/10", fields=(), flags=END_STREAM | END_HEADERS):
        own = [(":path", path) if name == ":path" else (name, value) for name, value in REQUEST]
        self.send(headers(stream, [*own, *fields], flags))

    def _take(self, kind, flags, stream, payload):
        if kind == HEADERS:
            status = status_of(payload)
            if status < 200:
                self.interim.setdefault(stream, []).append(status)
            elif stream not in self.statuses:
                self.statuses[stream] = status
        elif kind == DATA:
            self.bytes[stream] = self.bytes.get(stream, 0) + len(payload)
        elif kind == RST_STREAM:
            self.resets[stream] = struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">I", payload[4:8])[0]
        elif kind == PING and flags & ACK:
            self.pongs += 1
        elif kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.ended.add(stream)

    def _take_all(self):
        while len(self.input) >= 9:
            length = int.from_bytes(self.input[:3], "big")
            if len(self.input) < 9 + length:
                return
            kind, flags = self.input[3], self.input[4]
            stream = int.from_bytes(self.input[5:9], "big") & 0x7FFFFFFF
            payload = self.input[9:9 + length]
            self.input = self.input[9 + length:]
            self._take(kind, flags, stream, payload)

    def wait(self, is_done, seconds=30):
        """Reads until is_done(self), the end or the time limit; what is_done says at last."""
        deadline = time.monotonic() + seconds
        while not is_done(self) and not self.is_closed:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except (TimeoutError, socket.timeout):
                break
            except ConnectionResetError:
                data = b""
            self.is_closed = not data
            self.input += data
            self._take_all()
        return is_done(self)

    def outcome(self, stream):
        """("status", 200), ("reset", code) or ("goaway", code) of an error, whichever comes first."""
        self.wait(lambda c: stream in c.ended or stream in c.resets or c.goaway)
        if stream in self.ended:  # perhaps with a reset behind it, of what is left of the request
            return "status", self.statuses[stream]
        if stream in self.resets:
            return "reset", self.resets[stream]
        return "goaway", self.goaway

    def end(self):
        """Waits for the other side's close; the error of its GOAWAY."""
        self.wait(lambda c: c.is_closed)
        assert self.is_closed
        return self.goaway

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
