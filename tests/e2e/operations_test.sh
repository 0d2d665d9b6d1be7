#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The program as an operator meets it: start, reload, signals, -k, crash, stop. What is expected is
# Squid's (exit statuses, sentences), and what is better here: no refused connection in a reload, an old
# configuration that goes on when the new one is broken.
set -u

bobtail=$(realpath "${builddir:-.}/bobtail")
bobtailctl=$(realpath "${builddir:-.}/bobtailctl")
for tool in curl python3; do
	command -v "$tool" >/dev/null || { echo "no $tool here"; exit 77; }
done

dir=$(mktemp -d)
started=() # what this test started, to be ended with it
nfailed=0

cleanup() {
	local pid
	for pid in "${started[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	sleep 0.2
	for pid in "${started[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$dir"
}
trap cleanup EXIT

# ---- saying

check() { # WHAT STATUS
	if [ "$2" -eq 0 ]; then
		echo "ok: $1"
	else
		echo "NOT OK: $1"
		nfailed=$((nfailed + 1))
	fi
}

expect() { # WHAT EXPECTED GOT
	[ "$2" = "$3" ]
	check "$1 (expected '$2', got '$3')" $?
}

expect_text() { # WHAT PATTERN FILE
	grep -Eq -- "$2" "$3"
	check "$1" $?
}

give_up() {
	echo "$nfailed failed; the program said:"
	cat "$dir/out" "$dir/cache.log"
	exit 1
}

# ---- waiting, never longer than some seconds

