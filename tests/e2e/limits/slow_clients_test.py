#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""client_minimum_rate: who sends its request or takes its reply a byte at a time is let go soon, by HTTP/1
and HTTP/2; who is slow but honest, or waits for a slow origin, is served. Everybody comes at once."""
import errno
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
import h2_frames as h2
from small_origin import Origin

bobtail.skip_without_program()
PORT, ORIGIN, LATE = bobtail.free_ports(3)
STEP_S = 0.1        # between two bytes of who is too slow: a hundredth of the rate
PATIENCE_S = 45     # nobody of them may be there for longer
LARGE = 20_000_000  # more than the sockets between the two hold

CONFIG = f"""
http_port 127.0.0.1:{PORT} accel defaultsite=a.example h2c
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
cache_peer 127.0.0.1 parent {LATE} 0 no-query originserver name=late
acl late urlpath_regex ^/late
cache_peer_access late allow late
cache_peer_access o deny late
http_access allow all
acl manager_page urlpath_regex ^/squid-internal-mgr/
cachemgr_passwd none all
cache_mem 64 MB
maximum_object_size_in_memory 32 MB
access_log none
cache_log /dev/stderr
debug_options ALL,2
pid_filename none
workers 1
shutdown_lifetime 1 second
client_minimum_rate 1000 bytes
client_minimum_rate_time 1 second
"""

GET = b"GET %s HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: a.example\r\n%s\r\n\r\n"


def late_origin(listener):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=answer_late, args=(conn,), daemon=True).start()


def answer_late(conn):
    """A POST gets nothing; else the answer begins late, and its body of 6 bytes comes slowly."""
    with conn:
        if conn.recv(65536).startswith(b"POST"):
            while conn.recv(65536):
                pass
            return
        time.sleep(1.5)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nCache-Control: no-store\r\n\r\n")
        for byte in b"slowly":
            time.sleep(0.4)
            conn.sendall(bytes([byte]))


def connect(receive_bytes=0):
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(PATIENCE_S)
    sock.connect(("127.0.0.1", PORT))
    return sock


def read_all(sock):
    got = b""
    try:
        while data := sock.recv(1 << 16):
            got += data
    except ConnectionResetError:
        pass
    return got


def trickle(first, one, status):
    """Sends `first`, then `one` again and again; what comes, if anything, is `status`."""
    sock = connect()
    sock.sendall(first)
    deadline = time.monotonic() + PATIENCE_S
    sock.settimeout(STEP_S)
    got = None
    while got is None and time.monotonic() < deadline:
        try:
            sock.sendall(one)
            got = sock.recv(65536)
        except (TimeoutError, socket.timeout):
            continue
        except (BrokenPipeError, ConnectionResetError):
            got = b""
    assert got is not None, "it is still there"
    assert got[9:12] == status, got


def head_in_bits():
    trickle(b"GET / HTTP/1.1\r\n", b"a", b"408")


def body_in_bits():
    trickle(POST % (b"/late", b"Content-Length: 5000"), b"a", b"")


def chunks_in_bits():
    trickle(POST % (b"/late", b"Transfer-Encoding: chunked"), b"1\r\na\r\n", b"")


def read_in_bits(sock):
    """Until a reset says that it takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != errno.ECONNRESET:
        assert time.monotonic() < deadline, "it is still there"
        assert sock.recv(10), "no reset shows that the reply was cut short"
        time.sleep(STEP_S)


def reply_in_bits():
    sock = connect(receive_bytes=2304)
    sock.sendall(GET % b"/%d" % LARGE)
    read_in_bits(sock)


def h2_request(path, *fields, **changed):
    own = {name: changed.get(name[1:], path if name == ":path" else value) for name, value in h2.REQUEST}
    return [*own.items(), *fields]


def h2_body_in_bits():
    with h2.Connection(PORT) as c:
        c.send(h2.headers(1, h2_request("/late", ("content-length", "5000"), method="POST"), h2.END_HEADERS))
        deadline = time.monotonic() + PATIENCE_S
        while not c.wait(lambda c: 1 in c.resets, STEP_S):
            assert time.monotonic() < deadline and not c.is_closed, "it is still there"
            c.send(h2.frame(h2.DATA, 0, 1, b"a"))
        c.get(3)  # the stream alone is at fault
        assert c.outcome(3) == ("status", 200), c.outcome(3)


