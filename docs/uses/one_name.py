#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Several servers as one name: the shop, the wiki and all else of www.example are three servers."""
import use

shop, wiki, rest = use.Origin("shop"), use.Origin("wiki"), use.Origin("rest")
port = use.port()
with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {shop.port} 0 no-query originserver name=shop
cache_peer 127.0.0.1 parent {wiki.port} 0 no-query originserver name=wiki
cache_peer 127.0.0.1 parent {rest.port} 0 no-query originserver name=rest
acl shop urlpath_regex ^/shop/
acl wiki urlpath_regex ^/wiki/
cache_peer_access shop allow shop
cache_peer_access wiki allow wiki
cache_peer_access rest deny shop
cache_peer_access rest deny wiki
http_access allow all
"""):
    wrong = 0
    connection = use.connect(port)
    for i in range(300):
        folder = ("shop", "wiki", "rest")[i % 3]
        path = f"/{folder}/{i}" if folder != "rest" else f"/shopping/{i}"
        wrong += use.get(connection, path).body != f"{folder} {path}\n"
    for origin in (shop, wiki, rest):
        use.figure(f"requests to the server {origin.name}", len(origin.requests))
    use.figure("answers of a wrong server", wrong)
    use.expect("each path was answered by its server", wrong == 0)
    use.expect("every server saw www.example",
               all(fields["Host"] == "www.example" for origin in (shop, wiki, rest)
                   for _, _, fields in origin.requests))
use.finish()
