#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLS for all: servers that only speak HTTP are reached over TLS, each site with its certificate; who
comes without is sent there."""
import os
import ssl
import socket
import tempfile

import use
import certificates

certificates.skip_without_openssl()
SITES = ("shop.example", "wiki.example")

origin = use.Origin("app")
port, tls_port = use.bobtail.free_ports(2)


def handshake(site, protocols=("h2", "http/1.1")):
    """(names of the certificate, protocol, version)"""
    context = use.trusting(authority.pem, protocols)
    with socket.create_connection(("127.0.0.1", tls_port), use.PATIENCE_S) as plain:
        with context.wrap_socket(plain, server_hostname=site) as tls:
            names = [name for _, name in tls.getpeercert()["subjectAltName"]]
            return names, tls.selected_alpn_protocol(), tls.version()


with tempfile.TemporaryDirectory(prefix="bobtail-use.") as folder:
    os.chmod(folder, 0o755)
    os.mkdir(os.path.join(folder, "live"), 0o755)
    authority = certificates.Authority(folder)
    for site in SITES:
        os.mkdir(os.path.join(folder, "live", site), 0o755)
        cert, key = authority.issue(site, [site])
        os.rename(cert, os.path.join(folder, "live", site, "fullchain.pem"))
        os.rename(key, os.path.join(folder, "live", site, "privkey.pem"))
    with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel vhost
https_port 127.0.0.1:{tls_port} accel vhost tls-cert-dir={folder}/live
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=app
security_headers on
acl plain localport {port}
deny_info 308:https://%H%R plain
http_access deny plain
http_access allow all
"""):
        for site in SITES:
            reply = use.get(port, "/a/page?x=1", site)
            use.figure(f"http://{site}/a/page?x=1", f"{reply.status} {reply.fields['Location']}")
            use.expect("without TLS one is sent there",
                       (reply.status, reply.fields["Location"]) == (308, f"https://{site}/a/page?x=1"))
            shown = handshake(site)
            use.figure(f"https://{site}", shown)
            use.expect("its certificate, HTTP/2, TLS 1.3", shown == ([site], "h2", "TLSv1.3"))
        reply = use.get(use.connect(tls_port, use.trusting(authority.pem)), "/", SITES[0])
        use.figure("Strict-Transport-Security", reply.fields["Strict-Transport-Security"])
        use.expect("the page comes, and browsers stay with TLS", reply.status == 200
                   and "max-age" in (reply.fields["Strict-Transport-Security"] or ""))
    use.expect("the server saw what came over TLS alone", len(origin.requests) == 1)
use.finish()
