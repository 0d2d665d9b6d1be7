#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Password before a site: the server knows nothing of users; a helper program of Squid's kind does."""
import base64
import os
import subprocess

import use
import certificates

certificates.skip_without_openssl()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


crypted = subprocess.run(["openssl", "passwd", "-6", "open sesame"], stdout=subprocess.PIPE,
                         check=True).stdout.decode()
origin = use.Origin("app", Cache_Control="no-store")
port = use.port()
helper = os.environ.get("BASIC_AUTH", os.path.abspath("basic_ncsa_auth"))
with use.Proxy(port, f"""
http_port 127.0.0.1:{port} accel defaultsite=www.example
cache_peer 127.0.0.1 parent {origin.port} 0 no-query originserver name=app
auth_param basic program {helper} {{folder}}/passwd
auth_param basic realm Members
acl public urlpath_regex ^/public/
acl members proxy_auth REQUIRED
http_access allow public
http_access allow members
http_access deny all
""", {"passwd": f"ali:{crypted}"}) as proxy:
    for what, path, fields, status in (
            ("a public page", "/public/page", {}, 200),
            ("without a password", "/", {}, 401),
            ("with a wrong one", "/", {"Authorization": basic("ali", "open barley")}, 401),
            ("another user's", "/", {"Authorization": basic("eve", "open sesame")}, 401),
            ("with the right one", "/", {"Authorization": basic("ali", "open sesame")}, 200)):
        reply = use.get(port, path, **fields)
        use.figure(what, f"{reply.status} {reply.fields.get('WWW-Authenticate') or ''}")
        use.expect(f"{what}: {status}", reply.status == status)
    use.expect("the server saw the two that may, and no password",
               [path for _, path, fields in origin.requests if "Authorization" not in fields]
               == ["/public/page", "/"], origin.requests)
    connection = use.connect(port)
    answers = [use.get(connection, "/", Authorization=basic("ali", "open sesame")).status
               for _ in range(300)]
    asked = proxy.metric("bobtail_helper_requests_total")
    use.figure("questions to the helper, for 304 passwords", asked)
    use.expect("who is known is not asked about again", set(answers) == {200} and int(asked) <= 4)
use.finish()
