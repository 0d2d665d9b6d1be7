#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLS with the programs that people use: clients by OpenSSL and GnuTLS, origins by nginx and Python; each
version, resumption and ALPN. What is not installed is left out by name."""
import ctypes
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), HERE]
import bobtail
import certificates
import client
from small_origin import Origin

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-tls.")
CA = certificates.Authority(FOLDER)
HTTPS, PYTHON, NGINX_12, NGINX_13 = bobtail.free_ports(4)
REQUEST = b"GET /10 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
VERSIONS = ("1.2", "1.3")
NGINX = shutil.which("nginx") or next((path for path in ("/usr/sbin/nginx", "/sbin/nginx")
                                       if os.path.exists(path)), None)


def config(cert, key):
    peers = "".join(
        f"cache_peer 127.0.0.1 parent {port} 0 no-query originserver name={name} tls "
        f"ssldomain=origin.example sslcafile={CA.pem}\n"
        f"acl to_{name} urlpath_regex ^/{name}/\ncache_peer_access {name} allow to_{name}\n"
        for name, port in (("python", PYTHON), ("nginx12", NGINX_12), ("nginx13", NGINX_13)))
    return f"""
https_port 127.0.0.1:{HTTPS} accel defaultsite=a.example tls-cert={cert} tls-key={key}
{peers}
acl clients urlpath_regex ^/10
cache_peer 127.0.0.1 parent {PYTHON} 0 no-query originserver name=rest tls ssldomain=origin.example sslcafile={CA.pem}
cache_peer_access rest allow clients
http_access allow localhost
cache_mem 16 MB
access_log none
pid_filename none
visible_hostname proxy.test
workers 2
shutdown_lifetime 1 second
"""


def run(*words, text=b""):
    done = subprocess.run(words, input=text, capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode("latin-1")


# ---- clients: each yields what it saw for a version

def openssl():
    for version in VERSIONS:
        flag = "-tls" + version.replace(".", "_")
        base = ["openssl", "s_client", "-connect", f"127.0.0.1:{HTTPS}", "-servername", "a.example",
                "-CAfile", CA.pem, "-verify_return_error", flag, "-ign_eof"]
        saved = os.path.join(FOLDER, "session" + version)
        said = run(*base, "-sess_out", saved, text=REQUEST)
        assert "200 OK" in said and "Verify return code: 0" in said, said
        assert f"TLSv{version}" in said, said
        said = run(*base, "-sess_in", saved, text=REQUEST)
        assert "200 OK" in said and "Reused, TLSv" + version in said, said
        said = run(*base[:-1], "-alpn", "h2,http/1.1")
        assert "ALPN protocol: h2" in said, said


def gnutls_cli():
    for version in VERSIONS:
        base = ["gnutls-cli", "--x509cafile", CA.pem, "--sni-hostname=a.example",
                "--verify-hostname=a.example", "-p", str(HTTPS),
                f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}", "127.0.0.1"]
        said = run(*base, text=REQUEST)
        assert "200 OK" in said and f"(TLS{version}-" in said, said
        said = run(*base, "--alpn=h2", "--alpn=http/1.1")
        assert "Application protocol: h2" in said, said
        said = run(*base, "--resume", "--waitresumption", text=REQUEST)
        assert "This is a resumed session" in said, said


def curl():
    for version in VERSIONS:
        for http in ("1.1", "2"):
            said = run("curl", "-sS", "--noproxy", "*", "--cacert", CA.pem, f"--tlsv{version}",
                       "--tls-max", version, f"--http{http}", "--resolve",
                       f"a.example:{HTTPS}:127.0.0.1", "-w", " %{http_code} %{http_version}",
                       f"https://a.example:{HTTPS}/10")
            assert said == "x" * 10 + f" 200 {http}", said


CURL_GNUTLS = """
import ctypes, sys
curl = ctypes.CDLL(sys.argv[1])
curl.curl_easy_init.restype = ctypes.c_void_p
curl.curl_version.restype = ctypes.c_char_p
curl.curl_slist_append.restype = ctypes.c_void_p
easy = ctypes.c_void_p(curl.curl_easy_init())
where = ctypes.c_void_p(curl.curl_slist_append(None, sys.argv[4].encode()))
low = int(sys.argv[5])
assert b"GnuTLS" in curl.curl_version()
for option, value in ((10002, sys.argv[2].encode()), (10065, sys.argv[3].encode()), (10203, where),
                      (10177, b"*"), (84, ctypes.c_long(int(sys.argv[6]))), (45, ctypes.c_long(1)),
                      (32, ctypes.c_long(low | low << 16))):
    assert curl.curl_easy_setopt(easy, option, value) == 0, option
