# SPDX-License-Identifier: BSD-2-Clause
"""A TLS client for the tests of this folder: connections that check certificates, requests on them."""
import socket
import ssl
import time


def context(authority, version=None, cert=None):
    made = ssl.create_default_context(cafile=authority.pem)
    if version:
        made.minimum_version = made.maximum_version = version
    if cert:
        made.load_cert_chain(*cert)
    return made


def connect(made, port, name, session=None):
    plain = socket.create_connection(("127.0.0.1", port), 20)
    try:
        return made.wrap_socket(plain, server_hostname=name, session=session)
    except OSError:
        plain.close()
        raise


def ask(connection, path="/", host="a.example", body=b"", fields=""):
    """One request over a connection that stays: the status and the body of its answer."""
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    connection.sendall(head.encode() + b"\r\n")
    if body:
        connection.sendall(body)
    got = bytearray()
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        assert piece, f"the connection ended within a head: {got!r}"
        got += piece
    answer, _, rest = bytes(got).partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in answer.split(b"\r\n")
                  if line.lower().startswith(b"content-length:"))
    content = bytearray(rest)
    while len(content) < length:
        piece = connection.recv(1 << 20)
        assert piece, "the connection ended within a body"
        content += piece
    return int(answer.split()[1]), bytes(content)


def common_name(connection):
    return dict(part[0] for part in connection.getpeercert()["subject"])["commonName"]


def serial(connection):
    return connection.getpeercert()["serialNumber"]


def secrets(path):
    """What lines of SSLKEYLOGFILE a file holds: those that a capture is read with."""
    wanted = ("CLIENT_RANDOM", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
              "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")
    with open(path, encoding="ascii") as file:
        return {line for line in file.read().lower().splitlines()
                if line.split()[0].upper() in wanted}


def eventually(what, condition, seconds=30):
    """Waits until the condition holds; returns the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        try:
            if condition():
                return time.monotonic() - began
        except (OSError, AssertionError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"this did not come about: {what}")
