# SPDX-License-Identifier: BSD-2-Clause
"""bearer_jwt_auth: which tokens it takes, and which it must not."""
import base64
import hashlib
import hmac
import json
import subprocess
import time

from bundled_programs import Folder, Talk, expect, names_the_missing_file, run, survives


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, text=b""):
    return subprocess.run(["openssl", *arguments], input=text, capture_output=True, check=True).stdout


class Key:
    """A private key of openssl's, its JWK, and what it signs."""

    def __init__(self, folder, name, kind, *options):
        self.path, self.name, self.is_ec = folder.file(name), name, kind == "EC"
        openssl("genpkey", "-algorithm", kind, *options, "-out", self.path)
        der = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        if kind == "RSA":
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").split(b"=")[1].strip()
            self.jwk = {"kty": "RSA", "n": base64url(bytes.fromhex(modulus.decode())), "e": "AQAB"}
        elif kind == "EC":
            x, y = der[-64:-32], der[-32:]
            self.jwk = {"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)}
        else:
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(der[-32:])}
        self.jwk["kid"] = name

    def sign(self, text):
        if self.jwk["kty"] == "OKP":
            with open(self.path + ".in", "wb") as file:
                file.write(text)
            return openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", self.path + ".in")
        signature = openssl("dgst", "-sha256", "-sign", self.path, text=text)
        if not self.is_ec:
            return signature
        numbers, at = b"", 2  # DER: 30 LEN 02 LEN r 02 LEN s
        for _ in range(2):
            end = at + 2 + signature[at + 1]
            numbers += signature[at + 2 : end].lstrip(b"\0").rjust(32, b"\0")
            at = end
        return numbers


