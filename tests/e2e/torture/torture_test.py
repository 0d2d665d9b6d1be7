#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Many bad clients, a bad origin and helpers that die, in several small worlds.

Each body that arrives whole must be that of its URL, each request must end in time, and the proxy
must stop by itself when it is told to, in the midst of it all.

    torture_test.py [SCENARIO ...]

TORTURE_SECONDS: how long each scenario lasts; TORTURE_SEED: other draws than by chance;
TORTURE_CLIENTS: how many at once; TORTURE_KEEP: a proxy that hangs is kept for a debugger."""
import os
import random
import shlex
import signal
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]
import bobtail  # pylint: disable=wrong-import-position
from client import Client, Wrong  # pylint: disable=wrong-import-position
from origin import Origin  # pylint: disable=wrong-import-position

SECONDS = float(os.environ.get("TORTURE_SECONDS", "3"))
NCLIENTS = int(os.environ.get("TORTURE_CLIENTS", "12"))
STOP_S = 40
COMMAND = bobtail.COMMAND

COMMON = """
visible_hostname torture.test
http_port 127.0.0.1:{port} accel defaultsite=torture.test vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver name=first connect-fail-limit=1000
acl PURGE method PURGE
cache_mgr nobody
pid_filename none
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log
shutdown_lifetime 1 seconds
read_timeout 6 seconds
request_timeout 5 seconds
client_lifetime 30 seconds
forward_timeout 5 seconds
connect_timeout 2 seconds
"""
ALLOW = "http_access allow all\n"
AUTH = """
auth_param basic program {folder}/users
auth_param basic children 3 startup=1 idle=1
auth_param basic credentialsttl 1 seconds
auth_param basic realm torture
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
url_rewrite_program {folder}/rewrite
url_rewrite_children 3 startup=1 idle=1 concurrency=5
"""
USERS = """#!/bin/sh
n=$(($$ % 40 + 5))
while read -r user password; do
	n=$((n - 1))
	[ $n = 0 ] && exit 0
	if [ "$user" = "$password" ]; then echo OK; else echo ERR; fi
done
"""
REWRITE = """#!/bin/sh
n=$(($$ % 60 + 5))
while read -r id url rest; do
	n=$((n - 1))
	[ $n = 0 ] && exit 0
	case $url in
	*/rw/*) echo "$id OK rewrite-url=${url%%/rw/*}/${url#*/rw/}" ;;
	*) echo "$id ERR" ;;
	esac
