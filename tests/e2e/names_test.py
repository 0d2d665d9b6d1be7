#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of the DNS: names of addresses for srcdomain and dstdomain, names of hosts with
append_domain, and a peer whose name changes: positive_dns_ttl."""
import http.client
import os
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import bobtail
from name_server import NameServer
from small_origin import Origin

bobtail.skip_without_program()
PORT, ORIGIN, DNS = bobtail.free_ports(3)
FOLDER = tempfile.mkdtemp(prefix="bobtail-names.")
os.chmod(FOLDER, 0o777)
LOCAL = "1.0.0.127.in-addr.arpa"
CONFIG = f"""
http_port 127.0.0.1:{PORT} accel vhost
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=o
dns_nameservers 127.0.0.1:{DNS}
hosts_file none
visible_hostname names.example
cache_log /dev/stdout
pid_filename none
logformat times %rm %ru %dt
access_log stdio:{FOLDER}/log times
workers 1
"""


def get(path, host, method="GET"):
    client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    client.request(method, path, headers={"Host": host})
    reply = client.getresponse()
    reply.body = reply.read()
    client.close()
    return reply


def logged():
    with open(f"{FOLDER}/log", encoding="ascii") as file:
        return file.read()


def records(**more):
    known = {
        (LOCAL, "PTR"): "Gate.Client.Example",
        ("9.2.0.192.in-addr.arpa", "PTR"): "www.site.example",
        ("7.2.0.192.in-addr.arpa", "PTR"): None,
    }
    known.update(more)
    return known


def names_of_clients():
    config = CONFIG + """
acl ours srcdomain .client.example
acl by_regex srcdom_regex ^gate\\.
acl both all-of ours by_regex
http_access allow both
http_access deny all
"""
    with NameServer(DNS, records()) as dns, bobtail.Proxy(config, PORT):
        statuses = [get("/1", "a.example").status for _ in range(3)]
        bobtail.expect("a client is let in by its name", statuses == [200] * 3, statuses)
        asked = dns.questions.count((LOCAL, "PTR"))
        bobtail.expect("its name is asked for once", asked == 1, dns.questions)
    with NameServer(DNS, {}), bobtail.Proxy(config, PORT):
        status = get("/1", "a.example").status
        bobtail.expect("a client without a name is not", status == 403, status)
    config = CONFIG + "acl nameless srcdomain none\nhttp_access allow nameless\nhttp_access deny all\n"
    with NameServer(DNS, {}), bobtail.Proxy(config, PORT):
        status = get("/1", "a.example").status
        bobtail.expect("one without a name is called none", status == 200, status)


def names_of_sites():
    config = CONFIG + """
dns_timeout 1 seconds
acl site dstdomain .site.example
acl literal dstdomain -n .site.example
acl unknown dstdom_regex ^none$
acl strictly method HEAD
http_access deny strictly literal
http_access allow site
http_access deny unknown
acl gone dstdomain gone.example
always_direct allow gone
http_access allow all
"""
    with NameServer(DNS, records()) as dns, bobtail.Proxy(config, PORT):
        status = get("/1", "192.0.2.9").status
        bobtail.expect("an address is its site by its name", status == 200, status)
        status = get("/1", "192.0.2.9", "HEAD").status
        bobtail.expect("but not with -n", status not in (403, 503), status)
        status = get("/1", "192.0.2.8").status
        bobtail.expect("one without a name is called none", status == 403, status)
        status = get("/1", "www.site.example").status
        asked = [name for name, what in dns.questions if what == "PTR"]
        bobtail.expect("a name needs no question", status == 200 and len(asked) == 2, asked)
        reply = get("/1", "gone.example")
        bobtail.expect("who asks for a name without an address is told why",
                       reply.status == 503 and b"(there is no such name)" in reply.body, reply.body)
        get("/2", "gone.example")
        asked = dns.questions.count(("gone.example", "A"))
        bobtail.expect("a failure is remembered for negative_dns_ttl", asked == 1, asked)
        bobtail.expect_soon("%dt is the time that names took", lambda: re.search(
            r"http://gone.example/1 \d+\n", logged()))
        start = time.monotonic()
        status = get("/1", "192.0.2.7").status
        took = time.monotonic() - start
        bobtail.expect("a server that is silent costs dns_timeout", status == 403 and took < 15, took)


def names_of_hosts():
    config = CONFIG + """
append_domain .corp.example
check_hostnames on
allow_underscore off
acl own dstdomain intra.corp.example
http_access allow own
http_access deny all
"""
    with bobtail.Proxy(config, PORT):
        status = get("/1", "intra").status
        bobtail.expect("a name without a dot gets append_domain", status == 200, status)
        status = get("/1", "intra.example").status
        bobtail.expect("one with a dot does not", status == 403, status)
        status = get("/1", "in_tra").status
        bobtail.expect("an underscore is refused", status == 400, status)


PEER_BY_NAME = CONFIG.replace("127.0.0.1 parent", "peer.example parent") + """
positive_dns_ttl 1 second
server_persistent_connections off
cache deny all
http_access allow all
"""


def nrequests(origin, count):
    """Of so many, those that this origin gets."""
    before = len(origin.requests)
    for _ in range(count):
        get("/1", "a.example")
    return len(origin.requests) - before


def names_of_peers():
    """Each request needs a new connection, and is a request of its own. A record is kept for 60 s."""
    a_record = ("peer.example", "A")
    with NameServer(DNS, {}) as dns, Origin(ORIGIN, None, "127.0.0.2") as second, \
            bobtail.Proxy(PEER_BY_NAME, PORT) as proxy:
        status = get("/1", "a.example").status
        bobtail.expect("a peer without an address serves nothing", status >= 500, status)
        dns.records[a_record] = ["127.0.0.1", "127.0.0.2"]
        bobtail.expect_soon("it is asked for again long before negative_dns_ttl is over",
                            lambda: get("/1", "a.example").status == 200)
        del second.requests[:], dns.questions[:]
        first_had = len(ORIGIN_SERVER.requests)
        statuses = [get("/1", "a.example").status for _ in range(20)]
        shares = len(ORIGIN_SERVER.requests) - first_had, len(second.requests)
        bobtail.expect("its addresses take turns", statuses == [200] * 20 and shares == (10, 10),
                       (statuses, shares))
        asked = dns.questions.count(a_record)
        bobtail.expect("which needs no question each", asked < 10, dns.questions)
        del dns.records[a_record]
        statuses = []
        bobtail.expect_soon("after positive_dns_ttl it is asked for again",
                            lambda: statuses.append(get("/1", "a.example").status)
                            or "its last addresses are used" in proxy.output())
        statuses += [get("/1", "a.example").status for _ in range(20)]
        bobtail.expect("its last good addresses are kept", set(statuses) == {200}, statuses)
        dns.records[a_record] = "127.0.0.2"
        bobtail.expect_soon("and left when there is another",
                            lambda: nrequests(second, 4) == 4)


def one_of_many():
    """Nobody listens at 21 of its addresses."""
    records = {("peer.example", "A"): [f"127.0.9.{i}" for i in range(1, 22)] + ["127.0.0.1"]}
    with NameServer(DNS, records), bobtail.Proxy(PEER_BY_NAME, PORT):
        statuses = [get("/1", "a.example").status for _ in range(30)]
        bobtail.expect("the address that works is found at once", statuses == [200] * 30, statuses)


with Origin(ORIGIN) as ORIGIN_SERVER:
    names_of_clients()
    names_of_sites()
    names_of_hosts()
    names_of_peers()
    one_of_many()
shutil.rmtree(FOLDER, ignore_errors=True)
bobtail.finish()
