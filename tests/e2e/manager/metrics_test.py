#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The metrics: valid OpenMetrics, true, bounded, and documented: docs/METRICS.md and the page name
the same ones, and what docs/grafana uses exists."""
import contextlib
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import bobtail
from bobtail import expect
import certificates
import openmetrics
import small_origin

DOCS = os.path.join(HERE, "..", "..", "..", "docs")
SITES_MAX = 100
CERTIFICATES_MAX = 100
CERTIFICATES = 120  # in a folder

CONFIG = r"""
http_port 127.0.0.1:{0} accel vhost defaultsite=site.test
https_port 127.0.0.1:{1} accel vhost defaultsite=site.test tls-cert={folder}/cert.pem tls-key={folder}/cert.key tls-cert-dir={folder}/certs
cache_peer 127.0.0.1 parent {2} 0 no-query originserver name=o\"1
visible_hostname metrics.test
pid_filename {folder}/pid
cache_log {folder}/cache.log
access_log stdio:{folder}/missing/access.log
workers 2
cache_mem 8 MB
cache_dir ufs {folder}/foreign 16 16 256
cache_dir ufs {folder}/cache 16 16 256
url_rewrite_program /bin/sh {folder}/rewriter
url_rewrite_children 2
stats_file {folder}/cache/stats.db
http_access allow all
"""

REWRITER = """while read id rest; do echo "$id ERR"; done
"""


def get(port, path, host="site.test"):
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body


def scrape(port):
    url = f"http://127.0.0.1:{port}/squid-internal-mgr/metrics"
    with urllib.request.urlopen(url, timeout=20) as reply:
        kind = reply.headers["Content-Type"]
        return kind, openmetrics.parse(reply.read().decode())


def sample(families, name, suffix="_total", **labels):
    """The sum of all samples that have these labels."""
    return sum(value for s, have, value in families[name].samples
               if s == suffix and labels.items() <= have.items())


def wait_for(port, holds):
    deadline = time.monotonic() + 20
    while True:
        _, families = scrape(port)
        if holds(families) or time.monotonic() > deadline:
            return families
        time.sleep(0.05)


def test_values(ports):
    for _ in range(3):
        get(ports[0], "/100")
    get(ports[0], "/7", "SHOP.test")
    get(ports[0], "/bad", "gone.test")
    context = ssl._create_unverified_context()
    for _ in range(2):
        url = f"https://127.0.0.1:{ports[1]}/100"
        request = urllib.request.Request(url, headers={"Host": "site.test"})
        with urllib.request.urlopen(request, timeout=20, context=context) as reply:
            expect("TLS is served", len(reply.read()) == 100)
    socket.create_connection(("127.0.0.1", ports[1])).sendall(b"\x16\x03\x01 rubbish") # no handshake
    families = wait_for(ports[0], lambda f: sample(f, "bobtail_tls_failed_handshakes") > 0 and
                        sample(f, "bobtail_site_requests", site="site.test") >= 5)
    for name, labels, value in (
            ("bobtail_site_requests", {"site": "site.test"}, 5),
            ("bobtail_site_hits", {"site": "site.test"}, 3),
            ("bobtail_site_requests", {"site": "shop.test"}, 1),
            ("bobtail_site_hits", {"site": "shop.test"}, 0),
            ("bobtail_tls_handshakes", {}, 2),
            ("bobtail_tls_failed_handshakes", {}, 1),
            ("bobtail_requests_by_protocol", {"tls": "yes", "protocol": "http/1"}, 2),
            ("bobtail_hits", {"tier": "memory"}, 3)):
        have = sample(families, name, **labels)
        expect(f"{name} {labels} is {value}", have == value, have)
    count = sample(families, "bobtail_site_request_duration_seconds", "_count", site="site.test")
    expect("its durations are all counted", count == 5, count)
    total = sample(families, "bobtail_request_duration_seconds", "_sum", kind="all")
    part = sample(families, "bobtail_request_duration_seconds", "_sum", kind="hit")
    expect("hits took a part of the time", 0 <= part <= total < 60, (part, total))
    have = sample(families, "bobtail_peer_requests", peer='o\\"1')
    expect("the peer was asked, and its name is quoted", have >= 4, have)
    have = sample(families, "bobtail_peer_received_bytes")
    expect("what it sent is counted", have >= 207, have)
    expect("and what it was sent", sample(families, "bobtail_peer_sent_bytes") > 100)
    have = sample(families, "bobtail_peer_answer_seconds", "")
    expect("and how long that took", 0 < have < 60, have)
    families = wait_for(ports[0], lambda f: sample(f, "bobtail_lost_log_records") >= 7)
    have = sample(families, "bobtail_lost_log_records")
    expect("records of a log that cannot be opened are lost", have >= 7, have)
    directories = [labels["cache_dir"].rpartition("/")[2]
                   for _, labels, _ in families["bobtail_disk_cache_objects"].samples]
    expect("a cache_dir that cannot be opened does not give its name to another",
           directories == ["cache"], directories)
    expect("the helpers are there", sample(families, "bobtail_helper_requests",
                                           pool="url_rewrite") >= 4)
    workers = {labels["worker"] for _, labels, _ in families["bobtail_worker_requests"].samples}
    expect("so are both workers", workers == {"0", "1"}, workers)
    have = sample(families, "bobtail_certificates", "")
    expect("certificates are counted", have == CERTIFICATES + 1, have)
    expires = [value for _, _, value in families["bobtail_certificate_expiry_seconds"].samples]
    expect("the number of those with a row is bounded", len(expires) == CERTIFICATES_MAX, len(expires))
    first = sample(families, "bobtail_first_certificate_expiry_seconds", "")
    expect("those that expire first have one", time.time() < first == min(expires) < max(expires) - 5 * 86400,
           (first, expires))


def shake(port, name, context, session=None):
    """A request by TLS for a name; the session to go on with."""
    with socket.create_connection(("127.0.0.1", port), 20) as plain, \
         context.wrap_socket(plain, server_hostname=name, session=session) as stream:
        stream.sendall(f"GET /100 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        while stream.recv(65536):
            pass
        return stream.session


def refuse(port, name):
    """A client that knows nobody who could have signed the certificate."""
    try:
        shake(port, name, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    except ssl.SSLCertVerificationError:
        return
    expect("nobody trusts the certificate", False)


def test_tls_sites(ports):
    newest, older = ssl._create_unverified_context(), ssl._create_unverified_context()
    newest.minimum_version = ssl.TLSVersion.TLSv1_3
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    older.check_hostname = False
    session = shake(ports[1], "named.test", older)
    shake(ports[1], "named.test", older, session)
    shake(ports[1], "Named.TEST", newest)
    refuse(ports[1], "named.test")
    for _ in range(2):
        refuse(ports[1], "wild.site.test")
        refuse(ports[1], "unknown.test")
    before = scrape(ports[0])[1]
    shake(ports[1], "wild.site.test", newest)  # its answer makes it a site
    families = wait_for(ports[0], lambda f: sample(f, "bobtail_site_requests", site="wild.site.test"))
    shake(ports[1], "wild.site.test", newest)
    families = wait_for(ports[0], lambda f: sample(f, "bobtail_site_requests", site="wild.site.test") > 1)
    for name, labels, value in (
            ("bobtail_site_tls_handshakes", {"site": "named.test"}, 3),
            ("bobtail_site_tls_resumed_handshakes", {"site": "named.test"}, 1),
            ("bobtail_site_tls_failed_handshakes", {"site": "named.test"}, 1),
            ("bobtail_site_tls_handshakes", {"site": "wild.site.test"}, 1),
            ("bobtail_site_tls_failed_handshakes", {"site": "(other)"}, 5),
            ("bobtail_site_tls_handshakes", {"site": "(other)"}, 3),
            ("bobtail_tls_handshakes_by_version", {"version": "TLS/1.2"}, 2)):
        have = sample(families, name, **labels)
        expect(f"{name} {labels} is {value}", have == value, have)
    expect("no handshake that fails names a site", "unknown.test" not in str(before["bobtail_site_tls_handshakes"].samples))
    for kind, name in (("full", "bobtail_tls_handshakes"), ("resumed", "bobtail_tls_resumed_handshakes")):
        timed = sample(families, "bobtail_tls_handshake_duration_seconds", "_count", kind=kind)
        counted = sample(families, name) - (sample(families, "bobtail_tls_resumed_handshakes")
                                            if kind == "full" else 0)
        expect(f"{kind} handshakes are all timed", timed == counted > 0, (timed, counted))


def test_parts(families):
    """What tiers and workers counted adds up to the whole."""
    for parts, whole, suffix in (
            ("bobtail_hit_duration_seconds", "bobtail_hits", "_count"),
            ("bobtail_worker_hits", "bobtail_hits", "_total"),
            ("bobtail_worker_sent_bytes", "bobtail_client_sent_bytes", "_total"),
            ("bobtail_worker_received_bytes", "bobtail_client_received_bytes", "_total")):
        have = sample(families, parts, suffix), sample(families, whole)
        expect(f"{parts} add up", have[0] == have[1] > 0, have)
    have = [sum(value for suffix, labels, value in families[name].samples
                if suffix == "_count" and labels.get("kind", "all") == "all")
            for name in ("bobtail_worker_request_duration_seconds", "bobtail_request_duration_seconds")]
    expect("so do the times of workers", have[0] == have[1] > 0, have)
    answers = sample(families, "bobtail_peer_answer_duration_seconds", "_count")
    asked = sample(families, "bobtail_peer_requests")
    expect("the peer's answers are timed", 0 < answers <= asked, (answers, asked))
    sent = sample(families, "bobtail_origin_requests")
    expect("what it was asked is counted once", asked == sent, (asked, sent))


def test_bound(port):
    for i in range(SITES_MAX + 20):
        get(port, "/5", f"host{i}.test")
    families = wait_for(port, lambda f: sample(f, "bobtail_site_requests", site="(other)") >= 20)
    sites = {labels["site"] for _, labels, _ in families["bobtail_site_requests"].samples}
    expect("the number of sites is bounded", len(sites) == SITES_MAX + 1, len(sites))
    expect("a bad answer names no site", "gone.test" not in sites)
    get(port, "/" + "x" * 300, "z" * 180 + ".test")
    families = wait_for(port, lambda f: True)
    expect("nor does a long name", not any("zzz" in labels["site"] for _, labels, _ in
                                           families["bobtail_site_requests"].samples))


def documented():
    rows = {}
    with open(os.path.join(DOCS, "METRICS.md"), encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) == 5 and cells[0].startswith("`bobtail_"):
                rows[cells[0].strip("`")] = (cells[1], cells[2], cells[3].replace("`", ""))
    return rows


def test_documents(families):
    rows = documented()
    expect("what is documented is there, and the other way round", set(rows) == set(families),
           set(rows) ^ set(families))
    for name, family in families.items():
        labels = ", ".join(k for k in (family.samples[0][1] if family.samples else {}) if k != "le")
        row = (family.kind, family.unit or "", labels)
        expect(f"{name} is as documented", rows.get(name) == row, (rows.get(name), row))
        expect(f"{name} is explained", family.help and family.help.endswith("."), family.help)
        expect(f"{name} has samples", family.samples)


def full_names(families):
    return {name + suffix for name, family in families.items()
            for suffix in openmetrics.TYPES[family.kind]}


def test_boards(families):
    names = full_names(families)
    folder = os.path.join(DOCS, "grafana")
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), encoding="utf-8") as text:
            used = set(re.findall(r"bobtail_\w+", text.read()))
        expect(f"{file} uses metrics", len(used) > 3, used)
        expect(f"{file} uses none that is not there", used <= names, used - names)


def test_tool(config, families):
    told = subprocess.run(["./bobtailctl", "-f", config, "metrics"], capture_output=True, text=True,
                          check=False)
    expect("bobtailctl metrics is valid", told.returncode == 0, told.stderr)
    expect("and has the same metrics", set(openmetrics.parse(told.stdout)) == set(families))


def test_minutes(path, families):
    """What the metrics counted is in the file when the proxy has ended."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT site, sum(requests), sum(hits), sum(bytes_out) FROM minutes"
                          " GROUP BY site").fetchall()
        shown = db.execute("SELECT time, site, requests, hit_percent FROM by_minute").fetchall()
    for site, *counts in rows:
        have = [sample(families, "bobtail_site_" + name, site=site)
                for name in ("requests", "hits", "sent_bytes")]
        expect(f"the minutes of {site} are those of the metrics", counts == have, (counts, have))
    expect("all sites are there", len(rows) == SITES_MAX + 1, len(rows))
    expect("a shell sees minutes", shown and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", shown[0][0]),
           shown[:3])