done
"""


class Scenario:
    def __init__(self, text, chaos=0.05, urls=20, **options):
        self.text, self.chaos, self.urls, self.options = text, chaos, urls, options


SCENARIOS = {
    "memory": Scenario(ALLOW + "workers 1\ncache_mem 1 MB\n"),
    "sharing": Scenario(ALLOW + "workers 3\ncache_mem 8 MB\n", chaos=0.01, urls=2),
    "disk": Scenario(
        ALLOW + "workers 2\ncache_mem 200 KB\nmaximum_object_size_in_memory 30 KB\n"
        "cache_dir ufs {folder}/cache 8 16 256\n",
        urls=5,
    ),
    "calm": Scenario(
        ALLOW + "workers 2\ncache_mem 2 MB\nmaximum_object_size_in_memory 30 KB\n"
        "cache_dir ufs {folder}/cache 30 16 256\nread_timeout 20 seconds\n",
        chaos=0,
        urls=5,
    ),
    "helpers": Scenario(
        AUTH + "workers 2\ncache_mem 1 MB\n", user="ann", rewrites=True, reloads=True
    ),
    "poor": Scenario(
        ALLOW + "workers 2\ncache_mem 1 MB\nrequest_timeout 1 seconds\nread_timeout 1 seconds\n"
        "connect_timeout 1 seconds\nclient_idle_pconn_timeout 1 seconds\n"
        "server_idle_pconn_timeout 1 seconds\nwrite_timeout 2 seconds\n"
        "request_start_timeout 1 seconds\n",
        chaos=0.1,
        descriptors=64,
        revives=True,
    ),
}


def write_script(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)


def torment(client, state):
    while not state["wrongs"] and not state["is_over"]:
        try:
            client.once()
        except Wrong as wrong:
            if not state["is_over"]:
                state["wrongs"].append(str(wrong))
        except Exception:  # pylint: disable=broad-except
            if not state["is_over"]:
                state["wrongs"].append(traceback.format_exc())


def disturb(proxy, origin, options, deadline):
    """Reloads, rotates, closes and opens the origin."""
    while time.monotonic() < deadline:
        time.sleep(0.3 + random.random() * 0.5)
        if options.get("reloads"):
            proxy.process.send_signal(random.choice((signal.SIGHUP, signal.SIGUSR1)))
        if options.get("revives"):
            origin.close()
            time.sleep(random.random() * 0.3)
            origin.open()


def complaints_of(proxy, status):
    output = proxy.output()
    if status != 0:
        return [f"it ended with status {status}:\n{output[-12000:]}"]
    return [output[-12000:]] if "Sanitizer" in output or "runtime error" in output else []


def stop(proxy):
    proxy.process.send_signal(signal.SIGTERM)
    try:
        return proxy.process.wait(STOP_S)
    except Exception:  # pylint: disable=broad-except
        if os.environ.get("TORTURE_KEEP"):
            print(f"it hangs: pid {proxy.process.pid}", flush=True)
            time.sleep(100000)
        proxy.process.kill()
        return "that of a proxy that does not stop"


def memory_kib(proxy):
    with open(f"/proc/{proxy.process.pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


def command_for(options):
    """Limits are for a shell to set, before the proxy changes its user."""
    limit = options.get("descriptors")
    if not limit:
        return COMMAND
    script = f'ulimit -n {limit}; exec {COMMAND} "$1"'
    return shlex.join(["sh", "-c", script, "torture"])


def run(name, scenario):
    port, origin_port = bobtail.free_ports(2)
    origin = Origin(origin_port, scenario.chaos)
    folder = bobtail.tempfile.mkdtemp(prefix="bobtail-torture.")
    os.chmod(folder, 0o777)
    write_script(f"{folder}/users", USERS)
    write_script(f"{folder}/rewrite", REWRITE)
    text = (COMMON + scenario.text).format(port=port, origin=origin_port, folder=folder)
    options, state, done, statuses = scenario.options, {"wrongs": [], "is_over": False}, {}, {}
    bobtail.COMMAND = command_for(options)
    with bobtail.Proxy(text, port) as proxy:
        deadline = time.monotonic() + SECONDS
        clients = [
            Client(
                port,
                scenario.urls,
                options.get("user"),
                options.get("rewrites", False),
                scenario.chaos == 0,
            )
            for _ in range(NCLIENTS)
        ]
        threads = [
            threading.Thread(target=torment, args=(client, state), daemon=True)
            for client in clients
        ]
        threads.append(
            threading.Thread(target=disturb, args=(proxy, origin, options, deadline), daemon=True)
        )
        for thread in threads:
            thread.start()
        while time.monotonic() < deadline and not state["wrongs"] and proxy.is_alive():
            time.sleep(0.1)
        kib = memory_kib(proxy) if proxy.is_alive() else 0
        state["is_over"] = True
        status = stop(proxy)
        wrongs = state["wrongs"] + complaints_of(proxy, status) + origin.complaints[:3]
        for client in clients:
            for act, n in client.done.items():
                done[act] = done.get(act, 0) + n
            for reply, n in client.statuses.items():
                statuses[reply] = statuses.get(reply, 0) + n
    bobtail.shutil.rmtree(folder, ignore_errors=True)
    origin.close()
    print(
        f"{name}: {sum(done.values())} acts, {origin.nrequests} at the origin, {kib} KiB, "
        f"replies {statuses}",
        flush=True,
    )
    for wrong in wrongs:
        print(f"{name}: {wrong}", flush=True)
    return not wrongs


def main():
    bobtail.skip_without_program()
    random.seed(os.environ.get("TORTURE_SEED"))
    names = sys.argv[1:] or list(SCENARIOS)
    sys.exit(0 if all([run(name, SCENARIOS[name]) for name in names]) else 1)


if __name__ == "__main__":
    main()
