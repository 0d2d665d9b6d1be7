#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the same .vtc files against Squid itself (make check-squid). Where ours is meant to behave
# otherwise, squid-differences.txt names the file and the reason; a listed file that passes is a failure
# too. SQUID is the command that serves in the foreground when a configuration file's path follows it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
export PROXY_COMMAND=${SQUID:-/usr/sbin/squid -N -f}
export PROXY_PROBES=1 DIFFERENCES=$here/squid-differences.txt
exec "$here/run-vtc.sh" "$@"
