#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The README's tour, made with what ./bootstrap run starts (tools/demo): two origins by host name,
# Debian's basic_ncsa_auth where it is there, a rewriter in Python, hits from memory, from disk after
# Ctrl-C and after kill -9, rows that sqlite3 reads and deletes. Runs in the build folder.
set -u
src=${srcdir:-.}
folder=$(mktemp -d "${TMPDIR:-/tmp}/bobtail-demo-XXXXXX")
db=$folder/cache/cache.db
demo=
unset http_proxy all_proxy

for tool in curl sqlite3 python3; do
	command -v $tool >/dev/null || {
		echo "SKIPPED: there is no $tool"
		exit 77
	}
done

fail() {
	echo "FAILED: $*"
	exit 1
}

clean_up() {
	status=$?
	# It may not lead its group yet.
	[ -z "$demo" ] || kill -s TERM -- "-$demo" 2>/dev/null || kill "$demo"
	wait
	[ $status = 0 ] || tail -n 40 "$folder"/*.log "$folder"/*.out
	rm -rf "$folder"
	exit $status
}
# Started in the background by a shell, this would be deaf to Ctrl-C, and all that it starts.
if [ -z "${HEARS_CTRL_C:-}" ]; then
	export HEARS_CTRL_C=1
	rmdir "$folder"
	exec python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv("/bin/sh", ["sh", *sys.argv[1:]])' "$0" "$@"
fi
trap clean_up EXIT
trap 'exit 143' INT TERM HUP

# ---- the demonstration, in a process group of its own, as a terminal gives it

choose_helper() {
	for helper in "${SQUID_ROOT:-}/usr/lib/squid/basic_ncsa_auth" /usr/lib/squid/basic_ncsa_auth; do
		if [ -x "$helper" ]; then
			echo "asking Debian's $helper"
			export BASIC_AUTH="$helper"
			return
		fi
	done
	echo "asking our basic_ncsa_auth: Debian's is not there"
}

start() {
	: >"$folder/demo.out" # what the last one said is not to be taken for this one's word
	python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setsid()
os.execvp(sys.argv[1], sys.argv[1:])' "$src/tools/demo" -b . -d "$folder" -p "$port" >"$folder/demo.out" 2>&1 &
	demo=$!
	soon grep -q 'Ctrl-C ends it' "$folder/demo.out" || fail 'the demonstration did not start'
}

# Ends it by SIGINT to the group; nothing that it started may stay.
press_ctrl_c() {
	kill -s INT -- "-$demo"
	wait "$demo"
	! kill -s 0 -- "-$demo" 2>/dev/null || fail 'something still runs after Ctrl-C'
	demo=
}

# Tries until COMMAND holds, for up to ten seconds.
soon() {
	tries=100
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

# ---- requests, and what is expected of them

# `ask CURL-ARGUMENTS`: heads and bodies to $reply.
ask() {
	reply=$(curl -sS -m 20 -D - "$@" | tr -d '\r')
}

# Each argument is the beginning of a line of the last reply.
expect() {
	for line; do
		echo "$reply" | grep -qF -- "$line" || fail "no '$line' in:
$reply"
	done
}

# `expect_log TAG URL`: the request of URL ended so.
expect_log() {
	soon has_logged "$1" "$2" || fail "access.log has no $1 for $2"
}

has_logged() {
	grep -F -- " $2 " "$folder/access.log" | grep -qF -- " $1 "
}

count_rows() {
	sqlite3 "$db" "SELECT count(*) FROM cache WHERE $1"
}

has_rows() {
	[ "$(count_rows "$1")" = "$2" ]
}

is_missed() {
	ask "$1"
	echo "$reply" | grep -qF 'X-Cache: MISS'
}

# ---- the tour

two_sites_by_name() {
	ask "$alpha/page"
	expect 'HTTP/1.1 200' 'X-Cache: MISS from demo.localhost' 'alpha.localhost /page' 'Page 1 that'
	ask "$beta/page"
	expect 'HTTP/1.1 200' 'X-Cache: MISS from demo.localhost' 'beta.localhost /page' 'Page 1 that'
}

hits_from_memory() {
	ask "$alpha/page"
	expect 'X-Cache: HIT from demo.localhost' 'Age: ' 'Page 1 that'
	expect_log TCP_MEM_HIT/200 "$alpha/page"
}

a_page_is_checked() {
	ask "$alpha/checked"
	expect 'X-Cache: MISS' 'ETag: '
	ask "$alpha/checked"
	expect 'HTTP/1.1 200' 'alpha.localhost /checked'
	expect_log TCP_REFRESH_UNMODIFIED/200 "$alpha/checked"
}

private_asks_for_a_password() {
	ask "$alpha/private/"
	expect 'HTTP/1.1 401' 'WWW-Authenticate: Basic realm='
	ask -u demo:wrong "$alpha/private/"
	expect 'HTTP/1.1 401'
	ask -u demo:demo "$alpha/private/"
	expect 'HTTP/1.1 200' 'For members.'
}

the_rewriter_answers() {
	ask -L "$alpha/old/page"
	expect 'HTTP/1.1 301' "Location: $alpha/new/page" 'HTTP/1.1 200' 'alpha.localhost /new/page'
	ask "$alpha/docs/page"
	expect 'HTTP/1.1 200' 'alpha.localhost /manual/page'
}

purge_makes_a_miss() {
	ask "$beta/page"
	expect 'X-Cache: HIT'
	ask -X PURGE "$beta/page"
	expect 'HTTP/1.1 200'
	ask "$beta/page"
	expect 'X-Cache: MISS' 'Page 2 that'
}

rows_in_sqlite3() {
	soon has_rows "url = '$alpha/page'" 1 || fail 'the page is not in the database'
	soon has_rows "url = '$alpha/new/page' AND status = 200 AND state = 'fresh'" 1 ||
		fail 'the page behind the rewriter is not in the database'
	has_rows "url LIKE '%/private/%' OR url LIKE '%/old/%'" 0 || fail 'too much is stored'
	sqlite3 "$db" "SELECT text FROM content WHERE url = '$alpha/page'" |
		grep -qF 'Page 1 that' || fail 'the body cannot be read'
}

# The sites count from 1 again after a restart, so an old number is from disk.
hits_from_disk() {
	ask "$alpha/page"
	expect 'X-Cache: HIT from demo.localhost' 'Page 1 that'
	expect_log TCP_HIT/200 "$alpha/page"
	ask "$beta/page"
	expect 'X-Cache: HIT from demo.localhost' 'Page 2 that'
}

deleting_a_row_purges() {
	sqlite3 "$db" "DELETE FROM cache WHERE url = '$alpha/page'"
	soon is_missed "$alpha/page" || fail 'the row is gone, and its page still a hit'
}

port=$(PYTHONPATH=$src/tests/support python3 -c 'import bobtail; print(*bobtail.free_ports(1, 19000, 19999))')
alpha=http://alpha.localhost:$port
beta=http://beta.localhost:$port
choose_helper
start
two_sites_by_name
hits_from_memory
a_page_is_checked
private_asks_for_a_password
the_rewriter_answers
purge_makes_a_miss
rows_in_sqlite3
press_ctrl_c
: >"$folder/access.log"
start
hits_from_disk
soon has_rows "url = '$beta/page'" 1
kill -KILL "$(cat "$folder/bobtail.pid")"
wait "$demo"
start
hits_from_disk
deleting_a_row_purges
press_ctrl_c
echo 'all steps passed'