wait_until() { # COMMAND...
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }
get() { curl -s -m 10 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1$2"; }
answers() { [ "$(get "$1" /x)" = 200 ]; }
refuses() { [ "$(get "$1" /x)" = 000 ]; }
kid_of() { pgrep -P "$1" | head -1; }
has_another_kid() { # PARENT OLD-KID
	local kid
	kid=$(kid_of "$1")
	[ -n "$kid" ] && [ "$kid" != "$2" ]
}

# ---- the parts

start_origin() {
	cat >"$dir/origin.py" <<-'EOF'
	import http.server, sys, time
	class Handler(http.server.BaseHTTPRequestHandler):
	    protocol_version = "HTTP/1.1"
	    def do_GET(self):
	        if self.path == "/slow":
	            time.sleep(1.5)
	        body = b"from the origin\n"
	        self.send_response(200)
	        self.send_header("Content-Length", str(len(body)))
	        self.send_header("Cache-Control", "max-age=60" if "kept" in self.path else "no-store")
	        self.end_headers()
	        self.wfile.write(body)
	    def log_message(self, *args):
	        pass
	http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
	EOF
	python3 "$dir/origin.py" "$1" &
	started+=($!)
	wait_until answers "$1" || { echo "the origin does not answer"; exit 99; }
}

write_config() { # FILE PORT... (the first port stays the same all along)
	local file=$1 port
	shift
	for port in "$@"; do
		echo "http_port 127.0.0.1:$port accel vhost"
	done >"$file"
	cat >>"$file" <<-EOF
	cache_peer 127.0.0.1 parent $origin_port 0 no-query originserver
	http_access allow all
	cache_dir ufs $dir/cache 64 16 256
	cache_log $dir/cache.log
	access_log stdio:$dir/access.log
	pid_filename $dir/pid
	coredump_dir $dir/cache
	workers 2
	shutdown_lifetime 5 seconds
	visible_hostname operations.test
	include $dir/secret.conf
	EOF
}

run_bobtail() { # ARGUMENT...: started in the background as $pid
	"$bobtail" "$@" -f "$conf" >>"$dir/out" 2>&1 &
	pid=$!
	started+=("$pid")
}

stop_bobtail() {
	kill -TERM "$pid"
	wait "$pid"
}

control() { # ACTION: -k; its words in $dir/control
	"$bobtail" -k "$1" -f "$conf" >"$dir/control" 2>&1
	echo $?
}

# ---- the tests

test_words() {
	"$bobtail" -v >"$dir/control"
	expect "-v succeeds" 0 $?
	expect_text "-v names a version as Squid does" '^Squid Cache: Version [0-9.]+ ' "$dir/control"
	"$bobtail" -h >"$dir/control" 2>&1
	expect "-h exits with 1" 1 $?
	"$bobtail" -Q >"$dir/control" 2>&1
	expect "an unknown option exits with 1" 1 $?
	expect_text "and is named" "FATAL: '-Q': unrecognized option" "$dir/control"
	"$bobtailctl" ban >"$dir/control" 2>&1
	expect "a group of commands is none" 2 $?
	expect_text "those of it are shown, with what they want" 'ban remove ADDRESS' "$dir/control"
	"$bobtailctl" ban --help >"$dir/control" 2>/dev/null
	expect "as its --help does" 0 $?
	expect_text "on stdout" 'ban remove ADDRESS' "$dir/control"
}

test_control_without_instance() {
	expect "-k parse" 0 "$(control parse)"
	expect_text "shows each line" 'Processing: http_access allow all' "$dir/control"
	"$bobtail" -k parse -f "$dir/none" >"$dir/control" 2>&1
	expect "-k parse without a file" 1 $?
	expect "says that and no more" 1 "$(grep -cE 'FATAL|WARNING' "$dir/control")"
	expect "-k check without a pid file" 1 "$(control check)"
	expect_text "says which" "FATAL: failed to open $dir/pid: \(2\) No such file" "$dir/control"
	echo 999999 >"$dir/pid"
	expect "-k shutdown with a stale pid file" 1 "$(control shutdown)"
	expect_text "says so" \
		'FATAL: failed to send signal 15 to Squid instance with PID 999999: \(3\)' "$dir/control"
	echo rubbish >"$dir/pid"
	expect "-k check with a malformed pid file" 1 "$(control check)"
	expect_text "says so" "FATAL: Malformed PID file \($dir/pid\)" "$dir/control"
	printf 'no_such_word 1\nnor_this 2\n' >>"$conf"
	expect "-k parse counts unknown directives" 2 "$(control parse)"
	expect "-k reconfigure of a broken file" 2 "$(control reconfigure)"
	expect_text "names the line" "$conf\([0-9]+\): unrecognized: 'nor_this'" "$dir/control"
	"$bobtail" -N -f "$conf" >"$dir/control" 2>&1
	expect "a start with a broken file" 2 $?
	"$bobtail" -N -f "$dir/missing" >"$dir/control" 2>&1
	expect "a start without a file" 1 $?
	write_config "$conf" "$port"
}

test_create_caches() {
	timeout 20 "$bobtail" -N -z -f "$conf" >"$dir/control" 2>&1
	expect "-z" 0 $?
	[ -s "$dir/cache/cache.db" ]
	check "-z makes the database" $?
	timeout 20 "$bobtail" --foreground -z -f "$conf" >"$dir/control" 2>&1
	expect "-z a second time" 0 $?
}

test_alone() {
	echo 999999 >"$dir/pid"
	pushd "$dir" >/dev/null || return
	conf=squid.conf run_bobtail -N
	popd >/dev/null || return
	wait_until answers "$port"
	check "-N serves; a stale pid file is no hindrance" $?
	[ "$nfailed" -eq 0 ] || give_up
	expect "the pid file names the process" "$pid" "$(cat "$dir/pid")"
	expect "and has mode 0644" 644 "$(stat -c %a "$dir/pid")"
	expect "-k check" 0 "$(control check)"
	"$bobtail" -N -f "$conf" >"$dir/control" 2>&1
	expect "a second start is refused" 1 $?
	expect_text "as Squid says it" \
		"FATAL: Squid is already running: Found fresh instance PID file \($dir/pid\) with PID $pid" \
		"$dir/control"
	sed "s,$dir/pid,$dir/pid2," "$conf" >"$dir/conf2"
	"$bobtail" -N -f "$dir/conf2" >"$dir/control" 2>&1
	expect "a port in use" 1 $?
	expect_text "is named" "127.0.0.1:$port: \([0-9]+\) Address already in use" "$dir/control"
	expect_text "and fatal" 'FATAL: Unable to open HTTP Socket' "$dir/control"
	answers "$port"
	check "the first one still serves" $?
	"$bobtailctl" -f "$conf" reconfigure
	expect "a relative path is found again from coredump_dir" 0 $?
}

test_door() {
	"$bobtailctl" -f "$conf" info >"$dir/control"
	expect "bobtailctl info" 0 $?
	expect_text "tells the pid" "^pid = $pid$" "$dir/control"
	"$bobtailctl" -f "$conf" counters >"$dir/control"
	expect_text "bobtailctl counters" '^client_http.requests = [1-9]' "$dir/control"
	get "$port" /kept >/dev/null
	"$bobtailctl" -f "$conf" purge "http://127.0.0.1:$port/kept" >"$dir/control"
	expect_text "bobtailctl purge removes" '^memory = 1$' "$dir/control"
	"$bobtailctl" --help >"$dir/control"
	expect "bobtailctl --help" 0 $?
	"$bobtailctl" --version >"$dir/control"
	expect "bobtailctl --version" 0 $?
	"$bobtailctl" --bogus >"$dir/control" 2>&1
	expect "bobtailctl with an unknown option" 2 $?
	"$bobtailctl" -f "$conf" dance >"$dir/control" 2>&1
	expect "an unknown command is wrong use" 2 $?
	expect "only the user may open the door" 600 "$(stat -c %a "$dir/pid.ctl")"
	head -c 200000 /dev/zero | tr '\0' 'a' |
		timeout 5 python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
try:
    s.sendall(sys.stdin.buffer.read()); s.recv(1)
except OSError:
    pass' "$dir/pid.ctl"
	expect "an endless line is cut off" 0 $?
}

test_drain() {
	local client begin
	curl -s -m 10 -o "$dir/body" "http://127.0.0.1:$port/slow" &
	client=$!
	sleep 0.4
	begin=$SECONDS
	expect "-k shutdown" 0 "$(control shutdown)"
	wait "$pid"
	expect "a stop is a success" 0 $?
	[ $((SECONDS - begin)) -lt 5 ]
	check "it ends with the last request, not with shutdown_lifetime" $?
	wait "$client"
	expect "the slow request was answered" 'from the origin' "$(cat "$dir/body")"
	[ ! -e "$dir/pid" ]
	check "the pid file is removed" $?
	expect_text "the log says what happened" 'Preparing for shutdown after [0-9]+ requests' \
		"$dir/cache.log"
	expect_text "to its end" 'Exiting normally\.' "$dir/cache.log"
	refuses "$port"
	check "the port is closed" $?
}

test_second_term() {
	local client begin
	run_bobtail -N
	wait_until answers "$port"
	python3 -c 'import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"); time.sleep(8)' "$port" &
	client=$!
	started+=("$client")
	sleep 0.4
	begin=$SECONDS
	kill -TERM "$pid"
	sleep 0.5
	kill -TERM "$pid"
	wait "$pid"
	expect "a second SIGTERM ends it, too" 0 $?
	[ $((SECONDS - begin)) -lt 4 ]
	check "without waiting" $?
	kill "$client"
}

# What the service manager hears goes to $dir/heard.
start_manager() {
	python3 -u -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777)
while True:
    print(s.recv(4096).decode().replace("\n", " "))' "$dir/manager" >"$dir/heard" &
	started+=($!)
	wait_until test -S "$dir/manager"
}

