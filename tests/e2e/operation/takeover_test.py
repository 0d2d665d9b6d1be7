#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bobtailctl takeover with the Squid that is installed here, under load: no request fails; and back. Then the same
as services, by a systemctl that stands in for systemd's."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from bobtail import SKIP, expect, finish, free_ports, wait_for
from load import Load, Origin, get

SQUID = "/usr/sbin/squid"
CTL = os.path.abspath(os.environ.get("BOBTAILCTL", "./bobtailctl"))
PROGRAM = os.path.abspath("bobtail")
if not os.access(SQUID, os.X_OK) or "bobtail" in os.path.realpath(SQUID) or os.geteuid() != 0 or os.path.isdir(
        "/run/systemd/system"):
    print("skipped: needs root, a Squid, and no systemd")
    sys.exit(SKIP)
PORT, ORIGIN = free_ports(2)


def takeover(*options, before=()):
    done = subprocess.run([*before, CTL, "takeover", "--from", CONF, "--state", STATE, "--program", PROGRAM, *options],
                          capture_output=True, timeout=100)
    print(done.stdout.decode()[-1500:], done.stderr.decode()[-1500:])
    return done


def read_pid(path):
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return pid > 0
    except ProcessLookupError:
        return False


# What systemd would do, and in which order it was asked to. Squid's service starts as its drop-in says.
SYSTEMCTL = """#!/bin/sh
[ "$1" != --quiet ] || shift
case "$1" in restart | disable) echo "$*" >>{folder}/asked ;; esac
drop_in=/run/systemd/system/squid.service.d/bobtail-takeover.conf
wait_for_end() {{
    pid=$(cat "$1")
    shift
    "$@"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}}
case "$*" in
"is-active --quiet squid.service") kill -0 "$(cat {squid_pid})" ;;
"is-active --quiet "*) exit 3 ;;
"set-environment "*) echo "${{2:?}}" >{folder}/environment ;;
"unset-environment "*) rm {folder}/environment ;;
"show --value -p ExecStart squid.service")
    echo "{{ path={squid} ; argv[]={squid} -f {conf} -n {name} ; ignore_errors=no ; pid=0 }}" ;;
"enable "* | "reset-failed "* | daemon-reload) ;;
"restart bobtail.service") env $(cat {folder}/environment) {bobtail} -f {service} ;;
"restart squid.service")
    command=$(sed -n 's/^ExecStart=//p' "$drop_in" | tail -1)
    ${{command:?}}
    timeout 60 sh -c 'until [ -e {squid_pid} ]; do sleep 0.05; done' ;;
"disable --now bobtail.service") wait_for_end {folder}/service.pid {ctl} -f {service} shutdown ;;
"disable --now squid.service") wait_for_end {squid_pid} {squid} -f {conf} -n {name} -k shutdown ;;
*) exit 9 ;;
esac
"""
AS_ON_SYSTEMD = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$@"', "-"]


def test_services():
    global load
    service = f"{folder}/service.conf"
    os.mkdir(f"{folder}/bin")
    with open(f"{folder}/bin/systemctl", "w") as file:
        file.write(SYSTEMCTL.format(folder=folder, squid_pid=SQUID_PID, bobtail=PROGRAM, ctl=CTL, squid=SQUID,
                                    conf=CONF, service=service, name=f"t{os.getpid()}"))
    os.chmod(f"{folder}/bin/systemctl", 0o755)
    os.environ["PATH"] = f"{folder}/bin:" + os.environ["PATH"]
    with open(service, "w") as file:
        file.write("http_port 127.0.0.1:1 accel\n")
    done = takeover("--to", service, before=AS_ON_SYSTEMD)
    expect("a service without Squid's ports: nothing is done",
           done.returncode == 1 and b"has no port" in done.stderr and get(PORT, "/a") == "squid", done)
    with open(service, "w") as file:
        file.write(f"include {CONF}\n")
    done = takeover("--to", service, before=AS_ON_SYSTEMD)
    expect("nor with Squid's pid file", done.returncode == 1 and b"pid_filename of its own" in done.stderr, done)
    with open(service, "w") as file:
        file.write(f"include {CONF}\npid_filename {folder}/service.pid\nworkers 2\n")
    load = Load(PORT)
    time.sleep(0.5)
    forth = takeover("--to", service, before=AS_ON_SYSTEMD)
    time.sleep(0.5)
    load.stop()
    print("services: requests:", load.servers, "failed:", len(load.failures))
    expect("taken over as a service", forth.returncode == 0 and get(PORT, "/a") == "bobtail", forth)
    expect("without a failed request", not load.failures, load.failures[:20])
    load = Load(PORT)
    time.sleep(0.5)
    back = takeover("--back", "--to", service, before=AS_ON_SYSTEMD)
    time.sleep(0.5)
    load.stop()
    print("services back: requests:", load.servers, "failed:", len(load.failures))
    expect("back as a service", back.returncode == 0 and get(PORT, "/a") == "squid", back)
    expect("without a failed request either", not load.failures, load.failures[:20])
    with open(f"{folder}/asked") as file:
        asked = [line.strip() for line in file]
    expect("each serves before the other ends",
           asked == ["restart bobtail.service", "disable --now squid.service",
                     "restart squid.service", "disable --now bobtail.service"], asked)


