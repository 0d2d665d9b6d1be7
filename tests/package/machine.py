#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Inside a machine that systemd runs, with a Squid that serves a site: the package is installed beside it, takes over,
is reloaded, upgraded, gives back and is purged, all of it while clients ask. Started by machine_test.sh."""
import base64
import glob
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, "/packages")
from bobtail import expect, finish
from load import Load, Origin, get

PORT, ORIGIN = 80, 8000
SPOOL = "/var/spool/squid"
SQUID_CONF = f"""http_port {PORT} accel defaultsite=site.example
http_port 3128 accel defaultsite=site.example
cache_peer 127.0.0.1 parent {ORIGIN} 0 no-query originserver name=app
auth_param basic program /usr/lib/squid/basic_ncsa_auth /etc/squid/passwords
auth_param basic children 2
acl private urlpath_regex ^/private
acl known proxy_auth REQUIRED
http_access deny private !known
http_access allow all
cache_mem 8 MB
maximum_object_size_in_memory 0 KB
cache_dir ufs {SPOOL} 100 16 256
shutdown_lifetime 2 seconds
visible_hostname machine.example
pinger_enable off
"""
LOG = "/var/log/bobtail/access.log"
BOBTAIL_CONF = f"""include /etc/squid/squid.conf
pid_filename /run/bobtail/bobtail.pid
access_log stdio:{LOG}
cache_log /var/log/bobtail/cache.log
logfile_rotate 0
"""
APT = ["apt-get", "-qq", "-y", "-o", "Dpkg::Options::=--force-unsafe-io", "-o", "Dir::Etc::SourceList=/packages/later.list", "-o", "Dir::Etc::SourceParts=-",
       "-o", "APT::Sandbox::User=root"]


def ask(*argv, seconds=120):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False)
    done.text = done.stdout.decode(errors="replace").strip()
    return done


def run(*argv):
    began = time.monotonic()
    done = ask(*argv)
    print(f"$ {' '.join(argv)}    -> {done.returncode}, {time.monotonic() - began:.1f} s")
    if done.text:
        print("    " + done.text[-2500:].replace("\n", "\n    "))
    return done


def systemctl(*argv):
    return run("systemctl", "--no-pager", *argv)


def show(unit, name):
    return ask("systemctl", "show", "--value", "-p", name, unit).text


def is_active(unit):
    return show(unit, "ActiveState") == "active"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def server(target="/a", fields=""):
    """Who answers; the error's text when nobody does."""
    try:
        return get(PORT, target, fields)
    except OSError as error:
        return str(error)


def under_load(what, *argv, servers):
    """argv succeeds, no request fails meanwhile, and each of servers has answered some."""
    load = Load(PORT)
    time.sleep(1)
    done = run(*argv)
    time.sleep(1)
    load.stop()
    print(f"    requests: {load.servers}, failed: {len(load.failures)}")
    expect(f"{what}", done.returncode == 0, done.text)
    expect(f"{what}: no request fails", not load.failures, load.failures[:20])
    expect(f"{what}: who answers", set(load.servers) == set(servers), load.servers)


def files_below(folder):
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)


def children(pid):
    return [int(word) for word in read(f"/proc/{pid}/task/{pid}/children").split()]


def prepare_squid():
    write("/etc/squid/squid.conf", SQUID_CONF)
    write("/etc/squid/passwords", "ada:$apr1$bobtails$8PtP/sEPk0qjK.U4EaEUr/\n")
    write("/packages/later.list", "deb [trusted=yes] file:/packages/later ./\n")
    Origin(ORIGIN)
    systemctl("enable", "--now", "squid")
    expect("Squid serves", until(lambda: server() == "squid"), server())
    for number in range(20):
        get(PORT, f"/kept{number}")
    expect("Squid stores", until(lambda: len(files_below(SPOOL)) > 15), files_below(SPOOL))


def install():
    package = glob.glob("/packages/bobtail_*.deb")[0]
    under_load("install beside Squid", "apt-get", "-qq", "-y", "--no-install-recommends", "install", package,
               servers=["squid"])
    expect("the service has said that it is ready", is_active("bobtail.service"))
    done = run("systemd-analyze", "security", "--no-pager", "bobtail.service")
    expect("its sandbox is in the OK band", done.text.splitlines()[-1].rstrip().split()[-2] == "OK", done.text)