def token_of(sign, header, claims):
    """claims: a dict, or JSON as it is."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    parts = base64url(json.dumps(header).encode()) + "." + base64url(text.encode())
    return parts + "." + base64url(sign(parts.encode()))


def hs256(secret):
    return lambda text: hmac.new(secret, text, hashlib.sha256).digest()


def json_web_tokens():
    now = int(time.time())
    claims = {"sub": "joe", "exp": now + 600, "iss": "https://id.example", "aud": ["a", "w"], "scope": "r w"}
    secret = b"s" * 32
    with Folder() as folder:
        rsa = Key(folder, "rsa", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        small = Key(folder, "small", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
        curve = Key(folder, "ec", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        edwards = Key(folder, "ed", "ED25519")
        keys = [rsa.jwk, small.jwk, curve.jwk, edwards.jwk, {"kty": "oct", "kid": "h", "k": base64url(secret)}]
        keys += [{"kty": "oct", "kid": "short", "k": base64url(b"short")}, {"kty": "new"}, 7]
        keys += [{"kty": "oct", "use": "enc", "kid": "enc", "k": base64url(b"e" * 32)}]
        path = folder.file("keys", json.dumps({"keys": keys}))
        command = ["./bearer_jwt_auth", "-k", path, "-i", "https://id.example", "-a", "w", "-s", "r"]

        def good(name, header, sign):
            said, _ = run(command, [token_of(sign, header, claims)])
            expect(f"JWT: {name}", said[0].startswith('OK user="joe" ttl='), said)

        def bad(name, token, why, error="invalid_token"):
            said, _ = run(command, ["5 " + token + " 192.0.2.1"])
            expect(f"JWT: {name}", said == [f'5 ERR error={error} message="{why}"'], said)

        good("HS256", {"alg": "HS256", "kid": "h"}, hs256(secret))
        good("no kid", {"alg": "HS256"}, hs256(secret))
        good("RS256", {"alg": "RS256", "kid": "rsa"}, rsa.sign)
        good("ES256", {"alg": "ES256", "kid": "ec"}, curve.sign)
        good("EdDSA", {"alg": "EdDSA", "kid": "ed"}, edwards.sign)
        header, sign = {"alg": "HS256"}, hs256(secret)
        forged = "bad signature"
        for alg in ("none", "None", "", "HS257"):
            bad(f"alg {alg}", token_of(lambda _: b"", {"alg": alg}, claims), forged)
        modulus = base64.urlsafe_b64decode(rsa.jwk["n"] + "==")
        public = openssl("pkey", "-in", rsa.path, "-pubout")
        for guess in (public, modulus, rsa.jwk["n"].encode()):
            bad("a public key as a secret", token_of(hs256(guess), {"alg": "HS256", "kid": "rsa"}, claims), forged)
        bad("another's kid", token_of(sign, {"alg": "HS256", "kid": "rsa"}, claims), forged)
        bad("an RSA key that is too small", token_of(small.sign, {"alg": "RS256", "kid": "small"}, claims), forged)
        bad("a secret that is too short", token_of(hs256(b"short"), {"alg": "HS256", "kid": "short"}, claims), forged)
        bad("a key for encryption", token_of(hs256(b"e" * 32), {"alg": "HS256", "kid": "enc"}, claims), forged)
        bad("crit", token_of(sign, {"alg": "HS256", "crit": ["x"]}, claims), forged)
        bad("alg as a number", token_of(sign, {"alg": 256}, claims), forged)
        for change, why in (
            ({"exp": now - 3600}, "expired"), ({"exp": str(now + 600)}, "bad claims"),
            ({"nbf": now + 600}, "not valid yet"), ({"iss": "https://evil.example"}, "another issuer"),
            ({"iss": ["https://id.example"]}, "another issuer"), ({"aud": "x"}, "another audience"),
            ({"sub": ""}, "no user"), ({"sub": 7}, "bad claims"), ({"sub": "a\nOK user=b"}, "bad claims"),
            ({"sub": "a\0b"}, "bad claims"), ({"sub": "a" * 1000}, "bad claims"),
        ):
            bad(f"{change}"[:60], token_of(sign, header, {**claims, **change}), why)
        for absent, why in (("exp", "exp is missing"), ("iss", "another issuer"), ("aud", "another audience"),
                            ("sub", "no user")):
            less = {name: value for name, value in claims.items() if name != absent}
            bad(f"no {absent}", token_of(sign, header, less), why)
        bad("no scope", token_of(sign, header, {**claims, "scope": "x"}), "a scope is missing", "insufficient_scope")
        bad("a claim twice", token_of(sign, header, json.dumps(claims)[:-1] + ', "sub": "ann"}'), "bad claims")
        bad("no JSON", token_of(sign, header, "{"), "bad claims")
        bad("deep JSON", token_of(sign, header, '{"a":' * 3000 + "1" + "}" * 3000), "bad claims")
        whole = token_of(sign, header, claims)
        head, payload, signature = whole.split(".")
        bad("another payload", f"{head}.{payload[:-4]}AAAA.{signature}", forged)
        bad("half a signature", f"{head}.{payload}.{signature[:32]}", forged)
        for text in ("x", "a.b", "...", f"{whole}.x", f"{whole}=", f"{head}.{payload}", "!.!.!", "a" * 40000):
            bad(text[:20], text, "no JWT")
        more = ["-u", "email", "-n", "scope", "-n", "aud"]
        token = token_of(sign, header, {**claims, "email": 'j"oe@example'})
        said, messages = run([*command, *more], [token])
        passed_on = 'user="j\\"oe@example"', 'scope="r w"', 'aud="[\\"a\\",\\"w\\"]"'
        expect("claims that are passed on", all(text in said[0] for text in passed_on), said)
        expect("keys that are of no use are named", messages.count("left out") == 4, messages)
        survives("bearer_jwt_auth", command, "a.b", 'ERR error=invalid_token message="no JWT"')
        with Talk(*command) as talk:
            expect("before the change of keys", talk.ask(whole).startswith("OK"))
            folder.file("keys", '{"keys": []}')
            expect("keys that are taken away", talk.ask(whole).startswith("ERR"))
            folder.file("keys", json.dumps({"keys": keys}))
            expect("and given back", talk.ask(whole).startswith("OK"))
            folder.file("keys", "{")
            expect("a broken file changes nothing", talk.ask(whole).startswith("OK"))
        said, _ = run(command, [whole])
        expect("BH while the file is broken", path in said[0] and "BH" in said[0], said)
        missing = folder.file("none")
        names_the_missing_file("bearer_jwt_auth", ["./bearer_jwt_auth", "-k", missing], missing, whole)
