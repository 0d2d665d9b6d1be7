#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Firewall rules: what never is a request of a visitor does not reach the server, and the log says so."""
import use

origin = use.Origin("app", Cache_Control="no-store")
port = use.port()

# (what, method, path, fields, body, status)
REQUESTS = (
    ("a page", "GET", "/page?x=1", {}, None, 200),
    ("a form", "POST", "/contact", {}, b"x" * 1000, 200),
    ("a dot file", "GET", "/.env", {}, None, 403),
    ("a repository", "GET", "/app/.git/config", {}, None, 403),
    ("an ACME challenge", "GET", "/.well-known/security.txt", {}, None, 200),
    ("a way out of the folder", "GET", "/images/%2e%2e/%2e%2e/etc/passwd", {}, None, 403),
    ("the admin's pages, from the office", "GET", "/admin/", {"X_Forwarded_For": "192.0.2.7"}, None, 200),
    ("the admin's pages, from elsewhere", "GET", "/admin/", {"X_Forwarded_For": "198.51.100.7"}, None, 403),
    ("a scanner by its name", "GET", "/", {"User_Agent": "sqlmap/1.7"}, None, 403),
    ("a method of editors", "PROPFIND", "/", {}, None, 403),
    ("a body of 800 KB", "POST", "/contact", {}, b"x" * 800_000, 413),
)

with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=app
follow_x_forwarded_for allow localhost
request_body_max_size 512 KB
acl office src 192.0.2.0/24
acl usual method GET HEAD POST OPTIONS
acl wellknown urlpath_regex ^/\\.well-known/
acl hidden urlpath_regex /\\.
acl traversal urlpath_regex -i (\\.|%2e){{2}}(/|%2f|\\\\|%5c|$)
acl admin urlpath_regex -i ^/(admin|wp-admin|phpmyadmin)(/|$)
acl scanners browser -i sqlmap nikto masscan
http_access deny !usual
http_access deny scanners
http_access deny traversal
http_access deny hidden !wellknown
http_access deny admin !office
http_access allow all
""") as proxy:
    for what, method, path, fields, body, status in REQUESTS:
        reply = use.get(port, path, method=method, body=body, **fields)
        use.figure(what, reply.status)
        use.expect(f"{what}: {status}", reply.status == status)
    good = [(method, path) for _, method, path, _, _, status in REQUESTS if status == 200]
    use.expect("the server saw the good ones alone",
               [(method, path) for method, path, _ in origin.requests] == good, origin.requests)
    denied = sum(status == 403 for *_, status in REQUESTS)
    use.expect("each refusal is a line of the log",
               use.until(lambda: proxy.access_log().count("TCP_DENIED/403") == denied), proxy.access_log())
use.finish()
