#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the .vtc files of this folder (or those named) with varnishtest, a few at a time, each between
# scripted clients and origins with a proxy of its own. In the build directory:
#
#   run-vtc.sh [-v] [SUBJECT/BEHAVIOUR.vtc ...]
#
# BOBTAIL is the command that serves in the foreground when a configuration file's path follows it.
# run-squid.sh runs the same files against Squid, and sets PROXY_COMMAND and DIFFERENCES for that.
# A file sees these macros: proxy_start, port, origin_port, origin2_port, origin3_port, other_port,
# basic_ncsa_auth; ${testdir} is its own folder.
set -u

here=$(cd "$(dirname "$0")" && pwd)
support=$here/../support
export PROXY_COMMAND=${PROXY_COMMAND:-${BOBTAIL:-$PWD/bobtail -N -f}}
ncsa_auth=${BASIC_NCSA_AUTH:-$PWD/basic_ncsa_auth}
parallel=${VTC_PARALLEL:-4}

# Ports of a range that belongs to this file's place among those that run side by side.
free_ports() { # COUNT
	local first=$((20000 + ${VTC_SLOT:-0} * 1000))

	PYTHONPATH=$support python3 -c \
		'import bobtail, sys; print(*bobtail.free_ports(*map(int, sys.argv[1:])))' \
		"$1" $first $((first + 999))
}

end_proxies() { # STATE
	local pid

	[ -f "$1/pids" ] || return 0
	while read -r pid; do
		kill -INT "$pid" 2>/dev/null || continue
		for _ in $(seq 50); do
			kill -0 "$pid" 2>/dev/null || continue 2
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null
	done <"$1/pids"
}

run_one() { # FILE: its outcome is its exit status; what varnishtest said is in STATE/log
	local state=$2 status ports

	read -ra ports <<<"$(free_ports 5)"
	varnishtest -t 30 -l -D proxy_start="python3 $support/vtc_proxy.py $state" \
		-D port="${ports[0]}" -D origin_port="${ports[1]}" -D origin2_port="${ports[2]}" \
		-D origin3_port="${ports[3]}" -D other_port="${ports[4]}" \
		-D basic_ncsa_auth="$ncsa_auth" "$here/$1" >"$state/log" 2>&1
	status=$?
	end_proxies "$state"
	return $status
}

is_expected_to_differ() { # FILE
	[ -n "${DIFFERENCES:-}" ] && grep -q "^$1[[:space:]]" "$DIFFERENCES"
}

# One file: says how it went, and keeps the name of a failure in FAILURES.
judge() { # FILE
	local state status=0 word

	state=$(mktemp -d)
	run_one "$1" "$state" || status=$?
	word=$([ $status -eq 0 ] && echo passes || echo fails)
	if is_expected_to_differ "$1"; then
		case $status in
		0) echo "NOT OK: $1 passes, though $(basename "$DIFFERENCES") lists it" && echo "$1" >>"$FAILURES" ;;
		*) echo "ok: $1 differs as listed" ;;
		esac
	elif [ $status -eq 0 ]; then
		echo "ok: $1"
	else
		echo "NOT OK: $1 $word" && echo "$1" >>"$FAILURES"
		[ -n "${QUIET:-}" ] || grep -E '^(\*\*|----) ' "$state/log" | tail -n 12
	fi
	[ "${VERBOSE:-}" ] && cat "$state/log"
	rm -rf "$state"
}

if [ "${1:-}" = --judge ]; then
	judge "$2"
	exit 0
fi
if [ "${1:-}" = -v ]; then
	export VERBOSE=1
	shift
fi
if ! command -v varnishtest >/dev/null; then
	echo "skipped: there is no varnishtest (Debian: the package varnish)"
	exit 77
fi
if ! command -v "${PROXY_COMMAND%% *}" >/dev/null; then
	echo "skipped: there is no ${PROXY_COMMAND%% *}"
	exit 77
fi
# shellcheck disable=SC2046 # names without spaces
[ $# -gt 0 ] || set -- $(cd "$here" && find . -name '*.vtc' -printf '%P\n' | sort)
set -- "${@##*tests/e2e/}" # any path to a file of this folder will do
FAILURES=$(mktemp)
export FAILURES
printf '%s\n' "$@" | xargs -P "$parallel" --process-slot-var=VTC_SLOT -n 1 "$0" --judge
nfailed=$(wc -l <"$FAILURES")
rm -f "$FAILURES"
echo "$# files, $nfailed failures"
[ "$nfailed" -eq 0 ]