def issue(folder):
    """A certificate, and those of a folder, of which the last one expires first."""
    authority = certificates.Authority(folder)
    authority.issue("cert", ["site.test", "*.site.test", "named.test"])
    other = authority.issue("other", ["other.test"], days=60)
    first = authority.issue("first", ["first.test"], days=20)
    os.makedirs(folder + "/certs")
    for i in range(CERTIFICATES):
        for path, suffix in zip(first if i == CERTIFICATES - 1 else other, ("crt", "key")):
            os.link(path, f"{folder}/certs/{i:03}.{suffix}")


def main():
    bobtail.skip_without_program()
    certificates.skip_without_openssl()
    ports = bobtail.free_ports(3)
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-metrics.")
    os.chmod(folder, 0o777)
    os.makedirs(folder + "/cache", exist_ok=True)
    os.chmod(folder + "/cache", 0o777)
    os.makedirs(folder + "/foreign", exist_ok=True)
    os.chmod(folder + "/foreign", 0o777)
    sqlite3.connect(folder + "/foreign/cache.db").execute("CREATE TABLE mine (x)").connection.close()
    os.chmod(folder + "/foreign/cache.db", 0o666)
    issue(folder)
    with open(folder + "/rewriter", "w", encoding="ascii") as file:
        file.write(REWRITER)
    try:
        with small_origin.Origin(ports[2]), \
             bobtail.Proxy(CONFIG.format(*ports, folder=folder), ports[0]) as proxy:
            test_values(ports)
            test_tls_sites(ports)
            test_bound(ports[0])
            kind, families = scrape(ports[0])
            expect("the type is OpenMetrics'", kind ==
                   "application/openmetrics-text; version=1.0.0; charset=utf-8", kind)
            test_parts(families)
            test_documents(families)
            test_boards(families)
            test_tool(proxy.config, families)
        test_minutes(folder + "/cache/stats.db", families)
    finally:
        bobtail.shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


main()
