#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hidden vendors: neither what the servers run on nor that there is a proxy can be seen outside."""
import use

TELLTALES = ("apache", "php", "aspnet", "bobtail", "proxy.example", "squid")
PAGES = {"ERR_ACCESS_DENIED": "<h1>No such page</h1>\n", "ERR_CONNECT_FAIL": "<h1>Out of order</h1>\n"}


def tells(reply):
    """What it gives away, in its head or body."""
    text = "\n".join(f"{name}: {value}" for name, value in reply.fields.items()) + reply.body
    return [word for word in TELLTALES if word in text.lower()]


origin = use.Origin("app", Server="Apache/2.4.1", X_Powered_By="PHP/5.6", X_AspNet_Version="4.0",
                    Cache_Control="max-age=60")
port = use.port()
with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=app
via off
reply_header_access Server deny all
reply_header_access X-Powered-By deny all
reply_header_access X-AspNet-Version deny all
reply_header_access X-Cache deny all
reply_header_access X-Cache-Lookup deny all
reply_header_access X-Squid-Error deny all
reply_header_access Cache-Status deny all
error_directory {{folder}}
acl secret urlpath_regex ^/secret
deny_info 404:ERR_ACCESS_DENIED secret
http_access deny secret
http_access allow all
""", PAGES):
    use.figure("the server itself tells of", tells(use.get(origin.port, "/")))
    for what, path, status in (("a miss", "/", 200), ("a hit", "/", 200),
                               ("a page that is denied", "/secret/plan", 404)):
        reply = use.get(port, path)
        use.figure(f"{what} ({reply.status}) tells of", tells(reply) or "nothing")
        use.expect(f"{what} gives nothing away", reply.status == status and not tells(reply),
                   (str(reply.fields), reply.body))
    origin.stop()
    reply = use.get(port, "/new")
    use.figure(f"an error ({reply.status}) tells of", tells(reply) or "nothing")
    use.expect("an error gives nothing away", reply.status >= 500 and not tells(reply),
               (str(reply.fields), reply.body))
use.finish()