sys.stdout.flush()
sys.exit(curl.curl_easy_perform(easy))
"""


def curl_gnutls():
    for version, number in (("1.2", 6), ("1.3", 7)):
        for http in (2, 3):  # CURL_HTTP_VERSION_1_1, _2_0
            said = run(sys.executable, "-c", CURL_GNUTLS, "libcurl-gnutls.so.4",
                       f"https://a.example:{HTTPS}/10", CA.pem, f"a.example:{HTTPS}:127.0.0.1",
                       str(number), str(http))
            assert said == "x" * 10, (version, http, said)


def python():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = client.context(CA, version)
        made.set_alpn_protocols(["http/1.1"])
        with client.connect(made, HTTPS, "a.example") as connection:
            assert client.ask(connection, "/10") == (200, b"x" * 10)
            assert connection.selected_alpn_protocol() == "http/1.1"
            session = connection.session
        with client.connect(made, HTTPS, "a.example", session) as connection:
            assert client.ask(connection, "/10") == (200, b"x" * 10)
            assert connection.session_reused, version


def has_library(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


CLIENTS = (
    ("openssl s_client", openssl, True),
    ("gnutls-cli", gnutls_cli, shutil.which("gnutls-cli")),
    ("curl", curl, shutil.which("curl")),
    ("curl's library with GnuTLS", curl_gnutls, has_library("libcurl-gnutls.so.4")),
    ("Python's ssl", python, True),
)


# ---- origins

def serve_by_nginx(cert, key):
    path = os.path.join(FOLDER, "nginx.conf")
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_protocols TLSv{version}; ssl_certificate {cert}; "
        f"ssl_certificate_key {key}; location / {{ add_header Cache-Control no-store; "
        f"return 200 \"$ssl_protocol $ssl_session_reused\"; }} keepalive_requests 1; }}\n"
        for port, version in ((NGINX_12, "1.2"), (NGINX_13, "1.3")))
    with open(path, "w", encoding="ascii") as out:
        out.write(f"daemon off; pid {FOLDER}/nginx.pid; error_log stderr warn; worker_processes 1;\n"
                  "events { worker_connections 64; }\nhttp { access_log off;\n"
                  + "".join(f"{kind}_temp_path {FOLDER}/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) + servers + "}\n")
    return subprocess.Popen([NGINX, "-c", path, "-p", FOLDER, "-e", "stderr"])


def asks_nginx(made):
    for name, version in (("nginx12", "TLSv1.2"), ("nginx13", "TLSv1.3")):
        answers = []
        with client.connect(made, HTTPS, "a.example") as connection:
            client.eventually(name, lambda: client.ask(connection, f"/{name}/")[0] == 200)
            for _ in range(3):
                answers.append(client.ask(connection, f"/{name}/")[1].decode())
        assert all(answer.split()[0] == version for answer in answers), answers
        assert answers[-1].split()[1] == "r", answers  # nginx: "r" goes on, "." is new


def asks_python(made):
    for i in range(3):
        with client.connect(made, HTTPS, "a.example") as connection:
            assert client.ask(connection, "/10?%d" % i) == (200, b"x" * 10)


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = CA.issue("origin", ["origin.example"])
    context.load_cert_chain(*pair)
    nginx = serve_by_nginx(*pair) if NGINX else None
    made = client.context(CA)
    try:
        with Origin(PYTHON, context), bobtail.Proxy(config(*CA.issue("a", ["a.example"])),
                                                    HTTPS) as proxy:
            for name, meet, is_there in CLIENTS:
                print(name if is_there else f"left out, since it is not there: {name}", flush=True)
                if is_there:
                    meet()
            asks_python(made)
            if nginx:
                asks_nginx(made)
            else:
                print("left out, since it is not there: nginx")
            assert proxy.is_alive(), proxy.output()
            proxy.end()
            assert proxy.process.returncode == 0, proxy.output()
    finally:
        if nginx:
            nginx.terminate()
            nginx.wait()
    shutil.rmtree(FOLDER)


main()
