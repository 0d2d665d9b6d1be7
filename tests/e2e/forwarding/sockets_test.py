#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcp_outgoing_address, tcp_outgoing_tos, clientside_tos and tcp_recv_bufsize: the proxy's sockets are
looked at (pidfd_getfd), and the origin sees where its connections come from."""
import ctypes
import http.client
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail
from small_origin import Origin

bobtail.skip_without_program()
PORT, ORIGIN = bobtail.free_ports(2)
SYS_PIDFD_GETFD = 438
RECV_BYTES = 30000  # the system doubles it
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel vhost
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
http_access allow all
cache deny all
acl other dstdomain other.example
acl peer peername o
acl marked dstdomain marked.example
tcp_outgoing_address ::1 all
tcp_outgoing_address 127.0.0.2 other peer
tcp_outgoing_tos 0x20 marked
clientside_tos 0x48 marked
tcp_recv_bufsize {RECV_BYTES} bytes
access_log none
cache_log /dev/stdout
pid_filename none
workers 1
"""


def sockets_of(pid):
    """Copies of a process's TCP sockets; None: this system does not give them."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(name), 0)
        if fd < 0 and ctypes.get_errno() != 9:  # EBADF: closed meanwhile
            return None
        if fd < 0:
            continue
        try:
            found.append(socket.socket(fileno=fd))
            found[-1].getsockname()
        except OSError:
            if not found or found[-1].fileno() != fd:
                os.close(fd)
    os.close(pidfd)
    return [each for each in found if each.family == socket.AF_INET]


def options_of(sock):
    return (
        sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
    )


def peer_port(sock):
    try:
        return sock.getpeername()[1]
    except OSError:
        return 0


def get(client, host):
    client.request("GET", "/1", headers={"Host": host})
    reply = client.getresponse()
    reply.read()
    return reply.status


def source(origin):
    """The address that the last request came from, and its connection."""
    connection = origin.requests[-1][2]
    return connection.getpeername()


with Origin(ORIGIN) as origin, bobtail.Proxy(CONFIG, PORT) as proxy:
    client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    status = get(client, "a.example")
    plain = source(origin)
    bobtail.expect("the system chooses an address", status == 200 and plain[0] == "127.0.0.1", plain)
    status = get(client, "other.example")
    chosen = source(origin)
    bobtail.expect("tcp_outgoing_address is ours", status == 200 and chosen[0] == "127.0.0.2", chosen)
    get(client, "a.example")
    bobtail.expect("connections are used again where they begin", source(origin) == plain, source(origin))
    get(client, "other.example")
    bobtail.expect("for either address", source(origin) == chosen, source(origin))

    sockets = sockets_of(proxy.process.pid)
    if sockets is None:
        print("skipped: this system shows no sockets of others")
    else:
        own = client.sock.getsockname()[1]
        ours = [options_of(each) for each in sockets if peer_port(each) == own]
        bobtail.expect("a client's packets are not marked", [tos for tos, _ in ours] == [0], ours)
        buffers = {size for _, size in map(options_of, sockets)}
        bobtail.expect("tcp_recv_bufsize holds for all", buffers == {2 * RECV_BYTES}, buffers)
        get(client, "marked.example")
        # The idle connection of the first request was taken, and marked.
        sockets = sockets_of(proxy.process.pid)
        ours = [options_of(each)[0] for each in sockets if peer_port(each) == own]
        theirs = sorted(options_of(each)[0] for each in sockets if peer_port(each) == ORIGIN)
        bobtail.expect("clientside_tos marks the client's", ours == [0x48], ours)
        bobtail.expect("tcp_outgoing_tos marks the server's", theirs == [0, 0x20], theirs)
    client.close()
bobtail.finish()
