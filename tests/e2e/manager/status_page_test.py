#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The status page: valid and escaped, useful without a script and refreshed with it, and its buttons only for
who may, from our own page. In Chromium where there is one; `--screenshots FOLDER` writes wide.png and
narrow.png after some minutes of load."""
import base64
import html.parser
import http.client
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), HERE]
import bobtail
from bobtail import expect
import certificates
import status_site

ROOT = "/squid-internal-mgr/"
EXTRA = "cachemgr_passwd secret purge drain\n"
VOID = {"meta", "link", "input", "br"}
PLOT_PARTS = {"path", "svg", "g", "title"}
SHOT_S = 200


class Page(html.parser.HTMLParser):
    """Elements in their order; whatever is not closed as it should be is an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.errors, self.all, self.ids = [], [], [], []
        self.feed(text)
        self.errors += self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.all.append((tag, attrs))
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append("/" + tag)

    def find(self, tag, **attrs):
        return [have for name, have in self.all if name == tag and attrs.items() <= have.items()]


def ask(port, path="", method="GET", body=None, connection=None, **fields):
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request(method, ROOT + path, body, fields)
    reply = connection.getresponse()
    text = reply.read().decode("latin-1")
    connection.close()
    return reply, text


def basic(password):
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def browse(port, **fields):
    return ask(port, Accept="text/html,application/xhtml+xml,*/*;q=0.8", **fields)


def test_page(port):
    reply, text = browse(port)
    page = Page(text)
    expect("a browser gets a page", reply.getheader("Content-Type") == "text/html;charset=utf-8")
    expect("all others the menu", ask(port)[1] == ask(port, "menu")[1] != text)
    expect("its elements are closed", not page.errors, page.errors)
    expect("ids are unique", len(page.ids) == len(set(page.ids)), page.ids)
    policy = reply.getheader("Content-Security-Policy") or ""
    expect("nothing from elsewhere may load", policy.startswith("default-src 'none';"), policy)
    expect("nothing within it is script or style",
           not page.find("style") and "unsafe" not in policy and
           all("style" not in attrs and not any(a.startswith("on") for a in attrs)
               for _, attrs in page.all))
    outside = [attrs for _, attrs in page.all for key in ("src", "href")
               if re.match(r"(?!data:)\w+:|//", attrs.get(key, ""))]
    expect("nothing refers to elsewhere", not outside, outside)
    expect("it has landmarks", all(len(page.find(tag)) == 1 for tag in ("header", "main", "footer", "h1")))
    tables = len(page.find("table"))
    expect("tables have captions", tables >= 6 and len(page.find("caption")) == tables, tables)
    expect("columns and rows have heads", page.find("th", scope="col") and page.find("th", scope="row"))
    heads = [attrs.get("data-head") for tag, attrs in page.all if tag == "td"]
    expect("cells can stand without their column", len(heads) > 20 and all(heads), heads[:9])
    expect("plots have titles", len(page.find("svg", role="img")) == len(page.find("title")) - 1 == 3)
    expect("a script in an URL is text", "<script>alert" not in text and "&lt;script&gt;alert" in text)
    expect("so is a tag in an error's", "<b>away" not in text and "&lt;b&gt;away" in text)
    expect("it names sites", "shop.example" in text and "static.example" in text)
    expect("and peers", "front" in text and "spare" in text)
    expect("and when a certificate expires", "certificates" in page.ids)
    live = Page(ask(port, "status_live")[1])
    expect("the part that is fetched is whole", not live.errors and live.find("table"), live.errors)
    expect("a script may not be guessed", ask(port, "status.js")[0].getheader("X-Content-Type-Options") == "nosniff")
    expect("HEAD has no body", ask(port, "status", method="HEAD")[1] == "")


def token_of(text):
    match = re.search(r'name="token" value="(\w+)"', text)
    return match[1] if match else None


def post(port, action, form, **fields):
    return ask(port, action, "POST", urllib.parse.urlencode(form),
               Content_Type="application/x-www-form-urlencoded", **fields)