def take_over():
    done = run("bobtailctl", "takeover")
    expect("a configuration without Squid's ports is not taken", done.returncode == 1 and server() == "squid")
    write("/etc/bobtail/bobtail.conf", BOBTAIL_CONF)
    run("bobtail", "-k", "parse")
    done = run("bobtailctl", "takeover", "--dry-run")
    expect("--dry-run changes nothing", done.returncode == 0 and is_active("squid.service") and server() == "squid")
    stored = files_below(SPOOL)
    under_load("takeover", "bobtailctl", "takeover", servers=["squid", "bobtail"])
    expect("Bobtail serves, Squid is off", is_active("bobtail.service") and not is_active("squid.service") and
           show("squid.service", "UnitFileState") == "disabled")
    left = [path for path in stored if not os.path.exists(path)]
    expect("Squid's files are left alone", not [path for path in left if "swap.state" not in path], left)
    said = read("/var/log/bobtail/cache.log")
    expect("and it is said", f"cache_dir {SPOOL}: Squid's files there" in said, said[-3000:])


def serve():
    known = base64.b64encode(b"ada:secret").decode()
    expect("a helper says yes", server("/private", f"Authorization: Basic {known}\r\n") == "bobtail")
    expect("and no", ask("curl", "-sSo", "/dev/null", "-w", "%{http_code}", "-u", "ada:wrong",
                          f"http://127.0.0.1:{PORT}/private").text == "401")
    get(PORT, "/kept-by-bobtail")
    expect("the log has lines", until(lambda: "/kept-by-bobtail" in read(LOG)))
    expect("the cache has rows", until(lambda: "kept-by-bobtail" in ask("bobtailctl", "cache", "list").text))
    expect("nothing is missing", run("bobtailctl", "health").returncode == 0)


def serve_tls():
    """By a key that only root may read."""
    run("install", "-D", "-m", "644", "/packages/site.pem", "/etc/ssl/site.pem")
    run("install", "-D", "-m", "600", "/packages/site.key", "/etc/ssl/private/site.key")
    write("/etc/bobtail/bobtail.conf", BOBTAIL_CONF + "https_port 443 accel defaultsite=site.example "
          "tls-cert=/etc/ssl/site.pem tls-key=/etc/ssl/private/site.key\n")
    expect("a port more, by a reload", systemctl("reload", "bobtail").returncode == 0)
    done = ask("curl", "-sS", "--cacert", "/etc/ssl/site.pem", "--resolve", "site.example:443:127.0.0.1",
               "https://site.example/a")
    expect("TLS", done.text == "hello", done.text + run("bobtailctl", "health").text)
    write("/etc/bobtail/bobtail.conf", BOBTAIL_CONF)
    expect("and one less", systemctl("reload", "bobtail").returncode == 0)


def reload():
    pid = show("bobtail.service", "MainPID")
    under_load("systemctl reload", "systemctl", "reload", "bobtail", servers=["bobtail"])
    write("/etc/bobtail/bobtail.conf", BOBTAIL_CONF + "nonsense on stilts\n")
    expect("a broken file fails visibly", systemctl("reload", "bobtail").returncode != 0)
    expect("and changes nothing", server() == "bobtail" and is_active("bobtail.service"))
    write("/etc/bobtail/bobtail.conf", BOBTAIL_CONF)
    expect("it is whole again", systemctl("reload", "bobtail").returncode == 0)
    expect("the same process all the time", show("bobtail.service", "MainPID") == pid)


def upgrade():
    pid = show("bobtail.service", "MainPID")
    serving = children(pid)
    run(*APT, "update")
    under_load("apt-get upgrade", *APT, "-o", "Dpkg::Options::=--force-confold", "upgrade", servers=["bobtail"])
    expect("the later version is installed", "+later" in run("dpkg-query", "-W", "bobtail").text)
    expect("and runs, as the same service", show("bobtail.service", "MainPID") == pid and
           "deleted" not in os.readlink(f"/proc/{pid}/exe") and not set(serving) & set(children(pid)[-1:]),
           (pid, serving, children(pid), os.readlink(f"/proc/{pid}/exe")))
    expect("the configuration is mine", read("/etc/bobtail/bobtail.conf") == BOBTAIL_CONF)


def rotate():
    under_load("logrotate", "logrotate", "--force", "/etc/logrotate.d/bobtail", servers=["bobtail"])
    get(PORT, "/behind")
    expect("new lines go to a new file", until(lambda: "/behind" in read(LOG)) and "/behind" not in read(LOG + ".1") and
           "/kept-by-bobtail" in read(LOG + ".1"))


