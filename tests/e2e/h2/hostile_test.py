#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/2 from hostile clients: malformed requests end their stream, floods and bombs their connection,
and none of it reaches the origin or costs others anything."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support")]
import bobtail
import h2_frames as h2
from small_origin import Origin

bobtail.skip_without_program()

PORT, PLAIN, ORIGIN = bobtail.free_ports(3)
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=a.example h2c
http_port 127.0.0.1:{PLAIN} accel defaultsite=a.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver
http_access allow all
cache_mem 16 MB
access_log none
pid_filename none
visible_hostname proxy.test
workers 1
request_header_max_size 32 KB
write_timeout 2 seconds
shutdown_lifetime 1 second
"""

MALFORMED = ("reset", h2.PROTOCOL_ERROR)


def request(*fields, **changed):
    """GET /10 with some pseudo fields changed (None: left out), then other fields."""
    own = []
    for name, value in h2.REQUEST:
        value = changed.get(name[1:], value)
        if value is not None:
            own.append((name, value))
    return [*own, *fields]


# What a list of fields, with END_STREAM, leads to.
FIELDS = (
    ("a good one", request(("user-agent", "x")), ("status", 200)),
    ("D1 upper-case name", request(("X-Upper", "1")), MALFORMED),
    ("D2 connection", request(("connection", "close")), MALFORMED),
    ("D2 transfer-encoding", request(("transfer-encoding", "chunked")), MALFORMED),
    ("D2 keep-alive", request(("keep-alive", "timeout=5")), MALFORMED),
    ("D2 upgrade", request(("upgrade", "h2c")), MALFORMED),
    ("D2 proxy-connection", request(("proxy-connection", "close")), MALFORMED),
    ("D2 te that is not trailers", request(("te", "gzip")), MALFORMED),
    ("te: trailers", request(("te", "trailers")), ("status", 200)),
    ("D3 CR LF in a value", request(("x", "a\r\nhost: evil")), MALFORMED),
    ("D3 LF in a value", request(("x", "a\nb")), MALFORMED),
    ("D3 NUL in a value", request(("x", "a\0b")), MALFORMED),
    ("D3 leading space", request(("x", " a")), MALFORMED),
    ("D3 trailing tab", request(("x", "a\t")), MALFORMED),
    ("D3 CR in a name", request(("x\r", "a")), MALFORMED),
    ("D4 colon in a name", request(("x:y", "a")), MALFORMED),
    ("D4 empty name", request(("", "a")), MALFORMED),
    ("D4 unknown pseudo field", request((":x", "a")), MALFORMED),
    ("D5 empty path", request(path=""), MALFORMED),
    ("D5 path without a slash", request(path="x"), MALFORMED),
    ("D5 path with a space", request(path="/a b"), MALFORMED),
    ("D5 path with CR LF", request(path="/a\r\nx: y"), MALFORMED),
    ("D5 no path", request(path=None), MALFORMED),
    ("D5 absolute path", request(path="http://evil/"), MALFORMED),
    ("D6 another host", request(("host", "b.example")), MALFORMED),
    ("the same host", request(("host", "A.example")), ("status", 200)),
    ("host alone", request(("host", "a.example"), authority=None), ("status", 200)),
    ("neither of them", request(authority=None), MALFORMED),
    ("D6 authority with user", request(authority="a@b.example"), MALFORMED),
    ("D6 authority with a slash", request(authority="b.example/x"), MALFORMED),
    ("D7 two authorities", request() + [(":authority", "a.example")], MALFORMED),
    ("D7 pseudo after regular", [("x", "y"), *request()], MALFORMED),
    ("D8 method with space", request(method="GET / HTTP/1.1"), MALFORMED),
    ("D8 no method", request(method=None), MALFORMED),
    ("D9 scheme with a URL", request(scheme="http://x/y?"), MALFORMED),
    ("D9 another scheme", request(scheme="ftp"), MALFORMED),
    ("D10 content-length without a body", request(("content-length", "5")), MALFORMED),
    ("D10 content-length 0", request(("content-length", "0")), ("status", 200)),
    ("D10 two lengths", request(("content-length", "0"), ("content-length", "1")), MALFORMED),
    ("two hosts", request(("host", "a.example"), ("host", "b.example"), authority=None), MALFORMED),
    ("two credentials", request(("authorization", "Basic a"), ("authorization", "Basic b")), ("status", 400)),
    ("CONNECT", [(":method", "CONNECT"), (":authority", "a.example:80")], ("status", 405)),
    ("CONNECT with a path", request(method="CONNECT"), MALFORMED),
    ("TRACE", request(method="TRACE"), ("status", 405)),
    ("too many fields", request(*((f"x{i}", "y") for i in range(300))), ("status", 431)),
    ("a list that is too large", request(*((f"x{i}", "y" * 1000) for i in range(14))), ("status", 200)),
)


def answers_or_resets_each_list_of_fields(origin):
    for name, fields, expected in FIELDS:
        before = len(origin.requests)
        with h2.Connection(PORT) as c:
            c.send(h2.headers(1, fields))
            assert c.outcome(1) == expected, (name, c.outcome(1))
            c.get(3)  # the connection goes on
            assert c.outcome(3) == ("status", 200), name
        if expected != ("status", 200):
            assert len(origin.requests) - before <= 1, name


def resets_what_is_framed_wrong():
    post = request(("content-length", "5"), method="POST", path="/post")
    for name, body in (("D10 fewer", b"abc"), ("D10 more", b"abcdefgh")):
        with h2.Connection(PORT) as c:
            c.send(h2.headers(1, post, h2.END_HEADERS) + h2.frame(h2.DATA, h2.END_STREAM, 1, body))
            assert c.outcome(1) == MALFORMED, name
    for name, trailer in (("D16 pseudo", (":path", "/x")), ("D16 length", ("content-length", "3")),
                          ("D16 framing", ("transfer-encoding", "chunked")), ("D16 host", ("host", "x"))):
        with h2.Connection(PORT) as c:
            c.send(h2.headers(1, request(method="POST", path="/post"), h2.END_HEADERS) +
                   h2.frame(h2.DATA, 0, 1, b"abc") + h2.headers(1, [trailer]))
            assert c.outcome(1) == MALFORMED, name


def refuses_large_lists():
    with h2.Connection(PORT) as c:  # above the limit: an answer
        fields = request(*((f"x{i}", "y" * 1000) for i in range(40)))
        whole = h2.block(fields)
        c.send(h2.frame(h2.HEADERS, h2.END_STREAM, 1, whole[:16000]) +
               h2.frame(h2.CONTINUATION, 0, 1, whole[16000:32000]) +
               h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, whole[32000:]))
        assert c.outcome(1) == ("status", 431), c.outcome(1)
    with h2.Connection(PORT) as c:  # D11: one entry of the table, named a thousand times
        bomb = h2.block(request()) + b"\x40" + h2.text("x") + h2.text("y" * 3900) + b"\xbe" * 1000
        c.send(h2.frame(h2.HEADERS, h2.END_STREAM | h2.END_HEADERS, 1, bomb))
        assert c.end() == h2.ENHANCE_YOUR_CALM, c.goaway


def ends_floods():
    reset = (0).to_bytes(3, "big") + h2.CANCEL.to_bytes(1, "big")

    def rapid_reset(i):
        return h2.headers(2 * i + 1, request(path=f"/{i}")) + h2.frame(h2.RST_STREAM, 0, 2 * i + 1, reset)

    def made_to_reset(i):  # a window that overflows is a stream error
        return (h2.headers(2 * i + 1, request(path=f"/{i}")) +
                h2.frame(h2.WINDOW_UPDATE, 0, 2 * i + 1, b"\x7f\xff\xff\xff"))

    def continuation(i):
        return (h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(request())) if i == 0
                else h2.frame(h2.CONTINUATION, 0, 1, b""))

    def empty_data(i):
        return (h2.headers(1, request(("content-length", "5"), method="POST", path="/p"), h2.END_HEADERS)
                if i == 0 else h2.frame(h2.DATA, 0, 1))

    floods = (
        ("D12 continuation", continuation),
        ("D13 rapid reset", rapid_reset),
        ("D13 made you reset", made_to_reset),
        ("D14 settings", lambda i: h2.settings()),
        ("D14 ping", lambda i: h2.frame(h2.PING, 0, 0, bytes(8))),
        ("D14 empty data", empty_data),
        ("D15 tiny window updates", lambda i: h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1")),
    )
    for name, make in floods:
        with h2.Connection(PORT) as c:
            for start in range(0, 20000, 100):
                if not c.send(b"".join(make(i) for i in range(start, start + 100))):
                    break
            c.wait(lambda c: c.is_closed)
            assert c.is_closed and c.goaway, (name, c.is_closed, c.goaway)
            if not name.startswith("D12"):
                assert c.goaway == h2.ENHANCE_YOUR_CALM, (name, c.goaway)


def ends_floods_for_a_stream_that_has_ended():
    floods = (
        ("D14 empty data", h2.frame(h2.DATA, 0, 1)),
        ("D14 data that are padding", h2.frame(h2.DATA, 8, 1, b"\0")),
        ("D14 window updates", h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\0\1")),
        ("D14 headers", h2.headers(1, request())),
    )
    for name, one in floods:
        with h2.Connection(PORT) as c:
            c.get(1)
            assert c.outcome(1) == ("status", 200), name
            for _ in range(200):
                if not c.send(one * 100):
                    break
            c.wait(lambda c: c.is_closed)
            assert c.is_closed and c.goaway, (name, c.is_closed, c.goaway)


def ends_streams_whose_window_stays_shut():
    for window in (0, 1):
        with h2.Connection(PORT, window=window) as c:
            c.get(1, "/5000")
            assert c.outcome(1) == ("reset", h2.CANCEL), (window, c.outcome(1))
            assert c.bytes.get(1, 0) == window
            c.get(3, fields=(("x", "y"),))  # HEAD would do; a body of 10 takes the window as well
            c.send(h2.frame(h2.WINDOW_UPDATE, 0, 3, b"\0\0\1\0"))
            assert c.outcome(3) == ("status", 200)


def closes_on_broken_framing():
    cases = (
        ("no preface behind it", b"\0" * 50),
        ("a frame that is too large", h2.frame(h2.DATA, 0, 1, bytes(20000))),
        ("DATA on no stream", h2.frame(h2.DATA, 0, 0, b"x")),
        ("HEADERS on an even stream", h2.headers(2, request())),
        ("bad HPACK", h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, b"\xff\xff\xff\xff\xff")),
        ("SETTINGS of odd length", h2.frame(h2.SETTINGS, 0, 0, b"abc")),
        ("a window that overflows", h2.frame(h2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")),
        ("PUSH_PROMISE from a client", h2.frame(h2.PUSH, 4, 1, bytes(4))),
    )
    for name, data in cases:
        with h2.Connection(PORT) as c:
            c.send(data)
            if name != "no preface behind it":
                assert c.end(), (name, c.goaway)
        with h2.Connection(PORT) as c:
            c.send(h2.headers(1, request(path="/3000000")) + data)  # with a stream under way
            if name != "no preface behind it":
                assert c.end(), (name, c.goaway)


def speaks_http_2_only_where_it_is_asked_to():
    with h2.Connection(PLAIN) as c:
        c.socket.settimeout(20)
        answer = c.socket.recv(100)
        assert answer.startswith(b"HTTP/1.1 ") and answer[9:12] in (b"400", b"505"), answer


def main():
    with Origin(ORIGIN) as origin, bobtail.Proxy(CONFIG, PORT) as proxy:
        answers_or_resets_each_list_of_fields(origin)
        resets_what_is_framed_wrong()
        refuses_large_lists()
        ends_floods()
        ends_floods_for_a_stream_that_has_ended()
        ends_streams_whose_window_stays_shut()
        closes_on_broken_framing()
        speaks_http_2_only_where_it_is_asked_to()
        assert proxy.is_alive(), proxy.output()
        with h2.Connection(PORT) as c:
            c.get(1)
            assert c.outcome(1) == ("status", 200)
        proxy.end()
        assert proxy.process.returncode == 0, proxy.output()


main()