# New connections, one after the other, until $dir/load.stop appears; the failures are printed.
start_load() {
	rm -f "$dir/load.stop"
	python3 -c 'import http.client, os, sys
n = failed = 0
while not os.path.exists(sys.argv[2]):
    try:
        c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
        c.request("GET", "/x"); failed += c.getresponse().status != 200; c.close()
    except OSError:
        failed += 1
    n += 1
print(failed, "of", n) if failed or not n else print("none")' "$port" "$dir/load.stop" >"$dir/load" &
	load=$!
	started+=("$load")
}

stop_load() {
	touch "$dir/load.stop"
	wait "$load"
}

test_parent() {
	chmod 600 "$dir/secret.conf" # from here on the parent has to read it for the kid
	start_manager
	NOTIFY_SOCKET=$dir/manager run_bobtail --foreground -YC
	wait_until answers "$port"
	check "--foreground serves" $?
	expect "the pid file names the parent" "$pid" "$(cat "$dir/pid")"
	wait_until grep -q "READY=1 MAINPID=$pid" "$dir/heard"
	check "the manager hears READY" $?
	wait_until grep -q ' kid1| Process ID' "$dir/cache.log"
	check "the kid signs its lines" $?
}

test_reload() {
	start_load
	write_config "$conf" "$port" "$other_port"
	expect "-k reconfigure" 0 "$(control reconfigure)"
	wait_until answers "$other_port"
	check "a new port is opened" $?
	expect_text "the manager hears RELOADING" 'RELOADING=1 MONOTONIC_USEC=[0-9]+' "$dir/heard"
	write_config "$conf" "$port"
	"$bobtailctl" -f "$conf" reconfigure
	expect "bobtailctl reconfigure" 0 $?
	wait_until refuses "$other_port"
	check "a port that is no more is closed" $?
	for _ in $(seq 50); do
		kill -HUP "$pid"
	done
	wait_until grep -q 'Reconfiguring Squid Cache' "$dir/cache.log"
	check "the log says that it reads anew" $?
	echo 'no_such_word' >>"$conf"
	: >"$dir/heard"
	"$bobtailctl" -s "$dir/pid.ctl" reconfigure 2>/dev/null
	expect "a broken file fails bobtailctl reconfigure" 1 $?
	wait_until grep -q "unrecognized: 'no_such_word'" "$dir/cache.log"
	check "the log names the line" $?
	wait_until grep -q 'READY=1' "$dir/heard"
	check "the manager hears READY all the same" $?
	answers "$port"
	check "the old configuration goes on" $?
	write_config "$conf" "$port"
	stop_load
	expect "no connection failed meanwhile" none "$(cat "$dir/load")"
}