def give_back():
    under_load("takeover --back", "bobtailctl", "takeover", "--back", servers=["squid", "bobtail"])
    expect("Squid serves, Bobtail is off", server() == "squid" and is_active("squid.service") and
           not is_active("bobtail.service") and show("bobtail.service", "UnitFileState") == "disabled")
    expect("Squid's service is as it was", "bobtail" not in show("squid.service", "ExecStart") and
           not show("squid.service", "DropInPaths"), show("squid.service", "ExecStart"))
    write("/etc/squid/squid.conf", SQUID_CONF)
    expect("and it can be restarted", systemctl("restart", "squid").returncode == 0 and
           until(lambda: server() == "squid"))


def broken_back():
    expect("forth again", run("bobtailctl", "takeover").returncode == 0 and server() == "bobtail")
    write("/etc/squid/squid.conf", SQUID_CONF.replace("/usr/lib/squid/basic", "/nowhere/basic"))  # too much for Squid
    load = Load(PORT)
    done = run("bobtailctl", "takeover", "--back")
    load.stop()
    expect("a Squid that does not start: Bobtail goes on", done.returncode == 1 and server() == "bobtail" and
           not load.failures and is_active("bobtail.service"), (done.text, load.failures[:9]))
    expect("nor is it tried at the next boot", show("squid.service", "UnitFileState") == "disabled")
    write("/etc/squid/squid.conf", SQUID_CONF)


def squids_names():
    """The package with Squid's names, in the place of Squid, whose configuration stays."""
    run("dpkg", "--remove", "squid")
    run("dpkg", "--install", *glob.glob("/packages/bobtail-squid_*.deb"))
    for verb in ("parse", "check", "reconfigure", "rotate"):
        expect(f"squid -k {verb}", run("squid", "-k", verb).returncode == 0 and server() == "bobtail")
    expect("systemctl reload squid", systemctl("reload", "squid").returncode == 0 and server() == "bobtail")


def activate():
    """The port is systemd's, so that not even a restart loses anything."""
    write("/etc/systemd/system/bobtail.socket.d/ports.conf", f"[Socket]\nListenStream=\nListenStream={PORT}\n")
    systemctl("daemon-reload")
    systemctl("stop", "bobtail.service")
    expect("the socket is there", systemctl("enable", "--now", "bobtail.socket").returncode == 0)
    expect("a request starts the service", until(lambda: server() == "bobtail") and is_active("bobtail.service"))
    under_load("systemctl restart", "systemctl", "restart", "bobtail.service", servers=["bobtail"])


def hang():
    """A serving process that hangs is noticed by the watchdog."""
    expect("there is a watchdog", show("bobtail.service", "WatchdogUSec") not in ("0", "infinity"),
           show("bobtail.service", "WatchdogUSec"))
    write("/etc/systemd/system/bobtail.service.d/watchdog.conf", "[Service]\nWatchdogSec=2\n")
    systemctl("daemon-reload")
    systemctl("restart", "bobtail.service")
    pid = int(show("bobtail.service", "MainPID"))
    for child in children(pid):
        os.kill(child, signal.SIGSTOP)
    expect("the service is started anew", until(lambda: int(show("bobtail.service", "MainPID")) not in (0, pid), 60) and
           until(lambda: server() == "bobtail"), systemctl("status", "bobtail").text)
    expect("by the watchdog", show("bobtail.service", "NRestarts") == "1" and
           "atchdog timeout" in run("journalctl", "-b", "--no-pager", "-u", "bobtail.service", "-n", "40").text)


def purge():
    for unit in ("socket", "service"):
        run("rm", "-r", f"/etc/systemd/system/bobtail.{unit}.d")
    run("dpkg", "--purge", "bobtail-squid", "bobtail")
    systemctl("daemon-reload")
    found = run("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/packages", "-o", "-path", "/var/log/apt",
                "-o", "-path", "/var/log/dpkg.log", "-o", "-path", "/var/log/journal", ")", "-prune", "-o",
                "-name", "*bobtail*", "-print").text
    run_left = [path for folder in ("/run", "/tmp") for path in glob.glob(f"{folder}/**/*bobtail*", recursive=True)
                if not path.startswith("/tmp/bobtail-ports.")]  # the test's own
    expect("a purge leaves nothing behind", not found and not run_left and not show("bobtail.service", "FragmentPath"),
           (found, run_left))


for step in (prepare_squid, install, take_over, serve, serve_tls, reload, upgrade, rotate, give_back, broken_back, squids_names,
             activate, hang, purge):
    print(f"== {step.__name__}")
    step()
run("journalctl", "-b", "--no-pager", "-p", "warning", "-n", "40")
finish()