folder = tempfile.mkdtemp(prefix="bobtail-takeover.")
os.chmod(folder, 0o777)
CONF, STATE, SQUID_PID = f"{folder}/squid.conf", f"{folder}/state", f"{folder}/squid.pid"
Origin(ORIGIN)
with open(CONF, "w") as file:
    file.write(f"""http_port 127.0.0.1:{PORT} accel defaultsite=site.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=app
http_access allow all
cache_mem 8 MB
access_log none
cache_log {folder}/cache.log
coredump_dir {folder}
pid_filename {SQUID_PID}
visible_hostname takeover.example
shutdown_lifetime 1 second
""")
load = None
try:
    subprocess.run([SQUID, "-f", CONF, "-n", f"t{os.getpid()}"], check=True, timeout=60)
    expect("Squid runs", wait_for(lambda: is_alive(read_pid(SQUID_PID))) and wait_for(
        lambda: socket.socket().connect_ex(("127.0.0.1", PORT)) == 0))
    expect("it is Squid's port", get(PORT, "/a") == "squid")

    dry = takeover("--dry-run")
    expect("--dry-run changes nothing", dry.returncode == 0 and b"would serve" in dry.stdout and
           not os.path.exists(STATE) and get(PORT, "/a") == "squid", dry)
    bad = subprocess.run([CTL, "takeover", "--from", CONF, "--state", STATE, "--program", "/bin/false"],
                         capture_output=True, timeout=100)
    expect("a Bobtail that does not start: Squid goes on",
           bad.returncode == 1 and get(PORT, "/a") == "squid" and is_alive(read_pid(SQUID_PID)), bad)

    load = Load(PORT)
    time.sleep(0.5)
    forth = takeover()
    time.sleep(0.5)
    load.stop()
    expect("taken over", forth.returncode == 0 and get(PORT, "/a") == "bobtail", forth)
    print("requests:", load.servers, "failed:", len(load.failures))
    expect("no request failed", not load.failures, load.failures)
    expect("Squid has ended", not is_alive(read_pid(SQUID_PID)))

    bobtail_pid = read_pid(f"{STATE}/bobtail.pid")
    load = Load(PORT)
    time.sleep(0.5)
    back = takeover("--back")
    time.sleep(0.5)
    load.stop()
    print("back: requests:", load.servers, "failed:", len(load.failures))
    expect("back", back.returncode == 0 and get(PORT, "/a") == "squid", back)
    expect("and no request failed", not load.failures, load.failures[:20])
    expect("Bobtail has ended", wait_for(lambda: not is_alive(bobtail_pid)))
    expect("it is over then", takeover("--back").returncode == 1)
    test_services()
finally:
    if load:
        load.is_over = True
    pids = [read_pid(SQUID_PID), read_pid(f"{STATE}/bobtail.pid"), read_pid(f"{folder}/service.pid")]
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGINT)  # without waiting for what has begun
    wait_for(lambda: not any(is_alive(pid) for pid in pids), 20)
    shutil.rmtree(folder, ignore_errors=True)
finish()