def test_purge(port, secret):
    ours = {"Authorization": secret, "Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    token = token_of(browse(port, Authorization=secret)[1])
    status_site.get(port, "/77", "www.example")
    form = {"token": token, "kind": "prefix", "text": f"http://www.example:{port}/77"}
    refused = (
        ("without the password", form, {**ours, "Authorization": basic("guess")}, 401),
        ("of another origin", form, {**ours, "Origin": "http://evil.example"}, 403),
        ("of no origin", form, {**ours, "Origin": "null"}, 403),
        ("from another site", form, {**ours, "Sec-Fetch-Site": "cross-site"}, 403),
        ("from a sister site", form, {**ours, "Sec-Fetch-Site": "same-site"}, 403),
        ("without the token", {**form, "token": ""}, ours, 200),
        ("with another token", {**form, "token": "0" * 64}, ours, 200),
        ("too large", {**form, "text": "x" * 20000}, ours, 413),
    )
    for what, sent, fields, status in refused:
        reply, text = post(port, "purge", sent, **fields)
        expect(f"a form {what} does nothing", reply.status == status and
               "has begun" not in text, (reply.status, text))
    reply, text = post(port, "purge", form, **ours)
    expect("ours purges", reply.status == 200 and "The purge has begun" in text, text)
    expect("what it says is escaped", "&lt;i&gt;" in
           post(port, "purge", {**form, "text": "<i>"}, **ours)[1])
    for body in (b"", b"&&=&%", b"token=%00", b"\0" * 16000, b"token=" + token.encode() + b"\0&kind=url&text=a\0b"):
        reply, text = ask(port, "purge", "POST", body, **{k.replace("-", "_"): v for k, v in ours.items()})
        expect(f"{body[:20]!r} is no form", reply.status == 200 and "has begun" not in text, text)
    reply, _ = ask(port, "purge", Authorization=secret)
    expect("GET purges nothing", reply.status == 303 and reply.getheader("Location") == ROOT, reply.status)


def test_scheme(port, tls_port):
    """By TLS, a page of plain HTTP may be anybody's; without it, we may stand behind who speaks it."""
    secret = {"Authorization": basic("secret")}

    def status(port, scheme, connection=None):
        return post(port, "purge", {}, connection=connection, Origin=f"{scheme}://127.0.0.1:{port}", **secret)[0].status

    context = ssl._create_unverified_context()
    for scheme, expected in (("https", 200), ("http", 403)):
        secure = http.client.HTTPSConnection("127.0.0.1", tls_port, timeout=20, context=context)
        have = status(tls_port, scheme, secure)
        expect(f"by TLS, a form of {scheme}", have == expected, have)
    expect("one of https by plain HTTP", status(port, "https") == 200)


def test_buttons(port):
    secret = basic("secret")
    expect("who did not sign in sees no form", token_of(browse(port)[1]) is None)
    expect("but where to", 'href="purge">Sign in' in browse(port)[1])
    expect("which asks for the password", ask(port, "purge")[0].status == 401)
    test_purge(port, secret)
    token = token_of(browse(port, Authorization=secret)[1])
    for act, mark in (("drain", "drained"), ("resume", "up")):
        form = {"token": token, "peer": "front", "act": act}
        reply, text = post(port, "drain", form, Authorization=secret)
        expect(f"{act} is done", reply.status == 200 and "Nothing was done" not in text, text)
        row = re.search(r"<tr [^\n]*front[^\n]*", browse(port)[1])[0]
        expect(f"the peer is {mark}", f">{mark}<" in row, row)
    text = post(port, "drain", {**form, "peer": "nobody"}, Authorization=secret)[1]
    expect("an unknown peer is said", "There is no such peer" in text, text)


# ---- in a browser

def chromium(*args):
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-chromium.")
    try:
        return subprocess.run([program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                               "--disable-dev-shm-usage", f"--user-data-dir={folder}", *args],
                              capture_output=True, timeout=90, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_in_browser(port):
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        print("there is no chromium: not tested in it")
        return
    url = f"http://127.0.0.1:{port}{ROOT}"
    before = len(re.findall("status_live", ask(port, "status.js")[1]))
    done = chromium("--enable-logging=stderr", "--virtual-time-budget=12000", "--dump-dom", url)
    dom = done.stdout.decode("utf-8", "replace")
    complaints = re.findall(r".*(?:Content Security|Uncaught|Refused).*", done.stderr.decode("latin-1"))
    expect("Chromium shows it", before and "<h2 id=\"sites\">" in dom, dom[:500])
    expect("the script ran", re.search(r'id="pause"[^>]*>Pause', dom) and
           not re.search(r'id="pause"[^>]*hidden', dom))
    expect("no script of a hostile URL did", "alert(1)" in dom and "<script>alert" not in dom)
    expect("nothing was refused", not complaints, complaints)


def shoot(folder):
    """Pictures for the documents."""
    with status_site.Site("cachemgr_passwd none purge drain\n", 6) as site:
        begin = time.monotonic()
        while time.monotonic() - begin < SHOT_S:
            site.load(20 + int(time.monotonic() - begin) % 60 // 3)
            if int(time.monotonic()) % 3 == 0:
                site.begin_slow()
            time.sleep(0.4)
        site.begin_slow()
        for name, size, more in (("wide", "1280,2220", ()), ("narrow", "500,2700", ("--force-dark-mode",))):
            picture = f"{folder}/status-{name}.png"
            chromium(f"--window-size={size}", f"--screenshot={picture}", *more,
                     f"http://127.0.0.1:{site.ports[0]}{ROOT}")
            if shutil.which("pngquant"):
                subprocess.run(["pngquant", "--force", "--output", picture, "64", picture], check=True)


def main():
    bobtail.skip_without_program()
    certificates.skip_without_openssl()
    if sys.argv[1:2] == ["--screenshots"]:
        shoot(sys.argv[2])
        return
    with status_site.Site(EXTRA) as site:
        site.load(40)
        for _ in range(20):
            status_site.get(site.ports[0], status_site.HOSTILE, status_site.SITES[0])
        test_page(site.ports[0])
        test_buttons(site.ports[0])
        test_scheme(*site.ports[:2])
        test_in_browser(site.ports[0])
    bobtail.finish()


main()
