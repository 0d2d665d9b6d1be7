#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Upgrades of the program under load: nobody is refused or reset, no byte is wrong, downloads go on, the
process id stays, and what the old processes had comes back. A program that cannot be used changes nothing.

UPGRADES: how many (ten in `make endurance`)."""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import site_under_load as load  # pylint: disable=wrong-import-position
from site_under_load import bobtail, until  # pylint: disable=wrong-import-position

expect = bobtail.expect
NUPGRADES = int(os.environ.get("UPGRADES", "3"))


def install(source, program):
    """As a package does: beside it first."""
    shutil.copy(source, program + ".new")
    os.chmod(program + ".new", 0o755)
    os.rename(program + ".new", program)


def test_upgrades(site, program):
    clients = load.Clients(site.port)
    clients.run_on(300)
    clients.stop()
    before = site.descriptors()
    clients = load.Clients(site.port)
    clients.run_on(50)
    for i in range(NUPGRADES):
        kid = site.kids()[-1]
        install(load.PROGRAM, program)
        code, text = site.ctl("upgrade")
        expect(f"upgrade {i}", code == 0, text)
        with open(site.pid_file, encoding="ascii") as file:
            expect("the pid file is right", int(file.read()) == site.pid)
        expect("another process serves", site.kids()[-1] != kid, site.kids())
        clients.run_on(300)
    clients.stop()
    expect("nothing refused, reset or wrong", not clients.wrong, clients.wrong[:5])
    expect("downloads went on", clients.ndownloads >= 3, clients.ndownloads)
    print(f"   {clients.ndone} requests, {clients.ndownloads} downloads")
    expect("the old processes go", until(lambda: len(site.kids()) == 1), site.kids())
    # Idle connections to the origin come and go.
    expect("as many descriptors as before",
           until(lambda: site.descriptors()[0] == before[0]
                 and site.descriptors()[1] <= before[1] + 12, 20), (before, site.descriptors()))


def test_bad_programs(site, program):
    kids = site.kids()
    for what, text in (("exits at once", "#!/bin/sh\nexit 3\n"), ("is no program", "nonsense")):
        with open(program + ".bad", "w", encoding="ascii") as file:
            file.write(text)
        install(program + ".bad", program)
        code, output = site.ctl("upgrade")
        expect(f"a program that {what} is refused", code == 1, output)
        expect("and the old one serves on", site.kids() == kids and is_served(site))
    site.rewrite("no_such_directive at all\n")
    install(load.PROGRAM, program)
    code, output = site.ctl("upgrade")
    expect("a squid.conf that cannot be used is a reason, too", code == 1, output)
    expect("and the old one serves on", site.kids() == kids and is_served(site))
    site.rewrite()
    code, output = site.ctl("upgrade")
    expect("with both in order it works again", code == 0, output)


def is_served(site):
    clients = load.Clients(site.port, 1, 1, 0)
    served = until(lambda: clients.ndone > 4, 20)
    clients.stop()
    return served and not clients.wrong


def main():
    bobtail.skip_without_program()
    folder = tempfile.mkdtemp(prefix="bobtail-upgrade.")
    os.chmod(folder, 0o777)
    program = os.path.join(folder, "bobtail")
    install(load.PROGRAM, program)
    os.environ["BOBTAIL_PARENT"] = f"{program} --foreground -f"
    site = load.Site(folder, f"cache_dir ufs {folder}/store 64 16 256\nupgrade_lifetime 2 minutes")
    try:
        test_upgrades(site, program)
        test_bad_programs(site, program)
    finally:
        site.stop()
        shutil.rmtree(folder, ignore_errors=True)
    bobtail.finish()


if __name__ == "__main__":
    main()
