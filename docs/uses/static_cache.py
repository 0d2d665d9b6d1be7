#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Cache for static files: a server that says nothing of caching is asked once for each file, also
after a restart of the proxy; its pages always come from itself."""
import use

FILES = [f"/static/{i}.{kind}" for i in range(10) for kind in ("css", "js", "png")]
ROUNDS = 20

origin = use.Origin("app", Last_Modified="Mon, 06 Jan 2020 10:00:00 GMT")
port = use.port()


def round_of(_):
    """Each file and a page, ROUNDS times. How many were hits."""
    connection = use.connect(port)
    hits = 0
    for _ in range(ROUNDS):
        hits += sum(use.get(connection, path).is_hit() for path in FILES)
        hits += use.get(connection, "/page").is_hit()
    return hits


def asked():
    paths = [path for _, path, _ in origin.requests]
    return paths.count("/page"), len(paths) - paths.count("/page")


with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=app
acl static urlpath_regex -i \\.(css|js|png|jpg|svg|woff2)$
cache deny !static
refresh_pattern -i \\.(css|js|png|jpg|svg|woff2)$ 1440 50% 10080
cache_mem 16 MB
cache_dir ufs {{folder}}/cache 100 16 256
http_access allow all
""") as proxy:
    hits = sum(use.in_threads(round_of, 4))
    total = 4 * ROUNDS * (len(FILES) + 1)
    pages, files = asked()
    use.figure("requests, answered from the cache", f"{total}, {hits}")
    use.figure("the server was asked for files, pages", f"{files}, {pages}")
    # Two workers that miss at the same moment may both ask.
    use.expect("files were fetched once", len(FILES) <= files <= len(FILES) + 2)
    use.expect("pages are never stored", pages == 4 * ROUNDS)
    use.until(lambda: int(proxy.metric("bobtail_disk_cache_objects")) >= len(FILES))
    proxy.restart()
    hits = sum(use.get(port, path).is_hit() for path in FILES)
    use.figure("hits after a restart", f"{hits} of {len(FILES)}")
    use.expect("all of them, from disk", hits == len(FILES) and asked()[1] == files)
use.finish()
