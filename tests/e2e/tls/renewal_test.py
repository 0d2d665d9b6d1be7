#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Certificates that come, change and break while the program runs: they are in use within seconds,
without a reload, and open connections go on. With -N, and with a parent that alone may read keys."""
import concurrent.futures
import os
import shlex
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), HERE]
import bobtail
import certificates
from client import ask, connect, context, eventually, serial
from small_origin import Origin

bobtail.skip_without_program()
certificates.skip_without_openssl()

FOLDER = tempfile.mkdtemp(prefix="bobtail-tls.")


class Scene:
    """A running proxy with a certificate `main`, a port that waits for `later`, a folder DIR."""

    def __init__(self, mode):
        self.folder = os.path.join(FOLDER, mode)
        os.mkdir(self.folder)
        os.mkdir(self.path("ca"))
        self.ca = certificates.Authority(self.path("ca"))
        self.dir = self.path("dir")
        os.mkdir(self.dir)
        self.http, self.https, self.empty, self.origin = bobtail.free_ports(4)
        self.give("first", self.path("main"), ["a.example"])
        self.give_locked("locked1")
        with open(self.path("ask"), "w", encoding="ascii") as out:
            out.write(f"#!/bin/sh\n[ $1 = {self.dir}/locked.key ] && echo secret && sleep 100\n")
        os.chmod(self.path("ask"), 0o755)
        self.mode = mode

    def path(self, name):
        return os.path.join(self.folder, name)

    def give(self, name, to, names):
        """Makes a certificate and puts it where the proxy looks, as renewing programs do: each file
        at once. Only root may read the key when it is root that runs this."""
        for made, ending in zip(self.ca.issue(name, names), ("pem", "key")):
            os.chmod(made, 0o600 if os.getuid() == 0 and self.mode_is_parent() else 0o644)
            shutil.copy2(made, f"{to}.new")
            os.rename(f"{to}.new", f"{to}.{ending}")

    def give_locked(self, name):
        """One whose key has a password."""
        made = self.ca.issue(name, ["locked.example"])
        certificates.run("pkcs8", "-topk8", "-in", made[1], "-out", self.path("locked"), "-passout",
                         "pass:secret")
        os.chmod(self.path("locked"), 0o644)
        shutil.copy2(made[0], self.path("locked.cert"))
        os.rename(self.path("locked"), os.path.join(self.dir, "locked.key"))
        os.rename(self.path("locked.cert"), os.path.join(self.dir, "locked.pem"))

    def give_by_links(self, n):
        """The n-th of a name, as certbot does it: a link for each file, led to an archive that only root may enter."""
        archive, live = self.path("archive"), os.path.join(self.dir, "links.example")
        os.makedirs(archive, exist_ok=True)
        os.makedirs(live, exist_ok=True)
        for made, name in zip(self.ca.issue(f"links{n}", ["links.example"]), ("fullchain", "privkey")):
            shutil.copy(made, f"{archive}/{name}{n}.pem")
            if os.path.lexists(f"{live}/{name}.pem"):
                os.unlink(f"{live}/{name}.pem")
            os.symlink(f"../../archive/{name}{n}.pem", f"{live}/{name}.pem")
        if os.getuid() == 0 and self.mode_is_parent():
            os.chmod(archive, 0o700)

    def mode_is_parent(self):
        return getattr(self, "mode", "parent") == "parent"

    def config(self):
        user = "cache_effective_user nobody\n" if os.getuid() == 0 else ""
        return f"""
http_port 127.0.0.1:{self.http} accel defaultsite=a.example
sslpassword_program {self.path("ask")}
https_port 127.0.0.1:{self.https} accel defaultsite=a.example tls-cert={self.path("main.pem")} tls-key={self.path("main.key")} tls-cert-dir={self.dir}
https_port 127.0.0.1:{self.empty} accel defaultsite=a.example tls-cert={self.path("later.pem")} tls-key={self.path("later.key")}
cache_peer 127.0.0.1 parent {self.origin} 0 no-query originserver
http_access allow all
cache_mem 16 MB
access_log none
pid_filename none
visible_hostname proxy.test
workers 2
shutdown_lifetime 1 second
{user}"""

    def serial_now(self, name="a.example", port=None):
        with connect(context(self.ca), port or self.https, name) as connection:
            ask(connection, "/10")
            return serial(connection)


def a_renewed_certificate_is_shown_and_connections_go_on(scene):
    with connect(context(scene.ca), scene.https, "a.example") as old:
        before = serial(old)
        assert ask(old, "/10") == (200, b"x" * 10)
        scene.give("second", scene.path("main"), ["a.example"])
        took = eventually("the new certificate is shown", lambda: scene.serial_now() != before)
        print(f"   a renewed certificate took {took:.1f} s")
        for _ in range(6):
            assert scene.serial_now() != before, "by every worker"
        assert ask(old, "/10") == (200, b"x" * 10)


def a_broken_file_keeps_the_old_certificate(scene, proxy):
    before = scene.serial_now()
    with open(scene.path("main.pem"), "w", encoding="ascii") as file:
        file.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    eventually("the log says so", lambda: "going on with the certificate that" in proxy.output())
    assert scene.serial_now() == before
    scene.give("third", scene.path("main"), ["a.example"])
    eventually("it is mended", lambda: scene.serial_now() != before)


def a_port_without_a_certificate_heals(scene):
    try:
        scene.serial_now(port=scene.empty)
        raise AssertionError("a handshake without a certificate")
    except OSError as error:
        assert "ALERT" in str(error).upper(), error
    assert scene.serial_now()  # the others serve
    scene.give("later", scene.path("later"), ["a.example"])
    eventually("the port serves", lambda: scene.serial_now(port=scene.empty))


def a_new_file_in_the_folder_is_found(scene):
    scene.give("new", os.path.join(scene.dir, "new"), ["new.example"])
    eventually("its certificate is shown", lambda: scene.serial_now("new.example"))


def links_may_lead_to_others(scene):
    scene.give_by_links(1)
    eventually("the first is shown", lambda: scene.serial_now("links.example"))
    before = scene.serial_now("links.example")
    scene.give_by_links(2)
    eventually("the second is shown", lambda: scene.serial_now("links.example") != before)


def a_key_with_a_password_is_read_and_renewed(scene):
    before = scene.serial_now("locked.example")
    scene.give_locked("locked2")
    eventually("the new one is shown", lambda: scene.serial_now("locked.example") != before)


def check(mode, command):
    scene = Scene(mode)
    with Origin(scene.origin), bobtail.Proxy(scene.config(), scene.http, command) as proxy:
        try:
            a_renewed_certificate_is_shown_and_connections_go_on(scene)
            a_broken_file_keeps_the_old_certificate(scene, proxy)
            a_port_without_a_certificate_heals(scene)
            a_new_file_in_the_folder_is_found(scene)
            links_may_lead_to_others(scene)
            a_key_with_a_password_is_read_and_renewed(scene)
        except Exception:
            print(proxy.output())
            raise
    print("ok", mode)


def main():
    os.chmod(FOLDER, 0o755)
    program = shlex.split(bobtail.COMMAND)[0]
    commands = {"parent": f"{program} --foreground -d1 -f", "alone": f"{program} -N -d1 -f"}
    # Side by side, since both wait for the next look at the files most of the time.
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        for done in [pool.submit(check, *command) for command in commands.items()]:
            done.result()


try:
    main()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
