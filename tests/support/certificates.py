# SPDX-License-Identifier: BSD-2-Clause
"""Certificates for a test, made by the openssl program as they are wanted."""
import os
import shutil
import subprocess
import sys

SKIP = 77


def skip_without_openssl():
    if not shutil.which("openssl"):
        print("skipped: there is no openssl")
        sys.exit(SKIP)


def run(*args, **options):
    done = subprocess.run(["openssl", *args], capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.decode()}")
    return done.stdout


class Authority:
    """A CA of its own in a folder: `pem` is its certificate, `issue` makes others."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.name = name
        self.pem = self.path(f"{name}.pem")
        self.key = self.path(f"{name}.key")
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self.key, "-out", self.pem, "-days", "30", "-subj", f"/CN={name} of the test")

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, file, names, subject=None, kind="ec", days=30, responder=None):
        """Writes FILE.pem and FILE.key, for host names (or addresses); returns both paths. responder: the
        URL that it names for OCSP; the file then holds the CA's certificate too."""
        cert, key, request = self.path(f"{file}.pem"), self.path(f"{file}.key"), self.path(f"{file}.csr")
        key_options = (["-newkey", "rsa:2048"] if kind == "rsa" else
                       ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        run("req", *key_options, "-nodes", "-keyout", key, "-out", request,
            "-subj", subject or f"/CN={names[0]}")
        alternatives = ",".join(
            ("IP:" if name.replace(".", "").isdigit() or ":" in name else "DNS:") + name
            for name in names)
        extensions = self.path(f"{file}.ext")
        with open(extensions, "w", encoding="ascii") as out:
            out.write(f"subjectAltName={alternatives}\n" if names else "basicConstraints=CA:FALSE\n")
            if responder:
                out.write(f"authorityInfoAccess=OCSP;URI:{responder}\n")
        run("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial",
            "-days", str(days), "-extfile", extensions, "-out", cert)
        if responder:
            with open(cert, "ab") as out, open(self.pem, "rb") as issuer:
                out.write(issuer.read())
        os.chmod(key, 0o644)  # started as root, the proxy becomes another user
        return cert, key

    def answer(self, file):
        """An OCSP answer, good for a week, about FILE.pem; written to FILE.pem.ocsp."""
        cert, request = self.path(f"{file}.pem"), self.path(f"{file}.request")
        run("ocsp", "-issuer", self.pem, "-cert", cert, "-reqout", request)
        self.answer_question(request, f"{cert}.ocsp", file)

    def answer_question(self, request, answer, file, revoked=False, signer=None):
        """Writes an answer, good for a week, to a question (both are files) by one who knows FILE.pem alone."""
        signer = signer or self
        cert, database = self.path(f"{file}.pem"), self.path(f"{file}.index")
        serial = run("x509", "-in", cert, "-noout", "-serial").decode().strip().partition("=")[2]
        state = "R\t491231235959Z\t200101000000Z" if revoked else "V\t491231235959Z\t"
        with open(database, "w", encoding="ascii") as out:
            out.write(f"{state}\t{serial}\tunknown\t/CN={file}\n")
        run("ocsp", "-index", database, "-rsigner", signer.pem, "-rkey", signer.key, "-CA", self.pem,
            "-reqin", request, "-respout", answer, "-ndays", "7")

    def revoke(self, *files):
        """A CRL of this CA with the certificates FILE.pem on it; returns its path."""
        database, settings = self.path(f"{self.name}.index"), self.path(f"{self.name}.cnf")
        with open(database, "w", encoding="ascii"):
            pass
        with open(settings, "w", encoding="ascii") as out:
            out.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={database}\ndefault_md=sha256\n"
                      "default_crl_days=30\n")
        base = ("ca", "-config", settings, "-cert", self.pem, "-keyfile", self.key)
        for file in files:
            run(*base, "-revoke", self.path(f"{file}.pem"))
        crl = self.path(f"{self.name}.crl")
        run(*base, "-gencrl", "-out", crl)
        return crl
