#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A port that another program has at the start is opened when that one leaves it: said once in the log,
listed by bobtailctl health until then, forgotten when a reload takes it out of squid.conf. In one
process and with a parent."""
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import bobtail  # noqa: E402
from bobtail import expect  # noqa: E402

CTL = os.environ.get("BOBTAILCTL", "./bobtailctl")


def ctl(proxy, *words):
    done = subprocess.run([CTL, "-f", proxy.config, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False, text=True)
    return done.returncode, done.stdout


def answers(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20)
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
    return True


def ports_come_and_go(command):
    good, taken, other = bobtail.free_ports(3)
    holders = [socket.create_server(("127.0.0.1", port)) for port in (taken, other)]
    folder = f"/tmp/bobtail-ports-{good}"
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    config = f"""
http_port 127.0.0.1:{good} accel defaultsite=www.example
http_port 127.0.0.1:{taken} accel defaultsite=www.example
http_port 127.0.0.1:{other} accel defaultsite=www.example
acl all_urls url_regex .
http_access deny all_urls
access_log none
cache_log {folder}/cache.log
pid_filename {folder}/pid
"""
    with bobtail.Proxy(config, good, command) as proxy:
        bobtail.expect_soon("health lists both", lambda: ctl(proxy, "health")[1].count("http_port ") == 2)
        code, text = ctl(proxy, "health")
        expect("with the reason, and fails", code == 1 and text.count("already in use") == 2, text)
        holders[0].close()
        bobtail.expect_soon("the first is served once it is free", lambda: answers(taken))
        bobtail.expect_soon("health has the other alone", lambda: ctl(proxy, "health")[1].count("http_port ") == 1)
        with open(proxy.config, "w", encoding="ascii") as file:
            file.write(config.replace(f"http_port 127.0.0.1:{other} ",
                                      f"# http_port 127.0.0.1:{other} "))
        code, text = ctl(proxy, "reconfigure")
        expect("a reload without the other", code == 0, text)
        expect("health is good", bobtail.wait_for(lambda: ctl(proxy, "health")[0] == 0),
               ctl(proxy, "health"))
        expect("both ports that are left serve", answers(good) and answers(taken))
        said = proxy.output()
        expect("it was said once a port", said.count("going on without it") == 2, said)
    holders[1].close()
    shutil.rmtree(folder)


bobtail.skip_without_program()
ports_come_and_go(None)
ports_come_and_go(bobtail.COMMAND.replace(" -N ", " --foreground "))
bobtail.finish()