def h2_window_in_bits():
    with h2.Connection(PORT, window=10) as c:
        c.get(1, "/5000")
        deadline = time.monotonic() + PATIENCE_S
        while not c.wait(lambda c: 1 in c.resets, STEP_S):
            assert time.monotonic() < deadline and not c.is_closed, "it is still there"
            c.send(h2.frame(h2.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"))
        assert c.resets[1] == h2.CANCEL and c.statuses[1] == 200, (c.resets, c.statuses)


def h2_connection_window_shut():
    """The windows of streams are wide, that of the connection is never opened."""
    with h2.Connection(PORT, window=LARGE) as c:
        c.get(1, "/%d" % LARGE)
        assert c.wait(lambda c: c.is_closed, PATIENCE_S), "it is still there"


def h2_reply_in_bits():
    with h2.Connection(PORT, connection=connect(receive_bytes=2304), window=LARGE) as c:
        c.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, LARGE.to_bytes(4, "big")))
        c.get(1, "/%d" % LARGE)
        read_in_bits(c.socket)


def honest_sender():
    """Eight times as fast as it must be, for three periods."""
    sock = connect()
    sock.sendall(POST % (b"/p", b"Content-Length: 24000"))
    for _ in range(30):
        sock.sendall(b"a" * 800)
        time.sleep(STEP_S)
    assert sock.recv(65536).startswith(b"HTTP/1.1 200 "), "an honest upload is served"


def honest_reader():
    sock = connect(receive_bytes=2304)
    sock.sendall(GET.replace(b"1.1", b"1.0", 1) % b"/400000")
    got = 0
    for _ in range(30):
        got += len(sock.recv(2000))
        time.sleep(STEP_S)
    got += len(read_all(sock))
    assert got > 400000, got


def waits_for_a_late_origin():
    sock = connect()
    sock.sendall(GET.replace(b"1.1", b"1.0", 1) % b"/late")
    assert read_all(sock).endswith(b"\r\n\r\nslowly"), "the origin is slow, not the client"


def idle_then_asks():
    sock = connect()
    time.sleep(1.3)
    for _ in range(2):
        sock.sendall(GET % b"/3")
        got = b""
        while not got.endswith(b"\r\n\r\nxxx"):
            piece = sock.recv(65536)
            assert piece, "who asks for nothing may wait"
            got += piece
        assert got.startswith(b"HTTP/1.1 200 "), got
        time.sleep(1.3)


SLOW = (head_in_bits, body_in_bits, chunks_in_bits, reply_in_bits, h2_body_in_bits, h2_window_in_bits,
        h2_connection_window_shut, h2_reply_in_bits)
HONEST = (honest_sender, honest_reader, waits_for_a_late_origin, idle_then_asks)


def metric(name):
    sock = connect()
    sock.sendall(GET.replace(b"1.1", b"1.0", 1) % b"/squid-internal-mgr/metrics")
    lines = read_all(sock).decode("latin-1").splitlines()
    return [line for line in lines if line.startswith(name + "_total ")]


def play(case, failures):
    began = time.monotonic()
    try:
        case()
    except Exception as error:  # pylint: disable=broad-exception-caught
        failures.append((case.__name__, repr(error)))
    print(f"{case.__name__}: {time.monotonic() - began:.1f} s")


def main():
    failures = []
    threads = [threading.Thread(target=play, args=(case, failures)) for case in SLOW + HONEST]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bobtail.expect("the slow are let go, the honest are served", not failures, failures)
    counted = metric("bobtail_slow_clients")
    bobtail.expect("and counted", counted == [f"bobtail_slow_clients_total {len(SLOW)}"], counted)


with socket.create_server(("127.0.0.1", LATE)) as late, Origin(ORIGIN), \
        bobtail.Proxy(CONFIG, PORT) as proxy:
    threading.Thread(target=late_origin, args=(late,), daemon=True).start()
    main()
    bobtail.expect("cache.log tells of each", proxy.output().count("than client_minimum_rate") == len(SLOW),
                   proxy.output())
bobtail.finish()