test_crash() {
	local kid
	kid=$(kid_of "$pid")
	kill -KILL "$kid"
	wait_until has_another_kid "$pid" "$kid"
	check "a crashed kid is started again" $?
	expect "and serves on the same socket" 200 "$(get "$port" /x)"
	kid=$(kid_of "$pid")
	kill -TTIN "$pid"
	wait_until has_another_kid "$pid" "$kid"
	check "SIGTTIN starts another kid" $?
	wait_until answers "$port"
	check "which serves" $?
}

test_rotate() {
	expect "-k rotate" 0 "$(control rotate)"
	wait_until test -e "$dir/access.log.0"
	check "the access log is rotated" $?
	wait_until test -e "$dir/cache.log.0"
	check "cache.log is rotated" $?
}

test_parent_stop() {
	local kid client
	kid=$(kid_of "$pid")
	curl -s -m 10 -o "$dir/body" "http://127.0.0.1:$port/slow" &
	client=$!
	sleep 0.4
	kill -TERM "$pid"
	wait "$pid"
	expect "SIGTERM to the parent is a success" 0 $?
	wait "$client"
	expect "and drains" 'from the origin' "$(cat "$dir/body")"
	is_gone "$kid"
	check "the kid ended first" $?
	expect_text "the manager hears STOPPING" 'STOPPING=1' "$dir/heard"
}

test_daemon() {
	local kid
	timeout 20 "$bobtail" -f "$conf" >"$dir/control" 2>&1
	expect "the daemon's launcher returns 0" 0 $?
	pid=$(cat "$dir/pid")
	started+=("$pid")
	answers "$port"
	check "the daemon serves by then" $?
	expect "it has no terminal" '?' "$(ps -o tty= -p "$pid" | tr -d ' ')"
	timeout 20 "$bobtail" -f "$conf" >"$dir/control" 2>&1
	expect "a second daemon's launcher returns 1" 1 $?
	kid=$(kid_of "$pid")
	expect "-k kill" 0 "$(control kill)"
	wait_until is_gone "$pid"
	check "ends the parent" $?
	wait_until is_gone "$kid"
	check "and leaves no orphan" $?
}

test_orphan() {
	local kid
	run_bobtail --foreground
	wait_until answers "$port"
	kid=$(kid_of "$pid")
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	wait_until is_gone "$kid"
	check "a kid whose parent died ends by itself" $?
}

read -r port other_port origin_port <<<"$(PYTHONPATH=$(dirname "$0")/../support python3 -c \
	'import bobtail; print(*bobtail.free_ports(3, 18000, 18999))')"
conf=$dir/squid.conf
echo 'via on' >"$dir/secret.conf"
write_config "$conf" "$port"
mkdir "$dir/cache"
if [ "$(id -u)" = 0 ]; then # the program will be somebody else
	id proxy >/dev/null 2>&1 && user=proxy || user=nobody
	chown "$user" "$dir" "$dir/cache"
fi
chmod 755 "$dir"
start_origin "$origin_port"

test_words
test_control_without_instance
test_create_caches
test_alone
test_door
test_drain
test_second_term
test_parent
test_reload
test_crash
test_rotate
test_parent_stop
test_daemon
test_orphan

[ "$nfailed" -eq 0 ] || give_up
